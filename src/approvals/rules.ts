// Who may answer an approval, and what an answer makes of it. Pure: the desk adds the store, the log and the time.

import { SallyportError } from '../core/error.ts';
import { principalKey, type ActorRef, type Principal } from '../core/identity.ts';
import type { Approval, ApprovalAnswer, ApprovalState } from '../core/ports.ts';

const samePerson = (a: ActorRef, b: ActorRef): boolean => principalKey(a) === principalKey(b);

/** Why `principal` may not answer, whatever the state of the approval; null when they may.
 *  INVARIANT: nobody approves their own request, nor one made on their behalf; only people answer. */
export function refusalOf(approval: Approval, principal: Principal, roles: readonly string[], nowMs: number): SallyportError | null {
  if (principal.expiresAtMs <= nowMs) return new SallyportError('SP_AUTH_EXPIRED', 'the identity of the reviewer has expired');
  if (principal.kind !== 'person' || principal.onBehalfOf !== null) {
    return new SallyportError('SP_API_FORBIDDEN', 'only a person, acting for themselves, answers approvals');
  }
  if (samePerson(principal, approval.requester)) {
    return new SallyportError('SP_API_FORBIDDEN', 'the requester does not answer their own request');
  }
  if (approval.onBehalfOf !== null && samePerson(principal, approval.onBehalfOf)) {
    return new SallyportError('SP_API_FORBIDDEN', 'the person on whose behalf it was asked does not answer');
  }
  if (!roles.includes(approval.approvers.role)) {
    return new SallyportError('SP_API_FORBIDDEN', `only the role ${approval.approvers.role} answers this approval`);
  }
  return null;
}

/** True when this person has answered before. */
export function hasAnswered(approval: Approval, actor: ActorRef): boolean {
  return approval.answers.some((answer) => samePerson(answer.by, actor));
}

/** State after these answers: one denial denies, `count` different people approve. */
export function stateAfter(approval: Approval, answers: readonly ApprovalAnswer[]): ApprovalState {
  if (answers.some((answer) => answer.verdict === 'deny')) return 'denied';
  const people = new Set(answers.map((answer) => principalKey(answer.by)));
  return people.size >= approval.approvers.count ? 'approved' : 'pending';
}
