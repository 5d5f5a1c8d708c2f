// `targets[]` of the configuration: one form for each protocol.

import { z } from 'zod';
import { isLoopback } from '../core/address.ts';
import { APPROVAL_PREVIEWS } from '../core/preview.ts';
import { address, name, path, secretRef } from './config-parts.ts';
import { targetSubjects } from './subjects-schema.ts';

const upstreamTls = z
  .discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('verify-full'), ca: path.optional(), servername: z.string().min(1).optional() }),
    z.strictObject({
      mode: z.literal('disable'),
      insecure: z.literal(true, { error: 'say `insecure: true` to send a credential without TLS' }),
    }),
  ])
  .default({ mode: 'verify-full' });

const postgres = z.strictObject({
  name,
  protocol: z.literal('postgres'),
  address,
  database: z.string().min(1),
  user: z.string().min(1),
  password: secretRef,
  tls: upstreamTls,
  searchPath: z.array(z.string().min(1)).min(1).default(['public']),
  safeFunctions: z.array(z.string().min(1)).default([]),
  catalogueTexts: z.enum(['shown', 'hidden']).default('shown'),
  approvalPreview: z.enum(APPROVAL_PREVIEWS).default('estimate'),
  partitionOrder: z.enum(['shown', 'hidden']).default('hidden'),
  subjects: targetSubjects,
});

/** As Snowflake reads it: upper case, unless it stands in double quotes. Names with dots are refused: facts and policy join names by dots. */
const identifier = z
  .string()
  .max(255)
  .transform((text, context) => {
    if (/^[A-Za-z_][A-Za-z0-9_$]*$/.test(text)) return text.toUpperCase();
    const quoted = /^"([^".]+)"$/.exec(text)?.[1];
    if (quoted !== undefined) return quoted;
    context.addIssue({ code: 'custom', message: 'expected a name such as CLINIC, or one in double quotes and without dots' });
    return z.NEVER;
  });

/** The client secret is sent there. */
const tokenUrl = z.url({ protocol: /^https?$/ }).superRefine((text, context) => {
  const { protocol, hostname, username, password } = new URL(text);
  const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
  if (protocol !== 'https:' && !isLoopback(hostname)) refuse('expected an https URL; http is accepted on loopback only');
  if (username !== '' || password !== '') refuse('it holds credentials: give clientId and clientSecret instead');
});

/** How the gateway logs in to the account; exactly one key. */
const snowflakeCredential = z.union(
  [
    z.strictObject({ keyPair: z.strictObject({ privateKey: secretRef, passphrase: secretRef.optional() }) }),
    z.strictObject({ oauth: z.strictObject({ token: secretRef }) }),
    z.strictObject({
      oauth: z.strictObject({
        clientCredentials: z.strictObject({
          tokenUrl,
          clientId: z.string().min(1),
          clientSecret: secretRef,
          scope: z.string().min(1).optional(),
        }),
      }),
    }),
    z.strictObject({ pat: secretRef }),
  ],
  {
    error:
      'expected one of { keyPair: { privateKey } }, { oauth: { token } }, { oauth: { clientCredentials: { tokenUrl, clientId, clientSecret } } } or { pat }; each secret is { env }, { file } or { command }, never written here itself',
  },
);

const snowflake = z.strictObject({
  name,
  protocol: z.literal('snowflake'),
  account: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/, 'expected an account identifier, for example myorg-account1'),
  address,
  user: z.string().min(1),
  credential: snowflakeCredential,
  role: identifier,
  warehouse: identifier,
  databases: z.array(identifier).min(1).max(200),
  tls: upstreamTls,
  safeFunctions: z.array(z.string().min(1)).default([]),
  subjects: z
    .never({ error: 'is not supported on Snowflake targets: whose data a statement touched is not told there; remove it' })
    .optional(),
});

export const target = z.discriminatedUnion('protocol', [
  postgres,
  snowflake.superRefine(({ tls, address: { host } }, context) => {
    if (tls.mode !== 'disable' || isLoopback(host)) return;
    context.addIssue({ code: 'custom', path: ['tls', 'mode'], message: `${host} is not loopback: an account is spoken to by TLS only` });
  }),
]);

export type SnowflakeTargetDocument = z.output<typeof snowflake>;
export type PostgresTargetDocument = z.output<typeof postgres>;
