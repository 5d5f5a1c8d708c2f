// The columns that policy names: by the names they have, and by the names they had. A name is bound to the number of the
// column that has it; whoever renames or moves the column afterwards, its values are what policy meant. So are the values of
// a column that was filled from it: a partition that is detached, a child that leaves its parent, a column that is no longer
// generated or no foreign key any more. Those are bound to the pattern that they were protected by.

import type { BoundColumn, ColumnName, Relation } from './catalogue.ts';
import type { Closure, SourceBook, Sources } from './protection-closure.ts';
import { NO_SOURCES, OPAQUE_SOURCE } from './protection-closure.ts';

export interface AppliedNames {
  /** Columns that have a name of the policy now. */
  readonly named: readonly BoundColumn[];
  /** Patterns that match no column by the name it has: the columns that they are bound to, `schema.relation.column`. */
  readonly renamed: ReadonlyMap<string, ReadonlySet<string>>;
  /** Patterns that match nothing and are bound to nothing. */
  readonly unmatched: readonly string[];
}

/** Gives the columns that policy names their sources. */
export function applyNames(
  relations: readonly Relation[],
  coverage: Coverage,
  bound: readonly BoundColumn[],
  closure: Closure,
): AppliedNames {
  const { book } = closure;
  const named: BoundColumn[] = [];
  const matched = new Set<string>();
  for (const relation of relations) {
    for (const { name, attnum } of relation.columns) {
      const full: ColumnName = [relation.schema, relation.name, name];
      const sources = coverage.of(full);
      if (sources === NO_SOURCES) continue;
      for (const pattern of book.patternsIn(sources)) matched.add(pattern);
      closure.add(relation, name, sources);
      named.push({ name: full, relation: relation.oid, attnum });
    }
  }
  const boundTo = new Map<string, Set<string>>();
  for (const { name, relation: oid, attnum } of bound) {
    const found = columnOf(closure, oid, attnum);
    if (found === null) continue;
    const sources = name === null ? (book.patterns.length > 0 ? OPAQUE_SOURCE : NO_SOURCES) : coverage.of(name);
    closure.add(found.relation, found.column, sources);
    for (const pattern of book.patternsIn(sources)) {
      if (matched.has(pattern)) continue;
      const columns = boundTo.get(pattern) ?? new Set();
      boundTo.set(pattern, columns.add(`${found.relation.qualified}.${found.column}`));
    }
  }
  const unmatched = book.patterns.filter((pattern) => !matched.has(pattern) && !boundTo.has(pattern));
  return { named, renamed: boundTo, unmatched };
}

const STORED: ReadonlySet<Relation['kind']> = new Set(['table', 'partitioned', 'matview', 'foreign']);

/** What is known once the closure is complete: what was bound before and still exists, what is named now, and what else
 *  holds protected values by now. */
export function boundColumns(
  relations: readonly Relation[],
  coverage: Coverage,
  before: readonly BoundColumn[],
  named: readonly BoundColumn[],
  closure: Closure,
): readonly BoundColumn[] {
  const { book } = closure;
  const all = new Map<string, BoundColumn>();
  /** By relation and number of the column: the sources that its names explain. */
  const explained = new Map<string, Sources>();
  const remember = (column: BoundColumn): void => {
    const place = `${column.relation} ${column.attnum}`;
    all.set(boundKey(column), column);
    const its = column.name === null ? OPAQUE_SOURCE : coverage.of(column.name);
    explained.set(place, book.union(explained.get(place) ?? NO_SOURCES, its));
  };
  for (const column of before) if (columnOf(closure, column.relation, column.attnum) !== null) remember(column);
  named.forEach(remember);
  for (const { oid, kind, columns } of relations) {
    if (!STORED.has(kind)) continue;
    for (const { name, attnum } of columns) {
      const rest = book.minus(closure.sourcesOf(oid, name), explained.get(`${oid} ${attnum}`) ?? NO_SOURCES);
      if (rest === NO_SOURCES) continue;
      if (book.isOpaque(rest)) remember({ name: null, relation: oid, attnum });
      for (const pattern of book.patternsIn(rest)) {
        const parts = partsOf(pattern);
        if (parts !== null) remember({ name: parts, relation: oid, attnum });
      }
    }
  }
  return [...all.values()];
}

/** Equal for equal bindings. */
export function boundKey({ name, relation, attnum }: BoundColumn): string {
  return JSON.stringify([relation, attnum, name]);
}

function columnOf(closure: Closure, oid: number, attnum: number): { readonly relation: Relation; readonly column: string } | null {
  const relation = closure.catalogue.relationByOid(oid);
  const column = relation?.columns.find((each) => each.attnum === attnum);
  return relation === undefined || column === undefined ? null : { relation, column: column.name };
}

/** Patterns with the same two first parts. */
interface Group {
  readonly isIn: (schema: string, relation: string) => boolean;
  /** By the name of the column. */
  readonly exact: Map<string, string[]>;
  readonly wild: { readonly pattern: string; readonly column: RegExp }[];
}

/** Which patterns match a name. A name that is a pattern itself is matched by what matches all that it does.
 *  Names are looked up and not tried: a policy may name every column of a large database. */
export class Coverage {
  readonly #book: SourceBook;
  /** Those that name one relation, by schema and relation. */
  readonly #exact = new Map<string, Group>();
  readonly #wild = new Map<string, Group>();
  /** By schema and relation: the groups that may match a column there. */
  readonly #byRelation = new Map<string, readonly Group[]>();

  constructor(book: SourceBook) {
    this.#book = book;
    for (const pattern of book.patterns) {
      const parts = partsOf(pattern);
      if (parts !== null) this.#index(pattern, parts);
    }
  }

  of([schema, relation, column]: ColumnName): Sources {
    const key = `${schema}\0${relation}`;
    let groups = this.#byRelation.get(key);
    if (groups === undefined) {
      const exact = this.#exact.get(key);
      groups = [...(exact === undefined ? [] : [exact]), ...[...this.#wild.values()].filter(({ isIn }) => isIn(schema, relation))];
      this.#byRelation.set(key, groups);
    }
    const patterns = groups.flatMap(({ exact, wild }) => [
      ...(exact.get(column) ?? []),
      ...wild.flatMap((each) => (each.column.test(column) ? [each.pattern] : [])),
    ]);
    return this.#book.sourcesOf(patterns);
  }

  #index(pattern: string, [schema, relation, column]: ColumnName): void {
    const groups = isWild(schema) || isWild(relation) ? this.#wild : this.#exact;
    const key = `${schema}\0${relation}`;
    let group = groups.get(key);
    if (group === undefined) {
      const [schemas, relations] = [matcher(schema), matcher(relation)];
      group = { isIn: (s, r) => schemas.test(s) && relations.test(r), exact: new Map(), wild: [] };
      groups.set(key, group);
    }
    if (isWild(column)) group.wild.push({ pattern, column: matcher(column) });
    else group.exact.set(column, [...(group.exact.get(column) ?? []), pattern]);
  }
}

const isWild = (part: string): boolean => part.includes('*');

/** A name or with `*` for any characters. */
function matcher(part: string): RegExp {
  return new RegExp(`^${part.split('*').map(escapeRegExp).join('.*')}$`, 'su');
}

/** Null: a pattern of another shape, which matches nothing. */
function partsOf(pattern: string): ColumnName | null {
  const [schema, relation, column, ...more] = pattern.split('.');
  if (schema === undefined || relation === undefined || column === undefined || more.length > 0) return null;
  return [schema, relation, column];
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
