// What a client is told of a denial, whatever its protocol: the code for each reason, and why.

import type { Deny, ReasonCode } from '../core/decision.ts';
import { ERROR_CODES, type ErrorCode } from '../core/error.ts';
import type { Facts, Unknown } from '../core/facts.ts';

/** How a denial for each reason is told. */
const codeOf = {
  rule: 'SP_REQUEST_DENIED',
  'no-access': 'SP_TARGET_UNKNOWN',
  'effect-not-granted': 'SP_REQUEST_DENIED',
  'not-understood': 'SP_REQUEST_NOT_UNDERSTOOD',
  'policy-error': 'SP_REQUEST_DENIED',
  predicate: 'SP_REQUEST_DENIED',
  'approval-denied': 'SP_APPROVAL_DENIED',
  'approval-expired': 'SP_APPROVAL_EXPIRED',
  'approval-void': 'SP_APPROVAL_VOID',
  cancelled: 'SP_REQUEST_CANCELLED',
  'shutting-down': 'SP_SHUTTING_DOWN',
  unavailable: 'SP_STORE_UNAVAILABLE',
  'outside-grant': 'SP_GRANT_SCOPE',
  'grant-rows': 'SP_GRANT_ROWS',
} as const satisfies Record<ReasonCode, ErrorCode>;

export interface ToldDenial {
  readonly code: ErrorCode;
  /** The first reason. */
  readonly reason: ReasonCode;
  /** Public text of the code. */
  readonly text: string;
  /** What to do instead. */
  readonly remedy: string;
  /** What could not be proven, when that is the reason. */
  readonly unknown: Unknown | undefined;
  /** Reasons, rules, and everything that could not be proven. */
  readonly why: string;
}

export function toldDenial(decision: Deny, facts: Facts): ToldDenial {
  const reason = decision.reasons[0] ?? 'policy-error';
  const code = codeOf[reason];
  const unknown = reason === 'not-understood' ? facts.unknowns[0] : undefined;
  const why = [`reasons: ${decision.reasons.join(', ')}`];
  if (decision.rules.length > 0) why.push(`rules: ${decision.rules.join(', ')}`);
  if (facts.unknowns.length > 1) why.push(`not understood: ${facts.unknowns.map((item) => `${item.code} ${item.what}`).join(', ')}`);
  const { text, remedy } = ERROR_CODES[code];
  return { code, reason, text, remedy: unknown?.remedy ?? remedy, unknown, why: why.join('; ') };
}

/** It may be told by the code that the protocol has for it: what policy denies as well is denied, whatever is missing in it. A text
 *  that is no statement is never that: policy has seen nothing of it. */
export function isNothingElse({ code }: Unknown, { reasons }: Deny): boolean {
  return code === 'syntax' || code === 'too-large' || code === 'too-deep' || reasons.length === 1;
}
