// How old entries are, safely: the newest time seen so far in the log counts, so a clock that was set back makes nothing older than what
// came before it, and one that ran ahead makes what follows seem younger than it is.

import { SallyportError } from '../core/error.ts';
import type { EntryHeader } from '../core/event.ts';
import type { AuditReader, Clock } from '../core/ports.ts';
import type { Disk } from './disk.ts';
import { readWhole, replaceFile } from './disk.ts';

/** How far a walk has come. */
export interface Aged {
  /** Entries before it were seen. */
  readonly next: number;
  /** Newest time in them. */
  readonly newestMs: number;
}

const SCAN_ENTRIES = 4096;
/** What a clock that is being corrected may gain on the one that only counts. */
const SLACK_MS = 3_600_000;

/** The wall clock, but never further ahead than the time that has passed since: set forward while the process runs it makes nothing old. */
export function passedTime(clock: Clock): () => number {
  const offsetMs = clock.nowMs() - clock.monotonicMs();
  return () => Math.min(clock.nowMs(), clock.monotonicMs() + offsetMs + SLACK_MS);
}

/** Entries from `from.next` on, up to the first that is not older than `cutoffMs`, each with where a walk after it begins. */
export async function* entriesOlderThan(
  log: Pick<AuditReader, 'entries' | 'size'>,
  from: Aged,
  cutoffMs: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly header: EntryHeader; readonly aged: Aged }> {
  let { next, newestMs } = from;
  while (next < log.size()) {
    signal.throwIfAborted();
    for await (const header of log.entries(next, next + SCAN_ENTRIES, signal)) {
      const atMs = Math.max(newestMs, Date.parse(header.ts));
      if (Number.isNaN(atMs)) throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${header.seq} has no time`);
      if (atMs >= cutoffMs) return;
      newestMs = atMs;
      next = header.seq + 1;
      yield { header, aged: { next, newestMs } };
    }
  }
}

/** Numbers kept in a file. What cannot be read is as if it were not there: all of it is done again. */
export async function loadNumbers<Key extends string>(disk: Disk, path: string, keys: readonly Key[]): Promise<Record<Key, number>> {
  let stored: Partial<Record<string, unknown>> = {};
  try {
    stored = (JSON.parse((await readWhole(disk, path))?.toString('utf8') ?? '{}') as Partial<Record<string, unknown>> | null) ?? {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const isWhole = keys.every((key) => Number.isSafeInteger(stored[key]));
  return Object.fromEntries(keys.map((key) => [key, isWhole ? stored[key] : 0])) as Record<Key, number>;
}

/** Survives power loss on resolve. @param dir of the file */
export async function saveNumbers(disk: Disk, dir: string, path: string, numbers: Readonly<Record<string, number>>): Promise<void> {
  await replaceFile(disk, path, [Buffer.from(`${JSON.stringify(numbers)}\n`)]);
  await disk.syncDir(dir);
}
