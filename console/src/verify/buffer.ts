// What the verifier uses of Node's `Buffer`, for browsers; console/build.ts puts it in its place. The types of the verifier in a browser
// (tsconfig.json here) know nothing else, so that a use of more is a fault of the type check; the tests compare it with Node's.

type Encoding = 'utf8' | 'latin1' | 'hex' | 'base64';
type SourceEncoding = Encoding | 'ascii' | 'utf16le';

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Code of a character -> its six bits. */
const SIX_BITS = new Map([...BASE64, '-', '_'].map((mark, at) => [mark.charCodeAt(0), at < 64 ? at : at - 2]));
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** Arguments of one call. */
const MAX_CODES = 8192;

export class Bytes extends Uint8Array {
  override subarray(start?: number, end?: number): Bytes {
    return super.subarray(start, end) as Bytes;
  }

  override toString(encoding: Encoding = 'utf8', start = 0, end = this.length): string {
    const bytes = start === 0 && end === this.length ? this : this.subarray(start, Math.max(start, end));
    switch (encoding) {
      case 'utf8':
        return decoder.decode(bytes);
      case 'latin1':
        return latin1(bytes);
      case 'hex': {
        let text = '';
        for (const byte of bytes) text += HEX[byte];
        return text;
      }
      case 'base64':
        return btoa(latin1(bytes));
    }
  }

  /** @returns bytes written; characters that do not fit whole are not */
  write(text: string, offset = 0, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    if (encoding === 'utf8') return encoder.encodeInto(text, this.subarray(offset)).written;
    const length = Math.max(0, Math.min(text.length, this.length - offset));
    for (let at = 0; at < length; at += 1) this[offset + at] = text.charCodeAt(at);
    return length;
  }

  /** @returns bytes copied: no more than there is room for */
  copy(target: Uint8Array, targetStart = 0, start = 0, end = this.length): number {
    const source = this.subarray(start, Math.min(end, start + target.length - targetStart));
    target.set(source, targetStart);
    return source.length;
  }

  readUInt16BE(at: number): number {
    return this.#byte(at) * 0x100 + this.#byte(at + 1);
  }

  /** @returns where it ends */
  writeUInt16BE(value: number, at = 0): number {
    this[at] = value >> 8;
    this[at + 1] = value;
    return at + 2;
  }

  readUInt16LE(at: number): number {
    return this.#byte(at) + this.#byte(at + 1) * 0x100;
  }

  readUInt32LE(at: number): number {
    return this.readUInt16LE(at) + this.readUInt16LE(at + 2) * 0x10000;
  }

  readBigUInt64LE(at: number): bigint {
    return BigInt(this.readUInt32LE(at)) + (BigInt(this.readUInt32LE(at + 4)) << 32n);
  }

  readBigUInt64BE(at: number): bigint {
    let value = 0n;
    for (let next = at; next < at + 8; next += 2) value = (value << 16n) + BigInt(this.readUInt16BE(next));
    return value;
  }

  swap16(): this {
    for (let at = 0; at + 1 < this.length; at += 2) {
      const first = this.#byte(at);
      this[at] = this.#byte(at + 1);
      this[at + 1] = first;
    }
    return this;
  }

  #byte(at: number): number {
    const byte = this[at];
    if (byte === undefined) throw new RangeError('outside of the bytes');
    return byte;
  }
}

function latin1(bytes: Uint8Array): string {
  if (bytes.length <= MAX_CODES) return String.fromCharCode(...bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += MAX_CODES) text += String.fromCharCode(...bytes.subarray(at, at + MAX_CODES));
  return text;
}

const over = (bytes: Uint8Array): Bytes => new Bytes(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);

function fromText(text: string, encoding: SourceEncoding): Bytes {
  switch (encoding) {
    case 'utf8':
      return over(encoder.encode(text));
    case 'ascii':
    case 'latin1':
      return fromUnits(text);
    case 'utf16le': {
      const bytes = new Bytes(2 * text.length);
      for (let at = 0; at < text.length; at += 1) {
        const unit = text.charCodeAt(at);
        bytes[2 * at] = unit;
        bytes[2 * at + 1] = unit >> 8;
      }
      return bytes;
    }
    case 'hex': {
      // Ends where it is no longer hexadecimal.
      const digits = /^(?:[0-9a-f]{2})*/i.exec(text)?.[0] ?? '';
      const bytes = new Bytes(digits.length / 2);
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
      return bytes;
    }
    case 'base64':
      return fromBase64(text);
  }
}

/** The lower half of each UTF-16 unit. */
function fromUnits(text: string): Bytes {
  const bytes = new Bytes(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Both alphabets; what is in none of them is passed over, and the first `=` ends it. */
function fromBase64(text: string): Bytes {
  const bytes = new Bytes(Math.ceil((text.length * 3) / 4));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x3d) break;
    const six = SIX_BITS.get(code);
    if (six === undefined) continue;
    held = ((held << 6) | six) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length] = held >> bits;
    length += 1;
  }
  return bytes.subarray(0, length);
}

function from(text: string, encoding?: SourceEncoding): Bytes;
function from(buffer: ArrayBufferLike, offset: number, length: number): Bytes;
/** Copies. */
function from(bytes: Uint8Array | string): Bytes;
function from(source: string | ArrayBufferLike | Uint8Array, how?: string | number, length?: number): Bytes {
  if (typeof source === 'string') return fromText(source, (how ?? 'utf8') as SourceEncoding);
  if (source instanceof Uint8Array) return new Bytes(source);
  return new Bytes(source as ArrayBuffer, how as number, length);
}

function concat(list: readonly Uint8Array[]): Bytes {
  const all = new Bytes(list.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of list) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

function compare(a: Uint8Array, b: Uint8Array): -1 | 0 | 1 {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at += 1;
  const [left, right] = at < length ? [a[at] ?? 0, b[at] ?? 0] : [a.length, b.length];
  return left === right ? 0 : left < right ? -1 : 1;
}

const alloc = (length: number): Bytes => new Bytes(length);

export const Buffer = {
  alloc,
  allocUnsafe: alloc,
  allocUnsafeSlow: alloc,
  from,
  of: (...bytes: number[]): Bytes => Bytes.from(bytes) as Bytes,
  concat,
  compare,
};
