// Pieces that several parts of the configuration's schema are made of.

import { z } from 'zod';

export const path = z.string().min(1);

const word = () =>
  z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected lower-case letters, digits, dashes and underscores, starting with a letter');

export const name = word();
export const roleName = word();

/** Where a secret comes from; exactly one key. */
export const secretRef = z.union(
  [
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: path }),
    z.strictObject({ command: z.array(z.string().min(1)).min(1) }),
  ],
  {
    error: 'expected one of { env: NAME }, { file: path } or { command: [program, argument, ...] }; a secret is never written here itself',
  },
);
