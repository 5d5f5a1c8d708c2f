// Log-in of a browser. The gateway itself is the client of the identity provider: the token comes here and stays here, and pages get a
// cookie that they cannot read. Every log-in makes a new cookie; one that was presented is never taken over.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { ApiApp } from '../app.ts';
import { admit, type ConsoleEntrance, recordRefusal } from '../authentication.ts';
import type { ConsoleSurface } from '../console-ports.ts';
import { requireFromConsole } from '../from-console.ts';
import type { LoginFailures } from '../login-failures.ts';
import type { ApiDeps } from '../ports.ts';
import { problemOf } from '../problem.ts';
import { CONSOLE_HOME, returnPathOf } from '../return-path.ts';
import { untilGone } from '../until-gone.ts';

const LOGIN_S = 600;
const limited = { rateLimit: { max: 60, timeWindow: 60_000 } };
const hidden = { hide: true } as const;

/** @param console null = no identity provider is configured for it */
export function consoleLoginRoutes(
  app: ApiApp,
  deps: ApiDeps,
  failures: LoginFailures,
  console: (ConsoleEntrance & Pick<ConsoleSurface, 'login' | 'personas'>) | null,
): void {
  app.get(
    '/console/login/options',
    {
      schema: {
        ...hidden,
        response: {
          200: z.object({
            providers: z.array(z.object({ name: z.string(), label: z.string() })),
            personas: z.array(z.object({ provider: z.string(), name: z.string(), displayName: z.string(), groups: z.array(z.string()) })),
          }),
        },
      },
    },
    async () => ({
      providers: console === null ? [] : [...console.login.providers],
      personas: console === null ? [] : console.personas.map((persona) => ({ ...persona, groups: [...persona.groups] })),
    }),
  );
  if (console === null) return;
  const { login, personas, sessions, cookies, origin } = console;
  // One for each provider, so that the code of one is never shown to another (RFC 9700, 4.4).
  const redirectUri = (provider: string): string => `${origin()}/console/callback/${encodeURIComponent(provider)}`;

  app.get(
    '/console/login',
    {
      config: limited,
      schema: {
        ...hidden,
        querystring: z.strictObject({
          provider: z.string().max(63).optional(),
          hint: z.string().max(63).optional(),
          return: z.string().max(2_000).optional(),
        }),
      },
      errorHandler: (error, request, reply) => void faultPage(error, request, reply),
    },
    async (request, reply) => {
      await failures.check(request, reply);
      requireNavigation(request);
      const returnTo = returnPathOf(request.query.return);
      // The cookie would be another host's, and the identity provider sends the browser to ours.
      if (deps.publicUrl === null && isElsewhere(request, origin())) return reply.redirect(`${origin()}${request.url}`, 302);
      const [first, ...more] = login.providers;
      const provider = request.query.provider ?? (more.length === 0 ? first?.name : undefined);
      if (provider === undefined) return reply.redirect(CONSOLE_HOME, 302);
      const hint = hintOf(provider, request);
      const { url, transaction } = await login.begin(provider, { redirectUri: redirectUri(provider), returnTo, hint });
      cookies.write(reply, 'login', transaction, LOGIN_S);
      return reply.redirect(url, 302);
    },
  );

  app.get(
    '/console/callback/:provider',
    {
      config: limited,
      schema: { ...hidden, params: z.object({ provider: z.string().max(63) }) },
      errorHandler: (error, request, reply) => void faultPage(error, request, reply),
    },
    async (request, reply) => {
      await failures.check(request, reply);
      requireNavigation(request);
      const cookie = cookies.read(request.headers.cookie, 'login');
      cookies.clear(reply, 'login');
      try {
        if (cookie === null || cookie === 'twice') throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'this browser began no log-in');
        const at = request.url.indexOf('?');
        const query = at < 0 ? '' : request.url.slice(at);
        const { provider } = request.params;
        const { token, returnTo } = await login.finish(cookie.value, { provider, redirectUri: redirectUri(provider), query });
        const principal = await deps.authenticator.authenticate(token, untilGone(reply));
        if (principal.issuer !== provider) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'a token of another provider');
        await admit(principal, 'console', request, failures, deps);
        const { issuer, subject, kind, onBehalfOf } = principal;
        // Recorded before the browser gets what it gives.
        await deps.audit.log.append({
          type: 'auth.ok',
          principal: { issuer, subject, kind },
          ...(onBehalfOf === null ? {} : { onBehalfOf }),
          detail: { surface: 'console', address: request.ip },
        });
        const { value, expiresAtMs } = await sessions.open(principal);
        cookies.write(reply, 'session', value, (expiresAtMs - deps.clock.nowMs()) / 1000);
        return await reply.redirect(returnTo, 302);
      } catch (error) {
        if (error instanceof SallyportError && error.category === 'identity')
          await recordRefusal(error.code, 'console', request, failures, deps);
        throw error;
      }
    },
  );

  app.post('/console/logout', { config: limited, schema: hidden }, async (request, reply) => {
    await failures.check(request, reply);
    requireFromConsole(request, origin());
    const cookie = cookies.read(request.headers.cookie, 'session');
    const found = cookie === null || cookie === 'twice' ? null : await sessions.find(cookie.value, true);
    cookies.clear(reply, 'session');
    if (found?.state === 'live') {
      await sessions.end(found.id);
      const { issuer, subject, kind } = found.principal;
      const detail = { surface: 'console', reason: 'log-out', address: request.ip };
      await deps.audit.log.append({ type: 'auth.end', principal: { issuer, subject, kind }, detail });
    }
    return reply.code(204).send();
  });

  /** @throws SP_API_BAD_REQUEST for nobody it knows. Another site's page logs nobody in as somebody of its choice. */
  function hintOf(provider: string, request: FastifyRequest<{ Querystring: { hint?: string | undefined } }>): string | null {
    const { hint } = request.query;
    if (hint === undefined) return null;
    if (!personas.some((persona) => persona.provider === provider && persona.name === hint))
      throw new SallyportError('SP_API_BAD_REQUEST', 'nobody of this name');
    const site = request.headers['sec-fetch-site'];
    return site === undefined || site === 'none' || site === 'same-origin' ? hint : null;
  }
}

/** Images, scripts and frames of other pages begin and end no log-in. @throws SP_API_CROSS_SITE */
function requireNavigation({ headers }: FastifyRequest): void {
  const mode = headers['sec-fetch-mode'];
  const destination = headers['sec-fetch-dest'];
  if ((mode === undefined || mode === 'navigate') && (destination === undefined || destination === 'document')) return;
  throw new SallyportError('SP_API_CROSS_SITE', 'a log-in is a page');
}

function isElsewhere({ headers }: FastifyRequest, origin: string): boolean {
  return headers.host !== undefined && headers.host !== new URL(origin).host;
}

/** For a person: fixed texts only, nothing of what was sent. */
function faultPage(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, title, remedy, code } = problemOf(error, request.id);
  return reply
    .code(status)
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sallyport</title><h1>The log-in did not work</h1>` +
        `<p>${title} (${code}). ${remedy}</p><p><a href="${CONSOLE_HOME}">Start again</a></p></html>`,
    );
}
