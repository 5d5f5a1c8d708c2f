// Hashes the files of a bundle on disk in a thread of its own, so that two processors verify a large one.
// INVARIANT: without the thread's whole answer there are no hashes: a thread that ends early is a fault, never a file that was not looked at.

import { Worker } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import type { FileHashes } from './file-hashes.ts';
import type { HashJob, HashMessage } from './hash-serving.ts';
import { threadSource } from './hash-thread-source.ts';
import type { HashingAside } from './verify.ts';

/** Two threads that read files at once are enough garbage. */
const YOUNG_GENERATION_MB = 8;

/** @returns null where threads are not allowed: under Node's permission model without `--allow-worker`
 *  @param source other code than its own, in tests */
export function hashAside(job: HashJob, onBytes: (done: number) => void, source = threadSource): HashingAside | null {
  let worker: Worker;
  try {
    worker = new Worker(source.code, {
      eval: source.isText,
      name: 'hashing',
      workerData: job,
      argv: [],
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
  } catch (fault) {
    if (fault instanceof Error && 'code' in fault && fault.code === 'ERR_ACCESS_DENIED') return null;
    throw fault;
  }
  const hashes = new Promise<FileHashes>((resolve, reject) => {
    worker.on('message', (message: HashMessage) => {
      if (message.kind === 'progress') onBytes(message.bytes);
      else if (message.kind === 'done') resolve(message.hashes);
      else reject(Object.assign(new Error(message.message), message.code === null ? {} : { code: message.code }));
    });
    worker.once('error', (cause) => reject(ended(cause)));
    // Behind an answer this changes nothing.
    worker.once('exit', () => reject(ended()));
  });
  return { hashes, stop: async () => void (await worker.terminate()) };
}

function ended(cause?: unknown): SallyportError {
  return new SallyportError('SP_INTERNAL', 'the thread that hashes the files has ended early: nothing was verified', { cause });
}
