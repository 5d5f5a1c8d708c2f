// Notifications: the state of the queue and a test message for operators, and the address that Slack sends clicks to.
// That one has no bearer token: its signature is its proof, over the body exactly as it came.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { QueuedNotification } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { untilGone } from '../until-gone.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['notifications'];
const channelName = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/);
const stateSchema = z.enum(['queued', 'sent', 'failed', 'superseded']);
const time = z.iso.datetime();

/** Slack repeats the message, with its blocks, in every click. */
const MAX_CLICK_BYTES = 256 * 1024;

const notificationSchema = z.object({
  id: z.string(),
  channel: z.string(),
  kind: z.string().describe('What happened, e.g. approval.requested'),
  about: z.string().describe('Id of the approval or other thing'),
  state: stateSchema,
  attempts: z.int().describe('Failed attempts'),
  fault: z.string().nullable().describe('Why the last attempt failed'),
  createdAt: time,
  nextAttemptAt: time.nullable(),
  settledAt: time.nullable(),
});

export function notificationRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  app.get(
    '/v1/notifications',
    {
      schema: {
        tags,
        summary: 'Channels and the notifications queued and sent lately, newest first. Operators only',
        querystring: z.strictObject({
          channel: channelName.optional(),
          state: stateSchema.optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
        response: {
          200: z.object({
            channels: z.array(z.object({ name: z.string(), kind: z.string(), queued: z.int() })),
            notifications: z.array(notificationSchema),
          }),
        },
      },
    },
    async (request) => {
      viewerOf(request).require('operate');
      const { channel, state, limit } = request.query;
      const filter = { limit, ...(channel === undefined ? {} : { channel }), ...(state === undefined ? {} : { state }) };
      const [channels, rows] = await Promise.all([deps.notifications.channels(), deps.notifications.list(filter)]);
      return { channels: [...channels], notifications: rows.map(notificationView) };
    },
  );

  app.post(
    '/v1/notifications/channels/:channel/test',
    {
      config: { rateLimit: { max: limits.notificationTestsPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Send a made-up notification now and tell what came of it. Operators only',
        params: z.object({ channel: channelName }),
        response: { 200: z.object({ channel: z.string(), sent: z.boolean(), fault: z.string().nullable() }) },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('operate');
      const { channel } = request.params;
      const delivery = await deps.notifications.test(channel, untilGone(reply));
      return { channel, sent: delivery.isSent, fault: delivery.isSent ? null : delivery.fault };
    },
  );
}

/** Call it on a scope of its own: this one reads no JSON. */
export function slackRoutes(app: ApiApp, deps: ApiDeps): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer', bodyLimit: MAX_CLICK_BYTES }, (_request, body, done) =>
    done(null, body),
  );
  app.post(
    '/v1/notifications/channels/:channel/slack',
    {
      schema: {
        tags,
        security: [],
        summary: 'Interactivity request URL for Slack; proven by X-Slack-Signature',
        params: z.object({ channel: channelName }),
        headers: z.looseObject({ 'x-slack-request-timestamp': z.string().max(20), 'x-slack-signature': z.string().max(200) }),
      },
    },
    async (request, reply) => {
      const { body, headers } = request;
      if (!Buffer.isBuffer(body)) throw new SallyportError('SP_API_BAD_REQUEST', 'a Slack request without a body');
      await deps.notifications.slack(request.params.channel, {
        timestamp: headers['x-slack-request-timestamp'],
        signature: headers['x-slack-signature'],
        body,
      });
      return reply.code(200).send();
    },
  );
}

function notificationView(row: QueuedNotification): z.infer<typeof notificationSchema> {
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    id: row.id,
    channel: row.channel,
    kind: row.notice.kind,
    about: row.notice.id,
    state: row.state,
    attempts: row.attempts,
    fault: row.fault,
    createdAt: at(row.createdAtMs),
    nextAttemptAt: row.state === 'queued' ? at(row.nextAttemptAtMs) : null,
    settledAt: row.settledAtMs === null ? null : at(row.settledAtMs),
  };
}
