// Sessions under grants and locks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SallyportError, type ErrorCode } from '../core/error.ts';
import type { GrantId } from '../core/ids.ts';
import { createSessionControl, endedByPerson } from './session-control.ts';
import { RowBudgets } from './row-budgets.ts';
import {
  agent,
  allow,
  asPermit,
  base,
  type Bench,
  benchOf,
  client,
  endOf,
  grantOf,
  hold,
  masks,
  never,
  openOn as open,
  requestOf,
  snapshotOf,
} from './testing.ts';

const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
const one = 'grt_1' as GrantId;
const byGrant = { ...allow, grants: [one] } as const;

/** A principal who has access by a grant alone. */
function granted(change: Parameters<typeof grantOf>[0] = {}, decide: Parameters<typeof benchOf>[0] = () => byGrant): Bench {
  const bench = benchOf(decide);
  bench.access = false;
  bench.table.replace(new RowBudgets({ monotonicMs: () => 0 }).attach(snapshotOf({ grants: [grantOf(change)] })));
  return bench;
}

test('without a grant there is no session; with one its entries name it', async () => {
  const bench = granted();
  const session = await open(bench);
  const permit = asPermit(await session.ask(requestOf(), never));
  await session.settle(permit, { rows: 1, bytes: 1, code: 'ok' }).wait();
  assert.deepEqual(
    bench.log.entries.map(({ type, grant }) => [type, grant]),
    [
      ['auth.ok', undefined],
      ['session.open', one],
      ['request.intent', one],
      ['request.result', undefined],
    ],
  );
  bench.table.replace(snapshotOf());
  await assert.rejects(open(bench), code('SP_TARGET_UNKNOWN'));
});

test('a person ends one live session, and no other; the log says who', async () => {
  const bench = benchOf(() => allow);
  const [session, other] = [await open(bench), await open(bench)];
  const control = createSessionControl({
    threads: [(id) => bench.gate.endSession(id, endedByPerson()), async () => false],
    audit: bench.log,
  });
  const { entries } = bench.log;
  const before = entries.length;
  const about = { id: session.id, target: session.target.name };
  assert.equal(await control.end(about, agent, 'runs wild'), true);
  assert.deepEqual([endOf(session), endOf(other)], ['SP_SESSION_ENDED', null]);
  const entry = entries[before];
  assert.deepEqual(
    [entry?.type, entry?.session, entry?.principal?.subject, entry?.n],
    ['session.ended', session.id, agent.subject, undefined],
  );
  assert.doesNotMatch(JSON.stringify(entry), /wild/);
  assert.equal(new TextDecoder().decode(bench.log.payloads.at(-1)?.bytes), 'runs wild');
  await assert.rejects(async () => session.ask(requestOf(), never), code('SP_SESSION_ENDED'));
  await session.close('ended');
  assert.equal(await control.end(about, agent), false);
  assert.equal(entries.filter(({ type }) => type === 'session.ended').length, 1);
});

test('policy sees the grants that were in force when the session was opened', async () => {
  const bench = granted({}, (_request, grants) =>
    grants.map(({ id }) => id).join() === one ? byGrant : { ...base, outcome: 'deny', reasons: [], say: null },
  );
  bench.masksOf = (grants) => (grants.length === 1 ? masks : { id: 'others', byClass: {} });
  const session = await open(bench);
  assert.equal(session.masks(), masks);
  // One more changes nothing for a session that is open.
  bench.table.replace(snapshotOf({ grants: [grantOf(), grantOf({ id: 'grt_2' as GrantId })] }));
  assert.equal(session.masks(), masks);
  asPermit(await session.ask(requestOf(), never));
  assert.equal(endOf(session), null);
});

test('INVARIANT: the end of a grant ends its sessions at once, and drops what they kept', async () => {
  for (const after of [snapshotOf(), snapshotOf({ isKnown: false, grants: [grantOf()] })]) {
    const bench = granted();
    const session = await open(bench);
    const request = requestOf();
    asPermit(await session.ask(request, never));
    const permit = asPermit(await session.ask(request, never));
    bench.table.replace(after);
    assert.equal(endOf(session), 'SP_GRANT_ENDED');
    await assert.rejects(async () => session.ask(request, never), code('SP_GRANT_ENDED'));
    await assert.rejects(async () => session.again(permit), code('SP_GRANT_ENDED'));
    bench.gate.close();
  }
});

test('a session under standing access outlives grants that it was not opened under', async () => {
  const bench = benchOf(() => allow);
  const session = await open(bench);
  bench.table.replace(snapshotOf({ grants: [grantOf()] }));
  bench.table.replace(snapshotOf());
  assert.equal(endOf(session), null);
});

test('INVARIANT: no request is let through at or after the end of the grant, not even a kept decision before the sweep', async () => {
  const bench = granted();
  const session = await open(bench);
  const request = requestOf();
  asPermit(await session.ask(request, never));
  bench.nowMs = 4_999;
  asPermit(await session.ask(request, never));
  bench.nowMs = 5_000;
  await assert.rejects(async () => session.ask(request, never), code('SP_GRANT_ENDED'));
  assert.equal(endOf(session), 'SP_GRANT_ENDED');
});

test('a clock that is set back gives neither a grant nor an identity more time', async () => {
  const bench = granted();
  const session = await open(bench);
  bench.nowMs = -30_000;
  bench.steadyMs = 4_999;
  asPermit(await session.ask(requestOf(), never));
  bench.steadyMs = 5_000;
  await assert.rejects(async () => session.ask(requestOf(), never), code('SP_GRANT_ENDED'));

  const standing = benchOf(() => allow);
  standing.steadyMs = 0;
  const lasting = await open(standing);
  const request = requestOf();
  asPermit(await lasting.ask(request, never));
  standing.nowMs = -1_000_000;
  standing.steadyMs = agent.expiresAtMs;
  standing.table.replace(snapshotOf());
  assert.equal(endOf(lasting), 'SP_AUTH_EXPIRED');
});

test('time alone ends a session, without a request and without news', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const bench = granted();
  const session = await open(bench);
  bench.nowMs = 5_000;
  t.mock.timers.tick(500);
  assert.equal(endOf(session), 'SP_GRANT_ENDED');
});

test('a lock ends sessions at once and lets none in, until it is lifted', async () => {
  const locks = [
    { kind: 'principal', name: 'corp/agent-1' },
    { kind: 'role', name: 'reporting-agent' },
    { kind: 'target', name: 'clinic' },
  ] as const;
  for (const lock of locks) {
    const bench = benchOf(() => allow);
    bench.roles = ['reporting-agent'];
    const session = await open(bench);
    bench.table.replace(snapshotOf({ locks: [lock] }));
    assert.equal(endOf(session), 'SP_LOCKED', lock.kind);
    await assert.rejects(async () => session.ask(requestOf(), never), code('SP_LOCKED'));
    await assert.rejects(open(bench), code('SP_LOCKED'));
    assert.deepEqual(bench.log.entries.at(-1)?.detail, { fault: 'locked', address: client.address });
    bench.table.replace(snapshotOf({ locks: [{ ...lock, name: 'another' }] }));
    await session.close('fault');
    assert.equal(endOf(await open(bench)), null);
    bench.gate.close();
  }
});

test('a lock that comes while the session is being recorded ends it', async () => {
  const bench = benchOf(() => allow);
  bench.log.stalled = true;
  const opening = open(bench);
  bench.table.replace(snapshotOf({ locks: [{ kind: 'target', name: 'clinic' }] }));
  bench.log.sync();
  assert.equal(endOf(await opening), 'SP_LOCKED');
});

test('rows are metered under the grants that the decision rests on; used up = denied, also for kept decisions', async () => {
  const bench = granted({ rowsPerHour: 2, expiresAtMs: 9_000_000 });
  const session = await open(bench);
  const request = requestOf();
  const { rows } = asPermit(await session.ask(request, never)).facts;
  const repeated = asPermit(await session.ask(request, never)).facts;
  assert.deepEqual([rows?.take(), repeated.rows?.take(), rows?.take()], [true, true, false]);
  const denied = await session.ask(request, never);
  assert.equal(denied.kind, 'denied');
  assert.deepEqual(denied.kind === 'denied' && denied.decision.reasons, ['grant-rows']);
  assert.equal(bench.log.entries.at(-1)?.grant, one);
  assert.deepEqual(bench.log.entries.at(-1)?.reasons, ['grant-rows']);
});

test('a held request is not released after the grant that it was asked under', async () => {
  const bench = granted({}, () => ({ ...hold, grants: [one] }));
  const session = await open(bench);
  const held = await session.ask(requestOf(), never);
  assert.equal(held.kind, 'held');
  assert.equal(bench.log.entries.at(-1)?.grant, one);
  bench.nowMs = 5_000;
  await assert.rejects(held.kind === 'held' ? held.wait(never) : Promise.resolve(), code('SP_GRANT_ENDED'));
  assert.equal(bench.desk.used.length, 0);
});
