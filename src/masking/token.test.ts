import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  deriveTokenKey,
  MAX_TOKEN_VALUE_BYTES,
  meansToken,
  meansUuidToken,
  tokenPattern,
  TokenSpace,
  type TokenKeyState,
} from './token.ts';

const key = (id: string, state: TokenKeyState) => deriveTokenKey(id, state, `a secret with the name ${id}`, 'clinic');
const space = new TokenSpace([key('2', 'active')]);
/** What PostgreSQL can hold: no NUL, no lone surrogate. */
const text = fc.string({ unit: 'grapheme', maxLength: 200 }).filter((value) => !value.includes('\0') && value.isWellFormed());
const faultOf = (opened: ReturnType<TokenSpace['open']>): string => ('fault' in opened ? opened.fault : `value ${opened.value}`);

describe('tokens', () => {
  it('give their value back, and no other text does', () => {
    fc.assert(
      fc.property(text, (value) => {
        const token = space.issue('phi.mrn', value);
        const opened = space.open('phi.mrn', token);
        if (Buffer.byteLength(value) > MAX_TOKEN_VALUE_BYTES) assert.deepEqual(opened, { fault: 'one-way' });
        else {
          assert.deepEqual(opened, { value });
          assert.match(token, new RegExp(tokenPattern('phi.mrn', '2')));
        }
        assert.equal(space.issue('phi.mrn', value), token);
      }),
      { numRuns: 500 },
    );
  });

  it('do not tell how long a value is, but in steps', () => {
    const lengthOf = (bytes: number): number => space.issue('phi.mrn', 'x'.repeat(bytes)).length;
    const steps = new Map<number, number>();
    for (let bytes = 0; bytes <= 200; bytes += 1) steps.set(lengthOf(bytes), bytes);
    assert.deepEqual([...steps.values()], [24, 56, 200]);
  });

  it('are refused with any other character, class, label, key, or ending', () => {
    const token = space.issue('phi.mrn', 'M-1234');
    const [prefix = '', digits = ''] = token.split(/_(?=[0-9a-f]{80}$)/);
    for (let at = 0; at < digits.length; at += 1) {
      const other = digits[at] === '0' ? '1' : '0';
      assert.deepEqual(
        space.open('phi.mrn', `${prefix}_${digits.slice(0, at)}${other}${digits.slice(at + 1)}`),
        { fault: 'forged' },
        `${at}`,
      );
    }
    assert.equal(faultOf(space.open('hr.mrn', token)), 'forged');
    assert.equal(faultOf(space.open('phi.account', token)), 'forged');
    assert.equal(faultOf(space.open('phi.mrn', token.replace('_mrn_', '_account_'))), 'forged');
    assert.equal(faultOf(space.open('phi.mrn', token.replace('_2_', '_3_'))), 'forged');
    for (const broken of [
      token.toUpperCase(),
      ` ${token}`,
      `${token} `,
      token.slice(0, -1),
      `${token}00`,
      'tok_mrn_2_',
      'tok_',
      '',
      `${token}\n`,
    ]) {
      assert.equal(faultOf(space.open('phi.mrn', broken)), 'malformed', broken);
    }
    assert.equal(faultOf(space.open('phi.mrn', `${token}${'0'.repeat(64)}`)), 'forged');
    fc.assert(
      fc.property(text, (other) => 'fault' in space.open('phi.mrn', other)),
      { numRuns: 500 },
    );
  });

  it('of two targets, classes or keys never open each other', () => {
    const elsewhere = new TokenSpace([deriveTokenKey('2', 'active', 'a secret with the name 2', 'lab')]);
    const token = space.issue('phi.mrn', 'M-1234');
    assert.notEqual(elsewhere.issue('phi.mrn', 'M-1234'), token);
    assert.equal(faultOf(elsewhere.open('phi.mrn', token)), 'forged');
    // The MAC is of class and value together, with a separator that no class name has.
    assert.notEqual(space.issue('phi.m', 'rn:x').slice(-80), space.issue('phi.mrn', ':x').slice(-80));
  });
});

describe('token keys', () => {
  const before = new TokenSpace([key('1', 'active')]);
  const rotated = new TokenSpace([key('2', 'active'), key('1', 'decrypt-only')]);
  const expired = new TokenSpace([key('2', 'active'), { id: '1', state: 'expired', mac: '', stream: '' }]);
  const old = before.issue('phi.mrn', 'M-1234');

  it('stay readable after a rotation, until they expire', () => {
    assert.deepEqual(rotated.open('phi.mrn', old), { value: 'M-1234' });
    assert.deepEqual(rotated.renew('phi.mrn', old), { token: rotated.issue('phi.mrn', 'M-1234') });
    assert.ok(rotated.issue('phi.mrn', 'M-1234').startsWith('tok_mrn_2_'));
    assert.deepEqual(expired.open('phi.mrn', old), { fault: 'expired' });
    assert.deepEqual(expired.renew('phi.mrn', old), { fault: 'expired' });
  });

  it('leave tokens of long values as they are under the active key, and read none of an older one', () => {
    const long = 'x'.repeat(MAX_TOKEN_VALUE_BYTES + 1);
    const token = rotated.issue('phi.mrn', long);
    assert.deepEqual(rotated.renew('phi.mrn', token), { token });
    assert.deepEqual(rotated.renew('phi.mrn', before.issue('phi.mrn', long)), { fault: 'one-way' });
    assert.deepEqual(rotated.renew('phi.account', token), { fault: 'forged' });
  });

  it('are one active one and have different ids', () => {
    assert.throws(() => new TokenSpace([]));
    assert.throws(() => new TokenSpace([key('1', 'decrypt-only')]));
    assert.throws(() => new TokenSpace([key('1', 'active'), key('2', 'active')]));
    assert.throws(() => new TokenSpace([key('1', 'active'), key('1', 'expired')]));
  });

  it('are not printed', () => {
    assert.doesNotMatch(inspect(space, { depth: 9, showHidden: true }) + JSON.stringify(space), /[0-9a-f]{32}/);
  });
});

describe('texts that mean tokens', () => {
  it('begin as tokens do, or are UUIDs of version 8', () => {
    assert.ok(meansToken('tok_x'));
    assert.ok(!meansToken('token') && !meansToken(' tok_'));
    assert.ok(meansUuidToken('1c1137a6-4de7-8d03-8503-1cc65645c0e6') && meansUuidToken('{1C1137A64DE78D0385031CC65645C0E6}'));
    assert.ok(!meansUuidToken('1c1137a6-4de7-4d03-8503-1cc65645c0e6') && !meansUuidToken(''));
    // PostgreSQL takes a hyphen after every four digits, and UUIDs in arrays.
    assert.ok(meansUuidToken('1c11-37a6-4de7-8d03-8503-1cc6-5645-c0e6'));
    assert.ok(meansUuidToken('{1c1137a6-4de7-4d03-8503-1cc65645c0e6, "1c1137a6-4de7-8d03-8503-1cc65645c0e6"}'));
  });
});
