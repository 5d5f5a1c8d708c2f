// The live journal: the segment being written and the closed ones that are not packed yet. One commit is one write and
// one datasync, in the thread of the writer. `retire`d segments are never written again.

import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { isAbsent, replaceFile, writeAllSync } from './disk.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from './journal.ts';
import type { BlobPlace } from './blob-table.ts';
import { BlobTable } from './blob-table.ts';
import type { Packs } from './packs.ts';
import { readExactly } from './packs.ts';

export interface Segment {
  readonly firstSeq: number;
  /** Index behind its last entry. */
  endSeq: number;
  /** In file order. */
  readonly blobs: BlobTable;
}

/** Where writing goes on. */
export interface JournalPosition {
  readonly closed: Segment[];
  readonly active: Segment;
  /** End of the last record of the active segment. */
  readonly offset: number;
  /** Number of its next commit. */
  readonly commit: number;
}

/** Creates an empty segment, durably. */
export async function createSegment(disk: Disk, dir: string, firstSeq: number): Promise<JournalPosition['active']> {
  await replaceFile(disk, join(dir, segmentName(firstSeq)), [encodeSegmentHeader(firstSeq)]);
  await disk.syncDir(dir);
  return { firstSeq, endSeq: firstSeq, blobs: new BlobTable() };
}

export class Segments {
  readonly #disk: Disk;
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #closed: Segment[];
  #active: Segment;
  #file: DiskFile;
  #offset: number;
  #commit: number;

  private constructor(disk: Disk, dir: string, maxBytes: number, position: JournalPosition, file: DiskFile) {
    this.#disk = disk;
    this.#dir = dir;
    this.#maxBytes = maxBytes;
    this.#closed = position.closed;
    this.#active = position.active;
    this.#offset = position.offset;
    this.#commit = position.commit;
    this.#file = file;
  }

  static async open(disk: Disk, dir: string, maxBytes: number, position: JournalPosition): Promise<Segments> {
    const file = await disk.open(join(dir, segmentName(position.active.firstSeq)), 'write');
    return new Segments(disk, dir, maxBytes, position, file);
  }

  /** Index behind the last durable entry. */
  get endSeq(): number {
    return this.#active.endSeq;
  }

  /** Number of the next commit in the active segment. */
  get nextCommit(): number {
    return this.#commit;
  }

  /** The active segment has reached its size: `rotate` before the next commit is begun. */
  get isFull(): boolean {
    return this.#offset >= this.#maxBytes;
  }

  /** Writes one commit. On return all of it survives power loss; when it throws, any prefix may.
   *  @param blobs positions from the start of `bytes`. */
  commit(bytes: Buffer, entries: number, blobs: readonly BlobPlace[]): void {
    writeAllSync(this.#file, bytes, this.#offset);
    this.#file.datasyncSync();
    for (const { sha256, offset, bytes: length } of blobs) this.#active.blobs.add(sha256, this.#offset + offset, length);
    this.#offset += bytes.length;
    this.#commit += 1;
    this.#active.endSeq += entries;
  }

  /** @returns null when the blob is in no live segment. */
  async find(sha256: string): Promise<Buffer | null> {
    for (const segment of [this.#active, ...this.#closed]) {
      const place = segment.blobs.find(sha256);
      if (place === null) continue;
      try {
        const file = await this.#disk.open(join(this.#dir, segmentName(segment.firstSeq)), 'read');
        try {
          return await readExactly(file, place.offset, place.bytes);
        } finally {
          await file.close();
        }
      } catch (error) {
        // Packed and removed since: the packs have it.
        if (isAbsent(error)) return null;
        throw error;
      }
    }
    return null;
  }

  /** Packs the payloads of closed segments whose entries are all under a checkpoint, and removes those segments. */
  async retire(publishedSize: number, packs: Packs): Promise<void> {
    for (const segment of this.#closed.slice()) {
      if (segment.endSeq > publishedSize) continue;
      const path = join(this.#dir, segmentName(segment.firstSeq));
      if (segment.blobs.count > 0 && !packs.has(segment.firstSeq)) {
        const file = await this.#disk.open(path, 'read');
        try {
          await packs.add(segment.firstSeq, segment.endSeq, file, segment.blobs);
        } finally {
          await file.close();
        }
      }
      this.#closed.splice(this.#closed.indexOf(segment), 1);
      await this.#disk.remove(path);
      await this.#disk.syncDir(this.#dir);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Goes on in a fresh segment. */
  async rotate(): Promise<void> {
    const next = await createSegment(this.#disk, this.#dir, this.#active.endSeq);
    const file = await this.#disk.open(join(this.#dir, segmentName(next.firstSeq)), 'write');
    await this.#file.close();
    this.#closed.push(this.#active);
    this.#active = next;
    this.#file = file;
    this.#offset = SEGMENT_HEADER_BYTES;
    this.#commit = 0;
  }
}
