// People and agents who are gone: what they had, what they used, and what of it still stands (45 CFR 164.308(a)(3)(ii)(C)).

import type { EntryHeader } from '../core/event.ts';
import type { Delegation, Grant, Lock } from '../core/grant.ts';
import { type ActorRef, principalKey } from '../core/identity.ts';
import type { Approval, AuditReader } from '../core/ports.ts';

export interface LeaverDeps {
  readonly reader: Pick<AuditReader, 'entries' | 'size'>;
  readonly grants: () => Promise<readonly Grant[]>;
  readonly pendingApprovals: () => Promise<readonly Approval[]>;
  readonly delegations: () => Promise<readonly Delegation[]>;
  readonly locks: () => Promise<readonly Lock[]>;
  readonly nowMs: number;
}

export interface LeaverReport {
  readonly issuer: string;
  readonly subject: string;
  /** Nothing below is open, or a lock keeps all of it out. */
  readonly isClear: boolean;
  readonly isLocked: boolean;
  /** Groups in the newest log-in: what gave standing access. Null = no log-in was recorded. */
  readonly groups: readonly string[] | null;
  readonly used: {
    readonly sessions: number;
    readonly requests: number;
    readonly denied: number;
    readonly rows: number;
    readonly targets: readonly string[];
    readonly firstAt: string | null;
    readonly lastAt: string | null;
  };
  /** Agents that acted for them. */
  readonly actedFor: readonly string[];
  readonly open: {
    readonly sessions: readonly { readonly id: string; readonly target: string; readonly openedAt: string }[];
    readonly grants: readonly {
      readonly id: string;
      readonly role: string;
      readonly target: string;
      readonly state: string;
      readonly expiresAt: string | null;
    }[];
    /** Asked for and not answered. */
    readonly approvals: readonly string[];
    /** Lent by them or to them. */
    readonly delegations: readonly { readonly id: string; readonly role: string; readonly isLender: boolean; readonly expiresAt: string }[];
  };
  /** Break-glass of theirs that nobody has reviewed. */
  readonly reviewsOwed: readonly string[];
}

type Who = Pick<ActorRef, 'issuer' | 'subject'>;

interface Tally {
  groups: readonly string[] | null;
  sessions: number;
  requests: number;
  denied: number;
  rows: number;
  readonly targets: Set<string>;
  readonly actedFor: Set<string>;
  firstAt: string | null;
  lastAt: string | null;
}

/** Reads the whole log once, for all of them. */
export async function leaverReports(gone: readonly Who[], deps: LeaverDeps, signal: AbortSignal): Promise<LeaverReport[]> {
  const tallies = new Map(gone.map((who) => [keyOf(who), emptyTally()]));
  /** Sessions of leavers that are not closed. */
  const live = new Map<string, { readonly keys: readonly string[]; readonly target: string; readonly openedAt: string }>();
  for await (const header of deps.reader.entries(0, deps.reader.size(), signal)) {
    const { session, type } = header;
    // A gateway that starts again has no session of before.
    if (type === 'log.opened') live.clear();
    const keys = keysOf(header).filter((key) => tallies.has(key));
    for (const key of keys) count(header, tallies.get(key) ?? emptyTally(), key);
    if (session === undefined) continue;
    if (type === 'session.open' && keys.length > 0) live.set(session, { keys, target: header.resource?.target ?? '', openedAt: header.ts });
    else if (type === 'session.close') live.delete(session);
  }
  const [grants, approvals, delegations, locks] = await Promise.all([
    deps.grants(),
    deps.pendingApprovals(),
    deps.delegations(),
    deps.locks(),
  ]);
  return gone.map((who): LeaverReport => {
    const key = keyOf(who);
    const { targets, actedFor, firstAt, lastAt, groups, ...used } = tallies.get(key) ?? emptyTally();
    const theirs = grants.filter((grant) => isOf(grant.requester, grant.onBehalfOf, key));
    const open: LeaverReport['open'] = {
      sessions: [...live].flatMap(([id, { keys, target, openedAt }]) => (keys.includes(key) ? [{ id, target, openedAt }] : [])),
      grants: theirs
        .filter(({ state }) => state === 'active' || state === 'requested')
        .map(({ id, role, target, state, expiresAtMs }) => ({ id, role, target, state, expiresAt: timeOf(expiresAtMs) })),
      approvals: approvals.filter((approval) => isOf(approval.requester, approval.onBehalfOf, key)).map(({ id }) => id),
      delegations: delegations
        .filter((each) => each.endedAtMs === null && each.expiresAtMs > deps.nowMs)
        .flatMap(({ id, role, from, to, expiresAtMs }) => {
          const isLender = keyOf(from) === key;
          return isLender || keyOf(to) === key ? [{ id, role, isLender, expiresAt: new Date(expiresAtMs).toISOString() }] : [];
        }),
    };
    const isLocked = locks.some(({ kind, name }) => kind === 'principal' && name === key);
    return {
      ...who,
      isClear: isLocked || Object.values(open).every((list) => list.length === 0),
      isLocked,
      groups,
      used: { ...used, targets: [...targets].toSorted(), firstAt, lastAt },
      actedFor: [...actedFor].toSorted(),
      open,
      reviewsOwed: theirs.filter(({ review }) => review === 'owed').map(({ id }) => id),
    };
  });
}

function keyOf({ issuer, subject }: Who): string {
  return principalKey({ issuer, subject, kind: 'person' });
}

function keysOf({ principal, onBehalfOf }: EntryHeader): string[] {
  return [principal, onBehalfOf].flatMap((actor) => (actor === undefined ? [] : [principalKey(actor)]));
}

function isOf(requester: ActorRef, onBehalfOf: ActorRef | null, key: string): boolean {
  return principalKey(requester) === key || (onBehalfOf !== null && principalKey(onBehalfOf) === key);
}

function count({ type, ts, resource, result, identity, principal }: EntryHeader, tally: Tally, key: string): void {
  if (type === 'session.open') {
    tally.sessions += 1;
    if (principal !== undefined && principalKey(principal) === key) tally.groups = identity?.groups ?? null;
  } else if (type === 'request.intent') tally.requests += 1;
  else if (type === 'request.denied') tally.denied += 1;
  else if (type === 'request.result') tally.rows += result?.rows ?? 0;
  else if (type !== 'auth.ok') return;
  if (principal !== undefined && principalKey(principal) !== key) tally.actedFor.add(principalKey(principal));
  if (resource !== undefined) tally.targets.add(resource.target);
  tally.firstAt ??= ts;
  tally.lastAt = ts;
}

function emptyTally(): Tally {
  const none = { sessions: 0, requests: 0, denied: 0, rows: 0 };
  return { groups: null, ...none, targets: new Set(), actedFor: new Set(), firstAt: null, lastAt: null };
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
