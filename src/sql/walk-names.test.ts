// Where names lead when they are shadowed: by CTEs, by schemas further along the path, by functions of the same name.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { TestSession, parser, plan, refusals } from '../../test/support/plan.ts';
import { lineage } from './lineage.ts';
import { protect } from './protection.ts';

describe('a CTE', () => {
  it('hides a relation in its own query only, however deep', () => {
    for (const sql of [
      "SELECT (WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM patients), (SELECT ssn FROM patients LIMIT 1)",
      "WITH a AS (SELECT 1) SELECT (WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM patients), (SELECT ssn FROM patients LIMIT 1) FROM a",
      "WITH a AS (WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM patients) SELECT a.ssn, p.ssn FROM a, patients p",
    ]) {
      const { forward } = plan(sql);
      assert.match(forward ?? '', /FROM "?public"?\."?patients/, sql);
      assert.match(forward ?? '', /sp_c\d_patients/, sql);
    }
  });

  it('does not see itself unless it is recursive', () => {
    assert.match(plan('WITH patients AS (SELECT ssn FROM patients) SELECT * FROM patients').forward ?? '', /FROM "?public"?\."?patients/);
    assert.doesNotMatch(
      plan("WITH RECURSIVE patients AS (SELECT 'x' AS ssn UNION SELECT ssn FROM patients) SELECT * FROM patients").forward ?? '',
      /FROM "?public"?\."?patients/,
    );
  });
});

describe('a relation', () => {
  it('further along the path is written with its schema, so that nothing can come before it', () => {
    const session = new TestSession(undefined, { searchPath: ['legacy', 'public'] });
    assert.match(session.plan('SELECT id FROM clinics').forward ?? '', /"?public"?\."?clinics/);
    assert.match(session.plan('INSERT INTO scratch (id) VALUES (1)').forward ?? '', /"?public"?\."?scratch/);
    assert.equal(session.plan('SELECT id FROM patients').forward, 'SELECT id FROM patients');
  });

  it('that is temporary is written so', () => {
    const session = new TestSession();
    assert.notEqual(session.plan('CREATE TEMP TABLE patients (ssn text)').forward, null);
    assert.match(session.plan('SELECT ssn FROM patients').forward ?? '', /FROM "?pg_temp"?\."?patients/);
  });
});

describe('a function that is harmless with constants', () => {
  const shadowed = testCatalogue({
    tables: { 'public.patients': { columns: { ssn: 'text' } } },
    functions: { 'public.current_setting(text)': { returns: 'text' }, 'public.set_config(text,text,boolean)': { returns: 'text' } },
  });
  const protection = protect(shadowed, [{ class: 'phi.ssn', pattern: 'public.patients.ssn' }], parser, lineage);
  const calls = ["current_setting('server_version')", "set_config('jit', 'off', false)"];

  it('is called with those', () => {
    for (const call of calls) assert.deepEqual(refusals(plan(`SELECT ${call}`)), [], call);
  });

  it('is not when a function of that name can come before it', () => {
    const session = new TestSession(undefined, { protection });
    for (const call of calls) {
      assert.deepEqual(refusals(session.plan(`SELECT ${call}`)), ['function'], call);
      assert.deepEqual(refusals(session.plan(`SELECT pg_catalog.${call}`)), [], call);
    }
  });

  it('is not with other arguments', () => {
    for (const call of [
      "current_setting('data_directory', true)",
      "current_setting('server' || '_version')",
      "set_config('search_path', 'legacy', false)",
      "set_config('jit', (SELECT name FROM clinics LIMIT 1), false)",
      "set_config('jit', 'off', (SELECT true))",
    ])
      assert.deepEqual(refusals(plan(`SELECT ${call}`)), ['function'], call);
    // The gateway's own are refused by their name already.
    assert.deepEqual(refusals(plan("SELECT current_setting('sallyport.token_key')")), ['setting', 'function']);
  });
});
