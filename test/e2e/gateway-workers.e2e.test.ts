// The whole gateway with three threads that serve traffic on one port: the kernel spreads the connections, and nobody can tell
// from the answers, the approvals, the cancel requests or the log which thread it was.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as dial, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import type { EntryHeader } from '../../src/core/event.ts';
import { cancelRequest } from '../../src/protocols/postgres/startup.ts';
import { clerkOf, clinicTests, entriesOf, isWholeAndSigned, officerOf } from '../support/clinic-tests.ts';
import { type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { apiEnvironment, callApi, connect, sallyport, until } from '../support/small-clinic.ts';

const threads = 3;
const tests = clinicTests();
const { served } = tests;
const gatewayOf = (options: Partial<TestGatewayOptions> = {}): Promise<TestGateway> =>
  tests.gatewayOf({ ...options, limits: { workers: threads, ...options.limits } });

type Ports = { readonly port: number; readonly apiPort: number };
const portsOf = (gateway: TestGateway): Ports => ({ port: gateway.port, apiPort: gateway.running.api.port });

async function metricsOf(gateway: TestGateway, { apiPort }: Ports): Promise<string> {
  const { status, text } = await callApi(gateway, apiPort, null, '/metrics');
  assert.equal(status, 200);
  return text;
}

const numberOf = (metrics: string, name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1] ?? Number.NaN);

async function sessionsByThread(gateway: TestGateway, ports: Ports): Promise<number[]> {
  const metrics = await metricsOf(gateway, ports);
  return Array.from({ length: threads }, (_, thread) => numberOf(metrics, `sallyport_thread_sessions\\{thread="${thread}"\\}`));
}

interface Spread {
  /** By thread: one open client on each. */
  readonly clients: readonly pg.Client[];
  readonly all: readonly pg.Client[];
}

/** Connects until every thread has a session; the kernel chooses by the client's port. */
async function spread(gateway: TestGateway, ports: Ports): Promise<Spread> {
  const token = await clerkOf(gateway);
  const all: pg.Client[] = [];
  const clients = new Map<number, pg.Client>();
  let counts = await sessionsByThread(gateway, ports);
  while (clients.size < threads) {
    assert.ok(all.length < 60, `60 connections reached ${clients.size} of ${threads} threads`);
    const client = await connect(gateway, ports.port, token);
    all.push(client);
    const now = await sessionsByThread(gateway, ports);
    const thread = now.findIndex((count, index) => count > (counts[index] ?? 0));
    if (!clients.has(thread)) clients.set(thread, client);
    counts = now;
  }
  return { all, clients: Array.from({ length: threads }, (_, thread) => clients.get(thread) as pg.Client) };
}

const endAll = ({ all }: Spread): Promise<unknown> => Promise.all(all.map((client) => client.end()));

/** Dense numbers in the whole log and inside each session; results after their intents. */
function assertDense(entries: readonly EntryHeader[]): void {
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, index) => index),
  );
  const next = new Map<string, number>();
  for (const { session, n, intent, seq } of entries) {
    if (intent !== undefined) assert.ok(intent < seq && entries[intent]?.session === session && entries[intent]?.type === 'request.intent');
    if (session === undefined || n === undefined) continue;
    assert.equal(n, next.get(session) ?? 0);
    next.set(session, n + 1);
  }
}

async function approve(gateway: TestGateway, { apiPort }: Ports, approval: string): Promise<void> {
  const command = sallyport(['approvals', 'approve', approval], apiEnvironment(gateway, apiPort, await officerOf(gateway)));
  command.end();
  const { code, err } = await command.ended;
  assert.equal(code, 0, err);
}

/** The approval that the client's next notice names. */
function nextHold(client: pg.Client): Promise<string> {
  return new Promise((resolve) => {
    client.once('notice', ({ message }: { message?: string }) => resolve(/apr_[a-z2-7]{26}/.exec(message ?? '')?.[0] ?? ''));
  });
}

const napping = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'SELECT nap(60)%' AND state = 'active' AND pid <> pg_backend_pid()`;
const nappers = async (): Promise<number> => ((await tests.clinic.direct.query(napping)).rows[0] as { n: number }).n;

test('connections spread over all threads; each masks, metrics are sums, and one log has it all without a gap', async () => {
  const gateway = await gatewayOf();
  const ports = portsOf(gateway);
  const reached = await spread(gateway, ports);
  const rounds = 20;
  await Promise.all(
    reached.clients.map(async (client) => {
      for (let round = 1; round <= rounds; round += 1) {
        const { rows } = await client.query('SELECT id, ssn, dob FROM patients WHERE id = $1', [round]);
        assert.deepEqual(rows.length, 1);
        assert.equal((rows[0] as { ssn: string }).ssn, '***');
      }
    }),
  );
  const metrics = await metricsOf(gateway, ports);
  assert.equal(numberOf(metrics, 'sallyport_sessions\\{target="clinic"\\}'), reached.all.length);
  assert.equal(numberOf(metrics, 'sallyport_rows_total\\{target="clinic"\\}'), threads * rounds);
  assert.ok(numberOf(metrics, 'sallyport_decisions_total\\{target="clinic",outcome="allow"\\}') >= threads * rounds);
  assert.equal(numberOf(metrics, 'sallyport_request_seconds_count\\{target="clinic",code="ok"\\}') >= threads * rounds, true);
  // Each thread has planned the text once.
  assert.equal(numberOf(metrics, 'sallyport_plans_total\\{target="clinic",found="made"\\}'), threads);
  assert.ok(numberOf(metrics, 'process_start_time_seconds') > 0);
  const ready = await callApi(gateway, ports.apiPort, null, '/readyz');
  assert.equal(ready.status, 200);
  const checks = (JSON.parse(ready.text) as { checks: Record<string, string> }).checks;
  assert.deepEqual(Object.keys(checks), ['audit', 'target clinic', 'worker 1, target clinic', 'worker 2, target clinic']);

  await endAll(reached);
  await until('all sessions are closed', async () => (await sessionsByThread(gateway, ports)).every((count) => count === 0));
  const entries = await entriesOf(gateway, ports.apiPort);
  assertDense(entries);
  assert.equal(entries.filter(({ type }) => type === 'session.close').length, reached.all.length);
  await gateway.running.stop();
  await isWholeAndSigned(gateway);
});

test('a statement held on any thread waits for its approval, is released by it, and is found by a retry on another thread', async () => {
  const gateway = await gatewayOf();
  const ports = portsOf(gateway);
  const reached = await spread(gateway, ports);
  for (const client of reached.clients) {
    const hold = nextHold(client);
    const asked = client.query('SELECT name, ssn FROM patients');
    await approve(gateway, ports, await hold);
    assert.equal((await asked).rowCount, 200);
  }
  // Denied by a cancel request: the approval is gone.
  for (const client of reached.clients) {
    const hold = nextHold(client);
    const asked = client.query('SELECT name, dob FROM patients');
    const [id] = await Promise.all([hold, assert.rejects(asked, { code: '57014' }), hold.then(() => cancel(client, ports.port))]);
    const { text } = await callApi(gateway, ports.apiPort, await officerOf(gateway), `/v1/approvals/${id}`);
    assert.equal((JSON.parse(text) as { state: string }).state, 'cancelled');
  }
  // Lost while it waited: the approval stays, and serves the retry wherever it comes in.
  const [first, second] = [reached.clients[1] as pg.Client, reached.clients[2] as pg.Client];
  const hold = nextHold(first);
  const lost = first.query('SELECT name, ward FROM patients').catch(() => undefined);
  const id = await hold;
  (first as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await lost;
  await approve(gateway, ports, id);
  assert.equal((await second.query('SELECT name, ward FROM patients')).rowCount, 200);
  const entries = await entriesOf(gateway, ports.apiPort);
  assertDense(entries);
  assert.equal(entries.filter(({ type }) => type === 'approval.used').length, threads + 1);
  assert.equal(entries.filter(({ type, approval }) => type === 'approval.used' && approval === id).length, 1);
});

/** A cancel request on a connection of its own, which the kernel gives to any thread. */
async function cancel(client: pg.Client, port: number, change: (secret: number) => number = (secret) => secret): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const key = Buffer.alloc(4);
  key.writeInt32BE(change(secretKey));
  await new Promise<void>((resolve, reject) => {
    const socket = dial(port, '127.0.0.1', () => socket.write(cancelRequest(processID, key)));
    socket.on('close', () => resolve());
    socket.on('error', reject);
    socket.resume();
  });
}

test('threat: a cancel request reaches its session on whatever thread it comes in, and only with exactly its key', async () => {
  const gateway = await gatewayOf();
  const ports = portsOf(gateway);
  const reached = await spread(gateway, ports);
  for (const client of reached.clients) {
    for (let round = 0; round < 4; round += 1) {
      const asked = client.query('SELECT nap(60)');
      const told = assert.rejects(asked, { code: '57014' });
      await until('it runs', async () => (await nappers()) === 1);
      if (round === 0) {
        await cancel(client, ports.port, (secret) => secret ^ 1);
        assert.equal(await nappers(), 1);
      }
      await cancel(client, ports.port);
      await told;
    }
  }
  assert.deepEqual(
    await Promise.all(reached.clients.map(async (client) => (await client.query('SELECT 1 AS one')).rows)),
    reached.clients.map(() => [{ one: 1 }]),
  );
});

test('a session is ended by an operator on whatever thread it lives, and the log says who did it', async () => {
  const gateway = await gatewayOf();
  const ports = portsOf(gateway);
  const reached = await spread(gateway, ports);
  const codes = reached.all.map(
    (client) => new Promise<string>((resolve) => client.once('error', (fault: Error & { code?: string }) => resolve(fault.code ?? ''))),
  );
  // A connection that is gone has more to say.
  for (const client of reached.all) client.on('error', () => undefined);
  const operator = await officerOf(gateway);
  const live = async (): Promise<string[]> => {
    const { text } = await callApi(gateway, ports.apiPort, operator, '/v1/sessions?live=true&limit=500');
    return (JSON.parse(text) as { sessions: { id: string }[] }).sessions.map(({ id }) => id);
  };
  await until('all sessions are in the index', async () => (await live()).length === reached.all.length);
  const ids = await live();
  assert.equal((await callApi(gateway, ports.apiPort, await clerkOf(gateway), `/v1/sessions/${ids[0]}/end`, {})).status, 200, 'its own');
  for (const id of ids.slice(1)) {
    const { status, text } = await callApi(gateway, ports.apiPort, operator, `/v1/sessions/${id}/end`, { reason: 'runs wild' });
    assert.deepEqual([status, JSON.parse(text)], [200, { ended: true }]);
  }
  assert.deepEqual(
    await Promise.all(codes),
    codes.map(() => '57P01'),
  );
  await until('all sessions are over', async () => (await live()).length === 0);
  assert.deepEqual(JSON.parse((await callApi(gateway, ports.apiPort, operator, `/v1/sessions/${ids[0]}/end`, {})).text), { ended: false });
  const entries = await entriesOf(gateway);
  const ended = entries.filter(({ type }) => type === 'session.ended');
  assert.deepEqual(new Set(ended.map(({ session }) => session)), new Set(ids));
  assert.deepEqual([...new Set(ended.map(({ principal }) => principal?.subject))], ['clerk-1', 'olivia']);
  const closed = entries.filter(({ type, session }) => type === 'session.close' && ids.includes(session ?? ''));
  assert.deepEqual([...new Set(closed.map(({ detail }) => detail?.['reason']))], ['ended']);
});

test('the limit of sessions holds for all threads together, and a slot comes back from whatever thread had it', async () => {
  const gateway = await gatewayOf({ limits: { maxSessions: 4 } });
  const token = await clerkOf(gateway);
  for (let round = 0; round < 3; round += 1) {
    const clients: pg.Client[] = [];
    for (let at = 0; at < 4; at += 1) clients.push(await connect(gateway, gateway.port, token));
    // A thread that has four connections closes a fifth before it says anything.
    for (let at = 0; at < 4; at += 1)
      await assert.rejects(connect(gateway, gateway.port, token), /too many sessions|terminated|ECONNRESET/);
    await Promise.all(clients.map((client) => client.end()));
    const ports = portsOf(gateway);
    await until('all are closed', async () => (await sessionsByThread(gateway, ports)).every((count) => count === 0));
  }
});

test('threat: failed log-ins count on all threads, so that guessing gets no budget on each', async () => {
  const gateway = await gatewayOf();
  const tries: unknown[] = [];
  for (let at = 0; at < 40; at += 1)
    tries.push(await connect(gateway, gateway.port, 'garbage').catch((fault: pg.DatabaseError) => fault.code));
  assert.equal(tries.filter((code) => code === '28P01').length, 20);
  assert.equal(tries.filter((code) => code === '53300').length, 20);
});

test('SIGTERM drains all threads: running statements finish, held ones are told to come again, the log is closed and whole', async () => {
  const gateway = await gatewayOf({ start: false });
  const child = await served(gateway);
  const reached = await spread(gateway, child);
  const running = reached.clients.map((client) => client.query('SELECT nap(1.5) AS nap').then(({ rows }) => rows));
  const token = await clerkOf(gateway);
  const waiting = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const client = await connect(gateway, child.port, token);
      const hold = nextHold(client);
      const told = assert.rejects(client.query('SELECT name FROM patients'), { code: '57P01' });
      await hold;
      return { told };
    }),
  );
  child.kill('SIGTERM');
  assert.deepEqual(
    await Promise.all(running),
    Array.from({ length: threads }, () => [{ nap: 'slept' }]),
  );
  await Promise.all(waiting.map(({ told }) => told));
  const { code, err } = await child.ended;
  assert.equal(code, 0, err);
  await isWholeAndSigned(gateway);
  const again = await served(gateway);
  const entries = await entriesOf(gateway, again.apiPort);
  assertDense(entries);
  assert.equal(entries.filter(({ type }) => type === 'session.close').length, reached.all.length + 6);
  again.kill('SIGTERM');
  assert.equal((await again.ended).code, 0);
});

test('a second SIGTERM cuts off what runs on every thread', async () => {
  const gateway = await gatewayOf({ start: false, limits: { drainMs: 60_000 } });
  const child = await served(gateway);
  const reached = await spread(gateway, child);
  const running = reached.clients.map((client) => assert.rejects(client.query('SELECT nap(60)')));
  await until('all run', async () => (await nappers()) === threads);
  child.kill('SIGTERM');
  const token = await clerkOf(gateway);
  await until('it drains', () =>
    connect(gateway, child.port, token).then(
      () => false,
      () => true,
    ),
  );
  child.kill('SIGTERM');
  await Promise.all(running);
  assert.equal((await child.ended).code, 0);
  await isWholeAndSigned(gateway);
});

test('INVARIANT: a worker that dies takes the gateway with it, says nothing of what it held, and the log verifies', async () => {
  const gateway = await gatewayOf({ start: false });
  // Preloaded into every thread of the child: a message makes the second worker fail as a fault of ours would.
  const preload = join(gateway.directory, 'crash.mjs');
  writeFileSync(
    preload,
    `import { isMainThread, workerData } from 'node:worker_threads';
     if (isMainThread) process.once('SIGUSR2', () => new BroadcastChannel('crash').unref().postMessage(null));
     else if (workerData?.thread === 2) {
       const channel = new BroadcastChannel('crash');
       channel.onmessage = () => { throw new RangeError('970-00-0001 crash-canary'); };
       channel.unref();
     }`,
  );
  const child = await served(gateway, { NODE_OPTIONS: `--import=${preload}` });
  const reached = await spread(gateway, child);
  await Promise.all(reached.clients.map((client) => client.query('SELECT id, ssn FROM patients WHERE id = 1')));
  const running = reached.clients.map((client) => assert.rejects(client.query('SELECT nap(60)')));
  await until('all run', async () => (await nappers()) === threads);
  child.kill('SIGUSR2');
  const end = await child.ended;
  assert.equal(end.code, 1);
  assert.match(end.err, /worker 2 has ended \(RangeError\)/);
  assert.doesNotMatch(end.err + end.out, /crash-canary/);
  await Promise.all(running);
  await isWholeAndSigned(gateway);
  const again = await served(gateway);
  assertDense(await entriesOf(gateway, again.apiPort));
  again.kill('SIGTERM');
  assert.equal((await again.ended).code, 0);
});

test('INVARIANT: a full audit disk stops traffic on every thread and ends the gateway', async () => {
  const gateway = await gatewayOf({ start: false });
  const child = await served(gateway);
  const reached = await spread(gateway, child);
  // Approvals that can no longer be ended in the log must not keep the process.
  const holding = await connect(gateway, child.port, await clerkOf(gateway));
  const hold = nextHold(holding);
  const held = assert.rejects(holding.query('SELECT name FROM patients'));
  await hold;
  const journal = spawnSync('sh', ['-c', 'stat -c %s data/audit/journal/*.journal | sort -n | tail -1'], {
    cwd: gateway.directory,
    encoding: 'utf8',
  });
  const limit = spawnSync('prlimit', ['--pid', String(child.pid), `--fsize=${Number(journal.stdout) + 60_000}`]);
  assert.equal(limit.status, 0, journal.stderr);
  const filling = reached.clients.map(async (client) => {
    for (let at = 0; at < 2000; at += 1) await client.query('INSERT INTO scratch (body) VALUES ($1)', [`full ${'x'.repeat(300)}`]);
  });
  for (const { status } of await Promise.allSettled(filling)) assert.equal(status, 'rejected');
  await held;
  const end = await child.ended;
  assert.equal(end.code, 1, end.err);
  assert.match(end.err, /audit log/);
});

test('a port that another program is on is not shared with it: the gateway waits, and all threads take it once it is free', async () => {
  const other = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => other.listen({ host: '127.0.0.1', port: 0, reusePort: true }, resolve));
  const { port } = other.address() as { port: number };
  const gateway = await gatewayOf({ start: false });
  const config = readFileSync(gateway.configFile, 'utf8');
  writeFileSync(gateway.configFile, config.replace('"address": "127.0.0.1:0"', `"address": "127.0.0.1:${port}"`), { mode: 0o600 });
  const child = await served(gateway);
  assert.match(child.err(), /listener cannot bind, will retry/);
  await new Promise((resolve) => other.close(resolve));
  const token = await clerkOf(gateway);
  await until('it listens', () =>
    connect(gateway, port, token).then(
      (client) => client.end().then(() => true),
      () => false,
    ),
  );
  await until('every thread listens', async () => {
    await endAll(await spread(gateway, { port, apiPort: child.apiPort }));
    return true;
  });
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
});
