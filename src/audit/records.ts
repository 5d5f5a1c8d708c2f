// What crosses from a gateway thread to the writer of the log: records in one stream of bytes, each behind its length, so that
// nothing has to be cloned object by object. Both ends are this version of this program; integers are little-endian.

import { ENTRY_TYPES } from '../core/event.ts';
import type { EntryType, Payload, PayloadKind } from '../core/event.ts';

export const RECORDS = { post: 1, append: 2, template: 3, release: 4, sync: 5, forget: 6 } as const;
export type RecordCode = (typeof RECORDS)[keyof typeof RECORDS];

const PAYLOAD_KINDS = ['statement', 'parameters', 'messages', 'result', 'justification'] as const satisfies readonly PayloadKind[];
const LENGTH_BYTES = 4;
const FIRST_BYTES = 4096;
/** A buffer that one large payload has blown up is not kept. */
const KEEP_BYTES = 1024 * 1024;

/** Encodes records one behind the other. */
export class RecordEncoder {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #record = 0;

  /** Bytes not taken yet. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** What was not taken yet; valid until the next call. */
  bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  taken(bytes: number): void {
    this.#start += bytes;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > KEEP_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  begin(code: RecordCode): void {
    this.#reserve(LENGTH_BYTES + 1);
    this.#record = this.#end;
    this.#end += LENGTH_BYTES;
    this.#buffer[this.#end++] = code;
  }

  end(): void {
    this.#buffer.writeUInt32LE(this.#end - this.#record, this.#record);
  }

  number(value: number): void {
    this.#reserve(8);
    this.#end = this.#buffer.writeDoubleLE(value, this.#end);
  }

  text(text: string): void {
    // A UTF-16 unit is at most three bytes.
    this.#reserve(LENGTH_BYTES + 3 * text.length);
    const written = this.#buffer.write(text, this.#end + LENGTH_BYTES);
    this.#buffer.writeUInt32LE(written, this.#end);
    this.#end += LENGTH_BYTES + written;
  }

  type(type: EntryType): void {
    this.#reserve(1);
    this.#buffer[this.#end++] = ENTRY_TYPES.indexOf(type);
  }

  payloads(payloads: readonly Payload[]): void {
    this.number(payloads.length);
    for (const { kind, bytes } of payloads) {
      this.#reserve(1 + LENGTH_BYTES + bytes.length);
      this.#buffer[this.#end++] = PAYLOAD_KINDS.indexOf(kind);
      this.#end = this.#buffer.writeUInt32LE(bytes.length, this.#end);
      this.#buffer.set(bytes, this.#end);
      this.#end += bytes.length;
    }
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const used = this.#end - this.#start;
    const next = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * (used + bytes)));
    this.#buffer.copy(next, 0, this.#start, this.#end);
    this.#buffer = next;
    this.#record -= this.#start;
    this.#start = 0;
    this.#end = used;
  }
}

/** Where a decoder gets its bytes. */
export interface ByteSource {
  /** Bytes that can be read now. */
  readonly available: number;
  /** Copies up to the room behind `at` into `target`. @returns bytes copied. */
  read(target: Buffer, at: number): number;
}

/** Reads records back. What a record holds is valid until the next call of `next`. */
export class RecordDecoder {
  readonly #source: ByteSource;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #start = 0;
  #end = 0;
  /** End of the record being read. */
  #recordEnd = 0;
  #at = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Moves to the next whole record. @returns its code, or null when there is none yet. */
  next(): number | null {
    this.#start = this.#recordEnd;
    if (!this.#holdsRecord()) {
      this.#fill();
      if (!this.#holdsRecord()) return null;
    }
    this.#recordEnd = this.#start + this.#buffer.readUInt32LE(this.#start);
    this.#at = this.#start + LENGTH_BYTES;
    return this.#buffer.readUInt8(this.#at++);
  }

  /** The record was not dealt with: `next` comes to it again. */
  putBack(): void {
    this.#recordEnd = this.#start;
  }

  number(): number {
    const value = this.#buffer.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  text(): string {
    return this.view().toString('utf8');
  }

  /** Bytes of a text, not copied. */
  view(): Buffer {
    const from = this.#at + LENGTH_BYTES;
    this.#at = from + this.#buffer.readUInt32LE(this.#at);
    return this.#buffer.subarray(from, this.#at);
  }

  type(): EntryType {
    const type = ENTRY_TYPES[this.#buffer.readUInt8(this.#at++)];
    if (type === undefined) throw new RangeError('no such entry type');
    return type;
  }

  payloads(): Payload[] {
    const count = this.number();
    const payloads: Payload[] = [];
    while (payloads.length < count) {
      const kind = PAYLOAD_KINDS[this.#buffer.readUInt8(this.#at++)];
      if (kind === undefined) throw new RangeError('no such payload kind');
      payloads.push({ kind, bytes: this.view() });
    }
    return payloads;
  }

  #holdsRecord(): boolean {
    const held = this.#end - this.#start;
    return held >= LENGTH_BYTES && held >= this.#buffer.readUInt32LE(this.#start);
  }

  #fill(): void {
    const held = this.#end - this.#start;
    const wanted = held >= LENGTH_BYTES ? this.#buffer.readUInt32LE(this.#start) : 0;
    const size = Math.max(FIRST_BYTES, wanted, Math.min(held + this.#source.available, KEEP_BYTES));
    const next =
      size > this.#buffer.length || (this.#buffer.length > KEEP_BYTES && size <= KEEP_BYTES) ? Buffer.allocUnsafeSlow(size) : this.#buffer;
    this.#buffer.copy(next, 0, this.#start, this.#end);
    this.#buffer = next;
    this.#start = 0;
    this.#recordEnd = 0;
    this.#end = held;
    this.#end += this.#source.read(next, held);
  }
}
