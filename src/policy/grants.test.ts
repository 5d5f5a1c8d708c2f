import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clinic, context, factsOf, noonMs, policyOf, principalOf, requestOf } from '../../test/support/policy.ts';
import type { Facts } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { GrantId } from '../core/ids.ts';
import { accessOf, decide, explain, hasAccess, isOffered, masksFor, offersOf } from './index.ts';

const roles = `
roles:
  - { role: reader, members: [{ issuer: corp, group: readers }] }
  - { role: clinician, members: [{ issuer: corp, group: clinicians }] }
  - { role: rescue, members: [{ issuer: corp, group: clinicians }] }
  - { role: officer, members: [{ issuer: corp, group: privacy }] }
classes: [{ class: phi.ssn, columns: ["clinic:public.patients.ssn"] }]
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.*, roles: [clinician, rescue], mask: clear }
access:
  - { role: reader, targets: [clinic], effects: [read] }
  - role: clinician
    targets: [clinic]
    effects: [read, write]
    how: { on-request: { maxDuration: 2h, approvers: { role: officer, count: 2 } } }
  - role: rescue
    targets: ["*"]
    effects: [read]
    how: { break-glass: { maxDuration: 1h, reviewers: { role: officer } } }
`;
const policy = policyOf(roles);
const clinician = principalOf({ groups: ['clinicians'] });
/** Has standing access beside what may be granted. */
const both = principalOf({ groups: ['clinicians', 'readers'] });
const grant = (change: Partial<ActiveGrant> = {}): ActiveGrant => ({
  id: 'grt_1' as GrantId,
  role: 'clinician',
  targets: ['clinic'],
  effects: ['read', 'write'],
  relations: null,
  rowsPerHour: null,
  expiresAtMs: noonMs + 1_000,
  ...change,
});
const ask = (facts: Partial<Facts>, grants: readonly ActiveGrant[], principal = clinician) => {
  const masks = masksFor(principal, 'clinic', policy, grants);
  return decide(requestOf(facts, { maskSetId: masks.id }), principal, policy, { ...context, grants });
};
const answer = (...args: Parameters<typeof ask>) => {
  const { outcome, reasons, grants } = ask(...args);
  return [outcome, ...reasons, ...(grants ?? [])].join(' ');
};
const reads = (...names: string[]): Partial<Facts> => ({ relations: names.map((name) => ({ name, access: 'read' })) });
const writes = (...names: string[]): Partial<Facts> => ({
  effects: ['write'],
  relations: names.map((name) => ({ name, access: 'write' })),
});

test('an entry on request gives nobody anything', () => {
  assert.equal(hasAccess(clinician, 'clinic', policy), false);
  assert.equal(answer({}, []), 'deny no-access');
  assert.deepEqual(ask({}, []).rules, []);
});

test('a grant opens what its role has, and the decision names it', () => {
  assert.equal(hasAccess(clinician, 'clinic', policy, [grant()]), true);
  assert.equal(answer({}, [grant()]), 'allow grt_1');
  assert.equal(answer(writes('public.notes'), [grant()]), 'allow grt_1');
  assert.deepEqual(ask({}, [grant()]).roles, ['clinician']);
});

test('a grant gives nothing to who is no member of its role any more, and nothing that the policy no longer offers', () => {
  const reader = principalOf({ groups: ['analysts'] });
  assert.equal(hasAccess(reader, 'clinic', policy, [grant()]), false);
  assert.equal(answer({}, [grant()], reader), 'deny no-access');
  assert.equal(answer({ effects: ['ddl'] }, [grant({ effects: ['ddl'] })]), 'deny outside-grant');
  assert.equal(hasAccess(clinician, 'clinic', policy, [grant({ role: 'officer' })]), false);
});

test('a grant is for its targets only', () => {
  assert.equal(hasAccess(clinician, 'clinic', policy, [grant({ targets: ['lab'] })]), false);
  assert.equal(answer({}, [grant({ targets: ['lab'] })]), 'deny no-access');
});

test('a narrowed grant covers its effects and relations, and what clients read about the server', () => {
  const narrow = [grant({ effects: ['read'], relations: ['public.pat*'] })];
  assert.equal(answer(reads('public.patients'), narrow), 'allow grt_1');
  assert.equal(answer(reads('public.patients', 'pg_catalog.pg_type', 'information_schema.tables'), narrow), 'allow grt_1');
  assert.equal(answer({ effects: [], relations: [] }, narrow), 'allow grt_1');
  for (const facts of [
    reads('public.visits'),
    reads('public.patients', 'public.visits'),
    reads('private.patients'),
    reads('public.a.patients'),
    writes('public.patients'),
  ])
    assert.equal(answer(facts, narrow), 'deny outside-grant', JSON.stringify(facts));
  const writing = [grant({ relations: ['public.notes'] })];
  assert.equal(answer({ effects: ['write'], relations: [{ name: 'pg_catalog.pg_type', access: 'write' }] }, writing), 'deny outside-grant');
});

test('a grant for some relations covers no effect whose objects the facts do not list', () => {
  const some = policyOf(roles.replace('effects: [read, write]', 'effects: [read, write, ddl, call, admin]'));
  for (const effect of ['ddl', 'call', 'admin'] as const) {
    const decided = (relations: readonly string[] | null) =>
      decide(requestOf({ effects: [effect], relations: [] }), clinician, some, {
        ...context,
        grants: [grant({ effects: [effect], relations })],
      });
    assert.equal(decided(['*.*']).outcome, 'deny', effect);
    assert.equal(decided(null).outcome, 'allow', effect);
  }
});

test('a role that is only on request counts for masks and conditions while a grant is in force', () => {
  assert.equal(masksFor(both, 'clinic', policy).byClass['phi.ssn'], 'redact');
  assert.equal(masksFor(both, 'clinic', policy, [grant()]).byClass['phi.ssn'], 'clear');
  assert.notEqual(masksFor(both, 'clinic', policy).id, masksFor(both, 'clinic', policy, [grant()]).id);
  assert.equal(masksFor(both, 'clinic', policy, [grant({ targets: ['lab'] })]).byClass['phi.ssn'], 'redact');
  const ruled = policyOf(`${roles}rules: [{ name: no-clinicians, when: "'clinician' in principal.roles", then: deny }]`);
  assert.equal(decide(requestOf(), both, ruled, context).outcome, 'allow');
  assert.deepEqual(decide(requestOf(), both, ruled, { ...context, grants: [grant()] }).rules, ['no-clinicians']);
});

test('INVARIANT: a grant for one table does not lend its masks to the tables of standing access', () => {
  const narrow = [grant({ effects: ['read'], relations: ['public.notes'] })];
  assert.equal(masksFor(both, 'clinic', policy, narrow).byClass['phi.ssn'], 'clear');
  assert.equal(answer(reads('public.notes'), narrow, both), 'allow grt_1');
  assert.equal(answer(reads('public.patients'), narrow, both), 'deny outside-grant');
  assert.equal(answer(reads('public.notes', 'public.patients'), narrow, both), 'deny outside-grant');
});

test('INVARIANT: a grant for writing does not lend its masks to reading by standing access', () => {
  const writing = [grant({ effects: ['write'] })];
  assert.equal(answer(reads('public.patients'), writing, both), 'deny outside-grant');
  assert.equal(answer({ ...writes('public.patients'), effects: ['read', 'write'] }, writing, both), 'deny outside-grant');
});

test('standing access is used first where it shows the same', () => {
  const plain = policyOf(roles.replace('mask: clear', 'mask: redact'));
  const decided = (facts: Partial<Facts>) => decide(requestOf(facts), both, plain, { ...context, grants: [grant()] });
  assert.equal(decided({}).grants, undefined);
  assert.deepEqual(decided(writes('public.notes')).grants, ['grt_1']);
});

test('of several grants one that covers the statement is enough; two that only do so together are not', () => {
  const one = grant({ effects: ['read'] });
  const other = grant({ id: 'grt_2' as GrantId, effects: ['write'] });
  assert.equal(answer({}, [one, other]), 'allow grt_1');
  assert.equal(answer(writes('public.notes'), [one, other]), 'allow grt_2');
  assert.equal(answer({ effects: ['read', 'write'] }, [one, other]), 'deny outside-grant');
});

test('what is not understood stays denied under a grant', () => {
  const unknowns = [{ code: 'function', what: 'f', remedy: '' }] as const;
  assert.match(answer({ unknowns }, [grant()]), /^deny not-understood/);
  assert.equal(decide(requestOf(), { ...clinician, expiresAtMs: noonMs }, policy, { ...context, grants: [grant()] }).outcome, 'deny');
});

test('offers are what the members of a role may ask for', () => {
  assert.deepEqual(
    offersOf(clinician, 'clinic', policy).map(({ kind, role, maxDurationMs, approvers }) => [kind, role, maxDurationMs, approvers.count]),
    [
      ['on-request', 'clinician', 7_200_000, 2],
      ['break-glass', 'rescue', 3_600_000, 1],
    ],
  );
  assert.deepEqual(
    offersOf(clinician, 'lab', policy).map(({ role }) => role),
    ['rescue'],
  );
  assert.deepEqual(offersOf(principalOf({ groups: ['readers'] }), 'clinic', policy), []);
  const asked = {
    kind: 'on-request',
    role: 'clinician',
    effects: ['read'],
    durationMs: 7_200_000,
    approvers: { role: 'officer', count: 2 },
  } as const;
  assert.equal(isOffered(asked, 'clinic', policy, true), true);
  assert.equal(isOffered({ ...asked, kind: 'break-glass' }, 'clinic', policy, true), false);
  assert.equal(isOffered({ ...asked, effects: ['ddl'] }, 'clinic', policy, true), false);
  assert.equal(isOffered({ ...asked, durationMs: 7_200_001 }, 'clinic', policy, false), false);
  assert.equal(isOffered(asked, 'lab', policy, true), false);
  // Who answers matters until it is answered.
  for (const approvers of [
    { role: 'officer', count: 1 },
    { role: 'reader', count: 2 },
  ]) {
    assert.equal(isOffered({ ...asked, approvers }, 'clinic', policy, true), false);
    assert.equal(isOffered({ ...asked, approvers }, 'clinic', policy, false), true);
  }
});

test('explain shows the entry and the mask that a grant opens', () => {
  const facts = factsOf({ classes: ['phi.ssn'] });
  const explained = explain(requestOf(facts), clinician, policy, { target: clinic, nowMs: noonMs, grants: [grant()] });
  assert.deepEqual(
    explained.access.entries.map(({ role }) => role),
    ['clinician'],
  );
  assert.equal(explained.masks[0]?.mask, 'clear');
  assert.deepEqual(accessOf(['clinician', 'rescue'], 'clinic', policy), []);
});
