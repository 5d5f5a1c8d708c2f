// Opening sealed payloads over the API, with the real desk: nothing leaves without approval and without an entry before it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUnsealDesk } from '../approvals/index.ts';
import { buildApi } from './app.ts';
import { createFakes, NOW_MS, PEOPLE, principalOf, sessionId, sessionOf } from './testing.ts';

async function open(rule: { role: string; count: number } | null) {
  const fakes = createFakes({});
  fakes.sessions.push(sessionOf('a', PEOPLE['agent']!, 0));
  const sealed = [{ kind: 'statement' as const, sha256: 'aa', bytes: 3, commitment: 'cc', key: 'k' }];
  for (const seq of [0, 1, 2])
    fakes.entries.push({
      v: 1,
      seq,
      ts: new Date(NOW_MS).toISOString(),
      replica: 'r1',
      type: seq === 2 ? 'heartbeat' : 'request.intent',
      ...(seq === 2 ? {} : { session: sessionId('a'), resource: { target: 'clinic' }, sealed }),
    });
  let nowMs = NOW_MS;
  let monotonicMs = 0;
  let calls = 0;
  const unseals = createUnsealDesk({
    audit: fakes.deps.audit.log,
    clock: { nowMs: () => nowMs, monotonicMs: () => monotonicMs },
    random: { bytes: (length) => new Uint8Array(length).fill((calls += 1)) },
    approvers: rule,
    authoritiesOf: (principal, role) => (fakes.deps.rolesOf(principal).includes(role) ? [{ kind: 'role', role }] : []),
  });
  PEOPLE['auditor2'] = principalOf('alan', ['audit']);
  PEOPLE['robot'] = principalOf('robo', ['audit', 'privacy'], 'agent');
  for (const [name, subject] of [
    ['robotForAda', 'ada'],
    ['robotForAlan', 'alan'],
  ] as const)
    PEOPLE[name] = { ...principalOf('robo', ['audit'], 'agent'), onBehalfOf: { issuer: 'corp', subject, kind: 'person' } };
  const app = await buildApi({ ...fakes.deps, unseals }, null);
  const headers = (who: string) => ({ authorization: `Bearer ${who}` });
  return {
    fakes,
    app,
    wait: (ms: number) => {
      nowMs += ms;
      monotonicMs += ms;
    },
    setBack: (ms: number) => (nowMs -= ms),
    get: (url: string, who: string) => app.inject({ url, headers: headers(who) }),
    post: (url: string, who: string, payload: object) => app.inject({ method: 'POST', url, headers: headers(who), payload }),
  };
}

const wish = { session: sessionId('a'), purpose: 'patient-request', reason: 'Jane Doe asked who saw her record' };
const types = (fakes: Awaited<ReturnType<typeof open>>['fakes']): string[] => fakes.appended.map(({ entry }) => entry.type);

test('two persons: nothing is given out before somebody else approves, every step is an entry, and the last names all of it', async () => {
  const { app, fakes, get, post } = await open({ role: 'privacy-officer', count: 1 });
  for (const who of ['agent', 'operator', 'officer']) assert.equal((await post('/v1/unseals', who, wish)).statusCode, 403, who);
  for (const bad of [{}, { ...wish, entry: 1 }, { ...wish, purpose: 'curiosity' }, { purpose: 'audit' }])
    assert.equal((await post('/v1/unseals', 'auditor', bad)).statusCode, 400);
  for (const none of [{ session: sessionId('z') }, { entry: 2 }, { entry: 99 }])
    assert.equal((await post('/v1/unseals', 'auditor', { purpose: 'audit', ...none })).statusCode, 404);
  assert.deepEqual(types(fakes), []);

  const asked = (await post('/v1/unseals', 'auditor', wish)).json();
  assert.deepEqual([asked.state, asked.purpose, asked.target], ['pending', 'patient-request', 'clinic']);
  const payloads = `/v1/unseals/${asked.id}/payloads`;
  const refused = await get(payloads, 'auditor');
  assert.deepEqual([refused.statusCode, refused.json().code], [403, 'SP_UNSEAL_NOT_APPROVED']);
  const recording = `/v1/sessions/${sessionId('a')}/recording`;
  for (const unseal of [undefined, asked.id])
    assert.equal((await post(recording, 'auditor', { purpose: 'incident', unseal })).json().code, 'SP_UNSEAL_NOT_APPROVED');

  const answer = `/v1/unseals/${asked.id}/answer`;
  for (const who of ['auditor', 'auditor2', 'operator', 'agent', 'robot'])
    assert.equal((await post(answer, who, { verdict: 'approve' })).statusCode, 403, `${who} does not approve`);
  assert.deepEqual(types(fakes), ['unseal.requested']);
  assert.equal((await post(answer, 'officer', { verdict: 'approve', reason: 'fine' })).json().state, 'approved');
  assert.equal((await post(answer, 'officer', { verdict: 'deny' })).json().code, 'SP_UNSEAL_NOT_APPROVED', 'it was answered');
  assert.equal((await get(payloads, 'auditor2')).statusCode, 403, 'only the one who asked');

  const page = (await get(payloads, 'auditor')).json();
  assert.deepEqual(
    page.items.map(({ seq, ciphertext }: { seq: number; ciphertext: string }) => [seq, ciphertext]),
    [
      [0, 'AQID'],
      [1, 'AQID'],
    ],
  );
  assert.equal((await post(recording, 'auditor', { purpose: 'incident', unseal: asked.id })).statusCode, 200);
  assert.deepEqual(types(fakes), ['unseal.requested', 'unseal.answered', 'payload.unsealed', 'payload.unsealed']);
  const { entry } = fakes.appended[2]!;
  assert.deepEqual(
    [entry.principal?.subject, entry.answer?.by.subject, entry.session, entry.resource, entry.detail],
    [
      'ada',
      'olga',
      sessionId('a'),
      { target: 'clinic', objects: ['entry/0/statement', 'entry/1/statement'] },
      { access: 'unseal', payloads: 2, unseal: asked.id, purpose: 'patient-request', approvals: 1 },
    ],
  );
  for (const { entry } of fakes.appended) assert.doesNotMatch(JSON.stringify(entry), /Jane|fine/);
  assert.equal(new TextDecoder().decode(fakes.appended[0]?.payloads[0]?.bytes), wish.reason);
  await app.close();
});

test('a denied or expired request opens nothing, nor does one for another session, and nothing leaves when the log cannot be written', async () => {
  const { app, fakes, get, post, wait } = await open({ role: 'privacy-officer', count: 1 });
  const ask = async (more: object = {}) => (await post('/v1/unseals', 'auditor', { ...wish, ...more })).json();
  const denied = await ask();
  assert.equal((await post(`/v1/unseals/${denied.id}/answer`, 'officer', { verdict: 'deny' })).json().state, 'denied');
  assert.equal((await get(`/v1/unseals/${denied.id}/payloads`, 'auditor')).statusCode, 403);
  const late = await ask();
  const entry = await ask({ session: undefined, entry: 1 });
  await post(`/v1/unseals/${entry.id}/answer`, 'officer', { verdict: 'approve' });
  const recording = `/v1/sessions/${sessionId('a')}/recording`;
  const asking = { purpose: 'incident', unseal: entry.id };
  assert.equal(
    (await post(recording, 'auditor', asking)).json().code,
    'SP_UNSEAL_NOT_APPROVED',
    'approved for one entry, not for the session',
  );
  fakes.fail.audit = true;
  const failed = await get(`/v1/unseals/${entry.id}/payloads`, 'auditor');
  assert.equal(failed.statusCode, 503);
  assert.doesNotMatch(failed.body, /AQID/);
  fakes.fail.audit = false;
  assert.equal((await get(`/v1/unseals/${entry.id}/payloads`, 'auditor')).json().items.length, 1);
  wait(3_600_000);
  assert.equal((await get(`/v1/unseals/${entry.id}/payloads`, 'auditor')).statusCode, 403, 'an hour after the approval it is over');
  wait(23 * 3_600_000);
  assert.equal((await post(`/v1/unseals/${late.id}/answer`, 'officer', { verdict: 'approve' })).json().code, 'SP_UNSEAL_NOT_APPROVED');
  const states = (await get('/v1/unseals', 'officer')).json().unseals.map(({ state }: { state: string }) => state);
  assert.deepEqual(states, ['expired', 'expired', 'denied']);
  assert.deepEqual((await get('/v1/unseals', 'agent')).json().unseals, []);
  await app.close();
});

test('without a rule the auditor alone opens, still with a purpose and an entry before', async () => {
  const { app, fakes, get, post } = await open(null);
  const asked = (await post('/v1/unseals', 'auditor', { entry: 0, purpose: 'audit' })).json();
  assert.equal(asked.state, 'approved');
  assert.equal((await get(`/v1/unseals/${asked.id}/payloads`, 'auditor')).json().items.length, 1);
  assert.deepEqual(types(fakes), ['unseal.requested', 'payload.unsealed']);
  assert.deepEqual(fakes.appended[1]?.entry.resource?.objects, ['entry/0/statement']);
  assert.equal('answer' in fakes.appended[1]!.entry, false);
  await app.close();
});

test('THREAT what an agent asked for one person is not opened for another, nor for itself, and the entry says for whom it was', async () => {
  const { app, fakes, get, post } = await open({ role: 'privacy-officer', count: 1 });
  const asked = (await post('/v1/unseals', 'robotForAda', wish)).json();
  assert.equal((await post(`/v1/unseals/${asked.id}/answer`, 'officer', { verdict: 'approve' })).json().state, 'approved');
  const recording = `/v1/sessions/${sessionId('a')}/recording`;
  for (const who of ['robotForAlan', 'robot', 'auditor', 'auditor2']) {
    assert.equal((await get(`/v1/unseals/${asked.id}/payloads`, who)).json().code, 'SP_UNSEAL_NOT_APPROVED', who);
    const whole = await post(recording, who, { purpose: 'incident', unseal: asked.id });
    assert.equal(whole.json().code, 'SP_UNSEAL_NOT_APPROVED', who);
  }
  assert.deepEqual(types(fakes), ['unseal.requested', 'unseal.answered']);
  assert.equal((await get(`/v1/unseals/${asked.id}/payloads`, 'robotForAda')).statusCode, 200);
  assert.deepEqual(
    [fakes.appended[2]?.entry.principal?.subject, fakes.appended[2]?.entry.onBehalfOf],
    ['robo', { issuer: 'corp', subject: 'ada', kind: 'person' }],
  );
  await app.close();
});

test('THREAT an index that names entries of another session opens none of them', async () => {
  const { app, fakes, get, post } = await open(null);
  fakes.entries.push({ ...fakes.entries[0]!, seq: 3, session: sessionId('b') });
  fakes.deps.sessions.entriesOf = async () => [0, 1, 3];
  const asked = (await post('/v1/unseals', 'auditor', wish)).json();
  const recording = post(`/v1/sessions/${sessionId('a')}/recording`, 'auditor', { purpose: 'incident' });
  for (const answer of [await get(`/v1/unseals/${asked.id}/payloads`, 'auditor'), await recording])
    assert.deepEqual(
      answer.json().items.map(({ seq }: { seq: number }) => seq),
      [0, 1],
    );
  await app.close();
});

test('THREAT a clock that is set back lets no request live longer', async () => {
  const { app, get, post, wait, setBack } = await open({ role: 'privacy-officer', count: 1 });
  const asked = (await post('/v1/unseals', 'auditor', wish)).json();
  const late = (await post('/v1/unseals', 'auditor', wish)).json();
  await post(`/v1/unseals/${asked.id}/answer`, 'officer', { verdict: 'approve' });
  wait(3_500_000);
  setBack(3_000_000);
  assert.equal((await get(`/v1/unseals/${asked.id}/payloads`, 'auditor')).statusCode, 200);
  wait(100_000);
  assert.equal((await get(`/v1/unseals/${asked.id}/payloads`, 'auditor')).statusCode, 403);
  setBack(48 * 3_600_000);
  wait(24 * 3_600_000);
  assert.equal((await post(`/v1/unseals/${late.id}/answer`, 'officer', { verdict: 'approve' })).json().code, 'SP_UNSEAL_NOT_APPROVED');
  await app.close();
});
