// Which entries are in a time range, and the files of a log that prove them. The wall clock of a gateway may step, so the range is one of
// indexes: from the first entry whose time is in it to the last.

import { SallyportError } from '../core/error.ts';
import { bundlePath, TILE_WIDTH, tilePath } from '../audit/tlog/index.ts';
import { memberOf, parseHeader, textOf } from './fields.ts';
import { provingTiles, type TilePlace } from './tiles.ts';

/** How far the times of entries may be out of order; reports/requests.ts searches with the same. */
const DISORDER_MS = 10 * 60_000;

/** Entries of one entry bundle: all that a tree of the size asked for has. */
export type ReadBundle = (index: number) => Promise<readonly Buffer[]>;

export interface IndexRange {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

/** @throws SP_AUDIT_CORRUPT */
export async function indexRangeOf(fromMs: number, toMs: number, size: number, readBundle: ReadBundle): Promise<IndexRange> {
  const timeAt = async (index: number): Promise<number> =>
    entryTime((await readBundle(Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH]);
  const isIn = async (index: number): Promise<boolean> => isInTime(await timeAt(index), fromMs, toMs);
  let first = await firstAt(fromMs - DISORDER_MS, size, timeAt);
  let end = Math.max(first, await firstAt(toMs + DISORDER_MS, size, timeAt));
  while (first < end && !(await isIn(first))) first += 1;
  while (end > first && !(await isIn(end - 1))) end -= 1;
  return { first, end };
}

export function isInTime(ms: number, fromMs: number, toMs: number): boolean {
  return ms >= fromMs && ms < toMs;
}

async function firstAt(atMs: number, size: number, timeAt: (index: number) => Promise<number>): Promise<number> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await timeAt(middle)) >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @throws SP_AUDIT_CORRUPT when it has no time */
export function entryTime(entry: Buffer | undefined): number {
  const ms = entry === undefined ? Number.NaN : Date.parse(textOf(memberOf(parseHeader(entry), 'ts')));
  if (Number.isNaN(ms)) throw new SallyportError('SP_AUDIT_CORRUPT', 'an entry of the log has no time');
  return ms;
}

export interface LogFiles {
  /** Hash tiles. */
  readonly tiles: readonly TilePlace[];
  /** Entry bundles, by number, with their width. */
  readonly bundles: readonly { readonly index: number; readonly width: number }[];
  /** Paths of both below `log/`. */
  readonly paths: ReadonlySet<string>;
}

/** The files of a log of `size` entries that a bundle of the range has. The neighbours of the range are in it, because they show that the
 *  range ends where it does.
 *  @param points sizes of the tree that must be provable prefixes: the beginning, anchors */
export function logFilesOf({ first, end }: IndexRange, size: number, points: readonly number[]): LogFiles {
  if (size === 0) return { tiles: [], bundles: [], paths: new Set() };
  const from = Math.floor(Math.max(0, first - 1) / TILE_WIDTH);
  const to = Math.floor(Math.min(end, size - 1) / TILE_WIDTH);
  const bundles: { index: number; width: number }[] = [];
  for (let index = from; index <= to; index += 1) bundles.push({ index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) });
  const tiles = provingTiles(from * TILE_WIDTH, Math.min((to + 1) * TILE_WIDTH, size), size, points);
  const paths = new Set([
    ...tiles.map(({ level, index, width }) => tilePath(level, index, width)),
    ...bundles.map(({ index, width }) => bundlePath(index, width)),
  ]);
  return { tiles, bundles, paths };
}
