// The right edge of a growing tree: per tile level the hashes of the tile that is not full yet. It turns leaf hashes
// into finished tiles and knows the root; its memory is 8 KiB per level, whatever the size of the log.

import { SallyportError } from '../../core/error.ts';
import { emptyRoot, HASH_BYTES, nodeHash, perfectRoot } from './hash.ts';
import type { Tile } from './tile.ts';
import { TILE_WIDTH, tileWidth } from './tile.ts';

interface Level {
  readonly hashes: Buffer;
  width: number;
  index: number;
}

export class Frontier {
  readonly #levels: Level[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Rebuilds the edge of a tree of `size` from its partial tiles.
   *  @param tileAt the bytes of partial tile (`level`, `index`) of that `width`.
   *  @throws SP_AUDIT_CORRUPT when a tile has another length than its width says. */
  static async restore(size: number, tileAt: (level: number, index: number, width: number) => Promise<Uint8Array>): Promise<Frontier> {
    const frontier = new Frontier();
    frontier.#size = size;
    for (let level = 0; TILE_WIDTH ** level <= size; level += 1) {
      const index = Math.floor(size / TILE_WIDTH ** (level + 1));
      const width = tileWidth(level, index, size);
      const bytes = width === 0 ? new Uint8Array() : await tileAt(level, index, width);
      if (bytes.length !== width * HASH_BYTES) {
        throw new SallyportError('SP_AUDIT_CORRUPT', `tile ${level}/${index} has ${bytes.length} bytes, not ${width} hashes`);
      }
      const hashes = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
      hashes.set(bytes);
      frontier.#levels.push({ hashes, width, index });
    }
    return frontier;
  }

  /** Adds the next leaf. @returns the tiles that became full, lowest level first. */
  push(leaf: Uint8Array): Tile[] {
    const full: Tile[] = [];
    let hash = leaf;
    for (let number = 0; ; number += 1) {
      const level = this.#level(number);
      level.hashes.set(hash, level.width * HASH_BYTES);
      level.width += 1;
      if (level.width < TILE_WIDTH) break;
      const bytes = Buffer.from(level.hashes);
      full.push({ level: number, index: level.index, width: TILE_WIDTH, bytes });
      level.width = 0;
      level.index += 1;
      hash = perfectRoot(bytes);
    }
    this.#size += 1;
    return full;
  }

  /** The tiles at the right edge that are not full, lowest level first. */
  partial(): Tile[] {
    const tiles: Tile[] = [];
    for (const [number, level] of this.#levels.entries()) {
      if (level.width === 0) continue;
      const bytes = Buffer.from(level.hashes.subarray(0, level.width * HASH_BYTES));
      tiles.push({ level: number, index: level.index, width: level.width, bytes });
    }
    return tiles;
  }

  root(): Buffer {
    let root: Buffer | null = null;
    for (const level of this.#levels) {
      let end = level.width;
      for (let run = 1; run <= TILE_WIDTH / 2; run *= 2) {
        if (Math.floor(level.width / run) % 2 === 0) continue;
        const subtree = perfectRoot(level.hashes.subarray((end - run) * HASH_BYTES, end * HASH_BYTES));
        root = root === null ? subtree : nodeHash(subtree, root);
        end -= run;
      }
    }
    return root ?? emptyRoot();
  }

  #level(number: number): Level {
    const found = this.#levels[number];
    if (found !== undefined) return found;
    const level = { hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES), width: 0, index: 0 };
    this.#levels.push(level);
    return level;
  }
}
