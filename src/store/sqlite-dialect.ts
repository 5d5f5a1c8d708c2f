// Kysely dialect over Node's own `node:sqlite`. One connection, used by one query or one transaction at a time (a
// queue, because kysely's callers overlap). Any fault of SQLite leaves as SP_STORE_UNAVAILABLE with its numeric code.
// Never use kysely's `.key()` / `.at()` JSON paths: they were the injection bugs of that library; JSON stays opaque.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  DialectAdapterBase,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
} from 'kysely';
import { SallyportError } from '../core/error.ts';

/** Prepared statements kept per connection. Every query of the store is a constant, so this is never reached. */
const MAX_PREPARED = 200;

/** Result code of SQLite, without its message (which may quote values). */
export function sqliteFault(cause: unknown): SallyportError {
  if (cause instanceof SallyportError) return cause;
  const detail =
    cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number'
      ? `SQLite result code ${cause.errcode}`
      : 'SQLite failed';
  return new SallyportError('SP_STORE_UNAVAILABLE', `the state store cannot be used: ${detail}`, { cause });
}

function parameter(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Uint8Array) return value;
  throw new SallyportError('SP_INTERNAL', `a query parameter has the type ${typeof value}`);
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const parameters = query.parameters.map(parameter);
    try {
      const statement = this.#prepare(query.sql);
      if (statement.columns().length > 0) return { rows: statement.all(...parameters) as Row[] };
      const { changes } = statement.run(...parameters);
      return { rows: [], numAffectedRows: BigInt(changes) };
    } catch (cause) {
      throw sqliteFault(cause);
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    yield await this.executeQuery<Row>(query);
  }

  run(sql: string): void {
    try {
      this.#database.exec(sql);
    } catch (cause) {
      throw sqliteFault(cause);
    }
  }

  /** True while a transaction is open; SQLite ends one by itself after some faults (full disk). */
  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known) return known;
    if (this.#prepared.size >= MAX_PREPARED) this.#prepared.clear();
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

class SqliteDriver implements Driver {
  readonly #database: DatabaseSync;
  readonly #connection: SqliteConnection;
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#connection = new SqliteConnection(database);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }

  /** `immediate`: the write lock is taken at the start, so a transaction never fails half-way for being too late. */
  async beginTransaction(): Promise<void> {
    this.#connection.run('begin immediate');
  }

  async commitTransaction(): Promise<void> {
    this.#connection.run('commit');
  }

  async rollbackTransaction(): Promise<void> {
    if (this.#connection.inTransaction) this.#connection.run('rollback');
  }

  async destroy(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }
}

class SqliteAdapter extends DialectAdapterBase {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  override get supportsReturning(): boolean {
    return true;
  }

  /** One gateway per data directory (`lockDataDirectory`), one connection per gateway: nobody to lock out. */
  async acquireMigrationLock(): Promise<void> {}
  async releaseMigrationLock(): Promise<void> {}
}

export class NodeSqliteDialect implements Dialect {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#database);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): SqliteAdapter {
    return new SqliteAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}
