// Protection closure: from the columns policy names to every column of the target that can hold their values.
// Steps, to a fixpoint: policy patterns; inheritance and partitions both ways; generated columns; foreign keys to protected
// columns (they hold the same values); columns whose type holds a protected row; views and materialised views by lineage of their definition. What cannot be analysed counts as
// protected: foreign tables and columns filled by unvetted code carry the class `opaque`, a view that cannot be analysed
// carries every class that reaches it, and `opaque` when it may read something unknown.

import type { BoundColumn, Catalogue, ColumnRule, Protection, Relation } from './catalogue.ts';
import { vouched } from './catalogue-functions.ts';
import type { StatementLineage } from './lineage.ts';
import type { Parser } from './parser.ts';
import { wholeKeysOf } from './protection-keys.ts';
import { findTellingPartitions } from './protection-partitions.ts';
import { analyseView, columnsIn, policyReads } from './protection-views.ts';
import type { ColumnRef, ViewFacts } from './protection-views.ts';
import { isSystemSchema } from './system-relations.ts';

/** Class of data whose origin the gateway cannot know. Policy may give it a mask; without one it is redacted. */
export const OPAQUE_CLASS = 'opaque';

const NO_CLASSES: readonly string[] = [];

/** Computes the closure for one target and policy. Pure.
 *  @param safeFunctions signatures policy vouches for: definitions that call them are not opaque.
 *  @param bound what an earlier protection of the same policy was bound to: a renamed column stays protected. */
export function protect(
  catalogue: Catalogue,
  rules: readonly ColumnRule[],
  parser: Parser,
  lineage: StatementLineage,
  safeFunctions: ReadonlySet<string> = new Set(),
  bound: readonly BoundColumn[] = [],
): Protection {
  const relations = catalogue.relations.filter((relation) => !isSystemSchema(relation.schema) && relation.kind !== 'composite');
  const closure = new Closure(catalogue, (code) => code.some((each) => !vouched(each, safeFunctions)));
  applyBound(bound, closure);
  const unmatched = applyRules(relations, rules, closure);
  const named = boundColumns(relations, closure);
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
      for (const source of sources) closure.add(relation, column.name, closure.classesOf(relation.oid, source));
    }
    for (const relation of relations) spreadReferences(relation, closure);
    for (const relation of relations) spreadRowTypes(relation, closure);
    if (rules.length > 0) for (const [oid, facts] of views) spreadView(oid, facts, closure);
  } while (closure.changed);

  const touched = rules.length > 0 ? findTouching(relations, views, closure, parser) : new Set<number>();
  const opaque = findOpaqueOnWrite(catalogue, relations, views, closure);
  const lookups = new Set(rules.flatMap((rule) => (rule.lookup === true ? [rule.class] : [])));
  const telling = findTellingPartitions(relations, catalogue, parser, views, (oid, column) => closure.classesOf(oid, column).length > 0);
  return {
    catalogue,
    classesOf: (oid, column) => closure.classesOf(oid, column),
    isProtected: (oid) => closure.isProtected(oid),
    isOpaqueOnWrite: (oid) => opaque.has(oid),
    touchesProtected: (oid) => touched.has(oid),
    isTellingPartition: (oid) => telling.partitions.has(oid),
    hasTellingPartitions: (oid) => telling.roots.has(oid),
    storedColumns: (oid, column) => storedColumns(oid, column, catalogue, views, new Set()),
    storedRelations: (oid) => [...storedRelations(oid, views)],
    hasLookups: lookups.size > 0,
    allowsLookup: (oid, column) => allowsLookup(closure.classesOf(oid, column), lookups),
    wholeKeys: wholeKeysOf(catalogue, views, (oid, column) => closure.classesOf(oid, column).length > 0),
    bound: [...named, ...storedBelow(relations, closure, named)],
    columns: closure.all(),
    unmatched,
  };
}

/** Every class of a column must allow it: the strictest counts. */
const allowsLookup = (classes: readonly string[], lookups: ReadonlySet<string>): boolean =>
  classes.length > 0 && classes.every((each) => lookups.has(each));

class Closure {
  changed = false;
  readonly catalogue: Catalogue;
  readonly runsUnvetted: (code: readonly string[]) => boolean;
  readonly #classes = new Map<number, Map<string, readonly string[]>>();

  constructor(catalogue: Catalogue, runsUnvetted: (code: readonly string[]) => boolean) {
    this.catalogue = catalogue;
    this.runsUnvetted = runsUnvetted;
  }

  classesOf(oid: number, column: string): readonly string[] {
    return this.#classes.get(oid)?.get(column) ?? NO_CLASSES;
  }

  isProtected(oid: number): boolean {
    return this.#classes.has(oid);
  }

  /** Every class of the relation. */
  classesIn(oid: number): readonly string[] {
    return [...new Set([...(this.#classes.get(oid)?.values() ?? [])].flat())];
  }

  add(relation: Relation, column: string, classes: readonly string[]): void {
    if (classes.length === 0 || !relation.byName.has(column)) return;
    const before = this.classesOf(relation.oid, column);
    const missing = classes.filter((each) => !before.includes(each));
    if (missing.length === 0) return;
    let columns = this.#classes.get(relation.oid);
    if (columns === undefined) this.#classes.set(relation.oid, (columns = new Map<string, readonly string[]>()));
    columns.set(column, [...new Set([...before, ...missing])].sort());
    this.changed = true;
  }

  addToAll(relation: Relation, classes: readonly string[]): void {
    for (const column of relation.columns) this.add(relation, column.name, classes);
  }

  all(): ReadonlyMap<string, readonly string[]> {
    const all = new Map<string, readonly string[]>();
    for (const [oid, columns] of this.#classes) {
      const qualified = this.catalogue.relationByOid(oid)?.qualified ?? '';
      for (const [column, classes] of columns) all.set(`${qualified}.${column}`, classes);
    }
    return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** @returns the patterns that matched nothing. */
function applyRules(relations: readonly Relation[], rules: readonly ColumnRule[], closure: Closure): readonly string[] {
  const unmatched: string[] = [];
  for (const rule of rules) {
    const matches = matcher(rule.pattern);
    let found = false;
    for (const relation of relations) {
      for (const column of relation.columns) {
        if (!matches(relation, column.name)) continue;
        found = true;
        closure.add(relation, column.name, [rule.class]);
      }
    }
    if (!found) unmatched.push(rule.pattern);
  }
  return unmatched;
}

/** `schema.relation.column`, each part a name or with `*` for any characters. A pattern of another shape matches nothing. */
function matcher(pattern: string): (relation: Relation, column: string) => boolean {
  const parts = pattern.split('.').map((part) => new RegExp(`^${part.split('*').map(escapeRegExp).join('.*')}$`, 'su'));
  const [schema, relationName, columnName] = parts;
  if (parts.length !== 3 || schema === undefined || relationName === undefined || columnName === undefined) return () => false;
  return (relation, column) => schema.test(relation.schema) && relationName.test(relation.name) && columnName.test(column);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Foreign tables, and columns that unvetted code fills. */
function applyOpaque(relations: readonly Relation[], closure: Closure): void {
  for (const relation of relations) {
    if (relation.kind === 'foreign') closure.addToAll(relation, [OPAQUE_CLASS]);
    for (const column of relation.columns) {
      if (closure.runsUnvetted(closure.catalogue.codeOfColumn(relation.oid, column.name)))
        closure.add(relation, column.name, [OPAQUE_CLASS]);
    }
  }
}

/** What policy named, by number: names may change under it. */
function applyBound(bound: readonly BoundColumn[], closure: Closure): void {
  for (const { relation: oid, attnum, classes } of bound) {
    const relation = closure.catalogue.relationByOid(oid);
    const column = relation?.columns.find((each) => each.attnum === attnum);
    if (relation !== undefined && column !== undefined) closure.add(relation, column.name, classes);
  }
}

function boundColumns(relations: readonly Relation[], closure: Closure): readonly BoundColumn[] {
  return relations.flatMap((relation) =>
    relation.columns.flatMap(({ name, attnum }) => {
      const classes = closure.classesOf(relation.oid, name);
      return classes.length === 0 ? [] : [{ relation: relation.oid, attnum, classes }];
    }),
  );
}

const STORED: ReadonlySet<Relation['kind']> = new Set(['table', 'partitioned', 'matview', 'foreign']);

/** What else holds protected values by now. A partition that is detached, a child that leaves its parent, a column that is
 *  no longer generated or no foreign key any more: the values are still there. */
function storedBelow(relations: readonly Relation[], closure: Closure, named: readonly BoundColumn[]): readonly BoundColumn[] {
  const known = new Set(named.map(({ relation, attnum }) => `${relation} ${attnum}`));
  const stored = relations.filter(({ kind }) => STORED.has(kind));
  return boundColumns(stored, closure).filter(({ relation, attnum }) => !known.has(`${relation} ${attnum}`));
}

/** A foreign key column holds values of the column it refers to. */
function spreadReferences(relation: Relation, closure: Closure): void {
  for (const { kind, relation: referencing, columns, target } of closure.catalogue.restrictionsOn(relation.oid)) {
    if (kind !== 'reference' || referencing !== relation.oid || target === null) continue;
    columns.forEach((column, index) => closure.add(relation, column, closure.classesOf(target.relation, target.columns[index] ?? '')));
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
    for (const column of relation.columns) closure.add(relative, column.name, closure.classesOf(relation.oid, column.name));
  }
}

/** A column of type `patients`, `patients[]` or a domain over it holds whole rows. */
function spreadRowTypes(relation: Relation, closure: Closure): void {
  for (const column of relation.columns) {
    for (const oid of closure.catalogue.rowTypesIn(column.typeOid)) closure.add(relation, column.name, closure.classesIn(oid));
  }
}

function spreadView(oid: number, facts: ViewFacts, closure: Closure): void {
  const view = closure.catalogue.relationByOid(oid);
  if (view === undefined) return;
  if (closure.runsUnvetted(closure.catalogue.codeOnRead(oid)))
    closure.addToAll(view, [OPAQUE_CLASS, ...facts.relations.flatMap((read) => closure.classesIn(read))]);
  if (facts.outputs === null) {
    closure.addToAll(
      view,
      facts.relations.flatMap((read) => closure.classesIn(read)),
    );
    if (facts.readsUnknown) closure.addToAll(view, [OPAQUE_CLASS]);
    return;
  }
  facts.outputs.forEach((sources, index) => {
    const column = view.columns[index];
    if (column === undefined) return;
    for (const source of sources) closure.add(view, column.name, closure.classesOf(source.relation, source.column));
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
            read.own.some((column) => closure.classesOf(relation.oid, column).length > 0),
        );
      if (isTouching) touching.add(relation.oid);
    }
    for (const [oid, facts] of views) {
      const reads =
        facts.outputs === null
          ? facts.readsUnknown || facts.relations.some((read) => closure.isProtected(read))
          : facts.columns.some((read) => closure.classesOf(read.relation, read.column).length > 0);
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
