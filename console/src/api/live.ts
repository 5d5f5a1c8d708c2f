// What changes at the gateway, as it changes. An event says what is stale; the lists are read again with the viewer's own rights.
// The browser reconnects by itself and says which event it saw last; `reset` = too much was missed, read everything again.

import type { QueryClient } from '@tanstack/react-query';

/** Kinds of events, and the first part of the keys of the queries that they make stale. */
const STALE: Readonly<Record<string, readonly string[]>> = {
  approval: ['approvals', 'overview'],
  grant: ['grants', 'overview'],
  session: ['sessions', 'overview'],
  policy: ['policy', 'targets', 'overview'],
  log: ['log'],
  lock: ['locks', 'grants'],
};

/** Pages of a list that are read again by themselves. WHY: of one that somebody has scrolled through, all would be asked for with each event. */
const fewPages = 3;

function isLong(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'pages' in data && Array.isArray(data.pages) && data.pages.length > fewPages;
}

export type LiveState = 'connecting' | 'live' | 'lost';

export class Live {
  readonly #client: QueryClient;
  readonly #states = new Set<() => void>();
  #source: EventSource | null = null;
  #state: LiveState = 'connecting';
  /** Kinds since the last refresh. */
  readonly #stale = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;

  constructor(client: QueryClient) {
    this.#client = client;
  }

  get state(): LiveState {
    return this.#state;
  }

  start(): void {
    if (this.#source !== null) return;
    const source = new EventSource('/v1/events');
    this.#source = source;
    source.addEventListener('ready', () => this.#become('live'));
    source.addEventListener('reset', () => void this.#client.invalidateQueries());
    source.addEventListener('error', () => {
      this.#become('lost');
      // Refused for good (logged out, too many streams): the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) {
        this.stop();
        void this.#client.invalidateQueries({ queryKey: ['whoami'] });
        this.#retry = setTimeout(() => this.start(), 10_000);
      }
    });
    for (const kind of Object.keys(STALE)) {
      source.addEventListener(kind, () => this.#event(kind));
    }
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#source?.close();
    this.#source = null;
  }

  /** @returns a function that ends it */
  onState(listener: () => void): () => void {
    this.#states.add(listener);
    return () => this.#states.delete(listener);
  }

  #become(state: LiveState): void {
    const isBack = state === 'live' && this.#state === 'lost';
    this.#state = state;
    for (const listener of this.#states) listener();
    if (isBack) void this.#client.invalidateQueries();
  }

  #event(kind: string): void {
    this.#stale.add(kind);
    // A burst of events is one refresh.
    if (this.#timer === null) this.#timer = setTimeout(() => this.#refresh(), 150);
  }

  #refresh(): void {
    this.#timer = null;
    const keys = new Set([...this.#stale].flatMap((kind) => STALE[kind] ?? []));
    this.#stale.clear();
    for (const key of keys) void this.#client.invalidateQueries({ queryKey: [key], predicate: ({ state }) => !isLong(state.data) });
  }
}
