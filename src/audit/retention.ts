// Retention by destruction of keys: what a data key sealed cannot be opened by anybody once its wrapped form is gone. Hashes stay in the
// log, so every proof goes on verifying. Order: the entry that names the keys is durable, then their files go, then the packs.
// INVARIANT: nothing younger than the rule is destroyed, whatever the wall clock does: age counts by the newest time seen so far in the
// log, and an unusual time makes it later, never earlier.

import { join } from 'node:path';
import type { AuditLog, AuditReader, Clock, Logger } from '../core/ports.ts';
import type { Aged } from './aging.ts';
import { entriesOlderThan, loadNumbers, passedTime, saveNumbers } from './aging.ts';
import { KEY_LIFE_MS } from './data-keys.ts';
import type { Disk } from './disk.ts';
import { nodeDisk, writeAll } from './disk.ts';
import { auditDirs } from './log-files.ts';
import { packOf } from './packs.ts';
import { isKeyId } from './sealing.ts';

/** Keys that one entry names; its header stays far below its limit. */
const KEYS_PER_ENTRY = 500;

export interface RetentionRules {
  /** Sealed payloads; at least a day. */
  readonly payloadsMs: number;
}

export interface Retention {
  /** Destroys what is due. Safe to repeat after any fault.
   *  @returns how many keys were destroyed, or headers pruned. @throws SP_AUDIT_UNWRITABLE, SP_AUDIT_CORRUPT */
  run(signal: AbortSignal): Promise<number>;
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
  const nowMs = passedTime(clock);
  const keyFile = (id: string): string => join(dirs.keys, `${id}.age`);

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
      const cutoffMs = nowMs() - rules.payloadsMs - KEY_LIFE_MS;
      const start: Aged = await loadNumbers(disk, dirs.retention, ['next', 'newestMs']);
      let reached = start;
      let ids = new Set<string>();
      let destroyed = 0;
      const settle = async (): Promise<void> => {
        destroyed += await shred([...ids], reached.next);
        ids = new Set();
        await saveNumbers(disk, dirs.root, dirs.retention, { ...reached });
      };
      for await (const { header, aged } of entriesOlderThan(log, start, cutoffMs, signal)) {
        for (const { key, first } of header.sealed ?? []) if (first === undefined && isKeyId(key)) ids.add(key);
        reached = aged;
        if (ids.size >= KEYS_PER_ENTRY) await settle();
      }
      if (ids.size > 0 || reached.next > start.next) await settle();
      await removePacks(reached.next);
      if (destroyed > 0) logger.info({ keys: destroyed, before: reached.next }, 'retention: keys of sealed payloads were destroyed');
      return destroyed;
    },
  };
}
