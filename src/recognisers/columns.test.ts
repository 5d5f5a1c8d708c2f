import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CORPUS, HELD_OUT, type LabelledColumn } from '../../test/support/recogniser-corpus.ts';
import { evidenceText, judgeColumn, type Proposal } from './index.ts';

interface Scores {
  readonly precision: number;
  readonly recall: number;
  /** Of those found. */
  readonly classes: number;
}

function scores(columns: readonly LabelledColumn[]): Scores {
  const judged = columns.map((column) => ({ label: column.label, proposed: judgeColumn(column)?.class ?? null }));
  const found = judged.filter(({ label, proposed }) => label !== null && proposed !== null);
  return {
    precision: found.length / judged.filter(({ proposed }) => proposed !== null).length,
    recall: found.length / judged.filter(({ label }) => label !== null).length,
    classes: found.filter(({ label, proposed }) => label === proposed).length / found.length,
  };
}

const column = (change: Partial<LabelledColumn>): Proposal | null =>
  judgeColumn({ relation: 'misc', name: 'x', kind: 'text', values: null, ...change });
const many = (value: string, count = 20): string[] => Array.from({ length: count }, () => value);

test('labelled columns of known schemas: few are missed, few are proposed in vain', () => {
  const all = scores(CORPUS);
  assert.ok(all.precision >= 0.98 && all.recall >= 0.97 && all.classes >= 0.98, JSON.stringify(all));
  const byName = scores(CORPUS.map((each) => ({ ...each, values: null })));
  assert.ok(byName.precision >= 0.95 && byName.recall >= 0.85, JSON.stringify(byName));
  const byContent = scores(CORPUS.map((each) => ({ ...each, relation: 'relation', name: 'x' })));
  assert.ok(byContent.precision >= 0.98 && byContent.recall >= 0.35, JSON.stringify(byContent));
});

test('columns that the table was not made for', () => {
  const unseen = scores(HELD_OUT);
  assert.ok(unseen.precision >= 0.95 && unseen.recall >= 0.75, JSON.stringify(unseen));
});

test('evidence is counts and words, never a value', () => {
  const values = [...many('123-45-6789', 187), ...many('n/a', 13)];
  const found = column({ name: 'pt_ssn_nbr', values });
  assert.deepEqual(found, { class: 'phi.ssn', name: 'ssn', content: { kind: 'ssn', matched: 187, of: 200 } });
  assert.equal(evidenceText(found), 'its name says "ssn"; 187 of 200 sampled values look like ssn');
  assert.doesNotMatch(evidenceText(found), /123/);
});

test('values that never look like it speak against the name; a small sample proves nothing', () => {
  assert.equal(column({ name: 'ssn', values: many('see other system') }), null);
  assert.equal(column({ name: 'ssn', values: many('x', 9) })?.class, 'phi.ssn');
  assert.equal(column({ name: 'x', values: many('123-45-6789', 9) }), null);
  assert.equal(column({ name: 'x', values: many('123-45-6789', 10) })?.class, 'phi.ssn');
});

test('content alone has to be in most values, and sure', () => {
  const mixed = (matching: number): string[] => [...many('a@example.org', matching), ...many('-', 100 - matching)];
  assert.equal(column({ values: mixed(60) })?.class, 'phi.email');
  assert.equal(column({ values: mixed(59) }), null);
  // With a name that says so, less will do.
  assert.equal(column({ name: 'contact_mail_addr', values: mixed(30) })?.content?.matched, 30);
  assert.equal(column({ values: many('02139') }), null, 'five digits may be anything');
  assert.equal(column({ values: many('02139-4307') })?.class, 'phi.zip');
});

test('names are read in every spelling, and only as whole words', () => {
  for (const name of ['ssn', 'SSN', 'PtSSN', 'pt_ssn', 'patientSsn', 'SSN_ID', 'soc sec', 'socialSecurityNumber'])
    assert.equal(column({ name })?.class, 'phi.ssn', name);
  for (const name of ['lesson', 'assn', 'cessna', 'ssnx']) assert.equal(column({ name }), null, name);
});

test('vague names need a relation about persons, or values that are surely it', () => {
  assert.equal(column({ name: 'name' }), null);
  assert.equal(column({ relation: 'patients', name: 'name' })?.class, 'phi.name');
  assert.equal(column({ relation: 'products', name: 'name', values: many('Maria Garcia') })?.class, 'phi.name');
  assert.equal(column({ relation: 'products', name: 'name', values: many('Cardiology') }), null);
});

test('columns of a type that cannot hold it are not proposed', () => {
  assert.equal(column({ name: 'email', kind: 'date' }), null);
  assert.equal(column({ name: 'birth_date', kind: 'date' })?.class, 'phi.birth-date');
  assert.equal(column({ name: 'photo', relation: 'patients', kind: 'binary' })?.class, 'phi.photo');
});
