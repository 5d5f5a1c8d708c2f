// A bundle as one ZIP. Deterministic: files in order of name, one fixed time, and stored, not deflated: what a compressor makes of the
// same bytes differs between versions and processors.

import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { StagedFile } from './stage.ts';
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

/** 1980-01-01 00:00, the least that the format can say. */
const DOS_DATE = 0x0021;
const UNIX_FILE = (0o100644 << 16) >>> 0;
const VERSION = 45;
const CHUNK_BYTES = 1024 * 1024;

type Named = Omit<StagedFile, 'sha256'>;

/** @param folder where the files are. */
export function zipOf(folder: string, files: readonly StagedFile[]): AsyncGenerator<Buffer> {
  return zipFrom(files, async function* ({ path, bytes }) {
    const full = join(folder, path);
    if (bytes <= CHUNK_BYTES) yield await readFile(full);
    else for await (const chunk of createReadStream(full, { highWaterMark: CHUNK_BYTES })) yield chunk as Buffer;
  });
}

/** @param read the content of a file; not asked for that of an empty one */
export async function* zipFrom(files: readonly Named[], read: (file: Named) => AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const central: Buffer[] = [];
  let offset = 0;
  for (const file of sorted) {
    central.push(centralHeader(file, offset));
    const header = localHeader(file);
    yield header;
    let length = 0;
    if (file.bytes > 0) {
      for await (const chunk of read(file)) {
        length += chunk.length;
        yield chunk;
      }
    }
    if (length !== file.bytes) throw new SallyportError('SP_INTERNAL', `${file.path} changed while it was packed`);
    offset += header.length + file.bytes;
  }
  let size = 0;
  for (const header of central) {
    size += header.length;
    yield header;
  }
  yield endRecords(sorted.length, offset, size);
}

function localHeader({ path, bytes, crc32 }: Named): Buffer {
  const is64 = bytes >= MAX_32;
  const header = Buffer.alloc(LOCAL_BYTES);
  header.writeUInt32LE(LOCAL_HEADER, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(DOS_DATE, 12);
  header.writeUInt32LE(crc32, 14);
  header.writeUInt32LE(is64 ? MAX_32 : bytes, 18);
  header.writeUInt32LE(is64 ? MAX_32 : bytes, 22);
  header.writeUInt16LE(path.length, 26);
  const extra = is64 ? extra64([bytes, bytes]) : Buffer.alloc(0);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, Buffer.from(path, 'ascii'), extra]);
}

function centralHeader({ path, bytes, crc32 }: Named, offset: number): Buffer {
  const wide = [...(bytes >= MAX_32 ? [bytes, bytes] : []), ...(offset >= MAX_32 ? [offset] : [])];
  const extra = wide.length === 0 ? Buffer.alloc(0) : extra64(wide);
  const header = Buffer.alloc(CENTRAL_BYTES);
  header.writeUInt32LE(CENTRAL_HEADER, 0);
  // Made on Unix, so that the permissions count.
  header.writeUInt16LE((3 << 8) | VERSION, 4);
  header.writeUInt16LE(VERSION, 6);
  header.writeUInt16LE(DOS_DATE, 14);
  header.writeUInt32LE(crc32, 16);
  header.writeUInt32LE(Math.min(bytes, MAX_32), 20);
  header.writeUInt32LE(Math.min(bytes, MAX_32), 24);
  header.writeUInt16LE(path.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(UNIX_FILE, 38);
  header.writeUInt32LE(Math.min(offset, MAX_32), 42);
  return Buffer.concat([header, Buffer.from(path, 'ascii'), extra]);
}

function extra64(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(EXTRA_64, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [at, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * at);
  return extra;
}

function endRecords(count: number, offset: number, size: number): Buffer {
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(END_RECORD, 0);
  end.writeUInt16LE(Math.min(count, MAX_16), 8);
  end.writeUInt16LE(Math.min(count, MAX_16), 10);
  end.writeUInt32LE(Math.min(size, MAX_32), 12);
  end.writeUInt32LE(Math.min(offset, MAX_32), 16);
  if (count < MAX_16 && size < MAX_32 && offset < MAX_32) return end;
  const wide = Buffer.alloc(END_64_BYTES);
  wide.writeUInt32LE(END_RECORD_64, 0);
  wide.writeBigUInt64LE(BigInt(END_64_BYTES - 12), 4);
  wide.writeUInt16LE((3 << 8) | VERSION, 12);
  wide.writeUInt16LE(VERSION, 14);
  wide.writeBigUInt64LE(BigInt(count), 24);
  wide.writeBigUInt64LE(BigInt(count), 32);
  wide.writeBigUInt64LE(BigInt(size), 40);
  wide.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(LOCATOR_BYTES);
  locator.writeUInt32LE(END_LOCATOR_64, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([wide, locator, end]);
}
