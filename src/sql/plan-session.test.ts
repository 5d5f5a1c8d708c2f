import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { clear, parser, plan, protection, refusals, TestSession } from '../../test/support/plan.ts';
import { lineage } from './lineage.ts';
import { protect } from './protection.ts';

describe('prepared statements and cursors', () => {
  it('are rewritten when they are made, and their facts are those of EXECUTE', () => {
    const session = new TestSession();
    const prepared = session.plan('PREPARE q (integer) AS SELECT ssn FROM patients WHERE id = $1');
    assert.match(prepared.forward ?? '', /'\*\*\*'::text AS "ssn"/);
    assert.deepEqual(prepared.statements[0]?.outputs, []);
    const executed = session.plan('EXECUTE q (1)');
    assert.equal(executed.forward, 'EXECUTE q (1)');
    assert.deepEqual(
      [executed.facts.outputClasses, executed.facts.relations],
      [['phi.ssn'], [{ name: 'public.patients', access: 'read' }]],
    );
    assert.deepEqual(session.plan('EXPLAIN EXECUTE q (1)').facts.outputs, [{ name: 'QUERY PLAN', sources: [], classes: [] }]);
    assert.deepEqual(session.plan('DEALLOCATE q').statements[0]?.changes, [{ kind: 'deallocate', name: 'q' }]);
  });

  it('read as much as their query: EXECUTE of an unbounded one is unbounded, PREPARE reads nothing', () => {
    const session = new TestSession();
    assert.equal(session.plan('PREPARE everything AS SELECT ssn FROM patients').facts.unbounded, false);
    const { unbounded, lineage: found } = session.plan('EXECUTE everything').facts;
    assert.deepEqual([unbounded, found?.open, found?.shown], [true, ['public.patients'], ['public.patients.ssn']]);
    assert.equal(session.plan('EXPLAIN EXECUTE everything').facts.unbounded, false);
    session.plan('PREPARE one (int) AS SELECT ssn FROM patients WHERE id = $1 ORDER BY name');
    const { facts } = session.plan('EXECUTE one (1)');
    assert.deepEqual(
      [facts.unbounded, facts.lineage?.open, facts.lineage?.tested],
      [false, [], ['public.patients.id', 'public.patients.name']],
    );
  });

  it('hide the messages of a prepared write as of the write itself', () => {
    const session = new TestSession();
    session.plan('PREPARE w AS INSERT INTO noisy VALUES (1, $1)');
    assert.equal(session.plan("EXECUTE w ('x')").statements[0]?.messages, 'code-only');
  });

  it('do not lend their facts to a name that an earlier statement of the same text makes anew', () => {
    const session = new TestSession();
    session.plan('PREPARE q AS SELECT 1');
    session.plan('DECLARE c CURSOR FOR SELECT 1');
    for (const text of [
      'DEALLOCATE q; PREPARE q AS SELECT ssn FROM patients; EXECUTE q',
      'DEALLOCATE ALL; EXECUTE q',
      'DISCARD ALL; EXECUTE q',
      'CLOSE c; DECLARE c CURSOR FOR SELECT ssn FROM patients; FETCH ALL FROM c',
      'CLOSE ALL; FETCH c',
    ]) {
      assert.deepEqual(refusals(session.plan(text)), ['session-object'], text);
    }
    assert.deepEqual(refusals(session.plan('EXECUTE q; FETCH c; DEALLOCATE q; CLOSE c')), []);
  });

  it('that this session has not made are refused', () => {
    for (const text of [
      'EXECUTE nothing',
      'FETCH 1 FROM nothing',
      'MOVE 1 IN nothing',
      'UPDATE scratch SET n = 1 WHERE CURRENT OF nothing',
    ]) {
      assert.deepEqual(refusals(plan(text)), ['session-object'], text);
    }
  });

  it('give FETCH the outputs of the cursor, and MOVE none', () => {
    const session = new TestSession();
    assert.equal(session.plan('DECLARE c CURSOR WITH HOLD FOR SELECT ssn FROM patients').facts.unbounded, true);
    const fetched = session.plan('FETCH 2 FROM c');
    assert.deepEqual([fetched.facts.outputClasses, fetched.facts.unbounded], [['phi.ssn'], false]);
    assert.deepEqual(session.plan('MOVE 1 IN c').facts.outputs, []);
    assert.deepEqual(session.plan('CLOSE ALL').statements[0]?.changes, [{ kind: 'close', name: null }]);
  });
});

describe('COPY', () => {
  it('of a masked table is a query over its stand-in, without children and generated columns', () => {
    const made = plan('COPY patients (id, ssn) TO STDOUT CSV HEADER');
    assert.match(
      made.forward ?? '',
      /^COPY \( ?SELECT id, ssn FROM \(.*FROM ONLY "public"\."patients" ?\) AS patients ?\) TO STDOUT WITH \(FORMAT csv, HEADER\)$/,
    );
    assert.deepEqual([made.facts.effects, made.statements[0]?.copy], [['read', 'copy-out'], 'out']);
    assert.equal(plan('COPY clinics TO STDOUT').forward, 'COPY clinics TO STDOUT');
  });

  it('to or from files and programs, or in another encoding, is refused', () => {
    for (const text of ["COPY clinics TO '/tmp/x'", "COPY scratch FROM PROGRAM 'id'", "COPY clinics TO STDOUT (ENCODING 'LATIN1')"])
      assert.notDeepEqual(refusals(plan(text)), [], text);
  });
});

describe('settings and transactions', () => {
  it('are accepted from a list, with constants', () => {
    for (const text of [
      "SET TIME ZONE 'UTC'",
      'SET LOCAL statement_timeout = 100',
      'RESET ALL',
      'SHOW server_version',
      'BEGIN ISOLATION LEVEL SERIALIZABLE',
      'SET TRANSACTION READ ONLY',
      'SAVEPOINT a',
      'ROLLBACK TO a',
      'DISCARD ALL',
      'SET CONSTRAINTS ALL DEFERRED',
    ]) {
      const made = plan(text);
      assert.deepEqual([made.forward, made.facts.effects], [text, []], text);
    }
    for (const text of [
      'SET search_path = legacy',
      'SET ROLE postgres',
      'SET SESSION AUTHORIZATION x',
      'SET sallyport.token_key = 1',
      'SHOW ALL',
      'SHOW sallyport.token_key',
      'SHOW data_directory',
      "SET TRANSACTION SNAPSHOT 'x'",
      'SET standard_conforming_strings = off',
      'RESET role',
    ]) {
      assert.deepEqual(refusals(plan(text)), ['setting'], text);
    }
    assert.deepEqual(refusals(plan("PREPARE TRANSACTION 'x'")), ['statement-kind']);
  });

  it('take names away or give them back with search_path, as pg_dump does', () => {
    for (const text of ["SET search_path = ''", 'RESET search_path', "SELECT pg_catalog.set_config('search_path', '', false)"]) {
      assert.deepEqual(refusals(plan(text)), [], text);
    }
  });

  it('that are refused are named when they are plain words, and computed ones say what pg_dump needs', () => {
    const first = (text: string) => plan(text).facts.unknowns[0];
    assert.equal(first("SET log_statement = 'all'")?.what, 'log_statement');
    assert.equal(first('SHOW data_directory')?.what, 'SHOW data_directory');
    assert.equal(first('SET "123-45-6789" = 1')?.what, 'an unknown name');
    assert.match(first("SELECT set_config(name, 'x', false) FROM pg_settings")?.remedy ?? '', /pg_dump/);
  });

  it('of the gateway itself are refused by name to everybody, wherever a statement can name them', () => {
    for (const text of [
      "SET sallyport.token_key = 'x'",
      'SET LOCAL "SALLYPORT"."token_key" TO DEFAULT',
      'RESET sallyport.token_key',
      'SHOW sallyport.token_key',
      "SELECT set_config('sallyport.token_key', 'x', false)",
      "SELECT pg_catalog.set_config('SallyPort.other'::text, 'x', false)",
      "SELECT set_config(setting_name => E'\\x73allyport.token_key', new_value => 'x', is_local => true)",
      "SELECT current_setting('sallyport.token_key', true)",
      "ALTER FUNCTION vouched(integer) SET sallyport.token_key = 'x'",
      'ALTER FUNCTION vouched(integer) RESET sallyport.token_key',
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET sallyport.token_key = 'x' AS 'SELECT 1'",
    ]) {
      for (const made of [plan(text), clear(text)]) {
        const { unknowns } = made.facts;
        assert.ok(
          unknowns.some(({ code, what }) => code === 'setting' && what === 'sallyport.*'),
          text,
        );
        assert.equal(made.forward, null, text);
      }
    }
    for (const text of [
      "ALTER ROLE r SET sallyport.x = '1'",
      "ALTER DATABASE d SET sallyport.x = '1'",
      "ALTER SYSTEM SET sallyport.x = '1'",
    ]) {
      assert.notDeepEqual(refusals(clear(text)), [], text);
    }
    for (const text of [
      "SELECT set_config('application_name', 'sallyport.x', false)",
      'ALTER FUNCTION vouched(integer) SET work_mem = 100',
      "SELECT current_setting('work_mem')",
    ]) {
      assert.deepEqual(refusals(clear(text)), [], text);
    }
  });

  it('tell the adapter what becomes of the transaction', () => {
    assert.deepEqual(
      plan('BEGIN; COMMIT; ROLLBACK; SAVEPOINT a').statements.map((each) => each.transaction),
      ['begin', 'commit', 'rollback', 'savepoint'],
    );
  });
});

describe('the node table', () => {
  it('refuses statements without a row and constructs the server does not know', () => {
    assert.deepEqual(refusals(plan('CREATE DATABASE x')), ['statement-kind']);
    const old = testCatalogue({ serverVersionNum: 150000 });
    const session = new TestSession(undefined, { protection: protect(old, [], parser, lineage) });
    assert.deepEqual(refusals(session.plan("SELECT JSON_OBJECT('a': 1)")), ['server-version']);
    assert.deepEqual(refusals(plan("SELECT JSON_OBJECT('a': 1)")), []);
  });

  it('refuses EXPLAIN ANALYZE of a write, and options it does not know', () => {
    assert.deepEqual(refusals(plan('EXPLAIN ANALYZE DELETE FROM scratch')), ['statement-kind']);
    assert.deepEqual(refusals(plan('EXPLAIN (ANALYZE off) DELETE FROM scratch')), []);
    assert.deepEqual(refusals(plan('EXPLAIN (NEWFANGLED) SELECT 1')), ['node-kind']);
  });
});

describe('an unvetted implicit cast', () => {
  it('refuses every statement, because any expression may run it', () => {
    const cast = testCatalogue({
      tables: { 'public.t': { columns: { id: 'integer', secret: 'text' } } },
      functions: { 'public.impl(public.t)': { returns: 'text' } },
      casts: [{ from: 'public.t', to: 'text', function: 'public.impl(public.t)', context: 'implicit' }],
    });
    const rules = [{ class: 'phi.x', pattern: 'public.t.secret' }];
    const session = new TestSession(undefined, { protection: protect(cast, rules, parser, lineage) });
    assert.deepEqual(refusals(session.plan('SELECT 1')), ['catalogue']);
    assert.deepEqual(protection.catalogue.implicitCastFunctions, []);
  });
});
