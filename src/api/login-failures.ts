// An address that keeps presenting what is refused has to wait: tokens, cookies and log-ins share one budget.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../core/error.ts';
import type { ApiLimits } from './ports.ts';

export interface LoginFailures {
  /** @throws SP_API_RATE_LIMITED */
  check(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  record(request: FastifyRequest): Promise<void>;
}

/** Needs the rate-limit plugin on `app`. */
export function createLoginFailures(app: FastifyInstance, { loginFailuresPerMinute }: ApiLimits): LoginFailures {
  const failures = app.createRateLimit({
    max: loginFailuresPerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => `login-failures:${request.ip}`,
  });
  return {
    async check(request, reply) {
      const seen = await failures(request, { increment: false });
      if (seen.isAllowed || seen.remaining > 0) return;
      void reply.header('retry-after', String(Math.max(1, seen.ttlInSeconds)));
      throw new SallyportError('SP_API_RATE_LIMITED', 'too many refused log-ins from this address');
    },
    async record(request) {
      await failures(request);
    },
  };
}
