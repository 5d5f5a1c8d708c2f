// The API over in-memory ports: who may call what, what leaves, and what faults look like from outside.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EntryHeader } from '../core/event.ts';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import { createApi } from './server.ts';
import type { Fakes } from './testing.ts';
import { approvalId, approvalOf, createFakes, NOW_MS, PEOPLE, POLICY, sessionId, sessionOf } from './testing.ts';

const bearer = (who: string) => ({ authorization: `Bearer ${who}` });

function entry(seq: number, change: Partial<EntryHeader>): EntryHeader {
  return { v: 1, seq, ts: new Date(NOW_MS).toISOString(), replica: 'r1', type: 'request.intent', ...change };
}

function person(name: string) {
  const found = PEOPLE[name];
  assert.ok(found);
  return found;
}

/** An app over fresh fakes with two sessions and three approvals. */
async function open(limits: Parameters<typeof createFakes>[0] = {}): Promise<{ app: ApiApp; fakes: Fakes }> {
  const fakes = createFakes(limits);
  fakes.approvals.push(
    approvalOf('a', person('agent')),
    approvalOf('b', person('other'), { approvers: { role: 'auditor', count: 1 } }),
    approvalOf('c', person('agent'), { state: 'used' }),
  );
  fakes.sessions.push(sessionOf('a', person('agent'), 0), sessionOf('b', person('other'), 2));
  const sealed = [{ kind: 'statement' as const, sha256: 'aa', bytes: 3, commitment: 'cc', key: 'k' }];
  fakes.entries.push(
    entry(0, { type: 'session.open', session: sessionId('a') }),
    entry(1, { session: sessionId('a'), sealed }),
    entry(2, { type: 'session.open', session: sessionId('b') }),
    entry(3, { session: sessionId('a'), type: 'request.result', sealed: [{ ...sealed[0]!, sha256: 'gone' }] }),
  );
  return { app: await buildApi(fakes.deps, null), fakes };
}

describe('API', () => {
  let app: ApiApp;
  let fakes: Fakes;
  before(async () => ({ app, fakes } = await open()));
  after(() => app.close());

  const get = async (url: string, who?: string) =>
    app.inject({ method: 'GET', url, ...(who === undefined ? {} : { headers: bearer(who) }) });
  const post = async (url: string, who: string, payload: object) => app.inject({ method: 'POST', url, headers: bearer(who), payload });

  test('every route but the public ones refuses a caller without a token', async () => {
    const routes = Object.entries(app.swagger().paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods ?? {}).map((method) => ({ path, method: method.toUpperCase() as 'GET' })),
    );
    assert.ok(routes.length >= 20);
    // The last one is proven by Slack's signature: notifications.test.ts.
    const open = new Set(['/healthz', '/readyz', '/metrics', '/v1/notifications/channels/{channel}/slack']);
    for (const { path, method } of routes.filter((route) => !open.has(route.path))) {
      const url = path.replace('{id}', approvalId('a')).replace('{*}', '0/000');
      const answer = await app.inject({ method, url, ...(method === 'GET' ? {} : { payload: {} }) });
      assert.equal(answer.statusCode, 401, `${method} ${path}`);
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="sallyport"');
      assert.equal(answer.headers['content-type'], 'application/problem+json');
    }
  });

  test('a refused token is an entry in the log and says nothing about why', async () => {
    const answer = await get('/v1/whoami', 'forged');
    assert.equal(answer.statusCode, 401);
    assert.equal(answer.json().code, 'SP_AUTH_INVALID_TOKEN');
    assert.doesNotMatch(answer.body, /signature/);
    assert.deepEqual(fakes.appended.at(-1)?.entry, {
      type: 'auth.fail',
      detail: { surface: 'api', fault: 'SP_AUTH_INVALID_TOKEN', address: '127.0.0.1' },
    });
  });

  test('a token anywhere but in the Authorization header is not looked at', async () => {
    assert.equal((await get('/v1/whoami?access_token=agent')).statusCode, 401);
    const basic = await app.inject({ url: '/v1/whoami', headers: { authorization: 'Basic agent' } });
    assert.equal(basic.statusCode, 401);
  });

  test('an identity that has ended is refused even if the authenticator lets it pass', async () => {
    PEOPLE['late'] = { ...person('agent'), expiresAtMs: NOW_MS };
    try {
      assert.equal((await get('/v1/whoami', 'late')).json().code, 'SP_AUTH_EXPIRED');
    } finally {
      delete PEOPLE['late'];
    }
  });

  test('whoami names roles and rights and never the claims', async () => {
    const answer = await get('/v1/whoami', 'auditor');
    assert.deepEqual(answer.json().roles, ['auditor']);
    assert.deepEqual(answer.json().rights, ['audit', 'oversight']);
    assert.doesNotMatch(answer.body, /never-to-be-shown/);
    assert.equal(answer.headers['cache-control'], 'no-store');
  });

  test('health is public, readiness details and metrics are for loopback or an operator', async () => {
    assert.deepEqual((await get('/healthz')).json(), { status: 'ok' });
    assert.deepEqual((await get('/readyz')).json(), { ready: true, checks: { audit: 'ok' } });
    const away = { remoteAddress: '203.0.113.9' };
    assert.deepEqual((await app.inject({ url: '/readyz', ...away })).json(), { ready: true });
    assert.equal((await get('/metrics')).statusCode, 200);
    assert.equal((await app.inject({ url: '/metrics', ...away })).statusCode, 401);
    assert.equal((await app.inject({ url: '/metrics', ...away, headers: bearer('agent') })).statusCode, 403);
    assert.equal((await app.inject({ url: '/metrics', ...away, headers: bearer('operator') })).statusCode, 200);
  });

  test('a forwarded header does not make a caller loopback', async () => {
    const answer = await app.inject({
      url: '/metrics',
      remoteAddress: '203.0.113.9',
      headers: { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' },
    });
    assert.equal(answer.statusCode, 401);
  });

  test('targets are those the caller has access to; addresses are for overseers', async () => {
    assert.deepEqual((await get('/v1/targets', 'stranger')).json(), { targets: [] });
    assert.equal((await get('/v1/targets', 'agent')).json().targets[0].address, null);
    assert.equal((await get('/v1/targets', 'operator')).json().targets[0].address, 'db.internal:5432');
  });

  test('approvals are seen by requester, approver role and auditor, and by nobody else', async () => {
    const ids = async (who: string, query = '') =>
      (await get(`/v1/approvals${query}`, who)).json().approvals.map((row: { id: string }) => row.id);
    assert.deepEqual(await ids('agent'), [approvalId('a'), approvalId('c')]);
    assert.deepEqual(await ids('other'), [approvalId('b')]);
    assert.deepEqual(await ids('officer', '?state=pending'), [approvalId('a')]);
    assert.deepEqual(await ids('auditor', '?limit=2'), [approvalId('a'), approvalId('b')]);
    assert.deepEqual(await ids('stranger'), []);
    assert.equal((await get(`/v1/approvals/${approvalId('b')}`, 'agent')).json().code, 'SP_APPROVAL_NOT_FOUND');
    assert.equal((await get(`/v1/approvals/${approvalId('b')}`, 'agent')).statusCode, 404);
  });

  test('what is offered to a viewer depends on who it is: a requester cannot answer', async () => {
    const url = `/v1/approvals/${approvalId('a')}`;
    assert.equal((await get(url, 'officer')).json().mayAnswer, true);
    assert.equal((await get(url, 'agent')).json().mayAnswer, false);
    assert.equal((await get(url, 'auditor')).json().mayAnswer, false);
  });

  test('THREAT: sampled rows are shown with one approval, to who may answer it, and nowhere else', async () => {
    const { app, fakes } = await open();
    const [row] = fakes.approvals.splice(0, 1);
    const preview = { estimatedRows: 1, affectedRows: 1, notCounted: null, sampling: 'taken' } as const;
    const changed = { ...(row ?? assert.fail()), preview };
    fakes.approvals.unshift(changed);
    const column = { name: 'note', type: 'text', classes: [], shown: 'value', isKey: false, isAssigned: true } as const;
    const sample = { columns: [column], columnsLeftOut: 3, isPaired: true, rows: [{ before: ['CANARY'], after: [null] }] };
    const url = `/v1/approvals/${changed.id}`;
    const asked = (who: string, path: string) => app.inject({ url: path, headers: bearer(who) });
    const gone = (await asked('officer', url)).json();
    assert.deepEqual([gone.preview.sampling, gone.sample], ['gone', null]);
    fakes.samples.set(changed.id, sample);
    const shown = (await asked('officer', url)).json();
    assert.deepEqual([shown.preview.sampling, shown.sample], ['taken', sample]);
    for (const [who, path] of [
      ['agent', url],
      ['auditor', url],
      ['officer', '/v1/approvals'],
      ['auditor', '/v1/approvals'],
    ] as const) {
      const { statusCode, body } = await asked(who, path);
      assert.equal(statusCode, 200);
      assert.ok(body.includes(changed.id) && !body.includes('CANARY'), `${who} ${path}`);
    }
    const events = await app.inject({ url: '/v1/approvals/events', headers: bearer('officer'), payloadAsStream: true });
    let told = '';
    events.stream().on('data', (chunk: Buffer) => (told += chunk.toString()));
    fakes.publish(changed);
    await new Promise((resolve) => setImmediate(resolve));
    assert.match(told, /"sampling":"taken"/);
    assert.doesNotMatch(told, /CANARY/);
    const answered = await app.inject({
      method: 'POST',
      url: `${url}/answer`,
      headers: bearer('officer'),
      payload: { verdict: 'approve' },
    });
    assert.equal(answered.statusCode, 200);
    assert.doesNotMatch(answered.body + (await asked('officer', url)).body, /CANARY/);
    await app.close();
  });

  test('an answer reaches the desk once; the second one is a conflict', async () => {
    const { app, fakes } = await open();
    const url = `/v1/approvals/${approvalId('a')}/answer`;
    const say = (who: string) =>
      app.inject({ method: 'POST', url, headers: bearer(who), payload: { verdict: 'approve', justification: 'case 12' } });
    assert.equal((await say('agent')).statusCode, 403, 'a requester is refused by the desk');
    assert.equal((await say('stranger')).statusCode, 404, 'who cannot see it cannot probe it');
    const first = await say('officer');
    assert.equal(first.json().state, 'approved');
    assert.equal((await say('officer')).statusCode, 409);
    assert.doesNotMatch(JSON.stringify(fakes.logged), /case 12/);
    await app.close();
  });

  test('bodies are strict: unknown keys and wrong values are named without echoing them', async () => {
    const url = `/v1/approvals/${approvalId('a')}/answer`;
    const answer = await post(url, 'officer', { verdict: 'perhaps-4711' });
    assert.equal(answer.statusCode, 400);
    assert.equal(answer.json().faults[0].path, 'verdict');
    assert.doesNotMatch(answer.body, /4711/);
    assert.equal((await post(url, 'officer', { verdict: 'deny', extra: 1 })).statusCode, 400);
    const broken = await app.inject({
      method: 'POST',
      url,
      headers: { ...bearer('officer'), 'content-type': 'application/json' },
      payload: '{"verdict":',
    });
    assert.equal(broken.json().code, 'SP_API_BAD_REQUEST');
  });

  test('sessions: own ones for a principal, all for overseers; others are not found', async () => {
    const ids = async (who: string) => (await get('/v1/sessions', who)).json().sessions.map((row: { id: string }) => row.id);
    assert.deepEqual(await ids('agent'), [sessionId('a')]);
    assert.deepEqual(await ids('auditor'), [sessionId('b'), sessionId('a')]);
    assert.deepEqual(await ids('operator'), [sessionId('b'), sessionId('a')]);
    assert.deepEqual(await ids('officer'), []);
    assert.equal((await get(`/v1/sessions/${sessionId('b')}`, 'agent')).statusCode, 404);
    assert.equal((await get('/v1/sessions?live=false', 'auditor')).json().sessions.length, 0);
  });

  test('the person an agent acts for sees the session of that agent', async () => {
    const { app, fakes } = await open();
    const stranger = person('stranger');
    fakes.sessions.push({ ...sessionOf('c', person('agent'), 9), onBehalfOf: stranger });
    const answer = await app.inject({ url: '/v1/sessions', headers: bearer('stranger') });
    assert.deepEqual(
      answer.json().sessions.map((row: { id: string }) => row.id),
      [sessionId('c')],
    );
    await app.close();
  });

  test('a session comes with exactly its own entries, in pages', async () => {
    const url = `/v1/sessions/${sessionId('a')}`;
    const seqs = (body: { entries: { seq: number }[] }) => body.entries.map(({ seq }) => seq);
    const whole = (await get(url, 'agent')).json();
    assert.deepEqual([seqs(whole), whole.next], [[0, 1, 3], null]);
    const page = (await get(`${url}?limit=2`, 'agent')).json();
    assert.deepEqual([seqs(page), page.next], [[0, 1], 1]);
    assert.deepEqual(seqs((await get(`${url}?limit=2&after=1`, 'agent')).json()), [3]);
  });

  test('a recording needs an auditor and a purpose, and its handing out is an entry first', async () => {
    const { app, fakes } = await open();
    const url = `/v1/sessions/${sessionId('a')}/recording`;
    const call = (who: string, payload: object) => app.inject({ method: 'POST', url, headers: bearer(who), payload });
    assert.equal((await call('agent', { purpose: 'curiosity' })).statusCode, 403, 'not even one’s own');
    assert.equal((await call('operator', { purpose: 'curiosity' })).statusCode, 403);
    assert.equal((await call('auditor', {})).statusCode, 400);
    assert.equal((await app.inject({ url: `${url}?purpose=incident`, headers: bearer('auditor') })).statusCode, 404, 'never in an address');
    assert.equal(fakes.appended.length, 0);

    const answer = await call('auditor', { purpose: 'incident Jane Doe' });
    assert.equal(answer.statusCode, 200);
    const [statement, destroyed] = answer.json().items;
    assert.equal(statement.ciphertext, Buffer.from([1, 2, 3]).toString('base64'));
    assert.deepEqual([destroyed.ciphertext, destroyed.wrappedKey], [null, null]);
    const [written] = fakes.appended;
    assert.equal(written?.entry.type, 'payload.unsealed');
    assert.equal(written?.entry.session, sessionId('a'));
    assert.doesNotMatch(JSON.stringify(written?.entry), /Jane/, 'the purpose is free text: sealed, not in the header');
    assert.equal(new TextDecoder().decode(written?.payloads[0]?.bytes), 'incident Jane Doe');
    assert.doesNotMatch(JSON.stringify(fakes.logged), /Jane/);
    await app.close();
  });

  test('the index of sessions is built anew by operators only, with lines of progress', async () => {
    for (const who of ['agent', 'auditor']) assert.equal((await post('/v1/audit/reindex', who, {})).statusCode, 403);
    const lines = (await post('/v1/audit/reindex?progress=true', 'operator', {})).body.trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [{ progress: { done: 2, total: 4 } }, { result: { entries: 4 } }],
    );
  });

  test('no recording leaves when the log cannot be written', async () => {
    const { app, fakes } = await open();
    fakes.fail.audit = true;
    const answer = await app.inject({
      method: 'POST',
      url: `/v1/sessions/${sessionId('a')}/recording`,
      headers: bearer('auditor'),
      payload: { purpose: 'incident' },
    });
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.json().code, 'SP_AUDIT_UNWRITABLE');
    assert.doesNotMatch(answer.body, /ciphertext|secret/);
    await app.close();
  });

  test('entries and tiles are for auditors; the checkpoint and the key are for every principal', async () => {
    assert.equal((await get('/v1/audit/entries', 'operator')).statusCode, 403);
    assert.equal((await get('/log/tile/0/000.p/3', 'agent')).statusCode, 403);
    const page = (await get('/v1/audit/entries?from=1&limit=2', 'auditor')).json();
    assert.deepEqual([page.entries.length, page.next, page.size], [2, 3, 4]);
    assert.equal((await get('/v1/audit/entries?from=900', 'auditor')).json().next, 900);
    assert.equal((await get('/v1/audit/checkpoint', 'agent')).json().size, 4);
    assert.equal((await get('/log/log.vkey', 'agent')).body, 'A');
    assert.equal((await get('/log/tile/0/000.p/3', 'auditor')).body, 'A');
    assert.equal((await get('/log/tile/0/001', 'auditor')).statusCode, 404);
    assert.equal((await get('/log/minimum-index', 'agent')).body, 'A');
    assert.equal((await get('/log/rotations/0000000000000007.note', 'agent')).body, 'A');
    for (const path of ['overlap', '7.note', '..%2flog.vkey', '0000000000000007.note%2f..%2fx'])
      assert.ok([400, 404].includes((await get(`/log/rotations/${path}`, 'auditor')).statusCode), path);
  });

  test('a tile path that is not one is refused before it reaches the disk', async () => {
    for (const path of ['../keys/log.key', '%2e%2e/%2e%2e/keys/log.key', '0/..%2f..%2fkeys', '64/000', '0/00', '0//000']) {
      const answer = await get(`/log/tile/${path}`, 'auditor');
      assert.ok(answer.statusCode === 400 || answer.statusCode === 404, path);
    }
  });

  test('explain is for oneself, and for others with an oversight role', async () => {
    const ask = { sql: 'SELECT ssn FROM patients', target: 'clinic' };
    const own = await post('/v1/policy/explain', 'agent', ask);
    assert.equal(own.statusCode, 200);
    assert.equal(own.json().decision.outcome, 'hold');
    assert.equal(own.json().decision.policySha256, POLICY);
    assert.equal(own.json().outputs[0].mask, 'partial');
    assert.doesNotMatch(own.body, /request\.unbounded|policy\.yaml/, 'the text of the policy is for overseers');
    assert.equal(fakes.explained.at(-1)?.subject, 'agent-1');
    const as = { issuer: 'corp', subject: 'x', groups: ['g'] };
    assert.equal((await post('/v1/policy/explain', 'agent', { ...ask, as })).statusCode, 403);
    assert.equal((await post('/v1/policy/explain', 'auditor', { ...ask, as })).statusCode, 200);
    assert.deepEqual(fakes.explained.at(-1)?.groups, ['g']);
    assert.equal((await post('/v1/policy/explain', 'auditor', ask)).json().rules[0].when, 'request.unbounded');
    const hidden = await post('/v1/policy/explain', 'stranger', ask);
    assert.equal(hidden.json().code, 'SP_TARGET_UNKNOWN');
    const unknown = await post('/v1/policy/explain', 'auditor', { ...ask, target: 'nowhere' });
    assert.equal(unknown.statusCode, 404);
  });

  test('the text of the policy, its check and its tests are for overseers', async () => {
    assert.deepEqual((await get('/v1/policy', 'agent')).json(), { sha256: POLICY, files: null });
    assert.equal((await get('/v1/policy', 'operator')).json().files[0].path, 'policy.yaml');
    assert.equal((await post('/v1/policy/test', 'agent', {})).statusCode, 403);
    assert.equal((await post('/v1/policy/check', 'officer', {})).statusCode, 403);
    assert.equal((await post('/v1/policy/test', 'operator', {})).json().ok, true);
    const files = [{ path: 'p.yaml', source: 'version: 1' }];
    assert.deepEqual((await post('/v1/policy/test', 'operator', { files })).json().tests[0].differences, ['decision: want hold']);
  });

  test('a fault of ours is told without its message, and logged without data', async () => {
    const { app, fakes } = await open();
    fakes.fail.analyse = true;
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/policy/explain',
      headers: bearer('agent'),
      payload: { sql: "SELECT 'Jane Doe'", target: 'clinic' },
    });
    assert.equal(answer.statusCode, 500);
    assert.equal(answer.json().code, 'SP_INTERNAL');
    assert.doesNotMatch(answer.body + JSON.stringify(fakes.logged), /Jane|parser fell over/);
    await app.close();
  });

  test('an unknown route is a problem too', async () => {
    const answer = await get('/v1/nothing', 'agent');
    assert.equal(answer.statusCode, 404);
    assert.equal(answer.json().code, 'SP_API_NOT_FOUND');
    const impossible = await get('/v1/approvals/%zz', 'agent');
    assert.equal(impossible.headers['content-type'], 'application/problem+json');
    assert.equal(impossible.json().code, 'SP_API_BAD_REQUEST');
  });

  test('the description is OpenAPI 3.1 and lists every route with its security', async () => {
    const answer = (await get('/v1/openapi.json')).json();
    assert.equal(answer.openapi, '3.1.0');
    assert.ok(answer.paths['/v1/approvals/{id}/answer'].post.requestBody);
    assert.deepEqual(answer.security, [{ bearer: [] }, { console: [] }]);
  });

  test('an address that keeps presenting bad tokens has to wait, whatever it then presents', async () => {
    const { app } = await open({ loginFailuresPerMinute: 2 });
    const status = async (who: string) => (await app.inject({ url: '/v1/whoami', headers: bearer(who) })).statusCode;
    assert.deepEqual([await status('x'), await status('y'), await status('agent')], [401, 401, 429]);
    const elsewhere = await app.inject({ url: '/v1/whoami', headers: bearer('agent'), remoteAddress: '203.0.113.9' });
    assert.equal(elsewhere.statusCode, 200);
    await app.close();
  });

  test('each principal has its own request budget', async () => {
    const { app } = await open({ requestsPerMinute: 2 });
    const call = (who: string) => app.inject({ url: '/v1/whoami', headers: bearer(who) });
    await call('agent');
    await call('agent');
    const third = await call('agent');
    assert.equal(third.statusCode, 429);
    assert.equal(third.json().code, 'SP_API_RATE_LIMITED');
    assert.equal((await call('other')).statusCode, 200);
    await app.close();
  });
});

describe('API events', () => {
  async function stream(app: ApiApp, who: string) {
    const answer = await app.inject({ url: '/v1/approvals/events', headers: bearer(who), payloadAsStream: true });
    const body = answer.stream();
    body.setEncoding('utf8');
    let seen = '';
    body.on('data', (chunk: string) => (seen += chunk));
    return { answer, body, text: () => seen };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test('a change reaches those who may see it, as they may see it', async () => {
    const { app, fakes } = await open();
    const officer = await stream(app, 'officer');
    const other = await stream(app, 'other');
    assert.equal(officer.answer.headers['content-type'], 'text/event-stream; charset=utf-8');
    fakes.publish(approvalOf('d', person('agent')));
    await turn();
    assert.match(officer.text(), /event: ready[\s\S]*event: approval\ndata: .*"mayAnswer":true/);
    assert.doesNotMatch(other.text(), /event: approval/);
    await app.close();
  });

  test('a stream that was opened before its principal was locked tells nothing after', async () => {
    const { app, fakes } = await open();
    const officer = await stream(app, 'officer');
    await fakes.deps.locks.lock(person('operator'), 'principal', 'corp/olga');
    fakes.publish(approvalOf('d', person('agent')));
    await turn();
    assert.doesNotMatch(officer.text(), /event: approval/);
    await app.close();
  });

  test('closing the API ends the streams and their subscriptions', async () => {
    const { app, fakes } = await open();
    const { body } = await stream(app, 'officer');
    const ended = new Promise((resolve) => body.once('end', resolve));
    assert.equal(fakes.listeners(), 1);
    await app.close();
    await ended;
    assert.equal(fakes.listeners(), 0);
  });

  test('streams are bounded', async () => {
    const { app } = await open({ maxEventStreams: 1 });
    await stream(app, 'officer');
    const second = await app.inject({ url: '/v1/approvals/events', headers: bearer('officer') });
    assert.equal(second.statusCode, 429);
    await app.close();
  });
});

describe('API listener', () => {
  test('plain HTTP is refused off loopback', async () => {
    const api = createApi(createFakes().deps);
    await assert.rejects(api.listen({ host: '0.0.0.0', port: 0 }), { code: 'SP_CONFIG_INVALID' });
  });

  test('a token of 30 KB is read: groups make tokens long', async () => {
    const api = createApi(createFakes().deps);
    const { url } = await api.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}/v1/whoami`, { headers: bearer('x'.repeat(30_000)) });
    assert.equal(answer.status, 401);
    await api.close();
  });

  test('a taken port is reported and nothing is left open', async () => {
    const first = createApi(createFakes().deps);
    const { port, url } = await first.listen({ host: '127.0.0.1', port: 0 });
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    const second = createApi(createFakes().deps);
    await assert.rejects(second.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
    await first.close();
  });
});
