// The hashing thread's end: opens the bundle for itself, hashes what it is told to, answers once and ends.

import type { MessagePort } from 'node:worker_threads';
import { openBundle } from './open-bundle.ts';
import { hashFiles } from './file-hashes.ts';
import type { FileHashes } from './file-hashes.ts';

/** Told as often as that. */
const PROGRESS_BYTES = 16 * 1024 * 1024;

export interface HashJob {
  /** Of the bundle on disk. */
  readonly bundle: string;
  readonly paths: readonly string[];
}

export type HashMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly hashes: FileHashes }
  | { readonly kind: 'fault'; readonly message: string; readonly code: string | null };

export async function serveHashing(port: MessagePort, { bundle: path, paths }: HashJob): Promise<void> {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
  const tell = (message: HashMessage): void => port.postMessage(message);
  try {
    const bundle = await openBundle(path);
    try {
      let told = 0;
      const onBytes = (bytes: number): void => {
        if (bytes - told < PROGRESS_BYTES) return;
        told = bytes;
        tell({ kind: 'progress', bytes });
      };
      tell({ kind: 'done', hashes: await hashFiles(bundle, paths, onBytes) });
    } finally {
      await bundle.close();
    }
  } catch (fault) {
    tell({ kind: 'fault', ...faultOf(fault) });
  }
}

/** What crosses to another thread of an error: its name, message and stack do, the code of one of Node's does not. */
function faultOf(fault: unknown): { readonly message: string; readonly code: string | null } {
  if (!(fault instanceof Error)) return { message: 'fault', code: null };
  return { message: fault.message, code: 'code' in fault && typeof fault.code === 'string' ? fault.code : null };
}
