// The synthetic clinic in a real PostgreSQL: it loads, its keys hold, and its numbers are the ones that nobody owns.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { clinicClasses, clinicIndexSql, clinicLoadSql, clinicSchemaSql } from '../../src/demo/clinic.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';

describe('the demo clinic', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;
  let loadMs = 0;

  before(async () => {
    server = await startEmbeddedPostgres();
    client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
    await client.connect();
    const started = performance.now();
    await client.query(clinicSchemaSql);
    for (const sql of clinicLoadSql()) await client.query(sql);
    await client.query(clinicIndexSql);
    loadMs = performance.now() - started;
  });

  after(async () => {
    await client.end();
    await server.stop();
  });

  const one = async (sql: string): Promise<unknown> =>
    Object.values(((await client.query(sql)).rows as Record<string, unknown>[])[0] ?? {})[0];

  it('loads in seconds and fulfils all of its keys', async (test) => {
    test.diagnostic(`loaded in ${Math.round(loadMs)} ms`);
    assert.ok(loadMs < 20_000, `${loadMs} ms`);
    assert.equal(await one('SELECT count(*)::int FROM patients'), 10_000);
    assert.equal(await one('SELECT count(*)::int FROM encounters'), 30_000);
    assert.equal(await one("SELECT count(*)::int FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"), 11);
    assert.equal(await one('SELECT count(*)::int FROM clinic_load WHERE encounters > 1000'), 12);
  });

  it('has only numbers and addresses that belong to nobody', async () => {
    const strangers = `
      SELECT count(*)::int FROM patients
      WHERE ssn !~ '^9\\d\\d-[1-4]\\d-\\d{4}$' OR phone !~ '^\\(\\d{3}\\) 555-01\\d\\d$' OR fax !~ '^\\(\\d{3}\\) 555-01\\d\\d$' OR email !~ '@example\\.com$'`;
    assert.equal(await one(strangers), 0);
    const nets = "last_ip << '192.0.2.0/24' OR last_ip << '198.51.100.0/24' OR last_ip << '203.0.113.0/24'";
    assert.equal(await one(`SELECT count(*)::int FROM patient_identity WHERE NOT (${nets}) OR vin !~ '^ZZZ'`), 0);
  });

  it('has people over 89 and visits after birth', async () => {
    assert.ok(Number(await one('SELECT count(*)::int FROM encounters WHERE age_at_visit > 89')) > 100);
    assert.equal(
      await one(
        'SELECT count(*)::int FROM encounters e JOIN patients p ON p.id = e.patient_id WHERE e.admitted_at < p.dob OR e.age_at_visit < 0',
      ),
      0,
    );
  });

  it('names only columns that exist as protected, for all 18 kinds of identifiers', async () => {
    const known = new Set(
      (
        await client.query<{ name: string }>(
          `SELECT 'clinic:' || table_schema || '.' || table_name || '.' || column_name AS name FROM information_schema.columns`,
        )
      ).rows.map((row) => row.name),
    );
    const columns = clinicClasses.flatMap((entry) => entry.columns);
    assert.deepEqual(
      columns.filter((column) => !known.has(column)),
      [],
    );
    assert.equal(new Set(columns).size, columns.length);
    assert.ok(clinicClasses.length >= 18);
  });
});
