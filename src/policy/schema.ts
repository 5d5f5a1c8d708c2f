// The schema of a policy file. docs/policy.md repeats every key and a test compares the two.
// What cannot be kept (minGroup) is refused here with a message of its own, because a policy that is only half enforced is
// worse than one that does not load.

import { z } from 'zod';
import { REASONS } from '../core/decision.ts';
import { UNIT_MS } from '../core/duration.ts';
import { EFFECTS } from '../core/facts.ts';
import { type Mask, MASK_ARGUMENTS, MASK_METHODS, maskWith, METHODS_WITH_ARGUMENTS } from '../core/mask.ts';
import { includePath } from './includes.ts';

export const PREDICATE_MODES = ['any', 'equality', 'hold', 'none'] as const;
export type PredicateMode = (typeof PREDICATE_MODES)[number];

export const PRINCIPAL_KINDS = ['person', 'agent', 'service'] as const;

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be lower-case letters, digits, dashes and underscores, starting with a letter');
const className = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$/, 'must be a class name such as phi.ssn');
const classPattern = z
  .string()
  .max(66)
  .regex(/^(\*|[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*(\.\*)?)$/, 'must be a class such as phi.ssn, or a pattern such as phi.* or *');
const targetPattern = z.string().regex(/^(\*|[a-z][a-z0-9_-]{0,62})$/, 'must be the name of a target, or *');

/** Target, then schema, relation and column, or with the database before them. A name holds no dot, colon or white space; `*` stands
 *  for any text. */
export const COLUMN_PATTERN = /^([a-z0-9*-]+):((?:[^.:\s"]+\.){2,3}[^.:\s"]+)$/;
const columnPattern = z
  .string()
  .max(400)
  .regex(COLUMN_PATTERN, 'must be target:schema.relation.column or target:database.schema.relation.column, each a name or with *');

const maxDurationMs = 7 * 86_400_000;
const durationMs = z.string().transform((text, context) => {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
  if (ms > 0 && ms <= maxDurationMs) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration such as 90s, 15m, 8h or 2d, at most 7d' });
  return z.NEVER;
});

const say = z
  .string()
  .min(1)
  .max(500)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line of text');
const approvers = z.strictObject({ role: name, count: z.int().min(1).max(10).default(1) });

const classEntry = z
  .strictObject({
    class: className,
    columns: z.array(columnPattern).max(2000).optional(),
    json: z.array(z.string().min(1).max(500)).max(2000).optional(),
    subject: columnPattern.optional(),
    predicates: z.enum(PREDICATE_MODES).optional(),
    approvers: approvers.optional(),
    within: durationMs.optional(),
    minGroup: z.unknown().optional(),
  })
  .superRefine((entry, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (entry.minGroup !== undefined)
      refuse(
        'minGroup',
        'small-cell suppression is not supported: who may read single rows can count them; restrict statements by a rule instead',
      );
    if (entry.predicates === 'hold') {
      if (entry.approvers === undefined) refuse('approvers', 'is missing: predicates: hold needs approvers');
      if (entry.within === undefined) refuse('within', 'is missing: predicates: hold needs within');
    } else {
      if (entry.approvers !== undefined) refuse('approvers', 'is only for predicates: hold');
      if (entry.within !== undefined) refuse('within', 'is only for predicates: hold');
    }
    if (entry.columns === undefined && entry.json === undefined && entry.predicates === undefined) {
      refuse('columns', 'is missing: say where the class is found, or give predicates for a class that is declared elsewhere');
    }
  });

const claimValue = z.union([z.string().max(500), z.number(), z.boolean()]);
const member = z
  .strictObject({
    issuer: z.string().min(1).max(100),
    group: z.string().min(1).max(500).optional(),
    claim: z.string().min(1).max(200).optional(),
    is: claimValue.optional(),
    subject: z.string().min(1).max(500).optional(),
    kind: z.enum(PRINCIPAL_KINDS).optional(),
  })
  .superRefine((entry, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if ((entry.claim === undefined) !== (entry.is === undefined))
      refuse(entry.claim === undefined ? 'claim' : 'is', 'is missing: claim and is go together');
    if (entry.group === undefined && entry.claim === undefined && entry.subject === undefined && entry.kind === undefined) {
      context.addIssue({ code: 'custom', message: 'names everybody of the issuer: add group, claim and is, subject, or kind' });
    }
  });

const standing = { kind: 'standing' } as const;

/** `reviewers` of break-glass review afterwards what was done; nobody is asked before. */
const how = z
  .union([
    z.literal('standing'),
    z.strictObject({
      'on-request': z.strictObject({ maxDuration: durationMs, approvers }).optional(),
      'break-glass': z.strictObject({ maxDuration: durationMs, reviewers: z.strictObject({ role: name }) }).optional(),
    }),
  ])
  .default('standing')
  .transform((value, context) => {
    if (value === 'standing') return standing;
    const { 'on-request': onRequest, 'break-glass': breakGlass } = value;
    if (onRequest !== undefined && breakGlass === undefined) {
      return { kind: 'on-request', maxDurationMs: onRequest.maxDuration, approvers: onRequest.approvers } as const;
    }
    if (breakGlass !== undefined && onRequest === undefined) {
      return { kind: 'break-glass', maxDurationMs: breakGlass.maxDuration, approvers: { ...breakGlass.reviewers, count: 1 } } as const;
    }
    context.addIssue({
      code: 'custom',
      message: 'must be standing, on-request: { maxDuration, approvers } or break-glass: { maxDuration, reviewers }',
    });
    return z.NEVER;
  });

const accessEntry = z.strictObject({
  role: name,
  targets: z.array(targetPattern).min(1),
  effects: z.array(z.enum(EFFECTS)).min(1),
  how,
});

const argument = z.int().optional();

/** A method with arguments. Ranges: core/mask.ts. */
const maskWithArguments = z
  .strictObject({
    method: z.enum(METHODS_WITH_ARGUMENTS),
    first: argument,
    last: argument,
    days: argument,
    step: argument,
  })
  .transform(({ method, ...given }, context): Mask => {
    const mask = maskWith(method, given);
    if (mask !== null) return mask;
    const ranges = MASK_ARGUMENTS[method].map(({ name: key, min, max }) => `${key} from ${min} to ${max}`);
    context.addIssue({ code: 'custom', message: `${method} takes ${ranges.join(' and ')}${method === 'partial' ? ', not both 0' : ''}` });
    return z.NEVER;
  });

/** YAML reads the bare word null as empty; here it is the name of a mask. */
const maskSpelling = z.union([z.enum(MASK_METHODS), z.null(), maskWithArguments]).transform((mask): Mask => mask ?? 'null');

const maskEntry = z.strictObject({
  class: classPattern,
  roles: z.array(name).min(1).optional(),
  targets: z.array(targetPattern).min(1).optional(),
  mask: maskSpelling,
});

const ruleEntry = z
  .strictObject({
    name,
    when: z.string().min(1).max(4000),
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the language; text is not thenable
    then: z.enum(['allow', 'hold', 'deny']),
    approvers: approvers.optional(),
    within: durationMs.optional(),
    say: say.optional(),
  })
  .superRefine((rule, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (rule.then === 'hold') {
      if (rule.approvers === undefined) refuse('approvers', 'is missing: then: hold needs approvers');
      if (rule.within === undefined) refuse('within', 'is missing: then: hold needs within');
    } else {
      if (rule.approvers !== undefined) refuse('approvers', 'is only for then: hold');
      if (rule.within !== undefined) refuse('within', 'is only for then: hold');
      if (rule.then === 'allow' && rule.say !== undefined) refuse('say', 'is only for hold and deny');
    }
  });

const testEntry = z.strictObject({
  name: z.string().min(1).max(300),
  as: z.strictObject({
    issuer: z.string().min(1),
    subject: z.string().min(1),
    kind: z.enum(PRINCIPAL_KINDS).default('agent'),
    groups: z.array(z.string()).default([]),
    claims: z.record(z.string(), z.union([claimValue, z.array(z.string())])).default({}),
    granted: z.array(name).default([]),
  }),
  target: name,
  sql: z.string().min(1).max(100_000),
  session: z
    .strictObject({ ageSeconds: z.int().min(0).default(0), statements: z.int().min(1).default(1) })
    .default({ ageSeconds: 0, statements: 1 }),
  at: z.iso.datetime({ offset: true, error: 'must be a time such as 2026-03-01T09:00:00Z' }).optional(),
  expect: z.strictObject({
    decision: z.enum(['allow', 'hold', 'deny']),
    reasons: z.array(z.enum(REASONS)).optional(),
    rules: z.array(z.string()).optional(),
    masks: z.record(z.string(), maskSpelling).optional(),
  }),
});

/** One policy file. A policy is one or more of them; their lists are joined. */
export const policyFileSchema = z.strictObject({
  version: z.literal(1),
  include: z.array(includePath).max(200).optional(),
  packs: z.array(z.string()).optional(),
  classes: z.array(classEntry).max(5000).optional(),
  roles: z
    .array(z.strictObject({ role: name, members: z.array(member).max(1000) }))
    .max(1000)
    .optional(),
  access: z.array(accessEntry).max(5000).optional(),
  masks: z.array(maskEntry).max(5000).optional(),
  rules: z.array(ruleEntry).max(1000).optional(),
  tests: z.array(testEntry).max(5000).optional(),
});

export type PolicyFileContent = z.output<typeof policyFileSchema>;
export type ClassEntry = z.output<typeof classEntry>;
export type Member = z.output<typeof member>;
export type AccessEntry = z.output<typeof accessEntry>;
export type MaskEntry = z.output<typeof maskEntry>;
export type RuleEntry = z.output<typeof ruleEntry>;
export type TestEntry = z.output<typeof testEntry>;
