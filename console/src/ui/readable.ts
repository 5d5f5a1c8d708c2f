// Names and texts that somebody else chose, such as an agent that waits for an answer.

import { visible } from '../../../src/evidence/words.ts';

/** Characters that reorder or hide text become their number; lines and tabs stay. */
export function readable(text: string): string {
  return text.replaceAll(/[^\n\t]+/g, visible);
}
