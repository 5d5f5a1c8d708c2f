import assert from 'node:assert/strict';
import { test } from 'node:test';
import { people, policyOf } from '../../test/support/policy.ts';
import type { TargetName } from '../core/ids.ts';
import { checkPolicy, type LiveTarget, renderFault } from './index.ts';

const live: readonly LiveTarget[] = [
  {
    target: 'clinic' as TargetName,
    knowsColumn: async (column) => column === 'public.patients.ssn',
    protectedColumns: async () => new Map([['public.patients.ssn', ['phi.ssn']]]),
  },
];

async function warnings(text: string, targets: readonly LiveTarget[] | null = null, options = {}): Promise<string[]> {
  return (await checkPolicy(policyOf(text, options), targets)).map(renderFault);
}

const used = `${people}
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn", "clinic:*.*.ssn"] }
masks:
  - { class: phi.*, roles: [treating-clinician], mask: clear }
rules:
  - { name: bulk, when: "request.unbounded && 'phi.ssn' in request.classes", then: hold, approvers: { role: privacy-officer }, within: 15m }
`;

test('a policy that means what it says has no warnings', async () => {
  assert.deepEqual(await warnings(used), []);
  assert.deepEqual(await warnings(used, live), []);
});

test('columns that do not exist and patterns that match nothing are warned about', async () => {
  const text = used.replace('"clinic:*.*.ssn"', '"clinic:public.patients.snn", "clinic:*.*.ss", "lab:public.a.b"');
  assert.deepEqual(
    (await warnings(text, live)).map((line) => line.replace(/^\S+ /, '')),
    [
      'classes[0].columns[1]: there is no such column on clinic',
      'classes[0].columns[2]: matches no protected column',
      'classes[0].columns[3]: no target that could be asked matches this',
    ],
  );
  assert.deepEqual(await warnings(text, null), []);
});

test('json locations are accepted, and said to protect nothing yet', async () => {
  const text = used.replace('classes:', 'classes:\n  - { class: phi.name, json: ["ehr:** $.name"] }');
  assert.match((await warnings(text)).join('\n'), /classes\[0\]\.json: no target of this version is an HTTP API/);
});

test('a subject that no mask reads is said to have no effect, and one that does not exist is found', async () => {
  const entry = (subject: string) => `\n  - { class: phi.dob, columns: ["clinic:public.patients.ssn"], subject: "clinic:${subject}" }`;
  const withSubject = (subject: string) => used.replace('classes:', `classes:${entry(subject)}`);
  assert.match(
    (await warnings(withSubject('public.patients.ssn'), live)).join(),
    /subject: no mask shifts dates of phi\.dob by their subject/,
  );
  const shifted = (subject: string) => withSubject(subject).replace('masks:', 'masks:\n  - { class: phi.dob, mask: date-shift }');
  assert.deepEqual(await warnings(shifted('public.patients.ssn'), live), []);
  assert.deepEqual(await warnings(shifted('*.*.id'), live), []);
  assert.match((await warnings(shifted('public.patients.idd'), live)).join(), /classes\[0\]\.subject: there is no such column on clinic/);
});

test('a rule that reads what no request has is warned about at the field', async () => {
  const rule = `  - { name: http, when: "request.unbounded && has(request.http) && request.http.method == 'POST'", then: deny }\n`;
  const found = await warnings(`${used}${rule}  - { name: many, when: "has(request.estimatedRows)", then: deny }\n`);
  assert.deepEqual(
    found.map((line) => line.replace(/^\S+ /, '')),
    [
      'rules[1].when: request.http is always absent: no target of this version is an HTTP API',
      'rules[1].when: request.http is always absent: no target of this version is an HTTP API',
      'rules[2].when: request.estimatedRows is always absent: no target of this version estimates rows before a decision',
    ],
  );
});

test('a class that nothing locates, an unused role, an empty role and an idle mask are warned about', async () => {
  const text = used
    .replace('classes:', 'classes:\n  - { class: phi.name, predicates: none }')
    .replace('roles:\n', 'roles:\n  - { role: idle, members: [{ issuer: corp, group: x }] }\n  - { role: empty, members: [] }\n')
    .replace('masks:\n', 'masks:\n  - { class: hr.*, mask: redact }\n');
  assert.deepEqual(
    (await warnings(text)).map((line) => line.replace(/^\S+ /, '')),
    [
      'classes[0].class: no entry says where phi.name is found',
      'roles[0].role: nothing refers to this role',
      'roles[1].members: nobody is empty',
      'masks[0].class: matches no class',
    ],
  );
});

test('rules that cannot have an effect are warned about', async () => {
  const text = `${used}
  - { name: other-class, when: "request.classes.exists(c, c.startsWith('hr.'))", then: deny }
  - { name: no-ddl, when: "'ddl' in request.effects", then: deny }
  - { name: fine, when: "request.statements > 9", then: allow }
  - { name: not-fine, when: "request.statements > 9", then: deny }
  - { name: again, when: "request.statements > 9", then: deny }
  - { name: doctors, when: "request.statements > 3", then: hold, approvers: { role: treating-clinician }, within: 1m }
`;
  assert.deepEqual(
    (await warnings(text)).map((line) => line.replace(/^\S+ /, '')),
    [
      'rules[0].approvers.role: the rule doctors asks for another role: a statement that both hold is denied',
      'rules[1].when: no class starts with "hr."',
      'rules[2].when: no access entry gives ddl: such requests are denied anyway',
      'rules[3].then: never has an effect: the rule not-fine denies under the same condition',
      'rules[5].when: the rule not-fine has the same condition and the same outcome',
      'rules[6].approvers.role: the rule bulk asks for another role: a statement that both hold is denied',
    ],
  );
});

test('packs are not warned about: they are written for every clinic', async () => {
  const pack =
    'version: 1\nclasses: [{ class: phi.fax, columns: ["*:*.*.fax"] }]\nmasks: [{ class: "zzz.*", mask: redact }]\nrules: [{ name: p, when: "\'ddl\' in request.effects", then: deny }]\n';
  assert.deepEqual(await warnings(`packs: [p]\n${used}`, live, { packs: () => pack }), []);
});
