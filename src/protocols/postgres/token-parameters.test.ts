import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rotatedTokens, testTokens, tokensFor } from '../../../test/support/tokens.ts';
import type { PlanTokens, TokenPlace } from '../../sql/token-values.ts';
import { message, parseClientMessage } from './messages.ts';
import { bindTokens } from './token-parameters.ts';
import { TokenScan } from './token-scan.ts';

const tokens = tokensFor(['phi.mrn'], rotatedTokens);
const old = testTokens.issue('phi.mrn', 'M-7');
const today = rotatedTokens.issue('phi.mrn', 'M-7');
const forged = old.slice(0, -1) + (old.endsWith('0') ? '1' : '0');

interface Sent {
  readonly formats?: readonly number[];
  readonly values: readonly (Uint8Array | string | null)[];
  readonly types?: readonly number[];
}

function bindMessage({ formats = [], values }: Sent): Uint8Array {
  return message('B', (body) => {
    body.cString('portal').cString('statement').int16(formats.length);
    for (const format of formats) body.int16(format);
    body.int16(values.length);
    for (const value of values) {
      if (value === null) body.int32(-1);
      else body.int32(Buffer.from(value as string).length).bytes(Buffer.from(value as string));
    }
    body.int16(1).int16(1);
  });
}

const place = (number: number, more: Partial<TokenPlace> = {}): PlanTokens['parameters'][number] => ({
  number,
  className: 'phi.mrn',
  use: 'compared',
  column: 'public.people.mrn',
  ...more,
});

/** Values as they are forwarded; or the code of the refusal. */
function bound(sent: Sent, parameters: PlanTokens['parameters'], refusesOthers = false): readonly (string | null)[] | string {
  const frame = bindMessage(sent);
  const parsed = parseClientMessage({ type: 'B'.charCodeAt(0), bytes: frame, body: frame.subarray(5) });
  assert.ok(parsed.kind === 'bind');
  const result = bindTokens(parsed, frame, sent.types ?? [], { parameters, refusesOthers }, tokens);
  if ('refused' in result) return result.refused.code;
  const again = parseClientMessage({ type: 'B'.charCodeAt(0), bytes: result.bytes, body: result.bytes.subarray(5) });
  assert.ok(again.kind === 'bind');
  assert.deepEqual([again.portal, again.statement], ['portal', 'statement']);
  assert.deepEqual(result.bytes.subarray(-4), frame.subarray(-4));
  const formats = 2 + 2 * (sent.formats?.length ?? 0);
  const found: (string | null)[] = [];
  let at = formats + 2;
  const view = Buffer.from(again.parameterBytes);
  for (let left = view.readUInt16BE(formats); left > 0; left -= 1) {
    const length = view.readInt32BE(at);
    found.push(length < 0 ? null : view.subarray(at + 4, at + 4 + length).toString('latin1'));
    at += 4 + Math.max(0, length);
  }
  return found;
}

const array = (...elements: readonly (string | null)[]): Buffer => {
  const head = Buffer.alloc(20);
  for (const [index, value] of [1, 0, 25, elements.length, 1].entries()) head.writeInt32BE(value, 4 * index);
  const parts = elements.flatMap((element) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(element === null ? -1 : element.length);
    return element === null ? [length] : [length, Buffer.from(element)];
  });
  return Buffer.concat([head, ...parts]);
};

describe('bound parameters', () => {
  it('are brought up to date where tokens are taken, in every format, and nowhere else', () => {
    for (const formats of [[], [0], [1], [1, 0, 1], [0, 1, 0]]) {
      assert.deepEqual(bound({ formats, values: [old, old, null] }, [place(1)]), [today, old, null]);
    }
    assert.deepEqual(bound({ values: ['M-7', today] }, [place(1), place(2)]), ['M-7', today]);
    assert.deepEqual(bound({ values: [old] }, [place(1), place(1, { use: 'opened' })]), [today]);
    assert.deepEqual(bound({ values: [old, forged] }, [place(1, { className: null }), place(2, { className: null })]), [today, forged]);
  });

  it('are refused when they are no tokens of the class, and when nothing else may be there', () => {
    for (const format of [0, 1]) {
      assert.equal(bound({ formats: [format], values: [forged] }, [place(1)]), 'token');
      assert.equal(bound({ formats: [format], values: [old] }, [place(1, { className: 'phi.other' })]), 'token');
      assert.equal(bound({ formats: [format], values: [old] }, [place(1), place(1, { className: 'phi.other' })]), 'token');
      assert.equal(bound({ formats: [format], values: [old] }, [place(1, { use: 'none' })]), 'token');
      assert.equal(bound({ formats: [format], values: ['M-7'] }, [place(1, { use: 'only' })]), 'token');
    }
    assert.deepEqual(bound({ values: [null] }, [place(1, { use: 'only' })]), [null]);
    const long = rotatedTokens.issue('phi.mrn', 'x'.repeat(57));
    assert.deepEqual(bound({ values: [long] }, [place(1)]), [long]);
    for (const use of ['opened', 'stored', 'only'] as const) assert.equal(bound({ values: [long] }, [place(1, { use })]), 'token');
    assert.equal(bound({ values: [rotatedTokens.issue('phi.mrn', 'x'.repeat(25))] }, [place(1, { use: 'stored', limit: 30 })]), 'token');
    assert.deepEqual(bound({ values: [today] }, [place(1, { use: 'stored', limit: 30 })]), [today]);
  });

  it('of arrays are looked at one by one', () => {
    const list = [place(1, { isArray: true })];
    assert.deepEqual(bound({ values: [`{${old},NULL,"a b","${old}"}`] }, list), [`{${today},NULL,"a b","${today}"}`]);
    assert.deepEqual(bound({ formats: [1], values: [array(old, null, 'x')] }, list), [array(today, null, 'x').toString('latin1')]);
    assert.equal(bound({ values: [`{${old},${forged}}`] }, list), 'token');
    assert.equal(bound({ formats: [1], values: [array('x', forged)] }, list), 'token');
    assert.equal(bound({ formats: [1], values: [array(old).subarray(0, -1)] }, list), 'token');
    // The target may read a token where we do not.
    for (const text of [
      `{\\${forged}}`,
      `{t\\ok${forged.slice(3)}}`,
      `{"t\\ok${forged.slice(3)}"}`,
      `{a${forged}}`,
      `{ tok_mrn_1"_${forged.slice(10)}}`,
    ]) {
      assert.equal(bound({ values: [text] }, list), 'token', text);
    }
  });

  it('under a type of which the target makes another text must not hold a token', () => {
    const ltree = 16_500;
    assert.equal(bound({ formats: [1], values: [`\u0001${forged}`], types: [ltree] }, [place(1)]), 'token');
    assert.equal(bound({ values: [old], types: [ltree] }, [place(1)]), 'token');
    assert.deepEqual(bound({ formats: [1], values: [Buffer.from([0, 0, 0, 7])], types: [23] }, [place(1)]), ['\0\0\0\u0007']);
    assert.equal(bound({ formats: [1], values: [Buffer.concat([Buffer.from([0xff]), Buffer.from(old)])] }, [place(1)]), 'token');
  });

  it('that are no places for tokens are looked at where an expression is stored', () => {
    assert.equal(bound({ values: ['x', `a ${old}`] }, [place(1)], true), 'token');
    assert.deepEqual(bound({ values: ['x', 'tok'] }, [place(1)], true), ['x', 'tok']);
    const uuid = Buffer.from('1c1137a64de78d0385031cc65645c0e6', 'hex');
    assert.equal(bound({ formats: [1], values: [uuid] }, [place(1, { use: 'none', inside: true })]), 'token');
    assert.equal(
      bound({ values: ['1c1137a6-4de7-8d03-8503-1cc65645c0e6'], types: [2950] }, [place(1, { use: 'none', inside: true })]),
      'token',
    );
    assert.deepEqual(
      bound({ values: ['1c1137a6-4de7-4d03-8503-1cc65645c0e6'], types: [2950] }, [place(1, { use: 'none', inside: true })]),
      ['1c1137a6-4de7-4d03-8503-1cc65645c0e6'],
    );
  });

  it('of any bytes are forwarded as they are, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), fc.boolean(), (bytes, isBinary, isArray) => {
        const result = bound({ formats: [isBinary ? 1 : 0], values: [bytes] }, [place(1, isArray ? { isArray } : {})]);
        return result === 'token' || (Array.isArray(result) && result[0] === Buffer.from(bytes).toString('latin1'));
      }),
    );
  });
});

describe('the data of COPY', () => {
  it('is known to hold a token wherever it is cut', () => {
    const data = Buffer.from(`1\tM-1\n2\t${old}\n`);
    for (let at = 0; at <= data.length; at += 1) {
      const scan = new TokenScan();
      assert.ok(scan.sees(data.subarray(0, at)) || scan.sees(data.subarray(at)), `${at}`);
    }
    const slow = new TokenScan();
    assert.ok([...data].some((byte) => slow.sees(Uint8Array.of(byte))));
  });

  it('may be anything else', () => {
    const scan = new TokenScan();
    assert.ok(!scan.sees(Buffer.from('1\ttok_mrn\ttok_mrn_1_abc\ttok_ of entry\n'.repeat(1000))));
  });
});
