// Between `notify` and the durable queue: takes notifications at once, writes them in the background, keeps them while the store
// cannot be used.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { SallyportError } from '../core/error.ts';
import type { Logger, NotificationQueue, QueuedNotification } from '../core/ports.ts';

export type NewNotification = Pick<QueuedNotification, 'id' | 'channel' | 'notice' | 'createdAtMs'>;

export interface OutboxDeps {
  readonly queue: Pick<NotificationQueue, 'add'>;
  readonly logger: Logger;
  readonly schedule: (ms: number, task: () => void) => () => void;
  /** These are in the queue. */
  readonly written: (channels: ReadonlySet<string>) => void;
  /** This one will never be. */
  readonly dropped: (item: NewNotification, why: 'queue-full' | 'memory-full') => void;
}

/** Most that one channel may have queued; more is dropped. */
export const MAX_QUEUED = 10_000;
/** Most that waits in memory for the store. */
export const MAX_PENDING = 10_000;
const MAX_BATCH = 200;
const STORE_RETRY_MS = 1_000;

export class Outbox {
  readonly #deps: OutboxDeps;
  #pending: NewNotification[] = [];
  #writing: Promise<void> | null = null;
  #cancelRetry: (() => void) | null = null;
  #isClosed = false;

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
  }

  push(item: NewNotification): void {
    if (this.#pending.length >= MAX_PENDING) return this.#deps.dropped(item, 'memory-full');
    this.#pending.push(item);
    if (this.#cancelRetry === null) this.#write();
  }

  /** Resolves when nothing is being written. */
  async written(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** One last try for what waits. @returns how many are lost. */
  async close(): Promise<number> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    await this.written();
    this.#write();
    await this.written();
    return this.#pending.length;
  }

  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
      // Pushed between the last look and here.
      if (this.#pending.length > 0 && this.#cancelRetry === null && !this.#isClosed) this.#write();
    });
  }

  async #writeAll(): Promise<void> {
    const { queue, logger, schedule, written, dropped } = this.#deps;
    // Whoever notified goes on first: a write to SQLite blocks the thread.
    await nextTurn();
    while (this.#pending.length > 0) {
      const batch = this.#pending.slice(0, MAX_BATCH);
      let refused: ReadonlySet<string>;
      try {
        refused = new Set(await queue.add(batch, MAX_QUEUED));
      } catch (fault) {
        const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
        logger.error({ code, waiting: this.#pending.length }, 'notifications cannot be queued; they wait in memory');
        if (this.#isClosed) return;
        this.#cancelRetry = schedule(STORE_RETRY_MS, () => {
          this.#cancelRetry = null;
          this.#write();
        });
        return;
      }
      this.#pending = this.#pending.slice(batch.length);
      for (const item of batch) if (refused.has(item.id)) dropped(item, 'queue-full');
      written(new Set(batch.map((item) => item.channel)));
    }
  }
}
