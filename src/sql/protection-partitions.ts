// Partitions chosen by a protected column: `patients_hiv` holds the rows whose diagnosis is HIV. Which partition a row is in
// tells the value, whatever the columns show.

import type { Catalogue, Relation } from './catalogue.ts';
import type { Parser } from './parser.ts';
import { columnsIn } from './protection-views.ts';
import type { ViewFacts } from './protection-views.ts';

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
  views: ReadonlyMap<number, ViewFacts>,
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
  addViews(views, catalogue, parser, { partitions, roots });
  return { partitions, roots };
}

/** Views show the rows in the order in which the partitions come. Sorting helps, but not when the view itself has looked at
 *  that order: then it counts as a partition. */
function addViews(
  views: ReadonlyMap<number, ViewFacts>,
  catalogue: Catalogue,
  parser: Parser,
  { partitions, roots }: { readonly partitions: Set<number>; readonly roots: Set<number> },
): void {
  for (let before = -1; before !== roots.size;) {
    before = roots.size;
    for (const [oid, { relations }] of views) if (relations.some((read) => roots.has(read))) roots.add(oid);
  }
  for (const oid of views.keys()) {
    if (!roots.has(oid)) continue;
    const parsed = parser.parse(catalogue.relationByOid(oid)?.definition ?? '');
    if (!parsed.ok || looksAtOrder(parsed.tree.stmts, catalogue)) partitions.add(oid);
  }
}

/** Aggregates whose result does not depend on the order of rows. */
const ORDERLESS = new Set(
  `avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every max min range_agg range_intersect_agg stddev
   stddev_pop stddev_samp sum var_pop var_samp variance`.split(/\s+/),
);

function looksAtOrder(node: unknown, catalogue: Catalogue): boolean {
  if (Array.isArray(node)) return node.some((item) => looksAtOrder(item, catalogue));
  if (typeof node !== 'object' || node === null) return false;
  return Object.entries(node).some(([field, value]) => {
    if (['limitCount', 'limitOffset', 'over', 'windowClause', 'JsonArrayAgg', 'JsonObjectAgg'].includes(field)) return true;
    // Plain DISTINCT is a list of nothing; DISTINCT ON takes the first row of each group.
    if (field === 'distinctClause' && JSON.stringify(value) !== '[{}]') return true;
    if (field === 'FuncCall' && isOrderedAggregate(value, catalogue)) return true;
    return looksAtOrder(value, catalogue);
  });
}

function isOrderedAggregate(call: unknown, catalogue: Catalogue): boolean {
  const parts = (call as { readonly funcname?: readonly { readonly String?: { readonly sval?: string } }[] }).funcname ?? [];
  const name = parts.at(-1)?.String?.sval ?? '';
  const isAggregate = catalogue.functions(parts.at(-2)?.String?.sval ?? 'pg_catalog', name).some(({ kind }) => kind === 'aggregate');
  return isAggregate && !(parts.length === 1 && ORDERLESS.has(name));
}

function related(relation: Relation, way: 'children' | 'parents', catalogue: Catalogue): ReadonlySet<number> {
  const found = new Set(relation[way]);
  for (const oid of found) for (const next of catalogue.relationByOid(oid)?.[way] ?? []) found.add(next);
  return found;
}
