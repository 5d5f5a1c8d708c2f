// Requests to open sealed payloads: asked by auditors, answered by a second person where the configuration says so, then handed out as
// ciphertext. Opening happens where the private key is.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { SessionId, UnsealId } from '../../core/ids.ts';
import { UNSEAL_PURPOSES, type UnsealRequest } from '../../core/unseal.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits } from '../ports.ts';
import { recordingItemSchema, recordingPage, recordUnsealed } from '../recording.ts';
import { untilGone } from '../until-gone.ts';
import { actorSchema } from '../views.ts';
import { type Viewer, viewerOf } from '../viewer.ts';

const tags = ['unseals'];
const time = z.iso.datetime();
const params = z.object({ id: z.string().regex(/^uns_[a-z2-7]{26}$/) });
const reason = z.string().trim().min(1).max(4000).optional().describe('Kept sealed, never in the log');

const unsealSchema = z.object({
  id: z.string(),
  state: z.enum(['pending', 'approved', 'denied', 'expired']),
  requester: actorSchema,
  session: z.string().nullable(),
  entry: z.int().nullable(),
  target: z.string(),
  purpose: z.enum(UNSEAL_PURPOSES),
  approvers: z.object({ role: z.string(), count: z.int() }),
  answers: z.array(z.object({ by: actorSchema, verdict: z.enum(['approve', 'deny']), at: time })),
  createdAt: time,
  expiresAt: time,
});

const at = (ms: number): string => new Date(ms).toISOString();

function view({ scope, createdAtMs, expiresAtMs, answers, requester, ...request }: UnsealRequest): z.infer<typeof unsealSchema> {
  const { id, state, target, purpose, approvers } = request;
  return {
    id,
    state,
    requester,
    session: 'session' in scope ? scope.session : null,
    entry: 'entry' in scope ? scope.entry : null,
    target,
    purpose,
    approvers: { ...approvers },
    answers: answers.map(({ by, verdict, atMs }) => ({ by, verdict, at: at(atMs) })),
    createdAt: at(createdAtMs),
    expiresAt: at(expiresAtMs),
  };
}

export function unsealRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  const { unseals } = deps;
  const rateLimit = { max: limits.recordingsPerMinute, timeWindow: 60_000 };
  const maySee = (viewer: Viewer, { approvers }: UnsealRequest): boolean =>
    viewer.rights.has('audit') || viewer.roles.includes(approvers.role);

  /** Target of a session or an entry that exists. @throws SP_API_NOT_FOUND */
  const targetOf = async (scope: UnsealRequest['scope'], signal: AbortSignal): Promise<string> => {
    if ('session' in scope) {
      const session = await deps.sessions.get(scope.session);
      if (session !== null) return session.target;
    } else {
      for await (const { sealed, resource, session } of deps.audit.reader.entries(scope.entry, scope.entry + 1, signal)) {
        if ((sealed ?? []).length === 0) break;
        const row = session === undefined ? null : await deps.sessions.get(session as SessionId);
        return resource?.target ?? row?.target ?? 'gateway';
      }
    }
    throw new SallyportError('SP_API_NOT_FOUND', 'no such session, or no entry with sealed payloads');
  };

  app.post(
    '/v1/unseals',
    {
      config: { rateLimit },
      schema: {
        tags,
        summary: 'Asks to open the sealed payloads of a session or an entry. Auditors only',
        body: z.strictObject({
          session: z
            .string()
            .regex(/^ses_[a-z2-7]{26}$/)
            .optional(),
          entry: z.int().min(0).optional(),
          purpose: z.enum(UNSEAL_PURPOSES),
          reason,
        }),
        response: { 200: unsealSchema },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const { session, entry, purpose, reason = '' } = request.body;
      if ((session === undefined) === (entry === undefined))
        throw new SallyportError('SP_API_BAD_REQUEST', 'give either a session or an entry');
      const scope = session === undefined ? { entry: entry ?? 0 } : { session: session as SessionId };
      const target = await targetOf(scope, untilGone(reply));
      return view(await unseals.request(viewer.principal, { scope, target, purpose, reason }));
    },
  );

  app.get(
    '/v1/unseals',
    { schema: { tags, summary: 'Requests to open, newest first', response: { 200: z.object({ unseals: z.array(unsealSchema) }) } } },
    async (request) => {
      const viewer = viewerOf(request);
      return {
        unseals: unseals
          .list()
          .filter((one) => maySee(viewer, one))
          .map(view),
      };
    },
  );

  app.get('/v1/unseals/:id', { schema: { tags, params, response: { 200: unsealSchema } } }, async (request) => {
    const found = unseals.get(request.params.id as UnsealId);
    if (found === null || !maySee(viewerOf(request), found)) throw new SallyportError('SP_API_NOT_FOUND', 'no such request to open');
    return view(found);
  });

  app.post(
    '/v1/unseals/:id/answer',
    {
      config: { rateLimit },
      schema: {
        tags,
        summary: 'Answers a request of somebody else',
        params,
        body: z.strictObject({ verdict: z.enum(['approve', 'deny']), reason }),
        response: { 200: unsealSchema },
      },
    },
    async (request) => {
      const { verdict, reason = '' } = request.body;
      return view(await unseals.answer(request.params.id as UnsealId, viewerOf(request).principal, verdict, reason));
    },
  );

  app.get(
    '/v1/unseals/:id/payloads',
    {
      config: { rateLimit },
      schema: {
        tags,
        summary: 'Ciphertext and wrapped keys, for whoever asked; each page is an entry in the log first',
        params,
        querystring: z.strictObject({ after: z.coerce.number().int().min(-1).default(-1) }),
        response: { 200: z.object({ items: z.array(recordingItemSchema), next: z.int().nullable() }) },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const unseal = unseals.authorised(request.params.id as UnsealId, viewer.principal);
      const { scope, target } = unseal;
      const all = 'session' in scope ? await deps.sessions.entriesOf(scope.session) : [scope.entry];
      const indexes = all.filter((index) => index > request.query.after);
      const session = 'session' in scope ? { session: scope.session } : {};
      const page = await recordingPage(deps.audit.reader, indexes, session.session ?? null, untilGone(reply));
      await recordUnsealed(deps.audit.log, viewer, page, { ...session, target, access: 'unseal', unseal });
      return { items: [...page.items], next: page.next };
    },
  );
}
