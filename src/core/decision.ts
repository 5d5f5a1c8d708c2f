// The answer of `policy.decide`. A decision is data; a denial never travels by `throw`.

import type { GrantId, Sha256Hex } from './ids.ts';
import { compareRevealing, type Mask } from './mask.ts';

export { MASK_METHODS, type Mask, type MaskMethod, methodOf, REVEALING } from './mask.ts';

/** Mask per class for one principal on one target. A class that is absent is `redact`. */
export interface MaskSet {
  /** Identity of this set: equal ids mean equal masks under the same policy version. Cache key part. */
  readonly id: string;
  readonly byClass: Readonly<Record<string, Mask>>;
}

/** Mask of one class; a class the set does not name is `redact`. */
export function maskOfClass(className: string, masks: MaskSet): Mask {
  return (Object.hasOwn(masks.byClass, className) ? masks.byClass[className] : undefined) ?? 'redact';
}

/** Mask a column of these classes is shown by: the least revealing; `clear` without classes. */
export function maskFor(classes: readonly string[], masks: MaskSet): Mask {
  let least: Mask = 'clear';
  for (const name of classes) {
    const mask = maskOfClass(name, masks);
    if (compareRevealing(mask, least) < 0) least = mask;
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
  'outside-grant',
  'grant-rows',
] as const;
export type ReasonCode = (typeof REASONS)[number];

interface DecisionBase {
  readonly reasons: readonly ReasonCode[];
  /** Names of the rules that made it, in policy order. */
  readonly rules: readonly string[];
  readonly policySha256: Sha256Hex;
  readonly masks: MaskSet;
  /** Roles that counted when it was decided, in policy order. */
  readonly roles: readonly string[];
  /** Grants it rests on, most important first; absent = standing access alone. */
  readonly grants?: readonly GrantId[];
  /** What it knew of the session; given by the gate while some rule asks for time or session. */
  readonly session?: { readonly ageSeconds: number; readonly statements: number };
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
