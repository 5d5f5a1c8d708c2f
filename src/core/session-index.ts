// The index of sessions and of what happened, as its users need it.

import type { EntryOutline, EntryType } from './event.ts';
import type { ActorRef } from './identity.ts';
import type { SessionId, TargetName } from './ids.ts';

export interface SessionRow {
  readonly id: SessionId;
  readonly target: TargetName;
  readonly principal: ActorRef;
  readonly onBehalfOf: ActorRef | null;
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  readonly closeReason: string | null;
  readonly statements: number;
  readonly denied: number;
  readonly held: number;
  readonly rows: number;
  /** Log index of the `session.open` entry. */
  readonly openIndex: number;
  /** Cells of released rows that were not shown as they are: rows times masked columns, of the first 200 columns of each answer. */
  readonly maskedCells: number;
  /** Classes of the columns of released rows, sorted. */
  readonly classes: readonly string[];
  /** Time of its newest entry. */
  readonly lastAtMs: number;
  /** Its newest statement waits for an approval. */
  readonly isWaiting: boolean;
}

/** What a list of sessions is narrowed down to; what is absent does not count. */
export interface SessionFilter {
  readonly target?: TargetName;
  readonly live?: boolean;
  /** Key of a principal: its own sessions, and those of whoever acts for it. */
  readonly owner?: string;
  /** Part of the issuer or the subject of whose session it is, or for whom; case does not count. */
  readonly principal?: string;
  /** A class that came out, masked or not. */
  readonly class?: string;
  /** At least one statement was decided so. */
  readonly decision?: SessionDecision;
  /** Opened at or after. */
  readonly sinceMs?: number;
  /** Opened before. */
  readonly untilMs?: number;
  /** `openIndex` of the last row already seen. */
  readonly before?: number;
  readonly limit: number;
}

export type SessionDecision = 'allowed' | 'held' | 'denied';

/** What happened, as counts over entries of the log. */
export interface ActivityCounts {
  /** Let through or denied; a held one counts when that is settled. */
  readonly statements: number;
  readonly held: number;
  readonly denied: number;
  readonly rows: number;
  /** See `SessionRow.maskedCells`. */
  readonly maskedCells: number;
}

export interface ActivityFilter {
  /** Both are times at which a bucket of `stepMs` begins. */
  readonly sinceMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  /** A multiple of 5 minutes. */
  readonly stepMs: number;
  /** See `SessionFilter.owner`. */
  readonly owner?: string;
  /** How many principals are told about, busiest first. */
  readonly principals: number;
}

export interface Activity {
  readonly totals: ActivityCounts;
  /** Steps with any activity, oldest first. */
  readonly points: readonly (ActivityCounts & { readonly atMs: number })[];
  readonly principals: readonly (ActivityCounts & {
    readonly principal: ActorRef;
    readonly onBehalfOf: ActorRef | null;
    readonly classes: readonly string[];
    readonly points: readonly (ActivityCounts & { readonly atMs: number })[];
  })[];
  readonly targets: readonly (ActivityCounts & { readonly target: TargetName; readonly lastAtMs: number })[];
  /** Cells of released rows by class, masked and shown as they are. */
  readonly classes: readonly { readonly class: string; readonly masked: number; readonly clear: number }[];
}

/** Index of sessions and of what happened; rebuildable from the log, never the record itself. */
export interface SessionIndex {
  /** Applies consecutive log entries, all of them or none. Idempotent by `seq`; calls come in log order.
   *  @throws SP_INTERNAL when entries before them were never applied. */
  apply(entries: readonly EntryOutline[]): Promise<void>;
  /** Forgets everything: the index is built anew from this entry. */
  clear(from: number): Promise<void>;
  /** Log index up to which entries were applied (exclusive). */
  position(): Promise<number>;
  get(id: SessionId): Promise<SessionRow | null>;
  /** Newest first. */
  list(filter: SessionFilter): Promise<SessionRow[]>;
  /** Sessions without an end, by target. @param owner see `SessionFilter.owner` */
  live(owner?: string): Promise<ReadonlyMap<TargetName, number>>;
  /** Log indexes of the session's entries, ascending. */
  entriesOf(id: SessionId): Promise<number[]>;
  /** Log indexes of entries of one type in [from, to), ascending, at most `limit`. Of the two that every statement has, intents
   *  and results, there is no index: null. */
  entriesOfType(type: EntryType, range: { readonly from: number; readonly to: number; readonly limit: number }): Promise<number[] | null>;
  /** Log index of the newest entry of a type; null = there is none, or no index of them. */
  newestOfType(type: EntryType): Promise<number | null>;
  activity(filter: ActivityFilter): Promise<Activity>;
  /** Forgets activity whose entries all lie before this one, and indexes of such entries, because they were pruned. */
  prune(before: number): Promise<void>;
}
