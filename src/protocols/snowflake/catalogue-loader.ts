// Keeps the catalogue of one account's databases. Reading it takes seconds and a warehouse, so it is read while somebody uses the target:
// at the first statement after a while, then again and again in the background, at once after DDL that passed the gate, and when a
// statement names what is not known.
// REFUSES: handing out what was not confirmed for longer than `maxStaleMs`.

import { SallyportError } from '../../core/error.ts';
import type { Clock, Logger, TargetStatus } from '../../core/ports.ts';
import type { SnowflakeCatalogue } from '../../sql/snowflake/types.ts';

export interface CatalogueLoaderDeps {
  /** Reads all of it over a connection of its own. */
  readonly read: (signal: AbortSignal) => Promise<SnowflakeCatalogue>;
  /** Called before a catalogue that differs is handed out; what it throws makes the catalogue unavailable. */
  readonly settle: (catalogue: SnowflakeCatalogue) => Promise<void> | void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly target: string;
  readonly limits: CatalogueLimits;
}

export interface CatalogueLimits {
  /** A used catalogue is read again after so long. */
  readonly catalogueRefreshMs: number;
  /** One that was read longer ago is not used. */
  readonly catalogueMaxStaleMs: number;
  readonly catalogueReadTimeoutMs: number;
  /** Unknown names make it read again so often at most. */
  readonly catalogueMissMs: number;
}

/** Reads that one statement waits for. */
const maxReads = 3;
/** How soon a read that failed is tried again. */
const retryMs = 5_000;

export class CatalogueLoader {
  readonly #deps: CatalogueLoaderDeps;
  readonly #closed = new AbortController();
  #catalogue: SnowflakeCatalogue | null = null;
  /** When the read of it began, monotonic. */
  #asOfMs = Number.NEGATIVE_INFINITY;
  /** Grows with each change that is known of; a read counts for the one it began in. */
  #epoch = 0;
  #epochRead = 0;
  #usedMs = Number.NEGATIVE_INFINITY;
  #hasFailed = false;
  #running: { readonly startedMs: number; readonly epoch: number; readonly done: Promise<void> } | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(deps: CatalogueLoaderDeps) {
    this.#deps = deps;
  }

  /** The first read. Never rejects: a target that cannot be read is tried again. */
  async start(): Promise<void> {
    this.#usedMs = this.#deps.clock.monotonicMs();
    await this.refresh().catch(() => undefined);
    this.#schedule();
  }

  /** Null when there is none that may be used. */
  current(): SnowflakeCatalogue | null {
    return this.#isUsable() ? this.#catalogue : null;
  }

  /** An old one of a target that nobody uses is ready: it is read again before it is used. */
  get state(): TargetStatus['catalogue'] {
    if (this.#catalogue !== null && !this.#hasFailed) return 'ready';
    return this.#hasFailed ? 'unavailable' : 'loading';
  }

  /** Whatever is known, of whatever age: names for surfaces. */
  get newest(): SnowflakeCatalogue | null {
    return this.#catalogue;
  }

  /** Before a statement is planned: a catalogue that may be used. @throws SP_CATALOGUE_UNAVAILABLE */
  async ready(): Promise<SnowflakeCatalogue> {
    this.#usedMs = this.#deps.clock.monotonicMs();
    // Others may change it while it is read.
    for (let attempt = 0; attempt < maxReads; attempt += 1) {
      const catalogue = this.current();
      if (catalogue !== null) return catalogue;
      await this.refresh();
    }
    const catalogue = this.current();
    if (catalogue === null) throw unavailable('it changes again and again');
    return catalogue;
  }

  /** Something has changed: what was read until now is not used any more. */
  outdate(): void {
    this.#epoch += 1;
  }

  /** A statement names what is not there. @returns whether a newer catalogue was read for it */
  async missed(): Promise<boolean> {
    if (this.#deps.clock.monotonicMs() - this.#asOfMs < this.#deps.limits.catalogueMissMs) return false;
    const before = this.#catalogue;
    await this.refresh();
    return this.#catalogue !== before;
  }

  /** Reads what is there now: never what a read that began earlier finds. @throws SP_CATALOGUE_UNAVAILABLE */
  async refresh(): Promise<void> {
    const askedMs = this.#deps.clock.monotonicMs();
    while (this.#running !== null) {
      const { startedMs, epoch, done } = this.#running;
      if (startedMs >= askedMs && epoch === this.#epoch) return done;
      // Its fault is told to those who asked for it.
      await done.catch(() => undefined);
    }
    const startedMs = this.#deps.clock.monotonicMs();
    const done = this.#read(startedMs).finally(() => {
      this.#running = null;
    });
    this.#running = { startedMs, epoch: this.#epoch, done };
    return done;
  }

  close(): void {
    this.#closed.abort(new SallyportError('SP_SHUTTING_DOWN', 'catalogue loader is closed'));
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #isUsable(): boolean {
    const ageMs = this.#deps.clock.monotonicMs() - this.#asOfMs;
    return ageMs <= this.#deps.limits.catalogueMaxStaleMs && this.#epochRead === this.#epoch;
  }

  async #read(startedMs: number): Promise<void> {
    const { logger, target, limits } = this.#deps;
    const epoch = this.#epoch;
    try {
      this.#closed.signal.throwIfAborted();
      const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(limits.catalogueReadTimeoutMs)]);
      const read = await this.#deps.read(signal);
      if (read.version !== this.#catalogue?.version) {
        await this.#deps.settle(read);
        logger.info({ target, catalogue: read.version }, 'catalogue read');
        this.#catalogue = read;
      }
      this.#asOfMs = startedMs;
      this.#epochRead = epoch;
      this.#hasFailed = false;
    } catch (cause) {
      this.#hasFailed = true;
      const reason = cause instanceof SallyportError ? `${cause.code}: ${cause.message}` : 'internal';
      if (!this.#closed.signal.aborted) logger.warn({ target, reason }, 'catalogue cannot be read');
      throw unavailable('it cannot be read', cause);
    }
  }

  #schedule(): void {
    if (this.#closed.signal.aborted) return;
    const waitMs = this.#hasFailed ? retryMs : this.#deps.limits.catalogueRefreshMs;
    this.#timer = setTimeout(() => {
      // Nobody has used it since it was read: it may grow old, and the warehouse may sleep.
      const isWanted = this.#hasFailed || this.#usedMs > this.#asOfMs;
      const looked = isWanted ? this.refresh().catch(() => undefined) : Promise.resolve();
      void looked.then(() => this.#schedule());
    }, waitMs);
    this.#timer.unref();
  }
}

function unavailable(what: string, cause?: unknown): SallyportError {
  return new SallyportError('SP_CATALOGUE_UNAVAILABLE', `catalogue: ${what}`, { cause });
}
