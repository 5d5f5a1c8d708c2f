import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GrantId } from '../core/ids.ts';
import { AccessTable } from './access-table.ts';
import { RowsPerHour } from './rows-per-hour.ts';
import { agent, grantOf, snapshotOf } from './testing.ts';

const one = 'grt_1' as GrantId;
const alice = { issuer: 'corp', subject: 'alice', kind: 'person' } as const;

function tableAt(nowMs = 0) {
  const told: [string, number][] = [];
  const clock = { wall: nowMs, steady: 0, nowMs: () => clock.wall, monotonicMs: () => clock.steady };
  const table = new AccessTable({ clock, onRows: (id, rows) => told.push([id, rows]) });
  return { table, clock, told };
}
const idsOf = (table: AccessTable, principal = agent, target = 'clinic') => table.grantsOf(principal, target).map(({ id }) => id);

describe('grants of a thread', () => {
  it('are for exactly their holder and target', () => {
    const { table } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf()] }));
    assert.deepEqual(idsOf(table), [one]);
    assert.deepEqual(idsOf(table, agent, 'lab'), []);
    assert.deepEqual(idsOf(table, { ...agent, subject: 'agent-2' }), []);
    assert.deepEqual(idsOf(table, { ...agent, issuer: 'partner' }), []);
    // An agent for Alice is another holder than the agent itself.
    assert.deepEqual(idsOf(table, { ...agent, onBehalfOf: alice }), []);
    table.replace(snapshotOf({ grants: [grantOf({ holder: 'corp/agent-1 for corp/alice' })] }));
    assert.deepEqual(idsOf(table), []);
    assert.deepEqual(idsOf(table, { ...agent, onBehalfOf: alice }), [one]);
  });

  it('end with their time, also when the clock is set back', () => {
    const { table, clock } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf()] }));
    clock.steady = 4_999;
    assert.equal(table.isInForce(one), true);
    clock.wall = -1_000;
    clock.steady = 5_000;
    assert.equal(table.isInForce(one), false);
    assert.deepEqual(idsOf(table), []);
  });

  it('keep their end when the same state comes again after the clock was set back', () => {
    const { table, clock } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf()] }));
    clock.wall = -60_000;
    table.replace(snapshotOf({ grants: [grantOf()] }));
    clock.steady = 5_000;
    assert.equal(table.isInForce(one), false);
  });

  it('do not count before they were opened: a clock that shows less was set back before the start', () => {
    const { table, clock } = tableAt(1_000_000);
    table.replace(snapshotOf({ grants: [grantOf({ openedAtMs: 1_100_000, expiresAtMs: 9_000_000 })] }));
    assert.equal(table.isInForce(one), false);
    clock.wall = 1_050_000;
    assert.equal(table.isInForce(one), true);
  });

  it('are nobody’s while the store cannot be read; locks stay', () => {
    const { table } = tableAt();
    const locks = [{ kind: 'target', name: 'clinic' }] as const;
    table.replace(snapshotOf({ grants: [grantOf()], locks }));
    table.replace(snapshotOf({ isKnown: false, grants: [grantOf()], locks }));
    assert.deepEqual(idsOf(table), []);
    assert.equal(table.isInForce(one), false);
    assert.equal(table.isLocked(agent, [], 'clinic'), true);
  });

  it('come first that limit least', () => {
    const { table } = tableAt();
    table.replace(
      snapshotOf({
        grants: [
          grantOf({ rowsPerHour: 10 }),
          grantOf({ id: 'grt_2' as GrantId, expiresAtMs: 4_000 }),
          grantOf({ id: 'grt_3' as GrantId, rowsPerHour: 20 }),
          grantOf({ id: 'grt_4' as GrantId }),
        ],
      }),
    );
    assert.deepEqual(idsOf(table), ['grt_4', 'grt_2', 'grt_3', 'grt_1']);
  });

  it('tell listeners of every replaced state, until they stop listening', () => {
    const { table } = tableAt();
    let calls = 0;
    const stop = table.subscribe(() => (calls += 1));
    table.replace(snapshotOf());
    stop();
    table.replace(snapshotOf());
    assert.equal(calls, 1);
  });
});

describe('locks of a thread', () => {
  it('name a principal, whoever it acts for, a role or a target, and nothing of a similar name', () => {
    const { table } = tableAt();
    const locked = (kind: 'principal' | 'role' | 'target', name: string, principal = agent): boolean => {
      table.replace(snapshotOf({ locks: [{ kind, name }] }));
      return table.isLocked(principal, ['reporting-agent'], 'clinic');
    };
    assert.equal(locked('principal', 'corp/agent-1'), true);
    assert.equal(locked('principal', 'corp/agent-11'), false);
    assert.equal(locked('principal', 'corp/alice', { ...agent, onBehalfOf: alice }), true);
    assert.equal(locked('role', 'reporting-agent'), true);
    assert.equal(locked('role', 'reporting'), false);
    assert.equal(locked('target', 'clinic'), true);
    assert.equal(locked('target', 'lab'), false);
    assert.equal(locked('role', 'clinic'), false);
  });
});

describe('rows of a grant', () => {
  it('are counted row by row up to the limit, and told to other threads in sums', async () => {
    const { table, told } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf({ rowsPerHour: 3 })] }));
    const meter = table.meterOf([one]);
    assert.deepEqual([meter?.take(), meter?.take()], [true, true]);
    assert.equal(table.isUsedUp([one]), false);
    assert.deepEqual([table.meterOf([one])?.take(), meter?.take()], [true, false]);
    assert.equal(table.isUsedUp([one]), true);
    await new Promise(setImmediate);
    assert.deepEqual(told, [[one, 3]]);
  });

  it('of other threads count, and come again after an hour', () => {
    const { table, clock } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf({ rowsPerHour: 3, expiresAtMs: 10 * 3_600_000 })] }));
    table.addRows(one, 3);
    assert.equal(table.meterOf([one])?.take(), false);
    clock.steady = 59 * 60_000;
    assert.equal(table.isUsedUp([one]), true);
    clock.steady = 61 * 60_000;
    assert.equal(table.isUsedUp([one]), false);
  });

  it('have no meter without a limit; with several limits the least left counts', () => {
    const { table } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf(), grantOf({ id: 'grt_2' as GrantId, rowsPerHour: 1 })] }));
    assert.equal(table.meterOf([one]), null);
    const both = table.meterOf([one, 'grt_2' as GrantId]);
    assert.deepEqual([both?.take(), both?.take()], [true, false]);
  });

  it('are not forgotten when the store was away for a while', () => {
    const { table } = tableAt();
    const grants = [grantOf({ rowsPerHour: 1 })];
    table.replace(snapshotOf({ grants }));
    table.meterOf([one])?.take();
    table.replace(snapshotOf({ isKnown: false }));
    table.replace(snapshotOf({ grants }));
    assert.equal(table.isUsedUp([one]), true);
  });

  it('slide: each minute counts until all of it is an hour ago', () => {
    const rows = new RowsPerHour(10);
    for (let minute = 0; minute < 10; minute += 1) rows.add(1, minute * 60_000);
    assert.equal(rows.left(59 * 60_000), 0);
    assert.equal(rows.left(61 * 60_000), 1);
    assert.equal(rows.left(65 * 60_000), 5);
    rows.add(5, 65 * 60_000);
    assert.equal(rows.left(65 * 60_000), 0);
    assert.equal(rows.left(500 * 60_000), 10);
    rows.add(50, 500 * 60_000);
    assert.equal(rows.left(500 * 60_000), 0);
  });
});
