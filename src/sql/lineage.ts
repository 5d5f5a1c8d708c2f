// Column lineage: which base columns each output depends on. Conservative: when a name cannot be placed exactly, every
// candidate counts. It explains, classifies and decides writes; masking itself does not rest on it (see rewrite).

import type { Catalogue, Relation } from './catalogue.ts';
import type { LineageEvidence } from './lineage-evidence.ts';
import type { Node } from './parser.ts';

export interface LineageOutput {
  readonly name: string;
  /** `schema.relation.column` (columns of views are not expanded here), sorted. */
  readonly sources: readonly string[];
  /** The base column that is passed through unchanged, if it is surely one. */
  readonly origin: Origin | null;
}

/** A column of one reading of a relation. */
export interface Origin {
  /** The same object for all columns of that reading. */
  readonly instance: { readonly relation: string };
  readonly column: string;
}

export interface Lineage {
  readonly outputs: readonly LineageOutput[];
  /** Every column that may be read, sorted. */
  readonly columns: readonly string[];
  /** Columns that control rows or their order: WHERE, ON, GROUP BY, HAVING, ORDER BY, DISTINCT, window definitions,
   *  LIMIT, FILTER, min/max arguments, set operations other than UNION ALL. Sorted. */
  readonly predicates: readonly string[];
  /** Columns written by INSERT/UPDATE/MERGE/COPY FROM: target column -> sources of the value. */
  readonly writes: readonly { readonly column: string; readonly sources: readonly string[] }[];
  /** Reads at least one relation without LIMIT, key-bound WHERE or collapsing aggregate: those relations, `schema.name`. */
  readonly unboundedRelations: readonly string[];
  readonly limit: number | null;
  /** Only when the context asks for it; null = not known. */
  readonly evidence?: LineageEvidence | null;
}

export interface LineageContext {
  readonly catalogue: Pick<Catalogue, 'relation' | 'resolveRelation' | 'functions'>;
  readonly searchPath: readonly string[];
  /** Temporary relations of the session. */
  temporary(name: string): Relation | undefined;
  readonly wantsEvidence?: boolean;
}

export type StatementLineage = (statement: Node, context: LineageContext) => Lineage;

export { lineage } from './lineage-statement.ts';
