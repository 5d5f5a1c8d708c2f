// Shapes of grants, delegations and locks as the API answers with them. A field that is not listed cannot leave.

import { z } from 'zod';
import { EFFECTS } from '../core/facts.ts';
import { type Delegation, type Grant, type Lock, LOCK_KINDS } from '../core/grant.ts';
import type { GrantsSurface } from './ports.ts';
import type { Viewer } from './viewer.ts';
import { actorSchema } from './views.ts';

const time = z.iso.datetime();
const effects = z.array(z.enum(EFFECTS));
const approvers = z.object({ role: z.string(), count: z.int() });
const kind = z.enum(['on-request', 'break-glass']);

export const grantStateSchema = z.enum(['requested', 'active', 'denied', 'revoked', 'expired', 'ended']);

export const offerSchema = z.object({
  target: z.string(),
  kind,
  role: z.string(),
  effects,
  maxDurationMs: z.int(),
  approvers: approvers.describe('Who answers; of break-glass, who reviews'),
});

export const grantSchema = z.object({
  id: z.string(),
  kind,
  state: grantStateSchema,
  requester: actorSchema.extend({ name: z.string() }),
  onBehalfOf: actorSchema.nullable(),
  role: z.string(),
  target: z.string(),
  effects,
  relations: z.array(z.string()).nullable().describe('Null = all'),
  rowsPerHour: z.int().nullable(),
  durationMs: z.int(),
  approvers,
  answers: z.array(
    z.object({
      by: actorSchema,
      verdict: z.enum(['approve', 'deny']),
      at: time,
      lentBy: actorSchema.nullable().describe('Whose right it was'),
    }),
  ),
  policySha256: z.string(),
  requestedAt: time,
  answerBy: time,
  openedAt: time.nullable(),
  expiresAt: time.nullable(),
  endedAt: time.nullable(),
  end: z.string().nullable(),
  endedBy: actorSchema.nullable(),
  review: z.enum(['none', 'owed', 'done']),
  reviewedBy: actorSchema.nullable(),
  reviewedAt: time.nullable(),
  mayAnswer: z.boolean().describe('Whether the caller could answer it now'),
  mayRevoke: z.boolean(),
  mayReview: z.boolean(),
});

export const delegationSchema = z.object({
  id: z.string(),
  role: z.string(),
  from: actorSchema,
  to: z.object({ issuer: z.string(), subject: z.string() }),
  createdAt: time,
  expiresAt: time,
});

export const lockSchema = z.object({
  kind: z.enum(LOCK_KINDS),
  name: z.string().describe('A role, a target, or issuer/subject with both parts percent-encoded'),
  by: actorSchema,
  at: time,
});

const at = (ms: number): string => new Date(ms).toISOString();
const maybeAt = (ms: number | null): string | null => (ms === null ? null : at(ms));

export function grantView(
  grant: Grant,
  { principal, rights }: Viewer,
  service: Pick<GrantsSurface, 'mayAnswer' | 'mayRevoke' | 'mayReview'>,
): z.infer<typeof grantSchema> {
  const { requestedAtMs, answerByMs, openedAtMs, expiresAtMs, endedAtMs, reviewedAtMs, ...rest } = grant;
  return {
    ...rest,
    effects: [...grant.effects],
    relations: grant.relations === null ? null : [...grant.relations],
    answers: grant.answers.map(({ by, verdict, atMs, lentBy }) => ({ by, verdict, at: at(atMs), lentBy: lentBy ?? null })),
    requestedAt: at(requestedAtMs),
    answerBy: at(answerByMs),
    openedAt: maybeAt(openedAtMs),
    expiresAt: maybeAt(expiresAtMs),
    endedAt: maybeAt(endedAtMs),
    reviewedAt: maybeAt(reviewedAtMs),
    mayAnswer: service.mayAnswer(grant, principal),
    mayRevoke: service.mayRevoke(grant, principal, rights.has('operate')),
    mayReview: service.mayReview(grant, principal),
  };
}

export function delegationView({ id, role, from, to, createdAtMs, expiresAtMs }: Delegation): z.infer<typeof delegationSchema> {
  return { id, role, from, to, createdAt: at(createdAtMs), expiresAt: at(expiresAtMs) };
}

export function lockView({ kind: of, name, by, atMs }: Lock): z.infer<typeof lockSchema> {
  return { kind: of, name, by, at: at(atMs) };
}
