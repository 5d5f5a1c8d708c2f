// The store in memory, for unit tests. It can be told to fail the next write after it was kept
// (`persist`: the answer got lost) or before (`lose`: nothing happened), as a real store may do both.

import { SallyportError } from '../../src/core/error.ts';
import type { EntryOutline } from '../../src/core/event.ts';
import { principalKey } from '../../src/core/identity.ts';
import type {
  Approval,
  ApprovalBinding,
  ApprovalStore,
  BoundColumns,
  DatabaseOrigin,
  PolicyApplication,
  PolicyVersions,
  SessionIndex,
  SessionRow,
} from '../../src/core/ports.ts';
import { activityOf, type ActivityPart, type ClassPart, NO_ACTIVITY, plus, shownBy, summarise } from '../../src/store/activity.ts';
import { hasTypeIndex, ownersOf, rowAfter, rowLost } from '../../src/store/session-row.ts';
import { matchesFilter } from './session-filter.ts';
import { createMemoryAccess, type MemoryAccess } from './memory-access.ts';

export type Fault = 'persist' | 'lose';

export interface MemoryStore extends MemoryAccess {
  readonly approvals: ApprovalStore;
  readonly sessions: SessionIndex;
  readonly policies: PolicyVersions;
  readonly boundColumns: BoundColumns;
  /** The next write fails in this way. */
  failNext(fault: Fault): void;
}

export function createMemoryStore(): MemoryStore {
  const approvals = new Map<string, Approval>();
  const rows = new Map<string, SessionRow>();
  const entries = new Map<string, number[]>();
  const typed: { readonly type: string; readonly seq: number }[] = [];
  const happened: { readonly row: SessionRow; readonly entry: EntryOutline }[] = [];
  const policies = new Map<string, Parameters<PolicyVersions['put']>[0]>();
  const applications: PolicyApplication[] = [];
  const bound: (DatabaseOrigin & { readonly target: string; readonly text: string })[] = [];
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

  const isSameOrigin = (a: DatabaseOrigin, b: DatabaseOrigin) =>
    a.database === b.database && (a.cluster === b.cluster || a.cluster === '' || b.cluster === '');

  return {
    ...createMemoryAccess(write),

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
      answer: (id, answer, state, repeatUntilMs) =>
        write(() => {
          const approval = approvals.get(id);
          if (approval?.state !== 'pending') return null;
          if (approval.answers.some((earlier) => principalKey(earlier.by) === principalKey(answer.by))) return null;
          const repeated = repeatUntilMs === undefined ? {} : { repeated: { uses: 0 }, expiresAtMs: repeatUntilMs };
          const next: Approval = { ...approval, state, ...repeated, answers: [...approval.answers, structuredClone(answer)] };
          approvals.set(id, next);
          return structuredClone(next);
        }),
      preview: (id, preview) =>
        write(() => {
          const approval = approvals.get(id);
          if (approval?.state !== 'pending') return null;
          approvals.set(id, { ...approval, preview: structuredClone(preview) });
          return structuredClone(approvals.get(id) ?? null);
        }),
      useAgain: (id) =>
        write(() => {
          const approval = approvals.get(id);
          if (approval?.state !== 'approved' || approval.repeated === undefined) return null;
          approvals.set(id, { ...approval, repeated: { uses: approval.repeated.uses + 1 } });
          return structuredClone(approvals.get(id) ?? null);
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
            if (hasTypeIndex(entry.type)) typed.push({ type: entry.type, seq: entry.seq });
            if (entry.type === 'log.opened')
              for (const row of rows.values()) if (row.closedAtMs === null) rows.set(row.id, rowLost(row, entry));
            if (entry.session === undefined) continue;
            const row = rowAfter(rows.get(entry.session) ?? null, entry);
            if (row !== null) {
              rows.set(entry.session, row);
              happened.push({ row, entry });
            }
            entries.set(entry.session, [...(entries.get(entry.session) ?? []), entry.seq]);
          }
        }),
      clear: (from) =>
        write(() => {
          position = from;
          rows.clear();
          entries.clear();
          happened.length = 0;
          typed.length = 0;
        }),
      position: async () => position,
      get: async (id) => rows.get(id) ?? null,
      list: async ({ limit, ...filter }) =>
        [...rows.values()]
          .filter((row) => matchesFilter(row, filter))
          .toSorted((a, b) => b.openIndex - a.openIndex)
          .slice(0, limit),
      live: async (owner) => {
        const live = [...rows.values()].filter((row) => matchesFilter(row, { live: true, ...(owner === undefined ? {} : { owner }) }));
        return new Map([...Map.groupBy(live, ({ target }) => target)].map(([target, of]) => [target, of.length]));
      },
      entriesOfType: async (wanted, { from, to, limit }) =>
        hasTypeIndex(wanted)
          ? typed.flatMap(({ type, seq }) => (type === wanted && seq >= from && seq < to ? [seq] : [])).slice(0, limit)
          : null,
      newestOfType: async (wanted) => typed.findLast(({ type }) => type === wanted)?.seq ?? null,
      activity: async (filter) => {
        const { sinceMs, untilMs, stepMs, owner } = filter;
        const parts = new Map<string, ActivityPart>();
        const classes: ClassPart[] = [];
        for (const { row, entry } of happened) {
          const counts = activityOf(entry);
          const atMs = Date.parse(entry.ts);
          if (counts === null || atMs < sinceMs || atMs >= untilMs || (owner !== undefined && !ownersOf(row).includes(owner))) continue;
          const { principal, onBehalfOf, target } = row;
          const who = JSON.stringify([principal, onBehalfOf]);
          const step = sinceMs + Math.floor((atMs - sinceMs) / stepMs) * stepMs;
          const key = JSON.stringify([who, target, step]);
          const known = parts.get(key);
          const sum = plus(known ?? NO_ACTIVITY, counts);
          parts.set(key, { ...sum, atMs: step, principal, onBehalfOf, who, target, lastAtMs: Math.max(known?.lastAtMs ?? 0, atMs) });
          if (counts.rows === 0) continue;
          for (const { name, masked, clear } of shownBy(entry).classes)
            classes.push({ who, class: name, masked: masked * counts.rows, clear: clear * counts.rows });
        }
        return summarise([...parts.values()], classes, filter);
      },
      prune: async (first) => {
        typed.splice(0, typed.length, ...typed.filter(({ seq }) => seq >= first));
        happened.splice(0, happened.length, ...happened.filter(({ entry }) => entry.seq >= first));
      },
      entriesOf: async (id) => entries.get(id) ?? [],
    },

    boundColumns: {
      async load(target, origin) {
        const texts = new Set(bound.filter((row) => row.target === target && isSameOrigin(row, origin)).map(({ text }) => text));
        const columns = [...texts].map((text) => JSON.parse(text) as Awaited<ReturnType<BoundColumns['load']>>['columns'][number]);
        const sorted = columns.toSorted(
          (a, b) => a.relation - b.relation || a.attnum - b.attnum || (JSON.stringify(a.name) < JSON.stringify(b.name) ? -1 : 1),
        );
        return { columns: sorted, isMoved: sorted.length === 0 && bound.some((row) => row.target === target) };
      },
      record: (target, origin, { added, dropped }) =>
        write(() => {
          const textOf = ({ name, relation, attnum }: (typeof added)[number]) => JSON.stringify({ name, relation, attnum });
          for (const column of added) bound.push({ ...origin, target, text: textOf(column) });
          const gone = new Set(dropped.map(textOf));
          const kept = bound.filter((row) => row.target !== target || !isSameOrigin(row, origin) || !gone.has(row.text));
          bound.splice(0, bound.length, ...kept);
        }),
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
      applied: (application) =>
        write(() => {
          if (!policies.has(application.sha256)) throw new SallyportError('SP_STORE_UNAVAILABLE', 'no such version');
          applications.unshift(application);
        }),
      applications: async (limit) => applications.slice(0, limit),
    },
  };
}
