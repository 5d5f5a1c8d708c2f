// Answers about subjects ("who saw patient X"), and the port behind them.

import { z } from 'zod';
import type { Principal } from '../core/identity.ts';
import { type SubjectSearchAnswer, UNSURE_REASONS } from '../core/subject-search.ts';
import type { UnsealPurpose } from '../core/unseal.ts';
import { actorSchema } from './views.ts';

const index = z.int().nonnegative();
const texts = z.array(z.string()).readonly();

export const subjectSchema = z.object({ target: z.string(), name: z.string(), columns: texts });

const hit = z.object({
  seq: index.describe('Log index of the intent'),
  at: z.iso.datetime(),
  principal: actorSchema.nullable(),
  onBehalfOf: actorSchema.nullable(),
  session: z.string(),
  action: z.string(),
  statement: z.string().nullable().describe('Redacted'),
  effects: texts,
  relations: texts,
  approval: z.string().nullable(),
  grant: z.string().nullable(),
  result: z.object({ seq: index, rows: z.int(), code: z.string() }).nullable(),
});

export const subjectSearchSchema = z.object({
  seq: index.describe('Log index of this search'),
  target: z.string(),
  subject: z.string(),
  columns: texts,
  entries: z.object({ from: index, to: index.describe('Exclusive') }),
  touching: z.int().describe('Requests that may touch any subject of this name'),
  hits: z
    .array(hit.extend({ how: z.array(z.enum(['asked', 'returned'])).readonly() }))
    .readonly()
    .describe('Newest first'),
  hitCount: z.int(),
  unsure: z
    .array(hit.extend({ why: z.enum(UNSURE_REASONS) }))
    .readonly()
    .describe('May have touched this one; newest first'),
  unsureCount: z.int(),
  indexedSince: z.object({ seq: index, at: z.string() }).nullable(),
  damaged: texts.describe('Files of the index that were changed, or whose key is gone'),
});

export interface SubjectWish {
  readonly target: string;
  readonly subject: string;
  /** As it is in the target. */
  readonly value: string;
  readonly purpose: UnsealPurpose;
  readonly reason?: string | undefined;
  readonly sinceMs: number;
  /** Exclusive; null = now. */
  readonly untilMs: number | null;
  readonly limit: number;
}

export interface SubjectsSurface {
  list(): readonly z.input<typeof subjectSchema>[];
  /** Recorded before it is answered; value and reason are sealed.
   *  @throws SP_SUBJECT_UNKNOWN, SP_AUDIT_UNWRITABLE, SP_AUDIT_CORRUPT */
  search(by: Principal, wish: SubjectWish, signal: AbortSignal): Promise<SubjectSearchAnswer>;
}
