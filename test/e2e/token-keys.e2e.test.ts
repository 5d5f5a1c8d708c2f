// Keys of tokens through the whole gateway: the configuration is changed from one key to several, and the tokens that agents
// hold go on working until their key expires. And masks of the policy that have arguments and subjects, as clients see them.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

const schema = `
  CREATE TABLE patients (id int PRIMARY KEY, mrn text UNIQUE, phone text, born date);
  INSERT INTO patients SELECT i, 'M-' || i, '+1-555-010-' || 1000 + i, '1950-01-01'::date + i FROM generate_series(1, 20) i;
  CREATE TABLE stays (id int PRIMARY KEY, patient_id int, came date, went timestamptz, cost numeric);
  INSERT INTO stays SELECT i, 1 + i % 20, '2024-02-01'::date + i, '2024-02-03 12:00+00'::timestamptz + i * interval '1 day', 1234.5 FROM generate_series(1, 40) i;`;

const policy = JSON.stringify({
  version: 1,
  classes: [
    { class: 'phi.mrn', columns: ['clinic:public.patients.mrn'] },
    { class: 'phi.phone', columns: ['clinic:public.patients.phone'] },
    { class: 'phi.date', columns: ['clinic:public.stays.came', 'clinic:public.stays.went'], subject: 'clinic:public.*.patient_id' },
    { class: 'phi.born', columns: ['clinic:public.patients.born'], subject: 'clinic:public.*.patient_id' },
    { class: 'phi.cost', columns: ['clinic:public.stays.cost'] },
  ],
  roles: [
    { role: 'clerk', members: [{ issuer: 'corp', group: 'clerks' }] },
    { role: 'officer', members: [{ issuer: 'corp', group: 'privacy' }] },
  ],
  access: [{ role: 'clerk', targets: ['clinic'], effects: ['read', 'write'] }],
  masks: [
    { class: 'phi.mrn', mask: 'token' },
    { class: 'phi.phone', mask: { method: 'partial', first: 2, last: 2 } },
    { class: 'phi.date', mask: { method: 'date-shift', days: 30 } },
    { class: 'phi.born', mask: 'date-shift' },
    { class: 'phi.cost', mask: { method: 'round', step: 100 } },
  ],
});

describe('token keys', () => {
  let server: EmbeddedPostgres;
  let gateway: TestGateway;
  let direct: pg.Client;

  before(async () => {
    server = await startEmbeddedPostgres();
    const { host, port, user, password } = server;
    direct = new pg.Client({ host, port, user, password, database: 'postgres' });
    await direct.connect();
    await direct.query(schema);
    gateway = await startTestGateway({
      targets: [{ name: 'clinic', database: 'postgres', host, port, user, password }],
      policy,
      insecure: true,
    });
  });
  after(async () => {
    await gateway?.close();
    await direct?.end();
    await server?.stop();
  });

  const within = async <T>(work: (rows: (text: string, values?: readonly unknown[]) => Promise<unknown[]>) => Promise<T>): Promise<T> => {
    const password = await gateway.issuer.token('ann', { groups: ['clerks'] }, { expiresInS: 3600 });
    const client = new pg.Client({ host: '127.0.0.1', port: gateway.port, user: 'ann', password, database: 'clinic' });
    await client.connect();
    try {
      return await work(async (text, values = []) => (await client.query({ text, values: [...values], rowMode: 'array' })).rows);
    } finally {
      await client.end();
    }
  };

  const restartWith = async (tokenKeys: readonly unknown[]): Promise<void> => {
    await gateway.running.stop(AbortSignal.timeout(5000));
    const { tokenKey: _replaced, ...rest } = JSON.parse(readFileSync(gateway.configFile, 'utf8'));
    writeFileSync(join(gateway.directory, 'keys', 'token-2.key'), 'f'.repeat(64), { mode: 0o600 });
    writeFileSync(gateway.configFile, JSON.stringify({ ...rest, tokenKeys }));
    await gateway.restart();
  };

  it('show masks with arguments, and dates moved with their subject', async () => {
    await within(async (rows) => {
      assert.deepEqual(await rows('SELECT phone FROM patients WHERE id = 7'), [['+1***07']]);
      assert.deepEqual(await rows('SELECT DISTINCT cost::text FROM stays'), [['1200']]);
      // This relation does not say whose dates they are.
      assert.deepEqual(await rows('SELECT count(born) FROM patients'), [['0']]);
      const shifts = (await rows(
        "SELECT patient_id, array_agg(DISTINCT came - ('2024-02-01'::date + id)), bool_and(went - came = '2024-02-03 12:00+00'::timestamptz - '2024-02-01'::date) FROM stays GROUP BY 1",
      )) as [number, number[], boolean][];
      assert.equal(shifts.length, 20);
      assert.ok(shifts.every(([, days, same]) => days.length === 1 && days[0] !== 0 && Math.abs(days[0] ?? 0) <= 30 && same));
      await assert.rejects(rows("UPDATE stays SET came = '2024-01-01' WHERE id = 1"), /would answer a guess/);
    });
  });

  it('are rotated: old tokens work, new ones are shown, expired ones are refused', async () => {
    const old = await within(async (rows) => ((await rows('SELECT mrn FROM patients WHERE id = 7')) as [[string]])[0][0]);
    assert.match(old, /^tok_mrn_1_/);
    const file = (name: string): unknown => ({ file: `keys/${name}` });
    await restartWith([
      { id: 'b2', state: 'active', secret: file('token-2.key') },
      { id: '1', state: 'decrypt-only', secret: file('token.key') },
    ]);
    const today = await within(async (rows) => {
      const [[found]] = (await rows('SELECT mrn FROM patients WHERE mrn = $1', [old])) as [[string]];
      assert.deepEqual(await rows(`SELECT id FROM patients WHERE mrn = '${old}'`), [[7]]);
      await rows('INSERT INTO patients (id, mrn) VALUES (21, NULL)');
      await assert.rejects(rows('UPDATE patients SET mrn = $1 WHERE id = 21', [old]), { code: '23505' });
      return found;
    });
    assert.match(today, /^tok_mrn_b2_/);
    await restartWith([
      { id: 'b2', state: 'active', secret: file('token-2.key') },
      { id: '1', state: 'expired' },
    ]);
    await within(async (rows) => {
      assert.deepEqual(await rows('SELECT id FROM patients WHERE mrn = $1', [today]), [[7]]);
      await assert.rejects(rows('SELECT id FROM patients WHERE mrn = $1', [old]), { code: '22023' });
      await assert.rejects(rows(`SELECT id FROM patients WHERE mrn = '${old}'`), /whose key has expired/);
    });
  });
});
