// Who touched the data of one subject: auditors only. The value comes in the body, so that it is in no log of a proxy.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { UNSEAL_PURPOSES } from '../../core/unseal.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';
import { subjectSchema, subjectSearchSchema } from '../subject-views.ts';
import { untilGone } from '../until-gone.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['subjects'];
const time = z.iso.datetime({ offset: true });
const body = z.strictObject({
  target: z.string().min(1).max(63),
  subject: z.string().min(1).max(63),
  value: z.string().min(1).max(1024).describe('As it is in the target; kept sealed, never in the log'),
  purpose: z.enum(UNSEAL_PURPOSES),
  reason: z.string().trim().min(1).max(4000).optional().describe('Kept sealed, never in the log'),
  since: time,
  until: time.optional().describe('Exclusive; absent = now'),
  limit: z.int().min(1).max(10_000).default(500).describe('Of certain and of possible ones, the newest'),
});

export function subjectRoutes(app: ApiApp, { subjects }: ApiDeps): void {
  app.get(
    '/v1/subjects',
    {
      schema: {
        tags,
        summary: 'Whose data can be searched for, and by which columns',
        response: { 200: z.object({ subjects: z.array(subjectSchema) }) },
      },
    },
    async (request) => {
      viewerOf(request).require('audit');
      return { subjects: [...subjects.list()] };
    },
  );

  app.post(
    '/v1/subjects/search',
    { schema: { tags, summary: 'Requests that touched the data of one subject', body, response: { 200: subjectSearchSchema } } },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const { since, until, ...wish } = request.body;
      const untilMs = until === undefined ? null : Date.parse(until);
      return subjects.search(viewer.principal, { ...wish, sinceMs: Date.parse(since), untilMs }, untilGone(reply));
    },
  );
}
