// What the gateway thinks of the session after answers that leave open whether a statement was run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_FACTS } from '../../core/facts.ts';
import type { SessionChange } from '../../sql/snowflake/types.ts';
import { answerDone, answerFailed } from './answering.ts';
import { SessionState } from './session-state.ts';

type Session = Parameters<typeof answerDone>[0];
type Run = Parameters<typeof answerDone>[1];

const soon = { isDone: true, wait: async () => undefined };

function sessionOf(state: SessionState): Session {
  const session = {
    state,
    gate: { id: 's', settle: () => soon },
    results: { mask: async ({ data }: { data: unknown }) => ({ data, rows: 0, bytes: 0 }) },
    planning: { refresh: () => undefined },
    limits: { recordRows: 0 },
    clock: { monotonicMs: () => 0 },
  };
  return session as unknown as Session;
}

function runOf(verb: string, isDescribe: boolean, ...changes: readonly SessionChange[]): Run {
  const run = {
    permit: { facts: { rows: null, intent: soon, request: { action: 'prepare', facts: NO_FACTS } } },
    planned: { plan: { facts: NO_FACTS, forward: null, statements: [{ verb, outputs: null, mayTell: false, changes }] }, protection: {} },
    asked: { isDescribe },
    chunkBase: '',
    startedMs: 0,
  };
  return run as unknown as Run;
}

function started(): SessionState {
  const state = new SessionState();
  state.begin({ databaseName: 'D', schemaName: 'S' });
  state.variables.set('V', 'clinics');
  return state;
}

const set: SessionChange = { kind: 'variable', name: 'V', value: 'patients' };

test('SET that was only described leaves no variable that IDENTIFIER could use', async () => {
  const state = started();
  await answerDone(sessionOf(state), runOf('SET', true, set), { success: true, code: null, message: null, data: {} });
  assert.equal(state.variables.size, 0);
  assert.equal(state.schema, 'S');
});

test('USE that was only described: the session is where the account says', async () => {
  const state = started();
  const data = { finalDatabaseName: 'D', finalSchemaName: 'S2' };
  await answerDone(sessionOf(state), runOf('USE', true), { success: true, code: null, message: null, data });
  assert.equal(state.schema, 'S2');
});

test('a query that was described changes nothing', async () => {
  const state = started();
  await answerDone(sessionOf(state), runOf('SELECT', true), { success: true, code: null, message: null, data: {} });
  assert.deepEqual([state.schema, state.variables.get('V')], ['S', 'clinics']);
});

test('what was cancelled may have happened; what failed has not', async () => {
  const failed = started();
  await answerFailed(sessionOf(failed), runOf('SET', false, set), { success: false, code: '001003', message: 'no', data: {} });
  assert.deepEqual([failed.schema, failed.variables.get('V')], ['S', 'clinics']);
  const cancelled = started();
  await answerFailed(sessionOf(cancelled), runOf('SET', false, set), { success: false, code: '000604', message: 'no', data: {} });
  assert.deepEqual([cancelled.schema, cancelled.variables.size], ['S', 0]);
  await answerFailed(sessionOf(cancelled), runOf('USE SCHEMA', false), { success: false, code: '000604', message: 'no', data: {} });
  assert.equal(cancelled.schema, null);
});
