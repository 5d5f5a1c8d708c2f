// Entries of the log that pass a filter, a page at a time. Where the index knows where they are, only those are read; otherwise a stretch
// of the log is, and the page says where to go on, even when nothing was found on the way.

import type { EntryHeader, EntryType } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import type { SessionId } from '../core/ids.ts';
import type { AuditReader, SessionIndex } from '../core/ports.ts';
import { entriesAt } from './recording.ts';

/** Most entries that one page reads. */
const MAX_READ = 10_000;
/** How far the times of entries may be out of order. */
const DISORDER_MS = 10 * 60_000;

export interface EntrySearch {
  readonly from: number;
  readonly limit: number;
  readonly type?: EntryType | undefined;
  readonly session?: SessionId | undefined;
  /** Part of `issuer/subject` of the principal, whom it acts for, or who answered; case does not count. */
  readonly principal?: string | undefined;
  readonly sinceMs?: number | undefined;
  /** Exclusive. */
  readonly untilMs?: number | undefined;
}

export interface EntryPage {
  readonly entries: readonly EntryHeader[];
  /** Where the next page begins. */
  readonly next: number;
  /** Nothing that passes lies behind this page, as the log is now. */
  readonly isLast: boolean;
}

export async function searchEntries(
  search: EntrySearch,
  source: { readonly reader: AuditReader; readonly sessions: Pick<SessionIndex, 'entriesOf' | 'entriesOfType' | 'position'> },
  signal: AbortSignal,
): Promise<EntryPage> {
  const { reader } = source;
  const { sinceMs, untilMs } = search;
  const size = reader.size();
  const first = sinceMs === undefined ? 0 : await firstIndexAt(reader, sinceMs - DISORDER_MS, size, signal);
  const end = untilMs === undefined ? size : await firstIndexAt(reader, untilMs + DISORDER_MS, size, signal);
  const from = Math.max(search.from, first);
  const indexes = await indexed(search, from, end, source);
  const entries: EntryHeader[] = [];
  const stretchEnd = Math.min(end, from + MAX_READ);
  const candidates = indexes === null ? reader.entries(from, stretchEnd, signal) : entriesAt(reader, indexes, signal);
  let next = from;
  let read = 0;
  for await (const entry of candidates) {
    next = entry.seq + 1;
    read += 1;
    if (passes(entry, search)) entries.push(entry);
    if (entries.length >= search.limit || read >= MAX_READ) break;
  }
  // Pruned entries are not read: the stretch may have been empty.
  if (indexes === null && entries.length < search.limit) next = Math.max(next, stretchEnd);
  const isCut = indexes === null ? next < end : read < indexes.length || indexes.length >= MAX_READ;
  return { entries, next: isCut ? next : Math.max(search.from, end), isLast: !isCut };
}

/** Where the index has the candidates; null = it does not know, or not yet. */
async function indexed(
  { session, type }: EntrySearch,
  from: number,
  end: number,
  { sessions }: { readonly sessions: Pick<SessionIndex, 'entriesOf' | 'entriesOfType' | 'position'> },
): Promise<readonly number[] | null> {
  if (session === undefined && type === undefined) return null;
  const position = await sessions.position();
  const known =
    session !== undefined
      ? (await sessions.entriesOf(session)).filter((index) => index >= from && index < end).slice(0, MAX_READ)
      : await sessions.entriesOfType(type as EntryType, { from, to: end, limit: MAX_READ });
  if (known === null || known.length >= MAX_READ) return known;
  // What the index has not seen yet is read.
  const rest = Array.from(
    { length: Math.min(MAX_READ, Math.max(0, end - Math.max(position, from))) },
    (_, at) => Math.max(position, from) + at,
  );
  return [...known.filter((index) => index < position), ...rest];
}

function passes(entry: EntryHeader, { type, session, principal, sinceMs, untilMs }: EntrySearch): boolean {
  const atMs = Date.parse(entry.ts);
  return (
    (type === undefined || entry.type === type) &&
    (session === undefined || entry.session === session) &&
    (principal === undefined || [entry.principal, entry.onBehalfOf, entry.answer?.by].some((actor) => isNamed(actor, principal))) &&
    (sinceMs === undefined || atMs >= sinceMs) &&
    (untilMs === undefined || atMs < untilMs)
  );
}

function isNamed(actor: ActorRef | undefined, part: string): boolean {
  return actor !== undefined && `${actor.issuer}/${actor.subject}`.toLowerCase().includes(part.toLowerCase());
}

async function firstIndexAt(reader: AuditReader, atMs: number, size: number, signal: AbortSignal): Promise<number> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let ts: number | null = null;
    for await (const entry of reader.entries(middle, middle + 1, signal)) ts = Date.parse(entry.ts);
    // What was pruned lies before everything.
    if (ts !== null && ts >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}
