// The schema of `sallyport.yaml`. Unknown keys are errors; what is missing for security refuses to start.
// docs/config.md repeats the keys and a test compares the two.

import { z } from 'zod';
import { isLoopback } from '../core/address.ts';
import type { Protocol } from '../core/target.ts';
import { ALGORITHMS } from '../identity/index.ts';
import { TOKEN_KEY_STATES } from '../masking/index.ts';
import { auditAnchors } from './anchors-schema.ts';
import { auditRetention } from './retention-schema.ts';
import { address, name, path, roleName, secretRef } from './config-parts.ts';
import { apiConsole, consoleIsReachable, providerConsole } from './console-schema.ts';
import { grantsSection } from './grants-schema.ts';
import { notificationChannel } from './notifications-schema.ts';
import { siemDestination } from './siem-schema.ts';
import { target } from './targets-schema.ts';

type Address = z.output<typeof address>;

const serverTls = z.strictObject({ certificate: path, key: path });

/** TLS, or an explicit `insecure: true`, which is accepted on loopback only. */
function secured(value: { address: Address; tls?: unknown; insecure?: true | undefined }, context: z.RefinementCtx): void {
  if (value.tls === undefined && value.insecure !== true) {
    context.addIssue({
      code: 'custom',
      path: ['tls'],
      message: 'TLS is required: give { certificate, key }; `insecure: true` is accepted on loopback only',
    });
  }
  if (value.tls !== undefined && value.insecure === true) {
    context.addIssue({ code: 'custom', path: ['insecure'], message: 'contradicts tls: remove one of them' });
  }
  if (value.insecure === true && !isLoopback(value.address.host)) {
    context.addIssue({ code: 'custom', path: ['insecure'], message: `${value.address.host} is not loopback: plaintext is refused` });
  }
}

const listenerOf = <P extends Protocol>(protocol: P) => ({
  protocol: z.literal(protocol),
  address,
  tls: serverTls.optional(),
  insecure: z.literal(true).optional(),
});

const listener = z
  .discriminatedUnion('protocol', [
    z.strictObject(listenerOf('postgres')),
    z.strictObject({ ...listenerOf('snowflake'), publicUrl: z.url({ protocol: /^https?$/ }).optional() }),
  ])
  .superRefine(secured);

const api = z
  .strictObject({
    address,
    tls: serverTls.optional(),
    insecure: z.literal(true).optional(),
    auditors: z.array(roleName).default([]),
    operators: z.array(roleName).default([]),
    publicUrl: z.url({ protocol: /^https?$/ }).optional(),
    metrics: z.enum(['loopback', 'public']).default('loopback'),
    console: apiConsole.prefault({}),
  })
  .superRefine(secured);

const kind = z.enum(['person', 'agent', 'service']);

const provider = z.strictObject({
  name,
  issuer: z.url(),
  audience: z.string().min(1),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
  groupsClaim: z.string().min(1).default('groups'),
  nameClaim: z.string().min(1).optional(),
  kindClaim: z.string().min(1).optional(),
  defaultKind: kind.default('agent'),
  console: providerConsole.optional(),
});

const tokenKeyEntry = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9]{1,8}$/, 'expected 1 to 8 lower-case letters and digits'),
    secret: secretRef.optional(),
    state: z.enum(TOKEN_KEY_STATES),
  })
  .superRefine(({ secret, state }, context) => {
    // An expired key opens nothing: it is listed so that its tokens are told from forged ones.
    if (secret === undefined && state !== 'expired') {
      context.addIssue({ code: 'custom', path: ['secret'], message: `is missing: a key that is ${state} needs it` });
    }
  });

/** Threads that serve traffic; `auto` = one for each core. Where ports cannot be shared there is one. */
const workers = z.union([z.literal('auto'), z.int().min(1).max(256)], { error: 'expected a number of threads from 1 to 256, or auto' });

const limits = z.strictObject({
  maxSessions: z.int().min(1).max(100_000).default(1000),
  workers: workers.default(1),
  loginMs: z.int().min(100).max(300_000).default(15_000),
  idleMs: z.int().min(1000).max(86_400_000).default(3_600_000),
  maxMessageBytes: z.int().min(1024).max(1_073_741_824).default(67_108_864),
  maxRowBytes: z.int().min(1024).max(1_073_741_824).default(268_435_456),
  recordBytes: z.int().min(0).max(16_777_216).default(262_144),
  drainMs: z.int().min(0).max(600_000).default(10_000),
});

export const configSchema = z
  .strictObject({
    version: z.literal(1),
    dataDirectory: path,
    replica: name.default('main'),
    listeners: z.array(listener).min(1),
    api,
    identity: z.strictObject({
      providers: z
        .array(provider)
        .refine((list) => list.length > 0, 'no identity provider: without one nobody can be identified, so the gateway does not start'),
    }),
    targets: z.array(target).min(1),
    policy: z.strictObject({ files: z.array(path).min(1) }),
    audit: z.strictObject({
      origin: z.string().regex(/^[^\s+]{1,200}$/, 'expected a name without spaces or plus signs, for example audit.example.com/main'),
      signingKey: secretRef,
      retiringKey: secretRef.optional(),
      recipients: z
        .array(z.string().regex(/^age1[0-9a-z]{50,70}$/, 'expected an age recipient (age1...)'))
        .refine((list) => list.length > 0, 'no recipient: sealed payloads could never be opened; `sallyport init` makes one'),
      durability: z.enum(['durable', 'buffered']).default('durable'),
      anchors: auditAnchors,
      retention: auditRetention.optional(),
      subjectKeys: z.array(secretRef).min(1).max(16).optional(),
      unseal: z.strictObject({ approvers: z.strictObject({ role: roleName, count: z.int().min(1).max(5).default(1) }) }).optional(),
    }),
    tokenKey: secretRef.optional(),
    tokenKeys: z.array(tokenKeyEntry).min(1).max(32).optional(),
    notifications: z.array(notificationChannel).max(50).default([]),
    siem: z.array(siemDestination).max(20).default([]),
    grants: grantsSection.prefault({}),
    limits: limits.prefault({}),
  })
  .superRefine((config, context) => {
    tokenKeysAreUsable(config, context);
    consoleIsReachable(config, context);
    snowflakeIsReachable(config, context);
    for (const [list, key] of [
      [config.targets, 'targets'],
      [config.identity.providers, 'identity.providers'],
      [config.notifications, 'notifications'],
      [config.audit.anchors, 'audit.anchors'],
      [config.siem, 'siem'],
    ] as const) {
      const seen = new Set<string>();
      list.forEach((item, index) => {
        if (seen.has(item.name))
          context.addIssue({ code: 'custom', path: [...key.split('.'), index, 'name'], message: `${item.name} is defined twice` });
        seen.add(item.name);
      });
    }
    const providers = new Set(config.identity.providers.map((item) => item.name));
    config.notifications.forEach((channel, index) => {
      if (channel.kind !== 'slack') return;
      channel.answers?.people.forEach(({ issuer }, at) => {
        if (providers.has(issuer)) return;
        const path = ['notifications', index, 'answers', 'people', at, 'issuer'];
        context.addIssue({ code: 'custom', path, message: `no identity provider is called ${issuer}` });
      });
    });
    const issuers = new Set<string>();
    config.identity.providers.forEach((item, index) => {
      const url = new URL(item.issuer);
      if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
        context.addIssue({
          code: 'custom',
          path: ['identity', 'providers', index, 'issuer'],
          message: 'expected an https URL; http is accepted on loopback only',
        });
      }
      if (issuers.has(item.issuer))
        context.addIssue({ code: 'custom', path: ['identity', 'providers', index, 'issuer'], message: 'this issuer is configured twice' });
      issuers.add(item.issuer);
    });
  });

/** One way to give the keys, and one key that tokens are made with. */
function tokenKeysAreUsable(
  { tokenKey, tokenKeys }: { readonly tokenKey?: unknown; readonly tokenKeys?: readonly z.output<typeof tokenKeyEntry>[] | undefined },
  context: z.RefinementCtx,
): void {
  const refuse = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
  if (tokenKey === undefined && tokenKeys === undefined) refuse(['tokenKey'], 'is missing: give tokenKey, or tokenKeys to rotate keys');
  if (tokenKey !== undefined && tokenKeys !== undefined) refuse(['tokenKeys'], 'contradicts tokenKey: remove one of them');
  if (tokenKeys === undefined) return;
  if (tokenKeys.filter(({ state }) => state === 'active').length !== 1) refuse(['tokenKeys'], 'exactly one key must be active');
  const seen = new Set<string>();
  tokenKeys.forEach(({ id }, index) => {
    if (seen.has(id)) refuse(['tokenKeys', index, 'id'], `${id} is defined twice`);
    seen.add(id);
  });
}

/** Links of a session lead to one place, whichever listener it came in by. */
function snowflakeIsReachable({ listeners }: { readonly listeners: readonly z.output<typeof listener>[] }, context: z.RefinementCtx): void {
  let first: string | undefined;
  listeners.forEach((each, index) => {
    if (each.protocol !== 'snowflake' || each.publicUrl === undefined) return;
    const refuse = (message: string): void => context.addIssue({ code: 'custom', path: ['listeners', index, 'publicUrl'], message });
    const { protocol, hostname, pathname, search } = new URL(each.publicUrl);
    if (protocol !== 'https:' && !isLoopback(hostname)) refuse('expected an https URL; http is accepted on loopback only');
    if (pathname !== '/' || search !== '' || each.publicUrl.endsWith('/'))
      refuse('expected scheme, host and port only, without a slash at the end');
    if (first !== undefined && first !== each.publicUrl) refuse('all Snowflake listeners have the same publicUrl');
    first ??= each.publicUrl;
  });
}

/** The configuration as written, validated; paths are still relative to the file. */
export type ConfigDocument = z.output<typeof configSchema>;
