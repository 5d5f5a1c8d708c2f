// A short-lived connection of the gateway on which a held statement is explained, or run and rolled back. Its settings keep it
// out of the way of everybody else: it waits for no lock and runs for a second at most.

import { SallyportError } from '../../core/error.ts';
import type { PreviewPass } from '../../core/preview.ts';
import { Framer } from '../../wire/framer.ts';
import { type ResultColumn, UPSTREAM, message, parseFields, parseMessage, parseRowDescription, parseTextRow } from './messages.ts';
import type { UpstreamConnection } from './upstream.ts';

const maxRowBytes = 16 * 1024 * 1024;
/** Of a statement of the client; rows beyond are not kept. */
const maxKeptRows = 100;

/** Start-up settings, over those of the session. */
export const PREVIEW_SETTINGS: readonly (readonly [string, string])[] = [
  ['lock_timeout', '100'],
  ['statement_timeout', '1000'],
  ['idle_in_transaction_session_timeout', '3000'],
  ['application_name', 'sallyport preview'],
  ['jit', 'off'],
];

export interface PreviewAnswer {
  readonly rows: readonly (readonly (string | null)[])[];
  /** Where the columns of the rows come from; empty without rows. */
  readonly columns: readonly ResultColumn[];
  /** Command tag of the last statement. */
  readonly tag: string;
  /** SQLSTATE of the error it ended with; null = none. */
  readonly fault: string | null;
}

export interface ClientStatement {
  readonly text: string;
  readonly parameterTypes: readonly number[];
  /** Formats and values as in Bind; null = no parameters. */
  readonly parameters: Uint8Array | null;
}

/** One message at a time. */
export class PreviewConnection {
  readonly #upstream: UpstreamConnection;
  readonly #framer = new Framer(maxRowBytes);
  readonly #maxRows: number;
  #rows: (readonly (string | null)[])[] = [];
  #columns: readonly ResultColumn[] = [];
  #tag = '';
  #fault: string | null = null;
  #settle: { resolve(answer: PreviewAnswer): void; reject(fault: unknown): void } | null = null;
  #end: SallyportError | null = null;

  /** @param maxRows rows beyond are not kept. */
  constructor(upstream: UpstreamConnection, signal: AbortSignal, maxRows = maxKeptRows) {
    this.#upstream = upstream;
    this.#maxRows = maxRows;
    upstream.attach({
      data: (chunk) => this.#data(chunk),
      closed: () => this.#fail('preview connection was lost'),
      drained: () => undefined,
    });
    if (signal.aborted) this.#fail('preview took too long');
    signal.addEventListener('abort', () => this.#fail('preview took too long'), { once: true });
  }

  /** A fixed text of the gateway, with numbers and names of the catalogue in it. */
  own(text: string): Promise<PreviewAnswer> {
    return this.#run(() => this.#upstream.ownQuery(text));
  }

  /** Text of the client, or one made from it. @param maxRows of the answer; it runs to its end all the same. 0 = all */
  statement(pass: PreviewPass, { text, parameterTypes, parameters }: ClientStatement, maxRows = 0): Promise<PreviewAnswer> {
    const bytes = Buffer.concat([
      parseMessage('', text, parameterTypes),
      message('B', (body) => {
        body.cString('').cString('');
        if (parameters === null) body.int16(0).int16(0);
        else body.bytes(parameters);
        body.int16(0);
      }),
      message('D', (body) => body.uint8('P'.charCodeAt(0)).cString('')),
      message('E', (body) => body.cString('').int32(maxRows)),
      message('S'),
    ]);
    return this.#run(() => this.#upstream.preview(pass, bytes));
  }

  close(): void {
    this.#end ??= new SallyportError('SP_UPSTREAM_LOST', 'preview connection was closed');
    this.#upstream.terminate();
  }

  #run(send: () => void): Promise<PreviewAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#settle = { resolve, reject };
      send();
    });
  }

  #data(chunk: Uint8Array): void {
    try {
      for (const frame of this.#framer.push(chunk)) {
        if (frame.type === UPSTREAM.rowDescription) this.#columns = parseRowDescription(frame.body);
        else if (frame.type === UPSTREAM.dataRow) {
          if (this.#rows.length < this.#maxRows) this.#rows.push(parseTextRow(frame.body));
        } else if (frame.type === UPSTREAM.commandComplete) {
          this.#tag = Buffer.from(frame.body.subarray(0, -1)).toString('latin1');
        } else if (frame.type === UPSTREAM.errorResponse) {
          this.#fault = parseFields(frame.body).get('C') ?? 'XX000';
        } else if (frame.type === UPSTREAM.readyForQuery) this.#ready();
      }
    } catch {
      this.#fail('preview connection broke the protocol');
    }
  }

  #ready(): void {
    const answer = { rows: this.#rows, columns: this.#columns, tag: this.#tag, fault: this.#fault };
    this.#rows = [];
    this.#columns = [];
    this.#tag = '';
    this.#fault = null;
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve(answer);
  }

  #fail(reason: string): void {
    this.#end ??= new SallyportError('SP_UPSTREAM_LOST', reason);
    const settle = this.#settle;
    this.#settle = null;
    this.#upstream.destroy();
    settle?.reject(this.#end);
  }
}
