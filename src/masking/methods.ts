// Every mask method is one row: what it does, which types it says something about, and the SQL that does it. All
// expressions are written over the bare value, keep its type, never fail for any value, and call functions by their
// pg_catalog names. docs/masking.md repeats the table and a test compares the two.
// REFUSES nothing: a method that says nothing about a type shows it as `redact`, and `redact` is NULL where a type has
// no constant that could not be taken for data.

import { argumentsOf, type Mask, MASK_METHODS, type MaskMethod, methodOf } from '../core/mask.ts';
import { elementwise } from './arrays.ts';
import { hashed } from './keyed.ts';
import { cappedAge, partial, rounded, zip3 } from './plain.ts';
import { parseSqlType, quoteIdentifier, type TypeFamily } from './sql-types.ts';
import { nullOf, redacted, type Subject } from './subject.ts';
import { cappedYear, shifted, truncated } from './temporal.ts';
import { tokenized } from './token-sql.ts';

export interface MaskMethodRow {
  readonly method: MaskMethod;
  /** What is shown, for documents and explanations. */
  readonly describe: string;
  /** Families of types it says something about; all others are shown as `redact`. */
  readonly applies: readonly TypeFamily[] | 'every type';
  /** Expression over the value; null = the method does not say anything about that family. */
  readonly sql: (subject: Subject) => string | null;
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
    describe:
      'The first and last characters around `***` (the last four, unless the policy says otherwise); `***` alone for values shorter than eight characters or than twice what is kept.',
    applies: ['text'],
    sql: partial,
  },
  hash: {
    describe: 'A keyed digest: 32 hexadecimal digits (32 bytes of a `bytea`), equal for equal values of a class.',
    applies: ['text', 'uuid', 'bytea'],
    sql: hashed,
  },
  token: {
    describe:
      'A keyed stand-in, `tok_<class>_<key>_<80 or more hexadecimal digits>`, equal for equal values of a class; the gateway takes it in place of the value. A UUID of version 8 for UUIDs, for joins and grouping only.',
    applies: ['text', 'uuid'],
    sql: tokenized,
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
    sql: (subject) => cappedAge(subject) ?? cappedYear(subject),
  },
  'date-shift': {
    describe: 'Moved by 1 to 365 days back or forth, or as many as the policy says; by the same for all dates of one subject.',
    applies: dates,
    sql: shifted,
  },
  round: {
    describe: 'Towards zero to a multiple of ten, or of the step that the policy says.',
    applies: [...integers, 'numeric', 'float4', 'float8'],
    sql: rounded,
  },
} as const satisfies Record<MaskMethod, Omit<MaskMethodRow, 'method'>>;

export const MASK_METHOD_ROWS: readonly MaskMethodRow[] = MASK_METHODS.map((method) => ({ method, ...rows[method] }));

/** A column as a mask needs to know it. */
export interface ColumnToMask {
  readonly columnName: string;
  /** As `format_type` prints it. */
  readonly typeName: string;
  readonly typeSchema?: string;
  /** What a domain is made of. */
  readonly baseType?: { readonly typeName: string; readonly typeSchema: string };
  /** Separates the tokens, digests and shifts of different classes. */
  readonly className: string;
  /** Column of the same relation that says whose data it is. Null: policy names one, but the relation does not have it.
   *  Absent: policy names none. */
  readonly subjectColumn?: (Pick<ColumnToMask, 'columnName' | 'typeName' | 'typeSchema'> & object) | null;
  /** Id of the key that tokens are made with. */
  readonly keyId: string;
}

/** SQL expression that shows a column under `mask`, over its bare (quoted) name; null = in clear. The values of a domain
 *  are shown as values of what it is made of: its checks must not see masks. */
export function maskSql(mask: Mask, column: ColumnToMask): string | null {
  const method = methodOf(mask);
  if (method === 'clear') return null;
  const value = quoteIdentifier(column.columnName);
  const whole = { value, type: parseSqlType(column.typeName, column.typeSchema) };
  const { baseType } = column;
  const base = baseType === undefined ? whole.type : parseSqlType(baseType.typeName, baseType.typeSchema);
  const isCast = baseType !== undefined && base.cast !== null;
  const subject: Subject = {
    value: isCast ? `(${value}::${base.cast})` : value,
    type: base,
    className: column.className,
    args: argumentsOf(mask),
    owner: ownerOf(column),
    keyId: column.keyId,
  };
  if (method === 'redact' || method === 'null') return rows[method].sql({ ...subject, ...whole });
  const { sql } = rows[method];
  return (base.element === undefined ? sql(subject) : elementwise(subject, base.element, sql)) ?? redacted(whole);
}

/** Types whose text is the same in every session. */
const ownerFamilies: ReadonlySet<TypeFamily> = new Set(['text', 'int2', 'int4', 'int8', 'numeric', 'uuid']);

function ownerOf({ subjectColumn }: ColumnToMask): Subject['owner'] {
  if (subjectColumn === undefined) return 'class';
  if (subjectColumn === null) return null;
  const { family } = parseSqlType(subjectColumn.typeName, subjectColumn.typeSchema);
  return ownerFamilies.has(family) ? { sql: quoteIdentifier(subjectColumn.columnName) } : null;
}
