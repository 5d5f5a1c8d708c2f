// The published log, read from its files by a thread that has nothing to do with its writer: entries under the newest checkpoint, each
// with the hash that is its leaf. What it reads is what an auditor is given.

import { SallyportError } from '../core/error.ts';
import type { EntryHeader } from '../core/event.ts';
import { type Disk, nodeDisk, readWhole } from './disk.ts';
import { decodeHeader } from './entry.ts';
import { auditDirs, readBundle, readMinimumIndex } from './log-files.ts';
import { leafHash, splitNote, TILE_WIDTH, treeHeadIn } from './tlog/index.ts';

export interface PublishedLeaf {
  readonly header: EntryHeader;
  /** Hex. */
  readonly hash: string;
  /** Of the header. */
  readonly bytes: number;
}

export interface PublishedLeaves {
  /** Entries that can be read now: from `first`, what came before was pruned, to `size`, exclusive. */
  bounds(): Promise<{ readonly first: number; readonly size: number }>;
  /** Entries [from, to) in order; what was pruned or is not published is left out.
   *  @throws SP_AUDIT_CORRUPT */
  leaves(from: number, to: number, signal?: AbortSignal): AsyncGenerator<PublishedLeaf>;
}

/** @param dir the directory given to `openAuditLog` */
export function publishedLeaves(dir: string, origin: string, disk: Disk = nodeDisk): PublishedLeaves {
  const dirs = auditDirs(dir);
  const bounds = async (): Promise<{ readonly first: number; readonly size: number }> => {
    const first = await readMinimumIndex(disk, dirs);
    const note = await readWhole(disk, dirs.checkpoint);
    return { first, size: note === null ? 0 : treeHeadIn(splitNote(note.toString('utf8')).text, origin).size };
  };
  return {
    bounds,
    async *leaves(from, to, signal) {
      for (let next = from; next < to;) {
        signal?.throwIfAborted();
        const { first, size } = await bounds();
        next = Math.max(next, first);
        const end = Math.min(to, size);
        if (next >= end) return;
        const index = Math.floor(next / TILE_WIDTH);
        const start = index * TILE_WIDTH;
        const entries = await readBundle(disk, dirs.log, index, Math.min(TILE_WIDTH, size - start));
        if (entries === null) {
          // Pruned or completed between two reads, or gone.
          const now = await bounds();
          if (now.first > next || now.size > size) continue;
          throw new SallyportError('SP_AUDIT_CORRUPT', `entry bundle ${index} is missing`);
        }
        for (; next < Math.min(end, start + entries.length); next += 1) {
          const entry = entries[next - start];
          if (entry === undefined) throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${next} is missing`);
          yield { header: decodeHeader(entry, next), hash: Buffer.from(leafHash(entry)).toString('hex'), bytes: entry.length };
        }
        if (start + entries.length < Math.min(end, start + TILE_WIDTH))
          throw new SallyportError('SP_AUDIT_CORRUPT', `entry bundle ${index} ends early`);
      }
    },
  };
}
