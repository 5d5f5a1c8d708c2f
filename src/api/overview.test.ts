// The overview, and what is told about the log.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EntryHeader } from '../core/event.ts';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import type { Fakes } from './testing.ts';
import { approvalOf, createFakes, NOW_MS, principalOf, sessionId, sessionOf } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });

describe('API: overview and log', () => {
  let app: ApiApp;
  let fakes: Fakes;
  const agent = principalOf('agent-1', ['ai-agents'], 'agent');
  before(async () => {
    fakes = createFakes();
    fakes.sessions.push(sessionOf('a', agent, 0));
    fakes.approvals.push(approvalOf('a', agent), approvalOf('b', principalOf('agent-2', [], 'agent')));
    const kinds = ['session.open', 'request.intent', 'request.result', 'heartbeat', 'session.close'] as const;
    for (let seq = 0; seq < 50; seq += 1) {
      const type = kinds[seq % 5] ?? 'alarm';
      const session =
        type === 'heartbeat'
          ? {}
          : { session: sessionId(seq < 25 ? 'a' : 'b'), principal: seq < 25 ? agent : { ...agent, subject: 'Bob' } };
      const { principal, ...rest } = session as { principal?: EntryHeader['principal'] };
      const actor = principal === undefined ? {} : { principal: { issuer: 'corp', subject: principal.subject, kind: principal.kind } };
      fakes.entries.push({ v: 1, seq, ts: new Date(NOW_MS + seq * 3_600_000).toISOString(), replica: 'r1', type, ...rest, ...actor });
    }
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const get = async (url: string, who: string) => app.inject({ method: 'GET', url, headers: bearer(who) });
  const iso = (ms: number): string => new Date(ms).toISOString();

  test('the overview covers the last day in steps that the index keeps, with everything for overseers', async () => {
    const body = (await get('/v1/overview', 'operator')).json();
    assert.deepEqual(fakes.activityAsked.at(-1), {
      sinceMs: NOW_MS - 86_400_000,
      untilMs: NOW_MS,
      stepMs: 1_800_000,
      principals: 20,
    });
    assert.deepEqual([body.scope, body.stepMs, body.until], ['all', 1_800_000, iso(NOW_MS)]);
    assert.deepEqual(body.totals, { statements: 4, held: 1, denied: 1, rows: 3, maskedCells: 3 });
    assert.equal(body.points[0].at, iso(NOW_MS));
    assert.equal(body.principals[0].principal.subject, 'agent-1');
    assert.deepEqual(body.classes, [{ class: 'phi.ssn', masked: 3, clear: 0 }]);
    assert.deepEqual(body.live, [{ target: 'clinic', sessions: 1 }]);
    // An operator is no auditor: approvals are others' business.
    assert.equal(body.pendingApprovals, 0);
    assert.equal(body.gateway.log.size, 50);
    assert.deepEqual(
      body.gateway.anchors.map(({ name, keptAt }: { name: string; keptAt: string }) => [name, keptAt]),
      [['beside', iso(NOW_MS)]],
    );
    assert.equal(body.gateway.siem[0].lag, 2);
    assert.equal((await get('/v1/overview', 'auditor')).json().pendingApprovals, 2);
  });

  test('without oversight it is of oneself, and says nothing of the gateway', async () => {
    const body = (await get('/v1/overview', 'agent')).json();
    assert.equal(fakes.activityAsked.at(-1)?.owner, 'corp/agent-1');
    assert.deepEqual([body.scope, body.gateway, body.pendingApprovals, body.connectors[0].address], ['own', null, 1, null]);
    assert.deepEqual((await get('/v1/overview', 'stranger')).json().connectors, []);
  });

  test('steps are whole hours when they are long, and cover what was asked for', async () => {
    const ask = async (query: string) => {
      assert.equal((await get(`/v1/overview?${query}`, 'operator')).statusCode, 200, query);
      const { sinceMs = 0, untilMs = 0, stepMs = 0 } = fakes.activityAsked.at(-1) ?? {};
      assert.deepEqual([sinceMs % stepMs, untilMs % stepMs], [0, 0]);
      return [iso(sinceMs), iso(untilMs), stepMs / 60_000];
    };
    assert.deepEqual(await ask('since=2026-11-01T00:07:00Z&until=2026-11-01T00:09:00Z'), [
      '2026-11-01T00:05:00.000Z',
      '2026-11-01T00:10:00.000Z',
      5,
    ]);
    assert.deepEqual(await ask('since=2026-11-01T00:00:00Z&until=2026-11-04T00:30:00Z&buckets=40'), [
      '2026-11-01T00:00:00.000Z',
      '2026-11-04T02:00:00.000Z',
      120,
    ]);
    for (const query of [
      'buckets=0',
      'buckets=501',
      'since=now',
      'owner=x',
      'since=2026-11-02T00:00:00Z&until=2026-11-02T00:00:00Z',
      'since=2026-01-02T00:00:00Z&until=2026-11-02T00:00:00Z',
    ])
      assert.equal((await get(`/v1/overview?${query}`, 'operator')).statusCode, 400, query);
  });

  test('entries are narrowed down, and pages lead on to the end', async () => {
    const walk = async (query: string): Promise<number[]> => {
      const seqs: number[] = [];
      for (let from = 0, isLast = false; !isLast;) {
        const answer = await get(`/v1/audit/entries?limit=3&from=${from}&${query}`, 'auditor');
        assert.equal(answer.statusCode, 200, answer.body);
        const page = answer.json();
        assert.ok(page.next > from || page.isLast);
        seqs.push(...page.entries.map(({ seq }: { seq: number }) => seq));
        ({ next: from, isLast } = page);
        if (isLast && !query.includes('until')) assert.equal(from, 50);
      }
      return seqs;
    };
    const all = (isIn: (entry: EntryHeader) => boolean): number[] => fakes.entries.filter(isIn).map(({ seq }) => seq);
    assert.deepEqual(
      await walk(''),
      all(() => true),
    );
    assert.deepEqual(
      await walk('type=heartbeat'),
      all(({ type }) => type === 'heartbeat'),
    );
    assert.deepEqual(
      await walk('type=request.result'),
      all(({ type }) => type === 'request.result'),
    );
    assert.deepEqual(
      await walk(`session=${sessionId('b')}`),
      all(({ session }) => session === sessionId('b')),
    );
    assert.deepEqual(
      await walk('principal=corp/BOB'),
      all(({ principal }) => principal?.subject === 'Bob'),
    );
    const since = NOW_MS + 7 * 3_600_000;
    const until = NOW_MS + 31 * 3_600_000;
    const isIn = ({ ts }: EntryHeader): boolean => Date.parse(ts) >= since && Date.parse(ts) < until;
    assert.deepEqual(await walk(`since=${iso(since)}&until=${iso(until)}`), all(isIn));
    assert.deepEqual(
      await walk(`type=session.close&session=${sessionId('a')}&principal=agent&since=${iso(since)}`),
      all((entry) => entry.type === 'session.close' && entry.session === sessionId('a') && Date.parse(entry.ts) >= since),
    );
    assert.deepEqual(await walk(`session=${sessionId('c')}`), []);
    for (const query of ['type=no.such', 'session=ses_a', 'since=x', 'principal=', 'limit=1001', 'from=-1', 'kind=x'])
      assert.equal((await get(`/v1/audit/entries?${query}`, 'auditor')).statusCode, 400, query);
    assert.equal((await get('/v1/audit/entries?type=heartbeat', 'operator')).statusCode, 403);
  });

  test('what the index has not seen yet is found all the same', async () => {
    const { sessions } = fakes.deps;
    const known: Pick<typeof sessions, 'position' | 'entriesOfType'> = {
      position: async () => 20,
      entriesOfType: async (type, range) => ((await sessions.entriesOfType(type, range)) ?? []).filter((seq) => seq < 20),
    };
    const behind = await buildApi({ ...fakes.deps, sessions: { ...sessions, ...known } }, null);
    const answer = await behind.inject({ url: '/v1/audit/entries?type=heartbeat&limit=100', headers: bearer('auditor') });
    await behind.close();
    const page = answer.json();
    assert.equal(page.entries.length, 10);
  });

  test('the state of the log is for overseers', async () => {
    const body = (await get('/v1/audit/status', 'operator')).json();
    assert.deepEqual(body, {
      replica: 'main',
      size: 50,
      isWritable: true,
      checkpoint: { origin: 'audit.example.com/main', size: 3, root: 'AAAA', note: 'audit.example.com/main\n3\nAAAA\n' },
      heartbeat: { seq: 48, at: iso(NOW_MS + 48 * 3_600_000) },
      anchors: [{ name: 'beside', kind: 'file', size: 3, lagMs: 0, keptAt: iso(NOW_MS), alarms: [] }],
    });
    assert.equal((await get('/v1/audit/status', 'auditor')).statusCode, 200);
    assert.equal((await get('/v1/audit/status', 'agent')).statusCode, 403);
  });
});
