// Protection closure: from the columns policy names to every column of the target that can hold their values.
// Steps, to a fixpoint: policy patterns; inheritance and partitions both ways; generated columns; foreign keys to protected
// columns (they hold the same values); columns whose type holds a protected row; views and materialised views by lineage of their definition. What cannot be analysed counts as
// protected: foreign tables and columns filled by unvetted code carry the class `opaque`, a view that cannot be analysed
// carries every class that reaches it, and `opaque` when it may read something unknown.

import { createHash } from 'node:crypto';
import type { BoundColumn, Catalogue, ColumnRule, Protection, Relation } from './catalogue.ts';
import { vouched } from './catalogue-functions.ts';
import type { StatementLineage } from './lineage.ts';
import type { Parser } from './parser.ts';
import { applyNames, boundColumns, Coverage } from './protection-bound.ts';
import { Closure, NO_SOURCES, OPAQUE_SOURCE, SourceBook } from './protection-closure.ts';
import { wholeKeysOf } from './protection-keys.ts';
import { findTellingPartitions } from './protection-partitions.ts';
import { analyseView, columnsIn, policyReads } from './protection-views.ts';
import type { ColumnRef, ViewFacts } from './protection-views.ts';
import { isSystemSchema } from './system-relations.ts';

const NO_CLASSES: readonly string[] = [];

/** Computes the closure for one target and policy. Pure.
 *  @param safeFunctions signatures policy vouches for: definitions that call them are not opaque.
 *  @param bound `Protection.bound` of earlier catalogues of the same database, under whatever policy: a renamed column stays
 *  protected for as long as policy gives it a name that it had. */
export function protect(
  catalogue: Catalogue,
  rules: readonly ColumnRule[],
  parser: Parser,
  lineage: StatementLineage,
  safeFunctions: ReadonlySet<string> = new Set(),
  bound: readonly BoundColumn[] = [],
): Protection {
  const relations = catalogue.relations.filter((relation) => !isSystemSchema(relation.schema) && relation.kind !== 'composite');
  const book = new SourceBook(rules);
  const closure = new Closure(catalogue, book, (code) => code.some((each) => !vouched(each, safeFunctions)));
  const coverage = new Coverage(book);
  const { named, renamed, unmatched } = applyNames(relations, coverage, bound, closure);
  if (rules.length > 0) applyOpaque(relations, closure);

  const generated = relations.flatMap((relation) =>
    relation.columns
      .filter((column) => column.generated !== null)
      .map((column) => ({ relation, column, sources: columnsIn(column.generated ?? '', relation, parser) })),
  );
  const views = new Map<number, ViewFacts>();
  for (const relation of relations) {
    if (relation.kind === 'view' || relation.kind === 'matview') views.set(relation.oid, analyseView(relation, catalogue, parser, lineage));
  }

  do {
    closure.changed = false;
    for (const relation of relations) spreadInheritance(relation, closure);
    for (const { relation, column, sources } of generated) {
      for (const source of sources) closure.add(relation, column.name, closure.sourcesOf(relation.oid, source));
    }
    for (const relation of relations) spreadReferences(relation, closure);
    for (const relation of relations) spreadRowTypes(relation, closure);
    if (rules.length > 0) for (const [oid, facts] of views) spreadView(oid, facts, closure);
  } while (closure.changed);

  const touched = rules.length > 0 ? findTouching(relations, views, closure, parser) : new Set<number>();
  const opaque = findOpaqueOnWrite(catalogue, relations, views, closure);
  const lookups = new Set(rules.flatMap((rule) => (rule.lookup === true ? [rule.class] : [])));
  const telling = findTellingPartitions(relations, catalogue, parser, views, (oid, column) => closure.isProtectedColumn(oid, column));
  const classes = closure.classes();
  const classesOf = (oid: number, column: string): readonly string[] => classes.get(oid)?.get(column) ?? NO_CLASSES;
  const columns = listColumns(catalogue, classes);
  return {
    version: versionOf(catalogue, columns),
    catalogue,
    classesOf,
    isProtected: (oid) => closure.isProtected(oid),
    isOpaqueOnWrite: (oid) => opaque.has(oid),
    touchesProtected: (oid) => touched.has(oid),
    isTellingPartition: (oid) => telling.partitions.has(oid),
    hasTellingPartitions: (oid) => telling.roots.has(oid),
    storedColumns: (oid, column) => storedColumns(oid, column, catalogue, views, new Set()),
    storedRelations: (oid) => [...storedRelations(oid, views)],
    hasLookups: lookups.size > 0,
    allowsLookup: (oid, column) => allowsLookup(classesOf(oid, column), lookups),
    wholeKeys: wholeKeysOf(catalogue, views, (oid, column) => closure.isProtectedColumn(oid, column)),
    bound: boundColumns(relations, coverage, bound, named, closure),
    columns,
    renamed,
    unmatched,
  };
}

/** Every class of a column must allow it: the strictest counts. */
const allowsLookup = (classes: readonly string[], lookups: ReadonlySet<string>): boolean =>
  classes.length > 0 && classes.every((each) => lookups.has(each));

type Classes = ReadonlyMap<number, ReadonlyMap<string, readonly string[]>>;

function listColumns(catalogue: Catalogue, classes: Classes): ReadonlyMap<string, readonly string[]> {
  const all: [string, readonly string[]][] = [];
  for (const [oid, columns] of classes) {
    const qualified = catalogue.relationByOid(oid)?.qualified ?? '';
    for (const [column, its] of columns) all.push([`${qualified}.${column}`, its]);
  }
  return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function versionOf(catalogue: Catalogue, columns: ReadonlyMap<string, readonly string[]>): string {
  const hash = createHash('sha256').update(catalogue.version);
  for (const entry of columns) hash.update(JSON.stringify(entry));
  return hash.digest('hex').slice(0, 32);
}

/** Foreign tables, and columns that unvetted code fills. */
function applyOpaque(relations: readonly Relation[], closure: Closure): void {
  for (const relation of relations) {
    if (relation.kind === 'foreign') closure.addToAll(relation, OPAQUE_SOURCE);
    for (const column of relation.columns) {
      if (closure.runsUnvetted(closure.catalogue.codeOfColumn(relation.oid, column.name)))
        closure.add(relation, column.name, OPAQUE_SOURCE);
    }
  }
}

/** A foreign key column holds values of the column it refers to. */
function spreadReferences(relation: Relation, closure: Closure): void {
  for (const { kind, relation: referencing, columns, target } of closure.catalogue.restrictionsOn(relation.oid)) {
    if (kind !== 'reference' || referencing !== relation.oid || target === null) continue;
    columns.forEach((column, index) => closure.add(relation, column, closure.sourcesOf(target.relation, target.columns[index] ?? '')));
  }
}

/** Follows views down to what is stored. */
function storedColumns(
  oid: number,
  name: string,
  catalogue: Catalogue,
  views: ReadonlyMap<number, ViewFacts>,
  seen: Set<string>,
): readonly ColumnRef[] {
  const facts = views.get(oid);
  if (facts === undefined) return [{ relation: oid, column: name }];
  if (seen.has(`${oid} ${name}`)) return [];
  seen.add(`${oid} ${name}`);
  const index = catalogue.relationByOid(oid)?.columns.findIndex((column) => column.name === name) ?? -1;
  // Not analysable: it may be any column below.
  const sources =
    facts.outputs === null
      ? facts.relations.flatMap((relation) =>
          (catalogue.relationByOid(relation)?.columns ?? []).map(({ name: column }) => ({ relation, column })),
        )
      : (facts.outputs[index] ?? []);
  return sources.flatMap((source) => storedColumns(source.relation, source.column, catalogue, views, seen));
}

function storedRelations(oid: number, views: ReadonlyMap<number, ViewFacts>): ReadonlySet<number> {
  const found = new Set([oid]);
  for (const each of found) for (const below of views.get(each)?.relations ?? []) found.add(below);
  return found;
}

/** A parent shows the rows of its children; a child was made to hold what the parent holds. */
function spreadInheritance(relation: Relation, closure: Closure): void {
  for (const oid of [...relation.parents, ...relation.children]) {
    const relative = closure.catalogue.relationByOid(oid);
    if (relative === undefined) continue;
    for (const column of relation.columns) closure.add(relative, column.name, closure.sourcesOf(relation.oid, column.name));
  }
}

/** A column of type `patients`, `patients[]` or a domain over it holds whole rows. */
function spreadRowTypes(relation: Relation, closure: Closure): void {
  for (const column of relation.columns) {
    for (const oid of closure.catalogue.rowTypesIn(column.typeOid)) closure.add(relation, column.name, closure.sourcesIn(oid));
  }
}

function spreadView(oid: number, facts: ViewFacts, closure: Closure): void {
  const view = closure.catalogue.relationByOid(oid);
  if (view === undefined) return;
  const below = facts.relations.reduce((all, read) => closure.book.union(all, closure.sourcesIn(read)), NO_SOURCES);
  const unknown = closure.book.union(OPAQUE_SOURCE, below);
  if (closure.runsUnvetted(closure.catalogue.codeOnRead(oid))) closure.addToAll(view, unknown);
  if (facts.outputs === null) {
    closure.addToAll(view, facts.readsUnknown ? unknown : below);
    return;
  }
  facts.outputs.forEach((sources, index) => {
    const column = view.columns[index];
    if (column === undefined) return;
    for (const source of sources) closure.add(view, column.name, closure.sourcesOf(source.relation, source.column));
  });
}

/** Views that read protected columns somewhere below, exposed or not, and relations whose row security does. */
function findTouching(
  relations: readonly Relation[],
  views: ReadonlyMap<number, ViewFacts>,
  closure: Closure,
  parser: Parser,
): ReadonlySet<number> {
  const touching = new Set<number>();
  const guarded = relations.flatMap((relation) => {
    const texts = closure.catalogue.policiesOf(relation.oid);
    return texts.length === 0 ? [] : [{ relation, reads: texts.map((text) => policyReads(text, relation, closure.catalogue, parser)) }];
  });
  for (let before = -1; before !== touching.size;) {
    before = touching.size;
    for (const { relation, reads } of guarded) {
      const isTouching =
        closure.runsUnvetted(closure.catalogue.codeOnRead(relation.oid)) ||
        reads.some(
          (read) =>
            read.readsUnknown ||
            read.relations.some((oid) => closure.isProtected(oid) || touching.has(oid)) ||
            read.own.some((column) => closure.isProtectedColumn(relation.oid, column)),
        );
      if (isTouching) touching.add(relation.oid);
    }
    for (const [oid, facts] of views) {
      const reads =
        facts.outputs === null
          ? facts.readsUnknown || facts.relations.some((read) => closure.isProtected(read))
          : facts.columns.some((read) => closure.isProtectedColumn(read.relation, read.column));
      if (reads || closure.runsUnvetted(closure.catalogue.codeOnRead(oid)) || facts.relations.some((read) => touching.has(read)))
        touching.add(oid);
    }
  }
  return touching;
}

/** Relations whose writes run unvetted code, here or where the write spreads to: partitions and children, referencing
 *  tables of cascading foreign keys (their failing rows are printed in messages), and what a view writes to. */
function findOpaqueOnWrite(
  catalogue: Catalogue,
  relations: readonly Relation[],
  views: ReadonlyMap<number, ViewFacts>,
  closure: Closure,
): ReadonlySet<number> {
  const opaque = new Set<number>();
  for (const relation of relations) {
    if (relation.kind === 'foreign' || closure.runsUnvetted(catalogue.codeOnWrite(relation.oid))) opaque.add(relation.oid);
  }
  for (let before = -1; before !== opaque.size;) {
    before = opaque.size;
    for (const relation of relations) {
      // Writes go down to partitions and children; triggers of a partitioned table are cloned to its partitions.
      if (relation.children.some((child) => opaque.has(child))) opaque.add(relation.oid);
      if (views.get(relation.oid)?.relations.some((base) => opaque.has(base) || closure.isProtected(base)) === true)
        opaque.add(relation.oid);
    }
    for (const { referencing, referenced } of catalogue.cascades) {
      if (opaque.has(referencing) || closure.isProtected(referencing)) opaque.add(referenced);
    }
  }
  return opaque;
}
