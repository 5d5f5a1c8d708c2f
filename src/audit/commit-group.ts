// The next commit while it is put together: journal records one behind the other in one buffer, ready for a single write.
// Entries stay where they are encoded: readers and the publisher see them as views. Buffers are taken from slabs; a slab is
// freed when nobody looks at its entries any more.

import { RECORD_HEADER_BYTES, writeRecordHeader } from './journal.ts';
import type { BlobPlace } from './blob-table.ts';

const SLAB_BYTES = 1024 * 1024;

export class CommitGroup {
  /** Number of the commit in its segment. */
  readonly #commit: () => number;
  #slab = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** Start of the record being written. */
  #record = 0;
  /** Start and end of the content of every entry, from `#start`. */
  #entries: number[] = [];
  #blobs: BlobPlace[] = [];

  constructor(commit: () => number) {
    this.#commit = commit;
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

  /** Closes the commit. Valid until `reset`; the bytes stay.
   *  @returns all of its bytes; where each entry begins and ends in them, in turn; positions of blobs are from their start. */
  close(): { readonly bytes: Buffer; readonly bounds: readonly number[]; readonly blobs: readonly BlobPlace[] } {
    // The last record is an entry, and the only one that says so.
    writeRecordHeader(this.#slab, this.#record, this.#end, 'entry', this.#commit(), true);
    return { bytes: this.#slab.subarray(this.#start, this.#end), bounds: this.#entries, blobs: this.#blobs };
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
    const next = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (used + bytes)));
    this.#slab.copy(next, 0, this.#start, this.#end);
    this.#slab = next;
    this.#start = 0;
    this.#end = used;
  }
}
