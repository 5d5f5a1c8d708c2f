// oxlint-disable unicorn/no-thenable -- the word of the language; text is not thenable
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { people, policyOf } from '../../test/support/policy.ts';
import { diffPolicies } from './index.ts';

const base = `${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.name, columns: ["clinic:public.patients.name"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.*, roles: [treating-clinician], mask: clear }
rules:
  - { name: bulk, when: "request.unbounded", then: hold, approvers: { role: privacy-officer }, within: 15m }
`;
const diff = (after: string, before = base, targets: readonly string[] = ['clinic', 'lab']) =>
  diffPolicies(policyOf(before), policyOf(after), targets);

test('equal policies, and comments and order of keys, are no difference', () => {
  assert.equal(diff(base).isEqual, true);
  assert.equal(diff(`# changed\n${base}`).isEqual, true);
  assert.equal(diff(base.replace('class: phi.*, mask: redact', 'mask: redact, class: phi.*')).isEqual, true);
});

test('access is compared by role, target and effect, not by entries', () => {
  const found = diff(base.replace('targets: [clinic]\n    effects: [read]', 'targets: [clinic]\n    effects: [read, write]'));
  assert.deepEqual(found.access, [{ role: 'reporting-agent', targets: ['clinic'], how: 'standing', gains: ['write'], loses: [] }]);
  const narrowed = diff(base.replace('targets: ["*"]', 'targets: [clinic]'));
  assert.deepEqual(narrowed.access, [
    { role: 'treating-clinician', targets: ['lab'], how: 'standing', gains: [], loses: ['read', 'write'] },
  ]);
  const split = diff(
    base.replace('effects: [read, write]', 'effects: [read]\n  - { role: treating-clinician, targets: ["*"], effects: [write] }'),
  );
  assert.equal(split.isEqual, true);
});

test('access on request instead of standing is both: lost and gained', () => {
  const how = 'how: { on-request: { maxDuration: 2h, approvers: { role: privacy-officer } } }';
  const found = diff(base.replace('effects: [read, write]', `effects: [read, write]\n    ${how}`));
  assert.deepEqual(
    found.access.map(({ how: text, gains, loses }) => [text, gains, loses]),
    [
      ['standing', [], ['read', 'write']],
      ['on-request (2h, 1 of privacy-officer)', ['read', 'write'], []],
    ],
  );
});

test('members who join and leave a role are named', () => {
  const found = diff(
    base
      .replace('group: ai-agents }', 'group: ai-agents }, { issuer: corp, claim: team, is: etl }')
      .replace('group: privacy', 'group: officers'),
  );
  assert.deepEqual(found.roles, [
    { role: 'reporting-agent', change: 'changed', joins: ['issuer corp, claim team is "etl"'], leaves: [] },
    { role: 'privacy-officer', change: 'changed', joins: ['issuer corp, group officers'], leaves: ['issuer corp, group privacy'] },
  ]);
});

test('masks are compared as they come out for each role, and said to reveal or hide', () => {
  const found = diff(base.replace('roles: [treating-clinician], mask: clear', 'roles: [treating-clinician], mask: partial'));
  assert.deepEqual(
    found.masks.map(({ role, class: name, from, to, change, targets }) => [role, name, from, to, change, targets]),
    [
      ['treating-clinician', 'phi.name', 'clear', 'partial', 'hides', ['clinic', 'lab']],
      ['treating-clinician', 'phi.ssn', 'clear', 'partial', 'hides', ['clinic', 'lab']],
    ],
  );
  const general = diff(base.replace('class: phi.*, mask: redact', 'class: phi.ssn, mask: token'));
  assert.deepEqual(
    general.masks.map(({ role, class: name, from, to, change }) => [role, name, from, to, change]),
    [[null, 'phi.ssn', 'redact', 'token', 'reveals']],
  );
});

test('a class that is declared anew protects; one that goes reveals', () => {
  const more = base.replace('masks:', '  - { class: phi.mrn, columns: ["clinic:public.patients.mrn"] }\nmasks:');
  const found = diff(more);
  assert.deepEqual(found.classes, [
    { class: 'phi.mrn', change: 'added', columnsAdded: ['clinic:public.patients.mrn'], columnsRemoved: [], predicates: null },
  ]);
  assert.deepEqual(
    found.masks.map(({ role, from, to, change }) => [role, from, to, change]),
    [[null, 'none', 'redact', 'hides']],
  );
  const gone = diff(base, more);
  assert.deepEqual(
    gone.masks.map(({ role, from, to, change }) => [role, from, to, change]),
    [[null, 'redact', 'none', 'reveals']],
  );
  const columns = diff(base.replace('patients.ssn"', 'patients.ssn", "clinic:*.*.social"'));
  assert.deepEqual([columns.classes[0]?.change, columns.classes[0]?.columnsAdded], ['changed', ['clinic:*.*.social']]);
});

test('rules are compared by name and field', () => {
  const found = diff(
    base
      .replace("'request.unbounded'", '')
      .replace('within: 15m }', 'within: 60m }\n  - { name: none, when: "request.unbounded", then: deny, say: No. }'),
  );
  assert.deepEqual(found.rules, [
    { rule: 'bulk', change: 'changed', then: 'hold', fields: [{ field: 'within', from: '15m', to: '1h' }] },
    { rule: 'none', change: 'added', then: 'deny', fields: [] },
  ]);
  assert.deepEqual(diff(base.replace(/rules:[\s\S]*$/, '')).rules, [{ rule: 'bulk', change: 'removed', then: 'hold', fields: [] }]);
});

test('predicate modes are compared', () => {
  const found = diff(base.replace('patients.ssn"] }', 'patients.ssn"], predicates: none }'));
  assert.deepEqual(found.classes[0]?.predicates, { from: 'any', to: 'none' });
});

test('more masks than can be compared are said to be cut, never to be equal', () => {
  const classes = Array.from({ length: 5000 }, (_, n) => `  - { class: c.n${n}, columns: ["clinic:public.t.c${n}"] }`).join('\n');
  const roles = Array.from({ length: 21 }, (_, n) => `  - { role: r${n}, members: [{ issuer: corp, group: g${n} }] }`).join('\n');
  const named = Array.from({ length: 21 }, (_, n) => `r${n}`).join(', ');
  const text = (mask: string): string =>
    `roles:\n${roles}\nclasses:\n${classes}\nmasks:\n  - { class: c.*, roles: [${named}], mask: ${mask} }\n`;
  const found = diff(text('clear'), text('redact'));
  assert.deepEqual([found.isCut, found.isEqual], [true, false]);
});
