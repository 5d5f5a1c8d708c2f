// What may be stored: constants, unprotected values, and nothing else.
// `?`: a column without a name of its own; `=` how it is shown; `!` made from protected values, so shown by a constant.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { said, walked } from '../../../test/support/snowflake-walk.ts';

const STATEMENTS: readonly (readonly [string, string])[] = [
  ["insert into visits (id, code) values (1, 'a'), (2, default)", 'done'],
  ["insert into visits values (1, 2, 'tok_phi.ssn', '2020-01-01', 3, 'c', null)", 'done'],
  ["insert into visits (ssn) values ('123-45-6789')", 'token: a plain value for DB.PUBLIC.VISITS.SSN, which shows tokens'],
  ["insert into visits (ssn) values ('tok_phi.other')", 'token: a text that is no token of phi.ssn'],
  ["insert into visits (code) values ('tok_phi.ssn')", 'done'],
  ["insert into visits (ssn) values (upper('tok_phi.ssn'))", 'token: a plain value for DB.PUBLIC.VISITS.SSN, which shows tokens'],
  ['insert into visits (code) values ((select ssn from patients limit 1))', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ['insert into visits (ssn) values ((select ssn from patients limit 1))', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ['insert into visits (id, code) select id, note from patients', 'done'],
  ['insert into visits (id, code) select id, name from patients', 'write-of-protected: phi.name into DB.PUBLIC.VISITS'],
  ['insert into visits (id, ssn) select id, ssn from patients', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ['insert into visits (id) select count(distinct ssn) from patients', 'done'],
  ['insert into visits (id) select count(ssn) from patients', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ["insert into visits (id) select id from patients where ssn = 'tok_phi.ssn'", 'done'],
  ["insert into visits (id) select id from patients where name = 'Ann'", 'protected-use: phi.name in WHERE'],
  ['insert into visits (id) select id from patients order by name limit 1', 'protected-use: phi.name in ORDER BY'],
  ['insert overwrite into visits (id) select id from patients', 'done'],
  ['insert into nowhere values (1)', 'relation: DB.PUBLIC.NOWHERE'],
  ['insert into visits (nothing) values (1)', 'relation: column DB.PUBLIC.VISITS.NOTHING'],
  ['insert into visits (id) with x as (select id from patients) select id from x', 'done'],
  ['insert all into visits (id) values (id) into clinics (id, city) values (id, note) select id, note, name from patients', 'done'],
  [
    'insert all into visits (id, code) values (id, name) select id, name from patients',
    'write-of-protected: phi.name into DB.PUBLIC.VISITS',
  ],
  ['insert all into clinics select id, note, name from patients', 'write-of-protected: phi.name into DB.PUBLIC.CLINICS'],
  [
    "insert first when name = 'Ann' then into visits (id) values (id) else into clinics (id) values (id) select id, name from patients",
    'protected-use: phi.name in WHEN',
  ],
  ['insert first when id > 5 then into visits (id) values (id) else into clinics (id) values (id) select id, name from patients', 'done'],
  ["update visits set code = 'x', amount = amount + 1 where id = 3", 'done'],
  ["update visits set ssn = 'tok_phi.ssn' where ssn = 'tok_phi.ssn'", 'done'],
  ["update visits set ssn = '123'", 'token: a plain value for DB.PUBLIC.VISITS.SSN, which shows tokens'],
  ['update visits set ssn = ssn', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ['update visits set code = ssn', 'write-of-protected: phi.ssn into DB.PUBLIC.VISITS'],
  ['update visits set ssn = code', 'token: a plain value for DB.PUBLIC.VISITS.SSN, which shows tokens'],
  ['update patients set note = name where id = 1', 'write-of-protected: phi.name into DB.PUBLIC.PATIENTS'],
  ["update patients set note = 'x' where name = 'Ann'", 'protected-use: phi.name in WHERE'],
  ['update patients p set note = v.code from visits v where v.ssn = p.ssn', 'done'],
  ['update visits v set code = p.name from patients p where p.id = v.patient_id', 'write-of-protected: phi.name into DB.PUBLIC.VISITS'],
  ['update visits set nothing = 1', 'relation: column DB.PUBLIC.VISITS.NOTHING'],
  ['update visits set code = (select max(name) from patients)', 'write-of-protected: phi.name into DB.PUBLIC.VISITS'],
  ['update visits set id = (select count(*) from patients)', 'done'],
  ['delete from visits', 'done'],
  ["delete from visits where ssn = 'tok_phi.ssn'", 'done'],
  ["delete from patients where name like 'A%'", 'protected-use: phi.name in WHERE'],
  ['delete from visits using patients p where p.id = visits.patient_id and p.ssn = visits.ssn', 'done'],
  ['delete from visits using patients p where p.name = visits.code', 'protected-use: phi.name in WHERE'],
  [
    'merge into visits v using patients p on v.patient_id = p.id when matched then update set v.code = p.note when not matched then insert (id, code) values (p.id, p.note)',
    'done',
  ],
  ['merge into visits v using patients p on v.ssn = p.ssn when matched then delete', 'done'],
  ['merge into visits v using patients p on v.code = p.name when matched then delete', 'protected-use: phi.name in ON'],
  ["merge into visits v using patients p on v.id = p.id when matched and p.name = 'Ann' then delete", 'protected-use: phi.name in WHEN'],
  [
    'merge into visits v using patients p on v.id = p.id when matched then update set v.code = p.name',
    'write-of-protected: phi.name into DB.PUBLIC.VISITS',
  ],
  [
    'merge into visits v using patients p on v.id = p.id when not matched then insert (code) values (p.name)',
    'write-of-protected: phi.name into DB.PUBLIC.VISITS',
  ],
  ["merge into visits v using patients p on v.id = p.id when not matched then insert (ssn) values ('tok_phi.ssn')", 'done'],
  ['merge into visits v using (select id, name from patients) p on v.id = p.id when matched then update set v.amount = 1', 'done'],
  ['create table x as select id, clinic_id from patients', 'done'],
  [
    'create table x as select * from patients',
    'write-of-protected: phi.name into DB.PUBLIC.X; write-of-protected: phi.ssn into DB.PUBLIC.X; write-of-protected: phi.dob into DB.PUBLIC.X; write-of-protected: phi.salary into DB.PUBLIC.X; write-of-protected: phi.data into DB.PUBLIC.X; write-of-protected: phi.email into DB.PUBLIC.X; write-of-protected: phi.phone into DB.PUBLIC.X',
  ],
  ['create table x as select left(name, 1) as n from patients', 'write-of-protected: phi.name into DB.PUBLIC.X'],
  ['create table x as select name from patients where 1 = 0', 'write-of-protected: phi.name into DB.PUBLIC.X'],
  ["create table x as select id from patients where email = 'a'", 'done'],
  ["create temporary table x (a int, b varchar default 'x')", 'done'],
  ['create table x (a int) as select id from patients', 'done'],
  ['create table x like patients', 'done'],
  ['create table x clone visits', 'write-of-protected: phi.ssn into DB.PUBLIC.X'],
  ['create table x clone clinics', 'done'],
  ['create table x clone clinics at (offset => -60)', 'done'],
  [
    'create table x clone patients at (offset => -60)',
    'write-of-protected: phi.name into DB.PUBLIC.X; write-of-protected: phi.ssn into DB.PUBLIC.X; write-of-protected: phi.dob into DB.PUBLIC.X; write-of-protected: phi.salary into DB.PUBLIC.X; write-of-protected: phi.data into DB.PUBLIC.X; write-of-protected: phi.email into DB.PUBLIC.X; write-of-protected: phi.phone into DB.PUBLIC.X; node-kind: CLONE of another time',
  ],
  ['create or replace table patients (id int)', 'write-of-protected: DB.PUBLIC.PATIENTS'],
  ['create or replace table clinics (id int)', 'done'],
  ['create table if not exists clinics (id int)', 'done'],
  ["create dynamic table d target_lag = '1 minute' warehouse = w as select id from patients", 'done'],
  [
    "create dynamic table d target_lag = '1 minute' warehouse = w as select name from patients",
    'write-of-protected: phi.name into DB.PUBLIC.D',
  ],
  ['create view v as select id from patients', 'done'],
  ['create view v as select name from patients', 'write-of-protected: phi.name into DB.PUBLIC.V'],
  [
    "create view v as select id from patients where name = 'Ann'",
    'protected-use: phi.name in WHERE; write-of-protected: phi.name in a view',
  ],
  ["create view v as select id from patients where ssn = 'tok_phi.ssn'", 'write-of-protected: phi.ssn in a view'],
  ["create view v as select id from patients where email = 'a'", 'write-of-protected: phi.email in a view'],
  [
    'create view v as select ssn from patients group by ssn',
    'write-of-protected: phi.ssn into DB.PUBLIC.V; write-of-protected: phi.ssn in a view',
  ],
  ['create materialized view v as select id from patients', 'done'],
  ['create temporary view v as select id from patients', 'done'],
  ['create view v (a, b) as select id, note from patients', 'done'],
  ['create view v as select my_udf(id) as x from patients', 'function: MY_UDF'],
  ['create table x (a int default (select max(salary) from patients))', 'write-of-protected: phi.salary into a default'],
  ['create external table x (a int)', 'node-kind: CREATE EXTERNAL TABLE'],
  ['create table x (a int with masking policy p)', 'node-kind: column option Policy'],
  ['truncate table visits', 'node-kind: Truncate'],
  ['drop table visits', 'node-kind: Drop'],
];

for (const [statement, expected] of STATEMENTS) {
  test(`write: ${statement}`, () => {
    assert.equal(said(walked(statement)), expected);
  });
}
