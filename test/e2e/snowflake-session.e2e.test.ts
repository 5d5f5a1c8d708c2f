// The real driver (snowflake-sdk) through the adapter to the fake account: log-in, sessions, statements, holds, cancel, renewal.
// The planner is a double that knows these statements; the engine has tests of its own.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import snowflake, { type Connection, type RowStatement } from 'snowflake-sdk';
import type { Decision } from '../../src/core/decision.ts';
import type { ApprovalOutcome } from '../../src/core/ports.ts';
import { allow, type Bench, benchOf, deny, hold } from '../../src/session/testing.ts';
import { FakeAccount } from '../snowflake/fake/account.ts';
import {
  GOOD_TOKEN,
  type GateOptions,
  type Knowledge,
  out,
  redacted,
  type SnowflakeGate,
  startSnowflakeGate,
} from '../support/snowflake-gate.ts';

snowflake.configure({ logLevel: 'OFF' } as never);

const knowledge: readonly Knowledge[] = [
  { text: /^SELECT ID, SSN FROM PATIENTS/, statements: () => [{ verb: 'SELECT', outputs: [out('ID'), redacted('SSN')], mayTell: true }] },
  { text: /^SELECT ID FROM CLINICS/, statements: () => [{ verb: 'SELECT', outputs: [out('ID')] }] },
  { text: /^SELECT 1 AS N$/, statements: () => [{ verb: 'SELECT', outputs: [out('N')] }] },
  { text: /^SELECT \? AS A, \? AS B$/, statements: () => [{ verb: 'SELECT', outputs: [out('A'), out('B')] }] },
  { text: /^SELECT 1 AS X, 2 AS Y$/, statements: () => [{ verb: 'SELECT', outputs: [out('X')] }] },
  { text: /^SELECT SYSTEM\$WAIT/, statements: () => [{ verb: 'SELECT', outputs: [out('W')] }] },
  {
    text: /^SELECT CAST\(SSN/,
    statements: () => [{ verb: 'SELECT', outputs: [out('N', { mask: 'redact', classes: ['phi.ssn'] })], mayTell: true }],
  },
  { text: /^USE SCHEMA/, statements: () => [{ verb: 'USE' }], facts: { effects: [] } },
  { text: /^INSERT INTO SCRATCH/, statements: () => [{ verb: 'INSERT' }], facts: { effects: ['write'] } },
  {
    text: /^SELECT 1 AS N; SELECT ID, SSN FROM PATIENTS/,
    statements: () => [
      { verb: 'SELECT', outputs: [out('N')] },
      { verb: 'SELECT', outputs: [out('ID'), redacted('SSN')] },
    ],
  },
];

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

async function start(options: Partial<GateOptions> = {}): Promise<void> {
  gate = await startSnowflakeGate({ bench, account, knowledge: [...(options.knowledge ?? []), ...knowledge], ...options });
}

const optionsOf = (change: object = {}): object => ({
  account: 'clinic',
  username: 'somebody',
  accessUrl: `http://127.0.0.1:${gate.port}`,
  authenticator: 'OAUTH',
  token: GOOD_TOKEN,
  ...change,
});

function connect(change: object = {}): Promise<Connection> {
  const connection = snowflake.createConnection(optionsOf(change) as never);
  return new Promise((resolve, reject) =>
    connection.connect((error, connected) => (error === undefined || error === null ? resolve(connected) : reject(error))),
  );
}

type Row = Record<string, unknown>;

function run(connection: Connection, sqlText: string, more: object = {}): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      ...more,
      complete: (error, _statement, rows) => (error === undefined || error === null ? resolve((rows ?? []) as Row[]) : reject(error)),
    });
  });
}

const gone = (connection: Connection): Promise<void> => new Promise((resolve) => connection.destroy(() => resolve()));

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries += 1) {
    assert.ok(tries < 500, 'it never came');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('OAuth, access token, and a password that is a token log in; each is a session of the account of its own', async () => {
  await start();
  for (const change of [{}, { authenticator: 'PROGRAMMATIC_ACCESS_TOKEN' }]) {
    const connection = await connect(change);
    assert.deepEqual(await run(connection, 'SELECT 1 AS N'), [{ N: 1 }]);
    await gone(connection);
  }
  const connection = await connect({ authenticator: 'SNOWFLAKE', password: GOOD_TOKEN, token: undefined });
  assert.deepEqual(await run(connection, 'SELECT 1 AS N'), [{ N: 1 }]);
  await gone(connection);
  assert.equal(account.logins.length, 3);
  assert.ok(account.logins.every(({ AUTHENTICATOR, isGood }) => AUTHENTICATOR === 'SNOWFLAKE_JWT' && isGood));
  assert.ok(!JSON.stringify(account.logins).includes(GOOD_TOKEN));
  assert.equal(account.counts.deletes, 3);
  assert.equal(account.counts.telemetry, 0);
  assert.equal(gate.adapter.liveSessions, 0);
  assert.equal(bench.log.types().filter((type) => type === 'session.close').length, 3);
});

test('a bad token is refused with the code that makes OAuth drivers log in again, an expired one with its own', async () => {
  await start();
  await assert.rejects(connect({ token: 'bad-token' }), { code: '390303' });
  await assert.rejects(connect({ token: 'expired-token' }), { code: '390318' });
  await assert.rejects(connect({ authenticator: 'SNOWFLAKE', password: 'bad-token', token: undefined }), { code: '390100' });
  assert.equal(account.logins.length, 0);
  assert.equal(bench.log.types().filter((type) => type === 'auth.fail').length, 3);
});

test('a target that is not there is refused like one without access', async () => {
  await start();
  const unknown = await connect({ account: 'nowhere' }).catch((error: Error) => error.message);
  bench.access = false;
  const closed = await connect().catch((error: Error) => error.message);
  assert.equal(unknown, closed);
  assert.match(String(closed), /no such target, or no access/);
});

test('rows are masked, recorded before they are given, and the query carries who asks', async () => {
  await start();
  const connection = await connect();
  const rows = await run(connection, 'SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 2');
  assert.equal(rows.length, 2);
  assert.ok(rows.every((row) => row['SSN'] === '***'));
  const [heard] = account.heard;
  assert.match(heard?.queryTag ?? '', /"principal":"corp\/agent-1","session":"ses_/);
  const result = bench.log.entries.findLast(({ type }) => type === 'request.result');
  assert.equal(result?.result?.rows, 2);
  assert.equal(result?.result?.code, 'ok');
  await gone(connection);
});

test('an answer that is not of the planned shape is refused, and an alarm says so', async () => {
  await start();
  const connection = await connect();
  await assert.rejects(run(connection, 'SELECT 1 AS X, 2 AS Y'), /sallyport/);
  assert.ok(bench.log.entries.some(({ type, detail }) => type === 'alarm' && detail?.['code'] === 'lineage-disagreement'));
  await gone(connection);
});

test('a denial is one of access control, says why, and nothing reaches the account', async () => {
  await start();
  const connection = await connect();
  decide = () => deny;
  await assert.rejects(run(connection, 'SELECT 1 AS N'), (error: Error & { code?: string; sqlState?: string }) => {
    assert.equal(error.code, '003001');
    assert.equal(error.sqlState, '42501');
    assert.match(error.message, /sallyport: no\. reasons: rule; rules: no-ddl\..*Session ses_/s);
    return true;
  });
  decide = () => allow;
  await assert.rejects(run(connection, 'GRANT ALL'), /not provably safe|sallyport/);
  assert.deepEqual(account.texts, []);
  await gone(connection);
});

test('text of an error that may tell a protected value is withheld; its code stays', async () => {
  await start();
  const connection = await connect();
  await assert.rejects(run(connection, 'SELECT CAST(SSN AS NUMBER) AS N FROM PATIENTS'), (error: Error & { code?: string }) => {
    assert.match(error.message, /withheld/);
    assert.doesNotMatch(error.message, /\d{3}-\d{2}-\d{4}/);
    return true;
  });
  await gone(connection);
});

test('binds, DML and the schema of the session go through; statements are planned where the session is', async () => {
  await start();
  const connection = await connect();
  assert.deepEqual(await run(connection, 'SELECT ? AS A, ? AS B', { binds: ['x', 'y'] }), [{ A: 'x', B: 'y' }]);
  await run(connection, 'USE SCHEMA LEGACY');
  await run(connection, 'SELECT 1 AS N');
  assert.deepEqual(gate.planned.at(-1), { text: 'SELECT 1 AS N', database: 'CLINIC', schema: 'LEGACY' });
  await run(connection, 'USE SCHEMA PUBLIC');
  assert.deepEqual(await run(connection, "INSERT INTO SCRATCH (K) VALUES ('a')"), [{ 'number of rows inserted': 1 }]);
  await gone(connection);
});

test('an expired token of the account is renewed in the middle; so is one of ours', async () => {
  await start({ limits: { tokenMs: 300 } });
  const connection = await connect();
  account.expireTokens();
  assert.deepEqual(await run(connection, 'SELECT 1 AS N'), [{ N: 1 }]);
  assert.equal(account.counts.renewals, 1);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual(await run(connection, 'SELECT 1 AS N'), [{ N: 1 }]);
  await gone(connection);
});

test('a held statement waits over several polls and runs once it is approved, once', async () => {
  await start({ limits: { pollMs: 150 } });
  const answered = Promise.withResolvers<ApprovalOutcome>();
  bench.desk.wait = () => answered.promise;
  const connection = await connect();
  decide = () => hold;
  const rows = run(connection, 'SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1');
  await until(() => bench.log.types().includes('request.held'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(account.texts, []);
  answered.resolve({ outcome: 'approved', approval: 'apr_1' as never });
  assert.equal((await rows)[0]?.['SSN'], '***');
  assert.equal(account.texts.length, 1);
  await gone(connection);
});

test('a held statement that its client cancels ends as cancelled, and nothing reaches the account', async () => {
  await start({ limits: { pollMs: 150 } });
  bench.desk.wait = (id, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve({ outcome: 'cancelled', approval: id })));
  const connection = await connect();
  decide = () => hold;
  let statement: RowStatement | undefined;
  const failed = new Promise<Error & { code?: string }>((resolve) => {
    statement = connection.execute({ sqlText: 'SELECT 1 AS N', complete: (error) => resolve(error as never) });
  });
  await until(() => bench.log.types().includes('request.held'));
  await new Promise<void>((resolve, reject) => statement?.cancel((error) => (error ? reject(error) : resolve())));
  assert.equal((await failed).code, '000604');
  assert.deepEqual(account.texts, []);
  await gone(connection);
});

test('a denial by a reviewer, and one that nobody answered, are told', async () => {
  await start({ limits: { pollMs: 150 } });
  const connection = await connect();
  decide = () => hold;
  bench.desk.outcome = 'denied';
  await assert.rejects(run(connection, 'SELECT 1 AS N'), /a reviewer denied the statement/);
  bench.desk.outcome = 'expired';
  await assert.rejects(run(connection, 'SELECT 1 AS N'), /nobody approved the statement in time/);
  await gone(connection);
});

test('several statements: each result by its own id, masked with its own plan', async () => {
  await start();
  const connection = await connect();
  const all: Row[][] = [];
  await new Promise<void>((resolve, reject) => {
    connection.execute({
      sqlText: 'SELECT 1 AS N; SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1',
      parameters: { MULTI_STATEMENT_COUNT: 2 },
      complete: (error: unknown, statement: RowStatement, rows: unknown) => {
        if (error !== undefined && error !== null) return reject(error as Error);
        all.push((rows ?? []) as Row[]);
        const several = statement as RowStatement & { hasNext: () => boolean; NextResult: () => void };
        if (several.hasNext()) several.NextResult();
        else resolve();
      },
    } as never);
  });
  assert.deepEqual(all[0], [{ N: 1 }]);
  assert.equal(all[1]?.[0]?.['SSN'], '***');
  await gone(connection);
});

test('asynchronous execution: an id at once, monitored, read by id, masked', async () => {
  await start();
  const connection = await connect();
  const queryId = await new Promise<string>((resolve, reject) => {
    connection.execute({
      sqlText: 'SELECT ID, SSN FROM PATIENTS ORDER BY ID LIMIT 1',
      asyncExec: true,
      complete: (error: unknown, statement: RowStatement) =>
        error !== undefined && error !== null ? reject(error as Error) : resolve(statement.getQueryId()),
    } as never);
  });
  const statement = await connection.getResultsFromQueryId({ sqlText: '', queryId } as never);
  const rows: Row[] = [];
  for await (const row of statement.streamRows()) rows.push(row as Row);
  assert.equal(rows[0]?.['SSN'], '***');
  await gone(connection);
});

test('an id of another session is as unknown as one that there never was', async () => {
  await start();
  const [one, other] = [await connect(), await connect()];
  const queryId = await new Promise<string>((resolve, reject) => {
    one.execute({
      sqlText: 'SELECT 1 AS N',
      complete: (error, statement) => (error !== undefined && error !== null ? reject(error) : resolve(statement.getQueryId())),
    });
  });
  const failureOf = (id: string): Promise<string> =>
    new Promise((resolve) => {
      other.fetchResult({
        sqlText: '',
        queryId: id,
        complete: (error: unknown) => resolve((error as Error).message.replace(id, '?')),
      } as never);
    });
  const foreign = await failureOf(queryId);
  assert.equal(foreign, await failureOf('01b00000-0000-0000-0000-000000000000'));
  assert.match(foreign, /not found/);
  await gone(one);
  await gone(other);
});

test('when the session must end, its driver is told, and the account session is closed', async () => {
  await start();
  const connection = await connect();
  bench.gate.endAll(new (await import('../../src/core/error.ts')).SallyportError('SP_SESSION_ENDED', 'x'));
  await until(() => gate.adapter.liveSessions === 0);
  await assert.rejects(run(connection, 'SELECT 1 AS N'));
  assert.equal(account.sessionCount, 0);
});
