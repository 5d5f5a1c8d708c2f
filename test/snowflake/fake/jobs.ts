// Queries of the fake account: running, answered and cancelled, and the JSON that is said of each.

import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { arrowStream } from './arrow.ts';
import { SnowflakeFault, cancelled } from './errors.ts';
import { toldParameters } from './parameters.ts';
import { type Cell, columnOf, rowtypeOf } from './rows.ts';
import type { Answer, Bind, SqlSession } from './sql-session.ts';
import type { Storage } from './storage.ts';
import { statementsOf } from './tokens.ts';

export type GivenBinds = Readonly<
  Record<string, { readonly type: string; readonly value: string | null | readonly (string | null)[]; readonly fmt?: string | null }>
>;

export interface Request {
  readonly text: string;
  readonly requestId: string;
  readonly binds: GivenBinds;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly describeOnly: boolean;
}

export class Job {
  readonly queryId: string;
  readonly request: Request;
  readonly session: SqlSession;
  readonly wantsArrow: boolean;
  readonly done: Promise<void>;
  answer: Answer | null = null;
  fault: SnowflakeFault | null = null;
  /** Of a text of several statements. */
  children: Job[] = [];
  readonly #abort = new AbortController();

  constructor(request: Request, session: SqlSession, wantsArrow: boolean, known: (job: Job) => void) {
    this.queryId = newQueryId();
    this.request = request;
    this.session = session;
    this.wantsArrow = wantsArrow;
    known(this);
    this.done = this.#run(known).catch((error: unknown) => {
      this.fault = error instanceof SnowflakeFault ? error : new SnowflakeFault('300002', 'XX000', String(error));
    });
  }

  get isRunning(): boolean {
    return this.answer === null && this.fault === null;
  }

  /** False = it was over. */
  abort(): boolean {
    if (!this.isRunning) return false;
    this.#abort.abort();
    for (const child of this.children) child.abort();
    return true;
  }

  async #run(known: (job: Job) => void): Promise<void> {
    const { text, binds, parameters, describeOnly } = this.request;
    const statements = statementsOf(text);
    if (statements.length === 0) throw new SnowflakeFault('000900', '42601', 'SQL compilation error:\nEmpty SQL statement.');
    const wanted = Number(parameters['MULTI_STATEMENT_COUNT'] ?? this.session.parameters.get('MULTI_STATEMENT_COUNT') ?? 1);
    if (wanted !== 0 && wanted !== statements.length)
      throw new SnowflakeFault(
        '000008',
        '0A000',
        `Actual statement count ${statements.length} did not match the desired statement count ${wanted}.`,
      );
    if (statements.length === 1) {
      this.answer = await this.#one(statements[0] ?? '', binds, describeOnly);
      if (!describeOnly) this.session.queryIds.push(this.queryId);
      return;
    }
    for (const statement of statements) {
      if (this.#abort.signal.aborted) throw cancelled();
      const child = new Job(
        { ...this.request, text: statement, parameters: { ...parameters, MULTI_STATEMENT_COUNT: 1 } },
        this.session,
        this.wantsArrow,
        known,
      );
      this.children.push(child);
      await child.done;
      if (child.fault !== null) throw child.fault;
    }
    this.session.queryIds.push(this.queryId);
    this.answer = {
      columns: [columnOf('multiple statement execution', 'text')],
      rows: [['Multiple statements executed successfully.']],
      statementTypeId: 40_960,
      numberOfBinds: 0,
      isQuery: false,
    };
  }

  async #one(text: string, given: GivenBinds, describeOnly: boolean): Promise<Answer> {
    const numbers = Object.keys(given)
      .map(Number)
      .sort((a, b) => a - b);
    const all = numbers.map((number) => given[String(number)] as GivenBinds[string]);
    const size = Math.max(0, ...all.map(({ value }) => (Array.isArray(value) ? value.length : 0)));
    const bindsOf = (row: number): Bind[] =>
      all.map(({ type, value, fmt }) => ({
        type,
        value: (Array.isArray(value) ? (value[row] as string | null) : value) as string | null,
        fmt: fmt ?? null,
      }));
    if (size === 0) return await this.session.run(text, bindsOf(0), describeOnly, this.#abort.signal);
    let rows = 0;
    let answer: Answer | null = null;
    for (let start = 0; start < size; start += arrayBatch) {
      const batch = Array.from({ length: Math.min(arrayBatch, size - start) }, (_, index) => bindsOf(start + index));
      const tuple = /VALUES\s*(\([\s\S]*\))\s*;?\s*$/i.exec(text)?.[1];
      // One statement for many rows: the binds of each behind those of the one before.
      const merged = tuple === undefined ? null : batch.map((_, index) => renumbered(tuple, index * all.length)).join(', ');
      const runs =
        merged === null
          ? batch.map((binds) => [text, binds] as const)
          : [[text.slice(0, text.lastIndexOf(tuple as string)) + merged, batch.flat()] as const];
      for (const [statement, binds] of runs) {
        if (this.#abort.signal.aborted) throw cancelled();
        answer = await this.session.run(statement, binds, describeOnly, this.#abort.signal);
        rows += Number(answer.rows[0]?.[0] ?? 0);
      }
    }
    if (answer === null)
      throw new SnowflakeFault('002049', '42601', 'SQL compilation error: error line 1 at position 0\nBind variables not set');
    return { ...answer, rows: [[String(rows), ...(answer.rows[0] ?? []).slice(1)]] };
  }
}

const arrayBatch = 500;

function renumbered(tuple: string, offset: number): string {
  let number = 0;
  return tuple.replaceAll(
    /\?|:(\d+)/g,
    (_, given: string | undefined) => `:${(given === undefined ? (number += 1) : Number(given)) + offset}`,
  );
}

export const newQueryId = (): string => {
  const hex = randomBytes(16).toString('hex');
  return `01b${hex.slice(0, 5)}-${hex.slice(5, 9)}-${hex.slice(9, 13)}-${hex.slice(13, 17)}-${hex.slice(17, 29)}`;
};

export interface Sizes {
  inlineRows: number;
  chunkRows: number;
  /** `qrmk` = the key alone, from which drivers make the headers; as older accounts answered. */
  chunkKeys: 'both' | 'qrmk';
}

/** The answer of a query that is over. */
export function replyOf(job: Job, storage: Storage, sizes: Sizes): Record<string, unknown> {
  const { answer, fault, session, queryId } = job;
  if (fault !== null || answer === null) return faultReply(fault ?? cancelled(), queryId);
  const isArrow = job.wantsArrow && answer.isQuery && answer.statementTypeId === 4096 && answer.command === undefined;
  const { inline, chunks, total } = parts(answer, sizes);
  const key = randomBytes(32);
  const keys = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
  };
  const headers =
    sizes.chunkKeys === 'qrmk'
      ? keys
      : { ...keys, 'x-amz-server-side-encryption-customer-key-MD5': createHash('md5').update(key).digest('base64') };
  const stored = chunks.map((chunk) => {
    const plain = isArrow ? chunk.arrow() : chunk.json();
    const packed = isGzip(plain) ? plain : gzipSync(plain, { level: 1 });
    return {
      url: storage.put(() => packed, headers),
      rowCount: chunk.rowCount,
      uncompressedSize: isGzip(plain) ? plain.length * 4 : plain.length,
      compressedSize: packed.length,
    };
  });
  return {
    data: {
      // WHY: Node's driver takes the formats of cells from here.
      parameters: toldParameters(session.parameters),
      rowtype: answer.columns.map(rowtypeOf),
      ...(isArrow
        ? { rowsetBase64: job.request.describeOnly ? '' : arrowStream(answer.columns, inline).toString('base64') }
        : { rowset: inline }),
      ...(stored.length === 0
        ? {}
        : { chunks: stored, qrmk: key.toString('base64'), ...(sizes.chunkKeys === 'qrmk' ? {} : { chunkHeaders: headers }) }),
      total,
      returned: total,
      queryId,
      databaseProvider: null,
      finalDatabaseName: session.database,
      finalSchemaName: session.schema,
      finalWarehouseName: session.warehouse,
      finalRoleName: session.role,
      numberOfBinds: answer.numberOfBinds,
      arrayBindSupported: answer.statementTypeId > 4096 && answer.statementTypeId < 24_576,
      statementTypeId: answer.statementTypeId,
      version: 1,
      sendResultTime: Date.now(),
      queryResultFormat: isArrow ? 'arrow' : 'json',
      queryContext: { entries: [{ id: 0, timestamp: Date.now() * 1000, priority: 0, context: 'CPTItf0E' }] },
      ...(job.children.length === 0
        ? {}
        : {
            resultIds: job.children.map((child) => child.queryId).join(','),
            resultTypes: job.children.map((child) => String(child.answer?.statementTypeId ?? 4096)).join(','),
          }),
      ...answer.command,
    },
    code: null,
    message: null,
    success: true,
  };
}

const isGzip = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

interface Part {
  readonly rowCount: number;
  json(): Buffer;
  arrow(): Buffer;
}

function parts(
  answer: Answer,
  { inlineRows, chunkRows }: Sizes,
): { inline: readonly (readonly Cell[])[]; chunks: readonly Part[]; total: number } {
  if (answer.made !== undefined) return { inline: [], chunks: answer.made.chunks, total: answer.made.total };
  const { rows, columns } = answer;
  if (rows.length <= inlineRows) return { inline: rows, chunks: [], total: rows.length };
  const chunks: Part[] = [];
  for (let start = inlineRows; start < rows.length; start += chunkRows) {
    const some = rows.slice(start, start + chunkRows);
    chunks.push({
      rowCount: some.length,
      // Without the outer brackets.
      json: () => Buffer.from(some.map((row) => JSON.stringify(row)).join(',')),
      arrow: () => arrowStream(columns, some),
    });
  }
  return { inline: rows.slice(0, inlineRows), chunks, total: rows.length };
}

export function faultReply(fault: SnowflakeFault, queryId: string): Record<string, unknown> {
  return {
    data: {
      internalError: false,
      unredactedFromSecureObject: false,
      errorCode: fault.code,
      age: 0,
      sqlState: fault.sqlState,
      queryId,
      line: 1,
      pos: 0,
      type: 'COMPILATION',
    },
    code: fault.code,
    message: fault.message,
    success: false,
    headers: null,
  };
}
