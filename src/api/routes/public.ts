// What answers without a token: liveness, readiness, metrics and the API's own description.
// Metrics and the details of readiness are for the machine itself (loopback) or an operator's token.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isLoopback } from '../../core/address.ts';
import { SallyportError } from '../../core/error.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';

/** The socket's own peer: forwarded headers are not trusted anywhere in this API. */
function isLocal(request: FastifyRequest): boolean {
  return isLoopback(request.socket.remoteAddress ?? '');
}

export function publicRoutes(
  app: ApiApp,
  deps: ApiDeps,
  authenticate: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
): void {
  app.get(
    '/healthz',
    {
      config: { rateLimit: false },
      schema: { tags: ['operation'], security: [], response: { 200: z.object({ status: z.literal('ok') }) } },
    },
    async () => ({ status: 'ok' as const }),
  );

  const readinessSchema = z.object({ ready: z.boolean(), checks: z.record(z.string(), z.string()).optional() });
  app.get(
    '/readyz',
    {
      config: { rateLimit: false },
      schema: { tags: ['operation'], security: [], response: { 200: readinessSchema, 503: readinessSchema } },
    },
    async (request, reply) => {
      const { ready, checks } = await deps.readiness();
      return reply.code(ready ? 200 : 503).send({ ready, ...(isLocal(request) ? { checks: { ...checks } } : {}) });
    },
  );

  app.get(
    '/metrics',
    {
      config: { rateLimit: false },
      schema: { tags: ['operation'], summary: 'Prometheus metrics; from loopback, or with an operator token' },
      onRequest: async (request, reply) => {
        if (deps.metricsAccess === 'public' || isLocal(request)) return;
        await authenticate(request, reply);
        if (request.viewer === null || !request.viewer.rights.has('operate')) {
          throw new SallyportError('SP_API_FORBIDDEN', 'metrics need the right operate');
        }
      },
    },
    async (_request, reply) => reply.type(deps.metrics.contentType).send(await deps.metrics.metrics()),
  );

  app.get('/v1/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );
}
