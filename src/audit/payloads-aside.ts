// Checks payloads in a thread of its own. INVARIANT: without its whole answer there is none: a thread that ends early is a fault.

import { Worker } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import type { PayloadFindings } from './payload-check.ts';
import { threadSource } from './payload-thread-source.ts';

export interface PayloadJob {
  /** Of the log. */
  readonly directory: string;
  readonly kept: number;
}

export type PayloadAnswer =
  | { readonly kind: 'done'; readonly findings: PayloadFindings }
  | { readonly kind: 'fault'; readonly message: string; readonly code: string | null };

export interface PayloadsAside {
  /** @throws SP_INTERNAL when the thread ends without an answer; faults of the disk with their code */
  readonly findings: Promise<PayloadFindings>;
  /** Whether it is over or not. */
  stop(): Promise<void>;
}

/** @param source other code than its own, in tests */
export function payloadsAside(job: PayloadJob, source = threadSource): PayloadsAside {
  const worker = new Worker(source.code, { eval: source.isText, name: 'payloads', workerData: job, argv: [], execArgv: [], env: {} });
  const findings = new Promise<PayloadFindings>((resolve, reject) => {
    worker.on('message', (answer: PayloadAnswer) => {
      if (answer.kind === 'done') resolve(answer.findings);
      else reject(Object.assign(new Error(answer.message), answer.code === null ? {} : { code: answer.code }));
    });
    worker.once('error', (cause) => reject(ended(cause)));
    // Behind an answer this changes nothing.
    worker.once('exit', () => reject(ended()));
  });
  return { findings, stop: async () => void (await worker.terminate()) };
}

function ended(cause?: unknown): SallyportError {
  return new SallyportError('SP_INTERNAL', 'the thread that checks payloads has ended early: nothing was verified', { cause });
}
