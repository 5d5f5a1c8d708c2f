// CREATE TABLE and CREATE VIEW: whatever is made from protected columns would show them without their class.

import { isEmpty, list, node, nodeKind, tagged } from './nodes.ts';
import { classesNamed, comparableClass, plainValues } from './patterns.ts';
import { findRelation, mustFind, qualifiedName, qualify, readColumns } from './relations.ts';
import { type Column, Scope } from './scope.ts';
import type { SnowflakeColumn, SnowflakeRelation } from './types.ts';
import type { Family } from './values.ts';
import { typeFamily } from './walk-cast.ts';
import { readVersion, relationLeaf } from './walk-from.ts';
import { store } from './walk-write.ts';
import { nameOf, objectName, relationUnknown, type Rows, type Walker } from './walker.ts';

const TYPES: Readonly<Record<Family, string>> = {
  text: 'TEXT',
  number: 'NUMBER',
  boolean: 'BOOLEAN',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP_NTZ',
  variant: 'VARIANT',
  binary: 'BINARY',
  other: 'OTHER',
};

export function readCreateTable(tree: unknown, walker: Walker): void {
  const fields = node(tree, 'CreateTable');
  if (fields['external'] === true) throw nodeKind('CREATE EXTERNAL TABLE');
  const made = created(fields['name'], fields['if_not_exists'] === true, walker);
  const options = list(fields['columns']).flatMap((each) => list(node(each, 'ColumnDef')['options']));
  const hasDefaults = options.some((each) => tagged(node(each, 'ColumnOption')['option'], 'column option')[0] === 'Default');
  const defined = list(fields['columns']).map((each) => readColumn(each, walker));
  const read = source(fields, made.path.join('.'), walker);
  if (!isEmpty(fields['cluster_by'])) readClusters(fields['cluster_by'], read ?? defined, walker);
  const columns = read === null ? defined : defined.length === 0 ? read : renamed(read, defined);
  const isFilled = hasDefaults || !isEmpty(fields['query']) || !isEmpty(fields['clone']);
  const isNamed = fields['temporary'] !== true && namesProtected(made, columns, isFilled, walker);
  announce(made, fields['dynamic'] === true ? 'dynamic' : 'table', isNamed ? null : columns, walker);
}

/** @returns its columns, of a query or another table; null = those that are defined. */
function source(fields: Readonly<Record<string, unknown>>, where: string, walker: Walker): readonly SnowflakeColumn[] | null {
  if (!isEmpty(fields['version']) && isEmpty(fields['clone'])) throw nodeKind('CREATE TABLE.version');
  if (!isEmpty(fields['like'])) {
    const [kind, held] = tagged(fields['like'], 'LIKE');
    if (kind !== 'Plain' && kind !== 'Parenthesized') throw nodeKind(`LIKE ${kind}`);
    const like = mustFind(objectName(node(held, 'LikePlain')['name']), walker.env.context);
    walker.findings.relation(like, 'read');
    const { columns } = like;
    if (columns === null) throw relationUnknown('LIKE');
    return columns;
  }
  if (!isEmpty(fields['clone'])) {
    const parts = objectName(fields['clone']);
    const { leaf } = relationLeaf(parts, walker);
    const past = readVersion(fields['version'], walker);
    const relation = mustFind(parts, walker.env.context);
    for (const each of leaf.columns) store(each.value, where, walker);
    // Of another time it may have had other columns.
    if (past.isPast && hidesAnything(relation, walker)) throw nodeKind('CLONE of another time');
    return relation.columns?.map((each, index) => withClasses(each, leaf.columns[index])) ?? null;
  }
  if (isEmpty(fields['query'])) return null;
  const rows = walker.query(fields['query'], null, 'inner');
  for (const each of rows.columns) store(each.value, where, walker);
  return columnsOf(rows);
}

function hidesAnything(relation: SnowflakeRelation, walker: Walker): boolean {
  return readColumns(relation, walker.env.context).some((each) => each.value.hidden.size > 0);
}

function withClasses(column: SnowflakeColumn, read: Column | undefined): SnowflakeColumn {
  const classes = [...(read?.value.classes ?? [])].sort();
  return classes.length === 0 ? column : { ...column, classes };
}

function columnsOf(rows: Rows): readonly SnowflakeColumn[] {
  return rows.columns.map(({ name, value }, index) => {
    const classes = [...value.classes].sort();
    const type = value.family === null ? 'OTHER' : TYPES[value.family];
    return { name: name ?? `$${index + 1}`, type, isNullable: true, ...(classes.length === 0 ? {} : { classes }) };
  });
}

function renamed(made: readonly SnowflakeColumn[], defined: readonly SnowflakeColumn[]): readonly SnowflakeColumn[] {
  if (made.length !== defined.length) throw nodeKind('CREATE TABLE: columns');
  return made.map((each, index) => ({ ...each, name: defined[index]?.name ?? each.name, type: defined[index]?.type ?? each.type }));
}

const PLAIN_OPTIONS = new Set(['Null', 'NotNull', 'PrimaryKey', 'Unique', 'ForeignKey', 'Comment', 'Identity', 'Collation', 'Tags']);

function readColumn(tree: unknown, walker: Walker): SnowflakeColumn {
  const { name, data_type: type, options } = node(tree, 'ColumnDef');
  for (const each of list(options)) {
    const [kind, held] = tagged(node(each, 'ColumnOption')['option'], 'column option');
    if (kind === 'Default') store(walker.expression(held, new Scope(null)), 'a default', walker);
    else if (!PLAIN_OPTIONS.has(kind)) throw nodeKind(`column option ${kind}`);
  }
  return { name: nameOf(name), type: TYPES[typeFamily(type).family], isNullable: true };
}

function readClusters(tree: unknown, columns: readonly SnowflakeColumn[], walker: Walker): void {
  const [kind, held] = tagged(tree, 'CLUSTER BY');
  if (kind !== 'Parentheses' && kind !== 'NoParentheses') throw nodeKind('CLUSTER BY');
  for (const each of list(held)) {
    const [tag, ident] = tagged(each, 'CLUSTER BY');
    if (tag !== 'Identifier' || !columns.some((column) => column.name === nameOf(ident))) throw nodeKind('CLUSTER BY of an expression');
  }
  walker.findings.effects.add('ddl');
}

export function readCreateView(tree: unknown, walker: Walker): void {
  const { name, columns: named, query, cluster_by: clusters, if_not_exists: keeps, temporary: isTemporary } = node(tree, 'CreateView');
  if (list(clusters).length > 0) throw nodeKind('CreateView.cluster_by');
  const made = created(name, keeps === true, walker);
  const rows = walker.inSchema(made.path).query(query, null, 'inner');
  const aliases = list(named).map((each) => nameOf(node(each, 'ViewColumn')['name']));
  if (aliases.length > 0 && aliases.length !== rows.columns.length) throw nodeKind('CREATE VIEW: columns');
  // Its text is kept: a protected column that it only tests is tested by everybody who reads it, and a token in it would be opened there.
  const tested = [...walker.findings.predicateClasses].filter((each) => walker.findings.isHidden(each));
  for (const each of rows.columns) store(each.value, made.path.join('.'), walker);
  if (tested.length > 0 || walker.findings.edits.size > 0 || walker.findings.bindEdits.size > 0) {
    walker.findings.refuse({
      code: 'write-of-protected',
      what: `${tested.sort().join(', ')} in a view`,
      remedy: 'Make the view without conditions on protected columns.',
    });
  }
  const columns = columnsOf(rows).map((each, index) => ({ ...each, name: aliases[index] ?? each.name }));
  const isNamed = isTemporary !== true && namesProtected(made, columns, true, walker);
  announce(made, 'view', isNamed ? null : columns, walker);
}

interface Created {
  readonly path: readonly [string, string, string];
  /** IF NOT EXISTS leaves what is there as it is, whether it is known or not: a stream, say, or a table of a database that is not read. */
  readonly isKept: boolean;
  readonly isKnown: boolean;
}

function created(tree: unknown, keeps: boolean, walker: Walker): Created {
  const parts = objectName(tree);
  const path = qualify(parts, walker.env.context);
  if (path === null) throw relationUnknown(parts.join('.'));
  // Names are joined by dots wherever classes are looked up.
  if (path.some((each) => each.includes('.'))) throw nodeKind('a new name with a dot in it');
  walker.findings.effects.add('ddl');
  walker.findings.effects.add('write');
  const [database, schema, made] = path;
  walker.findings.relation({ database, schema, name: made, columns: null }, 'write');
  const { session, catalogue } = walker.env.context;
  const old = findRelation(parts, walker.env.context);
  const isOwn = (session.own.get(path.join('.'))?.columns ?? null) !== null;
  const replaced = isOwn ? undefined : catalogue.relation(database, schema, made);
  // In place of a protected table another would stand, whose columns the policy does not mean.
  if (replaced !== undefined && hidesAnything(replaced, walker)) {
    walker.findings.refuse({
      code: 'write-of-protected',
      what: qualifiedName(replaced),
      remedy: 'Give the new table another name: this one has protected columns.',
    });
  }
  return { path, isKept: keeps, isKnown: old !== undefined };
}

/** The policy protects columns by their names: from the next reading of the catalogue on, some of these are. Temporary ones are in none.
 *  @param isFilled there are values in it already, or will be without anybody writing them */
function namesProtected({ path }: Created, columns: readonly SnowflakeColumn[], isFilled: boolean, walker: Walker): boolean {
  const { context } = walker.env;
  const names = columns.map((each) => each.name);
  const comparable = isFilled ? comparableClass(path, names, context) : undefined;
  if (comparable !== undefined && walker.findings.unknowns.length === 0) walker.findings.refuse(plainValues(comparable));
  return names.some((name) => classesNamed(path, name, context.rules).some((each) => walker.findings.isHidden(each)));
}

/** @param columns null = as the catalogue will have them */
function announce(
  { path, isKept, isKnown }: Created,
  kind: SnowflakeRelation['kind'],
  columns: readonly SnowflakeColumn[] | null,
  walker: Walker,
): void {
  if (isKept || columns === null) {
    if (!isKept) walker.findings.changes.push({ kind: 'drop', name: path.join('.') });
    if (!isKept || !isKnown) walker.findings.changes.push({ kind: 'catalogue' });
    return;
  }
  const [database, schema, name] = path;
  walker.findings.changes.push(
    { kind: 'create', relation: { database, schema, name, kind, columns, definition: null } },
    { kind: 'catalogue' },
  );
}
