// What happened, over time: from the index, never from the log itself. Those with oversight see everybody, others themselves.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { ActivityCounts } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import { anchorSchema, anchorView } from '../log-views.ts';
import type { ApiDeps } from '../ports.ts';
import { siemSchema } from '../review-views.ts';
import { actorSchema, targetSchema, targetView } from '../views.ts';
import { viewerOf } from '../viewer.ts';

const HOUR_MS = 3_600_000;
/** The narrowest step: what the index keeps. */
const MIN_STEP_MS = 300_000;
const MAX_PERIOD_MS = 92 * 24 * HOUR_MS;
const MAX_PRINCIPALS = 20;
/** Held requests that are looked at to be counted. */
const MAX_PENDING = 1000;

const time = z.iso.datetime();
const counts = {
  statements: z.int().describe('Let through or denied; a held one counts when that is settled'),
  held: z.int(),
  denied: z.int(),
  rows: z.int(),
  maskedCells: z.int(),
};
const pointSchema = z.object({ at: time.describe('Beginning of the step'), ...counts });

const overviewSchema = z.object({
  since: time,
  until: time.describe('Exclusive'),
  stepMs: z.int(),
  scope: z.enum(['all', 'own']),
  totals: z.object(counts),
  points: z.array(pointSchema).describe('Steps with any activity, oldest first'),
  principals: z.array(
    z.object({
      principal: actorSchema,
      onBehalfOf: actorSchema.nullable(),
      ...counts,
      classes: z.array(z.string()).describe('That came out, masked or not'),
      points: z.array(pointSchema),
    }),
  ),
  targets: z.array(z.object({ target: z.string(), ...counts, lastUsedAt: time })),
  classes: z.array(z.object({ class: z.string(), masked: z.int().describe('Cells'), clear: z.int().describe('Cells') })),
  live: z.array(z.object({ target: z.string(), sessions: z.int() })),
  pendingApprovals: z.int().describe(`Those the caller may see; at most ${MAX_PENDING}`),
  connectors: z.array(targetSchema),
  gateway: z
    .object({
      replica: z.string(),
      log: z.object({ size: z.int(), isWritable: z.boolean() }),
      siem: z.array(siemSchema),
      anchors: z.array(anchorSchema),
    })
    .nullable()
    .describe('For auditors and operators only'),
});

export function overviewRoutes(app: ApiApp, deps: ApiDeps): void {
  app.get(
    '/v1/overview',
    {
      schema: {
        tags: ['overview'],
        summary: 'Statements, holds, refusals, masked cells and classes over time; own ones only without an oversight role',
        querystring: z.strictObject({
          since: time.optional().describe('A day before `until` without it'),
          until: time.optional().describe('Now without it'),
          buckets: z.coerce.number().int().min(1).max(500).default(48).describe('How many steps at most; none is shorter than 5 minutes'),
        }),
        response: { 200: overviewSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const isOverseer = viewer.rights.has('oversight');
      const { since, until, buckets } = request.query;
      const untilMs = until === undefined ? deps.clock.nowMs() : Date.parse(until);
      const period = stepsOf(since === undefined ? untilMs - 24 * HOUR_MS : Date.parse(since), untilMs, buckets);
      const mine = isOverseer ? {} : { owner: viewer.key };
      const [activity, live, pending] = await Promise.all([
        deps.sessions.activity({ ...period, ...mine, principals: MAX_PRINCIPALS }),
        deps.sessions.live(mine.owner),
        deps.approvals.list({ state: 'pending', limit: MAX_PENDING }),
      ]);
      const seen = deps.analysts().filter(({ target }) => isOverseer || deps.policy.hasAccess(viewer.principal, target));
      return {
        since: at(period.sinceMs),
        until: at(period.untilMs),
        stepMs: period.stepMs,
        scope: isOverseer ? ('all' as const) : ('own' as const),
        totals: activity.totals,
        points: activity.points.map(pointView),
        principals: activity.principals.map(({ points, classes, ...rest }) => ({
          ...rest,
          classes: [...classes],
          points: points.map(pointView),
        })),
        targets: activity.targets.map(({ lastAtMs, ...rest }) => ({ ...rest, lastUsedAt: at(lastAtMs) })),
        classes: [...activity.classes],
        live: [...live].map(([target, sessions]) => ({ target, sessions })).toSorted((a, b) => (a.target < b.target ? -1 : 1)),
        pendingApprovals: pending.filter((row) => viewer.maySeeApproval(row) || deps.approvals.mayAnswer(row, viewer.principal)).length,
        connectors: seen.map((analyst) => targetView(analyst.status(), viewer)),
        gateway: isOverseer
          ? {
              replica: deps.gateway.replica,
              log: { size: deps.audit.reader.size(), isWritable: deps.audit.log.writable },
              siem: [...deps.reviews.destinations()],
              anchors: deps.gateway.anchors().map(anchorView),
            }
          : null,
      };
    },
  );
}

/** Steps that begin at multiples of their width and cover the period.
 *  @throws SP_API_BAD_REQUEST */
function stepsOf(sinceMs: number, untilMs: number, buckets: number): { sinceMs: number; untilMs: number; stepMs: number } {
  if (sinceMs >= untilMs) throw new SallyportError('SP_API_BAD_REQUEST', 'until is not after since');
  if (untilMs - sinceMs > MAX_PERIOD_MS) throw new SallyportError('SP_API_BAD_REQUEST', 'the period is longer than 92 days');
  const wanted = (untilMs - sinceMs) / buckets;
  const unit = wanted > HOUR_MS / 2 ? HOUR_MS : MIN_STEP_MS;
  const stepMs = Math.max(1, Math.ceil(wanted / unit)) * unit;
  return { sinceMs: Math.floor(sinceMs / stepMs) * stepMs, untilMs: Math.ceil(untilMs / stepMs) * stepMs, stepMs };
}

const at = (ms: number): string => new Date(ms).toISOString();

function pointView({ atMs, ...rest }: ActivityCounts & { readonly atMs: number }): z.infer<typeof pointSchema> {
  return { at: at(atMs), ...rest };
}
