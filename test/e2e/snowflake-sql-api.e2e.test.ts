// The SQL API with plain HTTP: first sessions, holds and handles with a planner that knows its statements by heart, then the whole gateway
// before the fake account.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Decision } from '../../src/core/decision.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { ApprovalOutcome } from '../../src/core/ports.ts';
import { allow, type Bench, benchOf, deny, hold } from '../../src/session/testing.ts';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { auditEntries, callApi, until } from '../support/small-clinic.ts';
import {
  GOOD_TOKEN,
  type GateOptions,
  type Knowledge,
  out,
  redacted,
  type SnowflakeGate,
  startSnowflakeGate,
} from '../support/snowflake-gate.ts';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly code: string;
    readonly sqlState?: string;
    readonly message: string;
    readonly statementHandle: string;
    readonly statementHandles?: readonly string[];
    readonly statementStatusUrl: string;
    readonly createdOn?: number;
    readonly data: readonly (readonly (string | null)[])[];
    readonly stats?: Record<string, number>;
    readonly resultSetMetaData: {
      readonly numRows: number;
      readonly format: string;
      readonly rowType: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[];
      readonly partitionInfo: readonly { readonly rowCount: number }[];
    };
  };
}

interface Sent {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

let port = 0;
let token = GOOD_TOKEN;

async function call(method: string, path: string, body: unknown, { token: own = token, headers = {} }: Sent = {}): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(own === null ? {} : { authorization: `Bearer ${own}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as Answer['body'] };
}

const submit = (statement: string, more: object = {}, query = '', sent: Sent = {}): Promise<Answer> =>
  call('POST', `/api/v2/statements${query}`, { statement, ...more }, sent);
const status = (handle: string, query = '', sent: Sent = {}): Promise<Answer> =>
  call('GET', `/api/v2/statements/${handle}${query}`, undefined, sent);
const cancel = (handle: string, sent: Sent = {}): Promise<Answer> => call('POST', `/api/v2/statements/${handle}/cancel`, undefined, sent);

async function finished(handle: string, sent: Sent = {}): Promise<Answer> {
  for (let tries = 0; ; tries += 1) {
    const answer = await status(handle, '', sent);
    if (answer.status !== 202) return answer;
    assert.ok(tries < 200, 'it never finished');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const never = '01b00000-0000-0000-0000-000000000000';

describe('sessions of the SQL API', () => {
  const knowledge: readonly Knowledge[] = [
    { text: /^SELECT ID, SSN FROM PATIENTS/, statements: () => [{ verb: 'SELECT', outputs: [out('ID'), redacted('SSN')], mayTell: true }] },
    { text: /^SELECT 1 AS N$/, statements: () => [{ verb: 'SELECT', outputs: [out('N')] }] },
    { text: /^SELECT 1 AS X, 2 AS Y$/, statements: () => [{ verb: 'SELECT', outputs: [out('X')] }] },
    { text: /^SELECT \? AS A, \? AS B$/, statements: () => [{ verb: 'SELECT', outputs: [out('A'), out('B')] }] },
    { text: /^SELECT SYSTEM\$WAIT/, statements: () => [{ verb: 'SELECT', outputs: [out('W')] }] },
    {
      text: /^USE SCHEMA LEGACY; SELECT 1 AS N/,
      statements: () => [{ verb: 'USE' }, { verb: 'SELECT', outputs: [out('N')] }],
    },
    {
      text: /^SELECT 1 AS N; SELECT ID, SSN/,
      statements: () => [
        { verb: 'SELECT', outputs: [out('N')] },
        { verb: 'SELECT', outputs: [out('ID'), redacted('SSN')] },
      ],
    },
    { text: /^USE SCHEMA LEGACY$/, statements: () => [{ verb: 'USE' }], facts: { effects: [] } },
  ];
  let account: FakeAccount;
  let bench: Bench;
  let gate: SnowflakeGate;
  let decide: () => Decision;

  beforeEach(async () => {
    token = GOOD_TOKEN;
    account = await FakeAccount.start();
    decide = () => allow;
    bench = benchOf(() => decide());
  });

  afterEach(async () => {
    await gate.close();
    await account.close();
  });

  async function start(options: Partial<GateOptions> = {}): Promise<void> {
    gate = await startSnowflakeGate({ bench, account, knowledge, ...options });
    port = gate.port;
  }

  test('a statement of one identity runs in one session of the gate, masked and recorded', async () => {
    await start();
    const answer = await submit('SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 2', { timeout: 60 });
    assert.equal(answer.status, 200);
    const { body } = answer;
    assert.deepEqual(body.data, [
      ['1', '***'],
      ['2', '***'],
    ]);
    assert.equal(body.code, '090001');
    assert.equal(body.sqlState, '00000');
    assert.deepEqual(
      body.resultSetMetaData.rowType.map(({ name, type, nullable }) => ({ name, type, nullable })),
      [
        { name: 'ID', type: 'fixed', nullable: true },
        { name: 'SSN', type: 'text', nullable: true },
      ],
    );
    assert.equal(body.resultSetMetaData.format, 'jsonv2');
    assert.equal(body.statementStatusUrl, `/api/v2/statements/${body.statementHandle}`);
    assert.ok(Math.abs((body.createdOn ?? 0) - Date.now()) < 60_000);
    assert.match(answer.headers.get('link') ?? '', /partition=0>; rel="first".*rel="last"/);
    assert.equal((await submit('SELECT 1 AS N')).status, 200);
    assert.equal(account.logins.length, 1);
    assert.equal(gate.adapter.liveSessions, 1);
    assert.equal(account.heard[0]?.parameters['STATEMENT_TIMEOUT_IN_SECONDS'], 60);
    assert.match(account.heard[0]?.queryTag ?? '', /"principal":"corp\/agent-1"/);
    assert.ok(!JSON.stringify(account.logins).includes(GOOD_TOKEN));
    assert.ok(bench.log.types().includes('session.open'));
    assert.equal(bench.log.entries.filter(({ type }) => type === 'request.result').length, 2);
    const again = await status(body.statementHandle);
    assert.deepEqual(again.body.data, body.data);
    assert.equal(account.texts.length, 2);
  });

  test('only bearer tokens of the identity provider are taken', async () => {
    await start();
    const refused = async (sent: Sent): Promise<(string | number | undefined)[]> => {
      const { status: code, body } = await submit('SELECT 1 AS N', {}, '', sent);
      return [code, body.code];
    };
    const type = 'x-snowflake-authorization-token-type';
    assert.deepEqual(await refused({ token: 'bad-token' }), [401, '390303']);
    assert.deepEqual(await refused({ token: 'expired-token' }), [401, '390318']);
    assert.deepEqual(await refused({ token: null }), [401, '390303']);
    assert.deepEqual(await refused({ token: null, headers: { authorization: `Snowflake Token="${GOOD_TOKEN}"` } }), [401, '390303']);
    assert.deepEqual(await refused({ headers: { [type]: 'KEYPAIR_JWT' } }), [401, '390144']);
    assert.deepEqual(await refused({ headers: { [type]: 'SOMETHING' } }), [401, '390303']);
    assert.equal((await status(never, '', { token: 'bad-token' })).status, 401);
    assert.equal((await cancel(never, { token: 'bad-token' })).status, 401);
    for (const kind of ['OAUTH', 'PROGRAMMATIC_ACCESS_TOKEN'])
      assert.equal((await submit('SELECT 1 AS N', {}, '', { headers: { [type]: kind } })).status, 200);
    assert.equal(bench.log.types().filter((entry) => entry === 'auth.fail').length, 4);
    assert.equal(account.texts.length, 2);
  });

  test('the target is named by path, by header, or is the only one', async () => {
    await start();
    const to = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
      call('POST', path, { statement: 'SELECT 1 AS N' }, { headers });
    const named = await to('/t/clinic/api/v2/statements');
    assert.equal(named.status, 200);
    assert.equal(named.body.statementStatusUrl, `/t/clinic/api/v2/statements/${named.body.statementHandle}`);
    assert.equal((await call('GET', named.body.statementStatusUrl, undefined)).status, 200);
    assert.equal((await call('GET', named.body.statementStatusUrl.replace('clinic', 'other'), undefined)).status, 404);
    assert.equal((await to('/api/v2/statements', { 'snowflake-account': 'CLINIC' })).status, 200);
    const nowhere = await to('/t/nowhere/api/v2/statements');
    assert.equal(nowhere.status, 403);
    bench.access = false;
    const closed = await to('/api/v2/statements', { 'user-agent': 'x' }).then(() =>
      call('POST', '/api/v2/statements', { statement: 'SELECT 1 AS N', schema: 'PUBLIC' }),
    );
    assert.deepEqual([closed.status, closed.body.message], [nowhere.status, nowhere.body.message]);
    const both = await to('/t/clinic/api/v2/statements', { 'snowflake-account': 'other' });
    assert.deepEqual([both.status, both.body.code], [400, '390400']);
  });

  test('what is not understood of a request is refused before anything runs', async () => {
    await start();
    const faults: (readonly [unknown, string, number])[] = [
      ['{', '', 400],
      [[], '', 400],
      [{}, '', 400],
      [{ statement: 1 }, '', 400],
      [{ statement: 'SELECT 1 AS N', describeOnly: true }, '', 400],
      [{ statement: 'SELECT 1 AS N', timeout: -1 }, '', 400],
      [{ statement: 'SELECT 1 AS N', timeout: '9' }, '', 400],
      [{ statement: 'SELECT 1 AS N', database: 1 }, '', 400],
      [{ statement: 'SELECT 1 AS N', bindings: { name: { type: 'TEXT', value: 'x' } } }, '', 400],
      [{ statement: 'SELECT 1 AS N', parameters: [] }, '', 400],
      [{ statement: 'SELECT 1 AS N', parameters: { MULTI_STATEMENT_COUNT: -1 } }, '', 400],
      [{ statement: 'SELECT 1 AS N', parameters: { JS_DRIVER_QUERY_RESULT_FORMAT: 'ARROW' } }, '', 200],
      [{ statement: 'SELECT 1 AS N', parameters: { ENABLE_UNLOAD_PHYSICAL_TYPE_OPTIMIZATION: true } }, '', 422],
      [{ statement: 'SELECT 1 AS N', resultSetMetaData: { format: 'arrow' } }, '', 400],
      [{ statement: 'SELECT 1 AS N', role: 'ACCOUNTADMIN' }, '', 422],
      [{ statement: 'SELECT 1 AS N' }, '?async=perhaps', 400],
      [{ statement: 'SELECT 1 AS N' }, '?requestId=1', 400],
      [{ statement: 'SELECT 1 AS N' }, '?nullable=0', 400],
    ];
    for (const [body, query, wanted] of faults.filter(([, , code]) => code !== 200)) {
      const answer = await call('POST', `/api/v2/statements${query}`, body);
      assert.equal(answer.status, wanted, `${JSON.stringify(body)} ${query}: ${answer.body.message}`);
      assert.match(answer.body.message, /^sallyport: /);
    }
    assert.equal((await submit('SELECT 1 AS N', {}, '', { headers: { 'content-type': 'text/plain' } })).status, 415);
    assert.equal((await status(never, '?partition=-1')).status, 400);
    assert.deepEqual(account.texts, []);
    for (const path of ['/api/v2/databases', '/api/v2/cortex/agent:run', '/t/clinic/api/v2/users', '/api/v2/statements/x/y']) {
      const answer = await call('GET', path.replace(':', '-'), undefined);
      assert.deepEqual([answer.status, answer.body.code], [404, '390404'], path);
    }
    assert.equal((await call('DELETE', '/api/v2/statements', undefined)).status, 404);
  });

  test('a denial is 422 with the code of one, and nothing reaches the account', async () => {
    await start();
    decide = () => deny;
    const { status: code, body } = await submit('SELECT 1 AS N');
    assert.deepEqual([code, body.code, body.sqlState], [422, '003001', '42501']);
    assert.match(body.message, /sallyport: no\. reasons: rule; rules: no-ddl\..*Session ses_/s);
    decide = () => allow;
    for (const text of ['PUT file:///etc/passwd @~', 'GET @~/x file:///tmp', 'GRANT ALL'])
      assert.equal((await submit(text)).status, 422, text);
    assert.deepEqual(account.texts, []);
  });

  test('an answer that is not of the planned shape tells nothing, and is an alarm', async () => {
    await start();
    const { status: code, body } = await submit('SELECT 1 AS X, 2 AS Y');
    assert.equal(code, 422);
    assert.equal(body.data, undefined);
    assert.ok(bench.log.entries.some(({ type, detail }) => type === 'alarm' && detail?.['code'] === 'lineage-disagreement'));
  });

  test('a held statement is 202 at once, waits for its approval however seldom it is asked for, and runs once', async () => {
    await start({ limits: { lostClientMs: 50, pollMs: 50, apiIdleMs: 50 } });
    const answered = Promise.withResolvers<ApprovalOutcome>();
    bench.desk.wait = () => answered.promise;
    decide = () => hold;
    const held = await submit('SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1');
    assert.deepEqual([held.status, held.body.code], [202, '333334']);
    assert.match(held.body.message, /held for approval apr_/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal((await status(held.body.statementHandle)).status, 202);
    assert.deepEqual(account.texts, []);
    answered.resolve({ outcome: 'approved', approval: 'apr_1' as never });
    const done = await finished(held.body.statementHandle);
    assert.equal(done.status, 200);
    assert.deepEqual(done.body.data, [['1', '***']]);
    assert.equal(done.body.statementHandle, held.body.statementHandle);
    assert.equal(account.texts.length, 1);
  });

  test('cancel ends what is held and what runs; what is over cannot be cancelled', async () => {
    await start({ limits: { pollMs: 100 } });
    bench.desk.wait = (id, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ outcome: 'cancelled', approval: id })));
    decide = () => hold;
    const held = await submit('SELECT 1 AS N');
    const cancelled = await cancel(held.body.statementHandle);
    assert.equal(cancelled.status, 200);
    assert.match(cancelled.body.message, /canceled/);
    const over = await finished(held.body.statementHandle);
    assert.deepEqual([over.status, over.body.code, over.body.sqlState], [422, '000604', '57014']);
    assert.deepEqual(account.texts, []);
    decide = () => allow;
    const running = await submit('SELECT SYSTEM$WAIT(30) AS W');
    assert.equal(running.status, 202);
    assert.equal((await cancel(running.body.statementHandle)).status, 200);
    assert.equal((await finished(running.body.statementHandle)).body.code, '000604');
    assert.equal((await cancel(running.body.statementHandle)).status, 422);
    assert.equal((await cancel(never)).status, 404);
  });

  test('async=true gives a handle; the result is asked for by it', async () => {
    await start();
    const begun = await submit('SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1', {}, '?async=true');
    assert.equal(begun.status, 202);
    assert.deepEqual((await finished(begun.body.statementHandle)).body.data, [['1', '***']]);
  });

  test('a request that is sent again joins; another text under its id is refused', async () => {
    await start();
    const query = `?requestId=${randomUUID()}`;
    const [first, second] = await Promise.all([submit('SELECT 1 AS N', {}, query), submit('SELECT 1 AS N', {}, `${query}&retry=true`)]);
    assert.deepEqual([first.body.data, second.body.data], [[['1']], [['1']]]);
    assert.equal(account.texts.length, 1);
    assert.equal((await submit('SELECT ID, SSN FROM PATIENTS', {}, query)).status, 400);
    const several = `?requestId=${randomUUID()}`;
    const text = 'SELECT 1 AS N; SELECT ID, SSN FROM PATIENTS LIMIT 1';
    const parameters = { MULTI_STATEMENT_COUNT: '2' };
    await Promise.all([submit(text, { parameters }, several), submit(text, { parameters }, `${several}&retry=true`)]);
    assert.equal(account.logins.length, 2);
  });

  test('several statements: handles of each, masked with their own plans; what they change stays theirs', async () => {
    await start();
    const answer = await submit('SELECT 1 AS N; SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1', {
      parameters: { MULTI_STATEMENT_COUNT: '0' },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body.data, [['Multiple statements executed successfully.']]);
    const [one = '', two = ''] = answer.body.statementHandles ?? [];
    assert.deepEqual((await status(one)).body.data, [['1']]);
    assert.deepEqual((await status(two)).body.data, [['1', '***']]);
    await submit('SELECT 1 AS N');
    await submit('USE SCHEMA LEGACY');
    await submit('USE SCHEMA LEGACY; SELECT 1 AS N', { parameters: { MULTI_STATEMENT_COUNT: '2' } });
    await submit('SELECT 1 AS N');
    assert.deepEqual(gate.planned.at(-1), { text: 'SELECT 1 AS N', database: 'CLINIC', schema: 'PUBLIC' });
    await submit('SELECT 1 AS N', { schema: 'LEGACY' });
    assert.deepEqual(gate.planned.at(-1), { text: 'SELECT 1 AS N', database: 'CLINIC', schema: 'LEGACY' });
  });

  test('binds; NULL as text when it is asked for, also in what is read again', async () => {
    await start();
    const bindings = { 1: { type: 'TEXT', value: 'x' }, 2: { type: 'TEXT', value: null } };
    const plain = await submit('SELECT ? AS A, ? AS B', { bindings });
    assert.deepEqual(plain.body.data, [['x', null]]);
    const text = await submit('SELECT ? AS A, ? AS B', { bindings }, '?nullable=false');
    assert.deepEqual(text.body.data, [['x', 'null']]);
    assert.deepEqual((await status(text.body.statementHandle)).body.data, [['x', 'null']]);
    assert.deepEqual((await status(plain.body.statementHandle)).body.data, [['x', null]]);
  });

  test('a session that nobody uses ends, and one that must end takes its handles with it', async () => {
    await start({ limits: { apiIdleMs: 100 } });
    const first = await submit('SELECT 1 AS N');
    await until('the session ends', () => gate.adapter.liveSessions === 0);
    const gone = await status(first.body.statementHandle);
    const unknown = await status(never);
    assert.deepEqual(
      [gone.status, gone.body.message.replace(first.body.statementHandle, '?')],
      [unknown.status, unknown.body.message.replace(never, '?')],
    );
    const second = await submit('SELECT 1 AS N');
    bench.gate.endAll(new SallyportError('SP_SESSION_ENDED', 'x'));
    await until('the session ends', () => gate.adapter.liveSessions === 0);
    assert.equal((await status(second.body.statementHandle)).status, 404);
    assert.equal((await submit('SELECT 1 AS N')).status, 200);
    assert.equal(account.logins.length, 3);
    await until('sessions of the account end', () => account.sessionCount <= 1);
  });
});

describe('the SQL API of the whole gateway', () => {
  const policy = `version: 1
classes:
  - { class: phi.ssn, columns: ["warehouse:public.patients.ssn"] }
  - { class: phi.dob, columns: ["warehouse:public.patients.dob"] }
  - { class: phi.mrn, columns: ["*:*.patients*.mrn"], predicates: equality }
roles:
  - { role: agents, members: [{ issuer: corp, group: agents }] }
  - { role: officer, members: [{ issuer: corp, group: officers }] }
  - { role: clinician, members: [{ issuer: corp, group: clinicians }] }
access:
  - { role: agents, targets: [warehouse], effects: [read, write] }
  - { role: clinician, targets: [warehouse], effects: [read] }
masks:
  - { class: phi.mrn, mask: token }
  - { class: phi.dob, mask: year }
  - { class: "*", roles: [clinician], mask: clear }
rules:
  - { name: encounters-wait, when: "'CLINIC.PUBLIC.ENCOUNTERS' in request.relations", then: hold, approvers: { role: officer }, within: 5m }
`;
  let account: FakeAccount;
  let gateway: TestGateway;
  let officer = '';
  const at = { database: 'CLINIC', schema: 'PUBLIC' };

  before(async () => {
    account = await FakeAccount.start();
    gateway = await startTestGateway({ targets: [], snowflake: [{ name: 'warehouse', account, databases: ['clinic'] }], policy });
    officer = await gateway.issuer.token('olivia', { groups: ['officers'], kind: 'person' });
  });

  beforeEach(async () => {
    port = gateway.snowflakePort;
    token = await gateway.issuer.token('a', { groups: ['agents'] });
    account.sizes.inlineRows = 1000;
  });

  after(async () => {
    await gateway.close();
    await account.close();
  });

  test('masks, tokens and predicates are those of drivers; names are told case by case', async () => {
    const { status: code, body } = await submit('SELECT id, ssn, mrn FROM patients ORDER BY id LIMIT 1', at);
    assert.equal(code, 200, body.message);
    const [id, ssn, mrn] = body.data[0] ?? [];
    assert.deepEqual([id, ssn], ['1', '***']);
    assert.match(String(mrn), /^tok_mrn_/);
    const found = await submit('SELECT id FROM patients WHERE mrn = ?', { ...at, bindings: { 1: { type: 'TEXT', value: mrn } } });
    assert.deepEqual(found.body.data, [['1']]);
    const refused = await submit("SELECT id FROM patients WHERE ssn LIKE '1%'", at);
    assert.deepEqual([refused.status, refused.body.code, refused.body.sqlState], [422, '003001', '42501']);
    assert.match(refused.body.message, /protected-use/);
    const elsewhere = await submit('SELECT id FROM patients', { database: 'clinic', schema: 'PUBLIC' });
    assert.equal(elsewhere.status, 422);
    for (const text of ['PUT file:///etc/passwd @~', 'LIST @~', 'SELECT $1 FROM @~/x', 'COPY INTO @~/x FROM patients']) {
      assert.deepEqual((await submit(text, at)).body.code, '003001', text);
    }
    const clinician = { token: await gateway.issuer.token('c', { groups: ['clinicians'] }) };
    const clear = await submit('SELECT ssn FROM patients LIMIT 1', at, '', clinician);
    assert.match(String(clear.body.data[0]?.[0]), /^\d{3}-\d{2}-\d{4}$/);
  });

  const shapes = 'SELECT flag, day, at_time, at_ntz, at_ltz, at_tz, money, rate, bin, label FROM shapes ORDER BY id';
  const first = ['true', '19782', '47655.123000000', '1709212455.123456000', '1709212455.500000000', '-0.750000000 1440', '12.50'];

  test('values of every type are written as jsonv2, in the first partition and in later ones', async () => {
    const whole = await submit(shapes, at);
    assert.equal(whole.status, 200, whole.body.message);
    assert.deepEqual(whole.body.data[0]?.slice(0, first.length), first);
    assert.deepEqual([whole.body.data[0]?.[8], whole.body.data[1]?.[0]], ['00FF10', 'false']);
    assert.deepEqual(
      whole.body.data[2],
      Array.from({ length: 10 }, () => null),
    );
    account.sizes.inlineRows = 0;
    account.sizes.chunkRows = 2;
    const parts = await submit(shapes, at, '?nullable=false');
    assert.deepEqual(
      parts.body.resultSetMetaData.partitionInfo.map(({ rowCount }) => rowCount),
      [0, 2, 1],
    );
    const one = await status(parts.body.statementHandle, '?partition=1');
    const two = await status(parts.body.statementHandle, '?partition=2');
    assert.deepEqual(one.body.data, whole.body.data.slice(0, 2));
    assert.deepEqual(two.body.data, [Array.from({ length: 10 }, () => 'null')]);
  });

  test('partitions are masked, zipped for those who take it, and nobody else finds them', async () => {
    account.sizes.inlineRows = 2;
    account.sizes.chunkRows = 3;
    const text = 'SELECT id, ssn, mrn, dob, active FROM patients ORDER BY id LIMIT 7';
    const answer = await submit(text, at);
    assert.equal(answer.body.resultSetMetaData.numRows, 7);
    assert.deepEqual(
      answer.body.resultSetMetaData.partitionInfo.map(({ rowCount }) => rowCount),
      [2, 3, 2],
    );
    assert.doesNotMatch(JSON.stringify(answer.body), /https?:/);
    const handle = answer.body.statementHandle;
    const second = await status(handle, '?partition=1');
    assert.equal(second.headers.get('content-encoding'), 'gzip');
    assert.match(second.headers.get('link') ?? '', /partition=0>; rel="prev".*partition=2>; rel="next"/);
    const plain = await status(handle, '?partition=1', { headers: { 'accept-encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
    assert.deepEqual(plain.body, second.body);
    const third = await status(handle, '?partition=2');
    const rows = [...answer.body.data, ...second.body.data, ...third.body.data];
    assert.deepEqual(
      rows.map(([id]) => id),
      ['1', '2', '3', '4', '5', '6', '7'],
    );
    for (const [, ssn, mrn, , active] of rows) {
      assert.equal(ssn, '***');
      assert.match(String(mrn), /^tok_mrn_/);
      assert.match(String(active), /^(?:true|false)$/);
    }
    account.sizes.inlineRows = 1000;
    const whole = await submit(text, at);
    assert.deepEqual(rows, whole.body.data);
    assert.equal((await status(handle, '?partition=3')).status, 400);
    const others = [
      await gateway.issuer.token('b', { groups: ['agents'] }),
      await gateway.issuer.token('a', { groups: ['agents', 'clinicians'] }),
      await gateway.issuer.token('a', { groups: [] }),
    ];
    for (const other of others) {
      for (const query of ['', '?partition=0', '?partition=1']) {
        const foreign = await status(handle, query, { token: other });
        const unknown = await status(never, query, { token: other });
        assert.deepEqual([foreign.status, foreign.body.message.replace(handle, '?')], [404, unknown.body.message.replace(never, '?')]);
      }
      assert.equal((await cancel(handle, { token: other })).status, 404);
    }
    const renewed = { token: await gateway.issuer.token('a', { groups: ['agents'], jti: 'another' }, { expiresInS: 500 }) };
    assert.equal((await status(handle, '?partition=1', renewed)).status, 200);
  });

  test('rows of partitions are those of one recorded result, and a change counts its rows', async () => {
    account.sizes.inlineRows = 2;
    account.sizes.chunkRows = 3;
    await submit('SELECT id, ssn FROM patients ORDER BY id LIMIT 7', at);
    const entries = await auditEntries(gateway, gateway.running.api.port, officer);
    const result = entries.findLast(({ type }) => type === 'request.result') as unknown as { result: { rows: number; code: string } };
    assert.deepEqual([result.result.rows, result.result.code], [7, 'ok']);
    const written = await submit("INSERT INTO scratch (k) VALUES ('a'), ('b')", at);
    assert.equal(written.status, 200, written.body.message);
    assert.deepEqual(written.body.data, [['2']]);
    const stored = await submit('INSERT INTO scratch (k) SELECT ssn FROM patients', at);
    assert.equal(stored.body.code, '003001');
    const temporary = await submit('CREATE TEMPORARY TABLE mine (k VARCHAR)', at);
    const missing = await submit('SELECT k FROM mine', at);
    assert.deepEqual([temporary.status === 200 || temporary.status === 422, missing.status], [true, 422]);
  });

  test('a held statement is 202 until somebody has approved it', async () => {
    const held = await submit('SELECT COUNT(*) AS n FROM encounters', at);
    assert.deepEqual([held.status, held.body.code], [202, '333334']);
    const { text } = await callApi(gateway, gateway.running.api.port, officer, '/v1/approvals?state=pending');
    const [approval] = (JSON.parse(text) as { approvals: { id: string }[] }).approvals;
    assert.ok(held.body.message.includes(String(approval?.id)));
    assert.equal((await status(held.body.statementHandle)).status, 202);
    const heard = account.texts.filter((each) => each.includes('encounters')).length;
    assert.equal(heard, 0);
    await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${approval?.id}/answer`, { verdict: 'approve' });
    const done = await finished(held.body.statementHandle);
    assert.ok(Number(done.body.data[0]?.[0]) > 0);
  });

  test('an error of the account keeps its code, a timeout is 408', async () => {
    account.answer('SELECT id FROM drugs', {
      error: { code: '000630', sqlState: '57014', message: 'Statement reached its statement or warehouse timeout.' },
    });
    const late = await submit('SELECT id FROM drugs', { ...at, timeout: 1 });
    assert.deepEqual([late.status, late.body.code, late.body.sqlState], [408, '000630', '57014']);
  });
});
