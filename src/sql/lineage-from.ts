// FROM: which columns and which names each entry brings, in PostgreSQL's order. Entries left of a LATERAL one are
// visible to it; a join with an alias hides what is inside; USING and NATURAL merge columns and put them first.

import type { Alias, JoinExpr, JsonTable, Node, RangeFunction, RangeSubselect, RangeTableFunc, RangeVar } from '@pgsql/types';
import type { Relation } from './catalogue.ts';
import { condition, expression } from './lineage-expression.ts';
import { columnsOfFunction, functionName } from './lineage-functions.ts';
import { namesOf, outputName, stringOf } from './lineage-names.ts';
import { query } from './lineage-query.ts';
import {
  addAll,
  control,
  derived,
  either,
  newBlock,
  newScope,
  noReading,
  noSources,
  nothing,
  step,
  union,
  type CommonTables,
  type Equality,
  type Field,
  type Instance,
  type Leaf,
  type RangeItem,
  type Reading,
  type Scope,
  type ScopeColumn,
  type Sources,
  type Value,
  type Walk,
} from './lineage-scope.ts';

export interface FromPart {
  /** What bare names and `*` see. */
  readonly columns: readonly ScopeColumn[];
  readonly items: readonly RangeItem[];
  readonly leaves: readonly Leaf[];
}

export const noPart: FromPart = { columns: [], items: [], leaves: [] };

export function joinParts(parts: readonly FromPart[]): FromPart {
  return {
    columns: parts.flatMap((part) => part.columns),
    items: parts.flatMap((part) => part.items),
    leaves: parts.flatMap((part) => part.leaves),
  };
}

/** A comma list. */
export function fromList(walk: Walk, nodes: readonly Node[] | undefined, parent: Scope | null, ctes: CommonTables): FromPart {
  const parts: FromPart[] = [];
  for (const node of nodes ?? []) parts.push(fromItem(walk, node, { parent, ctes, left: parts }));
  return joinParts(parts);
}

interface Place {
  readonly parent: Scope | null;
  readonly ctes: CommonTables;
  readonly left: readonly FromPart[];
}

export function fromItem(walk: Walk, node: Node, place: Place): FromPart {
  step(walk);
  if ('RangeVar' in node) return rangeVar(walk, node.RangeVar, place);
  if ('JoinExpr' in node) return join(walk, node.JoinExpr, place);
  if ('RangeSubselect' in node) return subselect(walk, node.RangeSubselect, place);
  if ('RangeFunction' in node) return rangeFunction(walk, node.RangeFunction, place);
  if ('RangeTableSample' in node) {
    const { relation, args, repeatable } = node.RangeTableSample;
    for (const arg of [...(args ?? []), repeatable]) expression(walk, arg, lateralScope(place));
    return relation === undefined ? noPart : fromItem(walk, relation, place);
  }
  if ('RangeTableFunc' in node) return tableFunction(walk, node.RangeTableFunc, node.RangeTableFunc.alias, place);
  if ('JsonTable' in node) return tableFunction(walk, node.JsonTable, node.JsonTable.alias, place);
  throw new Error('unknown FROM entry');
}

/** The relation as FROM (or the target of a change) names it; null when the catalogue does not have it. */
export function findRelation(walk: Walk, range: RangeVar): Relation | null {
  const { context } = walk;
  const name = range.relname ?? '';
  if (range.schemaname === 'pg_temp') return context.temporary(name) ?? null;
  if (range.schemaname !== undefined) return context.catalogue.relation(range.schemaname, name) ?? null;
  return context.temporary(name) ?? context.catalogue.resolveRelation(name, context.searchPath) ?? null;
}

export const spelt = (range: RangeVar): string => [range.schemaname, range.relname].filter((part) => part !== undefined).join('.');

/** One reading of a base relation. `written` adds what a change stores in each column. */
export function relationPart(walk: Walk, range: RangeVar, written?: ReadonlyMap<string, Sources>): FromPart {
  const relation = findRelation(walk, range);
  const alias = range.alias?.aliasname;
  if (relation === null) {
    const leaf = newLeaf({ ...noReading, fixed: false });
    const columns = renamed([], range.alias, leaf, noSources);
    return itemPart({
      alias: alias ?? range.relname ?? '',
      schema: alias === undefined ? (range.schemaname ?? null) : null,
      columns,
      open: noSources,
      leaves: [leaf],
    });
  }
  const instance: Instance = {
    relation: relation.qualified,
    keys: [relation.primaryKey, ...relation.uniqueKeys].filter((key) => key.length > 0),
  };
  const only = new Set([instance]);
  const leaf: Leaf = { reading: { rowwise: only, collected: new Set(), reads: only, fixed: false }, isTable: true, dependsOn: new Set() };
  const columns = ownSources(relation).map(({ name, sources }): Field => {
    const stored = written?.get(name);
    return {
      name,
      value: { sources: stored === undefined ? sources : union(sources, stored), fields: null, origins: [{ instance, column: name }] },
    };
  });
  return itemPart({
    alias: alias ?? relation.name,
    schema: alias === undefined ? relation.schema : null,
    columns: renamed(columns, range.alias, leaf, null),
    open: null,
    leaves: [leaf],
  });
}

const ownSourcesOf = new WeakMap<Relation, readonly { readonly name: string; readonly sources: Sources }[]>();

function ownSources(relation: Relation) {
  let own = ownSourcesOf.get(relation);
  if (own === undefined) {
    own = relation.columns.map(({ name }) => ({ name, sources: new Set([`${relation.qualified}.${name}`]) }));
    ownSourcesOf.set(relation, own);
  }
  return own;
}

function rangeVar(walk: Walk, range: RangeVar, place: Place): FromPart {
  const common = range.schemaname === undefined ? place.ctes.find((cte) => cte.name === range.relname) : undefined;
  if (common === undefined) {
    const part = relationPart(walk, range);
    return walk.evidence?.reading(part) ?? part;
  }
  if (common.pending) common.usedEarly = true;
  const { rows } = common;
  walk.evidence?.named(rows.reads);
  const leaf = newLeaf(rows, rows.outer);
  // Before the first round its columns are unknown.
  const open =
    (common.pending && rows.columns.length === 0) || !rows.exact ? union(...rows.columns.map((column) => column.value.sources)) : null;
  return itemPart({
    alias: range.alias?.aliasname ?? common.name,
    schema: null,
    columns: renamed(rows.columns, range.alias, leaf, open),
    open,
    leaves: [leaf],
  });
}

function subselect(walk: Walk, range: RangeSubselect, place: Place): FromPart {
  if (range.subquery === undefined) return noPart;
  const scope = range.lateral === true ? lateralScope(place) : place.parent;
  const outer = walk.block;
  walk.block = newBlock();
  const rows = query(walk, range.subquery, scope, place.ctes);
  walk.block = outer;
  if (rows.collects && rows.outer.size > 0) outer.collects = true;
  const leaf = newLeaf(rows, rows.outer);
  const open = rows.exact ? null : union(...rows.columns.map((column) => column.value.sources));
  const columns = renamed(rows.columns, range.alias, leaf, open);
  return itemPart({ alias: range.alias?.aliasname ?? '', schema: null, columns, open, leaves: [leaf] });
}

function rangeFunction(walk: Walk, range: RangeFunction, place: Place): FromPart {
  const scope = lateralScope(place);
  const outer = walk.block;
  const block = newBlock();
  walk.block = block;
  const alias = range.alias?.aliasname ?? null;
  const fields: Field[] = [];
  let open: Sources | null = null;
  let name = '';
  const single = (range.functions ?? []).length === 1 && range.is_rowsfrom !== true;
  for (const entry of range.functions ?? []) {
    const [call, list] = 'List' in entry ? (entry.List.items ?? []) : [entry];
    const value = derivedKeepingFields(expression(walk, call, scope));
    const definitions = definedColumns(list) ?? definedColumns({ List: { items: range.coldeflist ?? [] } });
    const called = call !== undefined && 'FuncCall' in call ? functionName(call.FuncCall.funcname) : null;
    name = called?.name ?? name;
    const argCount = call !== undefined && 'FuncCall' in call ? (call.FuncCall.args ?? []).length : 0;
    const known =
      definitions ??
      value.fields?.map((field) => field.name) ??
      (called === null ? [alias ?? outputName(call, () => '')] : columnsOfFunction(called, single ? alias : null, argCount));
    if (known === null) {
      // One column of its own name if it yields scalars, unknown ones if it yields rows.
      fields.push({ name: (single ? alias : null) ?? called?.name ?? '', value: { ...value, fields: null } });
      open = union(open ?? noSources, value.sources);
    } else {
      known.forEach((column, index) => fields.push({ name: column, value: value.fields?.[index]?.value ?? { ...value, fields: null } }));
    }
  }
  walk.block = outer;
  if (range.ordinality === true) fields.push({ name: 'ordinality', value: nothing });
  const leaf = newLeaf(foldedReading(block), scope.touched);
  return itemPart({ alias: alias ?? name, schema: null, columns: renamed(fields, range.alias, leaf, open), open, leaves: [leaf] });
}

const derivedKeepingFields = (value: Value): Value => ({ ...value, origins: [] });

function definedColumns(list: Node | undefined): readonly string[] | null {
  if (list === undefined || !('List' in list)) return null;
  const names = (list.List.items ?? []).flatMap((entry) => ('ColumnDef' in entry ? [entry.ColumnDef.colname ?? ''] : []));
  return names.length === 0 ? null : names;
}

/** XMLTABLE and JSON_TABLE: every column depends on everything that goes in. */
function tableFunction(walk: Walk, range: RangeTableFunc | JsonTable, alias: Alias | undefined, place: Place): FromPart {
  const scope = lateralScope(place);
  const outer = walk.block;
  const block = newBlock();
  walk.block = block;
  const value = derived(expression(walk, { JsonTable: range } as Node, scope));
  walk.block = outer;
  const fields = tableColumns(range.columns).map((name): Field => ({ name, value }));
  const leaf = newLeaf(foldedReading(block), scope.touched);
  return itemPart({ alias: alias?.aliasname ?? '', schema: null, columns: renamed(fields, alias, leaf, null), open: null, leaves: [leaf] });
}

function tableColumns(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).flatMap((node) => {
    if ('RangeTableFuncCol' in node) return [node.RangeTableFuncCol.colname ?? ''];
    if (!('JsonTableColumn' in node)) return [];
    return node.JsonTableColumn.columns === undefined ? [node.JsonTableColumn.name ?? ''] : tableColumns(node.JsonTableColumn.columns);
  });
}

function foldedReading(block: { readonly folded: readonly { readonly rows: Reading; readonly collects: boolean }[] }): Reading {
  const collected = new Set<Instance>();
  const reads = new Set<Instance>();
  for (const { rows, collects } of block.folded) {
    addAll(collected, rows.collected);
    if (collects) addAll(collected, rows.rowwise);
    addAll(reads, rows.reads);
  }
  return { rowwise: new Set(), collected, reads, fixed: false };
}

function join(walk: Walk, node: JoinExpr, place: Place): FromPart {
  const left = node.larg === undefined ? noPart : fromItem(walk, node.larg, place);
  const right = node.rarg === undefined ? noPart : fromItem(walk, node.rarg, { ...place, left: [...place.left, left] });
  const leaves = [...left.leaves, ...right.leaves];
  const bounds = boundLeaves(node, left, right);
  const common = node.isNatural === true ? commonNames(left, right) : (namesOf(node.usingClause) ?? []);
  const merged = common.map((name) => merge(walk, name, left, right, bounds));
  const others = (part: FromPart): ScopeColumn[] => part.columns.filter((column) => !common.includes(column.name));
  const columns = [...merged, ...others(left), ...others(right)];
  const items = [...left.items, ...right.items];
  const usingAlias = node.join_using_alias?.aliasname;
  if (usingAlias !== undefined) items.push({ alias: usingAlias, schema: null, columns: merged, open: null, leaves });
  condition(walk, node.quals, newScope(place.parent, place.ctes, items, columns), bounds);
  if (node.alias === undefined) return { columns, items, leaves };
  const opens = items.flatMap((item) => (item.open === null ? [] : [item.open]));
  const visible = columns.map((column, index) => ({ ...column, name: stringOf(node.alias?.colnames?.[index]) ?? column.name }));
  const item: RangeItem = {
    alias: node.alias.aliasname ?? '',
    schema: null,
    columns: visible,
    open: opens.length === 0 ? null : union(...opens),
    leaves,
  };
  return { columns: visible, items: [item], leaves };
}

/** Leaves whose rows all fulfil the join condition: an outer join keeps the rows of its preserved side. */
function boundLeaves(node: JoinExpr, left: FromPart, right: FromPart): ReadonlySet<Leaf> {
  switch (node.jointype) {
    case undefined:
    case 'JOIN_INNER':
      return new Set([...left.leaves, ...right.leaves]);
    case 'JOIN_LEFT':
      return new Set(right.leaves);
    case 'JOIN_RIGHT':
      return new Set(left.leaves);
    default:
      return new Set();
  }
}

function commonNames(left: FromPart, right: FromPart): readonly string[] {
  const names = new Set(right.columns.map((column) => column.name));
  return [...new Set(left.columns.map((column) => column.name))].filter((name) => names.has(name));
}

function merge(walk: Walk, name: string, left: FromPart, right: FromPart, bounds: ReadonlySet<Leaf>): ScopeColumn {
  const of = (part: FromPart): readonly ScopeColumn[] => part.columns.filter((column) => column.name === name);
  const [one, two] = [of(left), of(right)];
  const values = [...one, ...two].map((column) => column.value);
  // A side without that column may have it among the columns nobody knows.
  for (const part of [one.length === 0 ? left : noPart, two.length === 0 ? right : noPart]) {
    for (const item of part.items) if (item.open !== null) values.push({ ...nothing, sources: item.open });
  }
  const value = either(values);
  addAll(walk.columns, value.sources);
  control(walk, value);
  const leavesOf = (columns: readonly ScopeColumn[]): Set<Leaf> => new Set(columns.flatMap((column) => column.leaves));
  const originsOf = (columns: readonly ScopeColumn[]) => columns.flatMap((column) => column.value.origins);
  const equalities: readonly Equality[] = [
    { origins: originsOf(one), others: leavesOf(two), bounds },
    { origins: originsOf(two), others: leavesOf(one), bounds },
  ];
  if (one.length > 0 && two.length > 0) walk.block.equalities.push(...equalities);
  const valuesOf = (own: readonly ScopeColumn[]) => own.map((column) => column.value);
  walk.evidence?.joined(valuesOf(one), valuesOf(two), bounds);
  return { name, value, leaves: [...new Set([...one, ...two].flatMap((column) => column.leaves))] };
}

function lateralScope(place: Place): Scope {
  const visible = joinParts(place.left);
  return newScope(place.parent, place.ctes, visible.items, visible.columns);
}

function newLeaf(reading: Reading, dependsOn: ReadonlySet<Leaf> = new Set()): Leaf {
  return { reading, isTable: false, dependsOn };
}

const itemPart = (item: RangeItem): FromPart => ({ columns: item.columns, items: [item], leaves: item.leaves });

/** @param open sources of columns that only the alias list names; null = there are none. */
function renamed(fields: readonly Field[], alias: Alias | undefined, leaf: Leaf, open: Sources | null): readonly ScopeColumn[] {
  const names = (alias?.colnames ?? []).map(stringOf);
  const columns = fields.map((field, index): ScopeColumn => ({ name: names[index] ?? field.name, value: field.value, leaves: [leaf] }));
  for (const name of open === null ? [] : names.slice(fields.length)) {
    columns.push({ name: name ?? '', value: { ...nothing, sources: open ?? noSources }, leaves: [leaf] });
  }
  return columns;
}
