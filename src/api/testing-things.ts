// People, rows and answers that tests of the API start from. Used by tests only.

import type { z } from 'zod';
import type { Principal } from '../core/identity.ts';
import { principalKey } from '../core/identity.ts';
import type { ApprovalId, SessionId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { Activity, Approval, SessionRow } from '../core/ports.ts';
import type { coverageSchema, leaverSchema } from './review-views.ts';

export const NOW_MS = Date.UTC(2026, 10, 21, 9, 0, 0);
export const CLINIC = 'clinic' as TargetName;
export const POLICY = 'ab'.repeat(32) as Sha256Hex;
export const sessionId = (letter: string): SessionId => `ses_${letter.repeat(26)}` as SessionId;
export const approvalId = (letter: string): ApprovalId => `apr_${letter.repeat(26)}` as ApprovalId;

export function principalOf(subject: string, groups: readonly string[], kind: Principal['kind'] = 'person'): Principal {
  return {
    issuer: 'corp',
    subject,
    kind,
    name: subject,
    groups,
    claims: { ssn: 'never-to-be-shown' },
    onBehalfOf: null,
    expiresAtMs: NOW_MS + 3_600_000,
  };
}

export const PEOPLE: Record<string, Principal> = {
  agent: principalOf('agent-1', ['ai-agents'], 'agent'),
  other: principalOf('agent-2', ['ai-agents'], 'agent'),
  stranger: principalOf('stranger', []),
  officer: principalOf('olga', ['privacy']),
  operator: principalOf('otto', ['ops']),
  auditor: principalOf('ada', ['audit']),
};

export const ROLE_OF_GROUP: Record<string, string> = {
  'ai-agents': 'reporting-agent',
  privacy: 'privacy-officer',
  ops: 'operator',
  audit: 'auditor',
};

export const LEAVER: z.input<typeof leaverSchema> = {
  issuer: '',
  subject: '',
  isClear: false,
  isLocked: false,
  groups: ['ai-agents'],
  used: { sessions: 1, requests: 2, denied: 0, rows: 3, targets: ['clinic'], firstAt: null, lastAt: null },
  actedFor: [],
  open: { sessions: [{ id: 'ses_a', target: 'clinic', openedAt: '2026-11-21T09:00:00.000Z' }], grants: [], approvals: [], delegations: [] },
  reviewsOwed: [],
};

export const COVERAGE: z.input<typeof coverageSchema> = {
  entries: { from: 0, to: 9 },
  anchors: [{ name: 'soc', kind: 'siem:syslog', from: 0, upTo: 5 }],
  notAnchored: 4,
  notReviewed: [{ from: 7, to: 9 }],
  reviews: { records: 1, access: 0, breakGlass: 0 },
  breakGlass: 0,
  alarms: 1,
  targets: [{ name: 'clinic', requests: 3, denied: 1, notAnchored: 1, notReviewed: 2 }],
  principals: [{ name: 'corp/agent-1', requests: 3, denied: 1, notAnchored: 1, notReviewed: 2 }],
  failedLogIns: { count: 1, byFault: { expired: 1 }, byAddress: [{ address: '127.0.0.1', count: 1 }] },
  silences: [{ seq: 4, from: '2026-11-21T09:00:00.000Z', to: '2026-11-21T10:00:00.000Z', seconds: 3600, kind: 'crashed' }],
};

export function approvalOf(letter: string, requester: Principal, change: Partial<Approval> = {}): Approval {
  return {
    id: approvalId(letter),
    state: 'pending',
    session: sessionId('a'),
    requester: { issuer: requester.issuer, subject: requester.subject, kind: requester.kind, name: requester.name },
    onBehalfOf: requester.onBehalfOf,
    binding: {
      principal: principalKey(requester),
      target: CLINIC,
      statementSha256: 'cd'.repeat(32) as Sha256Hex,
      parametersSha256: 'ef'.repeat(32) as Sha256Hex,
      policySha256: POLICY,
      catalogueVersion: 'v1',
      maskSetId: 'm1',
    },
    action: 'query',
    statement: 'SELECT * FROM patients',
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    outputs: [{ name: 'ssn', classes: ['phi.ssn'], mask: 'redact' }],
    unbounded: true,
    rules: ['bulk-read-of-phi'],
    say: null,
    approvers: { role: 'privacy-officer', count: 1 },
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 900_000,
    answers: [],
    ...change,
  };
}

export function sessionOf(letter: string, principal: Principal, openIndex: number): SessionRow {
  return {
    id: sessionId(letter),
    target: CLINIC,
    principal: { issuer: principal.issuer, subject: principal.subject, kind: principal.kind },
    onBehalfOf: principal.onBehalfOf,
    openedAtMs: NOW_MS,
    closedAtMs: null,
    closeReason: null,
    statements: 1,
    denied: 0,
    held: 0,
    rows: 3,
    openIndex,
    maskedCells: 3,
    classes: ['phi.ssn'],
    lastAtMs: NOW_MS,
    isWaiting: false,
  };
}

export const TREE = [
  ['public', 'patients', 'id'],
  ['public', 'patients', 'ssn'],
  ['public', 'patients_view', 'x'],
  ['stats', 'daily', 'n'],
].map(([schema = '', relation = '', column = '']) => ({ schema, relation, relationKind: 'table' as const, column, type: 'text' }));
const COUNTS = { statements: 4, held: 1, denied: 1, rows: 3, maskedCells: 3 };
export const ACTIVITY: Activity = {
  totals: COUNTS,
  points: [{ atMs: NOW_MS, ...COUNTS }],
  principals: [
    {
      ...COUNTS,
      principal: { issuer: 'corp', subject: 'agent-1', kind: 'agent' },
      onBehalfOf: null,
      classes: ['phi.ssn'],
      points: [{ atMs: NOW_MS, ...COUNTS }],
    },
  ],
  targets: [{ ...COUNTS, target: CLINIC, lastAtMs: NOW_MS }],
  classes: [{ class: 'phi.ssn', masked: 3, clear: 0 }],
};
