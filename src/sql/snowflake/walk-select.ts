// One select block: FROM, conditions, grouping, the select list, DISTINCT.

import { AGGREGATE_FUNCTIONS, BARE_CONTEXT } from './functions.ts';
import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import { type Column, Scope } from './scope.ts';
import { constant, oneOf, type Taint, union } from './values.ts';
import { readFrom } from './walk-from.ts';
import { isGiven, placeNumber } from './walk-query.ts';
import { starColumns } from './walk-star.ts';
import { readSpec } from './walk-window.ts';
import { type Block, nameOf, newBlock, objectName, type Position, type Rows, type Walker } from './walker.ts';

export interface Selected extends Rows {
  /** Relations whose rows were put into one value: what no LIMIT outside bounds. */
  readonly collected: ReadonlySet<string>;
  /** Where names of ORDER BY are looked up; null = its columns alone. */
  readonly scope: Scope | null;
}

export function readSelect(tree: unknown, outer: Scope, walker: Walker, position: Position): Selected {
  const select = node(tree, 'Select');
  const block = newBlock();
  const around = walker.block;
  walker.block = block;
  try {
    const scope = new Scope(outer);
    for (const each of list(select['from'])) readFrom(each, scope, walker);
    const items = list(select['projection']);
    // Depth in the tree that CONNECT BY walks.
    if (list(select['connect_by']).length > 0) scope.aliases.set('LEVEL', () => constant('number'));
    const read = addAliases(items, scope, walker);
    addStarNames(items, scope, walker, position);
    readWindows(select['named_window'], scope, walker);
    if (!isEmpty(select['selection'])) walker.predicate(select['selection'], scope, 'WHERE');
    readConnectBy(select['connect_by'], scope, walker);
    const outputs = items.map((item, index) => readItem(item, index, read, scope, walker, position));
    const columns = outputs.flatMap((each) => each.columns);
    const isGrouped = readGroups(select['group_by'], outputs, scope, walker);
    for (const clause of ['having', 'qualify'] as const) {
      if (!isEmpty(select[clause])) walker.predicate(select[clause], scope, clause.toUpperCase());
    }
    if (!isEmpty(select['distinct'])) {
      if (tagged(select['distinct'], 'DISTINCT')[0] !== 'Distinct' && select['distinct'] !== 'All') throw nodeKind('DISTINCT ON');
      if (select['distinct'] !== 'All') for (const each of columns) walker.findings.use(each.value, 'equality', 'DISTINCT');
    }
    const top = readTop(select['top']);
    const isUnsure = scope.merged.size > 0 || scope.leaves.some((each) => each.isUnsure);
    return {
      columns,
      ...boundsOf(scope, block, isGrouped, top !== null),
      limit: top,
      isUnsure: isUnsure && outputs.some((each) => each.isStar),
      scope,
    };
  } finally {
    walker.block = around;
  }
}

/** An alias stands for its expression in every other clause, and in the rest of the select list. Each is worked out once. */
function addAliases(items: readonly unknown[], scope: Scope, walker: Walker): ReadonlyMap<number, () => Taint | null> {
  const read = new Map<number, () => Taint | null>();
  const reading: number[] = [];
  items.forEach((item, index) => {
    const [kind, held] = tagged(item, 'select item');
    if (kind !== 'ExprWithAlias') return;
    const { expr, alias } = node(held, 'ExprWithAlias');
    let known: Taint | null = null;
    const value = (): Taint | null => {
      if (known !== null) return known;
      // `upper(a) AS a` names a column; two aliases that name each other could mean either.
      if (reading.at(-1) === index) return null;
      if (reading.includes(index)) throw nodeKind('aliases that name each other');
      reading.push(index);
      known = walker.expression(expr, scope);
      reading.pop();
      return known;
    };
    read.set(index, value);
    const name = nameOf(alias);
    const other = scope.aliases.get(name);
    scope.aliases.set(name, other === undefined ? value : () => either(value(), other()));
  });
  return read;
}

/** RENAME and REPLACE of a star name columns like aliases do. */
function addStarNames(items: readonly unknown[], scope: Scope, walker: Walker, position: Position): void {
  for (const item of items) {
    const [kind, held] = tagged(item, 'select item');
    if (kind !== 'Wildcard' && kind !== 'QualifiedWildcard') continue;
    const { opt_replace: replace, opt_rename: rename } = node(kind === 'Wildcard' ? held : list(held)[1], 'Wildcard');
    if (isEmpty(replace) && isEmpty(rename)) continue;
    for (const { name, value } of readItem(item, 0, new Map(), scope, walker, position).columns) {
      if (name === null) continue;
      const other = scope.aliases.get(name);
      scope.aliases.set(name, other === undefined ? () => value : () => either(value, other()));
    }
  }
}

function either(first: Taint | null, second: Taint | null): Taint | null {
  const found = [first, second].filter((each) => each !== null);
  return found.length === 0 ? null : oneOf(found);
}

interface Item {
  readonly tree: unknown;
  readonly columns: readonly Column[];
  readonly isStar: boolean;
}

function readItem(
  item: unknown,
  index: number,
  read: ReadonlyMap<number, () => Taint | null>,
  scope: Scope,
  walker: Walker,
  position: Position,
): Item {
  const [kind, held] = tagged(item, 'select item');
  switch (kind) {
    case 'UnnamedExpr':
      return { tree: held, columns: [{ ...nameOfExpression(held), value: unnamed(held, scope, walker) }], isStar: false };
    case 'ExprWithAlias': {
      const { expr, alias } = node(held, 'ExprWithAlias');
      const value = read.get(index)?.() ?? walker.expression(expr, scope);
      return { tree: expr, columns: [{ name: nameOf(alias), value }], isStar: false };
    }
    case 'Wildcard':
      return { tree: null, columns: starColumns(held, [], scope, walker, position), isStar: true };
    case 'QualifiedWildcard': {
      const [of, options] = list(held);
      const [tag, name] = tagged(of, 'star');
      if (tag !== 'ObjectName') throw nodeKind('star of an expression');
      return { tree: null, columns: starColumns(options, objectName(name), scope, walker, position), isStar: true };
    }
    default:
      throw nodeKind(kind);
  }
}

/** Its label is its text, as it was forwarded: with the values of the tokens in it. */
function unnamed(tree: unknown, scope: Scope, walker: Walker): Taint {
  const opened = walker.findings.edits.size;
  const value = walker.expression(tree, scope);
  if (walker.findings.edits.size > opened) {
    walker.findings.refuse({
      code: 'token',
      what: 'a token in a column without a name',
      remedy: 'Give the column a name by AS: its text would show what the token stands for.',
    });
  }
  return value;
}

/** A column keeps its name. Around anything else Snowflake makes one from the text. */
function nameOfExpression(tree: unknown): Pick<Column, 'name' | 'maybe'> {
  const [kind, held] = tagged(tree, 'expression');
  if (kind === 'Identifier') return labelled(nameOf(held));
  if (kind === 'CompoundIdentifier') return labelled(nameOf(list(held).at(-1)));
  if (kind !== 'Nested') return { name: null };
  const inner = nameOfExpression(held);
  const maybe = inner.name ?? inner.maybe;
  return maybe === undefined ? { name: null } : { name: null, maybe };
}

/** `t.$1` and CURRENT_USER are labelled by their text. */
function labelled(name: string): Pick<Column, 'name' | 'maybe'> {
  return name.startsWith('$') || BARE_CONTEXT.has(name) ? { name: null, maybe: name } : { name };
}

function readWindows(tree: unknown, scope: Scope, walker: Walker): void {
  for (const each of list(tree)) {
    const [name, spec] = list(each);
    const [kind, held] = tagged(spec, 'WINDOW');
    if (kind !== 'WindowSpec') throw nodeKind('WINDOW');
    readSpec(held, scope, walker);
    walker.block.windows.set(nameOf(name), held);
  }
}

function readConnectBy(tree: unknown, scope: Scope, walker: Walker): void {
  for (const each of list(tree)) {
    const [kind, held] = tagged(each, 'CONNECT BY');
    if (kind === 'ConnectBy') {
      for (const relationship of list(node(held, 'ConnectBy')['relationships'])) walker.predicate(relationship, scope, 'CONNECT BY');
    } else if (kind === 'StartWith') walker.predicate(node(held, 'StartWith')['condition'], scope, 'START WITH');
    else throw nodeKind(kind);
  }
}

/** @returns whether there is a GROUP BY. */
function readGroups(tree: unknown, outputs: readonly Item[], scope: Scope, walker: Walker): boolean {
  const [kind, held] = tagged(tree, 'GROUP BY');
  const group = (value: Taint): void => walker.findings.use(value, 'equality', 'GROUP BY');
  if (kind === 'All') {
    if (list(held).length > 0) throw nodeKind('GROUP BY');
    // Of what has no aggregate in it; all of it is looked at, but for what hides nothing.
    for (const { columns, tree: item } of outputs) if (item === null || !isAggregate(item)) columns.forEach((each) => group(each.value));
    return true;
  }
  if (kind !== 'Expressions') throw nodeKind('GROUP BY');
  const [expressions, modifiers] = list(held);
  if (list(modifiers).length > 0) throw nodeKind('GROUP BY');
  const entry = (each: unknown): void => {
    const [tag, sets] = tagged(each, 'GROUP BY');
    if (tag === 'Rollup' || tag === 'Cube' || tag === 'GroupingSets') return list(sets).forEach((set) => list(set).forEach(entry));
    if (tag === 'Tuple') return list(sets).forEach(entry);
    const position = placeNumber(each);
    if (position === null && isGiven(each)) outputs.forEach(({ columns }) => columns.forEach((column) => group(column.value)));
    if (position === null) return group(walker.expression(each, scope));
    const column = outputs.flatMap(({ columns }) => columns)[position - 1];
    if (column === undefined) throw nodeKind('GROUP BY position');
    group(column.value);
  };
  list(expressions).forEach(entry);
  return list(expressions).length > 0;
}

/** COUNT and its kin at the top of an item: GROUP BY ALL leaves it alone. Anything less certain is grouped by. */
function isAggregate(tree: unknown): boolean {
  const [kind, held] = tagged(tree, 'expression');
  if (kind !== 'Function') return false;
  const { name, over } = node(held, 'Function');
  const [part, ...others] = list(name);
  const [tag, ident] = tagged(part, 'function');
  return others.length === 0 && tag === 'Identifier' && isEmpty(over) && AGGREGATE_FUNCTIONS.has(nameOf(ident));
}

function readTop(tree: unknown): number | null {
  if (isEmpty(tree)) return null;
  const [kind, held] = tagged(node(tree, 'Top')['quantity'], 'TOP');
  if (kind !== 'Constant' || typeof held !== 'number') throw nodeKind('TOP');
  return held;
}

/** No keys are known: only LIMIT and aggregates without groups bound what is read. */
function boundsOf(scope: Scope, block: Block, isGrouped: boolean, isLimited: boolean): Pick<Selected, 'open' | 'collected'> {
  const open = union([...scope.leaves.map((each) => each.open), block.perRow]);
  const collected = block.collects ? open : new Set<string>();
  if (isLimited || (block.aggregates && !isGrouped)) return { open: collected, collected };
  return { open, collected };
}
