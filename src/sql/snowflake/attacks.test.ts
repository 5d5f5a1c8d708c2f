// What a reviewer tried: statements whose names, places, constants or times mean another thing to Snowflake than they seem to. Each got
// something of a protected value once, or could have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planSnowflake } from './plan.ts';
import { type Asked, brief, contextOf, parsers, planOf } from './testing.ts';
import type { PlanContext, SnowflakeColumn, SnowflakeRelation } from './types.ts';

const masks = { 'phi.ssn': 'token' } as const;
const token = [{ type: 'TEXT', value: 'tok_x_1' }];

const column = (name: string): SnowflakeColumn => ({ name, type: 'TEXT', isNullable: true });
const own = (name: string, ...columns: readonly string[]): SnowflakeRelation => ({
  database: 'OTHER',
  schema: 'PUBLIC',
  name,
  kind: 'table',
  columns: columns.map(column),
  definition: null,
});
const IN_OTHER = { session: { database: 'OTHER', own: new Map([['OTHER.PUBLIC.THINGS', own('THINGS', 'SSN')]]) } };
const IN_OTHER_OWN = { session: { database: 'OTHER', own: new Map([['OTHER.PUBLIC.PATIENTS', own('PATIENTS', 'LABEL')]]) } };

const CASES: readonly (readonly [string, string, Asked?])[] = [
  // A quoted "$2" is a name; a bare one a place.
  ['select t."$2" from (select ssn as "$2", id as x from patients) t', 'SELECT read CLINIC.PUBLIC.PATIENTS:r > ?:redact'],
  ['select t.$2 from (select id as x, ssn as y from patients) t', 'SELECT read CLINIC.PUBLIC.PATIENTS:r > ?:token'],
  // A star names columns like aliases do.
  ['select * rename (ssn as id, id as ssn) from patients order by id', 'protected-use: phi.ssn in ORDER BY'],
  ['select * replace (name as id) from patients order by id', 'protected-use: phi.name in ORDER BY'],
  [
    'select p.* replace (name as id) from patients p qualify id > 1',
    'protected-use: phi.name in a comparison | protected-use: phi.name in QUALIFY',
  ],
  // Places in brackets, and places that only Snowflake knows.
  ['select name, count(*) from patients group by (1)', 'protected-use: phi.name in GROUP BY'],
  ['select id, name from patients order by ((2))', 'protected-use: phi.name in ORDER BY'],
  ['select id, name from patients order by +2', 'protected-use: phi.name in ORDER BY'],
  ['select id, name from patients order by ?', 'protected-use: phi.name in ORDER BY', { binds: [{ type: 'FIXED', value: '2' }] }],
  ['select id, name from patients order by $v', 'protected-use: phi.name in ORDER BY', { session: { variables: new Map([['V', '2']]) } }],
  ['select name from patients group by ?', 'protected-use: phi.name in GROUP BY', { binds: [{ type: 'FIXED', value: '1' }] }],
  ['select id, name from patients order by 1 + 1', 'protected-use: phi.name in ORDER BY'],
  ["select id, name from patients order by '2'::int", 'protected-use: phi.name in ORDER BY'],
  ['select name, count(*) from patients group by 1.0', 'protected-use: phi.name in GROUP BY'],
  // A token is shown for texts alone: of a date it would be a constant, and groups would tell more.
  ['select born, count(*) from patients group by born', 'protected-use: phi.born in GROUP BY', { masks: { 'phi.born': 'token' } }],
  ['select count(distinct born) from patients', 'SELECT read CLINIC.PUBLIC.PATIENTS:r > ?:redact', { masks: { 'phi.born': 'hash' } }],
  // The table, or what WITH made around it.
  [
    'with patients as (select id as ssn from clinics) select ssn from (with patients as (select ssn from patients) select * from patients)',
    'node-kind: WITH: PATIENTS is made around it, too',
  ],
  // DEFAULT in quotes is a column.
  [
    'update clinics set city = "DEFAULT" from (select ssn as "DEFAULT", id as pid from patients) p where p.pid = clinics.id',
    'write-of-protected: phi.ssn into CLINIC.PUBLIC.CLINICS',
  ],
  [
    'merge into clinics c using (select ssn as "DEFAULT", id as i from patients) p on p.i = c.id when matched then update set city = "DEFAULT"',
    'write-of-protected: phi.ssn into CLINIC.PUBLIC.CLINICS',
  ],
  // Where a date part may stand, some functions take numbers and texts of columns.
  ['select trunc(1234.5678, s) from (select ssn as s from patients)', 'protected-use: phi.ssn in TRUNC'],
  ['select next_day(current_date(), d) from (select name as d from patients)', 'protected-use: phi.name in NEXT_DAY'],
  ['select dateadd("D", 1, current_date()) from (select name as d from patients)', 'protected-use: phi.name in DATEADD'],
  // The label of a column without a name is its text: tokens are opened in it.
  ["select (select count(*) from patients where ssn = 'tok_x_1')", 'token: a token in a column without a name'],
  ["select * from (select exists (select 1 from patients where ssn = 'tok_x_1'))", 'token: a token in a column without a name'],
  [
    "create table t as select (select count(*) from patients where ssn = 'tok_x_1') from clinics",
    'token: a token in a column without a name',
  ],
  // Every statement of a request has all binds.
  ['select id from patients where ssn = :1; select :1', 'token: a token bound in one of several statements', { binds: token }],
  ['select id from patients where ssn = :1 ->> select :1', 'token: a token bound in one of several statements', { binds: token }],
  // A view looks names up in its own schema.
  ['create view archive.v2 as select id, city from clinics', 'relation: CLINICS'],
  ['create view other.public.v2 as select id, city from public.clinics', 'relation: PUBLIC.CLINICS'],
  // A view keeps its text: variables are those of whoever reads it, then.
  [
    "set v = 'clinics'; create temporary view x as select id, city from identifier($v); set v = 'patients'; select id from x",
    'session-object: a session variable or result in a view | relation: CLINIC.PUBLIC.X',
  ],
  [
    'create view x as select $v as a',
    'session-object: a session variable or result in a view',
    { session: { variables: new Map([['V', '2']]) } },
  ],
  ['create view x as select * from table(result_scan(last_query_id()))', 'session-object: a session variable or result in a view'],
  // What IF NOT EXISTS found is not what the statement says: a stream, or a table of a database that is not read.
  [
    'create table if not exists hidden.public.patients (id int, ssn text); select ssn from hidden.public.patients',
    'relation: HIDDEN.PUBLIC.PATIENTS',
  ],
  ['create view if not exists v as select id from clinics; select id from v', 'relation: CLINIC.PUBLIC.V'],
  ['create temporary table if not exists clinics (id int)', 'session-object: a temporary table with the name of another relation'],
  ['create temporary table if not exists mine (id int)', 'session-object: a temporary table that may be there already'],
  ['create temporary view clinics as select 1 as id', 'session-object: a temporary table with the name of another relation'],
  ['create table "A.B" (id int)', 'node-kind: a new name with a dot in it'],
  // A column that is gone is still in the table's past.
  ['alter table patients drop column ssn', 'write-of-protected: dropping a protected column'],
  ['alter table patients drop column if exists notes, name', 'write-of-protected: dropping a protected column'],
  // Of relations that a request has changed, the catalogue says nothing any more: the name may mean one of PUBLIC, or an older table.
  ['drop table clinics; select city from clinics', 'relation: CLINIC.PUBLIC.CLINICS'],
  ['alter table clinics rename to c2; undrop table clinics; select city from clinics', 'relation: CLINIC.PUBLIC.CLINICS'],
  ['undrop table clinics; select $1 from clinics', 'relation: CLINIC.PUBLIC.CLINICS'],
  ['drop schema archive; select id from archive.patients', 'relation: CLINIC.ARCHIVE.PATIENTS'],
  ['alter table patients add column z int; create or replace table patients (id int)', 'write-of-protected: CLINIC.PUBLIC.PATIENTS'],
  // Functions that Snowflake does not have could be anybody's; a backslash in ILIKE is read in two ways.
  ['select case_(city) from clinics', 'function: CASE_'],
  [String.raw`select * ilike '\\_sn' from patients`, 'node-kind: * ILIKE with a backslash'],
  // Names that the policy protects, in whatever database: values put there would be shown as tokens, and be compared with everybody's.
  ["create table other.public.patients as select '123' as ssn", 'token: values under a name that is of phi.ssn'],
  ["create view other.public.patients as select '123' as ssn", 'token: values under a name that is of phi.ssn'],
  ["create table other.public.patients (id int, ssn text default '123')", 'token: values under a name that is of phi.ssn'],
  [
    "create table other.public.patients (id int, ssn text); insert into other.public.patients values (1, '123')",
    'relation: OTHER.PUBLIC.PATIENTS',
  ],
  ['alter table things rename to other.public.patients', 'token: values under a name that is of phi.ssn', IN_OTHER],
  ['alter table patients rename column label to ssn', 'token: values under a name that is of phi.ssn', IN_OTHER_OWN],
  ["alter table patients add column ssn text default '123'", 'token: values under a name that is of phi.ssn', IN_OTHER_OWN],
];

for (const [text, expected, asked = {}] of CASES) {
  test(text, () => assert.equal(brief(planOf(text, { masks, statements: 0, ...asked })), expected));
}

const USUAL: readonly string[] = [
  'select * rename (city as town) from clinics order by town',
  'select * replace (upper(city) as city) from clinics order by city',
  'select city, count(*) from clinics group by (1) order by (2)',
  'select trunc(cost, 2), trunc(at, month), last_day(at, year), dateadd(day, 1, at) from visits',
  'create view archive.v2 as select id, city from clinic.public.clinics',
  'create view clinic.archive.v2 as select id, city from public.clinics',
  'create table t2 (id int); insert into t2 select id from clinics; select * from t2',
  'create or replace temporary table t2 (id int); select id from t2; drop table t2',
  'create table if not exists clinics (id int); select city from clinics',
  'select * from (select * from clinics at(offset => -60))',
  'alter table patients drop column notes',
  'create table other.public.patients (id int, ssn text)',
  'create table other.public.people as select id, label as ssn from other.public.things',
  "create temporary table other.public.patients (ssn text); insert into other.public.patients values ('1'); select ssn from other.public.patients",
  'alter table clinics rename to places',
  "alter table clinics add column zip text default '0'",
  "select count(*) as n from patients where ssn = 'tok_x_1'",
  "select (select count(*) from patients where ssn = 'tok_x_1') as n",
];

for (const text of USUAL) {
  test(`still runs: ${text}`, () => assert.deepEqual(planOf(text, { masks, statements: 0 }).facts.unknowns, []));
}

test('of another time a table may have had columns that it has lost: nothing but names and the outermost star shows it', () => {
  const context: PlanContext = {
    ...contextOf({ masks }),
    rules: [{ class: 'phi.ssn', pattern: 'public.clinics.gone' }],
  };
  const said = (text: string): string => brief(planSnowflake({ text, binds: [], statements: 1 }, context, parsers));
  const refused = 'node-kind: * of columns in an order that is not certain';
  assert.equal(said('create table c as select * from clinics at(offset => -60)'), refused);
  assert.equal(said('select x.$2 from (select * from clinics at(offset => -60)) x'), refused);
  assert.equal(said('select a from clinics at(offset => -60) as c (a, b)'), refused);
  assert.equal(said('select * from clinics at(offset => -60) natural join visits'), refused);
  assert.match(said('select $3 from clinics at(offset => -60)'), /> \?:redact$/);
  assert.match(said('select object_construct(*) from clinics at(offset => -60)'), /^protected-use|:redact$/);
  assert.match(said('select hash(*) from clinics at(offset => -60)'), /^protected-use|:redact$/);
  assert.match(said('select * from clinics at(offset => -60) pivot(max(city) for id in (1)) p'), /^(?:protected-use|node-kind)/);
  assert.match(said('select * from clinics at(offset => -60)'), /> ID, CITY$/, 'names and number are compared with the answer');
  assert.match(said('create table c as select id, city from clinics at(offset => -60)'), /^CREATE TABLE/);
});
