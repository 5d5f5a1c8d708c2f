// How one key of a log names the next: a note signed by the old key. Whoever trusts one key of a log can follow the statements to the key
// that signs now, and knows from which size on the old one does not count alone any more.

import { SallyportError } from '../../core/error.ts';
import type { NoteSigner, NoteVerifier } from './note.ts';
import { openNote, parseVerifierKey } from './note.ts';

const TITLE = 'sallyport.key-rotation/v1';

export interface KeyStatement {
  /** Checkpoints of more entries are signed by the new key. */
  readonly size: number;
  /** Public key in text form. */
  readonly vkey: string;
}

export function signKeyStatement({ size, vkey }: KeyStatement, old: NoteSigner): string {
  return old.sign(`${TITLE}\n${old.name}\n${size}\n${vkey}\n`);
}

/** @throws SP_AUDIT_CORRUPT when `old` has not signed it, or it names no key of the same log. */
function openKeyStatement(note: string, old: NoteVerifier): { readonly size: number; readonly verifier: NoteVerifier } {
  const [title, origin, sizeText = '', vkey = '', ...rest] = openNote(note, old).split('\n');
  const verifier = parseVerifierKey(vkey);
  const isWhole = title === TITLE && origin === old.name && verifier.name === old.name && rest.length === 1;
  if (!isWhole || !/^(0|[1-9][0-9]{0,15})$/.test(sizeText))
    throw new SallyportError('SP_AUDIT_CORRUPT', 'a statement about keys does not name this log, a size and its next key');
  return { size: Number(sizeText), verifier };
}

/** A key and the size up to which it signs alone; null = until now. */
export interface KeyInTurn {
  readonly verifier: NoteVerifier;
  readonly aloneUpTo: number | null;
}

/** The keys that `trusted` leads to, itself first. Statements of other keys (earlier ones, or anybody's) lead nowhere.
 *  @param statements in the order of their sizes */
export function keyChain(trusted: NoteVerifier, statements: readonly string[]): KeyInTurn[] {
  const chain: KeyInTurn[] = [{ verifier: trusted, aloneUpTo: null }];
  for (const note of statements) {
    const last = chain.at(-1)?.verifier ?? trusted;
    let next: ReturnType<typeof openKeyStatement>;
    try {
      next = openKeyStatement(note, last);
    } catch (error) {
      if (error instanceof SallyportError) continue;
      throw error;
    }
    chain.splice(-1, 1, { verifier: last, aloneUpTo: next.size }, { verifier: next.verifier, aloneUpTo: null });
  }
  return chain;
}
