// Words for masks: the methods, their arguments, and which of two masks reveals less. A mask is text, so that it can be
// recorded, compared and shown as it is: the name of a method, or of a method with arguments: `partial(1,4)`.

/** Every mask method. One row per method in `masking/methods.ts`. */
export const MASK_METHODS = [
  'clear',
  'redact',
  'null',
  'partial',
  'hash',
  'token',
  'year',
  'month',
  'zip3',
  'age-90',
  'date-shift',
  'round',
] as const;
export type MaskMethod = (typeof MASK_METHODS)[number];

/** Canonical text of a mask. Arguments that are the method's own defaults are left out: equal masks have equal texts. */
export type Mask = MaskMethod | `partial(${number},${number})` | `date-shift(${number})` | `round(${number})`;

/** How much a method reveals; higher reveals more. Where several masks apply to one column, the least revealing counts. */
export const REVEALING = {
  null: 0,
  redact: 10,
  hash: 20,
  token: 30,
  'age-90': 40,
  year: 50,
  zip3: 60,
  'date-shift': 65,
  month: 70,
  round: 80,
  partial: 90,
  clear: 100,
} as const satisfies Record<MaskMethod, number>;

interface Argument {
  /** Key in the policy. */
  readonly name: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

export const METHODS_WITH_ARGUMENTS = ['partial', 'date-shift', 'round'] as const;
export type MethodWithArguments = (typeof METHODS_WITH_ARGUMENTS)[number];

/** In the order of the text. */
export const MASK_ARGUMENTS: Readonly<Record<MethodWithArguments, readonly Argument[]>> = {
  partial: [
    { name: 'first', default: 0, min: 0, max: 20 },
    { name: 'last', default: 4, min: 0, max: 20 },
  ],
  'date-shift': [{ name: 'days', default: 365, min: 1, max: 3650 }],
  round: [{ name: 'step', default: 10, min: 2, max: 1_000_000_000 }],
};

export function hasArguments(method: MaskMethod): method is MethodWithArguments {
  return Object.hasOwn(MASK_ARGUMENTS, method);
}

/** A mask of a method with the arguments that are given by name; the others are the method's defaults.
 *  @returns null for an argument that the method does not have, and for one out of its range. */
export function maskWith(method: MethodWithArguments, given: Readonly<Record<string, number | undefined>>): Mask | null {
  const known = MASK_ARGUMENTS[method];
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  if (named.some(([name]) => !known.some((each) => each.name === name))) return null;
  const values = known.map((each) => given[each.name] ?? (named.length > 0 && method === 'partial' ? 0 : each.default));
  const isInRange = known.every(({ min, max }, index) => {
    const value = values[index] ?? Number.NaN;
    return Number.isSafeInteger(value) && value >= min && value <= max;
  });
  if (!isInRange || (method === 'partial' && values.every((value) => value === 0))) return null;
  return known.every((each, index) => each.default === values[index]) ? method : (`${method}(${values.join(',')})` as Mask);
}

/** `partial(1,4)` -> `partial`. */
export function methodOf(mask: Mask): MaskMethod {
  const end = mask.indexOf('(');
  return (end < 0 ? mask : mask.slice(0, end)) as MaskMethod;
}

/** In the order of `MASK_ARGUMENTS`, defaults included; empty for a method without. */
export function argumentsOf(mask: Mask): readonly number[] {
  const method = methodOf(mask);
  if (!hasArguments(method)) return [];
  if (mask === method) return MASK_ARGUMENTS[method].map((each) => each.default);
  return mask
    .slice(method.length + 1, -1)
    .split(',')
    .map(Number);
}

/** Negative when `left` reveals less: by method, and of one method by arguments (fewer kept characters, a bigger step).
 *  Zero only for equal masks. */
export function compareRevealing(left: Mask, right: Mask): number {
  const byMethod = REVEALING[methodOf(left)] - REVEALING[methodOf(right)];
  if (byMethod !== 0) return byMethod;
  const [a, b] = [argumentsOf(left), argumentsOf(right)];
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const byKept = sum(a) - sum(b);
  if (methodOf(left) !== 'partial') return -byKept;
  return byKept === 0 ? (a[0] ?? 0) - (b[0] ?? 0) : byKept;
}
