// The files of a bundle as a verifier reads them: a folder or a ZIP, by name, in pieces.
// REFUSES: links and other things that are no files, names that lead elsewhere.

import { lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { isBundlePath, MAX_FILES } from './sums.ts';
import { openZip } from './zip-reader.ts';

const PIECE_BYTES = 1024 * 1024;

export interface BundleFiles {
  /** Path -> length. */
  readonly files: ReadonlyMap<string, number>;
  /** @throws SP_AUDIT_CORRUPT when the file is not there or does not come out as it should. */
  chunks(path: string): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** @throws SP_AUDIT_CORRUPT when it is neither, or not one that may be opened. */
export async function openBundle(path: string): Promise<BundleFiles> {
  return (await stat(path)).isDirectory() ? openFolder(path) : openZip(path);
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
    async *chunks(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw refused(`${path} is missing`);
      yield* pieces(join(root, path), bytes);
    },
    close: async () => undefined,
  };
}

/** The file as it is now. WHY not a stream: that takes a megabyte for each small file, and half of the time goes into collecting them.
 *  @param expected bytes that it had when it was listed */
async function* pieces(path: string, expected: number): AsyncGenerator<Buffer> {
  const file = await open(path);
  try {
    for (let left = expected; ; left -= PIECE_BYTES) {
      // One more than there should be, to see the end.
      const piece = Buffer.allocUnsafeSlow(Math.max(4096, Math.min(PIECE_BYTES, left + 1)));
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

/** Whole content. @throws SP_AUDIT_CORRUPT when there is more than `maxBytes`. */
export async function readFileOf(bundle: BundleFiles, path: string, maxBytes: number): Promise<Buffer> {
  if ((bundle.files.get(path) ?? 0) > maxBytes) throw refused(`${path} is larger than it can be`);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bundle.chunks(path)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw refused(`${path} is larger than it can be`);
    pieces.push(chunk);
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
