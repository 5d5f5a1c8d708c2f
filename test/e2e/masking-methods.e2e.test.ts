// Every mask method over every family of types in a real PostgreSQL: the type is kept, no value makes a mask fail, the
// values are the documented ones, and the planner flattens the rewritten relation.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { MASK_METHODS, type MaskMethod } from '../../src/core/decision.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { maskSql, TOKEN_KEY_SETTING } from '../../src/masking/index.ts';

const tokenKey = createHash('sha256').update('a key of the test').digest('hex');

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
  'integer[]': ["'{1,2}'"],
  'text[]': ["'{a,b}'"],
  int4range: ["'[1,5)'"],
  tsvector: ["'a b'"],
  'bit(4)': ["'1010'"],
  money: ["'12.34'"],
  mood: ["'calm'"],
  person: ["'(a,1)'"],
  strict_text: ["'abc'"],
};

describe('mask methods in a real server', () => {
  let server: EmbeddedPostgres;
  let client: pg.Client;
  let keyless: pg.Client;
  const tables = new Map<string, { readonly table: string; readonly typeName: string; readonly typeSchema: string }>();

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
    client = await connect(`-c ${TOKEN_KEY_SETTING}=${tokenKey}`);
    keyless = await connect();
    await client.query(`
      CREATE EXTENSION IF NOT EXISTS citext;
      CREATE TYPE mood AS ENUM ('calm', 'upset');
      CREATE TYPE person AS (name text, age int);
      CREATE DOMAIN strict_text AS text NOT NULL CHECK (VALUE ~ '^[a-z]+$');`);
    let index = 0;
    for (const [type, values] of Object.entries(samples)) {
      const table = `t${(index += 1)}`;
      const rows = [...values, ...(type === 'strict_text' ? [] : ['NULL'])].map((value, row) => `(${row}, (${value})::${type})`);
      await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, "The Value" ${type}); INSERT INTO ${table} VALUES ${rows.join(', ')}`);
      const { rows: found } = await client.query<{ name: string; schema: string }>(
        `SELECT format_type(atttypid, atttypmod) AS name, n.nspname AS schema FROM pg_attribute
         JOIN pg_type t ON t.oid = atttypid JOIN pg_namespace n ON n.oid = typnamespace
         WHERE attrelid = '${table}'::regclass AND attname = 'The Value'`,
      );
      tables.set(type, { table, typeName: found[0]?.name ?? '', typeSchema: found[0]?.schema ?? '' });
    }
  });

  after(async () => {
    await Promise.all([client.end(), keyless.end()]);
    await server.stop();
  });

  const expressionFor = (method: MaskMethod, type: string): { readonly table: string; readonly sql: string } => {
    const found = tables.get(type);
    assert.ok(found !== undefined);
    return { table: found.table, sql: maskSql(method, 'The Value', found.typeName, 'phi.mrn', found.typeSchema) ?? '"The Value"' };
  };

  const shown = async (method: MaskMethod, type: string, over = client): Promise<(string | null)[]> => {
    const { table, sql } = expressionFor(method, type);
    return (await over.query<{ shown: string | null }>(`SELECT (${sql})::text AS shown FROM ${table} ORDER BY id`)).rows.map(
      (row) => row.shown,
    );
  };

  it('keeps the type for every method and never fails', async () => {
    for (const type of Object.keys(samples)) {
      for (const method of MASK_METHODS) {
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
    const expected: readonly (readonly [MaskMethod, string, readonly (string | null)[]])[] = [
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

  it('makes equal tokens of equal values, different ones per class, and needs the key', async () => {
    const [first] = await shown('token', 'text');
    const [same] = await shown('token', 'character varying(11)');
    assert.match(first ?? '', /^tok_mrn_[0-9a-f]{20}$/);
    assert.equal(same, first);
    const found = tables.get('text');
    const other = maskSql('token', 'The Value', 'text', 'phi.account');
    const { rows } = await client.query<{ shown: string }>(`SELECT ${other} AS shown FROM ${found?.table} WHERE id = 0`);
    assert.match(rows[0]?.shown ?? '', /^tok_account_/);
    assert.notEqual(rows[0]?.shown.slice(-20), first?.slice(-20));
    const key = Buffer.from(tokenKey, 'hex');
    const sha = (...parts: (Buffer | string)[]): Buffer =>
      createHash('sha256')
        .update(Buffer.concat(parts.map((part) => Buffer.from(part as string))))
        .digest();
    assert.equal(first, `tok_mrn_${sha(key, sha(key, 'token:phi.mrn:970-78-9909')).toString('hex').slice(0, 20)}`);
    assert.match((await shown('hash', 'text'))[0] ?? '', /^[0-9a-f]{32}$/);
    assert.match((await shown('token', 'uuid'))[0] ?? '', /^[0-9a-f-]{36}$/);
    await assert.rejects(shown('token', 'text', keyless), /unrecognized configuration parameter/);
    await keyless.query(`SET ${TOKEN_KEY_SETTING} = 'abcd'`);
    assert.deepEqual(new Set(await shown('token', 'text', keyless)), new Set([null]));
  });

  it('lets the planner flatten the rewritten relation and fold constants', async () => {
    const found = tables.get('text');
    await client.query('SET enable_seqscan = off');
    const plan = async (method: MaskMethod, rest: string): Promise<string> => {
      const { table, sql } = expressionFor(method, 'text');
      const { rows } = await client.query<Record<string, string>>(
        `EXPLAIN (COSTS OFF) SELECT * FROM (SELECT id, ${sql} AS v FROM ${table}) q ${rest}`,
      );
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    assert.ok(found !== undefined);
    for (const method of MASK_METHODS) {
      const text = await plan(method, 'WHERE id = 1');
      assert.match(text, /^(Index|Bitmap)/, method);
      assert.doesNotMatch(text, /Subquery/, method);
    }
    assert.match(await plan('redact', "WHERE v = 'x'"), /One-Time Filter: false/);
  });
});
