// The mask methods: one row each. A row gives the SQL expression that stands for a protected column inside the
// rewritten relation, so it must be total (never fail on any value: an error is an oracle), keep the column's type,
// and be immutable or stable so that the planner can flatten the sub-select around it.
// Everything is called by its pg_catalog name, operators by their functions: the search path can't change a mask.
// REFUSES: a method that says nothing about a type is `redact` there; `redact` without a constant of that type is NULL.

import { MASK_METHODS, type MaskMethod } from '../core/decision.ts';
import { parseSqlType, quoteIdentifier, quoteLiteral, type SqlType, type TypeFamily } from './sql-types.ts';

/** Name of the setting that holds the token key (at least 64 hexadecimal digits) in upstream sessions. The gateway sets
 *  it in the startup options; clients can neither read nor change it. */
export const TOKEN_KEY_SETTING = 'sallyport.token_key';

interface Subject {
  /** The column, quoted. */
  readonly column: string;
  readonly type: SqlType;
  readonly className: string;
}

export interface MaskMethodRow {
  readonly method: MaskMethod;
  /** One sentence for documents and explanations. */
  readonly describe: string;
  /** Families of types it says something about; all others are shown as `redact`. */
  readonly applies: readonly TypeFamily[] | 'every type';
  /** Expression over the column; null = the method does not say anything about that family. */
  readonly sql: (subject: Subject) => string | null;
}

const fn = (name: string, ...args: readonly string[]): string => `pg_catalog.${name}(${args.join(', ')})`;
const asText = (subject: Subject): string => `${subject.column}::text`;

/** NULL of the column's type. Types that only the catalogue knows are named through the column: the planner folds this
 *  to NULL before anything is read, and it skips the constraints of domains. */
const nullOf = ({ column, type }: Subject): string => (type.cast === null ? `CASE WHEN false THEN ${column} END` : `NULL::${type.cast}`);

function redacted(subject: Subject): string {
  return subject.type.family === 'text' && subject.type.cast !== null ? `'***'::${subject.type.cast}` : nullOf(subject);
}

const temporal = {
  date: { scratch: 'timestamp without time zone', ge: 'date_ge', le: 'date_le', larger: 'date_larger', constant: 'date' },
  timestamp: { scratch: null, ge: 'timestamp_ge', le: 'timestamp_le', larger: 'timestamp_larger', constant: 'timestamp without time zone' },
  timestamptz: {
    scratch: null,
    ge: 'timestamptz_ge',
    le: 'timestamptz_le',
    larger: 'timestamptz_larger',
    constant: 'timestamp with time zone',
  },
} as const;

/** Start of the year or month in UTC: the session's time zone must not move a value over the boundary (it would be an
 *  oracle). Outside of the years 1 to 9999, infinities included, NULL. */
function truncated(subject: Subject, unit: 'year' | 'month'): string | null {
  const { family } = subject.type;
  if (family !== 'date' && family !== 'timestamp' && family !== 'timestamptz') return null;
  const { ge, le, constant, scratch } = temporal[family];
  const zone = family === 'timestamptz' ? '+00' : '';
  const first = `'0001-01-01 00:00:00${zone}'::${constant}`;
  const last = `'9999-12-31 23:59:59${zone}'::${constant}`;
  const typed =
    family === 'timestamptz'
      ? fn('date_trunc', `'${unit}'`, subject.column, `'UTC'`)
      : fn('date_trunc', `'${unit}'`, scratch === null ? subject.column : `${subject.column}::${scratch}`);
  const range = `${fn(ge, subject.column, first)} AND ${fn(le, subject.column, last)}`;
  return `(CASE WHEN ${range} THEN ${typed} END)::${subject.type.cast ?? constant}`;
}

function cappedAge(subject: Subject): string | null {
  const { family } = subject.type;
  switch (family) {
    case 'int2':
      return fn('int2smaller', subject.column, '90::smallint');
    case 'int4':
      return fn('int4smaller', subject.column, '90');
    case 'int8':
      return fn('int8smaller', subject.column, '90::bigint');
    case 'numeric':
      // 89.5 years is not over 89 yet in the rule's words, but its fraction tells the birthday.
      return `${fn('numeric_smaller', fn('trunc', subject.column), '90::numeric')}::numeric`;
    case 'date':
    case 'timestamp':
    case 'timestamptz': {
      const year = truncated(subject, 'year');
      if (year === null) return null;
      // Spelt as syntax because that is how the deparser prints it.
      const utcNow = `(${fn('now')} AT TIME ZONE 'UTC')`;
      const floor = fn('date_trunc', `'year'`, fn('timestamp_mi_interval', utcNow, `'90 years'::interval`));
      const typedFloor = family === 'timestamptz' ? `(${floor} AT TIME ZONE 'UTC')` : `${floor}::${temporal[family].constant}`;
      return `${fn(temporal[family].larger, year, typedFloor)}::${subject.type.cast ?? temporal[family].constant}`;
    }
    default:
      return null;
  }
}

/** Three-digit ZIP areas with 20,000 people or fewer (Census 2000), which Safe Harbor shows as 000. */
export const RESTRICTED_ZIP3 = '036,059,063,102,203,556,692,790,821,823,830,831,878,879,884,890,893';

function zip3(subject: Subject): string | null {
  if (subject.type.family !== 'text' || subject.type.cast === null) return null;
  const prefix = fn('left', asText(subject), '3');
  const isZip = fn('textregexeq', asText(subject), `'^[0-9]{3}'`);
  const restricted = fn('int4gt', fn('strpos', `'${RESTRICTED_ZIP3}'`, prefix), '0');
  const shown = `CASE WHEN ${fn('int4ge', fn('length', asText(subject)), '0')} THEN CASE WHEN ${isZip} AND NOT ${restricted} THEN ${prefix} ELSE '000' END END`;
  return `(${shown})::${subject.type.cast}`;
}

function partial(subject: Subject): string | null {
  if (subject.type.family !== 'text' || subject.type.unboundedCast === null) return null;
  const length = fn('length', asText(subject));
  const tail = fn('textcat', `'***'`, fn('right', asText(subject), '4'));
  return `(CASE WHEN ${fn('int4ge', length, '8')} THEN ${tail} WHEN ${fn('int4lt', length, '8')} THEN '***' END)::${subject.type.unboundedCast}`;
}

function rounded(subject: Subject): string | null {
  const tens = (value: string): string => fn('trunc', `${value}::numeric`, '-1');
  switch (subject.type.family) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'numeric':
      return `${tens(subject.column)}::${subject.type.cast ?? 'numeric'}`;
    case 'float4':
    case 'float8': {
      const wide = `${subject.column}::double precision`;
      const range = `${fn('float8ge', wide, `'-1e15'::double precision`)} AND ${fn('float8le', wide, `'1e15'::double precision`)}`;
      return `(CASE WHEN ${range} THEN ${tens(wide)} END)::${subject.type.cast ?? 'double precision'}`;
    }
    default:
      return null;
  }
}

const key = fn('decode', fn('current_setting', `'${TOKEN_KEY_SETTING}'`), `'hex'`);

/** SHA-256 keyed twice (inner and outer), over method, class and value. A missing setting is an error of the server; a
 *  key shorter than 256 bits gives NULL. */
function digest(subject: Subject, method: 'hash' | 'token'): string {
  const label = quoteLiteral(`${method}:${subject.className}:`);
  const message = fn('convert_to', fn('textcat', label, asText(subject)), `'UTF8'`);
  return fn('sha256', fn('byteacat', key, fn('sha256', fn('byteacat', key, message))));
}

function keyed(subject: Subject, method: 'hash' | 'token'): string | null {
  const { family, cast, unboundedCast } = subject.type;
  const hex = fn('encode', digest(subject, method), `'hex'`);
  const strong = fn('int4ge', fn('length', fn('current_setting', `'${TOKEN_KEY_SETTING}'`)), '64');
  const guarded = (value: string): string => `(CASE WHEN ${strong} THEN ${value} END)`;
  if (family === 'text' && unboundedCast !== null) {
    const letters = tokenLabel(subject.className);
    const shown = method === 'hash' ? fn('left', hex, '32') : fn('textcat', quoteLiteral(`tok_${letters}_`), fn('left', hex, '20'));
    return `${guarded(shown)}::${unboundedCast}`;
  }
  if (family === 'uuid' && cast !== null) return `${guarded(fn('left', hex, '32'))}::${cast}`;
  return null;
}

/** Letters of the last part of a class name: `phi.mrn` -> `mrn`. */
export function tokenLabel(className: string): string {
  const last = className.slice(className.lastIndexOf('.') + 1).toLowerCase();
  return last.replaceAll(/[^a-z]/g, '') || 'x';
}

const dates: readonly TypeFamily[] = ['date', 'timestamp', 'timestamptz'];
const integers: readonly TypeFamily[] = ['int2', 'int4', 'int8'];

const rows = {
  clear: {
    describe: 'The value itself.',
    applies: 'every type',
    sql: () => null,
  },
  redact: {
    describe: 'The constant `***`, whatever the value is and whether there is one; NULL for types other than text.',
    applies: 'every type',
    sql: redacted,
  },
  null: {
    describe: 'NULL.',
    applies: 'every type',
    sql: nullOf,
  },
  partial: {
    describe: 'The last four characters after `***`; values shorter than eight characters are `***`.',
    applies: ['text'],
    sql: partial,
  },
  hash: {
    describe: 'A keyed digest: 32 hexadecimal digits, equal for equal values of a class.',
    applies: ['text', 'uuid'],
    sql: (subject) => keyed(subject, 'hash'),
  },
  token: {
    describe: 'A keyed stand-in, `tok_<class>_<20 hexadecimal digits>`, equal for equal values of a class, for joins and grouping.',
    applies: ['text', 'uuid'],
    sql: (subject) => keyed(subject, 'token'),
  },
  year: {
    describe: 'The first of January (UTC) of the same year.',
    applies: dates,
    sql: (subject) => truncated(subject, 'year'),
  },
  month: {
    describe: 'The first day (UTC) of the same month.',
    applies: dates,
    sql: (subject) => truncated(subject, 'month'),
  },
  zip3: {
    describe: 'The first three digits of a ZIP code; `000` for the 17 sparsely populated areas and for everything that is no ZIP code.',
    applies: ['text'],
    sql: zip3,
  },
  'age-90': {
    describe: 'Ages over 90 become 90; a date becomes its year, and no year tells an age over 90.',
    applies: [...integers, 'numeric', ...dates],
    sql: cappedAge,
  },
  round: {
    describe: 'Towards zero to a multiple of ten.',
    applies: [...integers, 'numeric', 'float4', 'float8'],
    sql: rounded,
  },
} as const satisfies Record<MaskMethod, Omit<MaskMethodRow, 'method'>>;

export const MASK_METHOD_ROWS: readonly MaskMethodRow[] = MASK_METHODS.map((method) => ({ method, ...rows[method] }));

/** SQL expression that shows a column under `method`, over the bare (quoted) column name; null = in clear.
 *  @param typeName as `format_type` prints it; @param className separates tokens of different classes. */
export function maskSql(method: MaskMethod, columnName: string, typeName: string, className: string, typeSchema?: string): string | null {
  if (method === 'clear') return null;
  const subject: Subject = { column: quoteIdentifier(columnName), type: parseSqlType(typeName, typeSchema), className };
  return rows[method].sql(subject) ?? redacted(subject);
}
