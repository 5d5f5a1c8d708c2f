// Packs: the resting place of sealed payloads once their journal segment is retired. One file per segment: an index
// sorted by SHA-256, then the blobs. Format: docs/formats/sealing.md, "Packs".

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SallyportError } from '../core/error.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isAbsent, writeAll } from './disk.ts';

const MAGIC = Buffer.from('SPPACK1\n');
const HEADER_BYTES = 16;
const ROW_BYTES = 44;
const HASH_BYTES = 32;
const RUN_BYTES = 1024 * 1024;

export interface BlobPlace {
  readonly sha256: string;
  /** Position and length in the file it is copied from. */
  readonly offset: number;
  readonly bytes: number;
}

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

function row(index: Buffer, at: number): BlobPlace {
  const bytes = index.subarray(at * ROW_BYTES, (at + 1) * ROW_BYTES);
  return {
    sha256: bytes.toString('hex', 0, HASH_BYTES),
    offset: Number(bytes.readBigUInt64BE(HASH_BYTES)),
    bytes: bytes.readUInt32BE(HASH_BYTES + 8),
  };
}

/** The index of a pack. @throws SP_AUDIT_CORRUPT */
export async function readPackIndex(file: DiskFile): Promise<BlobPlace[]> {
  const header = Buffer.alloc(HEADER_BYTES);
  const read = await file.read(header, 0);
  const index = Buffer.alloc(read < HEADER_BYTES ? 0 : Math.min(header.readUInt32BE(8) * ROW_BYTES, await file.size()));
  await file.read(index, HEADER_BYTES);
  if (read < HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC) || crc32(index) !== header.readUInt32BE(12)) {
    throw new SallyportError('SP_AUDIT_CORRUPT', 'a pack of sealed payloads has no valid index');
  }
  return Array.from({ length: index.length / ROW_BYTES }, (_, at) => row(index, at));
}

export async function readExactly(file: DiskFile, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  if ((await file.read(bytes, offset)) !== length) throw new SallyportError('SP_AUDIT_CORRUPT', 'a sealed payload is cut short');
  return bytes;
}

/** The sorted index of blobs that lie one behind the other from `dataStart`, in the given order. */
function encodeIndex(blobs: readonly BlobPlace[], dataStart: number): Buffer {
  const rows = Buffer.alloc(blobs.length * ROW_BYTES);
  /** The first four bytes of every hash: they settle nearly all comparisons. */
  const prefixes = new Uint32Array(blobs.length);
  let position = dataStart;
  for (const [index, blob] of blobs.entries()) {
    const at = index * ROW_BYTES;
    rows.write(blob.sha256, at, 'hex');
    rows.writeBigUInt64BE(BigInt(position), at + HASH_BYTES);
    rows.writeUInt32BE(blob.bytes, at + HASH_BYTES + 8);
    prefixes[index] = rows.readUInt32BE(at);
    position += blob.bytes;
  }
  const order = Uint32Array.from(blobs.keys()).sort((a, b) => {
    const difference = (prefixes[a] ?? 0) - (prefixes[b] ?? 0);
    if (difference !== 0) return difference;
    return rows.compare(rows, b * ROW_BYTES, (b + 1) * ROW_BYTES, a * ROW_BYTES, (a + 1) * ROW_BYTES);
  });
  const sorted = Buffer.allocUnsafe(rows.length);
  for (const [place, index] of order.entries()) rows.copy(sorted, place * ROW_BYTES, index * ROW_BYTES, (index + 1) * ROW_BYTES);
  return sorted;
}

/** Reads blobs, given in file order, about a megabyte at a time. */
export async function* readBlobs(file: DiskFile, inOrder: readonly BlobPlace[]): AsyncGenerator<{ place: BlobPlace; bytes: Buffer }[]> {
  let run: BlobPlace[] = [];
  for (const [at, place] of inOrder.entries()) {
    run.push(place);
    const start = run[0]?.offset ?? 0;
    const next = inOrder[at + 1];
    if (next !== undefined && next.offset + next.bytes - start <= RUN_BYTES) continue;
    const bytes = await readExactly(file, start, place.offset + place.bytes - start);
    yield run.map((blob) => ({ place: blob, bytes: bytes.subarray(blob.offset - start, blob.offset - start + blob.bytes) }));
    run = [];
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

  /** Copies the blobs of a journal segment into a pack of their own. Durable on resolve; safe to repeat. */
  async add(firstSeq: number, endSeq: number, segment: DiskFile, blobs: readonly BlobPlace[]): Promise<void> {
    const inOrder = blobs.toSorted((a, b) => a.offset - b.offset);
    const dataStart = HEADER_BYTES + inOrder.length * ROW_BYTES;
    const index = encodeIndex(inOrder, dataStart);
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt32BE(inOrder.length, 8);
    header.writeUInt32BE(crc32(index), 12);
    const name = packName(firstSeq, endSeq);
    const path = join(this.#dir, name);
    const file = await this.#disk.open(`${path}.tmp`, 'create');
    try {
      await writeAll(file, [header, index], 0);
      let position = dataStart;
      for await (const run of readBlobs(segment, inOrder)) {
        const data = Buffer.concat(run.map(({ bytes }) => bytes));
        await writeAll(file, [data], position);
        position += data.length;
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
        const found = row(await readExactly(file, HEADER_BYTES + middle * ROW_BYTES, ROW_BYTES), 0);
        if (found.sha256 === sha256) return await readExactly(file, found.offset, found.bytes);
        if (found.sha256 < sha256) low = middle + 1;
        else high = middle;
      }
      return null;
    } finally {
      await file.close();
    }
  }
}
