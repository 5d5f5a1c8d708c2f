// Days and seconds of the proleptic Gregorian calendar in UTC, years 1 to 9999, without the limits and zones of `Date`.

export const DAY_SECONDS = 86_400;
/** 0001-01-01 and 9999-12-31, in days since 1970-01-01. */
const FIRST_DAY = daysOf(1, 1);
const LAST_DAY = daysOf(9999, 12) + 30;
const LAST_SECOND = (LAST_DAY + 1) * DAY_SECONDS - 1;

/** Days since 1970-01-01 of the first of a month. */
export function daysOf(year: number, month: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5);
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

export interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Of days since 1970-01-01. */
export function civilOf(days: number): CivilDate {
  const moved = days + 719_468;
  const era = Math.floor(moved / 146_097);
  const dayOfEra = moved - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1 };
}

/** Of the years 1 to 9999, as the masks in SQL have it: the very last second counts only when it is whole. */
export const isInRange = (seconds: number, nanos: number): boolean =>
  seconds >= FIRST_DAY * DAY_SECONDS && (seconds < LAST_SECOND || (seconds === LAST_SECOND && nanos === 0));
