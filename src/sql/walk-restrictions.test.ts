import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { TestSession, parser, refusals } from '../../test/support/plan.ts';
import { lineage } from './lineage.ts';
import { protect } from './protection.ts';

const catalogue = testCatalogue({
  tables: {
    'public.zips': { columns: { zip: 'text not null', area: 'text' }, primaryKey: ['zip'] },
    'public.patients': {
      columns: {
        id: 'integer not null',
        mrn: 'text',
        email: 'text',
        dob: 'date',
        zip: 'text',
        clinic: 'integer',
        room: 'integer',
        since: 'date',
      },
      primaryKey: ['id'],
      unique: [['mrn'], ['clinic', 'mrn']],
      checks: [
        { sql: '(since > dob)', columns: ['since', 'dob'] },
        { sql: '(room > 0)', columns: ['room'] },
      ],
      indexExpressions: [
        { sql: 'lower(email)', columns: ['email'], unique: true },
        { sql: "date_part('year', dob) / room", columns: ['dob', 'room'] },
      ],
      references: [{ columns: ['zip'], to: 'public.zips', at: ['zip'] }],
    },
    'public.visits': {
      columns: { id: 'integer', mrn: 'text', patient: 'integer' },
      references: [
        { columns: ['mrn'], to: 'public.patients', at: ['mrn'] },
        { columns: ['patient'], to: 'public.patients', at: ['id'] },
      ],
    },
    'public.cohort': { columns: { id: 'integer', condition: 'text' }, kind: 'partitioned', partitionKey: ['condition'] },
    'public.cohort_b20': { columns: { id: 'integer', condition: 'text' }, inherits: ['public.cohort'] },
    'public.ruled': { columns: { id: 'integer' }, rules: ['answer'] },
  },
  views: {
    'public.stays': { columns: { k: 'integer', from_day: 'date' }, sql: 'SELECT p.id AS k, p.since AS from_day FROM public.patients p' },
    'public.over_ruled': { columns: { id: 'integer' }, sql: 'SELECT ruled.id FROM public.ruled' },
    'public.filtered': { columns: { id: 'integer' }, sql: "SELECT p.id FROM public.patients p WHERE p.mrn = 'x'::text" },
  },
});
const rules = ['patients.mrn', 'patients.email', 'patients.dob', 'patients.zip', 'cohort.condition'].map((column) => ({
  class: 'phi.x',
  pattern: `public.${column}`,
}));
const protection = protect(catalogue, rules, parser, lineage);
const plan = (text: string): string[] => refusals(new TestSession(undefined, { protection }).plan(text));
const clear = (text: string): string[] => refusals(new TestSession(() => null, { protection }).plan(text));

function asks(code: string, texts: readonly string[]): void {
  for (const text of texts) {
    assert.ok(plan(text).includes(code), text);
    assert.deepEqual(clear(text), [], text);
  }
}
function passes(texts: readonly string[]): void {
  for (const text of texts) assert.deepEqual(plan(text), [], text);
}

describe('writes that ask a question', () => {
  it('by a key, whole, composite, partial or of an expression', () => {
    asks('write-of-protected', [
      "UPDATE patients SET email = 'a' WHERE id = 1",
      "INSERT INTO patients (id, email) VALUES (1, 'a')",
      'UPDATE patients SET clinic = 2 WHERE id = 1',
      'COPY patients (id, clinic) FROM STDIN',
      'INSERT INTO patients (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET clinic = 2',
      'MERGE INTO patients p USING zips z ON p.id = 1 WHEN MATCHED THEN UPDATE SET clinic = 2',
    ]);
    passes(['INSERT INTO patients (id, room) VALUES (1, 2)', 'UPDATE patients SET id = 2 WHERE id = 1']);
  });

  it('by a check or an index expression that compares with a value they do not write', () => {
    asks('write-of-protected', [
      "UPDATE patients SET since = '1931-07-27' WHERE id = 1",
      'UPDATE patients SET room = 1 WHERE id = 1',
      "UPDATE stays SET from_day = '1931-07-27' WHERE k = 1",
    ]);
    passes([
      "UPDATE patients SET since = '2000-01-01', dob = '1990-01-01' WHERE id = 1",
      "INSERT INTO patients (id, since) VALUES (1, '2000-01-01')",
      'UPDATE stays SET k = 2 WHERE k = 1',
    ]);
  });

  it('by a foreign key, from either side', () => {
    asks('write-of-protected', [
      "INSERT INTO visits (id, mrn) VALUES (1, 'a')",
      "UPDATE visits SET mrn = 'a' WHERE id = 1",
      "DELETE FROM zips WHERE zip = 'a'",
      "UPDATE zips SET zip = 'b' WHERE zip = 'a'",
      'DELETE FROM patients WHERE id = 1',
      'MERGE INTO zips z USING visits v ON z.area = $1 WHEN MATCHED THEN DELETE',
    ]);
    passes([
      'INSERT INTO visits (id, patient) VALUES (1, 2)',
      "UPDATE zips SET area = 'b' WHERE zip = 'a'",
      'DELETE FROM visits WHERE id = 1',
      // Its own value against a table in clear.
      "UPDATE patients SET zip = 'a' WHERE id = 1",
    ]);
  });
});

describe('partitions that a masked column chose', () => {
  it('are not read or written by themselves', () => {
    asks('partition', ['SELECT id FROM cohort_b20', 'UPDATE cohort_b20 SET id = id WHERE id = 1', 'COPY cohort_b20 (id) TO STDOUT']);
    passes(['SELECT id, condition FROM cohort', "INSERT INTO cohort VALUES (1, 'B20')"]);
  });

  it('are not named by the rows of their root', () => {
    const forward = new TestSession(undefined, { protection }).plan('SELECT id, tableoid, ctid FROM cohort').forward ?? '';
    assert.match(forward, /NULL::pg_catalog\.(oid|"oid") AS tableoid/i);
    assert.match(forward, /NULL::pg_catalog\.(tid|"tid") AS ctid/i);
    asks('write-of-protected', [
      "UPDATE cohort SET id = id WHERE tableoid = 'cohort_b20'::regclass",
      'DELETE FROM cohort WHERE id = 1 RETURNING tableoid',
    ]);
  });

  it('do not show in plans, nor does what a view filters', () => {
    asks('statement-kind', ['EXPLAIN SELECT id FROM cohort', 'EXPLAIN (ANALYZE) SELECT * FROM filtered WHERE id = 1']);
    passes(['EXPLAIN SELECT id FROM patients WHERE mrn = $1', 'EXPLAIN SELECT * FROM stays']);
  });
});

describe('relations with rules', () => {
  it('are not written, because a rule may answer with rows', () => {
    asks('write-of-protected', ['INSERT INTO ruled VALUES (1)', 'DELETE FROM over_ruled']);
    passes(['SELECT * FROM ruled']);
  });
});
