// Names and readers of the files an auditor gets: checkpoint, key, tiles, entry bundles. Everything below `<dir>/log`.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Disk } from './disk.ts';
import { nodeDisk, readWhole } from './disk.ts';
import type { TileReader } from './tlog/index.ts';
import { bundlePath, decodeBundle, TILE_WIDTH, tilePath } from './tlog/index.ts';

export type AuditDirs = ReturnType<typeof auditDirs>;

export function auditDirs(dir: string) {
  return {
    root: dir,
    log: join(dir, 'log'),
    journal: join(dir, 'journal'),
    blobs: join(dir, 'blobs'),
    keys: join(dir, 'keys'),
    checkpoint: join(dir, 'log', 'checkpoint'),
    vkey: join(dir, 'log', 'log.vkey'),
    anchors: join(dir, 'log', 'anchors'),
    rotations: join(dir, 'log', 'rotations'),
    recipients: join(dir, 'keys', 'recipients'),
    retention: join(dir, 'retention.json'),
    pruning: join(dir, 'pruning.json'),
    minimum: join(dir, 'log', 'minimum-index'),
  };
}

/** True for paths below `log/` that exist in this format; anything else (`..`, absolute paths) is none of ours. */
export function isLogPath(path: string): boolean {
  return /^(?:checkpoint|log\.vkey|minimum-index|rotations\/[0-9]{16}\.note|tile\/(?:entries|[0-9]|[1-5][0-9])\/(?:x[0-9]{3}\/)*[0-9]{3}(?:\.p\/[1-9][0-9]{0,2})?)$/.test(
    path,
  );
}

/** Once a tile is full its partial forms are removed, so the full one answers for them. */
async function readWidth(disk: Disk, log: string, path: (width: number) => string, width: number): Promise<Buffer | null> {
  return (
    (await readWhole(disk, join(log, path(width)))) ?? (width < TILE_WIDTH ? await readWhole(disk, join(log, path(TILE_WIDTH))) : null)
  );
}

/** Entries of a bundle, at least `width` of them, or null when there is no such file. */
export async function readBundle(disk: Disk, log: string, index: number, width: number): Promise<Buffer[] | null> {
  const bytes = await readWidth(disk, log, (w) => bundlePath(index, w), width);
  return bytes === null ? null : decodeBundle(bytes);
}

/** Reads tiles for proofs. @param log the `log` directory. */
export function tileReader(disk: Disk, log: string): TileReader {
  return async (level, index, width) => {
    const bytes = await readWidth(disk, log, (w) => tilePath(level, index, w), width);
    if (bytes === null) throw new SallyportError('SP_AUDIT_CORRUPT', `tile ${level}/${index} is missing`);
    return bytes;
  };
}

/** Entries before it were pruned; 0 = none. @throws SP_AUDIT_CORRUPT */
export async function readMinimumIndex(disk: Disk, { minimum }: Pick<AuditDirs, 'minimum'>): Promise<number> {
  const text = (await readWhole(disk, minimum))?.toString('utf8') ?? '0\n';
  const index = Number(/^(0|[1-9]\d{0,15})\n$/.exec(text)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(index) || index % TILE_WIDTH !== 0)
    throw new SallyportError('SP_AUDIT_CORRUPT', 'log/minimum-index is malformed');
  return index;
}

/** What is published of a log, read from the disk beside whoever writes it.
 *  @param dir the directory given to `openAuditLog` */
export function publishedLog(dir: string, disk: Disk = nodeDisk) {
  const dirs = auditDirs(dir);
  return {
    /** The signed note; null before the first. */
    checkpoint: async (): Promise<string | null> => (await readWhole(disk, dirs.checkpoint))?.toString('utf8') ?? null,
    readTile: tileReader(disk, dirs.log),
    /** Where proofs of anchors lie. */
    anchorsDirectory: dirs.anchors,
  };
}
