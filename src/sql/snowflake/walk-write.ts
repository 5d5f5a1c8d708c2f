// Statements that write. A protected value is never stored anywhere by somebody who does not see it: what is stored without its class
// could be read in clear. Constants are stored where policy allows writes, and tokens among them are opened.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import { mustFind, qualifiedName } from './relations.ts';
import { Scope } from './scope.ts';
import type { SnowflakeRelation } from './types.ts';
import { columnValue, shownAs, type Taint } from './values.ts';
import { addLeaf, readFactor, readFrom } from './walk-from.ts';
import { columnNames, nameOf, objectName, relationUnknown, type Walker } from './walker.ts';

/** @param where what it would be stored in. */
export function store(value: Taint, where: string, walker: Walker): void {
  for (const each of value.classes) walker.findings.classes.add(each);
  for (const each of value.sources) walker.findings.columns.add(each);
  if (value.hidden.size === 0) return;
  walker.findings.refuse({
    code: 'write-of-protected',
    what: `${[...value.hidden].sort().join(', ')} into ${where}`,
    remedy: 'Leave the protected column out, or ask for access to it: its values are not stored by those who do not see them.',
  });
}

export function target(tree: unknown, walker: Walker): SnowflakeRelation {
  const relation = mustFind(objectName(tree), walker.env.context);
  walker.findings.effects.add('write');
  walker.findings.relation(relation, 'write');
  return relation;
}

/** The value that a column gets. */
function assign(tree: unknown, relation: SnowflakeRelation, column: string | undefined, scope: Scope, walker: Walker): void {
  const name = qualifiedName(relation);
  const known = relation.columns?.find((each) => each.name === column);
  if (column !== undefined && known === undefined) throw relationUnknown(`column ${name}.${column}`);
  const [kind, held] = tagged(tree, 'value');
  if (known !== undefined) walker.findings.columns.add(`${name}.${known.name}`);
  if (isDefault(kind, held)) return;
  const { context } = walker.env;
  const value = walker.expression(tree, scope);
  store(value, name, walker);
  if (known === undefined) return;
  const read = kind === 'Value' ? walker.constants.read(held) : null;
  const shown = shownOf(`${name}.${known.name}`, walker);
  if (read !== null && shown.mask === 'token' && shown.keyClass !== null) walker.constants.open(read, shown.keyClass);
  const isStandIn = read?.texts?.every((text) => text === null || (shown.mask === 'token' && context.tokens.meansToken(text))) === true;
  if (!isStandIn && value.hidden.size === 0) refusePlain(`${name}.${known.name}`, walker);
}

function shownOf(key: string, { env: { context } }: Walker): ReturnType<typeof shownAs> {
  const classes = context.protection.columns.get(key) ?? [];
  return shownAs(columnValue(key, classes, context.masks, { family: null, isStored: true, isTotal: true }), context.masks);
}

/** Whoever stores a value of their own in a column that shows equal values as equal learns who else has it, one guess a row. */
function refusePlain(key: string, walker: Walker): void {
  const { mask, keyClass } = shownOf(key, walker);
  if (mask !== 'token' && mask !== 'hash') return;
  if (walker.env.context.rules.some((rule) => rule.class === keyClass && rule.predicates === 'equality')) return;
  walker.findings.refuse({
    code: 'token',
    what: `a plain value for ${key}, which shows ${mask === 'token' ? 'tokens' : 'digests'}`,
    remedy: 'Store a token of this class or NULL, or leave the column out; plain values need `predicates: equality` of the class.',
  });
}

function isDefault(kind: string, held: unknown): boolean {
  return kind === 'Identifier' && nameOf(held) === 'DEFAULT';
}

function targetColumns(relation: SnowflakeRelation, tree: unknown): readonly string[] {
  const named = columnNames(tree);
  if (named.length > 0) return named;
  if (relation.columns === null) throw relationUnknown(qualifiedName(relation));
  return relation.columns.map((each) => each.name);
}

export function readInsert(tree: unknown, walker: Walker): void {
  const fields = node(tree, 'Insert');
  if (!isEmpty(fields['multi_table_insert_type'])) return readMulti(fields, walker);
  const [kind, name] = tagged(fields['table'], 'INSERT');
  if (kind !== 'TableName') throw nodeKind(`INSERT ${kind}`);
  const relation = target(name, walker);
  const columns = targetColumns(relation, fields['columns']);
  const source = node(fields['source'], 'Query');
  const [body, held] = tagged(source['body'], 'INSERT');
  if (body === 'Values' && isEmpty(source['with'])) {
    const scope = new Scope(null);
    for (const row of list(node(held, 'Values')['rows'])) {
      list(node(row, 'ValuesRow')['content']).forEach((each, index) => assign(each, relation, columns[index] ?? '', scope, walker));
    }
    // Its ORDER BY and LIMIT are of no rows of a table.
    if (!isEmpty(source['order_by']) || !isEmpty(source['limit_clause']) || !isEmpty(source['fetch'])) throw nodeKind('VALUES');
    return;
  }
  const rows = walker.query(fields['source'], null, 'inner');
  for (const each of rows.columns) store(each.value, qualifiedName(relation), walker);
  columns.forEach((each, index) => {
    const key = `${qualifiedName(relation)}.${each}`;
    walker.findings.columns.add(key);
    if (rows.columns[index]?.value.hidden.size === 0) refusePlain(key, walker);
  });
}

function readMulti(fields: Readonly<Record<string, unknown>>, walker: Walker): void {
  if (list(fields['columns']).length > 0) throw nodeKind('INSERT ALL');
  const rows = walker.query(fields['source'], null, 'inner');
  const scope = new Scope(null);
  addLeaf({ columns: rows.columns, open: rows.open, isUnsure: rows.isUnsure }, null, [], scope);
  const whens = list(fields['multi_table_when_clauses']).map((each) => node(each, 'WhenClause'));
  for (const { condition } of whens) walker.predicate(condition, scope, 'WHEN');
  const clauses = [
    ...list(fields['multi_table_into_clauses']),
    ...whens.flatMap(({ into_clauses: into }) => list(into)),
    ...list(fields['multi_table_else_clause']),
  ];
  for (const each of clauses) {
    const { table_name: name, columns: named, values } = node(each, 'IntoClause');
    const relation = target(name, walker);
    const columns = targetColumns(relation, named);
    if (isEmpty(values)) {
      for (const column of rows.columns) store(column.value, qualifiedName(relation), walker);
      columns.forEach((column, index) => {
        if (rows.columns[index]?.value.hidden.size === 0) refusePlain(`${qualifiedName(relation)}.${column}`, walker);
      });
      continue;
    }
    list(node(values, 'IntoValues')['values']).forEach((value, index) => {
      const [kind, expression] = tagged(value, 'INTO');
      if (kind === 'Default') return;
      if (kind !== 'Expr') throw nodeKind(`INTO ${kind}`);
      assign(expression, relation, columns[index] ?? '', scope, walker);
    });
  }
}

function assignments(tree: unknown, relation: SnowflakeRelation, scope: Scope, walker: Walker): void {
  for (const each of list(tree)) {
    const { target: to, value } = node(each, 'Assignment');
    const [kind, held] = tagged(to, 'SET');
    if (kind !== 'ColumnName') throw nodeKind(`SET ${kind}`);
    const [last] = list(held).slice(-1);
    const [column] = columnNames([[last]]);
    assign(value, relation, column, scope, walker);
  }
}

/** The relation that a statement changes, as an entry of its scope: the statement reads it, too. */
function changed(tree: unknown, scope: Scope, walker: Walker): SnowflakeRelation {
  const [kind, held] = tagged(tree, 'target');
  if (kind !== 'Table') throw nodeKind(`target ${kind}`);
  const fields = node(held, 'Table');
  if (!isEmpty(fields['version']) || !isEmpty(fields['sample'])) throw nodeKind('target');
  readFactor(tree, scope, walker);
  return target(fields['name'], walker);
}

export function readUpdate(tree: unknown, walker: Walker): void {
  const { table, assignments: sets, from, selection } = node(tree, 'Update');
  const { relation: to, joins } = node(table, 'TableWithJoins');
  if (list(joins).length > 0) throw nodeKind('UPDATE of a join');
  const scope = new Scope(null);
  const relation = changed(to, scope, walker);
  if (!isEmpty(from)) {
    const [kind, sources] = tagged(from, 'FROM');
    if (kind !== 'AfterSet') throw nodeKind(`UPDATE ${kind}`);
    for (const each of list(sources)) readFrom(each, scope, walker);
  }
  if (!isEmpty(selection)) walker.predicate(selection, scope, 'WHERE');
  assignments(sets, relation, scope, walker);
}

export function readDelete(tree: unknown, walker: Walker): void {
  const { from, using, selection } = node(tree, 'Delete');
  const [kind, held] = tagged(from, 'DELETE');
  const [only, ...others] = list(held);
  if ((kind !== 'WithFromKeyword' && kind !== 'WithoutKeyword') || others.length > 0) throw nodeKind('DELETE');
  const { relation: to, joins } = node(only, 'TableWithJoins');
  if (list(joins).length > 0) throw nodeKind('DELETE of a join');
  const scope = new Scope(null);
  changed(to, scope, walker);
  for (const each of list(using)) readFrom(each, scope, walker);
  if (!isEmpty(selection)) walker.predicate(selection, scope, 'WHERE');
}

export function readMerge(tree: unknown, walker: Walker): void {
  const { table, source, on, clauses } = node(tree, 'Merge');
  const scope = new Scope(null);
  const relation = changed(table, scope, walker);
  readFactor(source, scope, walker);
  walker.predicate(on, scope, 'ON');
  for (const each of list(clauses)) {
    const { predicate, action } = node(each, 'MergeClause');
    if (!isEmpty(predicate)) walker.predicate(predicate, scope, 'WHEN');
    const [kind, held] = tagged(action, 'MERGE');
    if (kind === 'Delete') node(held, 'MergeDelete');
    else if (kind === 'Update') assignments(node(held, 'MergeUpdate')['assignments'], relation, scope, walker);
    else if (kind === 'Insert') {
      const { columns: named, kind: values } = node(held, 'MergeInsert');
      const columns = targetColumns(relation, named);
      const [how, rows] = tagged(values, 'MERGE');
      if (how !== 'Values') throw nodeKind(`MERGE ${how}`);
      for (const row of list(node(rows, 'Values')['rows'])) {
        list(node(row, 'ValuesRow')['content']).forEach((value, index) => assign(value, relation, columns[index] ?? '', scope, walker));
      }
    } else throw nodeKind(`MERGE ${kind}`);
  }
}
