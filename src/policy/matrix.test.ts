// oxlint-disable unicorn/no-thenable -- the word of the language; text is not thenable
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clinic, noonMs, patientsRedacted, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import type { Target } from '../core/target.ts';
import { decide, masksFor, masksOfRole, policyMatrix, rolesOf } from './index.ts';

const lab = { ...clinic, name: 'lab' } as Target;
const rules = `rules:
  - { name: writes-wait, when: "'write' in request.effects", then: hold, approvers: { role: privacy-officer }, within: 15m }
  - { name: bulk, when: "request.unbounded", then: deny }
`;
const policy = policyOf(`${people}${patientsRedacted}${rules}`);
const cell = (of: ReturnType<typeof policyMatrix>, role: string, target: string) =>
  of.cells.find((each) => each.role === role && each.target === target);
const outcomes = (of: ReturnType<typeof cell>): Record<string, string> =>
  Object.fromEntries((of?.effects ?? []).filter(({ by }) => by !== null).map(({ effect, outcome, by }) => [effect, `${outcome} ${by}`]));

test('each role has on each target what a plain statement of somebody with that role alone would get', () => {
  const matrix = policyMatrix(policy, [clinic, lab], noonMs);
  assert.deepEqual(
    matrix.cells.map(({ role, target }) => [role, target]),
    [
      ['reporting-agent', 'clinic'],
      ['treating-clinician', 'clinic'],
      ['treating-clinician', 'lab'],
    ],
  );
  const agent = cell(matrix, 'reporting-agent', 'clinic');
  assert.deepEqual(outcomes(agent), { read: 'allow standing' });
  assert.deepEqual(
    agent?.effects.filter(({ outcome }) => outcome !== 'deny').map(({ effect }) => effect),
    ['read'],
  );
  assert.deepEqual(outcomes(cell(matrix, 'treating-clinician', 'lab')), { read: 'allow standing', write: 'hold standing' });
  assert.deepEqual(cell(matrix, 'treating-clinician', 'lab')?.effects.find(({ effect }) => effect === 'write')?.rules, ['writes-wait']);
  assert.deepEqual(agent?.masks, { 'phi.name': 'redact', 'phi.ssn': 'redact' });
  assert.deepEqual(cell(matrix, 'treating-clinician', 'clinic')?.masks, { 'phi.name': 'clear', 'phi.ssn': 'clear' });
  assert.equal(matrix.isCut, false);
});

test('it agrees with the gate about a real principal of the role', () => {
  const matrix = policyMatrix(policy, [clinic], noonMs);
  for (const [role, group] of [
    ['reporting-agent', 'ai-agents'],
    ['treating-clinician', 'clinicians'],
  ] as const) {
    const principal = principalOf({ groups: [group] });
    assert.deepEqual(rolesOf(principal, policy), [role]);
    const of = cell(matrix, role, 'clinic');
    assert.deepEqual(of?.masks, { ...masksFor(principal, 'clinic', policy).byClass });
    for (const { effect, outcome } of of?.effects ?? [])
      assert.equal(
        decide(requestOf({ effects: [effect], unbounded: false }), principal, policy, { target: clinic, nowMs: noonMs }).outcome,
        outcome,
        effect,
      );
  }
});

test('access on request is told as such, with what it would give and how it would show', () => {
  const how = 'how: { on-request: { maxDuration: 2h, approvers: { role: privacy-officer } } }';
  const asked = policyOf(`${people.replace('effects: [read, write]', `effects: [read, write]\n    ${how}`)}${patientsRedacted}${rules}`);
  const of = cell(policyMatrix(asked, [clinic], noonMs), 'treating-clinician', 'clinic');
  assert.deepEqual(outcomes(of), { read: 'allow on-request', write: 'hold on-request' });
  assert.deepEqual(of?.masks, { 'phi.name': 'clear', 'phi.ssn': 'clear' });
});

test('roles without anything on a target have no masks there, and long matrices say that they are cut', () => {
  assert.equal(masksOfRole('reporting-agent', 'lab', policy), null);
  assert.equal(masksOfRole('nobody', 'clinic', policy), null);
  const many = Array.from({ length: 600 }, (_, at) => ({ ...clinic, name: `t${at}` }) as Target);
  const matrix = policyMatrix(policy, many, noonMs);
  assert.deepEqual([matrix.cells.length, matrix.isCut], [500, true]);
});
