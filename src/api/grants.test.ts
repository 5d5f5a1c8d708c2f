// Routes of grants, delegations and locks over in-memory services: who may call what, and what leaves.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { createFakes, type Fakes, PEOPLE } from './testing.ts';
import { grantIdOf, grantOf } from './testing-grants.ts';

function person(name: string) {
  const found = PEOPLE[name];
  assert.ok(found);
  return found;
}

describe('grants, delegations and locks', () => {
  let app: ApiApp;
  let fakes: Fakes;
  beforeEach(async () => {
    fakes = createFakes();
    fakes.access.grants.push(
      grantOf('a', person('agent')),
      grantOf('b', person('other'), { approvers: { role: 'auditor', count: 1 } }),
      grantOf('c', person('agent'), { kind: 'break-glass', state: 'active', review: 'owed', openedAtMs: 1_000, expiresAtMs: 9_000 }),
    );
    app = await buildApi(fakes.deps, null);
  });
  afterEach(() => app.close());

  const headers = (who: string) => ({ authorization: `Bearer ${who}` });
  const get = async (url: string, who: string) => app.inject({ method: 'GET', url, headers: headers(who) });
  const post = async (url: string, who: string, payload: object) => app.inject({ method: 'POST', url, headers: headers(who), payload });
  const idsFor = async (who: string, query = ''): Promise<string[]> =>
    (await get(`/v1/grants${query}`, who)).json().grants.map(({ id }: { id: string }) => id[4]);

  test('offers are told for one target or all', async () => {
    const answer = await get('/v1/grants/offers', 'agent');
    assert.deepEqual(answer.json().offers, [
      {
        target: 'clinic',
        kind: 'on-request',
        role: 'reporting-agent',
        effects: ['read'],
        maxDurationMs: 7_200_000,
        approvers: { role: 'privacy-officer', count: 1 },
      },
    ]);
    assert.equal((await get('/v1/grants/offers?target=lab', 'agent')).json().offers[0].target, 'lab');
    assert.equal((await get('/v1/grants/offers?target=Lab', 'agent')).statusCode, 400);
  });

  test('a request is passed on whole, and its reason does not come back', async () => {
    const body = {
      target: 'clinic',
      durationMs: 3_600_000,
      reason: 'ticket 4711',
      relations: ['public.patients'],
      rowsPerHour: 5,
      effects: ['read'],
    };
    const answer = await post('/v1/grants', 'agent', body);
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json().state, 'requested');
    assert.doesNotMatch(answer.body, /4711/);
    assert.deepEqual(fakes.access.calls, [
      {
        wish: {
          target: 'clinic',
          kind: 'on-request',
          role: null,
          effects: ['read'],
          relations: ['public.patients'],
          rowsPerHour: 5,
          durationMs: 3_600_000,
        },
        reason: 'ticket 4711',
      },
    ]);
    const tooLong = await post('/v1/grants', 'agent', { ...body, durationMs: 9_000_000 });
    assert.deepEqual([tooLong.statusCode, tooLong.json().code], [403, 'SP_GRANT_REFUSED']);
  });

  test('a request that means nothing is refused before anybody is asked', async () => {
    const good = { target: 'clinic', durationMs: 1, reason: 'why' };
    for (const change of [
      { reason: ' ' },
      { reason: undefined },
      { durationMs: 0 },
      { durationMs: '1h' },
      { effects: [] },
      { effects: ['all'] },
      { rowsPerHour: 0 },
      { kind: 'forever' },
      { target: '../x' },
      { forever: true },
    ]) {
      assert.equal((await post('/v1/grants', 'agent', { ...good, ...change })).statusCode, 400, JSON.stringify(change));
    }
    assert.deepEqual(fakes.access.calls, []);
  });

  test('one sees one’s own, what one answers for, or all with an oversight right', async () => {
    assert.deepEqual(await idsFor('agent'), ['a', 'c']);
    assert.deepEqual(await idsFor('other'), ['b']);
    assert.deepEqual(await idsFor('officer'), ['a', 'c']);
    assert.deepEqual(await idsFor('operator'), ['a', 'b', 'c']);
    assert.deepEqual(await idsFor('auditor'), ['a', 'b', 'c']);
    assert.deepEqual(await idsFor('stranger'), []);
    assert.deepEqual(await idsFor('auditor', '?state=active'), ['c']);
    assert.deepEqual(await idsFor('auditor', '?review=owed'), ['c']);
    assert.equal((await get(`/v1/grants/${grantIdOf('b')}`, 'agent')).json().code, 'SP_GRANT_NOT_FOUND');
    assert.equal((await get(`/v1/grants/${grantIdOf('z')}`, 'auditor')).statusCode, 404);
    assert.equal((await get('/v1/grants/offers/x', 'auditor')).statusCode, 404);
  });

  test('a view says what the caller may do, and whose right an answer was', async () => {
    const shown = (await get(`/v1/grants/${grantIdOf('a')}`, 'officer')).json();
    assert.deepEqual([shown.mayAnswer, shown.mayRevoke, shown.mayReview], [true, true, false]);
    const own = (await get(`/v1/grants/${grantIdOf('c')}`, 'agent')).json();
    assert.deepEqual([own.mayAnswer, own.mayRevoke, own.mayReview], [false, true, false]);
    assert.deepEqual([own.openedAt, own.expiresAt, own.endedAt], ['1970-01-01T00:00:01.000Z', '1970-01-01T00:00:09.000Z', null]);
    const answered = (await post(`/v1/grants/${grantIdOf('a')}/answer`, 'officer', { verdict: 'approve', justification: 'fine' })).json();
    assert.deepEqual([answered.state, answered.answers[0].lentBy.subject], ['active', 'olga']);
    assert.doesNotMatch(JSON.stringify(answered), /claims|groups/);
  });

  test('answers, revocations and reviews are the service’s to refuse; what one cannot see is not there', async () => {
    const a = `/v1/grants/${grantIdOf('a')}`;
    assert.equal((await post(`${a}/answer`, 'agent', { verdict: 'approve' })).statusCode, 403);
    assert.equal((await post(`${a}/answer`, 'other', { verdict: 'approve' })).statusCode, 404);
    assert.equal((await post(`${a}/answer`, 'officer', { verdict: 'maybe' })).statusCode, 400);
    assert.equal((await post(`${a}/answer`, 'officer', { verdict: 'deny' })).json().state, 'denied');
    assert.equal((await post(`${a}/answer`, 'officer', { verdict: 'approve' })).statusCode, 409);
    assert.equal((await post(`/v1/grants/${grantIdOf('b')}/revoke`, 'auditor', {})).statusCode, 200);
    assert.equal((await post(`/v1/grants/${grantIdOf('b')}/revoke`, 'operator', { reason: 'x' })).json().end, 'revoked');
    assert.deepEqual(fakes.access.calls.at(-1), { mayOperate: true, reason: 'x' });
    const c = `/v1/grants/${grantIdOf('c')}/review`;
    assert.equal((await post(c, 'officer', {})).statusCode, 400);
    assert.equal((await post(c, 'agent', { finding: 'fine' })).statusCode, 403);
    assert.equal((await post(c, 'officer', { finding: 'fine' })).json().review, 'done');
  });

  test('delegations: given by who has the role, seen by those it concerns, ended by the giver', async () => {
    const body = { role: 'privacy-officer', to: { issuer: 'corp', subject: 'dave' }, durationMs: 3_600_000 };
    assert.equal((await post('/v1/delegations', 'agent', body)).statusCode, 403);
    assert.equal((await post('/v1/delegations', 'officer', { ...body, durationMs: 31 * 86_400_000 })).statusCode, 400);
    const { id } = (await post('/v1/delegations', 'officer', body)).json() as { id: string };
    const seen = async (who: string): Promise<number> => (await get('/v1/delegations', who)).json().delegations.length;
    assert.deepEqual([await seen('officer'), await seen('auditor'), await seen('agent')], [1, 1, 0]);
    assert.equal((await post(`/v1/delegations/${id}/end`, 'agent', {})).statusCode, 404);
    assert.deepEqual((await post(`/v1/delegations/${id}/end`, 'officer', {})).json(), { ended: true });
  });

  test('recertification is for auditors, and every decision is passed on', async () => {
    assert.equal((await get('/v1/recertification', 'operator')).statusCode, 403);
    const list = (await get('/v1/recertification', 'auditor')).json();
    assert.deepEqual([list.items[0].item, list.items[0].lastUsedAt], ['access-1', null]);
    const body = { sha256: list.sha256, decisions: { 'access-1': 'keep' }, note: 'Q4' };
    assert.equal((await post('/v1/recertification', 'operator', body)).statusCode, 403);
    assert.deepEqual((await post('/v1/recertification', 'auditor', body)).json(), { kept: 1, revoked: 0, grantsEnded: [] });
    assert.deepEqual(fakes.access.calls.at(-1), { by: 'ada', sha256: list.sha256, decisions: [['access-1', 'keep']], note: 'Q4' });
    for (const change of [{ decisions: { 'access-1': 'maybe' } }, { sha256: 'x' }, { decisions: {} }]) {
      assert.equal((await post('/v1/recertification', 'auditor', { ...body, ...change })).statusCode, 400, JSON.stringify(change));
    }
  });

  test('locks: set and lifted by operators, seen with an oversight right', async () => {
    const body = { kind: 'principal', name: 'corp/agent-1', reason: 'lost' };
    for (const who of ['agent', 'officer', 'auditor']) assert.equal((await post('/v1/locks', who, body)).statusCode, 403, who);
    const set = await post('/v1/locks', 'operator', body);
    assert.deepEqual([set.statusCode, set.json().by.subject], [200, 'otto']);
    assert.doesNotMatch(set.body, /lost/);
    assert.equal((await post('/v1/locks', 'operator', { ...body, name: 'nobody' })).statusCode, 404);
    assert.equal((await post('/v1/locks', 'operator', { ...body, kind: 'planet' })).statusCode, 400);
    assert.equal((await get('/v1/locks', 'officer')).statusCode, 403);
    assert.equal((await get('/v1/locks', 'auditor')).json().locks.length, 1);
    // The API answers a locked principal nothing, and says so in the log.
    const refused = await get('/v1/whoami', 'agent');
    assert.deepEqual([refused.statusCode, refused.json().code], [403, 'SP_LOCKED']);
    assert.deepEqual(fakes.appended.at(-1)?.entry, {
      type: 'auth.fail',
      principal: { issuer: 'corp', subject: 'agent-1', kind: 'agent' },
      detail: { surface: 'api', fault: 'locked', address: '127.0.0.1' },
    });
    assert.equal((await post('/v1/locks/lift', 'auditor', { kind: 'principal', name: 'corp/agent-1' })).statusCode, 403);
    assert.deepEqual((await post('/v1/locks/lift', 'operator', { kind: 'principal', name: 'corp/agent-1' })).json(), { lifted: true });
    assert.equal((await get('/v1/whoami', 'agent')).statusCode, 200);
  });
});
