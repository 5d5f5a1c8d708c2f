// Catalogue of a PostgreSQL target as the analyser sees it: immutable snapshot, plus the protection closure.
// Pure: built from rows the adapter fetched (`catalogue-queries.ts`), never does I/O itself.

import type { ColumnName, BoundColumn as StoredBoundColumn } from '../core/ports.ts';

export type { ColumnName };

export type RelationKind = 'table' | 'partitioned' | 'view' | 'matview' | 'foreign' | 'sequence' | 'index' | 'composite' | 'toast';

export interface Column {
  readonly name: string;
  readonly attnum: number;
  readonly typeOid: number;
  /** `format_type(atttypid, atttypmod)`, e.g. `character varying(20)`, `numeric(10,2)`, `public.mood[]`. */
  readonly typeName: string;
  readonly typeSchema: string;
  /** Of a domain: what it is made of, at the bottom. */
  readonly baseType?: { readonly typeName: string; readonly typeSchema: string };
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Generation expression text, or null. */
  readonly generated: string | null;
  /** Text of the default, when there is one. */
  readonly default?: string;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `schema.name`, unquoted. */
  readonly qualified: string;
  readonly kind: RelationKind;
  /** Live columns only, by attnum. */
  readonly columns: readonly Column[];
  readonly byName: ReadonlyMap<string, Column>;
  /** Column names of the primary key; empty when there is none. */
  readonly primaryKey: readonly string[];
  /** Each unique index that is not partial: its column names. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** OIDs of inheritance parents / partition roots, and of children. */
  readonly parents: readonly number[];
  readonly children: readonly number[];
  /** `pg_get_viewdef` for views and materialised views. */
  readonly definition: string | null;
  /** Row-level triggers and rules that run code on writes. */
  readonly triggers: readonly { readonly name: string; readonly functionOid: number }[];
  readonly rowSecurity: boolean;
  readonly persistence: 'permanent' | 'unlogged' | 'temporary';
}

/** A rule of the server that a write can break, and so ask about rows it may not see. */
export interface Restriction {
  /** `key`: unique index or exclusion constraint. `check`: compares columns of one row, as an index expression may.
   *  `reference`: foreign key. */
  readonly kind: 'key' | 'check' | 'reference';
  readonly relation: number;
  /** Columns it reads: keys, and those in its expressions and predicate. */
  readonly columns: readonly string[];
  /** What a foreign key refers to, column by column. */
  readonly target: { readonly relation: number; readonly columns: readonly string[] } | null;
  /** A key in which NULL equals NULL. */
  readonly nullsEqual?: true;
  /** A key in which different texts may be equal: by a collation without case, say. */
  readonly folds?: true;
  /** A check that rows may break already (NOT VALID). */
  readonly unvalidated?: true;
}

/** What decides the partition of a row. */
export interface PartitionKey {
  readonly columns: readonly string[];
  /** Key expressions as text, or null. */
  readonly expressions: string | null;
}

export interface FunctionInfo {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Argument type names, in order, e.g. `integer`, `text`. */
  readonly argTypes: readonly string[];
  /** `schema.name(argtypes)` */
  readonly signature: string;
  readonly kind: 'function' | 'aggregate' | 'window' | 'procedure';
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly language: string;
  readonly returnsSet: boolean;
  /** Name of the extension that owns it, or null. */
  readonly extension: string | null;
  readonly securityDefiner: boolean;
}

/** Why something is not vetted, as a catalogue name or a fixed text; null = vetted. */
export type Refusal = string | null;

export interface Catalogue {
  /** Changes whenever anything the analyser relies on changed. Part of every cache and approval key. */
  readonly version: string;
  readonly serverVersionNum: number;
  readonly database: string;
  relation(schema: string, name: string): Relation | undefined;
  relationByOid(oid: number): Relation | undefined;
  readonly relations: readonly Relation[];
  /** First match on the path. `pg_catalog` is searched first unless the path names it; temp schemas are not in the snapshot. */
  resolveRelation(name: string, searchPath: readonly string[]): Relation | undefined;
  hasSchema(name: string): boolean;
  /** All functions of that name in one schema. */
  functions(schema: string, name: string): readonly FunctionInfo[];
  /** Vetting of a function call by name: every overload reachable must be vetted.
   *  `schema` null = resolved on pg_catalog + `searchPath`. `safe`: signatures policy vouches for. A name that is no
   *  function passes when it is a column (`ssn(p)`) or a vetted type (`int4(x)`). The refusal names catalogue objects only. */
  vetFunction(schema: string | null, name: string, searchPath: readonly string[], safe?: ReadonlySet<string>): Refusal;
  /** Same for an operator name (`+`, `OPERATOR(public.@@@)`). */
  vetOperator(schema: string | null, name: string, searchPath: readonly string[], safe?: ReadonlySet<string>): Refusal;
  /** Same for a type that a cast or a column definition names (`int4`, `_text`): its input, checks of domains, and the
   *  functions of all casts to it. An array type is as its element. */
  vetType(schema: string | null, name: string, searchPath: readonly string[], safe?: ReadonlySet<string>): Refusal;
  /** Unvetted functions that implicit or assignment casts run: any expression may call them, so while there is one that
   *  policy does not vouch for, nothing is understood. */
  readonly implicitCastFunctions: readonly string[];
  /** Unvetted functions that reading this relation runs (views, materialised views, row security). */
  codeOnRead(relationOid: number): readonly string[];
  /** Unvetted functions that writing to this relation itself runs: triggers, rules, checks, defaults, index expressions,
   *  policies, domains. Effects on other relations (partitions, foreign keys) are part of the protection closure. */
  codeOnWrite(relationOid: number): readonly string[];
  /** Unvetted functions that fill this column: default or generation expression. */
  codeOfColumn(relationOid: number, column: string): readonly string[];
  /** Keys, checks and foreign keys of this relation, and foreign keys to it. */
  restrictionsOn(relationOid: number): readonly Restriction[];
  /** Null when the relation is not partitioned. */
  partitionKeyOf(relationOid: number): PartitionKey | null;
  /** Conditions of row security, as text. */
  policiesOf(relationOid: number): readonly string[];
  /** Foreign keys whose action writes to the referencing relation. */
  readonly cascades: readonly { readonly referencing: number; readonly referenced: number }[];
  /** Relation whose row type this type holds: itself, its array, a domain over it, or a composite type around it. */
  rowTypesIn(typeOid: number): readonly number[];
  /** True when `name` is an unvetted one-argument function over a composite, reachable by attribute notation (`p.name`). */
  isAttributeFunction(name: string, safe?: ReadonlySet<string>): boolean;
  /** Identifiers the catalogue knows (relations, columns, schemas, functions, types): may stay in redacted text. */
  knowsIdentifier(name: string): boolean;
}

/** Protection after closure: policy columns, inheritance and partitions both ways, generated columns, views and
 *  materialised views by lineage of their definition (not analysable = every column), foreign tables (opaque). */
export interface Protection {
  readonly catalogue: Catalogue;
  /** Changes with the version of the catalogue, and whenever other columns are protected. */
  readonly version: string;
  /** Classes of one column, sorted; empty = clean. */
  classesOf(relationOid: number, column: string): readonly string[];
  /** Relation has at least one protected column. */
  isProtected(relationOid: number): boolean;
  /** Relation runs unvetted code on write (trigger, rule, check, default, index expression, domain). */
  isOpaqueOnWrite(relationOid: number): boolean;
  /** View that reads protected columns, even if it exposes none, or relation whose row security does: its errors,
   *  notices and plans may carry values. */
  touchesProtected(relationOid: number): boolean;
  /** Partition whose rows were chosen by a protected column: which rows it has tells the value. */
  isTellingPartition(relationOid: number): boolean;
  /** Partitioned by a protected column, itself or below: `tableoid` and plans tell the value. */
  hasTellingPartitions(relationOid: number): boolean;
  /** What a view's column is computed from; a stored column is itself. */
  storedColumns(relationOid: number, column: string): readonly { readonly relation: number; readonly column: string }[];
  /** Relations that a write to this one reaches through views: itself and what it is defined over. */
  storedRelations(relationOid: number): readonly number[];
  /** False when policy lets no class be looked up. */
  readonly hasLookups: boolean;
  /** Policy lets an equality with a known value read this column, provided that a whole key is given. */
  allowsLookup(relationOid: number, column: string): boolean;
  /** What identifies a row: minimal unique keys that hold in every table the relation shows rows of; those of a view are
   *  the keys that it passes through unchanged. `only`: without inheritance children. */
  wholeKeys(relationOid: number, only: boolean): readonly (readonly string[])[];
  /** Whole closure, `schema.relation.column` -> classes. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  /** What is known by number from now on: all that was before and still exists, and what is protected now. */
  readonly bound: readonly BoundColumn[];
  /** Policy patterns that match no column by the name it has now: the columns they are bound to, `schema.relation.column`. */
  readonly renamed: ReadonlyMap<string, ReadonlySet<string>>;
  /** Policy patterns that match no column and are bound to none: they protect nothing. */
  readonly unmatched: readonly string[];
}

/** A column that is protected whatever it is called now. */
export interface BoundColumn extends Omit<StoredBoundColumn, 'name'> {
  /** Null: it holds values of an origin that nobody knows. */
  readonly name: ColumnName | null;
}

/** One column matcher of the policy for one target: `schema.relation.column`, each part a name or with `*`. */
export interface ColumnRule {
  readonly class: string;
  readonly pattern: string;
  /** The class may be looked up: an equality with a known value of a whole key reads the stored column. */
  readonly lookup?: true;
}
