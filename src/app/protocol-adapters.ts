// Adapters of all protocols as one: what the gateway asks of whatever serves its targets.

import type { TargetAnalyst } from '../core/ports.ts';
import type { Protocol } from '../core/target.ts';
import type { ListenerConfig, Listening } from '../transport/listener.ts';
import type { PlanLookups } from './metrics.ts';

/** Serves every target of one protocol, in one thread. */
export interface ProtocolAdapter {
  /** Reads the catalogues. Never rejects: a target that cannot be read refuses statements until it can. */
  start(): Promise<void>;
  /** @throws SP_CONFIG_INVALID */
  listen(config: ListenerConfig): Promise<Listening>;
  analysts(): readonly TargetAnalyst[];
  readonly liveSessions: number;
  planLookups(): readonly PlanLookups[];
  /** No new connections; idle sessions end, running statements finish, held ones are given up. Resolves when no session is left or
   *  `signal` fires, which cuts the rest off. */
  drain(signal: AbortSignal): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Whether clients of the protocol may be spread over the threads: each connection of theirs is a session of its own. An HTTP client
 *  has several connections for one session, and sessions live in one thread. */
export const isSpread = { postgres: true, snowflake: false } as const satisfies Record<Protocol, boolean>;

export class ProtocolAdapters implements Omit<ProtocolAdapter, 'listen' | 'liveSessions'> {
  readonly #adapters: ReadonlyMap<Protocol, ProtocolAdapter>;

  constructor(adapters: ReadonlyMap<Protocol, ProtocolAdapter>) {
    this.#adapters = adapters;
  }

  /** Undefined: this thread does not serve it. */
  of(protocol: Protocol): ProtocolAdapter | undefined {
    return this.#adapters.get(protocol);
  }

  async start(): Promise<void> {
    await Promise.all(this.#all.map((adapter) => adapter.start()));
  }

  analysts(): readonly TargetAnalyst[] {
    return this.#all.flatMap((adapter) => adapter.analysts());
  }

  planLookups(): readonly PlanLookups[] {
    return this.#all.flatMap((adapter) => adapter.planLookups());
  }

  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((adapter) => adapter.drain(signal)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((adapter) => adapter.close()));
  }

  get #all(): readonly ProtocolAdapter[] {
    return [...this.#adapters.values()];
  }
}
