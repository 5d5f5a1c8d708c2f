// The right to answer, lent for a time to a person by name.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { principalKey } from '../../core/identity.ts';
import type { DelegationId } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import { delegationSchema, delegationView } from '../grant-views.ts';
import type { ApiDeps } from '../ports.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['grants'];

export function delegationRoutes(app: ApiApp, { delegations }: ApiDeps): void {
  app.get(
    '/v1/delegations',
    {
      schema: {
        tags,
        summary: 'Delegations in force: all with an oversight right, else those the caller gave, has, or shares the role of',
        response: { 200: z.object({ delegations: z.array(delegationSchema) }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const rows = (await delegations.list()).filter(
        ({ role, from, to }) =>
          viewer.rights.has('oversight') ||
          viewer.roles.includes(role) ||
          [from, { ...to, kind: 'person' as const }].some((actor) => principalKey(actor) === viewer.key),
      );
      return { delegations: rows.map(delegationView) };
    },
  );

  app.post(
    '/v1/delegations',
    {
      schema: {
        tags,
        summary: 'Lends a role of the caller to a person, for answering only',
        body: z.strictObject({
          role: z.string().min(1).max(63),
          to: z.strictObject({ issuer: z.string().min(1).max(100), subject: z.string().min(1).max(500) }),
          durationMs: z
            .int()
            .min(60_000)
            .max(30 * 86_400_000),
        }),
        response: { 200: delegationSchema },
      },
    },
    async (request) => {
      const { role, to, durationMs } = request.body;
      return delegationView(await delegations.delegate(viewerOf(request).principal, role, to, durationMs));
    },
  );

  app.post(
    '/v1/delegations/:id/end',
    {
      schema: {
        tags,
        params: z.object({ id: z.string().regex(/^dlg_[a-z2-7]{26}$/) }),
        response: { 200: z.object({ ended: z.literal(true) }) },
      },
    },
    async (request) => {
      const { principal, rights } = viewerOf(request);
      await delegations.end(request.params.id as DelegationId, principal, rights.has('operate'));
      return { ended: true as const };
    },
  );
}
