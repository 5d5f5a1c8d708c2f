// Relations by name, as the catalogue and the session have them, and what is known of their columns.

import { maskOfClass } from '../../core/decision.ts';
import { Refusal } from './nodes.ts';
import type { Column } from './scope.ts';
import type { KnownResult, PlanContext, SnowflakeRelation } from './types.ts';
import { columnValue, constant, familyOf } from './values.ts';
import { relationUnknown } from './walker.ts';

/** @param parts of a name as stored: database and schema may be left out. */
export function qualify(parts: readonly string[], context: PlanContext): readonly [string, string, string] | null {
  const [name, schema, database] = parts.toReversed();
  const inDatabase = database ?? context.session.database;
  const inSchema = schema ?? context.session.schema;
  if (parts.length > 3 || name === undefined || inDatabase === null || inSchema === null) return null;
  return [inDatabase, inSchema, name];
}

export function findRelation(parts: readonly string[], context: PlanContext): SnowflakeRelation | undefined {
  const path = qualify(parts, context);
  if (path === null) return undefined;
  const [database, schema, name] = path;
  return context.session.own.get(path.join('.')) ?? context.catalogue.relation(database, schema, name);
}

export function qualifiedName({ database, schema, name }: Pick<SnowflakeRelation, 'database' | 'schema' | 'name'>): string {
  return `${database}.${schema}.${name}`;
}

export function mustFind(parts: readonly string[], context: PlanContext): SnowflakeRelation {
  const found = findRelation(parts, context);
  if (found !== undefined) return found;
  const path = qualify(parts, context) ?? parts;
  if (path.includes('INFORMATION_SCHEMA') || path[0] === 'SNOWFLAKE') {
    throw new Refusal({
      code: 'system-relation',
      what: path.join('.'),
      remedy: 'Read the tables and views of the schemas you work with; SHOW and DESCRIBE tell what there is.',
    });
  }
  throw relationUnknown(path.join('.'));
}

/** Columns of a relation that is read; a Refusal where they may be made from anything. */
export function readColumns(relation: SnowflakeRelation, context: PlanContext): readonly Column[] {
  const name = qualifiedName(relation);
  if (relation.columns === null) throw relationUnknown(name);
  if (isOpaque(relation, context) && context.rules.some((rule) => maskOfClass(rule.class, context.masks) !== 'clear')) {
    throw new Refusal({
      code: 'relation',
      what: `${name}: what it is made from is not known, or shows protected values by the rows it has`,
      remedy: 'Read the tables behind it.',
    });
  }
  const { protection } = context;
  // The columns of a view are computed when they are read: one may fail.
  const isView = relation.kind === 'view' || relation.kind === 'system';
  const columns = relation.columns.map((each): Column => {
    const key = `${name}.${each.name}`;
    const value = columnValue(key, classesOf(key, each.classes, context), context.masks, {
      family: familyOf(each.type),
      isStored: (each.classes ?? []).length === 0 && (isBase(relation) || protection.stored?.has(key) === true),
      isTotal: !isView || protection.total?.has(key) === true,
    });
    return { name: each.name, value };
  });
  if (relation.kind !== 'stream') return columns;
  const more = ['METADATA$ACTION', 'METADATA$ISUPDATE', 'METADATA$ROW_ID'].filter(
    (each) => !columns.some((column) => column.name === each),
  );
  return [...columns, ...more.map((each) => ({ name: each, value: constant(null) }))];
}

function isBase({ kind }: SnowflakeRelation): boolean {
  return kind === 'table' || kind === 'stream' || kind === 'external' || kind === 'system';
}

function isOpaque(relation: SnowflakeRelation, context: PlanContext): boolean {
  return context.protection.opaque.has(qualifiedName(relation));
}

/** @param carried classes of values that this session put into a table of its own. */
export function classesOf(column: string, carried: readonly string[] | undefined, context: PlanContext): readonly string[] {
  const known = context.protection.columns.get(column) ?? [];
  return carried === undefined || carried.length === 0 ? known : [...new Set([...known, ...carried])].sort();
}

/** Columns of an answer that was given before: Snowflake has it unmasked. */
export function resultColumns(result: KnownResult, context: PlanContext): readonly Column[] {
  return result.outputs.map((output) => {
    const value = columnValue('', output.classes, context.masks, { family: null, isStored: output.shape === 'value', isTotal: true });
    return { name: output.name, value: { ...value, sources: new Set(output.sources) } };
  });
}
