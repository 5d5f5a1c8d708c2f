// Sessions and their recordings. A recording leaves here as ciphertext: this process cannot open it. Handing it out
// is itself an entry (`payload.unsealed`), written before the first byte.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { EntryHeader } from '../../core/event.ts';
import type { SessionId, TargetName, UnsealId } from '../../core/ids.ts';
import type { SessionRow } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { entriesAt, recordingItemSchema, recordingPage, recordUnsealed } from '../recording.ts';
import { entrySchema, sessionSchema, sessionView } from '../views.ts';
import { untilGone } from '../until-gone.ts';
import type { Viewer } from '../viewer.ts';
import { viewerOf } from '../viewer.ts';

const sessionIdSchema = z.string().regex(/^ses_[a-z2-7]{26}$/);
const UNSEAL_ID = /^uns_[a-z2-7]{26}$/;
const tags = ['sessions'];

export function sessionRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  const visible = async (id: string, viewer: Viewer): Promise<SessionRow> => {
    const session = await deps.sessions.get(id as SessionId);
    if (session === null || !viewer.maySeeSession(session)) {
      throw new SallyportError('SP_API_NOT_FOUND', 'session unknown or not visible');
    }
    return session;
  };

  app.get(
    '/v1/sessions',
    {
      schema: {
        tags,
        summary: 'Sessions, newest first; only own ones without an oversight role',
        querystring: z
          .strictObject({
            target: z
              .string()
              .regex(/^[a-z][a-z0-9_-]*$/)
              .optional(),
            live: z.enum(['true', 'false']).optional(),
            principal: z.string().trim().min(1).max(500).optional().describe('Part of issuer/subject of whose it is, or for whom'),
            class: z.string().min(1).max(128).optional().describe('A class that came out, masked or not'),
            decision: z.enum(['allowed', 'held', 'denied']).optional().describe('At least one statement was decided so'),
            since: z.iso.datetime().optional().describe('Opened at or after'),
            until: z.iso.datetime().optional().describe('Opened before'),
            before: z.coerce.number().int().min(0).optional().describe('`next` of the page before'),
            limit: z.coerce.number().int().min(1).max(500).default(100),
          })
          .refine(({ since, until }) => since === undefined || until === undefined || Date.parse(since) < Date.parse(until), {
            path: ['until'],
            message: 'is not after since',
          }),
        response: { 200: z.object({ sessions: z.array(sessionSchema), next: z.int().nullable() }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { target, live, principal, class: className, decision, since, until, before, limit } = request.query;
      const rows = await deps.sessions.list({
        ...(viewer.rights.has('oversight') ? {} : { owner: viewer.key }),
        ...(target === undefined ? {} : { target: target as TargetName }),
        ...(live === undefined ? {} : { live: live === 'true' }),
        ...(principal === undefined ? {} : { principal }),
        ...(className === undefined ? {} : { class: className }),
        ...(decision === undefined ? {} : { decision }),
        ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
        ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
        ...(before === undefined ? {} : { before }),
        limit: limit + 1,
      });
      // The index narrows down by owner; what the viewer may see is decided where it always is.
      const page = rows.slice(0, limit).filter((row) => viewer.maySeeSession(row));
      return { sessions: page.map(sessionView), next: rows.length > limit ? (rows[limit - 1]?.openIndex ?? null) : null };
    },
  );

  app.get(
    '/v1/sessions/:id',
    {
      schema: {
        tags,
        summary: 'One session with its log entries',
        params: z.object({ id: sessionIdSchema }),
        querystring: z.strictObject({
          after: z.coerce.number().int().min(-1).default(-1).describe('Log index of the last entry already seen'),
          limit: z.coerce.number().int().min(1).max(1000).default(1000),
        }),
        response: { 200: sessionSchema.extend({ entries: z.array(entrySchema), next: z.int().nullable() }) },
      },
    },
    async (request, reply) => {
      const session = await visible(request.params.id, viewerOf(request));
      const { after, limit } = request.query;
      const indexes = (await deps.sessions.entriesOf(session.id)).filter((index) => index > after);
      const page = indexes.slice(0, limit);
      const entries: EntryHeader[] = [];
      for await (const entry of entriesAt(deps.audit.reader, page, untilGone(reply))) entries.push(entry);
      return {
        ...sessionView(session),
        entries: entries.map((entry) => ({ ...entry })),
        next: indexes.length > page.length ? (page.at(-1) ?? null) : null,
      };
    },
  );

  app.post(
    '/v1/sessions/:id/end',
    {
      config: { rateLimit: { max: limits.answersPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Ends a live session: operators, and those whose session it is. It has been told to end when this answers',
        params: z.object({ id: sessionIdSchema }),
        body: z.strictObject({ reason: z.string().trim().min(1).max(4000).optional().describe('Kept sealed, never in the log') }).nullish(),
        response: { 200: z.object({ ended: z.boolean().describe('False: it was over already') }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const session = await visible(request.params.id, viewer);
      if (!viewer.ownsSession(session)) viewer.require('operate');
      return { ended: await deps.gateway.endSession(session, viewer.principal, request.body?.reason) };
    },
  );

  // A POST although it changes nothing: what the auditor writes is free text, and addresses are kept by proxies and browsers.
  app.post(
    '/v1/sessions/:id/recording',
    {
      config: { rateLimit: { max: limits.recordingsPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Sealed recording (ciphertext and wrapped keys). Auditors only; leaves an entry in the log',
        params: z.object({ id: sessionIdSchema }),
        body: z.strictObject({
          purpose: z.string().trim().min(4).max(500).describe('Why; kept sealed with the entry'),
          unseal: z.string().regex(UNSEAL_ID).optional().describe('Approved request; needed where a second person has to agree'),
          after: z.int().min(-1).default(-1),
        }),
        response: {
          200: z.object({ session: sessionSchema, items: z.array(recordingItemSchema), next: z.int().nullable() }),
        },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const session = await visible(request.params.id, viewer);
      const { purpose, after, unseal: id } = request.body;
      const unseal = id === undefined ? null : deps.unseals.authorised(id as UnsealId, viewer.principal);
      const isCovered = unseal !== null && 'session' in unseal.scope && unseal.scope.session === session.id;
      if (unseal === null ? deps.unseals.needsApproval : !isCovered)
        throw new SallyportError('SP_UNSEAL_NOT_APPROVED', 'a recording needs an approved request for its session');
      const indexes = (await deps.sessions.entriesOf(session.id)).filter((index) => index > after);
      const page = await recordingPage(deps.audit.reader, indexes, session.id, untilGone(reply));
      const about = { session: session.id, target: session.target, access: 'recording', unseal } as const;
      await recordUnsealed(deps.audit.log, viewer, page, about, [{ kind: 'justification', bytes: new TextEncoder().encode(purpose) }]);
      return { session: sessionView(session), items: [...page.items], next: page.next };
    },
  );
}
