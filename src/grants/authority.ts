// By which rights a person answers: a role of their own, the role that unanswered questions go to, or a right that was lent.

import type { Authority } from '../core/answering.ts';
import { CLOCK_LEEWAY_MS } from '../core/deadline.ts';
import type { LockKind } from '../core/grant.ts';
import { principalKey, type Principal } from '../core/identity.ts';
import type { Clock } from '../core/ports.ts';
import type { KnownAccess } from './access-watch.ts';
import { type Escalation, isEscalated } from './escalation.ts';

export interface AuthorityDeps {
  readonly known: () => KnownAccess;
  readonly rolesOf: (principal: Principal) => readonly string[];
  readonly escalation: Escalation | null;
  readonly clock: Clock;
}

/** By which rights the principal answers for `role`, now, what was asked at `askedAtMs`. Nobody who is locked has any. */
export type AuthoritiesOf = (principal: Principal, role: string, askedAtMs: number) => readonly Authority[];

export function createAuthorities({ known, rolesOf, escalation, clock }: AuthorityDeps): AuthoritiesOf {
  return (principal, role, askedAtMs) => {
    const access = known();
    const nowMs = clock.nowMs();
    const own = rolesOf(principal);
    if (isLocked(access, 'principal', principalKey(principal)) || own.some((each) => isLocked(access, 'role', each))) return [];
    const asked = [role, ...(escalation !== null && isEscalated(escalation, askedAtMs, nowMs) ? [escalation.role] : [])];
    const open = asked.filter((each) => !isLocked(access, 'role', each));
    // What the store cannot tell of now was lent to nobody.
    const lent = access.isKnown ? access.delegations : [];
    return [
      ...open.filter((each) => own.includes(each)).map((each): Authority => ({ kind: 'role', role: each })),
      ...lent
        .filter(
          ({ role: each, from, to, createdAtMs, deadline }) =>
            open.includes(each) &&
            to.issuer === principal.issuer &&
            to.subject === principal.subject &&
            !deadline.isOver() &&
            createdAtMs <= nowMs + CLOCK_LEEWAY_MS &&
            !isLocked(access, 'principal', principalKey(from)),
        )
        .map(({ id, from }): Authority => ({ kind: 'delegation', id, from })),
    ];
  };
}

export function isLocked({ locks }: KnownAccess, kind: LockKind, name: string): boolean {
  return locks.some((lock) => lock.kind === kind && lock.name === name);
}
