// Owners rename and move what is protected: while the gateway runs, while it is down, before the policy changes. What policy
// meant stays protected, on every thread; what nobody can know for sure is refused, and the operator is told.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import pg from 'pg';
import type { Logger } from '../../src/core/ports.ts';
import { type TestGateway, type TestGatewayOptions, startTestGateway } from '../support/gateway.ts';
import {
  type Running,
  type SmallClinic,
  callApi,
  connect,
  run,
  smallClinicPolicy,
  startSmallClinic,
  until,
} from '../support/small-clinic.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

let clinic: SmallClinic;
let lines: string[];
const gateways: TestGateway[] = [];
const closing: { close(): Promise<void> }[] = [];
const children: Running[] = [];

beforeEach(async () => {
  lines = [];
  clinic = await startSmallClinic();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const gateway of gateways.splice(0)) await gateway.close();
  for (const each of closing.splice(0)) await each.close();
  await clinic.stop();
});

const say = (fields: Readonly<Record<string, unknown>>, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
const logger: Logger = { info: say, warn: say, error: say };

async function gatewayOf(options: Partial<TestGatewayOptions> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({ targets: [clinic.target], policy: smallClinicPolicy, ports: { logger }, ...options });
  gateways.push(gateway);
  return gateway;
}

const owner = (sql: string): Promise<unknown> => clinic.direct.query(sql);

/** What a clerk sees of one patient, on a new connection. */
async function sees(gateway: TestGateway, sql: string): Promise<unknown> {
  const client = await connect(gateway, gateway.port, await gateway.issuer.token('clerk-1', { groups: ['clerks'] }));
  try {
    const { rows } = (await client.query({ text: sql, rowMode: 'array' })) as { rows: unknown[][] };
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** @param meanwhile what owners do while nobody looks. */
async function restart(gateway: TestGateway, meanwhile?: () => Promise<unknown>, policy?: string): Promise<void> {
  await gateway.running.stop();
  await meanwhile?.();
  if (policy !== undefined) writeFileSync(join(gateway.directory, 'policy.yaml'), policy);
  lines.length = 0;
  await gateway.restart();
}

const masked = '***';

test('a renamed column and a moved table stay masked after restarts, whenever it happened, and the operator is told', async () => {
  const gateway = await gatewayOf();
  assert.equal(await sees(gateway, 'SELECT ssn FROM patients WHERE id = 1'), masked);

  await owner('ALTER TABLE patients RENAME COLUMN ssn TO tax_id');
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), masked, 'while it runs');
  await restart(gateway);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), masked, 'after a restart');
  assert.match(
    lines.join('\n'),
    /it stays protected .*"class":"phi\.ssn","column":"public\.patients\.ssn","now":\["public\.patients\.tax_id"\]/,
  );

  await restart(gateway, async () => {
    await owner('ALTER TABLE patients RENAME COLUMN tax_id TO number; ALTER TABLE patients RENAME TO people');
    await owner('CREATE SCHEMA archive; ALTER TABLE people SET SCHEMA archive; ALTER TABLE archive.people RENAME COLUMN name TO called');
  });
  assert.equal(await sees(gateway, 'SELECT number FROM archive.people WHERE id = 1'), masked, 'renamed while it was down');
  assert.equal(await sees(gateway, 'SELECT called FROM archive.people WHERE id = 1'), masked);
  assert.equal(await sees(gateway, 'SELECT id FROM archive.people WHERE id = 1'), 1);
  // What it is made of: the name in an error, a whole row, an expression.
  assert.equal(await sees(gateway, 'SELECT lower(number) FROM archive.people WHERE id = 1'), masked);
  assert.equal(await sees(gateway, "SELECT to_jsonb(p) ->> 'number' FROM archive.people p WHERE id = 1"), masked);
});

test('another version of the policy that has the old name protects it; one that has not, does not; the next one does again', async () => {
  const gateway = await gatewayOf();
  await owner('ALTER TABLE patients RENAME COLUMN ssn TO tax_id');
  const renamedClass = smallClinicPolicy.replaceAll('phi.ssn', 'phi.number');
  await restart(gateway, undefined, renamedClass);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), masked);
  const withPattern = smallClinicPolicy.replace('clinic:public.patients.ssn', '*:*.patients.ss*');
  await restart(gateway, undefined, withPattern);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), masked);
  const without = smallClinicPolicy.replace('clinic:public.patients.ssn', 'clinic:public.patients.nothing');
  await restart(gateway, undefined, without);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), '970-00-0001');
  assert.match(
    lines.join('\n'),
    /nothing is protected by it \{"target":"clinic","class":"phi\.ssn","column":"public\.patients\.nothing"\}/,
  );
  await restart(gateway, undefined, smallClinicPolicy);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), masked);
});

test('names win for a table that was dropped and made anew, and for another database; what was detached is still protected', async () => {
  const gateway = await gatewayOf();
  await owner(
    'CREATE TABLE patients_old (note text) INHERITS (patients); INSERT INTO patients_old SELECT * FROM ONLY patients WHERE id = 1',
  );
  assert.equal(await sees(gateway, 'SELECT ssn FROM ONLY patients_old LIMIT 1'), masked);
  await restart(gateway, () => owner('ALTER TABLE patients_old NO INHERIT patients'));
  assert.equal(await sees(gateway, 'SELECT ssn FROM patients_old LIMIT 1'), masked);

  await restart(gateway, () =>
    owner(`ALTER TABLE patients RENAME COLUMN ssn TO tax_id; DROP TABLE visits; DROP VIEW ward_list; DROP TABLE patients;
      CREATE TABLE patients (id int PRIMARY KEY, tax_id text, ssn text); INSERT INTO patients VALUES (1, 'free', '970-00-0001')`),
  );
  assert.equal(await sees(gateway, 'SELECT ssn FROM patients WHERE id = 1'), masked);
  assert.equal(await sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), 'free');

  // A copy with other numbers, in the place of the first.
  await restart(gateway, async () => {
    await owner('ALTER TABLE patients RENAME COLUMN tax_id TO more');
    const config = join(gateway.directory, 'sallyport.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('"database": "clinic"', '"database": "postgres"'));
    const { host, port, user, password } = clinic.server;
    const other = new pg.Client({ host, port, user, password, database: 'postgres' });
    await other.connect();
    await other.query(`CREATE TABLE public.patients (ssn text, tax_id text, more text); GRANT SELECT ON public.patients TO sallyport;
      INSERT INTO public.patients VALUES ('970-00-0001', 'free', 'free too')`);
    await other.end();
  });
  const client = await connect(gateway, gateway.port, await gateway.issuer.token('clerk-1', { groups: ['clerks'] }));
  assert.deepEqual((await client.query('SELECT * FROM patients LIMIT 1')).rows, [{ ssn: masked, tax_id: 'free', more: 'free too' }]);
  await client.end();
  assert.match(lines.join('\n'), /another database than before/);
});

test('behind the same address another cluster answers: the numbers of the first mean nothing there', async () => {
  const second = await startSmallClinic();
  try {
    await second.direct.query('ALTER TABLE patients RENAME TO others; CREATE TABLE patients AS SELECT id, ssn FROM others');
    const to = { host: clinic.server.host, port: clinic.server.port };
    const proxy = await startTcpProxy(to);
    closing.push(proxy);
    const gateway = await gatewayOf({ targets: [{ ...clinic.target, port: proxy.port }] });
    assert.equal(await sees(gateway, 'SELECT ssn FROM patients WHERE id = 1'), masked);
    const numberOf = async ({ direct }: SmallClinic, table: string): Promise<unknown> =>
      (await direct.query({ text: `SELECT '${table}'::regclass::oid`, rowMode: 'array' })).rows[0];
    assert.deepEqual(await numberOf(clinic, 'patients'), await numberOf(second, 'others'), 'else this test proves nothing');

    writeFileSync(join(gateway.directory, 'keys', 'target-0'), second.password);
    to.port = second.server.port;
    await clinic.server.halt();
    const ready = async (): Promise<boolean> => (await callApi(gateway, gateway.running.api.port, null, '/readyz')).status === 200;
    await until(
      'the other one is read',
      async () => lines.some((line) => line.includes('another database than before')) && (await ready()),
    );
    assert.equal(await sees(gateway, 'SELECT ssn FROM patients LIMIT 1'), masked);
    assert.equal(await sees(gateway, 'SELECT ssn FROM others WHERE id = 1'), '970-00-0001');
  } finally {
    await second.stop();
  }
});

test('all threads know what was called otherwise', async () => {
  const gateway = await gatewayOf({ limits: { workers: 3 } });
  await restart(gateway, () => owner('ALTER TABLE patients RENAME COLUMN ssn TO tax_id'));
  const spread = async (): Promise<number> => {
    const { text } = await callApi(gateway, gateway.running.api.port, null, '/metrics');
    return [0, 1, 2].filter((thread) => !text.includes(`sallyport_thread_sessions{thread="${thread}"} 0\n`)).length;
  };
  const token = await gateway.issuer.token('clerk-1', { groups: ['clerks'] });
  const clients = [];
  while ((await spread()) < 3) {
    assert.ok(clients.length < 60);
    clients.push(await connect(gateway, gateway.port, token));
  }
  for (const client of clients)
    assert.deepEqual((await client.query('SELECT tax_id FROM patients WHERE id = 1')).rows, [{ tax_id: masked }]);
  // One thread has seen the name; whoever has not looked since hears of it.
  await owner('ALTER TABLE patients ADD COLUMN ssn text');
  await clients[0]!.query('SELECT ssn FROM patients WHERE id = 1');
  await owner(`ALTER TABLE patients RENAME COLUMN ssn TO other; UPDATE patients SET other = '970-00-0001'`);
  for (const client of clients) assert.deepEqual((await client.query('SELECT other FROM patients WHERE id = 1')).rows, [{ other: masked }]);
  await Promise.all(clients.map((client) => client.end()));
});

test('INVARIANT: while the store cannot say or keep what was called otherwise, the target is refused, and nothing is shown', async () => {
  const gateway = await gatewayOf();
  const state = join(gateway.directory, 'data', 'state', 'state.sqlite');
  const ready = async (): Promise<number> => (await callApi(gateway, gateway.running.api.port, null, '/readyz')).status;
  const holder = run(process.execPath, [
    '-e',
    `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync(process.argv[1]); db.exec('begin exclusive'); console.log('locked'); process.stdin.on('end', () => db.close()).resume();`,
    state,
  ]);
  children.push(holder);
  await until('locked', () => holder.out().includes('locked'));
  assert.equal(await sees(gateway, 'SELECT ssn FROM patients WHERE id = 1'), masked, 'nothing is to be kept');
  await owner('CREATE TABLE patients_new () INHERITS (patients)');
  await assert.rejects(sees(gateway, 'SELECT id FROM visits WHERE id = 1'), { code: '08006' });
  assert.equal(await ready(), 503);
  holder.end();
  await holder.ended;
  await until('ready', async () => (await ready()) === 200);
  assert.equal(await sees(gateway, 'SELECT ssn FROM patients WHERE id = 1'), masked);

  await restart(gateway, async () => {
    await owner('ALTER TABLE patients RENAME COLUMN ssn TO tax_id');
    const store = new DatabaseSync(state);
    store.exec(`UPDATE bound_columns SET name = 'damaged' WHERE name LIKE '%"ssn"%'`);
    store.close();
  });
  await assert.rejects(sees(gateway, 'SELECT tax_id FROM patients WHERE id = 1'), { code: '08006' });
  assert.equal(await ready(), 503);
  assert.match(lines.join('\n'), /catalogue cannot be read .*SP_STORE_UNAVAILABLE/);
});
