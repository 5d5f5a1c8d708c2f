// Masks of single values, for answers that the gateway masks itself (Snowflake, HTTP). The same rules and the same results as the SQL of
// methods.ts, which a property test compares on a real server; docs/masking.md has the rules. Values are independent of any protocol:
// texts, exact decimals, floats, bytes, and points in time as seconds and nanoseconds since 1970 in UTC.
// REFUSES nothing: a method that says nothing about a family shows it as `redact`, and no value makes a mask fail.

import { argumentsOf, type Mask, type MaskMethod, methodOf } from '../core/mask.ts';
import { civilOf, DAY_SECONDS, daysOf, isInRange } from './civil.ts';
import { keyedDigest } from './digest.ts';
import { RESTRICTED_ZIP3, SHORTEST_PARTIAL } from './plain.ts';
import type { TokenSpace } from './token.ts';

export type ValueFamily = 'text' | 'number' | 'float' | 'boolean' | 'date' | 'time' | 'timestamp' | 'variant' | 'binary' | 'other';

export interface ValueMaskOptions {
  readonly mask: Mask;
  /** Class whose keys make tokens, digests and shifts; null only where `mask` needs none. */
  readonly keyClass: string | null;
  /** `derived`: made from protected values; shown by constants only. */
  readonly shape: 'value' | 'derived';
  readonly family: ValueFamily;
  /** Whose dates move together. `row`: the key comes with each value. `class`: all of the class. Null: not known, and shifted dates are
   *  NULL. */
  readonly owner: 'row' | 'class' | null;
  readonly tokens: Pick<TokenSpace, 'issuer' | 'digestPrefix'>;
  /** Milliseconds since 1970: years of `age-90` are counted back from here. */
  readonly nowMs: number;
}

/** What is done to the values of one column. Everything but `clear` and `constant` keeps NULL as NULL, and is not asked about it. */
export type ValueMask =
  | { readonly kind: 'clear' }
  /** Whatever the value is and whether there is one. A text for `text`, JSON text for `variant`, NULL for all others. */
  | { readonly kind: 'constant'; readonly value: string | null }
  | { readonly kind: 'text'; readonly mask: (value: string) => string }
  /** `unscaled` / 10^scale; the scale stays. */
  | { readonly kind: 'number'; readonly mask: (unscaled: bigint, scale: number) => bigint }
  | { readonly kind: 'float'; readonly mask: (value: number) => number | null }
  /** Dates and timestamps. Gives the seconds; null = NULL. The nanoseconds become 0 unless `keepsNanos`.
   *  @param nanos 0 to 999999999, also before 1970 */
  | {
      readonly kind: 'time';
      readonly keepsNanos: boolean;
      readonly needsOwner: boolean;
      readonly mask: (seconds: number, nanos: number, owner: string | null) => number | null;
    }
  | { readonly kind: 'binary'; readonly mask: (value: Uint8Array) => Uint8Array };

const REDACTED = '***';
/** Constants that cannot be taken for data. */
const redactedAs: Partial<Record<ValueFamily, string>> = { text: REDACTED, variant: JSON.stringify(REDACTED) };

type Maker = (options: ValueMaskOptions) => ValueMask;

/** One row per method: what it does with the families that it says something about. */
const makers: Record<Exclude<MaskMethod, 'clear' | 'redact' | 'null'>, Partial<Record<ValueFamily, Maker>>> = {
  partial: { text: ({ mask }) => ({ kind: 'text', mask: partial(argumentsOf(mask)) }) },
  hash: {
    text: (options) => ({ kind: 'text', mask: hashedText(options) }),
    binary: (options) => ({ kind: 'binary', mask: hashed(options) }),
  },
  token: { text: (options) => ({ kind: 'text', mask: options.tokens.issuer(keyClassOf(options)) }) },
  year: bothTimes(() => ({ kind: 'time', keepsNanos: false, needsOwner: false, mask: within((seconds) => yearStart(yearOf(seconds))) })),
  month: bothTimes(() => ({ kind: 'time', keepsNanos: false, needsOwner: false, mask: within(monthStart) })),
  zip3: { text: () => ({ kind: 'text', mask: zip3 }) },
  'age-90': {
    number: () => ({ kind: 'number', mask: cappedAge }),
    ...bothTimes(({ nowMs }) => {
      const oldest = yearOf(Math.floor(nowMs / 1000)) - 90;
      return {
        kind: 'time',
        keepsNanos: false,
        needsOwner: false,
        mask: within((seconds) => yearStart(Math.max(yearOf(seconds), oldest))),
      };
    }),
  },
  'date-shift': bothTimes(shifted),
  round: {
    number: ({ mask }) => ({ kind: 'number', mask: rounded(argumentsOf(mask)[0] ?? 1) }),
    float: ({ mask }) => ({ kind: 'float', mask: roundedFloat(argumentsOf(mask)[0] ?? 1) }),
  },
};

/** @throws when the mask needs a class for its keys and there is none. */
export function valueMask(options: ValueMaskOptions): ValueMask {
  const { family, shape } = options;
  const method = methodOf(options.mask);
  if (method === 'clear') return { kind: 'clear' };
  if (method === 'null') return { kind: 'constant', value: null };
  const maker = method === 'redact' || shape === 'derived' ? undefined : makers[method][family];
  return maker === undefined ? { kind: 'constant', value: redactedAs[family] ?? null } : maker(options);
}

/** Characters that a masked text may have, however many the value had. */
export function longestText(mask: Mask, tokenDigits = 160): number {
  const method = methodOf(mask);
  if (method === 'hash') return 32;
  if (method === 'token') return 64 + tokenDigits;
  const kept = method === 'partial' ? argumentsOf(mask).reduce((all, each) => all + each, 0) : 0;
  return kept + REDACTED.length;
}

function bothTimes(maker: Maker): Partial<Record<ValueFamily, Maker>> {
  return { date: maker, timestamp: maker };
}

function keyClassOf({ keyClass, mask }: ValueMaskOptions): string {
  if (keyClass === null) throw new Error(`the mask ${methodOf(mask)} needs a class`);
  return keyClass;
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

function partial([first = 0, last = 0]: readonly number[]): (value: string) => string {
  const shortest = Math.max(SHORTEST_PARTIAL, 2 * (first + last));
  return (value) => {
    if (isAscii(value)) {
      if (value.length < shortest) return REDACTED;
      return value.slice(0, first) + REDACTED + value.slice(value.length - last);
    }
    const characters = Array.from(value);
    if (characters.length < shortest) return REDACTED;
    return characters.slice(0, first).join('') + REDACTED + characters.slice(characters.length - last).join('');
  };
}

function zip3(value: string): string {
  const prefix = value.slice(0, 3);
  return /^[0-9]{3}/.test(value) && !RESTRICTED_ZIP3.includes(prefix) ? prefix : '000';
}

function hashedText(options: ValueMaskOptions): (value: string) => string {
  const prefix = options.tokens.digestPrefix(`hash:${keyClassOf(options)}`);
  return (value) => keyedDigest(prefix, Buffer.from(value, 'utf8')).slice(0, 32);
}

function hashed(options: ValueMaskOptions): (value: Uint8Array) => Uint8Array {
  const prefix = options.tokens.digestPrefix(`hash:${keyClassOf(options)}`);
  return (value) => Buffer.from(keyedDigest(prefix, value), 'hex');
}

const powers: bigint[] = [];
const powerOfTen = (scale: number): bigint => (powers[scale] ??= 10n ** BigInt(scale));

/** Towards zero to a multiple of the step. */
function rounded(step: number): (unscaled: bigint, scale: number) => bigint {
  const whole = BigInt(step);
  return (unscaled, scale) => unscaled - (unscaled % (whole * powerOfTen(scale)));
}

function cappedAge(unscaled: bigint, scale: number): bigint {
  const one = powerOfTen(scale);
  const years = unscaled - (unscaled % one);
  return years < 90n * one ? years : 90n * one;
}

/** Floats beyond it are NULL. */
const WIDEST_FLOAT = 1e15;
/** Digits that a float has as a decimal: PostgreSQL's own cast takes as many. */
const FLOAT_DIGITS = 15;

function roundedFloat(step: number): (value: number) => number | null {
  const whole = BigInt(step);
  return (value) => {
    if (!(value >= -WIDEST_FLOAT && value <= WIDEST_FLOAT)) return null;
    const integer = BigInt(Math.trunc(Number(value.toPrecision(FLOAT_DIGITS))));
    return Number(integer - (integer % whole));
  };
}

const yearOf = (seconds: number): number => civilOf(Math.floor(seconds / DAY_SECONDS)).year;
const yearStart = (year: number): number => daysOf(year, 1) * DAY_SECONDS;

function monthStart(seconds: number): number {
  const { year, month } = civilOf(Math.floor(seconds / DAY_SECONDS));
  return daysOf(year, month) * DAY_SECONDS;
}

/** NULL outside of the years 1 to 9999. */
function within(mask: (seconds: number) => number): (seconds: number, nanos: number) => number | null {
  return (seconds, nanos) => (isInRange(seconds, nanos) ? mask(seconds) : null);
}

/** Owners whose shift is kept. */
const KEPT_SHIFTS = 4096;

/** Moved by 1 to n days back or forth, the same for all dates of one owner. Also NULL when it would leave the years 1 to 9999: drivers
 *  cannot read such dates. */
function shifted(options: ValueMaskOptions): ValueMask {
  if (options.owner === null) return { kind: 'constant', value: null };
  const [days = 0] = argumentsOf(options.mask);
  const prefix = options.tokens.digestPrefix(`date-shift:${keyClassOf(options)}`);
  const offsetOf = (owner: string): number => {
    const number = Number.parseInt(keyedDigest(prefix, Buffer.from(owner, 'utf8')).slice(0, 8), 16) % (2 * days);
    return (number < days ? number - days : number - days + 1) * DAY_SECONDS;
  };
  const known = new Map<string, number>();
  const keptOffsetOf = (owner: string): number => {
    let offset = known.get(owner);
    if (offset === undefined) {
      if (known.size >= KEPT_SHIFTS) known.clear();
      offset = offsetOf(owner);
      known.set(owner, offset);
    }
    return offset;
  };
  const needsOwner = options.owner === 'row';
  return {
    kind: 'time',
    keepsNanos: true,
    needsOwner,
    mask: (seconds, nanos, rowOwner) => {
      const owner = needsOwner ? rowOwner : '';
      if (owner === null || !isInRange(seconds, nanos)) return null;
      const moved = seconds + keptOffsetOf(owner);
      return isInRange(moved, nanos) ? moved : null;
    },
  };
}
