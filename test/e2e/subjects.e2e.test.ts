// "Who saw patient X" of a whole gateway: real clients read and change rows in every way, and a search finds exactly those who did;
// nothing of the values is in clear on the disk; the index lives through restarts and kill -9.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync, appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import Cursor from 'pg-cursor';
import { to as copyTo } from 'pg-copy-streams';
import type { TestGateway } from '../support/gateway.ts';
import { clerkOf, clinicTests, entriesOf, isWholeAndSigned, officerOf } from '../support/clinic-tests.ts';
import { apiEnvironment, connect, type Ended, psql, sallyport, smallClinicPolicy, until } from '../support/small-clinic.ts';

const tests = clinicTests();
const { gatewayOf, open } = tests;

interface Answer {
  readonly seq: number;
  readonly hits: {
    readonly seq: number;
    readonly how: string[];
    readonly statement: string;
    readonly principal: { readonly subject: string };
  }[];
  readonly unsure: { readonly seq: number; readonly why: string; readonly statement: string }[];
  readonly touching: number;
  readonly damaged: string[];
  readonly indexedSince: { readonly seq: number } | null;
}

const subjects = [{ name: 'patient', columns: ['public.patients.id'] }];
const target = () => ({ ...tests.clinic.target, subjects });
/** Whole tables may be read here. */
const policy = smallClinicPolicy.replace(/ {2}- name: bulk-read[\s\S]*?(?= {2}- name: ledger-write)/, '');

async function search(gateway: TestGateway, apiPort: number, value: string, subject = 'patient'): Promise<Answer> {
  const env = apiEnvironment(gateway, apiPort, await officerOf(gateway));
  const child = sallyport(['subject', 'search', 'clinic', subject, '-', '--purpose', 'patient-request', '--from', '1h', '--json'], env);
  child.end(value);
  const { code, out, err } = await child.ended;
  assert.equal(code, 0, err);
  return JSON.parse(out) as Answer;
}

/** Names that every catalogue knows: others are redacted in the record. */
const WORDS = 'abs acos ascii asin atan btrim cbrt ceil chr cos cosd cot degrees div erf exp floor gcd initcap lcm ln log lower lpad'.split(
  ' ',
);
const given: string[] = [];

/** A name for an output, by which the request is known again. */
function as(label: string): string {
  if (!given.includes(label)) given.push(label);
  return WORDS[given.indexOf(label)] ?? assert.fail('no word is left');
}

/** Oldest first. */
const labels = (found: readonly { readonly statement: string }[]): string[] =>
  found.toReversed().map(({ statement }) => {
    const word = / AS (\w+)/.exec(statement)?.[1] ?? '';
    return given[WORDS.indexOf(word)] ?? statement.split(' ').slice(0, 3).join(' ');
  });

async function client(gateway: TestGateway, port = gateway.port): Promise<pg.Client> {
  const connected = await connect(gateway, port, await clerkOf(gateway));
  open.push({ close: () => connected.end().catch(() => undefined) as Promise<void> });
  return connected;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('a search finds exactly the requests that asked for a patient, showed one or changed one', { timeout: 240_000 }, async () => {
  const gateway = await gatewayOf({ targets: [target()], policy, limits: { workers: 2 } });
  const apiPort = gateway.running.api.port;
  const reader = await client(gateway);

  // By value: text and binary parameters, arrays, lists, other spellings; and what the key refers to.
  await reader.query(`SELECT name, 1 AS ${as('by_text')} FROM patients WHERE id = 17`);
  await reader.query(`SELECT name, 2 AS ${as('by_parameter')} FROM patients WHERE id = $1`, [17]);
  await reader.query({
    text: `SELECT name, 3 AS ${as('by_binary')} FROM patients WHERE id = $1`,
    values: [Buffer.of(0, 0, 0, 17)],
    binary: true,
  } as pg.QueryConfig);
  await reader.query(`SELECT name, 4 AS ${as('by_array')} FROM patients WHERE id = ANY('{16,017}')`);
  await reader.query(`SELECT kind, 5 AS ${as('by_list')} FROM visits WHERE patient_id IN (16, 17)`);
  await reader.query(`SELECT kind, 6 AS ${as('by_arrays')} FROM visits WHERE patient_id = ANY($1)`, [[16, 17]]);
  // In the rows: whole tables, joins, binary results, cursors, COPY, SQL's own prepared statements.
  await reader.query(`SELECT id, 7 AS ${as('whole')} FROM patients`);
  await reader.query(`SELECT p.id, v.kind, 8 AS ${as('joined')} FROM patients p JOIN visits v ON v.patient_id = p.id WHERE v.id = 16`);
  await reader.query({ text: `SELECT id, 9 AS ${as('binary_rows')} FROM patients WHERE ward = 17 % 4`, binary: true } as pg.QueryConfig);
  const cursor = reader.query(new Cursor(`SELECT id, 10 AS ${as('portal')} FROM patients WHERE id BETWEEN 1 AND 30 ORDER BY id`));
  assert.equal((await cursor.read(16)).length, 16);
  assert.equal((await cursor.read(16)).length, 14);
  await cursor.close();
  for await (const _chunk of reader.query(copyTo(`COPY (SELECT id, 11 AS ${as('copied')} FROM patients) TO STDOUT`))) {
    // Read to its end.
  }
  await reader.query('BEGIN');
  await reader.query(`DECLARE c CURSOR FOR SELECT id, 12 AS ${as('declared')} FROM patients ORDER BY id`);
  await reader.query('FETCH 10 FROM c');
  await reader.query('FETCH 10 FROM c');
  await reader.query('COMMIT');
  await reader.query(`PREPARE p (int) AS SELECT name, 13 AS ${as('executed')} FROM patients WHERE id = $1`);
  await reader.query('EXECUTE p (16)');
  await reader.query('EXECUTE p (17)');
  // Changes.
  await reader.query("INSERT INTO visits (id, patient_id, kind, at) VALUES (9001, 17, 'surgery', now())");
  await reader.query('UPDATE visits SET cost = 14 WHERE patient_id = 17');
  await reader.query(`DELETE FROM visits WHERE id = 9001 RETURNING patient_id, 15 AS ${as('gone')}`);
  const shell = psql(gateway, gateway.port, await clerkOf(gateway), [
    '-c',
    `SELECT dob, 16 AS ${as('by_psql')} FROM patients WHERE id = 17`,
  ]);
  assert.equal((await shell.ended).code, 0);

  // Somebody else's, nobody's, and none.
  await reader.query(`SELECT name, 17 AS ${as('other')} FROM patients WHERE id = 18`);
  await reader.query(`SELECT id, 18 AS ${as('others')} FROM patients WHERE id > 100`);
  await reader.query(`SELECT name, 19 AS ${as('none')} FROM patients WHERE ward = 99`);
  await reader.query('SELECT body FROM scratch WHERE id = 17');
  // Who may have.
  await reader.query(`SELECT count(*), 20 AS ${as('counted')} FROM patients`);
  await reader.query(`SELECT name, 21 AS ${as('keyless')} FROM patients WHERE ward = 1`);
  await reader.query('SELECT * FROM ward_list');

  const found = await search(gateway, apiPort, '17');
  assert.deepEqual(labels(found.hits), [
    'by_text',
    'by_parameter',
    'by_binary',
    'by_array',
    'by_list',
    'by_arrays',
    'whole',
    'joined',
    'binary_rows',
    'portal',
    'copied',
    'FETCH ? FROM',
    'EXECUTE p (?)',
    'INSERT INTO visits',
    'UPDATE visits SET',
    'gone',
    'by_psql',
  ]);
  assert.deepEqual(labels(found.unsure), ['counted', 'keyless', 'SELECT * FROM']);
  assert.ok(found.unsure.every(({ why }) => why === 'not-by-key'));
  assert.ok(found.hits.every(({ principal }) => principal.subject === 'clerk-1'));
  assert.deepEqual(found.hits.find(({ statement }) => statement.includes(as('whole')))?.how, ['returned']);
  assert.deepEqual(found.hits.find(({ statement }) => statement.includes(as('by_text')))?.how, ['asked']);
  assert.deepEqual((await search(gateway, apiPort, '017')).hits.length, found.hits.length);
  assert.deepEqual((await search(gateway, apiPort, '99999')).hits, []);

  // Each is an entry of its own, without the value; the log verifies.
  const entries = await entriesOf(gateway);
  const searched = entries.filter(({ type }) => type === 'subject.searched');
  assert.equal(searched.length, 3);
  assert.equal(searched[0]?.seq, found.seq);
  assert.equal(searched[0]?.principal?.subject, 'olivia');
  assert.deepEqual(searched[0]?.detail, { subject: 'patient', purpose: 'patient-request', from: 0, to: found.seq, hits: 17, unsure: 3 });
  assert.equal(searched[0]?.sealed?.[0]?.kind, 'justification');
  await gateway.running.stop();
  await isWholeAndSigned(gateway);
});

test('no value of a key is in clear in any file, and no digest is in the log', { timeout: 180_000 }, async () => {
  const marks = ['PLANTED-KEY-4711', 'PLANTED-KEY-4712'];
  const { direct } = tests.clinic;
  await direct.query('CREATE TABLE wards (code text PRIMARY KEY, label text)');
  await direct.query('INSERT INTO wards VALUES ($1, $2), ($3, $4)', [marks[0], 'a', marks[1], 'b']);
  const gateway = await gatewayOf({
    targets: [{ ...tests.clinic.target, subjects: [{ name: 'ward', columns: ['public.wards.code'] }] }],
    policy,
  });
  const reader = await client(gateway);
  await reader.query(`SELECT label FROM wards WHERE code = '${marks[0]}'`);
  await reader.query('SELECT label FROM wards WHERE code = $1', [marks[0]]);
  await reader.query('SELECT code FROM wards');
  const found = await search(gateway, gateway.running.api.port, marks[0] ?? '', 'ward');
  assert.equal(found.hits.length, 3);
  assert.equal((await search(gateway, gateway.running.api.port, marks[1] ?? '', 'ward')).hits.length, 1);
  await gateway.running.stop();
  const data = join(gateway.directory, 'data');
  const files = filesBelow(data);
  assert.ok(files.some((file) => file.endsWith('.idx')));
  for (const file of files) {
    const bytes = readFileSync(file);
    assert.equal(bytes.includes('PLANTED-KEY'), false, file);
  }
  // 16 bytes of the first digest of the index are nowhere else.
  const index = readFileSync(files.find((file) => file.endsWith('.idx')) ?? '');
  const digest = index.subarray(-32, -16);
  for (const file of files.filter((each) => !each.endsWith('.idx'))) assert.equal(readFileSync(file).includes(digest), false, file);
  await direct.query('DROP TABLE wards');
});

test('the index lives through a restart, kill -9 and a torn tail; what was changed in it is told', { timeout: 240_000 }, async () => {
  const gateway = await gatewayOf({ targets: [target()], policy, start: false });
  const first = await tests.served(gateway);
  const reader = await client(gateway, first.port);
  await reader.query('SELECT name FROM patients WHERE id = 17');
  await reader.query('SELECT id FROM patients');
  // Answered: the record is durable, whatever comes. Its rows were still on their way in the last one.
  const running = reader.query('SELECT id, nap(30) FROM patients WHERE id = 17').catch(() => undefined);
  // It runs, and its intent is in the log.
  await until('it runs', async () => {
    const intents = (await entriesOf(gateway, first.apiPort)).filter(({ type }) => type === 'request.intent');
    return intents.some(({ statement }) => statement?.normalised?.includes('nap') === true);
  });
  first.kill('SIGKILL');
  await first.ended;
  await running;
  const directory = join(gateway.directory, 'data', 'subjects');
  const [index = ''] = readdirSync(directory).filter((name) => name.endsWith('.idx'));
  // As if the power had gone in the middle of the next record.
  appendFileSync(join(directory, index), Buffer.from([0, 0, 1, 0, 7, 7]));

  const second = await tests.served(gateway);
  const found = await search(gateway, second.apiPort, '17');
  assert.deepEqual(
    found.hits.map(({ how }) => how),
    [['returned'], ['asked']],
  );
  assert.deepEqual(
    found.unsure.map(({ why }) => why),
    ['not-indexed'],
  );
  assert.deepEqual(found.damaged, []);
  assert.deepEqual((await search(gateway, second.apiPort, '500')).hits, []);

  // One byte of the first record is another: nothing of it counts, and nobody is left out for it.
  const path = join(directory, index);
  const bytes = readFileSync(path);
  const at = 30;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const changed = await search(gateway, second.apiPort, '500');
  assert.deepEqual(changed.damaged, [index]);
  assert.equal(changed.unsure.length, 3);
  truncateSync(path, 0);
  assert.equal((await search(gateway, second.apiPort, '500')).unsure.length, 3);
});

test('a search needs the role, a purpose and a name that is configured', { timeout: 180_000 }, async () => {
  const gateway = await gatewayOf({ targets: [target()], policy });
  const apiPort = gateway.running.api.port;
  const as = async (token: string, ...args: string[]): Promise<Ended> => {
    const child = sallyport(['subject', 'search', ...args], apiEnvironment(gateway, apiPort, token));
    child.end('17\n');
    return child.ended;
  };
  const refused = await as(await clerkOf(gateway), 'clinic', 'patient', '--purpose', 'audit');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /SP_API_FORBIDDEN/);
  const officer = await officerOf(gateway);
  const wrong = await as(officer, 'clinic', 'planet', '--purpose', 'audit');
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /SP_SUBJECT_UNKNOWN/);
  assert.match(wrong.err, /sallyport subject ls/);
  assert.equal((await as(officer, 'clinic', 'patient')).code, 2);
  assert.equal((await as(officer, 'clinic', 'patient', '--purpose', 'curiosity')).code, 2);
  assert.equal(
    (await entriesOf(gateway)).some(({ type }) => type === 'subject.searched'),
    false,
  );
  const plain = await as(officer, 'clinic', 'patient', '--purpose', 'audit', '--from', '1h');
  assert.equal(plain.code, 0, plain.err);
  assert.match(plain.err + plain.out, /not shown:[\s\S]*what triggers and functions/);
  assert.equal(statSync(join(gateway.directory, 'data', 'subjects', 'keys')).mode & 0o077, 0);
});

test(
  'requests before a column became a key are possible ones, tokens are found by the value that they stand for',
  { timeout: 240_000 },
  async () => {
    const gateway = await gatewayOf({ policy });
    const before = await client(gateway);
    await before.query('SELECT name FROM patients WHERE id = 3');
    await before.query('SELECT body FROM scratch');
    await gateway.running.stop();
    const document = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as { targets: object[] };
    const byName = [{ name: 'patient', columns: ['public.patients.ssn'] }];
    writeFileSync(
      gateway.configFile,
      JSON.stringify({ ...document, targets: document.targets.map((each) => ({ ...each, subjects: byName })) }),
    );
    writeFileSync(
      join(gateway.directory, 'policy.yaml'),
      policy
        .replace('class: phi.*, mask: redact }', 'class: phi.*, mask: redact }\n  - { class: phi.ssn, mask: token }')
        .replace(/\ntests:[\s\S]*$/, '\n'),
    );
    await gateway.restart();
    const reader = await client(gateway);
    const { rows } = await reader.query<{ ssn: string }>('SELECT ssn FROM patients WHERE id = 17');
    assert.match(rows[0]?.ssn ?? '', /^tok_/);
    await reader.query('SELECT name FROM patients WHERE ssn = $1', [rows[0]?.ssn]);
    const found = await search(gateway, gateway.running.api.port, '970-00-0017');
    assert.deepEqual(
      found.hits.map(({ how }) => how),
      [['asked'], ['returned']],
    );
    assert.deepEqual(
      found.unsure.map(({ why }) => why),
      ['before-index'],
    );
    assert.ok((found.indexedSince?.seq ?? 0) > 0);
    assert.deepEqual((await search(gateway, gateway.running.api.port, '970-00-0018')).hits, []);
  },
);
