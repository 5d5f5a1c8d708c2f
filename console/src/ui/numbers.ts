const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

export const count = (number: number): string => whole.format(number);
/** `12.3K`, for places without room. */
export const compact = (number: number): string => short.format(number);
/** `1 row`, `12,000 rows`. */
export const counted = (number: number, one: string, many = `${one}s`): string => `${count(number)} ${number === 1 ? one : many}`;
