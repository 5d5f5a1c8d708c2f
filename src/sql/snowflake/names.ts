// What is protected in a relation, for commands that name it without reading it.

import { qualifiedName } from './relations.ts';
import type { PlanContext, SnowflakeRelation } from './types.ts';

/** Classes of a relation's columns, sorted. */
export function classesOf(relation: SnowflakeRelation, { protection }: PlanContext): string[] {
  const name = qualifiedName(relation);
  const classes = (relation.columns ?? []).flatMap((column) => [
    ...(column.classes ?? []),
    ...(protection.columns.get(`${name}.${column.name}`) ?? []),
  ]);
  return [...new Set(classes)].sort();
}

/** Nothing protected is in it, and that is known. */
export function isPlain(relation: SnowflakeRelation, context: PlanContext): boolean {
  return relation.columns !== null && !context.protection.opaque.has(qualifiedName(relation)) && classesOf(relation, context).length === 0;
}
