import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, principalOf } from '../../test/support/policy.ts';
import type { EntryHeader } from '../core/event.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { GrantId, SessionId, TargetName } from '../core/ids.ts';
import type { SessionRow } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { claimDigests, recordedIdentity } from '../session/identity-facts.ts';
import { lastUses } from './last-uses.ts';

const policy = policyOf(`
roles:
  - { role: reader, members: [{ issuer: corp, group: readers }, { issuer: corp, claim: repository, is: clinic/etl }] }
  - { role: officer, members: [{ issuer: corp, subject: olga, kind: person }] }
access:
  - { role: reader, targets: [clinic], effects: [read] }
  - { role: officer, targets: ["*"], effects: [read], how: { on-request: { maxDuration: 1h, approvers: { role: officer } } } }
`);
const claims = claimDigests(new Secret('k'.repeat(40)));
const grant: ActiveGrant = {
  id: 'grt_1' as GrantId,
  role: 'officer',
  targets: ['lab'],
  effects: ['read'],
  relations: null,
  rowsPerHour: null,
  expiresAtMs: 1,
};

/** Sessions in the order in which they were opened. */
function logOf(...opened: { who: Parameters<typeof principalOf>[0]; target?: string; grants?: ActiveGrant[] }[]) {
  const rows: SessionRow[] = [];
  const entries: EntryHeader[] = [];
  opened.forEach(({ who, target = 'clinic', grants = [] }, index) => {
    const principal = principalOf({ groups: [], ...who });
    const id = `ses_${index}` as SessionId;
    const { issuer, subject, kind, onBehalfOf } = principal;
    entries.push({
      v: 1,
      seq: index,
      ts: '',
      replica: 'main',
      type: 'session.open',
      session: id,
      identity: recordedIdentity(principal, grants, claims),
    });
    rows.unshift({
      id,
      target: target as TargetName,
      principal: { issuer, subject, kind },
      onBehalfOf,
      openedAtMs: 1_000 * (index + 1),
      closedAtMs: null,
      closeReason: null,
      statements: 0,
      denied: 0,
      held: 0,
      rows: 0,
      openIndex: index,
      maskedCells: 0,
      classes: [],
      lastAtMs: 0,
      isWaiting: false,
    });
  });
  return {
    claims,
    sessions: { list: async () => rows },
    reader: {
      async *entries(from: number, to: number) {
        yield* entries.slice(from, to);
      },
    },
  };
}
const summaryOf = async (deps: ReturnType<typeof logOf>) =>
  (await lastUses(policy, deps)).standing.map(({ access, uses }) => [
    access.member,
    access.how,
    uses.map(({ principal, target, lastUsedAtMs }) => `${principal} ${target} ${lastUsedAtMs}`),
  ]);

test('each member entry of each access entry gets the sessions of those whom it names', async () => {
  const deps = logOf(
    { who: { subject: 'a', groups: ['readers'] } },
    { who: { subject: 'b', claims: { repository: ['clinic/etl', 'other'] } } },
    { who: { subject: 'c', groups: ['strangers'] } },
    { who: { subject: 'a', groups: ['readers'] } },
    { who: { subject: 'a', groups: ['readers'], onBehalfOf: { issuer: 'corp', subject: 'al', kind: 'person' } } },
  );
  assert.deepEqual(await summaryOf(deps), [
    ['issuer corp, group readers', 'standing', ['corp/a for corp/al clinic 5000', 'corp/a clinic 4000']],
    ['issuer corp, repository = clinic/etl', 'standing', ['corp/b clinic 2000']],
    ['issuer corp, subject olga, kind person', 'on-request', []],
  ]);
});

test('what a grant opened is the use of the grant and of the entry that offers it, not of standing access', async () => {
  const olga = { subject: 'olga', kind: 'person' as const, groups: ['readers'] };
  const deps = logOf(
    { who: olga, target: 'lab', grants: [grant] },
    { who: olga, grants: [{ ...grant, id: 'grt_2' as GrantId }] },
    { who: olga },
  );
  assert.deepEqual(
    (await summaryOf(deps)).map(([, , uses]) => uses),
    [['corp/olga clinic 3000'], [], ['corp/olga clinic 2000', 'corp/olga lab 1000']],
  );
  assert.deepEqual(
    [...(await lastUses(policy, deps)).grants],
    [
      ['grt_2', 2_000],
      ['grt_1', 1_000],
    ],
  );
});

test('what was recorded under another key, or not at all, is nobody’s use by claim or group', async () => {
  const deps = logOf({ who: { subject: 'b', claims: { repository: 'clinic/etl' } } });
  const other = { ...deps, claims: claimDigests(new Secret('o'.repeat(40))) };
  assert.deepEqual(
    (await summaryOf(other)).map(([, , uses]) => uses),
    [[], [], []],
  );
  const none = { ...deps, reader: { async *entries() {} } };
  assert.deepEqual(
    (await summaryOf(none)).map(([, , uses]) => uses),
    [[], [], []],
  );
});
