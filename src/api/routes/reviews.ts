// Reviews of the record, leavers, coverage: auditors only. Where the export to a SIEM is: auditors and operators; operators reset it.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';
import {
  coverageSchema,
  leaverSchema,
  type ReviewPeriod,
  reviewSchema,
  siemPlace,
  siemSchema,
  signedReviewSchema,
} from '../review-views.ts';
import { untilGone } from '../until-gone.ts';
import { viewerOf } from '../viewer.ts';

const tags = ['reviews'];
const time = z.iso.datetime({ offset: true });
const period = z.strictObject({ since: time, until: time.optional().describe('Exclusive; absent = now') });
const periodOf = ({ since, until }: z.output<typeof period>): ReviewPeriod => ({
  sinceMs: Date.parse(since),
  untilMs: until === undefined ? null : Date.parse(until),
});
const who = z.strictObject({ issuer: z.string().min(1).max(512), subject: z.string().min(1).max(512) });

export function reviewRoutes(app: ApiApp, { reviews }: ApiDeps): void {
  app.post(
    '/v1/reviews',
    {
      schema: {
        tags,
        summary: 'Signs that the entries of a period were reviewed',
        body: period.extend({ finding: z.string().trim().min(1).max(16_000).describe('Kept sealed, never in the log') }),
        response: { 200: signedReviewSchema },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('audit');
      const { finding, ...of } = request.body;
      return reviews.sign(viewer.principal, periodOf(of), finding, untilGone(reply));
    },
  );

  app.get(
    '/v1/reviews',
    {
      schema: {
        tags,
        summary: 'Reviews signed in a period, newest first',
        querystring: period.extend({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
        response: { 200: z.object({ reviews: z.array(reviewSchema) }) },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('audit');
      const { limit, ...of } = request.query;
      return { reviews: [...(await reviews.list(periodOf(of), limit, untilGone(reply)))] };
    },
  );

  app.post(
    '/v1/reports/leavers',
    {
      schema: {
        tags,
        summary: 'What principals who are gone had and used, and what of it still stands',
        body: z.strictObject({ principals: z.array(who).min(1).max(1000) }),
        response: { 200: z.object({ leavers: z.array(leaverSchema) }) },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('audit');
      return { leavers: [...(await reviews.leavers(request.body.principals, untilGone(reply)))] };
    },
  );

  app.get(
    '/v1/reports/coverage',
    {
      schema: {
        tags,
        summary: 'What of a period nobody has a copy of or has reviewed',
        querystring: period,
        response: { 200: coverageSchema },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('audit');
      return reviews.coverage(periodOf(request.query), untilGone(reply));
    },
  );

  app.get(
    '/v1/siem',
    { schema: { tags, summary: 'Where the export of the log is', response: { 200: z.object({ destinations: z.array(siemSchema) }) } } },
    async (request) => {
      viewerOf(request).require('oversight');
      return { destinations: [...reviews.destinations()] };
    },
  );

  app.post(
    '/v1/siem/:name/reset',
    {
      schema: {
        tags,
        summary: 'Has a destination go on elsewhere in the log; ends the stop after a rollback',
        params: z.strictObject({ name: z.string().min(1).max(64) }),
        body: z.strictObject({ from: siemPlace }),
        response: { 200: siemSchema },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      viewer.require('operate');
      return reviews.reset(viewer.principal, request.params.name, request.body.from);
    },
  );
}
