// Reads a ZIP that may be anybody's, in place; nothing is unpacked. Stored and deflated files, as other tools repack them.
// REFUSES: names that lead out of the bundle, names that are there twice (also by case), links, files that share bytes, encryption, comments,
// bytes that belong to no file, a second name in an extra field, central and local headers that disagree, content over its declared length or
// far over the archive's.

import { SallyportError } from '../core/error.ts';
import type { BundleFiles } from './bundle-files.ts';
import { isBundlePath, MAX_FILES } from './sums.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_HEADER,
  END_64_BYTES,
  END_BYTES,
  END_LOCATOR_64,
  END_RECORD,
  END_RECORD_64,
  EXTRA_64,
  LOCAL_BYTES,
  LOCAL_HEADER,
  LOCATOR_BYTES,
  MAX_16,
  MAX_32,
} from './zip-format.ts';

const MAX_DIRECTORY_BYTES = 512 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** All content together, by the length of the archive. Logs deflate to a tenth; a bomb to a thousandth. */
const MAX_RATIO = 100;
const FREE_BYTES = 64 * 1024 * 1024;
/** Encrypted, patched, strongly encrypted, masked headers. */
const REFUSED_FLAGS = 0x0001 | 0x0020 | 0x0040 | 0x2000;

/** Lengths and checksum come behind the content. */
const DESCRIPTOR_FLAG = 0x0008;
const DESCRIPTOR = 0x08074b50;
/** Its lengths: of 4 or 8 bytes each, with or without a signature. */
const DESCRIPTOR_BYTES: ReadonlySet<number> = new Set([12, 16, 20, 24]);
/** Info-ZIP's Unicode name and comment: other tools would take them for the name. */
const REFUSED_EXTRAS: ReadonlySet<number> = new Set([0x7075, 0x6375]);
/** Kinds of files in Unix modes: unsaid, regular, folder. */
const FILE_KINDS: ReadonlySet<number> = new Set([0, 0o100000, 0o040000]);

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly offset: number;
  readonly hasDescriptor: boolean;
}

/** An entry and where the next one, or the directory, begins. */
interface Placed extends Entry {
  readonly end: number;
}

/** Where the archive lies, and how what is packed in it is unpacked: Node and browsers have different ways to both. */
export interface ZipSource {
  /** Bytes. */
  readonly size: number;
  /** Fewer bytes than asked for only behind the end. */
  read(position: number, length: number): Promise<Buffer>;
  /** Raw deflate (RFC 1951). @throws anything for what is none; faults of `packed` as they are */
  inflate(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** CRC-32 of `bytes` behind those that `crc` is of; 0 = of none. */
  crc32(bytes: Uint8Array, crc: number): number;
  close(): Promise<void>;
}

/** Closes the source when it throws. @throws SP_AUDIT_CORRUPT */
export async function openZip(file: ZipSource): Promise<BundleFiles> {
  try {
    const { size } = file;
    const { count, offset, bytes } = await readEnd(file, size);
    if (bytes > MAX_DIRECTORY_BYTES || offset + bytes > size) throw refused('the directory of the archive is not in it');
    if (count > MAX_FILES) throw refused('the archive has too many files');
    const all = requireDisjoint(readDirectory(await readAt(file, offset, bytes), count), offset, size);
    const entries = new Map(all.flatMap((entry) => (entry.path.endsWith('/') ? [] : [[entry.path, entry] as const])));
    for (const entry of all) if (entry.path.endsWith('/')) await startOf(file, entry);
    return {
      files: new Map([...entries].map(([name, entry]) => [name, entry.bytes])),
      async *chunks(name) {
        const entry = entries.get(name);
        if (entry === undefined) throw refused(`${name} is missing`);
        yield* content(file, entry);
      },
      close: () => file.close(),
    };
  } catch (fault) {
    await file.close();
    throw fault;
  }
}

async function readEnd(file: ZipSource, size: number): Promise<{ count: number; offset: number; bytes: number }> {
  if (size < END_BYTES) throw refused('it is neither a folder nor an archive');
  const end = await readAt(file, size - END_BYTES, END_BYTES);
  // Without a comment it is the last thing; one could hide a second directory.
  if (end.readUInt32LE(0) !== END_RECORD || end.readUInt16LE(20) !== 0) throw refused('it is neither a folder nor an archive of ours');
  const [count, bytes, offset] = [end.readUInt16LE(10), end.readUInt32LE(12), end.readUInt32LE(16)];
  if (count < MAX_16 && bytes < MAX_32 && offset < MAX_32) return requireEnd({ count, offset, bytes }, size - END_BYTES);
  const at = size - END_BYTES - LOCATOR_BYTES - END_64_BYTES;
  if (at < 0) throw refused('the archive ends early');
  const wide = await readAt(file, at, END_64_BYTES + LOCATOR_BYTES);
  if (wide.readUInt32LE(0) !== END_RECORD_64 || wide.readUInt32LE(END_64_BYTES) !== END_LOCATOR_64) throw refused('the archive ends early');
  return requireEnd({ count: wide64(wide, 32), bytes: wide64(wide, 40), offset: wide64(wide, 48) }, at);
}

function requireEnd(end: { count: number; offset: number; bytes: number }, at: number) {
  if (end.offset + end.bytes !== at) throw refused('the directory of the archive is not where it ends');
  return end;
}

/** In order of the directory; folders, as other tools write them, among the files. */
function readDirectory(bytes: Buffer, count: number): Entry[] {
  const entries: Entry[] = [];
  const folded = new Set<string>();
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL_HEADER)
      throw refused('the directory of the archive is damaged');
    const nameBytes = bytes.readUInt16LE(at + 28);
    const extraBytes = bytes.readUInt16LE(at + 30);
    const end = at + CENTRAL_BYTES + nameBytes + extraBytes + bytes.readUInt16LE(at + 32);
    if (end > bytes.length) throw refused('the directory of the archive is damaged');
    const path = bytes.toString('latin1', at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    const extra = bytes.subarray(at + CENTRAL_BYTES + nameBytes, at + CENTRAL_BYTES + nameBytes + extraBytes);
    const entry = readEntry(bytes.subarray(at, at + CENTRAL_BYTES), path, extra);
    at = end;
    const isFolder = path.endsWith('/') && entry.packedBytes === 0;
    if (!isBundlePath(isFolder ? path.slice(0, -1) : path))
      throw refused('a name in the archive leads out of the bundle or is none of ours');
    if (folded.has(path.toLowerCase())) throw refused(`${path} is in the archive twice`);
    folded.add(path.toLowerCase());
    entries.push(entry);
  }
  if (at !== bytes.length) throw refused('the directory of the archive is damaged');
  return entries;
}

function readEntry(header: Buffer, path: string, extra: Buffer): Entry {
  const method = header.readUInt16LE(10);
  if ((header.readUInt16LE(8) & REFUSED_FLAGS) !== 0 || (method !== 0 && method !== 8)) {
    throw refused('a file of the archive is encrypted or packed in a way that is not read');
  }
  if (header.readUInt16LE(32) !== 0) throw refused('a file of the archive has a comment');
  if (!FILE_KINDS.has((header.readUInt16LE(40) & 0o170000) >>> 0))
    throw refused('a file of the archive is a link or something else that is no file');
  requireExtra(extra);
  // Each that is at its maximum is in the extra field instead, in this order.
  const wide = new Wide(extra);
  const bytes = wide.or(header.readUInt32LE(24));
  const packedBytes = wide.or(header.readUInt32LE(20));
  const offset = wide.or(header.readUInt32LE(42));
  if (method === 0 && bytes !== packedBytes) throw refused('a stored file of the archive has two lengths');
  const hasDescriptor = (header.readUInt16LE(8) & DESCRIPTOR_FLAG) !== 0;
  return { path, method, crc: header.readUInt32LE(16), packedBytes, bytes, offset, hasDescriptor };
}

function requireExtra(extra: Buffer): void {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (REFUSED_EXTRAS.has(extra.readUInt16LE(at))) throw refused('a file of the archive has a second name');
  }
}

/** The values of a ZIP64 extra field, one after the other. */
class Wide {
  readonly #values: Buffer;
  #at = 0;

  constructor(extra: Buffer) {
    let values: Buffer = Buffer.alloc(0);
    for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
      if (extra.readUInt16LE(at) === EXTRA_64) values = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    }
    this.#values = values;
  }

  or(narrow: number): number {
    if (narrow !== MAX_32) return narrow;
    if (this.#at + 8 > this.#values.length) throw refused('the directory of the archive is damaged');
    this.#at += 8;
    return wide64(this.#values, this.#at - 8);
  }
}

/** INVARIANT: no two files share bytes, so that the content is bounded by the archive. Bytes between them are found when they are read.
 *  @returns them in order of their places */
function requireDisjoint(entries: readonly Entry[], directory: number, size: number): Placed[] {
  const sorted = entries.toSorted((a, b) => a.offset - b.offset);
  let at = 0;
  let bytes = 0;
  for (const entry of sorted) {
    if (entry.offset < at) throw refused('files of the archive share bytes');
    at = entry.offset + LOCAL_BYTES + entry.path.length + entry.packedBytes;
    bytes += entry.bytes;
  }
  if (at > directory) throw refused('files of the archive share bytes with its directory');
  if ((sorted[0]?.offset ?? directory) !== 0) throw refused('the archive has bytes that belong to no file');
  if (bytes > FREE_BYTES + size * MAX_RATIO) throw refused('the archive unpacks to far more than it is');
  return sorted.map((entry, place) => ({ ...entry, end: sorted[place + 1]?.offset ?? directory }));
}

/** Where the content begins. The header before it says the same as the directory, and nothing but a descriptor is behind it. */
async function startOf(file: ZipSource, entry: Placed): Promise<number> {
  const header = await readAt(file, entry.offset, LOCAL_BYTES);
  const nameBytes = header.readUInt16LE(26);
  const extraBytes = header.readUInt16LE(28);
  const [start, disagree] = [entry.offset + LOCAL_BYTES + nameBytes + extraBytes, `${entry.path}: the two headers of the file disagree`];
  if (header.readUInt32LE(0) !== LOCAL_HEADER || start + entry.packedBytes > entry.end) throw refused(disagree);
  const names = await readAt(file, entry.offset + LOCAL_BYTES, nameBytes + extraBytes);
  const flags = header.readUInt16LE(6);
  const isSame =
    names.toString('latin1', 0, nameBytes) === entry.path &&
    header.readUInt16LE(8) === entry.method &&
    (flags & REFUSED_FLAGS) === 0 &&
    ((flags & DESCRIPTOR_FLAG) !== 0) === entry.hasDescriptor;
  const says = (at: number, value: number): boolean => [Math.min(value, MAX_32), MAX_32].includes(header.readUInt32LE(at));
  const isSized = header.readUInt32LE(14) === entry.crc && says(18, entry.packedBytes) && says(22, entry.bytes);
  if (!isSame || (!isSized && !entry.hasDescriptor)) throw refused(disagree);
  requireExtra(names.subarray(nameBytes));
  const behind = entry.end - start - entry.packedBytes;
  if (behind === 0 && !entry.hasDescriptor) return start;
  if (!entry.hasDescriptor || !DESCRIPTOR_BYTES.has(behind)) throw refused(`${entry.path}: bytes that belong to no file are behind it`);
  const descriptor = await readAt(file, entry.end - behind, behind);
  const isSigned = behind % 8 === 0 && descriptor.readUInt32LE(0) === DESCRIPTOR;
  if (descriptor.readUInt32LE(isSigned ? 4 : 0) !== entry.crc) throw refused(disagree);
  return start;
}

async function* content(file: ZipSource, entry: Placed): AsyncGenerator<Buffer> {
  const start = await startOf(file, entry);
  const packed = pieces(file, start, entry.packedBytes);
  let bytes = 0;
  let crc = 0;
  for await (const chunk of entry.method === 0 ? packed : inflated(file, packed)) {
    bytes += chunk.length;
    if (bytes > entry.bytes) throw refused(`${entry.path} unpacks to more than it says`);
    crc = file.crc32(chunk, crc);
    yield chunk;
  }
  if (bytes !== entry.bytes || crc !== entry.crc) throw refused(`${entry.path} does not unpack to what it says`);
}

async function* inflated(file: ZipSource, packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* file.inflate(packed);
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    throw new SallyportError('SP_AUDIT_CORRUPT', 'a file of the archive cannot be unpacked', { cause });
  }
}

async function* pieces(file: ZipSource, start: number, length: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; done += CHUNK_BYTES) yield await readAt(file, start + done, Math.min(CHUNK_BYTES, length - done));
}

async function readAt(file: ZipSource, position: number, length: number): Promise<Buffer> {
  const bytes = await file.read(position, length);
  if (bytes.length !== length) throw refused('the archive ends early');
  return bytes;
}

function wide64(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw refused('the directory of the archive is damaged');
  return value;
}

const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
