// Lists of sessions, what is told of one, and ending it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import type { Fakes } from './testing.ts';
import { createFakes, principalOf, sessionId, sessionOf } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });

describe('API: sessions', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes();
    fakes.sessions.push(sessionOf('a', principalOf('agent-1', [], 'agent'), 0), sessionOf('b', principalOf('agent-2', [], 'agent'), 2));
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const get = async (url: string, who: string) => app.inject({ method: 'GET', url, headers: bearer(who) });

  test('lists of sessions are narrowed down and paged by the index, for their owner where there is no oversight', async () => {
    const page = (await get('/v1/sessions?limit=1', 'auditor')).json();
    assert.deepEqual([page.sessions.length, page.next], [1, 2]);
    const last = (await get('/v1/sessions?limit=1&before=2', 'auditor')).json();
    assert.deepEqual([last.sessions[0].id, last.next], [sessionId('a'), null]);
    assert.deepEqual([last.sessions[0].state, last.sessions[0].classes, last.sessions[0].maskedCells], ['live', ['phi.ssn'], 3]);
    await get(
      '/v1/sessions?principal=alice&class=phi.ssn&decision=held&since=2026-11-01T00:00:00Z&until=2026-11-02T00:00:00Z&target=clinic',
      'agent',
    );
    assert.deepEqual(fakes.sessionsAsked.at(-1), {
      owner: 'corp/agent-1',
      target: 'clinic',
      principal: 'alice',
      class: 'phi.ssn',
      decision: 'held',
      sinceMs: Date.UTC(2026, 10, 1),
      untilMs: Date.UTC(2026, 10, 2),
      limit: 101,
    });
    for (const query of [
      'limit=0',
      'limit=501',
      'before=-1',
      'before=x',
      'decision=maybe',
      'since=yesterday',
      'principal=',
      'owner=corp%2Fagent-2',
      'since=2026-11-02T00:00:00Z&until=2026-11-02T00:00:00Z',
    ]) {
      const answer = await get(`/v1/sessions?${query}`, 'auditor');
      assert.equal(answer.statusCode, 400, query);
    }
  });

  test('operators and owners end a session; auditors may not, and others do not find it', async () => {
    const end = async (letter: string, who: string, payload?: object) =>
      app.inject({
        method: 'POST',
        url: `/v1/sessions/${sessionId(letter)}/end`,
        headers: bearer(who),
        ...(payload === undefined ? {} : { payload }),
      });
    assert.deepEqual((await end('a', 'operator', { reason: 'runs wild' })).json(), { ended: true });
    assert.deepEqual((await end('a', 'agent')).json(), { ended: true });
    assert.deepEqual(fakes.ended, [
      { id: sessionId('a'), by: 'otto', reason: 'runs wild' },
      { id: sessionId('a'), by: 'agent-1', reason: undefined },
    ]);
    assert.equal((await end('a', 'auditor', {})).statusCode, 403);
    assert.equal((await end('b', 'agent', {})).statusCode, 404);
    assert.equal((await end('c', 'operator', {})).statusCode, 404);
    assert.equal((await end('a', 'operator', { reason: ' ' })).statusCode, 400);
    assert.equal((await end('a', 'operator', { why: 'x' })).statusCode, 400);
    fakes.fail.audit = true;
    assert.equal((await end('a', 'operator', {})).statusCode, 503);
    fakes.fail.audit = false;
    fakes.sessions.push({ ...sessionOf('d', principalOf('agent-1', [], 'agent'), 9), closedAtMs: 1 });
    assert.deepEqual((await end('d', 'operator', {})).json(), { ended: false });
    assert.equal(fakes.ended.length, 3);
  });
});
