// Grants, locks and delegations in memory, for unit tests.

import { SallyportError } from '../../src/core/error.ts';
import type { Delegation, Grant, Lock } from '../../src/core/grant.ts';
import { principalKey } from '../../src/core/identity.ts';
import type { DelegationStore, GrantStore, LockStore } from '../../src/core/ports.ts';

export interface MemoryAccess {
  readonly grants: GrantStore;
  readonly locks: LockStore;
  readonly delegations: DelegationStore;
}

/** @param write runs a change; it may fail before or after it. @param read the same for reads. */
export function createMemoryAccess(
  write: <T>(change: () => T) => Promise<T>,
  read: <T>(look: () => T) => Promise<T> = async (look) => look(),
): MemoryAccess {
  const grants = new Map<string, Grant>();
  const locks = new Map<string, Lock>();
  const delegations = new Map<string, Delegation>();
  let version = 0;

  const put = (grant: Grant): Grant => {
    grants.set(grant.id, structuredClone(grant));
    version += 1;
    return structuredClone(grant);
  };
  const keyOf = (kind: string, name: string): string => JSON.stringify([kind, name]);

  return {
    grants: {
      create: (grant) =>
        write(() => {
          if (grants.has(grant.id)) throw new SallyportError('SP_GRANT_CONFLICT', 'this id exists already');
          put(grant);
        }),
      get: (id) => read(() => structuredClone(grants.get(id) ?? null)),
      list: ({ states, review, limit }) =>
        read(() =>
          [...grants.values()]
            .filter((grant) => states?.includes(grant.state) !== false && (review === undefined || grant.review === review))
            .toSorted((a, b) => b.requestedAtMs - a.requestedAtMs || (a.id < b.id ? 1 : -1))
            .slice(0, limit)
            .map((grant) => structuredClone(grant)),
        ),
      answer: (id, answer, change) =>
        write(() => {
          const grant = grants.get(id);
          if (grant?.state !== 'requested') return null;
          if (grant.answers.some(({ by }) => principalKey(by) === principalKey(answer.by))) return null;
          return put({ ...grant, ...change, answers: [...grant.answers, answer] });
        }),
      change: (id, from, change) =>
        write(() => {
          const grant = grants.get(id);
          return grant?.state === from ? put({ ...grant, ...change }) : null;
        }),
      reviewed: (id, by, atMs) =>
        write(() => {
          const grant = grants.get(id);
          return grant?.review === 'owed' ? put({ ...grant, review: 'done', reviewedBy: by, reviewedAtMs: atMs }) : null;
        }),
      version: () => read(() => version),
    },

    locks: {
      set: (lock) =>
        write(() => {
          const key = keyOf(lock.kind, lock.name);
          if (locks.has(key)) return false;
          locks.set(key, lock);
          version += 1;
          return true;
        }),
      lift: (kind, name) =>
        write(() => {
          if (!locks.delete(keyOf(kind, name))) return false;
          version += 1;
          return true;
        }),
      list: () => read(() => [...locks.values()].toSorted((a, b) => a.atMs - b.atMs || (a.kind < b.kind ? -1 : 1))),
    },

    delegations: {
      create: (delegation) =>
        write(() => {
          delegations.set(delegation.id, delegation);
          version += 1;
        }),
      list: (atMs) =>
        read(() =>
          [...delegations.values()]
            .filter(({ expiresAtMs, endedAtMs }) => expiresAtMs > atMs && endedAtMs === null)
            .toSorted((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1)),
        ),
      end: (id, atMs) =>
        write(() => {
          const delegation = delegations.get(id);
          if (delegation === undefined || delegation.endedAtMs !== null) return false;
          delegations.set(id, { ...delegation, endedAtMs: atMs });
          version += 1;
          return true;
        }),
    },
  };
}
