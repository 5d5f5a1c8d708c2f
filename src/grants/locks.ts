// Locks: nobody whom one names has access until it is lifted. A lock takes effect before it is recorded; lifting one is recorded
// before it takes effect. They survive a restart, and end live sessions, held requests and approvals at once.

import { SallyportError } from '../core/error.ts';
import type { Lock, LockKind } from '../core/grant.ts';
import { principalKey, type Principal } from '../core/identity.ts';
import type { Notifier } from '../core/notice.ts';
import type { AuditLog, Clock, LockStore } from '../core/ports.ts';
import type { AccessWatch } from './access-watch.ts';
import { isLocked } from './authority.ts';
import { actorOf, lockEntry, sealed } from './entries.ts';
import { bothOf, MAX_REASON_LENGTH } from './grants.ts';
import { lockNotice } from './notices.ts';

export interface LocksDeps {
  readonly store: LockStore;
  readonly watch: AccessWatch;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly notifier: Notifier;
  readonly rolesOf: (principal: Principal) => readonly string[];
  /** Whether there is something of this name that could be locked. */
  readonly exists: (kind: LockKind, name: string) => boolean;
  /** Voids open approvals that the lock concerns. */
  readonly voidApprovals: (lock: Pick<Lock, 'kind' | 'name'>) => Promise<void>;
}

export interface LocksService {
  /** Live sessions have been told to end, on every thread, when this resolves. A lock that stands already is given back.
   *  @param name a role, a target, or `issuer/subject` with both parts percent-encoded
   *  @throws SP_API_NOT_FOUND, SP_API_FORBIDDEN for a lock on oneself, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  lock(by: Principal, kind: LockKind, name: string, reason?: string): Promise<Lock>;
  /** @throws SP_API_NOT_FOUND when it does not stand; as `lock` */
  unlock(by: Principal, kind: LockKind, name: string, reason?: string): Promise<void>;
  /** Oldest first. */
  list(): Promise<Lock[]>;
  /** The principal, or whom it acts for, is locked by name. */
  isLockedOut(principal: Principal): boolean;
}

export function createLocks(deps: LocksDeps): LocksService {
  const { store, watch, audit, clock, notifier } = deps;

  function requireSense(by: Principal, kind: LockKind, name: string, reason: string | undefined): void {
    if (reason !== undefined && reason.length > MAX_REASON_LENGTH) {
      throw new SallyportError('SP_API_BAD_REQUEST', `a reason has at most ${MAX_REASON_LENGTH} characters`);
    }
    if (!deps.exists(kind, name)) throw new SallyportError('SP_API_NOT_FOUND', `there is no such ${kind}`);
    const isOwn = kind === 'principal' ? principalKey(by) === name : kind === 'role' && deps.rolesOf(by).includes(name);
    // Whoever locks can still unlock.
    if (isOwn) throw new SallyportError('SP_API_FORBIDDEN', 'nobody locks themselves out');
  }

  return {
    async lock(by, kind, name, reason) {
      requireSense(by, kind, name, reason);
      const lock: Lock = { kind, name, by: actorOf(by), atMs: clock.nowMs() };
      if (!(await store.set(lock))) {
        await watch.refresh();
        return (await store.list()).find((each) => each.kind === kind && each.name === name) ?? lock;
      }
      await bothOf(
        watch.refresh().then(() => deps.voidApprovals(lock)),
        audit.append(lockEntry('lock.set', lock, by), sealed(reason)),
      );
      notifier.notify(lockNotice('lock.set', lock, by, lock.atMs));
      return lock;
    },

    async unlock(by, kind, name, reason) {
      const stands = (await store.list()).some((each) => each.kind === kind && each.name === name);
      if (!stands) throw new SallyportError('SP_API_NOT_FOUND', 'no such lock');
      await audit.append(lockEntry('lock.lifted', { kind, name }, by), sealed(reason));
      await store.lift(kind, name);
      await watch.refresh();
      notifier.notify(lockNotice('lock.lifted', { kind, name }, by, clock.nowMs()));
    },

    list: () => store.list(),

    isLockedOut(principal) {
      const { known } = watch;
      const { onBehalfOf } = principal;
      return (
        isLocked(known, 'principal', principalKey(principal)) ||
        (onBehalfOf !== null && isLocked(known, 'principal', principalKey(onBehalfOf)))
      );
    },
  };
}
