// What has changed, to everybody who may see it. Of each thing the newest change is kept, so that a client which lost its connection
// gets what it missed; one that missed more than is kept is told to read everything again. A change names a thing: what is sent is
// the thing as it is when it is sent, as this viewer may see it then.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventIds } from './event-ids.ts';
import type { EventStream, EventStreams } from './event-streams.ts';
import type { ApiDeps, ChangeKind } from './ports.ts';
import { Viewer, viewerOf } from './viewer.ts';

/** Things whose newest change is kept. */
const KEPT_THINGS = 4_096;

/** What one viewer gets of a change; null = nothing. */
export type ViewOf = (viewer: Viewer) => object | null;

interface Change {
  readonly n: number;
  readonly kind: ChangeKind;
  readonly key: string;
  /** Null = there is nothing (any more). */
  readonly load: () => Promise<ViewOf | null>;
}

interface Subscriber {
  readonly stream: EventStream;
  readonly principal: Viewer['principal'];
  readonly kinds: readonly ChangeKind[] | null;
  /** Up to here it has been told. */
  cursor: number;
}

export class EventBroker {
  readonly #deps: Pick<ApiDeps, 'rolesOf' | 'surfaceRoles' | 'locks' | 'logger'>;
  readonly #streams: EventStreams;
  readonly #kept = new Map<string, Change>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #ids = new EventIds();
  readonly #maxKept: number;
  #n = 0;
  /** Changes up to here may be forgotten. */
  #forgotten = 0;
  /** One after the other, so that everybody gets them in order. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    deps: Pick<ApiDeps, 'rolesOf' | 'surfaceRoles' | 'locks' | 'logger'> & { readonly streams: EventStreams; readonly maxKept?: number },
  ) {
    this.#deps = deps;
    this.#streams = deps.streams;
    this.#maxKept = deps.maxKept ?? KEPT_THINGS;
  }

  publish(kind: ChangeKind, thing: string, load: Change['load']): void {
    this.#n += 1;
    const change: Change = { n: this.#n, kind, key: `${kind} ${thing}`, load };
    // Deleted first: the map's order is the order of the newest changes.
    this.#kept.delete(change.key);
    this.#kept.set(change.key, change);
    if (this.#kept.size > this.#maxKept) {
      const [oldest] = this.#kept.values();
      if (oldest !== undefined) {
        this.#kept.delete(oldest.key);
        this.#forgotten = oldest.n;
      }
    }
    this.#next(async () => {
      if (this.#subscribers.size > 0) await this.#deliver(change, [...this.#subscribers]);
    });
  }

  /** Takes over the reply. @param kinds null = all. @throws SP_API_RATE_LIMITED when too many streams are open */
  open(request: FastifyRequest, reply: FastifyReply, kinds: readonly ChangeKind[] | null): void {
    const { principal } = viewerOf(request);
    const last = request.headers['last-event-id'];
    const stream = this.#streams.open(request, reply, { id: this.#ids.encode(this.#n) });
    const resumed = typeof last === 'string' && last !== '' ? (this.#ids.decode(last) ?? -1) : this.#n;
    const subscriber: Subscriber = { stream, principal, kinds, cursor: this.#n };
    stream.onClose(() => this.#subscribers.delete(subscriber));
    this.#next(async () => {
      if (!stream.isOpen()) return;
      if (resumed < this.#forgotten || resumed > this.#n) stream.send('reset', {}, this.#ids.encode(subscriber.cursor));
      else subscriber.cursor = resumed;
      this.#subscribers.add(subscriber);
      for (const change of Array.from(this.#kept.values())) if (change.n > subscriber.cursor) await this.#deliver(change, [subscriber]);
    });
  }

  #next(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch(() => this.#deps.logger.error({ code: 'SP_INTERNAL' }, 'an event was not told'));
  }

  async #deliver(change: Change, subscribers: readonly Subscriber[]): Promise<void> {
    const waiting = subscribers.filter(({ cursor, kinds }) => cursor < change.n && (kinds === null || kinds.includes(change.kind)));
    // A newer change of the same thing comes later, and says the same.
    const isNewest = (this.#kept.get(change.key) ?? change) === change;
    if (waiting.length === 0 || !isNewest) return;
    const id = this.#ids.encode(change.n);
    const view = await change.load().catch(() => 'unknown' as const);
    for (const subscriber of waiting) {
      const { stream, principal } = subscriber;
      subscriber.cursor = change.n;
      if (this.#deps.locks.isLockedOut(principal)) stream.close();
      else if (view === 'unknown') stream.send('reset', {}, id);
      else if (view !== null) {
        // Roles are worked out again for each event: a policy change takes effect on streams that are open.
        const data = view(new Viewer(principal, this.#deps));
        if (data !== null) stream.send(change.kind, data, id);
      }
    }
  }
}
