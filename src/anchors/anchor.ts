// What every kind of anchor has in common. An anchor is a place where checkpoints are kept that whoever changes the log cannot change
// with it: only what it saw can show that a whole log was put back or written anew.

import type { TileReader } from '../audit/tlog/index.ts';

/** A published checkpoint of our log. */
export interface Checkpoint {
  /** The signed note. */
  readonly note: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** Closed words: they go into entries and metrics. */
export type Outcome =
  /** `forgot`: it knew nothing of this log, or less than it had confirmed before. */
  | { readonly kind: 'kept'; readonly forgot?: boolean }
  /** Tried again later. */
  | { readonly kind: 'failed'; readonly fault: string }
  /** The anchor saw a longer log. */
  | { readonly kind: 'shorter'; readonly size: number }
  /** The anchor saw entries that are not in this log. */
  | { readonly kind: 'different' };

export interface Anchor {
  readonly name: string;
  readonly kind: 'file' | 'https' | 'witness' | 'tsa';
  /** It is given a checkpoint at most so often. */
  readonly everyMs: number;
  /** Brings the newest checkpoint there. Never more than one call at a time, sizes never fall. Does not throw. */
  submit(checkpoint: Checkpoint, signal: AbortSignal): Promise<Outcome>;
  /** Compares before anything is written. Absent = only `submit` can tell. @param checkpoint null = the log is empty */
  compare?(checkpoint: Checkpoint | null): Promise<Outcome>;
}

/** The log as anchors read it. */
export interface AnchoredLog {
  readonly origin: string;
  readonly readTile: TileReader;
}

/** One POST under the rules for addresses of its anchor; never throws. */
export type Send = (
  path: string,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array },
  signal: AbortSignal,
) => Promise<
  { readonly fault: string } | { readonly fault: null; readonly status: number; readonly body: string; readonly bytes: Uint8Array }
>;
