// Which tiles prove a range of a log, and reading them so that nothing is believed that the signed root does not cover.
// Whoever has these tiles can prove every entry of the range and every head of the tree at one of the given points, with the tools of
// golang.org/x/mod/sumdb/tlog as well.

import { SallyportError } from '../core/error.ts';
import type { TileReader } from '../audit/tlog/index.ts';
import { emptyRoot, equalHashes, HASH_BYTES, hashAt, perfectRoot, spanRoot, TILE_WIDTH, tileWidth } from '../audit/tlog/index.ts';

export interface TilePlace {
  readonly level: number;
  readonly index: number;
  /** Hashes in it, in a tree of the size asked for. */
  readonly width: number;
}

/** Tiles of a tree of `size` that prove the entries [first, end) and, for each of `points`, that the tree of that size is a prefix.
 *  In order of level and index. */
export function provingTiles(first: number, end: number, size: number, points: readonly number[]): TilePlace[] {
  const found = new Map<string, TilePlace>();
  const add = (level: number, index: number): void => {
    const width = tileWidth(level, index, size);
    if (width > 0) found.set(`${level}/${index}`, { level, index, width });
  };
  const addPath = (leaf: number): void => {
    for (let level = 0, unit = TILE_WIDTH; unit / TILE_WIDTH <= size; level += 1, unit *= TILE_WIDTH) add(level, Math.floor(leaf / unit));
  };
  for (let leaf = first - (first % TILE_WIDTH); leaf < end; leaf += TILE_WIDTH) addPath(leaf);
  for (const point of [...points, size]) {
    // What lies left of a point is in the tiles of the entry before it or of the one at it; the rest are its ancestors.
    if (point > 0) addPath(Math.min(point, size) - 1);
    if (point < size) addPath(point);
  }
  return [...found.values()].toSorted((a, b) => a.level - b.level || a.index - b.index);
}

export class TileTree {
  readonly #size: number;
  readonly #root: Uint8Array;
  readonly #read: TileReader;
  readonly #known = new Map<string, Promise<Uint8Array>>();

  /** @param read throws SP_AUDIT_CORRUPT for a tile that is not there. */
  constructor(size: number, root: Uint8Array, read: TileReader) {
    this.#size = size;
    this.#root = root;
    this.#read = read;
  }

  /** The tiles of the right edge have the root. @throws SP_AUDIT_CORRUPT */
  async requireRoot(): Promise<void> {
    const root = this.#size === 0 ? emptyRoot() : await spanRoot(0, this.#size, this.#size, (...place) => this.#exact(...place));
    if (!equalHashes(root, this.#root)) throw corrupt('the tiles do not have the root that the checkpoint signs');
  }

  /** Hashes of a tile; each is under the root. @throws SP_AUDIT_CORRUPT */
  readonly tile = (level: number, index: number): Promise<Uint8Array> => {
    const name = `${level}/${index}`;
    let tile = this.#known.get(name);
    if (tile === undefined) {
      tile = this.#proven(level, index);
      // Levels above the lowest are few: one for each 65,536 entries.
      if (level > 0) this.#known.set(name, tile);
    }
    return tile;
  };

  /** For proofs. */
  readonly reader: TileReader = (level, index) => this.tile(level, index);

  async #proven(level: number, index: number): Promise<Uint8Array> {
    const width = tileWidth(level, index, this.#size);
    if (width === 0) throw corrupt(`tile ${level}/${index} is not in the tree`);
    const bytes = await this.#exact(level, index, width);
    // A tile of the right edge was compared with the root itself (`requireRoot`).
    if (width < TILE_WIDTH) return bytes;
    const above = await this.tile(level + 1, Math.floor(index / TILE_WIDTH));
    if (!equalHashes(perfectRoot(bytes), hashAt(above, index % TILE_WIDTH)))
      throw corrupt(`tile ${level}/${index} does not have the hash that is above it`);
    return bytes;
  }

  async #exact(level: number, index: number, width: number): Promise<Uint8Array> {
    const bytes = await this.#read(level, index, width);
    if (bytes.length !== width * HASH_BYTES) throw corrupt(`tile ${level}/${index} has ${bytes.length} bytes, not ${width} hashes`);
    return bytes;
  }
}

/** Root of the first `point` entries, from tiles of a tree of `size`. @throws SP_AUDIT_CORRUPT */
export async function prefixRoot(point: number, size: number, read: TileReader): Promise<Uint8Array> {
  return point === 0 ? emptyRoot() : spanRoot(0, point, size, read);
}

const corrupt = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
