// Queries: WITH, set operations, ORDER BY and LIMIT around select blocks.

import { isEmpty, list, node, nodeKind, Refusal, tagged, textOf } from './nodes.ts';
import { type Column, Scope } from './scope.ts';
import { isOneFamily, oneOf, type Taint, union } from './values.ts';
import { compareValues } from './walk-predicate.ts';
import { readSelect, type Selected } from './walk-select.ts';
import { mustBeClear } from './walk-star.ts';
import { addCtes } from './walk-with.ts';
import { mustBeConstant } from './walk-window.ts';
import { newBlock, type Position, type Rows, type Walker } from './walker.ts';

/** More columns than Snowflake shows in one answer; names that double at each level of WITH end here. */
const MAX_COLUMNS = 4096;

export function readQuery(tree: unknown, outer: Scope | null, walker: Walker, position: Position): Rows {
  const around = walker.block;
  // What ORDER BY counts says nothing of the block around.
  walker.block = newBlock();
  try {
    return readWhole(tree, outer, walker, position);
  } finally {
    walker.block = around;
  }
}

function readWhole(tree: unknown, outer: Scope | null, walker: Walker, position: Position): Rows {
  const { with: withs, body, order_by: order, limit_clause: clause, fetch } = node(tree, 'Query');
  const scope = new Scope(outer);
  if (!isEmpty(withs)) addCtes(withs, scope, walker);
  const [kind] = tagged(body, 'body');
  const rows = readBody(body, scope, walker, position);
  if (rows.columns.length > MAX_COLUMNS) throw new Refusal({ code: 'too-large', what: 'columns', remedy: 'Select fewer columns.' });
  if (!isEmpty(order)) readOrder(order, rows, kind === 'SetOperation' ? null : rows.scope, walker);
  const limit = readLimits(clause, fetch, scope, walker) ?? null;
  const found = limit ?? rows.limit;
  return {
    columns: rows.columns,
    open: limit === null ? rows.open : new Set(rows.collected),
    limit: found,
    isUnsure: rows.isUnsure,
  };
}

function readBody(tree: unknown, scope: Scope, walker: Walker, position: Position): Selected {
  const [kind, held] = tagged(tree, 'body');
  return walker.deeper(() => {
    switch (kind) {
      case 'Select':
        return readSelect(held, scope, walker, position);
      case 'Query': {
        const rows = readQuery(held, scope, walker, position);
        return { ...rows, collected: new Set(), scope: null };
      }
      case 'SetOperation':
        return readSetOperation(held, scope, walker);
      case 'Values':
        return {
          columns: readValues(held, scope, walker),
          open: new Set(),
          collected: new Set(),
          limit: null,
          isUnsure: false,
          scope: null,
        };
      default:
        throw nodeKind(`body ${kind}`);
    }
  });
}

function readSetOperation(tree: unknown, scope: Scope, walker: Walker): Selected {
  const { left, op, set_quantifier: quantifier, right } = node(tree, 'SetOperation');
  const [operator] = tagged(op, 'operator');
  const [how] = tagged(quantifier, 'quantifier');
  if (!['Union', 'Except', 'Intersect', 'Minus'].includes(operator)) throw nodeKind(`set operation ${operator}`);
  if (!['None', 'All', 'Distinct', 'ByName', 'AllByName', 'DistinctByName'].includes(how)) throw nodeKind(`set operation ${how}`);
  const [a, b] = [readBody(left, scope, walker, 'inner'), readBody(right, scope, walker, 'inner')];
  const isByName = how.endsWith('ByName');
  if (!isByName && (a.isUnsure || b.isUnsure)) mustBeClear({ columns: [...a.columns, ...b.columns] });
  const pairs = isByName ? byName(a.columns, b.columns) : byPosition(a.columns, b.columns);
  const keepsAll = operator === 'Union' && how.startsWith('All');
  const columns = pairs.map(({ name, maybe, values }): Column => {
    const value = merged(values, walker, 'a set operation');
    if (!keepsAll) compareValues(values, walker, operator.toUpperCase());
    return { name, ...(maybe === undefined ? {} : { maybe }), value };
  });
  const open = union([a.open, b.open]);
  return { columns, open, collected: union([a.collected, b.collected]), limit: null, isUnsure: a.isUnsure || b.isUnsure, scope: null };
}

interface Pair {
  readonly name: string | null;
  readonly maybe?: string;
  readonly values: readonly Taint[];
}

function byPosition(left: readonly Column[], right: readonly Column[]): readonly Pair[] {
  if (left.length !== right.length) throw nodeKind('a set operation of different numbers of columns');
  return left.map(({ value, ...names }, index) => ({ ...names, values: [value, right[index]?.value ?? value] }));
}

/** Columns that one side alone has are NULL on the other. */
function byName(left: readonly Column[], right: readonly Column[]): readonly Pair[] {
  const names = [...left, ...right].map((each) => each.name);
  if (names.includes(null)) throw nodeKind('UNION BY NAME of columns without a name');
  return [...new Set(names)].map((name) => ({
    name,
    values: [...left, ...right].filter((each) => each.name === name).map((each) => each.value),
  }));
}

/** Rows of several queries in one column: with a protected value, nothing may be cast. */
export function merged(values: readonly Taint[], walker: Walker, where: string): Taint {
  const value = oneOf(values);
  if (value.hidden.size > 0 && !isOneFamily(values)) walker.findings.make(values, null, false, where);
  return value;
}

function readValues(tree: unknown, scope: Scope, walker: Walker): readonly Column[] {
  const rows = list(node(tree, 'Values')['rows']).map((row) =>
    list(node(row, 'ValuesRow')['content']).map((each) => walker.expression(each, scope)),
  );
  const [first] = rows;
  if (first === undefined || rows.some((row) => row.length !== first.length)) throw nodeKind('VALUES');
  return first.map((_, index) => ({
    name: `COLUMN${index + 1}`,
    value: merged(
      rows.flatMap((row) => row[index] ?? []),
      walker,
      'VALUES',
    ),
  }));
}

function readOrder(tree: unknown, rows: Rows, scope: Scope | null, walker: Walker): void {
  const [kind, held] = tagged(node(tree, 'OrderBy')['kind'], 'ORDER BY');
  const control = (value: Taint): void => walker.findings.use(value, 'control', 'ORDER BY');
  if (kind === 'All') return rows.columns.forEach((each) => control(each.value));
  if (kind !== 'Expressions') throw nodeKind('ORDER BY');
  for (const each of list(held)) {
    const { expr } = node(each, 'OrderByExpr');
    const position = placeNumber(expr);
    if (position === null && isGiven(expr)) rows.columns.forEach((column) => control(column.value));
    if (position !== null) {
      const column = rows.columns[position - 1];
      if (column === undefined) throw nodeKind('ORDER BY position');
      control(column.value);
      continue;
    }
    if (isAll(expr)) rows.columns.forEach((column) => control(column.value));
    if (isAll(expr) && (scope ?? outputScope(rows)).lookup(['ALL']) === null) continue;
    control(walker.expression(expr, scope ?? outputScope(rows)));
  }
}

/** Of a set operation only its columns can be named. */
function outputScope(rows: Rows): Scope {
  const scope = new Scope(null);
  scope.leaves.push({ path: [], columns: rows.columns, open: new Set(), isUnsure: false });
  return scope;
}

/** sqlparser reads the word of `ORDER BY ALL` as a name. */
function isAll(tree: unknown): boolean {
  const [kind, held] = tagged(tree, 'ORDER BY');
  return kind === 'Identifier' && node(held, 'Ident')['value']?.toString().toUpperCase() === 'ALL';
}

/** Of a column by its place, however many brackets are around it. */
export function placeNumber(tree: unknown): number | null {
  const [kind, held] = tagged(tree, 'number');
  if (kind === 'Nested') return placeNumber(held);
  if (kind === 'UnaryOp' && node(held, 'UnaryOp')['op'] === 'Plus') return placeNumber(node(held, 'UnaryOp')['expr']);
  return constantNumber(tree);
}

/** A bind, a session variable, a constant that is worked out: it could be the place of any column. */
export function isGiven(tree: unknown): boolean {
  const [kind, held] = tagged(tree, 'constant');
  if (kind === 'Nested') return isGiven(held);
  if (kind === 'Cast') return isGiven(node(held, 'Cast')['expr']);
  if (kind === 'UnaryOp') return isGiven(node(held, 'UnaryOp')['expr']);
  if (kind === 'BinaryOp') return isGiven(node(held, 'BinaryOp')['left']) && isGiven(node(held, 'BinaryOp')['right']);
  if (kind !== 'Value') return false;
  const [tag, name] = tagged(node(held, 'Value')['value'], 'Value');
  if (tag === 'Placeholder') return !/^\$\d+$/.test(textOf(name, 'Placeholder'));
  return tag === 'Number' || tag === 'SingleQuotedString';
}

/** A whole number that is written down; null = anything else. */
export function constantNumber(tree: unknown): number | null {
  const [kind, held] = tagged(tree, 'number');
  if (kind !== 'Value') return null;
  const [tag, digits] = tagged(node(held, 'Value')['value'], 'Value');
  const text = tag === 'Number' ? list(digits)[0] : null;
  return typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function readLimits(clause: unknown, fetch: unknown, scope: Scope, walker: Walker): number | null {
  const found: (number | null)[] = [];
  if (!isEmpty(clause)) {
    const [kind, held] = tagged(clause, 'LIMIT');
    if (kind !== 'LimitOffset') throw nodeKind(`LIMIT ${kind}`);
    const { limit, offset } = node(held, 'LimitOffset');
    if (!isEmpty(limit)) {
      mustBeConstant(limit, scope, walker, 'LIMIT');
      found.push(constantNumber(limit));
    }
    if (!isEmpty(offset)) mustBeConstant(node(offset, 'Offset')['value'], scope, walker, 'OFFSET');
  }
  if (!isEmpty(fetch)) {
    const { quantity } = node(fetch, 'Fetch');
    if (!isEmpty(quantity)) mustBeConstant(quantity, scope, walker, 'FETCH');
    found.push(isEmpty(quantity) ? 1 : constantNumber(quantity));
  }
  return found.find((each) => each !== null) ?? null;
}
