// The parts of answers about subjects that the command line reads.

import { z } from 'zod';

const actor = z.object({ issuer: z.string(), subject: z.string(), kind: z.string() });
const hit = z.object({
  seq: z.number(),
  at: z.string(),
  principal: actor.nullable(),
  onBehalfOf: actor.nullable(),
  session: z.string(),
  statement: z.string().nullable(),
  approval: z.string().nullable(),
  grant: z.string().nullable(),
  result: z.object({ rows: z.number(), code: z.string() }).nullable(),
});
export type HitView = z.infer<typeof hit>;

export const subjectsAnswer = z.object({
  subjects: z.array(z.object({ target: z.string(), name: z.string(), columns: z.array(z.string()) })),
});

export const subjectSearchAnswer = z.object({
  seq: z.number(),
  target: z.string(),
  subject: z.string(),
  columns: z.array(z.string()),
  entries: z.object({ from: z.number(), to: z.number() }),
  touching: z.number(),
  hits: z.array(hit.extend({ how: z.array(z.string()) })),
  hitCount: z.number(),
  unsure: z.array(hit.extend({ why: z.string() })),
  unsureCount: z.number(),
  indexedSince: z.object({ seq: z.number(), at: z.string() }).nullable(),
  damaged: z.array(z.string()),
});
export type SubjectSearchView = z.infer<typeof subjectSearchAnswer>;
