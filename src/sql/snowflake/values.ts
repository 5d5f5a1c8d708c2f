// What is known of the value of an expression: which columns it is made from, and what may be said of it.

import { maskFor, maskOfClass, type MaskSet, methodOf } from '../../core/decision.ts';
import type { Mask } from '../../core/mask.ts';

/** Types that are compared without a cast. `number` has many scales: two of them are compared by casting one. */
export type Family = 'text' | 'number' | 'boolean' | 'date' | 'time' | 'timestamp' | 'variant' | 'binary' | 'other';

export interface Taint {
  /** Base columns. */
  readonly sources: ReadonlySet<string>;
  /** Classes of those. */
  readonly classes: ReadonlySet<string>;
  /** Of those, what the principal may not see. */
  readonly hidden: ReadonlySet<string>;
  /** Classes of the column whose stored value it is, as it is, joined; null = made from values, or nothing hidden is in it. */
  readonly stored: string | null;
  /** Computing it cannot fail, whatever the values are. */
  readonly isTotal: boolean;
  /** Null = not known. */
  readonly family: Family | null;
  /** Stored values and constants that are put together in a text, at most: how much longer it is than a value. */
  readonly weight: number;
  /** A small whole number that is written down: it fits in every type of numbers beside others such. */
  readonly isSmall?: true;
}

const NOTHING: ReadonlySet<string> = new Set();

export function constant(family: Family | null, isTotal = true): Taint {
  return { sources: NOTHING, classes: NOTHING, hidden: NOTHING, stored: null, isTotal, family, weight: 1 };
}

/** NULL goes with every type and class. */
export const NULL_VALUE: Taint = constant(null);

export function union<T>(sets: readonly ReadonlySet<T>[]): ReadonlySet<T> {
  const filled = sets.filter((each) => each.size > 0);
  const [first] = filled;
  if (first === undefined) return new Set();
  if (filled.length === 1) return first;
  return new Set(filled.flatMap((each) => [...each]));
}

/** A value made from others. */
export function made(parts: readonly Taint[], family: Family | null, isTotal: boolean): Taint {
  return {
    sources: union(parts.map((each) => each.sources)),
    classes: union(parts.map((each) => each.classes)),
    hidden: union(parts.map((each) => each.hidden)),
    stored: null,
    isTotal: isTotal && parts.every((each) => each.isTotal),
    family,
    weight: Math.max(1, ...parts.map((each) => each.weight)),
  };
}

/** One of several values, as it is: rows of a UNION, columns of the same name. */
export function oneOf(parts: readonly Taint[]): Taint {
  const real = parts.filter((each) => each !== NULL_VALUE);
  const [first] = real;
  if (first === undefined) return NULL_VALUE;
  if (real.length === 1) return first;
  const all = made(real, isOneFamily(real) ? first.family : null, true);
  const same = real.every((each) => each.stored === first.stored);
  return { ...all, stored: same ? first.stored : null };
}

/** They are put together without a cast that could fail. Numbers are of one column, or one of their scales may not hold the other. */
export function isOneFamily(parts: readonly Taint[]): boolean {
  const [first, ...others] = parts.filter((each) => each !== NULL_VALUE);
  if (first === undefined || others.length === 0) return true;
  if (first.family === null || first.family === 'other') return false;
  if (others.some((each) => each.family !== first.family)) return false;
  if (first.family !== 'number' || [first, ...others].every((each) => each.isSmall === true)) return true;
  const sources = new Set([first, ...others].flatMap((each) => [...each.sources]));
  return sources.size === 1 && [first, ...others].every((each) => each.sources.size === 1);
}

/** Of one column of the catalogue. */
export function columnValue(
  name: string,
  classes: readonly string[],
  masks: MaskSet,
  options: { readonly family: Family | null; readonly isStored: boolean; readonly isTotal: boolean },
): Taint {
  const hidden = classes.filter((each) => maskOfClass(each, masks) !== 'clear');
  return {
    sources: new Set([name]),
    classes: new Set(classes),
    hidden: new Set(hidden),
    stored: options.isStored && hidden.length > 0 ? classes.join(' ') : null,
    isTotal: options.isTotal,
    family: options.family,
    weight: 1,
  };
}

export interface Shown {
  readonly mask: Mask;
  /** Class whose keys make tokens and digests: the one whose mask it is. */
  readonly keyClass: string | null;
}

const KEYED: readonly string[] = ['token', 'hash', 'date-shift'];

export function shownAs(value: Taint, masks: MaskSet): Shown {
  if (value.hidden.size === 0) return { mask: 'clear', keyClass: null };
  const classes = [...value.classes].sort();
  const mask = maskFor(classes, masks);
  if (value.stored === null) return { mask: mask === 'null' ? 'null' : 'redact', keyClass: null };
  if (!KEYED.includes(methodOf(mask))) return { mask, keyClass: null };
  return { mask, keyClass: classes.find((each) => maskOfClass(each, masks) === mask) ?? null };
}

/** Class within which equal values are shown as equal: what the principal sees tells equality already. Null = it does not. */
export function equalityClass(value: Taint, masks: MaskSet): string | null {
  if (value.stored === null) return null;
  const { mask, keyClass } = shownAs(value, masks);
  // Values of other types are shown by a constant.
  const isShown = value.family === null || value.family === 'text' || (mask === 'hash' && value.family === 'binary');
  return isShown && (mask === 'token' || mask === 'hash') ? keyClass : null;
}

const FAMILIES: Readonly<Record<string, Family>> = Object.fromEntries(
  (
    [
      ['text', 'TEXT VARCHAR CHAR CHARACTER STRING NVARCHAR NCHAR CHARVARYING CHARACTERVARYING CHAR_VARYING NVARCHAR2 TINYTEXT'],
      [
        'number',
        'NUMBER DECIMAL NUMERIC DEC INT INTEGER BIGINT SMALLINT TINYINT BYTEINT FLOAT FLOAT4 FLOAT8 DOUBLE DOUBLEPRECISION REAL FIXED',
      ],
      ['boolean', 'BOOLEAN BOOL'],
      ['date', 'DATE'],
      ['time', 'TIME'],
      ['timestamp', 'TIMESTAMP TIMESTAMP_NTZ TIMESTAMP_LTZ TIMESTAMP_TZ DATETIME TIMESTAMPNTZ TIMESTAMPLTZ TIMESTAMPTZ'],
      ['variant', 'VARIANT OBJECT ARRAY'],
      ['binary', 'BINARY VARBINARY'],
    ] as const
  ).flatMap(([family, names]) => names.split(' ').map((name) => [name, family] as const)),
);

/** Of a type as Snowflake writes it: `NUMBER(38,0)`, `TEXT`. */
export function familyOf(type: string): Family {
  const name = type.replace(/\(.*$/s, '').trim().toUpperCase();
  return FAMILIES[name] ?? 'other';
}
