// Unmodified clients through the whole gateway over verified TLS, with a token as password: psql, pg, postgres.js,
// pg-cursor, pg-copy-streams. What holds nothing protected is exactly what the database itself answers.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import postgres from 'postgres';
import { ensureDebianPackages } from '../support/debian.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import {
  type Running,
  type SmallClinic,
  apiEnvironment,
  clientConfig,
  connect,
  psql,
  psqlArguments,
  psqlEnvironment,
  run,
  sallyport,
  smallClinicPolicy,
  startSmallClinic,
  until,
} from '../support/small-clinic.ts';

let clinic: SmallClinic;
let gateway: TestGateway;
/** May read, write and export. */
let clerk = '';
/** May read. */
let agent = '';
let officer = '';
const terminals: Running[] = [];

before(async () => {
  ensureDebianPackages(['postgresql-client']);
  clinic = await startSmallClinic();
  gateway = await startTestGateway({ targets: [clinic.target], policy: smallClinicPolicy });
  clerk = await gateway.issuer.token('clerk-1', { groups: ['clerks'] });
  agent = await gateway.issuer.token('agent-1', { groups: ['ai-agents'] });
  officer = await gateway.issuer.token('olivia', { groups: ['privacy'], kind: 'person' });
});
after(async () => {
  for (const session of terminals) session.kill('SIGKILL');
  await gateway?.close();
  await clinic?.stop();
});

const through = (token: string, extra: pg.ClientConfig = {}): Promise<pg.Client> => connect(gateway, gateway.port, token, extra);
const gated = (args: readonly string[], token = clerk): Running => psql(gateway, gateway.port, token, args);
const straight = (args: readonly string[]): Running =>
  run('psql', ['-X', `host=127.0.0.1 port=${clinic.server.port} dbname=clinic user=sallyport`, ...args], psqlEnvironment(clinic.password));

/** psql as a person has it: on a terminal. */
function terminal(command: readonly string[], environment: Record<string, string>): Running {
  const quoted = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  const session = run('script', ['-qec', quoted, '/dev/null'], environment);
  terminals.push(session);
  return session;
}

async function interactive(token = clerk): Promise<Running> {
  const session = terminal(['psql', ...psqlArguments(gateway, gateway.port)], psqlEnvironment(token));
  await until('psql has logged in', () => session.out().includes('clinic=>'));
  return session;
}

const shown = (session: Running, what: string | RegExp): Promise<unknown> =>
  until(`psql shows ${String(what)}; it shows ${session.out().slice(-600)}`, () =>
    typeof what === 'string' ? session.out().includes(what) : what.test(session.out()),
  );

async function quit(session: Running): Promise<void> {
  session.end('\x15\\q\n');
  await session.ended;
}

/** Statements of psql and drivers that hold nothing protected. */
const cleanQueries: readonly string[] = [
  'SELECT 1 AS one, NULL AS nothing, true AS yes, 1.50::numeric AS n, ARRAY[1,2] AS list, now() IS NOT NULL AS t',
  'SELECT * FROM visits ORDER BY id LIMIT 20',
  'SELECT kind, count(*), sum(cost), min(at) FROM visits GROUP BY kind ORDER BY kind',
  'SELECT ward, count(*) FROM patients GROUP BY ward ORDER BY ward',
  'SELECT * FROM ward_list ORDER BY ward',
  'SELECT p.ward, v.kind, count(*) FROM patients p JOIN visits v ON v.patient_id = p.id GROUP BY 1, 2 ORDER BY 1, 2',
  `WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n, rank() OVER (ORDER BY n DESC) FROM t ORDER BY n`,
  `SELECT id, tags, to_char(at, 'YYYY-MM-DD') AS day, at AT TIME ZONE 'UTC' AS utc FROM visits WHERE kind = 'surgery' AND cost BETWEEN 10 AND 20 ORDER BY id`,
  'SELECT id FROM patients WHERE false',
  'VALUES (1, $$a$$), (2, $$ü 🩺$$)',
  'TABLE ward_list ORDER BY ward NULLS FIRST',
  'SELECT nap(0)',
  'SHOW server_version',
];

test('psql: meta commands show what the database itself would show', async () => {
  const commands = [
    '\\d',
    '\\dt',
    '\\dt+',
    '\\d patients',
    '\\d+ visits',
    '\\d ward_list',
    '\\sv ward_list',
    '\\sf nap',
    '\\df',
    '\\df+',
    '\\dn',
    '\\dn+',
    '\\du',
    '\\dv',
    '\\dT',
    '\\dT+',
    '\\di',
    '\\ds',
    '\\dp',
    '\\dx',
    '\\dD',
    '\\da',
    '\\dC',
    '\\do',
    '\\dF',
    '\\dL',
    '\\ddp',
    '\\dd',
    '\\des',
    '\\dy',
    '\\dRp',
    '\\dP',
    '\\db',
    '\\encoding',
  ];
  const all = commands.flatMap((command) => ['-c', `\\echo == ${command.slice(1)}`, '-c', command]);
  const [a, b] = await Promise.all([gated(all), straight(all)].map((each) => (each.end(), each.ended)));
  assert.equal(a?.err, b?.err);
  assert.equal(a?.code, 0);
  assert.deepEqual(a?.out.split('== '), b?.out.split('== '));
});

test('psql: \\l of every version, and an error of the target, arrive unchanged', async () => {
  // psql 15 asks for a column that PostgreSQL 17 renamed; the second text is what psql 18 asks.
  const newer = `SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner", pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
    CASE d.datlocprovider WHEN 'b' THEN 'builtin' WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Locale Provider", d.datcollate as "Collate",
    d.datctype as "Ctype", d.datlocale as "Locale", d.daticurules as "ICU Rules", CASE WHEN pg_catalog.array_length(d.datacl, 1) = 0 THEN '(none)'
    ELSE pg_catalog.array_to_string(d.datacl, E'\\n') END AS "Access privileges" FROM pg_catalog.pg_database d ORDER BY 1`;
  for (const args of [
    ['-c', '\\l'],
    ['-c', newer],
    ['-c', 'SELECT no_such_column FROM visits'],
    ['-c', 'SELECT 1/0'],
  ]) {
    const [a, b] = await Promise.all([gated(args), straight(args)].map((each) => (each.end(), each.ended)));
    assert.equal(a?.out, b?.out);
    // The caret of a position is ours to drop: it would count in the rewritten text.
    assert.equal(a?.err.split('\n')[0], b?.err.split('\n')[0]);
    assert.equal(a?.code, b?.code);
  }
});

test('psql: completion with the tab key works, and inside a transaction it does not break it', async () => {
  const session = await interactive();
  session.write('BEGIN;\n');
  await shown(session, 'clinic=*>');
  for (const [typed, completed] of [
    ['SELECT * FROM pat\t', 'FROM patients '],
    ['SELECT * FROM patients WHERE ss\t', 'WHERE ssn '],
    ['INSERT INTO scr\t', 'INTO scratch '],
    ['UPDATE led\t', 'UPDATE ledger '],
    ['DROP VIEW ward_l\t', 'VIEW ward_list '],
    ['\\d public.vis\t', 'public.vis\x07its'],
    ['\\dn pub\t', '\\dn public '],
    ['\\dT ward_k\t', '\\dT ward_kind '],
    ['\\l cli\t', '\\l clinic '],
    ['\\df public.na\t', 'public.nap '],
    ['GRANT SELECT ON visits TO sally\t', 'TO sallyport '],
    ['ALTER TABLE visits DROP CONSTRAINT visits_pk\t', 'CONSTRAINT visits_pkey '],
    ['ALTER TABLE visits ALTER COLUMN co\t', 'COLUMN cost '],
    ['DELETE FROM visits WHERE ta\t', 'WHERE tags '],
  ] as const) {
    session.write(typed);
    await shown(session, completed);
    session.write('\x15');
  }
  session.write('SELECT 40 + 2 AS answer;\n');
  await shown(session, /\b42\b/);
  await quit(session);
});

test('psql: \\copy and \\watch of clean data work', async () => {
  const [a, b] = await Promise.all(
    [gated(['-c', '\\copy visits to stdout']), straight(['-c', '\\copy visits to stdout'])].map((each) => (each.end(), each.ended)),
  );
  assert.equal(a?.out, b?.out);
  assert.equal(a?.out.split('\n').length, 601);
  const session = await interactive();
  session.write("SELECT 'seen' || count(*) AS v FROM visits \\watch 0.2\n");
  await until('the second round', () => session.out().split('seen600').length > 2);
  const prompts = (): number => session.out().split('clinic=>').length;
  const before = prompts();
  session.write('\x03');
  await until('the prompt after Ctrl-C', () => prompts() > before);
  session.write('SELECT 40 + 3 AS answer;\n');
  await shown(session, /\b43\b/);
  await quit(session);
});

test('psql: COPY of protected columns is masked, a whole table is held, and an agent that may not export is refused', async () => {
  const bounded = gated(['-c', '\\copy (SELECT id, ssn, dob FROM patients ORDER BY id LIMIT 2) to stdout']);
  bounded.end();
  assert.equal((await bounded.ended).out, '1\t***\t1950-01-01\n2\t***\t1950-01-01\n');

  const whole = gated(['-c', '\\copy patients to stdout']);
  whole.end();
  const held = await until('the notice', () => /held for approval (apr_[a-z2-7]{26})/.exec(whole.err()));
  const approval = sallyport(['approvals', 'approve', held[1] ?? ''], apiEnvironment(gateway, gateway.running.api.port, officer));
  approval.end();
  assert.equal((await approval.ended).code, 0);
  const { out, code } = await whole.ended;
  assert.equal(code, 0);
  assert.equal(out.split('\n').length, 201);
  assert.match(out, /^1\t\*\*\*\t\*\*\*\t1950-01-01\t1$/m);
  assert.doesNotMatch(out, /970-00|Nathalie/);

  const refused = gated(['-c', '\\copy visits to stdout'], agent);
  refused.end();
  const end = await refused.ended;
  assert.equal(end.out, '');
  assert.match(end.err, /sallyport: denied by policy/);
  assert.equal(end.code, 1);
});

test('psql: Ctrl-C ends a long statement or a wait for approval, and only that', async () => {
  const session = await interactive();
  session.write('SELECT nap(60);\n');
  await until(
    'it runs',
    async () =>
      (await clinic.direct.query(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT nap(60)%' AND state = 'active'`)).rowCount === 1,
  );
  session.write('\x03');
  await shown(session, 'canceling statement due to user request');
  session.write('SELECT 40 + 4 AS answer;\n');
  await shown(session, /\b44\b/);

  session.write('SELECT name, ssn FROM patients;\n');
  await shown(session, /NOTICE: +sallyport: held for approval apr_/);
  await shown(session, 'needs 1 approval of role officer');
  session.write('\x03');
  await shown(session, 'the held statement was cancelled');
  session.write('SELECT 40 + 5 AS answer;\n');
  await shown(session, /\b45\b/);
  assert.doesNotMatch(session.out(), /970-00|Nathalie/);
  await quit(session);
});

test('psql: a script with transactions, savepoints, errors and \\gset ends as it would at the database', async () => {
  const script = `
    BEGIN; INSERT INTO scratch (body) VALUES ('a') RETURNING body; SAVEPOINT s; SELECT 1/0; ROLLBACK TO s;
    SELECT count(*) AS n FROM scratch \\gset
    \\echo n is :n
    PREPARE p (int) AS SELECT id, cost FROM visits WHERE id = $1; EXECUTE p(3); DEALLOCATE p;
    DECLARE c CURSOR FOR SELECT id FROM visits ORDER BY id; FETCH 2 FROM c; MOVE 5 IN c; FETCH c; CLOSE c;
    ROLLBACK;
    SELECT id, kind FROM visits ORDER BY id LIMIT 2 \\gx
    SELECT kind, ward, count(*) FROM visits JOIN patients p ON p.id = patient_id GROUP BY 1, 2 ORDER BY 1, 2 \\crosstabview
    SELECT 'SELECT ' || n FROM generate_series(1, 2) n \\gexec
    SELECT id, cost FROM visits \\gdesc
    \\set FETCH_COUNT 7
    SELECT id FROM visits ORDER BY id LIMIT 20;`;
  const [a, b] = [gated([]), straight([])];
  a.end(script);
  b.end(script);
  const [x, y] = await Promise.all([a.ended, b.ended]);
  assert.equal(x.out, y.out);
  assert.equal(x.err.replaceAll(/^.*LINE.*\n.*\^\n/gm, ''), y.err.replaceAll(/^.*LINE.*\n.*\^\n/gm, ''));
});

test('pg: clean results equal direct ones to the last field, in both protocols', async () => {
  const client = await through(agent);
  const raw = { types: { getTypeParser: () => (value: unknown) => value } } as unknown as pg.QueryConfig;
  for (const sql of cleanQueries) {
    for (const config of [{ text: sql }, { text: sql, queryMode: 'extended' }] as const) {
      const [a, b] = await Promise.all([
        client.query({ ...raw, ...config, rowMode: 'array' }),
        clinic.direct.query({ ...raw, ...config, rowMode: 'array' }),
      ]);
      assert.deepEqual(a.rows, b.rows, sql);
      assert.equal(a.command, b.command);
      assert.equal(a.rowCount, b.rowCount);
      const shape = (result: pg.QueryResult): unknown =>
        result.fields.map(({ name, dataTypeID, dataTypeModifier, dataTypeSize, format }) => [
          name,
          dataTypeID,
          dataTypeModifier,
          dataTypeSize,
          format,
        ]);
      assert.deepEqual(shape(a), shape(b), sql);
    }
  }
  await client.end();
});

test('pg: parameters, named statements, a queue that is not awaited, and transactions', async () => {
  const client = await through(clerk);
  assert.deepEqual(
    (await client.query('SELECT id, cost FROM visits WHERE id = ANY($1) AND kind = $2 ORDER BY id', [[1, 2, 3], 'medicine'])).rows,
    [
      { id: 1, cost: '1.25' },
      { id: 3, cost: '3.75' },
    ],
  );
  for (const id of [5, 6, 7]) {
    const { rows } = await client.query({ name: 'one visit', text: 'SELECT id FROM visits WHERE id = $1', values: [id] });
    assert.deepEqual(rows, [{ id }]);
  }
  const answers = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) =>
      n % 10 === 7
        ? client.query('SELECT id FROM visits WHERE id = 1/($1::int - $1)', [n])
        : client.query(n % 2 ? 'SELECT $1::int AS n' : { text: 'SELECT $1::int AS n', name: 'n' }, [n]),
    ),
  );
  answers.forEach((answer, n) => {
    if (n % 10 === 7) assert.equal(answer.status === 'rejected' && (answer.reason as pg.DatabaseError).code, '22012');
    else assert.deepEqual(answer.status === 'fulfilled' && answer.value.rows, [{ n }]);
  });
  assert.deepEqual((await client.query('SELECT id, name, ssn, dob::text FROM patients WHERE id = $1', [3])).rows, [
    { id: 3, name: '***', ssn: '***', dob: '1950-01-01' },
  ]);

  await client.query('BEGIN');
  await client.query('INSERT INTO scratch (body) VALUES ($1)', ['kept not']);
  await assert.rejects(client.query('SELECT pg_read_file($1)', ['/etc/passwd']), { code: '42501' });
  await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
  await client.query('ROLLBACK');
  await client.query('BEGIN');
  await client.query('INSERT INTO scratch (body) VALUES ($1)', ['kept']);
  await client.query('COMMIT');
  await client.end();
  assert.deepEqual((await clinic.direct.query(`SELECT body FROM scratch WHERE body LIKE 'kept%'`)).rows, [{ body: 'kept' }]);
});

test('pg: a pool opens, reuses and closes sessions', async () => {
  const pool = new pg.Pool({ ...clientConfig(gateway, gateway.port, agent), max: 4 });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => pool.query('SELECT $1::int AS n', [n])));
  assert.deepEqual(
    answers.map(({ rows }) => rows[0].n),
    Array.from({ length: 20 }, (_, n) => n),
  );
  await pool.end();
});

test('postgres.js: fetched types, arrays, pipelining, transactions and cursors', async () => {
  const { host, port, user, password, database } = clientConfig(gateway, gateway.port, clerk);
  const sql = postgres({
    host,
    port,
    user: user ?? '',
    pass: String(password),
    database: database ?? '',
    ssl: { ca: gateway.ca, servername: 'localhost' },
    max: 2,
    onnotice: () => undefined,
  });
  const [first] = await sql`SELECT id, tags, ARRAY[kind] AS kinds, at FROM visits WHERE id = ${4}`;
  assert.deepEqual({ ...first }, { id: 4, tags: ['t1'], kinds: ['surgery'], at: new Date('2026-01-01T04:00:00Z') });
  const many = await Promise.all(Array.from({ length: 100 }, (_, n) => sql`SELECT ${n}::int AS n, ssn FROM patients WHERE id = ${n + 1}`));
  assert.deepEqual(
    many.map((rows) => ({ ...rows[0] })),
    Array.from({ length: 100 }, (_, n) => ({ n, ssn: '***' })),
  );
  await sql.begin(async (transaction) => {
    await transaction`INSERT INTO scratch ${transaction([{ body: 'from postgres.js' }, { body: 'from postgres.js' }], 'body')}`;
  });
  await assert.rejects(
    sql.begin((transaction) => transaction`INSERT INTO scratch (id) VALUES (1), (1)`),
    { code: '23505' },
  );
  let seen = 0;
  await sql`SELECT id FROM visits ORDER BY id`.cursor(50, (rows) => void (seen += rows.length));
  assert.equal(seen, 600);
  assert.equal((await sql`SELECT count(*)::int AS n FROM scratch WHERE body = 'from postgres.js'`)[0]?.['n'], 2);
  await sql.end();
});

test('pg-cursor reads in batches, masked; pg-copy-streams copies out and in', async () => {
  const client = await through(clerk);
  const cursor = client.query(new Cursor('SELECT id, ssn FROM patients WHERE id <= $1 ORDER BY id LIMIT 100', [60]));
  const ids: number[] = [];
  for (let rows = await cursor.read(25); rows.length > 0; rows = await cursor.read(25)) {
    for (const row of rows as { id: number; ssn: string }[]) {
      assert.equal(row.ssn, '***');
      ids.push(row.id);
    }
  }
  await cursor.close();
  assert.deepEqual(
    ids,
    Array.from({ length: 60 }, (_, n) => n + 1),
  );

  const copied = await text(client.query(copyTo('COPY (SELECT id, ssn FROM patients ORDER BY id LIMIT 3) TO STDOUT (FORMAT csv)')));
  assert.equal(copied, '1,***\n2,***\n3,***\n');
  await client.query('BEGIN');
  await pipeline(Readable.from(['copied 1\n', 'copied 2\n', 'copied 3\n']), client.query(copyFrom('COPY scratch (body) FROM STDIN')));
  await client.query('COMMIT');
  await client.end();
  assert.equal((await clinic.direct.query(`SELECT 1 FROM scratch WHERE body LIKE 'copied%'`)).rowCount, 3);
});
