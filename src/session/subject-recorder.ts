// What one session writes to the subject index, and that an answer waits for it as for the record.
// INVARIANT: the newest record of a session stands for all before it.

import type { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import type { Settling, SubjectDigests, SubjectIndex } from '../core/subject.ts';
import type { Recorded } from './recorder.ts';

export class SubjectRecorder {
  readonly #index: SubjectIndex;
  readonly #session: SessionId;
  readonly #target: TargetName;
  readonly #clock: Clock;
  /** Newest record that is not known to be durable. */
  #newest: Settling | null = null;

  constructor(index: SubjectIndex, session: SessionId, target: TargetName, clock: Clock) {
    this.#index = index;
    this.#session = session;
    this.#target = target;
    this.#clock = clock;
  }

  /** @param recorded the result in the log. @param n of its intent
   *  @returns what the answer waits for; it is refused when the index cannot be written. */
  record(recorded: Recorded, n: number, subjects: readonly SubjectDigests[]): Recorded {
    if (subjects.length > 0) {
      try {
        this.#newest = this.#index.append({ session: this.#session, n, atMs: this.#clock.nowMs(), target: this.#target, subjects });
      } catch (fault) {
        this.#newest = { isDone: false, wait: () => Promise.reject(fault as SallyportError) };
      }
    }
    if (this.#newest?.isDone === true) this.#newest = null;
    return this.#newest === null ? recorded : new RecordedTwice(recorded, this.#newest);
  }
}

class RecordedTwice implements Recorded {
  readonly #both: readonly Settling[];

  constructor(...both: readonly Settling[]) {
    this.#both = both;
  }

  get isDone(): boolean {
    return this.#both.every(({ isDone }) => isDone);
  }

  async wait(): Promise<void> {
    await Promise.all(this.#both.map((each) => each.wait()));
  }
}
