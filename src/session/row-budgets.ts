// Rows that may still be released under each grant with a limit: one number for each grant, in memory that all threads share. A
// thread takes each row from it before it releases the row, so all of them together never release one more than the limit in any
// 60 minutes. Only the main thread gives back, what is more than an hour ago.

import type { AccessSnapshot } from '../core/grant.ts';
import type { GrantId } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import { RowsPerHour } from './rows-per-hour.ts';

/** What one grant has left. Every thread that has the memory takes from the same. */
export class RowsLeft {
  readonly #left: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.#left = new Int32Array(memory);
  }

  /** @returns false when none is left: then nothing was taken. */
  take(): boolean {
    for (;;) {
      const left = this.now();
      if (left <= 0) return false;
      if (Atomics.compareExchange(this.#left, 0, left, left - 1) === left) return true;
    }
  }

  give(rows: number): void {
    Atomics.add(this.#left, 0, rows);
  }

  now(): number {
    return Atomics.load(this.#left, 0);
  }
}

interface Budget {
  readonly memory: SharedArrayBuffer;
  readonly rows: RowsLeft;
  readonly released: RowsPerHour;
  /** When it was last looked at. */
  left: number;
}

export class RowBudgets {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #budgets = new Map<GrantId, Budget>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** The same snapshot, with what each limited grant has left: ready for every thread. */
  attach(snapshot: AccessSnapshot): AccessSnapshot {
    // What cannot be read now may come back: its count is not forgotten meanwhile.
    if (!snapshot.isKnown) return snapshot;
    const ids = new Set(snapshot.grants.map(({ id }) => id));
    for (const id of this.#budgets.keys()) if (!ids.has(id)) this.#budgets.delete(id);
    const grants = snapshot.grants.map((grant) =>
      grant.rowsPerHour === null ? grant : { ...grant, rowsLeft: this.#of(grant.id, grant.rowsPerHour).memory },
    );
    return { ...snapshot, grants };
  }

  #of(id: GrantId, limit: number): Budget {
    let budget = this.#budgets.get(id);
    if (budget === undefined) {
      const memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
      const rows = new RowsLeft(memory);
      rows.give(limit);
      this.#budgets.set(id, (budget = { memory, rows, released: new RowsPerHour(limit), left: limit }));
    }
    return budget;
  }

  /** Counts what was released since the last time as released now, which is never too early, and gives back what is an hour ago.
   *  Call it often. */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const budget of this.#budgets.values()) {
      const left = budget.rows.now();
      budget.released.add(budget.left - left, nowMs);
      budget.left = budget.released.left(nowMs);
      budget.rows.give(budget.left - left);
    }
  }
}
