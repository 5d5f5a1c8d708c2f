// Every mask method over every family of types in a real PostgreSQL: the type is kept, no value makes a mask fail, the
// values are the documented ones, and the planner flattens the rewritten relation.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Mask, MASK_METHODS } from '../../src/core/mask.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import {
  type ColumnToMask,
  deriveTokenKey,
  maskSql,
  TOKEN_KEY_SETTING,
  TOKEN_STREAM_KEY_SETTING,
  TokenSpace,
} from '../../src/masking/index.ts';
import { parseSqlType } from '../../src/masking/sql-types.ts';

const key = deriveTokenKey('k1', 'active', 'a secret of the test', 'clinic');
const tokens = new TokenSpace([key]);
const keyOptions = `-c ${TOKEN_KEY_SETTING}=${key.mac} -c ${TOKEN_STREAM_KEY_SETTING}=${key.stream}`;

/** Declared type -> values, extremes included. NULL is added to each. */
const samples: Readonly<Record<string, readonly string[]>> = {
  text: [
    "'970-78-9909'",
    "''",
    "'short'",
    "'94110-1234'",
    "'03601'",
    "'K1A 0B1'",
    "'\u00e9\u4e2d\ud83d\ude00 unicode'",
    "E'back\\\\slash'",
  ],
  'character varying(11)': ["'970-78-9909'", "'94110'"],
  'character(5)': ["'94110'", "'036'"],
  '"char"': ["'x'"],
  name: ["'somebody'"],
  citext: ["'Somebody@Example.com'"],
  smallint: ['32767', '-32768', '91', '42'],
  integer: ['2147483647', '-2147483648', '91', '90', '89', '42'],
  bigint: ['9223372036854775807', '-9223372036854775808', '91'],
  numeric: ["'NaN'", "'Infinity'", '123456789012345678901234567890.5', '89.9', '-17'],
  'numeric(5,2)': ['999.99', '-0.01'],
  real: ["'NaN'", "'Infinity'", '3.4e38', '1.17e-38', '47'],
  'double precision': ["'NaN'", "'-Infinity'", '1.7e308', '4.9e-324', '47'],
  boolean: ['true'],
  date: ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'1931-07-27'", "'2001-12-31'"],
  'timestamp without time zone': ["'infinity'", "'4713-01-02 BC'", "'294276-12-31'", "'2001-05-06 07:08:09'"],
  'timestamp(0) with time zone': ["'-infinity'", "'294276-12-31 00:00+00'", "'2001-01-01 00:30:00+02'", "'2001-05-06 07:08:09+00'"],
  'time without time zone': ["'10:11:12'"],
  interval: ["'3 days'"],
  uuid: ["'1c1137a6-4de7-4d03-8503-1cc65645c0e6'"],
  json: [`'{"a": 1}'`],
  jsonb: [`'{"a": 1}'`],
  bytea: [`'\\x00ff'`],
  inet: ["'192.0.2.1'"],
  'integer[]': ["'{1,42,91,NULL}'", "'{{1,2},{3,4}}'", "'{}'"],
  'text[]': ['\'{970-78-9909,NULL,"a b"}\'', "'[3:4]={94110,03601}'"],
  'character(5)[]': ["'{94110}'"],
  'date[]': ["'{1931-07-27,infinity,2001-12-31}'"],
  'mood[]': ["'{calm}'"],
  'jsonb[]': ["ARRAY['{}'::jsonb]"],
  int4range: ["'[1,5)'"],
  tsvector: ["'a b'"],
  'bit(4)': ["'1010'"],
  money: ["'12.34'"],
  mood: ["'calm'"],
  person: ["'(a,1)'"],
  strict_text: ["'abcdefghij'"],
  short_id: ["'M1234567'"],
  birthday: ["'1931-07-27'"],
  tags: ["'{abcdefghij,b}'"],
  cidr: ["'10.0.0.0/8'"],
  datemultirange: ["'{[2001-01-01,2001-02-01)}'"],
  xml: ["'<a/>'"],
  oid: ['17'],
};

const everyMask: readonly Mask[] = [
  ...MASK_METHODS,
  'partial(3,2)',
  'partial(20,20)',
  'round(2)',
  'round(1000000000)',
  'date-shift(1)',
  'date-shift(3650)',
];

describe('mask methods in a real server', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;
  let keyless: pg.Client;
  const tables = new Map<string, { readonly table: string; readonly column: ColumnToMask }>();

  const connect = async (options?: string): Promise<pg.Client> => {
    const { host, port, user, password } = server;
    const fresh = new pg.Client({
      host,
      port,
      user,
      password,
      database: 'postgres',
      ...(options === undefined ? {} : { options }),
      types: { getTypeParser: () => (text: string) => text },
    });
    await fresh.connect();
    return fresh;
  };

  before(async () => {
    server = await startEmbeddedPostgres();
    client = await connect(keyOptions);
    keyless = await connect();
    await client.query(`
      CREATE EXTENSION IF NOT EXISTS citext;
      CREATE TYPE mood AS ENUM ('calm', 'upset');
      CREATE TYPE person AS (name text, age int);
      CREATE DOMAIN strict_text AS text NOT NULL CHECK (VALUE ~ '^[a-z]+$');
      CREATE DOMAIN short_id AS varchar(8) CHECK (VALUE LIKE 'M%');
      CREATE DOMAIN old_date AS date CHECK (VALUE < '2000-01-01');
      CREATE DOMAIN birthday AS old_date;
      CREATE DOMAIN tags AS text[];`);
    let index = 0;
    for (const [type, values] of Object.entries(samples)) {
      const table = `t${(index += 1)}`;
      const rows = [...values, ...(type === 'strict_text' ? [] : ['NULL'])].map((value, row) => `(${row}, (${value})::${type})`);
      await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, "The Value" ${type}); INSERT INTO ${table} VALUES ${rows.join(', ')}`);
      const { rows: found } = await client.query<{ name: string; schema: string; base: string | null }>(
        `WITH RECURSIVE bases AS (
           SELECT atttypid AS oid, 0 AS depth FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attname = 'The Value'
           UNION ALL SELECT t.typbasetype, depth + 1 FROM bases JOIN pg_type t USING (oid) WHERE t.typtype = 'd')
         SELECT format_type(atttypid, atttypmod) AS name, n.nspname AS schema,
           (SELECT format_type(b.oid, NULL) FROM bases b WHERE depth > 0 ORDER BY depth DESC LIMIT 1) AS base
         FROM pg_attribute JOIN pg_type t ON t.oid = atttypid JOIN pg_namespace n ON n.oid = typnamespace
         WHERE attrelid = '${table}'::regclass AND attname = 'The Value'`,
      );
      const { name = '', schema = '', base = null } = found[0] ?? {};
      const column: ColumnToMask = {
        columnName: 'The Value',
        typeName: name,
        typeSchema: schema,
        ...(base === null ? {} : { baseType: { typeName: base, typeSchema: 'pg_catalog' } }),
        className: 'phi.mrn',
        subjectColumn: { columnName: 'id', typeName: 'integer', typeSchema: 'pg_catalog' },
        keyId: tokens.keyId,
      };
      tables.set(type, { table, column });
    }
  });

  after(async () => {
    await Promise.all([client.end(), keyless.end()]);
    await server.stop();
  });

  const expressionFor = (mask: Mask, type: string, more: Partial<ColumnToMask> = {}): { readonly table: string; readonly sql: string } => {
    const found = tables.get(type);
    assert.ok(found !== undefined);
    return { table: found.table, sql: maskSql(mask, { ...found.column, ...more }) ?? '"The Value"' };
  };

  const shown = async (method: Mask, type: string, over = client): Promise<(string | null)[]> => {
    const { table, sql } = expressionFor(method, type);
    return (await over.query<{ shown: string | null }>(`SELECT (${sql})::text AS shown FROM ${table} ORDER BY id`)).rows.map(
      (row) => row.shown,
    );
  };

  it('keeps the type for every method and never fails', async () => {
    for (const type of Object.keys(samples)) {
      for (const method of everyMask) {
        const { table, sql } = expressionFor(method, type);
        const masked = await client.query(`SELECT shown FROM (SELECT ${sql} AS shown FROM ${table}) q`);
        const raw = await client.query(`SELECT "The Value" FROM ${table}`);
        assert.equal(masked.fields[0]?.dataTypeID, raw.fields[0]?.dataTypeID, `${method} of ${type}`);
        assert.equal(masked.rowCount, raw.rowCount);
      }
    }
  });

  it('shows no value under a method that says nothing about its type', async () => {
    for (const type of Object.keys(samples)) {
      const raw = await shown('clear', type);
      for (const method of ['redact', 'null'] as const) {
        for (const [row, value] of (await shown(method, type)).entries()) {
          assert.ok(value === null || value.trim() === '***', `${method} of ${type}: ${value}`);
          assert.ok(value === null || value !== raw[row]);
        }
      }
    }
  });

  it('shows the documented values', async () => {
    const expected: readonly (readonly [Mask, string, readonly (string | null)[]])[] = [
      ['redact', 'character varying(11)', ['***', '***', '***']],
      ['redact', 'date', [null, null, null, null, null, null, null]],
      ['partial', 'text', ['***9909', '***', '***', '***1234', '***', '***', '***code', '***lash', null]],
      ['zip3', 'text', ['970', '000', '000', '941', '000', '000', '000', '000', null]],
      ['zip3', 'character(5)', ['941', '000', null]],
      ['age-90', 'integer', ['90', '-2147483648', '90', '90', '89', '42', null]],
      ['age-90', 'numeric', ['90', '90', '90', '89', '-17', null]],
      ['round', 'integer', ['2147483640', '-2147483640', '90', '90', '80', '40', null]],
      ['round', 'smallint', ['32760', '-32760', '90', '40', null]],
      ['round', 'double precision', [null, null, null, '0', '40', null]],
      ['year', 'date', [null, null, null, null, '1931-01-01', '2001-01-01', null]],
      ['month', 'timestamp without time zone', [null, null, null, '2001-05-01 00:00:00', null]],
      ['partial(3,2)', 'text', ['970***09', '***', '***', '941***34', '***', '***', '\u00e9\u4e2d\ud83d\ude00***de', 'bac***sh', null]],
      ['partial(1,0)', 'text', ['9***', '***', '***', '9***', '***', '***', '\u00e9***', 'b***', null]],
      ['round(100)', 'integer', ['2147483600', '-2147483600', '0', '0', '0', '0', null]],
      ['round(7)', 'bigint', ['9223372036854775807', '-9223372036854775807', '91', null]],
      ['round', 'numeric', ['NaN', 'NaN', '123456789012345678901234567890', '80', '-10', null]],
      ['round', 'numeric(5,2)', ['990.00', '0.00', null]],
      ['year', 'date[]', ['{1931-01-01,NULL,2001-01-01}', null]],
      ['partial', 'text[]', ['{***9909,NULL,***}', '{***,***}', null]],
      ['zip3', 'text[]', ['{970,NULL,000}', '{941,000}', null]],
      ['age-90', 'integer[]', ['{1,42,90,NULL}', null, '{}', null]],
      ['round', 'integer[]', ['{0,40,90,NULL}', null, '{}', null]],
      ['year', 'integer[]', [null, null, null, null]],
      ['partial', 'mood[]', [null, null]],
      ['partial', 'strict_text', ['***ghij']],
      ['partial(1,2)', 'short_id', ['M***67', null]],
      ['year', 'birthday', ['1931-01-01', null]],
      ['partial(2,0)', 'tags', ['{ab***,***}', null]],
      ['year', 'strict_text', [null]],
    ];
    for (const [method, type, values] of expected)
      assert.deepEqual(
        (await shown(method, type)).map((value) => value?.trim() ?? null),
        values,
        `${method} of ${type}`,
      );
  });

  it('shows no year that tells an age over 90', async () => {
    const oldest = new Date().getUTCFullYear() - 90;
    const years = (await shown('age-90', 'date')).map((value) => (value === null ? null : Number(value.slice(0, 4))));
    assert.deepEqual(years, [null, null, null, null, oldest, 2001, null]);
  });

  it('cuts dates in UTC whatever the time zone of the session is', async () => {
    const seen = new Set<string>();
    for (const zone of ['UTC', 'Asia/Tokyo', 'America/Los_Angeles', '<X>+100']) {
      await client.query(`SET TimeZone = '${zone}'`);
      const { table, sql } = expressionFor('year', 'timestamp(0) with time zone');
      const { rows } = await client.query<{ shown: string | null }>(
        `SELECT (${sql} AT TIME ZONE 'UTC')::text AS shown FROM ${table} ORDER BY id`,
      );
      seen.add(JSON.stringify(rows));
    }
    await client.query('RESET TimeZone');
    assert.equal(seen.size, 1);
    assert.ok([...seen][0]?.includes('2000-01-01 00:00:00'));
  });

  it('makes equal tokens of equal values, different ones per class, and needs the keys', async () => {
    const [first] = await shown('token', 'text');
    const [same] = await shown('token', 'character varying(11)');
    assert.match(first ?? '', /^tok_mrn_k1_[0-9a-f]{80}$/);
    assert.equal(same, first);
    assert.equal(first, tokens.issue('phi.mrn', '970-78-9909'));
    const { table, sql } = expressionFor('token', 'text', { className: 'phi.account' });
    const { rows } = await client.query<{ shown: string }>(`SELECT ${sql} AS shown FROM ${table} WHERE id = 0`);
    assert.match(rows[0]?.shown ?? '', /^tok_account_k1_/);
    assert.notEqual(rows[0]?.shown.slice(-80), first?.slice(-80));
    assert.equal((await shown('token', 'text[]'))[0], `{${first},NULL,${tokens.issue('phi.mrn', 'a b')}}`);
    assert.equal((await shown('token', 'short_id'))[0], tokens.issue('phi.mrn', 'M1234567'));
    assert.match((await shown('hash', 'text'))[0] ?? '', /^[0-9a-f]{32}$/);
    assert.match((await shown('hash', 'bytea'))[0] ?? '', /^\\x[0-9a-f]{64}$/);
    assert.match((await shown('token', 'uuid'))[0] ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    for (const [method, type] of [
      ['token', 'text'],
      ['hash', 'text'],
      ['date-shift', 'date'],
    ] as const) {
      await assert.rejects(shown(method, type, keyless), /unrecognized configuration parameter/);
    }
    await keyless.query(`SET ${TOKEN_KEY_SETTING} = '${key.mac}'`);
    await assert.rejects(shown('token', 'text', keyless), /unrecognized configuration parameter/);
    await keyless.query(`SET ${TOKEN_STREAM_KEY_SETTING} = 'abcd'`);
    assert.deepEqual(new Set(await shown('token', 'text', keyless)), new Set([null]));
    await keyless.query(`SET ${TOKEN_KEY_SETTING} = 'abcd'; SET ${TOKEN_STREAM_KEY_SETTING} = '${key.stream}'`);
    for (const method of ['token', 'hash'] as const) assert.deepEqual(new Set(await shown(method, 'text', keyless)), new Set([null]));
    assert.deepEqual(new Set(await shown('date-shift', 'date', keyless)), new Set([null]));
  });

  it('shifts all dates of a subject by the same days, never by none, and keeps what is between them', async () => {
    await client.query(`CREATE TABLE stays AS SELECT p AS patient, '2020-02-28'::date + n AS came, '2020-02-28 13:14:15.5'::timestamp + n * interval '1 day' AS went,
      '2020-02-28 13:14:15.5+00'::timestamptz + n * interval '24 hours' AS seen FROM generate_series(1, 300) p, generate_series(0, 1) n`);
    for (const [mask, days] of [
      ['date-shift(1)', 1],
      ['date-shift(30)', 30],
      ['date-shift', 365],
    ] as const) {
      const expression = (columnName: string, typeName: string): string =>
        maskSql(mask, {
          columnName,
          typeName,
          className: 'phi.date',
          keyId: 'k1',
          subjectColumn: { columnName: 'patient', typeName: 'integer' },
        }) ?? '';
      await client.query(`SET TimeZone = 'America/New_York'`);
      const { rows } = await client.query<{ patient: string; moved: string; all: string }>(
        `SELECT patient, (${expression('came', 'date')} - came)::text AS moved,
           ((${expression('went', 'timestamp without time zone')} - went) = make_interval(days => ${expression('came', 'date')} - came)
            AND (${expression('seen', 'timestamp with time zone')} - seen) = make_interval(days => ${expression('came', 'date')} - came))::text AS all FROM stays`,
      );
      await client.query('RESET TimeZone');
      const byPatient = new Map<string, Set<string>>();
      for (const { patient, moved, all } of rows) {
        assert.equal(all, 'true');
        byPatient.set(patient, (byPatient.get(patient) ?? new Set()).add(moved));
      }
      const offsets = [...byPatient.values()].map((each) => [...each].map(Number));
      assert.ok(offsets.every((each) => each.length === 1 && each[0] !== 0 && Math.abs(each[0] ?? 0) <= days));
      const distinct = new Set(offsets.flat());
      assert.ok(days === 1 ? distinct.size === 2 : distinct.size > days / 2, `${mask}: ${distinct.size}`);
      assert.ok([...distinct].some((each) => each < 0) && [...distinct].some((each) => each > 0));
    }
    const without = expressionFor('date-shift', 'date', { subjectColumn: null });
    const { rows } = await client.query<{ n: string }>(`SELECT count(${without.sql}) AS n FROM ${without.table}`);
    assert.equal(rows[0]?.n, '0');
  });

  it('cuts, caps and moves nothing beyond its type', () => {
    for (const type of Object.keys(samples)) {
      const { column } = tables.get(type) ?? assert.fail();
      const parsed = parseSqlType(column.typeName, column.typeSchema);
      assert.equal(parsed.family === 'foreign', parsed.cast === null, type);
    }
  });

  it('lets the planner flatten the rewritten relation and fold constants', async () => {
    const found = tables.get('text');
    await client.query('SET enable_seqscan = off');
    const plan = async (method: Mask, rest: string): Promise<string> => {
      const { table, sql } = expressionFor(method, 'text');
      const { rows } = await client.query<Record<string, string>>(
        `EXPLAIN (COSTS OFF) SELECT * FROM (SELECT id, ${sql} AS v FROM ${table}) q ${rest}`,
      );
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    assert.ok(found !== undefined);
    for (const method of everyMask) {
      const text = await plan(method, 'WHERE id = 1');
      assert.match(text, /^(Index|Bitmap)/, method);
      assert.doesNotMatch(text, /Subquery/, method);
    }
    assert.match(await plan('redact', "WHERE v = 'x'"), /One-Time Filter: false/);
  });
});
