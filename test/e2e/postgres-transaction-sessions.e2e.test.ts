// Sessions whose open transaction has changed the schema: what migration tools do, what the client sees of the gateway's own
// questions in between, and everything that can come between those: locks, cancels, terminated backends, lost clients.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import pg from 'pg';
import { parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { maxTransactions } from '../../src/protocols/postgres/planner.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, bind, close, execute, rows, shape, sync } from '../support/raw-postgres.ts';
import { until } from '../support/small-clinic.ts';
import { type TcpProxy, startTcpProxy } from '../support/tcp-proxy.ts';

const ssn = '970-00-0001';
let server: EmbeddedPostgres;
let proxy: TcpProxy;
let gated: GatedPostgres;
/** Cancel requests that reached the target. */
let cancels = 0;
/** An owner who does not pass the gateway. */
let owner: pg.Client;
const clients: pg.Client[] = [];
const raws: RawPostgres[] = [];

before(async () => {
  server = await startEmbeddedPostgres({});
  proxy = await startTcpProxy(server);
  proxy.admit = (first) => {
    if (first.slice(4, 8) === '\u0004\u00d2\u0016\u002e') cancels += 1;
    return true;
  };
  gated = await startGatedPostgres({
    server: { ...server, port: proxy.port },
    setup: `
      CREATE TABLE clinics (id int PRIMARY KEY, name text);
      INSERT INTO clinics SELECT i, 'Clinic ' || i FROM generate_series(1, 5) i;
      CREATE TABLE patients (id int PRIMARY KEY, ssn text, clinic int REFERENCES clinics);
      INSERT INTO patients VALUES (1, '${ssn}', 1);
      CREATE VIEW roster AS SELECT id, clinic FROM patients;
      CREATE TABLE plain (id int, body text DEFAULT lower('X'));`,
    policy: { version: '1', classRules: [{ class: 'phi.ssn', pattern: 'public.patients.ssn' }], safeFunctions: new Set() },
  });
  const { host, port, user, password } = gated.server;
  owner = new pg.Client({ host, port, user, password, database: 'postgres' });
  await owner.connect();
});
after(async () => {
  await owner?.end();
  await gated?.stop();
  await proxy?.close();
  await server?.stop();
});
afterEach(async () => {
  await owner.query('ROLLBACK');
  for (const raw of raws.splice(0)) raw.socket.destroy();
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await owner.query('DROP TABLE IF EXISTS elsewhere');
  asMasked();
});

const asClear = (): void => gated.gate.setMasks('clear', { 'phi.ssn': 'clear', opaque: 'clear' });
const asMasked = (): void => gated.gate.setMasks('masked', {});

async function connected(): Promise<pg.Client> {
  const client = gated.client();
  clients.push(client);
  await client.connect();
  return client;
}

async function rawly(): Promise<RawPostgres> {
  const raw = await RawPostgres.logIn(gated.port, token);
  raws.push(raw);
  return raw;
}

const answers = async (client: pg.Client, text: string, values: readonly unknown[] = []): Promise<string> =>
  client.query({ text, values: [...values], rowMode: 'array' }).then(
    (result) => JSON.stringify(result.rows),
    (fault: pg.DatabaseError) => fault.code ?? fault.message,
  );

/** Process id of the backend that waits for a lock on behalf of a session. */
async function waitingBackend(): Promise<number> {
  let pid = 0;
  await until('the reading waits for a lock', async () => {
    const { rows: found } = await gated.direct.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'sallyport ses%'",
    );
    pid = found[0]?.pid ?? 0;
    return pid !== 0;
  });
  return pid;
}

/** A client whose next statement reads the catalogue of its transaction, and waits for a definition that the owner has locked. */
async function changedBehindLock(): Promise<pg.Client> {
  const client = await connected();
  for (const text of ['BEGIN', 'CREATE TABLE made (id int)']) await client.query(text);
  for (const text of ['BEGIN', 'LOCK TABLE roster IN ACCESS EXCLUSIVE MODE']) await owner.query(text);
  return client;
}

test('a migration in one transaction does what it does at the database', async () => {
  const steps: readonly (readonly [text: string, values?: readonly unknown[]])[] = [
    ['BEGIN'],
    ['CREATE TABLE IF NOT EXISTS migrations (version int PRIMARY KEY, at timestamptz DEFAULT now())'],
    ["CREATE TYPE mood AS ENUM ('fine', 'unwell')"],
    ["CREATE TABLE visits (id serial PRIMARY KEY, clinic int NOT NULL REFERENCES clinics, mood mood DEFAULT 'fine', note text)"],
    ['CREATE INDEX visits_clinic ON visits (clinic)'],
    ['INSERT INTO visits (clinic, note) VALUES ($1, $2), ($3, $4) RETURNING id', [1, 'a', 2, 'b']],
    ['SELECT * FROM visits ORDER BY id'],
    ['ALTER TABLE visits ADD COLUMN length int GENERATED ALWAYS AS (char_length(note)) STORED'],
    ["UPDATE visits SET mood = 'unwell', note = note || $1 WHERE id = $2 RETURNING id, length", ['bc', 2]],
    ['ALTER TABLE visits RENAME COLUMN note TO remark'],
    ['CREATE VIEW unwell AS SELECT v.id, v.remark, c.name FROM visits v JOIN clinics c ON c.id = v.clinic WHERE mood = $$unwell$$'],
    ['SELECT * FROM unwell'],
    ["CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)'"],
    ['SELECT shout(remark) FROM visits ORDER BY id'],
    ['SAVEPOINT try'],
    ['CREATE TABLE wrong (id int)'],
    ['SELECT count(*) FROM wrong'],
    ['ROLLBACK TO try'],
    ["SELECT to_regclass('wrong')"],
    ['SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position', ['visits']],
    ['INSERT INTO migrations (version) VALUES (1)'],
    ['COMMIT'],
    ['SELECT id, remark, length FROM visits ORDER BY id'],
    ['DROP VIEW unwell'],
    ['DROP TABLE visits, migrations'],
    ['DROP FUNCTION shout(text)'],
    ['DROP TYPE mood'],
  ];
  const run = async (client: pg.Client): Promise<string[]> => {
    const seen: string[] = [];
    for (const [text, values] of steps) seen.push(`${text}: ${await answers(client, text, values)}`);
    return seen;
  };
  asClear();
  const client = await connected();
  assert.deepEqual(await run(client), await run(gated.direct));
});

test('what a transaction made is known to its own session alone, and to nobody after ROLLBACK', async () => {
  const [maker, other] = [await connected(), await connected()];
  for (const text of ['BEGIN', 'CREATE TABLE made (id int)', 'INSERT INTO made VALUES (7)']) await maker.query(text);
  assert.equal(await answers(maker, 'SELECT * FROM made'), '[[7]]');
  assert.equal(await answers(other, 'SELECT * FROM made'), '42P01');
  assert.equal(await answers(maker, 'SELECT upper(ssn) FROM patients'), '[["***"]]');
  assert.equal(await answers(other, 'SELECT upper(ssn) FROM patients'), '[["***"]]');
  await maker.query('ROLLBACK');
  for (const client of [maker, other]) assert.equal(await answers(client, 'SELECT * FROM made'), '42P01');
});

test('SQL EXECUTE of a statement that a driver prepared is DDL as well', async () => {
  asClear();
  const raw = await rawly();
  raw.send(parseMessage('ddl', 'ALTER TABLE patients RENAME COLUMN ssn TO body', []), sync());
  await raw.until('Z');
  for (const text of ['BEGIN', 'EXECUTE ddl']) {
    raw.send(queryMessage(text));
    assert.doesNotMatch(shape(await raw.until('Z')), /E:/);
  }
  asMasked();
  raw.send(queryMessage('SELECT upper(body) FROM patients'));
  assert.deepEqual(rows(await raw.until('Z')), [['***']]);
});

test('the unnamed statement and portals outlive the reading, and nothing of it is seen', async () => {
  const raw = await rawly();
  raw.send(queryMessage('BEGIN'));
  await raw.until('Z');
  raw.send(
    parseMessage('', 'SELECT id FROM clinics ORDER BY id', []),
    bind('', ''),
    execute('', 2),
    bind('named', ''),
    execute('named', 1),
    sync(),
  );
  assert.deepEqual(rows(await raw.until('Z')), [['1'], ['2'], ['1']]);
  raw.send(
    parseMessage('ddl', 'CREATE TABLE made (id int)', []),
    bind('ddl', 'ddl'),
    execute('ddl'),
    close('S', 'ddl'),
    close('P', 'ddl'),
    sync(),
  );
  assert.equal(shape(await raw.until('Z')), '1 2 C 3 3 Z:T');
  const asked = gated.gate.asks.length;
  raw.send(execute('', 2), execute('named', 1), bind('', ''), execute('', 1), sync());
  const frames = await raw.until('Z');
  assert.equal(shape(frames), 'D D s D s 2 D s Z:T');
  assert.deepEqual(rows(frames), [['3'], ['4'], ['2'], ['1']]);
  raw.send(parseMessage('', 'SELECT count(*) FROM made', []), bind('', ''), execute(''), sync());
  assert.equal(shape(await raw.until('Z')), '1 2 D C Z:T');
  raw.send(queryMessage('SELECT count(*) FROM pg_prepared_statements; SELECT count(*) FROM pg_cursors'));
  // The cursor is `named`.
  assert.deepEqual(rows(await raw.until('Z')), [['0'], ['1']]);
  raw.send(queryMessage('ROLLBACK'));
  assert.equal(shape(await raw.until('Z')), 'C Z:I');
  // The gate and the recorder know of nothing but the client's statements.
  assert.ok(gated.gate.asks.slice(asked).every(({ text }) => /^(SELECT|ROLLBACK)/.test(text)));
  assert.equal(raw.frames.length, 0);
});

test('inside a pipeline the change is not read: what depends on it is refused, on the target as well', async () => {
  const raw = await rawly();
  raw.send(queryMessage('BEGIN'));
  await raw.until('Z');
  const step = (text: string): Uint8Array[] => [parseMessage('', text, []), bind('', ''), execute('')];
  raw.send(...step('CREATE TABLE made (id int)'), ...step('SELECT id FROM clinics'), ...step('SELECT 1'), sync());
  assert.equal(shape(await raw.until('Z')), '1 2 C E:42501 Z:E');
  raw.send(queryMessage('ROLLBACK'));
  await raw.until('Z');
  raw.send(...step('BEGIN'), ...step('CREATE TABLE made (id int)'), ...step('CREATE TABLE more (id int)'), ...step('ROLLBACK'), sync());
  assert.equal(shape(await raw.until('Z')), '1 2 C 1 2 C 1 2 C 1 2 C Z:I');
  raw.send(...step('BEGIN'), ...step('CREATE TABLE made (id int)'), sync(), ...step('SELECT id FROM made'), ...step('ROLLBACK'), sync());
  assert.equal(shape(await raw.until('Z', 2)), '1 2 C 1 2 C Z:T 1 2 C 1 2 C Z:I');
});

test('behind a COMMIT in a pipeline stands what was committed', async () => {
  asClear();
  const raw = await rawly();
  for (const text of ['BEGIN', 'ALTER TABLE patients RENAME COLUMN ssn TO body', 'SELECT 1']) {
    raw.send(queryMessage(text));
    await raw.until('Z');
  }
  asMasked();
  const step = (text: string): Uint8Array[] => [parseMessage('', text, []), bind('', ''), execute('')];
  raw.send(...step('COMMIT'), ...step('SELECT upper(body) FROM patients'), sync());
  const frames = await raw.until('Z');
  await owner.query('ALTER TABLE patients RENAME COLUMN body TO ssn');
  assert.equal(shape(frames), '1 2 C 1 2 D C Z:I');
  assert.deepEqual(rows(frames), [['***']]);
});

test('a definition that somebody else has locked refuses the statement soon, and the session goes on', async () => {
  const client = await changedBehindLock();
  const startedMs = performance.now();
  assert.equal(await answers(client, 'SELECT * FROM made'), '42501');
  assert.ok(performance.now() - startedMs < 20_000);
  assert.equal(await answers(client, 'SELECT 1'), '25P02');
  await client.query('ROLLBACK');
  await owner.query('ROLLBACK');
  for (const text of ['BEGIN', 'CREATE TABLE made (id int)']) await client.query(text);
  assert.equal(await answers(client, 'SELECT * FROM made'), '[]');
});

test('the reading leaves no lock: an owner may change what the client has not used', async () => {
  const client = await connected();
  for (const text of ['BEGIN', 'CREATE TABLE made (id int)', 'SELECT * FROM made']) await client.query(text);
  await owner.query("SET lock_timeout = '2s'");
  await owner.query('CREATE OR REPLACE VIEW roster AS SELECT id, clinic, ssn FROM patients');
  assert.equal(await answers(client, 'SELECT upper(ssn) FROM roster'), '[["***"]]');
  await client.query('ROLLBACK');
  await owner.query('DROP VIEW roster; CREATE VIEW roster AS SELECT id, clinic FROM patients');
});

test('a cancel ends the reading', async () => {
  const client = await changedBehindLock();
  const asked = answers(client, 'SELECT * FROM made');
  await waitingBackend();
  const before = cancels;
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const canceller = new pg.Client({ host: '127.0.0.1', port: gated.port }) as unknown as {
    connection: {
      connect(port: number, host: string): void;
      once(event: string, then: () => void): void;
      cancel(pid: number, key: number): void;
    };
  };
  canceller.connection.once('connect', () => canceller.connection.cancel(processID, secretKey));
  canceller.connection.connect(gated.port, '127.0.0.1');
  assert.match(await asked, /^(57014|42501)$/);
  await until('the target was asked to cancel', () => cancels > before);
  await client.query('ROLLBACK');
  assert.equal(await answers(client, 'SELECT 1'), '[[1]]');
});

test('a backend that is terminated while the catalogue is read ends the session with its own words', async () => {
  const client = await changedBehindLock();
  const closed = gated.gate.closed.length;
  const asked = answers(client, 'SELECT * FROM made');
  await gated.direct.query('SELECT pg_terminate_backend($1)', [await waitingBackend()]);
  assert.match(await asked, /^57P01$|terminated/);
  await until('the session is closed', () => gated.gate.closed.length > closed);
});

test('a client that goes while the catalogue is read leaves nothing behind', async () => {
  const client = await changedBehindLock();
  const closed = gated.gate.closed.length;
  const asked = answers(client, 'SELECT * FROM made');
  const pid = await waitingBackend();
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await asked;
  await until('the session is closed', () => gated.gate.closed.length > closed);
  await owner.query('ROLLBACK');
  await until('its backend is gone', async () => {
    const { rowCount } = await gated.direct.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid]);
    return rowCount === 0;
  });
});

test('sessions that go away make room for others', { timeout: 120_000 }, async () => {
  for (let count = 0; count <= maxTransactions; count += 1) {
    const raw = await rawly();
    for (const text of ['BEGIN', `CREATE TABLE made_${count} (id int)`, `SELECT id FROM made_${count}`]) {
      raw.send(queryMessage(text));
      assert.doesNotMatch(shape(await raw.until('Z')), /E:/);
    }
    const closed = gated.gate.closed.length;
    raw.socket.destroy();
    await until('the session is closed', () => gated.gate.closed.length > closed);
  }
});

test('an approval is void when the schema changed while it was waited for, and holds when it did not', async () => {
  const client = await connected();
  for (const text of ['BEGIN', 'CREATE TABLE made (id int)', 'SELECT * FROM made']) await client.query(text);
  const held = answers(client, 'SELECT id FROM made /* hold_me */');
  await until('it is held', () => gated.gate.holds.length === 1);
  gated.gate.holds.shift()?.approve();
  assert.equal(await held, '[]');
  const late = answers(client, 'SELECT id FROM made /* hold_me again */');
  await until('it is held', () => gated.gate.holds.length === 1);
  await owner.query('CREATE TABLE elsewhere (id int)');
  gated.gate.holds.shift()?.approve();
  assert.equal(await late, '57014');
});

test('a transaction that keeps the gateway from reading what others committed can be ended at once', async () => {
  asClear();
  const client = await connected();
  for (const end of ['COMMIT', 'ROLLBACK']) {
    await client.query('BEGIN');
    await client.query('CREATE OR REPLACE VIEW roster AS SELECT id, clinic FROM patients WHERE id > 0');
    await owner.query('CREATE TABLE elsewhere (id int)');
    const startedMs = performance.now();
    assert.equal(await answers(client, end), '[]');
    assert.ok(performance.now() - startedMs < 5000);
    assert.equal(await answers(client, 'SELECT id FROM roster'), '[[1]]');
    await owner.query('DROP TABLE elsewhere');
  }
});

test('it is refused, not left to wait, when it asks for more instead', async () => {
  asClear();
  const client = await connected();
  await client.query('BEGIN');
  await client.query('CREATE OR REPLACE VIEW roster AS SELECT id, clinic FROM patients WHERE id > 0');
  await owner.query('CREATE TABLE elsewhere (id int)');
  const startedMs = performance.now();
  assert.match(await answers(client, 'SELECT id FROM clinics'), /^(08006|42501|57P03)$/);
  assert.ok(performance.now() - startedMs < 20_000);
  await client.query('ROLLBACK');
  assert.equal(await answers(client, 'SELECT id FROM roster'), '[[1]]');
});
