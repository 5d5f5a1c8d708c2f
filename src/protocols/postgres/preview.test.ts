import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PreviewPass } from '../../core/preview.ts';
import { createParser } from '../../sql/parser.ts';
import { plannedRows } from './preview.ts';
import { firstReason, lockQuery, usesOf } from './preview-safety.ts';

const parser = await createParser();

function usesOfText(text: string) {
  const parsed = parser.parse(text);
  assert.ok(parsed.ok, text);
  return usesOf(parsed.tree);
}

test('functions and operators are found wherever they are called', () => {
  const { functions, operators } = usesOfText(
    `WITH d AS (DELETE FROM a WHERE x OPERATOR(public.@@@) 1 RETURNING pg_catalog.nextval('s')) UPDATE b SET n = (SELECT max(f(y)) FROM d ORDER BY g(1) USING <)
     FROM LATERAL h(2) WHERE b.n = ANY (SELECT k(3)) RETURNING coalesce(l(4), 0)`,
  );
  assert.deepEqual([...functions].toSorted(), ['f', 'g', 'h', 'k', 'l', 'max', 'nextval']);
  assert.ok(operators.has('@@@') && operators.has('<') && operators.has('='));
});

test('a default is stored by INSERT and by SET ... = DEFAULT only', () => {
  assert.ok(usesOfText('INSERT INTO a VALUES (1)').storesDefaults);
  assert.ok(usesOfText('WITH i AS (INSERT INTO a VALUES (1) RETURNING 1) DELETE FROM b').storesDefaults);
  assert.ok(usesOfText('UPDATE a SET b = DEFAULT').storesDefaults);
  assert.ok(!usesOfText('UPDATE a SET b = 1').storesDefaults);
});

test('names are quoted', () => {
  assert.equal(
    lockQuery([{ schema: 'S', name: 'a"; DROP TABLE b; --' }]),
    'LOCK TABLE "S"."a""; DROP TABLE b; --" IN ROW EXCLUSIVE MODE NOWAIT',
  );
});

test('a reason that is not known is a reason', () => {
  assert.equal(firstReason([]), null);
  assert.equal(firstReason([['trigger'], ['default']]), 'trigger');
  assert.equal(firstReason([['something new']]), 'code');
  assert.equal(firstReason([[null]]), 'code');
});

test('the estimate of a write is what it is given; what is no plan is unknown', () => {
  const plan = (node: object): string => JSON.stringify([{ Plan: node }]);
  assert.equal(plannedRows(plan({ 'Node Type': 'Seq Scan', 'Plan Rows': 12 })), 12);
  const write = {
    'Node Type': 'ModifyTable',
    'Plan Rows': 0,
    Plans: [
      { 'Node Type': 'CTE Scan', 'Parent Relationship': 'InitPlan', 'Plan Rows': 900 },
      { 'Node Type': 'Seq Scan', 'Parent Relationship': 'Outer', 'Plan Rows': 5 },
    ],
  };
  assert.equal(plannedRows(plan(write)), 5);
  for (const none of ['', '[]', 'null', '{', '[{}]', '{"Plan": 1}']) assert.equal(plannedRows(none), null, none);
});

test('a pass is minted, never made', () => {
  assert.ok(PreviewPass.isGenuine(PreviewPass.mint()));
  assert.ok(!PreviewPass.isGenuine(Object.create(PreviewPass.prototype) as PreviewPass));
  assert.throws(() => new (PreviewPass as unknown as new (mark: symbol) => PreviewPass)(Symbol('minted')));
});
