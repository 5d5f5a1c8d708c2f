// Columns that names of the policy stood for, for all threads: the store is the main thread's, workers ask it through calls,
// and a counter in shared memory tells each thread when another has recorded something that it has not loaded.

import type { TargetName } from '../core/ids.ts';
import type { BoundColumns, DatabaseOrigin, SharedBoundColumns } from '../core/ports.ts';
import type { CallTable, Handlers, ThreadCalls } from './thread-calls.ts';

interface Place {
  readonly target: TargetName;
  readonly origin: DatabaseOrigin;
}

export type BoundColumnCalls = {
  readonly loadBoundColumns: { readonly argument: Place; readonly value: Awaited<ReturnType<BoundColumns['load']>> };
  readonly recordBoundColumns: {
    readonly argument: Place & { readonly change: Parameters<BoundColumns['record']>[2] };
    readonly value: void;
  };
};

/** The counter, ready to cross to another thread. */
export function createVersionMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** The main thread's end. @param memory shared by all threads. */
export function sharedBoundColumns(store: BoundColumns, memory: SharedArrayBuffer): SharedBoundColumns {
  const version = new Int32Array(memory);
  return {
    get version() {
      return Atomics.load(version, 0);
    },
    load: (target, origin) => store.load(target, origin),
    async record(target, origin, change) {
      try {
        await store.record(target, origin, change);
      } finally {
        // A record that failed may have been kept.
        Atomics.add(version, 0, 1);
      }
    },
  };
}

/** What the main thread answers to workers. */
export function boundColumnHandlers(columns: SharedBoundColumns): Handlers<BoundColumnCalls> {
  return {
    loadBoundColumns: ({ target, origin }) => columns.load(target, origin),
    recordBoundColumns: ({ target, origin, change }) => columns.record(target, origin, change),
  };
}

/** A worker's end. */
export function remoteBoundColumns(
  calls: Pick<ThreadCalls<BoundColumnCalls, CallTable>, 'call'>,
  memory: SharedArrayBuffer,
): SharedBoundColumns {
  const version = new Int32Array(memory);
  return {
    get version() {
      return Atomics.load(version, 0);
    },
    load: (target, origin) => calls.call('loadBoundColumns', { target, origin }),
    record: (target, origin, change) => calls.call('recordBoundColumns', { target, origin, change }),
  };
}
