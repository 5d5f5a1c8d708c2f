// What the policy tools answer: schemas of the API, and the types that the services behind them give. docs/policy-tools.md says what
// each field means.

import { z } from 'zod';

/** Own files of a policy, with what they include. */
export const policyFilesSchema = z
  .array(z.strictObject({ path: z.string().min(1).max(500), source: z.string().max(500_000) }))
  .min(1)
  .max(500);

const names = z.array(z.string()).readonly();
const outcome = z.enum(['allow', 'hold', 'deny']);
const change = z.enum(['added', 'removed', 'changed']);

export const diffSchema = z.object({
  isEqual: z.boolean(),
  isCut: z.boolean().describe('There are more changes of masks than are listed'),
  roles: z.array(z.object({ role: z.string(), change, joins: names, leaves: names })).readonly(),
  access: z.array(z.object({ role: z.string(), targets: names, how: z.string(), gains: names, loses: names })).readonly(),
  classes: z
    .array(
      z.object({
        class: z.string(),
        change,
        columnsAdded: names,
        columnsRemoved: names,
        predicates: z.object({ from: z.string(), to: z.string() }).nullable(),
        subjects: z.object({ from: z.string(), to: z.string() }).nullable().describe('Columns that say whose data it is; empty = none'),
      }),
    )
    .readonly(),
  masks: z
    .array(
      z.object({
        role: z.string().nullable().describe('null = everybody whose roles no mask entry names'),
        targets: names,
        class: z.string(),
        from: z.string().describe('none = the class is not declared'),
        to: z.string(),
        change: z.enum(['reveals', 'hides']),
      }),
    )
    .readonly(),
  rules: z
    .array(
      z.object({
        rule: z.string(),
        change,
        // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
        then: outcome,
        fields: z.array(z.object({ field: z.string(), from: z.string(), to: z.string() })).readonly(),
      }),
    )
    .readonly(),
});
export type PolicyDiffAnswer = z.infer<typeof diffSchema>;

const unknown = z
  .array(z.object({ reason: z.string(), count: z.int(), example: z.int().describe('Log index of one') }))
  .readonly()
  .describe('Requests that cannot be decided again, by reason');
const verdict = z.object({ outcome, reasons: names, rules: names });

export const replaySchema = z.object({
  policySha256: z.string(),
  requests: z.int(),
  unchanged: z.int(),
  changes: z.object({
    held: z.int(),
    denied: z.int(),
    allowed: z.int(),
    approvers: z.int(),
    masked: z.int(),
    revealed: z.int(),
  }),
  unknown,
  groups: z
    .array(
      z.object({
        kind: z.enum(['held', 'denied', 'allowed', 'approvers', 'masked', 'revealed']),
        target: z.string(),
        statement: z.string().nullable().describe('Redacted; null = it could not be lexed'),
        count: z.int(),
        principals: names,
        principalCount: z.int(),
        example: z.int().describe('Log index of one'),
        from: verdict,
        to: verdict,
        masks: z.array(z.object({ of: z.string(), from: z.string(), to: z.string() })).readonly(),
      }),
    )
    .readonly(),
  ungrouped: z.int().describe('Changes in groups that are not listed'),
});
export type ReplayAnswer = z.infer<typeof replaySchema>;

export const accessReportSchema = z.object({
  policySha256: z.string(),
  requests: z.int(),
  denied: z.int(),
  unknown: z.array(z.object({ reason: z.string(), count: z.int() })).readonly(),
  roles: z
    .array(
      z.object({
        role: z.string(),
        requests: z.int(),
        principals: names,
        principalCount: z.int(),
        granted: z.array(z.object({ targets: names, effects: names, how: z.string() })).readonly(),
        used: z
          .array(
            z.object({
              target: z.string(),
              requests: z.int(),
              effects: z.array(z.object({ effect: z.string(), count: z.int() })).readonly(),
              relations: z.array(z.object({ name: z.string(), read: z.int(), written: z.int() })).readonly(),
              classes: z.array(z.object({ class: z.string(), count: z.int(), shownAs: z.string() })).readonly(),
            }),
          )
          .readonly(),
        unused: z.object({
          targets: names,
          effects: z.array(z.object({ target: z.string(), effects: names })).readonly(),
          clearClasses: names,
        }),
      }),
    )
    .readonly(),
  shrunk: z.object({
    files: z
      .array(z.object({ name: z.string(), text: z.string() }))
      .readonly()
      .nullable()
      .describe('The policy that would have sufficed; null when that could not be proven'),
    sha256: z.string().nullable(),
    proven: z.int().describe('Requests that are decided as they were'),
    notes: names,
  }),
});
export type AccessReportAnswer = z.infer<typeof accessReportSchema>;
