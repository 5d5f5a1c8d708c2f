// Completeness inside of sessions: the entries of one carry a counter `n` without gaps. A session that was open when the range began may
// begin anywhere; one whose `session.open` is in the range begins at its n, and the first entry of the log at 0.

import type { RangeEntry } from './derivation.ts';
import { textOf } from './fields.ts';

export class SessionRuns {
  readonly #next = new Map<string, { n: number; replica: string }>();
  readonly #isFromStart: boolean;

  /** @param first index that the range begins with */
  constructor(first: number) {
    this.#isFromStart = first === 0;
  }

  /** @returns what is wrong with the counter of the entry, or null */
  push({ header }: RangeEntry): string | null {
    const session = textOf(header['session']);
    const { n } = header;
    const type = textOf(header['type']);
    const replica = textOf(header['replica']);
    if (type === 'log.opened') {
      for (const [id, run] of this.#next) if (run.replica === replica) this.#next.delete(id);
    }
    if (session === '' || typeof n !== 'number') return null;
    const expected = this.#next.get(session)?.n ?? (this.#isFromStart ? 0 : n);
    if (type === 'session.close') this.#next.delete(session);
    else this.#next.set(session, { n: n + 1, replica });
    return n === expected ? null : `entry ${n} of a session follows where ${expected} was due`;
  }
}
