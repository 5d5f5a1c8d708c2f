// The form of a statement that an approval is bound to: its tokens in order, constants among them, without blanks and comments.
// A retry that is laid out differently is the same statement; one that differs in a constant, or in the case of a letter, is not.
// WHY not PostgreSQL's fingerprint: it leaves constants out. WHY not a printed tree: what a printer drops would not be bound.

import { createHash } from 'node:crypto';
import type { Sha256Hex } from '../../core/ids.ts';
import type { Parser } from '../../sql/parser.ts';

/** Two texts have the same form only if the server's scanner reads the same tokens from them. A text that cannot be scanned is
 *  its own form. */
export function formSha256(text: string, parser: Pick<Parser, 'scan'>): Sha256Hex {
  const hash = createHash('sha256');
  const tokens = parser.scan(text);
  // Token offsets are in bytes.
  const bytes = Buffer.from(text);
  if (tokens === null) hash.update('text\0').update(bytes);
  else {
    hash.update('tokens\0');
    // NUL is in no statement.
    for (const { kind, start, end } of tokens) if (kind !== 'comment') hash.update(bytes.subarray(start, end)).update('\0');
  }
  return hash.digest('hex') as Sha256Hex;
}
