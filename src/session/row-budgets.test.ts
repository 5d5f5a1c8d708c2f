import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { GrantId } from '../core/ids.ts';
import { RowBudgets, RowsLeft } from './row-budgets.ts';
import { RowsPerHour } from './rows-per-hour.ts';
import { grantOf, snapshotOf } from './testing.ts';

const minute = 60_000;

function budgetsOf(rowsPerHour: number) {
  const clock = { steady: 0, monotonicMs: () => clock.steady };
  const budgets = new RowBudgets(clock);
  const snapshot = snapshotOf({ grants: [grantOf({ rowsPerHour })] });
  const attach = (): RowsLeft => new RowsLeft(budgets.attach(snapshot).grants[0]?.rowsLeft ?? assert.fail('no memory'));
  return { clock, budgets, attach, at: (ms: number) => ((clock.steady = ms), budgets.tick()) };
}
const takeAll = (rows: RowsLeft): number => {
  let taken = 0;
  while (rows.take()) taken += 1;
  return taken;
};

describe('rows that a grant has left', () => {
  it('INVARIANT: threads that release at the same time never release one more than the limit together', async () => {
    const limit = 300_000;
    const ready = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const { budgets, attach, at } = budgetsOf(limit);
    const memory = budgets.attach(snapshotOf({ grants: [grantOf({ rowsPerHour: limit })] })).grants[0]?.rowsLeft;
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ RowsLeft }) => {
        const rows = new RowsLeft(workerData.memory);
        const ready = new Int32Array(workerData.ready);
        Atomics.add(ready, 0, 1);
        while (Atomics.load(ready, 0) < workerData.threads);
        let taken = 0;
        for (;;) if (rows.take()) taken += 1; else break;
        parentPort.postMessage(taken);
      });`;
    const module = new URL('row-budgets.ts', import.meta.url).href;
    const threads = 3;
    const workers = Array.from({ length: threads }, () => new Worker(code, { eval: true, workerData: { module, memory, ready, threads } }));
    const counted = await Promise.all(workers.map((worker) => once(worker, 'message') as Promise<[number]>));
    assert.equal(
      counted.reduce((sum, [taken]) => sum + taken, 0),
      limit,
    );
    at(0);
    assert.equal(attach().take(), false);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it('come again when they are an hour ago, not before, and never more than the limit', () => {
    const { attach, at } = budgetsOf(10);
    const rows = attach();
    assert.deepEqual([rows.take(), rows.take(), rows.take(), rows.take()], [true, true, true, true]);
    at(0);
    at(30 * minute);
    assert.equal(takeAll(rows), 6);
    at(30 * minute);
    at(59 * minute);
    assert.equal(rows.now(), 0);
    at(61 * minute);
    assert.equal(rows.now(), 4);
    at(500 * minute);
    assert.equal(rows.now(), 10);
  });

  it('count from the moment they are noticed: an owner that was late gives back later, not sooner', () => {
    const { attach, at } = budgetsOf(2);
    const rows = attach();
    takeAll(rows);
    at(40 * minute);
    at(61 * minute);
    assert.equal(rows.now(), 0);
    at(101 * minute);
    assert.equal(rows.now(), 2);
  });

  it('are not forgotten with a new snapshot, nor while the store was away; they end with the grant', () => {
    const { budgets, attach } = budgetsOf(1);
    takeAll(attach());
    assert.deepEqual(budgets.attach(snapshotOf({ isKnown: false })).grants, []);
    assert.equal(attach().take(), false);
    budgets.attach(snapshotOf());
    assert.equal(attach().take(), true, 'another grant of that name');
  });

  it('are counted for each grant by itself, and not at all without a limit', () => {
    const { budgets } = budgetsOf(1);
    const grants = [grantOf({ rowsPerHour: 1 }), grantOf({ id: 'grt_2' as GrantId, rowsPerHour: 2 }), grantOf({ id: 'grt_3' as GrantId })];
    const [first, second, third] = budgets.attach(snapshotOf({ grants })).grants.map(({ rowsLeft }) => rowsLeft);
    assert.equal(third, undefined);
    assert.deepEqual([takeAll(new RowsLeft(first ?? assert.fail())), takeAll(new RowsLeft(second ?? assert.fail()))], [1, 2]);
  });
});

it('an hour slides: each minute counts until all of it is an hour ago', () => {
  const rows = new RowsPerHour(10);
  for (let n = 0; n < 10; n += 1) rows.add(1, n * minute);
  assert.equal(rows.left(59 * minute), 0);
  assert.equal(rows.left(61 * minute), 1);
  assert.equal(rows.left(65 * minute), 5);
  rows.add(5, 65 * minute);
  assert.equal(rows.left(65 * minute), 0);
  assert.equal(rows.left(500 * minute), 10);
  rows.add(50, 500 * minute);
  assert.equal(rows.left(500 * minute), 0);
});
