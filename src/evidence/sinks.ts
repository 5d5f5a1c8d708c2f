// Sinks gather the small pieces that a derivation makes and deal with them in large ones; what is gathered is bounded.

import { createHash, type Hash } from 'node:crypto';
import type { Sink } from './derivation.ts';

const FLUSH_BYTES = 16 * 1024 * 1024;

export abstract class GatheringSink implements Sink {
  #pieces = new Map<string, Buffer[]>();
  #gathered = 0;

  write(path: string, piece: string | Uint8Array): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    const pieces = this.#pieces.get(path);
    if (pieces === undefined) this.#pieces.set(path, [bytes]);
    else pieces.push(bytes);
    this.#gathered += bytes.length;
    if (this.#gathered > FLUSH_BYTES) this.flush();
  }

  protected flush(): void {
    const gathered = this.#pieces;
    const bytes = this.#gathered;
    this.#pieces = new Map();
    this.#gathered = 0;
    this.beforeFlush(bytes);
    for (const [path, pieces] of gathered) this.take(path, pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces));
  }

  protected beforeFlush(_bytes: number): void {
    // Nothing to see to.
  }

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
