import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from './queries.ts';
import { timeline } from './timeline.ts';

let next = 0;
const entry = (type: string, fields: object = {}): Entry => {
  const seq = (next += 1);
  return { v: 1, seq, ts: new Date(1_800_000_000_000 + seq * 1000).toISOString(), type, replica: 'main', ...fields };
};
const statement = { normalised: 'DELETE FROM visits WHERE id = ?', bytes: 31 };
const facts = { verbs: ['DELETE'], effects: ['write'], relations: [{ name: 'public.visits' }], unknowns: [] };
const of = { action: 'query', statement, facts };
const approval = 'apr_a';
const heldStory = (): Entry[] => [
  entry('approval.requested', { approval }),
  entry('request.held', { ...of, approval, decision: 'hold', reasons: ['rule'], rules: ['every-write'] }),
  entry('approval.preview', { approval }),
];
const answered = (verdict: 'approve' | 'deny'): Entry =>
  entry('approval.answered', { approval, answer: { by: { issuer: 'corp', subject: 'olivia', kind: 'person' }, verdict } });

test('a statement and its result are one step, with the reason for each mask', () => {
  const intent = entry('request.intent', { ...of, decision: 'allow' });
  const columns = [
    { name: 'number', classes: ['phi.ssn'], mask: 'redact', sources: ['public.patients.ssn'] },
    { name: 'id', classes: [], mask: 'clear' },
  ];
  const result = entry('request.result', { intent: intent.seq, result: { rows: 3, ms: 1.5, code: 'ok', columns } });
  const [step, ...others] = timeline([intent, result]);
  assert.deepEqual(others, []);
  assert.deepEqual([step?.rows, step?.ms, step?.code, step?.decision], [3, 1.5, 'ok', 'allow']);
  assert.deepEqual(
    step?.columns.map(({ sources }) => sources),
    [['public.patients.ssn'], []],
  );
  assert.deepEqual(step?.entries, [intent.seq, result.seq]);
});

test('held, approved, run: one step from the question to the result, which names who approved', () => {
  const before = heldStory();
  const intent = entry('request.intent', { ...of, approval, decision: 'allow' });
  const result = entry('request.result', { intent: intent.seq, result: { rows: 1, ms: 8, code: 'ok' } });
  const all = [...before, answered('approve'), entry('approval.used', { approval }), intent, result];
  const steps = timeline(all);
  assert.equal(steps.length, 1);
  assert.equal(steps[0]?.kind, 'statement');
  assert.equal(steps[0]?.seq, before[0]?.seq);
  assert.deepEqual([steps[0]?.decision, steps[0]?.code, steps[0]?.approval], ['hold', 'ok', approval]);
  assert.deepEqual(steps[0]?.answers, [{ by: 'olivia', verdict: 'approve' }]);
  assert.deepEqual(
    steps[0]?.entries,
    all.map(({ seq }) => seq),
  );
});

test('held and denied, not answered in time, or cancelled: one step', () => {
  for (const reason of ['approval-denied', 'approval-expired', 'approval-void', 'cancelled']) {
    const denied = entry('request.denied', { ...of, decision: 'deny', reasons: [reason] });
    const steps = timeline([...heldStory(), answered('deny'), denied]);
    assert.equal(steps.length, 1, reason);
    assert.deepEqual([steps[0]?.decision, steps[0]?.code], ['hold', 'denied']);
  }
});

test('a refusal of another statement is not the end of the held one', () => {
  const other = entry('request.denied', { ...of, statement: { normalised: 'SELECT ?' }, decision: 'deny', reasons: ['approval-void'] });
  const policy = entry('request.denied', { ...of, decision: 'deny', reasons: ['effect-not-granted'] });
  const steps = timeline([...heldStory(), other, policy]);
  assert.deepEqual(
    steps.map(({ decision, code }) => [decision, code]),
    [
      ['hold', null],
      ['deny', 'denied'],
      ['deny', 'denied'],
    ],
  );
});

test('a second run of what was approved for a time is a step of its own', () => {
  const run = (): Entry[] => {
    const intent = entry('request.intent', { ...of, approval, decision: 'allow' });
    return [entry('approval.used', { approval }), intent, entry('request.result', { intent: intent.seq, result: { rows: 1, code: 'ok' } })];
  };
  const steps = timeline([...heldStory(), answered('approve'), ...run(), ...run()]);
  assert.deepEqual(
    steps.map(({ code }) => code),
    ['ok', 'ok'],
  );
});

test('what was not understood, and what failed at the target', () => {
  const unknown = entry('request.denied', {
    ...of,
    statement: {},
    facts: { ...facts, unknowns: [{ code: 'function', what: 'pg_read_file' }] },
    decision: 'deny',
    reasons: ['not-understood'],
  });
  const intent = entry('request.intent', { ...of, decision: 'allow' });
  const failed = entry('request.result', { intent: intent.seq, result: { rows: 0, code: '57014' } });
  const [first, second] = timeline([unknown, intent, failed]);
  assert.deepEqual([first?.statement, first?.unknowns, first?.code], [null, ['pg_read_file'], 'denied']);
  assert.deepEqual([second?.code, second?.rows], ['57014', 0]);
});

test('a page may end anywhere: what follows is put where it belongs, and nothing is lost or doubled', () => {
  const before = [entry('session.open'), ...heldStory(), answered('approve')];
  const intent = entry('request.intent', { ...of, approval, decision: 'allow' });
  const result = entry('request.result', { intent: intent.seq, result: { rows: 1, code: 'ok' } });
  const all = [...before, intent, result, entry('session.close')];
  for (let cut = 0; cut <= all.length; cut += 1) {
    for (const part of [all.slice(0, cut), all.slice(cut)]) {
      const seen = timeline(part).flatMap(({ entries }) => entries);
      assert.deepEqual(
        seen.toSorted((one, other) => one - other),
        part.map(({ seq }) => seq),
        `cut at ${cut}`,
      );
    }
  }
  assert.deepEqual(
    timeline(all).map(({ kind }) => kind),
    ['event', 'statement', 'event'],
  );
});

test('an entry of a type that is not known is an event under its own name', () => {
  assert.deepEqual(
    timeline([entry('session.open'), entry('lock.set')]).map(({ title }) => title),
    ['Session opened', 'lock.set'],
  );
});
