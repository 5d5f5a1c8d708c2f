// Sessions and their recordings. A recording leaves here as ciphertext: this process cannot open it. Handing it out
// is itself an entry (`payload.unsealed`), written before the first byte.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { EntryHeader } from '../../core/event.ts';
import type { SessionId, TargetName } from '../../core/ids.ts';
import type { AuditReader, SessionRow } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { entrySchema, sessionSchema, sessionView } from '../views.ts';
import { untilGone } from '../until-gone.ts';
import type { Viewer } from '../viewer.ts';
import { viewerOf } from '../viewer.ts';
import { visibleRows } from './approvals.ts';

const sessionIdSchema = z.string().regex(/^ses_[a-z2-7]{26}$/);
const tags = ['sessions'];
const MAX_RECORDING_PAGE_BYTES = 8 * 1024 * 1024;

const recordingItemSchema = z.object({
  seq: z.int(),
  ts: z.string(),
  type: z.string(),
  intent: z.int().nullable(),
  sealed: z
    .object({
      kind: z.enum(['statement', 'parameters', 'messages', 'result', 'justification']),
      sha256: z.string().describe('Of the ciphertext'),
      bytes: z.int().describe('Length of the ciphertext'),
      commitment: z.string().describe('To the plaintext'),
      key: z.string().describe('Names the data key'),
    })
    .describe('The payload as the log entry names it'),
  ciphertext: z.string().nullable().describe('Base64; null when the blob or its key was destroyed'),
  wrappedKey: z.string().nullable(),
});

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
        querystring: z.strictObject({
          target: z
            .string()
            .regex(/^[a-z][a-z0-9_-]*$/)
            .optional(),
          live: z.enum(['true', 'false']).optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
        response: { 200: z.object({ sessions: z.array(sessionSchema) }) },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const { target, live, limit } = request.query;
      const filter = {
        ...(target === undefined ? {} : { target: target as TargetName }),
        ...(live === undefined ? {} : { live: live === 'true' }),
      };
      const rows = await visibleRows(
        limit,
        (count) => deps.sessions.list({ ...filter, limit: count }),
        (row) => viewer.maySeeSession(row),
      );
      return { sessions: rows.map(sessionView) };
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

  app.get(
    '/v1/sessions/:id/recording',
    {
      config: { rateLimit: { max: limits.recordingsPerMinute, timeWindow: 60_000 } },
      schema: {
        tags,
        summary: 'Sealed recording (ciphertext and wrapped keys). Auditors only; leaves an entry in the log',
        params: z.object({ id: sessionIdSchema }),
        querystring: z.strictObject({
          purpose: z.string().trim().min(4).max(500).describe('Why; kept sealed with the entry'),
          after: z.coerce.number().int().min(-1).default(-1),
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
      const { purpose, after } = request.query;
      await deps.audit.log.append(
        {
          type: 'payload.unsealed',
          principal: actorOf(viewer),
          session: session.id,
          resource: { target: session.target },
          detail: { access: 'recording', after },
        },
        [{ kind: 'justification', bytes: new TextEncoder().encode(purpose) }],
      );
      const indexes = (await deps.sessions.entriesOf(session.id)).filter((index) => index > after);
      return { session: sessionView(session), ...(await recordingPage(deps.audit.reader, indexes, untilGone(reply))) };
    },
  );
}

function actorOf(viewer: Viewer): { issuer: string; subject: string; kind: 'person' | 'agent' | 'service' } {
  const { issuer, subject, kind } = viewer.principal;
  return { issuer, subject, kind };
}

/** Sealed payloads of whole entries, in order, until a page is full. `next` is the entry to go on after. */
async function recordingPage(reader: AuditReader, indexes: readonly number[], signal: AbortSignal) {
  const items: z.infer<typeof recordingItemSchema>[] = [];
  let bytes = 0;
  for await (const entry of entriesAt(reader, indexes, signal)) {
    for (const ref of entry.sealed ?? []) {
      const blob = await reader.sealed(ref);
      bytes += blob?.ciphertext.length ?? 0;
      items.push({
        seq: entry.seq,
        ts: entry.ts,
        type: entry.type,
        intent: entry.intent ?? null,
        sealed: ref,
        ciphertext: blob === null ? null : Buffer.from(blob.ciphertext).toString('base64'),
        wrappedKey: blob === null ? null : blob.wrappedKey,
      });
    }
    if (bytes >= MAX_RECORDING_PAGE_BYTES && entry.seq !== indexes.at(-1)) return { items, next: entry.seq };
  }
  return { items, next: null };
}

/** Entries at ascending log indexes, read in runs of neighbours. */
async function* entriesAt(reader: AuditReader, indexes: readonly number[], signal: AbortSignal): AsyncGenerator<EntryHeader> {
  for (let start = 0; start < indexes.length;) {
    const first = indexes[start] ?? 0;
    let end = start + 1;
    while (indexes[end] === first + (end - start)) end += 1;
    yield* reader.entries(first, first + (end - start), signal);
    start = end;
  }
}
