import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { context, faultsOf, people, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import { columnMatches } from '../policy/patterns.ts';
import { classRules, decide, masksFor, PACK_NAMES } from '../policy/index.ts';
import { loadPacks } from './packs.ts';

const texts = loadPacks();
const packs = (name: string): string | undefined => texts.get(name);
const approver = 'roles:\n  - { role: change-approver, members: [{ issuer: corp, group: leads }] }\n';
const hipaa = policyOf(`packs: [hipaa-agents]\n${people}`, { packs });
const agent = principalOf();

function classesOf(column: string): string[] {
  return classRules(hipaa, 'clinic')
    .filter(({ pattern }) => columnMatches(pattern, column))
    .map((rule) => rule.class);
}

test('every file in packs/ is a pack by name, and every name has a file', () => {
  const files = readdirSync(join(import.meta.dirname, '../policy/packs')).map((name) => name.replace(/\.yaml$/, ''));
  assert.deepEqual(files.toSorted(), PACK_NAMES.toSorted());
  assert.deepEqual([...texts.keys()], [...PACK_NAMES]);
});

test('every pack loads, also all of them together, once the roles they need are defined', () => {
  const all = `packs: [${PACK_NAMES.join(', ')}]\n`;
  assert.deepEqual(faultsOf(all + people.replace('roles:\n', approver), { packs }), []);
  assert.match(faultsOf(all, { packs }).join('\n'), /needs the role privacy-officer[\s\S]*needs the role change-approver/);
});

test('hipaa-agents has a class for each of the 18 Safe Harbor identifiers, and none of them is shown in clear', () => {
  const identifiers = [
    'name',
    'address',
    'date',
    'phone',
    'fax',
    'email',
    'ssn',
    'mrn',
    'health-plan',
    'account',
    'license',
    'vehicle',
    'device',
    'url',
    'ip',
    'biometric',
    'photo',
    'other-id',
  ];
  assert.equal(identifiers.length, 18);
  const masks = masksFor(agent, 'clinic', hipaa).byClass;
  for (const name of [...identifiers, 'birth-date', 'zip', 'age', 'text']) {
    assert.ok(
      classRules(hipaa, 'clinic').some((rule) => rule.class === `phi.${name}`),
      name,
    );
    assert.notEqual(masks[`phi.${name}`] ?? 'clear', 'clear', name);
  }
  assert.deepEqual(
    ['date', 'birth-date', 'age', 'zip', 'mrn', 'ssn'].map((name) => masks[`phi.${name}`]),
    ['year', 'age-90', 'age-90', 'zip3', 'token', 'redact'],
  );
});

test('hipaa-agents knows where each identifier is in JSON, and all but vehicles in FHIR resources', () => {
  const kinds = new Map<string, Set<string>>();
  for (const { class: name, places } of hipaa.classes) kinds.set(name, new Set(places.map(({ location }) => location.kind)));
  for (const [name, found] of kinds) {
    assert.deepEqual([...found].toSorted(), name === 'phi.vehicle' ? ['json'] : ['fhir', 'json'], name);
  }
  assert.equal(kinds.size, 22);
});

test('hipaa-agents lets record numbers be looked up, and nothing that describes people', () => {
  const lookups = classRules(hipaa, 'clinic').filter(({ lookup }) => lookup === true);
  assert.deepEqual([...new Set(lookups.map((rule) => rule.class))].toSorted(), [
    'phi.account',
    'phi.health-plan',
    'phi.mrn',
    'phi.other-id',
  ]);
});

test('hipaa-agents finds the usual columns and leaves ordinary ones alone', () => {
  for (const [column, expected] of [
    ['public.patients.name', 'phi.name'],
    ['public.patients.ssn', 'phi.ssn'],
    ['public.patients.dob', 'phi.birth-date'],
    ['public.patients.email', 'phi.email'],
    ['public.patients.phone', 'phi.phone'],
    ['public.patients.address', 'phi.address'],
    ['public.patients.zip', 'phi.zip'],
    ['public.patients.mrn', 'phi.mrn'],
    ['public.patients.notes', 'phi.text'],
    ['app.Person.firstName', 'phi.name'],
    ['ehr.lab_results.barcode', 'phi.other-id'],
  ] as const) {
    assert.deepEqual(classesOf(column), [expected], column);
  }
  for (const column of [
    'public.clinics.name',
    'public.drugs.name',
    'public.patients.id',
    'public.encounters.patient_id',
    'public.encounters.created_at',
    'public.prescriptions.dose',
    'public.clinics.state',
  ]) {
    assert.deepEqual(classesOf(column), [], column);
  }
});

test('hipaa-agents lets ordinary analytics over masked data run', () => {
  const analytics = [
    { classes: ['phi.date', 'phi.zip'], predicateClasses: ['phi.date', 'phi.zip'], outputClasses: ['phi.date'] },
    { classes: ['phi.mrn'], predicateClasses: ['phi.mrn'], outputClasses: ['phi.mrn'], limit: 100 },
    { classes: ['phi.ssn', 'phi.name'], predicateClasses: ['phi.ssn', 'phi.name'] },
    { unbounded: true },
  ];
  for (const facts of analytics) assert.equal(decide(requestOf(facts), agent, hipaa, context).outcome, 'allow', JSON.stringify(facts));
});

test('hipaa-agents holds bulk reads and exports of patient data, and refuses schema changes and administration by agents', () => {
  const policy = policyOf(`packs: [hipaa-agents]\n${people.replace('effects: [read]', 'effects: [read, ddl, admin, copy-out]')}`, {
    packs,
  });
  const outcome = (facts: Parameters<typeof requestOf>[0]) => {
    const decision = decide(requestOf(facts), agent, policy, context);
    return [decision.outcome, ...decision.rules];
  };
  assert.deepEqual(outcome({ unbounded: true, classes: ['phi.ssn'] }), ['hold', 'bulk-read-of-phi']);
  assert.deepEqual(outcome({ limit: 10_001, classes: ['phi.ssn'] }), ['hold', 'bulk-read-of-phi']);
  assert.deepEqual(outcome({ limit: 10_000, classes: ['phi.ssn'] }), ['allow']);
  assert.deepEqual(outcome({ limit: 1_000_000 }), ['allow']);
  assert.deepEqual(outcome({ effects: ['copy-out'], classes: ['phi.ssn'] }), ['hold', 'copy-out-of-phi']);
  assert.deepEqual(outcome({ effects: ['ddl'] }), ['deny', 'no-ddl-for-agents']);
  assert.deepEqual(outcome({ effects: ['admin'] }), ['deny', 'no-admin-for-agents']);
});

test('hipaa-agents can be opened for a role and not for everybody', () => {
  const open = (entry: string) => policyOf(`packs: [hipaa-agents]\n${people}masks:\n  - ${entry}\n`, { packs });
  const clinician = principalOf({ groups: ['clinicians'], kind: 'person' });
  const forRole = open('{ class: phi.*, roles: [treating-clinician], mask: clear }');
  assert.equal(masksFor(clinician, 'clinic', forRole).byClass['phi.ssn'], 'clear');
  assert.equal(masksFor(agent, 'clinic', forRole).byClass['phi.ssn'], 'redact');
  assert.equal(masksFor(agent, 'clinic', open('{ class: phi.*, mask: clear }')).byClass['phi.ssn'], 'redact');
});

test('read-only keeps agents to reading and leaves people alone', () => {
  const policy = policyOf(`packs: [read-only]\n${people.replace('effects: [read]', 'effects: [read, write]')}`, { packs });
  assert.equal(decide(requestOf({ effects: ['read'] }), agent, policy, context).outcome, 'allow');
  assert.equal(decide(requestOf({ effects: [] }), agent, policy, context).outcome, 'allow');
  assert.deepEqual(decide(requestOf({ effects: ['read', 'write'] }), agent, policy, context).rules, ['agents-only-read']);
  const clinician = principalOf({ groups: ['clinicians'], kind: 'person' });
  assert.equal(decide(requestOf({ effects: ['write'] }), clinician, policy, context).outcome, 'allow');
});

test('change-control holds whatever changes something', () => {
  const policy = policyOf(
    `packs: [change-control]\n${people.replace('roles:\n', approver).replace('effects: [read]', 'effects: [read, write]')}`,
    { packs },
  );
  assert.equal(decide(requestOf({ effects: ['read'] }), agent, policy, context).outcome, 'allow');
  assert.equal(decide(requestOf({ effects: ['read', 'write'] }), agent, policy, context).outcome, 'hold');
});

test('look-ups that hipaa-agents allows are closed by one entry of the policy', () => {
  const closed = policyOf(`packs: [hipaa-agents]\n${people}classes: [{ class: phi.mrn, predicates: any }]\n`, { packs });
  const lookups = (policy: typeof closed): string[] =>
    classRules(policy, 'clinic').flatMap((rule) => (rule.lookup === true && rule.class === 'phi.mrn' ? [rule.pattern] : []));
  assert.ok(lookups(hipaa).length > 0);
  assert.deepEqual(lookups(closed), []);
});
