// What comes in between: cancels at every moment, a server that restarts or stops answering, time limits of the server,
// clients that close half of a connection or try to renegotiate TLS. The gateway is a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { message, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { cancelRequest } from '../../src/protocols/postgres/startup.ts';
import { startTestGateway } from '../support/gateway.ts';
import { type CountingClient, type LimitsGateway, startLimitsGateway } from '../support/limits.ts';
import { bind, execute, sync } from '../support/raw-postgres.ts';
import { serve, smallClinicPolicy, until } from '../support/small-clinic.ts';

let limits: LimitsGateway;
const one = 'T C Z:I';

before(async () => {
  limits = await startLimitsGateway();
});
after(() => limits?.stop());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const cancel = (client: CountingClient): Promise<void> => client.cancel(limits.served.port);

/** Waits until the one statement with a long nap runs, whoever sent it. */
const napping = (): Promise<unknown> =>
  until('the nap has begun', async () => {
    const { rowCount } = await limits.clinic.direct.query(
      "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%nap(30)%'",
    );
    return rowCount === 1;
  });

async function activeStatements(): Promise<number> {
  const { rows } = await limits.clinic.direct.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state <> 'idle' AND application_name LIKE 'sallyport ses%'",
  );
  return rows[0]?.n ?? -1;
}

test('a cancel before, during and after a statement, in a block and in a pipeline, does what it does at the database', async () => {
  const [direct, gated] = await limits.both(async (client, port) => {
    const seen: string[] = [];
    await client.cancel(port);
    await pause(100);
    seen.push(await client.query('SELECT 1'));
    const running = client.query('SELECT public.nap(30)');
    await napping();
    await client.cancel(port);
    seen.push(await running);
    await client.cancel(port);
    await pause(100);
    seen.push(await client.query('BEGIN'));
    const inBlock = client.query('SELECT public.nap(30)');
    await napping();
    await client.cancel(port);
    seen.push(await inBlock, await client.query('SELECT 1'), await client.query('ROLLBACK'));
    client.reset();
    for (const text of ['SELECT 1', 'SELECT public.nap(30)', 'SELECT 2'])
      client.send(parseMessage('', text, []), bind('', ''), execute(''));
    client.send(sync());
    client.send(parseMessage('', 'SELECT 3', []), bind('', ''), execute(''), sync());
    await napping();
    await client.cancel(port);
    seen.push(await client.until('Z', 2));
    return seen;
  });
  assert.deepEqual(gated, direct);
  assert.match(direct[1] ?? '', /E:57014 Z:I$/);
});

test('a cancel ends a wait for approval, and nothing of the statement reaches the database', async () => {
  const client = await limits.gated();
  const held = client.query("INSERT INTO ledger (body) VALUES ('never')");
  await until('it is held', () => client.shape.length > 0);
  await cancel(client);
  assert.match(await held, /^N:00000 E:57014 Z:I$/);
  assert.equal(await client.query('SELECT 1'), one);
  const { rows } = await limits.clinic.direct.query<{ n: number }>("SELECT count(*)::int AS n FROM ledger WHERE body = 'never'");
  assert.equal(rows[0]?.n, 0);
  client.end();
});

test('threat: thousands of cancels, own and guessed, never end the statement of another session', { timeout: 120_000 }, async () => {
  const [victim, noisy] = [await limits.gated(), await limits.gated()];
  const nap = victim.query('SELECT public.nap(4)');
  const [victimKey, noisyKey] = [Buffer.from(victim.cancelKey), Buffer.from(noisy.cancelKey)];
  const endMs = performance.now() + 3000;
  let sent = 0;
  while (performance.now() < endMs) {
    const statement = noisy.query('SELECT public.nap(0.005)');
    const cancels = Array.from({ length: 8 }, async (_, index) => {
      const socket = connect({ port: limits.served.port, host: '127.0.0.1' });
      socket.on('error', () => undefined);
      // The key of the noisy session, or the process id of the victim with a wrong one: few, an address that guesses is shut out.
      const guesses = sent < 8 && index === 0;
      const pid = guesses ? victimKey.readInt32BE(0) : noisyKey.readInt32BE(0);
      socket.end(cancelRequest(pid, guesses ? Buffer.from([sent, 1, 2, 3]) : noisyKey.subarray(4)));
      socket.resume();
      await once(socket, 'close');
    });
    await Promise.all(cancels);
    sent += cancels.length;
    assert.match(await statement, /Z:I$/);
  }
  assert.ok(sent > 100, `${sent} cancels`);
  assert.equal(await nap, one);
  assert.equal(await noisy.query('SELECT 1'), one);
  for (const client of [victim, noisy]) client.end();
});

test('time limits of the server are the server’s own errors, and the session is where the server is', { timeout: 120_000 }, async () => {
  await limits.clinic.direct.query('CREATE TABLE locked (id int); INSERT INTO locked VALUES (1)');
  const blocker = await limits.direct();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
  const [direct, gated] = await limits.both(async (client) => {
    const seen: string[] = [];
    seen.push(await client.query("SET statement_timeout = '200ms'"), await client.query('SELECT public.nap(10)'));
    seen.push(await client.query('BEGIN'), await client.query('SELECT public.nap(10)'), await client.query('ROLLBACK'));
    seen.push(await client.query('SET statement_timeout = 0'), await client.query("SET lock_timeout = '200ms'"));
    seen.push(await client.query('SELECT count(*) FROM locked'), await client.query('SELECT 1'));
    seen.push(await client.query("SET idle_in_transaction_session_timeout = '300ms'"), await client.query('BEGIN'));
    client.reset();
    await client.closed(10_000);
    seen.push(client.shape.join(' '), client.errors()[0]?.['S'] ?? '');
    return seen;
  });
  assert.deepEqual(gated, direct);
  assert.deepEqual(direct.slice(-2), ['E:25P03', 'FATAL']);
  await blocker.query('ROLLBACK');
  blocker.end();
});

test('a client that closes its sending half loses its statement; one that goes away in a block leaves no lock', async () => {
  const half = await limits.gated();
  half.send(queryMessage('SELECT public.nap(30)'));
  await until('it runs', async () => (await activeStatements()) === 1);
  half.socket.end();
  await until('it has ended', async () => (await activeStatements()) === 0);
  const gone = await limits.gated();
  await gone.query('BEGIN');
  assert.equal(await gone.query("INSERT INTO scratch (body) VALUES ('gone')"), 'C Z:T');
  gone.end();
  await until('its transaction has ended', async () => (await activeStatements()) === 0);
  const { rows } = await limits.clinic.direct.query<{ n: number }>("SELECT count(*)::int AS n FROM scratch WHERE body = 'gone'");
  assert.equal(rows[0]?.n, 0);
});

test('a statement whose answer stops coming holds up nobody else, and its client can still leave', async () => {
  const stuck = await limits.gated();
  const { rows } = await limits.clinic.direct.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sallyport ses%' ORDER BY backend_start DESC LIMIT 1",
  );
  const pid = rows[0]?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    stuck.send(queryMessage('SELECT 1'));
    await pause(200);
    assert.deepEqual(stuck.shape, []);
    const other = await limits.gated();
    assert.equal(await other.query('SELECT 1'), one);
    other.end();
    await cancel(stuck);
    stuck.end();
    const next = await limits.gated();
    assert.equal(await next.query('SELECT 2'), one);
    next.end();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until('the server process has ended', async () => {
    const left = await limits.clinic.direct.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid]);
    return left.rowCount === 0;
  });
});

test('threat: TLS renegotiation by the client is refused', async () => {
  const gateway = await startTestGateway({ targets: [limits.clinic.target], policy: smallClinicPolicy, limits: { loginMs: 5000 } });
  try {
    const ca = join(gateway.directory, 'tls', 'ca.crt');
    const args = ['s_client', '-connect', `127.0.0.1:${gateway.port}`, '-starttls', 'postgres', '-tls1_2', '-CAfile', ca];
    const client = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    for (const stream of [client.stdout, client.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (out += text));
    client.stdin.on('error', () => undefined);
    await until('the handshake is over', () => out.includes('Verify return code: 0'));
    const ended = once(client, 'close');
    // A line with a single R asks openssl to renegotiate.
    client.stdin.write('R\n');
    await until('openssl has asked', () => out.includes('RENEGOTIATING'));
    await ended;
    const answer = out.slice(out.indexOf('RENEGOTIATING'));
    assert.doesNotMatch(answer, /verify return:1/, 'a second handshake took place');
    assert.match(answer, /no renegotiation/i);
  } finally {
    await gateway.close();
  }
});

test(
  'the server restarts in the middle of everything: 57P01, 57P02 or 08006, an honest record, and the next session works',
  { timeout: 180_000 },
  async () => {
    const starts: readonly ((client: CountingClient) => Promise<void>)[] = [
      async (client) => void client.send(queryMessage('SELECT public.nap(60)')),
      async (client) => {
        await client.query('BEGIN');
        await client.query("INSERT INTO scratch (body) VALUES ('restart')");
        client.reset();
      },
      async (client) => {
        client.send(queryMessage('COPY scratch (body) FROM STDIN'));
        await client.until('G');
        client.send(message('d', (body) => body.bytes(Buffer.from('restart\n'))));
      },
      async (client) => {
        client.send(queryMessage('COPY (SELECT i, public.nap(0.01) FROM generate_series(1, 100000) i) TO STDOUT'));
        await client.until('H');
      },
      async (client) => {
        for (let index = 0; index < 200; index += 1) {
          client.send(parseMessage('', 'SELECT public.nap(0.1)', []), bind('', ''), execute(''), sync());
        }
        await client.until('Z', 2);
      },
      async () => undefined,
    ];
    const clients: CountingClient[] = [];
    for (const start of starts) {
      const client = await limits.gated();
      clients.push(client);
      await start(client);
    }
    await pause(200);
    await limits.clinic.server.restart();
    for (const [index, client] of clients.entries()) {
      await client.closed();
      const last = client.errors().at(-1);
      assert.match(last?.['C'] ?? '', /^(57P0[123]|08006)$/, `client ${index}: ${client.shape.slice(-6).join(' ')}`);
      assert.match(last?.['S'] ?? '', /FATAL|PANIC/);
    }
    const next = await until('a new session works', async () => {
      const client = await limits.gated().catch(() => null);
      if (client === null) return null;
      if ((await client.query('SELECT id FROM visits WHERE id = 1')) === one) return client;
      client.end();
      return null;
    });
    assert.equal(await next.query("SELECT 1 FROM scratch WHERE body = 'restart'"), one);
    assert.equal(next.rows, 0);
    next.end();
    limits.served.kill('SIGTERM');
    const { code, err } = await limits.served.ended;
    assert.equal(code, 0, err.slice(-400));
    const again = await serve(limits.files.configFile);
    again.kill('SIGTERM');
    assert.equal((await again.ended).code, 0);
  },
);
