// The PostgreSQL adapter between real clients and a real server, with a fake gate that allows, denies and holds by text.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { Readable, Writable } from 'node:stream';
import { after, before, beforeEach, test } from 'node:test';
import Cursor from 'pg-cursor';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import postgres from 'postgres';
import { SallyportError } from '../../src/core/error.ts';
import { message, parseFields, parseMessage, queryMessage } from '../../src/protocols/postgres/messages.ts';
import { cancelRequest } from '../../src/protocols/postgres/startup.ts';
import { decodeRecording } from '../../src/wire/pg-recording.ts';
import { type GatedPostgres, startGatedPostgres, token } from '../support/gated-postgres.ts';
import { RawPostgres, bind, close, describe, execute, flush, rows, shape, sync } from '../support/raw-postgres.ts';

let gated: GatedPostgres;

before(async () => {
  gated = await startGatedPostgres({
    setup: `
      CREATE TABLE visit (id int PRIMARY KEY, note text);
      INSERT INTO visit SELECT i, 'note ' || i FROM generate_series(1, 5000) i;
      CREATE TABLE patient (id int PRIMARY KEY, ssn text, clinic int);
      INSERT INTO patient VALUES (1, '970-11-1111', 7), (2, '970-22-2222', 8);
      CREATE TABLE scratch (id int PRIMARY KEY, v text);
      CREATE SEQUENCE touched;
      CREATE FUNCTION touch(v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('touched'); RETURN v; END $$;`,
    policy: {
      version: '1',
      classRules: [{ class: 'phi.ssn', pattern: 'public.patient.ssn' }],
      safeFunctions: new Set(['public.touch(text)']),
    },
  });
});
after(() => gated.stop());
beforeEach(async () => {
  gated.gate.results.length = 0;
  gated.gate.asks.length = 0;
  gated.gate.holds.length = 0;
  gated.gate.settling = async () => undefined;
  gated.gate.intent = async () => 0;
  gated.gate.setMasks('masks-1', {});
  await gated.direct.query('TRUNCATE scratch');
});

const raw = (parameters: Record<string, string> = {}): Promise<RawPostgres> => RawPostgres.logIn(gated.port, token, parameters);
const ask = async (client: RawPostgres, text: string): Promise<string> => {
  client.send(queryMessage(text));
  return shape(await client.until('Z'));
};
const until = async (isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const endMs = performance.now() + 30_000;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
/** Until the server itself runs a statement that begins like this. */
const runs = (text: string, where = `state = 'active'`): Promise<void> =>
  until(
    async () =>
      (await gated.direct.query(`SELECT 1 FROM pg_stat_activity WHERE starts_with(query, $1) AND ${where}`, [text])).rowCount === 1,
    `the server runs ${text}`,
  );

function psql(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('psql', ['-X', `host=127.0.0.1 port=${gated.port} user=me dbname=clinic password=${token}`, ...args]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(output));
    child.stdin.end(input);
  });
}

test('simple and extended queries give the rows, and every request has its result recorded before they end', async () => {
  const client = gated.client();
  await client.connect();
  assert.deepEqual((await client.query('SELECT id FROM visit ORDER BY id LIMIT 2')).rows, [{ id: 1 }, { id: 2 }]);
  assert.deepEqual((await client.query('SELECT note FROM visit WHERE id = $1', [7])).rows, [{ note: 'note 7' }]);
  await client.end();
  assert.deepEqual(
    gated.gate.results.map(({ action, result }) => [action, result.rows, result.code]),
    [
      ['query', 2, 'ok'],
      ['prepare', 0, 'ok'],
      ['execute', 1, 'ok'],
    ],
  );
});

test('the recorded result replays what the client saw', async () => {
  const client = gated.client();
  await client.connect();
  await client.query('SELECT id, ssn FROM patient ORDER BY id');
  await client.end();
  const payload = gated.gate.results[0]?.payloads.find(({ kind }) => kind === 'result');
  const { events, rows: count } = decodeRecording(payload?.bytes ?? new Uint8Array());
  assert.equal(count, 2);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['columns', 'row', 'row', 'complete'],
  );
  assert.ok(!Buffer.from(payload?.bytes ?? []).includes('970-11'));
});

test('the last bytes of a result wait until it is recorded, and never come when it cannot be', async () => {
  const recorded = Promise.withResolvers<void>();
  gated.gate.settling = () => recorded.promise;
  const client = await raw();
  client.send(queryMessage('SELECT id FROM visit'));
  await until(() => client.frames.length > 1000, 'rows');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(!client.frames.some(({ type }) => type === 'C'.charCodeAt(0) || type === 'Z'.charCodeAt(0)));
  recorded.reject(new SallyportError('SP_AUDIT_UNWRITABLE', 'disk full'));
  const rest = await client.until('Z');
  assert.match(shape(rest), /D E:58030$/);
  assert.equal(client.isClosed, true);
});

test('no result byte reaches the client before the intent is durable', async () => {
  const durable = Promise.withResolvers<number>();
  gated.gate.intent = () => durable.promise;
  const client = await raw();
  client.send(queryMessage('SELECT id FROM visit LIMIT 1'));
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.equal(client.frames.length, 0);
  durable.resolve(1);
  assert.equal(shape(await client.until('Z')), 'T D C Z:I');
  client.socket.destroy();
});

test('a refused simple query leaves the transaction status exact', async () => {
  const client = await raw();
  assert.equal(await ask(client, 'SELECT deny_me FROM visit'), 'E:42501 Z:I');
  assert.equal(await ask(client, 'BEGIN'), 'C Z:T');
  assert.equal(await ask(client, "INSERT INTO scratch VALUES (1, 'x')"), 'C Z:T');
  assert.equal(await ask(client, 'SELECT deny_me FROM visit'), 'E:42501 Z:E');
  assert.equal(await ask(client, 'SELECT deny_me FROM visit'), 'E:42501 Z:E');
  assert.equal(await ask(client, 'SELECT 1'), 'E:25P02 Z:E');
  assert.equal(await ask(client, 'COMMIT'), 'C Z:I');
  assert.equal((await gated.direct.query('SELECT * FROM scratch')).rowCount, 0);
  assert.equal(await ask(client, 'SELECT 1'), 'T D C Z:I');
  client.socket.destroy();
});

test('a savepoint survives a refusal as it survives an error', async () => {
  const client = await raw();
  await ask(client, 'BEGIN; INSERT INTO scratch VALUES (1); SAVEPOINT a');
  assert.equal(await ask(client, 'SELECT deny_me FROM visit'), 'E:42501 Z:E');
  assert.equal(await ask(client, 'ROLLBACK TO SAVEPOINT a'), 'C Z:T');
  assert.equal(await ask(client, 'COMMIT'), 'C Z:I');
  assert.equal((await gated.direct.query('SELECT * FROM scratch')).rowCount, 1);
  client.socket.destroy();
});

test('a refused message of a pipeline rolls back what ran since the last Sync, and skips to the next', async () => {
  const client = await raw();
  client.send(
    parseMessage('', "INSERT INTO scratch VALUES (1, 'x')", []),
    bind('', ''),
    execute(''),
    parseMessage('', 'SELECT deny_me FROM visit', []),
    bind('', ''),
    execute(''),
    sync(),
    parseMessage('', 'SELECT 2', []),
    bind('', ''),
    execute(''),
    sync(),
  );
  assert.equal(shape(await client.until('Z')), '1 2 C E:42501 Z:I');
  assert.equal(shape(await client.until('Z')), '1 2 D C Z:I');
  assert.equal((await gated.direct.query('SELECT * FROM scratch')).rowCount, 0);
  client.socket.destroy();
});

test('a refusal after Flush, with answers already out, still aborts the implicit transaction', async () => {
  const client = await raw();
  client.send(parseMessage('', "INSERT INTO scratch VALUES (5, 'x')", []), bind('', ''), execute(''), flush());
  assert.equal(shape(await client.until('C')), '1 2 C');
  client.send(parseMessage('', 'SELECT deny_me FROM visit', []));
  assert.equal(shape(await client.until('E')), 'E:42501');
  client.send(bind('', ''), execute(''), sync());
  assert.equal(shape(await client.until('Z')), 'Z:I');
  assert.equal((await gated.direct.query('SELECT * FROM scratch')).rowCount, 0);
  client.socket.destroy();
});

test('an error of the target wins over a refusal behind it', async () => {
  const client = await raw();
  client.send(parseMessage('', 'SELECT 1/0', []), bind('', ''), execute(''), parseMessage('', 'SELECT deny_me FROM visit', []), sync());
  const frames = await client.until('Z');
  assert.match(shape(frames), /^1 (2 )?E:22012 Z:I$/);
  client.socket.destroy();
});

test('Execute is decided with its own parameters, and refused in place', async () => {
  const client = await raw();
  client.send(parseMessage('s', 'SELECT $1::text AS hold_me', []), bind('p', 's', ['a']), execute('p'), sync());
  await until(() => gated.gate.holds.length === 1, 'held');
  gated.gate.holds[0]?.deny();
  assert.equal(shape(await client.until('Z')), 'N:00000 1 E:42501 Z:I');
  const request = gated.gate.asks.find(({ outcome }) => outcome === 'held')?.request;
  assert.deepEqual(request?.parameters, [{ type: 'unspecified', bytes: 1 }]);
  assert.ok(Buffer.from(request?.sealed.parameters ?? []).includes('a'));
  client.socket.destroy();
});

test('while an Execute is held its Bind has not reached the target: planning it would run functions on the parameters', async () => {
  const wasTouched = async (): Promise<boolean> => {
    const { rows: found } = await gated.direct.query<{ is_called: boolean }>('SELECT is_called FROM touched');
    return found[0]?.is_called === true;
  };
  const client = await raw();
  const [parse, bound] = [parseMessage('s', 'SELECT public.touch($1) AS hold_me', [25]), bind('p', 's', ['a'])];
  for (const verdict of ['deny', 'approve'] as const) {
    gated.gate.holds.length = 0;
    client.send(parse, bound, describe('P', 'p'), execute('p'), close('S', 's'), sync());
    await until(() => gated.gate.holds.length === 1, 'held');
    assert.equal(await wasTouched(), false);
    gated.gate.holds[0]?.[verdict]();
    assert.equal(shape(await client.until('Z')), verdict === 'deny' ? 'N:00000 1 E:42501 Z:I' : 'N:00000 1 2 T D C 3 Z:I');
    if (verdict === 'deny') client.send(close('S', 's'), sync());
    if (verdict === 'deny') await client.until('Z');
  }
  assert.equal(await wasTouched(), true);
  client.socket.destroy();
});

test('a Bind without an Execute is decided and recorded itself, and Executes behind it go on under that', async () => {
  const client = await raw();
  const executes = (): unknown[] => gated.gate.asks.filter(({ request }) => request.action === 'execute');
  client.send(
    queryMessage('BEGIN'),
    parseMessage('s', 'SELECT id FROM visit WHERE id < $1 ORDER BY id', [23]),
    bind('p', 's', ['4']),
    sync(),
  );
  assert.equal(shape(await client.until('Z', 2)), 'C Z:T 1 2 Z:T');
  assert.equal(executes().length, 1);
  client.send(execute('p', 2), sync(), execute('p', 2), sync());
  assert.equal(shape(await client.until('Z', 2)), 'D D s Z:T D C Z:T');
  assert.equal(executes().length, 1);
  // Two portals bound before the first is executed.
  client.send(bind('a', 's', ['2']), bind('b', 's', ['3']), execute('b'), execute('a'), sync());
  assert.equal(shape(await client.until('Z')), '2 2 D D C D C Z:T');
  assert.equal(executes().length, 3);
  // What becomes of such a Bind is its result.
  const results = (): string[] => gated.gate.results.map(({ result }) => result.code);
  assert.equal(results().at(-1), 'ok');
  client.send(queryMessage('ROLLBACK'), bind('', 's', ['no number']), sync(), queryMessage('BEGIN'));
  assert.equal(shape(await client.until('Z', 3)), 'C Z:I E:22P02 Z:I C Z:T');
  assert.deepEqual(results().slice(-3), ['ok', '22P02', 'ok']);
  client.send(parseMessage('h', 'SELECT $1::text AS hold_me', []), bind('', 'h', ['a']), flush());
  await until(() => gated.gate.holds.length === 1, 'held');
  gated.gate.holds[0]?.deny();
  client.send(execute(''), sync());
  assert.equal(shape(await client.until('Z')), 'N:00000 1 E:42501 Z:E');
  client.socket.destroy();
});

test('statements and portals: names, row limits, closing and unknown names', async () => {
  const client = await raw();
  client.send(
    parseMessage('s', 'SELECT id FROM visit ORDER BY id LIMIT 5', []),
    describe('S', 's'),
    bind('p', 's'),
    describe('P', 'p'),
    flush(),
  );
  assert.equal(shape(await client.until('T', 2)), '1 t T 2 T');
  client.send(execute('p', 2), execute('p', 2), execute('p', 2), sync());
  const frames = await client.until('Z');
  assert.equal(shape(frames), 'D D s D D s D C Z:I');
  assert.deepEqual(rows(frames).flat(), ['1', '2', '3', '4', '5']);
  client.send(execute('p'), sync());
  assert.equal(shape(await client.until('Z')), 'E:34000 Z:I');
  client.send(close('S', 's'), bind('', 's'), sync());
  assert.equal(shape(await client.until('Z')), '3 E:26000 Z:I');
  client.send(describe('S', 'never'), sync());
  assert.equal(shape(await client.until('Z')), 'E:26000 Z:I');
  assert.equal(gated.gate.asks.filter(({ request }) => request.action === 'execute').length, 1);
  client.socket.destroy();
});

test('a name keeps its old statement when the target refuses the new one', async () => {
  const client = await raw();
  client.send(parseMessage('s', "SELECT 'first'", []), sync());
  await client.until('Z');
  client.send(parseMessage('s', "SELECT 'second'", []), sync());
  assert.equal(shape(await client.until('Z')), 'E:42P05 Z:I');
  client.send(bind('', 's'), execute(''), sync());
  assert.deepEqual(rows(await client.until('Z')), [['first']]);
  client.send(queryMessage('DEALLOCATE ALL'));
  await client.until('Z');
  client.send(bind('', 's'), sync());
  assert.equal(shape(await client.until('Z')), 'E:26000 Z:I');
  client.socket.destroy();
});

test('FunctionCall and unknown messages: one is refused in sync, the other ends the session', async () => {
  const client = await raw();
  const call = message('F', (body) => body.int32(1).int16(0).int16(0).int16(0));
  client.send(call);
  assert.equal(shape(await client.until('Z')), 'E:0A000 Z:I');
  await ask(client, 'BEGIN');
  client.send(call);
  assert.equal(shape(await client.until('Z')), 'E:0A000 Z:E');
  client.send(message('!'));
  assert.equal(shape(await client.until('Z')), 'E:08P01');
  assert.equal(client.isClosed, true);
});

test('COPY in both directions, failing, and left over after an error', async () => {
  const client = await raw();
  client.send(queryMessage('COPY scratch FROM STDIN'));
  assert.equal(shape(await client.until('G')), 'G');
  const data = (text: string): Uint8Array => message('d', (body) => body.bytes(Buffer.from(text)));
  client.send(data('1\ta\n'), data('2\tb\n'), message('c'));
  assert.equal(shape(await client.until('Z')), 'C Z:I');
  assert.equal(await ask(client, 'COPY (SELECT id FROM scratch ORDER BY id) TO STDOUT'), 'H d d c C Z:I');
  client.send(queryMessage('COPY scratch FROM STDIN'));
  await client.until('G');
  client.send(message('f', (body) => body.cString('changed my mind')));
  assert.equal(shape(await client.until('Z')), 'E:57014 Z:I');
  client.send(queryMessage('COPY scratch FROM STDIN'));
  await client.until('G');
  client.send(data('broken\n'), data('9\tz\n'));
  assert.equal(shape(await client.until('Z')), 'E:22P02 Z:I');
  client.send(data('9\tz\n'), message('c'));
  assert.equal(await ask(client, 'SELECT count(*) FROM scratch'), 'T D C Z:I');
  assert.equal(await ask(client, 'COPY patient(deny_me) FROM STDIN'), 'E:42501 Z:I');
  client.socket.destroy();
});

test('COPY FROM STDIN by the extended protocol, with the Sync that libpq sends ahead', async () => {
  const client = await raw();
  client.send(parseMessage('', 'COPY scratch FROM STDIN', []), bind('', ''), describe('P', ''), execute(''), sync());
  assert.equal(shape(await client.until('G')), '1 2 n G');
  client.send(
    message('d', (body) => body.bytes(Buffer.from('3\tc\n'))),
    message('c'),
    sync(),
  );
  assert.equal(shape(await client.until('Z')), 'C Z:I');
  assert.equal((await gated.direct.query('SELECT * FROM scratch')).rowCount, 1);
  client.socket.destroy();
});

test('protected columns arrive masked by every path, also without Describe', async () => {
  const client = await raw();
  client.send(
    queryMessage('SELECT * FROM patient'),
    parseMessage('', 'SELECT ssn, clinic FROM patient', []),
    bind('', ''),
    execute(''),
    sync(),
    queryMessage('COPY patient TO STDOUT'),
  );
  const frames = await client.until('Z', 3);
  assert.ok(!Buffer.concat(frames.map(({ bytes }) => Buffer.from(bytes))).includes('970-'));
  assert.match(shape(frames), /^T D D C Z:I 1 2 D D C Z:I H d d c C Z:I$/);
  client.socket.destroy();
});

test('tripwire: a protected column as the origin of a result ends the session before the first row', async () => {
  const client = await raw();
  client.send(parseMessage('s', 'SELECT note FROM visit', []), sync());
  await client.until('Z');
  // The plan was made while the column was clear; from now on policy protects it, under the same mask set.
  gated.policy = { ...gated.policy, version: '2', classRules: [{ class: 'phi.note', pattern: 'public.visit.note' }] };
  try {
    client.send(describe('S', 's'), sync());
    const frames = await client.until('Z');
    assert.equal(shape(frames), 'E:XX000');
    assert.equal(client.isClosed, true);
    await until(() => gated.gate.alarms.includes('tripwire'), 'alarm');
  } finally {
    gated.policy = { ...gated.policy, version: '3', classRules: [{ class: 'phi.ssn', pattern: 'public.patient.ssn' }] };
  }
});

test('a statement prepared under other masks is refused until it is prepared again', async () => {
  const client = await raw();
  client.send(parseMessage('s', 'SELECT ssn FROM patient', []), sync());
  await client.until('Z');
  gated.gate.setMasks('masks-2', { 'phi.ssn': 'null' });
  client.send(bind('', 's'), execute(''), sync());
  assert.equal(shape(await client.until('Z')), 'E:0A000 Z:I');
  client.send(close('S', 's'), parseMessage('s', 'SELECT ssn FROM patient', []), bind('', 's'), execute(''), sync());
  const frames = await client.until('Z');
  assert.deepEqual(rows(frames), [[null], [null]]);
  client.socket.destroy();
});

test('a held statement says so at once, runs when approved, and ends when denied', async () => {
  const client = gated.client();
  const notices: string[] = [];
  client.on('notice', ({ message: text, hint }) => notices.push(`${text} ${hint}`));
  await client.connect();
  const approved = client.query('SELECT 1 AS hold_me');
  await until(() => notices.length === 1, 'notice');
  assert.match(notices[0] ?? '', /held for approval apr_.*sallyport approvals approve apr_/s);
  gated.gate.holds[0]?.approve();
  assert.deepEqual((await approved).rows, [{ hold_me: 1 }]);
  const denied = client.query('SELECT 2 AS hold_me');
  await until(() => gated.gate.holds.length === 2, 'held');
  gated.gate.holds[1]?.deny();
  await assert.rejects(denied, { code: '42501' });
  await client.end();
});

test('CancelRequest reaches the wait for approval and the running statement, and only with the right key', async () => {
  const client = await raw();
  const other = await RawPostgres.open(gated.port);
  other.socket.destroy();
  const startup = await RawPostgres.open(gated.port);
  startup.socket.write(
    (await import('../../src/protocols/postgres/startup.ts')).startupMessage([
      ['user', 'x'],
      ['database', 'clinic'],
    ]),
  );
  await startup.until('R');
  startup.socket.write(message('p', (body) => body.cString(token)));
  const greeting = await startup.until('Z');
  const keyData = greeting.find(({ type }) => type === 'K'.charCodeAt(0))?.body ?? new Uint8Array();
  const pid = Buffer.from(keyData).readInt32BE(0);
  const cancel = async (key: Uint8Array): Promise<void> => {
    const one = await RawPostgres.open(gated.port);
    one.send(cancelRequest(pid, key));
    await one.until('Z');
  };
  startup.send(queryMessage('SELECT 1 AS hold_me'));
  await until(() => gated.gate.holds.length === 1, 'held');
  await until(() => startup.frames.length > 0, 'told');
  await cancel(Buffer.from([1, 2, 3, 4]));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(shape(startup.frames), 'N:00000');
  await cancel(keyData.subarray(4));
  assert.equal(shape(await startup.until('Z')), 'N:00000 E:57014 Z:I');

  startup.send(queryMessage('SELECT count(*) FROM generate_series(1, 2000000000)'));
  await runs('SELECT count(*) FROM generate_series(1, 2000000000)');
  assert.equal(gated.gate.asks.length, 2);
  await cancel(keyData.subarray(4));
  assert.match(shape(await startup.until('Z')), /E:57014 Z:I$/);
  assert.equal(await ask(client, 'SELECT 1'), 'T D C Z:I');
  client.socket.destroy();
  startup.socket.destroy();
});

test('a client that disconnects while held gives the request up', async () => {
  const client = await raw();
  const session = gated.gate.sessions.at(-1) ?? assert.fail('no session');
  let reason = '';
  session.close = async (told) => void (reason = told);
  client.send(queryMessage('SELECT 1 AS hold_me'));
  await until(() => gated.gate.holds.length === 1, 'held');
  client.socket.destroy();
  await until(() => reason === 'client', 'session closed');
});

test('temporary tables live and die with their transaction', async () => {
  const client = await raw();
  await ask(client, 'BEGIN');
  assert.equal(await ask(client, 'CREATE TEMP TABLE patient (id int, ssn text)'), 'C Z:T');
  assert.equal(await ask(client, 'SELECT ssn FROM patient'), 'T C Z:T');
  await ask(client, 'ROLLBACK');
  client.send(queryMessage('SELECT ssn FROM patient'));
  const frames = await client.until('Z');
  assert.equal(rows(frames).length, 2);
  assert.ok(!Buffer.concat(frames.map(({ bytes }) => Buffer.from(bytes))).includes('970-'));
  client.socket.destroy();
});

test('DDL that passes is known to the next statement', async () => {
  const client = await raw();
  assert.equal(await ask(client, 'CREATE TABLE fresh (a int)'), 'C Z:I');
  assert.equal(await ask(client, 'SELECT a FROM fresh'), 'T C Z:I');
  await gated.direct.query('CREATE TABLE behind_our_back (b int)');
  assert.equal(await ask(client, 'SELECT b FROM behind_our_back'), 'T C Z:I');
  client.socket.destroy();
});

test('psql works: describe, meta commands, \\copy and errors', async () => {
  assert.match(await psql(['-c', '\\d visit']), /visit_pkey/);
  assert.match(await psql(['-c', '\\dt']), /patient/);
  assert.equal((await psql(['-Atc', '\\copy (select id from visit order by id limit 3) to stdout'])).trim(), '1\n2\n3');
  assert.match(
    await psql(['-c', '\\copy scratch from stdin', '-c', 'select count(*) as n from scratch'], '7\tg\n8\th\n'),
    /COPY 2\s+n\s+-+\s+2/,
  );
  assert.match(await psql(['-c', 'select deny_me from visit']), /ERROR: {2}sallyport: denied by policy\nDETAIL: .*\nHINT: .*ses_/);
});

test('postgres.js and its pipelining work', async () => {
  const sql = postgres({ host: '127.0.0.1', port: gated.port, user: 'x', password: token, database: 'clinic', max: 1, fetch_types: false });
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => sql`SELECT ${n}::int AS n`));
  assert.deepEqual(
    results.map(([row]) => row?.['n']),
    Array.from({ length: 20 }, (_, n) => n),
  );
  await assert.rejects(
    sql.begin(async (tx) => {
      await tx`INSERT INTO scratch VALUES (1, 'x')`;
      await tx`SELECT deny_me FROM visit`;
    }),
    { code: '42501' },
  );
  assert.equal((await sql`SELECT * FROM scratch`).length, 0);
  await sql.end();
});

test('pg-cursor and pg-copy-streams work', async () => {
  const client = gated.client();
  await client.connect();
  const cursor = client.query(new Cursor('SELECT id FROM visit ORDER BY id'));
  assert.equal((await cursor.read(100)).length, 100);
  assert.equal((await cursor.read(100))[99].id, 200);
  await cursor.close();
  const lines: string[] = Array.from({ length: 2000 }, (_, n) => `${n}\tvalue ${n}\n`);
  await pipeline(Readable.from(lines), client.query(copyFrom('COPY scratch FROM STDIN')));
  let bytes = 0;
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => ((bytes += chunk.length), done()) });
  await pipeline(client.query(copyTo('COPY scratch TO STDOUT')), sink);
  assert.equal(bytes, lines.join('').length);
  await client.end();
});

test('a wrong token, an unknown target and a wrong database are told apart only after a good token', async () => {
  await assert.rejects(gated.client({ password: 'wrong' }).connect(), { code: '28P01' });
  await assert.rejects(gated.client({ password: 'wrong', database: 'nowhere' }).connect(), { code: '28P01' });
  await assert.rejects(gated.client({ database: 'nowhere' }).connect(), { code: '3D000' });
  await assert.rejects(gated.client({ database: 'clinic/other' }).connect(), { code: '0A000' });
  const client = gated.client({ database: 'clinic/postgres' });
  await client.connect();
  await client.end();
  assert.ok(gated.gate.authFailures.includes('token') && gated.gate.authFailures.includes('unknown-target'));
});

test('minor versions and unknown protocol options are negotiated', async () => {
  for (const [asked, told, keyBytes] of [
    [0x0003_0002, null, 32],
    [0x0003_0000, null, 4],
    [0x0003_270f, 0x0003_0002, 32],
  ] as const) {
    const client = await RawPostgres.open(gated.port);
    const { ByteWriter } = await import('../../src/wire/byte-writer.ts');
    const packet = new ByteWriter().int32(0).uint32(asked).cString('user').cString('x').cString('database').cString('clinic').uint8(0);
    client.send(packet.patchInt32(0, packet.length).finish());
    const first = await client.until('R');
    const negotiation = first.find(({ type }) => type === 'v'.charCodeAt(0));
    assert.equal(negotiation === undefined ? null : Buffer.from(negotiation.body).readInt32BE(0), told);
    client.send(message('p', (body) => body.cString(token)));
    const greeting = await client.until('Z');
    assert.equal((greeting.find(({ type }) => type === 'K'.charCodeAt(0))?.body.length ?? 0) - 4, keyBytes);
    client.socket.destroy();
  }
});

test('a big result streams without being collected, at the pace of the reader', async () => {
  const client = await raw();
  const text = "SELECT i, repeat('x', 1000) FROM generate_series(1, 200000) i";
  client.socket.pause();
  client.send(queryMessage(text));
  // 200 MB that nobody reads: the server itself has to wait, again and again, and memory must not grow meanwhile.
  await runs(text, `wait_event = 'ClientWrite'`);
  await new Promise((resolve) => setTimeout(resolve, 400));
  await runs(text, `wait_event = 'ClientWrite'`);
  const before = process.memoryUsage().rss;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(process.memoryUsage().rss - before < 40 * 1024 * 1024);
  await runs(text, `wait_event = 'ClientWrite'`);
  client.socket.destroy();
});

test('an ended identity ends the session with its own error', async () => {
  const client = await raw();
  gated.gate.sessions.at(-1)?.end(new SallyportError('SP_AUTH_EXPIRED', 'expired'));
  const frames = await client.until('Z');
  assert.equal(shape(frames), 'E:28000');
  assert.match(parseFields(frames[0]?.body ?? new Uint8Array()).get('H') ?? '', /new token/);
});

// Last: the test's own direct connection does not survive it.
test('a lost target is told as 08006 and recorded', async () => {
  const client = await raw();
  client.send(queryMessage('SELECT count(*) FROM generate_series(1, 2000000000)'));
  await runs('SELECT count(*) FROM generate_series(1, 2000000000)');
  assert.equal(gated.gate.asks.length, 1);
  await gated.server.restart();
  const frames = await client.until('Z');
  assert.match(shape(frames), /E:(08006|57P0[12])$/);
  const code = (): string | undefined => gated.gate.results.find(({ text }) => text.includes('2000000000'))?.result.code;
  await until(() => code() !== undefined, 'result');
  assert.match(code() ?? '', /^(08006|57P0[12])$/);
  const next = await raw();
  assert.match(await ask(next, 'SELECT 1'), /T D C Z:I|E:08006 Z:I/);
  next.socket.destroy();
});
