import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Deadline } from './deadline.ts';

const clockAt = (nowMs: number, monotonicMs = 500) => {
  const clock = { nowMs: () => clock.wall, monotonicMs: () => clock.steady, wall: nowMs, steady: monotonicMs };
  return clock;
};

describe('a deadline', () => {
  it('is over at its time of day, not before', () => {
    const clock = clockAt(1_000);
    const deadline = new Deadline(2_000, clock);
    assert.equal(deadline.isOver(), false);
    clock.wall = 1_999;
    assert.equal(deadline.isOver(), false);
    clock.wall = 2_000;
    assert.equal(deadline.isOver(), true);
  });

  it('is not moved away by a clock that is set back', () => {
    const clock = clockAt(1_000);
    const deadline = new Deadline(2_000, clock);
    assert.equal(deadline.isOver(), false);
    clock.wall = -50_000;
    clock.steady += 999;
    assert.equal(deadline.isOver(), false);
    clock.steady += 1;
    assert.equal(deadline.isOver(), true);
  });

  it('keeps to the earliest end when the clock was ahead for a while', () => {
    const clock = clockAt(1_900);
    const deadline = new Deadline(2_000, clock);
    assert.equal(deadline.isOver(), false);
    clock.wall = 0;
    clock.steady += 100;
    assert.equal(deadline.isOver(), true);
  });

  it('stays over when the clock is set back after it', () => {
    const clock = clockAt(2_000);
    const deadline = new Deadline(2_000, clock);
    assert.equal(deadline.isOver(), true);
    clock.wall = 0;
    assert.equal(deadline.isOver(), true);
  });
});
