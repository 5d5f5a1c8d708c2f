// Retention by destruction of keys: what a data key sealed cannot be opened by anybody once its wrapped form is gone. Hashes stay in the
// log, so every proof goes on verifying. Order: the entry that names the keys is durable, then their files go, then the packs.
// INVARIANT: nothing younger than the rule is destroyed, whatever the wall clock does: age counts by the newest time seen so far in the
// log, and an unusual time makes it later, never earlier.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { AuditLog, AuditReader, Clock, Logger } from '../core/ports.ts';
import { KEY_LIFE_MS } from './data-keys.ts';
import type { Disk } from './disk.ts';
import { nodeDisk, readWhole, replaceFile, writeAll } from './disk.ts';
import { auditDirs } from './log-files.ts';
import { packOf } from './packs.ts';
import { isKeyId } from './sealing.ts';

/** Keys that one entry names; its header stays far below its limit. */
const KEYS_PER_ENTRY = 500;
/** Entries between two looks at whether to stop. */
const SCAN_ENTRIES = 4096;

export interface RetentionRules {
  /** Sealed payloads; at least a day. */
  readonly payloadsMs: number;
}

export interface Retention {
  /** Destroys what is due. Safe to repeat after any fault.
   *  @returns how many keys were destroyed. @throws SP_AUDIT_UNWRITABLE, SP_AUDIT_CORRUPT */
  run(signal: AbortSignal): Promise<number>;
}

interface Progress {
  /** Entries before it have no keys any more. */
  readonly next: number;
  /** Newest time in them. */
  readonly newestMs: number;
}

export function createRetention(deps: {
  /** Directory of the log. */
  readonly dir: string;
  readonly rules: RetentionRules;
  readonly log: Pick<AuditLog, 'append'> & Pick<AuditReader, 'entries' | 'size'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disk?: Disk;
}): Retention {
  const { rules, log, clock, logger } = deps;
  const disk = deps.disk ?? nodeDisk;
  const dirs = auditDirs(deps.dir);
  const keyFile = (id: string): string => join(dirs.keys, `${id}.age`);

  const load = async (): Promise<Progress> => {
    const text = (await readWhole(disk, dirs.retention))?.toString('utf8');
    if (text === undefined) return { next: 0, newestMs: 0 };
    try {
      const { next, newestMs } = JSON.parse(text) as Partial<Progress>;
      if (Number.isSafeInteger(next) && Number.isSafeInteger(newestMs)) return { next: next ?? 0, newestMs: newestMs ?? 0 };
    } catch {
      // From the start again: keys that are gone are passed over.
    }
    return { next: 0, newestMs: 0 };
  };
  const save = async (progress: Progress): Promise<void> => {
    await replaceFile(disk, dirs.retention, [Buffer.from(`${JSON.stringify(progress)}\n`)]);
    await disk.syncDir(dirs.root);
  };

  /** Its bytes are written over first; on disks that write elsewhere that is all that can be done. */
  const destroy = async (id: string): Promise<void> => {
    const file = await disk.open(keyFile(id), 'write');
    try {
      await writeAll(file, [Buffer.alloc(await file.size())], 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await disk.remove(keyFile(id));
  };

  const shred = async (ids: readonly string[], upTo: number): Promise<number> => {
    const present: string[] = [];
    for (const id of ids) if (await disk.exists(keyFile(id))) present.push(id);
    if (present.length === 0) return 0;
    const days = Math.floor(rules.payloadsMs / 86_400_000);
    await log.append({
      type: 'payload.shredded',
      keys: present,
      detail: { reason: 'retention', keys: present.length, days, before: upTo },
    });
    for (const id of present) await destroy(id);
    await disk.syncDir(dirs.keys);
    return present.length;
  };

  /** Ciphertext that nobody can open any more. */
  const removePacks = async (before: number): Promise<void> => {
    const due = (await disk.list(dirs.blobs)).filter((name) => (packOf(name)?.endSeq ?? Infinity) <= before);
    for (const name of due) await disk.remove(join(dirs.blobs, name));
    if (due.length > 0) await disk.syncDir(dirs.blobs);
  };

  return {
    async run(signal) {
      const cutoffMs = clock.nowMs() - rules.payloadsMs - KEY_LIFE_MS;
      let { next, newestMs } = await load();
      let ids = new Set<string>();
      let destroyed = 0;
      const settle = async (): Promise<void> => {
        destroyed += await shred([...ids], next);
        ids = new Set();
        await save({ next, newestMs });
      };
      scan: while (next < log.size()) {
        signal.throwIfAborted();
        for await (const { seq, ts, sealed } of log.entries(next, next + SCAN_ENTRIES, signal)) {
          const atMs = Math.max(newestMs, Date.parse(ts));
          if (Number.isNaN(atMs)) throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${seq} has no time`);
          if (atMs >= cutoffMs) break scan;
          for (const { key, first } of sealed ?? []) if (first === undefined && isKeyId(key)) ids.add(key);
          newestMs = atMs;
          next = seq + 1;
          if (ids.size >= KEYS_PER_ENTRY) await settle();
        }
      }
      if (ids.size > 0 || next > (await load()).next) await settle();
      await removePacks(next);
      if (destroyed > 0) logger.info({ keys: destroyed, before: next }, 'retention: keys of sealed payloads were destroyed');
      return destroyed;
    },
  };
}
