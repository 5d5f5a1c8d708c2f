import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { describeBoundColumns } from '../../test/conformance/bound-columns.ts';
import { createMemoryStore } from '../../test/support/memory-store.ts';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { SharedBoundColumns } from '../core/ports.ts';
import {
  type BoundColumnCalls,
  boundColumnHandlers,
  createVersionMemory,
  remoteBoundColumns,
  sharedBoundColumns,
} from './bound-columns.ts';
import { ThreadCalls } from './thread-calls.ts';

type Nothing = Record<string, never>;

function twoThreads() {
  const store = createMemoryStore();
  const memory = createVersionMemory();
  const main = sharedBoundColumns(store.boundColumns, memory);
  const { port1, port2 } = new MessageChannel();
  const asked = new ThreadCalls<Nothing, BoundColumnCalls>(port1, boundColumnHandlers(main));
  const calls = new ThreadCalls<BoundColumnCalls, Nothing>(port2, {});
  const close = async (): Promise<void> => {
    asked.end(new SallyportError('SP_INTERNAL', 'test: ended'));
    port1.close();
  };
  return { store, main, worker: remoteBoundColumns(calls, memory), close };
}

describeBoundColumns('of the main thread', async () => {
  const { main, close } = twoThreads();
  return { port: main, close };
});
describeBoundColumns('from another thread', async () => {
  const { worker, close } = twoThreads();
  return { port: worker, close };
});

const clinic = 'clinic' as TargetName;
const origin = { cluster: '1', database: 5 };
const added = [{ name: ['public', 'patients', 'ssn'], relation: 16_400, attnum: 3 }] as const;

test('each record of any thread is seen by all as one version more, once the store is through with it', async () => {
  const { store, main, worker, close } = twoThreads();
  const versions = (): number[] => [main, worker].map((each: SharedBoundColumns) => each.version);
  assert.deepEqual(versions(), [0, 0]);
  await worker.record(clinic, origin, { added, dropped: [] });
  assert.deepEqual(versions(), [1, 1]);
  assert.deepEqual((await main.load(clinic, origin)).columns, added);
  await main.record(clinic, origin, { added: [], dropped: added });
  assert.deepEqual(versions(), [2, 2]);
  assert.deepEqual((await worker.load(clinic, origin)).columns, []);
  store.failNext('lose');
  const isStoreFault = (fault: unknown): boolean => fault instanceof SallyportError && fault.code === 'SP_STORE_UNAVAILABLE';
  await assert.rejects(worker.record(clinic, origin, { added, dropped: [] }), isStoreFault);
  assert.deepEqual(versions(), [3, 3], 'it may have been kept');
  await close();
});
