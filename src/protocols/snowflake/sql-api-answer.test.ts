import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorEnvelope } from './errors.ts';
import { type Envelope, type JsonObject, ok } from './protocol.ts';
import { rowType } from './results/testing.ts';
import { answerOf, cancelAnswer, faultAnswer, linkHeader, statusOfFault } from './sql-api-answer.ts';

const place = { base: '/api/v2/statements', handle: '01b00000-0000-0000-0000-000000000001', createdMs: 5, nulls: null };
const url = `${place.base}/${place.handle}`;

test('a result: metadata of its columns, its cells, its partitions, and no addresses', () => {
  const data = {
    rowtype: [rowType('B', 'boolean', { nullable: true, extTypeName: 'x' }), rowType('T', 'timestamp_tz', { scale: 3 })],
    rowset: [
      ['1', '1.5 1440'],
      [null, null],
    ],
    chunks: [{ url: 'id.mac', rowCount: 7, uncompressedSize: 9, compressedSize: 3 }],
    queryResultFormat: 'json',
    stats: { numRowsInserted: 2, secret: 1 },
    finalRoleName: 'X',
  };
  const { status, body, headers } = answerOf(ok(data as unknown as JsonObject), place);
  assert.equal(status, 200);
  const { resultSetMetaData: meta, ...rest } = body as {
    resultSetMetaData: { rowType: object[]; numRows: number; partitionInfo: object[] };
  };
  assert.deepEqual(rest, {
    data: [
      ['true', '1.500000000 1440'],
      [null, null],
    ],
    code: '090001',
    sqlState: '00000',
    message: 'Statement executed successfully.',
    statementHandle: place.handle,
    createdOn: 5,
    statementStatusUrl: url,
    stats: { numRowsInserted: 2 },
  });
  assert.equal(meta.numRows, 9);
  assert.deepEqual(meta.partitionInfo.slice(1), [{ rowCount: 7, uncompressedSize: 9, compressedSize: 3 }]);
  assert.ok(!('extTypeName' in (meta.rowType[0] ?? {})));
  assert.doesNotMatch(JSON.stringify(body), /id\.mac|finalRoleName/);
  assert.match(headers['link'] ?? '', /rel="next"/);
  assert.deepEqual((answerOf(ok(data as never), { ...place, nulls: 'null' }).body['data'] as unknown[])[1], ['null', 'null']);
});

test('results that are not JSON are refused', () => {
  for (const data of [{ queryResultFormat: 'arrow' }, { rowsetBase64: 'AAAA' }]) {
    assert.throws(() => answerOf(ok(data), place), { code: 'SP_UPSTREAM_PROTOCOL' });
  }
});

test('in progress is 202, failures are 422, a timeout of the statement is 408', () => {
  const running: Envelope = { success: true, code: '333333', message: 'wait', data: { queryId: 'x', getResultUrl: '/queries/x/result' } };
  const { status, body } = answerOf(running, place);
  assert.deepEqual(
    [status, body],
    [202, { code: '333334', message: 'wait', statementHandle: place.handle, createdOn: 5, statementStatusUrl: url }],
  );
  const failed = answerOf(errorEnvelope({ code: '003001', sqlState: '42501', message: 'no' }, 'x'), place);
  assert.deepEqual(
    [failed.status, failed.body['code'], failed.body['sqlState'], failed.body['statementHandle']],
    [422, '003001', '42501', place.handle],
  );
  assert.equal(answerOf(errorEnvelope({ code: '000630', sqlState: '57014', message: 'late' }), place).status, 408);
  assert.deepEqual([cancelAnswer(true, place).status, cancelAnswer(false, place).body['code']], [200, '000605']);
});

test('only what never reached a session says that it may be tried again', () => {
  const statuses = {
    SP_WIRE_MALFORMED: 400,
    SP_AUTH_INVALID_TOKEN: 401,
    SP_TARGET_UNKNOWN: 403,
    SP_LOCKED: 403,
    SP_AUTH_THROTTLED: 429,
    SP_SESSION_LIMIT: 429,
    SP_SHUTTING_DOWN: 503,
    SP_AUTH_UNAVAILABLE: 503,
    SP_UPSTREAM_UNREACHABLE: 503,
    SP_UPSTREAM_AUTH: 503,
    SP_WIRE_UNSUPPORTED: 422,
    SP_INTERNAL: 500,
  } as const;
  for (const [code, status] of Object.entries(statuses)) assert.equal(statusOfFault(code as keyof typeof statuses), status, code);
  const native = { code: '1', sqlState: '2', message: '3' };
  assert.deepEqual(faultAnswer(429, native).headers, { 'retry-after': '5' });
  assert.deepEqual(faultAnswer(401, native).headers, { 'www-authenticate': 'Bearer' });
  assert.deepEqual(faultAnswer(422, native, 'h').body, { ...native, statementHandle: 'h' });
});

test('links lead to the neighbours of a partition', () => {
  const rels = (partition: number, of: number): string[] =>
    [...linkHeader(place, partition, of).matchAll(/partition=(\d+)>; rel="(\w+)"/g)].map(([, n, rel]) => `${rel}${n}`);
  assert.deepEqual(rels(0, 1), ['first0', 'last0']);
  assert.deepEqual(rels(1, 3), ['first0', 'prev0', 'next2', 'last2']);
  assert.deepEqual(rels(2, 3), ['first0', 'prev1', 'last2']);
});
