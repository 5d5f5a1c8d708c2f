// Completeness inside a session: its entries carry a counter `n` from 0 without gaps. Memory is bounded by the sessions
// that are open; a gateway's restart ends those it had.

export class SessionCounters {
  readonly #next = new Map<string, { n: number; replica: unknown }>();
  readonly #isPruned: boolean;
  /** Replicas that have started since: what goes on there began there. */
  readonly #started = new Set<unknown>();

  /** @param isPruned the first entry is not that of the log: sessions may have begun before it. */
  constructor(isPruned = false) {
    this.#isPruned = isPruned;
  }

  /** @param header an entry, in log order. @returns what is wrong with its counter, or null. */
  apply(header: Readonly<Record<string, unknown>>): string | null {
    const { session, n, type, replica } = header;
    if (type === 'log.opened') {
      this.#started.add(replica);
      for (const [id, open] of this.#next) if (open.replica === replica) this.#next.delete(id);
    }
    if (typeof session !== 'string' || typeof n !== 'number') return null;
    const known = this.#next.get(session)?.n;
    const expected = known ?? (this.#isPruned && !this.#started.has(replica) && type !== 'session.open' ? n : 0);
    if (type === 'session.close') this.#next.delete(session);
    else this.#next.set(session, { n: n + 1, replica });
    return n === expected ? null : `entry ${n} of session ${session} follows where ${expected} was due`;
  }
}
