// The seam between SQL understanding and the adapter: text in, facts and a rewritten statement out.
// Facts first: when `facts.unknowns` is not empty, `forward` is null and nothing may be sent.

import type { Facts, KeyFamily, SubjectConstant } from '../core/facts.ts';
import type { Column, Protection, Relation } from './catalogue.ts';
import type { SubjectColumns } from './subject-columns.ts';
import type { PlanTokens, Tokens } from './token-values.ts';

/** SQL expression that stands for a protected column, written over the bare column name; null = shown in clear.
 *  It must keep the column's type or be valid for it, and must not contain a key as a literal. */
export type MaskColumn = (relation: Relation, column: Column, classes: readonly string[]) => string | null;

/** What the session has created so far and a later statement may name. */
export interface SessionObjects {
  /** SQL-level and protocol-level prepared statements are separate name spaces; these are the SQL-level ones. */
  prepared(name: string): Facts | undefined;
  /** What a prepared statement asks of its parameters; undefined also for one without tokens. */
  tokens(name: string): PlanTokens | undefined;
  cursor(name: string): Facts | undefined;
  /** Temporary relations of this session, created through the gate: clean by construction. */
  temporary(name: string): Relation | undefined;
}

/** What no mask hides and an operator may decide about (docs/threat-model.md). */
export interface Residuals {
  /** Texts of definitions: checks, defaults, views, functions, comments. They may embed protected literals. */
  readonly catalogueTexts: 'shown' | 'hidden';
  /** Rows of tables that are partitioned by a protected column come partition by partition; hiding it costs a sort. */
  readonly partitionOrder: 'shown' | 'hidden';
}

export const DEFAULT_RESIDUALS: Residuals = { catalogueTexts: 'shown', partitionOrder: 'hidden' };

export interface PlanContext {
  readonly protection: Protection;
  readonly searchPath: readonly string[];
  readonly maskColumn: MaskColumn;
  /** Null: nothing is shown by tokens to this principal. */
  readonly tokens: Tokens | null;
  readonly objects: SessionObjects;
  /** Function signatures policy vouches for: `public.clinic_label(integer)`. */
  readonly safeFunctions: ReadonlySet<string>;
  /** The same object for all plans of a target; absent = `DEFAULT_RESIDUALS`. */
  readonly residuals?: Residuals;
  /** Keys of subjects; the same object for all plans of a catalogue. Absent = none are configured. */
  readonly subjects?: SubjectColumns;
}

/** How server messages (errors, notices) of this statement are treated. */
export type MessagePolicy =
  /** nothing protected can be in them */
  | 'pass'
  /** drop notices; drop DETAIL, HINT, CONTEXT, column and constraint names */
  | 'trim'
  /** drop notices; SQLSTATE plus a text of ours, except where the statement itself is not understood */
  | 'code-only';

/** Change of session state to apply once the server has confirmed the statement. */
export type SessionChange =
  | { readonly kind: 'prepare'; readonly name: string; readonly facts: Facts; readonly tokens?: PlanTokens }
  | { readonly kind: 'deallocate'; readonly name: string | null }
  | { readonly kind: 'declare'; readonly name: string; readonly facts: Facts; readonly hold: boolean }
  | { readonly kind: 'close'; readonly name: string | null }
  | { readonly kind: 'discard-all' }
  | { readonly kind: 'create-temporary'; readonly relation: Relation }
  | { readonly kind: 'drop-temporary'; readonly name: string }
  | { readonly kind: 'catalogue-changed' };

export interface PlannedStatement {
  readonly verb: string;
  readonly messages: MessagePolicy;
  readonly changes: readonly SessionChange[];
  /** Result rows: what each column is, for the record. Empty for statements without rows. */
  readonly outputs: Facts['outputs'];
  readonly transaction: 'begin' | 'commit' | 'rollback' | 'savepoint' | null;
  readonly copy: 'in' | 'out' | null;
  /** COPY FROM: no token may be in the data, it would be stored as it is. */
  readonly refusesTokens?: true;
  /** For the client, as a NOTICE before the statement's own messages: predicates that saw masks instead of values. */
  readonly notice?: string;
  /** Where keys of subjects are in its rows. */
  readonly subjectOutputs?: readonly SubjectOutput[];
  /** COPY TO with `subjectOutputs`: how its lines are written. */
  readonly copyForm?: 'text' | 'csv';
}

export interface SubjectOutput {
  readonly subject: string;
  /** From 0. */
  readonly column: number;
  readonly family: KeyFamily;
}

export interface Plan {
  readonly facts: Facts;
  /** What to send instead of the client's text; null when refused. Equal to the client's text when nothing had to change. */
  readonly forward: string | null;
  readonly statements: readonly PlannedStatement[];
  /** What its parameters must be; absent = nothing. */
  readonly tokens?: PlanTokens;
  /** Constants that keys of subjects are compared with or set to; absent = none. A text with other constants has others. */
  readonly subjectConstants?: readonly SubjectConstant[];
}

export { plan } from './plan-statement.ts';
