// The conservative answer for trees that the analysis does not understand: every column of every relation named anywhere
// reaches every output, controls every row and is stored in every target. Iterative, so depth can't break it.

import type { Node, RangeVar } from '@pgsql/types';
import type { Lineage, LineageContext } from './lineage.ts';

export function everythingNamed(statement: Node, context: LineageContext): Lineage {
  const relations = new Set<string>();
  const columns = new Set<string>();
  const targets = new Set<string>();
  let answersRows = false;
  const pending: unknown[] = [statement];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (Array.isArray(next)) {
      for (const entry of next) pending.push(entry);
      continue;
    }
    for (const [key, value] of Object.entries(next)) {
      pending.push(value);
      if (key === 'SelectStmt' || key === 'returningClause' || key === 'CopyStmt') answersRows = true;
      if ((key === 'InsertStmt' || key === 'UpdateStmt' || key === 'MergeStmt') && hasRelation(value)) {
        for (const column of columnsOf(value.relation, context)) targets.add(column);
      }
    }
    if (!('relname' in next)) continue;
    for (const column of columnsOf(next as RangeVar, context, relations)) columns.add(column);
  }
  const all = [...columns].sort();
  return {
    outputs: answersRows ? [{ name: '?column?', sources: all, origin: null }] : [],
    columns: all,
    predicates: all,
    writes: [...targets].sort().map((column) => ({ column, sources: all })),
    unboundedRelations: answersRows ? [...relations].sort() : [],
    limit: null,
  };
}

function hasRelation(value: unknown): value is { readonly relation: RangeVar } {
  return (
    typeof value === 'object' && value !== null && 'relation' in value && typeof value.relation === 'object' && value.relation !== null
  );
}

function columnsOf(range: RangeVar, context: LineageContext, found?: Set<string>): readonly string[] {
  const { catalogue, searchPath } = context;
  const { schemaname: schema, relname } = range;
  if (typeof relname !== 'string') return [];
  const relation =
    typeof schema === 'string' && schema !== 'pg_temp'
      ? catalogue.relation(schema, relname)
      : (context.temporary(relname) ?? catalogue.resolveRelation(relname, searchPath));
  if (relation === undefined) return [];
  found?.add(relation.qualified);
  return relation.columns.map((column) => `${relation.qualified}.${column.name}`);
}
