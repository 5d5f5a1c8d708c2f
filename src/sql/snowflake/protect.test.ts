import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  catalogueOf,
  contextOf,
  EVERYTHING,
  parsers,
  relation,
  RELATIONS,
  RULES,
  said,
  walked,
} from '../../../test/support/snowflake-walk.ts';
import { protectSnowflake } from './protect.ts';
import type { SnowflakeRelation } from './types.ts';

function protect(...more: readonly SnowflakeRelation[]) {
  return protectSnowflake(catalogueOf([...RELATIONS, ...more]), RULES, parsers);
}

function view(columns: string, definition: string | null, kind: SnowflakeRelation['kind'] = 'view'): SnowflakeRelation {
  return relation('W', columns, kind, definition);
}

test('patterns name columns in one database or in all, whatever their case', () => {
  const { columns } = protectSnowflake(
    catalogueOf([relation('DB.S.T', 'A B'), relation('OTHER.S.T', 'A'), relation('DB.S.tt', 'A')]),
    [
      { class: 'x', pattern: 's.t.a' },
      { class: 'y', pattern: 'DB.S.T*.*' },
      { class: 'z', pattern: 's.t' },
    ],
    parsers,
  );
  assert.deepEqual(Object.fromEntries(columns), {
    'DB.S.T.A': ['x', 'y'],
    'DB.S.T.B': ['y'],
    'OTHER.S.T.A': ['x'],
    'DB.S.tt.A': ['y'],
  });
});

const VIEWS: readonly (readonly [string, string, Record<string, string[]>, readonly string[]])[] = [
  ['ID N', 'select id, name from patients', { N: ['phi.name'] }, ['N']],
  ['ID N', 'select id, upper(name) from patients', { N: ['phi.name'] }, []],
  ['ID N', 'select id, name || ssn from patients', { N: ['phi.name', 'phi.ssn'] }, []],
  ['ID S', 'select * from v_plain', { S: ['phi.ssn'] }, ['S']],
  ['ID L', 'select id, last4 from v_made', { L: ['phi.ssn'] }, []],
  ['S', 'select ssn from patients union all select ssn from visits', { S: ['phi.ssn'] }, ['S']],
  ['SSN', 'select code as x from visits', { SSN: ['phi.ssn'] }, ['SSN']],
  ['N', 'select count(*) from patients', {}, []],
];
for (const [columns, definition, classes, stored] of VIEWS) {
  test(`a view has the classes of what it shows: ${definition}`, () => {
    const found = protect(view(columns, definition));
    const own = [...found.columns]
      .filter(([name]) => name.startsWith('DB.PUBLIC.W.'))
      .map(([name, list]) => [name.slice(12), list] as const);
    assert.deepEqual(Object.fromEntries(own), classes);
    assert.deepEqual(
      [...(found.stored ?? [])].filter((name) => name.startsWith('DB.PUBLIC.W.') && classes[name.slice(12)]).map((name) => name.slice(12)),
      stored,
    );
    assert.equal(found.opaque.has('DB.PUBLIC.W'), false);
  });
}

const OPAQUE: readonly (readonly [string, string | null])[] = [
  ['ID', null],
  ['ID', 'select id from patients where ssn = note'],
  ['ID', "select id from patients where ssn = 'x'"],
  ['ID', "select id from patients where phone = 'x'"],
  ['S', 'select ssn from patients group by ssn'],
  ['ID', 'select id from patients order by name'],
  ['ID', 'select id from v_test'],
  ['ID', 'select id from w'],
  ['ID', 'select id from nowhere'],
  ['ID', 'select my_udf(id) from patients'],
  ['ID', 'select to_number(ssn) from patients'],
  ['ID', 'select id, name from patients'],
  ['A B C D E F G H I J', 'select * from patients'],
  ['ID', 'select id from'],
  ['ID', 'insert into visits (id) values (1)'],
];
for (const [columns, definition] of OPAQUE) {
  test(`a view that is not understood, or whose rows tell protected values, is opaque: ${definition}`, () => {
    assert.equal(protect(view(columns, definition)).opaque.has('DB.PUBLIC.W'), true);
  });
}

test('relations without a readable definition are opaque: streams, and external tables without columns', () => {
  assert.equal(protect(view('ID', null, 'stream')).opaque.has('DB.PUBLIC.W'), true);
  assert.equal(protect({ ...view('ID', null, 'external'), columns: null }).opaque.has('DB.PUBLIC.W'), true);
  assert.equal(protect(view('ID', null, 'external')).opaque.has('DB.PUBLIC.W'), false);
  assert.equal(protect(view('ID', 'select id from patients', 'dynamic')).opaque.has('DB.PUBLIC.W'), false);
});

test('views in a circle are opaque, and whatever reads them', () => {
  const found = protect(
    relation('A', 'ID', 'view', 'select id from b'),
    relation('B', 'ID', 'view', 'select id from a'),
    relation('C', 'ID', 'view', 'select id from b'),
  );
  assert.deepEqual([...found.opaque].sort(), ['DB.PUBLIC.A', 'DB.PUBLIC.B', 'DB.PUBLIC.C', 'DB.PUBLIC.V_TEST']);
});

test('names of a view are looked up where the view is', () => {
  const relations = [relation('OTHER.S.PATIENTS', 'NAME'), relation('OTHER.S.W', 'NAME', 'view', 'select name from patients')];
  const found = protectSnowflake(catalogueOf([...RELATIONS, ...relations]), RULES, parsers);
  assert.equal(found.columns.has('OTHER.S.W.NAME'), false);
  assert.equal(found.opaque.has('OTHER.S.W'), false);
});

test('an opaque view is read by who sees everything', () => {
  assert.match(said(walked('select * from v_test')), /^relation: DB.PUBLIC.V_TEST/);
  assert.equal(said(walked('select * from v_test', contextOf(EVERYTHING))), 'ID');
});

test('each view is walked once: hundreds on top of each other', () => {
  const tower = Array.from({ length: 300 }, (_, level) =>
    relation(
      `T${level}`,
      'A B',
      'view',
      level === 0 ? 'select id as a, ssn as b from patients' : `select x.a, y.b from t${level - 1} x, t${level - 1} y`,
    ),
  );
  let parsed = 0;
  const counting = { parse: (text: string) => ((parsed += 1), parsers.parse(text)) };
  const found = protectSnowflake(catalogueOf([...RELATIONS, ...tower.toReversed()]), RULES, counting);
  assert.deepEqual(found.columns.get('DB.PUBLIC.T299.B'), ['phi.ssn']);
  assert.ok(parsed <= 304);
});
