// Whole keys: what a look-up (`predicates: equality`) must give completely, so that it tells whether one row exists and
// not which rows share a value. A key is a unique index without expression or predicate that holds in every table whose
// rows the relation shows, and of which no part is a key already: given `id`, an index over (id, diagnosis) would answer
// guesses of the diagnosis. A view has the keys that it passes through unchanged.
// REFUSES: views with set operations, and columns that are computed. So are views and materialised views whose rows a
// protected column chooses: that a person is in a view of HIV patients is more than that the person exists.

import type { Catalogue, Relation } from './catalogue.ts';
import type { ViewFacts } from './protection-views.ts';

type Key = readonly string[];

const NO_KEYS: readonly Key[] = [];

/** Answers per relation, each computed once. */
export function wholeKeysOf(
  catalogue: Catalogue,
  views: ReadonlyMap<number, ViewFacts>,
  isProtected: (oid: number, column: string) => boolean,
): (oid: number, only: boolean) => readonly Key[] {
  const known = new Map<number, readonly Key[]>();
  const keysOf = (oid: number): readonly Key[] => {
    const before = known.get(oid);
    if (before !== undefined) return before;
    // WHY: views cannot be defined in a circle, but a catalogue that says so must not hang us.
    known.set(oid, NO_KEYS);
    const relation = catalogue.relationByOid(oid);
    const keys =
      relation === undefined || isTelling(oid) ? NO_KEYS : relation.kind === 'view' ? viewKeys(relation) : tableKeys(relation, catalogue);
    known.set(oid, keys);
    return keys;
  };
  const isTelling = (oid: number, seen: ReadonlySet<number> = new Set()): boolean => {
    const facts = views.get(oid);
    if (facts === undefined || seen.has(oid)) return false;
    return (
      facts.predicates === null ||
      facts.predicates.some((read) => isProtected(read.relation, read.column)) ||
      facts.relations.some((below) => isTelling(below, new Set([...seen, oid])))
    );
  };
  const viewKeys = (view: Relation): readonly Key[] => {
    const facts = views.get(view.oid);
    const origins = facts?.origins ?? [];
    const instances = new Set(origins.flatMap((origin) => origin?.instance ?? []));
    return [...instances].flatMap((instance) => {
      const shown = (column: string): string[] =>
        view.columns.flatMap(({ name }, index) =>
          origins[index]?.instance === instance && origins[index].column === column ? [name] : [],
        );
      const relation = catalogue.relations.find((each) => each.qualified === instance.relation);
      const below = relation === undefined ? NO_KEYS : keysOf(relation.oid);
      return below.flatMap((key) => {
        const [first, ...others] = key;
        if (first !== undefined && others.length === 0) return shown(first).map((name) => [name]);
        const names = key.flatMap((column) => shown(column).slice(0, 1));
        return names.length === key.length ? [names] : [];
      });
    });
  };
  return (oid, only) => {
    const relation = only ? catalogue.relationByOid(oid) : undefined;
    return relation?.kind === 'table' ? tableKeys(relation, catalogue, true) : keysOf(oid);
  };
}

function tableKeys(relation: Relation, catalogue: Catalogue, only = false): readonly Key[] {
  const family = new Set([relation]);
  for (const each of family) {
    for (const child of only ? [] : each.children) {
      const found = catalogue.relationByOid(child);
      if (found !== undefined) family.add(found);
    }
  }
  const stored = [...family].filter((each) => each.kind !== 'partitioned');
  const holdsEverywhere = (key: Key): boolean => stored.every((each) => each.uniqueKeys.some((other) => isPart(other, key)));
  const keys = [...family].flatMap((each) => each.uniqueKeys).filter((key) => key.length > 0 && holdsEverywhere(key));
  return keys.filter((key) => keys.every((other) => !isPart(other, key) || isPart(key, other)));
}

const isPart = (part: Key, whole: Key): boolean => part.every((column) => whole.includes(column));
