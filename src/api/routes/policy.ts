// The policy in force, and questions about it: explain a statement, run the tests, check files. Explaining uses the
// gate's own functions and sends nothing to the target. Speaking for another principal needs an oversight role.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { type Decision, maskFor, type MaskSet } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import { EFFECTS, type Facts } from '../../core/facts.ts';
import type { Principal } from '../../core/identity.ts';
import type { TargetName } from '../../core/ids.ts';
import type { Explanation } from '../../policy/index.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps, ApiLimits, PolicyFault, PolicyFile } from '../ports.ts';
import { policyFilesSchema } from '../policy-tools.ts';
import { targetSchema, targetView, whoamiSchema, whoamiView } from '../views.ts';
import { untilGone } from '../until-gone.ts';
import { takesPolicy, viewerOf } from '../viewer.ts';

const tags = ['policy'];
const targetNameSchema = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/);
const fileSchema = z.object({ path: z.string(), source: z.string() });
const filesBodySchema = z.strictObject({
  files: policyFilesSchema.optional().describe('Absent: the policy in force'),
});

const placeSchema = z.object({ file: z.string(), line: z.int(), column: z.int() });
const faultSchema = placeSchema.extend({
  severity: z.enum(['error', 'warning']),
  path: z.string(),
  what: z.string(),
  suggestion: z.string().nullable(),
});

const checkSchema = z.object({
  ok: z.boolean(),
  sha256: z.string().nullable(),
  faults: z.array(faultSchema),
  proposals: z.array(
    z.object({
      column: z.string(),
      class: z.string(),
      isDeclared: z.boolean().describe('The policy has a class of that name'),
      evidence: z.string().describe('Counts and words, never a value'),
      byName: z.string().nullable(),
      byContent: z.object({ kind: z.string(), matched: z.int(), of: z.int() }).nullable(),
    }),
  ),
  notes: z.array(z.string()),
});

const explanationSchema = z.object({
  target: z.string(),
  as: z.object({ issuer: z.string(), subject: z.string(), kind: z.string(), groups: z.array(z.string()) }),
  decision: z.object({
    outcome: z.enum(['allow', 'hold', 'deny']),
    reasons: z.array(z.string()),
    rules: z.array(z.string()),
    roles: z.array(z.string()),
    policySha256: z.string(),
    say: z.string().nullable(),
    approvers: z.object({ role: z.string(), count: z.int() }).nullable(),
    withinMs: z.number().nullable(),
  }),
  facts: z.object({
    verbs: z.array(z.string()),
    statements: z.int(),
    effects: z.array(z.string()),
    relations: z.array(z.object({ name: z.string(), access: z.string() })),
    columns: z.array(z.string()),
    classes: z.array(z.string()),
    outputClasses: z.array(z.string()),
    predicateClasses: z.array(z.string()),
    unbounded: z.boolean(),
    limit: z.number().nullable(),
    unknowns: z.array(z.object({ code: z.string(), what: z.string(), remedy: z.string() })),
    normalised: z.string().nullable(),
    fingerprint: z.string().nullable(),
  }),
  outputs: z.array(
    z.object({
      name: z.string(),
      sources: z.array(z.string()),
      classes: z.array(z.string()),
      mask: z.string().describe('How the column is shown: the strictest of the masks of its classes'),
    }),
  ),
  missingEffects: z.array(z.string()).describe('What the statement does and no access entry grants'),
  rules: z.array(
    z.object({
      rule: z.string(),
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
      then: z.enum(['allow', 'hold', 'deny']),
      outcome: z.enum(['matched', 'not-matched', 'error']),
      detail: z.string().nullable(),
      pack: z.string().nullable(),
      when: z.string().nullable().describe('Shown to auditors and operators only'),
      place: placeSchema.nullable().describe('Shown to auditors and operators only'),
    }),
  ),
  masks: z.array(z.object({ class: z.string(), mask: z.string(), why: z.string() })),
  forward: z.string().nullable().describe('What the target would be sent'),
});

const matrixSchema = z.object({
  sha256: z.string(),
  roles: z.array(z.object({ role: z.string(), members: z.array(z.string()) })),
  classes: z.array(z.string()),
  targets: z.array(z.string()),
  // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
  rules: z.array(z.object({ rule: z.string(), then: z.enum(['allow', 'hold', 'deny']), when: z.string(), pack: z.string().nullable() })),
  cells: z
    .array(
      z.object({
        role: z.string(),
        target: z.string(),
        effects: z.array(
          z.object({
            effect: z.enum(EFFECTS),
            outcome: z
              .enum(['allow', 'hold', 'deny'])
              .describe('Of a plain statement with this effect alone: rules that ask for more are in `rules`'),
            by: z.enum(['standing', 'on-request', 'break-glass']).nullable().describe('What gives the effect'),
            rules: z.array(z.string()),
          }),
        ),
        masks: z.record(z.string(), z.string()).describe('Class -> mask'),
      }),
    )
    .describe('Roles on targets where they have anything'),
  isCut: z.boolean(),
});

export function policyRoutes(app: ApiApp, deps: ApiDeps, limits: ApiLimits): void {
  app.get('/v1/whoami', { schema: { tags: ['identity'], response: { 200: whoamiSchema } } }, async (request) =>
    whoamiView(viewerOf(request)),
  );

  app.get(
    '/v1/targets',
    { schema: { tags: ['targets'], response: { 200: z.object({ targets: z.array(targetSchema) }) } } },
    async (request) => {
      const viewer = viewerOf(request);
      const seen = deps
        .analysts()
        .filter(({ target }) => viewer.rights.has('oversight') || deps.policy.hasAccess(viewer.principal, target));
      return { targets: seen.map((analyst) => targetView(analyst.status(), viewer)) };
    },
  );

  app.get(
    '/v1/policy',
    {
      schema: {
        tags,
        summary: 'The policy in force; its text is for auditors and operators',
        response: { 200: z.object({ sha256: z.string(), files: z.array(fileSchema).nullable() }) },
      },
    },
    async (request) => {
      const { sha256, files } = deps.policy.current();
      return { sha256, files: viewerOf(request).rights.has('oversight') ? files.map((file) => ({ ...file })) : null };
    },
  );

  app.get(
    '/v1/policy/matrix',
    {
      schema: {
        tags,
        summary: 'What each role may do on each target, and how it sees each class. For auditors and operators',
        response: { 200: matrixSchema },
      },
    },
    async (request) => {
      viewerOf(request).require('oversight');
      const { roles, classes, rules } = deps.policy.outline();
      const { cells, isCut } = deps.policy.matrix();
      return {
        sha256: deps.policy.current().sha256,
        roles: roles.map(({ role, members }) => ({ role, members: [...members] })),
        classes: [...classes],
        targets: [...new Set(cells.map(({ target }) => target))],
        rules: rules.map((rule) => ({ ...rule })),
        cells: cells.map(({ effects, masks, ...cell }) => ({
          ...cell,
          effects: effects.map((effect) => ({ ...effect, rules: [...effect.rules] })),
          masks: { ...masks },
        })),
        isCut,
      };
    },
  );

  app.post(
    '/v1/policy/explain',
    {
      schema: {
        tags,
        summary: 'What would happen to a statement, and why. Nothing is run',
        body: z.strictObject({
          sql: z.string().min(1).max(200_000),
          target: targetNameSchema,
          as: z
            .strictObject({
              issuer: z.string().min(1).max(200),
              subject: z.string().min(1).max(500),
              kind: z.enum(['person', 'agent', 'service']).default('agent'),
              groups: z.array(z.string().max(200)).max(200).default([]),
            })
            .optional(),
        }),
        response: { 200: explanationSchema },
      },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      const { sql, as } = request.body;
      const target = request.body.target as TargetName;
      if (as !== undefined) viewer.require('oversight');
      const principal = as === undefined ? viewer.principal : supposed(as, viewer.principal.expiresAtMs);
      const analyst = deps.analysts().find((candidate) => candidate.target === target);
      const mayKnow = viewer.rights.has('oversight') || deps.policy.hasAccess(viewer.principal, target);
      if (analyst === undefined || !mayKnow) throw new SallyportError('SP_TARGET_UNKNOWN', 'unknown or no access');

      const masks = deps.policy.masksFor(principal, target);
      const { facts, forward } = await analyst.analyse(sql, masks, untilGone(reply));
      const explanation = deps.policy.explain(principal, target, facts);
      return explanationView({ target, principal, facts, forward, masks, explanation, showSource: viewer.rights.has('oversight') });
    },
  );

  app.post(
    '/v1/policy/test',
    {
      ...takesPolicy('oversight', limits.maxPolicyBytes),
      schema: {
        tags,
        summary: 'Runs the tests in the policy files. For auditors and operators',
        body: filesBodySchema,
        response: {
          200: z.object({
            ok: z.boolean(),
            faults: z.array(faultSchema),
            tests: z.array(z.object({ name: z.string(), place: placeSchema, passed: z.boolean(), differences: z.array(z.string()) })),
          }),
        },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('oversight');
      const report = await deps.policy.runTests(filesOf(request.body), untilGone(reply));
      return {
        ok: report.ok,
        faults: report.faults.map(faultView),
        tests: report.tests.map((test) => ({ ...test, differences: [...test.differences] })),
      };
    },
  );

  app.post(
    '/v1/policy/check',
    {
      ...takesPolicy('oversight', limits.maxPolicyBytes),
      schema: {
        tags,
        summary: 'Checks policy files against their schema and the live catalogues. For auditors and operators',
        body: filesBodySchema.extend({
          proposals: z
            .enum(['none', 'by-name', 'by-sample'])
            .default('none')
            .describe('Propose classes for columns that look protected; by-sample reads some rows of every table, which is recorded'),
        }),
        response: { 200: checkSchema },
      },
    },
    async (request, reply) => {
      viewerOf(request).require('oversight');
      const options = { proposals: request.body.proposals, by: viewerOf(request).principal };
      const report = await deps.policy.check(filesOf(request.body), options, untilGone(reply));
      const { ok, sha256, faults, proposals, notes } = report;
      return { ok, sha256, faults: faults.map(faultView), proposals: proposals.map((proposal) => ({ ...proposal })), notes: [...notes] };
    },
  );
}

function filesOf(body: { files?: PolicyFile[] | undefined }): readonly PolicyFile[] | null {
  return body.files ?? null;
}

function faultView(fault: PolicyFault): z.infer<typeof faultSchema> {
  return { ...fault };
}

/** A principal that nobody proved to be: good for a question about policy, and handed to nothing else. */
function supposed(as: { issuer: string; subject: string; kind: Principal['kind']; groups: string[] }, expiresAtMs: number): Principal {
  return { ...as, name: as.subject, claims: {}, onBehalfOf: null, expiresAtMs };
}

function explanationView({
  target,
  principal,
  facts,
  forward,
  masks,
  explanation,
  showSource,
}: {
  readonly target: TargetName;
  readonly principal: Principal;
  readonly facts: Facts;
  readonly forward: string | null;
  readonly masks: MaskSet;
  readonly explanation: Explanation;
  /** Conditions and places are the text of the policy, which is for overseers. */
  readonly showSource: boolean;
}): z.infer<typeof explanationSchema> {
  const { issuer, subject, kind } = principal;
  return {
    target,
    as: { issuer, subject, kind, groups: [...principal.groups] },
    decision: decisionView(explanation.decision),
    facts: {
      ...facts,
      verbs: [...facts.verbs],
      effects: [...facts.effects],
      relations: [...facts.relations],
      columns: [...facts.columns],
      classes: [...facts.classes],
      outputClasses: [...facts.outputClasses],
      predicateClasses: [...facts.predicateClasses],
      unknowns: [...facts.unknowns],
    },
    outputs: facts.outputs.map(({ name, sources, classes }) => ({
      name,
      sources: [...sources],
      classes: [...classes],
      mask: maskFor(classes, masks),
    })),
    missingEffects: [...explanation.access.missingEffects],
    rules: explanation.rules.map((rule) => (showSource ? { ...rule } : { ...rule, when: null, place: null })),
    masks: explanation.masks.map(({ class: name, mask, why }) => ({ class: name, mask, why: showSource ? why : '' })),
    // A denied statement has no forwarded form: showing one would suggest that it runs.
    forward: explanation.decision.outcome === 'deny' ? null : forward,
  };
}

function decisionView(decision: Decision): z.infer<typeof explanationSchema>['decision'] {
  const hold = decision.outcome === 'hold' ? decision : null;
  return {
    outcome: decision.outcome,
    reasons: [...decision.reasons],
    rules: [...decision.rules],
    roles: [...decision.roles],
    policySha256: decision.policySha256,
    say: decision.outcome === 'allow' ? null : decision.say,
    approvers: hold?.approvers ?? null,
    withinMs: hold?.withinMs ?? null,
  };
}
