import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetColumn } from './queries.ts';
import { asPolicy, linesOf, originOf, proposalsOf } from './tree.ts';

const column = (schema: string, relation: string, name: string, classes: TargetColumn['classes'] = []): TargetColumn => ({
  schema,
  relation,
  relationKind: 'table',
  column: name,
  type: 'text',
  classes,
  shown: classes.length === 0 ? 'clear' : 'redact',
});
const ssn = { class: 'phi.ssn', origin: 'rule', pattern: 'public.*.ssn' } as const;

test('schema, relation and columns follow each other; the count of a schema is that of the whole catalogue', () => {
  const columns = [column('a', 'one', 'x'), column('a', 'one', 'y', [ssn]), column('a', 'two', 'x'), column('b', 'one', 'x')];
  const lines = linesOf(columns, [{ schema: 'a', columns: 900, protected: 7 }], new Set());
  assert.deepEqual(
    lines.map((line) => (line.kind === 'column' ? line.column.column : [line.kind, line.columns, line.protected].join(' '))),
    ['schema 900 7', 'relation 2 1', 'x', 'y', 'relation 1 0', 'x', 'schema 1 0', 'relation 1 0', 'x'],
  );
  assert.equal(new Set(lines.map(({ key }) => key)).size, lines.length);
});

test('the columns of a closed relation are left out, those of one of the same name elsewhere are not', () => {
  const columns = [column('a', 'one', 'x'), column('b', 'one', 'x')];
  const lines = linesOf(columns, [], new Set([JSON.stringify(['a', 'one'])]));
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ['schema', 'relation', 'schema', 'relation', 'column'],
  );
});

test('a name with dots is not mistaken for another', () => {
  const lines = linesOf([column('a.b', 'c', 'x'), column('a', 'b.c', 'x')], [], new Set());
  assert.equal(new Set(lines.map(({ key }) => key)).size, lines.length);
});

test('why a column has a class is said in words, and the pattern only where the API gave it', () => {
  assert.equal(originOf(column('a', 'b', 'c'), ssn), 'by public.*.ssn');
  assert.equal(originOf(column('a', 'b', 'c'), { ...ssn, pattern: null }), 'named by the policy');
  const closure = { class: 'phi.ssn', origin: 'closure', pattern: null } as const;
  assert.equal(originOf({ ...column('a', 'b', 'c'), relationKind: 'matview' }, closure), 'through the materialised view');
  assert.equal(originOf(column('a', 'b', 'c'), closure), 'holds values of a column that the policy names');
});

test('proposals of one target only, by relation, and as lines of a policy', () => {
  const all = [
    { column: 'clinic:public.people.email', class: 'phi.email' },
    { column: 'clinic:public.people.phone', class: 'phi.phone' },
    { column: 'clinic:billing.payers.email', class: 'phi.email' },
    { column: 'clinic-2:public.people.email', class: 'phi.email' },
  ];
  const own = proposalsOf('clinic', all);
  assert.deepEqual(
    [...own].map(([relation, of]) => [relation, ...of.map(({ name }) => name)]),
    [
      ['public.people', 'email', 'phone'],
      ['billing.payers', 'email'],
    ],
  );
  assert.equal(
    asPolicy([...own.values()].flat()),
    `  - class: phi.email
    columns: ["clinic:public.people.email", "clinic:billing.payers.email"]
  - class: phi.phone
    columns: ["clinic:public.people.phone"]`,
  );
});
