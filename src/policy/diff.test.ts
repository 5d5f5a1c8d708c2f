// oxlint-disable unicorn/no-thenable -- the word of the language; text is not thenable
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patientsRedacted, people, policyOf } from '../../test/support/policy.ts';
import { diffPolicies } from './index.ts';

const base = `${people}${patientsRedacted}rules:
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
    {
      class: 'phi.mrn',
      change: 'added',
      columnsAdded: ['clinic:public.patients.mrn'],
      columnsRemoved: [],
      predicates: null,
      subjects: null,
    },
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

test('a class that is declared anew says how predicates on it are treated', () => {
  const found = diff(base.replace('masks:', '  - { class: phi.mrn, predicates: none }\nmasks:'));
  assert.deepEqual(found.classes, [
    { class: 'phi.mrn', change: 'added', columnsAdded: [], columnsRemoved: [], predicates: { from: 'any', to: 'none' }, subjects: null },
  ]);
});

test('whose data a class is counts: dates are shifted by it', () => {
  const subject = (column: string): string =>
    base.replace('patients.ssn"] }', `patients.ssn"], subject: "clinic:public.patients.${column}" }`);
  assert.deepEqual(diff(subject('id')).classes[0]?.subjects, { from: '', to: 'clinic:public.patients.id' });
  const other = diff(subject('mrn'), subject('id'));
  assert.equal(other.isEqual, false);
  assert.deepEqual(other.classes[0]?.subjects, { from: 'clinic:public.patients.id', to: 'clinic:public.patients.mrn' });
  assert.equal(diff(subject('id'), subject('id')).isEqual, true);
});

test('INVARIANT: what changes a decision or a mask is a difference, whichever key it is under', () => {
  const full = `${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"], json: ["api:GET /patients/** $.ssn"], subject: "clinic:public.patients.id" }
  - { class: phi.date, columns: ["clinic:public.patients.dob"], predicates: hold, approvers: { role: privacy-officer, count: 1 }, within: 15m }
masks:
  - { class: phi.*, roles: [treating-clinician], targets: [clinic], mask: partial }
rules:
  - { name: bulk, when: "request.unbounded", then: hold, approvers: { role: privacy-officer, count: 1 }, within: 15m, say: Wait. }
`;
  const changes: readonly (readonly [string, string])[] = [
    ['group: ai-agents', 'group: agents'],
    ['issuer: corp, group: clinicians', 'issuer: corp, group: clinicians, kind: person'],
    ['targets: ["*"]', 'targets: [lab]'],
    ['effects: [read]', 'effects: [read, call]'],
    ['patients.ssn"]', 'patients.social"]'],
    ['$.ssn', '$.social'],
    ['patients.id', 'patients.mrn'],
    [
      'predicates: hold, approvers: { role: privacy-officer, count: 1 }',
      'predicates: hold, approvers: { role: privacy-officer, count: 2 }',
    ],
    ['within: 15m }\nmasks', 'within: 16m }\nmasks'],
    ['class: phi.*', 'class: phi.ssn'],
    ['roles: [treating-clinician], targets', 'roles: [privacy-officer], targets'],
    ['targets: [clinic], mask', 'targets: [lab], mask'],
    ['mask: partial', 'mask: clear'],
    ['name: bulk', 'name: many'],
    ['request.unbounded"', '!request.unbounded"'],
    ['then: hold, approvers: { role: privacy-officer, count: 1 }, within: 15m, say: Wait.', 'then: deny, say: Wait.'],
    ['count: 1 }, within: 15m, say', 'count: 3 }, within: 15m, say'],
    ['within: 15m, say', 'within: 1h, say'],
    ['say: Wait.', 'say: No.'],
  ];
  for (const [from, to] of changes) {
    const changed = full.replace(from, to);
    assert.notEqual(changed, full, from);
    assert.equal(diff(changed, full).isEqual, false, `${from} -> ${to}`);
  }
});
