import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GrantId } from '../core/ids.ts';
import { AccessTable } from './access-table.ts';
import { RowBudgets } from './row-budgets.ts';
import { agent, grantOf, snapshotOf } from './testing.ts';

const one = 'grt_1' as GrantId;
const alice = { issuer: 'corp', subject: 'alice', kind: 'person' } as const;

function tableAt(nowMs = 0) {
  const clock = { wall: nowMs, steady: 0, nowMs: () => clock.wall, monotonicMs: () => clock.steady };
  const table = new AccessTable({ clock });
  return { table, clock };
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
  it('are counted row by row up to the limit, together with what other threads take', () => {
    const { table } = tableAt();
    const { table: other } = tableAt();
    const snapshot = new RowBudgets(tableAt().clock).attach(snapshotOf({ grants: [grantOf({ rowsPerHour: 3 })] }));
    table.replace(snapshot);
    other.replace(structuredClone(snapshot));
    const meter = table.meterOf([one]);
    assert.deepEqual([meter?.take(), other.meterOf([one])?.take()], [true, true]);
    assert.equal(table.isUsedUp([one]), false);
    assert.deepEqual([table.meterOf([one])?.take(), meter?.take(), other.meterOf([one])?.take()], [true, false, false]);
    assert.deepEqual([table.isUsedUp([one]), other.isUsedUp([one])], [true, true]);
  });

  it('have no meter without a limit; with several limits the least left counts, and nothing is taken of the others', () => {
    const { table } = tableAt();
    const two = 'grt_2' as GrantId;
    const grants = [grantOf({ rowsPerHour: 2 }), grantOf({ id: two, rowsPerHour: 1 }), grantOf({ id: 'grt_3' as GrantId })];
    table.replace(new RowBudgets(tableAt().clock).attach(snapshotOf({ grants })));
    assert.equal(table.meterOf(['grt_3' as GrantId]), null);
    const both = table.meterOf([one, two]);
    assert.deepEqual([both?.take(), both?.take(), both?.take()], [true, false, false]);
    assert.equal(table.meterOf([one])?.take(), true);
  });

  it('are none where a limit has no count: it came without one', () => {
    const { table } = tableAt();
    table.replace(snapshotOf({ grants: [grantOf({ rowsPerHour: 1000 })] }));
    assert.equal(table.meterOf([one])?.take(), false);
    assert.equal(table.isUsedUp([one]), true);
  });
});
