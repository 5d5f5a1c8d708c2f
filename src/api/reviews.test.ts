// Routes of reviews: auditors only, findings go to the service alone, and nothing of them comes back.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { createFakes, type Fakes, NOW_MS } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });
const since = '2026-11-01T00:00:00.000Z';

describe('the review routes', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes();
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const ask = (who: string, url: string) => app.inject({ url, headers: bearer(who) });
  const post = (who: string, url: string, payload: object) => app.inject({ method: 'POST', url, headers: bearer(who), payload });

  it('are for auditors: operators and agents are refused, and nothing is signed', async () => {
    for (const who of ['operator', 'agent', 'officer']) {
      assert.equal((await post(who, '/v1/reviews', { since, finding: 'x' })).statusCode, 403);
      assert.equal((await post(who, '/v1/reports/leavers', { principals: [{ issuer: 'corp', subject: 'ana' }] })).statusCode, 403);
      assert.equal((await ask(who, `/v1/reports/coverage?since=${since}`)).statusCode, 403);
      assert.equal((await ask(who, `/v1/reviews?since=${since}`)).statusCode, 403);
    }
    assert.equal((await ask('agent', '/v1/siem')).statusCode, 403);
    assert.equal(fakes.reviewed.length, 0);
  });

  it('sign for the caller, with the finding, and answer without it', async () => {
    const answer = await post('auditor', '/v1/reviews', { since, until: '2026-11-02T00:00:00.000Z', finding: 'Planted Finding' });
    assert.equal(answer.statusCode, 200);
    assert.doesNotMatch(answer.body, /Planted/);
    const period = { sinceMs: Date.parse(since), untilMs: Date.parse('2026-11-02T00:00:00.000Z') };
    assert.deepEqual(fakes.reviewed.splice(0), [{ by: 'ada', period, finding: 'Planted Finding' }]);
    assert.doesNotMatch(JSON.stringify(fakes.logged), /Planted/);
  });

  it('refuse an empty finding, a time that is none, nobody, and fields they do not know', async () => {
    for (const body of [
      { since, finding: ' ' },
      { since: 'yesterday', finding: 'x' },
      { finding: 'x' },
      { since, finding: 'x', by: 'me' },
    ]) {
      assert.equal((await post('auditor', '/v1/reviews', body)).statusCode, 400);
    }
    assert.equal((await post('auditor', '/v1/reports/leavers', { principals: [] })).statusCode, 400);
    assert.equal((await ask('auditor', '/v1/reports/coverage')).statusCode, 400);
    assert.equal(fakes.reviewed.length, 0);
  });

  it('answer reports, and show operators where the export is', async () => {
    const { reviews } = (await ask('auditor', `/v1/reviews?since=${since}`)).json() as { reviews: { at: string }[] };
    assert.equal(reviews[0]?.at, new Date(NOW_MS).toISOString());
    const leavers = await post('auditor', '/v1/reports/leavers', { principals: [{ issuer: 'corp', subject: 'ana' }] });
    assert.equal((leavers.json() as { leavers: { isClear: boolean }[] }).leavers[0]?.isClear, true);
    assert.equal(((await ask('auditor', `/v1/reports/coverage?since=${since}`)).json() as { notAnchored: number }).notAnchored, 4);
    const siem = (await ask('operator', '/v1/siem')).json();
    assert.deepEqual(siem, {
      destinations: [{ name: 'soc', kind: 'syslog', next: 5, lag: 2, sent: 5, failures: 1, fault: 'unreachable' }],
    });
  });

  it('let operators reset an export, and nobody else; a place that is none and a name that is unknown are refused', async () => {
    const reset = (who: string, name: string, body: object) => post(who, `/v1/siem/${name}/reset`, body);
    for (const who of ['auditor', 'agent', 'officer']) assert.equal((await reset(who, 'soc', { from: 'now' })).statusCode, 403);
    for (const body of [{}, { from: 'then' }, { from: -1 }, { from: 1.5 }, { from: '3' }, { from: 'now', leaf: 'x' }])
      assert.equal((await reset('operator', 'soc', body)).statusCode, 400, JSON.stringify(body));
    assert.equal((await reset('operator', 'other', { from: 'now' })).statusCode, 404);
    assert.deepEqual(fakes.resets, []);
    const answer = await reset('operator', 'soc', { from: 3 });
    assert.equal(answer.statusCode, 200);
    assert.equal((answer.json() as { next: number }).next, 3);
    assert.deepEqual(fakes.resets, [{ by: 'otto', to: 3 }]);
  });
});
