// Statements that touch a patient without saying so, before a real server and a real gateway: a search never leaves one out.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import Cursor from 'pg-cursor';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import { apiEnvironment, connect, sallyport, smallClinicPolicy } from '../support/small-clinic.ts';
import type { TestGateway } from '../support/gateway.ts';

const tests = clinicTests();
const { gatewayOf, open } = tests;

/** Everything is shown, and whole tables may be read. */
const policy = smallClinicPolicy
  .replace(/ {2}- name: bulk-read[\s\S]*?(?= {2}- name: ledger-write)/, '')
  .replace(/classes:\n[\s\S]*?(?=roles:)/, '')
  .replace(/\ntests:[\s\S]*$/, '\n');
const subjects = [{ name: 'patient', columns: ['public.patients.id'] }];

async function found(gateway: TestGateway, value: string): Promise<ReadonlySet<number>> {
  const env = apiEnvironment(gateway, gateway.running.api.port, await officerOf(gateway));
  const child = sallyport(['subject', 'search', 'clinic', 'patient', '-', '--purpose', 'audit', '--from', '1h', '--json'], env);
  child.end(value);
  const { code, out, err } = await child.ended;
  assert.equal(code, 0, err);
  const { hits, unsure } = JSON.parse(out) as Record<'hits' | 'unsure', { seq: number }[]>;
  return new Set([...hits, ...unsure].map(({ seq }) => seq));
}

/** All of them read, show or change rows of patient 17. */
const TOUCHING = [
  'SELECT s.before FROM (SELECT id, lag(name) OVER (ORDER BY id) AS before FROM patients) s WHERE s.id = 18',
  'SELECT v.kind FROM (SELECT id FROM patients WHERE id = 16 UNION ALL SELECT 17) s JOIN visits v ON v.patient_id = s.id',
  'SELECT v.kind FROM (SELECT id FROM patients WHERE id = 16 UNION ALL SELECT id + 1 FROM patients WHERE id = 16) s JOIN visits v ON v.patient_id = s.id',
  'SELECT p.name FROM (VALUES (1, 2)) w (a, b), patients p WHERE ROW(w.*, p.id) = ROW(1, 2, 17)',
  "WITH u AS (UPDATE visits SET tags = '{}' RETURNING patient_id) SELECT 1 FROM u WHERE patient_id = 18",
  'UPDATE visits SET patient_id = 17 WHERE id = 16 RETURNING patient_id',
  'UPDATE visits SET patient_id = 18 WHERE id = 16 RETURNING patient_id',
  'MERGE INTO visits v USING (SELECT 16 AS id) s ON v.id = s.id WHEN MATCHED THEN UPDATE SET patient_id = 18',
  'UPDATE visits SET patient_id = 17 WHERE id = 16',
  // Errors print values.
  'SELECT id, name::int FROM patients WHERE id = 17',
  'SELECT id, name::int FROM patients ORDER BY id = 17 DESC',
  'SELECT name::int FROM patients',
  'SELECT kind FROM visits WHERE patient_id = 18 AND kind::text::int = 5',
  'SELECT to_json(p) FROM patients p',
  'SELECT p FROM patients p WHERE p.ward = 1',
  'SELECT (p).id, (p).name FROM patients p',
  'SELECT json_agg(p) FROM patients p WHERE id IN (17, 18)',
  "SELECT name FROM patients WHERE id::text = '17'",
  'SELECT name FROM patients WHERE id = 17.0',
  "SELECT name FROM patients WHERE id = ' 17 '",
  "SELECT name FROM patients WHERE id = '0x11'",
  'SELECT name FROM patients WHERE id = 0x11',
  'SELECT name FROM patients WHERE id = 1_7',
  'SELECT name FROM patients WHERE id + 0 = 17',
  'SELECT name FROM patients WHERE ARRAY[id] && ARRAY[17]',
  "SELECT name FROM patients WHERE id = ANY('{none}'::text[]::int[]) OR id BETWEEN SYMMETRIC 18 AND 16",
  'SELECT name FROM patients WHERE NOT id <> 17',
  'SELECT name FROM patients WHERE id IS NOT DISTINCT FROM 17',
  'SELECT name FROM patients WHERE (id, ward) IN ((17, 1))',
  'SELECT name FROM patients WHERE id IN (SELECT patient_id FROM visits WHERE id = 16)',
  'SELECT w.patients FROM ward_list w',
  'SELECT DISTINCT ON (ward) id, name FROM patients ORDER BY ward, id = 17 DESC',
  'SELECT x.name FROM patients p CROSS JOIN LATERAL (SELECT p.name) x WHERE p.id IN (16, 17)',
  'SELECT patient_id, count(*) FROM visits GROUP BY ROLLUP (patient_id)',
  'SELECT id FROM patients EXCEPT SELECT 18',
  'SELECT patient_id FROM patients p FULL JOIN visits v ON v.patient_id = p.id AND p.id = 17',
  'EXPLAIN ANALYZE SELECT name FROM patients WHERE id = 17',
  "DO $$ BEGIN UPDATE visits SET tags = '{}' WHERE patient_id = 17; END $$",
  'PREPARE known AS SELECT name FROM patients WHERE id = 17',
  'EXECUTE known',
  'PREPARE rounded (int) AS SELECT name FROM patients WHERE id = $1',
  'EXECUTE rounded (16.6)',
  'BEGIN',
  'DECLARE c CURSOR WITH HOLD FOR SELECT name FROM patients WHERE id = 17',
  'COMMIT',
  'FETCH 1 FROM c',
  "UPDATE visits SET tags = '{}' WHERE id = 16",
  "UPDATE visits SET tags = '{}' WHERE patient_id = 17; COMMIT; SELECT 1 / 0",
  'SELECT 1; SELECT name FROM patients WHERE ward = 1; SELECT id FROM patients WHERE id = 18',
  'COPY patients TO STDOUT',
  'COPY (SELECT name FROM patients) TO STDOUT (FORMAT csv, HEADER)',
  "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'patients'",
  'SELECT query FROM pg_stat_activity',
  'CREATE TABLE copied AS SELECT * FROM patients',
  'WITH RECURSIVE r AS (SELECT id FROM patients WHERE id = 16 UNION SELECT id + 1 FROM r WHERE id < 17) SELECT v.kind FROM r JOIN visits v ON v.patient_id = r.id',
];
/** They touch nobody. */
const SILENT: ReadonlySet<string> = new Set(['BEGIN', 'COMMIT']);

test('INVARIANT: no statement that touches a patient is left out, whatever it says', { timeout: 240_000 }, async () => {
  const gateway = await gatewayOf({ targets: [{ ...tests.clinic.target, subjects }], policy });
  await tests.clinic.direct.query('ANALYZE patients');
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  open.push({ close: () => client.end().catch(() => undefined) as Promise<void> });
  for (const sql of TOUCHING) await client.query(sql).catch(() => undefined);
  const intents = (await entriesOf(gateway)).filter(({ type }) => type === 'request.intent');
  assert.equal(intents.length, TOUCHING.length, JSON.stringify(intents.map(({ facts }) => facts?.verbs)));
  const known = await found(gateway, '17');
  const left = TOUCHING.filter((sql, index) => !SILENT.has(sql) && !sql.startsWith('PREPARE') && !known.has(intents[index]?.seq ?? -1));
  assert.deepEqual(left, []);
});

test(
  'INVARIANT: a parameter of a type that rounds, and a change of which one row was fetched, are not left out',
  { timeout: 240_000 },
  async () => {
    const gateway = await gatewayOf({ targets: [{ ...tests.clinic.target, subjects }], policy });
    const client = await connect(gateway, gateway.port, await clerkOf(gateway));
    open.push({ close: () => client.end().catch(() => undefined) as Promise<void> });
    const rounded = await client.query('SELECT name, $1::float8 FROM patients WHERE id = $1', ['17.00000000000000001']);
    assert.equal(rounded.rows.length, 1);
    await client.query('BEGIN');
    const cursor = client.query(new Cursor("UPDATE visits SET tags = '{}' RETURNING patient_id"));
    assert.equal((await cursor.read(1)).length, 1);
    await cursor.close();
    await client.query('COMMIT');
    // A Bind is a request of its own, and shows nothing.
    const touching = (await entriesOf(gateway)).flatMap(({ intent, result }) =>
      result?.rows === 1 && intent !== undefined ? [intent] : [],
    );
    assert.equal(touching.length, 2);
    const known = await found(gateway, '17');
    assert.deepEqual(
      touching.filter((seq) => !known.has(seq)),
      [],
    );
  },
);

test(
  'INVARIANT: before there were keys, what refers to a patient is a possible one as the patients are',
  { timeout: 240_000 },
  async () => {
    const gateway = await gatewayOf({ policy });
    const client = await connect(gateway, gateway.port, await clerkOf(gateway));
    await client.query('SELECT kind FROM visits WHERE patient_id = 17');
    await client.query('SELECT patients FROM ward_list');
    await client.query('SELECT body FROM scratch');
    await client.end();
    const [visits, wards, scratch] = (await entriesOf(gateway)).flatMap(({ type, seq }) => (type === 'request.intent' ? [seq] : []));
    await gateway.running.stop();
    const document = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as { targets: object[] };
    writeFileSync(gateway.configFile, JSON.stringify({ ...document, targets: document.targets.map((each) => ({ ...each, subjects })) }));
    await gateway.restart();
    const known = await found(gateway, '17');
    assert.deepEqual(
      [visits, wards, scratch].map((seq) => known.has(seq ?? -1)),
      [true, true, false],
    );
  },
);
