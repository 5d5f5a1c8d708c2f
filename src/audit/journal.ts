// Journal segments: where an entry first becomes durable. A commit is a run of records written and synced together;
// the last record of a commit is flagged. Format: docs/formats/log.md, "Journal". Codec and scan; no policy.

import { crc32 } from 'node:zlib';
import { SallyportError } from '../core/error.ts';
import type { DiskFile } from './disk.ts';

export const SEGMENT_HEADER_BYTES = 20;
export const RECORD_HEADER_BYTES = 17;
const SEGMENT_MAGIC = Buffer.from('SPJRNL1\n');
const RECORD_MAGIC = Buffer.from([0xa5, 0x53, 0x50, 0x52]);
const LAST_OF_COMMIT = 0x80;
const WINDOW_BYTES = 1024 * 1024;
const MAX_RECORD_BYTES = 256 * 1024 * 1024;

const KINDS = { entry: 1, blob: 2 } as const;
export type RecordKind = keyof typeof KINDS;

export interface JournalRecord {
  readonly kind: RecordKind;
  readonly bytes: Buffer;
  /** Number of the commit in its segment, from 0. */
  readonly commit: number;
  readonly last: boolean;
  /** Position of `bytes` in the segment. */
  readonly offset: number;
}

export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(16, '0')}.journal`;
}

/** @returns first index of a segment by its file name, or null. */
export function segmentFirstSeq(name: string): number | null {
  return /^[0-9]{16}\.journal$/.test(name) ? Number(name.slice(0, 16)) : null;
}

export function encodeSegmentHeader(firstSeq: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(header);
  header.writeBigUInt64BE(BigInt(firstSeq), 8);
  header.writeUInt32BE(crc32(header.subarray(0, 16)), 16);
  return header;
}

export async function readSegmentHeader(file: DiskFile): Promise<number> {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const read = await file.read(header, 0);
  if (
    read < SEGMENT_HEADER_BYTES ||
    !header.subarray(0, 8).equals(SEGMENT_MAGIC) ||
    header.readUInt32BE(16) !== crc32(header.subarray(0, 16))
  ) {
    throw new SallyportError('SP_AUDIT_CORRUPT', 'a journal segment has no valid header');
  }
  return Number(header.readBigUInt64BE(8));
}

/** Writes the header of the record whose content lies from `at + RECORD_HEADER_BYTES` to `end`. */
export function writeRecordHeader(buffer: Buffer, at: number, end: number, kind: RecordKind, commit: number, last: boolean): void {
  RECORD_MAGIC.copy(buffer, at);
  buffer.writeUInt32BE(commit, at + 8);
  buffer.writeUInt32BE(end - at - RECORD_HEADER_BYTES, at + 12);
  buffer[at + 16] = KINDS[kind] | (last ? LAST_OF_COMMIT : 0);
  buffer.writeUInt32BE(crc32(buffer.subarray(at + 8, end)), at + 4);
}

/** A bounded window over a file, so that scanning needs no whole segment in memory. */
class Window {
  readonly #file: DiskFile;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Up to `length` bytes at `position`; fewer only at the end of the file. Valid after later calls too. */
  async at(position: number, length: number): Promise<Buffer> {
    const from = position - this.#start;
    if (from < 0 || from + length > this.#bytes.length) {
      const next = Buffer.allocUnsafe(Math.max(length, WINDOW_BYTES));
      this.#bytes = next.subarray(0, await this.#file.read(next, position));
      this.#start = position;
      return this.#bytes.subarray(0, length);
    }
    return this.#bytes.subarray(from, from + length);
  }
}

async function recordAt(window: Window, position: number): Promise<JournalRecord | null> {
  const header = await window.at(position, RECORD_HEADER_BYTES);
  if (header.length < RECORD_HEADER_BYTES || !header.subarray(0, 4).equals(RECORD_MAGIC)) return null;
  const checksum = header.readUInt32BE(4);
  const commit = header.readUInt32BE(8);
  const length = header.readUInt32BE(12);
  const flags = header.readUInt8(16);
  const kind = (flags & ~LAST_OF_COMMIT) === KINDS.entry ? 'entry' : (flags & ~LAST_OF_COMMIT) === KINDS.blob ? 'blob' : null;
  if (kind === null || length > MAX_RECORD_BYTES) return null;
  const seed = crc32(header.subarray(8));
  const bytes = await window.at(position + RECORD_HEADER_BYTES, length);
  if (bytes.length < length || crc32(bytes, seed) !== checksum) return null;
  return { kind, bytes, commit, last: (flags & LAST_OF_COMMIT) !== 0, offset: position + RECORD_HEADER_BYTES };
}

/** Valid records from the start of the segment up to the first that is not. */
export async function* readRecords(file: DiskFile): AsyncGenerator<JournalRecord> {
  const window = new Window(file);
  let position = SEGMENT_HEADER_BYTES;
  for (;;) {
    const record = await recordAt(window, position);
    if (record === null) return;
    yield record;
    position = record.offset + record.bytes.length;
  }
}

/** Tells a torn tail from damage. A commit is written only after the one before is synced, so a valid record of
 *  commit `commit` or later behind `position` proves that what is broken there had been durable. */
export async function hasCommitAfter(file: DiskFile, position: number, commit: number): Promise<boolean> {
  const window = new Window(file);
  let at = position;
  for (;;) {
    const bytes = await window.at(at, WINDOW_BYTES);
    if (bytes.length < RECORD_HEADER_BYTES) return false;
    const found = bytes.indexOf(RECORD_MAGIC);
    if (found < 0) {
      at += bytes.length - RECORD_MAGIC.length + 1;
      continue;
    }
    // A window of its own: the candidate may claim a length that would throw this one away.
    const record = await recordAt(new Window(file), at + found);
    if (record !== null && record.commit >= commit) return true;
    at += found + 1;
  }
}
