import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRevealing } from '../../core/mask.ts';
import { CONTEXT, contextOf, EVERYTHING, MASKS, parsers, relation, said, walked } from '../../../test/support/snowflake-walk.ts';
import type { PlanContext } from './types.ts';
import { walk } from './walk.ts';

const TOKEN = 'tok_phi.ssn';
const OPENED = "O'K\\";

test('facts of a query: what it reads, shows and tests', () => {
  const found = walked('select name from patients p join visits v on p.id = v.patient_id where clinic_id = 3 order by v.at_date limit 7');
  assert.deepEqual(found.effects, ['read']);
  assert.deepEqual(found.relations, [
    { name: 'DB.PUBLIC.PATIENTS', access: 'read' },
    { name: 'DB.PUBLIC.VISITS', access: 'read' },
  ]);
  assert.deepEqual(found.shown, ['DB.PUBLIC.PATIENTS.NAME']);
  assert.deepEqual(found.tested, [
    'DB.PUBLIC.PATIENTS.CLINIC_ID',
    'DB.PUBLIC.PATIENTS.ID',
    'DB.PUBLIC.VISITS.AT_DATE',
    'DB.PUBLIC.VISITS.PATIENT_ID',
  ]);
  assert.deepEqual(found.classes, ['phi.name']);
  assert.deepEqual([found.limit, found.unbounded, found.open], [7, false, []]);
  assert.equal(found.mayTell, true);
  assert.deepEqual(found.outputs, [
    {
      name: 'NAME',
      sources: ['DB.PUBLIC.PATIENTS.NAME'],
      classes: ['phi.name'],
      shape: 'value',
      mask: 'partial(1,0)',
      keyClass: null,
      subjectOutput: null,
    },
  ]);
});

test('predicates name the classes they test, held and clear ones, too', () => {
  assert.deepEqual(walked("select id from patients where phone like '5%' and email = 'a'").predicateClasses, ['phi.email', 'phi.phone']);
  assert.deepEqual(walked("select id from patients where name like 'A%'", contextOf(EVERYTHING)).predicateClasses, ['phi.name']);
});

test('a query is unbounded without a constant LIMIT or one value for all rows', () => {
  const open = (text: string): boolean => walked(text).unbounded;
  assert.equal(open('select id from patients'), true);
  assert.equal(open('select id from patients limit ?'), true);
  assert.equal(open('select id from patients limit 5'), false);
  assert.equal(open('select top 5 id from patients'), false);
  assert.equal(open('select id from patients fetch first 5 rows only'), false);
  assert.equal(open('select count(*) from patients'), false);
  assert.equal(open('select clinic_id, count(*) from patients group by 1'), true);
  assert.equal(open('select id from (select id from patients limit 5)'), false);
  assert.equal(open('select id from clinics'), false);
  assert.equal(open('select id from clinics union all select id from patients'), true);
  assert.equal(open('select array_agg(id) from patients'), true);
  assert.equal(open('select array_agg(id) from patients limit 1'), true);
  assert.equal(open('select (select max(p.id) from patients p where p.id = c.id) from clinics c'), false);
  assert.equal(open('select (select p.id from patients p where p.id = c.id) from clinics c'), true);
  assert.equal(open('select 1 from clinics order by count(*)'), false);
  assert.equal(open('select id from patients order by (select count(*) from clinics)'), true);
});

test('who sees every class in clear passes with any statement', () => {
  const context = contextOf(EVERYTHING);
  for (const text of [
    "select * from patients where name like 'A%' order by dob",
    'select name, sum(salary) from patients group by name having max(ssn) > 1',
    'select f.value from patients, lateral flatten(input => data) f',
    'select id from v_test',
    'insert into visits (code) select name from patients',
    'create view x as select * from patients where dob > current_date',
  ]) {
    assert.deepEqual(walked(text, context).unknowns, [], text);
  }
  assert.ok(walked('select * from patients', context).outputs?.every((each) => each.mask === 'clear'));
});

test('nobody is shown a value made from a protected one by more than a constant', () => {
  const all = walked('select upper(name), upper(ssn), year(dob), upper(email), data:a from patients').outputs ?? [];
  for (const each of all) assert.ok(compareRevealing(each.mask, 'redact') <= 0, JSON.stringify(each));
});

test('tokens are opened where the whole value is compared, and nowhere else', () => {
  const text = `select '${TOKEN}' as t from patients where ssn = '${TOKEN}' and note = '${TOKEN}'`;
  const { edits } = walked(text);
  assert.equal(edits.length, 1);
  const [edit] = edits;
  assert.ok(edit);
  assert.equal(text.slice(0, edit.start), `select '${TOKEN}' as t from patients where ssn = `);
  assert.equal(text.slice(edit.end), ` and note = '${TOKEN}'`);
  assert.equal(edit.text, "'O''K\\\\'");
});

test('places of tokens are counted over lines and characters of two units', () => {
  const text = `select '\u{1F600}', 'é'\n  from patients where '\u{1F600}' = note and ssn = '${TOKEN}'`;
  const [edit] = walked(text).edits;
  assert.ok(edit);
  assert.equal(text.slice(edit.start, edit.end), `'${TOKEN}'`);
});

test('tokens among binds are opened', () => {
  const text = 'select id from patients where note = ? and ssn = ?';
  const binds = [TOKEN, TOKEN].map((value) => ({ type: 'TEXT', value }));
  const found = walked(text, CONTEXT, binds);
  assert.deepEqual(found.unknowns, []);
  assert.deepEqual([...found.bindEdits], [[1, { type: 'TEXT', value: OPENED }]]);
  const many = walked('insert into visits (id, ssn) values (?, ?)', CONTEXT, [
    { type: 'FIXED', value: ['1', '2'] },
    { type: 'TEXT', value: [TOKEN, null] },
  ]);
  assert.deepEqual([...many.bindEdits], [[1, { type: 'TEXT', value: [OPENED, null] }]]);
  const numbered = walked('select id from patients where ssn = :1', CONTEXT, [{ type: 'TEXT', value: TOKEN }]);
  assert.deepEqual([...numbered.bindEdits.keys()], [0]);
});

test('a bind that stands in two places, or beside a ? in a text, is not opened', () => {
  const bind = { type: 'TEXT', value: TOKEN };
  for (const text of [
    'select :1 from patients where ssn = :1',
    "select '?' from patients where ssn = ?",
    'select id /* ? */ from patients where ssn = ?',
  ]) {
    const found = walked(text, CONTEXT, [bind, bind]);
    assert.deepEqual(
      found.unknowns.map((each) => each.code),
      ['token'],
      text,
    );
    assert.equal(found.bindEdits.size, 0);
  }
});

test('without binds a statement is only described: what would be compared is not known to be a token', () => {
  assert.equal(said(walked('select id from patients where ssn = ?')), 'protected-use: phi.ssn in WHERE');
});

test('tables that the session made are read; what is in them keeps its classes', () => {
  const made = walked('create temporary table mine as select id, note as n from patients').changes;
  const [change] = made;
  assert.ok(change?.kind === 'create');
  assert.deepEqual(
    change.relation.columns?.map((each) => [each.name, each.type, each.classes]),
    [
      ['ID', 'NUMBER', undefined],
      ['N', 'TEXT', undefined],
    ],
  );
  const own = (relationMade: typeof change.relation): PlanContext => ({
    ...CONTEXT,
    session: { ...CONTEXT.session, own: new Map([['DB.PUBLIC.MINE', relationMade]]) },
  });
  assert.equal(said(walked('select * from mine', own(change.relation))), 'ID N');
  const [seen] = walked('create temporary table mine as select id, name from patients', contextOf(EVERYTHING)).changes;
  assert.ok(seen?.kind === 'create');
  assert.equal(said(walked('select * from mine', own(seen.relation))), 'ID NAME=redact!');
  assert.deepEqual(
    walked('create table if not exists clinics (id int)').changes.map((each) => each.kind),
    [],
  );
});

test('results that are read again keep what is known of them', () => {
  const extra = new Map([['_1', { outputs: walked('select id, ssn as s, upper(name) as n from patients').outputs ?? [] }]]);
  const read = (text: string): string => {
    const parsed = parsers.parse(text);
    assert.ok('tree' in parsed);
    return said(walk(parsed.tree, { context: CONTEXT, text, binds: [], extra }));
  };
  assert.equal(read('select * from _1'), 'ID S=token N=redact!');
  assert.equal(read('select s as email, $3 from _1'), 'EMAIL=token ?=redact!');
  assert.equal(read("select id from _1 where n = 'ANN'"), 'protected-use: phi.name in WHERE');
});

test('names that Snowflake makes from text still mean what they are made from', () => {
  assert.equal(said(walked('select "UPPER(NAME)" from (select upper(name) from patients)')), 'UPPER(NAME)=redact!');
  assert.equal(said(walked('select "(NAME)", name from (select (name) from patients)')), '(NAME)=partial(1,0) NAME=partial(1,0)');
  assert.equal(said(walked('select x from (select upper(name) from patients)')), 'relation: column X');
});

test('what is too deep, too wide or too much is refused', () => {
  assert.match(said(walked(`select ${'1 + '.repeat(190)}1`)), /^too-deep/);
  let wide = 'with a0 as (select * from patients)';
  for (let level = 1; level < 14; level += 1) wide += `, a${level} as (select * from a${level - 1}, a${level - 1} b)`;
  assert.match(said(walked(`${wide} select 1 from a13`)), /^too-large/);
});

test('equal masks of two classes on one column: the least revealing one shows it', () => {
  const rules = [
    { class: 'a', pattern: 'public.t.x' },
    { class: 'b', pattern: '*.t.x' },
  ];
  const context = contextOf({ ...MASKS, byClass: { a: 'token', b: 'hash' } }, [relation('T', 'X')], rules);
  assert.deepEqual(
    walked('select x from t', context).outputs?.map((each) => [each.classes, each.mask, each.keyClass]),
    [[['a', 'b'], 'hash', 'b']],
  );
});
