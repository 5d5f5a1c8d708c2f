// Masks the rows of a chunk of a JSON result as they pass: `["a",null],["b","c"]`, without outer brackets. Cells that are shown as they are
// are copied as bytes; only masked ones are decoded. Bounded by the longest row.
// REFUSES: everything that is not rows of the planned number of texts and nulls. After any throw nothing more may be passed.

import { SallyportError } from '../../../core/error.ts';
import { cellMask } from './cell.ts';
import { malformed } from './columns.ts';
import { jsonv2Mask } from './jsonv2.ts';
import type { ResultPlan } from './plan.ts';
import type { RowCollector } from './row-frames.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const N = 0x6e;
const U = 0x75;
const NULL_BYTES = Buffer.from('null');

/** Bytes at which a stretch of text ends: quotes, backslashes, and what may not stand in it. */
const stops = Uint8Array.from({ length: 256 }, (_, byte) => (byte === QUOTE || byte === BACKSLASH || byte < 0x20 ? 1 : 0));
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isHex = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66));
const escapes = new Set(Buffer.from('"\\/bfnrt'));
/** What a text may not have as it is. */
const needsEscapes = /["\\\u0000-\u001f\ud800-\udfff]/;

type Expected = 'row or end' | 'comma or end' | 'row' | 'cell' | 'rest of text' | 'comma or close';

type ByteMask =
  | { readonly column: number; readonly bytes: Buffer }
  | {
      readonly column: number;
      readonly subject: number | null;
      readonly map: (cell: string, owner: string | null) => string | null;
      readonly whenNull: string | null;
    };

export class JsonChunk {
  rows = 0;
  readonly #width: number;
  readonly #masks: readonly ByteMask[];
  readonly #maxRowBytes: number;
  readonly #collector: RowCollector | null;
  /** What has not been passed: the rest of a row, then what came after it. */
  #window: Buffer = Buffer.alloc(0);
  #length = 0;
  /** Where scanning goes on. */
  #at = 0;
  #expected: Expected = 'row or end';
  #column = 0;
  #cellStart = 0;
  /** Start and end of each cell of the row, quotes included. */
  readonly #cells: Int32Array;
  /** Everything before is in `#out`. */
  #passed = 0;
  #out: Buffer = Buffer.alloc(0);
  #outLength = 0;

  constructor(plan: ResultPlan, limits: { readonly maxRowBytes: number }, collector: RowCollector | null) {
    this.#width = plan.columns.length;
    this.#maxRowBytes = limits.maxRowBytes;
    this.#collector = collector;
    this.#cells = new Int32Array(2 * this.#width);
    this.#masks = plan.columns.flatMap((each, column): ByteMask[] => {
      const masked = cellMask(each, plan);
      const mask = plan.jsonv2 === undefined ? masked : jsonv2Mask(masked, each.family, plan.jsonv2);
      if (mask.kind === 'clear') return [];
      if (mask.kind === 'constant') return [{ column, bytes: mask.cell === null ? NULL_BYTES : Buffer.from(JSON.stringify(mask.cell)) }];
      return [{ column, subject: mask.subject, map: mask.map, whenNull: mask.whenNull ?? null }];
    });
  }

  /** @returns what may be passed now: whole rows, masked. Its own from here on. */
  push(piece: Uint8Array): Buffer {
    this.#take(piece);
    this.#outLength = 0;
    if (this.#out.length < piece.length) this.#out = Buffer.allocUnsafe(piece.length + 1024);
    const rowStart = this.#scan();
    this.#copy(rowStart);
    if (this.#length - rowStart > this.#maxRowBytes) {
      throw new SallyportError('SP_ROW_TOO_LARGE', 'a row of a chunk is over the limit');
    }
    this.#window.copyWithin(0, rowStart, this.#length);
    this.#length -= rowStart;
    this.#at -= rowStart;
    this.#cellStart -= rowStart;
    for (let index = 0; index < this.#cells.length; index += 1) this.#cells[index] = (this.#cells[index] ?? 0) - rowStart;
    this.#passed = 0;
    const shown = this.#out.subarray(0, this.#outLength);
    this.#out = Buffer.alloc(0);
    return shown;
  }

  /** @throws when something is missing */
  end(): void {
    if (this.#expected !== 'row or end' && this.#expected !== 'comma or end') throw malformed('a chunk that ends within a row');
  }

  #take(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#window.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#window.length));
      this.#window.copy(larger, 0, 0, this.#length);
      this.#window = larger;
    }
    this.#window.set(piece, this.#length);
    this.#length = needed;
  }

  /** Goes on until the window ends. @returns where the row that has not ended starts, or the end. */
  #scan(): number {
    const window = this.#window;
    const end = this.#length;
    let rowStart = this.#isBetweenRows() ? this.#at : 0;
    let at = this.#at;
    while (at < end) {
      const byte = window[at];
      if (this.#expected === 'rest of text') {
        at = this.#textEnd(at, end);
        if (at < 0) break;
        this.#cellEnded(at);
        this.#expected = 'comma or close';
        continue;
      }
      if (isSpace(byte)) {
        at += 1;
        if (this.#isBetweenRows()) rowStart = at;
        continue;
      }
      switch (this.#expected) {
        case 'row or end':
        case 'row':
          if (byte !== OPEN) throw malformed('a chunk that is no list of rows');
          this.#expected = 'cell';
          this.#column = 0;
          at += 1;
          break;
        case 'comma or end':
          if (byte !== COMMA) throw malformed('a chunk with something between its rows');
          this.#expected = 'row';
          at += 1;
          rowStart = at;
          break;
        case 'cell':
          if (this.#column >= this.#width) throw malformed('a row with more cells');
          this.#cellStart = at;
          if (byte === QUOTE) {
            this.#expected = 'rest of text';
            at += 1;
          } else if (byte === N) {
            // WHY not byte for byte: it comes again when the rest is there.
            if (end - at < NULL_BYTES.length) {
              this.#at = at;
              return rowStart;
            }
            if (window.compare(NULL_BYTES, 0, NULL_BYTES.length, at, at + NULL_BYTES.length) !== 0)
              throw malformed('a cell that is no text');
            at += NULL_BYTES.length;
            this.#cellEnded(at);
            this.#expected = 'comma or close';
          } else throw malformed('a cell that is no text');
          break;
        case 'comma or close':
          at += 1;
          if (byte === COMMA) {
            this.#expected = 'cell';
          } else if (byte === CLOSE) {
            if (this.#column !== this.#width) throw malformed('a row with fewer cells');
            this.#rowEnded();
            this.#expected = 'comma or end';
            this.#column = 0;
            rowStart = at;
          } else throw malformed('a row with something between its cells');
          break;
      }
    }
    if (at >= 0) this.#at = at;
    return rowStart;
  }

  #isBetweenRows(): boolean {
    return this.#expected === 'row or end' || this.#expected === 'comma or end' || this.#expected === 'row';
  }

  /** @returns the place after the closing quote; negative when the window ends before: `#at` says where to go on. */
  #textEnd(from: number, end: number): number {
    const window = this.#window;
    let at = from;
    for (;;) {
      while (at < end && stops[window[at] ?? 0] === 0) at += 1;
      if (at >= end) break;
      const byte = window[at];
      if (byte === QUOTE) return at + 1;
      if (byte !== BACKSLASH) throw malformed('a text with a control character');
      const next = at + 1 < end ? window[at + 1] : undefined;
      if (next === undefined) break;
      if (next === U) {
        if (end - at < 6) break;
        for (let digit = at + 2; digit < at + 6; digit += 1) if (!isHex(window[digit])) throw malformed('a text with a broken escape');
        at += 6;
      } else {
        if (!escapes.has(next)) throw malformed('a text with a broken escape');
        at += 2;
      }
    }
    this.#at = at;
    return -1;
  }

  #cellEnded(at: number): void {
    this.#cells[2 * this.#column] = this.#cellStart;
    this.#cells[2 * this.#column + 1] = at;
    this.#column += 1;
  }

  #rowEnded(): void {
    this.rows += 1;
    const collected = this.#collector?.isOpen === true ? this.#collector : null;
    const shown: (string | null)[] | null =
      collected === null ? null : Array.from({ length: this.#width }, (_, column) => this.#cell(column));
    for (const mask of this.#masks) {
      const { column } = mask;
      this.#copy(this.#cells[2 * column] ?? 0);
      this.#passed = this.#cells[2 * column + 1] ?? 0;
      if ('bytes' in mask) {
        this.#write(mask.bytes);
        if (shown !== null) shown[column] = mask.bytes === NULL_BYTES ? null : (JSON.parse(mask.bytes.toString()) as string);
        continue;
      }
      const cell = this.#cell(column);
      const value = cell === null ? mask.whenNull : mask.map(cell, mask.subject === null ? null : this.#cell(mask.subject));
      if (value === null) this.#write(NULL_BYTES);
      else this.#writeText(value);
      if (shown !== null) shown[column] = value;
    }
    if (shown !== null) collected?.row(shown);
  }

  #cell(column: number): string | null {
    const start = this.#cells[2 * column] ?? 0;
    const end = this.#cells[2 * column + 1] ?? 0;
    if (this.#window[start] === N) return null;
    for (let at = start + 1; at < end - 1; at += 1) {
      if (this.#window[at] === BACKSLASH) return JSON.parse(this.#window.toString('utf8', start, end)) as string;
    }
    return this.#window.toString('utf8', start + 1, end - 1);
  }

  /** Everything up to `end` that was not passed yet. */
  #copy(end: number): void {
    const length = end - this.#passed;
    if (length <= 0) return;
    this.#reserve(length);
    this.#window.copy(this.#out, this.#outLength, this.#passed, end);
    this.#outLength += length;
    this.#passed = end;
  }

  #write(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#outLength);
    this.#outLength += bytes.length;
  }

  #writeText(text: string): void {
    const written = needsEscapes.test(text) ? JSON.stringify(text) : `"${text}"`;
    this.#reserve(3 * written.length);
    this.#outLength += this.#out.write(written, this.#outLength, 'utf8');
  }

  #reserve(length: number): void {
    if (this.#outLength + length <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#out.length, this.#outLength + length));
    this.#out.copy(larger, 0, 0, this.#outLength);
    this.#out = larger;
  }
}
