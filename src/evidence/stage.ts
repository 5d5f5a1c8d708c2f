// Writes the files of a bundle into a new folder and knows their hashes.
// REFUSES: to fill the disk that the audit log needs.

import { createHash, type Hash } from 'node:crypto';
import { appendFileSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SallyportError } from '../core/error.ts';
import { GatheringSink } from './sinks.ts';
import { isBundlePath } from './sums.ts';

export interface StagedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly crc32: number;
}

interface Written {
  readonly hash: Hash;
  crc: number;
  bytes: number;
}

export class Stage extends GatheringSink {
  readonly #folder: string;
  readonly #files = new Map<string, Written>();
  readonly #closed: StagedFile[] = [];
  readonly #folders = new Set<string>();
  readonly #reserveBytes: number;

  /** @param folder exists and is empty. @param reserveBytes of its disk that stay free */
  constructor(folder: string, reserveBytes: number) {
    super();
    this.#folder = folder;
    this.#reserveBytes = reserveBytes;
  }

  /** All files so far. After it no piece of them may come.
   *  @throws SP_STORE_UNAVAILABLE when the disk gets too full, also from `write` */
  close(): readonly StagedFile[] {
    this.flush();
    for (const [path, { hash, bytes, crc }] of this.#files) this.#closed.push({ path, bytes, sha256: hash.digest('hex'), crc32: crc });
    this.#files.clear();
    return this.#closed;
  }

  protected override beforeFlush(bytes: number): void {
    if (this.#reserveBytes === 0) return;
    const { bavail, bsize } = statfsSync(this.#folder);
    if (bavail * bsize < this.#reserveBytes + bytes) {
      throw new SallyportError('SP_STORE_UNAVAILABLE', 'the bundle would leave too little room on the disk');
    }
  }

  protected override take(path: string, bytes: Buffer): void {
    let file = this.#files.get(path);
    const full = join(this.#folder, path);
    if (file === undefined) {
      if (!isBundlePath(path)) throw new SallyportError('SP_INTERNAL', 'a file of a bundle has a name that no bundle may have');
      this.#files.set(path, (file = { hash: createHash('sha256'), crc: 0, bytes: 0 }));
      this.#makeFolder(dirname(full));
      writeFileSync(full, bytes, { flag: 'wx', mode: 0o600 });
    } else appendFileSync(full, bytes);
    file.hash.update(bytes);
    file.crc = crc32(bytes, file.crc);
    file.bytes += bytes.length;
  }

  #makeFolder(folder: string): void {
    if (this.#folders.has(folder)) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folders.add(folder);
  }
}
