// Packs: the resting place of sealed payloads once their journal segment is retired. One file per segment: an index
// sorted by SHA-256, then the blobs. Format: docs/formats/sealing.md, "Packs".

import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { SallyportError } from '../core/error.ts';
import type { Disk, DiskFile } from './disk.ts';
import { BlobTable, ROW_BYTES } from './blob-table.ts';
import { isAbsent, writeAll } from './disk.ts';

const MAGIC = Buffer.from('SPPACK1\n');
const HEADER_BYTES = 16;
const RUN_BYTES = 1024 * 1024;

interface Pack {
  readonly name: string;
  readonly firstSeq: number;
  readonly endSeq: number;
}

export function packOf(name: string): Pack | null {
  const match = /^([0-9]{16})-([0-9]{16})\.pack$/.exec(name);
  return match === null ? null : { name, firstSeq: Number(match[1]), endSeq: Number(match[2]) };
}

function packName(firstSeq: number, endSeq: number): string {
  return `${String(firstSeq).padStart(16, '0')}-${String(endSeq).padStart(16, '0')}.pack`;
}

/** The index of a pack. @throws SP_AUDIT_CORRUPT */
export async function readPackIndex(file: DiskFile): Promise<BlobTable> {
  const header = Buffer.alloc(HEADER_BYTES);
  const read = await file.read(header, 0);
  const index = Buffer.alloc(read < HEADER_BYTES ? 0 : Math.min(header.readUInt32BE(8) * ROW_BYTES, await file.size()));
  await file.read(index, HEADER_BYTES);
  if (read < HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC) || crc32(index) !== header.readUInt32BE(12)) {
    throw new SallyportError('SP_AUDIT_CORRUPT', 'a pack of sealed payloads has no valid index');
  }
  return new BlobTable(index.subarray(0, index.length - (index.length % ROW_BYTES)));
}

/** @param room for up to so many bytes; what is returned lies there then */
export async function readExactly(file: DiskFile, offset: number, length: number, room?: Buffer): Promise<Buffer> {
  const bytes = room === undefined || room.length < length ? Buffer.allocUnsafe(length) : room.subarray(0, length);
  if ((await file.read(bytes, offset)) !== length) throw new SallyportError('SP_AUDIT_CORRUPT', 'a sealed payload is cut short');
  return bytes;
}

/** Some blobs that lie near to each other. */
export interface BlobRun {
  /** Rows [from, to) of the table. */
  readonly from: number;
  readonly to: number;
  /** Of the file, from position `start`; valid until the next run. */
  readonly bytes: Buffer;
  readonly start: number;
}

/** Reads blobs, given in file order, about a megabyte at a time. */
export async function* readBlobs(file: DiskFile, inOrder: BlobTable): AsyncGenerator<BlobRun> {
  let from = 0;
  const room = Buffer.allocUnsafeSlow(RUN_BYTES);
  for (let at = 0; at < inOrder.count; at += 1) {
    const start = inOrder.offset(from);
    const isLast = at + 1 === inOrder.count;
    if (!isLast && inOrder.offset(at + 1) + inOrder.bytes(at + 1) - start <= RUN_BYTES) continue;
    const length = inOrder.offset(at) + inOrder.bytes(at) - start;
    yield { from, to: at + 1, start, bytes: await readExactly(file, start, length, room) };
    from = at + 1;
  }
}

export class Packs {
  readonly #disk: Disk;
  readonly #dir: string;
  #packs: Pack[] = [];

  constructor(disk: Disk, dir: string) {
    this.#disk = disk;
    this.#dir = dir;
  }

  async open(): Promise<void> {
    this.#packs = (await this.#disk.list(this.#dir)).flatMap((name) => packOf(name) ?? []);
  }

  /** True when the segment from `firstSeq` has been packed. */
  has(firstSeq: number): boolean {
    return this.#packs.some((pack) => pack.firstSeq === firstSeq);
  }

  /** Copies the blobs of a journal segment into a pack of their own. Durable on resolve; safe to repeat.
   *  @param blobs in file order */
  async add(firstSeq: number, endSeq: number, segment: DiskFile, blobs: BlobTable): Promise<void> {
    const dataStart = HEADER_BYTES + blobs.count * ROW_BYTES;
    const packed = blobs.packedFrom(dataStart);
    // Entries wait for each of the two: not for both at once.
    await setImmediate();
    const index = packed.byHash().rows;
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt32BE(blobs.count, 8);
    header.writeUInt32BE(crc32(index), 12);
    const name = packName(firstSeq, endSeq);
    const path = join(this.#dir, name);
    const file = await this.#disk.open(`${path}.tmp`, 'create');
    try {
      await writeAll(file, [header, index], 0);
      let position = dataStart;
      for await (const { from, to, start, bytes } of readBlobs(segment, blobs)) {
        let end = 0;
        for (let at = from; at < to; at += 1) {
          const offset = blobs.offset(at) - start;
          // Towards the beginning of the same buffer: what was moved is never needed where it was.
          end += bytes.copy(bytes, end, offset, offset + blobs.bytes(at));
        }
        await writeAll(file, [bytes.subarray(0, end)], position);
        position += end;
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(`${path}.tmp`, path);
    await this.#disk.syncDir(this.#dir);
    if (!this.has(firstSeq)) this.#packs.push({ name, firstSeq, endSeq });
  }

  /** @param fromSeq the blob belongs to an entry at or after it. */
  async find(sha256: string, fromSeq: number): Promise<Buffer | null> {
    for (const pack of this.#packs) {
      if (pack.endSeq <= fromSeq) continue;
      const blob = await this.#findIn(pack, sha256);
      if (blob !== null) return blob;
    }
    return null;
  }

  async #findIn(pack: Pack, sha256: string): Promise<Buffer | null> {
    let file: DiskFile;
    try {
      file = await this.#disk.open(join(this.#dir, pack.name), 'read');
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
    try {
      const header = await readExactly(file, 0, HEADER_BYTES);
      let low = 0;
      let high = header.readUInt32BE(8);
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const row = new BlobTable(await readExactly(file, HEADER_BYTES + middle * ROW_BYTES, ROW_BYTES));
        const found = row.sha256(0);
        if (found === sha256) return await readExactly(file, row.offset(0), row.bytes(0));
        if (found < sha256) low = middle + 1;
        else high = middle;
      }
      return null;
    } finally {
      await file.close();
    }
  }
}
