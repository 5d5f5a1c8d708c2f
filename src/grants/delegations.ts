// The right to answer, lent for a time to a person by name: for a holiday, or a night. Only who has the role lends it; what was
// lent is not lent on, gives no access, and never answers what the lender asked (core/answering.ts).

import { SallyportError } from '../core/error.ts';
import type { Delegation } from '../core/grant.ts';
import { principalKey, type ActorRef, type Principal } from '../core/identity.ts';
import { delegationId, type DelegationId } from '../core/ids.ts';
import type { AuditLog, Clock, DelegationStore, Random } from '../core/ports.ts';
import type { AccessWatch } from './access-watch.ts';
import { isLocked } from './authority.ts';
import { actorOf, delegationEntry } from './entries.ts';

export const MAX_DELEGATION_MS = 30 * 86_400_000;

export interface DelegationsDeps {
  readonly store: DelegationStore;
  readonly watch: AccessWatch;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly rolesOf: (principal: Principal) => readonly string[];
  /** Roles that answer anything in this policy. */
  readonly isApproverRole: (role: string) => boolean;
  readonly isIssuer: (issuer: string) => boolean;
}

export interface DelegationsService {
  /** @throws SP_API_FORBIDDEN, SP_AUTH_EXPIRED, SP_API_BAD_REQUEST, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  delegate(from: Principal, role: string, to: Pick<ActorRef, 'issuer' | 'subject'>, durationMs: number): Promise<Delegation>;
  /** Takes it back. @param mayOperate an operator takes back anybody's.
   *  @throws SP_API_NOT_FOUND, SP_API_FORBIDDEN, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  end(id: DelegationId, by: Principal, mayOperate: boolean): Promise<void>;
  /** In force now, oldest first. */
  list(): Promise<Delegation[]>;
}

export function createDelegations(deps: DelegationsDeps): DelegationsService {
  const { store, watch, audit, clock, random } = deps;

  function requireLender(from: Principal, role: string): void {
    if (from.expiresAtMs <= clock.nowMs()) throw new SallyportError('SP_AUTH_EXPIRED', 'the identity of the lender has expired');
    const roles = deps.rolesOf(from);
    const isLockedOut = isLocked(watch.known, 'principal', principalKey(from)) || roles.some((each) => isLocked(watch.known, 'role', each));
    if (from.kind !== 'person' || from.onBehalfOf !== null || isLockedOut || !roles.includes(role)) {
      throw new SallyportError('SP_API_FORBIDDEN', 'only a person who has the role, acting for themselves, lends it');
    }
  }

  return {
    async delegate(from, role, to, durationMs) {
      requireLender(from, role);
      const isTime = Number.isSafeInteger(durationMs) && durationMs >= 60_000 && durationMs <= MAX_DELEGATION_MS;
      if (!isTime) throw new SallyportError('SP_API_BAD_REQUEST', 'a role is lent for a minute to 30 days');
      if (!deps.isApproverRole(role)) throw new SallyportError('SP_API_BAD_REQUEST', 'the policy asks this role nothing');
      if (!deps.isIssuer(to.issuer)) throw new SallyportError('SP_API_BAD_REQUEST', 'no identity provider has this name');
      if (principalKey({ ...to, kind: 'person' }) === principalKey(from)) {
        throw new SallyportError('SP_API_BAD_REQUEST', 'a role is lent to somebody else');
      }
      const nowMs = clock.nowMs();
      const delegation: Delegation = {
        id: delegationId(random.bytes(16)),
        role,
        from: actorOf(from),
        to: { issuer: to.issuer, subject: to.subject },
        createdAtMs: nowMs,
        expiresAtMs: nowMs + durationMs,
        endedAtMs: null,
      };
      await audit.append(delegationEntry('delegation.opened', delegation, from));
      await store.create(delegation);
      await watch.refresh();
      return delegation;
    },

    async end(id, by, mayOperate) {
      const delegation = (await store.list(clock.nowMs())).find((each) => each.id === id);
      if (delegation === undefined) throw new SallyportError('SP_API_NOT_FOUND', 'no such delegation in force');
      if (!mayOperate && principalKey(delegation.from) !== principalKey(by)) {
        throw new SallyportError('SP_API_FORBIDDEN', 'not theirs');
      }
      if (!(await store.end(id, clock.nowMs()))) throw new SallyportError('SP_API_NOT_FOUND', 'no such delegation in force');
      await watch.refresh();
      await audit.append(delegationEntry('delegation.ended', delegation, by));
    },

    list: () => store.list(clock.nowMs()),
  };
}
