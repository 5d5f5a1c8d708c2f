// Rows of a catalogue query that were put into the account's storage. Only names and types are in them; nothing is masked.

import { buffer } from 'node:stream/consumers';
import { gunzip } from 'node:zlib';
import { promisify } from 'node:util';
import { SallyportError } from '../../core/error.ts';
import type { ChunkSource } from './results/chunk-source.ts';
import { storageHeaders } from './results/mask-answer.ts';
import type { SnowflakeQueryData, SnowflakeRow } from './results/index.ts';

const inflate = promisify(gunzip);
/** Inflated; Snowflake's chunks end at 16 MiB or so. */
const maxChunkBytes = 128 * 1024 * 1024;
const GZIP = [0x1f, 0x8b];

/** In order. @throws SP_UPSTREAM_PROTOCOL, SP_UPSTREAM_UNREACHABLE */
export async function readChunkRows(
  source: Pick<ChunkSource, 'check' | 'open'>,
  { chunks, chunkHeaders, qrmk }: SnowflakeQueryData,
  signal: AbortSignal,
): Promise<readonly SnowflakeRow[]> {
  const headers = storageHeaders(qrmk, chunkHeaders);
  const parts: (readonly SnowflakeRow[])[] = [];
  for (const { url } of chunks ?? []) {
    const answer = await source.open(source.check(url), headers, signal);
    if (answer.statusCode !== 200) {
      answer.destroy();
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', `a chunk of the catalogue: status ${answer.statusCode ?? 'none'}`);
    }
    parts.push(rowsOf(await plain(await buffer(answer))));
  }
  return parts.flat();
}

async function plain(bytes: Buffer): Promise<string> {
  if (!GZIP.every((byte, index) => bytes[index] === byte)) return bytes.toString('utf8');
  return (await inflate(bytes, { maxOutputLength: maxChunkBytes })).toString('utf8');
}

/** Rows joined by commas, without brackets around them. */
function rowsOf(text: string): readonly SnowflakeRow[] {
  let rows: unknown;
  try {
    rows = JSON.parse(`[${text}]`);
  } catch (cause) {
    throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a chunk of the catalogue is no JSON', { cause });
  }
  if (!isRows(rows)) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'a chunk of the catalogue holds no rows');
  return rows;
}

function isRows(value: unknown): value is readonly SnowflakeRow[] {
  return Array.isArray(value) && value.every((row) => Array.isArray(row) && row.every((cell) => cell === null || typeof cell === 'string'));
}
