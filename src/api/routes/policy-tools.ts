// Versions of the policy: what differs, what was in force when, bringing one into force, and what another would change of what was
// asked before; and the report about access that is granted and used.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { SallyportError } from '../../core/error.ts';
import type { Sha256Hex, TargetName } from '../../core/ids.ts';
import type { ApiApp } from '../app.ts';
import { accessReportSchema, diffSchema, policyFilesSchema, replaySchema } from '../policy-tools.ts';
import type { ApiDeps, ApiLimits, OnProgress, PolicyApplyReport, PolicyFault, PolicyReference, ReplayPeriod } from '../ports.ts';
import { untilGone } from '../until-gone.ts';
import { takesPolicy, viewerOf } from '../viewer.ts';
import { withProgress } from '../with-progress.ts';

const tags = ['policy'];
const shaPrefix = z.string().regex(/^[0-9a-f]{6,64}$/, 'the first 6 to 64 characters of a hash');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.iso.datetime();
const targetName = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/);

const reference = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('running') }),
    z.strictObject({ kind: z.literal('configured') }).describe('The files of the configuration as they are now'),
    z.strictObject({ kind: z.literal('version'), sha256: shaPrefix }),
    z.strictObject({ kind: z.literal('files'), files: policyFilesSchema }),
  ])
  .describe('A policy');

const place = z.object({ file: z.string(), line: z.int(), column: z.int() });
const faultSchema = place.extend({
  severity: z.enum(['error', 'warning']),
  path: z.string(),
  what: z.string(),
  suggestion: z.string().nullable(),
});
const faults = z.array(faultSchema);
const actor = z.object({ issuer: z.string(), subject: z.string(), kind: z.string() });

const applySchema = z.object({
  ok: z.boolean(),
  sha256: z.string().nullable().describe('null = it does not load'),
  previous: z.string().nullable(),
  isChanged: z.boolean(),
  diff: diffSchema.nullable(),
  faults,
  tests: z.array(z.object({ name: z.string(), place, passed: z.boolean(), differences: z.array(z.string()) })),
});

const applyOptions = {
  expected: sha256.optional().describe('Refuse when another version is in force by now'),
  skipTests: z.boolean().default(false).describe("Do not run the policy's own tests; recorded"),
};
const period = {
  since: time,
  until: time.optional().describe('Exclusive; absent = now'),
  target: targetName.optional(),
  principal: z.strictObject({ issuer: z.string().min(1).max(200), subject: z.string().min(1).max(500) }).optional(),
};
const progress = z.strictObject({
  progress: z.stringbool().default(false).describe('Answer in lines of JSON (application/x-ndjson): progress, then result or problem'),
});

/** They read much of the log: one at a time. */
class OneAtATime {
  #isBusy = false;

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) throw new SallyportError('SP_API_RATE_LIMITED', 'another replay or report is running');
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }
}

export function policyToolRoutes(app: ApiApp, deps: ApiDeps, { maxPolicyBytes }: ApiLimits): void {
  const tools = deps.policyTools;
  const reading = new OneAtATime();

  const answer = async <T>(
    reply: FastifyReply,
    requestId: string,
    isStreamed: boolean,
    work: (onProgress: OnProgress, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    if (!isStreamed) return reading.run(() => work(() => {}, untilGone(reply)));
    // The stream is the reply; its lines have the schema of the answer.
    return withProgress(
      reply,
      requestId,
      () => deps.clock.monotonicMs(),
      (onProgress, signal) => reading.run(() => work(onProgress, signal)),
    ) as never;
  };

  app.post(
    '/v1/policy/diff',
    {
      ...takesPolicy('oversight', maxPolicyBytes),
      schema: {
        tags,
        summary: 'Which roles gain or lose what between two policies. For auditors and operators',
        body: z.strictObject({ from: reference.default({ kind: 'running' }), to: reference }),
        response: {
          200: z.object({ ok: z.boolean(), from: z.string().nullable(), to: z.string().nullable(), diff: diffSchema.nullable(), faults }),
        },
      },
    },
    async (request) => {
      viewerOf(request).require('oversight');
      const found = await tools.diff(request.body.from as PolicyReference, request.body.to as PolicyReference);
      if (!found.ok) return { ok: false, from: null, to: null, diff: null, faults: found.faults.map(faultView) };
      const { from, to, diff } = found.value;
      return { ok: true, from, to, diff, faults: [] };
    },
  );

  app.get(
    '/v1/policy/history',
    {
      schema: {
        tags,
        summary: 'Versions that were in force, newest first. For auditors and operators',
        querystring: z.strictObject({ limit: z.coerce.number().int().min(1).max(200).default(20) }),
        response: {
          200: z.object({
            inForce: z.string(),
            applications: z.array(
              z.object({
                sha256: z.string(),
                at: time,
                how: z.enum(['start', 'apply', 'rollback']),
                by: actor.nullable().describe('null = whoever changed the files'),
                previous: z.string().nullable(),
                isInstead: z.boolean().describe('In force instead of the files of the configuration'),
                diff: diffSchema.nullable().describe('null = the first one, or one of the two does not load any more'),
              }),
            ),
          }),
        },
      },
    },
    async (request) => {
      viewerOf(request).require('oversight');
      const { inForce, applications } = await tools.history(request.query.limit);
      return {
        inForce,
        applications: applications.map(({ sha256: version, atMs, how, by, previous, insteadOf, diff }) => ({
          sha256: version,
          at: new Date(atMs).toISOString(),
          how,
          by,
          previous,
          isInstead: insteadOf !== null,
          diff,
        })),
      };
    },
  );

  app.post(
    '/v1/policy/apply',
    {
      ...takesPolicy('operate', maxPolicyBytes),
      schema: {
        tags,
        summary: 'Brings a policy into force after all checks and its own tests. Operators only',
        body: z.strictObject({
          files: policyFilesSchema.optional().describe('Absent: those of the configuration, read anew'),
          ...applyOptions,
        }),
        response: { 200: applySchema },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('operate');
      const { files: given, expected, skipTests } = request.body;
      const who = { by: viewer.principal, expected: (expected ?? null) as Sha256Hex | null, skipTests };
      return applyView(await tools.apply(given ?? null, who, untilGone(reply)));
    },
  );

  app.post(
    '/v1/policy/rollback',
    {
      schema: {
        tags,
        summary: 'Brings an earlier version into force, through the same checks. Operators only',
        body: z.strictObject({ sha256: shaPrefix, ...applyOptions }),
        response: { 200: applySchema },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      viewer.require('operate');
      const { sha256: version, expected, skipTests } = request.body;
      const who = { by: viewer.principal, expected: (expected ?? null) as Sha256Hex | null, skipTests };
      return applyView(await tools.rollback(version, who, untilGone(reply)));
    },
  );

  app.post(
    '/v1/policy/replay',
    {
      ...takesPolicy('oversight', maxPolicyBytes),
      schema: {
        tags,
        summary: 'Decides every recorded request of a period again under another policy. For auditors and operators',
        querystring: progress,
        body: z.strictObject({ policy: reference, ...period }),
        response: { 200: z.object({ ok: z.boolean(), report: replaySchema.nullable(), faults }) },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('oversight');
      const { policy } = request.body;
      return answer(reply, request.id, request.query.progress, async (onProgress, signal) => {
        const found = await tools.replay(policy as PolicyReference, periodOf(request.body), onProgress, signal);
        return found.ok ? { ok: true, report: found.value, faults: [] } : { ok: false, report: null, faults: found.faults.map(faultView) };
      });
    },
  );

  app.post(
    '/v1/access/report',
    {
      schema: {
        tags: ['access'],
        summary: 'Granted and used access by role over a period, and the policy that would have sufficed. For auditors and operators',
        querystring: progress,
        body: z.strictObject({ roles: z.array(z.string().max(63)).min(1).max(100).optional(), ...period }),
        response: { 200: accessReportSchema },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('oversight');
      const roles = request.body.roles ?? null;
      return answer(reply, request.id, request.query.progress, (onProgress, signal) =>
        tools.accessReport({ roles, ...periodOf(request.body) }, onProgress, signal),
      );
    },
  );
}

function periodOf({
  since,
  until,
  target,
  principal,
}: {
  since: string;
  until?: string | undefined;
  target?: string | undefined;
  principal?: { issuer: string; subject: string } | undefined;
}): ReplayPeriod {
  return {
    sinceMs: Date.parse(since),
    untilMs: until === undefined ? null : Date.parse(until),
    target: target as TargetName | undefined,
    principal,
  };
}

function faultView(fault: PolicyFault): z.infer<typeof faultSchema> {
  return { ...fault };
}

function applyView({ faults: found, tests, ...report }: PolicyApplyReport): z.infer<typeof applySchema> {
  return {
    ...report,
    faults: found.map(faultView),
    tests: tests.map((test) => ({ ...test, differences: [...test.differences] })),
  };
}
