// What protects each column, while the closure grows: a set of sources, which are the patterns of the policy and the origin
// that nobody knows. Sources and not classes, so that it can be told later by which name of the policy a column is
// protected. Equal sets are one object, and unions are remembered: thousands of columns share few sets, and most are small.

import type { Catalogue, ColumnRule, Relation } from './catalogue.ts';

/** Class of data whose origin the gateway cannot know. Policy may give it a mask; without one it is redacted. */
export const OPAQUE_CLASS = 'opaque';

/** A set of sources; made by `SourceBook` only. */
export interface Sources {
  /** Ascending; `opaque` is 0, patterns follow in the order of the policy. */
  readonly members: readonly number[];
  /** Of this set among all of its book. */
  readonly id: number;
}

const opaque = 0;
export const NO_SOURCES: Sources = { members: [], id: 0 };
export const OPAQUE_SOURCE: Sources = { members: [opaque], id: 1 };
/** Ids of two sets in one number. */
const pairFactor = 2 ** 26;

/** Which source each pattern is, and what classes a set of sources stands for. */
export class SourceBook {
  readonly patterns: readonly string[];
  readonly #indexOf = new Map<string, number>();
  readonly #classes = new Map<Sources, readonly string[]>();
  readonly #classesOf = new Map<string, string[]>();
  readonly #sets = new Map<string, Sources>();
  readonly #unions = new Map<number, Sources>();

  constructor(rules: readonly ColumnRule[]) {
    for (const { pattern, class: name } of rules) {
      const classes = this.#classesOf.get(pattern);
      if (classes === undefined) this.#classesOf.set(pattern, [name]);
      else classes.push(name);
    }
    this.patterns = [...this.#classesOf.keys()];
    for (const [index, pattern] of this.patterns.entries()) this.#indexOf.set(pattern, index + 1);
    for (const set of [NO_SOURCES, OPAQUE_SOURCE]) this.#sets.set(set.members.join(), set);
  }

  /** The set of these patterns. */
  sourcesOf(patterns: readonly string[]): Sources {
    const members = new Set(patterns.flatMap((pattern) => this.#indexOf.get(pattern) ?? []));
    return this.#set([...members].sort((a, b) => a - b));
  }

  union(a: Sources, b: Sources): Sources {
    if (a === b || b === NO_SOURCES) return a;
    if (a === NO_SOURCES) return b;
    const [low, high] = a.id < b.id ? [a, b] : [b, a];
    const pair = low.id * pairFactor + high.id;
    let union = this.#unions.get(pair);
    if (union === undefined) {
      union = this.#set([...new Set([...a.members, ...b.members])].sort((x, y) => x - y));
      this.#unions.set(pair, union);
    }
    return union;
  }

  minus(a: Sources, b: Sources): Sources {
    if (a === b || a === NO_SOURCES) return NO_SOURCES;
    if (b === NO_SOURCES) return a;
    const without = new Set(b.members);
    return this.#set(a.members.filter((member) => !without.has(member)));
  }

  isOpaque({ members }: Sources): boolean {
    return members[0] === opaque;
  }

  patternsIn({ members }: Sources): readonly string[] {
    return members.flatMap((member) => this.patterns[member - 1] ?? []);
  }

  /** Sorted. */
  classesOf(sources: Sources): readonly string[] {
    const known = this.#classes.get(sources);
    if (known !== undefined) return known;
    const classes = new Set(this.patternsIn(sources).flatMap((pattern) => this.#classesOf.get(pattern) ?? []));
    if (this.isOpaque(sources)) classes.add(OPAQUE_CLASS);
    const sorted = [...classes].sort();
    this.#classes.set(sources, sorted);
    return sorted;
  }

  #set(members: readonly number[]): Sources {
    const key = members.join();
    let set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, (set = { members, id: this.#sets.size }));
    return set;
  }
}

export class Closure {
  changed = false;
  readonly catalogue: Catalogue;
  readonly book: SourceBook;
  readonly runsUnvetted: (code: readonly string[]) => boolean;
  readonly #sources = new Map<number, Map<string, Sources>>();

  constructor(catalogue: Catalogue, book: SourceBook, runsUnvetted: (code: readonly string[]) => boolean) {
    this.catalogue = catalogue;
    this.book = book;
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
    for (const sources of this.#sources.get(oid)?.values() ?? []) all = this.book.union(all, sources);
    return all;
  }

  add(relation: Relation, column: string, sources: Sources): void {
    const before = this.sourcesOf(relation.oid, column);
    const after = this.book.union(before, sources);
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
  classes(): ReadonlyMap<number, ReadonlyMap<string, readonly string[]>> {
    return new Map(
      [...this.#sources].map(([oid, columns]) => [
        oid,
        new Map([...columns].map(([column, sources]) => [column, this.book.classesOf(sources)])),
      ]),
    );
  }
}
