// What the analyser proved about a request. Facts are conservative: a fact may claim more (more columns, more
// effects) than the statement really does, never less. What could not be established is an `Unknown`.

export const EFFECTS = ['read', 'write', 'ddl', 'copy-in', 'copy-out', 'call', 'admin'] as const;
/** What an operation does to a target. Session control (BEGIN, SET of a harmless setting) has no effect. */
export type Effect = (typeof EFFECTS)[number];

export interface RelationUse {
  /** Qualified as the catalogue knows it: `public.patients`; on Snowflake `CLINIC.PUBLIC.PATIENTS`. Columns below likewise. */
  readonly name: string;
  readonly access: 'read' | 'write';
}

/** One column of the answer and what it was made from. */
export interface OutputColumn {
  readonly name: string;
  /** Base columns it depends on, `schema.relation.column`, sorted. */
  readonly sources: readonly string[];
  /** Classes of those columns, sorted; empty = nothing protected flows here. */
  readonly classes: readonly string[];
}

/** A reason why a statement is not proven safe. Never contains a literal of the statement. */
export interface Unknown {
  readonly code:
    | 'syntax'
    | 'too-large'
    | 'too-deep'
    | 'statement-kind'
    | 'node-kind'
    /** It is not there. */
    | 'relation'
    /** It does not take tables, or is not there. */
    | 'schema'
    /** Being in it tells a protected value. */
    | 'partition'
    | 'function'
    | 'operator'
    | 'type'
    | 'setting'
    | 'system-relation'
    | 'session-object'
    /** It does not stand for a value of that class, or may not stand there. */
    | 'token'
    | 'write-of-protected'
    | 'round-trip'
    | 'catalogue'
    | 'server-version'
    /** Where a protected column stands, it would tell a value that the principal does not see (Snowflake: statements run over what is
     *  stored). */
    | 'protected-use'
    /** Two parsers do not mean the same by it. */
    | 'disagreement'
    /** What it names is known when it runs only. */
    | 'dynamic-name'
    /** Files: they pass the masks by. */
    | 'stage'
    /** An answer that this session was not given. */
    | 'result';
  /** What it is about, from a closed vocabulary or a catalogue name: `pg_read_file`, `DoStmt`. */
  readonly what: string;
  /** What the user can do instead; fixed text. */
  readonly remedy: string;
  /** Where in the text, in characters from 1. */
  readonly at?: number;
}

/** How values of a key are compared, and so written down in one way. `integer`: a number that a cast could round. */
export type KeyFamily = 'number' | 'integer' | 'uuid' | 'padded' | 'text';

/** Whose data a statement touches, as far as a key of theirs tells it (docs/subjects.md). */
export interface SubjectUse {
  /** Name of the subject in the configuration. */
  readonly subject: string;
  /** Result columns, from 0, that hold the key as it is stored, or a token for it. */
  readonly outputs: readonly { readonly column: number; readonly family: KeyFamily }[];
  /** Parameters, from 1, that a key is compared with or set to. */
  readonly parameters: readonly { readonly number: number; readonly family: KeyFamily; readonly isArray: boolean }[];
  /** Whoever's rows it touches is among the values of `outputs`, of `parameters`, or of its constants. */
  readonly isClosed: boolean;
  /** Those of its relations that this speaks of. */
  readonly relations: readonly string[];
}

/** A constant of a statement that a key is compared with or set to. Never in a header. */
export interface SubjectConstant {
  readonly subject: string;
  readonly family: KeyFamily;
  readonly text: string;
}

export interface FactsLineage {
  /** Base columns that flow into an output of any of its statements, sorted. */
  readonly shown: readonly string[];
  /** Base columns in predicates, ordering, grouping or other control of rows, sorted. */
  readonly tested: readonly string[];
  /** Relations of which it reads rows without a bound, sorted. */
  readonly open: readonly string[];
}

export interface Facts {
  /** Upper-case command words of each statement: `SELECT`, `DROP TABLE`. */
  readonly verbs: readonly string[];
  readonly statements: number;
  readonly effects: readonly Effect[];
  readonly relations: readonly RelationUse[];
  /** Base columns mentioned or reachable (`schema.relation.column`), sorted. */
  readonly columns: readonly string[];
  /** Classes of protected columns of the relations touched by name or star, sorted. */
  readonly classes: readonly string[];
  /** Columns of the last result-returning statement; empty if none. */
  readonly outputs: readonly OutputColumn[];
  readonly outputClasses: readonly string[];
  /** Classes used in predicates, ordering, grouping or other control of rows. */
  readonly predicateClasses: readonly string[];
  /** What the three above and `unbounded` are made from, whatever is protected: what a record of the request needs, so that it can be
   *  decided again under other classes. Absent = not known. */
  readonly lineage?: FactsLineage;
  /** One for each subject whose data it touches, sorted; absent = none, or none is configured. */
  readonly subjects?: readonly SubjectUse[];
  /** Reads a relation with a protected class without LIMIT, key-bound WHERE or collapsing aggregate. */
  readonly unbounded: boolean;
  /** Outermost constant LIMIT, when there is one. */
  readonly limit: number | null;
  /** Never allowed while this is not empty. */
  readonly unknowns: readonly Unknown[];
  /** Statement text with every constant and comment replaced: safe in headers. Null = unlexable. */
  readonly normalised: string | null;
  /** Fingerprint of the parse tree (PostgreSQL: pg_query's), for grouping; never a cache or approval key. */
  readonly fingerprint: string | null;
}

/** What is known before anything was understood. */
export const NO_FACTS: Facts = {
  verbs: [],
  statements: 0,
  effects: [],
  relations: [],
  columns: [],
  classes: [],
  outputs: [],
  outputClasses: [],
  predicateClasses: [],
  unbounded: false,
  limit: null,
  unknowns: [],
  normalised: null,
  fingerprint: null,
};
