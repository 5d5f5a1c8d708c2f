// Masking and re-serving of results: what the adapter sees of this folder.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLoopback } from '../../../core/address.ts';
import type { SallyportError } from '../../../core/error.ts';
import type { Clock } from '../../../core/ports.ts';
import type { TokenSpace } from '../../../masking/index.ts';
import type { PlannedOutput, SnowflakeProtection } from '../../../sql/snowflake/types.ts';
import { ChunkSource } from './chunk-source.ts';
import { ChunkStore } from './chunk-store.ts';
import { maskAnswer } from './mask-answer.ts';
import { ResultPool } from './pool.ts';
import type { SnowflakeQueryData } from './query-data.ts';
import type { RowSink } from './row-frames.ts';
import { type AsPartition, serveChunk } from './serve-chunk.ts';

export type { SnowflakeChunk, SnowflakeQueryData, SnowflakeRow, SnowflakeRowType } from './query-data.ts';
export { familyOf } from './columns.ts';
export { jsonv2Cell } from './jsonv2.ts';
export { recordTo, type RowSink } from './row-frames.ts';

export interface MaskInput {
  /** `data` of the account's answer. */
  readonly data: SnowflakeQueryData;
  /** Null = a status of Snowflake's own, which passes. */
  readonly outputs: readonly PlannedOutput[] | null;
  /** Origins of columns that were planned as unprotected are compared with it. */
  readonly protection: SnowflakeProtection;
  /** Where clients reach `serveChunk`: `https://host/gw/chunks/`. */
  readonly chunkBase: string;
  /** Session of the client: its chunks end with it. */
  readonly owner: string;
  readonly tokens: TokenSpace;
  readonly record: RowSink | null;
  readonly signal: AbortSignal;
}

export interface MaskedData {
  /** What the client is told: no address and no key of a storage in it. */
  readonly data: SnowflakeQueryData;
  /** Rows of the whole answer, chunks included. */
  readonly rows: number;
  /** Bytes of the rows that are part of the answer itself. */
  readonly bytes: number;
}

/** One per process; owns the threads that mask and the chunks that were announced. Calls may overlap. */
export interface ResultMasker {
  /** @throws SP_LINEAGE_DISAGREEMENT (alarm `lineage-disagreement`), SP_UPSTREAM_PROTOCOL, SP_INTERNAL when a thread ended: nothing of the
   *  answer may be passed then */
  mask(input: MaskInput): Promise<MaskedData>;
  /** Answers a request below the chunk base. `path` is what follows it: `<id>.<hmac>`. Drivers send no credential with it: the address is
   *  the capability, bound to its session and to a time. Never rejects. */
  serveChunk(path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** The same chunk as the body of a partition. `path` comes from an address that `mask` made, never from a client. Never rejects. */
  servePartition(path: string, response: ServerResponse, as: AsPartition): Promise<void>;
  /** The session is over: its chunks are, too, and those that are being sent are cut. */
  forget(owner: string): void;
  close(): Promise<void>;
}

export interface ResultMaskerDeps {
  readonly clock: Clock;
  /** Threads that mask. */
  readonly workers: number;
  readonly maxRowBytes: number;
  /** Chunks may be fetched over plaintext from this machine itself: only when the account's own address is such a one. */
  readonly allowsLoopback: boolean;
  /** Zipping gains nothing on the way to a client there; absent = on this machine itself. */
  readonly isNear?: (address: string) => boolean;
  /** PEM of authorities beside the system's, for the storage. */
  readonly ca?: string;
  /** A chunk that was refused after its answer had been let through. */
  readonly onRefused: (owner: string, fault: SallyportError) => void;
}

/** Longest Arrow message: a record batch is held whole. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export function createResultMasker(deps: ResultMaskerDeps): ResultMasker {
  const { clock, maxRowBytes, onRefused, isNear = isLoopback } = deps;
  const pool = new ResultPool(deps.workers);
  const store = new ChunkStore(() => clock.nowMs());
  const source = new ChunkSource(deps);
  const limits = { maxRowBytes, maxMessageBytes: MAX_MESSAGE_BYTES };
  return {
    mask: (input) => maskAnswer({ pool, store, source, ...limits, nowMs: clock.nowMs() }, input),
    serveChunk: (path, request, response) => serveChunk({ pool, store, source, ...limits, isNear, onRefused }, path, request, response),
    servePartition: (path, response, as) =>
      serveChunk({ pool, store, source, ...limits, isNear, onRefused }, path, { method: 'GET' }, response, as),
    forget: (owner) => store.forget(owner),
    async close() {
      store.close();
      source.close();
      await pool.close();
    },
  };
}
