// Reviews of the record: who looked at which entries, signed into the log. What they found is sealed: people write names of patients.

import { SallyportError } from '../core/error.ts';
import type { EntryHeader } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import type { AuditLog, AuditReader } from '../core/ports.ts';
import { firstIndexAt } from './requests.ts';

export interface ReviewDeps {
  readonly audit: Pick<AuditLog, 'append'>;
  readonly reader: Pick<AuditReader, 'entries' | 'size'>;
}

export interface ReviewedRange {
  /** First index. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly denied: number;
  readonly failedLogIns: number;
  readonly alarms: number;
  readonly breakGlass: number;
}

export interface SignedReview {
  /** Log index of the `review.signed`. */
  readonly seq: number;
  readonly range: ReviewedRange;
}

export interface ReviewRow {
  readonly seq: number;
  readonly at: string;
  readonly by: ActorRef | null;
  /** `records`: entries; `access`: a recertification; `break-glass`: an owed review. */
  readonly kind: 'records' | 'access' | 'break-glass';
  /** Of `records`: indexes, the end exclusive. */
  readonly range: { readonly from: number; readonly to: number } | null;
  /** What was reviewed, of the other kinds: a list or a grant. */
  readonly subject: string | null;
  /** The finding is in the sealed store. */
  readonly isSealed: boolean;
}

export interface Period {
  readonly sinceMs: number;
  /** Exclusive. */
  readonly untilMs: number;
}

/** @param finding free text; goes to sealed storage only.
 *  @throws SP_API_BAD_REQUEST when the period has no entry, SP_AUDIT_UNWRITABLE */
export async function signReview(
  by: ActorRef,
  { sinceMs, untilMs }: Period,
  finding: string,
  { audit, reader }: ReviewDeps,
  signal: AbortSignal,
): Promise<SignedReview> {
  const range = await rangeOf({ sinceMs, untilMs }, reader, signal);
  if (range.to <= range.from) throw new SallyportError('SP_API_BAD_REQUEST', 'the log has no entry of that period');
  const { issuer, subject, kind } = by;
  const seq = await audit.append(
    {
      type: 'review.signed',
      principal: { issuer, subject, kind },
      detail: { review: 'records', ...range, since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString() },
    },
    [{ kind: 'justification', bytes: new TextEncoder().encode(JSON.stringify({ finding })) }],
  );
  return { seq, range };
}

/** Indexes by time: where the clock of the log stepped back, the range is the larger one. */
async function rangeOf({ sinceMs, untilMs }: Period, reader: ReviewDeps['reader'], signal: AbortSignal): Promise<ReviewedRange> {
  const from = await firstIndexAt(reader, sinceMs, signal);
  const to = await firstIndexAt(reader, untilMs, signal);
  const counts = { denied: 0, failedLogIns: 0, alarms: 0, breakGlass: 0 };
  for await (const { type } of reader.entries(from, to, signal)) {
    if (type === 'request.denied') counts.denied += 1;
    else if (type === 'auth.fail') counts.failedLogIns += 1;
    else if (type === 'alarm') counts.alarms += 1;
    else if (type === 'breakglass.opened') counts.breakGlass += 1;
  }
  return { from, to, ...counts };
}

/** Newest first, at most `limit`. */
export async function listReviews(
  { sinceMs, untilMs }: Period,
  limit: number,
  reader: ReviewDeps['reader'],
  signal: AbortSignal,
): Promise<ReviewRow[]> {
  const rows: ReviewRow[] = [];
  const from = await firstIndexAt(reader, sinceMs, signal);
  const to = await firstIndexAt(reader, untilMs, signal);
  for await (const header of reader.entries(from, to, signal)) {
    const row = reviewOf(header);
    if (row === null) continue;
    rows.push(row);
    if (rows.length > limit) rows.shift();
  }
  return rows.toReversed();
}

/** Null for an entry that is no review. */
export function reviewOf({ seq, ts, type, principal, grant, detail, sealed, answer }: EntryHeader): ReviewRow | null {
  const common = { seq, at: ts, by: principal ?? answer?.by ?? null, isSealed: (sealed ?? []).length > 0 };
  if (type === 'breakglass.reviewed') return { ...common, kind: 'break-glass', range: null, subject: grant ?? null };
  if (type !== 'review.signed') return null;
  const { from, to, listSha256 } = detail ?? {};
  if (typeof from === 'number' && typeof to === 'number') return { ...common, kind: 'records', range: { from, to }, subject: null };
  return { ...common, kind: 'access', range: null, subject: typeof listSha256 === 'string' ? listSha256 : null };
}
