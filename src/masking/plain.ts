// Masks that cut: parts of texts, ZIP areas, rounded and capped numbers.

import { asText, fn, type Subject } from './subject.ts';

/** Three-digit ZIP areas with 20,000 people or fewer (Census 2000), which Safe Harbor shows as 000. */
export const RESTRICTED_ZIP3 = '036,059,063,102,203,556,692,790,821,823,830,831,878,879,884,890,893';

export function zip3(subject: Subject): string | null {
  if (subject.type.family !== 'text' || subject.type.cast === null) return null;
  const prefix = fn('left', asText(subject), '3');
  const isZip = fn('textregexeq', asText(subject), `'^[0-9]{3}'`);
  const restricted = fn('int4gt', fn('strpos', `'${RESTRICTED_ZIP3}'`, prefix), '0');
  const shown = `CASE WHEN ${fn('int4ge', fn('length', asText(subject)), '0')} THEN CASE WHEN ${isZip} AND NOT ${restricted} THEN ${prefix} ELSE '000' END END`;
  return `(${shown})::${subject.type.cast}`;
}

export const SHORTEST_PARTIAL = 8;

/** First and last characters. At least half of the value stays hidden, and all of a short one. */
export function partial(subject: Subject): string | null {
  if (subject.type.family !== 'text' || subject.type.unboundedCast === null) return null;
  const [first = 0, last = 0] = subject.args;
  const shortest = String(Math.max(SHORTEST_PARTIAL, 2 * (first + last)));
  const length = fn('length', asText(subject));
  const head = first === 0 ? `'***'` : fn('textcat', fn('left', asText(subject), String(first)), `'***'`);
  const kept = last === 0 ? head : fn('textcat', head, fn('right', asText(subject), String(last)));
  return `(CASE WHEN ${fn('int4ge', length, shortest)} THEN ${kept} WHEN ${fn('int4lt', length, shortest)} THEN '***' END)::${subject.type.unboundedCast}`;
}

/** Towards zero to a multiple of the step. */
export function rounded(subject: Subject): string | null {
  const step = subject.args[0] ?? 1;
  const { value, type } = subject;
  // WHY trunc: the decimals that are left would tell how many the value has.
  const cut = (number: string): string => fn('trunc', fn('numeric_sub', number, fn('numeric_mod', number, `${step}::numeric`)));
  switch (type.family) {
    case 'int2':
    case 'int4':
    case 'int8': {
      const wide = `${value}::bigint`;
      return `${fn('int8mi', wide, fn('int8mod', wide, `${step}::bigint`))}::${type.cast ?? 'bigint'}`;
    }
    case 'numeric':
      return `${cut(value)}::${type.cast ?? 'numeric'}`;
    case 'float4':
    case 'float8': {
      const wide = `${value}::double precision`;
      const range = `${fn('float8ge', wide, `'-1e15'::double precision`)} AND ${fn('float8le', wide, `'1e15'::double precision`)}`;
      return `(CASE WHEN ${range} THEN ${cut(`${wide}::numeric`)} END)::${type.cast ?? 'double precision'}`;
    }
    default:
      return null;
  }
}

export function cappedAge({ value, type }: Subject): string | null {
  switch (type.family) {
    case 'int2':
      return fn('int2smaller', value, '90::smallint');
    case 'int4':
      return fn('int4smaller', value, '90');
    case 'int8':
      return fn('int8smaller', value, '90::bigint');
    case 'numeric':
      // 89.5 years is not over 89 yet in the rule's words, but its fraction tells the birthday.
      return `${fn('numeric_smaller', fn('trunc', value), '90::numeric')}::numeric`;
    default:
      return null;
  }
}
