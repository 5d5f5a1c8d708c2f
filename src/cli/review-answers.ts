// The parts of answers about reviews that the command line reads.

import { z } from 'zod';

const range = z.object({ from: z.number(), to: z.number() });
const actor = z.object({ issuer: z.string(), subject: z.string(), kind: z.string() });

export const signedReviewAnswer = z.object({
  seq: z.number(),
  range: range.extend({ denied: z.number(), failedLogIns: z.number(), alarms: z.number(), breakGlass: z.number() }),
});

export const reviewsAnswer = z.object({
  reviews: z.array(
    z.object({
      seq: z.number(),
      at: z.string(),
      by: actor.nullable(),
      kind: z.string(),
      range: range.nullable(),
      subject: z.string().nullable(),
    }),
  ),
});

export const leaversAnswer = z.object({
  leavers: z.array(
    z.object({
      issuer: z.string(),
      subject: z.string(),
      isClear: z.boolean(),
      isLocked: z.boolean(),
      used: z.object({ sessions: z.number(), requests: z.number(), targets: z.array(z.string()), lastAt: z.string().nullable() }),
      open: z.object({
        sessions: z.array(z.object({ id: z.string(), target: z.string() })),
        grants: z.array(z.object({ id: z.string(), role: z.string(), target: z.string(), state: z.string() })),
        approvals: z.array(z.string()),
        delegations: z.array(z.object({ id: z.string(), role: z.string(), isLender: z.boolean() })),
      }),
      reviewsOwed: z.array(z.string()),
    }),
  ),
});
export type LeaverView = z.infer<typeof leaversAnswer>['leavers'][number];

const use = z.object({ name: z.string(), requests: z.number(), denied: z.number(), notAnchored: z.number(), notReviewed: z.number() });
export const coverageAnswer = z.object({
  entries: range,
  anchors: z.array(z.object({ name: z.string(), kind: z.string(), from: z.number(), upTo: z.number() })),
  notAnchored: z.number(),
  notReviewed: z.array(range),
  reviews: z.object({ records: z.number(), access: z.number(), breakGlass: z.number() }),
  breakGlass: z.number(),
  alarms: z.number(),
  targets: z.array(use),
  principals: z.array(use),
  failedLogIns: z.object({ count: z.number(), byFault: z.record(z.string(), z.number()) }),
  silences: z.array(z.object({ seq: z.number(), from: z.string(), to: z.string(), seconds: z.number(), kind: z.string() })),
});
export type CoverageView = z.infer<typeof coverageAnswer>;

export const siemDestinationAnswer = z.object({
  name: z.string(),
  kind: z.string(),
  next: z.number(),
  lag: z.number(),
  sent: z.number(),
  fault: z.string().nullable(),
});
export const siemAnswer = z.object({ destinations: z.array(siemDestinationAnswer) });
