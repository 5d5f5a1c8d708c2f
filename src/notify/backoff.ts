// How long to wait before the next attempt. Pure.

export const FIRST_DELAY_MS = 1_000;
export const LONGEST_DELAY_MS = 3_600_000;

/** Doubles from one second to one hour; the upper half is left to chance, so that many do not come back at once.
 *  @param attempts how many have failed, from 1. @param chance 0 to 1. */
export function delayAfter(attempts: number, chance: number): number {
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(30, Math.max(0, attempts - 1)));
  return Math.max(FIRST_DELAY_MS, Math.round(longest * (0.5 + chance / 2)));
}
