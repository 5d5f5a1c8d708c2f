// "Who saw patient X": the answer of a search over the record and the subject index.

import type { ActorRef } from './identity.ts';

/** Why a request may have touched a subject although nothing says that it did. */
export const UNSURE_REASONS = [
  /** Rows without their key, conditions other than equality, sums, masked keys, code: see docs/subjects.md. */
  'not-by-key',
  /** It was cut off before it was indexed, or its part of the index is gone or damaged. */
  'not-indexed',
  /** The columns were no keys of the subject then. */
  'before-index',
] as const;
export type UnsureReason = (typeof UNSURE_REASONS)[number];

export interface SubjectHit {
  /** Log index of the intent. */
  readonly seq: number;
  readonly at: string;
  readonly principal: ActorRef | null;
  readonly onBehalfOf: ActorRef | null;
  readonly session: string;
  readonly action: string;
  /** Redacted; null = it could not be. */
  readonly statement: string | null;
  readonly effects: readonly string[];
  readonly relations: readonly string[];
  readonly approval: string | null;
  readonly grant: string | null;
  /** Null: no result is recorded. */
  readonly result: { readonly seq: number; readonly rows: number; readonly code: string } | null;
}

export interface SureHit extends SubjectHit {
  /** `asked`: the value was compared with a key or written; `returned`: it was in the rows. */
  readonly how: readonly ('asked' | 'returned')[];
}

export interface UnsureHit extends SubjectHit {
  readonly why: UnsureReason;
}

export interface SubjectSearchAnswer {
  /** Log index of the `subject.searched` entry. */
  readonly seq: number;
  readonly target: string;
  readonly subject: string;
  readonly columns: readonly string[];
  readonly entries: { readonly from: number; readonly to: number };
  /** Requests of the period that may touch any subject of that name. */
  readonly touching: number;
  /** Newest first; at most `limit` of each. */
  readonly hits: readonly SureHit[];
  readonly hitCount: number;
  readonly unsure: readonly UnsureHit[];
  readonly unsureCount: number;
  /** Since when these columns are indexed; null = never. */
  readonly indexedSince: { readonly seq: number; readonly at: string } | null;
  /** Files of the index that were changed, or whose key is gone. */
  readonly damaged: readonly string[];
}
