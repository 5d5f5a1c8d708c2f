// Sessions under a policy that changes, and what their entries say for whoever decides them again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../core/secret.ts';
import { claimDigests } from './identity-facts.ts';
import {
  agent,
  allow,
  asPermit,
  benchOf,
  client,
  countingBench,
  deny,
  endOf,
  factsOf,
  grantOf,
  masks,
  never,
  openOn as open,
  requestOf,
  snapshotOf,
  target,
} from './testing.ts';

const masksOf = (byClass: typeof masks.byClass, id = 'masks-2') => ({ id, byClass });

test('a policy with other rules ends no session', async () => {
  const bench = benchOf(() => allow);
  const session = await open(bench);
  session.masks();
  bench.reload();
  bench.masksOf = () => masksOf({ ...masks.byClass });
  bench.gate.policyChanged();
  assert.equal(endOf(session), null);
  assert.equal(session.masks().id, 'masks-2');
});

test('a session ends at once when it has no access any more, and its next request is not even decided', async () => {
  const { bench, decided } = countingBench();
  const session = await open(bench);
  bench.access = false;
  bench.reload();
  bench.gate.policyChanged();
  assert.equal(endOf(session), 'SP_POLICY_CHANGED');
  assert.throws(() => session.ask(requestOf(), never), { code: 'SP_POLICY_CHANGED' });
  assert.equal(decided(), 0);
});

test('a session ends when a class is shown otherwise: more, less, newly protected or not any more', async () => {
  for (const byClass of [{ 'phi.ssn': 'clear' }, { 'phi.ssn': 'null' }, { 'phi.ssn': 'redact', 'phi.name': 'token' }, {}] as const) {
    const bench = benchOf(() => allow);
    const session = await open(bench);
    session.masks();
    bench.reload();
    bench.masksOf = () => masksOf(byClass);
    bench.gate.policyChanged();
    assert.equal(endOf(session), 'SP_POLICY_CHANGED', JSON.stringify(byClass));
    await session.close('policy');
    // Who comes after lives under the masks of the new version.
    const next = await open(bench);
    next.masks();
    bench.gate.policyChanged();
    assert.equal(endOf(next), null);
  }
});

test('access by a grant counts: the session goes on', async () => {
  const bench = benchOf(() => allow);
  bench.access = false;
  bench.table.replace(snapshotOf({ grants: [grantOf()] }));
  const session = await open(bench);
  bench.reload();
  bench.gate.policyChanged();
  assert.equal(endOf(session), null);
});

test('session.open says who it was as far as policy can ask, without a claim in it', async () => {
  const bench = benchOf(() => allow);
  bench.table.replace(snapshotOf({ grants: [grantOf({ relations: ['public.visits'] })] }));
  const principal = { ...agent, groups: ['ai-agents'], claims: { repository: 'clinic/etl' } };
  await bench.gate.openSession(principal, target, client);
  const { identity } = bench.log.entries.find(({ type }) => type === 'session.open') ?? assert.fail();
  const digests = claimDigests(new Secret('claims of the bench'));
  assert.deepEqual(identity?.groups, ['ai-agents']);
  assert.deepEqual(identity?.claims, { key: digests.keyId, values: { repository: [digests.of('repository', 'clinic/etl')] } });
  assert.deepEqual(
    identity?.grants.map(({ relations }) => relations),
    [['public.visits']],
  );
  assert.doesNotMatch(JSON.stringify(bench.log.entries), /clinic\/etl/);
});

test('every kind of request entry says what was decided on; the session only while a rule asks for it', async () => {
  const facts = factsOf({
    limit: 5,
    columns: ['public.patients.name'],
    lineage: { shown: ['public.patients.name'], tested: [], open: [] },
  });
  for (const isTimeless of [true, false]) {
    for (const decision of [allow, deny]) {
      const bench = benchOf(() => decision);
      bench.isTimeless = isTimeless;
      bench.reload();
      const session = await open(bench);
      bench.nowMs = 7_500;
      const answer = await session.ask(requestOf({ facts, estimatedRows: 12.7 }), never);
      if (decision === allow) asPermit(answer);
      const entry = bench.log.entries.at(-1) ?? assert.fail();
      const { statements, limit, columns, estimatedRows, session: known } = entry.facts ?? assert.fail();
      assert.deepEqual(
        [statements, limit, columns, estimatedRows],
        [1, 5, [{ relation: 'public.patients', shown: ['name'] }], 12],
        entry.type,
      );
      assert.deepEqual(known, isTimeless ? undefined : { ageSeconds: 7, statements: 1 });
    }
  }
});
