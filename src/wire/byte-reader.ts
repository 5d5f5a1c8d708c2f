// Reads one message body, bounded to its own bytes: a length or a missing terminator can never reach into the next
// message. Every fault is SP_WIRE_MALFORMED and names the kind of field, never its content.

import { SallyportError } from '../core/error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** The same bytes: texts are read out of it without a copy. */
  #buffer: Buffer | null = null;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Position from the start of the body. */
  get position(): number {
    return this.#at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A view of the next `length` bytes, not a copy. */
  bytes(length: number): Uint8Array {
    if (length < 0) throw malformed('negative length');
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The next `length` bytes as text; what is not UTF-8 in them is repaired. */
  text(length: number): string {
    if (length < 0) throw malformed('negative length');
    const start = this.#take(length);
    this.#buffer ??= Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    return this.#buffer.toString('utf8', start, start + length);
  }

  /** UTF-8 text up to a NUL byte, which is consumed. Text that is not UTF-8 is refused, not repaired. */
  cString(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) throw malformed('string without end');
    const text = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return decode(text);
  }

  /** The rest of the body. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Every byte must have been read. */
  end(): void {
    if (this.remaining !== 0) throw malformed('bytes after the last field');
  }

  #take(length: number): number {
    if (length > this.remaining) throw malformed('field beyond the end of the message');
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new SallyportError('SP_WIRE_MALFORMED', 'text is not UTF-8', { cause });
  }
}

function malformed(what: string): SallyportError {
  return new SallyportError('SP_WIRE_MALFORMED', what);
}
