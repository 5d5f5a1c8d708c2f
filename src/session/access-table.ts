// Grants and locks as one thread knows them. The main thread replaces the content after every change; time ends grants here
// by itself. What is not known is not granted.

import { CLOCK_LEEWAY_MS, Deadline } from '../core/deadline.ts';
import type { AccessSnapshot, ActiveGrant, HeldGrant, LockKind } from '../core/grant.ts';
import { boundPrincipal, type Principal, principalKey } from '../core/identity.ts';
import type { GrantId } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import { RowsLeft } from './row-budgets.ts';

export interface AccessTableDeps {
  readonly clock: Clock;
}

/** Counts rows of one request under the grants that it rests on. */
export interface RowMeter {
  /** One more row. @returns false when that is one too many: it must not be released. */
  take(): boolean;
}

const none: readonly ActiveGrant[] = [];

interface Known {
  readonly grant: HeldGrant;
  readonly deadline: Deadline;
  /** Null = it has no limit. `none` = it has one that is not known: nothing may be released. */
  readonly rows: RowsLeft | 'none' | null;
}

export class AccessTable {
  readonly #deps: AccessTableDeps;
  #grants = new Map<GrantId, Known>();
  #byHolder = new Map<string, readonly Known[]>();
  #locks = new Set<string>();
  readonly #listeners = new Set<() => void>();

  constructor(deps: AccessTableDeps) {
    this.#deps = deps;
  }

  /** Takes over a new state and tells the listeners. */
  replace({ isKnown, grants, locks }: AccessSnapshot): void {
    const { clock } = this.#deps;
    const before = this.#grants;
    this.#grants = new Map();
    const byHolder = new Map<string, Known[]>();
    for (const grant of isKnown ? grants : []) {
      const earlier = before.get(grant.id);
      const deadline = earlier?.grant.expiresAtMs === grant.expiresAtMs ? earlier.deadline : new Deadline(grant.expiresAtMs, clock);
      const known: Known = { grant, deadline, rows: rowsOf(grant) };
      this.#grants.set(grant.id, known);
      const held = byHolder.get(grant.holder);
      if (held === undefined) byHolder.set(grant.holder, [known]);
      else held.push(known);
    }
    for (const held of byHolder.values()) held.sort(byWorth);
    this.#byHolder = byHolder;
    this.#locks = new Set(locks.map(({ kind, name }) => lockKey(kind, name)));
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` after every `replace`. @returns a function that ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** In force now for the principal on the target; of equals first the one that limits least. */
  grantsOf(principal: Principal, target: string): readonly ActiveGrant[] {
    const held = this.#byHolder.get(boundPrincipal(principal));
    if (held === undefined) return none;
    return held.filter((known) => known.grant.targets.includes(target) && this.#counts(known)).map(({ grant }) => grant);
  }

  isInForce(id: GrantId): boolean {
    const known = this.#grants.get(id);
    return known !== undefined && this.#counts(known);
  }

  isLocked(principal: Principal, roles: readonly string[], target: string): boolean {
    if (this.#locks.size === 0) return false;
    return (
      this.#locks.has(lockKey('principal', principalKey(principal))) ||
      (principal.onBehalfOf !== null && this.#locks.has(lockKey('principal', principalKey(principal.onBehalfOf)))) ||
      this.#locks.has(lockKey('target', target)) ||
      roles.some((role) => this.#locks.has(lockKey('role', role)))
    );
  }

  /** Of those grants that have a limit; null = none has. */
  meterOf(ids: readonly GrantId[]): RowMeter | null {
    const limits = ids.flatMap((id) => this.#grants.get(id)?.rows ?? []);
    if (limits.length === 0) return null;
    const known = limits.filter((rows) => rows !== 'none');
    return {
      take: () => {
        if (known.length < limits.length) return false;
        const refusing = known.findIndex((rows) => !rows.take());
        if (refusing >= 0) for (const rows of known.slice(0, refusing)) rows.give(1);
        return refusing < 0;
      },
    };
  }

  /** No more rows may be released under one of these grants now. */
  isUsedUp(ids: readonly GrantId[]): boolean {
    return ids.some((id) => {
      const rows = this.#grants.get(id)?.rows ?? null;
      return rows !== null && (rows === 'none' || rows.now() <= 0);
    });
  }

  #counts({ grant, deadline }: Known): boolean {
    return !deadline.isOver() && this.#deps.clock.nowMs() + CLOCK_LEEWAY_MS >= grant.openedAtMs;
  }
}

function rowsOf({ rowsPerHour, rowsLeft }: HeldGrant): Known['rows'] {
  if (rowsPerHour === null) return null;
  return rowsLeft === undefined ? 'none' : new RowsLeft(rowsLeft);
}

function byWorth({ grant: a }: Known, { grant: b }: Known): number {
  const rows = ({ rowsPerHour }: HeldGrant): number => rowsPerHour ?? Number.MAX_SAFE_INTEGER;
  return rows(b) - rows(a) || b.expiresAtMs - a.expiresAtMs || (a.id < b.id ? -1 : 1);
}

function lockKey(kind: LockKind, name: string): string {
  return `${kind} ${name}`;
}
