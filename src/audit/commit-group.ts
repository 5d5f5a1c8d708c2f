// The next commit while it is put together: journal records one behind the other in one buffer, ready for a single write.
// Entries stay where they are encoded: readers and the publisher see them as views. Buffers are taken from slabs (slabs.ts).

import { RECORD_HEADER_BYTES, writeRecordHeader } from './journal.ts';
import type { BlobPlace } from './blob-table.ts';
import type { Slab, Slabs } from './slabs.ts';

export class CommitGroup {
  /** Number of the commit in its segment. */
  readonly #commit: () => number;
  readonly #slabs: Slabs;
  #owner: Slab;
  #slab: Buffer;
  #start = 0;
  #end = 0;
  /** Start of the record being written. */
  #record = 0;
  /** Start and end of the content of every entry, from `#start`. */
  #entries: number[] = [];
  #blobs: BlobPlace[] = [];

  constructor(commit: () => number, slabs: Slabs) {
    this.#commit = commit;
    this.#slabs = slabs;
    this.#owner = slabs.take(0);
    this.#slab = this.#owner.bytes;
  }

  get entries(): number {
    return this.#entries.length / 2;
  }

  get bytes(): number {
    return this.#end - this.#start;
  }

  /** Begins a record whose content takes at most `most` bytes. */
  begin(most: number): void {
    this.#reserve(RECORD_HEADER_BYTES + most);
    this.#record = this.#end;
    this.#end += RECORD_HEADER_BYTES;
  }

  /** ASCII only. */
  text(text: string): void {
    this.#end += this.#slab.write(text, this.#end, 'latin1');
  }

  copy(bytes: Buffer, from = 0, to = bytes.length): void {
    this.#end += bytes.copy(this.#slab, this.#end, from, to);
  }

  endEntry(): void {
    this.#entries.push(this.#record + RECORD_HEADER_BYTES - this.#start, this.#end - this.#start);
    writeRecordHeader(this.#slab, this.#record, this.#end, 'entry', this.#commit(), false);
  }

  /** Adds a payload of exactly `bytes` bytes, which `fill` writes. @returns what `fill` returns. */
  blob<Ref extends { readonly sha256: string }>(bytes: number, fill: (target: Buffer, at: number) => Ref): Ref {
    this.begin(bytes);
    const at = this.#end;
    const ref = fill(this.#slab, at);
    this.#end += bytes;
    this.#blobs.push({ sha256: ref.sha256, offset: at - this.#start, bytes });
    writeRecordHeader(this.#slab, this.#record, this.#end, 'blob', this.#commit(), false);
    return ref;
  }

  /** Closes the commit. Valid until `reset`; the bytes stay for as long as their slab is kept.
   *  @returns all of its bytes; where each entry begins and ends in them, in turn; positions of blobs are from their start. */
  close(): { readonly bytes: Buffer; readonly bounds: readonly number[]; readonly blobs: readonly BlobPlace[]; readonly slab: Slab } {
    // The last record is an entry, and the only one that says so.
    writeRecordHeader(this.#slab, this.#record, this.#end, 'entry', this.#commit(), true);
    return { bytes: this.#slab.subarray(this.#start, this.#end), bounds: this.#entries, blobs: this.#blobs, slab: this.#owner };
  }

  /** Goes on behind the commit that was closed. */
  reset(): void {
    this.#start = this.#end;
    this.#entries = [];
    this.#blobs = [];
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    const used = this.#end - this.#start;
    // A large commit moves a few times only: each slab is at least twice what it has to hold.
    const next = this.#slabs.take(2 * (used + bytes));
    this.#slab.copy(next.bytes, 0, this.#start, this.#end);
    this.#owner.release();
    this.#owner = next;
    this.#slab = next.bytes;
    this.#start = 0;
    this.#end = used;
  }
}
