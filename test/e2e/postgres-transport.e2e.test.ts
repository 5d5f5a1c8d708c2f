// Encryption, log-in, deadlines and shutdown of the PostgreSQL adapter, with real TLS on both sides.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { Secret } from '../../src/core/secret.ts';
import { queryMessage } from '../../src/protocols/postgres/messages.ts';
import { sslRequest, startupMessage } from '../../src/protocols/postgres/startup.ts';
import { connectUpstream } from '../../src/protocols/postgres/upstream.ts';
import { type Listening, listen } from '../../src/transport/listener.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, shape } from '../support/raw-postgres.ts';

let gated: GatedPostgres;
/** The same, with a deadline for logging in that a test can wait for. Nobody should have to log in here. */
let strict: GatedPostgres;
let listening: Listening;
let certificate: string;
let key: string;
const directory = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));

before(async () => {
  const file = (name: string): string => join(directory, name);
  execFileSync(
    'openssl',
    [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -sha384 -nodes -days 2 -subj /CN=localhost'.split(' '),
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout',
      file('key.pem'),
      '-out',
      file('cert.pem'),
    ],
    { stdio: 'ignore' },
  );
  certificate = readFileSync(file('cert.pem'), 'utf8');
  key = readFileSync(file('key.pem'), 'utf8');
  gated = await startGatedPostgres({
    postgres: { tls: { certificate, key } },
    upstreamTls: { mode: 'verify-full', ca: certificate },
    security: { mode: 'tls', tls: { certificate, key: new Secret(key) } },
    setup: 'CREATE TABLE counted (id int PRIMARY KEY); INSERT INTO counted VALUES (1)',
    limits: { messageTimeoutMs: 300 },
  });
  strict = await startGatedPostgres({
    server: gated.server,
    upstreamTls: { mode: 'verify-full', ca: certificate },
    security: { mode: 'tls', tls: { certificate, key: new Secret(key) } },
    limits: { loginTimeoutMs: 700 },
  });
  listening = gated.listening;
});
after(async () => {
  await strict?.stop();
  await gated?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const upstream = (change: object = {}) =>
  connectUpstream(
    {
      host: '127.0.0.1',
      port: gated.server.port,
      database: 'postgres',
      user: gated.server.user,
      password: new Secret(gated.server.password),
      tls: { mode: 'verify-full', ca: certificate },
      connectTimeoutMs: 30_000,
      ...change,
    },
    new Map(),
    AbortSignal.timeout(40_000),
  );

test('TLS by SSLRequest works with an unmodified driver that verifies the certificate', async () => {
  const client = gated.client({ host: 'localhost', ssl: { ca: certificate } });
  await client.connect();
  assert.deepEqual((await client.query('SELECT 1 AS n')).rows, [{ n: 1 }]);
  await client.end();
});

test('psql with sslmode=verify-full works', async () => {
  writeFileSync(join(directory, 'ca.pem'), certificate);
  const connection = `host=localhost port=${gated.port} user=me dbname=clinic password=${token} sslmode=verify-full sslrootcert=${directory}/ca.pem`;
  const { stdout } = await promisify(execFile)('psql', ['-X', connection, '-Atc', 'select 40 + 2']);
  assert.equal(stdout.trim(), '42');
});

test('direct TLS works with ALPN postgresql, and not without', async () => {
  const raw = await RawPostgres.open(gated.port, { ca: certificate, ALPNProtocols: ['postgresql'] });
  await raw.logIn(token);
  raw.send(queryMessage('SELECT 1'));
  assert.equal(shape(await raw.until('Z')), 'T D C Z:I');
  raw.socket.destroy();
  const without = connectTls({ port: gated.port, host: '127.0.0.1', ca: certificate });
  without.on('error', () => undefined);
  await once(without, 'close');
});

test('TLS below 1.2 is refused', async () => {
  const old = connectTls({
    port: gated.port,
    host: '127.0.0.1',
    ca: certificate,
    ALPNProtocols: ['postgresql'],
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  let isSecure = false;
  old.on('secureConnect', () => (isSecure = true));
  await new Promise<void>((closed) => old.on('error', () => undefined).on('close', () => closed()));
  assert.equal(isSecure, false);
});

test('plaintext is refused before any secret is asked for', async () => {
  const raw = await RawPostgres.open(gated.port);
  raw.send(
    startupMessage([
      ['user', 'x'],
      ['database', 'clinic'],
    ]),
  );
  assert.equal(shape(await raw.until('R')), 'E:28000');
});

test('bytes sent behind SSLRequest before TLS is up end the connection (CVE-2021-23222)', async () => {
  const socket = connect(gated.port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    Buffer.concat([
      sslRequest(),
      startupMessage([
        ['user', 'injected'],
        ['database', 'clinic'],
      ]),
    ]),
  );
  await once(socket, 'close');
  const answer = Buffer.concat(received).toString('latin1');
  assert.ok(answer.startsWith('E') && answer.includes('08P01'), answer.slice(0, 40));
});

test('GSSENCRequest is answered with N and the connection goes on', async () => {
  const socket = connect(gated.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(Buffer.from('0000000804d21630', 'hex'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'N');
  socket.write(sslRequest());
  const [next] = (await once(socket, 'data')) as [Buffer];
  assert.equal(next.toString(), 'S');
  socket.destroy();
});

test('silent, slow and half-open clients are cut off at the deadline', async () => {
  for (const start of [Buffer.alloc(0), Buffer.from([0, 0, 0]), Buffer.from('16030100', 'hex')]) {
    const socket = connect(strict.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    socket.write(start);
    // Well before the deadline that holds when none is given, 20 s.
    await once(socket, 'close', { signal: AbortSignal.timeout(15_000) });
  }
});

test('a message that is begun and not finished ends the session', async () => {
  const raw = await RawPostgres.open(gated.port, { ca: certificate, ALPNProtocols: ['postgresql'] });
  await raw.logIn(token);
  raw.socket.write(Buffer.from([0x51, 0, 0, 1, 0, 0x53]));
  assert.equal(shape(await raw.until('Z')), 'E:57P05');
});

test('arbitrary first bytes never crash the listener', async () => {
  for (let n = 0; n < 40; n += 1) {
    const socket = connect(gated.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    socket.end(Buffer.from(Array.from({ length: 1 + ((n * 37) % 60) }, (_, at) => (n * 101 + at * 59) % 256)));
    await once(socket, 'close');
  }
  const client = gated.client({ host: 'localhost', ssl: { ca: certificate } });
  await client.connect();
  await client.end();
});

test('TLS handshakes that break off at any point neither crash the process nor leak connections', async () => {
  for (let n = 0; n < 120; n += 1) {
    const socket = connect(gated.port, '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.on('error', () => undefined).on('close', () => resolve()));
    await once(socket, 'connect');
    const options = {
      socket,
      ca: certificate,
      ALPNProtocols: n % 3 === 0 ? ['http/1.1'] : ['postgresql'],
      rejectUnauthorized: n % 2 === 0,
    };
    const secure = connectTls(options);
    secure.on('error', () => undefined);
    const cut = (): void => void (n % 4 < 2 ? socket.destroy() : secure.destroy());
    if (n % 5 === 0) secure.on('secureConnect', cut);
    else setTimeout(cut, n % 7);
    await closed;
  }
  const endMs = performance.now() + 15_000;
  while (listening.connections > 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(listening.connections, 0);
});

test('the upstream side binds SCRAM to the certificate of the target', async () => {
  const connection = await upstream();
  assert.equal(connection.parameters.get('client_encoding'), 'UTF8');
  connection.destroy();
  const { rows } = await gated.direct.query('SELECT count(*)::int AS n FROM pg_stat_ssl WHERE ssl');
  assert.ok(rows[0].n >= 1);
});

test('the upstream side refuses an unknown certificate, a wrong name and a wrong password', async () => {
  await assert.rejects(upstream({ tls: { mode: 'verify-full' } }), { code: 'SP_UPSTREAM_UNREACHABLE' });
  await assert.rejects(upstream({ tls: { mode: 'verify-full', ca: certificate, servername: 'other.example' } }), {
    code: 'SP_UPSTREAM_UNREACHABLE',
  });
  await assert.rejects(upstream({ password: new Secret('wrong') }), { code: 'SP_UPSTREAM_AUTH' });
  await assert.rejects(upstream({ host: '192.0.2.1', tls: { mode: 'disable' } }), { code: 'SP_CONFIG_INVALID' });
});

test('a target that never answers is given up at the deadline', async () => {
  const silent = await listen({
    config: { host: '127.0.0.1', port: 0, security: { mode: 'insecure' }, maxConnections: 5, maxConnectionsPerAddress: 5 },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    onConnection: (socket) => socket.resume(),
  });
  await assert.rejects(upstream({ port: silent.port, connectTimeoutMs: 200 }), { code: 'SP_UPSTREAM_UNREACHABLE' });
  await silent.close();
});

test('a busy port is reported and tried again, and connections over the limit are closed', async () => {
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const config = { host: '127.0.0.1', security: { mode: 'insecure' as const }, maxConnections: 1, maxConnectionsPerAddress: 1 };
  const first = await listen({ config: { ...config, port: 0 }, logger, onConnection: (socket) => socket.resume() });
  const second = await listen({ config: { ...config, port: first.port }, logger, onConnection: () => undefined });
  assert.notEqual(second.state, 'listening');
  const kept = connect(first.port, '127.0.0.1');
  await once(kept, 'connect');
  const surplus = connect(first.port, '127.0.0.1');
  surplus.on('error', () => undefined);
  surplus.resume();
  await once(surplus, 'close');
  kept.destroy();
  await first.close();
  const endMs = performance.now() + 30_000;
  const state = (): string => second.state;
  while (state() !== 'listening' && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(state(), 'listening');
  await second.close();
});

test('draining: idle sessions end, a running statement finishes, a held one is given up', { timeout: 120_000 }, async () => {
  const open = async (): Promise<RawPostgres> => {
    const raw = await RawPostgres.open(gated.port, { ca: certificate, ALPNProtocols: ['postgresql'] });
    await raw.logIn(token);
    return raw;
  };
  const [idle, running, held] = [await open(), await open(), await open()];
  // It waits for a lock of ours: it runs for as long as it must, however slow the machine is.
  const blocker = strict.direct;
  await blocker.query('BEGIN; SELECT 1 FROM counted FOR UPDATE');
  running.send(queryMessage('UPDATE counted SET id = id RETURNING id'));
  const blocked = `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'UPDATE counted%' AND wait_event_type = 'Lock'`;
  while ((await gated.direct.query(blocked)).rowCount !== 1) await new Promise((resolve) => setTimeout(resolve, 20));
  held.send(queryMessage('SELECT 1 AS hold_me'));
  await held.until('N');
  const drained = gated.adapter.drain(AbortSignal.timeout(60_000));
  assert.equal(shape(await idle.until('Z')), 'E:57P01');
  assert.match(shape(await held.until('!')), /^E:57(014|P01) (Z:I )?E:57P01$/);
  assert.ok(!running.isClosed);
  await blocker.query('COMMIT');
  assert.equal(shape(await running.until('!')), 'T D C Z:I E:57P01');
  await drained;
  assert.equal(gated.adapter.liveSessions, 0);
});
