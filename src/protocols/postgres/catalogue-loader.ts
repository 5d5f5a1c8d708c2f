// Keeps a snapshot of the target's catalogue on a connection of its own: reads it at start, when DDL passed a session,
// on an unknown name, and when a cheap probe says that something has changed behind the gateway's back.
// A stale or missing catalogue refuses statements; it never lets one through.

import { SallyportError } from '../../core/error.ts';
import type { Clock, DatabaseOrigin, Logger } from '../../core/ports.ts';
import { buildCatalogue } from '../../sql/catalogue-build.ts';
import {
  CATALOGUE_BEGIN,
  CATALOGUE_END,
  CATALOGUE_HORIZON_QUERY,
  CATALOGUE_PROBE_QUERY,
  CATALOGUE_TOUCH_QUERY,
  CLUSTER_QUERY,
  DATABASE_ORIGIN_QUERY,
  OWN_QUERIES,
  SHIPPED_QUERIES,
  shippedTouchQuery,
  type CatalogueQueryName,
  type CatalogueRows,
  type ShippedQueryName,
  type TextRow,
} from '../../sql/catalogue-queries.ts';
import { type Shipped, buildShipped } from '../../sql/catalogue-shipped.ts';
import type { Catalogue } from '../../sql/catalogue.ts';
import { UPSTREAM, parseFields, parseTextRow } from './messages.ts';
import type { UpstreamConnection } from './upstream.ts';
import { Framer } from '../../wire/framer.ts';

export interface CatalogueLoaderDeps {
  /** Dials and logs in; the loader owns the connection. */
  readonly connect: (signal: AbortSignal) => Promise<UpstreamConnection>;
  /** Called at every look, before the catalogue counts, one call at a time; null = nothing to wait for. When it rejects, the
   *  catalogue is not used. */
  readonly settle: (catalogue: Catalogue, origin: DatabaseOrigin) => Promise<void> | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly target: string;
  /** Time between probes. */
  readonly probeMs: number;
  /** A snapshot that could not be confirmed for so long is not used any more. */
  readonly maxStaleMs: number;
  /** For connecting, and for one query. */
  readonly readTimeoutMs: number;
  /** A snapshot confirmed no longer ago than this counts as confirmed now. Under load, when one look serves many statements and
   *  takes its time because others write, up to `maxTrustMs`. */
  readonly trustMs: number;
  readonly maxTrustMs: number;
}

const maxRowBytes = 16 * 1024 * 1024;
/** WHY: definitions of what an open transaction has changed cannot be read before it ends, and the session that runs it, like
 *  every other, waits for this read. */
const LOCK_LIMIT = 'SET LOCAL lock_timeout = 800';
/** From this rate of statements on the target counts as loaded. */
const loadedPerMs = 1;
/** A pause of this length says that the load is over. */
const calmMs = 100;
/** Looks may take about this part of the time of a loaded target. */
const lookShare = 0.1;

interface ShippedState {
  readonly built: Shipped;
  /** How many rows it is made of, by system catalogue. */
  readonly rowCounts: string;
  /** What was written since has this transaction id, or a later one. */
  readonly oldest: string;
}

export class CatalogueLoader {
  readonly #deps: CatalogueLoaderDeps;
  #snapshot: Catalogue | null = null;
  #probe: string | null = null;
  /** Read over the connection that there is: transaction ids of one server mean nothing to another. */
  #shipped: ShippedState | null = null;
  /** Of the database that was read last. */
  #origin: DatabaseOrigin | null = null;
  #confirmedMs = 0;
  /** Whatever the target had committed at this moment is in the snapshot. */
  #asOfMs = Number.NEGATIVE_INFINITY;
  /** Snapshot of transaction ids, from before the last look at the catalogues. */
  #horizon: string | null = null;
  #rowCounts = '';
  #trustMs: number;
  /** Statements that relied on the snapshot since the last look began. */
  #served = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Statements per millisecond, smoothed over the last looks. */
  #load = 0;
  #connection: QueryConnection | null = null;
  #running: Promise<void> | null = null;
  /** Waits for `#running` to end. */
  #next: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #closed = new AbortController();

  constructor(deps: CatalogueLoaderDeps) {
    this.#deps = deps;
    this.#trustMs = deps.trustMs;
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

  /** Resolves when the snapshot is as new as the target was at `asOfMs` (monotonic), give or take `trustMs`: what an owner had
   *  committed by then is seen. Null when it is now. WHY: a new overload or cast may turn a statement that was safe into one
   *  that is not. Under load the next look begins before the last one has aged, so that hardly a statement waits for it.
   *  @throws SP_CATALOGUE_UNAVAILABLE */
  confirm(asOfMs: number): Promise<void> | null {
    const behindMs = asOfMs - this.#asOfMs;
    const trustMs = this.#trustMs;
    this.#served += 1;
    if (behindMs <= trustMs / 2) return null;
    if (behindMs > trustMs) {
      // A connection that was lost since the last look is no reason to refuse: once more, with a new one.
      return this.refresh().catch(() => this.refresh());
    }
    if (this.#running === null) this.refresh().catch((fault: unknown) => this.#report(fault));
    return null;
  }

  close(): void {
    this.#closed.abort(new SallyportError('SP_SHUTTING_DOWN', 'catalogue loader is closed'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#connection?.close();
    this.#connection = null;
  }

  async #refresh(): Promise<void> {
    if (this.#closed.signal.aborted) throw unavailable(this.#closed.signal.reason);
    try {
      const connection = (this.#connection ??= await this.#connect());
      const startedMs = this.#deps.clock.monotonicMs();
      this.#measureLoad(startedMs);
      const horizon = await connection.horizon();
      let snapshot = this.#snapshot;
      let probe = this.#probe;
      if (snapshot !== null && (horizon === this.#horizon || (await this.#isUntouched(connection)))) {
        const settling = this.#deps.settle(snapshot, connection.origin);
        if (settling !== null) await settling;
        this.#confirmedMs = startedMs;
      } else {
        this.#horizon = null;
        // Before the probe: what is written after it shows against these.
        const rows = rowCounts(await connection.touch(oldestOf(horizon)));
        // Everything from here on as of one moment.
        const shippedTouch = shippedTouchQuery(this.#shipped?.oldest ?? oldestOf(horizon));
        const answers = await connection.batch([CATALOGUE_BEGIN, LOCK_LIMIT, shippedTouch, CATALOGUE_PROBE_QUERY]);
        const shippedTouched = onlyText(answers.at(-2));
        probe = onlyText(answers.at(-1));
        this.#shipped = this.#stillShipped(shippedTouched, horizon);
        const isNew = probe !== this.#probe || this.#shipped === null;
        if (isNew || snapshot === null) {
          const { rows, shipped } = await readRows(connection, this.#shipped?.built ?? null);
          // What stands for nothing would leave its rows out the next time.
          this.#shipped ??=
            shipped.below === 0 ? null : { built: shipped, rowCounts: rowCounts(shippedTouched), oldest: oldestOf(horizon) };
          const read = buildCatalogue(rows, shipped);
          // The same again: whatever was made of it stays.
          if (read.version !== snapshot?.version) snapshot = read;
        } else await connection.query(CATALOGUE_END);
        await this.#deps.settle(snapshot, connection.origin);
        if (isNew) this.#deps.logger.info({ target: this.#deps.target, catalogue: snapshot.version }, 'catalogue read');
        this.#snapshot = snapshot;
        this.#probe = probe;
        this.#rowCounts = rows;
        this.#confirmedMs = this.#deps.clock.monotonicMs();
      }
      this.#horizon = horizon;
      this.#asOfMs = startedMs;
      const { clock, trustMs, maxTrustMs } = this.#deps;
      this.#trustMs =
        this.#load >= loadedPerMs ? Math.min(maxTrustMs, Math.max(trustMs, (clock.monotonicMs() - startedMs) / lookShare)) : trustMs;
    } catch (fault) {
      this.#connection?.close();
      this.#connection = null;
      // Not known to be current any more: nothing is planned with it until it was confirmed again.
      this.#confirmedMs = Number.NEGATIVE_INFINITY;
      throw unavailable(fault);
    }
  }

  /** What initdb made, if it is still as it was read: seen in the snapshot that is open.
   *  @param horizon from before that snapshot */
  #stillShipped(touched: string, horizon: string): ShippedState | null {
    const shipped = this.#shipped;
    if (shipped === null || touched.includes('t') || rowCounts(touched) !== shipped.rowCounts) return null;
    return { ...shipped, oldest: oldestOf(horizon) };
  }

  #measureLoad(nowMs: number): void {
    const elapsedMs = Math.max(0.1, nowMs - this.#lookedMs);
    const perMs = this.#served / elapsedMs;
    this.#load = elapsedMs > calmMs ? perMs : 0.8 * this.#load + 0.2 * perMs;
    this.#lookedMs = nowMs;
    this.#served = 0;
  }

  async #connect(): Promise<QueryConnection> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#deps.readTimeoutMs)]);
    const connection = new QueryConnection(await this.#deps.connect(signal), this.#deps.readTimeoutMs);
    try {
      await connection.prepare();
      // It may lead to another server than the last one: transaction ids and row versions of one mean nothing to another.
      this.#horizon = null;
      this.#shipped = null;
      const { origin } = connection;
      if (this.#origin?.cluster !== origin.cluster || this.#origin.database !== origin.database) this.#probe = null;
      this.#origin = origin;
      return connection;
    } catch (fault) {
      connection.close();
      throw fault;
    }
  }

  /** Somebody wrote something, but nothing that a catalogue is made of. */
  async #isUntouched(connection: QueryConnection): Promise<boolean> {
    if (this.#horizon === null) return false;
    const rows = await connection.touch(oldestOf(this.#horizon));
    return !rows.includes('t') && rowCounts(rows) === this.#rowCounts;
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

/** In the snapshot that is open, which it ends.
 *  @param known of the same snapshot; null = to be read as well */
async function readRows(connection: QueryConnection, known: Shipped | null): Promise<{ rows: CatalogueRows; shipped: Shipped }> {
  const names = Object.keys(OWN_QUERIES) as CatalogueQueryName[];
  const shippedNames = known === null ? (Object.keys(SHIPPED_QUERIES) as ShippedQueryName[]) : [];
  const answers = await connection.batch([
    ...names.map((name) => OWN_QUERIES[name]),
    ...shippedNames.map((name) => SHIPPED_QUERIES[name]),
    CATALOGUE_END,
  ]);
  const rows = Object.fromEntries(names.map((name, at) => [name, answers[at] ?? []])) as Record<CatalogueQueryName, TextRow[]>;
  if (known !== null) return { rows, shipped: known };
  shippedNames.forEach((name, at) => {
    rows[name] = [...(answers[names.length + at] ?? []), ...rows[name]];
  });
  return { rows, shipped: buildShipped(rows, Number(rows.server[0]?.[0])) };
}

/** The oldest transaction that was running, as the 32 bits that rows carry. */
function oldestOf(horizon: string): string {
  return String(BigInt.asUintN(32, BigInt(horizon.slice(0, horizon.indexOf(':')))));
}

function rowCounts(touched: string): string {
  return touched.replaceAll(/[tf]/g, '');
}

const horizonName = 'sallyport_horizon';
const touchName = 'sallyport_touch';

/** One query at a time, text rows. Only for fixed texts of the gateway. */
class QueryConnection {
  readonly #upstream: UpstreamConnection;
  readonly #framer = new Framer(maxRowBytes);
  readonly #deadline: NodeJS.Timeout;
  #rows: TextRow[] = [];
  /** Rows of each statement that was carried out. */
  #answers: TextRow[][] = [];
  #fault: SallyportError | null = null;
  #origin: DatabaseOrigin | null = null;
  #settle: { resolve(answers: TextRow[][]): void; reject(fault: unknown): void } | null = null;

  constructor(upstream: UpstreamConnection, timeoutMs: number) {
    this.#upstream = upstream;
    this.#deadline = setTimeout(() => {
      if (this.#settle !== null) this.#fail(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'catalogue query took too long'));
    }, timeoutMs);
    this.#deadline.unref();
    upstream.attach({
      data: (chunk) => this.#data(chunk),
      closed: () => this.#fail(new SallyportError('SP_UPSTREAM_LOST', 'catalogue connection was lost')),
      drained: () => undefined,
    });
  }

  async prepare(): Promise<void> {
    await this.#run(() => this.#upstream.ownPrepare(horizonName, CATALOGUE_HORIZON_QUERY));
    await this.#run(() => this.#upstream.ownPrepare(touchName, CATALOGUE_TOUCH_QUERY));
    const [database, mayAsk] = (await this.query(DATABASE_ORIGIN_QUERY))[0] ?? [];
    const cluster = mayAsk === 't' ? await this.query(CLUSTER_QUERY).then(onlyText) : '';
    this.#origin = { cluster, database: Number(database ?? Number.NaN) };
  }

  /** Once it is prepared. */
  get origin(): DatabaseOrigin {
    if (this.#origin === null || Number.isNaN(this.#origin.database))
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'catalogue query gave no answer');
    return this.#origin;
  }

  query(text: string): Promise<TextRow[]> {
    return this.#run(() => this.#upstream.ownQuery(text)).then((answers) => answers.flat());
  }

  /** One message, and so one way there and back. @returns the rows of the last as many statements as there are texts */
  async batch(texts: readonly string[]): Promise<TextRow[][]> {
    const answers = await this.#run(() => this.#upstream.ownQuery(texts.join(';\n')));
    if (answers.length < texts.length) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'catalogue query gave no answer');
    return answers.slice(-texts.length);
  }

  horizon(): Promise<string> {
    return this.#run(() => this.#upstream.ownExecute(horizonName)).then((answers) => onlyText(answers.flat()));
  }

  touch(oldest: string): Promise<string> {
    return this.#run(() => this.#upstream.ownExecute(touchName, oldest)).then((answers) => onlyText(answers.flat()));
  }

  close(): void {
    this.#fail(new SallyportError('SP_UPSTREAM_LOST', 'catalogue connection was closed'), 'politely');
  }

  #run(send: () => void): Promise<TextRow[][]> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.#upstream.isClosed) return this.#fail(new SallyportError('SP_UPSTREAM_LOST', 'catalogue connection was lost'));
      this.#deadline.refresh();
      send();
    });
  }

  #data(chunk: Uint8Array): void {
    try {
      for (const frame of this.#framer.push(chunk)) {
        if (frame.type === UPSTREAM.dataRow) this.#rows.push(parseTextRow(frame.body));
        else if (frame.type === UPSTREAM.commandComplete) {
          this.#answers.push(this.#rows);
          this.#rows = [];
          this.#deadline.refresh();
        } else if (frame.type === UPSTREAM.errorResponse) {
          const state = parseFields(frame.body).get('C') ?? '';
          this.#fault = new SallyportError('SP_UPSTREAM_PROTOCOL', `catalogue query failed (${state})`);
        } else if (frame.type === UPSTREAM.readyForQuery) this.#ready();
      }
    } catch (fault) {
      this.#fail(fault);
    }
  }

  #ready(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (this.#fault !== null) return this.#fail(this.#fault);
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve(answers);
  }

  #fail(fault: unknown, how: 'politely' | 'at-once' = 'at-once'): void {
    const settle = this.#settle;
    this.#settle = null;
    clearTimeout(this.#deadline);
    if (how === 'politely') this.#upstream.terminate();
    else this.#upstream.destroy();
    settle?.reject(fault);
  }
}

function onlyText(rows: readonly TextRow[] = []): string {
  const text = rows[0]?.[0];
  if (rows.length !== 1 || typeof text !== 'string') throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'catalogue query gave no answer');
  return text;
}

function unavailable(cause: unknown): SallyportError {
  return new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'catalogue cannot be read', { cause });
}
