import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSnowflakeCatalogue, SNOWFLAKE_CATALOGUE_QUERIES } from './catalogue.ts';
import { definitionOf } from './definition.ts';
import { statementSha256 } from './digest.ts';
import { isHarmlessParameter } from './session-parameters.ts';
import { clinicRows } from './testing.ts';

test('equal rows are equal catalogues in any order; any difference is another', () => {
  const rows = clinicRows();
  const { version } = buildSnowflakeCatalogue(rows);
  assert.equal(buildSnowflakeCatalogue({ ...rows, tables: rows.tables.toReversed(), columns: rows.columns.toReversed() }).version, version);
  assert.notEqual(buildSnowflakeCatalogue({ ...rows, columns: rows.columns.slice(1) }).version, version);
  assert.notEqual(buildSnowflakeCatalogue({ ...rows, databases: ['CLINIC'] }).version, version);
});

test('columns stand in their order, as numbers', () => {
  const base = { TABLE_CATALOG: 'D', TABLE_SCHEMA: 'S', TABLE_NAME: 'T', DATA_TYPE: 'TEXT', IS_NULLABLE: 'NO' };
  const columns = ['10', '2', '1'].map((ORDINAL_POSITION) => ({ ...base, COLUMN_NAME: `C${ORDINAL_POSITION}`, ORDINAL_POSITION }));
  const tables = [{ TABLE_CATALOG: 'D', TABLE_SCHEMA: 'S', TABLE_NAME: 'T', TABLE_TYPE: 'BASE TABLE', IS_DYNAMIC: 'NO' }];
  const catalogue = buildSnowflakeCatalogue({ databases: ['D'], tables, columns, definitions: [] });
  assert.deepEqual(
    catalogue.relation('D', 'S', 'T')?.columns?.map(({ name, isNullable }) => [name, isNullable]),
    [
      ['C1', false],
      ['C2', false],
      ['C10', false],
    ],
  );
});

test('kinds: what is not known to be a table or view is external; without columns it may not be read', () => {
  const table = (TABLE_NAME: string, TABLE_TYPE: string, IS_DYNAMIC: string | null = 'NO') => ({
    TABLE_CATALOG: 'D',
    TABLE_SCHEMA: 'S',
    TABLE_NAME,
    TABLE_TYPE,
    IS_DYNAMIC,
  });
  const tables = [
    table('A', 'BASE TABLE'),
    table('B', 'BASE TABLE', 'YES'),
    table('C', 'VIEW'),
    table('E', 'MATERIALIZED VIEW'),
    table('F', 'EVENT TABLE'),
    table('G', 'constructor'),
    table('H', 'SEMANTIC VIEW'),
  ];
  const definitions = [{ database: 'D', schema: 'S', name: 'C', ddl: 'create or replace view C(X) as select 1;' }];
  const catalogue = buildSnowflakeCatalogue({ databases: ['D'], tables, columns: [], definitions });
  const kinds = ['A', 'B', 'C', 'E', 'F', 'G', 'H'].map((name) => catalogue.relation('D', 'S', name)?.kind);
  assert.deepEqual(kinds, ['table', 'dynamic', 'view', 'matview', 'external', 'external', 'view']);
  assert.equal(catalogue.relation('D', 'S', 'A')?.columns, null);
  assert.equal(catalogue.relation('D', 'S', 'C')?.definition, 'select 1');
  assert.equal(catalogue.relation('D', 'S', 'E')?.definition, null);
});

test('of INFORMATION_SCHEMA only what tells names and types is there', () => {
  const rows = clinicRows();
  const own = ['VIEWS', 'TABLES', 'QUERY_HISTORY'].map((TABLE_NAME) => ({
    TABLE_CATALOG: 'CLINIC',
    TABLE_SCHEMA: 'INFORMATION_SCHEMA',
    TABLE_NAME,
    COLUMN_NAME: 'ONLY',
    ORDINAL_POSITION: '1',
    DATA_TYPE: 'TEXT',
    IS_NULLABLE: 'YES',
  }));
  const catalogue = buildSnowflakeCatalogue({ ...rows, columns: [...rows.columns, ...own] });
  const names = catalogue.relations.filter(({ kind, database }) => kind === 'system' && database === 'CLINIC').map(({ name }) => name);
  assert.deepEqual(names, ['COLUMNS', 'DATABASES', 'INFORMATION_SCHEMA_CATALOG_NAME', 'SCHEMATA', 'TABLES']);
  assert.equal(catalogue.relation('CLINIC', 'INFORMATION_SCHEMA', 'TABLES')?.columns?.length, 1, 'as the account has it');
});

test('names go into the queries as names', () => {
  const { tables, definition } = SNOWFLAKE_CATALOGUE_QUERIES;
  assert.ok(tables('a"b').includes('FROM "a""b".INFORMATION_SCHEMA.TABLES'));
  assert.equal(
    definition({ database: 'D', schema: "it's", name: 'a"b\\', kind: 'view' }),
    `SELECT GET_DDL('VIEW', '"D"."it''s"."a""b\\\\"', TRUE) AS DDL`,
  );
  assert.ok(definition({ database: 'D', schema: 'S', name: 'N', kind: 'dynamic' }).includes("'DYNAMIC_TABLE'"));
});

const DEFINITIONS: readonly (readonly [string, string | null])[] = [
  ['create or replace view V as select 1;', 'select 1'],
  [
    'create or replace secure view "D"."S"."as"(A, B) copy grants comment=\'as select 2\' as\nselect a, b from t -- x\n;',
    'select a, b from t',
  ],
  ["create view V(A comment 'x') as (select 1)", '(select 1)'],
  ['create view V as with x as (select 1) select * from x', 'with x as (select 1) select * from x'],
  ["create dynamic table T(A) target_lag = '1 minute' refresh_mode = AUTO warehouse = W as select a from b;", 'select a from b'],
  ['create view V', null],
  ['create view V as', null],
  ['create view V as table t', null],
  ['select 1', null],
  ['create view V as select 1; drop table t', null],
  ["create view V as select 'a", null],
  ['', null],
];

for (const [ddl, expected] of DEFINITIONS) {
  test(`query of ${JSON.stringify(ddl)}`, () => {
    assert.equal(definitionOf(ddl), expected);
  });
}

test('approvals are bound to the tokens: not to blanks and comments, but to everything else', () => {
  const hash = statementSha256("select 'a', b from t");
  assert.equal(statementSha256("select  'a' ,b -- x\nfrom/* y */t"), hash);
  for (const text of [
    "select 'a ', b from t",
    "select 'a', B from t",
    'select \'a\', "b" from t',
    "select 'a',b from t;",
    "select 'a' b from t",
  ]) {
    assert.notEqual(statementSha256(text), hash, text);
  }
  assert.notEqual(statementSha256("select 'a"), statementSha256("select 'b"));
});

test('parameters: formats and time-outs are the client’s, what tells or hides who asks is not', () => {
  for (const name of ['TIMEZONE', 'timestamp_output_format', 'AUTOCOMMIT']) assert.ok(isHarmlessParameter(name));
  for (const name of [
    'QUERY_TAG',
    'QUOTED_IDENTIFIERS_IGNORE_CASE',
    'MULTI_STATEMENT_COUNT',
    'PYTHON_CONNECTOR_QUERY_RESULT_FORMAT',
    'SEARCH_PATH',
    'constructor',
  ]) {
    assert.ok(!isHarmlessParameter(name), name);
  }
});
