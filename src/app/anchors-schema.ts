// The schema of `audit.anchors`: places that keep checkpoints outside of the data directory.

import { z } from 'zod';
import { SallyportError } from '../core/error.ts';
import { parseWitnessKey } from '../audit/tlog/index.ts';
import { name, path, secretRef } from './config-parts.ts';
import { egress, httpUrl, reachable } from './egress-schema.ts';

const file = z.strictObject({ name, kind: z.literal('file'), path: path.optional() });

const https = z
  .strictObject({ name, kind: z.literal('https'), ...egress, url: httpUrl, authorization: secretRef.optional() })
  .superRefine(reachable);

const vkey = z.string().superRefine((text, context) => {
  try {
    parseWitnessKey(text);
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    context.addIssue({ code: 'custom', message: 'expected the public key of a witness, name+id+base64 with signature type 4' });
  }
});

const witness = z
  .strictObject({
    name,
    kind: z.literal('witness'),
    ...egress,
    url: httpUrl,
    vkey,
    everyMs: z.int().min(1000).max(86_400_000).default(60_000),
  })
  .superRefine(reachable);

const tsa = z
  .strictObject({ name, kind: z.literal('tsa'), ...egress, url: httpUrl, everyMs: z.int().min(60_000).max(604_800_000).default(3_600_000) })
  .superRefine(reachable);

export const auditAnchors = z
  .array(z.discriminatedUnion('kind', [file, https, witness, tsa]))
  .max(20)
  .refine((list) => list.length > 0, 'at least one anchor: without any, nothing shows that the log was put back to an older state')
  .default([{ name: 'beside', kind: 'file' }]);

export type AnchorConfig = z.output<typeof auditAnchors>[number];
