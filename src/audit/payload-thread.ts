// The thread that checks the payloads of a log on disk while another one checks its tree (payloads-aside.ts). Answers once and ends.

import { parentPort, workerData } from 'node:worker_threads';
import { nodeDisk } from './disk.ts';
import { auditDirs } from './log-files.ts';
import { checkPayloads } from './payload-check.ts';
import type { PayloadAnswer, PayloadJob } from './payloads-aside.ts';

const { directory, kept } = workerData as PayloadJob;

async function answer(): Promise<PayloadAnswer> {
  try {
    return { kind: 'done', findings: await checkPayloads(nodeDisk, auditDirs(directory), kept) };
  } catch (fault) {
    // What crosses of an error has no code.
    const [message, code] = fault instanceof Error ? [fault.message, 'code' in fault ? String(fault.code) : null] : ['fault', null];
    return { kind: 'fault', message, code };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
parentPort?.postMessage(await answer());
