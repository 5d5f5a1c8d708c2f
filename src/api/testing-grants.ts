// In-memory grants, locks and delegations for tests of the API. Used by tests only.

import { SallyportError } from '../core/error.ts';
import { type Delegation, type Grant, type GrantWish, type Lock, UNANSWERED } from '../core/grant.ts';
import { type Principal, principalKey } from '../core/identity.ts';
import type { DelegationId, GrantId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { DelegationsSurface, GrantsSurface, LocksSurface, RecertificationSurface } from './ports.ts';

export const grantIdOf = (letter: string): GrantId => `grt_${letter.repeat(26)}` as GrantId;

export function grantOf(letter: string, requester: Principal, change: Partial<Grant> = {}): Grant {
  const { issuer, subject, kind, name } = requester;
  return {
    id: grantIdOf(letter),
    kind: 'on-request',
    requester: { issuer, subject, kind, name },
    onBehalfOf: requester.onBehalfOf,
    role: 'reporting-agent',
    target: 'clinic' as TargetName,
    effects: ['read'],
    relations: ['public.patients'],
    rowsPerHour: null,
    durationMs: 3_600_000,
    approvers: { role: 'privacy-officer', count: 1 },
    policySha256: 'ab'.repeat(32) as Sha256Hex,
    requestedAtMs: 1_000,
    answerByMs: 100_000,
    ...UNANSWERED,
    ...change,
  };
}

export interface AccessFakes {
  readonly grants: Grant[];
  readonly locks: Lock[];
  readonly delegations: Delegation[];
  /** What was asked of the services, as given. */
  readonly calls: unknown[];
  readonly surfaces: {
    readonly grants: GrantsSurface;
    readonly locks: LocksSurface;
    readonly delegations: DelegationsSurface;
    readonly recertification: RecertificationSurface;
  };
}

/** @param rolesOf of the fakes. Officers answer and review; everybody may ask. */
export function createAccessFakes(rolesOf: (principal: Principal) => readonly string[]): AccessFakes {
  const grants: Grant[] = [];
  const locks: Lock[] = [];
  const delegations: Delegation[] = [];
  const calls: unknown[] = [];
  const change = (id: GrantId, next: (grant: Grant) => Partial<Grant>): Grant => {
    const index = grants.findIndex((each) => each.id === id);
    const grant = grants[index];
    if (grant === undefined) throw new SallyportError('SP_GRANT_NOT_FOUND', 'x');
    return (grants[index] = { ...grant, ...next(grant) });
  };
  const isOfficer = (grant: Grant, principal: Principal): boolean => rolesOf(principal).includes(grant.approvers.role);
  const mayRevoke = (grant: Grant, principal: Principal, mayOperate: boolean): boolean =>
    mayOperate || isOfficer(grant, principal) || principalKey(grant.requester) === principalKey(principal);
  return {
    grants,
    locks,
    delegations,
    calls,
    surfaces: {
      grants: {
        offers: () => [
          {
            kind: 'on-request',
            role: 'reporting-agent',
            effects: ['read'],
            maxDurationMs: 7_200_000,
            approvers: { role: 'privacy-officer', count: 1 },
          },
        ],
        async request(principal, wish: GrantWish, reason) {
          calls.push({ wish, reason });
          if (wish.durationMs > 7_200_000) throw new SallyportError('SP_GRANT_REFUSED', 'x');
          const { target, kind, relations, rowsPerHour, durationMs } = wish;
          const grant = grantOf('n', principal, { target, kind, relations, rowsPerHour, durationMs });
          grants.push(grant);
          return grant;
        },
        async answer(id, principal, verdict, reason) {
          calls.push({ verdict, reason });
          return change(id, (grant) => {
            if (!isOfficer(grant, principal)) throw new SallyportError('SP_API_FORBIDDEN', 'x');
            if (grant.state !== 'requested') throw new SallyportError('SP_GRANT_CONFLICT', 'x');
            const { issuer, subject, kind } = principal;
            return {
              state: verdict === 'approve' ? 'active' : 'denied',
              answers: [{ by: { issuer, subject, kind }, verdict, atMs: 2_000, lentBy: { issuer, subject: 'olga', kind } }],
              openedAtMs: 2_000,
              expiresAtMs: 3_602_000,
            };
          });
        },
        mayAnswer: (grant, principal) => grant.state === 'requested' && isOfficer(grant, principal),
        async revoke(id, principal, mayOperate, reason) {
          calls.push({ mayOperate, reason });
          return change(id, (grant) => {
            if (!mayRevoke(grant, principal, mayOperate)) throw new SallyportError('SP_API_FORBIDDEN', 'x');
            return { state: 'revoked', end: 'revoked', endedAtMs: 3_000, endedBy: { issuer: 'corp', subject: 'x', kind: 'person' } };
          });
        },
        mayRevoke,
        async review(id, principal, finding) {
          calls.push({ finding });
          return change(id, (grant) => {
            if (!isOfficer(grant, principal)) throw new SallyportError('SP_API_FORBIDDEN', 'x');
            return { review: 'done', reviewedAtMs: 4_000, reviewedBy: { issuer: 'corp', subject: 'x', kind: 'person' } };
          });
        },
        mayReview: (grant, principal) => grant.review === 'owed' && isOfficer(grant, principal),
        show: async (id) => grants.find((each) => each.id === id) ?? null,
        list: async ({ states, review, limit }) =>
          grants
            .filter(({ state, review: is }) => states?.includes(state) !== false && (review === undefined || review === is))
            .slice(0, limit),
      },
      locks: {
        async lock(by, kind, name, reason) {
          calls.push({ kind, name, reason });
          if (name === 'nobody') throw new SallyportError('SP_API_NOT_FOUND', 'x');
          const lock: Lock = { kind, name, by: { issuer: by.issuer, subject: by.subject, kind: by.kind }, atMs: 1_000 };
          locks.push(lock);
          return lock;
        },
        async unlock(_by, kind, name) {
          const index = locks.findIndex((lock) => lock.kind === kind && lock.name === name);
          if (index < 0) throw new SallyportError('SP_API_NOT_FOUND', 'x');
          locks.splice(index, 1);
        },
        list: async () => locks,
        isLockedOut: (principal) => locks.some(({ kind, name }) => kind === 'principal' && name === principalKey(principal)),
      },
      recertification: {
        list: async () => ({
          sha256: 'ab'.repeat(32) as Sha256Hex,
          asOf: '2026-11-21T09:00:00.000Z',
          items: [
            {
              item: 'access-1',
              kind: 'standing',
              role: 'reporting-agent',
              targets: ['clinic'],
              effects: ['read'],
              who: 'issuer corp, group ai-agents',
              lastUsedAt: null,
              usedBy: [],
              expiresAt: null,
            },
          ],
        }),
        async sign(by, sha256, decisions, note) {
          calls.push({ by: by.subject, sha256, decisions: [...decisions], note });
          if (!decisions.has('access-1')) throw new SallyportError('SP_API_BAD_REQUEST', 'x');
          return { kept: 1, revoked: 0, grantsEnded: [] };
        },
      },
      delegations: {
        async delegate(from, role, to, durationMs) {
          if (!rolesOf(from).includes(role)) throw new SallyportError('SP_API_FORBIDDEN', 'x');
          const { issuer, subject, kind } = from;
          const delegation: Delegation = {
            id: `dlg_${'a'.repeat(26)}` as DelegationId,
            role,
            from: { issuer, subject, kind },
            to,
            createdAtMs: 1_000,
            expiresAtMs: 1_000 + durationMs,
            endedAtMs: null,
          };
          delegations.push(delegation);
          return delegation;
        },
        async end(id, by, mayOperate) {
          const index = delegations.findIndex((each) => each.id === id && (mayOperate || principalKey(each.from) === principalKey(by)));
          if (index < 0) throw new SallyportError('SP_API_NOT_FOUND', 'x');
          delegations.splice(index, 1);
        },
        list: async () => delegations,
      },
    },
  };
}
