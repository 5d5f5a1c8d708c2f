// Fires when a client goes away before it has its answer.
// WHY not `request.signal`: Fastify's fires with the `close` of the request, which for a request with a body comes as
// soon as the body has been read.

import type { FastifyReply } from 'fastify';

export function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
