// Recertification: everything that gives access, with when it was last used, and the signed decision about it. Auditors only.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import type { Sha256Hex } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['grants'];
const time = z.iso.datetime();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const listSchema = z.object({
  sha256: sha256.describe('Of the items as JSON; the decision names it'),
  asOf: time,
  items: z.array(
    z.object({
      item: z.string(),
      kind: z.enum(['standing', 'on-request', 'break-glass', 'grant']),
      role: z.string(),
      targets: z.array(z.string()),
      effects: z.array(z.string()),
      who: z.string().describe('A member entry of the policy, or the holder of a grant'),
      lastUsedAt: time.nullable().describe('Null = by no session that the index has'),
      usedBy: z.array(z.string()),
      expiresAt: time.nullable(),
    }),
  ),
});

export function recertificationRoutes(app: ApiApp, { recertification }: ApiDeps): void {
  app.get(
    '/v1/recertification',
    { schema: { tags, summary: 'Everything that gives access, and when it was last used', response: { 200: listSchema } } },
    async (request) => {
      viewerOf(request).require('audit');
      const { items, ...list } = await recertification.list();
      return {
        ...list,
        items: items.map((item) => ({ ...item, targets: [...item.targets], effects: [...item.effects], usedBy: [...item.usedBy] })),
      };
    },
  );

  app.post(
    '/v1/recertification',
    {
      schema: {
        tags,
        summary: 'Signs a decision about every item of a list; grants that are not kept end',
        body: z.strictObject({
          sha256,
          decisions: z.record(z.string().max(64), z.enum(['keep', 'revoke'])),
          note: z.string().trim().min(1).max(4000).optional().describe('Kept sealed, never in the log'),
        }),
        response: { 200: z.object({ kept: z.int(), revoked: z.int(), grantsEnded: z.array(z.string()) }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const { decisions, note } = request.body;
      const signed = await recertification.sign(
        viewer.principal,
        request.body.sha256 as Sha256Hex,
        new Map(Object.entries(decisions)),
        note ?? '',
      );
      return { ...signed, grantsEnded: [...signed.grantsEnded] };
    },
  );
}
