// The suite every AuditLog with its AuditReader passes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { SallyportError } from '../../src/core/error.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import type { EntryDraft, EntryHeader } from '../../src/core/event.ts';
import type { AuditLog, AuditReader, EntryVariables, TemplateDraft, Ticket } from '../../src/core/ports.ts';

export interface AuditLogUnderTest {
  readonly log: AuditLog & AuditReader;
  /** Makes the next entry fail, kept on the disk or not; null when this log has no way to. */
  readonly fail: ((mode: 'drop' | 'persist') => void) | null;
  close(): Promise<void>;
}

const actor = { issuer: 'corp', subject: 'nurse-1', kind: 'person' } as const;
const draft: EntryDraft = { type: 'auth.ok', principal: actor, session: 'ses_a', n: 0, detail: { address: '127.0.0.1' } };

const intentDraft: TemplateDraft = {
  type: 'request.intent',
  principal: actor,
  session: 'ses_a',
  action: 'execute',
  statement: { normalised: 'select * from "Kr\u00e4nke" where id = $1', fingerprint: 'f1' },
};
const resultDraft: TemplateDraft = {
  type: 'request.result',
  session: 'ses_a',
  action: 'execute',
  result: { columns: [{ name: 'name', classes: ['person.name'], mask: 'partial' }] },
};
const shapes = [
  { type: 'int4', bytes: 4 },
  { type: 'Stra\u00dfe', bytes: -1 },
] as const;
const ofIntent = (n: number): EntryVariables => ({ n, statement: { bytes: 41, parameters: shapes } });
const ofResult = (n: number, intent: Ticket): EntryVariables => ({ n, intent, result: { rows: 2, bytes: 99, code: 'ok', ms: 0.125 } });

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

    check('posted entries hold the members of their template and their own, in the order of all calls', async ({ log }) => {
      const start = log.size();
      const intent = log.template(intentDraft);
      const result = log.template(resultDraft);
      const appended = log.append({ type: 'session.open', session: 'ses_a', n: 0 });
      const asked = log.post(intent, ofIntent(1));
      const settled = log.post(result, ofResult(2, asked));
      const last = log.append({ type: 'session.close', session: 'ses_a', n: 3 });
      assert.ok(settled > asked);
      await log.recorded(settled);
      assert.deepEqual([await appended, await last], [start, start + 3]);
      const headers = await readEntries(log, start + 1, start + 3);
      const members = headers.map(({ v: _v, seq: _seq, ts: _ts, replica: _replica, ...rest }) => rest);
      assert.deepEqual(members, [
        { ...intentDraft, n: 1, statement: { ...intentDraft.statement, bytes: 41, parameters: shapes } },
        { ...resultDraft, n: 2, intent: start + 1, result: { ...resultDraft.result, rows: 2, bytes: 99, code: 'ok', ms: 0.125 } },
      ]);
    });

    check('what was waited for is recorded, with all before it', async ({ log }) => {
      const intent = log.template(intentDraft);
      const tickets = Array.from({ length: 50 }, (_, n) => log.post(intent, ofIntent(n)));
      const waits = [tickets[40], tickets[3], tickets[49]].map((ticket) => log.recorded(ticket!));
      await Promise.all(waits);
      assert.deepEqual(
        tickets.map((ticket) => log.isRecorded(ticket)),
        tickets.map(() => true),
      );
      await log.recorded(tickets[0]!);
      await log.append(draft);
      const headers = await readEntries(log, log.size() - 51, log.size() - 1);
      assert.deepEqual(
        headers.map((header) => header.n),
        tickets.map((_, n) => n),
      );
    });

    check('a posted entry that nobody waits for is in the log soon', async ({ log }) => {
      const start = log.size();
      log.post(log.template(intentDraft), ofIntent(0));
      const deadlineMs = performance.now() + 5000;
      while (log.size() === start && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal((await readEntries(log, start, start + 1))[0]?.type, 'request.intent');
    });

    check('the payload of a template is sealed once and named by each entry, with the entry that it came with', async ({ log }) => {
      const payload = { kind: 'statement', bytes: Buffer.from("select 'Jane Roe'") } as const;
      const bytes = Buffer.from(payload.bytes);
      const intent = log.template(intentDraft, [{ ...payload, bytes }]);
      bytes.fill(0);
      const own = { kind: 'parameters', bytes: Buffer.from('Jane Roe') } as const;
      const start = log.size();
      for (const n of [0, 1, 2]) await log.recorded(log.post(intent, ofIntent(n), n === 1 ? [own] : []));
      await log.append(draft);
      const [first, second, third] = (await readEntries(log, start, start + 3)).map((header) => header.sealed ?? []);
      assert.deepEqual(
        second?.map((ref) => ref.kind),
        ['statement', 'parameters'],
      );
      assert.equal(first?.length, 1);
      for (const later of [second?.[0], third?.[0]]) assert.deepEqual(later, { ...first[0], first: start });
      assert.equal(third?.length, 1);
      assert.notEqual(await log.sealed(first[0]!), null);
    });

    check('variables that are not what they should be are refused, and take no index', async ({ log }) => {
      const intent = log.template(intentDraft);
      const result = log.template(resultDraft);
      const asked = log.post(intent, ofIntent(0));
      const { statement } = ofIntent(0);
      const ok = ofResult(1, asked);
      const wrong: [typeof intent, unknown][] = [
        [intent, { statement }],
        [intent, { n: -1, statement }],
        [intent, { n: 0.5, statement }],
        [intent, { n: '1', statement }],
        [intent, { n: 1 }],
        [intent, { n: 1, statement, result: ok.result }],
        [intent, { n: 1, statement: { bytes: -1, parameters: [] } }],
        [intent, { n: 1, statement: { bytes: '1,"x":2', parameters: [] } }],
        [intent, { n: 1, statement: { bytes: 1 } }],
        [intent, { n: 1, statement: { bytes: 1, parameters: [{ type: 'a\nb', bytes: 1 }] } }],
        [intent, { n: 1, statement: { bytes: 1, parameters: [{ type: '', bytes: 1 }] } }],
        [intent, { n: 1, statement: { bytes: 1, parameters: [{ type: 'int4', bytes: -2 }] } }],
        [intent, { n: 1, statement: { bytes: 1, parameters: [{ type: 7, bytes: 1 }] } }],
        [result, { ...ok, result: { ...ok.result, rows: NaN } }],
        [result, { ...ok, result: { ...ok.result, bytes: 2 ** 53 } }],
        [result, { ...ok, result: { ...ok.result, code: 'two words' } }],
        [result, { ...ok, result: { ...ok.result, code: '' } }],
        [result, { ...ok, result: { ...ok.result, ms: -1 } }],
        [result, { ...ok, result: { ...ok.result, ms: Infinity } }],
        [result, { ...ok, intent: 12_345 }],
        [result, { ...ok, intent: -1 }],
        [result, { ...ok, intent: 0.5 }],
      ];
      for (const [template, variables] of wrong) {
        assert.throws(() => log.post(template, variables as EntryVariables), hasCode('SP_AUDIT_ENTRY_INVALID'), JSON.stringify(variables));
      }
      const start = await log.append(draft);
      await log.recorded(log.post(result, { ...ok, note: 'free text' } as EntryVariables));
      await log.append(draft);
      const [header] = await readEntries(log, start + 1, start + 2);
      assert.equal(JSON.stringify(header).includes('free text'), false, 'what is not listed is not read');
      assert.equal(header?.intent, start - 1);
    });

    check('an intent is answered once, by its own session', async ({ log }) => {
      const asked = log.post(log.template(intentDraft), ofIntent(0));
      const stranger = log.template({ ...resultDraft, session: 'ses_b' });
      assert.throws(() => log.post(stranger, ofResult(0, asked)), hasCode('SP_AUDIT_ENTRY_INVALID'));
      const result = log.template(resultDraft);
      await log.recorded(log.post(result, ofResult(1, asked)));
      assert.throws(() => log.post(result, ofResult(2, asked)), hasCode('SP_AUDIT_ENTRY_INVALID'));
      const unanswered = log.post(log.template(intentDraft), ofIntent(2));
      await log.append({ type: 'session.close', session: 'ses_a', n: 3 });
      assert.throws(() => log.post(log.template(resultDraft), ofResult(4, unanswered)), hasCode('SP_AUDIT_ENTRY_INVALID'));
    });

    check('templates are held to the rules of entries', async ({ log }) => {
      const wrong: unknown[] = [
        { ...intentDraft, session: undefined },
        { ...intentDraft, n: 1 },
        { ...intentDraft, intent: 1 },
        { ...intentDraft, note: 'free text' },
        { ...intentDraft, type: 'heartbeat' },
        { ...intentDraft, statement: { normalised: 'x', bytes: 1, parameters: [] } },
        { ...intentDraft, statement: { text: 'x' } },
        { ...resultDraft, result: { rows: 1 } },
        { ...resultDraft, result: { columns: [{ name: 'a', classes: ['two words'], mask: 'x' }] } },
      ];
      for (const each of wrong)
        assert.throws(() => log.template(each as TemplateDraft), hasCode('SP_AUDIT_ENTRY_INVALID'), JSON.stringify(each));
      const long = (length: number): TemplateDraft => ({ ...intentDraft, statement: { normalised: 'x'.repeat(length) } });
      assert.throws(() => log.template(long(65_400)), hasCode('SP_AUDIT_ENTRY_TOO_LARGE'));
      const fits = log.template(long(60_000));
      const many = Array.from({ length: 1000 }, () => ({ type: 'timestamptz', bytes: 8 }));
      assert.throws(() => log.post(fits, { n: 0, statement: { bytes: 1, parameters: many } }), hasCode('SP_AUDIT_ENTRY_TOO_LARGE'));
      await log.recorded(log.post(fits, ofIntent(0)));
    });

    check('a template is over once it is released or its session is closed', async ({ log }) => {
      const released = log.template(intentDraft);
      log.release(released);
      log.release(released);
      const closed = log.template(intentDraft);
      const other = log.template({ ...intentDraft, session: 'ses_b' });
      await log.append({ type: 'session.close', session: 'ses_a', n: 0 });
      for (const template of [released, closed]) assert.throws(() => log.post(template, ofIntent(1)), hasCode('SP_AUDIT_ENTRY_INVALID'));
      await log.recorded(log.post(other, ofIntent(0)));
      await log.recorded(log.post(log.template(intentDraft), ofIntent(1)));
    });

    check('a change of template drafts and payloads after the call does not reach the log', async ({ log }) => {
      const columns = [{ name: 'name', classes: ['person.name'], mask: 'partial' }];
      const template = log.template({ ...resultDraft, result: { columns } });
      columns[0]!.name = 'forged';
      const asked = log.post(log.template(intentDraft), ofIntent(0));
      const bytes = Buffer.from('rows');
      const ticket = log.post(template, ofResult(1, asked), [{ kind: 'result', bytes }]);
      bytes.fill(0);
      await log.recorded(ticket);
      const index = await log.append(draft);
      const [header] = await readEntries(log, index - 1, index);
      assert.equal(header?.result?.columns?.[0]?.name, 'name');
    });

    for (const mode of ['drop', 'persist'] as const) {
      check(`after a fault (${mode}) what was posted is not recorded, waits are refused, and so is every later entry`, async (tested) => {
        if (tested.fail === null) return;
        const { log } = tested;
        const intent = log.template(intentDraft);
        const before = log.post(intent, ofIntent(0));
        await log.recorded(before);
        tested.fail(mode);
        const ticket = log.post(intent, ofIntent(1));
        await assert.rejects(log.recorded(ticket), hasCode('SP_AUDIT_UNWRITABLE'));
        assert.deepEqual([log.isRecorded(before), log.isRecorded(ticket), log.writable], [true, false, false]);
        assert.throws(() => log.post(intent, ofIntent(2)), hasCode('SP_AUDIT_UNWRITABLE'));
        await assert.rejects(log.recorded(ticket), hasCode('SP_AUDIT_UNWRITABLE'));
      });

      check(`after a fault (${mode}) every append is refused, and what was acknowledged stays readable`, async (tested) => {
        if (tested.fail === null) return;
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
