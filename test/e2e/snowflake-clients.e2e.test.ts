// The drivers of Node, newest and oldest, on the fake account itself (which proves the account) and through a gateway.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RowStatement } from 'snowflake-sdk';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { clientsPolicy } from '../snowflake/policy.ts';
import { NodeClient, type NodeDriver, nodeDrivers } from '../support/snowflake-node.ts';
import { type SnowflakeGateway, startSnowflakeGateway } from '../support/snowflake-gateway.ts';

type Way = 'direct' | 'gate';

let account: FakeAccount;
let gate: SnowflakeGateway;
let agent: string;

before(async () => {
  account = await FakeAccount.start();
  account.sizes.inlineRows = 10;
  account.sizes.chunkRows = 25;
  account.waitMs = 2000;
  gate = await startSnowflakeGateway({ targets: [{ name: 'clinic', account }], policy: clientsPolicy(['clinic']) });
  agent = await gate.gateway.issuer.token('agent', { groups: ['agents'] }, { expiresInS: 3600 });
});

after(async () => {
  await gate?.close();
  await account?.close();
});

const optionsOf = (way: Way): Readonly<Record<string, unknown>> =>
  way === 'direct'
    ? {
        account: account.account,
        username: account.user,
        accessUrl: account.url,
        authenticator: 'SNOWFLAKE_JWT',
        privateKey: account.privateKeyPem,
      }
    : { account: 'clinic', username: 'agent', accessUrl: gate.url, authenticator: 'OAUTH', token: agent };

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 500, 'it never came');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Once on the account and once through the gateway, by both drivers. */
function everywhere(title: string, body: (client: NodeClient, way: Way, driver: NodeDriver) => Promise<void>): void {
  for (const driver of nodeDrivers) {
    for (const way of ['direct', 'gate'] as const) {
      test(`${driver}, ${way}: ${title}`, async () => {
        const client = await NodeClient.connect(driver, optionsOf(way));
        try {
          await body(client, way, driver);
        } finally {
          await client.close();
        }
      });
    }
  }
}

everywhere('rows, binds, and masks', async (client, way) => {
  const rows = await client.rows('SELECT id, ssn, name, sex FROM patients WHERE id < ? AND sex = :2 ORDER BY id', { binds: [4, 'M'] });
  const expected =
    way === 'direct'
      ? [
          { ID: 1, SSN: '970-78-9909', NAME: 'Zebulon Quackenbush', SEX: 'M' },
          { ID: 3, SSN: '928-71-4771', NAME: 'Thaddeus Vanderquill', SEX: 'M' },
        ]
      : [
          { ID: 1, SSN: '***9909', NAME: '***', SEX: 'M' },
          { ID: 3, SSN: '***4771', NAME: '***', SEX: 'M' },
        ];
  assert.deepEqual(
    rows.map((row) => ({ ...row, SSN: String(row['SSN']).replace(/^[*X-]+/, way === 'gate' ? '***' : '') })),
    expected,
  );
});

everywhere('every type', async (client) => {
  const [first, , nulls] = await client.rows('SELECT * FROM shapes ORDER BY id');
  assert.deepEqual(
    JSON.parse(JSON.stringify({ ...first, BIN: (first?.['BIN'] as Buffer | undefined)?.toString('hex') })),
    {
      ID: 1, TINY: 7, MONEY: 12.5, HUGE: 1.2345678901234569e27, RATE: 0.125, FLAG: true, DAY: '2024-02-29', AT_TIME: '13:14:15',
      AT_NTZ: '2024-02-29 13:14:15.123', AT_LTZ: '2024-02-29 13:14:15.500 +0000', AT_TZ: '1969-12-31 23:59:59.250 +0000', BIN: '00ff10',
      DOC: { a: { b: [1, 2] }, s: 'x' }, LABEL: 'plain',
    }, // prettier-ignore
  );
  assert.equal(nulls?.['DOC'], null);
});

everywhere('protected values of every kind of column', async (client, way) => {
  const [row] = await client.rows('SELECT genome_id, raw, barcode, markers FROM lab_results WHERE id = 1');
  if (way === 'direct') assert.equal((row?.['RAW'] as { ssn: string } | undefined)?.ssn, '913-68-1855');
  else assert.deepEqual(row, { GENOME_ID: null, RAW: '***', BARCODE: null, MARKERS: '***' });
});

everywhere("a result in parts, which the storage gives to nobody but the account's client", async (client, way) => {
  const before = account.storage.fetches.length;
  const rows = await client.rows('SELECT p.ssn, c.id FROM patients p, clinics c');
  assert.equal(rows.length, 110);
  const fetches = account.storage.fetches.slice(before);
  // The gateway reads parts for its recording before the answer is let go, and again for the client.
  assert.equal(fetches.length, way === 'direct' ? 4 : 8);
  assert.ok(fetches.every(({ status }) => status === 200));
  assert.equal(fetches.filter(({ userAgent }) => /JavaScript/.test(userAgent)).length, way === 'direct' ? 4 : 0);
  if (way === 'gate') assert.ok(rows.every(({ SSN }) => !/^\d{3}-\d{2}/.test(String(SSN))));
});

everywhere('writes, array binds, transactions, temporary tables', async (client) => {
  const counted = async (): Promise<unknown> => (await client.rows('SELECT COUNT(*) AS n FROM scratch'))[0]?.['N'];
  const start = await counted();
  await client.rows('BEGIN');
  const { statement } = await client.ran('INSERT INTO scratch (k, n) VALUES (?, ?)', {
    binds: [
      ['a', 1],
      ['b', 2],
      ['c', null],
    ],
  });
  assert.equal(statement.getNumUpdatedRows(), 3);
  assert.equal(await counted(), Number(start) + 3);
  await client.rows('ROLLBACK');
  assert.equal(await counted(), start);
  await client.rows('CREATE TEMPORARY TABLE mine (a NUMBER, b VARCHAR)');
  await client.rows('INSERT INTO mine VALUES (1, ?)', { binds: ["o'clock"] });
  assert.deepEqual(await client.rows('SELECT * FROM mine'), [{ A: 1, B: "o'clock" }]);
  await client.rows('DROP TABLE mine');
});

everywhere('many array binds come inline', async (client) => {
  await client.rows('CREATE TEMPORARY TABLE many (a NUMBER, b VARCHAR)');
  const binds = Array.from({ length: 5000 }, (_, index) => [index, `row ${index}`]);
  const { statement } = await client.ran('INSERT INTO many (a, b) VALUES (?, ?)', { binds });
  assert.equal(statement.getNumUpdatedRows(), 5000);
  assert.deepEqual(await client.rows('SELECT COUNT(*) AS n, MAX(a) AS m FROM many'), [{ N: 5000, M: 4999 }]);
});

everywhere('USE, session variables and parameters', async (client) => {
  await client.rows('USE SCHEMA legacy');
  assert.deepEqual(await client.rows('SELECT name FROM patients WHERE id = 1'), [{ NAME: 'TEST RECORD ALPHA' }]);
  await client.rows('USE SCHEMA clinic.public');
  await client.rows("ALTER SESSION SET TIMEZONE = 'UTC'");
  await client.rows('SET low = 40');
  assert.deepEqual(await client.rows('SELECT id FROM clinics WHERE beds > $low ORDER BY id'), [{ ID: 1 }, { ID: 3 }]);
});

everywhere('several statements in one text', async (client) => {
  const results: unknown[] = [];
  await new Promise<void>((resolve, reject) => {
    client.connection.execute({
      sqlText: 'SELECT 1 AS a; SELECT id, ssn FROM patients WHERE id = 1; SELECT 2 AS b',
      parameters: { MULTI_STATEMENT_COUNT: 3 },
      complete: (error: unknown, statement: RowStatement, rows: unknown[] | undefined) => {
        if (error !== undefined && error !== null) return reject(error as Error);
        results.push(...(rows ?? []));
        const several = statement as unknown as { hasNext(): boolean; NextResult(): void };
        if (several.hasNext()) several.NextResult();
        else resolve();
      },
    } as never);
  });
  assert.deepEqual(
    results.map((row) => Object.keys(row as object)),
    [['A'], ['ID', 'SSN'], ['B']],
  );
});

everywhere('a token that is over is renewed in the middle', async (client, way) => {
  const before = account.counts.renewals;
  account.expireTokens();
  assert.deepEqual(await client.rows('SELECT COUNT(*) AS n FROM clinics'), [{ N: 5 }]);
  assert.ok(account.counts.renewals > before, way);
});

everywhere('a slow statement, of which drivers ask again', async (client) => {
  account.waitMs = 50;
  account.answer('SELECT COUNT(*) AS slow FROM encounters', { sql: 'SELECT 60 AS SLOW', delayMs: 400 });
  const polls = account.counts.polls;
  assert.deepEqual(await client.rows('SELECT COUNT(*) AS slow FROM encounters'), [{ SLOW: 60 }]);
  assert.ok(account.counts.polls > polls);
  account.waitMs = 2000;
});

everywhere('a cancel', async (client) => {
  account.answer('SELECT COUNT(*) AS slower FROM encounters', { sql: 'SELECT 60 AS SLOWER', delayMs: 30_000 });
  const aborts = account.counts.aborts;
  const heard = account.texts.length;
  const failed = new Promise<{ code?: unknown }>((resolve, reject) => {
    const statement = client.connection.execute({
      sqlText: 'SELECT COUNT(*) AS slower FROM encounters',
      complete: (error) => resolve((error ?? {}) as { code?: unknown }),
    });
    until(() => account.texts.length > heard).then(() => statement.cancel(() => undefined), reject);
  });
  assert.equal(String((await failed).code), '000604');
  assert.ok(account.counts.aborts > aborts);
});

everywhere('asynchronous execution, and a result by its id', async (client, way) => {
  const { statement } = await client.ran('SELECT id, ssn FROM patients ORDER BY id LIMIT 2', { asyncExec: true });
  const queryId = statement.getQueryId();
  const rows = await new Promise<readonly Record<string, unknown>[]>((resolve, reject) => {
    client.connection
      .getResultsFromQueryId({
        queryId,
        sqlText: '',
        complete: (error: unknown, _: unknown, found: unknown) =>
          error === undefined || error === null ? resolve((found ?? []) as Record<string, unknown>[]) : reject(error as Error),
      } as never)
      .catch(reject);
  });
  assert.equal(rows.length, 2);
  assert.equal(rows[0]?.['SSN'] === '970-78-9909', way === 'direct');
});

everywhere('errors of the account', async (client) => {
  await assert.rejects(client.rows('SELECT FROM WHERE'), (error: { sqlState?: string }) => error.sqlState === '42000');
});

test("a denial is Snowflake's own error of access control, and the session goes on", async () => {
  for (const driver of nodeDrivers) {
    const client = await NodeClient.connect(driver, optionsOf('gate'));
    const refusal = await client.rows("SELECT id FROM patients WHERE ssn = '970-78-9909'").then(
      () => null,
      (error: unknown) => error as { code: unknown; sqlState: unknown; message: string },
    );
    assert.equal(String(refusal?.code), '003001');
    assert.equal(refusal?.sqlState, '42501');
    assert.match(refusal?.message ?? '', /^sallyport: /);
    assert.deepEqual(await client.rows('SELECT 1 AS one'), [{ ONE: 1 }]);
    await client.close();
  }
});

test('describe tells columns and no values', async () => {
  for (const way of ['direct', 'gate'] as const) {
    const client = await NodeClient.connect('snowflake-sdk', optionsOf(way));
    const { statement, rows } = await client.ran('SELECT id, ssn FROM patients', { describeOnly: true });
    assert.deepEqual(rows, []);
    assert.deepEqual(
      (statement.getColumns() ?? []).map((column) => column.getName()),
      ['ID', 'SSN'],
    );
    await client.close();
  }
});

test('a result read again is masked as the first time', async () => {
  const client = await NodeClient.connect('snowflake-sdk', optionsOf('gate'));
  const first = await client.rows('SELECT id, ssn FROM patients ORDER BY id LIMIT 3');
  assert.deepEqual(await client.rows('SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) ORDER BY 1'), first);
  await client.close();
});

test('access tokens and passwords that are tokens log in; without one nobody does, and the account hears of nobody', async () => {
  const { token, ...base } = { ...optionsOf('gate') };
  for (const change of [
    { authenticator: 'PROGRAMMATIC_ACCESS_TOKEN', token },
    { authenticator: 'SNOWFLAKE', password: token },
  ]) {
    const client = await NodeClient.connect('snowflake-sdk', { ...base, ...change });
    assert.deepEqual(await client.rows('SELECT 1 AS one'), [{ ONE: 1 }]);
    await client.close();
  }
  const logins = account.logins.length;
  await assert.rejects(NodeClient.connect('snowflake-sdk', { ...base, authenticator: 'OAUTH', token: 'not-a-token' }));
  await assert.rejects(NodeClient.connect('snowflake-sdk-1', { ...base, authenticator: 'SNOWFLAKE', password: 'wrong' }));
  assert.equal(account.logins.length, logins);
  assert.ok(!JSON.stringify(account.logins).includes(agent));
});

test('the account refuses what a real one refuses', async () => {
  const base = { account: account.account, username: account.user, accessUrl: account.url };
  const refusals: readonly [Readonly<Record<string, unknown>>, RegExp][] = [
    [{ authenticator: 'SNOWFLAKE', password: 'x' }, /Incorrect username or password/],
    [{ authenticator: 'OAUTH', token: 'x' }, /Invalid OAuth access token/],
    [{ authenticator: 'PROGRAMMATIC_ACCESS_TOKEN', token: 'x' }, /token is invalid/],
    [{ authenticator: 'SNOWFLAKE_JWT', username: 'other', privateKey: account.privateKeyPem }, /JWT token is invalid/],
    [{ account: 'other', authenticator: 'OAUTH', token: account.oauthToken }, /does not exist/],
  ];
  for (const [change, message] of refusals) await assert.rejects(NodeClient.connect('snowflake-sdk', { ...base, ...change }), message);
});
