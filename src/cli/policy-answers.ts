// The parts of the policy tools' answers that the command line reads.

import { z } from 'zod';
import { checkAnswer, testAnswer } from './answers.ts';

const names = z.array(z.string());

export const diffView = z.object({
  isEqual: z.boolean(),
  isCut: z.boolean(),
  roles: z.array(z.object({ role: z.string(), change: z.string(), joins: names, leaves: names })),
  access: z.array(z.object({ role: z.string(), targets: names, how: z.string(), gains: names, loses: names })),
  classes: z.array(
    z.object({
      class: z.string(),
      change: z.string(),
      columnsAdded: names,
      columnsRemoved: names,
      predicates: z.object({ from: z.string(), to: z.string() }).nullable(),
      subjects: z.object({ from: z.string(), to: z.string() }).nullable(),
    }),
  ),
  masks: z.array(
    z.object({
      role: z.string().nullable(),
      targets: names,
      class: z.string(),
      from: z.string(),
      to: z.string(),
      change: z.enum(['reveals', 'hides']),
    }),
  ),
  rules: z.array(
    z.object({
      rule: z.string(),
      change: z.string(),
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
      then: z.string(),
      fields: z.array(z.object({ field: z.string(), from: z.string(), to: z.string() })),
    }),
  ),
});
export type DiffView = z.infer<typeof diffView>;

const { faults } = checkAnswer.shape;

export const diffAnswer = z.object({
  ok: z.boolean(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  diff: diffView.nullable(),
  faults,
});

export const historyAnswer = z.object({
  inForce: z.string(),
  applications: z.array(
    z.object({
      sha256: z.string(),
      at: z.string(),
      how: z.string(),
      by: z.object({ issuer: z.string(), subject: z.string() }).nullable(),
      previous: z.string().nullable(),
      isInstead: z.boolean(),
      diff: diffView.nullable(),
    }),
  ),
});

export const applyAnswer = z.object({
  ok: z.boolean(),
  sha256: z.string().nullable(),
  previous: z.string().nullable(),
  isChanged: z.boolean(),
  diff: diffView.nullable(),
  faults,
  tests: testAnswer.shape.tests,
});

const verdict = z.object({ outcome: z.string(), rules: names, reasons: names });
const unknown = z.array(z.object({ reason: z.string(), count: z.number() }));

export const replayAnswer = z.object({
  ok: z.boolean(),
  faults,
  report: z
    .object({
      policySha256: z.string(),
      requests: z.number(),
      unchanged: z.number(),
      changes: z.record(z.string(), z.number()),
      unknown,
      groups: z.array(
        z.object({
          kind: z.string(),
          target: z.string(),
          statement: z.string().nullable(),
          count: z.number(),
          principals: names,
          principalCount: z.number(),
          example: z.number(),
          from: verdict,
          to: verdict,
          masks: z.array(z.object({ of: z.string(), from: z.string(), to: z.string() })),
        }),
      ),
      ungrouped: z.number(),
    })
    .nullable(),
});
export type ReplayView = NonNullable<z.infer<typeof replayAnswer>['report']>;

export const accessReportAnswer = z.object({
  policySha256: z.string(),
  requests: z.number(),
  denied: z.number(),
  unknown,
  roles: z.array(
    z.object({
      role: z.string(),
      requests: z.number(),
      principalCount: z.number(),
      granted: z.array(z.object({ targets: names, effects: names, how: z.string() })),
      used: z.array(
        z.object({
          target: z.string(),
          requests: z.number(),
          effects: z.array(z.object({ effect: z.string(), count: z.number() })),
          relations: z.array(z.object({ name: z.string(), read: z.number(), written: z.number() })),
          classes: z.array(z.object({ class: z.string(), count: z.number(), shownAs: z.string() })),
        }),
      ),
      unused: z.object({ targets: names, effects: z.array(z.object({ target: z.string(), effects: names })), clearClasses: names }),
    }),
  ),
  shrunk: z.object({
    files: z.array(z.object({ name: z.string(), text: z.string() })).nullable(),
    sha256: z.string().nullable(),
    proven: z.number(),
    notes: names,
  }),
});
export type AccessReportView = z.infer<typeof accessReportAnswer>;
