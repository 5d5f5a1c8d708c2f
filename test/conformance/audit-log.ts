// The suite every AuditLog with its AuditReader passes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader } from '../../src/core/event.ts';
import type { AuditLog, AuditReader } from '../../src/core/ports.ts';

export interface AuditLogUnderTest {
  readonly log: AuditLog & AuditReader;
  /** Makes the next append fail, kept on the disk or not. */
  fail(mode: 'drop' | 'persist'): void;
  close(): Promise<void>;
}

const actor = { issuer: 'corp', subject: 'nurse-1', kind: 'person' } as const;
const draft: EntryDraft = { type: 'auth.ok', principal: actor, session: 'ses_a', n: 0, detail: { address: '127.0.0.1' } };

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof SallyportError && error.code === code;
}

/** Entries [from, to) as an array. */
export async function readEntries(log: AuditReader, from: number, to: number): Promise<EntryHeader[]> {
  const headers: EntryHeader[] = [];
  for await (const header of log.entries(from, to)) headers.push(header);
  return headers;
}

export function describeAuditLog(name: string, makeLog: () => Promise<AuditLogUnderTest>): void {
  const check = (title: string, run: (tested: AuditLogUnderTest) => Promise<void>): void => {
    it(title, async () => {
      const tested = await makeLog();
      try {
        await run(tested);
      } finally {
        await tested.close();
      }
    });
  };

  describe(`audit log: ${name}`, () => {
    check('overlapping appends get dense indexes in the order of the calls', async ({ log }) => {
      const start = log.size();
      const indexes = await Promise.all(
        Array.from({ length: 40 }, (_, n) =>
          log.append({ ...draft, n }, n % 3 === 0 ? [{ kind: 'statement', bytes: Buffer.from(`s${n}`) }] : []),
        ),
      );
      assert.deepEqual(
        indexes,
        Array.from({ length: 40 }, (_, n) => start + n),
      );
      const headers = await readEntries(log, start, start + 40);
      assert.deepEqual(
        headers.map((header) => header.n),
        Array.from({ length: 40 }, (_, n) => n),
      );
    });

    check('an appended entry can be read at once, with the fields the log adds', async ({ log }) => {
      const index = await log.append(draft);
      assert.equal(log.size(), index + 1);
      const [header] = await readEntries(log, index, index + 1);
      const { v, seq, ts, replica, ...rest } = header!;
      assert.deepEqual(rest, draft);
      assert.deepEqual([v, seq], [1, index]);
      assert.match(ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.notEqual(replica, '');
    });

    check('reading outside of the log yields only what exists', async ({ log }) => {
      const index = await log.append(draft);
      assert.deepEqual(
        (await readEntries(log, index, index + 1000)).map((header) => header.seq),
        [index],
      );
      assert.deepEqual(await readEntries(log, index + 1, index + 1000), []);
      assert.equal((await readEntries(log, -5, 1)).length, 1);
    });

    check('a draft with an unknown field, at any depth, is refused and takes no index', async ({ log }) => {
      const start = log.size();
      const refused: unknown[] = [
        { ...draft, note: 'free text' },
        { ...draft, principal: { ...actor, claims: { ssn: '1' } } },
        { type: 'request.result', result: { rows: 1, bytes: 1, code: 'ok', ms: 1, sample: ['x'] } },
        { ...draft, seq: 7 },
        { ...draft, sealed: [] },
        { type: 'no.such.type' },
        {},
      ];
      for (const wrong of refused) await assert.rejects(log.append(wrong as EntryDraft), hasCode('SP_AUDIT_ENTRY_INVALID'));
      assert.equal(log.size(), start);
      assert.equal(await log.append(draft), start, 'the log goes on');
    });

    check('text where a code belongs, control characters and oversized lists are refused', async ({ log }) => {
      const refused: EntryDraft[] = [
        { ...draft, detail: { reason: 'patient said: "no"' } },
        { ...draft, detail: { reason: 'x'.repeat(129) } },
        { ...draft, session: 'two words' },
        { ...draft, rules: ['a\nb'] },
        { ...draft, rules: Array.from({ length: 1001 }, () => 'r') },
        { ...draft, n: -1 },
        { ...draft, n: 0.5 },
      ];
      for (const wrong of refused) await assert.rejects(log.append(wrong), hasCode('SP_AUDIT_ENTRY_INVALID'));
    });

    check('the refusal of a draft names the field and not its value', async ({ log }) => {
      await assert.rejects(log.append({ ...draft, detail: { reason: 'Jane "Roe"' } }), (error: unknown) => {
        assert.ok(error instanceof SallyportError);
        assert.match(error.message, /detail\.reason/);
        assert.doesNotMatch(error.message, /Jane|Roe/);
        return true;
      });
    });

    check('entries that only the log writes are refused', async ({ log }) => {
      for (const type of ['log.opened', 'log.closed', 'heartbeat'] as const) {
        await assert.rejects(log.append({ type }), hasCode('SP_AUDIT_ENTRY_INVALID'));
      }
    });

    check('a header that does not fit is refused as too large, not cut', async ({ log }) => {
      const start = log.size();
      const statement = (length: number): EntryDraft => ({
        type: 'request.intent',
        statement: { normalised: 'x'.repeat(length), bytes: length, parameters: [] },
      });
      await assert.rejects(log.append(statement(65_500)), hasCode('SP_AUDIT_ENTRY_TOO_LARGE'));
      await assert.rejects(
        log.append(
          statement(30_000),
          Array.from({ length: 200 }, () => ({ kind: 'statement', bytes: new Uint8Array(1) }) as const),
        ),
        hasCode('SP_AUDIT_ENTRY_TOO_LARGE'),
      );
      assert.equal(log.size(), start);
      const index = await log.append(statement(60_000));
      const [header] = await readEntries(log, index, index + 1);
      assert.equal(header?.statement?.normalised?.length, 60_000);
    });

    check('a change of the draft or the payload after the call does not reach the log', async ({ log }) => {
      const detail: Record<string, string> = { reason: 'idle' };
      const bytes = Buffer.from('select 1');
      const appended = log.append({ ...draft, detail }, [{ kind: 'statement', bytes }]);
      detail['reason'] = 'forged';
      detail['ssn'] = 'x';
      bytes.fill(0);
      const index = await appended;
      const [header] = await readEntries(log, index, index + 1);
      assert.deepEqual(header?.detail, { reason: 'idle' });
    });

    check('payloads are named in the header, can be fetched sealed, and are not in the header', async ({ log }) => {
      const index = await log.append(draft, [
        { kind: 'statement', bytes: Buffer.from("select 'Jane Roe'") },
        { kind: 'parameters', bytes: new Uint8Array() },
      ]);
      const [header] = await readEntries(log, index, index + 1);
      assert.deepEqual(
        header?.sealed?.map((ref) => ref.kind),
        ['statement', 'parameters'],
      );
      assert.doesNotMatch(JSON.stringify(header), /Jane/);
      for (const ref of header?.sealed ?? []) {
        const found = await log.sealed(ref);
        assert.equal(found?.ciphertext.length, ref.bytes);
        assert.equal(createHash('sha256').update(found!.ciphertext).digest('hex'), ref.sha256);
        assert.match(ref.commitment, /^[0-9a-f]{64}$/);
        assert.equal(Buffer.from(found!.ciphertext).includes('Jane'), false);
      }
      const [first] = header?.sealed ?? [];
      assert.equal(await log.sealed({ sha256: 'f'.repeat(64), key: first!.key }), null);
      assert.equal(await log.sealed({ sha256: first!.sha256, key: '../../log/log' }), null);
    });

    check('an append whose signal has fired is refused and takes no index', async ({ log }) => {
      const start = log.size();
      await assert.rejects(log.append(draft, [], AbortSignal.abort(new Error('gone'))), /gone/);
      assert.equal(await log.append(draft), start);
    });

    for (const mode of ['drop', 'persist'] as const) {
      check(`after a fault (${mode}) every append is refused, and what was acknowledged stays readable`, async (tested) => {
        const { log } = tested;
        const index = await log.append(draft);
        assert.equal(log.writable, true);
        tested.fail(mode);
        await assert.rejects(log.append(draft), hasCode('SP_AUDIT_UNWRITABLE'));
        assert.equal(log.writable, false);
        await assert.rejects(log.append(draft), hasCode('SP_AUDIT_UNWRITABLE'));
        assert.equal((await readEntries(log, index, index + 1)).length, 1);
      });
    }
  });
}
