// Cuts a byte stream into frames of the shape [type: 1 byte] [length: int32, counts itself] [body].
// Pure, bounded and linear in the bytes received: a chunk is copied at most once, and only when a frame spans chunks.
// REFUSES: lengths below four and above the limit, as soon as the header is complete.

import { SallyportError } from '../core/error.ts';

export interface Frame {
  readonly type: number;
  /** Without type and length. A view: valid until the caller lets go of the chunk it came from. */
  readonly body: Uint8Array;
  /** The frame as it was received, header included. */
  readonly bytes: Uint8Array;
}

const headerBytes = 5;

export class Framer {
  readonly #maxFrameBytes: number;
  /** Header of the frame that is not complete yet. */
  readonly #header = new Uint8Array(headerBytes);
  #headerFilled = 0;
  /** The incomplete frame, allocated as its bytes arrive and never before. */
  #partial: Uint8Array | null = null;
  #partialFilled = 0;
  #expected = 0;

  /** @param maxFrameBytes largest frame, header included. */
  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Bytes of an incomplete frame that are waiting for the rest. */
  get pendingBytes(): number {
    return this.#headerFilled + Math.max(0, this.#partialFilled - headerBytes);
  }

  /** Frames completed by `chunk`, in order.
   *  @throws SP_WIRE_TOO_LARGE as soon as a header announces more than `maxFrameBytes`.
   *  @throws SP_WIRE_MALFORMED on an impossible length. After any throw, close the connection. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerFilled < headerBytes) {
        if (this.#headerFilled === 0 && chunk.length - at >= headerBytes) {
          const expected = this.#checked(chunk, at);
          if (chunk.length - at >= expected) {
            frames.push(frame(chunk.subarray(at, at + expected)));
            at += expected;
            continue;
          }
        }
        const take = Math.min(headerBytes - this.#headerFilled, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + take), this.#headerFilled);
        this.#headerFilled += take;
        at += take;
        if (this.#headerFilled < headerBytes) break;
        this.#begin(this.#checked(this.#header, 0));
      }
      at += this.#fill(chunk, at);
      this.#complete(frames);
    }
    return frames;
  }

  #complete(frames: Frame[]): void {
    if (this.#partial === null || this.#partialFilled < this.#expected) return;
    frames.push(frame(this.#partial.subarray(0, this.#expected)));
    this.#partial = null;
    this.#partialFilled = 0;
    this.#headerFilled = 0;
  }

  #begin(expected: number): void {
    this.#expected = expected;
    // WHY: grown while bytes arrive, so that announcing 64 MiB costs the peer 64 MiB and us nothing.
    this.#partial = new Uint8Array(Math.min(expected, 8192));
    this.#partial.set(this.#header);
    this.#partialFilled = headerBytes;
  }

  #fill(chunk: Uint8Array, at: number): number {
    let partial = this.#partial;
    if (partial === null) return 0;
    const take = Math.min(this.#expected - this.#partialFilled, chunk.length - at);
    const needed = this.#partialFilled + take;
    if (needed > partial.length) {
      const larger = new Uint8Array(Math.min(this.#expected, Math.max(partial.length * 2, needed)));
      larger.set(partial.subarray(0, this.#partialFilled));
      partial = larger;
      this.#partial = larger;
    }
    partial.set(chunk.subarray(at, at + take), this.#partialFilled);
    this.#partialFilled = needed;
    return take;
  }

  #checked(bytes: Uint8Array, at: number): number {
    const length = readInt32(bytes, at + 1);
    if (length < 4) throw new SallyportError('SP_WIRE_MALFORMED', 'impossible frame length');
    if (length + 1 > this.#maxFrameBytes) throw new SallyportError('SP_WIRE_TOO_LARGE', 'frame over the limit');
    return length + 1;
  }
}

function frame(bytes: Uint8Array): Frame {
  return { type: bytes[0] ?? 0, body: bytes.subarray(headerBytes), bytes };
}

/** Signed big-endian 32 bits at `at`; absent bytes count as zero. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}
