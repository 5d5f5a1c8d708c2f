// Who makes a request: a bearer token (RFC 6750), verified by the same identity providers as every protocol, or the cookie of the
// console, which stands for a token that was. Refused ones are entries in the audit log, and an address that keeps presenting them
// has to wait.
// REFUSES: tokens in the query or the body, more than one Authorization header, tokens over 32 KiB, a cookie that comes twice, and
// one that was not sent by the console's own pages.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../core/error.ts';
import type { Principal } from '../core/identity.ts';
import type { ConsoleSessionsSurface } from './console-ports.ts';
import type { Cookies } from './cookies.ts';
import { isAttended, requireFromConsole } from './from-console.ts';
import type { LoginFailures } from './login-failures.ts';
import type { ApiDeps } from './ports.ts';
import { untilGone } from './until-gone.ts';
import { Viewer } from './viewer.ts';

const MAX_TOKEN_CHARACTERS = 32 * 1024;
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** How the console's pages come in. */
export interface ConsoleEntrance {
  readonly sessions: ConsoleSessionsSurface;
  readonly cookies: Cookies;
  /** Of the console, as browsers reach it. */
  readonly origin: () => string;
}

export type Surface = 'api' | 'console';

/** @throws SP_AUTH_EXPIRED; SP_LOCKED, which is an entry then and counts as refused: who is locked out does not fill the log */
export async function admit(
  principal: Principal,
  surface: Surface,
  request: FastifyRequest,
  failures: LoginFailures,
  deps: ApiDeps,
): Promise<void> {
  if (principal.expiresAtMs <= deps.clock.nowMs()) throw new SallyportError('SP_AUTH_EXPIRED', 'expired');
  if (!deps.locks.isLockedOut(principal)) return;
  await failures.record(request);
  const { issuer, subject, kind } = principal;
  const detail = { surface, fault: 'locked', address: request.ip };
  await deps.audit.log.append({ type: 'auth.fail', principal: { issuer, subject, kind }, detail });
  throw new SallyportError('SP_LOCKED', 'the principal is locked');
}

/** Counts and records what was refused. */
export async function recordRefusal(
  fault: string,
  surface: Surface,
  request: FastifyRequest,
  failures: LoginFailures,
  deps: ApiDeps,
): Promise<void> {
  await failures.record(request);
  await deps.audit.log.append({ type: 'auth.fail', detail: { surface, fault, address: request.ip } });
}

/** The hook that every non-public route runs first. @param console null = bearer tokens only */
export function createAuthentication(deps: ApiDeps, failures: LoginFailures, console: ConsoleEntrance | null) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await failures.check(request, reply);
    const cookie = console?.cookies.read(request.headers.cookie, 'session') ?? null;
    // A token says by itself who is meant, and no browser adds one unasked.
    if (console !== null && cookie !== null && request.headers.authorization === undefined) {
      return authenticateCookie(cookie, console, request, reply);
    }
    const token = bearerToken(request);
    if (token === null) {
      void reply.header('www-authenticate', 'Bearer realm="sallyport"');
      throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'no bearer token presented');
    }
    try {
      const principal = await deps.authenticator.authenticate(token, untilGone(reply));
      await admit(principal, 'api', request, failures, deps);
      request.viewer = new Viewer(principal, deps);
    } catch (error) {
      if (!(error instanceof SallyportError) || error.category !== 'identity') throw error;
      await recordRefusal(error.code, 'api', request, failures, deps);
      void reply.header('www-authenticate', 'Bearer realm="sallyport", error="invalid_token"');
      throw error;
    }
  };

  async function authenticateCookie(
    cookie: NonNullable<ReturnType<Cookies['read']>>,
    { sessions, cookies, origin }: ConsoleEntrance,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    requireFromConsole(request, origin());
    const found = cookie === 'twice' ? { state: 'unknown' as const } : await sessions.find(cookie.value, isAttended(request));
    if (found.state !== 'live') {
      cookies.clear(reply, 'session');
      // A page that was left open is no attack: it is neither counted nor recorded.
      if (found.state === 'over') throw new SallyportError('SP_AUTH_EXPIRED', 'the log-in is over');
      await recordRefusal(cookie === 'twice' ? 'cookie-twice' : 'cookie-unknown', 'console', request, failures, deps);
      throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'not a cookie of ours');
    }
    try {
      await admit(found.principal, 'console', request, failures, deps);
    } catch (error) {
      cookies.clear(reply, 'session');
      await sessions.end(found.id);
      throw error;
    }
    request.viewer = new Viewer(found.principal, deps);
    request.consoleSession = found.id;
  }
}

function bearerToken(request: FastifyRequest): string | null {
  const header = request.headers.authorization;
  if (header === undefined || header.length > MAX_TOKEN_CHARACTERS) return null;
  return BEARER.exec(header)?.[1] ?? null;
}
