import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, principalOf } from '../../test/support/policy.ts';
import type { MaskMethod } from '../core/decision.ts';
import { classRules, masksFor } from './index.ts';
import { classMatches, columnMatches, globMatches } from './patterns.ts';

const base = `
roles:
  - { role: agent, members: [{ issuer: corp, group: agents }] }
  - { role: clinician, members: [{ issuer: corp, group: clinicians }] }
  - { role: analyst, members: [{ issuer: corp, group: analysts }] }
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.date, columns: ["clinic:*.*.dob", "*:*.*.birth_date"] }
  - { class: phi.date.death, columns: ["lab:public.patients.died_at"] }
  - { class: hr.salary, columns: ["clinic:hr.people.salary"] }
masks:
`;

function maskOf(masks: string, groups: readonly string[], className: string, target = 'clinic'): MaskMethod | undefined {
  return masksFor(principalOf({ groups }), target, policyOf(base + masks)).byClass[className];
}

test('a class without a mask is redact', () => {
  assert.equal(maskOf('  - { class: phi.ssn, mask: hash }\n', ['agents'], 'hr.salary'), 'redact');
});

test('the more specific class pattern wins over the more general', () => {
  const masks =
    '  - { class: "*", mask: "null" }\n  - { class: phi.*, mask: clear }\n  - { class: phi.date.*, mask: month }\n  - { class: phi.date, mask: year }\n';
  assert.equal(maskOf(masks, ['agents'], 'hr.salary'), 'null');
  assert.equal(maskOf(masks, ['agents'], 'phi.ssn'), 'clear');
  assert.equal(maskOf(masks, ['agents'], 'phi.date'), 'year');
  assert.equal(maskOf(masks, ['agents'], 'phi.date.death'), 'month');
});

test('an entry for a role of the principal wins over every entry for everybody, also a more specific one', () => {
  const masks = '  - { class: phi.date, mask: year }\n  - { class: phi.*, roles: [clinician], mask: clear }\n';
  assert.equal(maskOf(masks, ['clinicians'], 'phi.date'), 'clear');
  assert.equal(maskOf(masks, ['agents'], 'phi.date'), 'year');
});

test('within one role the more specific class wins, so that a role can be kept from one class', () => {
  const masks = '  - { class: phi.*, roles: [clinician], mask: clear }\n  - { class: phi.ssn, roles: [clinician], mask: partial }\n';
  assert.equal(maskOf(masks, ['clinicians'], 'phi.ssn'), 'partial');
  assert.equal(maskOf(masks, ['clinicians'], 'phi.date'), 'clear');
});

test('of two roles the less revealing mask is used: an agent does not see more because it has a clinician role too', () => {
  const masks = '  - { class: phi.date, roles: [clinician], mask: clear }\n  - { class: phi.*, roles: [agent], mask: redact }\n';
  assert.equal(maskOf(masks, ['clinicians'], 'phi.date'), 'clear');
  assert.equal(maskOf(masks, ['clinicians', 'agents'], 'phi.date'), 'redact');
  assert.equal(maskOf(masks, ['clinicians', 'analysts'], 'phi.date'), 'clear');
});

test('an entry for the target wins over one for all targets, and does not apply elsewhere', () => {
  const masks =
    '  - { class: phi.ssn, mask: redact }\n  - { class: phi.ssn, targets: [lab], mask: token }\n  - { class: phi.ssn, targets: ["*"], mask: hash }\n';
  assert.equal(maskOf(masks, ['agents'], 'phi.ssn', 'lab'), 'token');
  assert.equal(maskOf(masks, ['agents'], 'phi.ssn', 'clinic'), 'redact');
});

test('of equal entries the least revealing is used, in whatever order they stand', () => {
  const lines = ['  - { class: phi.ssn, mask: clear }\n', '  - { class: phi.ssn, mask: hash }\n', '  - { class: phi.ssn, mask: token }\n'];
  assert.equal(maskOf(lines.join(''), ['agents'], 'phi.ssn'), 'hash');
  assert.equal(maskOf(lines.toReversed().join(''), ['agents'], 'phi.ssn'), 'hash');
});

test('a mask set is the same object for the same roles, and its id changes with masks and with the policy', () => {
  const policy = policyOf(`${base}  - { class: phi.*, roles: [clinician], mask: clear }\n`);
  const agent = masksFor(principalOf({ groups: ['agents'] }), 'clinic', policy);
  assert.equal(masksFor(principalOf({ groups: ['agents'], subject: 'other' }), 'clinic', policy), agent);
  const clinician = masksFor(principalOf({ groups: ['clinicians'] }), 'clinic', policy);
  assert.notEqual(clinician.id, agent.id);
  assert.equal(masksFor(principalOf({ groups: ['analysts'] }), 'clinic', policy).id, agent.id);
  const changed = policyOf(`${base}  - { class: phi.*, roles: [clinician], mask: clear } # reviewed\n`);
  assert.notEqual(masksFor(principalOf({ groups: ['agents'] }), 'clinic', changed).id, agent.id);
});

test('class rules of a target are the patterns whose target part matches, once each', () => {
  const policy = policyOf(`${base}  - { class: phi.*, mask: redact }\n`);
  assert.deepEqual(classRules(policy, 'clinic'), [
    { class: 'phi.ssn', pattern: 'public.patients.ssn' },
    { class: 'phi.date', pattern: '*.*.dob' },
    { class: 'phi.date', pattern: '*.*.birth_date' },
    { class: 'hr.salary', pattern: 'hr.people.salary' },
  ]);
  assert.deepEqual(
    classRules(policy, 'lab').map(({ pattern }) => pattern),
    ['*.*.birth_date', 'public.patients.died_at'],
  );
});

test('class rules say which classes may be looked up: those whose combined mode is equality', () => {
  const entry = (name: string, column: string, mode: string): string =>
    `  - { class: ${name}, columns: ["clinic:a.b.${column}"], predicates: ${mode} }\n`;
  const policy = policyOf(
    `classes:\n${entry('id.mrn', 'mrn', 'equality')}${entry('id.ssn', 'ssn', 'equality')}${entry('id.ssn', 'tax', 'any')}${entry('id.tel', 'tel', 'none')}`,
  );
  assert.deepEqual(classRules(policy, 'clinic'), [
    { class: 'id.mrn', pattern: 'a.b.mrn', lookup: true },
    { class: 'id.ssn', pattern: 'a.b.ssn' },
    { class: 'id.ssn', pattern: 'a.b.tax' },
    { class: 'id.tel', pattern: 'a.b.tel' },
  ]);
});

test('patterns match whole parts only', () => {
  assert.equal(classMatches('phi.*', 'phi.ssn'), true);
  assert.equal(classMatches('phi.*', 'phi'), false);
  assert.equal(classMatches('phi.*', 'phix.ssn'), false);
  assert.equal(columnMatches('*.patient*.name', 'public.patients.name'), true);
  assert.equal(columnMatches('*.patient*.name', 'public.patients.names'), false);
  assert.equal(columnMatches('*.*.ssn', 'public.ssn'), false);
  for (const [pattern, text, expected] of [
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*b*', 'abc', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*bc*c', 'abc', false],
    ['**', '', true],
  ] as const) {
    assert.equal(globMatches(pattern, text), expected, `${pattern} ${text}`);
  }
});
