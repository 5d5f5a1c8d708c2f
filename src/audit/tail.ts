// The durable entries that are not in a full bundle on disk yet, as they were committed: a commit is one object, however many entries
// it has. WHY: as one view each, those of a second would be copied by every garbage collection until it is over.

import type { Slab } from './slabs.ts';

interface Piece {
  readonly first: number;
  readonly bytes: Buffer;
  /** Start and end in `bytes` of each entry, in turn. */
  readonly bounds: readonly number[];
  /** Where `bytes` lie; null = they are its own. */
  readonly slab: Slab | null;
}

export class Tail {
  #pieces: Piece[] = [];
  #start: number;
  #end: number;
  #bytes = 0;

  /** @param start index of the first entry */
  constructor(start: number, entries: readonly Buffer[]) {
    this.#start = start;
    this.#end = start;
    for (const entry of entries) this.push(entry, [0, entry.length]);
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Memory that it keeps. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param bytes not copied @param bounds start and end of each entry in it, in turn; kept
   *  @param slab kept until they are dropped; null = nobody writes to `bytes` again */
  push(bytes: Buffer, bounds: readonly number[], slab: Slab | null = null): void {
    slab?.keep();
    this.#pieces.push({ first: this.#end, bytes, bounds, slab });
    this.#end += bounds.length / 2;
    this.#bytes += bytes.length;
  }

  /** Entries [from, to), as views: valid until the next turn, or until they are dropped. */
  slice(from: number, to: number): Buffer[] {
    const entries: Buffer[] = [];
    const end = Math.min(to, this.#end);
    let at = this.#pieceOf(from);
    for (let index = Math.max(from, this.#start); index < end; at += 1) {
      const piece = this.#pieces[at];
      if (piece === undefined) break;
      const { first, bytes, bounds } = piece;
      const pieceEnd = Math.min(end, first + bounds.length / 2);
      for (; index < pieceEnd; index += 1) {
        const bound = 2 * (index - first);
        entries.push(bytes.subarray(bounds[bound], bounds[bound + 1]));
      }
    }
    return entries;
  }

  /** Forgets what lies before `start`. */
  dropBefore(start: number): void {
    const kept = this.#pieceOf(start);
    for (const { bytes, slab } of this.#pieces.splice(0, kept)) {
      this.#bytes -= bytes.length;
      slab?.release();
    }
    this.#start = start;
  }

  /** Place of the piece with an entry, or of the end. */
  #pieceOf(index: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const piece = this.#pieces[middle];
      if (piece !== undefined && piece.first + piece.bounds.length / 2 <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
