// Reviewers approve what a statement would do: estimates and trial runs against a real PostgreSQL, refusals of trial runs that
// could leave something behind, approvals for a time, and who sees any of it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { clerkOf, officerOf } from '../support/clinic-tests.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import { hold, type Preview, type Reviewer, reviewerOf } from '../support/held.ts';
import {
  type SmallClinic,
  apiEnvironment,
  auditEntries,
  connect,
  sallyport,
  smallClinicPolicy,
  startSmallClinic,
} from '../support/small-clinic.ts';

const setup = `
  CREATE TABLE plain (id int PRIMARY KEY, note text, n int);
  INSERT INTO plain SELECT i, 'note ' || i, i % 10 FROM generate_series(1, 500) i;
  CREATE TABLE big (id int, n int);
  INSERT INTO big SELECT i, i FROM generate_series(1, 30000) i;
  CREATE TABLE numbered (id serial PRIMARY KEY, body text);
  CREATE TABLE identified (id int GENERATED ALWAYS AS IDENTITY, body text);
  CREATE TABLE stamped (id int, at timestamptz DEFAULT clock_timestamp());
  CREATE FUNCTION sly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('numbered_id_seq'); RETURN $1; END $$;
  CREATE FUNCTION vouched(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('numbered_id_seq'); RETURN $1; END $$;
  CREATE TABLE parent (id int PRIMARY KEY);
  CREATE TABLE child (parent_id int REFERENCES parent ON DELETE CASCADE);
  CREATE TABLE indexed (id int, n int);
  CREATE INDEX ON indexed (vouched(n));
  CREATE TABLE computed (id int, n int, made int GENERATED ALWAYS AS (vouched(n)) STORED);
  INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1), (1);
  CREATE TABLE late (id int PRIMARY KEY, other int UNIQUE DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO late VALUES (1, 1);
  CREATE TABLE ruled (id int); INSERT INTO ruled VALUES (1);
  CREATE RULE ruled_off AS ON DELETE TO ruled DO ALSO DELETE FROM plain WHERE false;
  CREATE TABLE triggered (id int); INSERT INTO triggered VALUES (1);
  CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER t BEFORE UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION noop();
  CREATE VIEW plain_view AS SELECT id, n FROM plain;
  CREATE TABLE parts (id int, n int) PARTITION BY LIST (n);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
  INSERT INTO parts VALUES (1, 1), (2, 2);`;

/** Every write of a clerk is held. */
const policy = smallClinicPolicy.replace(
  'rules:\n',
  `rules:
  - name: every-write
    when: "request.effects.exists(e, e == 'write')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
`,
);

let clinic: SmallClinic;
let gateway: TestGateway;
let owner: pg.Client;
let officer = '';
let clerk = '';
let client: pg.Client;
let reviewer: Reviewer;

before(async () => {
  clinic = await startSmallClinic();
  gateway = await startTestGateway({
    targets: [{ ...clinic.target, approvalPreview: 'run', safeFunctions: ['public.vouched(integer)'] }],
    policy,
  });
  owner = new pg.Client({
    host: clinic.server.host,
    port: clinic.server.port,
    user: clinic.target.user,
    password: clinic.password,
    database: clinic.target.database,
  });
  await owner.connect();
  await owner.query(setup);
  officer = await officerOf(gateway);
  reviewer = reviewerOf(gateway, officer);
  clerk = await clerkOf(gateway);
  client = await connect(gateway, gateway.port, clerk);
});
after(async () => {
  await client?.end();
  await owner?.end();
  await gateway?.close();
  await clinic?.stop();
});

/** Holds it and lets it run. */
async function approved(sql: string, by = client): Promise<void> {
  const { id, outcome } = await hold(by, sql);
  assert.equal(await reviewer.answer(id, { verdict: 'approve' }), 200);
  assert.ok('rowCount' in (await outcome), sql);
}

/** Holds it, reads the preview and denies it. */
const previewed = async (sql: string): Promise<Preview> => (await reviewer.looked(client, sql)).preview ?? assert.fail(sql);

test('a write is counted by a trial run; approved, it affects exactly so many rows', async () => {
  for (const [sql, values] of [
    ['UPDATE plain SET n = n + 100 WHERE id <= 37', []],
    ['DELETE FROM plain WHERE id BETWEEN $1 AND $2', [400, 449]],
    ["INSERT INTO plain SELECT id + 10000, 'new', 1 FROM plain WHERE id < 12", []],
    ['UPDATE parts SET id = id + 1', []],
  ] as const) {
    const { id, outcome } = await hold(client, sql, values);
    const { preview } = await reviewer.previewed(id);
    assert.equal(preview?.notCounted, null, sql);
    assert.equal(await reviewer.answer(id, { verdict: 'approve' }), 200);
    const result = await outcome;
    assert.ok('rowCount' in result, String(result));
    assert.equal(preview.affectedRows, result.rowCount, sql);
    assert.equal(typeof preview.estimatedRows, 'number', sql);
  }
});

test('a trial run leaves nothing behind', async () => {
  const before = await owner.query('SELECT count(*), sum(n) FROM plain');
  const preview = await previewed('UPDATE plain SET n = 0');
  assert.ok((preview.affectedRows ?? 0) > 0);
  assert.deepEqual((await owner.query('SELECT count(*), sum(n) FROM plain')).rows, before.rows);
});

test('a held read is estimated, not run', async () => {
  const preview = await previewed('SELECT id, name FROM patients');
  assert.ok((preview.estimatedRows ?? 0) > 0);
  assert.equal(preview.affectedRows, null);
  assert.equal(preview.notCounted, null);
});

test('planning runs functions that are declared immutable: only those that are vouched for, and they can change nothing', async () => {
  const sequence = 'SELECT last_value, is_called FROM numbered_id_seq';
  const before = (await owner.query(sequence)).rows;
  await assert.rejects(previewed('UPDATE plain SET n = sly(1) WHERE id = 1'), /not held/);
  for (const [sql, values] of [
    ['UPDATE plain SET n = vouched(1) WHERE id = vouched(2)', []],
    ['UPDATE plain SET n = 1 WHERE id = vouched($1)', [2]],
  ] as const) {
    const { preview } = await reviewer.looked(client, sql, values);
    assert.equal(preview?.affectedRows, null, sql);
  }
  assert.deepEqual((await owner.query(sequence)).rows, before);
});

for (const [reason, sql] of [
  ['default', "INSERT INTO numbered (body) VALUES ('x')"],
  ['default', "INSERT INTO identified (body) VALUES ('x')"],
  ['default', 'INSERT INTO stamped (id) VALUES (1)'],
  ['default', 'UPDATE stamped SET at = DEFAULT'],
  ['volatile-function', 'UPDATE plain SET n = (random() * 10)::int WHERE id = 1'],
  ['volatile-function', 'UPDATE plain SET n = vouched(n) WHERE id = 1'],
  ['code', 'UPDATE indexed SET n = 2'],
  ['code', 'UPDATE computed SET n = 2'],
  ['cascade', 'DELETE FROM parent WHERE id = 1'],
  ['deferred-constraint', 'UPDATE late SET other = 2'],
  ['rule', 'DELETE FROM ruled'],
  ['trigger', 'UPDATE triggered SET id = 2'],
  ['view', 'UPDATE plain_view SET n = 1 WHERE id = 1'],
  ['too-many-rows', 'UPDATE big SET n = 0'],
  ['failed', "INSERT INTO plain VALUES (1, 'twice', 1)"],
  ['statement', 'DELETE FROM plain WHERE id = 1; DELETE FROM plain WHERE id = 2'],
] as const) {
  test(`a write is not tried: ${reason} (${sql})`, async () => {
    if (reason === 'too-many-rows') await owner.query('ANALYZE big');
    const sequence = 'SELECT last_value, is_called FROM numbered_id_seq';
    const before = (await owner.query(sequence)).rows;
    let preview: Preview;
    try {
      preview = await previewed(sql);
    } catch (fault) {
      // What the gateway refuses outright is never previewed.
      assert.match(String(fault), /not held/);
      assert.ok(['trigger', 'rule', 'view'].includes(reason), String(fault));
      return;
    }
    assert.deepEqual([preview.affectedRows, preview.notCounted], [null, reason]);
    assert.deepEqual((await owner.query(sequence)).rows, before);
  });
}

test('a lock of somebody else is not waited for', async () => {
  await owner.query('BEGIN; UPDATE plain SET n = n WHERE id = 1');
  try {
    assert.equal((await previewed('UPDATE plain SET n = 1 WHERE id = 1')).notCounted, 'busy');
  } finally {
    await owner.query('ROLLBACK');
  }
});

test('nothing is tried for a client that has a transaction open, or whose statement depends on its session', async () => {
  await client.query('BEGIN');
  assert.equal((await previewed('UPDATE plain SET n = 1 WHERE id = 1')).notCounted, 'session');
  await client.query('ROLLBACK');
  await approved('PREPARE change AS UPDATE plain SET n = 1 WHERE id = 1');
  assert.equal((await previewed('EXECUTE change')).affectedRows, null);
});

test('a prepared statement of one name is never taken for another of that name', async () => {
  const other = await connect(gateway, gateway.port, clerk);
  try {
    await approved('PREPARE again AS UPDATE plain SET n = 1 WHERE id = 2', other);
    const first = await hold(other, 'EXECUTE again');
    assert.equal(await reviewer.answer(first.id, { verdict: 'approve', forMs: 600_000 }), 200);
    await first.outcome;
    await other.query('DEALLOCATE again');
    await approved('PREPARE again AS UPDATE plain SET n = 2 WHERE id = 3', other);
    const second = await hold(other, 'EXECUTE again');
    assert.notEqual(second.id, first.id);
    assert.equal(await reviewer.answer(second.id, { verdict: 'deny' }), 200);
    await second.outcome;
  } finally {
    await other.end();
  }
});

test('approved for a time, the same statement runs again, laid out differently too, and another one does not', async () => {
  const { id, outcome } = await hold(client, 'UPDATE plain SET n = 7 WHERE id = 5');
  const running = sallyport(['approvals', 'approve', id, '--for', '15m'], apiEnvironment(gateway, gateway.running.api.port, officer));
  running.end();
  assert.equal((await running.ended).code, 0);
  assert.ok('rowCount' in (await outcome));
  for (const sql of ['UPDATE plain SET n = 7 WHERE id = 5', 'UPDATE plain\n  SET n = 7 -- again\n  WHERE id = 5 /* and again */'])
    assert.equal((await client.query(sql)).rowCount, 1);
  const shown = await reviewer.show(id);
  assert.deepEqual([shown.state, shown.uses], ['approved', 3]);
  const entries = await auditEntries(gateway, gateway.running.api.port, officer);
  const uses = entries.filter(({ type, approval }) => type === 'approval.used' && approval === id).map(({ detail }) => detail?.use);
  assert.deepEqual(uses, [1, 2, 3]);
  const other = await hold(client, 'UPDATE plain SET n = 8 WHERE id = 5');
  assert.notEqual(other.id, id);
  assert.equal(await reviewer.answer(other.id, { verdict: 'deny' }), 200);
  await other.outcome;
});

test('the preview is recorded before it runs, and shown to who answers only: not to the requester, not in the log', async () => {
  const { id, outcome } = await hold(client, 'UPDATE plain SET n = 4242 WHERE id <= 311');
  assert.equal((await reviewer.previewed(id)).preview?.affectedRows, 311);
  assert.equal((await reviewer.show(id, clerk)).preview, null);
  const entries = await auditEntries(gateway, gateway.running.api.port, officer);
  const own = entries.filter(({ approval }) => approval === id);
  assert.ok(own.some(({ type }) => type === 'approval.preview'));
  // Digests and times have any digits by chance.
  const told = JSON.stringify(own).replaceAll(/"[0-9a-f-]{16,}"|"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '""');
  assert.doesNotMatch(told, /311|4242/);
  const shown = sallyport(['approvals', 'show', id], apiEnvironment(gateway, gateway.running.api.port, officer));
  shown.end();
  assert.match((await shown.ended).out, /would change\s+311 rows \(tried and rolled back\)/);
  assert.equal(await reviewer.answer(id, { verdict: 'deny' }), 200);
  await outcome;
});
