// Rows of a query: SELECT, VALUES, set operations, WITH, and changes with RETURNING. Recursive WITH is a fixpoint: each
// round may only add sources, and there are finitely many.

import type { CommonTableExpr, Node, ResTarget, SelectStmt, WithClause } from '@pgsql/types';
import { boundReading, unionReading } from './lineage-bounds.ts';
import { change } from './lineage-change.ts';
import { condition, expression, indirection, predicate, windowControl } from './lineage-expression.ts';
import { fromList } from './lineage-from.ts';
import { namesOf, outputName, stringOf } from './lineage-names.ts';
import {
  addAll,
  control,
  derived,
  either,
  itemsNamed,
  newBlock,
  newScope,
  noRows,
  nothing,
  read,
  resolveLocal,
  step,
  union,
  wholeRow,
  type CommonTable,
  type CommonTables,
  type Field,
  type Rows,
  type Scope,
  type Value,
  type Walk,
} from './lineage-scope.ts';

/** Rows of any statement that may stand in WITH or in a sub-select. Starts a query block of its own. */
export function query(walk: Walk, node: Node, parent: Scope | null, ctes: CommonTables): Rows {
  if ('SelectStmt' in node) return select(walk, node.SelectStmt, parent, ctes);
  if ('InsertStmt' in node || 'UpdateStmt' in node || 'DeleteStmt' in node || 'MergeStmt' in node) return change(walk, node, parent, ctes);
  throw new Error('not a query');
}

function select(walk: Walk, stmt: SelectStmt, parent: Scope | null, outerCtes: CommonTables, onFirstArm?: (rows: Rows) => void): Rows {
  step(walk);
  const saved = walk.block;
  walk.block = newBlock();
  const ctes = commonTables(walk, stmt.withClause, parent, outerCtes);
  const rows =
    stmt.valuesLists !== undefined
      ? values(walk, stmt, parent, ctes)
      : stmt.op !== undefined && stmt.op !== 'SETOP_NONE'
        ? setOperation(walk, stmt, parent, ctes, onFirstArm)
        : block(walk, stmt, parent, ctes);
  walk.block = saved;
  return rows;
}

/** WITH: later entries first, so that the nearest name wins. */
export function commonTables(walk: Walk, clause: WithClause | undefined, parent: Scope | null, outer: CommonTables): CommonTables {
  const entries = (clause?.ctes ?? []).flatMap((node) => ('CommonTableExpr' in node ? [node.CommonTableExpr] : []));
  if (clause?.recursive === true) return recursiveTables(walk, entries, parent, outer);
  let visible = outer;
  for (const entry of entries) {
    const rows = tableRows(walk, entry, parent, visible);
    visible = [{ name: entry.ctename ?? '', rows, usedEarly: false, pending: false }, ...visible];
  }
  return visible;
}

function recursiveTables(walk: Walk, entries: readonly CommonTableExpr[], parent: Scope | null, outer: CommonTables): CommonTables {
  const tables: CommonTable[] = entries.map((entry) => ({ name: entry.ctename ?? '', rows: noRows, usedEarly: false, pending: true }));
  const visible = [...tables, ...outer];
  let before = '';
  for (;;) {
    // Rounds of nested recursion multiply.
    step(walk, 1000);
    entries.forEach((entry, index) => {
      const table = tables[index];
      if (table === undefined) return;
      const rows = tableRows(walk, entry, parent, visible, (first) => {
        if (table.rows === noRows) table.rows = aliased({ ...first, fixed: false }, entry);
      });
      // Rows added per round are unknown, and a column of the table is no base column passed through.
      table.rows = table.usedEarly ? recursive(rows) : rows;
    });
    // What was not used early is final, but one more round is needed for those that used it.
    if (tables.every((table) => !table.usedEarly)) break;
    const now = tables.map((table) => signature(table.rows)).join('\n');
    if (now === before) break;
    before = now;
  }
  for (const table of tables) table.pending = false;
  return visible;
}

const recursive = (rows: Rows): Rows => ({
  ...rows,
  fixed: false,
  columns: rows.columns.map((column) => ({ name: column.name, value: { ...column.value, origins: [] } })),
});

const signature = (rows: Rows): string =>
  [
    rows.columns.map((column) => `${column.name}:${column.value.sources.size}`).join(','),
    new Set([...rows.rowwise].map((instance) => instance.relation)).size,
    new Set([...rows.collected].map((instance) => instance.relation)).size,
  ].join(';');

function tableRows(walk: Walk, entry: CommonTableExpr, parent: Scope | null, ctes: CommonTables, onFirstArm?: (rows: Rows) => void): Rows {
  if (entry.ctequery === undefined) return noRows;
  const body = entry.ctequery;
  const rows =
    'SelectStmt' in body
      ? select(walk, body.SelectStmt, parent, ctes, onFirstArm)
      : inOwnBlock(walk, () => query(walk, body, parent, ctes));
  return generated(walk, aliased(rows, entry), entry);
}

function inOwnBlock(walk: Walk, run: () => Rows): Rows {
  const saved = walk.block;
  walk.block = newBlock();
  const rows = run();
  walk.block = saved;
  return rows;
}

function aliased(rows: Rows, entry: CommonTableExpr): Rows {
  const names = entry.aliascolnames;
  if (names === undefined) return rows;
  const columns = rows.columns.map((column, index) => ({ ...column, name: stringOf(names[index]) ?? column.name }));
  // A star of unknown width stands for the names that are left.
  const rest = union(...rows.columns.map((column) => column.value.sources));
  const more = rows.exact
    ? []
    : names.slice(columns.length).map((name) => ({ name: stringOf(name) ?? '', value: { ...nothing, sources: rest } }));
  return { ...rows, columns: [...columns, ...more] };
}

/** Columns that SEARCH and CYCLE add. */
function generated(walk: Walk, rows: Rows, entry: CommonTableExpr): Rows {
  const columns = [...rows.columns];
  const add = (names: readonly Node[] | undefined, ...added: readonly (string | undefined)[]): void => {
    const wanted = namesOf(names) ?? [];
    const value = derived(...rows.columns.filter((column) => wanted.includes(column.name)).map((column) => column.value));
    control(walk, value);
    for (const name of added) if (name !== undefined) columns.push({ name, value });
  };
  const { search_clause: search, cycle_clause: cycle } = entry;
  if (search !== undefined) add(search.search_col_list, search.search_seq_column);
  if (cycle !== undefined) add(cycle.cycle_col_list, cycle.cycle_mark_column, cycle.cycle_path_column);
  return { ...rows, columns };
}

function values(walk: Walk, stmt: SelectStmt, parent: Scope | null, ctes: CommonTables): Rows {
  const scope = newScope(parent, ctes);
  const lists = (stmt.valuesLists ?? []).map((row) =>
    ('List' in row ? (row.List.items ?? []) : []).map((cell) => expression(walk, cell, scope)),
  );
  const width = Math.max(0, ...lists.map((cells) => cells.length));
  const columns = Array.from({ length: width }, (_, index): Field => {
    return { name: `column${index + 1}`, value: derived(...lists.map((cells) => cells[index] ?? nothing)) };
  });
  return tail(walk, stmt, scope, {
    ...boundReading(walk.block, [], stmt, []),
    columns,
    exact: true,
    outer: scope.outer,
    collects: walk.block.collects,
  });
}

function setOperation(walk: Walk, stmt: SelectStmt, parent: Scope | null, ctes: CommonTables, onFirstArm?: (rows: Rows) => void): Rows {
  const left = stmt.larg === undefined ? noRows : select(walk, stmt.larg, parent, ctes, onFirstArm);
  onFirstArm?.(left);
  const right = stmt.rarg === undefined ? noRows : select(walk, stmt.rarg, parent, ctes);
  const exact = left.exact && right.exact;
  const everything = derived(...left.columns.map((column) => column.value), ...right.columns.map((column) => column.value));
  const columns = left.columns.map(({ name, value }, index): Field => {
    if (!exact) return { name, value: everything };
    const other = right.columns[index]?.value ?? nothing;
    // EXCEPT shows rows of its left side only; the right one decides which.
    return { name, value: stmt.op === 'SETOP_EXCEPT' ? value : { ...either([value, other]), fields: null } };
  });
  if (stmt.op !== 'SETOP_UNION' || stmt.all !== true) control(walk, everything);
  const outer = new Set([...left.outer, ...right.outer]);
  const scope: Scope = { ...newScope(parent, ctes), outer };
  const reading = stmt.op === 'SETOP_EXCEPT' ? left : unionReading(left, right);
  return tail(walk, stmt, scope, {
    ...boundReading(walk.block, [], stmt, [], reading),
    columns,
    exact,
    outer,
    collects: left.collects || right.collects,
  });
}

function block(walk: Walk, stmt: SelectStmt, parent: Scope | null, ctes: CommonTables): Rows {
  const from = fromList(walk, stmt.fromClause, parent, ctes);
  const scope = newScope(parent, ctes, from.items, from.columns);
  for (const leaf of from.leaves) for (const other of leaf.dependsOn) if (!from.leaves.includes(other)) scope.outer.add(other);
  const { columns, exact } = targets(walk, stmt.targetList, scope);
  condition(walk, stmt.whereClause, scope, 'all');
  const groups = (stmt.groupClause ?? []).flatMap((node) => grouping(walk, node, scope, columns));
  predicate(walk, stmt.havingClause, scope);
  if (stmt.havingClause !== undefined) walk.block.aggregates = true;
  for (const node of stmt.windowClause ?? []) if ('WindowDef' in node) windowControl(walk, node.WindowDef, scope);
  if (stmt.distinctClause !== undefined) {
    const on = stmt.distinctClause.filter((node) => Object.keys(node).length > 0);
    if (on.length === 0) for (const column of columns) control(walk, column.value);
    for (const node of on) control(walk, byOutput(walk, node, scope, columns, 'output'));
  }
  const base = boundReading(walk.block, from.leaves, stmt, groups);
  return tail(walk, stmt, scope, { ...base, columns, exact, outer: scope.outer, collects: walk.block.collects });
}

/** ORDER BY, LIMIT and OFFSET. */
function tail(walk: Walk, stmt: SelectStmt, scope: Scope, rows: Rows): Rows {
  for (const node of stmt.sortClause ?? []) {
    if ('SortBy' in node && node.SortBy.node !== undefined) control(walk, byOutput(walk, node.SortBy.node, scope, rows.columns, 'output'));
  }
  predicate(walk, stmt.limitCount, scope);
  predicate(walk, stmt.limitOffset, scope);
  return rows;
}

function grouping(walk: Walk, node: Node, scope: Scope, columns: readonly Field[]): readonly Value[] {
  if ('GroupingSet' in node && walk.evidence !== null) walk.evidence.mixesRows = true;
  if ('GroupingSet' in node) return (node.GroupingSet.content ?? []).flatMap((entry) => grouping(walk, entry, scope, columns));
  if ('RowExpr' in node) return (node.RowExpr.args ?? []).flatMap((entry) => grouping(walk, entry, scope, columns));
  const value = byOutput(walk, node, scope, columns, 'input');
  control(walk, value);
  return [value];
}

/** ORDER BY prefers output names, GROUP BY input columns; both take positions. */
function byOutput(walk: Walk, node: Node, scope: Scope, columns: readonly Field[], first: 'input' | 'output'): Value {
  if ('A_Const' in node && node.A_Const.ival !== undefined) {
    return columns[(node.A_Const.ival.ival ?? 0) - 1]?.value ?? derived(...columns.map((column) => column.value));
  }
  const names = 'ColumnRef' in node ? namesOf(node.ColumnRef.fields) : null;
  const [name] = names ?? [];
  if (names?.length === 1 && name !== undefined) {
    const input = first === 'input' ? resolveLocal(walk, scope, name) : null;
    if (input !== null) return input;
    const outputs = columns.filter((column) => column.name === name);
    if (outputs.length > 0) return either(outputs.map((column) => column.value));
  }
  return predicate(walk, node, scope);
}

/** Target list with its stars expanded. `exact` is false when a star stood for unknown columns. */
export function targets(
  walk: Walk,
  nodes: readonly Node[] | undefined,
  scope: Scope,
): { readonly columns: readonly Field[]; readonly exact: boolean } {
  const columns: Field[] = [];
  let exact = true;
  for (const node of nodes ?? []) {
    if (!('ResTarget' in node)) continue;
    const expanded = star(walk, node.ResTarget, scope);
    if (expanded === null) {
      columns.push({
        name: node.ResTarget.name ?? nameOf(walk, node.ResTarget.val, scope),
        value: expression(walk, node.ResTarget.val, scope),
      });
    } else {
      for (const { name, value } of expanded.columns) columns.push({ name, value: read(walk, value) });
      exact = exact && expanded.exact;
    }
  }
  return { columns, exact };
}

function star(walk: Walk, target: ResTarget, scope: Scope): { readonly columns: readonly Field[]; readonly exact: boolean } | null {
  const { val } = target;
  if (val === undefined) return null;
  if ('ColumnRef' in val) {
    const fields = val.ColumnRef.fields ?? [];
    const last = fields.at(-1);
    if (last === undefined || !('A_Star' in last)) return null;
    const table = namesOf(fields.slice(0, -1)) ?? [];
    const items = table.length === 0 ? scope.items : itemsNamed(scope, table);
    if (table.length === 0) for (const column of scope.columns) addAll(scope.touched, column.leaves);
    const columns: Field[] = table.length === 0 ? [...scope.columns] : items.flatMap((item) => item.columns);
    const open = items.filter((item) => item.open !== null);
    // Unknown columns follow as one, unless a known one carries as much already.
    for (const item of open) {
      const { sources } = wholeRow(item);
      if (!item.columns.some((column) => column.value.sources.size === sources.size))
        columns.push({ name: item.alias, value: { ...nothing, sources } });
    }
    return { columns, exact: open.length === 0 };
  }
  if ('A_Indirection' in val) {
    const steps = val.A_Indirection.indirection ?? [];
    const last = steps.at(-1);
    if (last === undefined || !('A_Star' in last)) return null;
    const row = indirection(walk, expression(walk, val.A_Indirection.arg, scope), steps.slice(0, -1), scope);
    if (row.fields !== null) return { columns: row.fields, exact: true };
    return { columns: [{ name: nameOf(walk, val.A_Indirection.arg, scope), value: derived(row) }], exact: false };
  }
  return null;
}

function nameOf(walk: Walk, node: Node | undefined, scope: Scope): string {
  return outputName(node, (subselect) => inOwnBlock(walk, () => query(walk, subselect, scope, scope.ctes)).columns[0]?.name ?? '?column?');
}
