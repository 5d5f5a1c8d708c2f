// Who may answer what somebody asked for (a held statement, access for a time), and what the answers make of it. Pure and
// shared: no service has rules of its own.

import { SallyportError } from './error.ts';
import { principalKey, type ActorRef, type Principal } from './identity.ts';
import type { DelegationId } from './ids.ts';

export interface Answer {
  readonly by: ActorRef;
  readonly verdict: 'approve' | 'deny';
  readonly atMs: number;
  /** Whose right it was, when the one who answered had it by delegation. */
  readonly lentBy?: ActorRef;
}

/** How an answer came in, as far as the gateway itself knows: by its API with a log-in, which is how the command line answers too,
 *  or by a signed click in Slack. */
export type AnswerWay = 'api' | 'slack';

/** What is asked, as far as answering it goes. */
export interface Question {
  readonly requester: ActorRef;
  readonly onBehalfOf: ActorRef | null;
  readonly approvers: { readonly role: string; readonly count: number };
  readonly answers: readonly Answer[];
}

/** The right by which a person answers. */
export type Authority =
  /** Has the role that is asked, or the one that unanswered questions go to. */
  | { readonly kind: 'role'; readonly role: string }
  /** Somebody who has the role lent it for a time. */
  | { readonly kind: 'delegation'; readonly id: DelegationId; readonly from: ActorRef };

const samePerson = (a: ActorRef, b: ActorRef): boolean => principalKey(a) === principalKey(b);

function asks({ requester, onBehalfOf }: Question, actor: ActorRef): boolean {
  return samePerson(actor, requester) || (onBehalfOf !== null && samePerson(actor, onBehalfOf));
}

/** Why `principal` may not answer, whatever was answered so far; null when they may.
 *  INVARIANT: nobody answers what they asked, nor what was asked on their behalf, nor by a right that either lent; only people answer. */
export function refusalOf(
  question: Question,
  principal: Principal,
  authorities: readonly Authority[],
  nowMs: number,
): SallyportError | null {
  if (principal.expiresAtMs <= nowMs) return new SallyportError('SP_AUTH_EXPIRED', 'the identity of the reviewer has expired');
  if (principal.kind !== 'person' || principal.onBehalfOf !== null) {
    return new SallyportError('SP_API_FORBIDDEN', 'only a person, acting for themselves, answers');
  }
  if (samePerson(principal, question.requester)) {
    return new SallyportError('SP_API_FORBIDDEN', 'the requester does not answer their own request');
  }
  if (asks(question, principal)) {
    return new SallyportError('SP_API_FORBIDDEN', 'the person on whose behalf it was asked does not answer');
  }
  if (authorities.some((authority) => !isOfRequester(question, authority))) return null;
  return new SallyportError(
    'SP_API_FORBIDDEN',
    authorities.length === 0 ? `only the role ${question.approvers.role} answers this` : 'a right that the requester lent does not count',
  );
}

function isOfRequester(question: Question, authority: Authority): boolean {
  return authority.kind === 'delegation' && asks(question, authority.from);
}

/** The right by which this person can still answer; null when they have answered, or everyone who lent them theirs has.
 *  INVARIANT: a person, and those they lent their right to, count as one. */
export function authorityOf(question: Question, principal: ActorRef, authorities: readonly Authority[]): Authority | null {
  const spent = new Set(question.answers.flatMap(({ by, lentBy }) => [by, ...(lentBy === undefined ? [] : [lentBy])]).map(principalKey));
  if (spent.has(principalKey(principal))) return null;
  const usable = authorities.filter(
    (authority) => !isOfRequester(question, authority) && (authority.kind === 'role' || !spent.has(principalKey(authority.from))),
  );
  return usable.find(({ kind }) => kind === 'role') ?? usable[0] ?? null;
}

/** What these answers make of it: one denial denies, `count` different people approve. */
export function verdictOf({ approvers }: Question, answers: readonly Answer[]): 'pending' | 'approved' | 'denied' {
  if (answers.some(({ verdict }) => verdict === 'deny')) return 'denied';
  const people = new Set(answers.map(({ by, lentBy }) => principalKey(lentBy ?? by)));
  return people.size >= approvers.count ? 'approved' : 'pending';
}
