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
