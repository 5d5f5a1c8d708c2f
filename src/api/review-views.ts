// Answers about reviews, leavers and coverage, and the port behind them.

import { z } from 'zod';
import type { ActorRef, Principal } from '../core/identity.ts';

const time = z.iso.datetime();
const index = z.int().nonnegative();
const range = z.object({ from: index, to: index.describe('Exclusive') });
const actor = z.object({ issuer: z.string(), subject: z.string(), kind: z.enum(['person', 'agent', 'service']) });
const texts = z.array(z.string()).readonly();

export const signedReviewSchema = z.object({
  seq: index.describe('Log index of the review'),
  range: range.extend({ denied: z.int(), failedLogIns: z.int(), alarms: z.int(), breakGlass: z.int() }),
});

export const reviewSchema = z.object({
  seq: index,
  at: time,
  by: actor.nullable(),
  kind: z.enum(['records', 'access', 'break-glass']),
  range: range.nullable(),
  subject: z.string().nullable(),
  isSealed: z.boolean().describe('What was found is in the sealed store'),
});

export const leaverSchema = z.object({
  issuer: z.string(),
  subject: z.string(),
  isClear: z.boolean().describe('Nothing is open, or a lock keeps all of it out'),
  isLocked: z.boolean(),
  groups: texts.nullable(),
  used: z.object({
    sessions: z.int(),
    requests: z.int(),
    denied: z.int(),
    rows: z.int(),
    targets: texts,
    firstAt: time.nullable(),
    lastAt: time.nullable(),
  }),
  actedFor: texts.describe('Agents that acted for them'),
  open: z.object({
    sessions: z.array(z.object({ id: z.string(), target: z.string(), openedAt: time })).readonly(),
    grants: z
      .array(z.object({ id: z.string(), role: z.string(), target: z.string(), state: z.string(), expiresAt: time.nullable() }))
      .readonly(),
    approvals: texts,
    delegations: z.array(z.object({ id: z.string(), role: z.string(), isLender: z.boolean(), expiresAt: time })).readonly(),
  }),
  reviewsOwed: texts,
});

const use = z.object({ name: z.string(), requests: z.int(), denied: z.int(), notAnchored: z.int(), notReviewed: z.int() });

export const coverageSchema = z.object({
  entries: range,
  anchors: z.array(z.object({ name: z.string(), kind: z.string(), from: index, upTo: index.describe('Exclusive') })).readonly(),
  notAnchored: z.int().describe('Entries that no copy elsewhere has'),
  notReviewed: z.array(range).readonly(),
  reviews: z.object({ records: z.int(), access: z.int(), breakGlass: z.int() }),
  breakGlass: z.int(),
  alarms: z.int(),
  targets: z.array(use).readonly(),
  principals: z.array(use).readonly(),
  failedLogIns: z.object({
    count: z.int(),
    byFault: z.record(z.string(), z.int()),
    byAddress: z.array(z.object({ address: z.string(), count: z.int() })).readonly(),
  }),
  silences: z
    .array(z.object({ seq: index, from: time, to: time, seconds: z.int(), kind: z.enum(['stopped', 'crashed', 'silent']) }))
    .readonly(),
});

export const siemSchema = z.object({
  name: z.string(),
  kind: z.string(),
  next: index.describe('Log index of the first entry that was not taken'),
  lag: z.int(),
  sent: z.int().describe('Since the start'),
  failures: z.int(),
  fault: z.string().nullable(),
});

export const siemPlace = z.union([z.enum(['beginning', 'now']), index]).describe('Log index of the next entry to be sent, or an end');

export interface ReviewPeriod {
  readonly sinceMs: number;
  /** Exclusive; null = now. */
  readonly untilMs: number | null;
}

type Who = Pick<ActorRef, 'issuer' | 'subject'>;

/** Reviews of the record and reports from it. */
export interface ReviewsSurface {
  /** @param finding free text; goes to sealed storage only. @throws SP_API_BAD_REQUEST, SP_AUDIT_UNWRITABLE */
  sign(by: Principal, period: ReviewPeriod, finding: string, signal: AbortSignal): Promise<z.input<typeof signedReviewSchema>>;
  /** Newest first. */
  list(period: ReviewPeriod, limit: number, signal: AbortSignal): Promise<readonly z.input<typeof reviewSchema>[]>;
  leavers(gone: readonly Who[], signal: AbortSignal): Promise<readonly z.input<typeof leaverSchema>[]>;
  coverage(period: ReviewPeriod, signal: AbortSignal): Promise<z.input<typeof coverageSchema>>;
  /** SIEM destinations. */
  destinations(): readonly z.input<typeof siemSchema>[];
  /** A destination goes on elsewhere in the log, after an entry says by whom.
   *  @throws SP_API_NOT_FOUND, SP_API_BAD_REQUEST when the log has no such entry, SP_AUDIT_UNWRITABLE */
  reset(by: Principal, destination: string, to: z.output<typeof siemPlace>): Promise<z.input<typeof siemSchema>>;
}
