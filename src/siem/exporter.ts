// One destination's way through the log: a cursor that is kept, and one batch under way. It reads the log behind the writer, so nothing of
// it is ever waited for by a query; a destination that is down leaves the cursor where it is.
// INVARIANT: the cursor moves only over entries that the destination has taken: in order, without a gap, at least once.

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Logger, Random } from '../core/ports.ts';
import type { Leaf } from '../ocsf/index.ts';
import type { Destination } from './destination.ts';
import { STEP } from './in-steps.ts';

/** The log, read. */
export interface LeafSource {
  /** Entries that can be read now: from `first`, what came before was pruned, to `size`, exclusive. */
  bounds(): Promise<{ readonly first: number; readonly size: number }>;
  /** Entries [from, to) in order, with the length of each header in bytes. */
  leaves(from: number, to: number, signal?: AbortSignal): AsyncIterable<Leaf & { readonly bytes: number }>;
}

export interface Cursor {
  /** Log index of the first entry that was not taken. */
  readonly next: number;
  /** All entries from it on to `next` were taken, of this log; null = not known. */
  readonly since: number | null;
  /** Hash of the last entry that was; null = none was. */
  readonly leaf: string | null;
}

/** Where destinations are in the log. Survives power loss on resolve. */
export interface CursorStore {
  load(destination: string): Promise<Cursor | null>;
  save(destination: string, cursor: Cursor, atMs: number): Promise<void>;
}

export interface ExporterDeps {
  readonly source: LeafSource;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** @param attempts how many have failed, from 1. @param chance 0 to 1 */
  readonly delayAfter: (attempts: number, chance: number) => number;
  /** The log is not the one that this destination was told of. */
  readonly onRollback: (destination: string) => Promise<void>;
  /** Entries [from, to) were pruned before the destination had them: it goes on behind them. */
  readonly onPruned: (destination: string, from: number, to: number) => Promise<void>;
  /** Told after every change of `state`. */
  readonly onChange?: () => void;
}

export interface ExporterOptions {
  readonly destination: Destination;
  /** Where a destination begins that has no cursor yet. */
  readonly startAt: 'beginning' | 'now';
  readonly maxBatch: number;
}

export interface ExporterState {
  readonly name: string;
  readonly kind: Destination['kind'];
  readonly startAt: ExporterOptions['startAt'];
  readonly next: number;
  /** It has all entries from here to `next`; null = not known. */
  readonly since: number | null;
  readonly sent: number;
  readonly failures: number;
  /** Of the last attempt; null = it was taken. */
  readonly fault: string | null;
}

const POLL_MS = 250;
const LONGEST_WAIT_MS = 60_000;
/** Of headers in one batch; what is made of them is about twice that. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const ROLLED_BACK = 'log-rolled-back';

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #deps: ExporterDeps;
  #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #cursor: Cursor = { next: 0, since: null, leaf: null };
  #batch: number;
  #sent = 0;
  #failures = 0;
  #fault: string | null = null;

  constructor(options: ExporterOptions, deps: ExporterDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#batch = options.maxBatch;
  }

  /** @throws SP_STORE_UNAVAILABLE */
  async start(): Promise<void> {
    const { destination, startAt } = this.#options;
    const { cursors, source, clock } = this.#deps;
    const kept = await cursors.load(destination.name);
    const { first, size } = await source.bounds();
    const next = startAt === 'now' ? size : first;
    this.#cursor = kept ?? { next, since: next, leaf: null };
    // Kept by a version that could not reset.
    if (this.#cursor.since === null && startAt === 'beginning') this.#cursor = { ...this.#cursor, since: 0 };
    // "Now" must not move with every start that sends nothing.
    if (kept === null) await cursors.save(destination.name, this.#cursor, clock.nowMs());
    this.#running = this.#run();
  }

  state(): ExporterState {
    const { destination, startAt } = this.#options;
    return {
      name: destination.name,
      kind: destination.kind,
      startAt,
      next: this.#cursor.next,
      since: this.#cursor.since,
      sent: this.#sent,
      failures: this.#failures,
      fault: this.#fault,
    };
  }

  /** Goes on from `next`, whatever was sent before: a rollback is settled by it. Breaks off what is under way.
   *  @param next at most the size of the log. @throws SP_STORE_UNAVAILABLE */
  async reset(next: number): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    const cursor = { next, since: next, leaf: null };
    try {
      await this.#deps.cursors.save(this.#options.destination.name, cursor, this.#deps.clock.nowMs());
      this.#cursor = cursor;
      this.#fault = null;
    } finally {
      this.#stopping = new AbortController();
      this.#running = this.#run();
    }
  }

  /** Breaks off what is under way; what was not acknowledged comes again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#options.destination.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, clock, random, delayAfter } = this.#deps;
    const { name } = this.#options.destination;
    let failed = 0;
    while (!signal.aborted) {
      let wait: number;
      try {
        const outcome = await this.#step(signal);
        this.#deps.onChange?.();
        if (outcome === 'sent') {
          if (failed > 0) logger.info({ destination: name }, 'a SIEM destination takes entries again');
          failed = 0;
          continue;
        }
        wait = outcome === 'idle' ? POLL_MS : outcome;
      } catch (fault) {
        if (signal.aborted) return;
        // Log or store could not be read or written; the cursor stays.
        this.#failed('internal');
        this.#deps.onChange?.();
        logger.error({ destination: name, cause: fault instanceof Error ? fault.name : 'unknown' }, 'a SIEM export cannot go on');
        wait = 0;
      }
      if (this.#fault !== null) {
        failed += 1;
        const [chance = 0] = random.bytes(1);
        wait = Math.max(wait, Math.min(LONGEST_WAIT_MS, delayAfter(failed, chance / 255)));
        if (failed === 1)
          logger.warn({ destination: name, fault: this.#fault, at: clock.nowMs() }, 'a SIEM destination does not take entries');
      }
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns what comes next: more at once, the usual pause, or at least so many milliseconds. */
  async #step(signal: AbortSignal): Promise<'sent' | 'idle' | number> {
    const { source, cursors, clock } = this.#deps;
    const { destination, maxBatch } = this.#options;
    const { first, size } = await source.bounds();
    if (size < this.#cursor.next) return this.#rolledBack();
    // Also when only the entry before is gone: whether the log is still the same cannot be told any more.
    if (this.#cursor.next - (this.#cursor.leaf === null ? 0 : 1) < first) await this.#behindPruned(first);
    const { next, leaf } = this.#cursor;
    if (size === next) return 'idle';
    const batch: Leaf[] = [];
    let bytes = 0;
    // The entry before comes along: it must still be the one that was sent.
    for await (const each of source.leaves(leaf === null ? next : next - 1, Math.min(size, next + this.#batch), signal)) {
      bytes += each.bytes;
      if (bytes > MAX_BATCH_BYTES && batch.length > 1) break;
      // Entries are parsed as they are read.
      if (batch.push(each) % STEP === 0) await nextTurn();
    }
    // Pruned meanwhile: the next turn tells.
    if (batch[0]?.header.seq !== (leaf === null ? next : next - 1)) return 'idle';
    if (leaf !== null && batch.shift()?.hash !== leaf) return this.#rolledBack();
    const last = batch.at(-1);
    if (last === undefined) return 'idle';
    const outcome = await destination.send(batch, signal);
    if (!outcome.isTaken) {
      if (signal.aborted) return 0;
      this.#failed(outcome.fault);
      // A line that is too slow for the whole of it may be fast enough for half.
      if (outcome.isTooLarge === true || outcome.fault === 'timeout') this.#batch = Math.max(1, Math.floor(this.#batch / 2));
      return Math.min(LONGEST_WAIT_MS, outcome.retryAfterMs ?? 0);
    }
    const cursor = { next: last.header.seq + 1, since: this.#cursor.since, leaf: last.hash };
    await cursors.save(destination.name, cursor, clock.nowMs());
    this.#cursor = cursor;
    this.#sent += batch.length;
    this.#fault = null;
    this.#batch = Math.min(maxBatch, this.#batch + Math.ceil(maxBatch / 10));
    return 'sent';
  }

  async #behindPruned(first: number): Promise<void> {
    const { name } = this.#options.destination;
    const { next } = this.#cursor;
    const from = Math.max(next, first);
    const cursor = { next: from, since: from === next ? this.#cursor.since : from, leaf: null };
    this.#deps.logger.error({ destination: name, from: next, to: first }, 'entries were pruned before a SIEM destination had them');
    await this.#deps.onPruned(name, next, cursor.next);
    await this.#deps.cursors.save(name, cursor, this.#deps.clock.nowMs());
    this.#cursor = cursor;
  }

  async #rolledBack(): Promise<number> {
    const isNew = this.#fault !== ROLLED_BACK;
    this.#failed(ROLLED_BACK);
    if (isNew) {
      const { name } = this.#options.destination;
      this.#deps.logger.error(
        { destination: name },
        'the log is not the one that this destination was told of: it was put back or replaced',
      );
      await this.#deps.onRollback(name);
    }
    return LONGEST_WAIT_MS;
  }

  #failed(fault: string): void {
    this.#fault = fault;
    this.#failures += 1;
  }
}
