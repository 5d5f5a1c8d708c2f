// Reads the catalogue over the connection of a session, as its open transaction sees it. For that the gateway speaks between
// two messages of the client: fixed texts only, under random names, inside a savepoint that is always rolled back, so that
// nothing of it stays: no setting, no statement, no portal, no lock. The unnamed statement and portal are the client's and
// are not touched. Its answers go to neither the client nor a recording.
// WHY the settings: whoever sees all in clear may run code that changes any of them, and temporary relations and types are
// found before pg_catalog unless the path says otherwise. A role is left as it is: it changes what may be read, never what
// is read. REFUSES: whatever the target does not answer as it should.

import { SallyportError } from '../../core/error.ts';
import { CATALOGUE_QUERIES, type CatalogueQueryName, type CatalogueRows, type TextRow } from '../../sql/catalogue-queries.ts';
import { Framer } from '../../wire/framer.ts';
import { UPSTREAM, message, parseFields, parseMessage, parseStatus, parseTextRow } from './messages.ts';
import type { ScannerSink } from './upstream-scanner.ts';

/** Undone with the savepoint. Utility statements: no name in them is looked up anywhere. */
const SETTINGS: readonly string[] = [
  'SET LOCAL search_path = pg_catalog, pg_temp',
  'SET LOCAL statement_timeout = 30000',
  // Shorter than the time after which a server looks for deadlocks: it would end the transaction of somebody else.
  'SET LOCAL lock_timeout = 800',
  'SET LOCAL row_security = on',
  'SET LOCAL quote_all_identifiers = off',
  "SET LOCAL DateStyle = 'ISO'",
  "SET LOCAL IntervalStyle = 'postgres'",
  "SET LOCAL bytea_output = 'hex'",
  'SET LOCAL extra_float_digits = 1',
  'SET LOCAL jit = off',
];
const ISOLATION_QUERY = "SELECT pg_catalog.current_setting('transaction_isolation')";
const QUERIES = Object.entries(CATALOGUE_QUERIES) as [CatalogueQueryName, string][];
/** Statements before the isolation query: SAVEPOINT and the settings. */
const before = 1 + SETTINGS.length;
const maxRowBytes = 16 * 1024 * 1024;

export interface TransactionRows {
  readonly rows: CatalogueRows;
  /** Its statements see what others committed before each of them; otherwise, before the first one. */
  readonly readsCommitted: boolean;
}

export interface TransactionReaderDeps {
  readonly send: (bytes: Uint8Array) => void;
  /** Sends what the target answers to the reader; null = back to the session. */
  readonly divert: (sink: ScannerSink | null) => void;
  /** The target ends the connection: for the session to tell. */
  readonly onFatal: (bytes: Uint8Array, body: Uint8Array) => void;
  /** A name that nobody can guess, fit for an identifier. */
  readonly newName: () => string;
  /** Fires when the session is over. */
  readonly over: AbortSignal;
}

/** One reading at a time. */
export class TransactionReader implements ScannerSink {
  readonly #deps: TransactionReaderDeps;
  #reading: Reading | null = null;

  constructor(deps: TransactionReaderDeps) {
    this.#deps = deps;
    deps.over.addEventListener('abort', () => this.#fail('session is over'), { once: true });
  }

  get isReading(): boolean {
    return this.#reading !== null;
  }

  /** Call it inside a transaction block, when the target has answered everything and the last message was ReadyForQuery.
   *  After a failure the block is as it was, or aborted.
   *  @throws SP_CATALOGUE_UNAVAILABLE */
  read(): Promise<TransactionRows> {
    const { send, divert, newName, over } = this.#deps;
    if (over.aborted) return Promise.reject(unavailable('session is over'));
    const name = newName();
    return new Promise((resolve, reject) => {
      this.#reading = { framer: new Framer(maxRowBytes), rows: [], answers: [], readies: 0, fault: null, resolve, reject };
      divert(this);
      const texts = [`SAVEPOINT ${name}`, ...SETTINGS, ISOLATION_QUERY, ...QUERIES.map(([, text]) => text)];
      const undo = [`ROLLBACK TO SAVEPOINT ${name}`, `RELEASE SAVEPOINT ${name}`];
      send(
        Buffer.concat([
          ...texts.flatMap((text) => messagesFor(name, text)),
          message('S'),
          // An error skips to the Sync: whatever is left of the names goes first.
          ...closeMessages(name),
          ...undo.flatMap((text) => messagesFor(name, text)),
          message('S'),
        ]),
      );
    });
  }

  rowStarts(): void {
    // Whole rows are put together from their bytes.
  }

  rowBytes(bytes: Uint8Array): void {
    const reading = this.#reading;
    if (reading === null) return;
    for (const frame of reading.framer.push(bytes)) {
      if (frame.type !== UPSTREAM.dataRow) throw unexpected();
      reading.rows.push(parseTextRow(frame.body));
    }
  }

  message(type: number, bytes: Uint8Array, body: Uint8Array): void {
    const reading = this.#reading;
    if (reading === null) return;
    switch (type) {
      case UPSTREAM.parseComplete:
      case UPSTREAM.bindComplete:
      case UPSTREAM.closeComplete:
      case UPSTREAM.noticeResponse:
      case UPSTREAM.notificationResponse:
      // The settings are told, and told back when the savepoint is rolled back.
      case UPSTREAM.parameterStatus:
        return;
      case UPSTREAM.commandComplete:
        if (reading.readies === 0) reading.answers.push(reading.rows);
        reading.rows = [];
        return;
      case UPSTREAM.errorResponse:
        this.#failed(reading, bytes, body);
        return;
      case UPSTREAM.readyForQuery:
        reading.readies += 1;
        if (reading.readies === 2) this.#ended(reading, parseStatus(body) === 'T');
        return;
      default:
        throw unexpected();
    }
  }

  #failed(reading: Reading, bytes: Uint8Array, body: Uint8Array): void {
    const fields = parseFields(body);
    const severity = fields.get('V') ?? fields.get('S') ?? '';
    if (severity !== 'FATAL' && severity !== 'PANIC') {
      reading.fault ??= fields.get('C') ?? '';
      return;
    }
    this.#deps.divert(null);
    this.#deps.onFatal(bytes, body);
  }

  #ended(reading: Reading, isInBlock: boolean): void {
    this.#reading = null;
    this.#deps.divert(null);
    const { answers, fault } = reading;
    const isolation = answers[before]?.[0]?.[0];
    if (fault !== null || !isInBlock || answers.length !== before + 1 + QUERIES.length || typeof isolation !== 'string') {
      reading.reject(unavailable(`catalogue of a transaction cannot be read (${fault ?? 'no answer'})`));
      return;
    }
    const rows = Object.fromEntries(QUERIES.map(([name], index) => [name, answers[before + 1 + index] ?? []]));
    reading.resolve({ rows: rows as CatalogueRows, readsCommitted: isolation.startsWith('read ') });
  }

  #fail(why: string): void {
    const reading = this.#reading;
    this.#reading = null;
    reading?.reject(unavailable(why));
  }
}

interface Reading {
  readonly framer: Framer;
  /** Rows of the statement that is being answered. */
  rows: TextRow[];
  /** Rows of each statement that was carried out. */
  readonly answers: (readonly TextRow[])[];
  readies: number;
  /** SQLSTATE. */
  fault: string | null;
  resolve(rows: TransactionRows): void;
  reject(fault: unknown): void;
}

/** Text values, without a description. */
function messagesFor(name: string, text: string): Uint8Array[] {
  return [
    parseMessage(name, text, []),
    message('B', (body) => body.cString(name).cString(name).int16(0).int16(0).int16(0)),
    message('E', (body) => body.cString(name).int32(0)),
    ...closeMessages(name),
  ];
}

function closeMessages(name: string): Uint8Array[] {
  return ['P', 'S'].map((what) => message('C', (body) => body.uint8(what.charCodeAt(0)).cString(name)));
}

function unavailable(why: string): SallyportError {
  return new SallyportError('SP_CATALOGUE_UNAVAILABLE', why);
}

function unexpected(): SallyportError {
  return new SallyportError('SP_UPSTREAM_PROTOCOL', 'message does not answer a query of the gateway');
}
