// Locks: a principal, a role or a target that has no access until somebody lifts it. Operators set and lift them.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { LOCK_KINDS } from '../../core/grant.ts';
import type { ApiApp } from '../app.ts';
import { lockSchema, lockView } from '../grant-views.ts';
import type { ApiDeps } from '../ports.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['locks'];
const body = z.strictObject({
  kind: z.enum(LOCK_KINDS),
  name: z.string().min(1).max(2000),
  reason: z.string().trim().min(1).max(4000).optional().describe('Kept sealed, never in the log'),
});

export function lockRoutes(app: ApiApp, { locks }: ApiDeps): void {
  app.get(
    '/v1/locks',
    { schema: { tags, summary: 'Locks that stand, oldest first', response: { 200: z.object({ locks: z.array(lockSchema) }) } } },
    async (request) => {
      viewerOf(request).require('oversight');
      return { locks: (await locks.list()).map(lockView) };
    },
  );

  app.post(
    '/v1/locks',
    { schema: { tags, summary: 'Locks; live sessions have been told to end when this answers', body, response: { 200: lockSchema } } },
    async (request) => {
      const viewer = viewerOf(request);
      viewer.require('operate');
      const { kind, name, reason } = request.body;
      return lockView(await locks.lock(viewer.principal, kind, name, reason ?? ''));
    },
  );

  app.post('/v1/locks/lift', { schema: { tags, body, response: { 200: z.object({ lifted: z.literal(true) }) } } }, async (request) => {
    const viewer = viewerOf(request);
    viewer.require('operate');
    const { kind, name, reason } = request.body;
    await locks.unlock(viewer.principal, kind, name, reason ?? '');
    return { lifted: true as const };
  });
}
