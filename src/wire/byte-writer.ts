// Builds messages: a growing buffer, big-endian fields, and lengths patched in once they are known.

import { SallyportError } from '../core/error.ts';

const encoder = new TextEncoder();

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#at;
  }

  uint8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.#grow(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
    return this;
  }

  uint32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** UTF-8 text and a NUL byte. @throws SP_WIRE_MALFORMED when the text has a NUL of its own. */
  cString(text: string): this {
    if (text.includes('\0')) throw new SallyportError('SP_WIRE_MALFORMED', 'text with a NUL character');
    return this.bytes(encoder.encode(text)).uint8(0);
  }

  /** Overwrites four bytes written before. */
  patchInt32(at: number, value: number): this {
    this.#view.setInt32(at, value);
    return this;
  }

  /** What was written so far; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #grow(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, at + length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#at = at + length;
    return at;
  }
}
