// INSERT, UPDATE, DELETE and MERGE: what is stored in which column, and RETURNING as rows. A returned target column
// depends on what the statement stores in it, too.

import type { DeleteStmt, InsertStmt, MergeStmt, MergeWhenClause, Node, RangeVar, ReturningClause, UpdateStmt } from '@pgsql/types';
import { boundReading } from './lineage-bounds.ts';
import { condition, expression, predicate } from './lineage-expression.ts';
import { findRelation, fromItem, fromList, joinParts, noPart, relationPart, spelt, type FromPart } from './lineage-from.ts';
import { stringOf } from './lineage-names.ts';
import { commonTables, query, targets } from './lineage-query.ts';
import {
  addAll,
  derived,
  newBlock,
  newScope,
  noRows,
  nothing,
  union,
  type CommonTables,
  type RangeItem,
  type Rows,
  type Scope,
  type Sources,
  type Value,
  type Walk,
} from './lineage-scope.ts';

export type Change = { InsertStmt: InsertStmt } | { UpdateStmt: UpdateStmt } | { DeleteStmt: DeleteStmt } | { MergeStmt: MergeStmt };

export function change(walk: Walk, node: Change, parent: Scope | null, outer: CommonTables): Rows {
  const saved = walk.block;
  walk.block = newBlock();
  const rows =
    'InsertStmt' in node
      ? insert(walk, node.InsertStmt, parent, outer)
      : 'UpdateStmt' in node
        ? update(walk, node.UpdateStmt, parent, outer)
        : 'DeleteStmt' in node
          ? remove(walk, node.DeleteStmt, parent, outer)
          : merge(walk, node.MergeStmt, parent, outer);
  walk.block = saved;
  return rows;
}

/** What a statement stores in each column of its target. */
class Written {
  readonly #walk: Walk;
  readonly #range: RangeVar;
  /** Column names of the target, in order; null when the catalogue does not have it. */
  readonly columns: readonly string[] | null;
  readonly byColumn = new Map<string, Sources>();
  readonly #prefix: string;

  constructor(walk: Walk, range: RangeVar) {
    this.#walk = walk;
    this.#range = range;
    const relation = findRelation(walk, range);
    this.columns = relation?.columns.map((column) => column.name) ?? null;
    this.#prefix = relation?.qualified ?? spelt(range);
  }

  add(column: string, value: Value): void {
    this.byColumn.set(column, union(this.byColumn.get(column) ?? new Set(), value.sources));
    const key = `${this.#prefix}.${column}`;
    const sources = this.#walk.writes.get(key) ?? new Set();
    addAll(sources, value.sources);
    this.#walk.writes.set(key, sources);
  }

  /** By position; what does not fit, and everything when positions can't be relied on, counts for every column. */
  addRow(names: readonly string[] | null, values: readonly Value[], exact: boolean): void {
    const wanted = names ?? this.columns;
    if (wanted === null || !exact || values.length > wanted.length) {
      for (const name of wanted ?? ['*']) this.add(name, derived(...values));
      return;
    }
    values.forEach((value, index) => this.add(wanted[index] ?? '*', value));
  }

  /** SET list. */
  addAssignments(nodes: readonly Node[] | undefined, scope: Scope): void {
    for (const node of nodes ?? []) {
      if (!('ResTarget' in node)) continue;
      for (const step of node.ResTarget.indirection ?? []) if ('A_Indices' in step) expression(this.#walk, step, scope);
      this.add(node.ResTarget.name ?? '*', expression(this.#walk, node.ResTarget.val, scope));
      this.#walk.evidence?.stores(this.#prefix, node.ResTarget.name ?? '*', node.ResTarget.val);
    }
  }

  /** The target as the rest of the statement sees it. */
  part(): FromPart {
    return relationPart(this.#walk, this.#range, this.byColumn);
  }
}

const namesOfTargets = (nodes: readonly Node[] | undefined): readonly string[] | null =>
  nodes === undefined ? null : nodes.flatMap((node) => ('ResTarget' in node ? [node.ResTarget.name ?? '*'] : []));

function insert(walk: Walk, stmt: InsertStmt, parent: Scope | null, outer: CommonTables): Rows {
  const ctes = commonTables(walk, stmt.withClause, parent, outer);
  const written = new Written(walk, stmt.relation ?? {});
  const source = stmt.selectStmt === undefined ? noRows : query(walk, stmt.selectStmt, parent, ctes);
  written.addRow(
    namesOfTargets(stmt.cols),
    source.columns.map((column) => column.value),
    source.exact,
  );

  walk.evidence?.inserts(findRelation(walk, stmt.relation ?? {})?.qualified ?? '', namesOfTargets(stmt.cols) ?? written.columns, stmt);
  const conflict = stmt.onConflictClause;
  if (conflict !== undefined) {
    const target = written.part();
    const excluded = excludedItem(target, written);
    const scope = newScope(parent, ctes, [...target.items, excluded], target.columns);
    for (const node of conflict.infer?.indexElems ?? []) {
      if (!('IndexElem' in node)) continue;
      const { name, expr } = node.IndexElem;
      predicate(walk, name === undefined ? expr : { ColumnRef: { fields: [{ String: { sval: name } }] } }, scope);
    }
    predicate(walk, conflict.infer?.whereClause, scope);
    written.addAssignments(conflict.targetList, scope);
    predicate(walk, conflict.whereClause, scope);
  }
  return returning(walk, stmt.returningClause, written.part(), noPart, parent, ctes, source);
}

/** `excluded` holds the row that was to be inserted. */
function excludedItem(target: FromPart, written: Written): RangeItem {
  const columns = target.columns.map(({ name, leaves }) => ({
    name,
    leaves,
    value: { ...nothing, sources: union(written.byColumn.get(name) ?? new Set(), written.byColumn.get('*') ?? new Set()) },
  }));
  return {
    alias: 'excluded',
    schema: null,
    columns,
    open: written.columns === null ? union(...written.byColumn.values()) : null,
    leaves: target.leaves,
  };
}

function update(walk: Walk, stmt: UpdateStmt, parent: Scope | null, outer: CommonTables): Rows {
  const ctes = commonTables(walk, stmt.withClause, parent, outer);
  const written = new Written(walk, stmt.relation ?? {});
  const before = written.part();
  const from = fromList(walk, stmt.fromClause, parent, ctes);
  const all = joinParts([before, from]);
  written.addAssignments(stmt.targetList, newScope(parent, ctes, all.items, all.columns));
  return withCondition(walk, stmt.whereClause, stmt.returningClause, written.part(), from, parent, ctes);
}

function remove(walk: Walk, stmt: DeleteStmt, parent: Scope | null, outer: CommonTables): Rows {
  const ctes = commonTables(walk, stmt.withClause, parent, outer);
  const from = fromList(walk, stmt.usingClause, parent, ctes);
  return withCondition(walk, stmt.whereClause, stmt.returningClause, relationPart(walk, stmt.relation ?? {}), from, parent, ctes);
}

function withCondition(
  walk: Walk,
  where: Node | undefined,
  clause: ReturningClause | undefined,
  target: FromPart,
  from: FromPart,
  parent: Scope | null,
  ctes: CommonTables,
): Rows {
  const all = joinParts([target, from]);
  walk.evidence?.changes(target);
  condition(walk, where, newScope(parent, ctes, all.items, all.columns), 'all');
  return returning(walk, clause, target, from, parent, ctes);
}

function merge(walk: Walk, stmt: MergeStmt, parent: Scope | null, outer: CommonTables): Rows {
  const ctes = commonTables(walk, stmt.withClause, parent, outer);
  const written = new Written(walk, stmt.relation ?? {});
  const before = written.part();
  const from = stmt.sourceRelation === undefined ? noPart : fromItem(walk, stmt.sourceRelation, { parent, ctes, left: [] });
  const all = joinParts([before, from]);
  const scope = newScope(parent, ctes, all.items, all.columns);
  predicate(walk, stmt.joinCondition, scope);
  walk.evidence?.changes(before);
  for (const node of stmt.mergeWhenClauses ?? []) {
    if ('MergeWhenClause' in node) mergeWhen(walk, node.MergeWhenClause, written, scope);
  }
  return returning(walk, stmt.returningClause, written.part(), from, parent, ctes);
}

function mergeWhen(walk: Walk, when: MergeWhenClause, written: Written, scope: Scope): void {
  predicate(walk, when.condition, scope);
  if (when.commandType === 'CMD_UPDATE') written.addAssignments(when.targetList, scope);
  if (when.commandType === 'CMD_INSERT') {
    const values = (when.values ?? []).map((value) => expression(walk, value, scope));
    written.addRow(namesOfTargets(when.targetList), values, true);
  }
}

/** RETURNING as rows; without it, only what the statement reads from others counts. */
function returning(
  walk: Walk,
  clause: ReturningClause | undefined,
  target: FromPart,
  from: FromPart,
  parent: Scope | null,
  ctes: CommonTables,
  source: Rows | null = null,
): Rows {
  const parts = clause === undefined ? from : joinParts([target, from]);
  const scope = newScope(parent, ctes, [...parts.items, ...versions(clause, target)], parts.columns);
  for (const leaf of parts.leaves) for (const other of leaf.dependsOn) if (!parts.leaves.includes(other)) scope.outer.add(other);
  const { columns, exact } = clause === undefined ? { columns: [], exact: true } : targets(walk, clause.exprs, scope);
  // The rows that an INSERT returns are its own: reading its source is what may be unbounded.
  const reading = boundReading(walk.block, source === null ? parts.leaves : [], {}, [], source ?? undefined);
  const outer = new Set([...scope.outer, ...(source?.outer ?? [])]);
  return { ...reading, columns, exact, outer, collects: walk.block.collects || source?.collects === true };
}

/** `old` and `new` of RETURNING, under the names that the clause gives them. */
function versions(clause: ReturningClause | undefined, target: FromPart): readonly RangeItem[] {
  const [item] = target.items;
  if (clause === undefined || item === undefined) return [];
  const named = (clause.options ?? []).flatMap((node) => ('ReturningOption' in node ? [node.ReturningOption] : []));
  const nameOf = (option: 'RETURNING_OPTION_OLD' | 'RETURNING_OPTION_NEW', usual: string): string =>
    named.find((each) => each.option === option)?.value ?? usual;
  return [nameOf('RETURNING_OPTION_OLD', 'old'), nameOf('RETURNING_OPTION_NEW', 'new')].map((alias) => ({ ...item, alias, schema: null }));
}

/** COPY ... FROM: values come from the client. */
export function copyIn(walk: Walk, range: RangeVar, attlist: readonly Node[] | undefined, where: Node | undefined): void {
  const written = new Written(walk, range);
  const names = attlist?.map((node) => stringOf(node) ?? '*') ?? written.columns ?? ['*'];
  for (const name of names) written.add(name, nothing);
  const part = written.part();
  predicate(walk, where, newScope(null, [], part.items, part.columns));
}

/** COPY relation TO: the columns in order. */
export function copyOut(walk: Walk, range: RangeVar, attlist: readonly Node[] | undefined): Rows {
  const part = relationPart(walk, range);
  walk.evidence?.reading(part);
  const list = attlist?.flatMap((node) => [{ ResTarget: { val: { ColumnRef: { fields: [node] } } } }]);
  const star: Node = { ResTarget: { val: { ColumnRef: { fields: [{ A_Star: {} }] } } } };
  const scope = newScope(null, [], part.items, part.columns);
  const { columns, exact } = targets(walk, list ?? [star], scope);
  return { ...boundReading(walk.block, part.leaves, {}, []), columns, exact, outer: new Set(), collects: false };
}

/** CREATE TABLE AS and SELECT INTO: each column of the new relation. */
export function storeNew(walk: Walk, range: RangeVar, names: readonly Node[] | undefined, rows: Rows): void {
  rows.columns.forEach(({ name, value }, index) => {
    const key = `${spelt(range)}.${stringOf(names?.[index]) ?? name}`;
    const sources = walk.writes.get(key) ?? new Set();
    addAll(sources, value.sources);
    walk.writes.set(key, sources);
  });
}
