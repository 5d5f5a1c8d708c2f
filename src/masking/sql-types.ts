// PostgreSQL type names as `format_type` prints them, reduced to what a mask must know: which family of values it is and
// how to write a cast to it that does not depend on the search path.

export type TypeFamily =
  | 'text'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'float4'
  | 'float8'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'uuid'
  | 'bytea'
  /** A type of pg_catalog without values a mask could generalise: json, inet, ranges, arrays ... */
  | 'builtin'
  /** Enums, domains, composites, types of extensions: nothing is assumed about their values. */
  | 'foreign';

export interface SqlType {
  readonly family: TypeFamily;
  /** The type with its modifier, ready after `::`; null when only the column itself can name it safely. */
  readonly cast: string | null;
  /** The same without the length, for results that may be longer than the column allows. */
  readonly unboundedCast: string | null;
  /** Characters of type `name`, which is cut without a word. */
  readonly isShort?: true;
  /** Of an array whose elements are of a family; absent = no array, or one of types nothing is assumed about. */
  readonly element?: SqlType;
}

const families: ReadonlyMap<string, TypeFamily> = new Map([
  ['text', 'text'],
  ['character varying', 'text'],
  ['varchar', 'text'],
  ['character', 'text'],
  ['bpchar', 'text'],
  ['name', 'text'],
  ['smallint', 'int2'],
  ['int2', 'int2'],
  ['integer', 'int4'],
  ['int4', 'int4'],
  ['bigint', 'int8'],
  ['int8', 'int8'],
  ['numeric', 'numeric'],
  ['real', 'float4'],
  ['float4', 'float4'],
  ['double precision', 'float8'],
  ['float8', 'float8'],
  ['date', 'date'],
  ['timestamp without time zone', 'timestamp'],
  ['timestamp', 'timestamp'],
  ['timestamp with time zone', 'timestamptz'],
  ['timestamptz', 'timestamptz'],
  ['uuid', 'uuid'],
  ['bytea', 'bytea'],
]);

/** Spellings that PostgreSQL's grammar itself binds to pg_catalog, whatever the search path is. */
const grammarTypes = new Set([
  'character varying',
  'character',
  'bit varying',
  'bit',
  'numeric',
  'smallint',
  'integer',
  'bigint',
  'real',
  'double precision',
  'boolean',
  'timestamp without time zone',
  'timestamp with time zone',
  'time without time zone',
  'time with time zone',
  'interval',
]);

/** `character` and `bit` without a length mean length 1; these names have no such rule. */
const withoutLength: ReadonlyMap<string, string> = new Map([
  ['character', 'bpchar'],
  ['bit', 'varbit'],
]);

const plainName = /^[a-z][a-z0-9_]*$/;
const modifier = /\(\s*-?\d+\s*(?:,\s*-?\d+\s*)?\)/;
const qualifiedName =
  /^(?:("(?:[^"]|"")+"|[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*)\.)?("(?:[^"]|"")+"|[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*)$/;

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  const doubled = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${doubled.replaceAll('\\', '\\\\')}` : doubled;
}

/** @param typeName as `format_type` prints it.
 *  @param typeSchema schema of the type; absent = as written in `typeName`, pg_catalog for the grammar's own names. */
export function parseSqlType(typeName: string, typeSchema?: string): SqlType {
  const foreign: SqlType = { family: 'foreign', cast: null, unboundedCast: null };
  let written = typeName.trim();
  let dimensions = '';
  while (written.endsWith('[]')) {
    written = written.slice(0, -2).trimEnd();
    dimensions += '[]';
  }
  if (dimensions !== '') return arrayType(parseSqlType(written, typeSchema), dimensions);
  const length = modifier.exec(written)?.[0] ?? '';
  const bare = written.replace(modifier, '').replaceAll(/\s+/g, ' ').trim();

  if (grammarTypes.has(bare) && (typeSchema === undefined || typeSchema === 'pg_catalog')) {
    return { family: families.get(bare) ?? 'builtin', cast: written, unboundedCast: withoutLength.get(bare) ?? bare };
  }
  // `interval day to second(3)` and its kin.
  if (bare.startsWith('interval ')) return { family: 'builtin', cast: 'interval', unboundedCast: 'interval' };

  const parts = qualifiedName.exec(bare);
  const last = parts?.[2];
  if (last === undefined) return foreign;
  const schema = typeSchema ?? (parts?.[1] === undefined ? undefined : unquote(parts[1]));
  const name = unquote(last);
  const known = families.get(name);
  // The deparser drops `pg_catalog.` from type names and the quotes of "char", so types are written bare: a session path
  // that starts with pg_catalog is the adapter's duty. `"char"` can't be written that way.
  if ((schema === 'pg_catalog' || (schema === undefined && known !== undefined)) && plainName.test(name) && name !== 'char') {
    const type: SqlType = { family: known ?? 'builtin', cast: name + length, unboundedCast: name };
    return name === 'name' ? { ...type, isShort: true } : type;
  }
  if (name === 'citext' && schema !== undefined) {
    const cast = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
    return { family: 'text', cast, unboundedCast: cast };
  }
  return foreign;
}

/** An array's own values are those of no family: only its elements have one. */
function arrayType(element: SqlType, dimensions: string): SqlType {
  const { cast, unboundedCast, family } = element;
  if (cast === null || unboundedCast === null) return { family: 'foreign', cast: null, unboundedCast: null };
  const type: SqlType = { family: 'builtin', cast: cast + dimensions, unboundedCast: unboundedCast + dimensions };
  return family === 'builtin' || family === 'foreign' ? type : { ...type, element };
}

function unquote(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
