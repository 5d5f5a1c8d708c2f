// Where sealed payloads lie in a file: hash, position and length of each, as the rows of a pack's index. WHY bytes and no objects:
// a segment has some ten thousand, which would live just long enough for every garbage collection to copy them.

const HASH_BYTES = 32;
/** SHA-256, position (uint64), length (uint32), big-endian. */
export const ROW_BYTES = HASH_BYTES + 8 + 4;
const FIRST_ROWS = 64;
/** Rows that can be sorted at once: their number beside four bytes of the hash in a double. */
const MAX_SORTED = 2 ** 21;

export interface BlobPlace {
  readonly sha256: string;
  /** Position and length in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export class BlobTable {
  #rows: Buffer;
  #count: number;

  /** @param rows whole rows; kept, not copied */
  constructor(rows: Buffer = Buffer.alloc(0)) {
    this.#rows = rows;
    this.#count = rows.length / ROW_BYTES;
  }

  get count(): number {
    return this.#count;
  }

  /** All rows; valid until `add`. */
  get rows(): Buffer {
    return this.#rows.subarray(0, this.#count * ROW_BYTES);
  }

  /** @param sha256 64 hex digits */
  add(sha256: string, offset: number, bytes: number): void {
    const at = this.#count * ROW_BYTES;
    if (at === this.#rows.length) {
      const grown = Buffer.alloc(Math.max(FIRST_ROWS * ROW_BYTES, 2 * at));
      this.#rows.copy(grown);
      this.#rows = grown;
    }
    this.#rows.write(sha256, at, 'hex');
    this.#put(at, offset, bytes);
    this.#count += 1;
  }

  sha256(index: number): string {
    return this.#rows.toString('hex', index * ROW_BYTES, index * ROW_BYTES + HASH_BYTES);
  }

  hasHash(index: number, hash: Uint8Array): boolean {
    const at = index * ROW_BYTES;
    return this.#rows.compare(hash, 0, HASH_BYTES, at, at + HASH_BYTES) === 0;
  }

  offset(index: number): number {
    const at = index * ROW_BYTES + HASH_BYTES;
    return this.#rows.readUInt16BE(at) * 2 ** 48 + this.#rows.readUIntBE(at + 2, 6);
  }

  bytes(index: number): number {
    return this.#rows.readUInt32BE(index * ROW_BYTES + HASH_BYTES + 8);
  }

  /** Looks at every row. */
  find(sha256: string): BlobPlace | null {
    const hash = Buffer.from(sha256, 'hex');
    for (let index = 0; index < this.#count; index += 1) {
      if (this.hasHash(index, hash)) return { sha256, offset: this.offset(index), bytes: this.bytes(index) };
    }
    return null;
  }

  /** The same blobs, one behind the other from `start` in the order of the table. */
  packedFrom(start: number): BlobTable {
    const packed = new BlobTable(Buffer.from(this.rows));
    let offset = start;
    for (let index = 0; index < this.#count; index += 1) {
      packed.#put(index * ROW_BYTES, offset, this.bytes(index));
      offset += this.bytes(index);
    }
    return packed;
  }

  byOffset(): BlobTable {
    return this.#sorted(
      (index) => this.offset(index),
      (a, b) => this.offset(a) - this.offset(b),
    );
  }

  byHash(): BlobTable {
    return this.#sorted(
      (index) => this.#rows.readUInt32BE(index * ROW_BYTES),
      (a, b) => this.#rows.compare(this.#rows, b * ROW_BYTES, (b + 1) * ROW_BYTES, a * ROW_BYTES, (a + 1) * ROW_BYTES),
    );
  }

  /** @param key settles nearly all comparisons. WHY: numbers are sorted twenty times as fast as by a function that compares. */
  #sorted(key: (index: number) => number, compare: (a: number, b: number) => number): BlobTable {
    const keys = Float64Array.from({ length: this.#count }, (_, index) => key(index) * MAX_SORTED + index);
    const order = Uint32Array.from(keys.keys());
    if (this.#count > MAX_SORTED || keys.some((each) => each > Number.MAX_SAFE_INTEGER)) order.sort(compare);
    else {
      keys.sort();
      for (const [place, each] of keys.entries()) order[place] = each % MAX_SORTED;
      const keyAt = (place: number): number => Math.floor((keys[place] ?? -1) / MAX_SORTED);
      for (let from = 0; from < order.length;) {
        let to = from + 1;
        while (to < order.length && keyAt(to) === keyAt(from)) to += 1;
        if (to - from > 1) order.subarray(from, to).sort(compare);
        from = to;
      }
    }
    const rows = Buffer.allocUnsafe(this.#count * ROW_BYTES);
    for (const [place, index] of order.entries()) this.#rows.copy(rows, place * ROW_BYTES, index * ROW_BYTES, (index + 1) * ROW_BYTES);
    return new BlobTable(rows);
  }

  #put(at: number, offset: number, bytes: number): void {
    this.#rows.writeUInt16BE(0, at + HASH_BYTES);
    this.#rows.writeUIntBE(offset, at + HASH_BYTES + 2, 6);
    this.#rows.writeUInt32BE(bytes, at + HASH_BYTES + 8);
  }
}
