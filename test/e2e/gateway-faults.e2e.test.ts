// The whole gateway when something is wrong: tokens, statements, catalogue, database, audit disk, store, clock, signals,
// configuration, silent clients. Traffic is refused with an error the client's protocol knows, and the record stays whole.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer, connect as connectTcp } from 'node:net';
import { once } from 'node:events';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import type { GatewayPorts } from '../../src/app/compose.ts';
import { nodeDisk } from '../../src/audit/index.ts';
import type { Logger } from '../../src/core/ports.ts';
import { queryMessage } from '../../src/protocols/postgres/messages.ts';
import { clerkOf, clinicTests, entriesOf, isWholeAndSigned, officerOf } from '../support/clinic-tests.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import { RawPostgres, shape } from '../support/raw-postgres.ts';
import { callApi, connect, run, sallyport, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const tests = clinicTests();
const { children, gatewayOf, open, served } = tests;

interface Log extends Logger {
  readonly text: () => string;
}

function keptLog(): Log {
  const lines: string[] = [];
  const keep = (fields: Readonly<Record<string, unknown>>, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { info: keep, warn: keep, error: keep, text: () => lines.join('\n') };
}

async function clientOf(gateway: TestGateway, port = gateway.port): Promise<pg.Client> {
  return connect(gateway, port, await clerkOf(gateway));
}

const napping = `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT nap(60)%' AND state = 'active' AND pid <> pg_backend_pid()`;

test('threat: wrong, expired, foreign and garbage tokens are refused alike, recorded, and appear in no log line', async () => {
  const logger = keptLog();
  const ports: Partial<GatewayPorts> = { logger };
  const gateway = await gatewayOf({ ports });
  const stranger = await startTestGateway({ targets: [tests.clinic.target], policy: smallClinicPolicy, start: false });
  open.push(stranger);
  const tokens = [
    await stranger.issuer.token('clerk-1', { groups: ['clerks'] }),
    await gateway.issuer.token('clerk-1', { groups: ['clerks'] }, { expiresInS: -3600 }),
    await gateway.issuer.token('clerk-1', { groups: ['clerks'] }, { audience: 'somebody-else' }),
    `${(await clerkOf(gateway)).slice(0, -6)}AAAAAA`,
    'garbage-canary-token',
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjbGVyay0xIn0.',
  ];
  for (const token of tokens) {
    await assert.rejects(connect(gateway, gateway.port, token), { code: '28P01', severity: 'FATAL' });
    assert.equal((await callApi(gateway, gateway.running.api.port, token, '/v1/whoami')).status, 401);
  }
  const unknown = await gateway.issuer.token('nobody', { groups: ['strangers'] });
  await assert.rejects(connect(gateway, gateway.port, unknown), { code: '3D000' });
  const failures = (await entriesOf(gateway)).filter(({ type }) => type === 'auth.fail');
  assert.equal(failures.filter(({ detail }) => detail?.['fault'] === 'token').length, tokens.length);
  assert.equal(
    failures.filter(({ detail }) => detail?.['surface'] === 'api' && detail['fault'] === 'SP_AUTH_INVALID_TOKEN').length,
    tokens.length,
  );
  assert.equal(failures.filter(({ principal }) => principal?.subject === 'nobody').length, 1);
  for (const token of tokens)
    for (const part of [token, ...token.split('.').filter((word) => word.length > 12)]) assert.ok(!logger.text().includes(part));
});

test('a statement that cannot be parsed is refused natively, with the exact transaction state, and never sent', async () => {
  const proxy = await startTcpProxy({ host: tests.clinic.server.host, port: tests.clinic.server.port });
  open.push(proxy);
  const gateway = await gatewayOf({ insecure: true, targets: [{ ...tests.clinic.target, port: proxy.port }] });
  const client = await RawPostgres.logIn(gateway.port, await clerkOf(gateway), {});
  const ask = async (text: string): Promise<string> => {
    client.send(queryMessage(text));
    return shape(await client.until('Z'));
  };
  assert.match(await ask('SELEC canary_unparseable'), /^E:42(501|601) Z:I$/);
  assert.match(await ask('BEGIN'), /Z:T$/);
  assert.match(await ask('SELECT canary_unparseable FROM (('), /^E:42(501|601) Z:E$/);
  assert.equal(await ask('SELECT 1'), 'E:25P02 Z:E');
  assert.match(await ask('ROLLBACK'), /Z:I$/);
  assert.match(await ask("SELECT 'canary_unparseable"), /^E:42(501|601) Z:I$/);
  assert.equal(await ask('SELECT 1'), 'T D C Z:I');
  client.socket.destroy();
  assert.ok(!proxy.sent().includes('canary_unparseable'));
});

test('without a readable catalogue the gateway starts, refuses statements as retriable, and recovers by itself', async () => {
  const proxy = await startTcpProxy({ host: tests.clinic.server.host, port: tests.clinic.server.port });
  open.push(proxy);
  proxy.admit = (first) => !first.includes('sallyport catalogue');
  const gateway = await gatewayOf({ targets: [{ ...tests.clinic.target, port: proxy.port }] });
  const ready = async (): Promise<number> => (await callApi(gateway, gateway.running.api.port, null, '/readyz')).status;
  assert.equal(await ready(), 503);
  const client = await clientOf(gateway);
  await assert.rejects(client.query('SELECT id FROM visits LIMIT 1'), { code: '08006', severity: 'ERROR' });
  await assert.rejects(client.query('SELECT ssn FROM patients LIMIT 1'), { code: '08006', severity: 'ERROR' });
  proxy.admit = () => true;
  await until('ready', async () => (await ready()) === 200);
  assert.deepEqual((await client.query('SELECT id, ssn FROM patients ORDER BY id LIMIT 1')).rows, [{ id: 1, ssn: '***' }]);
  await client.end();
});

test('a database that is down is told as 08001, and the next connection after it is up works', async () => {
  const fresh = await startSmallClinic();
  open.push({ close: () => fresh.stop() });
  await fresh.direct.end();
  await fresh.server.halt();
  const gateway = await gatewayOf({ targets: [fresh.target] });
  await assert.rejects(clientOf(gateway), { code: '08001', severity: 'FATAL' });
  // The client is told first; the end of its session is recorded after.
  const closed = await until('the end of its session is recorded', async () =>
    (await entriesOf(gateway)).findLast(({ type }) => type === 'session.close'),
  );
  assert.equal(closed.detail?.['reason'], 'fault');
  await fresh.server.restart();
  const client = await clientOf(gateway);
  await until('a statement works', () =>
    client.query('SELECT ssn FROM patients WHERE id = 1').then(
      ({ rows }) => rows.length === 1 && (assert.deepEqual(rows, [{ ssn: '***' }]), true),
      (fault: pg.DatabaseError) => (assert.equal(fault.code, '08006'), false),
    ),
  );

  // And restarted in the middle of a statement.
  const asked = client.query('SELECT nap(60)');
  const admin = await fresh.admin();
  await until('it runs', async () => (await admin.query(napping)).rowCount === 1);
  const told = assert.rejects(asked, (fault: pg.DatabaseError) => /^(57P0[1-3]|08006)$/.test(fault.code ?? ''));
  await fresh.server.restart();
  await told;
  const results = await until('its result is recorded', async () => {
    const found = (await entriesOf(gateway)).filter(({ type, result }) => type === 'request.result' && result?.code !== 'ok');
    return found.length > 0 && found;
  });
  assert.match(results[0]?.result?.code ?? '', /^(57P0[1-3]|08006)$/);
  const again = await clientOf(gateway);
  await until('the next connection works', () =>
    again.query('SELECT id FROM visits WHERE id = 1').then(
      ({ rowCount }) => rowCount === 1,
      () => false,
    ),
  );
  await again.end();
});

test('INVARIANT: a full audit disk stops traffic with 58030, loses nothing acknowledged, and the log verifies after a restart', async () => {
  const gateway = await gatewayOf({ start: false });
  const child = await served(gateway);
  const client = await clientOf(gateway, child.port);
  // Statements that follow the first failed append are refused, not silently run.
  const journals = join(gateway.directory, 'data', 'audit');
  const largest = Math.max(
    ...readdirSync(journals, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.journal'))
      .map((entry) => statSync(join(entry.parentPath, entry.name)).size),
  );
  const limited = spawnSync('prlimit', ['--pid', String(child.pid), `--fsize=${largest + 60_000}`]);
  assert.equal(limited.status, 0);
  let acknowledged = 0;
  const filling = async (): Promise<never> => {
    for (; acknowledged < 2000; acknowledged += 1)
      await client.query('INSERT INTO scratch (body) VALUES ($1)', [`full ${'x'.repeat(300)}`]);
    assert.fail('the disk was never full');
  };
  await assert.rejects(filling(), { code: '58030' });
  assert.ok(acknowledged > 0);
  const end = await child.ended;
  assert.equal(end.code, 1, end.err);
  assert.match(end.err, /audit log/);
  const again = await served(gateway);
  const entries = await entriesOf(gateway, again.apiPort);
  const done = entries.filter(({ type, action, result }) => type === 'request.result' && action === 'execute' && result?.code === 'ok');
  const intents = new Map(entries.filter(({ type }) => type === 'request.intent').map((entry) => [entry.seq, entry]));
  assert.ok(done.length >= acknowledged, `${done.length} recorded, ${acknowledged} acknowledged`);
  for (const { intent } of done) assert.ok(intents.has(intent ?? -1));
  // Whatever ran was intended first: the table never holds more than the log.
  const { rows } = await tests.clinic.direct.query(`SELECT count(*)::int AS n FROM scratch WHERE body LIKE 'full %'`);
  const meant = [...intents.values()].filter(({ action, facts }) => action === 'execute' && facts?.effects.includes('write')).length;
  assert.ok((rows[0] as { n: number }).n <= meant);
  again.kill('SIGTERM');
  assert.equal((await again.ended).code, 0);
  await isWholeAndSigned(gateway);
});

test('INVARIANT: an audit directory that turned read-only stops traffic and tells the operator', async () => {
  let isReadOnly = false;
  const denied = (): void => {
    if (isReadOnly) throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
  };
  const fatal = Promise.withResolvers<string>();
  const gateway = await gatewayOf({
    ports: {
      onFatal: (fault) => fatal.resolve(fault.code),
      auditDisk: {
        ...nodeDisk,
        async open(path, mode) {
          if (mode !== 'read') denied();
          const file = await nodeDisk.open(path, mode);
          return {
            ...file,
            write: async (buffers, position) => (denied(), file.write(buffers, position)),
            writeSync: (buffer, position) => (denied(), file.writeSync(buffer, position)),
          };
        },
      },
    },
  });
  const client = await clientOf(gateway);
  assert.equal((await client.query('SELECT id FROM visits WHERE id = 1')).rowCount, 1);
  isReadOnly = true;
  await assert.rejects(client.query("INSERT INTO scratch (body) VALUES ('read-only disk')"), { code: '58030' });
  assert.equal(await fatal.promise, 'SP_AUDIT_UNWRITABLE');
  assert.equal((await tests.clinic.direct.query(`SELECT 1 FROM scratch WHERE body = 'read-only disk'`)).rowCount, 0);
  await assert.rejects(clientOf(gateway), { code: '58030' });
  assert.equal((await callApi(gateway, gateway.running.api.port, null, '/readyz')).status, 503);
});

test('a locked store refuses what needs an approval, natively, and lets allowed statements go on', async () => {
  const gateway = await gatewayOf();
  const client = await clientOf(gateway);
  const holder = run(process.execPath, [
    '-e',
    `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync(process.argv[1]); db.exec('begin exclusive'); console.log('locked'); process.stdin.on('end', () => db.close()).resume();`,
    join(gateway.directory, 'data', 'state', 'state.sqlite'),
  ]);
  children.push(holder);
  await until('locked', () => holder.out().includes('locked'));
  await assert.rejects(client.query('SELECT name FROM patients'), { code: '57P03', severity: 'ERROR' });
  assert.equal((await client.query('SELECT id FROM visits WHERE id = 1')).rowCount, 1);
  holder.end();
  await holder.ended;
  const held = client.query('SELECT name FROM patients').catch((fault: unknown) => fault);
  const [notice] = (await once(client, 'notice')) as [{ message: string }];
  assert.match(notice.message, /held for approval/);
  await client.end();
  await held;
  const refused = (await entriesOf(gateway)).find(({ type, reasons }) => type === 'request.denied' && reasons?.includes('unavailable'));
  assert.deepEqual(refused?.rules, ['bulk-read']);
});

test('a clock that jumps ahead ends sessions and tokens; one that jumps back harms nothing', async () => {
  let skewMs = 0;
  const ports: Partial<GatewayPorts> = { clock: { nowMs: () => Date.now() + skewMs, monotonicMs: () => performance.now() } };
  const gateway = await gatewayOf({ ports });
  const client = await clientOf(gateway);
  const ended = once(client, 'error') as Promise<[pg.DatabaseError]>;
  skewMs = 3_600_000;
  const [fault] = await ended;
  assert.equal(fault.code, '28000');
  await assert.rejects(clientOf(gateway), { code: '28P01' });
  skewMs = 0;
  const second = await clientOf(gateway);
  assert.equal((await second.query('SELECT id FROM visits WHERE id = 1')).rowCount, 1);
  skewMs = -7_200_000;
  assert.equal((await second.query('SELECT id FROM visits WHERE id = 2')).rowCount, 1);
  const held = second.query('SELECT name FROM patients').catch((cause: unknown) => cause);
  await once(second, 'notice');
  skewMs = 0;
  await second.end();
  await held;
  await gateway.running.stop();
  await isWholeAndSigned(gateway);
});

test('SIGTERM: a held statement gets a native error, its approval is void, the log is closed and signed, exit code 0', async () => {
  const gateway = await gatewayOf({ start: false });
  const child = await served(gateway);
  const client = await clientOf(gateway, child.port);
  const held = client.query('SELECT name FROM patients');
  const told = assert.rejects(held, (fault: pg.DatabaseError) => /^57(P01|014)$/.test(fault.code ?? ''));
  const [notice] = (await once(client, 'notice')) as [{ message: string }];
  const id = /apr_[a-z2-7]{26}/.exec(notice.message)?.[0] ?? '';
  child.kill('SIGTERM');
  await told;
  assert.equal((await child.ended).code, 0);
  const size = await isWholeAndSigned(gateway);

  const again = await served(gateway);
  const entries = await entriesOf(gateway, again.apiPort);
  assert.equal(entries[size - 1]?.type, 'log.closed');
  assert.equal(entries.find(({ type, seq }) => type === 'log.opened' && seq >= size)?.detail?.['previous'], 'closed');
  const officer = await officerOf(gateway);
  assert.equal(
    (JSON.parse((await callApi(gateway, again.apiPort, officer, `/v1/approvals/${id}`)).text) as { state: string }).state,
    'cancelled',
  );
  assert.notEqual((await callApi(gateway, again.apiPort, officer, `/v1/approvals/${id}/answer`, { verdict: 'approve' })).status, 200);
});

test('SIGTERM lets a running statement finish; a second one stops at once, without a torn log', async () => {
  const drainMs = 45_000;
  const gateway = await gatewayOf({ start: false, limits: { drainMs } });
  /** The listener closes first: then the signal has been understood. */
  const drains = (port: number): Promise<unknown> =>
    until('it drains', () =>
      clientOf(gateway, port).then(
        (late) => late.end().then(() => false),
        () => true,
      ),
    );
  const first = await served(gateway);
  const patient = await clientOf(gateway, first.port);
  // It waits for a lock of ours: it runs for as long as it must, however slow the machine is.
  const blocker = await tests.clinic.admin();
  await blocker.query('BEGIN; SELECT 1 FROM visits WHERE id = 1 FOR UPDATE');
  const finishing = patient.query('UPDATE visits SET cost = cost WHERE id = 1 RETURNING id');
  const blocked = `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'UPDATE visits%' AND wait_event_type = 'Lock'`;
  await until('it runs', async () => (await tests.clinic.direct.query(blocked)).rowCount === 1);
  first.kill('SIGTERM');
  await drains(first.port);
  await blocker.query('COMMIT');
  assert.deepEqual((await finishing).rows, [{ id: 1 }]);
  assert.equal((await first.ended).code, 0);
  await blocker.end();

  const second = await served(gateway);
  const client = await clientOf(gateway, second.port);
  const cut = assert.rejects(client.query('SELECT nap(60)'), (fault: pg.DatabaseError) => /^57P01$/.test(fault.code ?? ''));
  await until('it runs', async () => (await tests.clinic.direct.query(napping)).rowCount === 1);
  second.kill('SIGTERM');
  await drains(second.port);
  const startedMs = performance.now();
  second.kill('SIGTERM');
  await cut;
  assert.equal((await second.ended).code, 0);
  // Neither the end of the statement nor the end of the drain was waited for.
  assert.ok(performance.now() - startedMs < drainMs / 2);
  await isWholeAndSigned(gateway);
  await until('the statement is cancelled at the target', async () => (await tests.clinic.direct.query(napping)).rowCount === 0);
});

test('a second gateway on the same data directory does not start and says why', async () => {
  const gateway = await gatewayOf();
  const second = sallyport(['serve', '-c', gateway.configFile]);
  children.push(second);
  const end = await second.ended;
  assert.notEqual(end.code, 0);
  assert.match(end.err, /another gateway.*uses/);
  const client = await clientOf(gateway);
  assert.equal((await client.query('SELECT id FROM visits WHERE id = 1')).rowCount, 1);
  await client.end();
});

test('a configuration with faults exits with 2 and names file, line and column of every one', async () => {
  const gateway = await gatewayOf({ start: false });
  const broken = join(gateway.directory, 'broken.yaml');
  writeFileSync(
    broken,
    'version: 1\ndataDirectory: ./data\nlisteners:\n  - protocol: postgres\n    address: 0.0.0.0:6432\n    insecure: true\n    colour: blue\n',
  );
  const end = await sallyport(['serve', '-c', broken]).ended;
  assert.equal(end.code, 2);
  assert.match(end.err, /broken\.yaml:7:\d+ .*colour/);
  assert.match(end.err, /broken\.yaml:\d+:\d+ .*not loopback/);

  rmSync(join(gateway.directory, 'policy.yaml'));
  writeFileSync(
    join(gateway.directory, 'policy.yaml'),
    'version: 1\nroles:\n  - role: officer\n    members: [{ issuer: corp, grup: privacy }]\n',
  );
  const policy = await sallyport(['serve', '-c', gateway.configFile]).ended;
  assert.equal(policy.code, 2);
  assert.match(policy.err, /policy\.yaml:4:\d+ .*grup.*did you mean "group"/);
});

test('silent and half-open clients are cut off at the deadline, idle sessions at theirs', async () => {
  const gateway = await gatewayOf({ limits: { loginMs: 3000 } });
  const silent = connectTcp(gateway.port, '127.0.0.1');
  const halfOpen = connectTcp(gateway.port, '127.0.0.1');
  halfOpen.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  const answer = (await once(halfOpen, 'data')) as [Buffer];
  assert.equal(answer[0].toString(), 'S');
  halfOpen.write(Buffer.from([0x16, 3, 1, 0, 50, 1]));
  // Well before the deadline that holds when none is configured, 20 s.
  const closed = [silent, halfOpen].map((socket) =>
    once(socket.on('error', () => undefined).resume(), 'close', { signal: AbortSignal.timeout(15_000) }),
  );
  await Promise.all(closed);
  // A gateway of its own: logging in may take longer than a deadline that a test can wait for.
  const patient = await gatewayOf({ limits: { idleMs: 1000 } });
  const idle = await clientOf(patient);
  const [fault] = (await once(idle, 'error', { signal: AbortSignal.timeout(15_000) })) as [pg.DatabaseError];
  assert.equal(fault.code, '57P05');
});

test('a busy address is refused with a message that names it', { timeout: 120_000 }, async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const gateway = await gatewayOf({ start: false });
  const text = readFileSync(gateway.configFile, 'utf8');
  const { port } = holder.address() as { port: number };
  const config = JSON.parse(text) as { api: { address: string } };
  config.api.address = `127.0.0.1:${port}`;
  writeFileSync(gateway.configFile, JSON.stringify(config));
  const child = sallyport(['serve', '-c', gateway.configFile]);
  children.push(child);
  const end = await child.ended;
  holder.close();
  assert.notEqual(end.code, 0);
  assert.match(end.err, new RegExp(`${port}|EADDRINUSE`));
});
