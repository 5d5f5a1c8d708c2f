// The catalogue from what INFORMATION_SCHEMA and GET_DDL say. Nothing is guessed: a relation whose columns or definition are not there
// says so, and may not be read.

import { createHash } from 'node:crypto';
import { definitionOf } from './definition.ts';
import { SYSTEM_RELATIONS } from './system-relations.ts';
import type { RelationKind, SnowflakeCatalogue, SnowflakeColumn, SnowflakeRelation } from './types.ts';

/** Answers of `SNOWFLAKE_CATALOGUE_QUERIES` for every configured database, rows as objects by column label. */
export interface CatalogueRows {
  /** As Snowflake stores the names: what USE DATABASE would need in quotes. */
  readonly databases: readonly string[];
  readonly tables: readonly TableRow[];
  readonly columns: readonly ColumnRow[];
  /** GET_DDL of every relation of `definitionQueries`; one that failed is left out. */
  readonly definitions: readonly DefinitionRow[];
}

export interface TableRow {
  readonly TABLE_CATALOG: string;
  readonly TABLE_SCHEMA: string;
  readonly TABLE_NAME: string;
  /** `BASE TABLE`, `VIEW`, `MATERIALIZED VIEW`, `EXTERNAL TABLE`, `EVENT TABLE`, `TEMPORARY TABLE`, ... */
  readonly TABLE_TYPE: string;
  /** `YES`, `NO` or null. */
  readonly IS_DYNAMIC?: string | null;
}

export interface ColumnRow {
  readonly TABLE_CATALOG: string;
  readonly TABLE_SCHEMA: string;
  readonly TABLE_NAME: string;
  readonly COLUMN_NAME: string;
  /** A number, as JSON answers give it: text. */
  readonly ORDINAL_POSITION: string | number;
  readonly DATA_TYPE: string;
  readonly IS_NULLABLE: string;
}

export interface DefinitionRow {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  /** What GET_DDL gave. */
  readonly ddl: string;
}

export interface CatalogueQueries {
  readonly tables: (database: string) => string;
  readonly columns: (database: string) => string;
  /** Streams are in no INFORMATION_SCHEMA view with their source; they may not be read. */
  readonly definition: (relation: { database: string; schema: string; name: string; kind: RelationKind }) => string;
  /** Kinds that `definition` is to be asked of. */
  readonly definedKinds: ReadonlySet<RelationKind>;
}

export const SNOWFLAKE_CATALOGUE_QUERIES: CatalogueQueries = {
  tables: (database) =>
    `SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, IS_DYNAMIC FROM ${quoted(database)}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA <> 'INFORMATION_SCHEMA' ORDER BY TABLE_SCHEMA, TABLE_NAME`,
  columns: (database) =>
    `SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, DATA_TYPE, IS_NULLABLE FROM ${quoted(database)}.INFORMATION_SCHEMA.COLUMNS ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
  definition: ({ database, schema, name, kind }) =>
    `SELECT GET_DDL('${kind === 'dynamic' ? 'DYNAMIC_TABLE' : 'VIEW'}', '${[database, schema, name].map(quoted).join('.').replaceAll('\\', '\\\\').replaceAll("'", "''")}', TRUE) AS DDL`,
  definedKinds: new Set<RelationKind>(['view', 'matview', 'dynamic']),
};

const INFORMATION_SCHEMA = 'INFORMATION_SCHEMA';

/** @throws never: rows of unknown kinds give relations that may not be read. */
export function buildSnowflakeCatalogue(rows: CatalogueRows): SnowflakeCatalogue {
  const columns = columnsByRelation(rows.columns);
  const definitions = new Map(rows.definitions.map((row) => [key(row.database, row.schema, row.name), row.ddl]));
  const relations = new Map<string, SnowflakeRelation>();
  for (const row of rows.tables) {
    if (row.TABLE_SCHEMA === INFORMATION_SCHEMA) continue;
    const kind = kindOf(row);
    const name = key(row.TABLE_CATALOG, row.TABLE_SCHEMA, row.TABLE_NAME);
    const ddl = definitions.get(name);
    relations.set(name, {
      database: row.TABLE_CATALOG,
      schema: row.TABLE_SCHEMA,
      name: row.TABLE_NAME,
      kind,
      columns: columns.get(name) ?? null,
      definition: ddl === undefined ? null : definitionOf(ddl),
    });
  }
  for (const database of rows.databases)
    for (const [view, usual] of SYSTEM_RELATIONS) {
      const name = key(database, INFORMATION_SCHEMA, view);
      const found =
        columns.get(name) ?? (usual.length === 0 ? undefined : usual.map((each) => ({ name: each, type: 'TEXT', isNullable: true })));
      if (found === undefined) continue;
      relations.set(name, { database, schema: INFORMATION_SCHEMA, name: view, kind: 'system', columns: found, definition: null });
    }
  return catalogueOf(new Set(rows.databases), relations);
}

function catalogueOf(databases: ReadonlySet<string>, byName: ReadonlyMap<string, SnowflakeRelation>): SnowflakeCatalogue {
  const relations = [...byName.values()].sort((left, right) => compare(keyOf(left), keyOf(right)));
  const version = createHash('sha256')
    .update(JSON.stringify([[...databases].sort(compare), relations]))
    .digest('hex');
  return { version, databases, relations, relation: (database, schema, name) => byName.get(key(database, schema, name)) };
}

function columnsByRelation(rows: readonly ColumnRow[]): Map<string, readonly SnowflakeColumn[]> {
  const found = new Map<string, { position: number; column: SnowflakeColumn }[]>();
  for (const row of rows) {
    const name = key(row.TABLE_CATALOG, row.TABLE_SCHEMA, row.TABLE_NAME);
    const list = found.get(name) ?? [];
    found.set(name, list);
    const column = { name: row.COLUMN_NAME, type: row.DATA_TYPE, isNullable: row.IS_NULLABLE !== 'NO' };
    list.push({ position: Number(row.ORDINAL_POSITION), column });
  }
  return new Map([...found].map(([name, list]) => [name, list.sort((a, b) => a.position - b.position).map(({ column }) => column)]));
}

const KINDS: Readonly<Record<string, RelationKind>> = {
  'BASE TABLE': 'table',
  'TEMPORARY TABLE': 'table',
  'LOCAL TEMPORARY': 'table',
  'TRANSIENT TABLE': 'table',
  VIEW: 'view',
  'MATERIALIZED VIEW': 'matview',
};

/** Everything that is not known to be a table or a view of tables is read as an external one: from where, nobody can tell. */
function kindOf(row: TableRow): RelationKind {
  if (row.IS_DYNAMIC === 'YES') return 'dynamic';
  // Of whatever kind: it is made from something.
  if (row.TABLE_TYPE.includes('VIEW') && !Object.hasOwn(KINDS, row.TABLE_TYPE)) return 'view';
  return (Object.hasOwn(KINDS, row.TABLE_TYPE) ? KINDS[row.TABLE_TYPE] : undefined) ?? 'external';
}

function keyOf({ database, schema, name }: SnowflakeRelation): string {
  return key(database, schema, name);
}

function key(database: string, schema: string, name: string): string {
  return JSON.stringify([database, schema, name]);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
