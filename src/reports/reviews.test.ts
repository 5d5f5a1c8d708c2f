import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryDraft, EntryHeader, Payload } from '../core/event.ts';
import type { Delegation, Grant, Lock } from '../core/grant.ts';
import type { ActorRef } from '../core/identity.ts';
import type { Approval } from '../core/ports.ts';
import { coverageReport } from './coverage.ts';
import { type LeaverDeps, leaverReports } from './leavers.ts';
import { listReviews, signReview } from './reviews.ts';

const START_MS = Date.UTC(2026, 10, 1);
const signal = new AbortController().signal;
const ana: ActorRef = { issuer: 'corp', subject: 'ana', kind: 'person' };
const agent: ActorRef = { issuer: 'corp', subject: 'agent-1', kind: 'agent' };
const resource = { target: 'clinic' };

/** A log in memory, one entry a minute where nothing else is said. */
class TestLog {
  readonly entriesList: EntryHeader[] = [];
  readonly sealed: { readonly entry: EntryDraft; readonly payloads: readonly Payload[] }[] = [];
  #nowMs = START_MS;
  add(draft: EntryDraft, afterMs = 60_000): number {
    const seq = this.entriesList.length;
    if (seq > 0) this.#nowMs += afterMs;
    this.entriesList.push({ v: 1, seq, ts: new Date(this.#nowMs).toISOString(), replica: 'main', ...draft });
    return seq;
  }
  readonly reader = {
    size: () => this.entriesList.length,
    entries: (from: number, to: number) => asyncOf(this.entriesList.slice(from, to)),
  };
  readonly audit = {
    append: async (entry: EntryDraft, payloads: readonly Payload[] = []) => {
      this.sealed.push({ entry, payloads });
      return this.add(entry);
    },
  };
}

async function* asyncOf<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list;
}

const all = { sinceMs: START_MS, untilMs: START_MS + 1e9 };

test('a review names the entries of its period and what is worth a look among them; what was found is sealed only', async () => {
  const log = new TestLog();
  log.add({ type: 'log.opened' });
  log.add({ type: 'request.denied', principal: agent, resource });
  log.add({ type: 'auth.fail', detail: { fault: 'expired' } });
  log.add({ type: 'alarm' });
  const period = { sinceMs: START_MS + 60_000, untilMs: START_MS + 3 * 60_000 };
  const signed = await signReview(ana, period, 'patient Planted Name was looked up twice', log, signal);
  assert.deepEqual(signed, { seq: 4, range: { from: 1, to: 3, denied: 1, failedLogIns: 1, alarms: 0, breakGlass: 0 } });
  const [written] = log.sealed;
  assert.equal(written?.entry.type, 'review.signed');
  assert.deepEqual(written?.entry.principal, ana);
  assert.doesNotMatch(JSON.stringify(written?.entry), /Planted/);
  assert.match(new TextDecoder().decode(written?.payloads[0]?.bytes), /Planted Name/);
});

test('a period without entries cannot be signed', async () => {
  const log = new TestLog();
  log.add({ type: 'log.opened' });
  const period = { sinceMs: START_MS + 1e8, untilMs: START_MS + 2e8 };
  await assert.rejects(signReview(ana, period, 'x', log, signal), { code: 'SP_API_BAD_REQUEST' });
  assert.equal(log.sealed.length, 0);
});

test('reviews are listed newest first: of records, of access, of break-glass', async () => {
  const log = new TestLog();
  log.add({ type: 'review.signed', principal: ana, detail: { review: 'records', from: 0, to: 5 } });
  log.add({ type: 'review.signed', principal: ana, detail: { review: 'access', listSha256: 'ab' } });
  log.add({ type: 'breakglass.reviewed', principal: ana, grant: 'grt_a' });
  const rows = await listReviews(all, 2, log.reader, signal);
  assert.deepEqual(
    rows.map(({ seq, kind, subject, range }) => [seq, kind, subject, range]),
    [
      [2, 'break-glass', 'grt_a', null],
      [1, 'access', 'ab', null],
    ],
  );
});

function leaverDeps(
  log: TestLog,
  more: Partial<Record<'grants' | 'approvals' | 'delegations' | 'locks', readonly object[]>> = {},
): LeaverDeps {
  return {
    reader: log.reader,
    grants: async () => (more.grants ?? []) as Grant[],
    pendingApprovals: async () => (more.approvals ?? []) as Approval[],
    delegations: async () => (more.delegations ?? []) as Delegation[],
    locks: async () => (more.locks ?? []) as Lock[],
    nowMs: START_MS + 1e9,
  };
}

test('a leaver: what they used, also through agents, and everything that still stands', async () => {
  const log = new TestLog();
  const identity = { groups: ['clinicians'], claims: { key: 'k', values: {} }, grants: [] };
  log.add({ type: 'log.opened' });
  log.add({ type: 'session.open', principal: ana, session: 'ses_1', resource, identity });
  log.add({ type: 'request.intent', principal: ana, session: 'ses_1', resource });
  log.add({ type: 'request.result', principal: ana, session: 'ses_1', resource, result: { rows: 4, bytes: 1, code: 'ok', ms: 1 } });
  log.add({ type: 'session.close', principal: ana, session: 'ses_1', resource });
  log.add({ type: 'session.open', principal: agent, onBehalfOf: ana, session: 'ses_2', resource: { target: 'billing' } });
  log.add({ type: 'session.open', principal: { ...ana, subject: 'anabel' }, session: 'ses_3', resource });
  const grant = { id: 'grt_a', role: 'r', target: 'clinic', expiresAtMs: START_MS, review: 'none', onBehalfOf: null };
  const more = {
    grants: [
      { ...grant, requester: ana, state: 'active' },
      { ...grant, id: 'grt_b', requester: ana, state: 'ended', review: 'owed' },
      { ...grant, id: 'grt_c', requester: agent, state: 'active' },
    ],
    approvals: [{ id: 'apr_a', requester: agent, onBehalfOf: ana }],
    delegations: [
      { id: 'dlg_a', role: 'r', from: ana, to: agent, expiresAtMs: START_MS + 2e9, endedAtMs: null },
      { id: 'dlg_b', role: 'r', from: ana, to: agent, expiresAtMs: START_MS, endedAtMs: null },
    ],
  };
  const [report] = await leaverReports([ana], leaverDeps(log, more), signal);
  assert.equal(report?.isClear, false);
  assert.deepEqual(report?.groups, ['clinicians']);
  assert.deepEqual(
    [report?.used.sessions, report?.used.requests, report?.used.rows, report?.used.targets],
    [2, 1, 4, ['billing', 'clinic']],
  );
  assert.deepEqual(report?.actedFor, ['corp/agent-1']);
  assert.deepEqual(
    report?.open.sessions.map(({ id }) => id),
    ['ses_2'],
  );
  assert.deepEqual(
    report?.open.grants.map(({ id }) => id),
    ['grt_a'],
  );
  assert.deepEqual(report?.open.approvals, ['apr_a']);
  assert.deepEqual(
    report?.open.delegations.map(({ id, isLender }) => [id, isLender]),
    [['dlg_a', true]],
  );
  assert.deepEqual(report?.reviewsOwed, ['grt_b']);
  const [locked] = await leaverReports([ana], leaverDeps(log, { ...more, locks: [{ kind: 'principal', name: 'corp/ana' }] }), signal);
  assert.equal(locked?.isClear, true);
  assert.equal(locked?.isLocked, true);
});

test('a leaver who never came is clear, and a session that a crash has ended is not open', async () => {
  const log = new TestLog();
  log.add({ type: 'session.open', principal: ana, session: 'ses_1', resource });
  log.add({ type: 'log.opened', detail: { previous: 'crashed' } });
  const [report, other] = await leaverReports([ana, { ...ana, subject: 'nobody' }], leaverDeps(log), signal);
  assert.deepEqual(report?.open.sessions, []);
  assert.equal(other?.isClear, true);
  assert.equal(other?.groups, null);
});

test('coverage: what has no copy elsewhere and no review, by target and principal, with targets that nobody used', async () => {
  const log = new TestLog();
  log.add({ type: 'log.opened' });
  for (let n = 0; n < 4; n += 1) log.add({ type: 'request.intent', principal: agent, resource });
  log.add({ type: 'auth.fail', detail: { fault: 'expired', address: '10.0.0.1' } });
  log.add({ type: 'review.signed', principal: ana, detail: { review: 'records', from: 0, to: 3 } });
  const deps = { reader: log.reader, targets: ['clinic', 'unused'], anchors: [{ name: 'soc', kind: 'siem:syslog', from: 0, upTo: 2 }] };
  const report = await coverageReport(all, deps, signal);
  assert.deepEqual(report.entries, { from: 0, to: 7 });
  assert.equal(report.notAnchored, 5);
  assert.deepEqual(report.notReviewed, [{ from: 3, to: 7 }]);
  assert.deepEqual(report.targets, [
    { name: 'clinic', requests: 4, denied: 0, notAnchored: 3, notReviewed: 2 },
    { name: 'unused', requests: 0, denied: 0, notAnchored: 0, notReviewed: 0 },
  ]);
  assert.deepEqual(report.principals[0], { name: 'corp/agent-1', requests: 4, denied: 0, notAnchored: 3, notReviewed: 2 });
  assert.deepEqual(report.failedLogIns, { count: 1, byFault: { expired: 1 }, byAddress: [{ address: '10.0.0.1', count: 1 }] });
  assert.equal((await coverageReport(all, { ...deps, anchors: [] }, signal)).notAnchored, 7);
  // One that was reset, or begun later, has nothing of what was before.
  const parts = [
    { name: 'late', kind: 'siem:https', from: 4, upTo: 6 },
    { name: 'soc', kind: 'siem:syslog', from: 0, upTo: 2 },
  ];
  const some = await coverageReport(all, { ...deps, anchors: parts }, signal);
  assert.equal(some.notAnchored, 3);
  assert.equal(some.targets[0]?.notAnchored, 2);
});

test('coverage: a review that was signed after the period covers it', async () => {
  const log = new TestLog();
  for (let n = 0; n < 3; n += 1) log.add({ type: 'heartbeat' });
  log.add({ type: 'review.signed', principal: ana, detail: { review: 'records', from: 0, to: 3 } }, 1e7);
  const deps = { reader: log.reader, targets: [], anchors: [] };
  const report = await coverageReport({ sinceMs: START_MS, untilMs: START_MS + 180_000 }, deps, signal);
  assert.deepEqual(report.notReviewed, []);
});

test('coverage: silences are told from stops and crashes; a clock that steps back is none', async () => {
  const log = new TestLog();
  log.add({ type: 'log.opened' });
  log.add({ type: 'heartbeat' }, 60_000);
  log.add({ type: 'heartbeat' }, 600_000);
  log.add({ type: 'log.closed' });
  log.add({ type: 'log.opened' }, 3_600_000);
  log.add({ type: 'log.opened' }, 1000);
  log.add({ type: 'heartbeat' }, -5_000);
  const deps = { reader: log.reader, targets: [], anchors: [] };
  const { silences } = await coverageReport(all, deps, signal);
  assert.deepEqual(
    silences.map(({ seq, seconds, kind }) => [seq, seconds, kind]),
    [
      [2, 600, 'silent'],
      [4, 3600, 'stopped'],
      [5, 1, 'crashed'],
    ],
  );
});
