// What a bundle says in words and tables, derived from the entries of its range and nothing else: no clock, no network, no state. The
// exporter writes it, the verifier derives it again and compares. A change of any byte that comes out needs a new `DERIVATION`.

import type { EntryHeader } from '../core/event.ts';
import { isEntryHeader } from './entry-shape.ts';
import { type Header, textOf } from './fields.ts';

/** Number of the rules by which records, sessions and report are made. */
export const DERIVATION = 2;

/** One entry of the range. */
export interface RangeEntry {
  readonly index: number;
  readonly header: Header;
  /** The same, when it has the shape of the format; else null. */
  readonly typed: EntryHeader | null;
  /** Its time in ms; not a number when it has none. */
  readonly atMs: number;
  /** As stored. */
  readonly bytes: Buffer;
  /** Leaf hash, hex. */
  readonly leaf: string;
}

/** @param leaf hash, hex */
export function rangeEntryOf(index: number, header: Header, bytes: Buffer, leaf: string): RangeEntry {
  return { index, header, typed: isEntryHeader(header) ? header : null, atMs: Date.parse(textOf(header['ts'])), bytes, leaf };
}

/** Where derived files go. A path comes in any number of pieces, which belong together in order; pieces of several paths may mix. */
export interface Sink {
  write(path: string, piece: string | Uint8Array): void;
}

/** What a bundle is about. */
export interface Scope {
  readonly origin: string;
  /** RFC 3339, UTC. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  /** Indexes [first, end). */
  readonly first: number;
  readonly end: number;
  /** Entries under the checkpoint, and its root in base64. */
  readonly size: number;
  readonly root: string;
  /** Records, sessions and report are of these only; null = of all. */
  readonly principal: { readonly issuer: string; readonly subject: string } | null;
  readonly target: string | null;
}

/** Derives some of the files. */
export interface Part {
  push(entry: RangeEntry): void;
  end(): void;
}
