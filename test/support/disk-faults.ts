// Faults of the real disk for a child process: a small library before libc, and the rule it obeys.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDebianPackages } from './debian.ts';

export interface DiskFaults {
  /** For the child. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on writes to, or syncs of, files whose path has `part` fail. */
  set(kind: 'write' | 'sync', part: string, errno: number): void;
  clear(): void;
  /** Calls that have failed. */
  count(): number;
}

export const ENOSPC = 28;
export const EIO = 5;

/** @param directory for the library and its rule; exists. */
export function diskFaults(directory: string): DiskFaults {
  ensureDebianPackages(['gcc', 'libc6-dev']);
  const library = join(directory, 'disk-faults.so');
  const rule = join(directory, 'rule');
  const source = join(import.meta.dirname, 'disk-faults.c');
  const { status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return {
    env: { LD_PRELOAD: library, SALLYPORT_DISK_FAULTS: rule },
    set: (kind, part, errno) => writeFileSync(rule, `${kind} ${part} ${errno}\n`),
    clear: () => rmSync(rule, { force: true }),
    count: () => (existsSync(`${rule}.count`) ? readFileSync(`${rule}.count`).length : 0),
  };
}
