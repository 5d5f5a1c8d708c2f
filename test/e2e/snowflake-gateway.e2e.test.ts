// The whole gateway before a fake Snowflake account: configuration, catalogue, policy, engine, masks, record and surfaces, driven by the
// real driver (snowflake-sdk).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import snowflake, { type Connection, type RowStatement } from 'snowflake-sdk';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { callApi, until } from '../support/small-clinic.ts';

snowflake.configure({ logLevel: 'OFF' } as never);

const policy = `version: 1
classes:
  - { class: phi.ssn, columns: ["warehouse:public.patients.ssn"] }
  - { class: phi.name, columns: ["warehouse:clinic.public.patients.name"] }
  - { class: phi.mrn, columns: ["*:*.patients*.mrn"], predicates: equality }
  - { class: phi.email, columns: ["warehouse:*.patients.email"], predicates: hold, approvers: { role: officer }, within: 5m }
roles:
  - { role: agents, members: [{ issuer: corp, group: agents }] }
  - { role: officer, members: [{ issuer: corp, group: officers }] }
  - { role: clinician, members: [{ issuer: corp, group: clinicians }] }
access:
  - { role: agents, targets: [warehouse], effects: [read] }
  - { role: clinician, targets: [warehouse], effects: [read, write] }
masks:
  - { class: phi.mrn, mask: token }
  - { class: "*", roles: [clinician], mask: clear }
rules:
  - { name: encounters-wait, when: "'CLINIC.PUBLIC.ENCOUNTERS' in request.relations", then: hold, approvers: { role: officer }, within: 5m, say: Somebody will look. }
tests:
  - name: an SSN is not shown
    as: { issuer: corp, subject: a, groups: [agents] }
    target: warehouse
    sql: SELECT ssn FROM patients
    expect: { decision: allow, masks: { SSN: redact } }
  - name: and not compared
    as: { issuer: corp, subject: a, groups: [agents] }
    target: warehouse
    sql: SELECT id FROM patients WHERE ssn = 'x'
    expect: { decision: deny, reasons: [not-understood] }
`;

let account: FakeAccount;
let gateway: TestGateway;
let officer = '';

before(async () => {
  account = await FakeAccount.start();
  gateway = await startTestGateway({ targets: [], snowflake: [{ name: 'warehouse', account, databases: ['clinic'] }], policy });
  officer = await gateway.issuer.token('olivia', { groups: ['officers'], kind: 'person' });
});

after(async () => {
  await gateway.close();
  await account.close();
});

async function connect(groups: readonly string[], more: Readonly<Record<string, unknown>> = {}): Promise<Connection> {
  const connection = snowflake.createConnection({
    accessUrl: `http://127.0.0.1:${gateway.snowflakePort}`,
    account: 'warehouse',
    username: 'anybody',
    database: 'CLINIC',
    schema: 'PUBLIC',
    authenticator: 'OAUTH',
    token: await gateway.issuer.token(`of-${groups.join('-')}`, { groups }),
    ...more,
  } as never);
  await connection.connectAsync(() => undefined);
  return connection;
}

type Row = Record<string, unknown>;

function run(connection: Connection, sqlText: string, binds: readonly unknown[] = []): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      binds: binds as never,
      complete: (error: Error | undefined, _statement: RowStatement, rows: Row[] | undefined) =>
        error ? reject(error) : resolve(rows ?? []),
    } as never);
  });
}

async function ask<T>(path: string, body?: Readonly<Record<string, unknown>>): Promise<T> {
  const { status, text } = await callApi(gateway, gateway.running.api.port, officer, path, body);
  assert.equal(status, 200, `${path}: ${text}`);
  return JSON.parse(text) as T;
}

const end = (connection: Connection): Promise<void> => new Promise((resolve) => connection.destroy(() => resolve()));

test('an agent sees masks, tokens and what is not protected; the account sees the statement as it was', async () => {
  const connection = await connect(['agents']);
  const [row] = await run(connection, 'SELECT id, ssn, name AS who, mrn FROM patients ORDER BY id LIMIT 1');
  assert.equal(row?.['SSN'], '***');
  assert.equal(row['WHO'], '***');
  assert.match(String(row['MRN']), /^tok_mrn_/);
  assert.equal(row['ID'], 1);
  assert.ok(account.texts.includes('SELECT id, ssn, name AS who, mrn FROM patients ORDER BY id LIMIT 1'));
  const [found] = await run(connection, 'SELECT id FROM patients WHERE mrn = ?', [String(row['MRN'])]);
  assert.equal(found?.['ID'], 1, 'a token of the agent finds the row again');
  await end(connection);
});

test('a predicate that would tell a value is refused, with what to do, and never reaches the account', async () => {
  const connection = await connect(['agents']);
  const heard = account.texts.length;
  await assert.rejects(
    run(connection, "SELECT id FROM patients WHERE ssn LIKE '1%'"),
    (error: Error & { code?: string; sqlState?: string }) => {
      assert.equal(error.code, '003001');
      assert.equal(error.sqlState, '42501');
      assert.match(error.message, /protected-use/);
      assert.doesNotMatch(error.message, /1%/);
      return true;
    },
  );
  assert.equal(account.texts.length, heard);
  await end(connection);
});

test('who sees everything in clear is answered as by the account', async () => {
  const connection = await connect(['clinicians']);
  const rows = await run(connection, "SELECT ssn, name FROM patients WHERE ssn LIKE '%' ORDER BY id LIMIT 3");
  assert.equal(rows.length, 3);
  for (const row of rows) assert.match(String(row['SSN']), /^\d{3}-\d{2}-\d{4}$/);
  await end(connection);
});

test('a held statement waits without an error, and runs when it is approved', async () => {
  const connection = await connect(['agents']);
  const answered = run(connection, 'SELECT COUNT(*) AS n FROM encounters');
  let id = '';
  await until('it is held', async () => {
    const { approvals } = await ask<{ approvals: { id: string }[] }>('/v1/approvals?state=pending');
    id = approvals[0]?.id ?? '';
    return id !== '';
  });
  await ask(`/v1/approvals/${id}/answer`, { verdict: 'approve' });
  const [row] = await answered;
  assert.ok(Number(row?.['N']) > 0);
  await end(connection);
});

test('explain, policy tests, the tree, status and replay are those of every target', async () => {
  const { targets } = await ask<{ targets: { name: string; protocol: string; catalogue: string }[] }>('/v1/targets');
  const [target] = targets;
  assert.deepEqual([target?.name, target?.protocol, target?.catalogue], ['warehouse', 'snowflake', 'ready']);
  const columns = await ask<{
    columns: { schema: string; relation: string; column: string; classes: { class: string; pattern: string }[] }[];
  }>('/v1/targets/warehouse/columns?search=patients.ssn&protected=true');
  const [ssn] = columns.columns;
  assert.deepEqual([ssn?.schema, ssn?.relation, ssn?.column, ssn?.classes[0]?.class], ['CLINIC.PUBLIC', 'PATIENTS', 'SSN', 'phi.ssn']);
  const tests = await ask<{ ok: boolean; tests: unknown }>('/v1/policy/test', {});
  assert.equal(tests.ok, true, JSON.stringify(tests));
  const check = await ask<{ ok: boolean; faults: { what: string }[] }>('/v1/policy/check', {});
  assert.deepEqual(
    check.faults.filter(({ what }) => /column/.test(what)),
    [],
  );
});
