// Sends the notifications of one channel, one at a time and in the order the queue gives. A channel that fails is left alone for
// a while, so that a dead endpoint costs one attempt at a time however much is queued; other channels do not notice.

import { SallyportError } from '../core/error.ts';
import type { Clock, Logger, NotificationQueue, QueuedNotification } from '../core/ports.ts';
import { delayAfter, LONGEST_DELAY_MS } from './backoff.ts';
import type { Channel, Delivery } from './channel.ts';

export type Outcome = 'sent' | 'retried' | 'failed' | 'superseded' | 'dropped';

export interface LaneDeps {
  readonly queue: NotificationQueue;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly logger: Logger;
  readonly counted: (channel: string, outcome: Outcome) => void;
  /** Runs the task later. @returns a function that takes it back. */
  readonly schedule: (ms: number, task: () => void) => () => void;
  readonly linkOf: (path: string | null) => string | null;
}

/** A failing channel is tried again at least this often: what is queued by then may be urgent. */
const LONGEST_PAUSE_MS = 30_000;
/** So many failures in a row are an outage and not one notice that a receiver chokes on. */
const OUTAGE_FAILURES = 3;
/** A next attempt can never be further away than this, unless the clock was set back. */
const IMPOSSIBLE_WAIT_MS = 2 * LONGEST_DELAY_MS;
/** The queue is looked at again this often at least, for a clock that was set. */
const RECHECK_MS = 60_000;

export class Lane {
  readonly channel: Channel;
  readonly #deps: LaneDeps;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #isWoken = false;
  #cancelTimer: (() => void) | null = null;
  #failuresInRow = 0;
  #pausedUntilMs = 0;

  constructor(channel: Channel, deps: LaneDeps) {
    this.channel = channel;
    this.#deps = deps;
  }

  /** Fires when the lane stops. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Looks at the queue, now or as soon as the present look is over. */
  wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#isWoken = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // Woken between the last look and here.
      if (this.#isWoken) this.wake();
    });
  }

  /** Cuts the attempt that runs; it stays queued. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelTimer?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWoken && !this.#stop.signal.aborted) {
      this.#isWoken = false;
      let waitMs: number | null;
      try {
        waitMs = await this.#sendDue();
      } catch (fault) {
        const code = fault instanceof SallyportError ? fault.code : 'SP_INTERNAL';
        this.#deps.logger.error({ channel: this.channel.name, code }, 'the notification queue cannot be used');
        waitMs = LONGEST_PAUSE_MS;
      }
      if (waitMs === null || this.#isWoken || this.#stop.signal.aborted) continue;
      this.#cancelTimer = this.#deps.schedule(Math.min(waitMs, RECHECK_MS), () => this.wake());
    }
  }

  /** @returns ms until the next look; null = nothing is queued. */
  async #sendDue(): Promise<number | null> {
    const { queue, clock } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const head = await queue.head(this.channel.name);
      if (head === null) return null;
      const { item, isOutdated } = head;
      const nowMs = clock.nowMs();
      // A notice that nobody has to answer any more is not worth a person's time; programs get every event.
      if (isOutdated && this.channel.isForPeople && item.notice.actions.length > 0) {
        await this.#settle(item, 'superseded');
        continue;
      }
      if (nowMs - item.createdAtMs >= this.channel.giveUpAfterMs) {
        await this.#giveUp(item, item.fault ?? 'never-tried');
        continue;
      }
      const waitMs = Math.max(wait(item.nextAttemptAtMs, nowMs), wait(this.#pausedUntilMs, nowMs));
      if (waitMs > 0) return waitMs;
      await this.#attempt(item);
    }
    return null;
  }

  async #attempt(item: QueuedNotification): Promise<void> {
    const { queue, clock, linkOf, logger } = this.#deps;
    const { id, notice, createdAtMs } = item;
    const reference = await queue.reference(this.channel.name, notice.id);
    const message = { id, notice, createdAtMs, link: linkOf(notice.link), reference };
    const delivery = await sendSafely(this.channel, message, this.#stop.signal);
    // Cut by `stop`: not the receiver's fault, and maybe sent. It is tried again after the restart.
    if (!delivery.isSent && this.#stop.signal.aborted) return;
    if (delivery.isSent) {
      const wasDown = this.#failuresInRow >= OUTAGE_FAILURES;
      this.#failuresInRow = 0;
      this.#pausedUntilMs = 0;
      await this.#settle(item, 'sent', delivery.reference);
      if (wasDown) await queue.expedite(this.channel.name, clock.nowMs());
      return;
    }
    if (delivery.isFinal === true) return this.#giveUp(item, delivery.fault);
    const { chance, counted } = this.#deps;
    const nowMs = clock.nowMs();
    this.#failuresInRow += 1;
    const least = delivery.retryAfterMs ?? 0;
    this.#pausedUntilMs = nowMs + Math.max(least, Math.min(LONGEST_PAUSE_MS, delayAfter(this.#failuresInRow, chance())));
    const nextAtMs = nowMs + Math.max(least, delayAfter(item.attempts + 1, chance()));
    if (nextAtMs - createdAtMs >= this.channel.giveUpAfterMs) return this.#giveUp(item, delivery.fault);
    await queue.retry(id, { atMs: nextAtMs, fault: delivery.fault });
    counted(this.channel.name, 'retried');
    const fields = { channel: this.channel.name, notification: id, attempts: item.attempts + 1, fault: delivery.fault };
    logger.warn(fields, 'a notification was not delivered; it is tried again');
  }

  async #giveUp(item: QueuedNotification, fault: string): Promise<void> {
    await this.#settle(item, 'failed', undefined, fault);
    const { id, notice, attempts } = item;
    this.#deps.logger.error(
      { channel: this.channel.name, notification: id, kind: notice.kind, thing: notice.id, attempts, fault },
      'a notification was given up',
    );
  }

  async #settle(item: QueuedNotification, state: 'sent' | 'failed' | 'superseded', reference?: string, fault?: string): Promise<void> {
    await this.#deps.queue.settle(item.id, {
      state,
      atMs: this.#deps.clock.nowMs(),
      ...(reference === undefined ? {} : { reference }),
      ...(fault === undefined ? {} : { fault }),
    });
    this.#deps.counted(this.channel.name, state);
  }
}

function wait(untilMs: number, nowMs: number): number {
  const ms = untilMs - nowMs;
  return ms > IMPOSSIBLE_WAIT_MS ? 0 : Math.max(0, ms);
}

/** A fault of ours in a channel must not stop the others, nor be told in words that may hold what was sent. */
export async function sendSafely(channel: Channel, message: Parameters<Channel['send']>[0], signal: AbortSignal): Promise<Delivery> {
  try {
    return await channel.send(message, signal);
  } catch {
    return { isSent: false, fault: 'internal' };
  }
}
