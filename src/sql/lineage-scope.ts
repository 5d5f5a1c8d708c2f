// What a name can mean at one place of a statement, and where its values come from. PostgreSQL's rules
// (parse_relation.c): a bare name is searched level by level outwards, then as a whole row; the right side of a join
// hides nothing. Where those rules leave a doubt (a function whose columns are unknown, a relation that the catalogue
// does not have), every candidate counts.

import type { Evidence } from './lineage-evidence.ts';
import type { LineageContext } from './lineage.ts';

export type Sources = ReadonlySet<string>;

/** One reading of a base relation: the unit that a key lookup or a LIMIT bounds. */
export interface Instance {
  readonly relation: string;
  readonly keys: readonly (readonly string[])[];
}

/** A value that is a base column passed through unchanged. */
export interface Origin {
  readonly instance: Instance;
  readonly column: string;
}

export interface Value {
  readonly sources: Sources;
  /** Columns of a row value, when they are known. */
  readonly fields: readonly Field[] | null;
  readonly origins: readonly Origin[];
  /** It can be something else than one of `origins`: an arm of a set operation makes it up. */
  readonly isPartial?: true;
}

export interface Field {
  readonly name: string;
  readonly value: Value;
}

/** One FROM entry that yields rows, for the question how many rows there may be. */
export interface Leaf {
  readonly reading: Reading;
  /** A base table: one bound key means one row. */
  readonly isTable: boolean;
  /** Rows of these are needed to evaluate it (LATERAL). */
  readonly dependsOn: ReadonlySet<Leaf>;
}

/** How much of which relations flows through rows. */
export interface Reading {
  /** Readings whose rows all come through. */
  readonly rowwise: ReadonlySet<Instance>;
  /** Readings folded into single values (`array_agg`): a LIMIT further out does not bound them. */
  readonly collected: ReadonlySet<Instance>;
  /** Every reading on the way of the data. */
  readonly reads: ReadonlySet<Instance>;
  /** The number of rows is small whatever the data are. */
  readonly fixed: boolean;
}

export interface ScopeColumn extends Field {
  readonly leaves: readonly Leaf[];
}

/** A name that qualified references may use. */
export interface RangeItem {
  readonly alias: string;
  /** Schema of a relation without alias, for `schema.table.column`. */
  readonly schema: string | null;
  readonly columns: readonly ScopeColumn[];
  /** Sources of columns nobody knows the names of; null = all columns are known. */
  readonly open: Sources | null;
  readonly leaves: readonly Leaf[];
}

export interface Scope {
  readonly parent: Scope | null;
  readonly items: readonly RangeItem[];
  /** What bare names and `*` see, in order. */
  readonly columns: readonly ScopeColumn[];
  readonly ctes: CommonTables;
  /** Leaves of enclosing scopes that were used in here. */
  readonly outer: Set<Leaf>;
  /** Leaves of this scope that were used since it was last replaced. */
  touched: Set<Leaf>;
}

/** Result of a query: its columns and how much it reads. */
export interface Rows extends Reading {
  readonly columns: readonly Field[];
  /** False when a star over unknown columns is among them: positions can't be relied on. */
  readonly exact: boolean;
  readonly outer: ReadonlySet<Leaf>;
  /** A collecting aggregate occurs in it. */
  readonly collects: boolean;
}

export interface CommonTable {
  readonly name: string;
  rows: Rows;
  /** Used before its own rows were known. */
  usedEarly: boolean;
  pending: boolean;
}

/** Innermost first. */
export type CommonTables = readonly CommonTable[];

/** State of one analysis. */
export interface Walk {
  readonly context: LineageContext;
  readonly columns: Set<string>;
  readonly predicates: Set<string>;
  readonly writes: Map<string, Set<string>>;
  /** Null: nobody asks. */
  readonly evidence: Evidence | null;
  /** Columns of the sub-selects of `IN`, for `evidence`. */
  readonly listed: Map<object, readonly Value[]>;
  block: Block;
  steps: number;
}

/** What the parts of one query block told while they were walked. */
export interface Block {
  aggregates: boolean;
  collects: boolean;
  multipliesRows: boolean;
  readonly equalities: Equality[];
  /** Sub-queries whose values are part of the result. */
  readonly folded: { readonly rows: Rows; readonly collects: boolean }[];
}

/** `column = other`, where the rows of `bounds` must fulfil it. */
export interface Equality {
  readonly origins: readonly Origin[];
  /** Leaves that the other side's value depends on. */
  readonly others: ReadonlySet<Leaf>;
  readonly bounds: ReadonlySet<Leaf> | 'all';
}

export const noSources: Sources = new Set();
export const nothing: Value = { sources: noSources, fields: null, origins: [] };
export const noReading: Reading = { rowwise: new Set(), collected: new Set(), reads: new Set(), fixed: true };
export const noRows: Rows = { ...noReading, columns: [], exact: true, outer: new Set(), collects: false };

/** Statements with more work than this get the conservative answer. */
const maxSteps = 200_000;

export class TooMuchWork extends Error {}

export function step(walk: Walk, cost = 1): void {
  walk.steps += cost;
  if (walk.steps > maxSteps) throw new TooMuchWork('lineage budget');
}

export function newBlock(): Block {
  return { aggregates: false, collects: false, multipliesRows: false, equalities: [], folded: [] };
}

export function newScope(
  parent: Scope | null,
  ctes: CommonTables,
  items: readonly RangeItem[] = [],
  columns: readonly ScopeColumn[] = [],
): Scope {
  return { parent, items, columns, ctes, outer: new Set(), touched: new Set() };
}

export function union(...parts: readonly Sources[]): Sources {
  const some = parts.filter((part) => part.size > 0);
  const [first] = some;
  if (first === undefined) return noSources;
  if (some.length === 1) return first;
  const all = new Set(first);
  for (const part of some) for (const source of part) all.add(source);
  return all;
}

export function derived(...values: readonly Value[]): Value {
  return { sources: union(...values.map((value) => value.sources)), fields: null, origins: [] };
}

/** The same value under several possible origins. */
export function either(values: readonly Value[]): Value {
  const [first] = values;
  if (first === undefined) return nothing;
  if (values.length === 1) return first;
  const isPartial = values.some((value) => value.origins.length === 0 || value.isPartial === true);
  return { ...derived(...values), origins: values.flatMap((value) => value.origins), ...(isPartial ? { isPartial } : {}) };
}

export function rowOf(fields: readonly Field[], more: Sources = noSources): Value {
  return { sources: union(more, ...fields.map((field) => field.value.sources)), fields, origins: [] };
}

export function addAll<T>(to: Set<T>, from: Iterable<T>): void {
  for (const entry of from) to.add(entry);
}

export function read(walk: Walk, value: Value): Value {
  addAll(walk.columns, value.sources);
  return value;
}

export function control(walk: Walk, value: Value): void {
  addAll(walk.predicates, value.sources);
}

/** Notes that `leaves` of `owner` are used from within `from`. */
function touch(from: Scope, owner: Scope, leaves: readonly Leaf[]): void {
  for (let scope: Scope | null = from; scope !== null && scope !== owner; scope = scope.parent) addAll(scope.outer, leaves);
  addAll(owner.touched, leaves);
}

const systemColumns = new Set(['tableoid', 'ctid', 'xmin', 'xmax', 'cmin', 'cmax']);

export function wholeRow(item: RangeItem): Value {
  return rowOf(item.columns, item.open ?? noSources);
}

/** Value of `names` (`column`, `table.column`, `schema.table.column`, `database.schema.table.column`). */
export function resolve(walk: Walk, scope: Scope, names: readonly string[]): Value {
  return read(walk, names.length === 1 ? resolveBare(scope, names[0] ?? '') : resolveQualified(scope, names));
}

/** Columns of that name in the innermost level only, or null. */
export function resolveLocal(walk: Walk, scope: Scope, name: string): Value | null {
  const found = scope.columns.filter((column) => column.name === name);
  if (found.length === 0) return null;
  for (const column of found) touch(scope, scope, column.leaves);
  return read(walk, either(found.map((column) => column.value)));
}

function resolveBare(from: Scope, name: string): Value {
  const candidates: Value[] = [];
  let doubtful = false;
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    const found = scope.columns.filter((column) => column.name === name);
    for (const column of found) {
      touch(from, scope, column.leaves);
      candidates.push(column.value);
    }
    if (found.length > 0) return candidates.length === 1 ? either(candidates) : derived(...candidates);
    for (const item of scope.items) {
      if (item.open === null) continue;
      doubtful = true;
      touch(from, scope, item.leaves);
      candidates.push({ ...nothing, sources: item.open });
    }
  }
  const row = findItems(from, (item) => item.alias === name);
  if (row.length > 0) return candidates.length === 0 ? either(row.map(wholeRow)) : derived(...candidates, ...row.map(wholeRow));
  if (doubtful) return derived(...candidates);
  return systemColumns.has(name) ? nothing : everythingVisible(from);
}

function resolveQualified(from: Scope, names: readonly string[]): Value {
  const column = names.at(-1) ?? '';
  const items = itemsNamed(from, names.slice(0, -1));
  if (items.length === 0) return everythingVisible(from);
  return either(items.map((item) => columnOf(item, column)));
}

function columnOf(item: RangeItem, name: string): Value {
  const found = item.columns.filter((column) => column.name === name);
  if (found.length > 0) return either(found.map((column) => column.value));
  if (item.open !== null) return { ...nothing, sources: item.open };
  // `p.fn` may be a function of the whole row.
  return systemColumns.has(name) ? nothing : { ...wholeRow(item), fields: null };
}

/** The items that `table`, `schema.table` or `database.schema.table` may mean: those of the innermost level that has any. */
export function itemsNamed(from: Scope, names: readonly string[]): readonly RangeItem[] {
  const table = names.at(-1) ?? '';
  const schema = names.at(-2);
  if (schema === undefined) return findItems(from, (item) => item.alias === table);
  const exact = findItems(from, (item) => item.alias === table && item.schema === schema);
  return exact.length > 0 ? exact : findItems(from, (item) => item.alias === table);
}

function findItems(from: Scope, matches: (item: RangeItem) => boolean): readonly RangeItem[] {
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    const found = scope.items.filter(matches);
    if (found.length === 0) continue;
    for (const item of found) touch(from, scope, item.leaves);
    return found;
  }
  return [];
}

/** For a name that PostgreSQL would not accept here, as far as we know. */
function everythingVisible(from: Scope): Value {
  const all: Value[] = [];
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) {
    for (const item of scope.items) {
      touch(from, scope, item.leaves);
      all.push(wholeRow(item));
    }
  }
  return derived(...all);
}
