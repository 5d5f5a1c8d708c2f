import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { parser, TestSession } from '../../test/support/plan.ts';
import type { ColumnRule } from './catalogue.ts';
import { lineage } from './lineage.ts';
import { protect } from './protection.ts';
import { subjectColumns } from './subject-columns.ts';

const catalogue = testCatalogue({
  tables: {
    'public.patients': {
      columns: { id: 'integer not null', mrn: 'text', name: 'text', ward: 'integer' },
      primaryKey: ['id'],
      unique: [['mrn']],
    },
    'public.visits': {
      columns: { id: 'integer not null', patient_id: 'integer', kind: 'text' },
      primaryKey: ['id'],
      references: [{ columns: ['patient_id'], to: 'public.patients', at: ['id'] }],
    },
    'public.diagnoses': {
      columns: { id: 'integer not null', visit_id: 'integer', code: 'text', doctor: 'integer' },
      primaryKey: ['id'],
      references: [{ columns: ['visit_id'], to: 'public.visits', at: ['id'] }],
    },
    'public.wards': { columns: { id: 'integer not null', label: 'text' }, primaryKey: ['id'] },
  },
  views: { 'public.names': { columns: { name: 'text' }, sql: 'SELECT name FROM public.patients' } },
  functions: { 'public.leak(integer)': { returns: 'text', volatility: 'stable' } },
});
const rules = [{ class: 'phi.name', pattern: 'public.patients.name' }];
const protection = protect(catalogue, rules, parser, lineage);
const protectOnly = (wanted: readonly ColumnRule[]) => protect(catalogue, wanted, parser, lineage);
const subjects = subjectColumns(catalogue, [{ name: 'patient', columns: ['public.patients.id'] }], protectOnly);
const session = new TestSession(() => null, { protection, subjects });

interface Seen {
  readonly closed: boolean;
  readonly outputs: readonly number[];
  readonly asked: readonly string[];
  readonly parameters: readonly string[];
}

/** Null: nobody's data. */
function seen(sql: string): Seen | null {
  const plan = session.plan(sql);
  assert.deepEqual(plan.facts.unknowns, [], sql);
  const [use] = plan.facts.subjects ?? [];
  if (use === undefined) return null;
  return {
    closed: use.isClosed,
    outputs: plan.statements.flatMap(({ subjectOutputs }) => (subjectOutputs ?? []).map(({ column }) => column)),
    asked: (plan.subjectConstants ?? []).map(({ text }) => text),
    parameters: use.parameters.map(({ number, isArray }) => `${number}${isArray ? '[]' : ''}`),
  };
}

const closed = (sql: string): boolean | undefined => seen(sql)?.closed;

test('rows are asked for by constants, lists, arrays and parameters, also in what refers to the key', () => {
  assert.deepEqual(seen('SELECT name FROM patients WHERE id = 17'), { closed: true, outputs: [], asked: ['17'], parameters: [] });
  assert.deepEqual(seen("SELECT name FROM patients WHERE '17' = id")?.asked, ['17']);
  assert.deepEqual(seen('SELECT kind FROM visits WHERE patient_id IN (17, 18, $1)'), {
    closed: true,
    outputs: [],
    asked: ['17', '18'],
    parameters: ['1'],
  });
  assert.deepEqual(seen("SELECT name FROM patients WHERE id = ANY('{1,2}'::int[])")?.asked, ['1', '2']);
  assert.deepEqual(seen('SELECT name FROM patients WHERE id = ANY($2::int[])'), {
    closed: true,
    outputs: [],
    asked: [],
    parameters: ['2[]'],
  });
  assert.deepEqual(seen('SELECT name FROM patients WHERE (id, ward) = (17, 3)')?.asked, ['17']);
  assert.deepEqual(seen('SELECT name FROM patients WHERE id IS NOT DISTINCT FROM $1')?.parameters, ['1']);
  assert.equal(seen('SELECT label FROM wards WHERE id = 17'), null);
});

test('keys in the result name everybody whose rows are beside them', () => {
  assert.deepEqual(seen('SELECT name, id FROM patients'), { closed: true, outputs: [1], asked: [], parameters: [] });
  assert.deepEqual(seen('SELECT * FROM visits ORDER BY kind LIMIT 5')?.outputs, [1]);
  assert.equal(
    closed('SELECT p.id, v.kind, d.code FROM patients p JOIN visits v ON v.patient_id = p.id JOIN diagnoses d ON d.visit_id = v.id'),
    true,
  );
  assert.equal(closed('SELECT p.id, v.kind FROM patients p LEFT JOIN visits v ON v.patient_id = p.id'), true);
  assert.equal(closed('SELECT patient_id, count(*) FROM visits GROUP BY patient_id'), true);
  assert.equal(closed("SELECT p.id FROM patients p WHERE p.id IN (SELECT patient_id FROM visits WHERE kind = 'x')"), true);
  assert.equal(closed("SELECT p.id FROM patients p WHERE EXISTS (SELECT FROM visits v WHERE v.patient_id = p.id AND v.kind = 'x')"), true);
  assert.equal(closed('SELECT id, name FROM patients UNION ALL SELECT patient_id, kind FROM visits'), true);
  assert.equal(closed('WITH c AS (SELECT id, name FROM patients) SELECT name FROM c WHERE id = 17'), true);
  assert.deepEqual(seen('COPY patients TO STDOUT')?.outputs, [0]);
});

test('INVARIANT: what is not tied to a key is not closed', () => {
  for (const sql of [
    'SELECT name FROM patients',
    'SELECT name FROM names',
    'SELECT count(*) FROM patients',
    'SELECT name FROM patients WHERE id > 16 AND id < 18',
    'SELECT name FROM patients WHERE id = 17 OR ward = 1',
    'SELECT name FROM patients WHERE NOT id = 17',
    'SELECT id + 1, name FROM patients',
    'SELECT max(id), name FROM patients GROUP BY name',
    'SELECT name FROM patients WHERE id = 16.6::int',
    'SELECT name FROM patients WHERE id = (SELECT 17)',
    'SELECT code FROM diagnoses WHERE id = 17',
    'SELECT p.id, q.name FROM patients p JOIN patients q ON p.ward = q.ward',
    'SELECT p.id, d.code FROM patients p JOIN visits v ON v.patient_id = p.id JOIN diagnoses d ON d.doctor = v.id',
    'SELECT p.id, v.kind FROM visits v LEFT JOIN patients p ON v.patient_id = p.id',
    'SELECT p.name FROM patients p LEFT JOIN wards w ON p.id = 17',
    'SELECT name FROM patients p WHERE NOT EXISTS (SELECT FROM visits v WHERE v.patient_id = p.id AND v.patient_id = 17)',
    'SELECT p.name FROM patients p WHERE EXISTS (SELECT FROM visits v WHERE v.patient_id = p.id AND v.patient_id = 17 OR p.ward = 1)',
    'SELECT id, lag(name) OVER (ORDER BY id) FROM patients LIMIT 1',
    'SELECT id, name FROM patients UNION ALL SELECT NULL, name FROM patients',
    'WITH c AS (SELECT id, name FROM patients) SELECT name FROM c WHERE id = 17 UNION ALL SELECT name FROM c',
    'SELECT s.who FROM (SELECT (SELECT name FROM patients LIMIT 1) AS who) s',
    'SELECT leak(1)',
    'CREATE TABLE copy AS SELECT id, name FROM patients',
    "COPY patients TO STDOUT (FORMAT csv, DELIMITER ';')",
    'COPY visits FROM STDIN',
    'EXPLAIN ANALYZE SELECT id FROM patients',
    'DELETE FROM visits',
    'UPDATE visits SET kind = NULL WHERE id = 1',
    'INSERT INTO visits (id, patient_id) SELECT 1, id FROM patients',
    "INSERT INTO patients (id, mrn) VALUES (17, 'x') ON CONFLICT (mrn) DO UPDATE SET name = 'y'",
    'INSERT INTO visits (id) VALUES (1) RETURNING kind',
    'SELECT id FROM patients WHERE id = 17; SELECT name FROM patients',
  ]) {
    assert.equal(closed(sql), false, sql);
  }
});

test('what is written names its keys', () => {
  assert.deepEqual(seen("INSERT INTO visits (id, patient_id, kind) VALUES (1, 17, 'x'), (2, $1, 'y')"), {
    closed: true,
    outputs: [],
    asked: ['17'],
    parameters: ['1'],
  });
  assert.equal(closed("UPDATE visits SET kind = 'x' WHERE patient_id = 17"), true);
  assert.deepEqual(seen("UPDATE visits SET kind = 'x' RETURNING patient_id"), { closed: true, outputs: [0], asked: [], parameters: [] });
  assert.deepEqual(seen('UPDATE visits SET patient_id = 18 WHERE patient_id = 17')?.asked.toSorted(), ['17', '18']);
  assert.equal(closed('DELETE FROM visits WHERE patient_id = $1'), true);
});

test('prepared statements ask by the arguments of EXECUTE, cursors show on FETCH', () => {
  const one = new TestSession(() => null, { protection, subjects });
  const prepared = one.plan('PREPARE p (int) AS SELECT name FROM patients WHERE id = $1');
  assert.equal(prepared.facts.subjects, undefined);
  const executed = one.plan('EXECUTE p (17)');
  assert.deepEqual(
    executed.subjectConstants?.map(({ text }) => text),
    ['17'],
  );
  assert.equal(executed.facts.subjects?.[0]?.isClosed, true);
  one.plan('DECLARE c CURSOR FOR SELECT name, id FROM patients');
  assert.deepEqual(one.plan('FETCH 5 FROM c').statements[0]?.subjectOutputs, [{ subject: 'patient', column: 1, family: 'number' }]);
});

test('a masked key tells nobody, a name that matches nothing closes nothing', () => {
  const masked = new TestSession(() => 'NULL::integer', {
    protection: protectOnly([{ class: 'phi.id', pattern: 'public.patients.id' }]),
    subjects,
  });
  assert.equal(masked.plan('SELECT id FROM patients').facts.subjects?.[0]?.isClosed, false);
  const gone = subjectColumns(catalogue, [{ name: 'patient', columns: ['public.patients.old_id'] }], protectOnly);
  assert.deepEqual(gone.unmatched, ['public.patients.old_id']);
  const unsure = new TestSession(() => null, { protection, subjects: gone });
  assert.equal(unsure.plan('SELECT label FROM wards').facts.subjects?.[0]?.isClosed, false);
});
