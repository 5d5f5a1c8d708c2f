// DDL inside of open transactions, by principals who see the data in clear and may do anything. What they make must mean the
// same to the gateway as if it were committed: the same facts for rules and records, and the same masks for whoever is
// masked. Each script runs twice, committed and in a transaction; then a question is asked, once in clear and once masked.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type pg from 'pg';
import type { Facts } from '../../src/core/facts.ts';
import { type GatedPostgres, startGatedPostgres } from '../support/gated-postgres.ts';

const ssn = '970-00-0001';
const setup = `
  CREATE TABLE clinics (id int PRIMARY KEY, name text);
  INSERT INTO clinics VALUES (1, 'Harbor'), (2, 'Cedar');
  CREATE TABLE patients (id int PRIMARY KEY, name text, ssn text, clinic int REFERENCES clinics);
  INSERT INTO patients VALUES (1, 'Zebulon', '${ssn}', 1), (2, 'Ottoline', '970-00-0002', 2);
  CREATE TABLE parts (id int, ssn text) PARTITION BY RANGE (id);
  CREATE TABLE parts_one PARTITION OF parts FOR VALUES FROM (0) TO (100);
  INSERT INTO parts VALUES (1, '${ssn}');
  CREATE TABLE loose (id int, ssn text);
  INSERT INTO loose VALUES (101, '${ssn}');
  CREATE VIEW roster AS SELECT id, clinic FROM patients;
  CREATE TABLE scratch (id int, body text);
  INSERT INTO scratch VALUES (1, 'x');`;

/** Rows as one text, or the SQLSTATE; and what rules and records see. */
interface Asked {
  readonly answer: string;
  readonly facts: Facts;
}

interface Script {
  readonly title: string;
  readonly ddl: readonly string[];
  readonly question: string;
  readonly undo: readonly string[];
}

const scripts: readonly Script[] = [
  {
    title: 'a protected column is renamed',
    ddl: ['ALTER TABLE patients RENAME COLUMN ssn TO harmless'],
    question: 'SELECT upper(harmless) FROM patients',
    undo: ['ALTER TABLE patients RENAME COLUMN harmless TO ssn'],
  },
  {
    title: 'a protected table is renamed',
    ddl: ['ALTER TABLE patients RENAME TO harmless'],
    question: 'SELECT upper(ssn) FROM harmless',
    undo: ['ALTER TABLE harmless RENAME TO patients'],
  },
  {
    title: 'a protected and a clean table change names',
    ddl: ['ALTER TABLE clinics RENAME TO aside', 'ALTER TABLE patients RENAME TO clinics', 'ALTER TABLE clinics RENAME COLUMN ssn TO body'],
    question: 'SELECT id, body FROM clinics',
    undo: [
      'ALTER TABLE clinics RENAME COLUMN body TO ssn',
      'ALTER TABLE clinics RENAME TO patients',
      'ALTER TABLE aside RENAME TO clinics',
    ],
  },
  {
    title: 'a protected table moves to a new schema',
    ddl: ['CREATE SCHEMA hidden', 'ALTER TABLE patients SET SCHEMA hidden'],
    question: 'SELECT upper(ssn) FROM hidden.patients',
    undo: ['ALTER TABLE hidden.patients SET SCHEMA public', 'DROP SCHEMA hidden'],
  },
  {
    title: 'two protected columns change names',
    ddl: [
      'ALTER TABLE patients RENAME COLUMN ssn TO aside',
      'ALTER TABLE patients RENAME COLUMN name TO ssn',
      'ALTER TABLE patients RENAME COLUMN aside TO name',
    ],
    question: 'SELECT name FROM patients',
    undo: [
      'ALTER TABLE patients RENAME COLUMN name TO aside',
      'ALTER TABLE patients RENAME COLUMN ssn TO name',
      'ALTER TABLE patients RENAME COLUMN aside TO ssn',
    ],
  },
  {
    title: 'a view shows the column under another name',
    ddl: ['CREATE VIEW seen AS SELECT id, reverse(ssn) AS body FROM patients'],
    question: 'SELECT reverse(body) FROM seen',
    undo: ['DROP VIEW seen'],
  },
  {
    title: 'a clean view is replaced by one that shows it',
    ddl: ['CREATE OR REPLACE VIEW roster AS SELECT id, clinic, ssn AS body FROM patients'],
    question: 'SELECT id, body FROM roster',
    undo: ['DROP VIEW roster', 'CREATE VIEW roster AS SELECT id, clinic FROM patients'],
  },
  {
    title: 'a materialised view keeps it',
    ddl: ['CREATE MATERIALIZED VIEW kept AS SELECT id, ssn AS body FROM patients'],
    question: 'SELECT body FROM kept',
    undo: ['DROP MATERIALIZED VIEW kept'],
  },
  {
    title: 'a view over a view over a renamed column',
    ddl: [
      'ALTER TABLE patients RENAME COLUMN ssn TO a',
      'CREATE VIEW one AS SELECT id, a AS b FROM patients',
      'CREATE VIEW two AS SELECT id, b AS c FROM one',
    ],
    question: 'SELECT c FROM two',
    undo: ['DROP VIEW two, one', 'ALTER TABLE patients RENAME COLUMN a TO ssn'],
  },
  {
    title: 'a table becomes a view by a rule',
    ddl: [
      'CREATE VIEW ruled AS SELECT id, name AS body FROM clinics',
      'CREATE OR REPLACE VIEW ruled AS SELECT id, ssn AS body FROM patients',
    ],
    question: 'SELECT body FROM ruled',
    undo: ['DROP VIEW ruled'],
  },
  {
    title: 'a rule answers a write with protected rows',
    ddl: ['CREATE RULE tell AS ON DELETE TO scratch DO INSTEAD SELECT id, ssn FROM patients'],
    question: 'DELETE FROM scratch',
    undo: ['DROP RULE tell ON scratch'],
  },
  {
    title: 'a trigger copies protected rows to a clean table',
    ddl: [
      'CREATE FUNCTION copies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := (SELECT max(ssn) FROM patients); RETURN NEW; END $$',
      'CREATE TRIGGER copies BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION copies()',
    ],
    question: "INSERT INTO scratch VALUES (9, 'y') RETURNING body",
    undo: ['DELETE FROM scratch WHERE id = 9', 'DROP TRIGGER copies ON scratch', 'DROP FUNCTION copies()'],
  },
  {
    title: 'a function reads it',
    ddl: ["CREATE FUNCTION tells(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.patients WHERE id = $1'"],
    question: 'SELECT tells(1)',
    undo: ['DROP FUNCTION tells(int)'],
  },
  {
    title: 'an overload of a built-in function reads it',
    ddl: ["CREATE FUNCTION lower(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.patients WHERE id = $1'"],
    question: 'SELECT lower(id) FROM clinics',
    undo: ['DROP FUNCTION lower(int)'],
  },
  {
    title: 'a function in attribute notation reads it',
    ddl: ["CREATE FUNCTION tells(clinics) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(ssn) FROM public.patients WHERE clinic = $1.id'"],
    question: 'SELECT c.tells FROM clinics c',
    undo: ['DROP FUNCTION tells(clinics)'],
  },
  {
    title: 'an operator reads it',
    ddl: [
      "CREATE FUNCTION tells(int, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.patients WHERE id = $1'",
      'CREATE OPERATOR + (FUNCTION = tells, LEFTARG = int, RIGHTARG = text)',
    ],
    question: "SELECT id + 'x'::text FROM clinics",
    undo: ['DROP OPERATOR + (int, text)', 'DROP FUNCTION tells(int, text)'],
  },
  {
    title: 'a cast reads it',
    ddl: [
      'CREATE TYPE wrapped AS (id int)',
      "CREATE FUNCTION unwrap(wrapped) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.patients WHERE id = ($1).id'",
      'CREATE CAST (wrapped AS text) WITH FUNCTION unwrap(wrapped) AS IMPLICIT',
    ],
    question: 'SELECT id || ROW(id)::wrapped FROM clinics',
    undo: ['DROP CAST (wrapped AS text)', 'DROP FUNCTION unwrap(wrapped)', 'DROP TYPE wrapped'],
  },
  {
    title: 'a check of a domain asks for it',
    ddl: [
      "CREATE FUNCTION guess(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT NOT EXISTS (SELECT FROM public.patients WHERE ssn = $1)'",
      'CREATE DOMAIN asked AS text CHECK (guess(VALUE))',
    ],
    question: `SELECT '970-00-0009'::asked`,
    undo: ['DROP DOMAIN asked', 'DROP FUNCTION guess(text)'],
  },
  {
    title: 'a column default reads it',
    ddl: [
      "CREATE FUNCTION first_ssn() RETURNS text LANGUAGE sql STABLE AS 'SELECT min(ssn) FROM public.patients'",
      'ALTER TABLE scratch ALTER COLUMN body SET DEFAULT first_ssn()',
    ],
    question: 'INSERT INTO scratch (id) VALUES (9) RETURNING body',
    undo: ['DELETE FROM scratch WHERE id = 9', 'ALTER TABLE scratch ALTER COLUMN body DROP DEFAULT', 'DROP FUNCTION first_ssn()'],
  },
  {
    title: 'a generated column keeps it',
    ddl: ['ALTER TABLE patients ADD COLUMN search text GENERATED ALWAYS AS (reverse(ssn)) STORED'],
    question: 'SELECT reverse(search) FROM patients',
    undo: ['ALTER TABLE patients DROP COLUMN search'],
  },
  {
    title: 'a virtual generated column of a renamed one shows it',
    ddl: ['ALTER TABLE patients RENAME COLUMN ssn TO a', 'ALTER TABLE patients ADD COLUMN b text GENERATED ALWAYS AS (lower(a)) VIRTUAL'],
    question: 'SELECT b FROM patients',
    undo: ['ALTER TABLE patients DROP COLUMN b', 'ALTER TABLE patients RENAME COLUMN a TO ssn'],
  },
  {
    title: 'a child of a protected table is made',
    ddl: ['CREATE TABLE kid (extra int) INHERITS (patients)', `INSERT INTO kid VALUES (7, 'x', '${ssn}', 1, 5)`],
    question: 'SELECT extra, lower(ssn) FROM kid',
    undo: ['DROP TABLE kid'],
  },
  {
    title: 'a child is cut off from the protected parent that was read as one',
    ddl: [
      'CREATE TABLE kid (extra int) INHERITS (patients)',
      'INSERT INTO kid SELECT *, 1 FROM ONLY patients',
      'SELECT count(*) FROM kid',
      'ALTER TABLE kid NO INHERIT patients',
    ],
    question: 'SELECT extra, lower(ssn) FROM kid',
    undo: ['DROP TABLE kid'],
  },
  {
    title: 'a clean table becomes the parent of a protected one',
    ddl: ['CREATE TABLE above (id int, ssn text)', 'ALTER TABLE patients INHERIT above'],
    question: 'SELECT lower(ssn) FROM above',
    undo: ['ALTER TABLE patients NO INHERIT above', 'DROP TABLE above'],
  },
  {
    title: 'a partition is attached',
    ddl: ['ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (100) TO (200)'],
    question: 'SELECT lower(ssn) FROM loose',
    undo: ['ALTER TABLE parts DETACH PARTITION loose'],
  },
  {
    title: 'a partition is detached',
    ddl: ['ALTER TABLE parts DETACH PARTITION parts_one'],
    question: 'SELECT lower(ssn) FROM parts_one',
    undo: ['ALTER TABLE parts ATTACH PARTITION parts_one FOR VALUES FROM (0) TO (100)'],
  },
  {
    title: 'the type of a protected column is changed',
    ddl: ["ALTER TABLE patients ALTER COLUMN ssn TYPE bytea USING convert_to(ssn, 'UTF8')"],
    question: "SELECT convert_from(ssn, 'UTF8') FROM patients",
    undo: ["ALTER TABLE patients ALTER COLUMN ssn TYPE text USING convert_from(ssn, 'UTF8')"],
  },
  {
    title: 'a column of the row type is added',
    ddl: ['ALTER TABLE scratch ADD COLUMN whole patients', 'UPDATE scratch SET whole = (SELECT p FROM patients p WHERE p.id = 1)'],
    question: 'SELECT (whole).ssn, whole::text FROM scratch',
    undo: ['ALTER TABLE scratch DROP COLUMN whole'],
  },
  {
    title: 'a foreign key to the protected column is made',
    ddl: [
      'ALTER TABLE patients ADD UNIQUE (ssn)',
      'CREATE TABLE refers (body text REFERENCES patients (ssn))',
      `INSERT INTO refers VALUES ('${ssn}')`,
    ],
    question: 'SELECT upper(body) FROM refers',
    undo: ['DROP TABLE refers', 'ALTER TABLE patients DROP CONSTRAINT patients_ssn_key'],
  },
  {
    title: 'row security that reads it is switched on',
    ddl: [
      'ALTER TABLE clinics ENABLE ROW LEVEL SECURITY',
      "CREATE POLICY telling ON clinics USING (EXISTS (SELECT FROM patients p WHERE p.clinic = clinics.id AND p.ssn = '970-00-0001'))",
    ],
    question: 'SELECT id FROM clinics WHERE 1 / (id - 2) < 5',
    undo: ['DROP POLICY telling ON clinics', 'ALTER TABLE clinics DISABLE ROW LEVEL SECURITY'],
  },
  {
    title: 'code changes the search path and the role',
    ddl: [
      'DO $$ BEGIN CREATE SCHEMA evil; CREATE TABLE evil.pg_class (oid oid); CREATE VIEW evil.seen AS SELECT ssn AS body FROM public.patients; END $$',
      "DO $$ BEGIN PERFORM set_config('search_path', 'evil, public, pg_catalog', true); END $$",
      'CREATE TABLE evil.pg_rewrite (oid oid)',
    ],
    question: 'SELECT body FROM evil.seen',
    undo: ['DROP SCHEMA evil CASCADE'],
  },
  {
    title: 'code makes operators and functions that the reading could stumble over',
    ddl: [
      'CREATE SCHEMA evil',
      "CREATE FUNCTION evil.never(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
      'CREATE OPERATOR evil.~ (FUNCTION = evil.never, LEFTARG = name, RIGHTARG = text)',
      "CREATE FUNCTION evil.pg_get_viewdef(oid) RETURNS text LANGUAGE sql AS $$ SELECT 'SELECT 1 AS id, ''x'' AS body'::text $$",
      "CREATE FUNCTION evil.concat_ws(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT ''::text $$",
      'CREATE VIEW seen AS SELECT id, ssn AS body FROM patients',
      "DO $$ BEGIN PERFORM set_config('search_path', 'evil, pg_catalog, public', true); END $$",
    ],
    question: 'SELECT body FROM public.seen',
    undo: ['DROP SCHEMA evil CASCADE', 'DROP VIEW public.seen'],
  },
];

describe('what a transaction makes means what it would mean when committed', () => {
  let gated: GatedPostgres;
  before(async () => {
    gated = await startGatedPostgres({
      setup,
      policy: {
        version: '1',
        classRules: ['patients', 'parts', 'loose'].flatMap((table) =>
          ['ssn', 'name'].map((column) => ({ class: `phi.${column}`, pattern: `public.${table}.${column}` })),
        ),
        safeFunctions: new Set(),
      },
    });
  });
  after(() => gated.stop());

  const asClear = (): void => gated.gate.setMasks('clear', { 'phi.ssn': 'clear', 'phi.name': 'clear', opaque: 'clear' });
  const asMasked = (): void => gated.gate.setMasks('masked', {});

  async function session<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = gated.client();
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  }

  async function ask(client: pg.Client, question: string): Promise<Asked> {
    const answer = await client.query({ text: question, rowMode: 'array' }).then(
      ({ rows }) => JSON.stringify(rows),
      (fault: pg.DatabaseError) => fault.code ?? String(fault),
    );
    const { facts } = gated.gate.asks.findLast(({ text }) => text === question)?.request ?? assert.fail('it was not asked');
    return { answer, facts };
  }

  /** The question masked and in clear, inside the block that is open. */
  async function askTwice(client: pg.Client, question: string): Promise<{ masked: Asked; clear: Asked }> {
    await client.query('SAVEPOINT asked');
    asMasked();
    const masked = await ask(client, question);
    asClear();
    await client.query('ROLLBACK TO asked');
    return { masked, clear: await ask(client, question) };
  }

  for (const { title, ddl, question, undo } of scripts) {
    it(title, async () => {
      asClear();
      const uncommitted = await session(async (client) => {
        await client.query('BEGIN');
        for (const text of ddl) await client.query(text);
        const asked = await askTwice(client, question);
        await client.query('ROLLBACK');
        return asked;
      });
      assert.ok(!uncommitted.masked.answer.includes(ssn), uncommitted.masked.answer);
      const committed = await session(async (client) => {
        for (const text of ddl) await client.query(text);
        await client.query('BEGIN');
        return askTwice(client, question);
      });
      for (const text of undo) await gated.direct.query(text);
      assert.deepEqual(uncommitted, committed);
    });
  }
});
