// Keeps a snapshot of the target's catalogue on a connection of its own: reads it at start, when DDL passed a session,
// on an unknown name, and when a cheap probe says that something has changed behind the gateway's back.
// A stale or missing catalogue refuses statements; it never lets one through.

import { SallyportError } from '../../core/error.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { buildCatalogue } from '../../sql/catalogue-build.ts';
import {
  CATALOGUE_BEGIN,
  CATALOGUE_END,
  CATALOGUE_HORIZON_QUERY,
  CATALOGUE_PROBE_QUERY,
  CATALOGUE_QUERIES,
  type CatalogueQueryName,
  type CatalogueRows,
  type TextRow,
} from '../../sql/catalogue-queries.ts';
import type { Catalogue } from '../../sql/catalogue.ts';
import { UPSTREAM, parseFields, parseTextRow } from './messages.ts';
import type { UpstreamConnection } from './upstream.ts';
import { Framer } from '../../wire/framer.ts';

export interface CatalogueLoaderDeps {
  /** Dials and logs in; the loader owns the connection. */
  readonly connect: (signal: AbortSignal) => Promise<UpstreamConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly target: string;
  /** Time between probes. */
  readonly probeMs: number;
  /** A snapshot that could not be confirmed for so long is not used any more. */
  readonly maxStaleMs: number;
  /** For one whole read. */
  readonly readTimeoutMs: number;
}

const maxRowBytes = 16 * 1024 * 1024;

export class CatalogueLoader {
  readonly #deps: CatalogueLoaderDeps;
  #snapshot: Catalogue | null = null;
  #probe: string | null = null;
  #confirmedMs = 0;
  /** Whatever the target had committed at this moment is in the snapshot. */
  #asOfMs = Number.NEGATIVE_INFINITY;
  #horizon: string | null = null;
  #connection: QueryConnection | null = null;
  #running: Promise<void> | null = null;
  /** Waits for `#running` to end. */
  #next: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #closed = new AbortController();

  constructor(deps: CatalogueLoaderDeps) {
    this.#deps = deps;
  }

  /** First read, then probes until `close`. Never rejects: failure is told by `current`, and tried again. */
  async start(): Promise<void> {
    await this.refresh().catch((fault: unknown) => this.#report(fault));
    this.#schedule();
  }

  /** The snapshot in force, or null while none can be relied on. */
  current(): Catalogue | null {
    const age = this.#deps.clock.monotonicMs() - this.#confirmedMs;
    return this.#snapshot === null || age > this.#deps.maxStaleMs ? null : this.#snapshot;
  }

  get state(): 'ready' | 'loading' | 'unavailable' {
    if (this.current() !== null) return 'ready';
    return this.#running === null ? 'unavailable' : 'loading';
  }

  /** Probes, and reads everything when something changed. A call never joins a probe that began before it: what the
   *  caller just committed is seen. Calls that wait for the same probe share the next one.
   *  @throws SP_CATALOGUE_UNAVAILABLE */
  refresh(): Promise<void> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<void> {
    await this.#running?.catch(() => undefined);
    this.#next = null;
    const mine = this.#refresh();
    this.#running = mine;
    try {
      await mine;
    } finally {
      if (this.#running === mine) this.#running = null;
    }
  }

  /** Resolves when the snapshot is at least as new as the target was at `asOfMs` (monotonic): what an owner had committed by
   *  then is seen. WHY: a new overload or cast may turn a statement that was safe into one that is not.
   *  @throws SP_CATALOGUE_UNAVAILABLE */
  async confirm(asOfMs: number): Promise<void> {
    // A connection that was lost since the last look is no reason to refuse: once more, with a new one.
    if (this.#asOfMs < asOfMs) await this.refresh().catch(() => this.refresh());
  }

  close(): void {
    this.#closed.abort(new SallyportError('SP_SHUTTING_DOWN', 'catalogue loader is closed'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#connection?.close();
    this.#connection = null;
  }

  async #refresh(): Promise<void> {
    if (this.#closed.signal.aborted) throw unavailable(this.#closed.signal.reason);
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#deps.readTimeoutMs)]);
    try {
      this.#connection ??= new QueryConnection(await this.#deps.connect(signal));
      const connection = this.#connection;
      const startedMs = this.#deps.clock.monotonicMs();
      const horizon = (await connection.query(CATALOGUE_HORIZON_QUERY, signal))[0]?.[0] ?? null;
      if (this.#snapshot !== null && horizon !== null && horizon === this.#horizon) {
        this.#confirmedMs = startedMs;
        this.#asOfMs = startedMs;
        return;
      }
      const [row] = await connection.query(CATALOGUE_PROBE_QUERY, signal);
      const probe = row?.[0] ?? null;
      if (probe === null || probe !== this.#probe || this.#snapshot === null) {
        const rows = await readRows(connection, signal);
        this.#snapshot = buildCatalogue(rows);
        this.#probe = probe;
        this.#deps.logger.info({ target: this.#deps.target, catalogue: this.#snapshot.version }, 'catalogue read');
      }
      this.#confirmedMs = this.#deps.clock.monotonicMs();
      this.#horizon = horizon;
      this.#asOfMs = startedMs;
    } catch (fault) {
      this.#connection?.close();
      this.#connection = null;
      // Not known to be current any more: nothing is planned with it until it was confirmed again.
      this.#confirmedMs = Number.NEGATIVE_INFINITY;
      throw unavailable(fault);
    }
  }

  #schedule(): void {
    if (this.#closed.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.refresh()
        .catch((fault: unknown) => this.#report(fault))
        .finally(() => this.#schedule());
    }, this.#deps.probeMs);
    this.#timer.unref();
  }

  #report(fault: unknown): void {
    if (this.#closed.signal.aborted) return;
    const cause = fault instanceof SallyportError && fault.cause instanceof SallyportError ? fault.cause : fault;
    const reason = cause instanceof SallyportError ? `${cause.code}: ${cause.message}` : 'internal';
    this.#deps.logger.warn({ target: this.#deps.target, reason }, 'catalogue cannot be read');
  }
}

async function readRows(connection: QueryConnection, signal: AbortSignal): Promise<CatalogueRows> {
  await connection.query(CATALOGUE_BEGIN, signal);
  const read: Partial<Record<CatalogueQueryName, readonly TextRow[]>> = {};
  for (const [name, text] of Object.entries(CATALOGUE_QUERIES)) {
    read[name as CatalogueQueryName] = await connection.query(text, signal);
  }
  await connection.query(CATALOGUE_END, signal);
  return read as CatalogueRows;
}

/** One query at a time, text rows. Only for fixed texts of the gateway. */
class QueryConnection {
  readonly #upstream: UpstreamConnection;
  readonly #framer = new Framer(maxRowBytes);
  #rows: TextRow[] = [];
  #fault: SallyportError | null = null;
  #settle: { resolve(rows: TextRow[]): void; reject(fault: unknown): void } | null = null;

  constructor(upstream: UpstreamConnection) {
    this.#upstream = upstream;
    upstream.attach({
      data: (chunk) => this.#data(chunk),
      closed: () => this.#fail(new SallyportError('SP_UPSTREAM_LOST', 'catalogue connection was lost')),
      drained: () => undefined,
    });
  }

  query(text: string, signal: AbortSignal): Promise<TextRow[]> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => this.#fail(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'catalogue query took too long'));
      const done = (): void => signal.removeEventListener('abort', aborted);
      this.#settle = {
        resolve: (rows) => {
          done();
          resolve(rows);
        },
        reject: (fault) => {
          done();
          reject(fault);
        },
      };
      if (signal.aborted) return aborted();
      if (this.#upstream.isClosed) return this.#fail(new SallyportError('SP_UPSTREAM_LOST', 'catalogue connection was lost'));
      signal.addEventListener('abort', aborted, { once: true });
      this.#upstream.ownQuery(text);
    });
  }

  close(): void {
    this.#upstream.terminate();
  }

  #data(chunk: Uint8Array): void {
    try {
      for (const frame of this.#framer.push(chunk)) {
        if (frame.type === UPSTREAM.dataRow) this.#rows.push(parseTextRow(frame.body));
        else if (frame.type === UPSTREAM.errorResponse) {
          const state = parseFields(frame.body).get('C') ?? '';
          this.#fault = new SallyportError('SP_UPSTREAM_PROTOCOL', `catalogue query failed (${state})`);
        } else if (frame.type === UPSTREAM.readyForQuery) this.#ready();
      }
    } catch (fault) {
      this.#fail(fault);
    }
  }

  #ready(): void {
    const rows = this.#rows;
    this.#rows = [];
    if (this.#fault !== null) return this.#fail(this.#fault);
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve(rows);
  }

  #fail(fault: unknown): void {
    const settle = this.#settle;
    this.#settle = null;
    this.#upstream.destroy();
    settle?.reject(fault);
  }
}

function unavailable(cause: unknown): SallyportError {
  return new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'catalogue cannot be read', { cause });
}
