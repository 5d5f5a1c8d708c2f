import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepts, clear, plan, refusals, refuses, TestSession } from '../../test/support/plan.ts';

describe('writes', () => {
  it('may not read a masked column of their target', () => {
    refuses('write-of-protected', [
      "UPDATE patients SET sex = 'x' WHERE ssn = '1'",
      'UPDATE patients SET clinic_id = length(ssn)',
      "DELETE FROM patients p WHERE p.ssn LIKE '9%'",
      'DELETE FROM encounters RETURNING *',
      'DELETE FROM encounters RETURNING reason',
      'DELETE FROM encounters e RETURNING e',
      'UPDATE encounters SET cost = (SELECT length(reason))',
      'UPDATE encounters SET cost = 1 FROM clinics c, (SELECT reason) q',
      'UPDATE encounters SET cost = (SELECT 1 FROM clinics c, (SELECT encounters.reason AS r) encounters)',
      'UPDATE encounters SET cost = (WITH x AS (SELECT length(reason) AS n) SELECT n FROM x)',
      'INSERT INTO encounters (id, reason) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET cost = length(encounters.reason)',
      'INSERT INTO encounters (id, reason) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET cost = 1 WHERE excluded.reason = $2',
      'DELETE FROM encounters RETURNING (encounters).reason',
      'DELETE FROM encounters RETURNING to_jsonb(encounters)',
      'WITH w AS (DELETE FROM encounters RETURNING reason) SELECT * FROM w',
      'MERGE INTO encounters e USING clinics c ON e.id = c.id AND e.reason = $1 WHEN MATCHED THEN DELETE',
      'UPDATE encounters SET cost = 1 RETURNING old.reason',
      'UPDATE encounters SET cost = 1 RETURNING WITH (OLD AS o) o.reason',
      'UPDATE directory SET id = 1 WHERE who = $1',
      // A name of an aliased join is not visible under its inner name.
      'UPDATE encounters SET cost = (SELECT length(reason) FROM (encounters x JOIN clinics c ON true) AS j(a, b, c, d, e, f, g))',
      'UPDATE encounters SET cost = (SELECT 1 FROM encounters x, (clinics c JOIN clinics d ON length(reason) > 1))',
    ]);
  });

  it('may read masked columns of other relations as masks, but not store them', () => {
    accepts([
      "UPDATE patients SET sex = 'x' WHERE id IN (SELECT patient_id FROM encounters WHERE reason = 'y')",
      "UPDATE scratch SET n = 1 FROM patients p WHERE p.id = scratch.id AND p.ssn = 'x'",
      'INSERT INTO scratch (n) SELECT id FROM patients',
    ]);
    refuses('write-of-protected', [
      'INSERT INTO scratch (v) SELECT ssn FROM patients',
      'UPDATE scratch SET v = (SELECT ssn FROM patients LIMIT 1)',
      'CREATE TABLE x AS SELECT lower(ssn) AS y FROM patients',
      'SELECT ssn INTO x FROM patients',
      'WITH w AS (INSERT INTO scratch (v) SELECT ssn FROM patients RETURNING v) SELECT 1',
      'MERGE INTO scratch s USING patients p ON p.id = s.id WHEN MATCHED THEN UPDATE SET v = p.ssn',
    ]);
  });

  it('may put literals and parameters into masked columns, unless a unique key would answer whether they exist', () => {
    accepts([
      "UPDATE patients SET ssn = '1', name = $1 WHERE id = 1",
      "INSERT INTO patients (id, ssn) VALUES (1, '2')",
      "INSERT INTO encounters VALUES (1, 2, 3, 'x')",
      'COPY patients (id, ssn) FROM STDIN',
    ]);
    refuses('write-of-protected', [
      "UPDATE patients SET mrn = 'x' WHERE id = 1",
      "INSERT INTO patients VALUES (1, 'm')",
      "INSERT INTO patients_archive (mrn) VALUES ('m')",
      'COPY patients FROM STDIN',
      'INSERT INTO patients (id) VALUES (1) ON CONFLICT (mrn) DO NOTHING',
      'INSERT INTO directory (who) VALUES ($1)',
      'CREATE TABLE x (m text REFERENCES patients (mrn))',
    ]);
    accepts(['CREATE TABLE x (p integer REFERENCES patients (id))']);
  });

  it('write the table in front of a clean column that is named like a masked one of the target', () => {
    const made = plan("UPDATE patients SET sex = 'x' WHERE clinic_id IN (SELECT id FROM clinics WHERE name = 'y')");
    assert.match(made.forward ?? '', /WHERE clinics\.name = 'y'/);
    // Dropped in this transaction, `reason` would mean the target's; so it does when the columns are not known.
    const session = new TestSession();
    session.plan('CREATE TEMP TABLE t (id integer, reason text)');
    assert.match(session.plan('UPDATE encounters SET cost = (SELECT length(reason) FROM t)').forward ?? '', /length\(t\.reason\)/);
    refuses('write-of-protected', [
      'UPDATE encounters SET cost = (SELECT length(reason) FROM (SELECT 1 AS reason) q)',
      'UPDATE patients SET sex = (SELECT name FROM clinics FULL JOIN clinics d USING (name) LIMIT 1)',
    ]);
  });

  it('show no RETURNING where opaque code fills the row', () => {
    refuses('write-of-protected', ["INSERT INTO noisy VALUES (1, 'x') RETURNING k"]);
    accepts([
      "INSERT INTO noisy VALUES (1, 'x')",
      "INSERT INTO scratch (id, k) VALUES (1, 'x') RETURNING *",
      'UPDATE encounters SET cost = 1 WHERE id = 1 RETURNING id, cost',
    ]);
  });

  it('keep both copies of a multi-column source the same', () => {
    accepts(['UPDATE scratch SET (k, n) = (WITH c AS (SELECT region, id FROM clinics LIMIT 1) SELECT region, id FROM c)']);
  });

  it('name the relations that foreign keys carry them to', () => {
    assert.deepEqual(
      plan('DELETE FROM clinics WHERE id = 1').facts.relations.map((use) => `${use.name} ${use.access}`),
      ['public.clinics write', 'public.kid write'],
    );
  });

  it('are pinned to the schema their target resolved to', () => {
    const session = new TestSession(undefined, { searchPath: ['legacy', 'public'] });
    assert.equal(session.plan('DELETE FROM scratch').forward, 'DELETE FROM public.scratch');
    assert.equal(session.plan('DELETE FROM patients').forward, 'DELETE FROM patients');
  });
});

describe('definitions', () => {
  it('have the effect ddl and name their relation, so that policy can deny them', () => {
    const made = plan('DROP TABLE patients');
    assert.deepEqual(
      [made.facts.effects, made.facts.relations, made.facts.verbs],
      [['ddl'], [{ name: 'public.patients', access: 'write' }], ['DROP TABLE']],
    );
    assert.deepEqual([made.forward, made.statements[0]?.changes], ['DROP TABLE patients', [{ kind: 'catalogue-changed' }]]);
    assert.deepEqual(plan('ALTER TABLE patients RENAME TO customers').facts.effects, ['ddl']);
    assert.deepEqual(plan('DROP SCHEMA legacy CASCADE').facts.relations, [{ name: 'legacy.patients', access: 'write' }]);
  });

  it('that could take protection off a column or copy it are refused', () => {
    refuses('statement-kind', [
      'ALTER TABLE patients RENAME TO x',
      'ALTER TABLE patients RENAME COLUMN ssn TO sex',
      'ALTER TABLE patients SET SCHEMA legacy',
      'ALTER TABLE patients_archive NO INHERIT patients',
      'ALTER TABLE patients ADD COLUMN z text GENERATED ALWAYS AS (ssn) STORED',
      'ALTER TABLE patients ALTER ssn SET NOT NULL',
      'CREATE VIEW v AS SELECT ssn FROM patients',
      'CREATE MATERIALIZED VIEW v AS SELECT ssn FROM patients',
      'CREATE INDEX ON patients (ssn)',
      'CREATE STATISTICS s ON name, ssn FROM patients',
      "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'select 1'",
      'CREATE TRIGGER t AFTER INSERT ON scratch EXECUTE FUNCTION talk()',
      'CREATE RULE r AS ON INSERT TO scratch DO ALSO SELECT 1',
      'DO $$ BEGIN END $$',
      'LOCK TABLE clinics',
      'LISTEN x',
      'VACUUM patients',
      'TRUNCATE clinics CASCADE',
      'GRANT SELECT ON patients TO public',
    ]);
    refuses('node-kind', [
      'CREATE TABLE k () INHERITS (patients)',
      'CREATE TABLE k (LIKE patients INCLUDING ALL)',
      'CREATE TABLE k PARTITION OF patients DEFAULT',
    ]);
    refuses('function', ['CREATE TABLE k (v text DEFAULT leak(1))', 'CREATE TEMP TABLE k (v integer CHECK (leak(v) = $$x$$))']);
  });

  it('of plain tables are planned, and temporary ones become known at once', () => {
    const session = new TestSession();
    const made = session.plan('CREATE TEMP TABLE mine (a integer PRIMARY KEY, b text)');
    assert.deepEqual([made.facts.effects, made.facts.relations], [['write'], [{ name: 'pg_temp.mine', access: 'write' }]]);
    assert.equal(session.plan('SELECT b FROM mine').forward, 'SELECT b FROM pg_temp.mine');
    assert.equal(session.plan("UPDATE mine SET b = 'x' RETURNING *").forward, "UPDATE pg_temp.mine SET b = 'x' RETURNING *");
    assert.equal(session.plan('DROP TABLE mine').forward, 'DROP TABLE pg_temp.mine');
    assert.equal(plan('CREATE TABLE x (a integer)').forward, 'CREATE TABLE public.x (a int)');
    assert.equal(
      session.plan('SELECT id INTO TEMP copy FROM clinics').forward,
      'CREATE TEMPORARY TABLE copy AS SELECT id FROM public.clinics',
    );
  });

  it('pass as written when nothing is masked for the principal, with their widest effects', () => {
    for (const text of ['DO $$ BEGIN END $$', 'CALL leak(1)']) {
      assert.deepEqual([clear(text).forward, clear(text).facts.effects], [text, ['read', 'write', 'ddl', 'call']]);
    }
    for (const text of [
      'CREATE VIEW v AS SELECT ssn FROM patients',
      'ALTER TABLE patients ADD COLUMN z text',
      "SELECT ssn FROM patients WHERE ssn = '1'",
      'UPDATE patients SET name = ssn RETURNING *',
      'TABLE pg_stats',
    ]) {
      assert.equal(clear(text).forward, text);
    }
    assert.deepEqual(clear('SELECT leak(1)').facts.effects, ['read', 'call']);
    assert.deepEqual(refusals(clear('SET ROLE postgres')), ['setting']);
  });
});
