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
    'public.wards_pairs': { columns: { one: 'integer', two: 'integer' } },
    // Twice a patient, and rows that are of children only.
    'public.transplants': {
      columns: { id: 'integer not null', donor_id: 'integer', recipient_id: 'integer', organ: 'text' },
      primaryKey: ['id'],
      references: [
        { columns: ['donor_id'], to: 'public.patients', at: ['id'] },
        { columns: ['recipient_id'], to: 'public.patients', at: ['id'] },
      ],
    },
    'public.diagnoses_old': {
      columns: { id: 'integer not null', visit_id: 'integer', code: 'text', doctor: 'integer' },
      inherits: ['public.diagnoses'],
    },
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

test('INVARIANT: what is mixed, made up or moved on the way is not closed by what is around it', () => {
  for (const sql of [
    'SELECT s.prev FROM (SELECT id, lag(name) OVER (ORDER BY id) AS prev FROM patients) s WHERE s.id = 18',
    'SELECT s.k FROM (SELECT patient_id, max(kind) AS k FROM visits GROUP BY GROUPING SETS ((patient_id), ())) s WHERE s.patient_id IS NOT DISTINCT FROM NULL',
    'SELECT v.kind FROM (SELECT id FROM patients WHERE id = 17 UNION ALL SELECT 18) s JOIN visits v ON v.patient_id = s.id',
    'SELECT v.kind FROM (SELECT id FROM patients WHERE id = 17 UNION ALL SELECT id + 1 FROM patients WHERE id = 17) s JOIN visits v ON v.patient_id = s.id',
    'SELECT v.kind FROM (SELECT id AS patient_id FROM patients WHERE id = 17 UNION SELECT 18) s JOIN visits v USING (patient_id)',
    'SELECT v.kind FROM visits v WHERE v.patient_id IN (SELECT id FROM patients WHERE id = 17 UNION SELECT 18)',
    'SELECT p.name FROM wards_pairs w, patients p WHERE ROW(w.*, p.id) = ROW(1, 2, 17)',
    'WITH d AS (DELETE FROM visits RETURNING patient_id) SELECT 1 FROM d WHERE patient_id = 18',
    'WITH d AS (DELETE FROM visits RETURNING patient_id) SELECT patient_id FROM d LIMIT 1',
    "WITH d AS (UPDATE visits SET kind = 'y' RETURNING patient_id) SELECT p.name FROM patients p JOIN d ON d.patient_id = p.id WHERE p.id = 18",
    'MERGE INTO visits v USING wards w ON v.id = w.id WHEN MATCHED THEN UPDATE SET patient_id = 18',
    "UPDATE visits SET patient_id = 18 WHERE kind = 'x' RETURNING patient_id",
    "WITH u AS (UPDATE visits SET kind = 'x' WHERE patient_id = 18) INSERT INTO visits (id, kind) VALUES (1, 'x')",
  ]) {
    assert.equal(closed(sql), false, sql);
  }
  // In their own block, before the window.
  assert.equal(closed('SELECT row_number() OVER (ORDER BY id), kind FROM visits WHERE patient_id = 17'), true);
  assert.equal(closed('WITH d AS (DELETE FROM visits WHERE patient_id = 18 RETURNING kind) SELECT count(*) FROM d'), true);
});

test('INVARIANT: rows of two patients are closed by both keys only, and children are touched as their parents are', () => {
  assert.equal(closed('SELECT organ FROM transplants WHERE donor_id = 17'), false);
  assert.equal(closed('SELECT organ, recipient_id FROM transplants'), false);
  assert.equal(closed('SELECT organ, recipient_id FROM transplants WHERE donor_id = 17'), true);
  assert.equal(closed('SELECT t.organ FROM transplants t JOIN patients p ON p.id = t.donor_id WHERE p.id = 17'), false);
  assert.equal(closed('INSERT INTO transplants (id, donor_id) VALUES (1, 17)'), false);
  assert.equal(closed('INSERT INTO transplants (id, donor_id, recipient_id) VALUES (1, 17, 18)'), true);
  assert.equal(closed('SELECT code FROM diagnoses_old'), false);
});

test('INVARIANT: a parameter tells a key only where nothing else gives it a type', () => {
  assert.equal(closed('SELECT name FROM patients WHERE id = $1'), true);
  assert.equal(closed('SELECT p.name FROM patients p JOIN visits v ON v.patient_id = p.id WHERE p.id = $1 AND v.patient_id = $1'), true);
  assert.equal(closed('SELECT name, $1::float8 FROM patients WHERE id = $1'), false);
  assert.equal(closed('SELECT name FROM patients WHERE $1 > 0.5 AND id = $1'), false);
});

test('INVARIANT: rows that masks join are not closed by each other', () => {
  const sql = 'SELECT v.patient_id, d.code FROM visits v JOIN diagnoses d ON d.visit_id = v.id';
  assert.equal(closed(sql), true);
  const masked = new TestSession((_, column) => (column.name === 'id' ? '0::integer' : null), {
    protection: protectOnly([{ class: 'phi.visit', pattern: 'public.visits.id' }]),
    subjects,
  });
  assert.equal(masked.plan(sql).facts.subjects?.[0]?.isClosed, false);
});

test('INVARIANT: a plan with a constant beside a key is of its text only', () => {
  for (const sql of ["SELECT name FROM patients WHERE id = ANY('{}')", "SELECT name FROM patients WHERE id = 'none'"]) {
    assert.notEqual(session.plan(sql).subjectConstants, undefined, sql);
  }
});

test('INVARIANT: what PREPARE and DECLARE were given is in no record of EXECUTE and FETCH', () => {
  const one = new TestSession(() => null, { protection, subjects });
  const closedAfter = (...texts: readonly string[]): boolean | undefined =>
    texts.map((text) => one.plan(text)).at(-1)?.facts.subjects?.[0]?.isClosed;
  assert.equal(closedAfter('PREPARE a AS SELECT name FROM patients WHERE id = 17', 'EXECUTE a'), false);
  assert.equal(closedAfter('DECLARE a CURSOR FOR SELECT name FROM patients WHERE id = 17', 'FETCH a'), false);
  assert.equal(closedAfter('DECLARE b CURSOR FOR SELECT name FROM patients WHERE id = $1', 'FETCH b'), false);
  assert.equal(closedAfter('DECLARE c CURSOR FOR SELECT name, id FROM patients', 'FETCH c'), true);
  // Passing casts: 16.6 is 17 for an int.
  assert.equal(closedAfter('PREPARE b (int) AS SELECT name FROM patients WHERE id = $1', 'EXECUTE b (16.6)'), false);
  assert.equal(closedAfter('EXECUTE b (17)'), true);
  assert.equal(closedAfter('PREPARE c (float8) AS SELECT name FROM patients WHERE id = $1', 'EXECUTE c (17)'), false);
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

test('INVARIANT: a key in which different texts are equal closes nothing, nor does what refers to it', () => {
  const patients = catalogue.relation('public', 'patients')?.oid;
  const folding: typeof catalogue = {
    ...catalogue,
    restrictionsOn: (oid) =>
      catalogue.restrictionsOn(oid).map((each) => (each.kind === 'key' && each.relation === patients ? { ...each, folds: true } : each)),
  };
  const one = new TestSession(() => null, {
    protection,
    subjects: subjectColumns(folding, [{ name: 'patient', columns: ['public.patients.id'] }], protectOnly),
  });
  for (const sql of ['SELECT name FROM patients WHERE id = 17', 'SELECT kind, patient_id FROM visits']) {
    assert.equal(one.plan(sql).facts.subjects?.[0]?.isClosed, false, sql);
    assert.equal(closed(sql), true, sql);
  }
});
