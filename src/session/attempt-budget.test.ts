import assert from 'node:assert/strict';
import test from 'node:test';
import { AttemptBudget } from './attempt-budget.ts';

function budgetOf(attempts: number, maxKeys?: number): { readonly budget: AttemptBudget; readonly passMs: (ms: number) => void } {
  let nowMs = 1000;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const budget = new AttemptBudget({ clock, attempts, windowMs: 60_000, ...(maxKeys === undefined ? {} : { maxKeys }) });
  return { budget, passMs: (ms) => void (nowMs += ms) };
}

test('attempts are counted for each key, until the window that began with the first of them is over', () => {
  const { budget, passMs } = budgetOf(3);
  for (let index = 0; index < 3; index += 1) {
    assert.equal(budget.isSpent('a'), false);
    budget.spend('a');
    passMs(10_000);
  }
  assert.deepEqual([budget.isSpent('a'), budget.isSpent('b')], [true, false]);
  passMs(29_999);
  assert.equal(budget.isSpent('a'), true);
  // What is tried while nothing is left does not begin a new window.
  budget.spend('a');
  passMs(1);
  assert.equal(budget.isSpent('a'), false);
  budget.spend('a');
  assert.equal(budget.isSpent('a'), false);
});

test('memory is bounded: the key that was spent from least recently is forgotten', () => {
  const { budget } = budgetOf(1, 2);
  for (const key of ['a', 'b', 'a', 'c']) budget.spend(key);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => budget.isSpent(key)),
    [true, false, true],
  );
});
