// The store in memory, for unit tests. It can be told to fail the next write after it was kept
// (`persist`: the answer got lost) or before (`lose`: nothing happened), as a real store may do both.

import { SallyportError } from '../../src/core/error.ts';
import type { EntryOutline } from '../../src/core/event.ts';
import { principalKey } from '../../src/core/identity.ts';
import type { Approval, ApprovalBinding, ApprovalStore, PolicyVersions, SessionIndex, SessionRow } from '../../src/core/ports.ts';
import { rowAfter } from '../../src/store/session-row.ts';

export type Fault = 'persist' | 'lose';

export interface MemoryStore {
  readonly approvals: ApprovalStore;
  readonly sessions: SessionIndex;
  readonly policies: PolicyVersions;
  /** The next write fails in this way. */
  failNext(fault: Fault): void;
}

export function createMemoryStore(): MemoryStore {
  const approvals = new Map<string, Approval>();
  const rows = new Map<string, SessionRow>();
  const entries = new Map<string, number[]>();
  const policies = new Map<string, Parameters<PolicyVersions['put']>[0]>();
  let position = 0;
  let pendingFault: Fault | null = null;

  async function write<T>(change: () => T): Promise<T> {
    const fault = pendingFault;
    pendingFault = null;
    if (fault === 'lose') throw new SallyportError('SP_STORE_UNAVAILABLE', 'test: the write was lost');
    const result = change();
    if (fault === 'persist') throw new SallyportError('SP_STORE_UNAVAILABLE', 'test: the write was kept, the answer lost');
    return result;
  }

  const newestFirst = (a: Approval, b: Approval) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1);
  const sameBinding = (a: ApprovalBinding, b: ApprovalBinding) =>
    (Object.keys(a) as (keyof ApprovalBinding)[]).every((key) => a[key] === b[key]);

  return {
    failNext(fault) {
      pendingFault = fault;
    },

    approvals: {
      create: (approval) =>
        write(() => {
          if (approval.answers.length > 0) throw new SallyportError('SP_INTERNAL', 'an approval is created without answers');
          if (approvals.has(approval.id)) throw new SallyportError('SP_APPROVAL_CONFLICT', 'this id exists already');
          approvals.set(approval.id, structuredClone(approval));
        }),
      get: async (id) => structuredClone(approvals.get(id) ?? null),
      list: async ({ state, limit }) =>
        [...approvals.values()]
          .filter((approval) => state === undefined || approval.state === state)
          .toSorted(newestFirst)
          .slice(0, limit)
          .map((approval) => structuredClone(approval)),
      answer: (id, answer, state) =>
        write(() => {
          const approval = approvals.get(id);
          if (approval?.state !== 'pending') return null;
          if (approval.answers.some((earlier) => principalKey(earlier.by) === principalKey(answer.by))) return null;
          const next: Approval = { ...approval, state, answers: [...approval.answers, structuredClone(answer)] };
          approvals.set(id, next);
          return structuredClone(next);
        }),
      transition: (id, from, to) =>
        write(() => {
          const approval = approvals.get(id);
          if (approval?.state !== from) return false;
          approvals.set(id, { ...approval, state: to });
          return true;
        }),
      find: async (binding, state) =>
        [...approvals.values()]
          .filter((approval) => approval.state === state && sameBinding(approval.binding, binding))
          .toSorted(newestFirst)
          .map((approval) => structuredClone(approval)),
    },

    sessions: {
      apply: (applied: readonly EntryOutline[]) =>
        write(() => {
          const gap = applied.find((entry, at) => entry.seq > (applied[at - 1]?.seq ?? position - 1) + 1);
          if (gap !== undefined) throw new SallyportError('SP_INTERNAL', 'entries before this one are missing');
          for (const entry of applied) {
            if (entry.seq < position) continue;
            position = entry.seq + 1;
            if (entry.session === undefined) continue;
            const row = rowAfter(rows.get(entry.session) ?? null, entry);
            if (row !== null) rows.set(entry.session, row);
            entries.set(entry.session, [...(entries.get(entry.session) ?? []), entry.seq]);
          }
        }),
      position: async () => position,
      get: async (id) => rows.get(id) ?? null,
      list: async ({ target, live, limit }) =>
        [...rows.values()]
          .filter((row) => target === undefined || row.target === target)
          .filter((row) => live === undefined || (row.closedAtMs === null) === live)
          .toSorted((a, b) => b.openIndex - a.openIndex)
          .slice(0, limit),
      entriesOf: async (id) => entries.get(id) ?? [],
    },

    policies: {
      put: (version) =>
        write(() => {
          const stored = policies.get(version.sha256);
          if (stored && stored.source !== version.source) {
            throw new SallyportError('SP_INTERNAL', 'another policy source is stored under this hash');
          }
          if (!stored) policies.set(version.sha256, version);
        }),
      get: async (sha256) => {
        const stored = policies.get(sha256);
        return stored ? { source: stored.source, appliedAtMs: stored.appliedAtMs } : null;
      },
      list: async () =>
        [...policies.values()]
          .toSorted((a, b) => b.appliedAtMs - a.appliedAtMs || (a.sha256 < b.sha256 ? -1 : 1))
          .map(({ sha256, appliedAtMs }) => ({ sha256, appliedAtMs })),
    },
  };
}
