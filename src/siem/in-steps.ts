// Turning entries into text takes tens of microseconds each, on the thread that also serves statements: never many in one go.

import { setImmediate as nextTurn } from 'node:timers/promises';

/** Entries dealt with before others have their turn: about half a millisecond. */
export const STEP = 20;

/** The same as `list.map(encode)`, with turns for others in between. */
export async function inSteps<T, U>(list: readonly T[], encode: (each: T) => U): Promise<U[]> {
  const encoded: U[] = [];
  for (const each of list) {
    if (encoded.length > 0 && encoded.length % STEP === 0) await nextTurn();
    encoded.push(encode(each));
  }
  return encoded;
}
