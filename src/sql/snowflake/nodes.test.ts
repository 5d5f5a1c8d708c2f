import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTEXT, parsers } from '../../../test/support/snowflake-walk.ts';
import { node, Refusal, tagged } from './nodes.ts';
import { walk } from './walk.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error.unknown.what;
    throw error;
  }
  return 'nothing';
}

test('a field that no table names is refused, even when it is empty', () => {
  assert.equal(
    refusal(() => node({ expr: {}, subquery: {}, negated: false, hint: null }, 'InSubquery')),
    'InSubquery.hint',
  );
});

test('a field that nobody reads is refused unless it is empty', () => {
  const query = { with: null, body: {}, order_by: null, limit_clause: null, fetch: null };
  assert.equal(
    refusal(() => node({ ...query, locks: [] }, 'Query')),
    'nothing',
  );
  assert.equal(
    refusal(() => node({ ...query, locks: [{}] }, 'Query')),
    'Query.locks',
  );
});

test('what is no node, and what has two tags, is refused', () => {
  assert.equal(
    refusal(() => node('x', 'Query')),
    'Query',
  );
  assert.equal(
    refusal(() => node([], 'Query')),
    'Query',
  );
  assert.equal(
    refusal(() => tagged({ Identifier: {}, Value: {} }, 'expression')),
    'expression',
  );
  assert.equal(
    refusal(() => tagged({}, 'expression')),
    'expression',
  );
  assert.equal(
    refusal(() => tagged(7, 'expression')),
    'expression',
  );
});

const TEXT =
  "with c as (select a.id, upper(a.note) as n from patients a join visits v on a.id = v.patient_id where a.id in (1, 2) and v.code like 'x%' group by 1, 2 having count(*) > 1 qualify row_number() over (partition by a.id order by a.id) = 1) select * exclude (n), case when id > 1 then 1 else 0 end from c order by 1 limit 3";

/** Every object of a tree, with the path to it. */
function* objects(value: unknown, path: readonly string[] = []): Generator<readonly [Record<string, unknown>, readonly string[]]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [value as Record<string, unknown>, path];
  for (const [key, each] of Object.entries(value)) yield* objects(each, [...path, key]);
}

test('something new anywhere in a tree is refused', () => {
  const parsed = parsers.parse(TEXT);
  assert.ok('tree' in parsed);
  const tree: unknown = JSON.parse(JSON.stringify(parsed.tree));
  const run = (): readonly string[] =>
    walk(tree, { context: CONTEXT, text: TEXT, binds: [], extra: new Map() }).unknowns.map((each) => each.code);
  assert.deepEqual(run(), []);
  // Places in the text, tokens of the parser, and options of ORDER BY say nothing of what is read.
  const isSkipped = (path: readonly string[]): boolean =>
    path.some((key) => key === 'span' || key.endsWith('_token') || key === 'options') || path.at(-1) === 'data_type';
  for (const [object, path] of objects(tree)) {
    if (isSkipped(path)) continue;
    object['something_new'] = true;
    const found = run();
    delete object['something_new'];
    assert.deepEqual([...new Set(found)], ['node-kind'], path.join('.'));
  }
});
