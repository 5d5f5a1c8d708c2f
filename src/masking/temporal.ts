// Dates and times: cut to the year or month, capped by age, or moved by days. Outside of the years 1 to 9999, infinities
// included, NULL: no value may make a mask fail. The session's time zone is never part of it.

import { digest, guarded, TOKEN_KEY_SETTING, utf8 } from './keyed.ts';
import { fn, type Subject } from './subject.ts';

const families = {
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

type Temporal = keyof typeof families;

const isTemporal = (family: string): family is Temporal => Object.hasOwn(families, family);

/** @returns `value` of the subject's own type, or NULL where the subject is out of range. */
function inRange(subject: Subject, family: Temporal, value: string): string {
  const { ge, le, constant } = families[family];
  const zone = family === 'timestamptz' ? '+00' : '';
  const first = `'0001-01-01 00:00:00${zone}'::${constant}`;
  const last = `'9999-12-31 23:59:59${zone}'::${constant}`;
  const range = `${fn(ge, subject.value, first)} AND ${fn(le, subject.value, last)}`;
  return `(CASE WHEN ${range} THEN ${value} END)::${subject.type.cast ?? constant}`;
}

/** Start of the year or month in UTC: the session's time zone must not move a value over the boundary (it would be an
 *  oracle). */
export function truncated(subject: Subject, unit: 'year' | 'month'): string | null {
  const { family } = subject.type;
  if (!isTemporal(family)) return null;
  const { scratch } = families[family];
  const typed =
    family === 'timestamptz'
      ? fn('date_trunc', `'${unit}'`, subject.value, `'UTC'`)
      : fn('date_trunc', `'${unit}'`, scratch === null ? subject.value : `${subject.value}::${scratch}`);
  return inRange(subject, family, typed);
}

/** Its year, and none that is more than 90 years ago. */
export function cappedYear(subject: Subject): string | null {
  const { family } = subject.type;
  const year = truncated(subject, 'year');
  if (year === null || !isTemporal(family)) return null;
  const { constant, larger } = families[family];
  // Spelt as syntax because that is how the deparser prints it.
  const utcNow = `(${fn('now')} AT TIME ZONE 'UTC')`;
  const floor = fn('date_trunc', `'year'`, fn('timestamp_mi_interval', utcNow, `'90 years'::interval`));
  const typedFloor = family === 'timestamptz' ? `(${floor} AT TIME ZONE 'UTC')` : `${floor}::${constant}`;
  return `${fn(larger, year, typedFloor)}::${subject.type.cast ?? constant}`;
}

/** Moved by 1 to n days back or forth, the same for all dates of one owner: distances between them stay. */
export function shifted(subject: Subject): string | null {
  const { family } = subject.type;
  if (!isTemporal(family) || subject.owner === null) return null;
  const days = subject.args[0] ?? 0;
  const owner = subject.owner === 'class' ? `''` : subject.owner.sql;
  const hex = fn('left', fn('encode', digest(`date-shift:${subject.className}`, utf8(`${owner}::text`)), `'hex'`), '8');
  const number = fn('int8mod', `${fn('textcat', `'x'`, hex)}::bit(32)::bigint`, `${2 * days}::bigint`);
  // Of 0 to 2n - 1: half-way numbers are rounded away from zero, so that none becomes 0.
  const offset = fn('round', fn('numeric_sub', `${number}::numeric`, `${days - 0.5}::numeric`));
  const moved =
    family === 'date'
      ? fn('date_pli', subject.value, `${offset}::integer`)
      : fn(`${family}_pl_interval`, subject.value, fn('interval_mul', `'24:00:00'::interval`, `${offset}::double precision`));
  return guarded(inRange(subject, family, moved), TOKEN_KEY_SETTING);
}
