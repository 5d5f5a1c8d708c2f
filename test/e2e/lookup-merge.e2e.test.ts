// Look-ups by identifier and MERGE through the whole gateway, on the embedded PostgreSQL 18 and on Debian's when it is
// installed: the index of the stored column is used, parameters keep their types, tokens and values are told apart, and
// which columns may be looked up is the policy's word.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { debianPostgres, type Server, startDebian, startEmbedded } from '../bypass/worlds.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, mrn varchar(20) NOT NULL UNIQUE, ssn text NOT NULL UNIQUE, ref uuid NOT NULL UNIQUE, tag char(9) NOT NULL UNIQUE,
    site int NOT NULL, chart bigint NOT NULL, ward text, UNIQUE (site, chart));
  INSERT INTO people SELECT i, 'MRN' || i, '970-0' || lpad(i::text, 6, '0'), ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'T' || i,
    i % 7, i * 3, 'w' || i % 5 FROM generate_series(1, 20000) i;
  CREATE TABLE visits (id int PRIMARY KEY, person int NOT NULL, kind text);
  INSERT INTO visits SELECT i, 1 + i % 20000, 'k' || i % 3 FROM generate_series(1, 40000) i;
  CREATE INDEX ON visits (person);
  CREATE VIEW roster AS SELECT id AS pid, mrn AS number, ward FROM people WHERE id > 1;
  CREATE TABLE journal (id int PRIMARY KEY, ward text, n int);
  ANALYZE;`;

const policy = JSON.stringify({
  version: 1,
  classes: [
    { class: 'id.mrn', columns: ['clinic:public.people.mrn'], predicates: 'equality' },
    { class: 'id.ref', columns: ['clinic:public.people.ref'], predicates: 'equality' },
    { class: 'id.tag', columns: ['clinic:public.people.tag'], predicates: 'equality' },
    { class: 'id.chart', columns: ['clinic:public.people.chart'], predicates: 'equality' },
    { class: 'phi.ssn', columns: ['clinic:public.people.ssn'] },
  ],
  roles: [
    { role: 'clerk', members: [{ issuer: 'corp', group: 'clerks' }] },
    { role: 'officer', members: [{ issuer: 'corp', group: 'privacy' }] },
  ],
  access: [{ role: 'clerk', targets: ['clinic'], effects: ['read', 'write'], how: 'standing' }],
  masks: [
    { class: '*', mask: 'redact' },
    { class: 'id.mrn', mask: 'token' },
  ],
});

function suite(title: string, start: () => Promise<Server>): void {
  describe(title, () => {
    let server: Server;
    let gateway: TestGateway;
    let direct: pg.Client;
    let client: pg.Client;

    before(async () => {
      server = await start();
      const { host, port, user, password } = server;
      direct = new pg.Client({ host, port, user, password, database: 'postgres' });
      await direct.connect();
      await direct.query(schema);
      gateway = await startTestGateway({
        targets: [{ name: 'clinic', database: 'postgres', host, port, user, password }],
        policy,
        insecure: true,
      });
      const token = await gateway.issuer.token('ann', { groups: ['clerks'] }, { expiresInS: 3600 });
      client = new pg.Client({ host, port: gateway.port, user: 'ann', password: token, database: 'clinic' });
      await client.connect();
    });
    after(async () => {
      await client?.end().catch(() => undefined);
      await gateway?.close();
      await direct?.end().catch(() => undefined);
      await server?.stop();
    });

    const rows = async (text: string, values?: readonly unknown[]): Promise<unknown[]> =>
      (await client.query({ text, values: [...(values ?? [])], rowMode: 'array' })).rows;
    const explained = async (text: string): Promise<string> => (await rows(`EXPLAIN ${text}`)).join('\n');
    const refusal = async (text: string): Promise<string> => {
      const fault: unknown = await client.query(text).then(
        () => null,
        (error: unknown) => error,
      );
      assert.ok(fault instanceof pg.DatabaseError, text);
      return `${fault.message} ${fault.hint ?? ''} ${fault.detail ?? ''}`;
    };

    it('finds the row by the stored value and shows the mask', async () => {
      const [row] = (await rows('SELECT id, ward, mrn, ref, chart, ssn FROM people WHERE mrn = $1', ['MRN77'])) as [unknown[]];
      assert.deepEqual([row?.[0], row?.[1], row?.[3], row?.[4], row?.[5]], [77, 'w2', null, null, '***']);
      assert.match(String(row?.[2]), /^tok_mrn_1_[0-9a-f]{80}$/);
      assert.deepEqual(await rows("SELECT id FROM people WHERE mrn = 'MRN77x'"), []);
      assert.deepEqual(await rows("SELECT id FROM people WHERE ssn = '970-0000077'"), []);
      assert.deepEqual(await rows('SELECT id FROM people WHERE ref = $1', ['00000000-0000-0000-0000-000000000077']), [[77]]);
      assert.deepEqual(await rows("SELECT id FROM people WHERE tag = 'T77'"), [[77]]);
      assert.deepEqual(await rows('SELECT id FROM people WHERE site = $1 AND chart = $2', [0, '231']), [[77]]);
      assert.deepEqual(await rows("SELECT pid FROM roster WHERE number = 'MRN77'"), [[77]]);
    });

    it('uses the index of the stored column', async () => {
      assert.match(await explained("SELECT id FROM people WHERE tag = 'T77'"), /Index (Only )?Scan using people_tag_key/);
      assert.match(
        await explained("SELECT v.id FROM people p JOIN visits v ON v.person = p.id WHERE p.mrn = 'MRN77'"),
        /Index Scan using people_mrn_key/,
      );
      assert.match(
        await explained(
          "SELECT v.id, p.ward FROM visits v LEFT JOIN people p ON p.id = v.person AND p.ref = '00000000-0000-0000-0000-000000000077'",
        ),
        /people_ref_key/,
      );
      // Plans over views of protected columns are not shown to clients.
      const view = "SELECT pid FROM (SELECT pid, '***'::text AS number FROM public.roster WHERE number = 'MRN77') AS roster WHERE true";
      assert.match((await direct.query({ text: `EXPLAIN ${view}`, rowMode: 'array' })).rows.join('\n'), /people_mrn_key/);
      assert.match(await explained("UPDATE people SET ward = 'x' WHERE mrn = 'MRN77'"), /people_mrn_key/);
      await client.query('PREPARE by_mrn AS SELECT id FROM people WHERE mrn = $1');
      assert.match(await explained("EXECUTE by_mrn('MRN77')"), /people_mrn_key/);
      assert.deepEqual(await rows("EXECUTE by_mrn('MRN77')"), [[77]]);
      await client.query('DEALLOCATE by_mrn');
    });

    it('finds the row by its token as well, as a constant and as a parameter', async () => {
      const [[token]] = (await rows('SELECT mrn FROM people WHERE id = 4711')) as [[string]];
      assert.deepEqual(await rows(`SELECT id FROM people WHERE mrn = '${token}'`), [[4711]]);
      assert.deepEqual(await rows('SELECT id FROM people WHERE mrn = $1', [token]), [[4711]]);
      assert.deepEqual(await rows('SELECT id FROM people WHERE mrn = $1', [null]), []);
      await assert.rejects(rows('SELECT id FROM people WHERE mrn = $1', ['tok_mrn_00000000000000000000']), { code: '22023' });
    });

    it('lets every parameter have the type that it has without the gateway', async () => {
      for (const [column, values] of [
        ['mrn', ['MRN5', 'x']],
        ['tag', ['T5', 'T5   ']],
        ['ref', ['00000000-0000-0000-0000-000000000005']],
      ] as const) {
        for (const value of values) {
          const text = `SELECT id, $2::int AS n FROM people WHERE ${column} = $1`;
          assert.deepEqual(await rows(text, [value, 1]), (await direct.query({ text, values: [value, 1], rowMode: 'array' })).rows, text);
        }
        const text = `PREPARE t AS SELECT 1 FROM people WHERE ${column} = $1`;
        const types = 'SELECT parameter_types::text FROM pg_prepared_statements';
        await direct.query(text);
        const wanted = (await direct.query({ text: types, rowMode: 'array' })).rows;
        await direct.query('DEALLOCATE t');
        const forward = `PREPARE t AS SELECT 1 FROM (SELECT id, NULL::text AS ${column} FROM people WHERE ${column} = $1) p WHERE true`;
        await direct.query(forward);
        assert.deepEqual((await direct.query({ text: types, rowMode: 'array' })).rows, wanted, column);
        await direct.query('DEALLOCATE t');
      }
    });

    it('answers as without the gateway around joins, sub-selects and writes', async () => {
      for (const text of [
        "SELECT p.id, v.id FROM people p LEFT JOIN visits v ON v.person = p.id AND v.kind = 'k9' WHERE p.mrn = 'MRN9'",
        "SELECT v.id, p.ward FROM visits v LEFT JOIN people p ON p.id = v.person AND p.mrn = 'MRN9' WHERE v.id < 12 ORDER BY 1",
        "SELECT count(*) FROM visits v WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = v.person AND p.tag = 'T9')",
        "WITH one AS (SELECT id FROM people WHERE mrn = 'MRN9') SELECT a.id, b.id FROM one a, one b",
        "SELECT id FROM people WHERE mrn = 'MRN9' AND ward = 'nowhere'",
        "SELECT id FROM people WHERE mrn = 'MRN9' AND mrn = 'MRN10'",
      ]) {
        assert.deepEqual(await rows(text), (await direct.query({ text, rowMode: 'array' })).rows, text);
      }
      await client.query('BEGIN');
      assert.equal((await client.query("UPDATE people SET ward = 'moved' WHERE mrn = 'MRN9'")).rowCount, 1);
      assert.equal((await client.query("DELETE FROM people WHERE mrn = 'nobody'")).rowCount, 0);
      assert.deepEqual(await rows("SELECT id FROM people WHERE ward = 'moved'"), [[9]]);
      await client.query('ROLLBACK');
    });

    it('says what to do instead when an equality cannot be a look-up', async () => {
      for (const [text, remedy] of [
        ['SELECT 1 FROM people WHERE chart = 231', /Give the whole key/],
        ["SELECT 1 FROM visits v LEFT JOIN people p ON p.id = v.person WHERE p.tag = 'T9'", /ON clause of the outer join/],
        ["SELECT 1 FROM people, (SELECT 1 AS x) q WHERE tag = 'T9'", /table in front of the column/],
        ['SELECT 1 FROM people WHERE site = 1 AND chart = 231::numeric', /plain constant or parameter/],
        ["EXPLAIN ANALYZE SELECT 1 FROM people WHERE tag = 'T9'", /EXPLAIN without ANALYZE/],
      ] as const) {
        assert.match(await refusal(text), remedy, text);
      }
    });

    it('merges what it may, and refuses what would read or store masked columns', async () => {
      const text = `MERGE INTO journal j USING (SELECT id, ward FROM people WHERE id < 4) p ON j.id = p.id
        WHEN MATCHED AND j.n > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET n = j.n + 1 WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ward, 1)`;
      assert.equal((await client.query(text)).rowCount, 3);
      assert.equal((await client.query(text)).rowCount, 3);
      assert.deepEqual(await rows('SELECT * FROM journal ORDER BY id'), [
        [1, 'w1', 2],
        [2, 'w2', 2],
        [3, 'w3', 2],
      ]);
      const merged = await client.query({
        text: `MERGE INTO people p USING (SELECT $1::text AS w) s ON p.mrn = $2 WHEN MATCHED THEN UPDATE SET ward = s.w`,
        values: ['merged', 'MRN3'],
      });
      assert.equal(merged.rowCount, 1);
      assert.deepEqual((await direct.query({ text: "SELECT id FROM people WHERE ward = 'merged'", rowMode: 'array' })).rows, [[3]]);
      for (const bad of [
        'MERGE INTO journal j USING people p ON j.id = p.id WHEN MATCHED THEN UPDATE SET ward = p.ssn',
        "MERGE INTO people p USING journal j ON p.ssn = '970-0000001' WHEN MATCHED THEN DELETE",
        "MERGE INTO people p USING journal j ON p.id = j.id WHEN MATCHED AND p.mrn = 'MRN1' THEN DELETE",
      ]) {
        assert.match(await refusal(bad), /unmasked columns|literals or parameters/, bad);
      }
    });
  });
}

suite('look-ups and MERGE on PostgreSQL 18', startEmbedded);
const bin = debianPostgres();
if (bin !== null) suite(`look-ups and MERGE on ${bin}`, () => startDebian(bin));
