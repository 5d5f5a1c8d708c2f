// The databases of the fake account in DuckDB, and what INFORMATION_SCHEMA says of them.

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type WorldName, clinicOf } from './clinic.ts';
import { macros, toDuckdb } from './dialect.ts';
import { literal, meaningful, nameOf, quoted, textOf, tokensOf } from './tokens.ts';

const noScope = {
  variables: new Map<string, string>(),
  told: {},
  bind: () => '?',
  resultOf: () => '',
  lastQueryId: () => null,
  ddlOf: () => '',
};

export class AccountData {
  readonly #instance: DuckDBInstance;
  readonly #own: DuckDBConnection;
  /** Texts of views and types of columns as they were declared, by `SCHEMA.RELATION` and `SCHEMA.RELATION.COLUMN`. */
  readonly #texts = new Map<string, string>();
  readonly #types = new Map<string, string>();
  /** By `SCHEMA.RELATION`, as of the last `describe`. */
  readonly #columns = new Map<string, string[]>();
  #isStale = true;
  #described: Promise<void> = Promise.resolve();

  private constructor(instance: DuckDBInstance, own: DuckDBConnection) {
    this.#instance = instance;
    this.#own = own;
  }

  static async load(world: WorldName | 'empty'): Promise<AccountData> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const own = await instance.connect();
    const data = new AccountData(instance, own);
    await own.run("ATTACH ':memory:' AS CLINIC; CREATE SCHEMA CLINIC.PUBLIC; CREATE SCHEMA CLINIC.LEGACY; CREATE SCHEMA CLINIC.REPORTING");
    await own.run("ATTACH ':memory:' AS SNOWFLAKE_META; CREATE SCHEMA SNOWFLAKE_META.INFO");
    for (const table of infoTables) await own.run(`CREATE TABLE SNOWFLAKE_META.INFO.${table}`);
    for (const macro of macros) await own.run(`CREATE MACRO memory.main.${macro}`);
    await data.prepare(own);
    const { tables, views, rows } = world === 'empty' ? { tables: [], views: [], rows: [] } : clinicOf(world);
    for (const text of tables) await data.create(own, text);
    for (const text of rows) await own.run(text);
    for (const text of views) await data.create(own, text);
    return data;
  }

  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect();
    await this.prepare(connection);
    return connection;
  }

  async prepare(connection: DuckDBConnection): Promise<void> {
    await connection.run("SET TimeZone = 'UTC'; SET search_path = 'CLINIC.PUBLIC,memory.main'");
  }

  private async create(connection: DuckDBConnection, text: string): Promise<void> {
    this.declared(text, 'PUBLIC');
    await connection.run(toDuckdb(text, noScope));
  }

  /** Keeps what DuckDB forgets of a CREATE: texts of views, and types that are one to DuckDB. */
  declared(text: string, schema: string): void {
    const tokens = meaningful(tokensOf(text));
    this.#isStale = true;
    const words = tokens.map(({ text: word }) => word.toUpperCase());
    const at = words.findIndex((word) => word === 'TABLE' || word === 'VIEW') + 1;
    if (at === 0) return;
    let end = at + (words[at] === 'IF' ? 3 : 0);
    const parts: string[] = [];
    for (; end < tokens.length; end += 2) {
      parts.push(nameOf(tokens[end] as never));
      if (words[end + 1] !== '.') break;
    }
    const key = `${parts.at(-2) ?? schema}.${parts.at(-1)}`;
    this.#texts.set(key, text);
    if (words[end + 1] !== '(') return;
    for (let index = end + 2; index < tokens.length; index += 1) {
      if (words[index - 1] !== '(' && words[index - 1] !== ',') continue;
      if (/^(?:ARRAY|OBJECT|VARIANT|TIMESTAMP_LTZ|TIMESTAMP_TZ)$/.test(words[index + 1] ?? ''))
        this.#types.set(`${key}.${nameOf(tokens[index] as never)}`, words[index + 1] as string);
    }
  }

  changed(): void {
    this.#isStale = true;
  }

  typeOf(schema: string, relation: string, column: string): string | undefined {
    return this.#types.get(`${schema}.${relation}.${column}`);
  }

  ddlOf(kind: string, name: string, schema: string, isQualified: boolean): string {
    const parts = meaningful(tokensOf(name)).filter(({ kind: each }) => each !== 'op');
    const [last, before] = parts.map((part) => nameOf(part)).toReversed();
    const key = `${before ?? schema}.${last ?? ''}`;
    const text = this.#texts.get(key);
    if (text === undefined) throw new Error(`Catalog Error: ${kind} Table with name ${name} does not exist`);
    const body = /\bAS\s+((?:SELECT|WITH|\()[\s\S]*)$/i.exec(text)?.[1];
    const full = `CLINIC.${key}`;
    if (body === undefined) return `${text.replace(/^\s*CREATE\s+(?!OR\s+REPLACE)/i, 'create or replace ')};`;
    return `create or replace view ${isQualified ? full : parts.map((part) => nameOf(part)).at(-1)}(\n\t${(this.#columns.get(key) ?? []).join(',\n\t')}\n) as ${body};`;
  }

  /** Columns of a relation in their order; null = there is none. */
  async columnsOf(schema: string, relation: string): Promise<string[] | null> {
    const found = await this.#own.runAndReadAll(
      `SELECT column_name FROM duckdb_columns() WHERE database_name = 'CLINIC' AND schema_name = ${literal(schema)} AND table_name = ${literal(relation)} ORDER BY column_index`,
    );
    const names = found.getRowsJson().map(([name]) => String(name));
    return names.length === 0 ? null : names;
  }

  /** Fills INFORMATION_SCHEMA with what is there now. */
  async describe(): Promise<void> {
    // Whoever comes meanwhile waits for the same.
    while (this.#isStale) {
      this.#isStale = false;
      this.#described = this.#describe();
    }
    await this.#described;
  }

  async #describe(): Promise<void> {
    const read = async (text: string): Promise<string[][]> =>
      (await this.#own.runAndReadAll(text)).getRowsJson().map((row) => row.map((cell) => String(cell)));
    const tables = await read(
      "SELECT schema_name, table_name, 'BASE TABLE' FROM duckdb_tables() WHERE database_name = 'CLINIC' UNION ALL SELECT schema_name, view_name, 'VIEW' FROM duckdb_views() WHERE database_name = 'CLINIC' AND NOT internal ORDER BY 1, 2",
    );
    const columns = await read(
      "SELECT schema_name, table_name, column_name, column_index, data_type, is_nullable FROM duckdb_columns() WHERE database_name = 'CLINIC' AND NOT internal ORDER BY 1, 2, 4",
    );
    this.#columns.clear();
    for (const [schema = '', table = '', name = ''] of columns)
      this.#columns.set(`${schema}.${table}`, [...(this.#columns.get(`${schema}.${table}`) ?? []), name]);
    const clear = infoTables.map((table) => `DELETE FROM SNOWFLAKE_META.INFO.${table.split(' ')[0]}`).join(';');
    const insert = (table: string, rows: readonly (readonly string[])[]): string =>
      rows.length === 0
        ? ''
        : `INSERT INTO SNOWFLAKE_META.INFO.${table} BY POSITION VALUES ${rows.map((row) => `(${row.join(',')})`).join(',')};`;
    const made = "TIMESTAMPTZ '2024-01-01 00:00:00+00'";
    const text = (value: string): string => literal(value);
    await this.#own.run(`${clear};
      ${insert('DATABASES', [[text('CLINIC'), text('SYSADMIN'), text('STANDARD')]])}
      ${insert(
        'SCHEMATA',
        ['PUBLIC', 'LEGACY', 'REPORTING', 'INFORMATION_SCHEMA'].map((name) => [text('CLINIC'), text(name), text('SYSADMIN')]),
      )}
      ${insert(
        'TABLES',
        tables.map(([schema = '', name = '', kind = '']) => [
          text('CLINIC'),
          text(schema),
          text(name),
          text('SYSADMIN'),
          text(kind),
          text('NO'),
          'NULL',
          '0',
          made,
          made,
          made,
          'NULL',
          text('NO'),
          text('NO'),
          text('NO'),
          text('NO'),
        ]),
      )}
      ${insert(
        'VIEWS',
        tables
          .filter(([, , kind]) => kind === 'VIEW')
          .map(([schema = '', name = '']) => [
            text('CLINIC'),
            text(schema),
            text(name),
            text('SYSADMIN'),
            text(this.#texts.get(`${schema}.${name}`) ?? ''),
            text('NONE'),
            text('NO'),
            text('NO'),
            made,
            made,
            'NULL',
          ]),
      )}
      ${insert(
        'COLUMNS',
        columns.map(([schema = '', table = '', name = '', index = '0', type = '', nullable = '']) => {
          const known = this.#types.get(`${schema}.${table}.${name}`) ?? snowflakeTypeOf(type);
          const [, precision = 'NULL', scale = 'NULL'] = /DECIMAL\((\d+),(\d+)\)/.exec(type) ?? [];
          return [
            text('CLINIC'),
            text(schema),
            text(table),
            text(name),
            index,
            'NULL',
            text(nullable === 'true' ? 'YES' : 'NO'),
            text(known),
            known === 'TEXT' ? '16777216' : 'NULL',
            known === 'TEXT' ? '16777216' : 'NULL',
            precision,
            scale,
            'NULL',
            'NULL',
          ];
        }),
      )}`);
  }

  close(): void {
    this.#own.closeSync();
    this.#instance.closeSync();
  }
}

const infoTables: readonly string[] = [
  'DATABASES (DATABASE_NAME VARCHAR, DATABASE_OWNER VARCHAR, "TYPE" VARCHAR)',
  'SCHEMATA (CATALOG_NAME VARCHAR, SCHEMA_NAME VARCHAR, SCHEMA_OWNER VARCHAR)',
  'TABLES (TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, TABLE_OWNER VARCHAR, TABLE_TYPE VARCHAR, IS_TRANSIENT VARCHAR, CLUSTERING_KEY VARCHAR, ROW_COUNT BIGINT, CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ, LAST_DDL TIMESTAMPTZ, COMMENT VARCHAR, IS_TEMPORARY VARCHAR, IS_ICEBERG VARCHAR, IS_DYNAMIC VARCHAR, IS_HYBRID VARCHAR)',
  'VIEWS (TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, TABLE_OWNER VARCHAR, VIEW_DEFINITION VARCHAR, CHECK_OPTION VARCHAR, IS_UPDATABLE VARCHAR, IS_SECURE VARCHAR, CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ, COMMENT VARCHAR)',
  'COLUMNS (TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, COLUMN_NAME VARCHAR, ORDINAL_POSITION BIGINT, COLUMN_DEFAULT VARCHAR, IS_NULLABLE VARCHAR, DATA_TYPE VARCHAR, CHARACTER_MAXIMUM_LENGTH BIGINT, CHARACTER_OCTET_LENGTH BIGINT, NUMERIC_PRECISION BIGINT, NUMERIC_SCALE BIGINT, DATETIME_PRECISION BIGINT, COMMENT VARCHAR)',
];

function snowflakeTypeOf(duckdb: string): string {
  if (duckdb.startsWith('DECIMAL') || /INT$|^BIGINT|^HUGEINT/.test(duckdb)) return 'NUMBER';
  const found = {
    VARCHAR: 'TEXT',
    DOUBLE: 'FLOAT',
    TIMESTAMP: 'TIMESTAMP_NTZ',
    'TIMESTAMP WITH TIME ZONE': 'TIMESTAMP_TZ',
    BLOB: 'BINARY',
    JSON: 'VARIANT',
  }[duckdb];
  return found ?? duckdb;
}

/** The name of a relation in DuckDB. */
export const relationSql = (schema: string, name: string): string => `CLINIC.${quoted(schema)}.${quoted(name)}`;

/** The same text for texts that differ in blanks, comments and case of words only. */
export const normalised = (text: string): string =>
  textOf(
    meaningful(tokensOf(text.replace(/;\s*$/, ''))).map((token) => ({
      ...token,
      text: `${token.kind === 'word' ? token.text.toUpperCase() : token.text} `,
    })),
  ).trim();
