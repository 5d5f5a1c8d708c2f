// Parts of the schema of everything that is sent elsewhere.

import { z } from 'zod';
import { urlFault } from '../notify/index.ts';
import { path } from './config-parts.ts';

/** What a connection may lead to. */
export const egress = {
  allowPrivate: z.boolean().default(false),
  insecure: z.literal(true).optional(),
  ca: path.optional(),
};

export const httpUrl = z.url({ protocol: /^https?$/ });

export function reachable(value: { url: string; insecure?: true | undefined }, context: z.RefinementCtx): void {
  const fault = urlFault(new URL(value.url), { insecure: value.insecure === true });
  if (fault !== null) context.addIssue({ code: 'custom', path: ['url'], message: fault });
}
