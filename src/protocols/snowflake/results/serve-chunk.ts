// Answers one request for a chunk: fetched, unzipped, masked, zipped and sent as it comes, no faster than the client reads. Range and
// conditional requests get the whole chunk; nothing may be kept. Until the first masked byte is there a fault is a status; after it the
// connection is cut, and no client takes what it has for the whole.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { SallyportError } from '../../../core/error.ts';
import { type ChunkSource, readable } from './chunk-source.ts';
import type { ChunkStore, StoredChunk } from './chunk-store.ts';
import { isClearOnly, malformed } from './columns.ts';
import type { Jsonv2 } from './jsonv2.ts';
import { sentPlan } from './plan.ts';
import { type RemoteTransform, type ResultPool, STEP_BYTES } from './pool.ts';

export interface ServeDeps {
  readonly store: ChunkStore;
  readonly source: ChunkSource;
  readonly pool: ResultPool;
  readonly maxRowBytes: number;
  readonly maxMessageBytes: number;
  /** Zipping gains nothing on the way to a client there. */
  readonly isNear: (address: string) => boolean;
  readonly onRefused: (owner: string, fault: SallyportError) => void;
}

/** Drivers do not repeat 410 and 404 for ever; 403 makes some ask for new addresses. */
const status = { unknown: 404, expired: 403, refused: 410, unavailable: 503 } as const;
/** A client that takes nothing for so long is gone. */
const CLIENT_SILENT_MS = 120_000;

/** A chunk as a partition of the SQL API. */
export interface AsPartition {
  readonly jsonv2: Jsonv2;
  readonly isZipped: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Says that there is none, as that API does. @param code HTTP status */
  readonly refuse: (code: number) => void;
}

/** Never rejects. */
export async function serveChunk(
  deps: ServeDeps,
  path: string,
  request: Pick<IncomingMessage, 'method'>,
  response: ServerResponse,
  as: AsPartition | null = null,
): Promise<void> {
  const no = as?.refuse ?? ((code: number): void => refuse(response, code));
  if (request.method !== 'GET' && request.method !== 'HEAD') return no(405);
  const found = deps.store.find(path);
  if (found.state !== 'known') return no(status[found.state]);
  if (request.method === 'HEAD') return void response.writeHead(200, headOf(null)).end();
  const transfer = deps.store.transfer(found.id);
  if (transfer === null) return no(status.unknown);
  const gone = (): void => transfer.abort();
  response.once('close', gone);
  response.setTimeout(CLIENT_SILENT_MS, () => response.destroy());
  try {
    if (!(await send(deps, found.chunk, response, transfer.signal, as))) no(status.expired);
  } catch (fault) {
    const isGone = transfer.signal.aborted;
    const isRefusal =
      !isGone && fault instanceof SallyportError && fault.code !== 'SP_UPSTREAM_UNREACHABLE' && fault.code !== 'SP_SHUTTING_DOWN';
    // A thread that ended says nothing about the chunk.
    if (isRefusal && fault.code !== 'SP_INTERNAL') deps.store.refuse(found.id);
    if (isRefusal) deps.onRefused(found.chunk.owner, fault);
    if (response.headersSent || isGone) response.destroy();
    else no(isRefusal && fault.code !== 'SP_INTERNAL' ? status.refused : status.unavailable);
  } finally {
    response.off('close', gone);
    transfer.done();
  }
}

/** @returns false when the storage does not have it any more: nothing was sent */
async function send(
  deps: ServeDeps,
  chunk: StoredChunk,
  response: ServerResponse,
  signal: AbortSignal,
  as: AsPartition | null,
): Promise<boolean> {
  if (as === null && isClearOnly(chunk.plan.columns)) return pass(deps, chunk, response, signal);
  const { format, rowCount } = chunk;
  if (as !== null && format !== 'json') throw malformed('a partition that is not JSON');
  const { maxRowBytes, maxMessageBytes } = deps;
  const wanted = { rows: 0, bytes: 0 };
  const plan = sentPlan(chunk.plan, as?.jsonv2);
  // Zipping costs more than all the rest. Drivers look at the first bytes.
  const isZipped = as?.isZipped ?? !deps.isNear(response.req.socket.remoteAddress ?? '');
  const output = isZipped ? 'gzip' : 'plain';
  // First the place, then the storage: it does not like to wait.
  const transform = await deps.pool.open({ plan, format, output, rowCount, wanted, maxRowBytes, maxMessageBytes }, 'chunk', signal);
  try {
    const body = await opened(deps, chunk, signal);
    if (body === null) return false;
    await mask(body, transform, response, { ...headOf(isZipped ? 'gzip' : null), ...as?.headers }, signal);
    return true;
  } finally {
    transform.close();
  }
}

async function mask(
  body: IncomingMessage,
  transform: RemoteTransform,
  response: ServerResponse,
  head: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const step = async (bytes: Uint8Array | null): Promise<void> => {
    const masked = (await transform.step(bytes)).output;
    signal.throwIfAborted();
    if (masked.length === 0) return;
    if (!response.headersSent) response.writeHead(200, head);
    await written(response, masked, signal);
  };
  for await (const piece of readable(body, signal)) {
    for (let at = 0; at < piece.length; at += STEP_BYTES) await step(piece.subarray(at, at + STEP_BYTES));
  }
  await step(null);
  response.end();
}

/** Nothing of it is masked: as it comes. */
async function pass(deps: ServeDeps, chunk: StoredChunk, response: ServerResponse, signal: AbortSignal): Promise<boolean> {
  const body = await opened(deps, chunk, signal);
  if (body === null) return false;
  response.writeHead(200, headOf(body.headers['content-encoding'] ?? null));
  for await (const piece of readable(body, signal)) await written(response, piece, signal);
  response.end();
  return true;
}

/** @returns null when the storage does not have it any more */
async function opened(deps: ServeDeps, chunk: StoredChunk, signal: AbortSignal): Promise<IncomingMessage | null> {
  const body = await deps.source.open(chunk.url, chunk.headers, signal);
  const { statusCode = 0 } = body;
  if (statusCode === 200) return body;
  body.destroy();
  if (statusCode < 400 || statusCode >= 500)
    throw new SallyportError('SP_UPSTREAM_UNREACHABLE', `the storage of a chunk answered ${statusCode}`);
  return null;
}

function written(response: ServerResponse, bytes: Uint8Array, signal: AbortSignal): Promise<void> | void {
  if (response.write(bytes)) return;
  return new Promise((resolve, reject) => {
    const over = (): void => {
      response.off('drain', drained);
      reject(signal.reason as Error);
    };
    const drained = (): void => {
      signal.removeEventListener('abort', over);
      resolve();
    };
    response.once('drain', drained);
    signal.addEventListener('abort', over, { once: true });
  });
}

function headOf(encoding: string | null): Record<string, string> {
  return {
    'content-type': 'binary/octet-stream',
    'cache-control': 'no-store',
    'accept-ranges': 'none',
    ...(encoding === null ? {} : { 'content-encoding': encoding }),
  };
}

function refuse(response: ServerResponse, code: number): void {
  response.writeHead(code, { 'cache-control': 'no-store', 'content-length': '0' }).end();
}
