// In-memory ports for tests of the API: principals by token, approvals and sessions in arrays, a log that can be
// made to fail. Used by tests only.

import { Registry } from 'prom-client';
import type { MaskSet } from '../core/decision.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryHeader, Payload } from '../core/event.ts';
import type { Principal } from '../core/identity.ts';
import { principalKey } from '../core/identity.ts';
import type { RowSample } from '../core/preview.ts';
import type { ActivityFilter, Approval, QueuedNotification, SessionFilter, SessionRow } from '../core/ports.ts';
import { factsOf } from '../core/testing.ts';
import type { ApiChange, ApiDeps, PolicyFile } from './ports.ts';
import type { ReviewPeriod } from './review-views.ts';
import { type AccessFakes, createAccessFakes } from './testing-grants.ts';
import { type SubjectAsked, subjectFakes } from './testing-subjects.ts';
import { createPolicyToolFakes, type PolicyToolFakes } from './testing-policy-tools.ts';
import { ACTIVITY, CLINIC, COVERAGE, LEAVER, NOW_MS, PEOPLE, POLICY, ROLE_OF_GROUP, TREE } from './testing-things.ts';

export { NOW_MS, POLICY, sessionId, approvalId, principalOf, PEOPLE, approvalOf, sessionOf } from './testing-things.ts';

export const FACTS = factsOf({
  columns: ['public.patients.ssn'],
  classes: ['phi.ssn'],
  outputs: [{ name: 'ssn', sources: ['public.patients.ssn'], classes: ['phi.ssn'] }],
  outputClasses: ['phi.ssn'],
  unbounded: true,
  normalised: 'SELECT ssn FROM patients',
  fingerprint: 'f1',
});

const LOG_FILES = new Set(['tile/0/000.p/3', 'log.vkey', 'minimum-index', 'rotations/0000000000000007.note']);
const PLACE = { file: 'policy.yaml', line: 3, column: 5 };
export const MASKS: MaskSet = { id: 'm1', byClass: { 'phi.ssn': 'partial' } };

export interface Fakes {
  readonly access: AccessFakes;
  readonly tools: PolicyToolFakes;
  readonly deps: ApiDeps;
  readonly approvals: Approval[];
  /** By id of the approval. */
  readonly samples: Map<string, RowSample>;
  readonly sessions: SessionRow[];
  readonly entries: EntryHeader[];
  readonly activityAsked: ActivityFilter[];
  readonly ended: { readonly id: string; readonly by: string; readonly reason: string | undefined }[];
  readonly sessionsAsked: SessionFilter[];
  readonly exported: { readonly by: string; readonly request: object }[];
  readonly appended: { readonly entry: EntryDraft; readonly payloads: readonly Payload[] }[];
  readonly searched: SubjectAsked[];
  readonly resets: { readonly by: string; readonly to: string | number }[];
  readonly reviewed: { readonly by: string; readonly period: ReviewPeriod; readonly finding: string }[];
  readonly explained: Principal[];
  readonly checked: { readonly proposals: string; readonly by: string }[];
  readonly logged: unknown[];
  readonly queued: QueuedNotification[];
  /** What Slack sent. */
  readonly clicks: { readonly channel: string; readonly timestamp: string; readonly body: string }[];
  publish(approval: Approval): void;
  change(change: ApiChange): void;
  listeners(): number;
  fail: { audit: boolean; analyse: boolean };
}

export function createFakes(limits: ApiDeps['limits'] = {}): Fakes {
  const approvals: Approval[] = [];
  const samples = new Map<string, RowSample>();
  const sessions: SessionRow[] = [];
  const entries: EntryHeader[] = [];
  const activityAsked: ActivityFilter[] = [];
  const ended: Fakes['ended'] = [];
  const sessionsAsked: SessionFilter[] = [];
  const resets: Fakes['resets'] = [];
  const reviewed: Fakes['reviewed'] = [];
  const searched: Fakes['searched'] = [];
  const exported: Fakes['exported'] = [];
  const appended: Fakes['appended'] = [];
  const explained: Principal[] = [];
  const checked: Fakes['checked'] = [];
  const logged: unknown[] = [];
  const queued: QueuedNotification[] = [];
  const clicks: Fakes['clicks'][number][] = [];
  const listeners = new Set<(approval: Approval) => void>();
  const changed = new Set<(change: ApiChange) => void>();
  const fail = { audit: false, analyse: false };
  const log = (fields: unknown): void => void logged.push(fields);

  const rolesOf = (principal: Principal): string[] => principal.groups.flatMap((group) => ROLE_OF_GROUP[group] ?? []);
  const access = createAccessFakes(rolesOf);
  const tools = createPolicyToolFakes(POLICY);
  const deps: ApiDeps = {
    gateway: {
      replica: 'main',
      listeners: () => [{ protocol: 'postgres', host: '127.0.0.1', port: 6432, isTls: true }],
      anchors: () => [{ name: 'beside', kind: 'file', size: 3, lagMs: 0, keptAtMs: NOW_MS, alarms: [] }],
      endSession: async ({ id }, by, reason) => {
        if (fail.audit) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'x');
        ended.push({ id, by: by.subject, reason });
        return sessions.find((row) => row.id === id)?.closedAtMs === null;
      },
    },
    ...access.surfaces,
    policyTools: tools.surface,
    authenticator: {
      authenticate: async (token) => {
        const principal = PEOPLE[token];
        if (principal === undefined) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'signature');
        return principal;
      },
    },
    rolesOf,
    approvals: {
      list: async ({ state, limit }) => approvals.filter((row) => state === undefined || row.state === state).slice(0, limit),
      show: async (id) => approvals.find((row) => row.id === id) ?? null,
      answer: async (id, principal, verdict) => {
        const at = approvals.findIndex((row) => row.id === id);
        const row = approvals[at];
        if (row === undefined) throw new SallyportError('SP_APPROVAL_NOT_FOUND', 'x');
        if (row.state !== 'pending') throw new SallyportError('SP_APPROVAL_CONFLICT', 'x');
        if (!rolesOf(principal).includes(row.approvers.role)) throw new SallyportError('SP_API_FORBIDDEN', 'role');
        const next: Approval = {
          ...row,
          state: verdict === 'approve' ? 'approved' : 'denied',
          answers: [{ by: principal, verdict, atMs: NOW_MS }],
        };
        approvals[at] = next;
        return next;
      },
      sampleOf: ({ id }) => samples.get(id) ?? null,
      mayAnswer: (row, principal) =>
        row.state === 'pending' && rolesOf(principal).includes(row.approvers.role) && row.requester.subject !== principal.subject,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    notifications: {
      channels: async () => [{ name: 'reviewers', kind: 'slack', queued: 1 }],
      list: async ({ channel, state, limit }) =>
        queued
          .filter((row) => channel === undefined || row.channel === channel)
          .filter((row) => state === undefined || row.state === state)
          .slice(0, limit),
      test: async (channel) => {
        if (channel === 'broken') return { isSent: false, fault: 'unreachable' };
        if (channel !== 'reviewers') throw new SallyportError('SP_API_NOT_FOUND', 'x');
        return { isSent: true };
      },
      slack: async (channel, request) => {
        if (channel !== 'reviewers' || request.signature !== 'v0=good') throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'x');
        clicks.push({ channel, timestamp: request.timestamp, body: new TextDecoder().decode(request.body) });
      },
    },
    sessions: {
      apply: async () => {},
      clear: async () => undefined,
      position: async () => entries.length,
      get: async (id) => sessions.find((row) => row.id === id) ?? null,
      list: async (filter) => {
        sessionsAsked.push(filter);
        const { target, live, owner, before = Number.MAX_SAFE_INTEGER, limit } = filter;
        return sessions
          .filter((row) => target === undefined || row.target === target)
          .filter((row) => live === undefined || (row.closedAtMs === null) === live)
          .filter(
            (row) =>
              owner === undefined ||
              [row.principal, ...(row.onBehalfOf === null ? [] : [row.onBehalfOf])].some((actor) => principalKey(actor) === owner),
          )
          .filter((row) => row.openIndex < before)
          .toSorted((a, b) => b.openIndex - a.openIndex)
          .slice(0, limit);
      },
      live: async () => new Map([[CLINIC, sessions.length]]),
      entriesOfType: async (wanted, { from, to, limit }) =>
        wanted.startsWith('request.')
          ? null
          : entries.flatMap(({ type, seq }) => (type === wanted && seq >= from && seq < to ? [seq] : [])).slice(0, limit),
      newestOfType: async (wanted) => entries.findLast(({ type }) => type === wanted)?.seq ?? null,
      activity: async (filter) => {
        activityAsked.push(filter);
        return ACTIVITY;
      },
      prune: async () => undefined,
      entriesOf: async (id) => entries.filter((entry) => entry.session === id).map((entry) => entry.seq),
    },
    audit: {
      log: {
        writable: true,
        append: async (entry, payloads = []) => {
          if (fail.audit) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'disk full at /secret/path');
          appended.push({ entry, payloads });
          return appended.length - 1;
        },
      },
      reader: {
        size: () => entries.length,
        checkpoint: async () => 'audit.example.com/main\n3\nAAAA\n',
        sealed: async ({ sha256 }) => (sha256 === 'gone' ? null : { ciphertext: new Uint8Array([1, 2, 3]), wrappedKey: 'wrapped' }),
        async *entries(from, to) {
          yield* entries.slice(from, to);
        },
        async *outlines(from, to) {
          yield entries.slice(from, to);
        },
      },
      reindex: async (onProgress) => {
        onProgress({ done: 2, total: 4 });
        return entries.length;
      },
      file: async (path) => (LOG_FILES.has(path) ? new Uint8Array([65]) : null),
    },
    evidence: {
      async export(by, request) {
        exported.push({ by: by.subject, request });
        return (async function* () {
          yield Buffer.from('PK made up');
        })();
      },
    },
    analysts: () => [
      {
        target: CLINIC,
        status: () => ({
          name: CLINIC,
          protocol: 'postgres',
          address: 'db.internal:5432',
          catalogue: 'ready',
          catalogueVersion: 'v1',
          protectedColumns: 2,
        }),
        analyse: async (text) => {
          if (fail.analyse) throw new Error(`parser fell over ${text}`);
          return { facts: FACTS, forward: 'SELECT mask(ssn) FROM patients' };
        },
        protectedColumns: async () =>
          new Map([
            ['public.patients.ssn', ['phi.ssn']],
            ['public.patients_view.x', ['phi.ssn']],
          ]),
        tree: async () => TREE,
        under: () => ({ analyse: async () => ({ facts: FACTS, forward: null }), protectedColumns: async () => new Map() }),
        relationsOf: async () => null,
        knowsColumn: async () => true,
        columns: async () => [],
        sample: async () => null,
      },
    ],
    policy: {
      current: () => ({ sha256: POLICY, files: [{ path: 'policy.yaml', source: 'version: 1\n' }] }),
      hasAccess: (principal) => rolesOf(principal).includes('reporting-agent'),
      masksFor: () => MASKS,
      masksOfRole: (role) => (role === 'reporting-agent' ? { 'phi.ssn': 'null' } : null),
      patternsOf: (_target, name) => (name.startsWith('public.patients') ? new Map([['phi.ssn', 'public.patients.ssn']]) : new Map()),
      outline: () => ({
        roles: [{ role: 'reporting-agent', members: ['issuer corp, group ai-agents'] }],
        classes: ['phi.ssn'],
        // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
        rules: [{ rule: 'bulk', then: 'hold', when: 'request.unbounded', pack: null }],
      }),
      matrix: () => ({
        cells: [
          {
            role: 'reporting-agent',
            target: CLINIC,
            effects: [{ effect: 'read', outcome: 'allow', by: 'standing', rules: [] }],
            masks: { 'phi.ssn': 'redact' },
          },
        ],
        isCut: false,
      }),
      explain: (principal) => {
        explained.push(principal);
        const base = { reasons: ['rule'] as const, rules: ['bulk'], policySha256: POLICY, masks: MASKS, roles: [] };
        return {
          decision: {
            ...base,
            outcome: 'hold',
            approvers: { role: 'privacy-officer', count: 1 },
            withinMs: 900_000,
            say: null,
          },
          roles: [],
          access: { entries: [], missingEffects: [] },
          // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
          rules: [{ rule: 'bulk', then: 'hold', outcome: 'matched', detail: null, when: 'request.unbounded', pack: null, place: PLACE }],
          masks: [{ class: 'phi.ssn', mask: 'partial', why: 'masks phi.*', place: PLACE }],
        };
      },
      runTests: async (files: readonly PolicyFile[] | null) => ({
        ok: files === null,
        faults: [],
        tests: [{ name: 'a test', place: PLACE, passed: files === null, differences: files === null ? [] : ['decision: want hold'] }],
      }),
      check: async (_files, { proposals, by }) => {
        checked.push({ proposals, by: by.subject });
        const byContent = proposals === 'by-sample' ? { kind: 'ssn', matched: 187, of: 200 } : null;
        const proposal = {
          column: 'clinic:public.t.ssn',
          class: 'phi.ssn',
          isDeclared: true,
          evidence: 'its name says "ssn"',
          byName: 'ssn',
          byContent,
        };
        return { ok: true, sha256: POLICY, faults: [], proposals: proposals === 'none' ? [] : [proposal], notes: [] };
      },
    },
    reviews: {
      sign: async (by, period, finding) => {
        reviewed.push({ by: by.subject, period, finding });
        return { seq: 9, range: { from: 2, to: 7, denied: 1, failedLogIns: 0, alarms: 0, breakGlass: 0 } };
      },
      list: async () => [
        {
          seq: 9,
          at: new Date(NOW_MS).toISOString(),
          by: { issuer: 'corp', subject: 'ada', kind: 'person' },
          kind: 'records',
          range: { from: 2, to: 7 },
          subject: null,
          isSealed: true,
        },
      ],
      leavers: async (gone) => gone.map((who) => ({ ...LEAVER, ...who, isClear: who.subject !== 'agent-1' })),
      coverage: async () => COVERAGE,
      destinations: () => [{ name: 'soc', kind: 'syslog', next: 5, lag: 2, sent: 5, failures: 1, fault: 'unreachable' }],
      async reset(by, destination, to) {
        if (destination !== 'soc') throw new SallyportError('SP_API_NOT_FOUND', 'no such destination');
        resets.push({ by: by.subject, to });
        return { name: 'soc', kind: 'syslog', next: 3, lag: 4, sent: 5, failures: 1, fault: null };
      },
    },
    subjects: subjectFakes(searched),
    changes: {
      subscribe: (listener) => {
        changed.add(listener);
        return () => changed.delete(listener);
      },
    },
    console: null,
    consoleFolder: null,
    publicUrl: null,
    metrics: new Registry(),
    metricsAccess: 'loopback',
    readiness: async () => ({ ready: true, checks: { audit: 'ok' } }),
    unseals: {
      needsApproval: false,
      request: async () => Promise.reject(new SallyportError('SP_INTERNAL', 'the test brings a desk of its own')),
      list: () => [],
      get: () => null,
      answer: async () => Promise.reject(new SallyportError('SP_API_NOT_FOUND', 'no such request')),
      authorised: () => {
        throw new SallyportError('SP_UNSEAL_NOT_APPROVED', 'no such request');
      },
    },
    surfaceRoles: { auditors: ['auditor'], operators: ['operator'] },
    clock: { nowMs: () => NOW_MS, monotonicMs: () => 0 },
    logger: { info: log, warn: log, error: log },
    version: '0.0.0-test',
    limits,
  };
  return {
    access,
    tools,
    deps,
    approvals,
    samples,
    sessions,
    entries,
    activityAsked,
    ended,
    sessionsAsked,
    exported,
    appended,
    resets,
    reviewed,
    searched,
    explained,
    checked,
    logged,
    queued,
    clicks,
    fail,
    publish(approval) {
      const at = approvals.findIndex(({ id }) => id === approval.id);
      approvals.splice(at < 0 ? approvals.length : at, 1, approval);
      listeners.forEach((listener) => listener(approval));
    },
    change: (change) => changed.forEach((listener) => listener(change)),
    listeners: () => listeners.size,
  };
}
