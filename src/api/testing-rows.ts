// People, approvals and sessions that tests of the API start from.

import type { Principal } from '../core/identity.ts';
import { principalKey } from '../core/identity.ts';
import type { ApprovalId, SessionId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { Approval, SessionRow } from '../core/ports.ts';

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
