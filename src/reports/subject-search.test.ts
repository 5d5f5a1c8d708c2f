import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryHeader } from '../core/event.ts';
import { findSubjectRequests, type SubjectEvidence } from './subject-search.ts';

type Facts = NonNullable<EntryHeader['facts']>;

const facts = (change: Partial<Facts> = {}): Facts => ({
  verbs: ['SELECT'],
  effects: ['read'],
  relations: [{ name: 'public.patients', access: 'read' }],
  classes: [],
  outputClasses: [],
  predicateClasses: [],
  unbounded: false,
  unknowns: [],
  subjects: ['patient'],
  ...change,
});

class Log {
  readonly entries: EntryHeader[] = [];

  request(change: Partial<EntryHeader> = {}, rows: number | null = 1, code = 'ok'): number {
    const seq = this.entries.length;
    const common = { v: 1 as const, ts: '2026-11-01T00:00:00.000Z', replica: 'main', session: 'ses_a', resource: { target: 'clinic' } };
    this.entries.push({ ...common, seq, type: 'request.intent', n: seq, action: 'query', facts: facts(), ...change });
    if (rows !== null)
      this.entries.push({
        ...common,
        seq: seq + 1,
        type: 'request.result',
        intent: seq,
        n: seq + 1,
        result: { rows, bytes: 1, code, ms: 1 },
      });
    return seq;
  }

  find(evidence: Partial<SubjectEvidence>, limit = 10, period: { sinceMs?: number; untilMs?: number } = {}) {
    const { entries } = this;
    const reader = {
      size: () => entries.length,
      async *entries(from: number, to: number) {
        yield* entries.slice(from, to);
      },
    };
    const columns = ['public.patients.id'];
    const all = { of: () => null, columns, columnsAt: () => columns, ...evidence };
    const query = { target: 'clinic', subject: 'patient', from: 0, to: entries.length, sinceMs: 0, untilMs: Infinity, limit, ...period };
    return findSubjectRequests(reader, query, all, new AbortController().signal);
  }
}

const nobody = { asked: false, returned: false, isClosed: true };

test('INVARIANT: only a closed record that does not have the value leaves a request out', async () => {
  const log = new Log();
  const [asked, closed, open, missing] = [log.request(), log.request(), log.request(), log.request()];
  const verdicts = new Map([
    [asked, { ...nobody, asked: true, returned: true }],
    [closed, nobody],
    [open, { ...nobody, isClosed: false }],
  ]);
  const found = await log.find({ of: (_, n) => verdicts.get(n) ?? null });
  assert.deepEqual(
    found.hits.map(({ seq, how }) => [seq, how]),
    [[asked, ['asked', 'returned']]],
  );
  assert.deepEqual(
    found.unsure.map(({ seq, why }) => [seq, why]),
    [
      [missing, 'not-indexed'],
      [open, 'not-by-key'],
    ],
  );
  assert.equal(found.touching, 4);
});

test('INVARIANT: what may have had tokens that cannot be made any more is a possible one', async () => {
  const log = new Log();
  const [before, after] = [log.request(), log.request()];
  const { unsure } = await log.find({ of: () => nobody, tokensMadeAt: (seq) => seq > before });
  assert.deepEqual(
    unsure.map(({ seq, why }) => [seq, why]),
    [[before, 'not-indexed']],
  );
  assert.ok(after > before);
  const renamed = log.request({ facts: facts({ classes: ['phi.old'] }) });
  const cut = log.request({ facts: facts({ cut: ['classes'] }) });
  const { unsure: others } = await log.find({ of: () => nobody, classNames: new Set(['phi.ssn']) });
  assert.deepEqual(
    others.map(({ seq }) => seq),
    [cut, renamed],
  );
});

test('what showed no row and changed nothing is no possible one; what was never answered is', async () => {
  const log = new Log();
  log.request({}, 0);
  log.request({ facts: facts({ effects: ['write'] }) }, 0, '57014');
  const written = log.request({ facts: facts({ effects: ['write'] }) }, 0);
  const cut = log.request({}, null);
  log.request({ action: 'prepare' });
  log.request({ resource: { target: 'other' } });
  log.request({ facts: facts({ subjects: ['doctor'] }) });
  const { subjects: _none, ...without } = facts();
  log.request({ facts: without });
  assert.deepEqual(
    (await log.find({})).unsure.map(({ seq }) => seq),
    [cut, written],
  );
});

test('INVARIANT: a failure whose message can hold a value, or that need not undo what came before, is a possible one', async () => {
  const log = new Log();
  const printed = log.request({}, 0, '22P02');
  const committed = log.request({ facts: facts({ verbs: ['UPDATE', 'COMMIT', 'SELECT'], effects: ['read', 'write'] }) }, 0, '57014');
  const called = log.request({ facts: facts({ effects: ['read', 'call'] }) }, 0, '57014');
  const changed = log.request({ facts: facts({ effects: ['write'] }) }, 0, '22P02');
  log.request({}, 0, '57014');
  log.request({}, 0, '40001');
  assert.deepEqual(
    (await log.find({})).unsure.map(({ seq }) => seq),
    [changed, called, committed, printed],
  );
});

test('entries out of order are found by their own time', async () => {
  const log = new Log();
  const at = (minute: number): string => `2026-11-01T00:0${minute}:00.000Z`;
  const [first, late, , second] = [3, 1, 9, 4].map((minute) => log.request({ ts: at(minute) }));
  const { unsure } = await log.find({}, 10, { sinceMs: Date.parse(at(1)), untilMs: Date.parse(at(9)) });
  assert.deepEqual(
    unsure.map(({ seq }) => seq),
    [second, late, first],
  );
});

test('before the columns were keys, what has rows of the subject today counts, and anything when that cannot be told', async () => {
  const log = new Log();
  const { subjects: _none, ...without } = facts();
  const visits = log.request({ facts: { ...without, relations: [{ name: 'public.visits', access: 'read' }] } });
  const scratch = log.request({ facts: { ...without, relations: [{ name: 'public.scratch', access: 'read' }] } });
  for (const [relations, expected] of [[['public.visits'], [visits]] as const, [null, [scratch, visits]] as const]) {
    const { unsure } = await log.find({ columnsAt: () => null, relations });
    assert.deepEqual(
      unsure.map(({ seq }) => seq),
      expected,
    );
  }
});

test('before the columns were keys, the relations decide, and a list that was cut counts as all', async () => {
  const log = new Log();
  const { subjects: _none, ...without } = facts();
  const named = log.request({ facts: without });
  log.request({ facts: { ...without, relations: [{ name: 'public.scratch', access: 'read' }] } });
  const cut = log.request({ facts: { ...without, relations: [], cut: ['relations'] } });
  const called = log.request({ facts: { ...without, relations: [], effects: ['read', 'call'] } });
  for (const columnsAt of [() => null, () => ['public.patients.old_id']]) {
    const { unsure } = await log.find({ columnsAt });
    assert.deepEqual(
      unsure.map(({ seq, why }) => [seq, why]),
      [called, cut, named].map((seq) => [seq, 'before-index']),
    );
  }
});

test('of many the newest are kept, and all are counted', async () => {
  const log = new Log();
  for (let left = 5; left > 0; left -= 1) log.request();
  const found = await log.find({ of: () => ({ ...nobody, returned: true }) }, 2);
  assert.deepEqual([found.hitCount, found.hits.map(({ seq }) => seq)], [5, [8, 6]]);
});
