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

/** `host:port`, with `[::1]:port` for IPv6. */
export const address = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue({ code: 'custom', message: 'expected host:port, for example 127.0.0.1:6432' });
    return z.NEVER;
  }
  return { host: match[1] ?? match[2] ?? '', port };
});
