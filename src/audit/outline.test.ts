import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft } from '../core/event.ts';
import { decodeHeader, encodeDraft, encodeHeader } from './entry.ts';
import { decodeOutline } from './outline.ts';
import { encodeTemplate, encodeVariables } from './template.ts';

const stamp = { seq: 7, atMs: 1_700_000_000_123, replica: 'r1' };
/** Names that try to look like members of a header. */
const hostile = '","session":"ses_other","rows":99,"type":"x';
const principal = { issuer: hostile, subject: hostile, kind: 'agent' } as const;

const encoded = (draft: EntryDraft): Buffer => encodeHeader(encodeDraft(draft, 0), stamp, []);

/** What the header itself says of the members that an outline may have. */
function expected(bytes: Buffer): object {
  const { seq, ts, type, session, result } = decodeHeader(bytes, stamp.seq);
  return {
    seq,
    ts,
    type,
    session,
    ...(result === undefined
      ? {}
      : { result: { rows: result.rows, ...(result.columns === undefined ? {} : { columns: result.columns }) } }),
  };
}

describe('outlines of headers', () => {
  it('tells of statements and results what the header says, whatever names stand in it', () => {
    const columns = [
      { name: '"rows":5', classes: ['phi.ssn'], mask: 'redact' },
      { name: '],"code":"é"]', classes: [], mask: 'clear' },
      { name: '],"rows":7', classes: [], mask: 'clear' },
    ];
    for (const draft of [
      {
        type: 'request.intent',
        principal,
        session: 'ses_a',
        resource: { target: 'clinic', objects: [hostile] },
        statement: { normalised: `select ${hostile}`, bytes: 3, parameters: [{ type: hostile, bytes: 4 }] },
      },
      { type: 'request.result', principal, session: 'ses_a', result: { rows: 12, bytes: 1, columns, code: 'ok', ms: 0.5 } },
      { type: 'request.result', principal, session: 'ses_a', result: { rows: 0, bytes: 0, code: '42501', ms: 0 } },
    ] as const satisfies EntryDraft[]) {
      const bytes = encoded(draft);
      assert.deepEqual(decodeOutline(bytes, stamp.seq), expected(bytes));
    }
  });

  it('reads a result whose columns come before its rows, as posted entries have them', () => {
    const parts = encodeTemplate(
      {
        type: 'request.result',
        principal,
        session: 'ses_a',
        result: { columns: ['"rows":5', '],"rows":6', 'é'].map((name) => ({ name, classes: [], mask: 'clear' })) },
      },
      0,
    );
    const variables = encodeVariables(parts, { n: 1, intent: 0 as never, result: { rows: 42, bytes: 1, code: 'ok', ms: 1 } });
    const bytes = encodeHeader({ members: parts.head + variables, type: parts.type, session: parts.session }, stamp, []);
    assert.deepEqual(decodeOutline(bytes, stamp.seq), expected(bytes));
    assert.equal(decodeOutline(bytes, stamp.seq).result?.rows, 42);
  });

  it('gives every other header whole', () => {
    const bytes = encoded({ type: 'session.open', principal, session: 'ses_a', resource: { target: 'clinic' } });
    assert.deepEqual(decodeOutline(bytes, stamp.seq), decodeHeader(bytes, stamp.seq));
    const sessionless = encoded({ type: 'request.result', principal, result: { rows: 3, bytes: 0, code: 'ok', ms: 0 } });
    assert.deepEqual(decodeOutline(sessionless, stamp.seq), decodeHeader(sessionless, stamp.seq));
  });

  it('refuses bytes that are no header with that index', () => {
    const bytes = encoded({ type: 'request.intent', principal, session: 'ses_a' });
    for (const [wrong, seq] of [
      [bytes, 8],
      [bytes.subarray(0, 40), 7],
      [Buffer.from('{}'), 7],
    ] as const) {
      assert.throws(
        () => decodeOutline(wrong, seq),
        (fault) => fault instanceof SallyportError && fault.code === 'SP_AUDIT_CORRUPT',
      );
    }
  });
});
