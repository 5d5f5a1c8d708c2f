// Routes of the subject search: auditors only, and the value goes to the service alone.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { createFakes, type Fakes } from './testing.ts';

const since = '2026-11-01T00:00:00.000Z';
const wish = { target: 'clinic', subject: 'patient', value: 'Planted Value', purpose: 'patient-request', since };

describe('the subject routes', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => {
    fakes = createFakes();
    app = await buildApi(fakes.deps, null);
  });
  after(() => app.close());

  const post = (who: string, payload: object) =>
    app.inject({ method: 'POST', url: '/v1/subjects/search', headers: { authorization: `Bearer ${who}` }, payload });

  it('are for auditors: everybody else is refused before anything is looked for', async () => {
    for (const who of ['operator', 'agent', 'officer', 'stranger']) {
      assert.equal((await post(who, wish)).statusCode, 403);
      assert.equal((await app.inject({ url: '/v1/subjects', headers: { authorization: `Bearer ${who}` } })).statusCode, 403);
    }
    assert.equal(fakes.searched.length, 0);
  });

  it('search for the caller and never tell the value again', async () => {
    const answer = await post('auditor', { ...wish, reason: 'Planted Reason', until: '2026-11-02T00:00:00Z' });
    assert.equal(answer.statusCode, 200, answer.body);
    assert.deepEqual((answer.json() as { hits: { how: string[] }[] }).hits[0]?.how, ['asked', 'returned']);
    assert.doesNotMatch(answer.body + JSON.stringify(fakes.logged), /Planted/);
    const [asked] = fakes.searched.splice(0);
    assert.equal(asked?.by, 'ada');
    assert.equal(asked?.value, 'Planted Value');
    assert.equal(asked?.untilMs, Date.parse('2026-11-02T00:00:00Z'));
  });

  it('refuse what has no purpose, no value or no time, and say what to do about a wrong name', async () => {
    const { purpose: _purpose, ...without } = wish;
    for (const body of [
      without,
      { ...wish, purpose: 'curiosity' },
      { ...wish, value: '' },
      { ...wish, since: 'now' },
      { ...wish, limit: 0 },
    ]) {
      assert.equal((await post('auditor', body)).statusCode, 400);
    }
    const answer = await post('auditor', { ...wish, subject: 'planet' });
    assert.equal(answer.statusCode, 404);
    assert.match(answer.body, /SP_SUBJECT_UNKNOWN.*sallyport subject ls/);
  });
});
