// What protects each column, while the closure grows: a set of sources, which are the patterns of the policy and the origin
// that nobody knows. Sources and not classes, so that it can be told later by which name of the policy a column is
// protected. Sets are bits of one number: a column of a large schema may have hundreds of sources.

import type { Catalogue, ColumnRule, Relation } from './catalogue.ts';

/** Class of data whose origin the gateway cannot know. Policy may give it a mask; without one it is redacted. */
export const OPAQUE_CLASS = 'opaque';

/** A set of sources. */
export type Sources = bigint;
export const NO_SOURCES: Sources = 0n;
export const OPAQUE_SOURCE: Sources = 1n;

const NO_CLASSES: readonly string[] = [];

/** Which source each pattern is, and what classes a set of sources stands for. */
export class SourceBook {
  readonly patterns: readonly string[];
  readonly #bits = new Map<string, Sources>();
  readonly #classes = new Map<Sources, readonly string[]>([[NO_SOURCES, NO_CLASSES]]);
  readonly #classesOf = new Map<string, string[]>();

  constructor(rules: readonly ColumnRule[]) {
    for (const { pattern, class: name } of rules) {
      const classes = this.#classesOf.get(pattern);
      if (classes === undefined) this.#classesOf.set(pattern, [name]);
      else classes.push(name);
    }
    this.patterns = [...this.#classesOf.keys()];
    for (const [index, pattern] of this.patterns.entries()) this.#bits.set(pattern, OPAQUE_SOURCE << BigInt(index + 1));
  }

  sourceOf(pattern: string): Sources {
    return this.#bits.get(pattern) ?? NO_SOURCES;
  }

  patternsIn(sources: Sources): readonly string[] {
    return this.patterns.filter((pattern) => (sources & this.sourceOf(pattern)) !== NO_SOURCES);
  }

  /** Sorted. */
  classesOf(sources: Sources): readonly string[] {
    const known = this.#classes.get(sources);
    if (known !== undefined) return known;
    const classes = new Set(this.patternsIn(sources).flatMap((pattern) => this.#classesOf.get(pattern) ?? []));
    if ((sources & OPAQUE_SOURCE) !== NO_SOURCES) classes.add(OPAQUE_CLASS);
    const sorted = [...classes].sort();
    this.#classes.set(sources, sorted);
    return sorted;
  }
}

export class Closure {
  changed = false;
  readonly catalogue: Catalogue;
  readonly runsUnvetted: (code: readonly string[]) => boolean;
  readonly #sources = new Map<number, Map<string, Sources>>();

  constructor(catalogue: Catalogue, runsUnvetted: (code: readonly string[]) => boolean) {
    this.catalogue = catalogue;
    this.runsUnvetted = runsUnvetted;
  }

  sourcesOf(oid: number, column: string): Sources {
    return this.#sources.get(oid)?.get(column) ?? NO_SOURCES;
  }

  isProtected(oid: number): boolean {
    return this.#sources.has(oid);
  }

  isProtectedColumn(oid: number, column: string): boolean {
    return this.sourcesOf(oid, column) !== NO_SOURCES;
  }

  /** Every source of the relation. */
  sourcesIn(oid: number): Sources {
    let all = NO_SOURCES;
    for (const sources of this.#sources.get(oid)?.values() ?? []) all |= sources;
    return all;
  }

  add(relation: Relation, column: string, sources: Sources): void {
    const before = this.sourcesOf(relation.oid, column);
    const after = before | sources;
    if (after === before || !relation.byName.has(column)) return;
    let columns = this.#sources.get(relation.oid);
    if (columns === undefined) this.#sources.set(relation.oid, (columns = new Map<string, Sources>()));
    columns.set(column, after);
    this.changed = true;
  }

  addToAll(relation: Relation, sources: Sources): void {
    for (const column of relation.columns) this.add(relation, column.name, sources);
  }

  /** By OID of the relation and name of the column: the classes of every protected column. */
  classes(book: SourceBook): ReadonlyMap<number, ReadonlyMap<string, readonly string[]>> {
    return new Map(
      [...this.#sources].map(([oid, columns]) => [
        oid,
        new Map([...columns].map(([column, sources]) => [column, book.classesOf(sources)])),
      ]),
    );
  }
}
