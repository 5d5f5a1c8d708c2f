// The parts of API answers that the command line reads. Everything else passes through to --json untouched.

import { z } from 'zod';

const actor = z.object({ issuer: z.string(), subject: z.string(), kind: z.string() });
export type Actor = z.infer<typeof actor>;

export const approvalAnswer = z.object({
  id: z.string(),
  state: z.string(),
  session: z.string(),
  target: z.string(),
  requester: actor.extend({ name: z.string() }),
  onBehalfOf: actor.nullable(),
  statement: z.string().nullable(),
  effects: z.array(z.string()),
  relations: z.array(z.object({ name: z.string(), access: z.string() })),
  outputs: z.array(z.object({ name: z.string(), classes: z.array(z.string()), mask: z.string() })),
  unbounded: z.boolean(),
  preview: z
    .object({
      estimatedRows: z.number().nullable(),
      affectedRows: z.number().nullable(),
      notCounted: z.string().nullable(),
      sampling: z.string().nullable(),
    })
    .nullable(),
  rules: z.array(z.string()),
  say: z.string().nullable(),
  approvers: z.object({ role: z.string(), count: z.number() }),
  answers: z.array(z.object({ by: actor, verdict: z.string(), at: z.string(), forMs: z.number().nullable() })),
  uses: z.number().nullable(),
  createdAt: z.string(),
  expiresAt: z.string(),
});
export type ApprovalAnswerView = z.infer<typeof approvalAnswer>;
const cells = z.array(z.string().nullable()).nullable();
export const approvalDetailAnswer = approvalAnswer.extend({
  sample: z
    .object({
      columns: z.array(z.object({ name: z.string(), type: z.string(), shown: z.string(), isKey: z.boolean(), isAssigned: z.boolean() })),
      columnsLeftOut: z.number(),
      isPaired: z.boolean(),
      rows: z.array(z.object({ before: cells, after: cells })),
    })
    .nullable(),
});
export type RowSampleView = NonNullable<z.infer<typeof approvalDetailAnswer>['sample']>;
export const approvalsAnswer = z.object({ approvals: z.array(approvalAnswer) });

export const sessionAnswer = z.object({
  id: z.string(),
  target: z.string(),
  principal: actor,
  onBehalfOf: actor.nullable(),
  openedAt: z.string(),
  closedAt: z.string().nullable(),
  closeReason: z.string().nullable(),
  statements: z.number(),
  denied: z.number(),
  held: z.number(),
  rows: z.number(),
});
export const sessionEndedAnswer = z.object({ ended: z.boolean() });
export const sessionsAnswer = z.object({ sessions: z.array(sessionAnswer) });

export const entryAnswer = z.object({
  seq: z.number(),
  ts: z.string(),
  type: z.string(),
  session: z.string().optional(),
  principal: actor.optional(),
  intent: z.number().optional(),
  decision: z.string().optional(),
  reasons: z.array(z.string()).optional(),
  rules: z.array(z.string()).optional(),
  statement: z.object({ normalised: z.string().optional(), bytes: z.number() }).optional(),
  result: z
    .object({
      rows: z.number(),
      code: z.string(),
      ms: z.number(),
      columns: z.array(z.object({ name: z.string(), mask: z.string() })).optional(),
    })
    .optional(),
  answer: z.object({ by: actor, verdict: z.string() }).optional(),
  detail: z.record(z.string(), z.unknown()).optional(),
});
export type EntryAnswer = z.infer<typeof entryAnswer>;

export const sessionEntriesAnswer = sessionAnswer.extend({ entries: z.array(entryAnswer), next: z.number().nullable() });
export const entriesAnswer = z.object({
  entries: z.array(entryAnswer.loose()),
  size: z.number(),
  next: z.number(),
});

export const recordingAnswer = z.object({
  session: sessionAnswer,
  items: z.array(
    z.object({
      seq: z.number(),
      ts: z.string(),
      type: z.string(),
      sealed: z.object({
        kind: z.enum(['statement', 'parameters', 'messages', 'result', 'justification']),
        sha256: z.string(),
        bytes: z.number(),
        commitment: z.string(),
        key: z.string(),
      }),
      ciphertext: z.base64().nullable(),
      wrappedKey: z.string().nullable(),
    }),
  ),
  next: z.number().nullable(),
});
export const reindexAnswer = z.object({ entries: z.number() });

export const unsealPayloadsAnswer = recordingAnswer.omit({ session: true });

export const unsealAnswer = z.object({
  id: z.string(),
  state: z.enum(['pending', 'approved', 'denied', 'expired']),
  requester: actor,
  session: z.string().nullable(),
  entry: z.number().nullable(),
  target: z.string(),
  purpose: z.string(),
  approvers: z.object({ role: z.string(), count: z.number() }),
  expiresAt: z.string(),
});
export type UnsealAnswer = z.infer<typeof unsealAnswer>;
export const unsealsAnswer = z.object({ unseals: z.array(unsealAnswer) });

export type RecordingItem = z.infer<typeof recordingAnswer>['items'][number];

export const targetsAnswer = z.object({
  targets: z.array(
    z.object({
      name: z.string(),
      protocol: z.string(),
      address: z.string().nullable(),
      catalogue: z.string(),
      protectedColumns: z.number(),
    }),
  ),
});

export const notificationsAnswer = z.object({
  channels: z.array(z.object({ name: z.string(), kind: z.string(), queued: z.number() })),
  notifications: z.array(
    z.object({
      id: z.string(),
      channel: z.string(),
      kind: z.string(),
      about: z.string(),
      state: z.string(),
      attempts: z.number(),
      fault: z.string().nullable(),
      createdAt: z.string(),
      nextAttemptAt: z.string().nullable(),
    }),
  ),
});
export const notificationTestAnswer = z.object({ channel: z.string(), sent: z.boolean(), fault: z.string().nullable() });

const fault = z.object({
  severity: z.enum(['error', 'warning']),
  file: z.string(),
  line: z.number(),
  column: z.number(),
  path: z.string(),
  what: z.string(),
  suggestion: z.string().nullable(),
});
export type PolicyFaultView = z.infer<typeof fault>;
export const checkAnswer = z.object({
  ok: z.boolean(),
  sha256: z.string().nullable(),
  faults: z.array(fault),
  proposals: z.array(z.object({ column: z.string(), class: z.string(), isDeclared: z.boolean(), evidence: z.string() })).default([]),
  notes: z.array(z.string()).default([]),
});
export const testAnswer = z.object({
  ok: z.boolean(),
  faults: z.array(fault),
  tests: z.array(z.object({ name: z.string(), passed: z.boolean(), differences: z.array(z.string()) })),
});

export const explainAnswer = z.object({
  target: z.string(),
  as: z.object({ issuer: z.string(), subject: z.string(), kind: z.string(), groups: z.array(z.string()) }),
  decision: z.object({
    outcome: z.string(),
    reasons: z.array(z.string()),
    rules: z.array(z.string()),
    roles: z.array(z.string()),
    policySha256: z.string(),
    say: z.string().nullable(),
    approvers: z.object({ role: z.string(), count: z.number() }).nullable(),
    withinMs: z.number().nullable(),
  }),
  facts: z.object({
    effects: z.array(z.string()),
    relations: z.array(z.object({ name: z.string(), access: z.string() })),
    predicateClasses: z.array(z.string()),
    unbounded: z.boolean(),
    unknowns: z.array(z.object({ code: z.string(), what: z.string(), remedy: z.string() })),
  }),
  outputs: z.array(
    z.object({
      name: z.string(),
      sources: z.array(z.string()),
      classes: z.array(z.string()),
      mask: z.string(),
    }),
  ),
  missingEffects: z.array(z.string()),
  rules: z.array(
    z.object({
      rule: z.string(),
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a text, never called
      then: z.string(),
      outcome: z.string(),
      detail: z.string().nullable(),
      when: z.string().nullable(),
    }),
  ),
  forward: z.string().nullable(),
});

export const grantAnswer = z.object({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  requester: actor.extend({ name: z.string() }),
  onBehalfOf: actor.nullable(),
  role: z.string(),
  target: z.string(),
  effects: z.array(z.string()),
  relations: z.array(z.string()).nullable(),
  rowsPerHour: z.number().nullable(),
  durationMs: z.number(),
  approvers: z.object({ role: z.string(), count: z.number() }),
  answers: z.array(z.object({ by: actor, verdict: z.string(), at: z.string(), lentBy: actor.nullable() })),
  requestedAt: z.string(),
  answerBy: z.string(),
  openedAt: z.string().nullable(),
  expiresAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  end: z.string().nullable(),
  endedBy: actor.nullable(),
  review: z.string(),
  reviewedBy: actor.nullable(),
  reviewedAt: z.string().nullable(),
});
export type GrantAnswerView = z.infer<typeof grantAnswer>;
export const grantsAnswer = z.object({ grants: z.array(grantAnswer) });

export const offersAnswer = z.object({
  offers: z.array(
    z.object({
      target: z.string(),
      kind: z.string(),
      role: z.string(),
      effects: z.array(z.string()),
      maxDurationMs: z.number(),
      approvers: z.object({ role: z.string(), count: z.number() }),
    }),
  ),
});

const delegation = z.object({
  id: z.string(),
  role: z.string(),
  from: actor,
  to: z.object({ issuer: z.string(), subject: z.string() }),
  expiresAt: z.string(),
});
export const delegationAnswer = delegation;
export const delegationsAnswer = z.object({ delegations: z.array(delegation) });
export const delegationEndedAnswer = z.object({ ended: z.literal(true) });

export const recertificationAnswer = z.object({
  sha256: z.string(),
  asOf: z.string(),
  items: z.array(
    z.object({
      item: z.string(),
      kind: z.string(),
      role: z.string(),
      targets: z.array(z.string()),
      effects: z.array(z.string()),
      who: z.string(),
      lastUsedAt: z.string().nullable(),
      usedBy: z.array(z.string()),
      expiresAt: z.string().nullable(),
    }),
  ),
});
export const recertifiedAnswer = z.object({ kept: z.number(), revoked: z.number(), grantsEnded: z.array(z.string()) });

export const lockAnswer = z.object({ kind: z.string(), name: z.string(), by: actor, at: z.string() });
export const locksAnswer = z.object({ locks: z.array(lockAnswer) });
export const lockLiftedAnswer = z.object({ lifted: z.literal(true) });

export function actorText(actor: Actor, onBehalfOf: Actor | null = null): string {
  const text = `${actor.issuer}/${actor.subject}`;
  return onBehalfOf === null ? text : `${text} for ${onBehalfOf.issuer}/${onBehalfOf.subject}`;
}
