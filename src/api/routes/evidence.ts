// The evidence bundle of a time range, as a ZIP. Auditors only; leaves an entry in the log.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { Readable } from 'node:stream';
import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';
import { untilGone } from '../until-gone.ts';
import { viewerOf } from '../viewer.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString());
const name = z.string().min(1).max(512);

export function evidenceRoutes(app: ApiApp, deps: ApiDeps): void {
  app.get(
    '/v1/evidence/export',
    {
      schema: {
        tags: ['audit'],
        summary: 'Evidence bundle of a time range as a ZIP. Auditors only; leaves an entry in the log',
        querystring: z.strictObject({
          from: time,
          to: time.describe('Exclusive'),
          issuer: name.optional(),
          subject: name.optional(),
          target: z
            .string()
            .regex(/^[\x21-\x7e]{1,128}$/)
            .optional(),
        }),
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const { from, to, issuer, subject, target } = request.query;
      if (from >= to) throw new SallyportError('SP_API_BAD_REQUEST', 'the range ends before it begins');
      if ((issuer === undefined) !== (subject === undefined))
        throw new SallyportError('SP_API_BAD_REQUEST', 'issuer and subject belong together');
      const principal = issuer === undefined || subject === undefined ? null : { issuer, subject };
      const archive = await deps.evidence.export(viewer.principal, { from, to, principal, target: target ?? null }, untilGone(reply));
      return reply
        .type('application/zip')
        .header('content-disposition', 'attachment; filename="evidence.zip"')
        .send(Readable.from(archive, { objectMode: false }));
    },
  );
}
