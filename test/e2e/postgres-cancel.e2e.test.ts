// Cancel requests at the moments that are easily lost: while the gate is being asked, while the request itself is late, and
// those of nobody. What counts is that the statement meant is cancelled, no other one is, and no log-in suffers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { message, parseFields, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { cancelRequest, startupMessage } from '../../src/protocols/postgres/startup.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, bind, describe, execute, shape, sync } from '../support/raw-postgres.ts';

let server: EmbeddedPostgres;
let proxy: CancelProxy;
let gated: GatedPostgres;

before(async () => {
  server = await startEmbeddedPostgres({});
  proxy = await CancelProxy.start(server.port);
  gated = await startGatedPostgres({
    server: { ...server, port: proxy.port },
    setup: 'CREATE TABLE scratch (id int PRIMARY KEY, v text)',
  });
});
after(async () => {
  await gated?.stop();
  await proxy?.close();
  await server?.stop();
});
beforeEach(async () => {
  gated.gate.results.length = 0;
  gated.gate.holds.length = 0;
  proxy.cancels = 'pass';
  await gated.direct.query('TRUNCATE scratch');
});

/** Passes everything on; requests to cancel only when the test lets them. */
class CancelProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  /** What went to the server, as text. */
  sent = '';
  cancels: 'pass' | 'hold' = 'pass';

  private constructor(listening: Server) {
    this.#server = listening;
  }

  static async start(port: number): Promise<CancelProxy> {
    const listening = createServer();
    const proxy = new CancelProxy(listening);
    listening.on('connection', (client: Socket) => proxy.#accept(client, port));
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests to cancel that wait here. */
  get held(): number {
    return this.#held.length;
  }

  release(): void {
    this.cancels = 'pass';
    for (const go of this.#held.splice(0)) go();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(client: Socket, port: number): void {
    this.#sockets.add(client);
    client.on('error', () => undefined);
    client.once('data', (first: Buffer) => {
      const isCancel = first.length >= 8 && first.readUInt32BE(4) === 80_877_102;
      const go = (): void => {
        const upstream = connect(port, '127.0.0.1');
        this.#sockets.add(upstream);
        upstream.on('error', () => client.destroy());
        upstream.on('close', () => client.destroy());
        client.on('close', () => upstream.destroy());
        upstream.write(first);
        client.on('data', (chunk: Buffer) => {
          this.sent += chunk.toString('latin1');
        });
        client.pipe(upstream);
        upstream.pipe(client);
      };
      if (isCancel && this.cancels === 'hold') this.#held.push(go);
      else go();
    });
  }
}

class Client {
  readonly raw: RawPostgres;
  readonly pid: number;
  readonly key: Uint8Array;

  constructor(raw: RawPostgres, keyData: Uint8Array) {
    this.raw = raw;
    this.pid = Buffer.from(keyData).readInt32BE(0);
    this.key = keyData.subarray(4);
  }

  static async open(): Promise<Client> {
    const raw = await RawPostgres.open(gated.port);
    raw.send(startupMessage(Object.entries({ user: 'x', database: 'clinic' })));
    await raw.until('R');
    raw.send(message('p', (body) => body.cString(token)));
    const greeting = await raw.until('Z');
    const keyData = greeting.find(({ type }) => type === 'K'.charCodeAt(0))?.body ?? assert.fail('no key');
    return new Client(raw, keyData);
  }

  async ask(text: string): Promise<string> {
    this.raw.send(queryMessage(text));
    return shape(await this.raw.until('Z'));
  }

  /** Resolves when the gateway has closed the request, which it does without a word. */
  async cancel(key: Uint8Array = this.key, pid = this.pid): Promise<void> {
    const one = await RawPostgres.open(gated.port);
    one.send(cancelRequest(pid, key));
    assert.deepEqual(await one.until('no such letter'), []);
    one.socket.destroy();
  }
}

const until = async (isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const endMs = performance.now() + 30_000;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const runs = (text: string): Promise<void> =>
  until(async () => {
    const { rowCount } = await gated.direct.query("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1", [text]);
    return rowCount === 1;
  }, `${text} runs`);

/** The newest session's gate answers nothing until `release`. `asked` counts what it was asked. */
function holdGate(): { asked: number; release: () => void } {
  const session = gated.gate.sessions.at(-1) ?? assert.fail('no session');
  const gate = Promise.withResolvers<void>();
  const state = { asked: 0, release: gate.resolve };
  const ask = session.ask.bind(session);
  session.ask = async (request) => {
    state.asked += 1;
    await gate.promise;
    return ask(request);
  };
  return state;
}

const code = (text: string): string | undefined => gated.gate.results.find((result) => result.text === text)?.result.code;

test('a statement that is cancelled while the gate is asked is not run, and recorded as cancelled', async () => {
  const client = await Client.open();
  const gate = holdGate();
  const text = "INSERT INTO scratch VALUES (1, 'never')";
  client.raw.send(queryMessage(text));
  await until(() => gate.asked === 1, 'asked');
  await client.cancel();
  gate.release();
  const frames = await client.raw.until('Z');
  assert.equal(shape(frames), 'E:57014 Z:I');
  assert.match(parseFields(frames[0]?.body ?? new Uint8Array()).get('M') ?? '', /cancelled by the client/);
  assert.equal(code(text), '57014');
  assert.ok(!proxy.sent.includes('never'));
  assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
  client.raw.socket.destroy();
});

test('inside a block such a cancel aborts the block, on the target as well', async () => {
  const client = await Client.open();
  assert.equal(await client.ask('BEGIN'), 'C Z:T');
  const gate = holdGate();
  client.raw.send(queryMessage("INSERT INTO scratch VALUES (1, 'never')"));
  await until(() => gate.asked === 1, 'asked');
  await client.cancel();
  gate.release();
  assert.equal(shape(await client.raw.until('Z')), 'E:57014 Z:E');
  assert.equal(await client.ask('SELECT 1'), 'E:25P02 Z:E');
  assert.equal(await client.ask('ROLLBACK'), 'C Z:I');
  client.raw.socket.destroy();
});

test('in the extended protocol the cancelled statement is skipped up to its Sync, and what follows is run', async () => {
  for (const at of [1, 2]) {
    const client = await Client.open();
    const gate = holdGate();
    const text = `INSERT INTO scratch VALUES (${at}, 'never')`;
    // The gate is asked for the Parse, and once more for the Execute, before which Bind and Describe are not sent.
    client.raw.send(parseMessage('', text, []), bind('', ''), describe('P', ''), execute(''), sync());
    await until(() => gate.asked === 1, 'asked for the Parse');
    if (at === 2) {
      const next = holdGate();
      gate.release();
      await until(() => next.asked === 1, 'asked for the Execute');
      await client.cancel();
      next.release();
      assert.equal(shape(await client.raw.until('Z')), '1 E:57014 Z:I');
    } else {
      await client.cancel();
      gate.release();
      assert.equal(shape(await client.raw.until('Z')), 'E:57014 Z:I');
    }
    client.raw.send(parseMessage('', 'SELECT 7', []), bind('', ''), execute(''), sync());
    assert.equal(shape(await client.raw.until('Z')), '1 2 D C Z:I');
    client.raw.socket.destroy();
  }
  const { rows } = await gated.direct.query('SELECT * FROM scratch');
  assert.deepEqual(rows, []);
});

test('a statement that turns out to need approval after its cancel does not wait for one', async () => {
  const client = await Client.open();
  const gate = holdGate();
  client.raw.send(queryMessage('SELECT 1 AS hold_me'));
  await until(() => gate.asked === 1, 'asked');
  await client.cancel();
  gate.release();
  assert.equal(shape(await client.raw.until('Z')), 'E:57014 Z:I');
  assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
  client.raw.socket.destroy();
});

test('a cancel of an idle session is without effect on its next statement', async () => {
  const client = await Client.open();
  await client.cancel();
  assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
  client.raw.send(parseMessage('', 'SELECT 1', []), sync());
  await client.raw.until('Z');
  await client.cancel();
  client.raw.send(bind('', ''), execute(''), sync());
  assert.equal(shape(await client.raw.until('Z')), '2 D C Z:I');
  client.raw.socket.destroy();
});

test('a cancel that is late never reaches the statement after the one it was for', async () => {
  for (const protocol of ['simple', 'extended'] as const) {
    const client = await Client.open();
    const send = (text: string): void =>
      protocol === 'simple'
        ? client.raw.send(queryMessage(text))
        : client.raw.send(parseMessage('', text, []), bind('', ''), execute(''), sync());
    proxy.cancels = 'hold';
    await gated.direct.query('SELECT pg_advisory_lock(7)');
    const first = `SELECT '${protocol} one', pg_advisory_lock(7)`;
    const second = `SELECT '${protocol} two', pg_sleep(0.3)`;
    send(first);
    await runs(first);
    await client.cancel();
    await until(() => proxy.held === 1, 'the cancel is on its way');
    // It ends by itself, and the client goes on.
    await gated.direct.query('SELECT pg_advisory_unlock(7)');
    assert.match(shape(await client.raw.until('Z')), /C Z:I$/);
    send(second);
    // Another session shows that the gateway has had every chance to send it.
    const other = await Client.open();
    for (let index = 0; index < 5; index += 1) assert.equal(await other.ask('SELECT 1'), 'T D C Z:I');
    assert.ok(!proxy.sent.includes(second));
    proxy.release();
    assert.match(shape(await client.raw.until('Z')), /D C Z:I$/);
    assert.ok(proxy.sent.includes(second));
    for (const each of [client, other]) each.raw.socket.destroy();
  }
});

test('the same for a statement that the gate is asked for while the cancel is on its way', async () => {
  const client = await Client.open();
  const [first, second] = ["SELECT 'running', pg_advisory_lock(7)", "SELECT 'asked', pg_sleep(0.3)"];
  const send = (text: string): void => client.raw.send(parseMessage('', text, []), bind('', ''), execute(''), sync());
  proxy.cancels = 'hold';
  await gated.direct.query('SELECT pg_advisory_lock(7)');
  send(first);
  await runs(first);
  const gate = holdGate();
  send(second);
  await until(() => gate.asked === 1, 'asked');
  await client.cancel();
  await until(() => proxy.held === 1, 'the cancel is on its way');
  await gated.direct.query('SELECT pg_advisory_unlock(7)');
  assert.equal(shape(await client.raw.until('Z')), '1 2 D C Z:I');
  gate.release();
  const other = await Client.open();
  for (let index = 0; index < 5; index += 1) assert.equal(await other.ask('SELECT 1'), 'T D C Z:I');
  assert.ok(!proxy.sent.includes(second));
  proxy.release();
  assert.equal(shape(await client.raw.until('Z')), '1 2 D C Z:I');
  for (const each of [client, other]) each.raw.socket.destroy();
});

test('a target that never takes the cancel holds up the next statement until the connect timeout, no longer', async () => {
  const slow = await startGatedPostgres({ server: { ...server, port: proxy.port }, limits: { connectTimeoutMs: 1500 } });
  const ours = gated;
  gated = slow;
  try {
    const client = await Client.open();
    proxy.cancels = 'hold';
    const text = 'SELECT pg_sleep(0.5)';
    client.raw.send(queryMessage(text));
    await runs(text);
    const startMs = performance.now();
    await client.cancel();
    assert.equal(shape(await client.raw.until('Z')), 'T D C Z:I');
    assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs > 1000 && tookMs < 15_000, `${tookMs} ms`);
    client.raw.socket.destroy();
  } finally {
    gated = ours;
    await slow.stop();
    proxy.release();
  }
});

test('a row over the limit keeps the target where it is until it is cancelled, however long that takes', async () => {
  const narrow = await startGatedPostgres({ server: { ...server, port: proxy.port }, limits: { maxRowBytes: 1024 * 1024 } });
  const ours = gated;
  gated = narrow;
  try {
    const client = await Client.open();
    proxy.cancels = 'hold';
    const text = "SELECT repeat('x', 40000000)";
    client.raw.send(queryMessage(text));
    await until(() => proxy.held === 1, 'the cancel is on its way');
    // Many more turns than it would take to read the row to its end.
    for (let index = 0; index < 50; index += 1) {
      const { rows } = await gated.direct.query('SELECT state, wait_event FROM pg_stat_activity WHERE query = $1', [text]);
      assert.equal(rows[0]?.state, 'active');
      if (index > 25) assert.equal(rows[0]?.wait_event, 'ClientWrite');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    proxy.release();
    assert.equal(shape(await client.raw.until('Z')), 'T E:54000 Z:I');
    assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
    client.raw.socket.destroy();
  } finally {
    gated = ours;
    await narrow.stop();
  }
});

test('many cancels of one client open few connections to the target', async () => {
  const client = await Client.open();
  proxy.cancels = 'hold';
  const text = 'SELECT pg_sleep(30)';
  client.raw.send(queryMessage(text));
  await runs(text);
  for (let index = 0; index < 50; index += 1) await client.cancel();
  await until(() => proxy.held > 0, 'the cancel is on its way');
  assert.equal(proxy.held, 1);
  proxy.release();
  assert.match(shape(await client.raw.until('Z')), /E:57014 Z:I$/);
  assert.equal(await client.ask('SELECT 1'), 'T D C Z:I');
  client.raw.socket.destroy();
});

test('threat: guessed keys end nothing, are counted for the session they are tried on, and never as failed log-ins', async () => {
  const [victim, other] = [await Client.open(), await Client.open()];
  victim.raw.send(queryMessage('SELECT 1 AS hold_me'));
  await until(() => gated.gate.holds.length === 1, 'held');
  const guess = async (index: number): Promise<void> => {
    // Every second one names a session that does not exist, as a late cancel does.
    const key = Buffer.alloc(index % 7 === 0 ? 32 : 4);
    key.writeInt32BE(index + 1, 0);
    await victim.cancel(key, index % 2 === 0 ? victim.pid : victim.pid ^ 1);
  };
  // Over 1000 on the victim: what the limiter of log-ins of this gateway would take as well.
  for (let from = 0; from < 2100; from += 50) await Promise.all(Array.from({ length: 50 }, (_, index) => guess(from + index)));
  assert.deepEqual(shape(victim.raw.frames), 'N:00000', 'the statement is still held');
  // The log-in of anybody at this address is as good as ever.
  const late = await Client.open();
  assert.equal(await late.ask('SELECT 1'), 'T D C Z:I');
  // A key that is tried a thousand times in a minute is not looked at for the rest of it, not even the right one.
  await victim.cancel();
  assert.equal(await late.ask('SELECT 1'), 'T D C Z:I');
  assert.equal(shape(victim.raw.frames), 'N:00000');
  gated.gate.holds[0]?.approve();
  assert.match(shape(await victim.raw.until('Z')), /T D C Z:I$/);
  // That of another session is.
  other.raw.send(queryMessage('SELECT 2 AS hold_me'));
  await until(() => gated.gate.holds.length === 2, 'held');
  await other.cancel();
  assert.match(shape(await other.raw.until('Z')), /E:57014 Z:I$/);
  assert.deepEqual(gated.gate.authFailures, []);
  for (const each of [victim, other, late]) each.raw.socket.destroy();
});
