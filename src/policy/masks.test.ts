import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf, policyOf, principalOf } from '../../test/support/policy.ts';
import type { Mask } from '../core/decision.ts';
import { classRules, masksFor, subjectsOf } from './index.ts';
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

function maskOf(masks: string, groups: readonly string[], className: string, target = 'clinic'): Mask | undefined {
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

test('class rules say which predicates the combined mode of a class allows over stored values', () => {
  const entry = (name: string, column: string, mode: string): string =>
    `  - { class: ${name}, columns: ["clinic:a.b.${column}"], predicates: ${mode} }\n`;
  const policy = policyOf(
    `classes:\n${entry('id.mrn', 'mrn', 'equality')}${entry('id.ssn', 'ssn', 'equality')}${entry('id.ssn', 'tax', 'any')}${entry('id.tel', 'tel', 'none')}${entry('id.fax', 'fax', 'hold').replace(' }', ', approvers: { role: officer }, within: 5m }')}roles:\n  - { role: officer, members: [{ issuer: corp, group: officers }] }\n`,
  );
  assert.deepEqual(classRules(policy, 'clinic'), [
    { class: 'id.mrn', pattern: 'a.b.mrn', lookup: true, predicates: 'equality' },
    { class: 'id.ssn', pattern: 'a.b.ssn' },
    { class: 'id.ssn', pattern: 'a.b.tax' },
    { class: 'id.tel', pattern: 'a.b.tel' },
    { class: 'id.fax', pattern: 'a.b.fax', predicates: 'hold' },
  ]);
});

test('a mask may have arguments, and its text is the same for the same mask', () => {
  const masks = (mask: string): string => `  - { class: phi.ssn, mask: ${mask} }\n`;
  for (const [written, mask] of [
    ['{ method: partial, first: 1, last: 4 }', 'partial(1,4)'],
    ['{ method: partial, last: 4 }', 'partial'],
    ['{ method: partial }', 'partial'],
    ['{ method: round, step: 100 }', 'round(100)'],
    ['{ method: date-shift, days: 30 }', 'date-shift(30)'],
    ['date-shift', 'date-shift'],
  ] as const) {
    assert.equal(maskOf(masks(written), ['agents'], 'phi.ssn'), mask, written);
  }
  const both =
    '  - { class: phi.ssn, roles: [agent], mask: { method: partial, first: 2, last: 2 } }\n  - { class: phi.ssn, roles: [analyst], mask: { method: partial, last: 2 } }\n';
  assert.equal(maskOf(both, ['agents', 'analysts'], 'phi.ssn'), 'partial(0,2)');
});

test('arguments that a method does not have, and those out of range, do not load', () => {
  const fault = (mask: string): string =>
    faultsOf(`classes: [{ class: phi.a, columns: ["clinic:a.b.c"] }]\nmasks: [{ class: phi.a, mask: ${mask} }]\n`).join('\n');
  assert.match(
    fault('{ method: partial, first: 0, last: 0 }'),
    /masks\[0\]\.mask: partial takes first from 0 to 20 and last from 0 to 20, not both 0/,
  );
  assert.match(fault('{ method: partial, first: 21 }'), /partial takes first from 0 to 20/);
  assert.match(fault('{ method: round, first: 1 }'), /round takes step from 2 to 1000000000/);
  assert.match(fault('{ method: date-shift, days: 1.5 }'), /days/);
  assert.match(fault('{ method: redact, first: 1 }'), /masks\[0\]\.mask/);
  assert.match(fault('{ method: round, stap: 2 }'), /stap/);
});

test('the subject of a class is a column of the same relation, the first that is there', () => {
  const policy = policyOf(`classes:
  - { class: phi.date, columns: ["clinic:*.*.came"], subject: "clinic:public.*.patient_id" }
  - { class: phi.date, columns: ["lab:*.*.came"], subject: "lab:public.*.person" }
  - { class: phi.date, columns: ["clinic:*.*.went"], subject: "clinic:*.*.id" }
  - { class: phi.note, columns: ["clinic:*.*.note"] }
`);
  const relation = (qualified: string, ...names: string[]) => ({ qualified, columns: names.map((name) => ({ name })) });
  const subjectOf = subjectsOf(policy, 'clinic');
  assert.equal(subjectOf('phi.date', relation('public.stays', 'id', 'patient_id', 'came')), 'patient_id');
  assert.equal(subjectOf('phi.date', relation('legacy.stays', 'id', 'patient_id', 'came')), 'id');
  assert.equal(subjectOf('phi.date', relation('public.stays', 'came', 'person')), null);
  assert.equal(subjectOf('phi.note', relation('public.stays', 'id')), undefined);
  assert.equal(subjectsOf(policy, 'other')('phi.date', relation('public.stays', 'patient_id')), null);
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
