// What one session's statements are planned with: where unqualified names are looked up, variables, tables of its own, and results
// that it may read again. It follows what the account answers; after a failure it keeps only what is certain.

import { SallyportError } from '../../core/error.ts';
import type {
  PlannedOutput,
  PlannedStatement,
  SessionChange,
  SessionResult,
  SnowflakeRelation,
  SnowflakeSession,
} from '../../sql/snowflake/types.ts';
import { type JsonObject, textAt } from './protocol.ts';
import type { SnowflakeRowType } from './results/index.ts';

const maxVariables = 1_000;
const maxRelations = 10_000;
const maxResults = 2_000;

export class SessionState implements SnowflakeSession {
  readonly variables = new Map<string, string>();
  readonly own = new Map<string, SnowflakeRelation>();
  readonly #results = new Map<string, SessionResult>();
  /** Ids that clients were told while the account had given none. */
  readonly #aliases = new Map<string, string>();
  #database: string | null = null;
  #schema: string | null = null;
  #lastQueryId: string | null = null;
  /** Grows with everything that may change what a statement means. */
  #version = 0;

  get database(): string | null {
    return this.#database;
  }

  get schema(): string | null {
    return this.#schema;
  }

  get lastQueryId(): string | null {
    return this.#lastQueryId;
  }

  get version(): number {
    return this.#version;
  }

  result(id: string): SessionResult | undefined {
    const lower = id.toLowerCase();
    return this.#results.get(this.#aliases.get(lower) ?? lower);
  }

  /** @param alias what the client was told before the account gave an id */
  alias(alias: string, queryId: string): void {
    this.#aliases.set(alias.toLowerCase(), queryId.toLowerCase());
    for (const [oldest] of this.#aliases) {
      if (this.#aliases.size <= maxResults) break;
      this.#aliases.delete(oldest);
    }
  }

  /** Where the log-in put the session. */
  begin(info: JsonObject): void {
    this.#move(textAt(info, 'databaseName'), textAt(info, 'schemaName'));
  }

  /** @param data of the answer: it says where the session is now. */
  succeeded(statements: readonly PlannedStatement[], data: JsonObject): void {
    this.#follow(data);
    for (const { changes } of statements) for (const change of changes) this.#apply(change);
  }

  /** It should not have been run; that it was not is the account's word. */
  described(statements: readonly PlannedStatement[], data: JsonObject): void {
    this.#follow(data);
    this.failed(statements);
  }

  #follow(data: JsonObject): void {
    if (!Object.hasOwn(data, 'finalDatabaseName') && !Object.hasOwn(data, 'finalSchemaName')) return;
    this.#move(textAt(data, 'finalDatabaseName'), textAt(data, 'finalSchemaName'));
  }

  /** Some of it may have happened. */
  failed(statements: readonly PlannedStatement[]): void {
    const changes = statements.flatMap((statement) => statement.changes);
    if (changes.some(({ kind }) => kind === 'variable')) this.variables.clear();
    // Whether a table of its own is there, and with which columns, is not known: it may not be read.
    for (const change of changes) {
      const name = change.kind === 'create' ? keyOf(change.relation) : change.kind === 'drop' ? change.name : null;
      const known = name === null ? undefined : this.own.get(name);
      if (name !== null && known !== undefined) this.own.set(name, { ...known, columns: null });
    }
    if (changes.length > 0) this.#version += 1;
  }

  /** Where the session is now is not known: names that are not qualified are looked up nowhere. */
  lost(): void {
    this.#move(null, null);
  }

  /** A result that may be read again. @param rowtype of the answer, for names that were not planned. */
  know(queryId: string, outputs: readonly PlannedOutput[] | null, rowtype: readonly SnowflakeRowType[]): void {
    const known = outputs?.map((output, index) => ({ ...output, name: rowtype[index]?.name ?? output.name })) ?? null;
    this.#results.delete(queryId.toLowerCase());
    this.#results.set(queryId.toLowerCase(), { queryId, outputs: known });
    for (const [oldest] of this.#results) {
      if (this.#results.size <= maxResults) break;
      this.#results.delete(oldest);
    }
  }

  last(queryId: string | null): void {
    this.#lastQueryId = queryId;
  }

  #move(database: string | null, schema: string | null): void {
    if (database === this.#database && schema === this.#schema) return;
    this.#database = database;
    this.#schema = schema;
    this.#version += 1;
  }

  #apply(change: SessionChange): void {
    this.#version += 1;
    switch (change.kind) {
      case 'variable':
        if (change.value === null) this.variables.delete(change.name);
        else if (this.variables.size < maxVariables || this.variables.has(change.name)) this.variables.set(change.name, change.value);
        return;
      case 'create':
        if (this.own.size >= maxRelations) throw new SallyportError('SP_SESSION_LIMIT', 'too many tables of one session');
        this.own.set(keyOf(change.relation), change.relation);
        return;
      case 'drop':
        this.own.delete(change.name);
        return;
      case 'catalogue':
    }
  }
}

const keyOf = ({ database, schema, name }: SnowflakeRelation): string => `${database}.${schema}.${name}`;
