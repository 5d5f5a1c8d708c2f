// Values a look-up may compare with: constants and parameters, bare or cast to a type of the column's own family. Then the
// equality is total (no value of the column makes it fail) and says no more than that the values are equal.

import type { Column } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Body } from './rewrite.ts';

interface Family {
  readonly types: readonly number[];
  /** Names of types that a value may be cast to. */
  readonly casts: readonly string[];
  readonly numbers: 'none' | 'integers' | 'all';
}

/** Types by their OID in pg_catalog. Identifiers are text, numbers or UUIDs; a date may be part of a key. */
const FAMILIES: readonly Family[] = [
  { types: [25, 1042, 1043], casts: ['text', 'varchar', 'bpchar'], numbers: 'none' },
  { types: [20, 21, 23], casts: ['int2', 'int4', 'int8'], numbers: 'integers' },
  { types: [1700], casts: ['numeric'], numbers: 'all' },
  { types: [2950], casts: ['uuid'], numbers: 'none' },
  { types: [1082], casts: ['date'], numbers: 'none' },
];
/** Of the extension; its `=` is vetted like any other operator. */
const CITEXT: Family = { types: [], casts: ['citext'], numbers: 'none' };

function familyOf({ typeOid, typeName }: Column): Family | undefined {
  return FAMILIES.find((family) => family.types.includes(typeOid)) ?? (/^([a-z_]+\.)?citext$/.test(typeName) ? CITEXT : undefined);
}

/** The constant or parameter itself, without its cast. */
function bare(value: Body): Body {
  const cast = value['TypeCast'] as Body | undefined;
  return cast === undefined ? value : (cast['arg'] as Body);
}

/** Text of a constant, '' of a parameter, null of everything else. */
export function textOf(value: Body): string | null {
  const inner = bare(value);
  if (inner['ParamRef'] !== undefined) return '';
  const constant = inner['A_Const'] as Body | undefined;
  if (constant === undefined || constant['isnull'] === true) return null;
  const text = (constant['sval'] as Body | undefined)?.['sval'];
  return typeof text === 'string' ? text : '';
}

/** Number of the parameter, or null. */
export function parameterOf(value: Body): number | null {
  const parameter = bare(value)['ParamRef'] as Body | undefined;
  return parameter === undefined ? null : Number(parameter['number'] ?? 0);
}

export function isHarmlessValue(column: Column, value: Body): boolean {
  const family = familyOf(column);
  if (family === undefined) return false;
  const inner = bare(value);
  if (inner !== value && !isCastWithin(family, (value['TypeCast'] as Body)['typeName'] as Body)) return false;
  if (inner['ParamRef'] !== undefined) return true;
  const constant = inner['A_Const'] as Body | undefined;
  if (constant === undefined || constant['isnull'] === true) return false;
  if (constant['sval'] !== undefined) return true;
  if (constant['ival'] !== undefined) return family.numbers !== 'none';
  const digits = (constant['fval'] as Body | undefined)?.['fval'];
  // Whole numbers beyond 32 bits are `fval` as well.
  return typeof digits === 'string' && (family.numbers === 'all' || (family.numbers === 'integers' && /^-?\d{1,18}$/.test(digits)));
}

function isCastWithin(family: Family, type: Body): boolean {
  const names = nameList(type['names']);
  const name = names?.at(-1);
  if (names === null || name === undefined || type['setof'] === true || type['pct_type'] === true || type['arrayBounds'] !== undefined)
    return false;
  return family.casts.includes(name) && (names.length === 1 || names[0] === 'pg_catalog' || name === 'citext');
}

/** Parameters whose type is the same wherever PostgreSQL meets them first: used once, or always in the same way. Moving
 *  an equality to the front would otherwise let it decide the type of the parameter. */
export function sureParameters(statement: unknown): ReadonlySet<number> {
  const ways = new Map<number, { count: number; readonly ways: Set<string> }>();
  const note = (parameter: Body, way: string): void => {
    const number = Number(parameter['number'] ?? 0);
    const known = ways.get(number) ?? { count: 0, ways: new Set() };
    known.count += 1;
    known.ways.add(way);
    ways.set(number, known);
  };
  const visit = (value: unknown, way: string): void => {
    if (Array.isArray(value)) for (const each of value) visit(each, 'other');
    else if (value !== null && typeof value === 'object') {
      for (const [field, each] of Object.entries(value)) {
        if (field === 'ParamRef') note(each as Body, way);
        else if (field === 'TypeCast') {
          const { arg, typeName } = each as Body;
          visit(typeName, 'other');
          visit(
            arg,
            `cast ${JSON.stringify({ ...(typeName as Body), location: 0 }, (key, part: unknown) => (key === 'location' ? 0 : part))}`,
          );
        } else if (field === 'A_Expr') {
          const { name, lexpr, rexpr } = each as Body;
          const equals = nameList(name)?.at(-1) === '=';
          visit(lexpr, equals ? comparedWith(rexpr) : 'other');
          visit(rexpr, equals ? comparedWith(lexpr) : 'other');
        } else visit(each, 'other');
      }
    }
  };
  visit(statement, 'other');
  return new Set(
    [...ways].filter(([, { count, ways: all }]) => count === 1 || (all.size === 1 && !all.has('other'))).map(([number]) => number),
  );
}

function comparedWith(side: unknown): string {
  const reference = (side as Body | undefined)?.['ColumnRef'] as Body | undefined;
  const column = nameList(reference?.['fields'])?.at(-1);
  return column === undefined ? 'other' : `= ${column}`;
}
