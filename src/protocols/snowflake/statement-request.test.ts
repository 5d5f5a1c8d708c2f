import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FACTS } from '../../core/facts.ts';
import type { SnowflakePlan } from '../../sql/snowflake/types.ts';
import { readStatement, type StatementRequest, upstreamBody } from './statement-request.ts';

const read = (body: object, statements = 1): StatementRequest => {
  const asked = readStatement({ sqlText: 'SELECT ?', ...body }, statements);
  assert.ok('text' in asked, JSON.stringify(asked));
  return asked;
};
const statement = { verb: 'SELECT', outputs: null, mayTell: false, changes: [] };
const planOf = (text: string, binds: NonNullable<SnowflakePlan['forward']>['binds'], count = 1): SnowflakePlan => ({
  facts: NO_FACTS,
  forward: { text, binds },
  statements: Array.from({ length: count }, () => statement),
});

test('the account gets the planned text and values, what the bind was otherwise, and our tag', () => {
  const asked = read({
    asyncExec: true,
    sequenceId: 3,
    isInternal: true,
    dataframeAst: 'x',
    somethingNew: 1,
    parameters: { QUERY_TAG: 'mine', TIMEZONE: 'UTC', MULTI_STATEMENT_COUNT: 0 },
    bindings: { 1: { type: 'TEXT', value: 'tok_ssn', fmt: 'f', more: 1 }, 2: { type: 'FIXED', value: ['1', null] } },
  });
  assert.equal(asked.statements, 0);
  assert.deepEqual(asked.binds, [
    { type: 'TEXT', value: 'tok_ssn' },
    { type: 'FIXED', value: ['1', null] },
  ]);
  const body = upstreamBody(
    asked,
    planOf(
      'SELECT 1',
      [
        { type: 'TEXT', value: 'opened' },
        { type: 'FIXED', value: ['1', null] },
      ],
      2,
    ),
    'ours',
  );
  assert.deepEqual(body, {
    sqlText: 'SELECT 1',
    asyncExec: true,
    sequenceId: 3,
    querySubmissionTime: 0,
    isInternal: false,
    parameters: { TIMEZONE: 'UTC', MULTI_STATEMENT_COUNT: 2, QUERY_TAG: 'ours' },
    bindings: { 1: { type: 'TEXT', value: 'opened', fmt: 'f' }, 2: { type: 'FIXED', value: ['1', null] } },
  });
});

test('nothing is sent of what may not be sent', () => {
  assert.throws(() => upstreamBody(read({}), { facts: NO_FACTS, forward: null, statements: [] }, ''), {
    code: 'SP_REQUEST_NOT_UNDERSTOOD',
  });
});

test('binds in a stage, and parameters that are not harmless, are refused', () => {
  for (const body of [{ bindStage: '@SYSTEM$BIND/1' }, { parameters: { SEARCH_PATH: 'x' } }, { parameters: { TIMEZONE: {} } }]) {
    const asked = readStatement({ sqlText: 'SELECT 1', ...body }, 1);
    assert.equal('code' in asked ? asked.code : '', '000002', JSON.stringify(body));
  }
});

test('what is not understood is malformed', () => {
  for (const body of [
    { sqlText: 7 },
    { bindings: [] },
    { bindings: { 2: { type: 'TEXT', value: 'x' } } },
    { bindings: { 1: { type: 'TEXT', value: 'x' }, a: { type: 'TEXT', value: 'x' } } },
    { bindings: { 1: { value: 'x' } } },
    { bindings: { 1: { type: 'TEXT', value: { a: 1 } } } },
    { bindings: { 1: { type: 'TEXT', value: [['x']] } } },
    { parameters: { MULTI_STATEMENT_COUNT: 'many' } },
    { parameters: { multi_statement_count: -1 } },
  ]) {
    assert.throws(() => readStatement({ sqlText: 'SELECT 1', ...body }, 1), { code: 'SP_WIRE_MALFORMED' }, JSON.stringify(body));
  }
});
