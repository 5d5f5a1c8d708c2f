// The HTTP API: fastify with everything optional made explicit. Every route but those of routes/public.ts, the one that Slack signs, and
// the console's log-in and files runs the authentication hook: no other can be reached without a verified principal.
// REFUSES: forwarded headers (trustProxy is off), unknown body keys, bodies over the limit, answers that are cached.

import fastifyCookie from '@fastify/cookie';
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
import { type ConsoleEntrance, createAuthentication } from './authentication.ts';
import { Cookies } from './cookies.ts';
import { EventBroker } from './event-broker.ts';
import { EventStreams } from './event-streams.ts';
import { createLoginFailures } from './login-failures.ts';
import type { ApiDeps } from './ports.ts';
import { DEFAULT_LIMITS } from './ports.ts';
import type { Problem } from './problem.ts';
import { problemOf } from './problem.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { auditRoutes } from './routes/audit.ts';
import { consoleFileRoutes } from './routes/console-files.ts';
import { consoleLoginRoutes } from './routes/console-login.ts';
import { delegationRoutes } from './routes/delegations.ts';
import { eventRoutes } from './routes/events.ts';
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
import { subjectRoutes } from './routes/subjects.ts';
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
  app.decorateRequest('consoleSession', null);

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
    if (!reply.hasHeader('cache-control')) void reply.header('cache-control', 'no-store');
  });

  // For writing: it reads the first cookie of a name, and ours must be the only one (cookies.ts).
  await app.register(fastifyCookie, { hook: false });
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
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          console: { type: 'apiKey', in: 'cookie', name: '__Host-sallyport', description: 'See docs/console.md' },
        },
      },
      security: [{ bearer: [] }, { console: [] }],
    },
    transform: jsonSchemaTransform,
  });

  const origin = (): string => originOf(deps.publicUrl, tls, app.server);
  const cookies = new Cookies(deps.publicUrl === null ? tls !== null : deps.publicUrl.startsWith('https:'));
  const entrance: ConsoleEntrance | null = deps.console && { sessions: deps.console.sessions, cookies, origin };
  const failures = createLoginFailures(app, limits);
  const authenticate = createAuthentication(deps, failures, entrance);
  const streams = new EventStreams({
    clock: deps.clock,
    maxStreams: limits.maxEventStreams,
    maxOfOne: limits.maxEventStreamsOfOne,
    sessions: deps.console?.sessions ?? null,
  });
  const broker = new EventBroker({ ...deps, streams });
  app.addHook('preClose', async () => streams.closeAll());

  publicRoutes(app, deps, authenticate);
  await app.register(async (scope) => slackRoutes(scope.withTypeProvider<ZodTypeProvider>(), deps));
  consoleLoginRoutes(app, deps, failures, deps.console && entrance && { ...deps.console, ...entrance });
  await app.register(async (scope) => consoleFileRoutes(scope.withTypeProvider<ZodTypeProvider>(), deps.consoleFolder));
  await app.register(async (scope) => {
    scope.addHook('onRequest', authenticate);
    const inner = scope.withTypeProvider<ZodTypeProvider>();
    eventRoutes(inner, deps, broker);
    approvalRoutes(inner, deps, limits);
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
    subjectRoutes(inner, deps);
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

/** As browsers reach it. Behind a proxy only the configuration knows. */
function originOf(publicUrl: string | null, tls: ApiTls | null, server: HttpServer): string {
  if (publicUrl !== null) return new URL(publicUrl).origin;
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new SallyportError('SP_INTERNAL', 'the API does not listen');
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return new URL(`${tls === null ? 'http' : 'https'}://${host}:${bound.port}`).origin;
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
