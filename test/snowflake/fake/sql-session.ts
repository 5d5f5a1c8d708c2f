// One session of the fake account: its database, variables and parameters, and what each statement answers.

import { setTimeout as delay } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type AccountData, normalised } from './data.ts';
import { type Scope, toDuckdb } from './dialect.ts';
import { SnowflakeFault, cancelled, faultOf } from './errors.ts';
import { labelsOf, withOrigins } from './origins.ts';
import { type Column, type Rows, cellSql, cellsOf, columnOf, columnsOf, duckType } from './rows.ts';
import { type Token, literal, meaningful, nameOf, quoted, stringValue, tokensOf } from './tokens.ts';

/** What a statement gives. */
export interface Answer extends Rows {
  /** Of the documentation of the drivers. */
  readonly statementTypeId: number;
  readonly numberOfBinds: number;
  /** SELECT and SHOW: rows of the account's; others are counts and sentences. */
  readonly isQuery: boolean;
  /** For PUT and GET: what a driver would carry out. */
  readonly command?: Readonly<Record<string, unknown>>;
  /** Rows that were made before, whatever `rows` says: for measurements. */
  readonly made?: MadeRows;
}

export interface MadeRows {
  readonly total: number;
  readonly chunks: readonly { readonly rowCount: number; json(): Buffer; arrow(): Buffer }[];
}

/** What the account says to a statement that DuckDB cannot run: rows of a query in DuckDB's words, an error, or rows made before. */
export type Canned =
  | { readonly sql: string; readonly delayMs?: number }
  | { readonly error: { readonly code: string; readonly sqlState: string; readonly message: string } }
  | { readonly columns: readonly Column[]; readonly made: MadeRows }
  | { readonly columns: readonly Column[]; readonly rows: Rows['rows'] };

export type Bind = { readonly type: string; readonly value: string | null; readonly fmt?: string | null };

/** The account's side of a session. */
export interface SessionHost {
  readonly data: AccountData;
  readonly answers: ReadonlyMap<string, Canned>;
  readonly user: string;
  readonly role: string;
  readonly warehouse: string;
  readonly account: string;
  resultOf(queryId: string): Answer | null;
}

export class SqlSession {
  database: string | null = 'CLINIC';
  schema: string | null = 'PUBLIC';
  role: string;
  warehouse: string;
  readonly parameters = new Map<string, string>();
  readonly queryIds: string[] = [];
  readonly #host: SessionHost;
  readonly #connection: DuckDBConnection;
  readonly #sessionId: string;
  readonly #variables = new Map<string, string>();
  readonly #temporary = new Set<string>();
  #isInTransaction = false;
  #results = 0;

  constructor(host: SessionHost, connection: DuckDBConnection, sessionId: string) {
    this.#host = host;
    this.#connection = connection;
    this.#sessionId = sessionId;
    this.role = host.role;
    this.warehouse = host.warehouse;
  }

  /** @throws SnowflakeFault */
  async run(text: string, binds: readonly Bind[], describeOnly: boolean, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#run(text.replace(/;\s*$/, '').trim(), binds, describeOnly, signal);
    } catch (error) {
      if (signal.aborted) throw cancelled();
      throw faultOf(error);
    }
  }

  close(): void {
    this.#connection.closeSync();
  }

  async #run(text: string, binds: readonly Bind[], describeOnly: boolean, signal: AbortSignal): Promise<Answer> {
    const canned = this.#host.answers.get(normalised(text));
    if (canned !== undefined) {
      if ('sql' in canned && canned.delayMs !== undefined && !describeOnly) await delay(canned.delayMs, undefined, { signal });
      return await this.#canned(canned, describeOnly);
    }
    const tokens = meaningful(tokensOf(text));
    const words = tokens.map((token) => (token.kind === 'word' ? token.text.toUpperCase() : token.text));
    const arrow = tokens.findIndex((token) => token.text === '->>');
    if (arrow >= 0) return await this.#piped(tokens, arrow, binds, describeOnly, signal);
    const [first = '', second = '', third = ''] = words;
    switch (first) {
      case 'USE':
        return this.#use(tokens, describeOnly);
      case 'ALTER':
        if (second === 'SESSION') return this.#alterSession(tokens, describeOnly);
        return await this.#ddl(text, words, describeOnly);
      case 'SET':
      case 'UNSET':
        return await this.#set(tokens, describeOnly);
      case 'BEGIN':
      case 'START':
      case 'COMMIT':
      case 'ROLLBACK':
        if (words.length > 3)
          throw new SnowflakeFault('001003', '42000', `SQL compilation error:\nsyntax error line 1 at position 0 unexpected '${second}'.`);
        return await this.#transaction(first, describeOnly);
      case 'SHOW':
        return await this.#show(words, tokens);
      case 'DESC':
      case 'DESCRIBE':
        return await this.#describe(tokens);
      case 'PUT':
      case 'GET':
        return stage(first, text);
      case 'LIST':
      case 'LS':
        return query([columnOf('name', 'text'), columnOf('size', 'fixed'), columnOf('md5', 'text'), columnOf('last_modified', 'text')], []);
      case 'CREATE':
      case 'DROP':
      case 'TRUNCATE':
      case 'COMMENT':
      case 'UNDROP':
        return await this.#ddl(text, words, describeOnly);
      case 'INSERT':
      case 'UPDATE':
      case 'DELETE':
      case 'MERGE':
        return await this.#dml(first, text, binds, describeOnly);
      case 'EXECUTE':
        if (second === 'IMMEDIATE' && tokens[2]?.kind === 'string' && !stringValue(third).match(/^\s*(?:BEGIN|DECLARE)\b/i))
          return await this.#run(stringValue(tokens[2].text), binds, describeOnly, signal);
        break;
      case 'GRANT':
      case 'REVOKE':
        return status('Statement executed successfully.');
      default:
    }
    return await this.#query(text, binds, describeOnly, signal);
  }

  async #canned(canned: Canned, describeOnly: boolean): Promise<Answer> {
    if ('error' in canned) throw new SnowflakeFault(canned.error.code, canned.error.sqlState, canned.error.message);
    if ('sql' in canned) {
      await this.#host.data.describe();
      const result = await this.#connection.run(canned.sql);
      const columns = columnsOf(result);
      const rows = await cellsOf(result, columns);
      return query(columns, describeOnly ? [] : rows);
    }
    if ('made' in canned) return { ...query(canned.columns, []), made: canned.made };
    return query(canned.columns, describeOnly ? [] : canned.rows);
  }

  /** `first ->> second`, where `$1` of the second is the result of the first. */
  async #piped(
    tokens: readonly Token[],
    arrow: number,
    binds: readonly Bind[],
    describeOnly: boolean,
    signal: AbortSignal,
  ): Promise<Answer> {
    const spaced = (part: readonly Token[]): string =>
      part
        .map(({ text }) => text)
        .join(' ')
        .replaceAll(/ ?\. ?/g, '.');
    const before = await this.#run(spaced(tokens.slice(0, arrow)), binds, false, signal);
    const relation = await this.#relationOf(before);
    const rest = tokens
      .slice(arrow + 1)
      .map((token): Token => (token.kind === 'variable' && token.text === '$1' ? { kind: 'word', text: relation } : token));
    return await this.#run(spaced(rest), binds, describeOnly, signal);
  }

  /** A relation of this session with the rows of an answer. */
  async #relationOf({ columns, rows }: Rows): Promise<string> {
    this.#results += 1;
    const name = `RESULT_${this.#results}`;
    await this.#connection.run(
      `CREATE TEMP TABLE ${name} (${columns.map((column) => `${quoted(column.name)} ${duckType(column)}`).join(', ')})`,
    );
    for (let start = 0; start < rows.length; start += 500) {
      const values = rows
        .slice(start, start + 500)
        .map((row) => `(${row.map((cell, index) => cellSql(cell, columns[index] as Column)).join(', ')})`);
      await this.#connection.run(`INSERT INTO ${name} VALUES ${values.join(', ')}`);
    }
    return name;
  }

  async #query(text: string, binds: readonly Bind[], describeOnly: boolean, signal: AbortSignal): Promise<Answer> {
    const slept = await sleeps(text, describeOnly, signal);
    await this.#host.data.describe();
    const made = await this.#duckdb(slept, binds);
    const prepared = await this.#connection.prepare(made.text);
    prepared.destroySync();
    if (signal.aborted) throw cancelled();
    const result = await this.#connection.run(made.text);
    const described = columnsOf(result, labelsOf(text));
    const rowCount = result.rowCount;
    const columns = await withOrigins(described, text, rowCount, this.#host.data, this.schema ?? 'PUBLIC');
    const rows = describeOnly ? [] : await cellsOf(result, columns);
    return { ...query(columns, rows), numberOfBinds: made.binds };
  }

  async #dml(verb: string, text: string, binds: readonly Bind[], describeOnly: boolean): Promise<Answer> {
    const names =
      {
        INSERT: ['number of rows inserted'],
        UPDATE: ['number of rows updated', 'number of multi-joined rows updated'],
        DELETE: ['number of rows deleted'],
        MERGE: ['number of rows inserted', 'number of rows updated'],
      }[verb] ?? [];
    const typeIds: Readonly<Record<string, number>> = { INSERT: 12_544, UPDATE: 12_800, DELETE: 13_056, MERGE: 13_312 };
    const columns = names.map((name) => columnOf(name, 'fixed', { precision: 19, nullable: false }));
    const made = await this.#duckdb(text.replace(/^(\s*INSERT\s+)OVERWRITE\s+/i, '$1'), binds);
    if (describeOnly) {
      (await this.#connection.prepare(made.text)).destroySync();
      return { columns, rows: [], statementTypeId: typeIds[verb] ?? 12_544, numberOfBinds: made.binds, isQuery: false };
    }
    const result = await this.#connection.run(made.text);
    const counts = names.map((_, index) => (index === 0 ? String(result.rowsChanged) : '0'));
    return { columns, rows: [counts], statementTypeId: typeIds[verb] ?? 12_544, numberOfBinds: made.binds, isQuery: false };
  }

  async #ddl(text: string, words: readonly string[], describeOnly: boolean): Promise<Answer> {
    if (describeOnly) return status('');
    // Snowflake ends the transaction before it changes the schema.
    if (this.#isInTransaction) await this.#transaction('COMMIT', false);
    const isTemporary = words.slice(1, 5).some((word) => word === 'TEMPORARY' || word === 'TEMP' || word === 'VOLATILE');
    const kindAt = words.findIndex((word) =>
      /^(?:TABLE|VIEW|SCHEMA|DATABASE|STREAM|STAGE|SEQUENCE|FUNCTION|PROCEDURE|TASK|PIPE|USER|ROLE|WAREHOUSE|COLUMN)$/.test(word),
    );
    const kind = words[kindAt] ?? 'TABLE';
    const name = nameAfter(text, kind);
    if (['COMMENT', 'UNDROP'].includes(words[0] ?? '') || !['TABLE', 'VIEW', 'SCHEMA', 'SEQUENCE'].includes(kind))
      return status('Statement executed successfully.');
    let sql = text.replace(
      /^(\s*CREATE\s+(?:OR\s+REPLACE\s+)?)(?:(?:LOCAL|GLOBAL)\s+)?(?:TEMPORARY|TEMP|VOLATILE)\s+TABLE\s+((?:IF\s+NOT\s+EXISTS\s+)?)(?:[\w"]+\.)*([\w"]+)/i,
      '$1TEMP TABLE $2$3',
    );
    sql = sql.replace(/\bTRANSIENT\s+/i, '').replace(/^(\s*CREATE\s+(?:OR\s+REPLACE\s+)?)(?:SECURE|MATERIALIZED|RECURSIVE)\s+/i, '$1');
    sql = sql
      .replace(/\bCLONE\s+([\w".]+)[\s\S]*$/i, 'AS SELECT * FROM $1')
      .replace(/\bLIKE\s+([\w".]+)\s*$/i, 'AS SELECT * FROM $1 LIMIT 0');
    if (isTemporary) this.#temporary.add(name);
    else if (words[0] === 'CREATE') this.#host.data.declared(text, this.schema ?? 'PUBLIC');
    await this.#connection.run((await this.#duckdb(sql, [])).text);
    this.#host.data.changed();
    const done = { CREATE: 'successfully created.', DROP: 'successfully dropped.' }[words[0] ?? ''];
    if (words[0] === 'DROP') return status(`${name} successfully dropped.`);
    return status(done === undefined ? 'Statement executed successfully.' : `${kind === 'TABLE' ? 'Table' : 'View'} ${name} ${done}`);
  }

  async #transaction(verb: string, describeOnly: boolean): Promise<Answer> {
    if (describeOnly) return status('');
    const isStart = verb === 'BEGIN' || verb === 'START';
    if (isStart !== this.#isInTransaction) await this.#connection.run(isStart ? 'BEGIN TRANSACTION' : verb);
    this.#isInTransaction = isStart;
    return status('Statement executed successfully.');
  }

  #use(tokens: readonly Token[], describeOnly: boolean): Answer {
    if (describeOnly) return status('');
    const word = tokens[1]?.kind === 'word' ? tokens[1].text.toUpperCase() : '';
    const isTyped = ['DATABASE', 'SCHEMA', 'WAREHOUSE', 'ROLE', 'SECONDARY'].includes(word) && tokens.length > 2;
    const names = tokens
      .slice(isTyped ? 2 : 1)
      .filter(({ kind }) => kind !== 'op')
      .map(nameOf);
    const [one = '', two] = names;
    if (word === 'WAREHOUSE' && isTyped) this.warehouse = one;
    else if (word === 'ROLE' && isTyped) this.role = one;
    else if (word === 'SECONDARY') return status('Statement executed successfully.');
    else {
      const database = word === 'SCHEMA' && two === undefined ? this.database : one;
      const schema = two ?? (word === 'SCHEMA' ? one : 'PUBLIC');
      if (database !== 'CLINIC' || !['PUBLIC', 'LEGACY', 'REPORTING', 'INFORMATION_SCHEMA'].includes(schema))
        throw new SnowflakeFault('002043', '02000', 'SQL compilation error:\nObject does not exist, or operation cannot be performed.');
      this.database = database;
      this.schema = schema;
    }
    return status('Statement executed successfully.');
  }

  #alterSession(tokens: readonly Token[], describeOnly: boolean): Answer {
    if (describeOnly) return status('');
    const isSet = tokens[2]?.text.toUpperCase() === 'SET';
    for (let index = 3; index < tokens.length; index += 1) {
      const token = tokens[index] as Token;
      if (token.kind !== 'word') continue;
      const value = tokens[index + 2];
      if (isSet && tokens[index + 1]?.text === '=' && value !== undefined) {
        this.parameters.set(token.text.toUpperCase(), value.kind === 'string' ? stringValue(value.text) : value.text);
        index += 2;
      } else if (!isSet) this.parameters.delete(token.text.toUpperCase());
    }
    return status('Statement executed successfully.');
  }

  async #set(tokens: readonly Token[], describeOnly: boolean): Promise<Answer> {
    if (describeOnly) return status('');
    const name = nameOf(tokens[1] as Token);
    if (tokens[0]?.text.toUpperCase() === 'UNSET') this.#variables.delete(name);
    else {
      const made = await this.#duckdb(
        `SELECT ${tokens
          .slice(3)
          .map(({ text }) => text)
          .join(' ')}`,
        [],
      );
      const value = (await this.#connection.runAndReadAll(made.text)).getRows()[0]?.[0];
      this.#variables.set(
        name,
        value === null || value === undefined ? 'NULL' : typeof value === 'number' ? String(value) : literal(String(value)),
      );
    }
    return status('Statement executed successfully.');
  }

  async #show(words: readonly string[], tokens: readonly Token[]): Promise<Answer> {
    await this.#host.data.describe();
    const like = tokens.find(({ kind }) => kind === 'string');
    const filter = (column: string): string => (like === undefined ? '' : ` AND ${column} ILIKE ${literal(stringValue(like.text))}`);
    const what = words.find((word, index) => index > 0 && !['TERSE'].includes(word)) ?? '';
    if (what === 'PARAMETERS') {
      const rows = [...this.parameters]
        .filter(([key]) => like === undefined || key === stringValue(like.text).toUpperCase())
        .map(([key, value]) => [key, value, '', 'SESSION', '']);
      return query(
        ['key', 'value', 'default', 'level', 'description'].map((name) => columnOf(name, 'text')),
        rows,
      );
    }
    const texts: Readonly<Record<string, string>> = {
      TABLES: `SELECT CREATED AS "created_on", TABLE_NAME AS "name", TABLE_CATALOG AS "database_name", TABLE_SCHEMA AS "schema_name", TABLE_TYPE AS "kind" FROM SNOWFLAKE_META.INFO.TABLES WHERE TABLE_TYPE = 'BASE TABLE'${filter('TABLE_NAME')}`,
      VIEWS: `SELECT CREATED AS "created_on", TABLE_NAME AS "name", TABLE_CATALOG AS "database_name", TABLE_SCHEMA AS "schema_name", VIEW_DEFINITION AS "text" FROM SNOWFLAKE_META.INFO.VIEWS WHERE TRUE${filter('TABLE_NAME')}`,
      SCHEMAS: `SELECT SCHEMA_NAME AS "name", CATALOG_NAME AS "database_name" FROM SNOWFLAKE_META.INFO.SCHEMATA WHERE TRUE${filter('SCHEMA_NAME')}`,
      DATABASES: `SELECT DATABASE_NAME AS "name" FROM SNOWFLAKE_META.INFO.DATABASES WHERE TRUE${filter('DATABASE_NAME')}`,
      COLUMNS: `SELECT TABLE_NAME AS "table_name", TABLE_SCHEMA AS "schema_name", COLUMN_NAME AS "column_name", DATA_TYPE AS "data_type" FROM SNOWFLAKE_META.INFO.COLUMNS WHERE TRUE${filter('COLUMN_NAME')}`,
      WAREHOUSES: `SELECT 'CLINIC_WH' AS "name", 'STARTED' AS "state"`,
    };
    const text = texts[what];
    if (text === undefined) return query([columnOf('name', 'text')], []);
    const result = await this.#connection.run(text);
    const columns = columnsOf(result, result.columnNames());
    return query(columns, await cellsOf(result, columns));
  }

  async #describe(tokens: readonly Token[]): Promise<Answer> {
    await this.#host.data.describe();
    const names = tokens
      .slice(1)
      .filter(({ kind }) => kind !== 'op')
      .map(nameOf)
      .filter((name) => name !== 'TABLE' && name !== 'VIEW');
    const [table = '', schema = this.schema ?? 'PUBLIC'] = names.toReversed();
    const result = await this.#connection.run(
      `SELECT COLUMN_NAME AS "name", DATA_TYPE AS "type", 'COLUMN' AS "kind", IS_NULLABLE AS "null?" FROM SNOWFLAKE_META.INFO.COLUMNS WHERE TABLE_SCHEMA = ${literal(schema)} AND TABLE_NAME = ${literal(table)} ORDER BY ORDINAL_POSITION`,
    );
    if (result.rowCount === 0)
      throw new SnowflakeFault('002003', '42S02', `SQL compilation error:\nObject '${table}' does not exist or not authorized.`);
    const columns = columnsOf(result, result.columnNames());
    return query(columns, await cellsOf(result, columns));
  }

  /** The text for DuckDB, and how many binds it has. */
  async #duckdb(text: string, binds: readonly Bind[]): Promise<{ text: string; binds: number }> {
    const asked = new Set<number>();
    const results = new Map<string, string>();
    for (const [, id = ''] of text.matchAll(/RESULT_SCAN\s*\(\s*'([^']*)'/gi)) results.set(id, '');
    const last = /LAST_QUERY_ID\s*\(\s*(-?\d*)\s*\)/i.exec(text);
    if (last !== null) results.set(this.#queryId(Number(last[1] || '-1')) ?? '', '');
    for (const id of results.keys()) {
      const answer = this.#host.resultOf(id);
      if (answer === null) {
        if (!/RESULT_SCAN/i.test(text)) continue;
        throw new SnowflakeFault('000709', '02000', `Statement ${id} not found`);
      }
      if (/RESULT_SCAN/i.test(text)) results.set(id, await this.#relationOf(answer));
    }
    const scope: Scope = {
      variables: this.#variables,
      told: {
        CURRENT_DATABASE: this.#told(this.database),
        CURRENT_SCHEMA: this.#told(this.schema),
        CURRENT_ROLE: this.#told(this.role),
        CURRENT_USER: this.#told(this.#host.user),
        CURRENT_WAREHOUSE: this.#told(this.warehouse),
        CURRENT_ACCOUNT: this.#told(this.#host.account),
        CURRENT_SESSION: this.#told(this.#sessionId),
        CURRENT_VERSION: this.#told('9.34.1'),
        CURRENT_REGION: this.#told('AWS_US_WEST_2'),
      },
      bind: (number) => {
        asked.add(number);
        const bind = binds[number - 1];
        return bind === undefined ? 'NULL' : bindSql(bind);
      },
      resultOf: (id) => results.get(id) ?? '',
      lastQueryId: (offset) => this.#queryId(offset),
      ddlOf: (kind, name, isQualified) => this.#host.data.ddlOf(kind, name, this.schema ?? 'PUBLIC', isQualified),
    };
    if (this.schema !== 'PUBLIC') await this.#connection.run(`SET search_path = 'CLINIC.${this.schema},memory.main'`);
    else await this.#connection.run("SET search_path = 'CLINIC.PUBLIC,memory.main'");
    let made = toDuckdb(text, scope);
    for (const name of this.#temporary)
      made = made.replaceAll(new RegExp(`(?:"CLINIC"\\s*\\.\\s*)?"(?:PUBLIC|LEGACY|REPORTING)"\\s*\\.\\s*"${name}"`, 'g'), quoted(name));
    return { text: made, binds: asked.size };
  }

  #told(value: string | null): string {
    return value === null ? 'NULL' : literal(value);
  }

  #queryId(offset: number): string | null {
    return (offset < 0 ? this.queryIds.at(offset) : this.queryIds[offset - 1]) ?? null;
  }
}

const query = (columns: readonly Column[], rows: Rows['rows']): Answer => ({
  columns,
  rows,
  statementTypeId: 4096,
  numberOfBinds: 0,
  isQuery: true,
});

const status = (text: string): Answer => ({
  columns: [columnOf('status', 'text')],
  rows: [[text]],
  statementTypeId: 24_576,
  numberOfBinds: 0,
  isQuery: false,
});

/** A name behind a word, in Snowflake's form, without its schema. */
function nameAfter(text: string, word: string): string {
  const found =
    new RegExp(String.raw`\b${word}\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?((?:"[^"]+"|[\w$]+)(?:\s*\.\s*(?:"[^"]+"|[\w$]+))*)`, 'i').exec(
      text,
    )?.[1] ?? '';
  const [last] = meaningful(tokensOf(found)).toReversed();
  return last === undefined ? '' : nameOf(last);
}

/** SYSTEM$WAIT(n): waits, and leaves what it says. */
async function sleeps(text: string, describeOnly: boolean, signal: AbortSignal): Promise<string> {
  const found = /SYSTEM\$WAIT\s*\(\s*([\d.]+)\s*(?:,\s*'(\w+)'\s*)?\)/i.exec(text);
  if (found === null) return text;
  const [all, amount = '0', unit = 'SECONDS'] = found;
  const ms = Number(amount) * (unit.toUpperCase() === 'MILLISECONDS' ? 1 : 1000);
  if (!describeOnly) await delay(ms, undefined, { signal });
  return text.replace(all, `'waited ${amount} ${unit.toLowerCase()}'`);
}

/** What a driver needs to carry a file, with credentials that nobody but a driver of the account's own may see. */
function stage(verb: string, text: string): Answer {
  const file = /'?(file:\/\/[^\s']+)/.exec(text)?.[1] ?? 'file:///tmp/x.csv';
  return {
    ...query([columnOf('source', 'text'), columnOf('status', 'text')], []),
    command: {
      command: verb === 'PUT' ? 'UPLOAD' : 'DOWNLOAD',
      src_locations: [file.replace('file://', '')],
      localLocation: '/tmp',
      parallel: 4,
      threshold: 209_715_200,
      autoCompress: true,
      overwrite: false,
      sourceCompression: 'auto_detect',
      encryptionMaterial: { queryStageMasterKey: 'c3RhZ2UtbWFzdGVyLWtleQ==', queryId: 'stage', smkId: '9007199254740993' },
      stageInfo: {
        locationType: 'S3',
        location: 'sfc-clinic-stage/stages',
        region: 'us-west-2',
        isClientSideEncrypted: true,
        creds: { AWS_KEY_ID: 'AKIASTAGEKEYSECRET', AWS_SECRET_KEY: 'stage-secret-key-value', AWS_TOKEN: 'stage-session-token' },
      },
    },
  };
}

function bindSql({ type, value }: Bind): string {
  if (value === null) return 'NULL';
  const text = literal(value);
  switch (type.toUpperCase()) {
    case 'FIXED':
      return /^-?\d+(?:\.\d+)?$/.test(value) ? value : `CAST(${text} AS DECIMAL(38,0))`;
    case 'REAL':
      return `CAST(${text} AS DOUBLE)`;
    case 'BOOLEAN':
      return /^(?:true|1)$/i.test(value) ? 'TRUE' : 'FALSE';
    // Milliseconds since 1970.
    case 'DATE':
      return /^-?\d+$/.test(value)
        ? `(DATE '1970-01-01' + CAST(${Math.floor(Number(value) / 86_400_000)} AS INTEGER))`
        : `CAST(${text} AS DATE)`;
    // Nanoseconds.
    case 'TIME':
      return /^\d+$/.test(value) ? `CAST(MAKE_TIMESTAMP(${BigInt(value) / 1000n}) AS TIME)` : `CAST(${text} AS TIME)`;
    case 'TIMESTAMP_NTZ':
      return /^-?\d+$/.test(value) ? `MAKE_TIMESTAMP(${BigInt(value) / 1000n})` : `CAST(${text} AS TIMESTAMP)`;
    case 'TIMESTAMP_LTZ':
    case 'TIMESTAMP_TZ': {
      const [nanos = ''] = value.split(' ');
      return /^-?\d+$/.test(nanos) ? `MAKE_TIMESTAMPTZ(${BigInt(nanos) / 1000n})` : `CAST(${text} AS TIMESTAMPTZ)`;
    }
    case 'BINARY':
      return `UNHEX(${text})`;
    case 'VARIANT':
    case 'OBJECT':
    case 'ARRAY':
      return `CAST(${text} AS JSON)`;
    default:
      return text;
  }
}
