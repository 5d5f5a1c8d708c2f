// What a view's definition reads, from its lineage. The definition text comes from the server with every name qualified,
// so it is resolved on an empty path.

import type { Catalogue, Relation } from './catalogue.ts';
import type { Lineage, Origin, StatementLineage } from './lineage.ts';
import type { Node, Parser } from './parser.ts';
import { controlOf } from './protection-control.ts';
import { hiddenColumns } from './system-filters.ts';
import { isReadableSystemRelation, isSystemSchema } from './system-relations.ts';

export interface ColumnRef {
  readonly relation: number;
  readonly column: string;
}

export interface ViewFacts {
  /** Sources of each column, in the order of the view's columns; null when the definition could not be analysed. */
  readonly outputs: readonly (readonly ColumnRef[])[] | null;
  /** The base column that each column of the view shows unchanged; null when there is none to rely on. */
  readonly origins: readonly (Origin | null)[] | null;
  /** Columns that decide which rows it has; null when they are not all known. */
  readonly predicates: readonly ColumnRef[] | null;
  /** Every column that is read, for output or for control. */
  readonly columns: readonly ColumnRef[];
  /** Relations the definition names. */
  readonly relations: readonly number[];
  /** It names something that is not in the catalogue or that a client may not read itself, or it could not be parsed. */
  readonly readsUnknown: boolean;
}

const UNREADABLE: ViewFacts = { outputs: null, origins: null, predicates: null, columns: [], relations: [], readsUnknown: true };

export function analyseView(view: Relation, catalogue: Catalogue, parser: Parser, lineage: StatementLineage): ViewFacts {
  const parsed = parser.parse(view.definition ?? '');
  const statement = parsed.ok && parsed.tree.stmts?.length === 1 ? parsed.tree.stmts[0]?.stmt : undefined;
  if (statement === undefined) return UNREADABLE;
  const named = relationsIn(statement, catalogue);
  const facts = lineageOf(statement, catalogue, lineage);
  const control = controlOf(statement, catalogue);
  const outputs = facts?.outputs.map(({ sources }, index) =>
    [...sources, ...(control[index] ?? [])].map((source) => columnRef(source, catalogue)),
  );
  const columns = facts?.columns.map((source) => columnRef(source, catalogue));
  if (
    named.readsUnknown ||
    outputs === undefined ||
    columns === undefined ||
    outputs.length !== view.columns.length ||
    columns.includes(null) ||
    outputs.flat().includes(null)
  ) {
    const mayReadHidden = named.relations.some((oid) => hiddenIn(oid, catalogue).size > 0);
    return { outputs: null, origins: null, predicates: null, columns: [], ...named, readsUnknown: named.readsUnknown || mayReadHidden };
  }
  if (columns.some((read) => read !== null && hiddenIn(read.relation, catalogue).has(read.column))) {
    return { outputs: null, origins: null, predicates: null, columns: [], ...named, readsUnknown: true };
  }
  const predicates = facts?.predicates.map((source) => columnRef(source, catalogue)) ?? [];
  const isKnown = (ref: ColumnRef | null): ref is ColumnRef => ref !== null;
  // An arm of a set operation adds values that are not the column's.
  const combines = /\b(union|intersect|except)\b/i.test(view.definition ?? '');
  return {
    outputs: outputs.map((sources) => sources.filter(isKnown)),
    origins: combines ? null : (facts?.outputs.map(({ origin }) => origin) ?? null),
    predicates: predicates.every(isKnown) ? predicates : null,
    columns: columns.filter(isKnown),
    ...named,
  };
}

/** `CREATE VIEW v AS SELECT * FROM pg_settings` would show what the filter of that relation hides. */
function hiddenIn(oid: number, catalogue: Catalogue): ReadonlySet<string> {
  const relation = catalogue.relationByOid(oid);
  return relation === undefined ? new Set() : hiddenColumns(relation);
}

function lineageOf(statement: Node, catalogue: Catalogue, lineage: StatementLineage): Lineage | null {
  try {
    return lineage(statement, { catalogue, searchPath: [], temporary: () => undefined });
  } catch {
    return null;
  }
}

/** Relations that range variables anywhere in the tree name; names of CTEs are unqualified and name no relation. */
function relationsIn(statement: Node, catalogue: Catalogue): { readonly relations: readonly number[]; readonly readsUnknown: boolean } {
  const relations = new Set<number>();
  const ctes = new Set<string>();
  const unqualified = new Set<string>();
  let readsUnknown = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (typeof value === 'object' && value !== null) for (const [field, item] of Object.entries(value)) visitField(field, item);
  };
  const visitField = (field: string, item: unknown): void => {
    if (field === 'RangeVar') {
      const { schemaname, relname = '' } = item as { schemaname?: string; relname?: string };
      const relation = schemaname === undefined ? catalogue.resolveRelation(relname, []) : catalogue.relation(schemaname, relname);
      if (relation !== undefined) relations.add(relation.oid);
      else if (schemaname === undefined) unqualified.add(relname);
      else readsUnknown = true;
    } else if (field === 'CommonTableExpr') {
      ctes.add((item as { ctename?: string }).ctename ?? '');
    }
    visit(item);
  };
  visit(statement);
  if ([...unqualified].some((name) => !ctes.has(name))) readsUnknown = true;
  for (const oid of relations) {
    const read = catalogue.relationByOid(oid);
    // `CREATE VIEW v AS SELECT * FROM pg_stats` shows sampled values under a clean name.
    if (read !== undefined && isSystemSchema(read.schema) && !isReadableSystemRelation(read.schema, read.name)) readsUnknown = true;
  }
  return { relations: [...relations], readsUnknown };
}

/** What a condition of row security reads: other relations, and columns of the relation it guards. */
export function policyReads(
  text: string,
  relation: Relation,
  catalogue: Catalogue,
  parser: Parser,
): { readonly relations: readonly number[]; readonly own: readonly string[]; readonly readsUnknown: boolean } {
  const parsed = parser.parse(`SELECT ${text}`);
  const statement = parsed.ok && parsed.tree.stmts?.length === 1 ? parsed.tree.stmts[0]?.stmt : undefined;
  if (statement === undefined) return { relations: [], own: [], readsUnknown: true };
  return { ...relationsIn(statement, catalogue), own: columnsIn(text, relation, parser) };
}

/** `schema.relation.column`; names may contain dots, so every split that the catalogue knows is tried. */
function columnRef(source: string, catalogue: Catalogue): ColumnRef | null {
  for (let first = source.indexOf('.'); first !== -1; first = source.indexOf('.', first + 1)) {
    for (let second = source.indexOf('.', first + 1); second !== -1; second = source.indexOf('.', second + 1)) {
      const relation = catalogue.relation(source.slice(0, first), source.slice(first + 1, second));
      const column = source.slice(second + 1);
      if (relation !== undefined && (relation.byName.has(column) || SYSTEM_COLUMNS.has(column))) return { relation: relation.oid, column };
    }
  }
  return null;
}

const SYSTEM_COLUMNS = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);

/** Columns of `relation` that an expression of the server mentions; all of them when it cannot be parsed or uses the row. */
export function columnsIn(expression: string, relation: Relation, parser: Parser): readonly string[] {
  const all = relation.columns.map((column) => column.name);
  const parsed = parser.parse(`SELECT ${expression}`);
  if (!parsed.ok) return all;
  const found = new Set<string>();
  let usesRow = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (typeof value === 'object' && value !== null) {
      for (const [field, item] of Object.entries(value)) {
        if (field === 'ColumnRef') {
          const last = (item as { fields?: readonly { String?: { sval?: string } }[] }).fields?.at(-1)?.String?.sval;
          if (last !== undefined && relation.byName.has(last)) found.add(last);
          else usesRow = true;
        }
        visit(item);
      }
    }
  };
  visit(parsed.tree.stmts);
  return usesRow ? all : [...found];
}
