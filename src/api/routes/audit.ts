// The log itself: signed checkpoint, entries, and the C2SP tlog-tiles layout under /log for standard verifiers.
// The checkpoint and the verifier key are for everyone with a token; entries and tiles are for auditors.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import { ENTRY_TYPES } from '../../core/event.ts';
import type { SessionId } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import { searchEntries } from '../entry-search.ts';
import { anchorView, checkpointView, logStatusSchema } from '../log-views.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { entrySchema } from '../views.ts';
import { untilGone } from '../until-gone.ts';
import { withProgress } from '../with-progress.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['audit'];
/** SPEC: c2sp.org/tlog-tiles: tile/<L>/<N>[.p/<W>] and tile/entries/<N>[.p/<W>]. */
const TILE = /^(?:[0-9]|[1-5][0-9]|6[0-3]|entries)\/(?:x[0-9]{3}\/)*[0-9]{3}(?:\.p\/[1-9][0-9]{0,2})?$/;

export function auditRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  const { reader, file } = deps.audit;

  app.get(
    '/v1/audit/checkpoint',
    {
      schema: {
        tags,
        summary: 'Newest signed checkpoint and the number of durable entries',
        response: { 200: z.object({ size: z.int(), checkpoint: z.string().nullable() }) },
      },
    },
    async () => ({ size: reader.size(), checkpoint: await reader.checkpoint() }),
  );

  app.get(
    '/v1/audit/entries',
    {
      schema: {
        tags,
        summary: 'Entries in log order, narrowed down. Auditors only',
        querystring: z.strictObject({
          from: z.coerce.number().int().min(0).default(0),
          limit: z.coerce.number().int().min(1).max(1000).default(200),
          type: z.enum(ENTRY_TYPES).optional(),
          session: z
            .string()
            .regex(/^ses_[a-z2-7]{26}$/)
            .optional(),
          principal: z
            .string()
            .trim()
            .min(1)
            .max(500)
            .optional()
            .describe('Part of issuer/subject of who did it, for whom, or who answered'),
          since: z.iso.datetime().optional(),
          until: z.iso.datetime().optional().describe('Exclusive'),
        }),
        response: {
          200: z.object({
            entries: z.array(entrySchema),
            size: z.int(),
            next: z.int().describe('The `from` of the next page'),
            isLast: z.boolean().describe('Nothing that passes lies behind this page now. A page may be empty and not the last'),
          }),
        },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('audit');
      const { session, since, until, ...search } = request.query;
      const size = reader.size();
      const page = await searchEntries(
        {
          ...search,
          session: session as SessionId | undefined,
          sinceMs: since === undefined ? undefined : Date.parse(since),
          untilMs: until === undefined ? undefined : Date.parse(until),
        },
        { reader, sessions: deps.sessions },
        untilGone(reply),
      );
      return { ...page, entries: page.entries.map((entry) => ({ ...entry })), size };
    },
  );

  app.get(
    '/v1/audit/status',
    {
      schema: { tags, summary: 'Head, checkpoint, anchors and last heartbeat. Auditors and operators', response: { 200: logStatusSchema } },
    },
    async (request, reply) => {
      viewerOf(request).require('oversight');
      const note = await reader.checkpoint();
      const newest = await deps.sessions.newestOfType('heartbeat');
      let heartbeat: { seq: number; at: string } | null = null;
      if (newest !== null)
        for await (const { seq, ts } of reader.entries(newest, newest + 1, untilGone(reply))) heartbeat = { seq, at: ts };
      return {
        replica: deps.gateway.replica,
        size: reader.size(),
        isWritable: deps.audit.log.writable,
        checkpoint: note === null ? null : checkpointView(note),
        heartbeat,
        anchors: deps.gateway.anchors().map(anchorView),
      };
    },
  );

  app.post(
    '/v1/audit/reindex',
    {
      config: { rateLimit: { max: limits.recordingsPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Builds the index of sessions anew from the log: lines of JSON with progress, then the result. Operators only',
        querystring: z.strictObject({ progress: z.literal('true').optional().describe('The answer has it in any case') }),
      },
    },
    async (request, reply) => {
      viewerOf(request).require('operate');
      return withProgress(
        reply,
        request.id,
        () => deps.clock.monotonicMs(),
        async (onProgress) => ({
          entries: await deps.audit.reindex(onProgress),
        }),
      );
    },
  );

  const send = async (path: string): Promise<Buffer> => {
    const bytes = await file(path);
    if (bytes === null) throw new SallyportError('SP_API_NOT_FOUND', 'no such log file');
    return Buffer.from(bytes);
  };

  app.get('/log/checkpoint', { schema: { tags } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(await send('checkpoint')),
  );
  app.get('/log/log.vkey', { schema: { tags } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(await send('log.vkey')),
  );
  const noteName = z.string().regex(/^[0-9]{16}\.note$/);
  app.get('/log/rotations/:name', { schema: { tags, params: z.object({ name: noteName }) } }, async (request, reply) =>
    reply.type('text/plain; charset=utf-8').send(await send(`rotations/${request.params.name}`)),
  );
  app.get('/log/minimum-index', { schema: { tags } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(await send('minimum-index')),
  );
  app.get('/log/tile/*', { schema: { tags, params: z.object({ '*': z.string().regex(TILE) }) } }, async (request, reply) => {
    viewerOf(request).require('audit');
    return reply.type('application/octet-stream').send(await send(`tile/${request.params['*']}`));
  });
}
