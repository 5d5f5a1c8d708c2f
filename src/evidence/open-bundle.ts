// A bundle on disk: a folder or a ZIP.
// REFUSES: links and other things that are no files, names that lead elsewhere.

import { lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { SallyportError } from '../core/error.ts';
import type { BundleFiles } from './bundle-files.ts';
import { isBundlePath, MAX_FILES } from './sums.ts';
import { openZip } from './zip-reader.ts';

const PIECE_BYTES = 1024 * 1024;

/** @throws SP_AUDIT_CORRUPT when it is neither, or not one that may be opened. */
export async function openBundle(path: string): Promise<BundleFiles> {
  return (await stat(path)).isDirectory() ? openFolder(path) : openArchive(path);
}

export async function openArchive(path: string): Promise<BundleFiles> {
  const file = await open(path, 'r');
  const close = (): Promise<void> => file.close();
  let size: number;
  try {
    ({ size } = await file.stat());
  } catch (fault) {
    await close();
    throw fault;
  }
  const read = async (position: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, position);
    return bytes.subarray(0, bytesRead);
  };
  return openZip({ size, read, inflate, crc32, close });
}

async function* inflate(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unpacked = createInflateRaw();
  const source = Readable.from(packed);
  source.once('error', (fault) => unpacked.destroy(fault));
  try {
    for await (const chunk of source.pipe(unpacked)) yield chunk as Buffer;
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}

async function openFolder(root: string): Promise<BundleFiles> {
  const files = new Map<string, number>();
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (!isBundlePath(path)) throw refused('a file has a name that no bundle has');
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) files.set(path, (await lstat(join(root, path))).size);
      else throw refused(`${path} is a link or something else that is no file`);
      if (files.size > MAX_FILES) throw refused('the bundle has too many files');
    }
  };
  await walk('');
  return {
    files,
    async *chunks(path, room) {
      const bytes = files.get(path);
      if (bytes === undefined) throw refused(`${path} is missing`);
      yield* pieces(join(root, path), bytes, room);
    },
    close: async () => undefined,
  };
}

/** The file as it is now. WHY not a stream: that takes a megabyte for each small file, and half of the time goes into collecting them.
 *  @param expected bytes that it had when it was listed */
async function* pieces(path: string, expected: number, room?: Buffer): AsyncGenerator<Buffer> {
  const file = await open(path);
  try {
    for (let left = expected; ; left -= PIECE_BYTES) {
      // One more than there should be, to see the end.
      const piece = room ?? Buffer.allocUnsafeSlow(Math.max(4096, Math.min(PIECE_BYTES, left + 1)));
      let length = 0;
      while (length < piece.length) {
        const { bytesRead } = await file.read(piece, length, piece.length - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > 0) yield piece.subarray(0, length);
      if (length < piece.length) return;
    }
  } finally {
    await file.close();
  }
}

const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
