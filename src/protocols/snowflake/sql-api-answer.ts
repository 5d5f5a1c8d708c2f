// What the SQL API answers: the drivers' masked envelope as a ResultSet, a QueryStatus or a QueryFailureStatus. Pure.
// REFUSES: results that are not JSON.

import { type ErrorCode, SallyportError } from '../../core/error.ts';
import { type NativeError, nativeOf } from './errors.ts';
import { CODES, type Envelope, type JsonObject, numberAt, objectAt, textAt } from './protocol.ts';
import type { SnowflakeQueryData, SnowflakeRow, SnowflakeRowType } from './results/index.ts';
import { familyOf, jsonv2Cell } from './results/index.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
}

export interface AnswerPlace {
  /** `/api/v2/statements` or `/t/<target>/api/v2/statements`. */
  readonly base: string;
  readonly handle: string;
  readonly createdMs: number | null;
  /** See `ApiFlags.nulls`. */
  readonly nulls: string | null;
}

const succeeded = { code: '090001', sqlState: '00000', message: 'Statement executed successfully.' };
const timedOut = '000630';
const told = [
  'name',
  'database',
  'schema',
  'table',
  'type',
  'byteLength',
  'length',
  'precision',
  'scale',
  'nullable',
  'collation',
] as const;
const counts = ['numRowsInserted', 'numRowsUpdated', 'numRowsDeleted', 'numDuplicateRowsUpdated'] as const;

/** Faults before there is a statement. What may be tried again as it is says 429 or 503; a statement that failed never does, because
 *  whether it ran is not always known. */
const statusOfCode: Partial<Record<ErrorCode, number>> = {
  SP_WIRE_MALFORMED: 400,
  SP_WIRE_TOO_LARGE: 413,
  SP_AUTH_INVALID_TOKEN: 401,
  SP_AUTH_EXPIRED: 401,
  SP_AUTH_THROTTLED: 429,
  SP_SESSION_LIMIT: 429,
  SP_LOCKED: 403,
  SP_TARGET_UNKNOWN: 403,
  SP_INTERNAL: 500,
};
const retryable = new Set(['08006', '57P03', '57P01', '58030']);

export function statusOfFault(code: ErrorCode): number {
  const status = statusOfCode[code];
  if (status !== undefined) return status;
  if (code === 'SP_AUTH_UNAVAILABLE' || retryable.has(nativeOf(code).sqlState)) return 503;
  return 422;
}

export function faultAnswer(status: number, { code, sqlState, message }: NativeError, handle: string | null = null): ApiAnswer {
  const headers: Record<string, string> =
    status === 429 || status === 503 ? { 'retry-after': '5' } : status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return { status, body: { code, sqlState, message, ...(handle === null ? {} : { statementHandle: handle }) }, headers };
}

/** @param envelope as drivers get it, with chunk addresses that are bare paths
 *  @throws SP_UPSTREAM_PROTOCOL */
export function answerOf(envelope: Envelope, place: AnswerPlace): ApiAnswer {
  const { code, message, data } = envelope;
  if (!envelope.success) {
    const native = {
      code: code ?? '000603',
      sqlState: textAt(data, 'sqlState') ?? 'XX000',
      message: message ?? 'sallyport: the statement failed',
    };
    const { body, ...rest } = faultAnswer(code === timedOut ? 408 : 422, native, place.handle);
    return { ...rest, body: { ...body, ...placeFields(place) } };
  }
  if (code === CODES.inProgress || code === CODES.inProgressAsync) {
    const status = { code: CODES.inProgressAsync, message: message ?? '', statementHandle: place.handle, ...placeFields(place) };
    return { status: 202, body: status, headers: {} };
  }
  return resultSet((data ?? {}) as SnowflakeQueryData, place);
}

export function cancelAnswer(isCancelled: boolean, place: AnswerPlace): ApiAnswer {
  const { code, sqlState, message } = isCancelled
    ? { ...succeeded, message: 'successfully canceled' }
    : { code: CODES.notExecuting, sqlState: '02000', message: 'Identified SQL statement is not currently executing.' };
  return {
    status: isCancelled ? 200 : 422,
    body: { code, sqlState, message, statementHandle: place.handle, ...placeFields(place) },
    headers: {},
  };
}

/** Paths of the chunks that are the partitions after the first. */
export function chunkPaths({ data }: Envelope): readonly string[] {
  return ((data as SnowflakeQueryData | null)?.chunks ?? []).map(({ url }) => url);
}

/** Handles of the statements of a text of several; null = it was one. */
export function childHandles({ data }: Envelope): readonly string[] | null {
  return (
    textAt(data, 'resultIds')
      ?.split(',')
      .map((id) => id.trim()) ?? null
  );
}

/** `Link` of a partition. */
export function linkHeader({ base, handle }: Pick<AnswerPlace, 'base' | 'handle'>, partition: number, partitions: number): string {
  const last = Math.max(0, partitions - 1);
  const links: (readonly [string, number])[] = [['first', 0]];
  if (partition > 0) links.push(['prev', partition - 1]);
  if (partition < last) links.push(['next', partition + 1]);
  links.push(['last', last]);
  return links.map(([rel, number]) => `<${base}/${handle}?partition=${number}>; rel="${rel}"`).join(', ');
}

function resultSet(data: SnowflakeQueryData, place: AnswerPlace): ApiAnswer {
  if ((data.queryResultFormat ?? 'json') !== 'json' || (data.rowsetBase64 ?? '') !== '') {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a result that is not JSON');
  }
  const rowtype = data.rowtype ?? [];
  const rows = data.rowset ?? [];
  const chunks = data.chunks ?? [];
  const shown = jsonv2Rows(rows, rowtype, place.nulls);
  const handles = childHandles({ success: true, code: null, message: null, data: data as JsonObject });
  const stats = countsOf(data as JsonObject);
  const body = {
    resultSetMetaData: {
      numRows: chunks.reduce((sum, { rowCount }) => sum + rowCount, rows.length),
      format: 'jsonv2',
      partitionInfo: [
        { rowCount: rows.length, uncompressedSize: sizeOf(shown) },
        ...chunks.map(({ rowCount, uncompressedSize, compressedSize }) => ({ rowCount, uncompressedSize, compressedSize })),
      ],
      rowType: rowtype.map((column) => Object.fromEntries(told.map((field) => [field, column[field] ?? null]))),
    },
    data: shown,
    ...succeeded,
    statementHandle: place.handle,
    ...(handles === null ? {} : { statementHandles: handles }),
    ...placeFields(place),
    ...(stats === null ? {} : { stats }),
  };
  return { status: 200, body, headers: { link: linkHeader(place, 0, chunks.length + 1) } };
}

function jsonv2Rows(rows: readonly SnowflakeRow[], rowtype: readonly SnowflakeRowType[], nulls: string | null): SnowflakeRow[] {
  const writes = rowtype.map((column) => jsonv2Cell(familyOf(column)));
  return rows.map((row) => row.map((cell, index) => (cell === null ? nulls : (writes[index]?.(cell) ?? cell))));
}

function sizeOf(rows: readonly SnowflakeRow[]): number {
  let size = 2;
  for (const row of rows) for (const cell of row) size += (cell?.length ?? 4) + 3;
  return size;
}

function countsOf(data: JsonObject): JsonObject | null {
  const stats = objectAt(data, 'stats');
  const known = counts.flatMap((name) => {
    const count = numberAt(stats, name);
    return count === null ? [] : [[name, count] as const];
  });
  return known.length === 0 ? null : Object.fromEntries(known);
}

function placeFields({ base, handle, createdMs }: AnswerPlace): JsonObject {
  return { ...(createdMs === null ? {} : { createdOn: createdMs }), statementStatusUrl: `${base}/${handle}` };
}
