// Bearer authentication of the API (RFC 6750) by the same identity providers as every protocol. Refused tokens are
// entries in the audit log, and an address that keeps presenting them has to wait.
// REFUSES: tokens in the query or the body, more than one Authorization header, tokens over 32 KiB.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../core/error.ts';
import type { ApiDeps, ApiLimits } from './ports.ts';
import { untilGone } from './until-gone.ts';
import { Viewer } from './viewer.ts';

const MAX_TOKEN_CHARACTERS = 32 * 1024;
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The hook that every non-public route runs first. Needs the rate-limit plugin on `app`. */
export function createAuthentication(app: FastifyInstance, deps: ApiDeps, limits: ApiLimits) {
  const failures = app.createRateLimit({
    max: limits.loginFailuresPerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => `login-failures:${request.ip}`,
  });

  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const seen = await failures(request, { increment: false });
    if (!seen.isAllowed && seen.remaining === 0) {
      void reply.header('retry-after', String(Math.max(1, seen.ttlInSeconds)));
      throw new SallyportError('SP_API_RATE_LIMITED', 'too many refused tokens from this address');
    }
    const token = bearerToken(request);
    if (token === null) {
      void reply.header('www-authenticate', 'Bearer realm="sallyport"');
      throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'no bearer token presented');
    }
    try {
      const principal = await deps.authenticator.authenticate(token, untilGone(reply));
      if (principal.expiresAtMs <= deps.clock.nowMs()) throw new SallyportError('SP_AUTH_EXPIRED', 'expired');
      if (deps.locks.isLockedOut(principal)) {
        const { issuer, subject, kind } = principal;
        const detail = { surface: 'api', fault: 'locked', address: request.ip };
        await deps.audit.log.append({ type: 'auth.fail', principal: { issuer, subject, kind }, detail });
        throw new SallyportError('SP_LOCKED', 'the principal is locked');
      }
      request.viewer = new Viewer(principal, deps);
    } catch (error) {
      if (!(error instanceof SallyportError) || error.category !== 'identity') throw error;
      await failures(request);
      await deps.audit.log.append({ type: 'auth.fail', detail: { surface: 'api', fault: error.code, address: request.ip } });
      void reply.header('www-authenticate', 'Bearer realm="sallyport", error="invalid_token"');
      throw error;
    }
  };
}

function bearerToken(request: FastifyRequest): string | null {
  const header = request.headers.authorization;
  if (header === undefined || header.length > MAX_TOKEN_CHARACTERS) return null;
  return BEARER.exec(header)?.[1] ?? null;
}
