// Rows released under one grant in the last 60 minutes. Steady time in minutes: a stepped clock changes nothing.

const windowMinutes = 60;
const minuteMs = 60_000;

export class RowsPerHour {
  readonly #limit: number;
  /** By minute of the hour: the minute it is of, and its rows. */
  readonly #minutes = Array.from({ length: windowMinutes + 1 }, () => ({ minute: -1, rows: 0 }));
  /** The minute being counted. */
  #minute = -1;
  #rows = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param nowMs monotonic */
  add(rows: number, nowMs: number): void {
    this.#advance(nowMs);
    const slot = this.#minutes[this.#minute % this.#minutes.length];
    if (slot === undefined) return;
    slot.rows += rows;
    this.#rows += rows;
  }

  /** Never below 0. @param nowMs monotonic */
  left(nowMs: number): number {
    this.#advance(nowMs);
    return Math.max(0, this.#limit - this.#rows);
  }

  #advance(nowMs: number): void {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute === this.#minute) return;
    this.#minute = minute;
    const slot = this.#minutes[minute % this.#minutes.length];
    if (slot !== undefined) {
      slot.minute = minute;
      slot.rows = 0;
    }
    // Rows of a minute count until the whole of it is an hour ago.
    this.#rows = this.#minutes.reduce((sum, each) => sum + (each.minute >= minute - windowMinutes ? each.rows : 0), 0);
  }
}
