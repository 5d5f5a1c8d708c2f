// Sinks gather the small pieces that a derivation makes and deal with them in large ones; what is gathered is bounded.

import { createHash, type Hash } from 'node:crypto';
import type { Sink } from './derivation.ts';

const FLUSH_BYTES = 16 * 1024 * 1024;
const FIRST_BYTES = 4096;

/** Grows as pieces come. WHY no list of pieces: a million small objects that live until the next flush cost more than all hashing. */
interface Gathered {
  buffer: Buffer;
  length: number;
}

export abstract class GatheringSink implements Sink {
  readonly #gathered = new Map<string, Gathered>();
  #total = 0;

  write(path: string, piece: string | Uint8Array): void {
    // A UTF-16 unit is at most three bytes.
    const most = typeof piece === 'string' ? piece.length * 3 : piece.length;
    let of = this.#gathered.get(path);
    if (of === undefined) {
      of = { buffer: Buffer.allocUnsafe(Math.max(FIRST_BYTES, most)), length: 0 };
      this.#gathered.set(path, of);
    } else if (of.length + most > of.buffer.length) {
      const grown = Buffer.allocUnsafe(2 * (of.length + most));
      of.buffer.copy(grown, 0, 0, of.length);
      of.buffer = grown;
    }
    let written = piece.length;
    if (typeof piece === 'string') written = of.buffer.write(piece, of.length);
    else of.buffer.set(piece, of.length);
    of.length += written;
    this.#total += written;
    if (this.#total > FLUSH_BYTES) this.flush();
  }

  protected flush(): void {
    const total = this.#total;
    this.#total = 0;
    this.beforeFlush(total);
    for (const [path, of] of this.#gathered) {
      // What was written to since the last time probably will be again.
      if (of.length === 0) this.#gathered.delete(path);
      else this.take(path, of.buffer.subarray(0, of.length));
      of.length = 0;
    }
  }

  protected beforeFlush(_bytes: number): void {
    // Nothing to see to.
  }

  /** @param bytes valid during the call */
  protected abstract take(path: string, bytes: Buffer): void;
}

/** Keeps only the hashes. */
export class HashingSink extends GatheringSink {
  readonly #hashes = new Map<string, Hash>();

  protected override take(path: string, bytes: Buffer): void {
    let hash = this.#hashes.get(path);
    if (hash === undefined) this.#hashes.set(path, (hash = createHash('sha256')));
    hash.update(bytes);
  }

  /** Path -> SHA-256, hex. The sink takes nothing after it. */
  digests(): Map<string, string> {
    this.flush();
    return new Map([...this.#hashes].map(([path, hash]) => [path, hash.digest('hex')]));
  }
}

/** Keeps the whole text of one path. */
export class OnePathSink implements Sink {
  readonly #path: string;
  readonly #pieces: Buffer[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  write(path: string, piece: string | Uint8Array): void {
    if (path === this.#path) this.#pieces.push(Buffer.from(piece));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
