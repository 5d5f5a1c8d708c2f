import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestSession, clear, plan, refusals } from '../../test/support/plan.ts';
import { DEFAULT_RESIDUALS } from './plan.ts';

const hidden = new TestSession(undefined, { residuals: { ...DEFAULT_RESIDUALS, catalogueTexts: 'hidden' } });

describe('system relations that are shown in part', () => {
  it('filter settings before any condition of the client sees a row', () => {
    const { forward } = plan("SELECT name FROM pg_settings s WHERE s.setting = 'x'");
    assert.match(
      forward ?? '',
      /WHERE pg_catalog\.lower\(name\) OPERATOR\(pg_catalog\.=\) ANY \(ARRAY\[.*'work_mem'.*\]::pg_catalog\.text\[\]\) OFFSET 0\) AS "pg_settings"/,
    );
    assert.doesNotMatch(forward ?? '', /config_file|token_key/);
  });

  it('never show values that the catalogue keeps of a column', () => {
    assert.match(plan('SELECT a.* FROM pg_attribute a').forward ?? '', /CASE WHEN false THEN "attmissingval" END AS "attmissingval"/);
  });

  it('are as they are for a principal from whom nothing is hidden', () => {
    assert.equal(clear('SELECT * FROM pg_attribute').forward, 'SELECT * FROM pg_attribute');
  });

  it('hide secrets of other systems and settings of roles', () => {
    assert.match(plan('SELECT subconninfo FROM pg_subscription').forward ?? '', /NULL::pg_catalog\.text AS "subconninfo"/);
    assert.match(plan('SELECT umoptions FROM pg_user_mappings').forward ?? '', /CASE WHEN false THEN "umoptions" END/);
    for (const [relation, column] of [
      ['pg_db_role_setting', 'setconfig'],
      ['pg_roles', 'rolconfig'],
      ['pg_user', 'useconfig'],
    ] as const) {
      assert.match(plan(`SELECT ${column} FROM ${relation}`).forward ?? '', new RegExp(`ARRAY\\(SELECT s\\.v FROM .*\\) AS "${column}"`));
    }
  });

  it('take no writes', () => {
    assert.ok(refusals(plan("UPDATE pg_settings SET setting = 'x'")).includes('system-relation'));
  });
});

describe('current_setting()', () => {
  it('reads the settings of rows that pg_settings shows', () => {
    assert.deepEqual(refusals(plan('SELECT s.name, current_setting(s.name) FROM pg_catalog.pg_settings s')), []);
    assert.deepEqual(refusals(plan('SELECT (SELECT current_setting(s.name)) FROM pg_settings s')), []);
  });

  it('reads no other computed name', () => {
    for (const text of [
      'SELECT current_setting(name) FROM pg_settings',
      "SELECT current_setting(s.name || '') FROM pg_settings s",
      'SELECT current_setting(s.setting) FROM pg_settings s',
      'SELECT current_setting(s.name) FROM pg_settings s (a, name)',
      "SELECT current_setting(s.name) FROM (SELECT 'data_directory' AS name) s, pg_settings",
      "SELECT (SELECT current_setting(s.name) FROM (VALUES ('data_directory')) s (name)) FROM pg_settings s",
      'SELECT current_setting(j.name) FROM (pg_settings s CROSS JOIN clinics) j',
      'SELECT current_setting(s.name, true) FROM pg_settings s',
    ]) {
      assert.deepEqual(refusals(plan(text)), ['function'], text);
    }
  });
});

describe('texts of definitions, where the operator hides them', () => {
  it('are NULL in the catalogue and from the functions that write them', () => {
    assert.match(hidden.plan('SELECT conbin FROM pg_constraint').forward ?? '', /CASE WHEN false THEN "conbin" END/);
    assert.match(hidden.plan('SELECT definition FROM pg_views').forward ?? '', /CASE WHEN false THEN "definition" END/);
    assert.match(
      hidden.plan('SELECT check_clause FROM information_schema.check_constraints').forward ?? '',
      /CASE WHEN false THEN "check_clause" END/,
    );
    const { forward } = hidden.plan('SELECT pg_get_viewdef(c.oid, true) AS d FROM pg_class c');
    assert.doesNotMatch(forward ?? 'pg_get_viewdef', /pg_get_viewdef/);
  });

  it('are shown by default', () => {
    const text = 'SELECT pg_get_constraintdef(oid), conbin FROM pg_constraint';
    assert.equal(plan(text).forward, text);
  });

  it('hide no argument from the rules', () => {
    assert.deepEqual(refusals(hidden.plan('SELECT pg_get_viewdef(leak(1))')), ['function']);
  });
});
