// Samples of rows that a held UPDATE or DELETE would change, against a real PostgreSQL: what a reviewer sees of them, and that nothing
// protected is in them, and nothing of them anywhere else.
// Threats: a reviewer, or whoever reads the gateway's disk, learns protected values from a preview; the requester learns from it what the
// hold withholds; a policy that was replaced lets a held statement through.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { Logger } from '../../src/core/ports.ts';
import type { RowSample } from '../../src/core/preview.ts';
import { clerkOf, officerOf } from '../support/clinic-tests.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import { hold, type Reviewer, reviewerOf, type Shown } from '../support/held.ts';
import { type HttpDouble, startHttpDouble } from '../support/http-double.ts';
import { type SmallClinic, apiEnvironment, callApi, connect, sallyport, startSmallClinic, until } from '../support/small-clinic.ts';

const policy = `
version: 1
classes:
  - { class: phi.ssn, columns: ["clinic:public.people.ssn", "clinic:public.by_ssn.ssn", "clinic:public.split.ssn"] }
  - { class: phi.mrn, columns: ["clinic:public.people.mrn"], predicates: equality }
  - { class: phi.dob, columns: ["clinic:public.people.dob"] }
  - { class: phi.finding, columns: ["clinic:public.people.sick", "clinic:public.people.scan"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.dob, mask: year }
  - { class: phi.*, roles: [doctor], mask: clear }
roles:
  - { role: clerk-agent, members: [{ issuer: corp, group: clerks }] }
  - { role: doctor, members: [{ issuer: corp, group: doctors }] }
  - { role: officer, members: [{ issuer: corp, group: privacy }] }
access:
  - { role: clerk-agent, targets: [clinic], effects: [read, write] }
  - { role: doctor, targets: [clinic], effects: [read, write] }
  - { role: officer, targets: [clinic], effects: [read] }
rules:
  - name: every-write
    when: "request.effects.exists(e, e == 'write')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
`;

const wide = Array.from({ length: 40 }, (_, n) => `c${n} int DEFAULT ${n}`).join(', ');
const schema = `
  CREATE TYPE mood AS ENUM ('calm', 'tense');
  CREATE TABLE people (id int PRIMARY KEY, ssn text NOT NULL, note text, mrn text UNIQUE, dob date, sick boolean, scan bytea, photo bytea, mood mood,
    tags text[], doc jsonb, initial text GENERATED ALWAYS AS (left(ssn, 1)) STORED);
  CREATE TABLE visits (id int PRIMARY KEY, person_id int REFERENCES people, cost numeric(10,2));
  CREATE TABLE keyless (n int, note text);
  CREATE TABLE by_ssn (ssn text PRIMARY KEY, n int);
  CREATE TABLE pairs (a int, "B b" text NOT NULL, n int, PRIMARY KEY (a, "B b"));
  CREATE TABLE wide (id int PRIMARY KEY, ${wide});
  CREATE TABLE split (ssn text, n int) PARTITION BY LIST (ssn);
  CREATE TABLE split_1 PARTITION OF split DEFAULT;
  INSERT INTO split VALUES ('x', 1);
  INSERT INTO keyless VALUES (1, 'x');
  INSERT INTO pairs VALUES (1, 'it''s', 1), (1, 'x', 2), (2, 'x', 3);
  INSERT INTO wide (id) VALUES (1);`;

/** Two worlds differ in protected values only, and in nothing else that a reviewer could tell. */
const world = (secret: string): string => `
  TRUNCATE people, visits, by_ssn;
  INSERT INTO people (id, ssn, note, mrn, dob, sick, scan, photo, mood, tags, doc)
    SELECT i, md5('${secret}' || i), 'open-note-' || i, 'M' || ('x' || left(md5('${secret}' || i), 6))::bit(24)::int, date '1930-01-01' + (('x' || left(md5('${secret}' || i), 3))::bit(12)::int * 7),
      md5('${secret}' || i) < '8', decode(md5('${secret}' || i), 'hex'), '\\xdeadbeef'::bytea, 'calm', ARRAY['t' || i], jsonb_build_object('n', i)
    FROM generate_series(1, 12) i;
  INSERT INTO visits SELECT i, i, i * 1.5 FROM generate_series(1, 12) i;
  INSERT INTO by_ssn SELECT ssn, id FROM people;
  ANALYZE people; ANALYZE visits; ANALYZE by_ssn;`;

let clinic: SmallClinic;
let gateway: TestGateway;
let hook: HttpDouble;
let owner: pg.Client;
let officer = '';
let clerk = '';
let client: pg.Client;
let doctor: pg.Client;
let reviewer: Reviewer;
const lines: string[] = [];
const line = (fields: object, message: string): void => void lines.push(`${JSON.stringify(fields)} ${message}`);
const logger: Logger = { info: line, warn: line, error: line };

before(async () => {
  clinic = await startSmallClinic();
  const setup = await clinic.admin();
  await setup.query('CREATE DATABASE samples OWNER sallyport');
  await setup.end();
  const target = { ...clinic.target, database: 'samples', approvalPreview: 'run' } as const;
  owner = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: 'samples',
  });
  await owner.connect();
  await owner.query(schema);
  await owner.query(world('one'));
  hook = await startHttpDouble();
  gateway = await startTestGateway({ targets: [target], policy, start: false, limits: { workers: 2 }, ports: { logger } });
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, any>;
  writeFileSync(join(gateway.directory, 'keys', 'hook'), `whsec_${Buffer.alloc(32, 7).toString('base64')}`, { mode: 0o600 });
  config['notifications'] = [{ name: 'hook', kind: 'webhook', url: `${hook.url}/hook`, insecure: true, secret: { file: 'keys/hook' } }];
  writeFileSync(gateway.configFile, JSON.stringify(config));
  await gateway.restart();
  officer = await officerOf(gateway);
  clerk = await clerkOf(gateway);
  const connected = (token: string): Promise<pg.Client> => connect(gateway, gateway.port, token);
  client = await connected(clerk);
  doctor = await connected(await gateway.issuer.token('dora', { groups: ['doctors'], kind: 'person' }));
  reviewer = reviewerOf(gateway, officer);
});
after(async () => {
  await client?.end();
  await doctor?.end();
  await owner?.end();
  await gateway?.close();
  await hook?.close();
  await clinic?.stop();
});

const looked = (sql: string, values: readonly unknown[] = [], by = client): Promise<Shown> => reviewer.looked(by, sql, values);

/** Cells of one column: before and after, row by row. */
function column(sample: RowSample | null, name: string): (readonly (string | null | undefined)[])[] {
  if (sample === null) assert.fail('there is no sample');
  const at = sample.columns.findIndex((each) => each.name === name);
  assert.ok(at >= 0, name);
  return sample.rows.map(({ before, after }) => [before?.[at], after?.[at]]);
}

test('of an UPDATE the reviewer sees rows before and after, by key, five at most', async () => {
  const { preview, sample } = await looked("UPDATE people SET note = upper(note), mood = 'tense' WHERE id > $1", [3]);
  assert.deepEqual([preview?.affectedRows, preview?.sampling], [9, 'taken']);
  assert.ok(sample?.isPaired);
  assert.deepEqual(
    column(sample, 'id').map(([before, after]) => [before, before === after]),
    [4, 5, 6, 7, 8].map((id) => [String(id), true]),
  );
  assert.deepEqual(column(sample, 'note')[0], ['open-note-4', 'OPEN-NOTE-4']);
  assert.deepEqual(column(sample, 'mood')[0], ['calm', 'tense']);
  assert.deepEqual(column(sample, 'photo')[0], ['4', '4']);
  assert.deepEqual(column(sample, 'tags')[0], ['{t4}', '{t4}']);
  assert.deepEqual(column(sample, 'doc')[0], ['{"n": 4}', '{"n": 4}']);
  assert.deepEqual(
    sample.columns.filter(({ isKey }) => isKey).map(({ name }) => name),
    ['id'],
  );
  assert.deepEqual(
    sample.columns.filter(({ isAssigned }) => isAssigned).map(({ name }) => name),
    ['note', 'mood'],
  );
});

test('of a DELETE the reviewer sees the rows that go, with their RETURNING, USING, WITH and alias', async () => {
  for (const [sql, values] of [
    ['DELETE FROM visits WHERE cost > 12', []],
    ['DELETE FROM ONLY visits AS v WHERE v.id > $1 RETURNING cost', [8]],
    [
      "DELETE FROM visits v USING people p WHERE p.id = v.person_id AND p.note IN ('open-note-9', 'open-note-10', 'open-note-11', 'open-note-12')",
      [],
    ],
    ['WITH late AS (SELECT id FROM visits WHERE id > 8) DELETE FROM public.visits WHERE id IN (SELECT id FROM late)', []],
  ] as const) {
    const { preview, sample } = await looked(sql, values);
    assert.deepEqual([preview?.affectedRows, preview?.sampling], [4, 'taken'], sql);
    assert.deepEqual(
      column(sample, 'id').toSorted(([a], [b]) => Number(a) - Number(b)),
      [9, 10, 11, 12].map((id) => [String(id), undefined]),
    );
  }
  assert.equal((await owner.query('SELECT count(*)::int AS n FROM visits')).rows[0].n, 12);
});

test('keys of several columns, strange names and quotes pair rows as well', async () => {
  const { sample } = await looked('UPDATE pairs SET n = n + 10 WHERE a = 1');
  assert.deepEqual(column(sample, 'B b'), [
    ["it's", "it's"],
    ['x', 'x'],
  ]);
  assert.deepEqual(column(sample, 'n'), [
    ['1', '11'],
    ['2', '12'],
  ]);
});

test('rows without an unprotected key are two lists', async () => {
  const updated = await looked("UPDATE keyless AS k SET note = k.note || '!'");
  assert.deepEqual([updated.preview?.sampling, updated.sample?.isPaired], ['taken', false]);
  assert.deepEqual(column(updated.sample, 'note'), [
    ['x', undefined],
    [undefined, 'x!'],
  ]);
  const deleted = await looked('DELETE FROM keyless RETURNING 1');
  assert.deepEqual(column(deleted.sample, 'note'), [['x', undefined]]);
  const { sample } = await looked('UPDATE by_ssn SET n = n + 100 WHERE n < 3');
  assert.deepEqual(column(sample, 'n'), [
    ['1', undefined],
    ['2', undefined],
    [undefined, '101'],
    [undefined, '102'],
  ]);
  assert.deepEqual(new Set(column(sample, 'ssn').flat()), new Set(['***', undefined]));
});

test('where the key is changed, rows before and rows after are two lists', async () => {
  const { preview, sample } = await looked('UPDATE pairs SET a = a + 50, n = 0 WHERE "B b" = \'x\'');
  assert.equal(preview?.sampling, 'taken');
  assert.equal(sample?.isPaired, false);
  assert.deepEqual(column(sample, 'a'), [
    ['1', undefined],
    ['2', undefined],
    [undefined, '51'],
    [undefined, '52'],
  ]);
});

test('protected columns are masked whatever the requester sees, also where the statement assigns them', async () => {
  for (const by of [client, doctor]) {
    const { sample } = await looked("UPDATE people SET ssn = 'assigned-secret', sick = true, dob = '1999-09-09' WHERE id = 7", [], by);
    for (const name of ['ssn', 'dob', 'sick', 'scan', 'mrn', 'initial']) assert.deepEqual(column(sample, name), [['***', '***']], name);
    assert.doesNotMatch(JSON.stringify(sample), /assigned-secret|1999/);
    assert.ok(sample?.columns.find(({ name }) => name === 'initial')?.shown === 'masked');
  }
});

test('THREAT: where protected values choose the rows, or are stored elsewhere, there is no sample, and the count stays', async () => {
  for (const sql of [
    'DELETE FROM visits WHERE person_id IN (SELECT id FROM people WHERE sick)',
    'DELETE FROM visits v USING people p WHERE p.id = v.person_id AND p.sick',
    'UPDATE split SET n = 2',
    'UPDATE people SET note = NULL WHERE sick',
    "UPDATE people SET note = 'x' WHERE dob IS NOT NULL",
    'UPDATE people SET note = ssn WHERE id = 7',
    'UPDATE people SET note = (SELECT max(p.ssn) FROM people p) WHERE id = 7',
    'UPDATE visits v SET cost = length(p.ssn) FROM people p WHERE p.id = v.person_id',
    'UPDATE visits v SET cost = CASE WHEN p.sick THEN 1 ELSE 2 END FROM people p WHERE p.id = v.person_id',
    "UPDATE people SET note = CASE WHEN sick THEN 'a' ELSE 'b' END WHERE id = 7",
    'UPDATE visits SET cost = (SELECT count(*) FILTER (WHERE p.sick) FROM people p) WHERE id = 7',
    'UPDATE visits SET cost = 0 WHERE id <= (SELECT count(DISTINCT p.ssn) FROM people p)',
    'UPDATE visits SET cost = 0 WHERE EXISTS (SELECT FROM people p JOIN by_ssn b USING (ssn))',
    'UPDATE people SET note = (SELECT o.note FROM people o ORDER BY o.ssn LIMIT 1) WHERE id = 7',
  ]) {
    const { preview, sample } = await looked(sql, [], doctor);
    assert.deepEqual([preview?.sampling, sample], ['protected', null], sql);
    assert.ok((preview?.affectedRows ?? 0) > 0, sql);
  }
});

test('what a look-up chooses is shown: that much policy lets everybody know', async () => {
  const [{ mrn }] = (await owner.query('SELECT mrn FROM people WHERE id = 3')).rows as [{ mrn: string }];
  for (const by of [client, doctor]) {
    const { preview, sample } = await looked("UPDATE people SET note = 'seen' WHERE mrn = $1", [mrn], by);
    assert.equal(preview?.sampling, 'taken');
    assert.deepEqual(column(sample, 'id'), [['3', '3']]);
    assert.ok(!JSON.stringify(sample).includes(mrn));
  }
});

test('what cannot be sampled says why; what is no UPDATE or DELETE of rows says nothing', async () => {
  for (const [sql, sampling] of [
    ['WITH gone AS (DELETE FROM keyless RETURNING n) DELETE FROM visits WHERE id = 1', 'statement'],
    ['WITH gone AS (DELETE FROM visits WHERE id = 2 RETURNING id) DELETE FROM visits WHERE id = 1', 'statement'],
    ['UPDATE visits SET cost = 1 WHERE id < 0', null],
    ['INSERT INTO keyless VALUES (2)', null],
  ] as const) {
    const { preview, sample } = await looked(sql);
    assert.deepEqual([preview?.sampling, sample, preview?.notCounted], [sampling, null, null], sql);
  }
});

test('values, columns and rows are bounded', async () => {
  const { sample } = await looked("UPDATE people SET note = repeat('é', 100000), doc = jsonb_build_object('x', repeat('y', 100000))");
  for (const name of ['note', 'doc']) {
    for (const [, now] of column(sample, name)) {
      assert.ok(Buffer.byteLength(now ?? '') <= 256 + 3 && now?.endsWith('…'), String(now?.length));
      assert.ok(!now?.includes('\ufffd'));
    }
  }
  const wideOne = await looked('UPDATE wide SET c39 = 1');
  assert.deepEqual([wideOne.sample?.columns.length, wideOne.sample?.columnsLeftOut], [32, 9]);
  assert.deepEqual(column(wideOne.sample, 'c39'), [['39', '1']]);
});

test('THREAT: two worlds that differ in protected values only look the same to a reviewer', async () => {
  const statements = [
    ["UPDATE people SET note = 'new' WHERE id < 9", client],
    ["UPDATE people SET ssn = 'same', scan = NULL WHERE id = 5", client],
    ['DELETE FROM visits v USING people p WHERE p.id = v.person_id AND v.id > 2', client],
    ["UPDATE visits v SET cost = 0 FROM people p WHERE p.id = v.person_id AND p.dob > '1950-01-01'", client],
    ["UPDATE visits v SET cost = 0 FROM people p WHERE p.id = v.person_id AND p.ssn > '5'", client],
    ['UPDATE pairs SET a = a + 50 WHERE "B b" = \'x\'', client],
    ['UPDATE people SET note = ssn WHERE id = 7', doctor],
    ['DELETE FROM visits v USING people p WHERE p.id = v.person_id AND p.sick', doctor],
    ['UPDATE by_ssn SET n = 1', doctor],
    ['DELETE FROM by_ssn WHERE n > 4', client],
    ["UPDATE by_ssn SET ssn = 'x' WHERE n = 4", doctor],
  ] as const;
  const views = async (secret: string): Promise<unknown[]> => {
    await owner.query(world(secret));
    const seen: unknown[] = [];
    for (const [sql, by] of statements) {
      const { preview, sample } = await looked(sql, [], by);
      seen.push([sql, preview?.sampling, sample]);
    }
    return seen;
  };
  const one = await views('one');
  assert.deepEqual(await views('another'), one);
  assert.ok(one.filter((each) => (each as unknown[])[2] !== null).length >= 6);
});

/** All that is written below a directory, as one text. */
function allOf(directory: string): string {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => readFileSync(join(each.parentPath, each.name), 'latin1'))
    .join('\n');
}

test('THREAT: what is sampled goes to who may answer and nowhere else: not to the requester, lists, events, notices, notifications, logs, disk', async () => {
  await owner.query(world('one'));
  await owner.query("UPDATE people SET ssn = 'CANARY-ssn', note = 'CANARY-note', dob = '1911-11-11' WHERE id = 6");
  const { id, notice, outcome } = await hold(client, "UPDATE people SET tags = ARRAY['CANARY' || '-after'] WHERE id = 6");
  const shown = await reviewer.previewed(id);
  assert.deepEqual(column(shown.sample, 'note'), [['CANARY-note', 'CANARY-note']]);
  assert.deepEqual(column(shown.sample, 'tags'), [['{t6}', '{CANARY-after}']]);
  assert.doesNotMatch(JSON.stringify(shown), /CANARY-ssn|1911/);
  const said = (argv: readonly string[], token: string): Promise<string> => {
    const running = sallyport(argv, apiEnvironment(gateway, gateway.running.api.port, token));
    running.end();
    return running.ended.then(({ out, err }) => out + err);
  };
  const printed = await said(['approvals', 'show', id], officer);
  assert.match(printed, /rows\s+1 below; protected columns are masked/);
  assert.match(printed, /tags \(set\)\t\{t6\} -> \{CANARY-after\}/);
  assert.match(printed, /ssn\t\*\*\*/);
  assert.match(await said(['approvals', 'show', id, '--json'], officer), /CANARY-note/);
  await until('the webhook was called', () => hook.received.some(({ body }) => body.includes(id)));

  const asked = async (token: string, path: string): Promise<string> =>
    (await callApi(gateway, gateway.running.api.port, token, path)).text;
  const auditor = await gateway.issuer.token('audrey', { groups: ['privacy'], kind: 'service' });
  const elsewhere = {
    notice,
    requester: await asked(clerk, `/v1/approvals/${id}`),
    lists: (await asked(officer, '/v1/approvals')) + (await asked(clerk, '/v1/approvals')),
    'who may not answer': await asked(auditor, `/v1/approvals/${id}`),
    command: (await said(['approvals', 'show', id], clerk)) + (await said(['approvals', 'ls'], officer)),
    entries: await asked(officer, '/v1/audit/entries?from=0&limit=1000'),
  };
  assert.match(elsewhere['who may not answer'], new RegExp(id));
  const answered = await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}/answer`, { verdict: 'approve' });
  assert.equal(answered.status, 200);
  assert.ok('rowCount' in (await outcome));
  const later = await asked(officer, `/v1/approvals/${id}`);
  assert.match(later, /"sample":null/);
  const everywhere = { ...elsewhere, answered: answered.text, later, log: lines.join('\n'), hook: JSON.stringify(hook.received) };
  for (const [where, text] of Object.entries({ ...everywhere, disk: allOf(join(gateway.directory, 'data')) })) {
    assert.ok(text.length > 0, where);
    assert.doesNotMatch(text, /CANARY-|1911-11-11/, where);
  }
});

test('THREAT: a policy that is applied while a statement is held voids it: the client is told at once, its rows are not shown any more, and no answer counts', async () => {
  const { id, outcome } = await hold(client, "UPDATE people SET note = 'late' WHERE id = 9");
  assert.equal((await reviewer.previewed(id)).preview?.sampling, 'taken');
  const other = join(gateway.directory, 'other.yaml');
  writeFileSync(other, policy.replace('within: 15m', 'within: 20m'));
  const applying = sallyport(['policy', 'apply', other], apiEnvironment(gateway, gateway.running.api.port, officer));
  applying.end();
  const applied = await applying.ended;
  assert.equal(applied.code, 0, applied.out + applied.err);
  assert.match(String(await outcome), /approval no longer applies/);
  const shown = await reviewer.show(id);
  assert.deepEqual([shown.state, shown.sample], ['cancelled', null]);
  const refused = await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}/answer`, { verdict: 'approve' });
  assert.deepEqual([refused.status, (JSON.parse(refused.text) as { code: string }).code], [409, 'SP_APPROVAL_CONFLICT']);
  assert.equal((await owner.query('SELECT note FROM people WHERE id = 9')).rows[0].note, 'open-note-9');
});
