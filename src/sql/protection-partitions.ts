// Partitions chosen by a protected column: `patients_hiv` holds the rows whose diagnosis is HIV. Which partition a row is in
// tells the value, whatever the columns show.

import type { Catalogue, Relation } from './catalogue.ts';
import type { Parser } from './parser.ts';
import { columnsIn } from './protection-views.ts';

export interface TellingPartitions {
  /** Relations that hold rows of certain protected values only. */
  readonly partitions: ReadonlySet<number>;
  /** Relations that show rows of such partitions. */
  readonly roots: ReadonlySet<number>;
}

export function findTellingPartitions(
  relations: readonly Relation[],
  catalogue: Catalogue,
  parser: Parser,
  isProtected: (oid: number, column: string) => boolean,
): TellingPartitions {
  const partitions = new Set<number>();
  const roots = new Set<number>();
  for (const relation of relations) {
    const key = catalogue.partitionKeyOf(relation.oid);
    if (key === null) continue;
    const inExpressions = key.expressions === null ? [] : columnsIn(key.expressions, relation, parser);
    if (![...key.columns, ...inExpressions].some((column) => isProtected(relation.oid, column))) continue;
    roots.add(relation.oid);
    for (const oid of related(relation, 'children', catalogue)) partitions.add(oid);
    for (const oid of related(relation, 'parents', catalogue)) roots.add(oid);
  }
  return { partitions, roots };
}

function related(relation: Relation, way: 'children' | 'parents', catalogue: Catalogue): ReadonlySet<number> {
  const found = new Set(relation[way]);
  for (const oid of found) for (const next of catalogue.relationByOid(oid)?.[way] ?? []) found.add(next);
  return found;
}
