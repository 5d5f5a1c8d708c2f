// Masks one answer: its columns are bound to the plan, the rows in it are masked, and its chunks are announced under addresses of the
// gateway. REFUSES: answers that disagree with the plan, formats that are not known, and answers that carry keys of a stage.

import { SallyportError } from '../../../core/error.ts';
import { bindColumns, disagreement, isClearOnly, malformed } from './columns.ts';
import { type ChunkSource, readable } from './chunk-source.ts';
import type { ChunkStore, StoredChunk } from './chunk-store.ts';
import type { MaskedData, MaskInput } from './index.ts';
import { maskRowset } from './json-rowset.ts';
import { type ResultPlan, sentPlan } from './plan.ts';
import { type ResultPool, STEP_BYTES } from './pool.ts';
import type { SnowflakeChunk, SnowflakeQueryData } from './query-data.ts';
import { RowCollector, rowDescription, type RowSink } from './row-frames.ts';

export interface AnswerDeps {
  readonly pool: ResultPool;
  readonly store: ChunkStore;
  readonly source: ChunkSource;
  readonly maxRowBytes: number;
  readonly maxMessageBytes: number;
  readonly nowMs: number;
}

/** Fields that only transfers to and from stages have: credentials of a cloud and the keys of files. */
const STAGE_FIELDS = ['stageInfo', 'encryptionMaterial', 'presignedUrls', 'src_locations'] as const;
/** Sizes are told in steps: the exact ones tell how long the values are. */
const SIZE_STEP = 1024 * 1024;

interface Inline {
  readonly fields: Partial<SnowflakeQueryData>;
  readonly rows: number;
  readonly bytes: number;
}

export async function maskAnswer(deps: AnswerDeps, input: MaskInput): Promise<MaskedData> {
  const { data, outputs, record } = input;
  if (STAGE_FIELDS.some((field) => data[field] !== undefined && data[field] !== null)) throw malformed('an answer about a stage');
  const { qrmk, chunkHeaders, chunks, rowtype, ...rest } = data;
  const announced = chunks ?? [];
  const isEmpty = announced.length === 0 && (data.rowset?.length ?? 0) === 0 && (data.rowsetBase64 ?? '') === '';
  if (rowtype === undefined || rowtype === null) {
    if (!isEmpty) throw disagreement('rows without columns');
    return { data: rest, rows: 0, bytes: 0 };
  }
  const bound = bindColumns(rowtype, outputs, input.protection);
  const plan: ResultPlan = { columns: bound.columns, tokens: input.tokens, nowMs: deps.nowMs };
  const format = data.queryResultFormat ?? 'json';
  if (format !== 'json' && format !== 'arrow') throw malformed('a format that is not known');
  record?.columns(rowDescription(plan.columns));
  const inline = format === 'json' ? await maskJson(plan, input) : await maskArrow(deps, plan, input);
  const headers = storageHeaders(qrmk, chunkHeaders);
  // First all are looked at: an answer is announced as a whole.
  const checked = announced.map((chunk) => ({ chunk, url: deps.source.check(chunk.url), rowCount: countOf(chunk) }));
  if (record !== null)
    for (const { url, rowCount } of checked) await recordHead(deps, { plan, format, url, headers, rowCount }, record, input.signal);
  input.signal.throwIfAborted();
  const shown = checked.map(({ chunk, url, rowCount }): SnowflakeChunk => {
    const path = deps.store.add({ owner: input.owner, url, headers, plan, format, rowCount });
    return { url: `${input.chunkBase}${path}`, rowCount, ...sizesOf(chunk, isClearOnly(plan.columns)) };
  });
  return {
    data: {
      ...rest,
      rowtype: bound.rowtype,
      ...inline.fields,
      ...(announced.length === 0 ? {} : { chunks: shown, chunkHeaders: {} }),
    },
    rows: checked.reduce((all, { rowCount }) => all + rowCount, inline.rows),
    bytes: inline.bytes,
  };
}

async function maskJson(plan: ResultPlan, { data, record, signal }: MaskInput): Promise<Inline> {
  if ((data.rowsetBase64 ?? '') !== '') throw malformed('rows in two formats');
  if (data.rowset === undefined || data.rowset === null) return { fields: {}, rows: 0, bytes: 0 };
  if (!Array.isArray(data.rowset)) throw malformed('rows that are no list');
  const collector = record === null ? null : new RowCollector(plan.columns, record.wanted);
  const rowset = await maskRowset(data.rowset, plan, collector, signal);
  if (collector !== null) record?.rows(collector.drain());
  let bytes = 0;
  for (const row of rowset) for (const cell of row) bytes += cell?.length ?? 0;
  return { fields: { rowset }, rows: rowset.length, bytes };
}

async function maskArrow(deps: AnswerDeps, plan: ResultPlan, { data, record, signal }: MaskInput): Promise<Inline> {
  if ((data.rowset?.length ?? 0) > 0) throw malformed('rows in two formats');
  const { rowsetBase64 } = data;
  if (rowsetBase64 === undefined || rowsetBase64 === null || rowsetBase64 === '') return { fields: {}, rows: 0, bytes: 0 };
  if (typeof rowsetBase64 !== 'string') throw malformed('an Arrow stream that is no text');
  const { maxRowBytes, maxMessageBytes } = deps;
  const wanted = record?.wanted ?? { rows: 0, bytes: 0 };
  const transform = await deps.pool.open(
    { plan: sentPlan(plan), format: 'arrow', output: 'plain', rowCount: null, wanted, maxRowBytes, maxMessageBytes },
    'answer',
    signal,
  );
  try {
    const first = await transform.step(Buffer.from(rowsetBase64, 'base64'));
    const last = await transform.step(null);
    const output = Buffer.concat([first.output, last.output]);
    if (first.frames.length > 0) record?.rows(first.frames);
    // WHY not a stream without batches: `fetch_pandas_all` of the Python connector fails on it.
    const shown = last.rows === 0 ? '' : output.toString('base64');
    return { fields: { rowsetBase64: shown }, rows: last.rows, bytes: output.length };
  } finally {
    transform.close();
  }
}

/** As many rows of a chunk as the recording still wants, before any client can have them: recorded, then released. The rest of the chunk is
 *  not read. @throws SP_UPSTREAM_UNREACHABLE */
async function recordHead(deps: AnswerDeps, chunk: Omit<StoredChunk, 'owner'>, record: RowSink, signal: AbortSignal): Promise<void> {
  const isOver = (): boolean => record.wanted.rows <= 0 || record.wanted.bytes <= 0;
  if (isOver()) return;
  const { maxRowBytes, maxMessageBytes } = deps;
  const { plan, format, rowCount } = chunk;
  const transform = await deps.pool.open(
    { plan: sentPlan(plan), format, output: 'plain', rowCount, wanted: record.wanted, maxRowBytes, maxMessageBytes },
    'answer',
    signal,
  );
  const step = async (bytes: Uint8Array | null): Promise<void> => {
    const { frames } = await transform.step(bytes);
    if (frames.length > 0) record.rows(frames);
  };
  const done = new AbortController();
  try {
    const body = await deps.source.open(chunk.url, chunk.headers, AbortSignal.any([signal, done.signal]));
    if (body.statusCode !== 200) throw new SallyportError('SP_UPSTREAM_UNREACHABLE', `the storage of a chunk answered ${body.statusCode}`);
    for await (const piece of readable(body, signal)) {
      for (let at = 0; at < piece.length && !isOver(); at += STEP_BYTES) await step(piece.subarray(at, at + STEP_BYTES));
      if (isOver()) return;
    }
    await step(null);
  } finally {
    done.abort();
    transform.close();
  }
}

export function storageHeaders(qrmk: unknown, chunkHeaders: SnowflakeQueryData['chunkHeaders']): Record<string, string> {
  const given = Object.entries(chunkHeaders ?? {});
  if (given.some(([, value]) => typeof value !== 'string')) throw malformed('a header of chunks that is no text');
  if (given.length > 0) return Object.fromEntries(given);
  if (typeof qrmk !== 'string' || qrmk === '') return {};
  return {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': qrmk,
  };
}

function countOf({ rowCount }: SnowflakeChunk): number {
  if (!Number.isSafeInteger(rowCount) || rowCount < 0) throw malformed('a chunk without a number of rows');
  return rowCount;
}

function sizesOf({ uncompressedSize, compressedSize }: SnowflakeChunk, isExact: boolean): Partial<SnowflakeChunk> {
  const shown = (size: number | undefined): number =>
    isExact ? (size ?? 0) : Math.ceil((typeof size === 'number' ? size : 0) / SIZE_STEP + 1) * SIZE_STEP;
  return { uncompressedSize: shown(uncompressedSize), compressedSize: shown(compressedSize) };
}
