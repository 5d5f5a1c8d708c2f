// What must not be found anywhere: canaries in everything a client can send and a table can hold, the upstream
// credential, the token key and tokens. Every file of the data directory, all output of the process and the answers of
// the API are searched; that the canaries were recorded, sealed, is proven by replaying the session.
// INVARIANT: no upstream credential is readable by a client, a log line, an error or an API answer.
// INVARIANT: no bytes of a request reach an upstream before its intent entry is written.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { nodeDisk } from '../../src/audit/index.ts';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { apiEnvironment, callApi, connect, psql, sallyport, until } from '../support/small-clinic.ts';
import { type TcpProxy, startTcpProxy } from '../support/tcp-proxy.ts';

const tests = clinicTests(() => ensureDebianPackages(['postgresql-client']));
const { gatewayOf, open, served } = tests;

async function proxied(): Promise<{ proxy: TcpProxy; target: TestGatewayOptions['targets'][number] }> {
  const proxy = await startTcpProxy({ host: tests.clinic.server.host, port: tests.clinic.server.port });
  open.push(proxy);
  return { proxy, target: { ...tests.clinic.target, port: proxy.port } };
}

/** Result as JSON, or every field of the error. */
const told = (answer: Promise<pg.QueryResult>): Promise<string> =>
  answer.then(
    // Several statements in one text give a list.
    (result) => JSON.stringify([result].flat().map(({ rows, fields }) => [rows, fields.map(({ name }) => name)])),
    (fault: object) => JSON.stringify(fault, Object.getOwnPropertyNames(fault)),
  );

/** Secrets of the gateway itself in every form it has them. */
function credentialsOf(gateway: TestGateway): Map<string, string> {
  const tokenKey = readFileSync(join(gateway.directory, 'keys', 'token.key'), 'utf8');
  return new Map([
    ['upstream password', tests.clinic.password],
    ['token key', tokenKey],
    ['token key of the target', createHmac('sha256', tokenKey).update('sallyport token key\0clinic').digest('hex')],
    [
      'log key',
      readFileSync(join(gateway.directory, 'keys', 'log.key'), 'utf8')
        .trim()
        .split('+')
        // PRIVATE+KEY+name+hash+key; the key is base64, which may have a plus sign of its own.
        .slice(4)
        .join('+'),
    ],
    ['sealing identity', gateway.sealingIdentity.reveal()],
  ]);
}

function assertAbsent(where: string, bytes: Buffer, secrets: ReadonlyMap<string, string>): void {
  for (const [what, secret] of secrets) {
    for (const form of [
      secret,
      Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1),
      Buffer.from(secret).toString('hex'),
      secret.toLowerCase(),
    ]) {
      assert.ok(!bytes.includes(form), `${what} is in ${where}`);
    }
  }
}

/** A canary for each place a client can put text. */
const places = [
  'literal',
  'escape',
  'dollar',
  'bits',
  'comment',
  'alias',
  'cte',
  'identifier',
  'parameter',
  'binary',
  'statement name',
  'cursor',
  'savepoint',
  'setting',
  'copied',
  'error',
  'denied',
  'held',
  'reason',
  'purpose',
  'explained',
  'unparseable',
  'application',
  'user',
  'database',
  'row',
  'masked',
  'json',
  'table',
  'notice',
] as const;
type Place = (typeof places)[number];
const canary = Object.fromEntries(
  places.map((place, index) => [place, `Kanari${String.fromCharCode(65 + index)}x${(index * 7919 + 104729).toString(36)}q`]),
) as Record<Place, string>;

test('threat: what clients send and tables hold is in no file, no output and no API answer in clear, and is sealed all the same', async () => {
  const gateway = await gatewayOf({ start: false });
  const child = await served(gateway);
  const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];
  await tests.clinic.direct.query(`UPDATE patients SET ssn = $1, name = $1 WHERE id = 1`, [canary.masked]);
  await tests.clinic.direct.query(`CREATE TABLE IF NOT EXISTS "${canary.table}" (id int)`);
  await tests.clinic.direct.query('INSERT INTO scratch (body) VALUES ($1)', [canary.row]);

  const client = await connect(gateway, child.port, clerk, { application_name: canary.application, user: canary.user });
  const seen: string[] = [];
  client.on('notice', ({ message }) => seen.push(message ?? ''));
  const ask = async (text: string, values?: unknown[]): Promise<string> => {
    const answer = await told(values === undefined ? client.query(text) : client.query(text, values));
    seen.push(answer);
    return answer;
  };
  const literal = await ask(
    `SELECT '${canary.literal}' AS v, E'${canary.escape}\\n', $$${canary.dollar}$$, B'1010', x'${Buffer.from(canary.bits).toString('hex')}'`,
  );
  assert.ok(literal.includes(canary.literal));
  await ask(`SELECT id /* ${canary.comment} */ FROM visits -- ${canary.comment}\n LIMIT 1`);
  await ask(`SELECT id AS "${canary.alias}", cost FROM visits "${canary.alias}" LIMIT 1`);
  await ask(`WITH "${canary.cte}" AS (SELECT 1 AS a) SELECT a FROM "${canary.cte}"`);
  await ask(`SELECT "${canary.identifier}" FROM "${canary.identifier}"."${canary.identifier}" WHERE "${canary.identifier}" = 1`);
  assert.ok((await ask('SELECT $1::text AS v', [canary.parameter])).includes(canary.parameter));
  await ask('SELECT $1::bytea AS v', [Buffer.from(canary.binary)]);
  await told(client.query({ name: canary['statement name'], text: 'SELECT 1' }));
  await ask(`BEGIN; DECLARE "${canary.cursor}" CURSOR FOR SELECT 1; SAVEPOINT "${canary.savepoint}"`);
  await ask(`FETCH 1 FROM "${canary.cursor}"`);
  await ask('COMMIT');
  await ask(`SET application_name = '${canary.setting}'`);
  await pipeline(Readable.from([`${canary.copied}\n`]), client.query(copyFrom('COPY scratch (body) FROM STDIN')));
  assert.ok((await ask(`SELECT '${canary.error}'::int`)).includes('22P02'));
  assert.ok((await ask(`SELECT pg_read_file('${canary.denied}')`)).includes('42501'));
  await ask(`SELEC '${canary.unparseable}'`);
  await ask(`SELECT json_build_object('k', '${canary.json}') AS j`);
  await ask(`SELECT * FROM "${canary.table}"`);
  await ask(`DO $$ BEGIN RAISE NOTICE '${canary.notice}'; END $$`);
  assert.ok((await ask('SELECT body FROM scratch')).includes(canary.row));
  assert.ok(!(await ask('SELECT id, ssn, name FROM patients WHERE id = 1')).includes(canary.masked));
  assert.ok(!(await ask(`SELECT row_to_json(p) AS j FROM patients p WHERE id = 1`)).includes(canary.masked));

  const noticed = once(client, 'notice');
  const held = told(client.query(`SELECT name FROM patients WHERE name <> '${canary.held}'`));
  const [notice] = (await noticed) as [{ message: string }];
  const approval = /apr_[a-z2-7]{26}/.exec(notice.message)?.[0] ?? '';
  const api = (path: string, body?: object, token = officer): Promise<{ status: number; text: string }> =>
    callApi(gateway, child.apiPort, token, path, body);
  const answers: string[] = [];
  answers.push((await api('/v1/approvals')).text, (await api(`/v1/approvals/${approval}`)).text);
  answers.push((await api(`/v1/approvals/${approval}/answer`, { verdict: 'approve', justification: canary.reason })).text);
  assert.ok((await held).includes('***'));
  await client.end();
  await assert.rejects(connect(gateway, child.port, clerk, { database: canary.database }), { code: '3D000' });

  const { sessions } = await until('the sessions are indexed', async () => {
    const { text } = await api('/v1/sessions');
    const parsed = JSON.parse(text) as { sessions: { id: string; closedAt: string | null; statements: number }[] };
    return parsed.sessions.some(({ closedAt, statements }) => closedAt !== null && statements > 10) && (answers.push(text), parsed);
  });
  const session = sessions.find(({ statements }) => statements > 10)?.id ?? '';
  // Explaining answers with the statement that would be forwarded: the caller's own text. It must not stay anywhere.
  assert.equal((await api('/v1/policy/explain', { sql: `SELECT '${canary.explained}'`, target: 'clinic' })).status, 200);
  for (const path of [
    `/v1/sessions/${session}`,
    '/v1/targets',
    '/v1/whoami',
    '/v1/policy',
    '/metrics',
    '/readyz',
    '/v1/openapi.json',
    '/v1/audit/checkpoint',
  ]) {
    answers.push((await api(path)).text);
  }
  answers.push((await api(`/v1/sessions/${session}/recording`, { purpose: canary.purpose })).text);
  answers.push(JSON.stringify(await entriesOf(gateway, child.apiPort)));

  const identity = join(gateway.directory, 'auditor.age');
  writeFileSync(identity, gateway.sealingIdentity.reveal(), { mode: 0o600 });
  const replay = sallyport(
    ['session', 'replay', session, '--identity', identity, '--purpose', 'canaries'],
    apiEnvironment(gateway, child.apiPort, officer),
  );
  const replayed = (await replay.ended).out;
  for (const place of ['literal', 'comment', 'alias', 'parameter', 'error', 'denied', 'held', 'row', 'unparseable'] as const)
    assert.ok(replayed.includes(canary[place]), `${place} was not recorded`);
  assert.ok(!replayed.includes(canary.masked));
  for (const answer of seen) assertAbsent('an answer to the client', Buffer.from(answer), credentialsOf(gateway));

  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  // Names of relations that exist are schema, not data: the record says what was touched.
  const hidden = places.filter((place) => place !== 'table');
  const secrets = new Map<string, string>([
    ...hidden.map((place): [string, string] => [`the ${place} canary`, canary[place]]),
    ...credentialsOf(gateway),
  ]);
  for (const token of [clerk, officer])
    token.split('.').forEach((part, index) => secrets.set(`part ${index} of a token of ${token.length}`, part));
  // Header and claims of a token are public; its signature is what makes it one.
  for (const what of secrets.keys()) if (/^part [01]/.test(what)) secrets.delete(what);
  const data = join(gateway.directory, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.length > 5);
  const found: string[] = [];
  const look = (where: string, bytes: Buffer): void => {
    try {
      assertAbsent(where, bytes, secrets);
    } catch (fault) {
      found.push((fault as Error).message);
    }
  };
  for (const entry of files) look(entry.name, readFileSync(join(entry.parentPath, entry.name)));
  look('the output of the process', Buffer.from(child.out() + child.err()));
  for (const answer of answers) look(`an API answer ${answer.slice(0, 60)}`, Buffer.from(answer));
  assert.deepEqual(found, []);
});

test('INVARIANT: the upstream credential and the token key cannot be read by SQL, psql, the API or an error', async () => {
  const gateway = await gatewayOf();
  const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];
  const client = await connect(gateway, gateway.port, clerk);
  const secrets = credentialsOf(gateway);
  const statements = [
    'SHOW ALL',
    'SHOW sallyport.token_key',
    'SHOW "sallyport.token_key"',
    "SELECT current_setting('sallyport.token_key')",
    "SELECT current_setting('sallyport.token_key', true)",
    "SELECT pg_catalog.current_setting('SALLYPORT.TOKEN_KEY')",
    "SELECT set_config('sallyport.token_key', 'x', false)",
    "SET sallyport.token_key = 'x'",
    'RESET sallyport.token_key',
    'RESET ALL',
    'SELECT name, setting FROM pg_settings',
    'SELECT * FROM pg_show_all_settings()',
    'SELECT * FROM pg_file_settings',
    'SELECT * FROM pg_hba_file_rules',
    'SELECT * FROM pg_authid',
    'SELECT * FROM pg_shadow',
    'SELECT * FROM pg_roles',
    'SELECT * FROM pg_user',
    'SELECT * FROM pg_user_mappings',
    'SELECT * FROM pg_foreign_server',
    'SELECT * FROM pg_stat_activity',
    'SELECT * FROM pg_stat_ssl',
    'SELECT * FROM pg_prepared_statements',
    'SELECT * FROM pg_db_role_setting',
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'env'",
    "COPY scratch FROM '/etc/passwd'",
    "SELECT query_to_xml('show all', true, true, '')",
    "DO $$ BEGIN RAISE NOTICE '%', current_setting('sallyport.token_key'); END $$",
    'EXPLAIN (VERBOSE) SELECT ssn FROM patients WHERE id = 1',
    'EXPLAIN (ANALYZE, VERBOSE, SETTINGS) SELECT ssn FROM patients WHERE id = 1',
    'SELECT version(), current_user, session_user',
    "CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('sallyport.token_key') $$",
    'SELECT leak()',
    "PREPARE leak AS SELECT current_setting('sallyport.token_key')",
    'EXECUTE leak',
  ];
  const answers: string[] = [];
  client.on('notice', (notice) => answers.push(JSON.stringify(notice, Object.getOwnPropertyNames(notice))));
  for (const sql of statements) {
    answers.push(`${sql} -> ${await told(client.query(sql))}`);
    answers.push(`${sql} -> ${await told(client.query({ text: sql, queryMode: 'extended' } as pg.QueryConfig))}`);
  }
  const parameters = client as unknown as { connectionParameters?: unknown; serverParameters?: unknown };
  answers.push(JSON.stringify(parameters.serverParameters ?? null));
  await client.end();
  const shell = psql(gateway, gateway.port, clerk, [
    '-c',
    '\\conninfo',
    '-c',
    '\\drds',
    '-c',
    '\\du+',
    '-c',
    '\\dconfig *',
    '-c',
    '\\l',
    '-c',
    '\\set',
  ]);
  shell.end();
  const { out, err } = await shell.ended;
  // The token is the caller's own; what psql prints of it is none of ours.
  answers.push(out, err);
  for (const path of [
    '/v1/targets',
    '/v1/policy',
    '/v1/whoami',
    '/v1/audit/entries',
    '/metrics',
    '/readyz',
    '/healthz',
    '/v1/openapi.json',
    '/v1/nothing',
  ])
    answers.push((await callApi(gateway, gateway.running.api.port, officer, path)).text);
  for (const answer of answers) assertAbsent(answer.slice(0, 200), Buffer.from(answer), secrets);

  const lines: string[] = [];
  const keep = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const wrong = await gatewayOf({
    targets: [{ ...tests.clinic.target, password: 'wrong-canary-password' }],
    ports: { logger: { info: keep, warn: keep, error: keep } },
  });
  const refused = await connect(wrong, wrong.port, await clerkOf(wrong)).then(
    () => assert.fail('logged in'),
    (fault: object) => JSON.stringify(fault, Object.getOwnPropertyNames(fault)),
  );
  assert.match(refused, /refused the credential of the gateway/);
  assert.match(lines.join('\n'), /SP_UPSTREAM_AUTH/);
  for (const text of [refused, ...lines]) assert.doesNotMatch(text, /wrong-canary-password|password authentication/);
});

test('INVARIANT: no bytes of a request reach an upstream before its intent entry is written', async () => {
  let isBroken = false;
  const { proxy, target } = await proxied();
  const gateway = await gatewayOf({
    targets: [{ ...target, approvalPreview: 'off' }],
    ports: {
      auditDisk: {
        ...nodeDisk,
        async open(path, mode) {
          const file = await nodeDisk.open(path, mode);
          const broken = (): void => {
            if (isBroken) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          };
          return {
            ...file,
            write: async (buffers, position) => (broken(), file.write(buffers, position)),
            datasync: async () => (broken(), file.datasync()),
            writeSync: (buffer, position) => (broken(), file.writeSync(buffer, position)),
            datasyncSync: () => (broken(), file.datasyncSync()),
          };
        },
      },
    },
  });
  const [clerk, officer] = [await clerkOf(gateway), await officerOf(gateway)];
  const client = await connect(gateway, gateway.port, clerk);

  // Everything that ran has its intent, one to one.
  for (let n = 0; n < 5; n += 1) await client.query(`INSERT INTO scratch (body) VALUES ('ran_${n}')`);
  for (let n = 5; n < 10; n += 1) await client.query(`SELECT 'ran_${n}' AS v`);
  const entries = await entriesOf(gateway);
  assert.equal(proxy.sent().match(/ran_\d/g)?.length, 10);
  assert.equal(entries.filter(({ type, action }) => type === 'request.intent' && action === 'query').length, 10);
  assert.equal(entries.filter(({ type, action }) => type === 'request.result' && action === 'query').length, 10);

  // What is refused, cancelled or denied by a reviewer never leaves.
  for (const sql of [
    "SELECT pg_read_file('refused_a')",
    "SELEC 'refused_b'",
    'SELECT refused_c FROM nowhere.at_all',
    "SELECT 'refused_d' AS v; DROP TABLE visits; SELECT pg_sleep(0)",
  ]) {
    await assert.rejects(client.query(sql));
  }
  const noticed = once(client, 'notice') as Promise<[{ message: string }]>;
  const held = assert.rejects(client.query("INSERT INTO ledger (body) VALUES ('refused_e')"), { code: '42501' });
  const id = /apr_[a-z2-7]{26}/.exec((await noticed)[0].message)?.[0] ?? '';
  assert.ok(!proxy.sent().includes('refused_e'));
  assert.equal((await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}/answer`, { verdict: 'deny' })).status, 200);
  await held;

  // And when the record fails, nothing that changes anything does; no byte of a read comes back.
  const reader = await connect(gateway, gateway.port, clerk);
  const extended = await connect(gateway, gateway.port, clerk);
  isBroken = true;
  await assert.rejects(client.query("INSERT INTO scratch (body) VALUES ('refused_f')"), { code: '58030' });
  await assert.rejects(reader.query("SELECT 'read_g' AS v"), { code: '58030' });
  await assert.rejects(extended.query("UPDATE scratch SET body = 'refused_h' WHERE id = $1", [1]), { code: '58030' });
  assert.doesNotMatch(proxy.sent(), /refused_[a-g]/);
  assert.equal((await tests.clinic.direct.query(`SELECT 1 FROM scratch WHERE body LIKE 'refused%'`)).rowCount, 0);
});

for (const { approvalPreview, sent } of [
  { approvalPreview: 'off', sent: [] },
  { approvalPreview: 'estimate', sent: ['EXPLAIN (FORMAT JSON) '] },
  { approvalPreview: 'run', sent: ['EXPLAIN (FORMAT JSON) ', ''] },
] as const) {
  test(`INVARIANT: of a held statement, approvalPreview: ${approvalPreview} sends what it says, after its entry, and leaves nothing behind`, async () => {
    const { proxy, target } = await proxied();
    const gateway = await gatewayOf({ targets: [{ ...target, approvalPreview }] });
    const officer = await officerOf(gateway);
    const client = await connect(gateway, gateway.port, await clerkOf(gateway));
    const sql = `UPDATE ledger SET body = 'looked_at_${approvalPreview}' WHERE id < 0`;
    const noticed = once(client, 'notice') as Promise<[{ message: string }]>;
    const held = assert.rejects(client.query(sql), { code: '42501' });
    const id = /apr_[a-z2-7]{26}/.exec((await noticed)[0].message)?.[0] ?? '';
    const shown = async (): Promise<{ preview: { notCounted: string | null; affectedRows: number | null } | null }> =>
      JSON.parse((await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}`)).text) as never;
    if (approvalPreview !== 'off') await until('the preview is there', async () => (await shown()).preview !== null);
    assert.equal(
      (await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}/answer`, { verdict: 'deny' })).status,
      200,
    );
    await held;
    const { preview } = await shown();
    if (approvalPreview === 'off') assert.equal(preview, null);
    else assert.deepEqual([preview?.notCounted, preview?.affectedRows], approvalPreview === 'run' ? [null, 0] : ['switched-off', null]);
    assert.deepEqual(
      proxy
        .sent()
        .match(/[^\0]*looked_at_\w+/g)
        ?.map((text) => text.replace(/UPDATE[^]*$/, '')) ?? [],
      sent,
    );
    assert.equal((await entriesOf(gateway)).filter(({ type }) => type === 'approval.preview').length, approvalPreview === 'off' ? 0 : 1);
    assert.equal((await tests.clinic.direct.query(`SELECT 1 FROM ledger WHERE body LIKE 'looked_at%'`)).rowCount, 0);
  });
}
