import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MaskSet } from '../../core/decision.ts';
import { plan } from '../../sql/plan.ts';
import { catalogue, parser, protection } from '../../../test/support/plan.ts';
import { Planner } from './planner.ts';
import { LiveObjects } from './session-objects.ts';
import { testTokens } from '../../../test/support/tokens.ts';

const masks: MaskSet = {
  id: 'm1',
  byClass: { 'phi.mrn': 'redact', 'phi.name': 'redact', 'phi.ssn': 'redact', 'phi.dob': 'year', 'phi.reason': 'redact' },
};

function newPlanner(): Planner {
  return new Planner({
    engine: { plan, protect: () => protection },
    parser,
    policy: () => ({ version: 'p1', classRules: [], safeFunctions: new Set() }),
    catalogue: () => catalogue,
    searchPath: ['public'],
    tokens: testTokens,
    maxCachedTexts: 100,
  });
}

function planned(planner: Planner, text: string): unknown {
  const { plan: made, text: own, textBytes, messages } = planner.plan(text, masks, new LiveObjects());
  return { ...made, own, bytes: Buffer.from(textBytes).toString(), messages };
}

/** `?` and `$` stand for an integer and a string that differ from text to text. */
const templates = [
  'SELECT id, region FROM clinics WHERE id = ?',
  'SELECT id, ssn FROM patients WHERE id = ?',
  'SELECT p.id FROM patients p JOIN clinics c ON c.id = p.clinic_id WHERE c.region = $ AND p.id BETWEEN ? AND ?',
  'SELECT sex, count(*) FROM patients WHERE clinic_id IN (?, ?, ?) GROUP BY 1 ORDER BY 2 DESC',
  'SELECT id FROM patients WHERE ssn LIKE $ OR name = $',
  'SELECT id, ssn FROM patients WHERE id = ? LIMIT ?',
  'SELECT id + ? AS next, ssn FROM patients WHERE id > ?',
  'INSERT INTO scratch (id, k) VALUES (?, $), (?, $)',
  'UPDATE scratch SET k = $, n = ? WHERE id = ?',
  'DELETE FROM scratch WHERE id = ?',
  'UPDATE scratch SET n = n + -? WHERE id = - ?',
  'WITH q AS (SELECT id FROM patients WHERE clinic_id = ?) SELECT count(*) FROM q WHERE id < ?',
  'SELECT d.who FROM directory d WHERE d.id = ? -- a comment',
  'SELECT leak(?)',
  'SELECT nothing FROM nowhere WHERE id = ?',
  'SELECT id FROM encounters WHERE cost > ? AND reason <> $ ORDER BY cost OFFSET ?',
];

function fill(template: string, seed: number): string {
  let at = 0;
  return template.replaceAll(/[?$]/g, (mark) => {
    at += 1;
    const value = (seed * 7919 + at * 104_729) % 900_000;
    return mark === '?' ? String(value) : `'v ${value}'`;
  });
}

test('INVARIANT: a plan found by shape is the plan that planning the text anew would give', () => {
  const planner = newPlanner();
  for (let seed = 0; seed < 4; seed += 1) {
    for (const template of templates) {
      const text = fill(template, seed);
      assert.deepEqual(planned(planner, text), planned(newPlanner(), text), text);
    }
  }
  const { shapes, misses } = planner.cacheStats;
  assert.ok(shapes >= 2 * 10, `${shapes} by shape, ${misses} planned`);
});

test('a shape is proven when it comes the second time, and found from then on', () => {
  const planner = newPlanner();
  for (const id of [1, 2, 3, 4]) planned(planner, `SELECT id, ssn FROM patients WHERE id = ${id}`);
  assert.deepEqual(planner.cacheStats, { texts: 0, shapes: 2, misses: 2 });
});

test('literals that mean something keep texts apart: a LIMIT, an ordinal', () => {
  const planner = newPlanner();
  const limits = [10, 11, 12, 10, 11].map(
    (limit) => planner.plan(`SELECT ssn FROM patients WHERE sex = 'f' LIMIT ${limit}`, masks, new LiveObjects()).plan.facts.limit,
  );
  assert.deepEqual(limits, [10, 11, 12, 10, 11]);
});

test('a text that could be mistaken for a stand-in is planned on its own', () => {
  const planner = newPlanner();
  for (const id of [1_900_000_000, 1_900_000_001, 5]) {
    const text = `SELECT id FROM patients WHERE id = 5 AND clinic_id < ${id} AND name = 'sallyport stand-in 0.'`;
    assert.deepEqual(planned(planner, text), planned(newPlanner(), text));
  }
});

test('a plan under one mask set is not found under another', () => {
  const planner = newPlanner();
  const clear: MaskSet = { id: 'm2', byClass: { ...masks.byClass, 'phi.ssn': 'clear' } };
  const text = (id: number): string => `SELECT ssn FROM patients WHERE id = ${id}`;
  for (const id of [1, 2, 3]) planner.plan(text(id), masks, new LiveObjects());
  const shown = planner.plan(text(4), clear, new LiveObjects());
  assert.notEqual(shown.plan.forward, planner.plan(text(4), masks, new LiveObjects()).plan.forward);
});

test('a repeated text is found by itself, and texts beyond the limit are forgotten oldest first', () => {
  const planner = newPlanner();
  const text = (index: number): string => `SELECT region AS r${index} FROM clinics`;
  for (let index = 0; index < 150; index += 1) planned(planner, text(index));
  const before = planner.cacheStats.misses;
  planned(planner, text(149));
  planned(planner, text(0));
  assert.equal(planner.cacheStats.misses, before + 1);
});
