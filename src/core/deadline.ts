// An absolute end that a stepped clock cannot move away. It is over as soon as either clock says so: the wall clock, because
// the end is a time of day, or the monotonic one, because setting the wall clock back must not win time.

import type { Clock } from './ports.ts';

/** How far the wall clock may be put right backwards. What begins later than this in the future was opened before the clock was set
 *  back, and does not count. */
export const CLOCK_LEEWAY_MS = 60_000;

export class Deadline {
  /** Wall clock, ms since the epoch. */
  readonly endMs: number;
  readonly #clock: Clock;
  /** Monotonic; the earliest that any look at the wall clock gave. */
  #latestMs: number;
  #isOver = false;

  constructor(endMs: number, clock: Clock) {
    this.endMs = endMs;
    this.#clock = clock;
    this.#latestMs = Number.POSITIVE_INFINITY;
    this.isOver();
  }

  /** Once it is over it stays so. */
  isOver(): boolean {
    if (this.#isOver) return true;
    const leftMs = this.endMs - this.#clock.nowMs();
    const nowMs = this.#clock.monotonicMs();
    // A clock that was set forward for a while has said less than there was; nothing says more later.
    this.#latestMs = Math.min(this.#latestMs, nowMs + leftMs);
    this.#isOver = leftMs <= 0 || nowMs >= this.#latestMs;
    return this.#isOver;
  }
}
