// Cells as JSON results write them: every value is a text or null. Decodes those that are masked, and encodes what is shown in the same
// form: booleans "1"/"0", dates as days, times and timestamps as seconds with a fraction (a zone as minutes + 1440), bytes as hexadecimal
// digits. REFUSES: a cell that is not of its column's type.

import { DAY_SECONDS, type ValueMask, valueMask } from '../../../masking/index.ts';
import { type ColumnPlan, malformed } from './columns.ts';
import type { ResultPlan } from './plan.ts';

/** @param owner key of the row's subject */
type MapCell = (cell: string, owner: string | null) => string | null;

export type CellMask =
  | { readonly kind: 'clear' }
  | { readonly kind: 'constant'; readonly cell: string | null }
  | {
      readonly kind: 'map';
      readonly subject: number | null;
      readonly map: MapCell;
      /** Shown for NULL; absent = NULL. */
      readonly whenNull?: string | null;
    };

/** What is done to the values of one column. */
export function columnMask(column: ColumnPlan, plan: ResultPlan): ValueMask {
  const { mask, keyClass, shape, family, subject } = column;
  const owner = subject === 'class' ? subject : subject !== null && isSubject(plan.columns[subject]) ? 'row' : null;
  return valueMask({ mask, keyClass, shape, family, owner, tokens: plan.tokens, nowMs: plan.nowMs });
}

/** Types whose text is the same in every session. */
const isSubject = (column: ColumnPlan | undefined): boolean => column?.family === 'text' || column?.family === 'number';

export function cellMask(column: ColumnPlan, plan: ResultPlan): CellMask {
  const mask = columnMask(column, plan);
  switch (mask.kind) {
    case 'clear':
      return { kind: 'clear' };
    case 'constant':
      return { kind: 'constant', cell: mask.value };
    case 'text':
      return { kind: 'map', subject: null, map: mask.mask };
    case 'number':
      return { kind: 'map', subject: null, map: (cell) => mappedNumber(cell, mask.mask) };
    case 'float':
      return { kind: 'map', subject: null, map: (cell) => mappedFloat(cell, mask.mask) };
    case 'binary':
      return { kind: 'map', subject: null, map: (cell) => hexOf(mask.mask(bytesOf(cell))) };
    case 'time': {
      const isDate = column.family === 'date';
      const subject = mask.needsOwner && typeof column.subject === 'number' ? column.subject : null;
      return { kind: 'map', subject, map: isDate ? (cell, owner) => mappedDate(cell, owner, mask.mask) : timestampMap(mask) };
    }
  }
}

function mappedNumber(cell: string, mask: (unscaled: bigint, scale: number) => bigint): string {
  const match = /^(-?)(\d{1,76})(?:\.(\d{1,38}))?$/.exec(cell);
  if (match === null) throw malformed('a number that is none');
  const [, sign = '', whole = '', fraction = ''] = match;
  const unscaled = BigInt(whole + fraction);
  return decimalText(mask(sign === '-' ? -unscaled : unscaled, fraction.length), fraction.length);
}

export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return unscaled.toString();
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function mappedFloat(cell: string, mask: (value: number) => number | null): string | null {
  if (!/^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|[+-]?inf(?:inity)?)$/i.test(cell)) throw malformed('a float that is none');
  const shown = mask(Number(cell));
  return shown === null ? null : String(shown);
}

function bytesOf(cell: string): Buffer {
  if (!/^(?:[0-9a-f]{2})*$/i.test(cell)) throw malformed('bytes that are none');
  return Buffer.from(cell, 'hex');
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase();

type MaskTime = Extract<ValueMask, { kind: 'time' }>;

function mappedDate(cell: string, owner: string | null, mask: MaskTime['mask']): string | null {
  if (!/^-?\d{1,9}$/.test(cell)) throw malformed('a date that is none');
  const seconds = mask(Number(cell) * DAY_SECONDS, 0, owner);
  return seconds === null ? null : String(seconds / DAY_SECONDS);
}

export interface Instant {
  readonly seconds: number;
  /** 0 to 999999999, also before 1970. */
  readonly nanos: number;
  /** Digits after the point. */
  readonly digits: number;
  /** Minutes east of UTC; null = the type has none. */
  readonly zone: number | null;
}

export function instantOf(cell: string): Instant | null {
  const match = /^(-?)(\d{1,12})(?:\.(\d{0,9}))?(?: (\d{1,4}))?$/.exec(cell);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', zone] = match;
  const nanos = Number(fraction.padEnd(9, '0'));
  const isBefore = sign === '-';
  const borrowed = isBefore && nanos > 0;
  return {
    seconds: (isBefore ? -Number(whole) : Number(whole)) - (borrowed ? 1 : 0),
    nanos: borrowed ? 1_000_000_000 - nanos : nanos,
    digits: fraction.length,
    zone: zone === undefined ? null : Number(zone) - 1440,
  };
}

export function instantText({ seconds, nanos, digits, zone }: Instant): string {
  const isBefore = seconds < 0 && nanos > 0;
  const whole = isBefore ? seconds + 1 : seconds;
  const sign = isBefore && whole === 0 ? '-' : '';
  const rest = isBefore ? 1_000_000_000 - nanos : nanos;
  const fraction = digits === 0 ? '' : `.${String(rest).padStart(9, '0').slice(0, digits)}`;
  return `${sign}${whole}${fraction}${zone === null ? '' : ` ${zone + 1440}`}`;
}

/** WHY in UTC: the offset of the stored value tells summer from winter, and where. */
function timestampMap({ keepsNanos, mask }: MaskTime): MapCell {
  return (cell, owner) => {
    const instant = instantOf(cell);
    if (instant === null) throw malformed('a timestamp that is none');
    const { nanos, digits, zone } = instant;
    const seconds = mask(instant.seconds, nanos, owner);
    return seconds === null ? null : instantText({ seconds, nanos: keepsNanos ? nanos : 0, digits, zone: zone === null ? null : 0 });
  };
}
