// The answer of `policy.decide`. A decision is data; a denial never travels by `throw`.

import type { Sha256Hex } from './ids.ts';

/** Every mask method. One row per method in `masking/methods.ts`. */
export const MASK_METHODS = ['clear', 'redact', 'null', 'partial', 'hash', 'token', 'year', 'month', 'zip3', 'age-90', 'round'] as const;
export type MaskMethod = (typeof MASK_METHODS)[number];

/** Mask per class for one principal on one target. A class that is absent is `redact`. */
export interface MaskSet {
  /** Identity of this set: equal ids mean equal masks under the same policy version. Cache key part. */
  readonly id: string;
  readonly byClass: Readonly<Record<string, MaskMethod>>;
}

/** How much a method reveals; higher reveals more. Where several apply to one column, the least revealing one counts. */
export const REVEALING = {
  null: 0,
  redact: 10,
  hash: 20,
  token: 30,
  'age-90': 40,
  year: 50,
  zip3: 60,
  month: 70,
  round: 80,
  partial: 90,
  clear: 100,
} as const satisfies Record<MaskMethod, number>;

/** Method for one class; a class the set does not name is `redact`. */
export function maskOfClass(className: string, masks: MaskSet): MaskMethod {
  return (Object.hasOwn(masks.byClass, className) ? masks.byClass[className] : undefined) ?? 'redact';
}

/** Method a column of these classes is shown by: the least revealing; `clear` without classes. */
export function maskFor(classes: readonly string[], masks: MaskSet): MaskMethod {
  let least: MaskMethod = 'clear';
  for (const name of classes) {
    const method = maskOfClass(name, masks);
    if (REVEALING[method] < REVEALING[least]) least = method;
  }
  return least;
}

export const REASONS = [
  'rule',
  'no-access',
  'effect-not-granted',
  'not-understood',
  'policy-error',
  'predicate',
  'approval-denied',
  'approval-expired',
  'approval-void',
  'cancelled',
  'shutting-down',
  'unavailable',
] as const;
export type ReasonCode = (typeof REASONS)[number];

interface DecisionBase {
  readonly reasons: readonly ReasonCode[];
  /** Names of the rules that made it, in policy order. */
  readonly rules: readonly string[];
  readonly policySha256: Sha256Hex;
  readonly masks: MaskSet;
  /** Roles the principal had when it was decided, in policy order. */
  readonly roles: readonly string[];
}

export interface Allow extends DecisionBase {
  readonly outcome: 'allow';
}

export interface Hold extends DecisionBase {
  readonly outcome: 'hold';
  readonly approvers: { readonly role: string; readonly count: number };
  readonly withinMs: number;
  readonly say: string | null;
}

export interface Deny extends DecisionBase {
  readonly outcome: 'deny';
  /** Fixed text of the policy author, shown to the client. */
  readonly say: string | null;
}

export type Decision = Allow | Hold | Deny;
