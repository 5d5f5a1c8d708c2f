// Access on request: what is offered, asking, answering, taking back, and the review that break-glass owes. The service decides who
// may do what; this file only hides what the caller may not see (404, not 403, so ids cannot be probed).

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import { EFFECTS } from '../../core/facts.ts';
import type { Grant } from '../../core/grant.ts';
import type { GrantId, TargetName } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import { grantSchema, grantStateSchema, grantView, offerSchema } from '../grant-views.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { type Viewer, viewerOf } from '../viewer.ts';
import { maySeeGrant } from '../visibility.ts';
import { visibleRows } from './approvals.ts';

const params = z.object({ id: z.string().regex(/^grt_[a-z2-7]{26}$/) });
const targetName = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/);
const reason = z.string().trim().min(1).max(4000).describe('Kept sealed, never in the log');
const tags = ['grants'];

export function grantRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  const { grants } = deps;
  const maySee = (grant: Grant, viewer: Viewer): boolean => maySeeGrant(grant, viewer, deps);
  const visible = async (id: string, viewer: Viewer): Promise<Grant> => {
    const grant = await grants.show(id as GrantId);
    if (grant === null || !maySee(grant, viewer)) throw new SallyportError('SP_GRANT_NOT_FOUND', 'unknown or not visible');
    return grant;
  };
  const answering = { rateLimit: { max: limits.answersPerMinute, timeWindow: 60_000 } };

  app.get(
    '/v1/grants/offers',
    {
      schema: {
        tags,
        summary: 'Access that the caller may ask for',
        querystring: z.strictObject({ target: targetName.optional() }),
        response: { 200: z.object({ offers: z.array(offerSchema) }) },
      },
    },
    async (request) => {
      const { principal } = viewerOf(request);
      const { target } = request.query;
      const targets = target === undefined ? deps.analysts().map((analyst) => analyst.target) : [target as TargetName];
      return {
        offers: targets.flatMap((name) =>
          grants.offers(principal, name).map((offer) => ({ ...offer, effects: [...offer.effects], target: name })),
        ),
      };
    },
  );

  app.post(
    '/v1/grants',
    {
      config: answering,
      schema: {
        tags,
        summary: 'Asks for access; break-glass has it at once',
        body: z.strictObject({
          target: targetName,
          kind: z.enum(['on-request', 'break-glass']).default('on-request'),
          role: z.string().max(63).optional().describe('Needed when several roles offer it'),
          effects: z.array(z.enum(EFFECTS)).min(1).optional().describe('Default: all that is offered'),
          relations: z
            .array(z.string().max(300))
            .min(1)
            .max(200)
            .optional()
            .describe('`schema.relation`, or `DATABASE.SCHEMA.RELATION` on Snowflake, with * ; default: all'),
          rowsPerHour: z.int().min(1).max(1_000_000_000).optional(),
          durationMs: z.int().min(1).describe('From the moment it opens'),
          reason,
        }),
        response: { 200: grantSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { target, kind, role, effects, relations, rowsPerHour, durationMs } = request.body;
      const wish = {
        target: target as TargetName,
        kind,
        role: role ?? null,
        effects: effects ?? null,
        relations: relations ?? null,
        rowsPerHour: rowsPerHour ?? null,
        durationMs,
      };
      return grantView(await grants.request(viewer.principal, wish, request.body.reason), viewer, grants);
    },
  );

  app.get(
    '/v1/grants',
    {
      schema: {
        tags,
        summary: 'Grants the caller may see, newest first',
        querystring: z.strictObject({
          state: grantStateSchema.optional(),
          review: z.enum(['owed', 'done']).optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
        response: { 200: z.object({ grants: z.array(grantSchema) }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { state, review, limit } = request.query;
      const filter = { ...(state === undefined ? {} : { states: [state] }), ...(review === undefined ? {} : { review }) };
      const rows = await visibleRows(
        limit,
        (count) => grants.list({ ...filter, limit: count }),
        (row) => maySee(row, viewer),
      );
      return { grants: rows.map((row) => grantView(row, viewer, grants)) };
    },
  );

  app.get('/v1/grants/:id', { schema: { tags, params, response: { 200: grantSchema } } }, async (request) => {
    const viewer = viewerOf(request);
    return grantView(await visible(request.params.id, viewer), viewer, grants);
  });

  app.post(
    '/v1/grants/:id/answer',
    {
      config: answering,
      schema: {
        tags,
        params,
        body: z.strictObject({ verdict: z.enum(['approve', 'deny']), justification: reason.optional() }),
        response: { 200: grantSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { id } = await visible(request.params.id, viewer);
      const { verdict, justification } = request.body;
      return grantView(await grants.answer(id, viewer.principal, verdict, justification ?? ''), viewer, grants);
    },
  );

  app.post(
    '/v1/grants/:id/revoke',
    {
      config: answering,
      schema: {
        tags,
        summary: 'Takes a grant back; its sessions have been told to end when this answers',
        params,
        body: z.strictObject({ reason: reason.optional() }),
        response: { 200: grantSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { id } = await visible(request.params.id, viewer);
      const revoked = await grants.revoke(id, viewer.principal, viewer.rights.has('operate'), request.body.reason ?? '');
      return grantView(revoked, viewer, grants);
    },
  );

  app.post(
    '/v1/grants/:id/review',
    {
      config: answering,
      schema: {
        tags,
        summary: 'Ends the review that break-glass owes',
        params,
        body: z.strictObject({ finding: reason }),
        response: { 200: grantSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { id } = await visible(request.params.id, viewer);
      return grantView(await grants.review(id, viewer.principal, request.body.finding), viewer, grants);
    },
  );
}
