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
  size(): number;
  /** Entries [from, to) that are durable, in order. */
  leaves(from: number, to: number, signal?: AbortSignal): AsyncIterable<Leaf>;
}

export interface Cursor {
  /** Log index of the first entry that was not taken. */
  readonly next: number;
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
}

export interface ExporterOptions {
  readonly destination: Destination;
  /** Where a destination begins that has no cursor yet. */
  readonly startAt: 'beginning' | 'now';
  readonly maxBatch: number;
}

export interface ExporterStatus {
  readonly name: string;
  readonly kind: Destination['kind'];
  readonly startAt: ExporterOptions['startAt'];
  readonly next: number;
  /** Entries of the log that were not taken yet. */
  readonly lag: number;
  readonly sent: number;
  readonly failures: number;
  /** Of the last attempt; null = it was taken. */
  readonly fault: string | null;
}

const POLL_MS = 250;
const LONGEST_WAIT_MS = 60_000;
const ROLLED_BACK = 'log-rolled-back';

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #deps: ExporterDeps;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #cursor: Cursor = { next: 0, leaf: null };
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
    this.#cursor = kept ?? { next: startAt === 'now' ? source.size() : 0, leaf: null };
    // "Now" must not move with every start that sends nothing.
    if (kept === null) await cursors.save(destination.name, this.#cursor, clock.nowMs());
    this.#running = this.#run();
  }

  status(): ExporterStatus {
    const { destination, startAt } = this.#options;
    return {
      name: destination.name,
      kind: destination.kind,
      startAt,
      next: this.#cursor.next,
      lag: Math.max(0, this.#deps.source.size() - this.#cursor.next),
      sent: this.#sent,
      failures: this.#failures,
      fault: this.#fault,
    };
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
    const { next, leaf } = this.#cursor;
    const size = source.size();
    // The entry before comes along: it must still be the one that was sent.
    const first = leaf === null ? next : next - 1;
    if (size < next) return this.#rolledBack();
    if (size === next) return 'idle';
    const batch: Leaf[] = [];
    for await (const each of source.leaves(first, Math.min(size, next + this.#batch), signal)) {
      // Entries are parsed as they are read.
      if (batch.push(each) % STEP === 0) await nextTurn();
    }
    if (leaf !== null && batch.shift()?.hash !== leaf) return this.#rolledBack();
    const last = batch.at(-1);
    if (last === undefined) return 'idle';
    const outcome = await destination.send(batch, signal);
    if (!outcome.isTaken) {
      if (signal.aborted) return 0;
      this.#failed(outcome.fault);
      if (outcome.isTooLarge === true) this.#batch = Math.max(1, Math.floor(this.#batch / 2));
      return Math.min(LONGEST_WAIT_MS, outcome.retryAfterMs ?? 0);
    }
    const cursor = { next: last.header.seq + 1, leaf: last.hash };
    await cursors.save(destination.name, cursor, clock.nowMs());
    this.#cursor = cursor;
    this.#sent += batch.length;
    this.#fault = null;
    this.#batch = Math.min(maxBatch, this.#batch + Math.ceil(maxBatch / 10));
    return 'sent';
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
