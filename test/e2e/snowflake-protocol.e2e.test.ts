// The protocol spoken by hand through the adapter to the fake account: repetitions, ids of others, cancels, bounds, browsers, the end.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Decision } from '../../src/core/decision.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { GrantId } from '../../src/core/ids.ts';
import type { ApprovalOutcome } from '../../src/core/ports.ts';
import { RowBudgets } from '../../src/session/row-budgets.ts';
import { allow, type Bench, benchOf, grantOf, hold, snapshotOf } from '../../src/session/testing.ts';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { columnOf } from '../snowflake/fake/rows.ts';
import {
  GOOD_TOKEN,
  type GateOptions,
  type Knowledge,
  out,
  redacted,
  type SnowflakeGate,
  startSnowflakeGate,
} from '../support/snowflake-gate.ts';

const knowledge: readonly Knowledge[] = [
  { text: /^SELECT ID, SSN FROM PATIENTS/, statements: () => [{ verb: 'SELECT', outputs: [out('ID'), redacted('SSN')], mayTell: true }] },
  { text: /^SELECT 1 AS N$/, statements: () => [{ verb: 'SELECT', outputs: [out('N')] }] },
  { text: /^SELECT SYSTEM\$WAIT/, statements: () => [{ verb: 'SELECT', outputs: [out('W')] }] },
  { text: /^USE SCHEMA/, statements: () => [{ verb: 'USE' }], facts: { effects: [] } },
  { text: /^SELECT VALUE FROM BIG/, statements: () => [{ verb: 'SELECT', outputs: [redacted('VALUE')] }] },
  { text: /^INSERT INTO SCRATCH/, statements: () => [{ verb: 'INSERT' }], facts: { effects: ['write'] } },
  {
    text: /RESULT_SCAN\('([0-9a-f-]{36})'\)/,
    statements: (session, [, id = '']) => {
      const known = session.result(id);
      return known === undefined ? [{ verb: 'REFUSED' }] : [{ verb: 'SELECT', outputs: known.outputs }];
    },
  },
];

interface Answer {
  readonly success: boolean;
  readonly code: string | null;
  readonly message: string | null;
  readonly data: Record<string, any>; // oxlint-disable-line typescript/no-explicit-any -- as it came over the wire
}

let account: FakeAccount;
let bench: Bench;
let gate: SnowflakeGate;
let decide: () => Decision;

beforeEach(async () => {
  account = await FakeAccount.start();
  decide = () => allow;
  bench = benchOf(() => decide());
});

afterEach(async () => {
  await gate.close();
  await account.close();
});

const start = async (options: Partial<GateOptions> = {}): Promise<void> => {
  gate = await startSnowflakeGate({ bench, account, knowledge, ...options });
};

const urlOf = (path: string): string => `http://127.0.0.1:${gate.port}${path}`;

async function post(path: string, body: object, token?: string): Promise<Answer> {
  const response = await fetch(urlOf(path), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      ...(token === undefined ? {} : { authorization: `Snowflake Token="${token}"` }),
    },
    body: gzipSync(JSON.stringify(body)),
  });
  assert.equal(response.status, 200);
  return (await response.json()) as Answer;
}

async function get(path: string, token: string): Promise<Answer> {
  return (await (await fetch(urlOf(path), { headers: { authorization: `Snowflake Token="${token}"` } })).json()) as Answer;
}

const login = (change: object = {}): Promise<Answer> =>
  post('/session/v1/login-request?request_id=1', {
    data: {
      ACCOUNT_NAME: 'clinic',
      LOGIN_NAME: 'x',
      CLIENT_APP_ID: 'JavaScript',
      CLIENT_APP_VERSION: '3.3.0',
      PASSWORD: GOOD_TOKEN,
      ...change,
    },
  });

async function open(): Promise<string> {
  const { success, data, message } = await login();
  assert.ok(success, message ?? '');
  return data['token'] as string;
}

const query = (token: string, sqlText: string, more: object = {}, requestId: string = randomUUID()): Promise<Answer> =>
  post(`/queries/v1/query-request?requestId=${requestId}`, { sqlText, asyncExec: false, sequenceId: 1, ...more }, token);

/** Asks again for as long as it is in progress. */
async function settled(token: string, answer: Answer): Promise<Answer> {
  let current = answer;
  while (current.code === '333333' || current.code === '333334') current = await get(current.data['getResultUrl'] as string, token);
  return current;
}

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries += 1) {
    assert.ok(tries < 500, 'it never came');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const waitForAbort =
  (b: Bench) =>
  (outcome: ApprovalOutcome['outcome'] = 'cancelled'): void => {
    b.desk.wait = (approval, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ outcome, approval }), { once: true }));
  };

test('a log-in gives tokens of our own, and nothing of the account or of the log-in itself', async () => {
  await start();
  const { data } = await login();
  const text = JSON.stringify(data);
  assert.ok(!text.includes('ver:1-hint') && !text.includes(GOOD_TOKEN) && !text.includes(account.user));
  assert.equal(data['displayUserName'], 'Agent 1');
  assert.deepEqual([data['idToken'], data['mfaToken'], data['healthCheckInterval']], [null, null, 45]);
  assert.ok(Number.isSafeInteger(data['sessionId']));
  assert.deepEqual(data['sessionInfo'], { databaseName: 'CLINIC', schemaName: 'PUBLIC', warehouseName: 'CLINIC_WH', roleName: 'SYSADMIN' });
});

test('the role is the configured one: another is refused, the same is not', async () => {
  await start();
  const withRole = (role: string): Promise<Answer> =>
    post(`/session/v1/login-request?roleName=${role}`, { data: { ACCOUNT_NAME: 'clinic', PASSWORD: GOOD_TOKEN } });
  assert.match((await withRole('ACCOUNTADMIN')).message ?? '', /role/);
  assert.equal((await withRole('sysadmin')).success, true);
  assert.equal(account.logins.length, 1);
});

test('without a token of ours nothing is answered; what is not served is 404', async () => {
  await start();
  for (const token of ['x', 'ver:1-hint:1-ETMsDgAAAX']) {
    assert.equal((await query(token, 'SELECT 1 AS N')).code, '390104');
    assert.equal((await get('/monitoring/queries/x', token)).code, '390104');
  }
  const token = await open();
  const sent = (path: string): Promise<Response> =>
    fetch(urlOf(path), { method: 'POST', body: '{}', headers: { authorization: `Snowflake Token="${token}"` } });
  for (const path of ['/queries/v1/other', '/session/v2/login-request']) {
    const response = await sent(path);
    assert.equal(response.status, 404);
    assert.equal(((await response.json()) as Answer).success, false);
  }
  // A session's token is none of the SQL API.
  assert.deepEqual([(await sent('/api/v2/statements')).status, (await sent('/api/v2/databases')).status], [401, 404]);
  assert.equal((await post('/telemetry/send', { logs: [] })).success, true);
  assert.equal(account.counts.telemetry, 0);
  assert.deepEqual(account.texts, []);
});

test('a request that comes again joins the statement that runs; under its id nothing else runs', async () => {
  await start();
  const token = await open();
  const id = randomUUID();
  const both = await Promise.all([
    query(token, "SELECT SYSTEM$WAIT(300, 'MILLISECONDS') AS W", {}, id),
    query(token, "SELECT SYSTEM$WAIT(300, 'MILLISECONDS') AS W", {}, id),
  ]);
  assert.deepEqual(
    both.map(({ success }) => success),
    [true, true],
  );
  const late = await query(token, "SELECT SYSTEM$WAIT(300, 'MILLISECONDS') AS W", {}, id);
  assert.equal(late.data['queryId'], both[0]?.data['queryId']);
  assert.equal(account.heard.length, 1);
  assert.notEqual(account.heard[0]?.requestId, id);
  assert.equal((await query(token, 'SELECT 1 AS N', {}, id)).success, false);
  assert.equal(account.heard.length, 1);
});

test('large array binds arrive inline', async () => {
  await start();
  const token = await open();
  const value = Array.from({ length: 10_000 }, (_none, index) => `value ${index}`);
  const answer = await query(token, 'INSERT INTO SCRATCH (K) VALUES (?)', { bindings: { 1: { type: 'TEXT', value } } });
  assert.ok(answer.success, answer.message ?? '');
  assert.deepEqual((account.heard[0]?.binds as Record<string, { value: unknown }> | undefined)?.['1']?.value, value);
  assert.equal((await query(token, 'INSERT INTO SCRATCH (K) VALUES (?)', { bindStage: '@SYSTEM$BIND/1' })).code, '000002');
});

test('chunks come from the gateway, masked; no address and no key of the storage leaves it', async () => {
  await start();
  account.sizes.inlineRows = 10;
  account.sizes.chunkRows = 100;
  const token = await open();
  const rows = Array.from({ length: 500 }, (_none, index) => [`secret ${index}`]);
  account.answer('SELECT VALUE FROM BIG', { columns: [columnOf('VALUE', 'text')], rows });
  const answer = await query(token, 'SELECT VALUE FROM BIG');
  if (!answer.success) assert.fail(answer.message ?? '');
  assert.ok(!JSON.stringify(answer).includes('sfc-results') && answer.data['qrmk'] === undefined);
  const chunks = (answer.data['chunks'] ?? []) as { url: string; rowCount: number }[];
  assert.ok(chunks.length > 2);
  for (const { url } of chunks) {
    assert.ok(url.startsWith(urlOf('/gw/chunks/')), url);
    const body = await (await fetch(url)).text();
    assert.ok(body.includes('***') && !body.includes('secret'));
  }
});

test('a running statement is cancelled by its query id, and by its request id; afterwards there is nothing to cancel', async () => {
  await start({ limits: { pollMs: 100 } });
  const token = await open();
  const requestId = randomUUID();
  const first = await query(token, "SELECT SYSTEM$WAIT(30, 'SECONDS') AS W", {}, requestId);
  assert.equal(first.code, '333333');
  assert.equal((await get(`/monitoring/queries/${first.data['queryId'] as string}`, token)).data['queries'][0].status, 'RUNNING');
  assert.equal((await post(`/queries/${first.data['queryId'] as string}/abort-request?requestId=1`, {}, token)).success, true);
  const ended = await settled(token, first);
  assert.deepEqual([ended.code, ended.data['sqlState']], ['000604', '57014']);
  assert.equal((await post('/queries/v1/abort-request?requestId=2', { requestId }, token)).code, '000605');
  assert.equal((await get(`/monitoring/queries/${first.data['queryId'] as string}`, token)).data['queries'][0].status, 'FAILED_WITH_ERROR');
  assert.equal(account.counts.aborts, 1);
});

test('while it is held it is queued under an id that is good for everything; the result has the real one', async () => {
  await start({ limits: { pollMs: 100 } });
  const answered = Promise.withResolvers<ApprovalOutcome>();
  bench.desk.wait = () => answered.promise;
  const token = await open();
  decide = () => hold;
  const first = await query(token, 'SELECT 1 AS N');
  const alias = first.data['queryId'] as string;
  assert.equal(first.code, '333333');
  assert.match(first.message ?? '', /held for approval apr_1/);
  assert.equal((await get(`/monitoring/queries/${alias}`, token)).data['queries'][0].status, 'QUEUED');
  const again = await get(first.data['getResultUrl'] as string, token);
  assert.deepEqual([again.code, again.data['queryId']], ['333333', alias]);
  // It stands in nobody's way.
  decide = () => allow;
  assert.equal((await query(token, 'USE SCHEMA PUBLIC')).success, true);
  decide = () => hold;
  answered.resolve({ outcome: 'approved', approval: 'apr_1' as never });
  const done = await settled(token, again);
  const real = done.data['queryId'] as string;
  assert.ok(done.success && real !== alias);
  decide = () => allow;
  for (const id of [alias, real]) {
    assert.equal((await get(`/monitoring/queries/${id}`, token)).data['queries'][0].status, 'SUCCESS');
    assert.equal((await get(`/queries/${id}/result`, token)).success, true);
    assert.equal((await query(token, `SELECT * FROM TABLE(RESULT_SCAN('${id}'))`)).success, true);
  }
  assert.ok(account.texts.every((text) => !text.includes(alias)));
});

test('approved after the session has moved on: it does not run', async () => {
  await start({ limits: { pollMs: 100 } });
  const answered = Promise.withResolvers<ApprovalOutcome>();
  bench.desk.wait = () => answered.promise;
  const token = await open();
  decide = () => hold;
  const first = await query(token, 'SELECT ID, SSN FROM PATIENTS');
  decide = () => allow;
  await query(token, 'USE SCHEMA LEGACY');
  decide = () => hold;
  answered.resolve({ outcome: 'approved', approval: 'apr_1' as never });
  const done = await settled(token, first);
  assert.deepEqual([done.success, done.code], [false, '000604']);
  assert.match(done.message ?? '', /SP_APPROVAL_VOID/);
  assert.ok(account.texts.every((text) => !text.includes('SSN')));
});

test('a statement that changes the session waits for those before it, and those behind wait for it', async () => {
  await start({ limits: { pollMs: 5_000 } });
  const token = await open();
  const slow = query(token, "SELECT SYSTEM$WAIT(400, 'MILLISECONDS') AS W");
  await until(() => account.heard.length === 1);
  const use = query(token, 'USE SCHEMA LEGACY');
  await until(() => gate.planned.some(({ text }) => text.startsWith('USE')));
  const behind = query(token, 'SELECT 1 AS N');
  await Promise.all([slow, use, behind]);
  assert.deepEqual(account.texts, ["SELECT SYSTEM$WAIT(400, 'MILLISECONDS') AS W", 'USE SCHEMA LEGACY', 'SELECT 1 AS N']);
  assert.equal(gate.planned.findLast(({ text }) => text === 'SELECT 1 AS N')?.schema, 'LEGACY');
});

test('a client that does not ask any more does not keep a held statement; its approval stays open', async () => {
  await start({ limits: { pollMs: 50, lostClientMs: 100 } });
  const reasons: unknown[] = [];
  bench.desk.wait = (approval, signal) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as SallyportError).code);
        resolve({ outcome: 'cancelled', approval });
      }),
    );
  const token = await open();
  decide = () => hold;
  const first = await query(token, 'SELECT 1 AS N');
  await until(() => reasons.length > 0);
  assert.deepEqual(reasons, ['SP_CLIENT_LOST']);
  const ended = await settled(token, first);
  assert.equal(ended.code, '000604');
  assert.match(ended.message ?? '', /send the statement again once it is approved/);
});

test('a hold is bounded, and the account session is kept alive during it', async () => {
  await start({ limits: { pollMs: 50, maxHoldMs: 400, heartbeatMs: 100 } });
  waitForAbort(bench)();
  const token = await open();
  decide = () => hold;
  const ended = await settled(token, await query(token, 'SELECT 1 AS N'));
  assert.equal(ended.code, '000604');
  assert.ok(account.counts.heartbeats >= 1);
});

test('a result is read again by its id: masked, and recorded as an intent of its own', async () => {
  await start({ limits: { maxKeptBytes: 0 } });
  const token = await open();
  const { data } = await query(token, 'SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1');
  await query(token, 'SELECT 1 AS N');
  const intents = (): number => bench.log.types().filter((type) => type === 'request.intent').length;
  const before = intents();
  const again = await get(`/queries/${data['queryId'] as string}/result`, token);
  assert.equal(again.data['rowset'][0][1], '***');
  assert.equal(intents(), before + 1);
});

test('ids of others are unknown: to results, to monitoring, to cancels', async () => {
  await start();
  const [one, other] = [await open(), await open()];
  const { data } = await query(one, 'SELECT 1 AS N');
  const foreign = data['queryId'] as string;
  const never = '01b00000-0000-0000-0000-000000000000';
  for (const path of ['/queries/ID/result', '/monitoring/queries/ID']) {
    const [a, b] = await Promise.all(
      [foreign, never].map(async (id) => JSON.stringify(await get(path.replace('ID', id), other)).replaceAll(id, '?')),
    );
    assert.equal(a, b);
  }
  assert.equal((await post(`/queries/${foreign}/abort-request`, {}, other)).code, '000605');
});

test('rows beyond what a grant has left are not given', async () => {
  const clock = { monotonicMs: () => 0, nowMs: () => 0 };
  const snapshot = new RowBudgets(clock).attach(
    snapshotOf({ grants: [grantOf({ rowsPerHour: 1, targets: ['clinic'], expiresAtMs: 9_000_000 })] }),
  );
  bench.table.replace(snapshot);
  decide = () => ({ ...allow, grants: ['grt_1' as GrantId] });
  await start();
  const token = await open();
  assert.equal((await query(token, 'SELECT 1 AS N')).success, true);
  const over = await query(token, 'SELECT ID, SSN FROM PATIENTS');
  assert.equal(over.success, false);
  assert.ok(!JSON.stringify(over).includes('rowset'));
  assert.match(over.message ?? '', /grant/);
});

test('a session that must end says why to whoever still has its tokens', async () => {
  await start();
  const { data } = await login();
  bench.gate.endAll(new SallyportError('SP_LOCKED', 'x'));
  await until(() => gate.adapter.liveSessions === 0);
  for (const answer of [
    await query(data['token'] as string, 'SELECT 1 AS N'),
    await post('/session/token-request', { requestType: 'RENEW' }, data['masterToken'] as string),
  ]) {
    assert.equal(answer.code, '390111');
    assert.match(answer.message ?? '', /access is locked/);
  }
  assert.equal(account.sessionCount, 0);
  const close = bench.log.entries.find(({ type }) => type === 'session.close');
  assert.equal(close?.detail?.['reason'], 'locked');
});

test('when the account ends its session, ours ends; an unreachable account at log-in is told', async () => {
  await start();
  const token = await open();
  account.endSessions();
  const answer = await query(token, 'SELECT 1 AS N');
  assert.match(answer.message ?? '', /SP_UPSTREAM_LOST/);
  await until(() => gate.adapter.liveSessions === 0);
});

test('a drain lets running statements finish and takes no new ones; held ones are let go', async () => {
  await start({ limits: { pollMs: 100 } });
  const token = await open();
  const running = await query(token, "SELECT SYSTEM$WAIT(600, 'MILLISECONDS') AS W");
  assert.equal(running.code, '333333');
  const polling = settled(token, running);
  const drained = gate.adapter.drain(AbortSignal.timeout(10_000));
  assert.equal((await polling).success, true);
  await drained;
  assert.equal(gate.adapter.liveSessions, 0);
  assert.equal(account.sessionCount, 0);
});

test('EXTERNALBROWSER: the browser logs in, the driver gets a code that is worth nothing without its proof key', async () => {
  const begun: string[] = [];
  await start({
    browserLogin: {
      providers: [{ name: 'corp', label: 'Corp' }],
      begin: async (provider, { redirectUri, returnTo }) => {
        begun.push(redirectUri);
        return { url: `http://idp.example/authorize?p=${provider}`, transaction: `tx-${returnTo}` };
      },
      finish: async (transaction, { query: back }) => {
        if (!back.includes('code=right')) throw new SallyportError('SP_AUTH_INVALID_TOKEN', 'no');
        return { token: GOOD_TOKEN, returnTo: transaction.slice(3) };
      },
    },
  });
  const { data } = await post('/session/authenticator-request', {
    data: { ACCOUNT_NAME: 'anything', LOGIN_NAME: 'x', AUTHENTICATOR: 'EXTERNALBROWSER', BROWSER_MODE_REDIRECT_PORT: '4711' },
  });
  const browse = (url: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers }> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(url, { headers: { 'sec-fetch-mode': 'navigate', ...headers } }, (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, headers: new Headers(response.headers as never) });
      });
      request.on('error', reject).end();
    });
  const away = await browse(data['ssoUrl'] as string);
  assert.equal(away.headers.get('location'), 'http://idp.example/authorize?p=corp');
  const cookie = (away.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  assert.match(away.headers.get('set-cookie') ?? '', /HttpOnly; SameSite=Lax/);
  assert.deepEqual(begun, [urlOf('/gw/callback/corp')]);
  assert.equal((await browse(urlOf('/gw/callback/corp?code=right&state=s'))).status, 400);
  assert.equal((await browse(urlOf('/gw/callback/corp?code=wrong&state=s'), { cookie })).status, 400);
  assert.equal((await browse(data['ssoUrl'] as string, { 'sec-fetch-dest': 'image' })).status, 400);
  const back = await browse(urlOf('/gw/callback/corp?code=right&state=s'), { cookie });
  const location = new URL(back.headers.get('location') ?? '');
  assert.equal(location.origin, 'http://localhost:4711');
  const TOKEN = location.searchParams.get('token') ?? '';
  assert.ok(!TOKEN.includes(GOOD_TOKEN));
  const browser = { AUTHENTICATOR: 'EXTERNALBROWSER', TOKEN, PASSWORD: undefined };
  assert.equal((await login({ ...browser, PROOF_KEY: data['proofKey'] })).success, true);
  assert.equal((await login({ ...browser, PROOF_KEY: data['proofKey'] })).success, false);
  const own = await browse(urlOf(`/console/login?login_name=x&browser_mode_redirect_port=4712&proof_key=${'k'.repeat(44)}`));
  assert.match(own.headers.get('location') ?? '', /\/gw\/login\//);
});
