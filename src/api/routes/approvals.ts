// Held requests: list, show and answer. The desk decides whether an answer counts;
// this file only hides what the caller may not see (404, not 403, so ids cannot be probed).

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { ApprovalId } from '../../core/ids.ts';
import type { Approval } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { approvalDetailSchema, approvalDetailView, approvalSchema, approvalStateSchema, approvalView } from '../views.ts';
import { type Viewer, viewerOf } from '../viewer.ts';
import { maySeeApproval } from '../visibility.ts';

const approvalIdSchema = z.string().regex(/^apr_[a-z2-7]{26}$/);
const tags = ['approvals'];

export function approvalRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  const maySee = (approval: Approval, viewer: Viewer): boolean => maySeeApproval(approval, viewer, deps);
  const visible = async (id: string, viewer: Viewer): Promise<Approval> => {
    const approval = await deps.approvals.show(id as ApprovalId);
    if (approval === null || !maySee(approval, viewer)) {
      throw new SallyportError('SP_APPROVAL_NOT_FOUND', 'unknown or not visible');
    }
    return approval;
  };

  app.get(
    '/v1/approvals',
    {
      schema: {
        tags,
        summary: 'Held requests the caller may see, newest first',
        querystring: z.strictObject({
          state: approvalStateSchema.optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
        response: { 200: z.object({ approvals: z.array(approvalSchema) }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { state, limit } = request.query;
      const rows = await visibleRows(
        limit,
        (count) => deps.approvals.list({ limit: count, ...(state === undefined ? {} : { state }) }),
        (row) => maySee(row, viewer),
      );
      return { approvals: rows.map((row) => approvalView(row, viewer, deps.approvals)) };
    },
  );

  app.get(
    '/v1/approvals/:id',
    { schema: { tags, params: z.object({ id: approvalIdSchema }), response: { 200: approvalDetailSchema } } },
    async (request) => {
      const viewer = viewerOf(request);
      return approvalDetailView(await visible(request.params.id, viewer), viewer, deps.approvals);
    },
  );

  app.post(
    '/v1/approvals/:id/answer',
    {
      config: { rateLimit: { max: limits.answersPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Approve or deny once; the requester never approves',
        params: z.object({ id: approvalIdSchema }),
        body: z.strictObject({
          verdict: z.enum(['approve', 'deny']),
          justification: z.string().min(1).max(4000).optional().describe('Kept sealed, never in the log'),
          forMs: z
            .int()
            .min(60_000)
            .max(28_800_000)
            .optional()
            .describe('Approves every use of the same request within this time; absent = one use'),
        }),
        response: { 200: approvalSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { id } = await visible(request.params.id, viewer);
      const { verdict, justification, forMs } = request.body;
      const answered = await deps.approvals.answer(id, viewer.principal, verdict, justification, forMs);
      return approvalView(answered, viewer, deps.approvals);
    },
  );
}

/** Most rows looked at to find those that one caller may see. */
const MAX_SCANNED_ROWS = 10_000;

/** Up to `limit` rows that pass `isVisible`. Lists are newest first and cannot be asked by viewer, so this asks for
 *  ever longer prefixes until there are enough, or no more. */
export async function visibleRows<Row>(
  limit: number,
  list: (count: number) => Promise<Row[]>,
  isVisible: (row: Row) => boolean,
): Promise<Row[]> {
  for (let count = limit; ; count = Math.min(count * 4, MAX_SCANNED_ROWS)) {
    const rows = await list(count);
    const seen = rows.filter(isVisible);
    if (seen.length >= limit || rows.length < count || count >= MAX_SCANNED_ROWS) return seen.slice(0, limit);
  }
}
