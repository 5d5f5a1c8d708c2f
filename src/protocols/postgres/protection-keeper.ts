// What is protected on one target: by the names that the policy gives, and by the numbers of the columns that had them. Owners
// rename and move what is protected while the gateway looks, while it is down, and between two versions of the policy, so
// the numbers are kept in the store, which all threads share.
// INVARIANT: no catalogue counts before the store was asked what it is bound to, and was told what it binds anew.
// REFUSES: every statement for the target while the store cannot do that: what is protected would not be known.

import type { TargetName } from '../../core/ids.ts';
import type { BoundColumn as StoredBoundColumn, DatabaseOrigin, Logger, SharedBoundColumns } from '../../core/ports.ts';
import type { BoundColumn, Catalogue, Protection } from '../../sql/catalogue.ts';
import { boundKey } from '../../sql/protection-bound.ts';
import type { TargetPolicy } from './planner.ts';

export interface ProtectionKeeperDeps {
  readonly target: TargetName;
  readonly columns: SharedBoundColumns;
  readonly policy: () => TargetPolicy;
  readonly protect: (catalogue: Catalogue, policy: TargetPolicy, bound: readonly BoundColumn[]) => Protection;
  readonly logger: Logger;
}

interface Kept {
  readonly catalogue: Catalogue;
  readonly policyVersion: string;
  readonly value: Protection;
}

/** What the store has of one database, and this thread has seen. */
interface Known {
  readonly origin: DatabaseOrigin;
  /** `SharedBoundColumns.version` that it is complete for. */
  readonly version: number;
  readonly stored: ReadonlyMap<string, StoredBoundColumn>;
}

const isStored = (column: BoundColumn): column is StoredBoundColumn => column.name !== null;

export class ProtectionKeeper {
  readonly #deps: ProtectionKeeperDeps;
  #known: Known | null = null;
  /** `Protection.bound` of the newest protection. */
  #bound: readonly BoundColumn[] = [];
  #current: Kept | null = null;
  /** Of a catalogue that is about to be in force, or that is and was settled anew. */
  #settled: Kept | null = null;
  /** What the operator was told of the newest protection. */
  #told: ReadonlySet<string> = new Set();

  constructor(deps: ProtectionKeeperDeps) {
    this.#deps = deps;
  }

  /** The protection in force with this catalogue. The same object until something changes. */
  of(catalogue: Catalogue): Protection {
    const policy = this.#deps.policy();
    const isIt = (kept: Kept | null): kept is Kept => kept?.catalogue === catalogue && kept.policyVersion === policy.version;
    if (isIt(this.#settled)) this.#current = this.#settled;
    else if (!isIt(this.#current)) this.#current = this.#make(catalogue, policy, this.#bound);
    return this.#current.value;
  }

  /** To be called at every look at the catalogue, one call at a time, before the catalogue counts. Null when there is nothing
   *  to be done. @throws SP_STORE_UNAVAILABLE: the catalogue must not be used. */
  settle(catalogue: Catalogue, origin: DatabaseOrigin): Promise<void> | null {
    const { columns, policy } = this.#deps;
    const known = this.#known;
    const isDone =
      this.#settled?.catalogue === catalogue &&
      this.#settled.policyVersion === policy().version &&
      known?.version === columns.version &&
      isSame(known.origin, origin);
    return isDone ? null : this.#settle(catalogue, origin);
  }

  async #settle(catalogue: Catalogue, origin: DatabaseOrigin): Promise<void> {
    const { target, columns, policy, logger } = this.#deps;
    const { version } = columns;
    const before = this.#known !== null && isSame(this.#known.origin, origin) ? this.#known : null;
    const seen = before === null ? [] : this.#bound;
    let stored = before?.version === version ? before.stored : null;
    if (stored === null) {
      const loaded = await columns.load(target, origin);
      stored = new Map(loaded.columns.map((column) => [boundKey(column), column]));
      if (loaded.isMoved)
        logger.warn({ target }, 'the target is another database than before: renamed columns are known by their names only');
    }
    const made = this.#make(catalogue, policy(), [...stored.values(), ...seen]);
    const { bound } = made.value;
    const held = new Set(bound.map(boundKey));
    const added = bound.filter(isStored).filter((column) => !stored.has(boundKey(column)));
    // Only what this thread has seen go: a column it does not know yet may be newer than its catalogue.
    const dropped = seen.filter(isStored).filter((column) => !held.has(boundKey(column)));
    let complete = version;
    if (added.length > 0 || dropped.length > 0) {
      await columns.record(target, origin, { added, dropped });
      // Another thread may have recorded as well: then this one asks again.
      if (columns.version === version + 1) complete += 1;
    }
    const next = new Map(stored);
    for (const column of dropped) next.delete(boundKey(column));
    for (const column of added) next.set(boundKey(column), column);
    this.#known = { origin, version: complete, stored: next };
    this.#bound = bound;
    this.#settled = made;
    this.#report(made.value, policy());
  }

  #make(catalogue: Catalogue, policy: TargetPolicy, bound: readonly BoundColumn[]): Kept {
    return { catalogue, policyVersion: policy.version, value: this.#deps.protect(catalogue, policy, bound) };
  }

  /** Every rule that protects nothing, or by number only: once, and again when it comes back. */
  #report({ unmatched, renamed }: Protection, { classRules, mayBeMissing }: TargetPolicy): void {
    const { target, logger } = this.#deps;
    const told = new Set<string>();
    const tell = (fields: Readonly<Record<string, unknown>>, message: string): void => {
      const line = JSON.stringify(fields);
      if (!this.#told.has(line)) logger.warn({ target, ...fields }, message);
      told.add(line);
    };
    for (const { class: name, pattern } of classRules) {
      const columns = renamed.get(pattern);
      if (columns !== undefined)
        tell(
          { class: name, column: pattern, now: [...columns].slice(0, 20) },
          'a column is not called what policy calls it; it stays protected',
        );
      else if (unmatched.includes(pattern) && mayBeMissing?.has(pattern) !== true)
        tell({ class: name, column: pattern }, 'policy names a column that the target does not have: nothing is protected by it');
    }
    this.#told = told;
  }
}

function isSame(one: DatabaseOrigin, other: DatabaseOrigin): boolean {
  return one.cluster === other.cluster && one.database === other.database;
}
