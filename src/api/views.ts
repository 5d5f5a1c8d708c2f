// The shapes the API answers with. Responses are serialised through these schemas, so a field that is not listed
// here cannot leave, whatever the services return.

import { z } from 'zod';
import type { Approval, SessionRow, TargetStatus } from '../core/ports.ts';
import { NO_SAMPLE, NOT_COUNTED } from '../core/preview.ts';
import type { ApprovalsSurface } from './ports.ts';
import type { Viewer } from './viewer.ts';

const time = z.iso.datetime();

export const actorSchema = z.object({
  issuer: z.string(),
  subject: z.string(),
  kind: z.enum(['person', 'agent', 'service']),
});

export const whoamiSchema = z.object({
  ...actorSchema.shape,
  name: z.string(),
  groups: z.array(z.string()),
  onBehalfOf: actorSchema.nullable(),
  roles: z.array(z.string()),
  rights: z.array(z.enum(['audit', 'operate', 'oversight'])),
  expiresAt: time,
});

export const targetSchema = z.object({
  name: z.string(),
  protocol: z.string(),
  address: z.string().nullable().describe('Shown to operators and auditors only'),
  catalogue: z.enum(['ready', 'loading', 'unavailable']),
  catalogueVersion: z.string().nullable(),
  protectedColumns: z.int(),
});

export const approvalStateSchema = z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'used']);

export const approvalSchema = z.object({
  id: z.string(),
  state: approvalStateSchema,
  session: z.string(),
  target: z.string(),
  requester: actorSchema.extend({ name: z.string() }),
  onBehalfOf: actorSchema.nullable(),
  action: z.string(),
  statement: z.string().nullable().describe('Redacted: every constant and comment replaced'),
  statementSha256: z.string(),
  policySha256: z.string(),
  effects: z.array(z.string()),
  relations: z.array(z.object({ name: z.string(), access: z.enum(['read', 'write']) })),
  outputs: z.array(z.object({ name: z.string(), classes: z.array(z.string()), mask: z.string() })),
  unbounded: z.boolean(),
  preview: z
    .object({
      estimatedRows: z.number().nullable().describe("By the target's planner; null = unknown"),
      affectedRows: z.int().nullable().describe('By a trial run that was rolled back; null = not counted'),
      notCounted: z.enum(NOT_COUNTED).nullable().describe('Why a write was not counted'),
      sampling: z
        .enum(['taken', ...NO_SAMPLE, 'gone'])
        .nullable()
        .describe('Whether its rows were sampled, or why not; `gone`: not kept any longer'),
    })
    .nullable()
    .describe('What it would do; null until it is known, and always for its requester'),
  rules: z.array(z.string()),
  say: z.string().nullable(),
  approvers: z.object({ role: z.string(), count: z.int() }),
  answers: z.array(z.object({ by: actorSchema, verdict: z.enum(['approve', 'deny']), at: time, forMs: z.int().nullable() })),
  uses: z.int().nullable().describe('How often it ran so far, where it may run until it expires; null = it may run once'),
  createdAt: time,
  expiresAt: time,
  mayAnswer: z.boolean().describe('Whether the caller could answer it now'),
});
export type ApprovalView = z.infer<typeof approvalSchema>;

const cellsSchema = z.array(z.string().nullable()).nullable();

/** One approval, looked at by itself. */
export const approvalDetailSchema = approvalSchema.extend({
  sample: z
    .object({
      columns: z.array(
        z.object({
          name: z.string(),
          type: z.string(),
          classes: z.array(z.string()),
          shown: z.enum(['value', 'length', 'masked']),
          isKey: z.boolean(),
          isAssigned: z.boolean(),
        }),
      ),
      columnsLeftOut: z.int(),
      isPaired: z.boolean().describe('`before` and `after` are of one row'),
      rows: z.array(z.object({ before: cellsSchema, after: cellsSchema })),
    })
    .nullable()
    .describe('Some rows that an UPDATE or DELETE would change, protected columns masked; only for those who may answer, while they may'),
});

export const sessionSchema = z.object({
  id: z.string(),
  target: z.string(),
  principal: actorSchema,
  onBehalfOf: actorSchema.nullable(),
  openedAt: time,
  closedAt: time.nullable(),
  closeReason: z.string().nullable(),
  statements: z.int(),
  denied: z.int(),
  held: z.int(),
  rows: z.int(),
  openIndex: z.int().describe('Log index of its first entry; the `before` of the next page'),
  maskedCells: z.int().describe('Released rows times masked columns'),
  classes: z.array(z.string()).describe('Classes that came out, masked or not'),
  lastActivityAt: time,
  state: z.enum(['live', 'waiting', 'closed']).describe('`waiting`: its newest statement waits for an approval'),
});

/** An entry of the log. The log writes allow-listed fields only, so it passes through as it is. */
export const entrySchema = z
  .looseObject({ v: z.literal(1), seq: z.int(), ts: z.string(), type: z.string(), replica: z.string() })
  .describe('One audit log entry; see docs/formats/log.md');

const at = (ms: number): string => new Date(ms).toISOString();

export function approvalView(approval: Approval, viewer: Viewer, desk: Pick<ApprovalsSurface, 'mayAnswer'>): ApprovalView {
  return {
    id: approval.id,
    state: approval.state,
    session: approval.session,
    target: approval.binding.target,
    requester: approval.requester,
    onBehalfOf: approval.onBehalfOf,
    action: approval.action,
    statement: approval.statement,
    statementSha256: approval.binding.statementSha256,
    policySha256: approval.binding.policySha256,
    effects: [...approval.effects],
    relations: [...approval.relations],
    outputs: approval.outputs.map((output) => ({ ...output, classes: [...output.classes] })),
    unbounded: approval.unbounded,
    preview: viewer.maySeePreview(approval) ? (approval.preview ?? null) : null,
    rules: [...approval.rules],
    say: approval.say,
    approvers: approval.approvers,
    answers: approval.answers.map(({ by, verdict, atMs, forMs }) => ({ by, verdict, at: at(atMs), forMs: forMs ?? null })),
    uses: approval.repeated?.uses ?? null,
    createdAt: at(approval.createdAtMs),
    expiresAt: at(approval.expiresAtMs),
    mayAnswer: desk.mayAnswer(approval, viewer.principal),
  };
}

export function approvalDetailView(
  approval: Approval,
  viewer: Viewer,
  desk: Pick<ApprovalsSurface, 'mayAnswer' | 'sampleOf'>,
): z.infer<typeof approvalDetailSchema> {
  const view = approvalView(approval, viewer, desk);
  const sample = view.mayAnswer && view.preview !== null ? desk.sampleOf(approval) : null;
  const isGone = view.mayAnswer && sample === null && view.preview?.sampling === 'taken';
  return {
    ...view,
    preview: isGone && view.preview !== null ? { ...view.preview, sampling: 'gone' } : view.preview,
    sample:
      sample === null
        ? null
        : {
            columns: sample.columns.map((column) => ({ ...column, classes: [...column.classes] })),
            columnsLeftOut: sample.columnsLeftOut,
            isPaired: sample.isPaired,
            rows: sample.rows.map(({ before, after }) => ({ before: before && [...before], after: after && [...after] })),
          },
  };
}

export function sessionView(session: SessionRow): z.infer<typeof sessionSchema> {
  const { openedAtMs, closedAtMs, lastAtMs, isWaiting, classes, ...rest } = session;
  return {
    ...rest,
    openedAt: at(openedAtMs),
    closedAt: closedAtMs === null ? null : at(closedAtMs),
    classes: [...classes],
    lastActivityAt: at(lastAtMs),
    state: closedAtMs !== null ? 'closed' : isWaiting ? 'waiting' : 'live',
  };
}

export function targetView(status: TargetStatus, viewer: Viewer): z.infer<typeof targetSchema> {
  return { ...status, address: viewer.rights.has('oversight') ? status.address : null };
}

export function whoamiView(viewer: Viewer): z.infer<typeof whoamiSchema> {
  const { issuer, subject, kind, name, groups, onBehalfOf, expiresAtMs } = viewer.principal;
  return {
    issuer,
    subject,
    kind,
    name,
    groups: [...groups],
    onBehalfOf,
    roles: [...viewer.roles],
    rights: [...viewer.rights],
    expiresAt: at(expiresAtMs),
  };
}
