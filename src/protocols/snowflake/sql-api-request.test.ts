import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../core/secret.ts';
import { type ApiStatement, bearerOf, readApiStatement, readFlags, targetOf } from './sql-api-request.ts';

const statementOf = (body: object): ApiStatement => {
  const read = readApiStatement(body as never, false);
  assert.ok(!('code' in read), JSON.stringify(read));
  return read;
};
const isMalformed = { code: 'SP_WIRE_MALFORMED' };

test('a bearer token of the identity provider, whatever it is called', () => {
  for (const type of [undefined, '', 'OAUTH', 'oauth', 'PROGRAMMATIC_ACCESS_TOKEN']) {
    const token = bearerOf('Bearer a.b-c', type);
    assert.ok(token instanceof Secret && token.reveal() === 'a.b-c', type);
  }
  const codes = (authorization: string | undefined, type?: string | string[]): string => {
    const refusal = bearerOf(authorization, type);
    assert.ok('code' in refusal);
    assert.doesNotMatch(refusal.message, /hidden/);
    return refusal.code;
  };
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic hidden',
    'Snowflake Token="hidden"',
    'Bearer hid den',
    `Bearer ${'x'.repeat(20_000)}`,
  ]) {
    assert.equal(codes(header), '390303');
  }
  assert.equal(codes('Bearer hidden', 'KEYPAIR_JWT'), '390144');
  assert.equal(codes('Bearer hidden', 'OTHER'), '390303');
  assert.equal(codes('Bearer hidden', ['OAUTH', 'OAUTH']), '390303');
});

test('the target comes from the path, the header, or is the only one; two that differ are none', () => {
  assert.equal(targetOf('Clinic', undefined, null), 'clinic');
  assert.equal(targetOf(null, 'CLINIC', 'other'), 'clinic');
  assert.equal(targetOf('clinic', 'Clinic', null), 'clinic');
  assert.equal(targetOf(null, undefined, 'clinic'), 'clinic');
  assert.throws(() => targetOf('clinic', 'other', null), isMalformed);
  assert.throws(() => targetOf(null, ['a', 'b'], 'clinic'), isMalformed);
  for (const header of [undefined, '', 'x'.repeat(300)]) assert.throws(() => targetOf(null, header, null), isMalformed);
});

test('flags are understood or refused', () => {
  const id = 'EA7B46ED-bdc1-8c32-d593-764fcad64e83';
  assert.deepEqual(readFlags(new URLSearchParams({ requestId: id, async: 'TRUE', nullable: 'false', partition: '3', retry: 'true' })), {
    requestId: id.toLowerCase(),
    isAsync: true,
    nulls: 'null',
    partition: 3,
  });
  assert.deepEqual(readFlags(new URLSearchParams()), { requestId: null, isAsync: false, nulls: null, partition: 0 });
  for (const query of ['requestId=1', 'async=1', 'nullable=', 'retry=x', 'partition=-1', 'partition=1e3', 'partition=9999999999']) {
    assert.throws(() => readFlags(new URLSearchParams(query)), isMalformed, query);
  }
});

test('names are quoted where an identifier would be another one', () => {
  const { context } = statementOf({ statement: 'SELECT 1', database: 'CLINIC', schema: 'my"Schema', warehouse: '', role: null });
  assert.deepEqual(context, { database: 'CLINIC', schema: '"my""Schema"', warehouse: null, role: null });
});

test('a timeout is one of the statement, and nothing else of the body is guessed', () => {
  const { asked } = statementOf({
    statement: 'SELECT 1',
    timeout: 0,
    parameters: { QUERY_TAG: 'x', timezone: 'UTC' },
    resultSetMetaData: { format: 'jsonv2' },
  });
  assert.deepEqual(asked.parameters, { TIMEZONE: 'UTC', STATEMENT_TIMEOUT_IN_SECONDS: 604_800 });
  assert.equal(asked.statements, 1);
  assert.equal(asked.isDescribe, false);
  for (const body of [
    {},
    { statement: null },
    { statement: 'SELECT 1', sqlText: 'SELECT 2' },
    { statement: 'SELECT 1', describeOnly: true },
    { statement: 'SELECT 1', timeout: 604_801 },
    { statement: 'SELECT 1', schema: {} },
    { statement: 'SELECT 1', resultSetMetaData: { format: 'arrow' } },
  ]) {
    assert.throws(() => readApiStatement(body as never, false), isMalformed, JSON.stringify(body));
  }
  const refused = readApiStatement({ statement: 'SELECT 1', parameters: { SEARCH_PATH: 'X' } }, false);
  assert.ok('code' in refused && refused.code === '000002');
});

test('what may leave its session changed has one of its own', () => {
  const isAlone = (statement: string, parameters = {}): boolean => statementOf({ statement, parameters }).isAlone;
  for (const text of ['SELECT 1', '\n with x as (select 1) select * from x', 'INSERT INTO t VALUES (1)', 'show tables'])
    assert.equal(isAlone(text), false, text);
  for (const text of [
    'USE SCHEMA x',
    'BEGIN',
    'SET a = 1',
    'CREATE TEMP TABLE t (a INT)',
    '/* x */ SELECT 1',
    'ALTER SESSION SET TIMEZONE=x',
    '',
  ]) {
    assert.equal(isAlone(text), true, text);
  }
  assert.equal(isAlone('SELECT 1', { MULTI_STATEMENT_COUNT: 0 }), true);
  assert.equal(isAlone('INSERT INTO t VALUES (1)', { autocommit: false }), true);
});
