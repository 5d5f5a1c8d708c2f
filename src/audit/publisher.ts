// Turns durable entries into tiles and signs the checkpoint over them. Order: tiles and bundles durable, then the
// checkpoint. Not reentrant; a failed publication leaves the object unusable, and the log stops.

import { dirname, join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Disk } from './disk.ts';
import { makeDurableDir, readWhole, replaceFile } from './disk.ts';
import { bundlePath, encodeBundle, leafHash, signCheckpoint, TILE_WIDTH, tilePath } from './tlog/index.ts';
import type { Frontier, Tile } from './tlog/index.ts';
import type { LogSigners } from './key-files.ts';

const WRITES_IN_FLIGHT = 8;

export interface PublisherDeps {
  readonly disk: Disk;
  /** The `log` directory; exists. */
  readonly log: string;
  readonly signers: LogSigners;
  /** The tree under the last checkpoint. */
  readonly frontier: Frontier;
  /** The last checkpoint, or null before the first. */
  readonly checkpoint: string | null;
}

export class Publisher {
  readonly #deps: PublisherDeps;
  readonly #knownDirs = new Set<string>();
  readonly #writtenPartials = new Map<number, string>();
  #checkpoint: string | null;
  #size: number;

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
    this.#checkpoint = deps.checkpoint;
    this.#size = deps.frontier.size;
  }

  /** Entries under the last checkpoint. */
  get size(): number {
    return this.#size;
  }

  get checkpoint(): string | null {
    return this.#checkpoint;
  }

  /** Brings the checkpoint up to the end of `entries`.
   *  @param entries durable entries from `firstSeq`, a multiple of 256 not beyond `size`. */
  async publish(entries: readonly Buffer[], firstSeq: number): Promise<void> {
    const { disk, log, frontier } = this.#deps;
    const end = firstSeq + entries.length;
    const bundle = (tile: Tile): Buffer => {
      const from = tile.index * TILE_WIDTH - firstSeq;
      return encodeBundle(entries.slice(from, from + tile.width));
    };
    const dirs = new Set<string>();
    const outdated: string[] = [];
    let writes: Promise<void>[] = [];
    const write = async (path: string, bytes: Uint8Array): Promise<void> => {
      const target = join(log, path);
      const dir = dirname(target);
      if (!this.#knownDirs.has(dir)) {
        await makeDurableDir(disk, log, dir);
        this.#knownDirs.add(dir);
      }
      dirs.add(dir);
      const writing = replaceFile(disk, target, [bytes]);
      // Awaited below; when something else fails first, nobody may be left to see this one fail too.
      writing.catch(() => undefined);
      writes.push(writing);
      if (writes.length < WRITES_IN_FLIGHT) return;
      await Promise.all(writes);
      writes = [];
    };
    const writeTile = async (tile: Tile): Promise<void> => {
      await write(tilePath(tile.level, tile.index, tile.width), tile.bytes);
      if (tile.level === 0) await write(bundlePath(tile.index, tile.width), bundle(tile));
    };

    while (frontier.size < end) {
      const entry = entries[frontier.size - firstSeq];
      if (entry === undefined) throw new RangeError(`entry ${frontier.size} is not among those to publish`);
      for (const tile of frontier.push(leafHash(entry))) {
        await writeTile(tile);
        outdated.push(`${tilePath(tile.level, tile.index, TILE_WIDTH)}.p`);
        if (tile.level === 0) outdated.push(`${bundlePath(tile.index, TILE_WIDTH)}.p`);
      }
    }
    for (const tile of frontier.partial()) {
      const name = `${tile.index}.${tile.width}`;
      if (this.#writtenPartials.get(tile.level) === name) continue;
      this.#writtenPartials.set(tile.level, name);
      await writeTile(tile);
    }
    await Promise.all(writes);
    await Promise.all([...dirs].map((dir) => disk.syncDir(dir)));
    await this.#sign();

    for (const path of outdated) {
      this.#knownDirs.delete(join(log, path));
      await disk.remove(join(log, path));
    }
  }

  async #sign(): Promise<void> {
    const { disk, log, frontier, signers } = this.#deps;
    const path = join(log, 'checkpoint');
    const onDisk = (await readWhole(disk, path))?.toString('utf8') ?? null;
    if (onDisk !== this.#checkpoint) {
      throw new SallyportError(
        'SP_AUDIT_CORRUPT',
        'the checkpoint on disk is not the one this log wrote: another process uses this directory',
      );
    }
    const checkpoint = signCheckpoint({ size: frontier.size, root: frontier.root() }, signers.current, signers.retiring);
    await replaceFile(disk, path, [Buffer.from(checkpoint)]);
    await disk.syncDir(log);
    this.#checkpoint = checkpoint;
    this.#size = frontier.size;
  }
}
