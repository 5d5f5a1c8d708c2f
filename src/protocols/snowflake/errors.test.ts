import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deny } from '../../core/decision.ts';
import { ERROR_CODES, type ErrorCode, SallyportError } from '../../core/error.ts';
import { NO_FACTS } from '../../core/facts.ts';
import type { SessionId } from '../../core/ids.ts';
import { deny } from '../../session/testing.ts';
import { clientData, clientParameters, isStageTransfer } from './answer-data.ts';
import { errorEnvelope, nativeDenial, nativeFault } from './errors.ts';

const session = 'ses_x' as SessionId;
const unknown = (code: 'relation' | 'syntax' | 'function', what: string) => ({ code, what, remedy: 'Do something else.', at: 8 }) as const;

test('every code has six digits, a state, and never the message for operators', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const native = nativeFault(new SallyportError(code, 'for operators'), session);
    assert.match(native.code, /^\d{6}$/);
    assert.match(native.sqlState, /^[0-9A-Z]{5}$/);
    assert.ok(!native.message.includes('for operators') && native.message.includes(code) && native.message.endsWith('Session ses_x.'));
  }
});

test('a denial says what, why and what to do', () => {
  const told = nativeDenial(deny as Deny, NO_FACTS, session);
  assert.deepEqual([told.code, told.sqlState], ['003001', '42501']);
  assert.match(told.message, /^sallyport: no\. reasons: rule; rules: no-ddl\. .*Session ses_x\.$/);
});

test('what is not there, or is no statement, is told as Snowflake does; everything else is a denial', () => {
  const notUnderstood = { ...deny, say: null, rules: [], reasons: ['not-understood'] } as Deny;
  const about = (item: ReturnType<typeof unknown>, decision = notUnderstood) =>
    nativeDenial(decision, { ...NO_FACTS, unknowns: [item] }, session);
  assert.equal(about(unknown('relation', 'D.S.T')).code, '002003');
  assert.match(about(unknown('relation', 'D.S.T')).message, /Object 'D\.S\.T' does not exist or not authorized/);
  assert.equal(about(unknown('syntax', 'syntax error')).code, '001003');
  assert.equal(about(unknown('function', 'F')).code, '003001');
  assert.match(about(unknown('function', 'F')).message, /function F at character 8\. .*Do something else\./);
  assert.equal(about(unknown('relation', 'D.S.T'), { ...notUnderstood, reasons: ['not-understood', 'rule'] } as Deny).code, '003001');
});

test('an error is an envelope that drivers read', () => {
  const { success, code, data } = errorEnvelope({ code: '003001', sqlState: '42501', message: 'no' }, 'q');
  assert.deepEqual([success, code, data?.['sqlState'], data?.['errorCode'], data?.['queryId']], [false, '003001', '42501', '003001', 'q']);
});

test('nothing of a storage, and nothing that is not known, passes to a client', () => {
  const data = {
    queryId: 'q',
    rowset: [],
    qrmk: 'key',
    stageInfo: { creds: 1 },
    masterKey: 'x',
    parameters: [{ name: 'TIMEZONE', value: 'UTC' }],
  };
  assert.deepEqual(Object.keys(clientData(data)).toSorted(), ['parameters', 'queryId', 'rowset']);
  for (const name of ['command', 'stageInfo', 'encryptionMaterial', 'presignedUrls']) assert.ok(isStageTransfer({ [name]: 'x' }), name);
  assert.ok(!isStageTransfer({ stageInfo: null, queryId: 'q' }));
});

test('drivers are told to keep binds in the statement and telemetry to themselves', () => {
  const told = clientParameters([
    { name: 'CLIENT_STAGE_ARRAY_BINDING_THRESHOLD', value: 65_280 },
    { name: 'TIMEZONE', value: 'UTC' },
  ]);
  assert.deepEqual(told, [
    { name: 'TIMEZONE', value: 'UTC' },
    { name: 'CLIENT_TELEMETRY_ENABLED', value: false },
    { name: 'CLIENT_STAGE_ARRAY_BINDING_THRESHOLD', value: 2_147_483_647 },
  ]);
});
