// What a request is beyond one statement: their number, binds and tokens, results that are read again, what later statements see.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, CLINIC, planOf } from './testing.ts';
import type { Bind, PlannedOutput, SessionResult, SnowflakeRelation } from './types.ts';

const ID = '01b2c3d4-0000-1111-2222-333344445555';

function output(name: string, column: string | null): PlannedOutput {
  const classes = column === null ? [] : ['phi.ssn'];
  const sources = column === null ? [] : [column];
  return { name, sources, classes, shape: 'value', mask: column === null ? 'clear' : 'redact', keyClass: null, subjectOutput: null };
}

const RESULTS: Readonly<Record<string, SessionResult>> = {
  [ID]: { queryId: ID, outputs: [output('ID', null), output('X', 'CLINIC.PUBLIC.PATIENTS.SSN')] },
  provisional: { queryId: ID, outputs: [output('ID', null)] },
  shown: { queryId: '01b2c3d4-ffff-1111-2222-333344445555', outputs: null },
};
const again = { session: { result: (id: string) => RESULTS[id], lastQueryId: ID } };

test('dates of a class move together unless the policy names whose they are', () => {
  const shiftOf = (hasSubject: boolean): unknown => {
    const asked = { masks: { 'phi.born': 'date-shift' }, withSubject: hasSubject ? ['phi.born'] : [] } as const;
    return planOf('select born, upper(born::varchar) from patients', asked).statements[0]?.outputs?.map((each) => [
      each.mask,
      each.subjectOutput,
    ]);
  };
  assert.deepEqual(shiftOf(false), [
    ['date-shift', 'class'],
    ['redact', null],
  ]);
  assert.deepEqual(shiftOf(true), [
    ['date-shift', null],
    ['redact', null],
  ]);
});

test('THREAT no plain value is stored where tokens or digests would tell who else has it', () => {
  const told = (text: string, mask: 'token' | 'hash' | 'redact', binds: readonly Bind[] = []): string =>
    brief(planOf(text, { masks: { 'phi.ssn': mask }, binds }));
  const plain = /a plain value for CLINIC\.PUBLIC\.PATIENTS\.SSN/;
  for (const text of [
    "insert into patients (id, ssn) values (1, '123-45-6789')",
    "insert into patients (id, ssn) values (1, upper('x'))",
    "insert into patients (id, ssn) select 1, '123-45-6789'",
    'insert into patients (id, ssn) select id, city from clinics',
    "update patients set ssn = '123-45-6789' where id = 1",
    "merge into patients p using clinics c on p.id = c.id when matched then update set ssn = '1'",
    "merge into patients p using clinics c on p.id = c.id when not matched then insert (id, ssn) values (1, '1')",
  ]) {
    assert.match(told(text, 'token'), plain, text);
    assert.match(told(text, 'hash'), plain, text);
    assert.doesNotMatch(told(text, 'redact'), plain, text);
  }
  assert.match(told('insert into patients (id, ssn) values (1, ?)', 'token', [{ type: 'TEXT', value: ['tok_x_1', '2'] }]), plain);
  assert.doesNotMatch(told('insert into patients (id, ssn) values (1, ?)', 'token', [{ type: 'TEXT', value: ['tok_x_1', null] }]), plain);
  assert.doesNotMatch(told("insert into patients (id, ssn) values (1, 'tok_x_1'), (2, null)", 'token'), plain);
  assert.match(told("insert into patients (id, ssn) values (1, 'tok_x_1')", 'hash'), plain);
});

test('a request has as many statements as it said, one when it said nothing', () => {
  assert.equal(brief(planOf('select 1; select 2')), 'statement-kind: another number of statements than asked for');
  assert.equal(brief(planOf('select 1; select 2', { statements: 3 })), 'statement-kind: another number of statements than asked for');
  assert.equal(brief(planOf('select 1; select 2', { statements: 2 })), 'SELECT; SELECT > ?; ?');
  assert.equal(brief(planOf('select 1; select 2', { statements: 0 })), 'SELECT; SELECT > ?; ?');
  assert.equal(brief(planOf('select 1;  ; -- nothing more\n')), 'SELECT > ?');
  for (const text of ['', ' ', ';', '-- a', '/* a */;']) assert.equal(brief(planOf(text)), 'statement-kind: a text without a statement');
});

test('facts of several statements are put together; one that is refused refuses all', () => {
  const { facts, forward } = planOf("insert into clinics values (1, 'x'); select name from patients; drop table visits", { statements: 3 });
  assert.deepEqual(facts.verbs, ['INSERT', 'SELECT', 'DROP TABLE']);
  assert.deepEqual(facts.effects, ['read', 'write', 'ddl']);
  assert.deepEqual(facts.outputClasses, ['phi.name']);
  assert.equal(facts.unbounded, true);
  assert.ok(forward !== null);
  const refused = planOf('select 1; select ssn from patients order by ssn; select 2', { statements: 3 });
  assert.equal(refused.forward, null);
  assert.deepEqual(refused.statements, []);
});

test('results are read again with their classes, by the id that Snowflake knows', () => {
  const plan = planOf(`select x, id from table(result_scan('${ID}'))`, again);
  assert.equal(brief(plan), 'SELECT > X:redact, ID');
  const provisional = planOf("select * from table(result_scan('provisional')) r", again);
  assert.equal(provisional.forward?.text, `select * from table(result_scan('${ID}')) r`);
  assert.equal(brief(planOf(`select * from table(result_scan('${ID}')) where x = '1'`, again)), 'protected-use: phi.ssn in WHERE');
  assert.equal(
    brief(planOf("select * from table(result_scan('00000000-0000-0000-0000-000000000000'))", again)),
    'relation: a result of RESULT_SCAN',
  );
});

test('LAST_QUERY_ID() is written into the text; which one it is within a request is not certain', () => {
  for (const text of ['last_query_id()', 'last_query_id(-1)', 'LAST_QUERY_ID ( /* x */ )']) {
    assert.equal(planOf(`select * from table(result_scan(${text}))`, again).forward?.text, `select * from table(result_scan('${ID}'))`);
  }
  assert.equal(planOf('describe result last_query_id()', again).forward?.text, `describe result '${ID}'`);
  const later = planOf('select 1; select * from table(result_scan(last_query_id()))', { ...again, statements: 2 });
  assert.equal(brief(later), 'relation: a result of RESULT_SCAN');
  for (const text of ['last_query_id(1)', 'last_query_id(-2)', "'a' || 'b'", '?', 'f()']) {
    assert.equal(brief(planOf(`select * from table(result_scan(${text}))`, again)), 'relation: a result of RESULT_SCAN');
  }
});

test('results of SHOW pass as they are, and stand beside nothing else', () => {
  assert.equal(brief(planOf('select "name", count(*) from table(result_scan(\'shown\')) group by 1', again)), 'SELECT > -');
  assert.equal(
    brief(planOf(`select * from table(result_scan('shown')) a, table(result_scan('${ID}')) b`, again)),
    'relation: a result of SHOW beside other relations',
  );
  assert.equal(
    brief(planOf('select "name" from table(result_scan(\'shown\')) union all select id from patients', again)),
    'relation: a result of SHOW beside other relations',
  );
});

test('stages of ->> read those before them, with their classes', () => {
  assert.equal(
    brief(planOf('select id, ssn x from patients ->> select upper(city) u from clinics ->> select a.x, b.u from $2 a join $1 b on true')),
    'SELECT ->> SELECT ->> SELECT read CLINIC.PUBLIC.CLINICS:r CLINIC.PUBLIC.PATIENTS:r > X:redact, U',
  );
  assert.equal(brief(planOf('select 1 a ->> select * from $2')), 'relation: a result of ->> that is not there');
  assert.equal(brief(planOf('select * from $1')), 'syntax: syntax');
  assert.equal(brief(planOf('select 1 a ->> select _1 from $1')), 'relation: a name that stands for a result');
});

test('names in variables are those that SET gave them', () => {
  const known = { session: { variables: new Map([['T', 'clinic.public."PATIENTS"']]) } };
  assert.equal(brief(planOf('select id from identifier($t) limit 1', known)), 'SELECT read CLINIC.PUBLIC.PATIENTS:r > ID');
  assert.equal(planOf('select id from identifier($t) limit 1', known).forward?.text, 'select id from identifier($t) limit 1');
  assert.equal(brief(planOf('select ssn from identifier($t) order by 1', known)), 'protected-use: phi.ssn in ORDER BY');
  assert.equal(
    brief(planOf("set t = 'clinics'; unset t; select * from identifier($t)", { statements: 0 })),
    'relation: IDENTIFIER of a name that is not known',
  );
  assert.equal(
    brief(planOf('set t = (select max(city) from clinics); select * from identifier($t)', { statements: 0, ...known })),
    'relation: IDENTIFIER of a name that is not known',
  );
  const { statements } = planOf("set (a, b) = ('x', -1.5)");
  assert.deepEqual(statements[0]?.changes, [
    { kind: 'variable', name: 'A', value: 'x' },
    { kind: 'variable', name: 'B', value: '-1.5' },
  ]);
});

test('after USE of another place names must be complete, also where a table of the same name is there', () => {
  for (const use of ['use schema archive', 'use database other', 'use other', 'create schema s9', 'create or replace database d9']) {
    assert.equal(brief(planOf(`${use}; select id from patients`, { statements: 2 })), 'relation: PATIENTS', use);
    assert.ok(planOf(`${use}; select id from clinic.archive.patients`, { statements: 2 }).forward !== null, use);
  }
  assert.ok(planOf('use warehouse w; select id from patients', { statements: 2 }).forward !== null);
  assert.equal(brief(planOf('select id from patients', { session: { schema: null } })), 'relation: PATIENTS');
});

const tokens = { masks: { 'phi.ssn': 'token' as const } };

test('tokens are opened in the forwarded text, and nothing else of it changes', () => {
  const text = "select id /* 'tok_x_1' */ from patients -- é\n where ssn = 'tok_x_OQHara'  and clinic_id = 1";
  const plan = planOf(text, tokens);
  assert.equal(plan.forward?.text, "select id /* 'tok_x_1' */ from patients -- é\n where ssn = 'O''Hara'  and clinic_id = 1");
  assert.deepEqual(plan.facts.predicateClasses, ['phi.ssn']);
  assert.equal(
    planOf("select id from identifier('patients') where ssn in ('tok_x_1', 'tok_x_22')", tokens).forward?.text,
    "select id from identifier('patients') where ssn in ('1', '22')",
  );
  const several = planOf("select 'é😀'; select id from patients where ssn = 'tok_x_1'; select 3", { ...tokens, statements: 3 });
  assert.equal(several.forward?.text, "select 'é😀'; select id from patients where ssn = '1'; select 3");
  assert.equal(planOf("select id from patients where ssn = 'tok_bad'", tokens).forward, null);
});

test('an opened value cannot end its constant', () => {
  const plan = planOf("select id from patients where ssn = 'tok_x_aBQ or 1=1 --'", tokens);
  assert.equal(plan.forward?.text, String.raw`select id from patients where ssn = 'a\\'' or 1=1 --'`);
  assert.equal(brief(planOf(String.raw`select id from patients where ssn = 'tok_x_a\' or 1=1 --'`, tokens)).split(':')[0], 'token');
});

test('tokens among binds are opened at their places, over several statements', () => {
  const binds = [
    { type: 'FIXED', value: '1' },
    { type: 'TEXT', value: 'tok_x_9' },
  ];
  const plan = planOf('select id from clinics where id = ?; select id from patients where ssn = ?', { ...tokens, binds, statements: 2 });
  assert.deepEqual(plan.forward?.binds, [binds[0], { type: 'TEXT', value: '9' }]);
  assert.equal(plan.facts.unknowns.length, 0);
  const numbered = planOf('select id from patients where clinic_id = :1 and ssn = :2', { ...tokens, binds });
  assert.deepEqual(numbered.forward?.binds, [binds[0], { type: 'TEXT', value: '9' }]);
});

test('EXPLAIN shows constants: not those that tokens stand for, by text or by bind', () => {
  assert.equal(brief(planOf("explain insert into patients (ssn) values ('tok_x_1')", tokens)), 'token: EXPLAIN of a statement with tokens');
  const binds = [{ type: 'TEXT', value: 'tok_x_1' }];
  assert.equal(
    brief(planOf('explain insert into patients (ssn) values (?)', { ...tokens, binds })),
    'token: EXPLAIN of a statement with tokens',
  );
  const tested = 'protected-use: EXPLAIN of a statement that tests a protected column';
  assert.equal(brief(planOf('explain select count(*) from patients group by ssn', tokens)), tested);
});

test('who sees every class in clear runs the same statements', () => {
  const masks = { 'phi.ssn': 'clear', 'phi.name': 'clear', 'phi.born': 'clear' } as const;
  for (const text of [
    "select id from patients where ssn = '1' order by name",
    'create table z as select ssn from patients',
    "explain select id from patients where ssn = '1'",
    'set x = (select max(ssn) from patients)',
  ]) {
    const plan = planOf(text, { masks });
    assert.equal(plan.forward?.text, text, brief(plan));
  }
});

test('tables of the session are known to later statements and requests', () => {
  const plan = planOf("create temp table mine (a int, b text); insert into mine values (1, 'x'); select * from mine", { statements: 3 });
  assert.equal(brief(plan), 'CREATE TABLE; INSERT; SELECT read write ddl CLINIC.PUBLIC.MINE:r CLINIC.PUBLIC.MINE:w > -; -; A, B');
  const change = plan.statements[0]?.changes.find(({ kind }) => kind === 'create');
  assert.ok(change?.kind === 'create');
  const relation: SnowflakeRelation = change.relation;
  const own = { session: { own: new Map([['CLINIC.PUBLIC.MINE', relation]]) } };
  assert.equal(brief(planOf('select * from mine', own)), 'SELECT read CLINIC.PUBLIC.MINE:r > A, B');
  assert.deepEqual(planOf('drop table mine', own).statements[0]?.changes, [
    { kind: 'drop', name: 'CLINIC.PUBLIC.MINE' },
    { kind: 'catalogue' },
  ]);
  assert.equal(brief(planOf('drop table mine; select * from mine', { ...own, statements: 2 })), 'relation: CLINIC.PUBLIC.MINE');
  assert.equal(
    brief(planOf('alter table mine add column c int; select * from mine', { ...own, statements: 2 })),
    'ALTER TABLE; SELECT read ddl CLINIC.PUBLIC.MINE:r CLINIC.PUBLIC.MINE:w > -; A, B, C',
  );
});

test('what the text is for people: constants, comments and names of the writer are gone', () => {
  const { facts } = planOf(
    'SELECT name AS secret_970789909, \'x\' FROM patients p -- 970-78-9909\n WHERE id = 970789909 AND "970" = $v970 LIMIT 5',
  );
  assert.equal(facts.normalised, 'SELECT name AS _1, ? FROM patients p WHERE id = ? AND "?" = $? LIMIT ?');
  assert.equal(planOf("select 'a").facts.normalised, null);
  const one = planOf('select id from clinics where id in (1, 2)').facts.fingerprint;
  assert.equal(planOf('SELECT  ID FROM clinics /* x */ where id IN (7,8,9)').facts.fingerprint, one);
  assert.notEqual(planOf('select id from visits where id in (1, 2)').facts.fingerprint, one);
});

test('a text that is too long is refused unread', () => {
  assert.match(brief(planOf(`select '${'a'.repeat(2_000_000)}'`)), /^too-large/);
});

test('the catalogue of these tests has what they name', () => {
  assert.equal(CLINIC.relation('CLINIC', 'PUBLIC', 'PATIENTS')?.columns?.length, 6);
});
