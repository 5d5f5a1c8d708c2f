// The whole gateway before a fake Snowflake account: configuration, catalogue, policy, engine, masks, record and surfaces, driven by the
// real driver (snowflake-sdk).

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import snowflake, { type Connection, type RowStatement } from 'snowflake-sdk';
import { FakeAccount } from '../snowflake/fake/account.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { apiEnvironment, auditEntries, callApi, sallyport, until } from '../support/small-clinic.ts';

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

test('what was done is recorded, told and replayed like everything else', async () => {
  const connection = await connect(['agents']);
  await run(connection, 'SELECT id, ssn FROM patients ORDER BY id LIMIT 2');
  await end(connection);
  interface Entry {
    readonly type: string;
    readonly session?: string;
    readonly facts?: { readonly relations: readonly { readonly name: string }[]; readonly outputClasses: readonly string[] };
    readonly result?: { readonly rows: number; readonly code: string; readonly columns?: readonly { readonly mask: string }[] };
  }
  const entries = await auditEntries(gateway, gateway.running.api.port, officer);
  const closed = entries.findLast(({ type }) => type === 'session.close');
  const mine = (entries as unknown as Entry[]).filter(({ session }) => session !== undefined && session === closed?.session);
  const intent = mine.find(({ type }) => type === 'request.intent');
  assert.deepEqual(
    intent?.facts?.relations.map(({ name }) => name),
    ['CLINIC.PUBLIC.PATIENTS'],
  );
  assert.deepEqual(intent.facts.outputClasses, ['phi.ssn']);
  const result = mine.find(({ type }) => type === 'request.result')?.result;
  assert.deepEqual([result?.rows, result?.code, result?.columns?.map(({ mask }) => mask)], [2, 'ok', ['clear', 'redact']]);
  // The index of sessions follows the log.
  const path = `/v1/sessions/${closed?.session}`;
  await until('the session is listed', async () => (await callApi(gateway, gateway.running.api.port, officer, path)).status === 200);
  const view = await ask<{ target: string }>(path);
  assert.equal(view.target, 'warehouse');
  const identity = join(gateway.directory, 'auditor.age');
  writeFileSync(identity, gateway.sealingIdentity.reveal(), { mode: 0o600 });
  const seen = await sallyport(
    ['session', 'replay', String(closed?.session), '--identity', identity, '--purpose', 'a look back'],
    apiEnvironment(gateway, gateway.running.api.port, officer),
  ).ended;
  assert.equal(seen.code, 0, seen.err);
  assert.match(seen.out, /SELECT id, ssn FROM patients ORDER BY id LIMIT 2[\s\S]*ID[^\n]*SSN[\s\S]*\*\*\*[\s\S]*\*\*\*/);
  assert.doesNotMatch(seen.out, /\d{3}-\d{2}-\d{4}/);
  const replay = async (source: string): Promise<Readonly<Record<string, number>> & { requests: number; unchanged: number }> => {
    const { report } = await ask<{ report: { requests: number; unchanged: number; changes: Record<string, number> } }>(
      '/v1/policy/replay',
      {
        policy: { kind: 'files', files: [{ path: 'policy.yaml', source }] },
        since: new Date(0).toISOString(),
      },
    );
    return { ...report.changes, requests: report.requests, unchanged: report.unchanged };
  };
  const same = await replay(policy);
  assert.ok(same.requests > 0 && same.requests === same.unchanged, JSON.stringify(same));
  const shown = await replay(policy.replace('masks:\n', 'masks:\n  - { class: phi.ssn, roles: [agents], mask: clear }\n'));
  assert.ok((shown['revealed'] ?? 0) > 0, JSON.stringify(shown));
});

test('an operator ends a session, and its driver is told', async () => {
  const connection = await connect(['agents']);
  await run(connection, 'SELECT id FROM clinics LIMIT 1');
  const live = await until('the session is listed', async () => {
    const { sessions } = await ask<{ sessions: { id: string; closedAt: string | null }[] }>('/v1/sessions');
    const open = sessions.filter(({ closedAt }) => closedAt === null);
    return open.length === 1 && open[0];
  });
  await ask(`/v1/sessions/${live.id}/end`, { reason: 'a test' });
  await assert.rejects(run(connection, 'SELECT id FROM clinics LIMIT 1'));
  await end(connection).catch(() => undefined);
});

test('with several threads Snowflake is served by one of them, beside PostgreSQL on all', async () => {
  const own = await startTestGateway({
    targets: [],
    snowflake: [{ name: 'warehouse', account, databases: ['clinic'] }],
    policy,
    limits: { workers: 2 },
  });
  try {
    assert.deepEqual(
      own.running.listeners.map(({ protocol }) => protocol),
      ['postgres', 'snowflake'],
    );
    const connection = snowflake.createConnection({
      accessUrl: `http://127.0.0.1:${own.snowflakePort}`,
      account: 'warehouse',
      username: 'x',
      database: 'CLINIC',
      schema: 'PUBLIC',
      authenticator: 'OAUTH',
      token: await own.issuer.token('a', { groups: ['agents'] }),
    } as never);
    await connection.connectAsync(() => undefined);
    assert.equal((await run(connection, 'SELECT ssn FROM patients LIMIT 1'))[0]?.['SSN'], '***');
    await end(connection);
    const metrics = await callApi(
      own,
      own.running.api.port,
      await own.issuer.token('o', { groups: ['officers'], kind: 'person' }),
      '/metrics',
    );
    assert.match(metrics.text, /sallyport_plans_total\{target="warehouse",found="made"\} [1-9]/);
  } finally {
    await own.close();
  }
});

test('an account that cannot be reached is not ready, and its statements are refused', async () => {
  const gone = await FakeAccount.start();
  const own = await startTestGateway({
    targets: [],
    snowflake: [{ name: 'warehouse', account: gone, databases: ['clinic'] }],
    policy,
    start: false,
  });
  await gone.close();
  try {
    await own.restart();
    const { text } = await callApi(
      own,
      own.running.api.port,
      await own.issuer.token('o', { groups: ['officers'], kind: 'person' }),
      '/readyz',
    );
    assert.match(text, /target warehouse.*catalogue is unavailable/);
  } finally {
    await own.close();
  }
});
