import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf, people, policyOf } from '../../test/support/policy.ts';
import type { Facts } from '../core/facts.ts';
import { runPolicyTests } from './index.ts';

const body = `${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.date, columns: ["clinic:public.patients.dob"] }
masks:
  - { class: phi.date, mask: year }
rules:
  - { name: bulk, when: request.unbounded, then: hold, approvers: { role: privacy-officer }, within: 15m }
  - { name: night, when: now.getHours() < 6, then: deny }
tests:
`;

const patients = factsOf({
  unbounded: true,
  outputs: [
    { name: 'ssn', sources: [], classes: ['phi.ssn'] },
    { name: 'dob', sources: [], classes: ['phi.date'] },
    { name: 'both', sources: [], classes: ['phi.date', 'phi.ssn'] },
    { name: 'n', sources: [], classes: [] },
  ],
});

const asAgent = 'as: { issuer: corp, subject: agent-1, groups: [ai-agents] }';

async function run(tests: string, facts: Facts | Error = patients) {
  const asked: string[] = [];
  const results = await runPolicyTests(policyOf(body + tests), async (target, sql, masks) => {
    asked.push(`${target} ${sql} ${masks.byClass['phi.date']}`);
    if (facts instanceof Error) throw facts;
    return facts;
  });
  return { asked, results };
}

test('a test passes when decision, rules, reasons and masks are as expected', async () => {
  const { asked, results } = await run(
    `  - { name: waits, ${asAgent}, target: clinic, sql: SELECT * FROM patients, expect: { decision: hold, rules: [bulk], reasons: [rule], masks: { ssn: redact, dob: year, both: redact, n: clear } } }\n`,
  );
  assert.deepEqual(
    results.map(({ name, passed, differences }) => [name, passed, differences]),
    [['waits', true, []]],
  );
  assert.deepEqual(asked, ['clinic SELECT * FROM patients year']);
  assert.equal(results[0]?.decision?.outcome, 'hold');
});

test('every difference is told, with what happened instead', async () => {
  const { results } = await run(
    `  - { name: t, ${asAgent}, target: clinic, sql: SELECT 1, expect: { decision: allow, rules: [], masks: { ssn: clear, missing: redact } } }\n`,
  );
  assert.equal(results[0]?.passed, false);
  assert.deepEqual(results[0]?.differences, [
    'decision: expected allow, got hold (rule, bulk)',
    'rules: expected [], got [bulk]',
    'mask of ssn: expected clear, got redact',
    'mask of missing: expected redact, got no such output column (ssn, dob, both, n)',
  ]);
});

test('what was not understood is part of the difference', async () => {
  const facts = factsOf({ unknowns: [{ code: 'function', what: 'pg_read_file', remedy: '' }] });
  const { results } = await run(`  - { name: t, ${asAgent}, target: clinic, sql: SELECT 1, expect: { decision: allow } }\n`, facts);
  assert.deepEqual(results[0]?.differences, ['decision: expected allow, got deny (not-understood, function pg_read_file)']);
});

test('a statement that cannot be analysed fails its test, even one that expects deny', async () => {
  const { results } = await run(
    `  - { name: t, ${asAgent}, target: clinic, sql: SELECT 1, expect: { decision: deny } }\n`,
    new Error('no catalogue'),
  );
  assert.deepEqual(
    results.map(({ passed, differences, decision }) => [passed, differences, decision]),
    [[false, ['the statement could not be analysed: no catalogue'], null]],
  );
});

test('a test can be set at a time; without one it is noon', async () => {
  const { results } = await run(
    `  - { name: noon, ${asAgent}, target: clinic, sql: SELECT 1, expect: { decision: hold } }\n` +
      `  - { name: night, ${asAgent}, target: clinic, sql: SELECT 1, at: "2026-03-01T03:00:00Z", expect: { decision: deny, rules: [night] } }\n`,
  );
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [true, true],
  );
});

test('running stops when it is aborted', async () => {
  const policy = policyOf(`${body}  - { name: t, ${asAgent}, target: clinic, sql: SELECT 1, expect: { decision: allow } }\n`);
  await assert.rejects(runPolicyTests(policy, async () => patients, { signal: AbortSignal.abort() }));
});

test('a test can say which roles a grant is in force for', async () => {
  const entry =
    '{ role: privacy-officer, targets: [clinic], effects: [read], how: { on-request: { maxDuration: 1h, approvers: { role: privacy-officer } } } }';
  const policy = policyOf(`${body.replace('access:\n', `access:\n  - ${entry}\n`)}
  - { name: without, as: { issuer: corp, subject: o, groups: [privacy] }, target: clinic, sql: SELECT 1, expect: { decision: deny, reasons: [no-access] } }
  - { name: with, as: { issuer: corp, subject: o, groups: [privacy], granted: [privacy-officer] }, target: clinic, sql: SELECT 1, expect: { decision: allow } }
`);
  const results = await runPolicyTests(policy, async () => factsOf());
  assert.deepEqual(
    results.map(({ name, differences }) => [name, differences]),
    [
      ['without', []],
      ['with', []],
    ],
  );
});
