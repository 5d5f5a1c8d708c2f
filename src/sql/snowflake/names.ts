// Relations by the names a statement gives them.

import type { PlanContext, SnowflakeProtection, SnowflakeRelation, SnowflakeSession } from './types.ts';

/** Database, schema and name; null where the session has no database or schema to complete it with. */
export function qualify(parts: readonly string[], session: Pick<SnowflakeSession, 'database' | 'schema'>): [string, string, string] | null {
  const [first, second, third] = parts;
  if (first !== undefined && second !== undefined && third !== undefined) return parts.length === 3 ? [first, second, third] : null;
  if (first !== undefined && second !== undefined) return session.database === null ? null : [session.database, first, second];
  return first === undefined || session.database === null || session.schema === null ? null : [session.database, session.schema, first];
}

/** The relation a name means here; tables of the session go first. */
export function findRelation(parts: readonly string[], { session, catalogue }: PlanContext): SnowflakeRelation | undefined {
  const name = qualify(parts, session);
  return name === null ? undefined : (session.own.get(name.join('.')) ?? catalogue.relation(...name));
}

export function nameOfRelation({ database, schema, name }: Pick<SnowflakeRelation, 'database' | 'schema' | 'name'>): string {
  return `${database}.${schema}.${name}`;
}

/** Classes of a relation's columns, sorted. */
export function classesOf(relation: SnowflakeRelation, { columns }: SnowflakeProtection): string[] {
  const name = nameOfRelation(relation);
  return [...new Set((relation.columns ?? []).flatMap((column) => columns.get(`${name}.${column.name}`) ?? []))].sort();
}

/** Nothing protected is in it, and that is known. */
export function isPlain(relation: SnowflakeRelation, protection: SnowflakeProtection): boolean {
  return relation.columns !== null && !protection.opaque.has(nameOfRelation(relation)) && classesOf(relation, protection).length === 0;
}
