// Walks the upstream's bytes without making an object per row: DataRow and CopyData go through as slices of the chunk
// they arrived in, every other message is handed over whole. Linear, bounded: rows are never collected.
// REFUSES: impossible lengths, and messages other than rows above `maxMessageBytes`. Rows above a limit of their own are
// announced and dropped.

import { SallyportError } from '../../core/error.ts';
import { readInt32 } from '../../wire/framer.ts';
import { UPSTREAM } from './messages.ts';

export interface ScannerSink {
  /** Called once per row, before its bytes, with the full length of the frame. May throw to stop everything. */
  rowStarts(type: number, frameBytes: number): void;
  /** A stretch of row bytes. `isBoundary`: it ends where a frame ends. */
  rowBytes(bytes: Uint8Array, isBoundary: boolean): void;
  /** Any other message, whole, header included. `body` is a view of `bytes`. */
  message(type: number, bytes: Uint8Array, body: Uint8Array): void;
}

export interface RowLimit {
  /** Largest row that is handed on, its header included. */
  readonly maxBytes: number;
  /** Called once per larger row, in place of `rowStarts`. None of its bytes follow. May throw to stop everything. */
  refused(type: number): void;
}

const headerBytes = 5;
const anyRow: RowLimit = { maxBytes: Number.POSITIVE_INFINITY, refused: () => undefined };

export class UpstreamScanner {
  #sink: ScannerSink;
  readonly #maxMessageBytes: number;
  readonly #rowLimit: RowLimit;
  /** Bytes of the current row that are still to come. */
  #rowLeft = 0;
  /** The same of a row that is dropped. */
  #dropLeft = 0;
  /** Start of a message that is not complete: header and, for messages other than rows, what there is of the body. */
  #partial: Uint8Array | null = null;
  #partialFilled = 0;

  constructor(sink: ScannerSink, maxMessageBytes: number, rowLimit = anyRow) {
    this.#sink = sink;
    this.#maxMessageBytes = maxMessageBytes;
    this.#rowLimit = rowLimit;
  }

  /** What comes from now on goes to `sink`. Call it between two messages. */
  divert(sink: ScannerSink): void {
    this.#sink = sink;
  }

  /** @throws SP_UPSTREAM_PROTOCOL, and whatever the sink throws. After any throw, close the connection. */
  push(chunk: Uint8Array): void {
    let at = 0;
    /** Start of the stretch of row bytes that has not been handed on, or -1. */
    let runStart = -1;
    if (this.#partial !== null) at = this.#resume(chunk);
    if (this.#rowLeft > 0 && at < chunk.length) {
      const take = Math.min(this.#rowLeft, chunk.length - at);
      runStart = at;
      this.#rowLeft -= take;
      at += take;
    }
    if (this.#dropLeft > 0) {
      const take = Math.min(this.#dropLeft, chunk.length - at);
      this.#dropLeft -= take;
      at += take;
    }
    while (at < chunk.length) {
      const available = chunk.length - at;
      if (available < headerBytes) {
        if (runStart >= 0) this.#sink.rowBytes(chunk.subarray(runStart, at), true);
        this.#keep(chunk.subarray(at), headerBytes);
        return;
      }
      const type = chunk[at] ?? 0;
      const frameBytes = this.#frameBytes(chunk, at);
      if (isRow(type) && frameBytes > this.#rowLimit.maxBytes) {
        if (runStart >= 0) this.#sink.rowBytes(chunk.subarray(runStart, at), true);
        runStart = -1;
        this.#rowLimit.refused(type);
        const take = Math.min(frameBytes, available);
        this.#dropLeft = frameBytes - take;
        at += take;
        continue;
      }
      if (isRow(type)) {
        if (runStart < 0) runStart = at;
        this.#sink.rowStarts(type, frameBytes);
        const take = Math.min(frameBytes, available);
        this.#rowLeft = frameBytes - take;
        at += take;
        continue;
      }
      if (runStart >= 0) {
        this.#sink.rowBytes(chunk.subarray(runStart, at), true);
        runStart = -1;
      }
      if (frameBytes > available) {
        this.#keep(chunk.subarray(at), frameBytes);
        return;
      }
      const end = at + frameBytes;
      this.#sink.message(type, chunk.subarray(at, end), chunk.subarray(at + headerBytes, end));
      at = end;
    }
    if (runStart >= 0) this.#sink.rowBytes(chunk.subarray(runStart, at), this.#rowLeft === 0);
  }

  /** Completes what the last chunk left. @returns how much of `chunk` was used. */
  #resume(chunk: Uint8Array): number {
    let at = 0;
    while (this.#partial !== null && at < chunk.length) {
      const wanted = this.#partialFilled < headerBytes ? headerBytes : this.#frameBytes(this.#partial, 0);
      const take = Math.min(wanted - this.#partialFilled, chunk.length - at);
      this.#append(chunk.subarray(at, at + take), wanted);
      at += take;
      if (this.#partialFilled < headerBytes) break;
      const type = this.#partial[0] ?? 0;
      const frameBytes = this.#frameBytes(this.#partial, 0);
      const partial = this.#partial.subarray(0, this.#partialFilled);
      if (isRow(type) && frameBytes > this.#rowLimit.maxBytes) {
        this.#partial = null;
        this.#dropLeft = frameBytes - headerBytes;
        this.#rowLimit.refused(type);
      } else if (isRow(type)) {
        this.#partial = null;
        this.#rowLeft = frameBytes - headerBytes;
        this.#sink.rowStarts(type, frameBytes);
        this.#sink.rowBytes(partial, this.#rowLeft === 0);
      } else if (this.#partialFilled === frameBytes) {
        this.#partial = null;
        this.#sink.message(type, partial, partial.subarray(headerBytes));
      }
    }
    return at;
  }

  #keep(bytes: Uint8Array, wanted: number): void {
    this.#partial = new Uint8Array(Math.min(wanted, Math.max(bytes.length, 1024)));
    this.#partial.set(bytes);
    this.#partialFilled = bytes.length;
  }

  #append(bytes: Uint8Array, wanted: number): void {
    const partial = this.#partial ?? new Uint8Array(headerBytes);
    const filled = this.#partialFilled + bytes.length;
    if (filled > partial.length) {
      const larger = new Uint8Array(Math.min(Math.max(wanted, filled), Math.max(partial.length * 2, filled)));
      larger.set(partial.subarray(0, this.#partialFilled));
      this.#partial = larger;
    }
    this.#partial?.set(bytes, this.#partialFilled);
    this.#partialFilled = filled;
  }

  #frameBytes(bytes: Uint8Array, at: number): number {
    const length = readInt32(bytes, at + 1);
    if (length < 4) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'impossible frame length');
    if (length + 1 > this.#maxMessageBytes && !isRow(bytes[at] ?? 0)) {
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'message over the limit');
    }
    return length + 1;
  }
}

function isRow(type: number): boolean {
  return type === UPSTREAM.dataRow || type === UPSTREAM.copyData;
}
