import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue, parser } from '../../../test/support/plan.ts';
import { testTokens } from '../../../test/support/tokens.ts';
import type { MaskSet } from '../../core/decision.ts';
import type { NoSample } from '../../core/preview.ts';
import { lineage } from '../../sql/lineage.ts';
import { plan } from '../../sql/plan.ts';
import { protect } from '../../sql/protection.ts';
import { Planner } from './planner.ts';
import { planSample, SAMPLE_MASKS, sampleOf, type SamplePlan, textParameters } from './preview-sample-plan.ts';
import { LiveObjects } from './session-objects.ts';

const planner = new Planner({
  engine: { plan, protect: (of, rules, safe, by, bound) => protect(of, rules, by, lineage, safe, bound) },
  parser,
  policy: () => ({
    version: '1',
    classRules: ['mrn', 'name', 'ssn', 'dob'].map((column) => ({ class: `phi.${column}`, pattern: `public.patients.${column}` })),
    safeFunctions: new Set(),
  }),
  catalogue: () => catalogue,
  searchPath: ['public'],
  tokens: testTokens,
  maxCachedTexts: 100,
});
const clear: MaskSet = { id: 'clear', byClass: { 'phi.mrn': 'clear', 'phi.name': 'clear', 'phi.ssn': 'clear', 'phi.dob': 'clear' } };

function planned(sql: string, masks: MaskSet = clear): SamplePlan | NoSample {
  const asked = planner.plan(sql, masks, new LiveObjects());
  assert.notEqual(asked.plan.forward, null, `${sql}: ${JSON.stringify(asked.plan.facts.unknowns)}`);
  const written = asked.plan.facts.relations.filter(({ access }) => access === 'write').map(({ name }) => name);
  return planSample(
    asked,
    catalogue.relations.filter(({ qualified }) => written.includes(qualified)),
    { parser, protection: planner.protection(), plan: (text) => planner.plan(text, SAMPLE_MASKS, new LiveObjects()) },
  );
}

function sampled(sql: string): SamplePlan {
  const found = planned(sql);
  return typeof found === 'string' ? assert.fail(`${sql}: ${found}`) : found;
}

test('the write answers the key and nothing else, whatever it returned before', () => {
  for (const [sql, sent] of [
    [
      "UPDATE scratch SET v = 'x' WHERE n = 1",
      /^UPDATE public\.scratch SET v = 'x' WHERE n = 1 RETURNING scratch\.id$|^UPDATE scratch SET v = 'x' WHERE n = 1 RETURNING scratch\.id$/,
    ],
    ['UPDATE scratch AS "S s" SET v = \'x\' RETURNING v, n + 1; -- done', /RETURNING "S s"\.id$/],
    ['DELETE FROM scratch s USING clinics c WHERE c.id = s.n RETURNING *', /USING .*clinics.* RETURNING s\.id$/],
    ['WITH c AS (SELECT id FROM clinics) DELETE FROM scratch WHERE n IN (SELECT id FROM c)', /^WITH .* RETURNING scratch\.id$/],
  ] as const) {
    const { write, finder, keyLength } = sampled(sql);
    assert.match(write, sent);
    assert.deepEqual([finder, keyLength], [null, 1]);
  }
});

test('no text of a sample names a protected column, and rows are found by their key', () => {
  const { columns, read, write } = sampled("UPDATE ONLY patients SET sex = 'x' WHERE clinic_id = 3");
  const masked = columns.filter(({ shown }) => shown === 'masked').map(({ name }) => name);
  assert.deepEqual(masked, ['mrn', 'name', 'ssn', 'dob']);
  assert.deepEqual(columns.slice(0, 2), [
    { name: 'id', type: 'integer', classes: [], shown: 'value', isKey: true, isAssigned: false },
    { name: 'sex', type: 'text', classes: [], shown: 'value', isKey: false, isAssigned: true },
  ]);
  assert.match(write, /RETURNING /);
  const text = read(2) ?? assert.fail();
  const [, outside = ''] = text.split(/FROM \(.*\) AS /);
  assert.match(`${text.slice(0, text.indexOf(' FROM '))}${outside}`, /\bid = \$1.* OR .*id = \$2/);
  assert.doesNotMatch(`${text.slice(0, text.indexOf(' FROM '))}${outside}`, /\b(mrn|name|ssn|dob)\b/);
});

test('a key that is protected, or changed, tells no rows apart', () => {
  const changed = sampled('UPDATE scratch SET id = id + 1, v = NULL WHERE n = 1');
  assert.deepEqual([changed.keyLength, changed.isDelete], [1, false]);
  assert.match(changed.finder ?? '', /SET id = scratch\.id WHERE n = 1 RETURNING scratch\.id$/);
  // A table that inherits from it may have the same keys again.
  const keyless = sampled("UPDATE patients SET sex = 'x'");
  assert.equal(keyless.keyLength, 0);
  const cells = /RETURNING (patients\.sex|.*left\(.*patients\.sex.*257\)), patients\.id, patients\.clinic_id$/;
  assert.match(keyless.write, cells);
  assert.match(keyless.finder ?? '', cells);
  assert.match(keyless.finder ?? '', /SET sex = patients\.sex RETURNING/);
});

test('REFUSES: what protected values choose, or store elsewhere; what is not one UPDATE or DELETE of one table', () => {
  for (const [sql, reason] of [
    ["DELETE FROM patients WHERE ssn = '1'", 'protected'],
    ['UPDATE patients SET sex = name WHERE id = 1', 'protected'],
    ['UPDATE scratch s SET v = p.ssn FROM patients p WHERE p.id = s.id', 'protected'],
    ["DELETE FROM scratch s USING patients p WHERE p.id = s.id AND p.dob > '2000-01-01'", 'protected'],
    ['DELETE FROM scratch WHERE n = (SELECT count(*) FROM patients WHERE dob IS NULL)', 'protected'],
    ["INSERT INTO scratch VALUES (1, 'k', 'v', 1)", 'statement'],
    ['DELETE FROM scratch; DELETE FROM scratch', 'statement'],
    ['WITH d AS (DELETE FROM scratch WHERE id = 1 RETURNING n) DELETE FROM scratch WHERE id IN (SELECT n FROM d)', 'statement'],
    ['WITH d AS (DELETE FROM scratch RETURNING n) DELETE FROM encounters WHERE id IN (SELECT n FROM d)', 'statement'],
  ] as const) {
    assert.equal(planned(sql), reason, sql);
  }
});

test('rows before and after are paired by key; what is masked and what is too long is never passed on', () => {
  const plan_ = sampled("UPDATE ONLY patients SET sex = 'x' WHERE clinic_id = 3");
  const open = plan_.columns.filter(({ shown }) => shown !== 'masked').length;
  const row = (id: string, sex: string | null): (string | null)[] => [id, id, sex, ...Array.from({ length: open - 2 }, () => 'c')];
  const { rows, isPaired } = sampleOf(plan_, [row('1', null), row('2', 'é'.repeat(300))], [row('2', 'b'), row('1', 'a'), row('9', 'z')]);
  assert.ok(isPaired);
  assert.deepEqual(
    rows.map(({ before, after }) => [before?.[0], before?.[1], after?.[0], after?.[1]]),
    [
      ['1', null, '1', 'a'],
      ['2', `${'é'.repeat(128)}…`, '2', 'b'],
    ],
  );
  assert.deepEqual(
    plan_.columns.flatMap(({ shown }, at) => (shown === 'masked' ? [rows[0]?.before?.[at], rows[0]?.after?.[at]] : [])),
    Array.from({ length: 8 }, () => '***'),
  );
  assert.deepEqual(sampleOf({ ...plan_, isDelete: true }, [row('1', 'a')], null).rows[0]?.after, null);
});

test('a value that is cut in the midst of a character loses that character', () => {
  const plan_ = sampled("UPDATE scratch SET v = 'x'");
  const at = plan_.columns.findIndex(({ name }) => name === 'v');
  const cells = plan_.columns.map(({ name }) => (name === 'v' ? `a${'é'.repeat(200)}` : '1'));
  assert.equal(sampleOf(plan_, [['1', ...cells]], null).rows[0]?.before?.[at], `a${'é'.repeat(127)}…`);
});

test('parameters are what Bind takes', () => {
  assert.deepEqual(Buffer.from(textParameters(['é', null, ''])).toString('hex'), '0000000300000002c3a9ffffffff00000000');
});
