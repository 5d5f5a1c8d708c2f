// The schema of `siem:`, one destination each.

import { z } from 'zod';
import { name, path, secretRef } from './config-parts.ts';
import { egress, httpUrl, reachable } from './egress-schema.ts';

const shared = {
  name,
  startAt: z.enum(['beginning', 'now']).default('beginning'),
  maxBatch: z.int().min(1).max(10_000).default(500),
};

const file = z.strictObject({
  ...shared,
  kind: z.literal('file'),
  path,
  maxBytes: z.int().min(65_536).max(17_179_869_184).default(104_857_600),
  keep: z.int().min(0).max(1000).default(10),
});

const stdout = z.strictObject({ ...shared, kind: z.literal('stdout') });

const https = z
  .strictObject({ ...shared, ...egress, kind: z.literal('https'), url: httpUrl, token: secretRef.optional() })
  .superRefine(reachable);

const splunkHec = z
  .strictObject({
    ...shared,
    ...egress,
    kind: z.literal('splunk-hec'),
    url: httpUrl,
    token: secretRef,
    index: z.string().min(1).max(80).optional(),
    sourcetype: z.string().min(1).max(80).default('sallyport:ocsf'),
    ack: z.boolean().default(false),
    ackMs: z.int().min(1000).max(600_000).default(60_000),
  })
  .superRefine(reachable)
  .superRefine(({ url }, context) => {
    if (new URL(url).pathname !== '/')
      context.addIssue({ code: 'custom', path: ['url'], message: 'expected the address alone, without a path' });
  });

const syslog = z.strictObject({
  ...shared,
  kind: z.literal('syslog'),
  allowPrivate: egress.allowPrivate,
  ca: egress.ca,
  host: z.string().min(1),
  port: z.int().min(1).max(65_535).default(6514),
  client: z.strictObject({ certificate: path, key: path }).optional(),
  maxMessageBytes: z.int().min(2048).max(65_536).default(8192),
});

const otlp = z
  .strictObject({ ...shared, ...egress, kind: z.literal('otlp'), url: httpUrl, token: secretRef.optional() })
  .superRefine(reachable);

export const siemDestination = z.discriminatedUnion('kind', [file, stdout, https, splunkHec, syslog, otlp]);

export type SiemDestinationConfig = z.output<typeof siemDestination>;
