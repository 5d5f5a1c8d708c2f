// Turns durable entries into tiles and signs the checkpoint over them. Order: tiles and bundles durable, then the
// checkpoint. Not reentrant; a failed publication leaves the object unusable, and the log stops.

import { dirname, join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { Disk } from './disk.ts';
import { makeDurableDir, readWhole, replaceFile } from './disk.ts';
import { bundlePath, encodeBundle, leafHash, signCheckpoint, TILE_WIDTH, tilePath } from './tlog/index.ts';
import type { Frontier, Tile, TreeHead } from './tlog/index.ts';
import type { LogSigners } from './key-files.ts';
import type { Tail } from './tail.ts';

/** More than the disk needs: each step of a file waits for a turn of the event loop, and under load a turn takes as long as a commit. Not
 *  many more: what is written here is flushed by the same journal of the file system that commits wait for. */
const WRITES_IN_FLIGHT = 8;
/** A buffer that large entries have blown up is not kept. */
const MAX_ROOM_BYTES = 512 * 1024;

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
  /** Buffers of the last bundles, by lane. */
  readonly #rooms: Buffer[] = [];
  /** Tiles that became full since the last checkpoint. */
  #full: Tile[] = [];
  #isFirst = true;
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

  /** Takes the entries of the tail that are new into the tree: a publication then has only files to write. */
  hash(tail: Tail): void {
    const { frontier } = this.#deps;
    if (frontier.size < tail.start) throw new RangeError(`entry ${frontier.size} is not among those to publish`);
    for (const entry of tail.slice(frontier.size, tail.end)) this.#full.push(...frontier.push(leafHash(entry)));
  }

  /** Brings the checkpoint up to the end of the tail as it is now.
   *  @param tail durable entries from a multiple of 256 not beyond `size`; it may grow meanwhile, and is not cut. */
  async publish(tail: Tail): Promise<void> {
    const { disk, log, frontier } = this.#deps;
    this.hash(tail);
    const head = { size: frontier.size, root: frontier.root() };
    const full = this.#full;
    this.#full = [];
    const partial = frontier.partial();
    const dirs = new Set<string>();
    const outdated: string[] = [];
    const write = async (path: string, bytes: Uint8Array): Promise<void> => {
      const target = join(log, path);
      const dir = dirname(target);
      if (!this.#knownDirs.has(dir)) {
        await makeDurableDir(disk, log, dir);
        this.#knownDirs.add(dir);
      }
      dirs.add(dir);
      await replaceFile(disk, target, [bytes]);
    };
    const changed = partial.filter(({ level, index, width }) => this.#writtenPartials.get(level) !== `${index}.${width}`);
    const tiles = inTurn([...full, ...changed]);
    // A lane that fails closes the generator: the others come to their end, too.
    const lane = async (_: unknown, number: number): Promise<void> => {
      for (const tile of tiles) {
        await write(tilePath(tile.level, tile.index, tile.width), tile.bytes);
        if (tile.level === 0) await write(bundlePath(tile.index, tile.width), this.#bundle(tile, tail, number));
      }
    };
    await Promise.all(Array.from({ length: WRITES_IN_FLIGHT }, lane));
    for (const { level, index, width } of changed) this.#writtenPartials.set(level, `${index}.${width}`);
    for (const { level, index } of full) {
      outdated.push(`${tilePath(level, index, TILE_WIDTH)}.p`);
      if (level === 0) outdated.push(`${bundlePath(index, TILE_WIDTH)}.p`);
    }
    await Promise.all([...dirs].map((dir) => disk.syncDir(dir)));
    await this.#sign(head);

    // Most became full at once: only what was at the edge has partial forms, and all of that was written anew by the first publication.
    // WHY not all of them: one after the other they took most of the time of a publication, and what is to be published waits in memory.
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    for (const dir of outdated.map((path) => join(log, path))) {
      if (this.#knownDirs.delete(dir) || isFirst) await disk.remove(dir);
    }
  }

  /** Entries of a tile. @param lane its buffer is written again for its next bundle */
  #bundle({ index, width }: Tile, tail: Tail, lane: number): Buffer {
    const room = this.#rooms[lane];
    const bytes = encodeBundle(tail.slice(index * TILE_WIDTH, index * TILE_WIDTH + width), room);
    if (bytes.length > (room?.length ?? 0) && bytes.length <= MAX_ROOM_BYTES) this.#rooms[lane] = bytes;
    return bytes;
  }

  async #sign(head: TreeHead): Promise<void> {
    const { disk, log, signers } = this.#deps;
    const path = join(log, 'checkpoint');
    const onDisk = (await readWhole(disk, path))?.toString('utf8') ?? null;
    if (onDisk !== this.#checkpoint) {
      throw new SallyportError(
        'SP_AUDIT_CORRUPT',
        'the checkpoint on disk is not the one this log wrote: another process uses this directory',
      );
    }
    const checkpoint = signCheckpoint(head, signers.current, signers.retiring);
    await replaceFile(disk, path, [Buffer.from(checkpoint)]);
    await disk.syncDir(log);
    this.#checkpoint = checkpoint;
    this.#size = head.size;
  }
}

function* inTurn<Each>(values: readonly Each[]): Generator<Each> {
  yield* values;
}
