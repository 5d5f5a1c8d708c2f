// Routes of notifications: who sees the queue, who sends a test, and what Slack's address takes.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { QueuedNotification } from '../core/ports.ts';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { approvalId, createFakes, type Fakes, NOW_MS } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });

const queuedOf = (change: Partial<QueuedNotification> = {}): QueuedNotification => ({
  id: 'ntf_a',
  channel: 'reviewers',
  notice: {
    kind: 'approval.requested',
    id: approvalId('a'),
    event: 'pending 0',
    title: 'a title',
    facts: [{ name: 'Statement', value: 'SELECT 1' }],
    link: '/x',
    actions: ['approve'],
    who: 'privacy-officer',
  },
  state: 'queued',
  attempts: 2,
  nextAttemptAtMs: NOW_MS + 1_000,
  createdAtMs: NOW_MS,
  settledAtMs: null,
  fault: 'timeout',
  ...change,
});

describe('the notification routes', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes({ notificationTestsPerMinute: 3 });
    fakes.queued.push(queuedOf(), queuedOf({ id: 'ntf_b', channel: 'siem', state: 'sent', settledAtMs: NOW_MS, fault: null }));
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const list = (who: string, query = '') => app.inject({ url: `/v1/notifications${query}`, headers: bearer(who) });
  const test = (who: string, channel: string) =>
    app.inject({ method: 'POST', url: `/v1/notifications/channels/${channel}/test`, headers: bearer(who), payload: {} });

  it('show operators the state of the queue and nothing of what is told', async () => {
    const answer = await list('operator');
    assert.deepEqual(answer.json(), {
      channels: [{ name: 'reviewers', kind: 'slack', queued: 1 }],
      notifications: [
        {
          id: 'ntf_a',
          channel: 'reviewers',
          kind: 'approval.requested',
          about: approvalId('a'),
          state: 'queued',
          attempts: 2,
          fault: 'timeout',
          createdAt: '2026-11-21T09:00:00.000Z',
          nextAttemptAt: '2026-11-21T09:00:01.000Z',
          settledAt: null,
        },
        {
          id: 'ntf_b',
          channel: 'siem',
          kind: 'approval.requested',
          about: approvalId('a'),
          state: 'sent',
          attempts: 2,
          fault: null,
          createdAt: '2026-11-21T09:00:00.000Z',
          nextAttemptAt: null,
          settledAt: '2026-11-21T09:00:00.000Z',
        },
      ],
    });
    assert.equal((await list('operator', '?channel=siem')).json().notifications.length, 1);
    assert.equal((await list('operator', '?state=failed')).json().notifications.length, 0);
    for (const query of ['?state=odd', '?limit=0', '?limit=501', '?channel=..%2Fx', '?other=1']) {
      assert.equal((await list('operator', query)).statusCode, 400, query);
    }
  });

  it('are for operators only', async () => {
    for (const who of ['agent', 'officer', 'auditor', 'stranger']) {
      assert.equal((await list(who)).statusCode, 403, who);
      assert.equal((await test(who, 'reviewers')).statusCode, 403, who);
    }
    assert.equal((await app.inject({ url: '/v1/notifications' })).statusCode, 401);
  });

  it('send a test and tell what came of it, a few times a minute', async () => {
    assert.deepEqual((await test('operator', 'reviewers')).json(), { channel: 'reviewers', sent: true, fault: null });
    assert.deepEqual((await test('operator', 'broken')).json(), { channel: 'broken', sent: false, fault: 'unreachable' });
    assert.equal((await test('operator', 'unknown')).statusCode, 404);
    assert.equal((await test('operator', 'reviewers')).statusCode, 429);
  });
});

describe('the address for Slack', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes();
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': '1763715600',
    'x-slack-signature': 'v0=good',
  };
  const send = (change: object = {}, channel = 'reviewers') =>
    app.inject({ method: 'POST', url: `/v1/notifications/channels/${channel}/slack`, headers, payload: 'payload=%7B%7D', ...change });

  it('hands on the body byte for byte, needs no token and answers nothing', async () => {
    const answer = await send({ payload: 'payload=%7b%7D&a=+%20' });
    assert.deepEqual([answer.statusCode, answer.body], [200, '']);
    assert.deepEqual(fakes.clicks, [{ channel: 'reviewers', timestamp: '1763715600', body: 'payload=%7b%7D&a=+%20' }]);
  });

  it('refuses a wrong signature and an unknown channel alike', async () => {
    const wrong = await send({ headers: { ...headers, 'x-slack-signature': 'v0=bad' } });
    const unknown = await send({}, 'other');
    assert.deepEqual([wrong.statusCode, unknown.statusCode], [401, 401]);
    assert.equal(wrong.json().code, unknown.json().code);
    assert.equal(fakes.clicks.length, 1);
  });

  it('refuses what has no signature, another type or too much of it', async () => {
    const { 'x-slack-signature': _none, ...unsigned } = headers;
    assert.equal((await send({ headers: unsigned })).statusCode, 400);
    assert.equal((await send({ headers: { ...headers, 'content-type': 'application/json' }, payload: '{}' })).statusCode, 400);
    assert.equal((await send({ headers: { ...headers, 'content-type': 'text/plain' }, payload: 'x' })).statusCode, 400);
    assert.equal((await send({ payload: `payload=${'x'.repeat(300_000)}` })).statusCode, 413);
    assert.equal((await app.inject({ method: 'GET', url: '/v1/notifications/channels/reviewers/slack', headers })).statusCode, 404);
    assert.equal(fakes.clicks.length, 1);
  });

  it('is the only route that reads forms: all others still want JSON', async () => {
    const answer = await app.inject({
      method: 'POST',
      url: `/v1/approvals/${approvalId('a')}/answer`,
      headers: { ...bearer('officer'), 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'verdict=approve',
    });
    assert.equal(answer.statusCode, 400);
  });
});
