// Grants and locks as one thread knows them. The main thread replaces the content after every change; time ends grants here
// by itself. What is not known is not granted.

import { Deadline } from '../core/deadline.ts';
import type { AccessSnapshot, ActiveGrant, HeldGrant, LockKind } from '../core/grant.ts';
import { boundPrincipal, type Principal, principalKey } from '../core/identity.ts';
import type { GrantId } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import { RowsPerHour } from './rows-per-hour.ts';

export interface AccessTableDeps {
  readonly clock: Clock;
  /** Rows that this thread released under a grant with a limit, in small sums: other threads count them too. */
  readonly onRows: (grant: GrantId, rows: number) => void;
}

/** Counts rows of one request under the grants that it rests on. */
export interface RowMeter {
  /** One more row. @returns false when that is one too many: it must not be released. */
  take(): boolean;
}

const none: readonly ActiveGrant[] = [];
/** How far the wall clock may be put right backwards. One that shows less than that before a grant opened was set back. */
const clockLeewayMs = 60_000;

interface Known {
  readonly grant: HeldGrant;
  readonly deadline: Deadline;
}

export class AccessTable {
  readonly #deps: AccessTableDeps;
  #grants = new Map<GrantId, Known>();
  #byHolder = new Map<string, readonly Known[]>();
  #locks = new Set<string>();
  /** Outlive a replaced snapshot: a grant keeps its counts and its end while it is known. */
  readonly #rows = new Map<GrantId, RowsPerHour>();
  readonly #untold = new Map<GrantId, number>();
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
      const known: Known = { grant, deadline };
      this.#grants.set(grant.id, known);
      const held = byHolder.get(grant.holder);
      if (held === undefined) byHolder.set(grant.holder, [known]);
      else held.push(known);
    }
    for (const held of byHolder.values()) held.sort(byWorth);
    this.#byHolder = byHolder;
    // What cannot be read now may come back: its count is not forgotten meanwhile.
    if (isKnown) for (const id of this.#rows.keys()) if (!this.#grants.has(id)) this.#rows.delete(id);
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
    const limited = ids.flatMap((id) => {
      const rows = this.#rowsOf(id);
      return rows === null ? [] : [{ id, rows }];
    });
    if (limited.length === 0) return null;
    return {
      take: () => {
        const nowMs = this.#deps.clock.monotonicMs();
        if (limited.some(({ rows }) => rows.left(nowMs) === 0)) return false;
        for (const { id, rows } of limited) {
          rows.add(1, nowMs);
          this.#tell(id);
        }
        return true;
      },
    };
  }

  /** No more rows may be released under one of these grants now. */
  isUsedUp(ids: readonly GrantId[]): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    return ids.some((id) => this.#rowsOf(id)?.left(nowMs) === 0);
  }

  /** Rows that another thread released. */
  addRows(id: GrantId, rows: number): void {
    this.#rowsOf(id)?.add(rows, this.#deps.clock.monotonicMs());
  }

  #rowsOf(id: GrantId): RowsPerHour | null {
    const limit = this.#grants.get(id)?.grant.rowsPerHour ?? null;
    if (limit === null) return null;
    let rows = this.#rows.get(id);
    if (rows === undefined) this.#rows.set(id, (rows = new RowsPerHour(limit)));
    return rows;
  }

  #tell(id: GrantId): void {
    const untold = this.#untold.get(id);
    this.#untold.set(id, (untold ?? 0) + 1);
    if (untold !== undefined) return;
    setImmediate(() => {
      const rows = this.#untold.get(id) ?? 0;
      this.#untold.delete(id);
      this.#deps.onRows(id, rows);
    });
  }

  #counts({ grant, deadline }: Known): boolean {
    return !deadline.isOver() && this.#deps.clock.nowMs() + clockLeewayMs >= grant.openedAtMs;
  }
}

function byWorth({ grant: a }: Known, { grant: b }: Known): number {
  const rows = ({ rowsPerHour }: HeldGrant): number => rowsPerHour ?? Number.MAX_SAFE_INTEGER;
  return rows(b) - rows(a) || b.expiresAtMs - a.expiresAtMs || (a.id < b.id ? -1 : 1);
}

function lockKey(kind: LockKind, name: string): string {
  return `${kind} ${name}`;
}
