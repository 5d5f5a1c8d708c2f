// The HTTP API: fastify with everything optional made explicit. Every route but those of routes/public.ts and the one that Slack
// signs runs the authentication hook; a route that is not listed as public cannot be reached without a verified principal.
// REFUSES: forwarded headers (trustProxy is off), unknown body keys, bodies over the limit, answers that are cached.

import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { ZodTypeProvider } from '@fastify/type-provider-zod';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from '@fastify/type-provider-zod';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, RawServerDefault } from 'fastify';
import Fastify from 'fastify';
import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { ERROR_CODES, SallyportError } from '../core/error.ts';
import { createAuthentication } from './authentication.ts';
import { EventStreams } from './event-streams.ts';
import type { ApiDeps } from './ports.ts';
import { DEFAULT_LIMITS } from './ports.ts';
import type { Problem } from './problem.ts';
import { problemOf } from './problem.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { auditRoutes } from './routes/audit.ts';
import { delegationRoutes } from './routes/delegations.ts';
import { evidenceRoutes } from './routes/evidence.ts';
import { grantRoutes } from './routes/grants.ts';
import { lockRoutes } from './routes/locks.ts';
import { notificationRoutes, slackRoutes } from './routes/notifications.ts';
import { overviewRoutes } from './routes/overview.ts';
import { policyRoutes } from './routes/policy.ts';
import { policyToolRoutes } from './routes/policy-tools.ts';
import { publicRoutes } from './routes/public.ts';
import { recertificationRoutes } from './routes/recertification.ts';
import { reviewRoutes } from './routes/reviews.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { targetRoutes } from './routes/targets.ts';
import { unsealRoutes } from './routes/unseals.ts';

export type ApiApp = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

/** Tokens with many groups are longer than Node's 16 KiB for all headers. */
const MAX_HEADER_BYTES = 48 * 1024;
const REQUEST_MS = 30_000;

/** PEM text. */
export interface ApiTls {
  readonly certificate: string;
  readonly key: string;
}

/** Builds the API without listening. @param tls null = plain HTTP, for loopback only. */
export async function buildApi(deps: ApiDeps, tls: ApiTls | null): Promise<ApiApp> {
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const app = Fastify({
    serverFactory: (handler) => serverOf(tls, handler),
    trustProxy: false,
    logger: false,
    bodyLimit: limits.maxBodyBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 200 },
    // Refusals before routing (an impossible URL) would otherwise be fastify's own document.
    frameworkErrors: (error, request, reply) => void sendProblem(problemOf(error, request.id), reply),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('viewer', null);

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request.id);
    if (problem.status >= 500) deps.logger.error({ ...faultFields(error), request: request.id }, 'api fault');
    return sendProblem(problem, reply);
  });
  app.setNotFoundHandler(() => {
    throw new SallyportError('SP_API_NOT_FOUND', 'no such route');
  });
  app.addHook('onResponse', async (request, reply) => {
    if (request.viewer === null && reply.statusCode < 400) return; // probes and scrapes
    deps.logger.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        principal: request.viewer?.key ?? null,
        request: request.id,
      },
      'api request',
    );
  });
  app.addHook('onSend', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
  });

  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    hsts: tls === null ? false : { maxAge: 31_536_000 },
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(rateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: 60_000,
    // After authentication, so that people behind one address do not share one budget.
    hook: 'preHandler',
    keyGenerator: (request) => request.viewer?.key ?? `address:${request.ip}`,
    errorResponseBuilder: () => new SallyportError('SP_API_RATE_LIMITED', 'request budget used up'),
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sallyport', version: deps.version, description: 'See docs/api.md. Faults are RFC 9457 problems.' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
  });

  const authenticate = createAuthentication(app, deps, limits);
  const streams = new EventStreams({ clock: deps.clock, maxStreams: limits.maxEventStreams });
  app.addHook('preClose', async () => streams.closeAll());

  publicRoutes(app, deps, authenticate);
  await app.register(async (scope) => slackRoutes(scope.withTypeProvider<ZodTypeProvider>(), deps));
  await app.register(async (scope) => {
    scope.addHook('onRequest', authenticate);
    const inner = scope.withTypeProvider<ZodTypeProvider>();
    approvalRoutes(inner, deps, limits, streams);
    grantRoutes(inner, deps, limits);
    delegationRoutes(inner, deps);
    recertificationRoutes(inner, deps);
    lockRoutes(inner, deps);
    sessionRoutes(inner, deps, limits);
    unsealRoutes(inner, deps, limits);
    auditRoutes(inner, deps, limits);
    overviewRoutes(inner, deps);
    targetRoutes(inner, deps);
    reviewRoutes(inner, deps);
    evidenceRoutes(inner, deps);
    policyRoutes(inner, deps, limits);
    policyToolRoutes(inner, deps, limits);
    notificationRoutes(inner, deps, limits);
  });
  await app.ready();
  return app;
}

function serverOf(tls: ApiTls | null, handler: RequestListener): HttpServer {
  const options = { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_MS };
  if (tls === null) return createHttpServer(options, handler);
  return createHttpsServer({ ...options, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' }, handler);
}

function sendProblem(problem: Problem, reply: FastifyReply): FastifyReply {
  return reply.code(problem.status).type('application/problem+json').serializer(JSON.stringify).send(problem);
}

/** What operators may read of a fault: its code and message; of a foreign error only its name. */
function faultFields(error: unknown): Record<string, unknown> {
  if (error instanceof SallyportError) {
    return { code: error.code, category: ERROR_CODES[error.code].category, message: error.message };
  }
  return { code: 'SP_INTERNAL', error: error instanceof Error ? error.name : typeof error };
}
