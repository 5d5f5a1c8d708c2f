// FROM: each entry becomes a leaf of the scope; joins tell which rows go together.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import { isOfRelation } from './patterns.ts';
import { mustFind, qualifiedName, readColumns, resultColumns } from './relations.ts';
import { type Column, type Leaf, Scope } from './scope.ts';
import { constant, oneOf, type Taint } from './values.ts';
import { readPivot, readUnpivot } from './walk-pivot.ts';
import { compareValues } from './walk-predicate.ts';
import { mustBeClear } from './walk-star.ts';
import { readTableFunction } from './walk-table-function.ts';
import { mustBeConstant } from './walk-window.ts';
import { columnNames, nameOf, objectName, type Walker } from './walker.ts';

export function readFrom(tree: unknown, scope: Scope, walker: Walker): void {
  const { relation, joins } = node(tree, 'TableWithJoins');
  walker.deeper(() => {
    // Entries that are separated by commas are no side of each other's joins.
    const from = scope.leaves.length;
    readFactor(relation, scope, walker);
    for (const each of list(joins)) readJoin(each, from, scope, walker);
  });
}

const JOINS = new Set(['Join', 'Inner', 'Left', 'LeftOuter', 'Right', 'RightOuter', 'FullOuter', 'CrossJoin']);

function readJoin(tree: unknown, from: number, scope: Scope, walker: Walker): void {
  const { relation, join_operator: operator } = node(tree, 'Join');
  const left = scope.leaves.slice(from);
  const [isNested] = [tagged(relation, 'FROM')[0] === 'NestedJoin'];
  const before = scope.leaves.length;
  readFactor(relation, scope, walker);
  const right = scope.leaves.slice(before);
  const [kind, held] = tagged(operator, 'join');
  if (kind === 'AsOf') {
    const { match_condition: match, constraint } = node(held, 'AsOf');
    walker.predicate(match, scope, 'MATCH_CONDITION');
    return readConstraint(constraint, { left, right, isNested }, scope, walker);
  }
  if (!JOINS.has(kind)) throw nodeKind(`join ${kind}`);
  readConstraint(held, { left, right, isNested }, scope, walker);
}

interface Sides {
  readonly left: readonly Leaf[];
  readonly right: readonly Leaf[];
  readonly isNested: boolean;
}

function readConstraint(tree: unknown, sides: Sides, scope: Scope, walker: Walker): void {
  if (isEmpty(tree)) return;
  const [kind, held] = tagged(tree, 'join');
  if (kind === 'On') return walker.predicate(held, scope, 'ON');
  // What follows such a join belongs to it or not: sqlparser and Snowflake may disagree.
  if (sides.isNested) throw nodeKind(`${kind} with a join inside of it`);
  const names = kind === 'Using' ? columnNames(held) : kind === 'Natural' ? common(sides) : null;
  if (names === null) throw nodeKind(`join ${kind}`);
  for (const name of names) {
    const values = [...sides.left, ...sides.right].flatMap((leaf) =>
      leaf.columns.filter((each) => each.name === name).map((each) => each.value),
    );
    if (values.length < 2) throw nodeKind(`USING ${name}`);
    compareValues(values, walker, 'USING');
    const known = scope.merged.get(name);
    scope.merged.set(name, oneOf(known === undefined ? values : [known, ...values]));
  }
}

function common({ left, right }: Sides): readonly string[] {
  const names = (leaves: readonly Leaf[]): (string | null)[] => leaves.flatMap((leaf) => leaf.columns.map((each) => each.name));
  const all = [...names(left), ...names(right)];
  for (const leaf of [...left, ...right]) if (leaf.past !== undefined) mustBeClear(leaf);
  if (all.includes(null)) throw nodeKind('NATURAL with columns without a name');
  const others = new Set(names(right));
  return [...new Set(names(left))].flatMap((name) => (name !== null && others.has(name) ? [name] : []));
}

export function readFactor(tree: unknown, scope: Scope, walker: Walker): void {
  const [kind, held] = tagged(tree, 'FROM');
  switch (kind) {
    case 'Table':
      return readTable(held, scope, walker);
    case 'Derived':
      return readDerived(held, scope, walker);
    case 'TableFunction': {
      const { expr, alias } = node(held, 'TableFunction');
      return addLeaf(readTableFunction(expr, scope, walker), alias, [], scope);
    }
    case 'Function': {
      const { name, args, alias } = node(held, 'FromFunction');
      const call = { Function: { name, args: { List: { duplicate_treatment: null, args, clauses: [] } } } };
      return addLeaf(readTableFunction(call, scope, walker), alias, [], scope);
    }
    case 'NestedJoin': {
      const { table_with_joins: inner, alias } = node(held, 'NestedJoin');
      if (!isEmpty(alias)) throw nodeKind('an alias of a join');
      return readFrom(inner, scope, walker);
    }
    case 'Pivot':
      return readPivot(held, scope, walker);
    case 'Unpivot':
      return readUnpivot(held, scope, walker);
    default:
      throw nodeKind(kind);
  }
}

type RelationPath = readonly [string, string, string];

export type LeafRows = Omit<Leaf, 'path'>;

/** @param path of a relation, which its columns may be called by while it has no alias. */
export function addLeaf(rows: LeafRows, alias: unknown, path: readonly string[], scope: Scope): void {
  if (isEmpty(alias)) return void scope.leaves.push({ ...rows, path });
  const { name, columns: names } = node(alias, 'TableAlias');
  const aliases = list(names).map((each) => nameOf(node(each, 'AliasColumn')['name']));
  if (aliases.length > rows.columns.length) throw nodeKind('an alias of more columns than there are');
  if (aliases.length > 0 && rows.isUnsure) mustBeClear(rows);
  const columns = rows.columns.map((each, index): Column => {
    const renamed = aliases[index];
    return renamed === undefined ? each : { name: renamed, value: each.value };
  });
  scope.leaves.push({ ...rows, columns, path: [nameOf(name)] });
}

function readTable(held: unknown, scope: Scope, walker: Walker): void {
  const { name, alias, version, sample } = node(held, 'Table');
  const parts = objectName(name);
  readSample(sample, scope, walker);
  const cte = parts.length === 1 && tagged(list(name)[0], 'name')[0] === 'Identifier' ? scope.cte(parts[0] ?? '') : undefined;
  if (cte !== undefined) {
    if (!isEmpty(version)) throw nodeKind('AT of a WITH query');
    return addLeaf(cte.leaf(), alias, parts, scope);
  }
  const extra = parts.length === 1 ? walker.env.extra.get(parts[0] ?? '') : undefined;
  if (extra !== undefined) return addLeaf(resultLeaf(resultColumns(extra, walker.env.context)), alias, parts, scope);
  const { leaf, path } = relationLeaf(parts, walker);
  const version_ = readVersion(version, walker);
  const columns = version_.hasChanges ? [...leaf.columns, ...CHANGES.map((each) => ({ name: each, value: oneOf([]) }))] : leaf.columns;
  const past = version_.isPast ? pastValue(path, walker) : undefined;
  addLeaf({ ...leaf, columns, isUnsure: version_.isPast, ...(past === undefined ? {} : { past }) }, alias, path, scope);
}

/** Columns that the relation may have had: those of the policy's patterns that it does not have now, too. */
function pastValue(path: RelationPath, walker: Walker): Taint {
  const { rules } = walker.env.context;
  const classes = new Set(rules.filter((rule) => isOfRelation(rule.pattern, path)).map((rule) => rule.class));
  const hidden = new Set([...classes].filter((each) => walker.findings.isHidden(each)));
  return { ...constant(null, false), classes, hidden };
}

const CHANGES = ['METADATA$ACTION', 'METADATA$ISUPDATE', 'METADATA$ROW_ID'];

/** Rows of a relation of the catalogue or the session. */
export function relationLeaf(parts: readonly string[], walker: Walker): { readonly leaf: LeafRows; readonly path: RelationPath } {
  const { context } = walker.env;
  const relation = mustFind(parts, context);
  const name = qualifiedName(relation);
  walker.findings.relation(relation, 'read');
  walker.findings.effects.add('read');
  const columns = readColumns(relation, context);
  return {
    leaf: { columns, open: new Set([name]), isUnsure: false },
    path: [relation.database, relation.schema, relation.name],
  };
}

function resultLeaf(columns: readonly Column[]): LeafRows {
  return { columns, open: new Set(), isUnsure: false };
}

/** Of another time the same names may be other columns: then their order is not certain. */
export function readVersion(tree: unknown, walker: Walker): { readonly isPast: boolean; readonly hasChanges: boolean } {
  if (isEmpty(tree)) return { isPast: false, hasChanges: false };
  const [kind, held] = tagged(tree, 'AT');
  if (kind === 'Function') {
    readMoment(held, ['AT', 'BEFORE'], walker);
    return { isPast: true, hasChanges: false };
  }
  if (kind !== 'Changes') throw nodeKind(`version ${kind}`);
  const { changes, at, end } = node(held, 'Changes');
  readMoment(changes, ['CHANGES'], walker);
  readMoment(at, ['AT', 'BEFORE'], walker);
  if (!isEmpty(end)) readMoment(end, ['END'], walker);
  return { isPast: true, hasChanges: true };
}

function readMoment(tree: unknown, names: readonly string[], walker: Walker): void {
  const [kind, held] = tagged(tree, 'AT');
  if (kind !== 'Function') throw nodeKind('AT');
  const { name, args, null_treatment: treatment, over, within_group: within } = node(held, 'Function');
  if (!isEmpty(treatment) || !isEmpty(over) || !isEmpty(within)) throw nodeKind('AT');
  if (!names.includes(objectName(name).join('.'))) throw nodeKind('AT');
  const [, given] = tagged(args, 'AT');
  const { duplicate_treatment: duplicates, args: entries, clauses } = node(given, 'FunctionList');
  if (!isEmpty(duplicates) || !isEmpty(clauses)) throw nodeKind('AT');
  for (const each of list(entries)) {
    const [how, argument] = tagged(each, 'AT');
    if (how !== 'Named') throw nodeKind('AT');
    const { name: option, arg } = node(argument, 'Named');
    const [what, expression] = tagged(arg, 'AT');
    if (what !== 'Expr') throw nodeKind('AT');
    // INFORMATION => DEFAULT | APPEND_ONLY
    if (nameOf(option) === 'INFORMATION') continue;
    if (nameOf(option) === 'STREAM') throw nodeKind('AT of a stream');
    mustBeConstant(expression, new Scope(null), walker, 'AT');
  }
}

export function readSample(tree: unknown, scope: Scope, walker: Walker): void {
  if (isEmpty(tree)) return;
  const [, held] = tagged(tree, 'SAMPLE');
  const { quantity, seed } = node(held, 'Sample');
  if (!isEmpty(quantity)) mustBeConstant(node(quantity, 'SampleQuantity')['value'], scope, walker, 'SAMPLE');
  if (!isEmpty(seed)) walker.constants.read(node(seed, 'SampleSeed')['value']);
}

function readDerived(held: unknown, scope: Scope, walker: Walker): void {
  const { lateral, subquery, alias, sample } = node(held, 'Derived');
  readSample(sample, scope, walker);
  // Without LATERAL the entries before it are not seen.
  const around = lateral === true ? scope : aside(scope);
  const { columns, open, isUnsure } = walker.query(subquery, around, 'inner');
  addLeaf({ columns, open, isUnsure }, alias, [], scope);
}

function aside(scope: Scope): Scope {
  const around = new Scope(scope.parent);
  for (const [name, cte] of scope.ctes) around.ctes.set(name, cte);
  return around;
}
