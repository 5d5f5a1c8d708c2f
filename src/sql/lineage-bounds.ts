// How much of a relation a query lets through. A reading of a base relation is unbounded at the top of a statement
// unless, somewhere on the way of its rows to the result,
//   - equality with constants, parameters or columns of few rows binds a whole primary or unique key of it (WHERE, inner
//     join conditions, the nullable side of outer joins, USING; also `IN` lists of up to 100 entries),
//   - a constant LIMIT without WITH TIES cuts the rows, or
//   - aggregates collapse the rows: without GROUP BY, or with one whose columns do not contain a key of the relation.
// `array_agg` and its kin put rows into one value: what they collect stays unbounded, whatever LIMIT is outside. DISTINCT
// does not bound. Sub-selects in conditions (EXISTS, IN) are no way of the data. What runs once per row (LATERAL,
// correlated sub-selects in the target list) is bounded only if those rows are few. Parameters as LIMIT do not count.

import type { Node, SelectStmt } from '@pgsql/types';
import { addAll, type Block, type Instance, type Leaf, type Origin, type Reading, type Value } from './lineage-scope.ts';

/** @param groups values of the GROUP BY entries; @param base reading of the arms of a set operation. */
export function boundReading(block: Block, leaves: readonly Leaf[], stmt: SelectStmt, groups: readonly Value[], base?: Reading): Reading {
  const state = bindKeys(block, leaves);
  const rowwise = new Set<Instance>(base?.rowwise);
  const collected = new Set<Instance>(base?.collected);
  const reads = new Set<Instance>(base?.reads);
  for (const leaf of leaves) {
    const perRow = [...leaf.dependsOn].some((other) => !(state.few.get(other) ?? true));
    addAll(rowwise, perRow ? leaf.reading.reads : (state.open.get(leaf) ?? leaf.reading.rowwise));
    addAll(collected, leaf.reading.collected);
    addAll(reads, leaf.reading.reads);
  }
  let fixed = (base?.fixed ?? true) && leaves.every((leaf) => state.few.get(leaf)) && !block.multipliesRows;
  const grouped = (stmt.groupClause ?? []).length > 0;
  const limited = constantLimit(stmt) !== null;
  for (const { rows, collects } of block.folded) {
    addAll(reads, rows.reads);
    addAll(collected, rows.collected);
    if (collects) addAll(collected, rows.rowwise);
    // One value for each row of this block, and for each row that this block itself is run for.
    if (rows.outer.size > 0 && !fixed) addAll(rowwise, rows.reads);
  }
  if (block.collects) addAll(collected, rowwise);
  if (block.aggregates || grouped) {
    const keys = groups.flatMap((value) => value.origins);
    for (const instance of rowwise) if (!keyBound(instance, keys)) rowwise.delete(instance);
    if (!grouped) fixed = true;
  }
  if (limited) {
    rowwise.clear();
    fixed = true;
  }
  return { rowwise, collected, reads, fixed };
}

export function unionReading(left: Reading, right: Reading): Reading {
  const both = (key: 'rowwise' | 'collected' | 'reads'): Set<Instance> => new Set([...left[key], ...right[key]]);
  return { rowwise: both('rowwise'), collected: both('collected'), reads: both('reads'), fixed: left.fixed && right.fixed };
}

interface Bound {
  /** Readings of each leaf that no key has bound yet. */
  readonly open: ReadonlyMap<Leaf, ReadonlySet<Instance>>;
  /** Leaves that yield few rows. Leaves of enclosing queries are not in here: they are judged where they live. */
  readonly few: ReadonlyMap<Leaf, boolean>;
}

/** Lets equalities bind keys until nothing changes: a bound row binds what is joined to it by key. */
export function bindKeys(block: Block, leaves: readonly Leaf[]): Bound {
  const open = new Map(leaves.map((leaf) => [leaf, new Set(leaf.reading.rowwise)]));
  const few = new Map(leaves.map((leaf) => [leaf, leaf.reading.fixed]));
  for (let changed = true; changed;) {
    changed = false;
    for (const leaf of leaves) {
      const remaining = open.get(leaf);
      if (remaining === undefined || remaining.size === 0) continue;
      const bound = block.equalities
        .filter(({ bounds, others }) => (bounds === 'all' || bounds.has(leaf)) && [...others].every((other) => few.get(other) ?? true))
        .flatMap(({ origins }) => origins);
      for (const instance of remaining) {
        if (!keyBound(instance, bound)) continue;
        remaining.delete(instance);
        if (leaf.isTable) few.set(leaf, true);
        changed = true;
      }
    }
  }
  return { open, few };
}

function keyBound(instance: Instance, bound: readonly Origin[]): boolean {
  const columns = new Set(bound.filter((origin) => origin.instance === instance).map((origin) => origin.column));
  return instance.keys.some((key) => key.every((column) => columns.has(column)));
}

/** Constant LIMIT of this block, or null. */
export function constantLimit(stmt: SelectStmt): number | null {
  if (stmt.limitOption === 'LIMIT_OPTION_WITH_TIES') return null;
  return numberOf(stmt.limitCount);
}

function numberOf(node: Node | undefined): number | null {
  if (node === undefined) return null;
  if ('TypeCast' in node) return numberOf(node.TypeCast.arg);
  if (!('A_Const' in node) || node.A_Const.isnull === true) return null;
  const { ival, fval } = node.A_Const;
  if (ival !== undefined) return ival.ival ?? 0;
  const value = Number(fval?.fval ?? Number.NaN);
  return Number.isFinite(value) ? Math.ceil(value) : null;
}
