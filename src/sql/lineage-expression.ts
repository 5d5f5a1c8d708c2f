// Sources of an expression: the union over everything in it, with three exceptions. Names go through the scope, field
// selection picks the field of a known row, and whatever only decides about rows (FILTER, OVER, EXISTS) is control.

import type { A_Expr, FuncCall, Node, SubLink, TypeName, WindowDef } from '@pgsql/types';
import { findRelation } from './lineage-from.ts';
import { aggregateKind, functionName, multipliesRows, showsOrder } from './lineage-functions.ts';
import { namesOf, stringOf } from './lineage-names.ts';
import { query } from './lineage-query.ts';
import {
  addAll,
  control,
  derived,
  itemsNamed,
  newBlock,
  noRows,
  nothing,
  read,
  resolve,
  rowOf,
  step,
  union,
  wholeRow,
  type Equality,
  type Field,
  type Leaf,
  type Rows,
  type Scope,
  type Value,
  type Walk,
} from './lineage-scope.ts';

export function expression(walk: Walk, node: Node | undefined, scope: Scope): Value {
  if (node === undefined) return nothing;
  step(walk);
  if ('ColumnRef' in node) return columnRef(walk, node.ColumnRef.fields, scope);
  if ('A_Const' in node || 'ParamRef' in node || 'TypeName' in node) return nothing;
  if ('A_Expr' in node) walk.evidence?.compares(node.A_Expr, (side) => valueOfSide(walk, side, scope));
  if ('FuncCall' in node) return functionCall(walk, node.FuncCall, scope);
  if ('A_Indirection' in node)
    return indirection(walk, expression(walk, node.A_Indirection.arg, scope), node.A_Indirection.indirection, scope);
  if ('SubLink' in node) return subLink(walk, node.SubLink, scope);
  if ('TypeCast' in node) return castTo(walk, expression(walk, node.TypeCast.arg, scope), node.TypeCast.typeName);
  if ('RowExpr' in node) {
    return rowOf((node.RowExpr.args ?? []).map((arg, index) => ({ name: `f${index + 1}`, value: expression(walk, arg, scope) })));
  }
  if ('MultiAssignRef' in node) {
    const { source, colno } = node.MultiAssignRef;
    const row = expression(walk, source, scope);
    return row.fields?.[(colno ?? 1) - 1]?.value ?? derived(row);
  }
  if ('SelectStmt' in node) {
    const rows = subQuery(walk, node, scope);
    foldRows(walk, rows);
    return rowsValue(rows);
  }
  if ('GroupingFunc' in node) {
    // Tells the grouping set, nothing of the values.
    for (const arg of node.GroupingFunc.args ?? []) expression(walk, arg, scope);
    return nothing;
  }
  if ('WindowDef' in node) {
    windowControl(walk, node.WindowDef, scope);
    return nothing;
  }
  if ('JsonObjectAgg' in node || 'JsonArrayAgg' in node) {
    walk.block.collects = true;
    const aggregate = 'JsonObjectAgg' in node ? node.JsonObjectAgg : node.JsonArrayAgg;
    // `constructor` is the field's name; a plain read finds Object's when it is absent.
    const shape = Object.hasOwn(aggregate, 'constructor') ? aggregate.constructor : undefined;
    if (typeof shape === 'object') {
      aggregateControl(walk, shape, scope);
      if (shape.over === undefined) walk.block.aggregates = true;
    }
    return derived(...parts(walk, aggregate.arg, scope));
  }
  return derived(...parts(walk, contentOf(node), scope));
}

/** Sources that decide about rows, not about values. */
export function predicate(walk: Walk, node: Node | undefined, scope: Scope): Value {
  if (node === undefined) return nothing;
  const { block } = walk;
  const folded = block.folded.length;
  const value = expression(walk, node, scope);
  block.folded.length = folded;
  control(walk, value);
  return value;
}

function contentOf(node: Node): unknown {
  for (const content of Object.values(node)) return content;
  return undefined;
}

/** Walks whatever is inside a node that needs no rule of its own. */
function parts(walk: Walk, content: unknown, scope: Scope): Value[] {
  const found: Value[] = [];
  collect(walk, content, scope, found);
  return found;
}

function collect(walk: Walk, content: unknown, scope: Scope, found: Value[]): void {
  if (typeof content !== 'object' || content === null) return;
  step(walk);
  if (Array.isArray(content)) {
    for (const entry of content) collect(walk, entry, scope, found);
    return;
  }
  for (const key of Object.keys(content)) {
    // A capital is the tag of a node; all others are fields.
    const isTag = key.charCodeAt(0) < 91;
    if (isTag) found.push(expression(walk, content as Node, scope));
    else if (key !== 'typeName') collect(walk, (content as Readonly<Record<string, unknown>>)[key], scope, found);
  }
}

function columnRef(walk: Walk, fields: readonly Node[] | undefined, scope: Scope): Value {
  const names = namesOf(fields);
  if (names !== null) return resolve(walk, scope, names);
  const table = namesOf(fields?.slice(0, -1)) ?? [];
  if (table.length === 0) return read(walk, rowOf(scope.columns));
  return read(
    walk,
    rowOf(
      itemsNamed(scope, table).flatMap((item) => item.columns),
      wholeRowSources(scope, table),
    ),
  );
}

const wholeRowSources = (scope: Scope, table: readonly string[]) =>
  union(...itemsNamed(scope, table).map((item) => wholeRow(item).sources));

export function indirection(walk: Walk, from: Value, steps: readonly Node[] | undefined, scope: Scope): Value {
  let value = from;
  for (const each of steps ?? []) {
    const name = stringOf(each);
    if (name !== null) {
      const found = value.fields?.filter((field) => field.name === name) ?? [];
      value =
        found.length > 0
          ? found.length === 1 && found[0] !== undefined
            ? found[0].value
            : derived(...found.map((field) => field.value))
          : derived(value);
    } else if (!('A_Star' in each)) {
      value = derived(value, ...parts(walk, each, scope));
    }
  }
  return value;
}

/** Columns of a row type, when `typeName` is a relation's. */
function castTo(walk: Walk, value: Value, typeName: TypeName | undefined): Value {
  const columns = typeName?.arrayBounds === undefined ? relationColumns(walk, typeName) : null;
  if (columns === null) return derived(value);
  // A field is cast as well: what comes out is no column passed through.
  const fields: Field[] = columns.map((name, index) => ({
    name,
    value: { ...(value.fields?.[index]?.value ?? derived(value)), origins: [] },
  }));
  return { sources: value.sources, fields, origins: [] };
}

function relationColumns(walk: Walk, typeName: TypeName | undefined): readonly string[] | null {
  const names = namesOf(typeName?.names) ?? [];
  const name = names.at(-1);
  const schema = names.at(-2);
  if (name === undefined || schema === 'pg_catalog') return null;
  const relation = findRelation(walk, { relname: name, ...(schema === undefined ? {} : { schemaname: schema }) });
  return relation?.columns.map((column) => column.name) ?? null;
}

function functionCall(walk: Walk, call: FuncCall, scope: Scope): Value {
  const called = functionName(call.funcname);
  const args = call.args ?? [];
  const values = args.map((arg) => expression(walk, arg, scope));
  const kind = aggregateKind(walk, called, args);
  if (kind === 'collecting') walk.block.collects = true;
  if (kind !== null && call.over === undefined) walk.block.aggregates = true;
  if (kind === null && multipliesRows(walk, called)) walk.block.multipliesRows = true;
  if (showsOrder(called) || call.agg_distinct === true) for (const value of values) control(walk, value);
  const ordered = aggregateControl(walk, { ...call, agg_order: call.agg_order ?? [] }, scope);
  if (call.agg_within_group === true) values.push(...ordered);
  const rowType = called.name.startsWith('json') && called.name.includes('_populate_record') ? values[0]?.fields : undefined;
  const all = derived(...values);
  return rowType === undefined || rowType === null ? all : { ...all, fields: rowType.map((field) => ({ name: field.name, value: all })) };
}

/** FILTER, ORDER BY and OVER of an aggregate. @returns values of its ORDER BY. */
function aggregateControl(
  walk: Walk,
  call: { readonly agg_filter?: Node; readonly agg_order?: readonly Node[]; readonly over?: WindowDef },
  scope: Scope,
): Value[] {
  predicate(walk, call.agg_filter, scope);
  if (call.over !== undefined) {
    if (walk.evidence !== null) walk.evidence.mixesRows = true;
    windowControl(walk, call.over, scope);
  }
  return (call.agg_order ?? []).map((entry) => predicate(walk, 'SortBy' in entry ? entry.SortBy.node : entry, scope));
}

export function windowControl(walk: Walk, window: WindowDef, scope: Scope): void {
  for (const entry of window.partitionClause ?? []) predicate(walk, entry, scope);
  for (const entry of window.orderClause ?? []) predicate(walk, 'SortBy' in entry ? entry.SortBy.node : entry, scope);
  predicate(walk, window.startOffset, scope);
  predicate(walk, window.endOffset, scope);
}

function subLink(walk: Walk, link: SubLink, scope: Scope): Value {
  const tested = expression(walk, link.testexpr, scope);
  const rows = link.subselect === undefined ? noRows : subQuery(walk, link.subselect, scope);
  switch (link.subLinkType) {
    case 'EXPR_SUBLINK':
    case 'MULTIEXPR_SUBLINK':
    case 'ROWCOMPARE_SUBLINK':
      foldRow(walk, rows);
      return rowsValue(rows, tested);
    case 'ARRAY_SUBLINK':
      foldRows(walk, rows);
      return derived(tested, rowsValue(rows));
    case 'ANY_SUBLINK':
    case 'ALL_SUBLINK': {
      if (walk.evidence !== null)
        walk.listed.set(
          link,
          rows.columns.map((column) => column.value),
        );
      const value = derived(tested, rowsValue(rows));
      control(walk, value);
      return value;
    }
    default:
      // EXISTS: the columns of the sub-select say nothing.
      return nothing;
  }
}

function subQuery(walk: Walk, node: Node, scope: Scope): Rows {
  const outer = walk.block;
  walk.block = newBlock();
  const rows = query(walk, node, scope, scope.ctes);
  walk.block = outer;
  // An aggregate over columns of an outer query belongs to that query.
  if (rows.collects && rows.outer.size > 0) outer.collects = true;
  return rows;
}

const foldRow = (walk: Walk, rows: Rows): void => void walk.block.folded.push({ rows, collects: false });
const foldRows = (walk: Walk, rows: Rows): void => void walk.block.folded.push({ rows, collects: true });

function rowsValue(rows: Rows, more: Value = nothing): Value {
  const [first] = rows.columns;
  const sources = union(more.sources, ...rows.columns.map((column) => column.value.sources));
  const fields = rows.columns.length === 1 && first !== undefined && first.value.fields !== null ? first.value.fields : rows.columns;
  return { sources, fields, origins: [] };
}

/** Adds the equalities among the conditions that all rows of `bounds` fulfil. The condition itself is control. */
export function condition(walk: Walk, node: Node | undefined, scope: Scope, bounds: Equality['bounds']): void {
  if (node === undefined) return;
  if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') {
    step(walk);
    for (const arg of node.BoolExpr.args ?? []) condition(walk, arg, scope, bounds);
    return;
  }
  predicate(walk, node, scope);
  if ('A_Expr' in node) walk.evidence?.requires(node.A_Expr, (side) => valueOfSide(walk, side, scope), scope, bounds);
  if ('SubLink' in node && walk.evidence !== null) requireListed(walk, node.SubLink, scope, bounds);
  if ('A_Expr' in node) for (const [column, other] of equalPairs(node.A_Expr)) pair(walk, column, other, scope, bounds);
}

/** A column of a comparison; null for any other side. */
function valueOfSide(walk: Walk, side: Node, scope: Scope): Value | null {
  if (!('ColumnRef' in side)) return null;
  const names = namesOf(side.ColumnRef.fields);
  return names === null ? null : resolve(walk, scope, names);
}

/** `column IN (SELECT listed ...)`, whose sub-select was walked already. */
function requireListed(walk: Walk, link: SubLink, scope: Scope, bounds: Equality['bounds']): void {
  const { testexpr, subselect, operName } = link;
  if (link.subLinkType !== 'ANY_SUBLINK' || testexpr === undefined || subselect === undefined || (operName ?? []).length > 0) return;
  const tested = valueOfSide(walk, testexpr, scope);
  const [first] = walk.listed.get(link) ?? [];
  if (tested !== null && first !== undefined) walk.evidence?.lists(tested, first, scope, bounds);
}

/** `IN` lists up to this length still count as a lookup by key. */
const maxListed = 100;

/** `a = b`, `(a, b) = (c, d)`, `a IN (1, 2)`, `a = ANY (ARRAY[1, 2])`, as pairs of sides. */
function equalPairs(test: A_Expr): readonly (readonly [Node, Node])[] {
  const name = namesOf(test.name) ?? [];
  const { lexpr, rexpr } = test;
  if (name.at(-1) !== '=' || (name.length > 1 && name.at(-2) !== 'pg_catalog') || lexpr === undefined || rexpr === undefined) return [];
  switch (test.kind) {
    case 'AEXPR_OP': {
      if ('RowExpr' in lexpr && 'RowExpr' in rexpr) {
        const right = rexpr.RowExpr.args ?? [];
        return (lexpr.RowExpr.args ?? []).flatMap((side, index) => {
          const other = right[index];
          return other === undefined ? [] : both(side, other);
        });
      }
      return both(lexpr, rexpr);
    }
    case 'AEXPR_IN':
      return 'List' in rexpr && (rexpr.List.items ?? []).length <= maxListed ? [[lexpr, rexpr]] : [];
    case 'AEXPR_OP_ANY':
      return 'A_ArrayExpr' in rexpr && (rexpr.A_ArrayExpr.elements ?? []).length <= maxListed ? [[lexpr, rexpr]] : [];
    default:
      return [];
  }
}

const both = (left: Node, right: Node): readonly (readonly [Node, Node])[] => [
  [left, right],
  [right, left],
];

function pair(walk: Walk, column: Node, other: Node, scope: Scope, bounds: Equality['bounds']): void {
  if (!('ColumnRef' in column) || !isSteady(other)) return;
  const { origins } = expression(walk, column, scope);
  if (origins.length === 0) return;
  const before = scope.touched;
  scope.touched = new Set<Leaf>();
  const { block } = walk;
  const folded = block.folded.length;
  expression(walk, other, scope);
  block.folded.length = folded;
  const others = scope.touched;
  scope.touched = before;
  addAll(before, others);
  block.equalities.push({ origins, others, bounds });
}

/** Constants, parameters, columns and sums of them: one value for all rows, or one per row of the columns' relations. */
function isSteady(node: Node): boolean {
  if ('A_Const' in node || 'ParamRef' in node || 'ColumnRef' in node) return true;
  if ('TypeCast' in node) return node.TypeCast.arg !== undefined && isSteady(node.TypeCast.arg);
  if ('A_Expr' in node) {
    const { lexpr, rexpr } = node.A_Expr;
    return (lexpr === undefined || isSteady(lexpr)) && rexpr !== undefined && isSteady(rexpr);
  }
  if ('List' in node) return (node.List.items ?? []).every(isSteady);
  if ('A_ArrayExpr' in node) return (node.A_ArrayExpr.elements ?? []).every(isSteady);
  return false;
}
