// Pruning of old headers. SPEC: c2sp.org/tlog-tiles, "Pruning": entry bundles and tiles wholly before the minimum index may be gone; the
// tree stays as it is, and whatever follows verifies against the same checkpoints.
// Order: `log.pruned` is under a checkpoint, then the minimum index is durable, then files go.

import { dirname, join } from 'node:path';
import type { AuditReader, AuditLog, Clock, Logger } from '../core/ports.ts';
import { entriesOlderThan, loadNumbers, passedTime, saveNumbers } from './aging.ts';
import type { Disk } from './disk.ts';
import { nodeDisk, replaceFile } from './disk.ts';
import { auditDirs, readMinimumIndex } from './log-files.ts';
import type { Retention } from './retention.ts';
import { bundlePath, splitNote, TILE_WIDTH, tilePath } from './tlog/index.ts';

const DAY_MS = 86_400_000;

export function createPruning(deps: {
  /** Directory of the log. */
  readonly dir: string;
  /** Age of headers that go. */
  readonly headersMs: number;
  readonly log: Pick<AuditLog, 'append'> &
    Pick<AuditReader, 'entries' | 'size'> & { publish(): Promise<string>; prunedBefore(index: number): void };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disk?: Disk;
  /** Entries from it on stay, however old: somebody has not got them yet. Default: none are wanted. */
  readonly wantedFrom?: () => number;
}): Retention {
  const { headersMs, log, clock, logger } = deps;
  const disk = deps.disk ?? nodeDisk;
  const dirs = auditDirs(deps.dir);
  const nowMs = passedTime(clock);

  /** @returns the new minimum index; the old one when nothing is due. */
  const raise = async (minimum: number, next: number): Promise<number> => {
    const published = Number(splitNote(await log.publish()).text.split('\n')[1]);
    const wanted = deps.wantedFrom?.() ?? Infinity;
    if (wanted < next) logger.warn({ wanted, due: next }, 'retention: headers that are due stay until every SIEM destination has them');
    const due = Math.min(next, published, wanted);
    const before = due - (due % TILE_WIDTH);
    if (before <= minimum) return minimum;
    await log.append({
      type: 'log.pruned',
      detail: { reason: 'retention', before, previous: minimum, days: Math.floor(headersMs / DAY_MS) },
    });
    await log.publish();
    await replaceFile(disk, dirs.minimum, [Buffer.from(`${before}\n`)]);
    await disk.syncDir(dirs.log);
    log.prunedBefore(before);
    logger.info({ before }, 'retention: headers were pruned');
    return before;
  };

  const remove = async (from: number, to: number, signal: AbortSignal): Promise<void> => {
    const touched = new Set<string>();
    const drop = async (path: (width: number) => string): Promise<void> => {
      const full = join(dirs.log, path(TILE_WIDTH));
      touched.add(dirname(full));
      await disk.remove(full);
      await disk.remove(`${full}.p`);
    };
    for (let level = 0, span = TILE_WIDTH; span <= to; level += 1, span *= TILE_WIDTH) {
      for (let index = Math.floor(from / span); index < Math.floor(to / span); index += 1) {
        signal.throwIfAborted();
        await drop((width) => tilePath(level, index, width));
        if (level === 0) await drop((width) => bundlePath(index, width));
      }
    }
    for (const dir of touched) if (await disk.exists(dir)) await disk.syncDir(dir);
  };

  return {
    async run(signal) {
      const minimum = await readMinimumIndex(disk, dirs);
      const done = await loadNumbers(disk, dirs.pruning, ['next', 'newestMs', 'removed']);
      let aged = { next: Math.max(done.next, minimum), newestMs: done.newestMs };
      for await (const one of entriesOlderThan(log, aged, nowMs() - headersMs, signal)) ({ aged } = one);
      const before = await raise(minimum, aged.next);
      await remove(done.removed, before, signal);
      await saveNumbers(disk, dirs.root, dirs.pruning, { ...aged, removed: before });
      return before - minimum;
    },
  };
}
