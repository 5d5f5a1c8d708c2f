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
});
