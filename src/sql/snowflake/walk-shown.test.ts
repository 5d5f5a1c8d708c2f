// What answers are made from and how they are shown: a value by the mask of its class, anything made from one by a constant.
// `?`: a column without a name of its own; `=` how it is shown; `!` made from protected values, so shown by a constant.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { said, walked } from '../../../test/support/snowflake-walk.ts';

const STATEMENTS: readonly (readonly [string, string])[] = [
  ['select * from patients', 'ID NAME=partial(1,0) SSN=token DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact'],
  [
    'select p.* from patients p, visits v',
    'ID NAME=partial(1,0) SSN=token DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact',
  ],
  ['select ssn, name, upper(name) as u, id from patients limit 5', 'SSN=token NAME=partial(1,0) U=redact! ID'],
  ['select name || ssn from patients', '?=redact!'],
  [
    'select substr(ssn, 1, 3), left(ssn, 3), right(ssn, 4), trim(ssn), length(ssn) from patients',
    '?=redact! ?=redact! ?=redact! ?=redact! ?=redact!',
  ],
  ["select coalesce(name, 'x'), nvl(ssn, name), nullif(name, 'Ann') from patients", '?=redact! ?=redact! ?=redact!'],
  ['select case when ssn is null then 0 else 1 end from patients', '?=redact!'],
  ["select case name when 'Ann' then 'a' else 'b' end from patients", '?=redact!'],
  ["select iff(ssn = '1', 'a', null) from patients", '?=redact!'],
  [
    "select ssn = '1', name like 'A%', name in ('a', 'b'), name between 'a' and 'b' from patients",
    '?=redact! ?=redact! ?=redact! ?=redact!',
  ],
  ['select md5(ssn), sha2(ssn) from patients', '?=redact! ?=redact!'],
  ['select hash(ssn) from patients', '?=redact!'],
  ['select hash(*) from patients', '?=redact!'],
  ['select object_construct(*) from patients', '?=redact!'],
  ["select object_construct('a', ssn, 'b', id) from patients", '?=redact!'],
  ['select array_construct(ssn, name) from patients', '?=redact!'],
  ["select {'a': ssn} from patients", '?=redact!'],
  ['select [ssn] from patients', '?=redact!'],
  [
    "select data, data:a.b[0].c, data['x'], data:a::string, get(data, 'a') from patients",
    'DATA=redact ?=redact! ?=redact! ?=redact! ?=redact!',
  ],
  [
    'select dob, dob::varchar, year(dob), extract(month from dob), dob::timestamp_ntz from patients',
    'DOB=redact ?=redact! ?=redact! ?=redact! ?=redact!',
  ],
  ['select try_cast(ssn as number), try_to_number(ssn) from patients', '?=redact! ?=redact!'],
  [
    'select count(*), count(id), count(ssn), count(distinct ssn), count(distinct name), count(distinct id) from patients',
    '? ? ?=redact! ? ?=redact! ?',
  ],
  ['select min(ssn), max(name) from patients', '?=redact! ?=redact!'],
  ['select any_value(ssn) from patients', '?=token'],
  ['select first_value(ssn) over (partition by clinic_id order by id) from patients', '?=token'],
  [
    "select lag(name) over (order by id), lag(name, 2) over (order by id), lag(name, 1, 'x') over (order by id) from patients",
    '?=partial(1,0) ?=partial(1,0) ?=redact!',
  ],
  ['select lag(name ignore nulls) over (order by id) from patients', 'protected-use: phi.name in LAG'],
  ['select (select max(v.code) from visits v where v.patient_id = p.id) from patients p', '?'],
  ['select (select ssn from patients limit 1)', '?=token'],
  ['select (select name from patients p where p.id = v.patient_id) as n from visits v', 'N=partial(1,0)'],
  ['select x.n from (select name as n from patients) x', 'N=partial(1,0)'],
  ['with c as (select ssn as s from patients) select s from c', 'S=token'],
  ['with c(a, b) as (select id, ssn from patients) select b, a from c', 'B=token A'],
  ['select a.b from (select ssn, id from patients) as a(b, c)', 'B=token'],
  ['select ssn from patients union all select ssn from visits', 'SSN=token'],
  ['select ssn from patients union all select null', 'SSN=token'],
  ["select ssn from patients union all select 'x'", 'SSN=redact!'],
  ['select ssn from patients union all select name from patients', 'SSN=redact!'],
  ['select id, ssn from patients union all select id, code from visits', 'ID SSN=redact!'],
  ['select ssn as x, id from patients union all by name select id, ssn as x from visits', 'X=token ID'],
  ['select ssn from patients union select ssn from visits', 'SSN=token'],
  [
    'select * exclude ssn from patients',
    'ID NAME=partial(1,0) DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact',
  ],
  [
    'select * exclude (ssn, name) rename (id as x, dob as y) from patients',
    'X Y=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact',
  ],
  [
    'select * replace (upper(ssn) as ssn) from patients',
    'ID NAME=partial(1,0) SSN=redact! DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact',
  ],
  ['select * replace (code as ssn) from visits', 'ID PATIENT_ID SSN AT_DATE AMOUNT CODE TAGS'],
  ["select * ilike '%S%' from patients", 'SSN=token SALARY=redact'],
  ['select * exclude nothing from patients', 'relation: column NOTHING'],
  ['select $1, $3 from patients', '? ?=token'],
  ['select t.$3 from patients t', '?=token'],
  ['select p.ssn, v.ssn from patients p join visits v on p.id = v.patient_id', 'SSN=token SSN=token'],
  ['select ssn from patients p join visits v on p.id = v.patient_id', 'SSN=token'],
  [
    'select * from patients p join clinics c using (id)',
    'ID NAME=partial(1,0) SSN=token DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact CITY NAME',
  ],
  ['select id, * from clinics natural join visits', 'ID ID CITY NAME PATIENT_ID SSN=token AT_DATE AMOUNT CODE TAGS'],
  ['select upper(ssn) as ssn, ssn as t from patients', 'SSN=redact! T=redact!'],
  ['select id as ssn, ssn as t from patients', 'SSN T=redact!'],
  ['select ssn as a, a as b, upper(b) as c from patients', 'A=token B=token C=redact!'],
  ['select id as code, code from visits', 'CODE CODE'],
  ["select collate(name, 'en') from patients", 'protected-use: phi.name in COLLATE'],
  ['select vouched(ssn), db.public.vouched(ssn) from patients', '?=redact! ?=redact!'],
  ['select s from v_plain', 'S=token'],
  ['select upper(s) from v_plain', '?=redact!'],
  ['select last4 from v_made', 'LAST4=redact!'],
  ['select * from v_plain', 'ID S=token'],
  ['select n from v_fails', 'N'],
  ['select p.name, n.name from patients p, other.patients n', 'NAME=partial(1,0) NAME'],
  ['select name from db.other.patients', 'NAME'],
  ['select "NAME" from "DB"."PUBLIC"."PATIENTS"', 'NAME=partial(1,0)'],
  ['select Patients.Name from Patients', 'NAME=partial(1,0)'],
  ['select db.public.patients.name from db.public.patients', 'NAME=partial(1,0)'],
  ['select public.patients.name from patients', 'NAME=partial(1,0)'],
  ["values (1, 'a')", 'COLUMN1 COLUMN2'],
  ["select column2 from values (1, 'a')", 'COLUMN2'],
  ["select v.x from (values (1, 'a')) as v(x, y)", 'X'],
  ['select t.value:a::string from visits, lateral flatten(input => visits.tags) t', '?'],
  ["select f.* from visits v, table(flatten(v.tags, 'a')) f", 'SEQ KEY PATH INDEX VALUE THIS'],
  ["select s.value from visits, lateral split_to_table(visits.code, ',') s", 'VALUE'],
  ['select seq4(), uniform(1, 10, random()) from table(generator(rowcount => 10))', '? ?'],
  ['select id from patients at(offset => -60)', 'ID'],
  [
    "select * from patients before(statement => '01b')",
    'ID NAME=partial(1,0) SSN=token DOB=redact CLINIC_ID NOTE SALARY=redact DATA=redact EMAIL=hash PHONE=redact',
  ],
  ['select id from patients sample (10)', 'ID'],
  ['select id from patients qualify row_number() over (partition by clinic_id order by id) = 1', 'ID'],
  ['select clinic_id, count(*) from patients group by 1 order by 2 desc limit 10', 'CLINIC_ID ?'],
  ['select clinic_id, count(*) as n from patients group by all having n > 3 order by all', 'CLINIC_ID N'],
  ['select clinic_id, grouping(clinic_id) from patients group by rollup(clinic_id)', 'CLINIC_ID ?'],
  ['select sum(amount) over (partition by patient_id order by at_date rows between 1 preceding and current row) from visits', '?'],
  [
    "select approx_count_distinct(id), median(amount), stddev(amount), listagg(code, ',') within group (order by at_date) from visits, clinics",
    '? ? ? ?',
  ],
  [
    "select dateadd(day, 1, at_date), date_trunc('month', at_date), datediff(year, at_date, current_date), last_day(at_date, month) from visits",
    '? ? ? ?',
  ],
  ["select to_char(at_date, 'YYYY'), regexp_replace(code, 'a', 'b'), parse_json(code):x, split_part(code, '-', 1) from visits", '? ? ? ?'],
  ['select current_user, current_role(), current_timestamp(), current_date', '? ? ? ?'],
  ['with recursive r as (select 1 as n union all select n + 1 from r where n < 10) select n from r', 'N'],
  ['with patients as (select id, ssn from patients) select * from patients', 'ID SSN=token'],
  [
    'with recursive r as (select id, ssn from patients where id = 1 union all select p.id, p.ssn from patients p join r on p.id = r.id + 1) select * from r',
    'ID SSN=token',
  ],
  ['select id, level from clinics start with id = 1 connect by prior id = id', 'ID LEVEL'],
  [
    "select month_jan from (select patient_id, code, amount from visits) pivot(sum(amount) for code in ('JAN')) as p (patient_id, month_jan)",
    'MONTH_JAN',
  ],
  ['select * from (select id, code, city from visits join clinics using (id)) unpivot(v for n in (code, city))', 'ID N V'],
];

for (const [statement, expected] of STATEMENTS) {
  test(`shown: ${statement}`, () => {
    assert.equal(said(walked(statement)), expected);
  });
}
