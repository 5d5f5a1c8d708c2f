// Words of the Snowflake engine: what it is told of a target and a session, and what it says of a statement.
// Names are as Snowflake stores them: unquoted identifiers are upper case, `DATABASE.SCHEMA.RELATION.COLUMN`.

import type { MaskSet } from '../../core/decision.ts';
import type { Facts } from '../../core/facts.ts';
import type { Mask } from '../../core/mask.ts';
import type { Opened, TokenReader } from './tokens.ts';

export type RelationKind = 'table' | 'view' | 'matview' | 'external' | 'dynamic' | 'stream' | 'system';

export interface SnowflakeColumn {
  readonly name: string;
  /** `DATA_TYPE` of INFORMATION_SCHEMA.COLUMNS: `TEXT`, `NUMBER`, `TIMESTAMP_NTZ`, `VARIANT`, ... */
  readonly type: string;
  readonly isNullable: boolean;
  /** Of a table that this session made from protected columns, seen in clear: what is in it. Absent = nothing but the catalogue's. */
  readonly classes?: readonly string[];
}

export interface SnowflakeRelation {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  /** In the order of `SELECT *`. Null = not known, and it may not be read. */
  readonly columns: readonly SnowflakeColumn[] | null;
  /** The query of a view, dynamic table or materialised view; null = not readable, so its columns may be made from anything. */
  readonly definition: string | null;
}

/** One state of the target. Immutable: another state is another object. */
export interface SnowflakeCatalogue {
  /** Equal versions are equal catalogues. */
  readonly version: string;
  /** Databases that it was read from; everything else is unknown. */
  readonly databases: ReadonlySet<string>;
  relation(database: string, schema: string, name: string): SnowflakeRelation | undefined;
  readonly relations: readonly SnowflakeRelation[];
}

/** A class of the policy and the columns it covers. */
export interface SnowflakeClassRule {
  readonly class: string;
  /** `schema.relation.column` in every database, or `database.schema.relation.column`; each part a name or with `*`. */
  readonly pattern: string;
  /** Predicates of the class: `equality` = comparing the whole value with constants is allowed; `hold` = the policy's people are asked. */
  readonly predicates?: 'equality' | 'hold';
  /** Dates of one subject move together; absent = those of the whole class do. */
  readonly hasSubject?: true;
}

/** Which columns are protected, closed over views, dynamic tables and streams. */
export interface SnowflakeProtection {
  /** Sorted classes by `DATABASE.SCHEMA.RELATION.COLUMN`. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  /** Relations whose columns may be made from anything: only who sees every class in clear may read them. */
  readonly opaque: ReadonlySet<string>;
  /** Columns of views and the like that are a stored value as it is; others of them are made from values, and shown by constants. */
  readonly stored?: ReadonlySet<string>;
  /** Columns of views that cannot fail when they are computed. */
  readonly total?: ReadonlySet<string>;
}

/** One column of an answer that was given before: what RESULT_SCAN, `->>` and results by id read. */
export interface KnownResult {
  readonly outputs: readonly PlannedOutput[];
}

/** A result that a session may read again. */
export interface SessionResult {
  /** As Snowflake knows it: written into the forwarded text, whatever id the client knows it by. */
  readonly queryId: string;
  /** As planned when it was made; null = a status, or what SHOW and DESCRIBE say: nothing protected is in it, its columns are not known. */
  readonly outputs: readonly PlannedOutput[] | null;
}

/** What names of a statement are looked up in. */
export interface SnowflakeSession {
  readonly database: string | null;
  readonly schema: string | null;
  /** Session variables that were set to constants; others are not known. Upper-case names. */
  readonly variables: ReadonlyMap<string, string>;
  /** Temporary and new tables of this session that the catalogue does not have, by `DATABASE.SCHEMA.NAME`. */
  readonly own: ReadonlyMap<string, SnowflakeRelation>;
  /** Results that this session may read again, by query id: Snowflake's own, or the provisional one that the client was told. */
  result(queryId: string): SessionResult | undefined;
  /** Of LAST_QUERY_ID(); null = there was none. The forwarded text has the id itself, so that a statement in between changes nothing. */
  readonly lastQueryId: string | null;
}

export interface PlanInput {
  readonly text: string;
  /** Bind variables, in order, as JSON gives them: the value, or the values of an array bind. Their classes are never protected, but
   *  tokens among them are opened where a token may stand. */
  readonly binds: readonly Bind[];
  /** Of `MULTI_STATEMENT_COUNT`: how many statements the text may have; 0 = any. */
  readonly statements: number;
}

export interface Bind {
  /** `FIXED`, `TEXT`, ... */
  readonly type: string;
  readonly value: string | null | readonly (string | null)[];
}

export interface PlanContext {
  readonly catalogue: SnowflakeCatalogue;
  readonly protection: SnowflakeProtection;
  readonly rules: readonly SnowflakeClassRule[];
  readonly masks: MaskSet;
  readonly tokens: TokenReader;
  readonly session: SnowflakeSession;
  /** `DATABASE.SCHEMA.NAME` of user functions that the operator vouches for: they tell nothing and fail for no value. Absent = none. */
  readonly safeFunctions?: ReadonlySet<string>;
}

/** One column of the answer. */
export interface PlannedOutput {
  /** As Snowflake will label it; null = made from the expression's text, which is not compared. */
  readonly name: string | null;
  /** Base columns it is made from, `DATABASE.SCHEMA.RELATION.COLUMN`, sorted. */
  readonly sources: readonly string[];
  /** Of those, sorted. */
  readonly classes: readonly string[];
  /** `value`: the stored value of one class, as it is. `derived`: made from protected values; shown by constants only. */
  readonly shape: 'value' | 'derived';
  /** How it is shown; `clear` = passes unchanged. For `derived` of protected columns never more than `redact`. */
  readonly mask: Mask;
  /** Class whose keys make its tokens and digests; null where `mask` needs none. */
  readonly keyClass: string | null;
  /** Output, from 0, with the key of the subject whose dates move together; `class`: all of the class do; null = not known, and
   *  `date-shift` shows NULL. */
  readonly subjectOutput: number | 'class' | null;
}

/** What the session is after the statement ran; applied when it has succeeded. */
export type SessionChange =
  | { readonly kind: 'variable'; readonly name: string; readonly value: string | null }
  | { readonly kind: 'create'; readonly relation: SnowflakeRelation }
  /** `DATABASE.SCHEMA.NAME` of a table, view or other relation that is no more; not an own one: nothing changes. */
  | { readonly kind: 'drop'; readonly name: string }
  | { readonly kind: 'catalogue' };

/** One statement of a request. */
export interface PlannedStatement {
  /** Upper-case command words. */
  readonly verb: string;
  /** Null: it gives no rows of tables, but a status of Snowflake's own (`Table T successfully created.`), which passes. Otherwise the
   *  answer must have exactly these columns. */
  readonly outputs: readonly PlannedOutput[] | null;
  /** An error text of Snowflake may tell a protected value: it is replaced by ours. */
  readonly mayTell: boolean;
  readonly changes: readonly SessionChange[];
}

export interface SnowflakePlan {
  readonly facts: Facts;
  /** What is sent to Snowflake, with tokens opened; null = refused, `facts.unknowns` says why. */
  readonly forward: { readonly text: string; readonly binds: readonly Bind[] } | null;
  readonly statements: readonly PlannedStatement[];
}

export type { Opened, TokenReader };
