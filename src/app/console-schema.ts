// The part of the configuration that lets browsers in.

import { z } from 'zod';
import { isLoopback } from '../core/address.ts';
import { secretRef } from './config-parts.ts';

/** How people log in to the console with an identity provider. */
export const providerConsole = z.strictObject({
  clientId: z.string().min(1),
  clientSecret: secretRef.optional(),
  scopes: z
    .array(z.string().regex(/^[\u0021\u0023-\u005b\u005d-\u007e]+$/, 'expected a scope without spaces'))
    .refine((scopes) => scopes.includes('openid'), 'openid is missing: without it no log-in is bound to its browser by a nonce')
    .default(['openid', 'profile']),
  resource: z.string().min(1).optional(),
  token: z.enum(['access', 'id']).default('access'),
  label: z.string().min(1).max(60).optional(),
});

export const apiConsole = z.strictObject({
  idleMs: z.int().min(60_000).max(43_200_000).default(1_800_000),
});

interface Parts {
  readonly api: { readonly address: { readonly host: string }; readonly publicUrl?: string | undefined };
  readonly identity: { readonly providers: readonly { readonly console?: unknown }[] };
}

/** Browsers are sent back to an address that reaches us, and cookies do not cross a network in clear text. */
export function consoleIsReachable({ api, identity }: Parts, context: z.RefinementCtx): void {
  if (identity.providers.every((provider) => provider.console === undefined)) return;
  const refuse = (message: string): void => context.addIssue({ code: 'custom', path: ['api', 'publicUrl'], message });
  const url = api.publicUrl === undefined ? null : URL.parse(api.publicUrl);
  if (url === null) {
    if (['0.0.0.0', '::'].includes(api.address.host)) refuse('is missing: log-in to the console comes back to it');
  } else if (url.protocol !== 'https:' && !isLoopback(url.hostname)) refuse('expected https: people log in to the console there');
}
