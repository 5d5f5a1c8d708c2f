// Column lineage against PostgreSQL itself: the server's names of output columns, the base column it reports for each, and
// the columns that it says a view of the same statement depends on. Lineage may claim more than the server, never less.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import type { Column, Relation } from '../../src/sql/catalogue.ts';
import { lineage, type Lineage, type LineageContext } from '../../src/sql/lineage.ts';
import { createParser } from '../../src/sql/parser.ts';

const schema = `
CREATE TABLE clinics (id int PRIMARY KEY, name text, region text, beds int);
CREATE TABLE drugs (id int PRIMARY KEY, name text);
CREATE TABLE patients (id int PRIMARY KEY, mrn text, name text, ssn text, dob date, clinic_id int);
CREATE TABLE encounters (id int PRIMARY KEY, patient_id int, clinic_id int, kind text, cost numeric, admitted_at timestamptz);
CREATE TABLE diagnoses (id int PRIMARY KEY, encounter_id int, code text);
CREATE TABLE lab (id int PRIMARY KEY, raw jsonb);`;

const statements: readonly string[] = [
  'SELECT * FROM patients p NATURAL JOIN (SELECT id, name FROM clinics) c',
  'SELECT x.key, x.value FROM patients p, jsonb_each_text(to_jsonb(p)) x WHERE p.id = 1',
  'SELECT (array_agg(p))[1].ssn, (SELECT q FROM patients q LIMIT 1) FROM patients p',
  "SELECT raw, raw -> 1, raw #>> '{a}' FROM lab",
  "SELECT * FROM lab, JSON_TABLE(raw, '$' COLUMNS (a text PATH '$.a', NESTED PATH '$.b' COLUMNS (c int PATH '$'))) t",
  "SELECT JSON_OBJECT('a': ssn), JSON_ARRAYAGG(name) FROM patients GROUP BY ssn",
  'SELECT lower(ssn) FROM patients GROUP BY 1 HAVING max(dob) IS NOT NULL ORDER BY min(mrn)',
  `SELECT * FROM (clinics c JOIN encounters e USING (id)) j`,
  `SELECT j.*, 1 FROM (clinics c JOIN encounters e USING (id)) AS j(a, b, c, d)`,
  `SELECT * FROM clinics c LEFT JOIN encounters e USING (id) RIGHT JOIN diagnoses d USING (id)`,
  `SELECT * FROM clinics c FULL JOIN encounters e USING (id) CROSS JOIN drugs`,
  `SELECT u.* FROM clinics JOIN encounters USING (id) AS u`,
  `SELECT clinics.*, e FROM clinics JOIN encounters e USING (id)`,
  `SELECT (e).*, (e).cost + 1, (c).name FROM encounters e, clinics c`,
  `SELECT x.* FROM clinics c CROSS JOIN LATERAL (SELECT c.name, count(*), max(cost) FROM encounters e WHERE e.clinic_id = c.id) x`,
  `SELECT q.* FROM (VALUES (1, 'a'), (2, 'b')) q(n)`,
  `SELECT * FROM generate_series(1, 2) WITH ORDINALITY`,
  `SELECT * FROM generate_series(1, 2) AS g(x), jsonb_each('{"a": 1}') WITH ORDINALITY j(k)`,
  `SELECT * FROM jsonb_to_recordset('[]') AS r(a int, b text)`,
  `SELECT * FROM json_populate_record(NULL::clinics, '{}')`,
  `SELECT (json_populate_record(NULL::clinics, '{}')).*`,
  `SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a']) u`,
  `SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a']) u(a, b)`,
  `SELECT * FROM ROWS FROM (jsonb_to_record('{}') AS (a int, b text), generate_series(1, 2)) x`,
  `SELECT * FROM regexp_matches('a', 'a') m, string_to_table('a b', ' ')`,
  `SELECT * FROM current_date, current_user u`,
  `SELECT * FROM XMLTABLE('/r' PASSING '<r/>' COLUMNS a text PATH 'a', n FOR ORDINALITY)`,
  `WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t, t t2`,
  `WITH RECURSIVE t AS (SELECT id, name, 1 AS depth FROM clinics UNION ALL SELECT c.id, c.name, depth + 1 FROM t JOIN clinics c ON c.id = t.id + 1) SELECT * FROM t`,
  `WITH RECURSIVE t(n, m) AS (SELECT id, name FROM clinics UNION ALL SELECT n + 1, m FROM t WHERE n < 3) SEARCH BREADTH FIRST BY n SET o CYCLE n SET c TO 'y' DEFAULT 'n' USING p SELECT n, m, o::text, c, p::text FROM t`,
  `WITH a AS (SELECT 1 x), b AS (WITH a AS (SELECT ssn y FROM patients) SELECT * FROM a) SELECT * FROM a, b`,
  `SELECT sum(cost) OVER w, rank() OVER (w ROWS 1 PRECEDING), lag(kind) OVER (PARTITION BY clinic_id) FROM encounters WINDOW w AS (ORDER BY admitted_at)`,
  `SELECT 1 AS "Q", -cost, cost::text, cost::numeric(4), 'x'::text::varchar, true, NULL, 1.5, B'1', CASE kind WHEN 'a' THEN 1 END, CASE WHEN true THEN 1 ELSE cost END FROM encounters`,
  `SELECT a.cost, b.* FROM encounters a, LATERAL (SELECT a.kind, id FROM clinics) b ORDER BY cost`,
  `SELECT current_timestamp(3), localtime, session_user, current_catalog, current_schema, user, current_role, localtimestamp`,
  `SELECT grouping(kind), kind FROM encounters GROUP BY CUBE (kind, clinic_id)`,
  `SELECT not true, kind IS NULL, cost > 1 AND true, cost IN (1, 2), cost BETWEEN 1 AND 2, kind LIKE 'a', kind IS DISTINCT FROM 'a', (SELECT max(id) FROM clinics), (SELECT 5), (SELECT 5 AS five), ARRAY(SELECT 1), 1 = ANY (SELECT 1) FROM encounters`,
  `SELECT trim(' a '), substring('abc' FROM 1), position('a' IN 'b'), overlay('abc' PLACING 'x' FROM 1), extract(hour FROM now()), now() AT TIME ZONE 'UTC', collation for ('a'), coalesce(1), nullif(1, 2), greatest(1, 2), xmlconcat('<a/>'), xmlforest(1 AS a), xmlserialize(content '<a/>' AS text), interval '1 day', date '2020-01-01', int4 '1'`,
  `SELECT (ARRAY[1, 2])[1], (ARRAY[1, 2])[1:2], ('{"a": 1}'::jsonb)['a'], ('a' COLLATE "C")`,
  `SELECT (c.*) FROM clinics c`,
  `SELECT c.*::text FROM clinics c`,
  `SELECT public.clinics.* FROM public.clinics`,
  `SELECT count(*) FILTER (WHERE cost > 1), string_agg(kind, ',' ORDER BY cost), mode() WITHIN GROUP (ORDER BY kind) FROM encounters`,
  `SELECT ctid, tableoid::regclass, xmin FROM clinics`,
  `SELECT id FROM clinics UNION SELECT id FROM drugs ORDER BY id LIMIT 3`,
  `(SELECT id AS z FROM clinics ORDER BY name) UNION ALL (SELECT id FROM drugs LIMIT 1) ORDER BY z`,
  `TABLE clinics`,
  `VALUES (1, 2), (3, 4)`,
  `SELECT * FROM encounters TABLESAMPLE bernoulli (10) REPEATABLE (1)`,
  `SELECT name, (SELECT name FROM drugs WHERE drugs.id = clinics.id) FROM clinics WHERE name IN (SELECT kind FROM encounters WHERE beds > 1)`,
  `SELECT * FROM clinics a, clinics b, LATERAL (SELECT a.id + b.id AS s) l`,
  `SELECT name(p), p.name FROM patients p`,
  `SELECT EXISTS (SELECT 1 FROM patients p WHERE p.id = c.id) FROM clinics c`,
  `SELECT * FROM clinics c JOIN LATERAL (VALUES (c.id), (c.beds)) v(x) ON v.x > 1`,
];

/** The server says that casting to a row type depends on its columns; no row of the relation is read. */
const typeOnly = /json_populate_record\(NULL::clinics/;

interface Field {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
}

describe('column lineage', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;
  let context: LineageContext;
  const byOid = new Map<number, Relation>();

  before(async () => {
    server = await startEmbeddedPostgres();
    client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
    await client.connect();
    await client.query(schema);
    const { rows } = await client.query<{ oid: number; relation: string; columns: string[] }>(
      `SELECT c.oid::int, c.relname AS relation, array_agg(attname::text ORDER BY attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
       WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY 1, 2`,
    );
    for (const { oid, relation, columns } of rows) byOid.set(oid, relationOf(oid, relation, columns));
    const find = (name: string): Relation | undefined => [...byOid.values()].find((each) => each.name === name);
    context = {
      catalogue: {
        relation: (schemaName, name) => (schemaName === 'public' ? find(name) : undefined),
        resolveRelation: find,
        functions: () => [],
      },
      searchPath: ['public'],
      temporary: () => undefined,
    };
  });

  after(async () => {
    await client.end();
    await server.stop();
  });

  it('names output columns, finds their origin and covers what the server says a statement depends on', async () => {
    const parser = await createParser();
    for (const sql of statements) {
      const parsed = parser.parse(sql);
      const statement = parsed.ok ? parsed.tree.stmts?.[0]?.stmt : undefined;
      assert.ok(statement !== undefined, sql);
      const found = lineage(statement, context);
      const fields = await describeColumns(sql);
      assert.deepEqual(
        found.outputs.map((output) => output.name),
        fields.map((field) => field.name),
        sql,
      );
      checkOrigins(sql, fields, found);
      if (typeOnly.test(sql)) continue;
      const missing = (await dependencies(sql, fields.length)).filter((column) => !found.columns.includes(column));
      assert.deepEqual(missing, [], sql);
    }
  });

  async function describeColumns(sql: string): Promise<readonly Field[]> {
    await client.query('BEGIN');
    await client.query(`DECLARE described CURSOR FOR ${sql}`);
    const { fields } = await client.query('FETCH 0 FROM described');
    await client.query('ROLLBACK');
    return fields;
  }

  function checkOrigins(sql: string, fields: readonly Field[], found: Lineage): void {
    for (const [index, field] of fields.entries()) {
      const relation = byOid.get(field.tableID);
      const column = relation?.columns[field.columnID - 1];
      if (relation === undefined || column === undefined) continue;
      assert.ok(found.outputs[index]?.sources.includes(`${relation.qualified}.${column.name}`), `${sql}: ${field.name}`);
    }
  }

  async function dependencies(sql: string, width: number): Promise<readonly string[]> {
    await client.query('BEGIN');
    const names = Array.from({ length: width }, (_, index) => `c${index}`);
    await client.query(`CREATE TEMP VIEW depends(${names.join(', ')}) AS ${sql}`);
    const { rows } = await client.query<{ name: string }>(
      `SELECT DISTINCT 'public.' || k.relname || '.' || a.attname AS name
       FROM pg_rewrite w
       JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
       JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
       JOIN pg_class k ON k.oid = d.refobjid
       WHERE w.ev_class = 'depends'::regclass AND k.relnamespace = 'public'::regnamespace`,
    );
    await client.query('ROLLBACK');
    return rows.map((row) => row.name);
  }
});

function relationOf(oid: number, name: string, names: readonly string[]): Relation {
  const columns = names.map((column, index): Column => {
    return {
      name: column,
      attnum: index + 1,
      typeOid: 25,
      typeName: 'text',
      typeSchema: 'pg_catalog',
      notNull: false,
      hasDefault: false,
      generated: null,
    };
  });
  return {
    oid,
    schema: 'public',
    name,
    qualified: `public.${name}`,
    kind: 'table',
    columns,
    byName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: ['id'],
    uniqueKeys: [],
    parents: [],
    children: [],
    definition: null,
    triggers: [],
    rowSecurity: false,
    persistence: 'permanent',
  };
}
