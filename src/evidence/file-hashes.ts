// SHA-256 of every file of a bundle, in this thread. What cannot be read is told by file; it stops nothing.

import { createHash } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import type { BundleFiles } from './bundle-files.ts';

const PARALLEL_FILES = 4;
const ROOM_BYTES = 512 * 1024;

export interface FileHashes {
  /** Path -> SHA-256, hex. */
  readonly digests: ReadonlyMap<string, string>;
  /** Path -> why it has none. */
  readonly faults: ReadonlyMap<string, string>;
}

/** @param paths each is in one of the two maps then
 *  @param onBytes bytes hashed so far
 *  @throws faults of reading as they are */
export async function hashFiles(
  bundle: BundleFiles,
  paths: Iterable<string>,
  onBytes: (done: number) => void,
  signal?: AbortSignal,
): Promise<FileHashes> {
  const digests = new Map<string, string>();
  const faults = new Map<string, string>();
  let done = 0;
  const hashOne = async (path: string, room: Buffer): Promise<void> => {
    signal?.throwIfAborted();
    const hash = createHash('sha256');
    try {
      for await (const chunk of bundle.chunks(path, room)) {
        hash.update(chunk);
        done += chunk.length;
        onBytes(done);
      }
      digests.set(path, hash.digest('hex'));
    } catch (fault) {
      if (!(fault instanceof SallyportError)) throw fault;
      faults.set(path, fault.message);
    }
  };
  // A few at a time: the disk reads some while others are hashed.
  const waiting = paths[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: PARALLEL_FILES }, async () => {
      const room = Buffer.allocUnsafeSlow(ROOM_BYTES);
      for (let next = waiting.next(); next.done !== true; next = waiting.next()) await hashOne(next.value, room);
    }),
  );
  return { digests, faults };
}
