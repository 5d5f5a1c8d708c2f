import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlannedStatement, SessionChange, SnowflakeRelation } from '../../sql/snowflake/types.ts';
import { SessionState } from './session-state.ts';

const relation: SnowflakeRelation = { database: 'D', schema: 'S', name: 'T', kind: 'table', columns: [], definition: null };
const statement = (...changes: SessionChange[]): PlannedStatement => ({ verb: 'X', outputs: null, mayTell: false, changes });
const at = (state: SessionState): string => `${state.database ?? ''}.${state.schema ?? ''}`;

test('it follows where the account says that the session is', () => {
  const state = new SessionState();
  state.begin({ databaseName: 'D', schemaName: 'S' });
  assert.equal(at(state), 'D.S');
  const { version } = state;
  state.succeeded([statement()], { finalDatabaseName: 'D', finalSchemaName: 'S' });
  assert.equal(state.version, version);
  state.succeeded([statement()], {});
  assert.equal(at(state), 'D.S');
  state.succeeded([statement()], { finalDatabaseName: 'E', finalSchemaName: null });
  assert.equal(at(state), 'E.');
  assert.notEqual(state.version, version);
  state.lost();
  assert.equal(at(state), '.');
});

test('changes count once the statement has succeeded, and make what was planned before stale', () => {
  const state = new SessionState();
  const { version } = state;
  state.succeeded([statement({ kind: 'variable', name: 'V', value: 'x' }, { kind: 'create', relation })], {});
  assert.equal(state.variables.get('V'), 'x');
  assert.equal(state.own.get('D.S.T'), relation);
  assert.ok(state.version > version);
  state.succeeded([statement({ kind: 'variable', name: 'V', value: null })], {});
  assert.equal(state.variables.has('V'), false);
});

test('of what has failed only what is certain is kept', () => {
  const state = new SessionState();
  state.succeeded([statement({ kind: 'variable', name: 'V', value: 'x' }, { kind: 'create', relation })], {});
  state.failed([statement({ kind: 'create', relation })]);
  const [own] = state.own.values();
  assert.equal(own?.columns, null, 'it may have other columns now');
  state.succeeded([statement({ kind: 'create', relation })], {});
  state.failed([statement({ kind: 'drop', name: 'D.S.T' })]);
  assert.equal(state.own.get('D.S.T')?.columns, null, 'it may be gone');
  state.succeeded([statement({ kind: 'drop', name: 'D.S.T' })], {});
  assert.equal(state.own.size, 0, 'the name means something else, or nothing');
  assert.equal(state.variables.size, 1);
  state.failed([statement({ kind: 'variable', name: 'W', value: 'y' })]);
  assert.equal(state.variables.size, 0);
});

test('a statement that was only described may have been run: what it would change is not known any more', () => {
  const state = new SessionState();
  state.succeeded([statement({ kind: 'variable', name: 'V', value: 'clinics' }, { kind: 'create', relation })], {});
  state.described([statement({ kind: 'variable', name: 'V', value: 'patients' }, { kind: 'create', relation })], {
    finalDatabaseName: 'D',
    finalSchemaName: 'S2',
  });
  assert.equal(state.variables.size, 0);
  assert.equal(state.own.get('D.S.T')?.columns, null);
  assert.equal(at(state), 'D.S2');
});

test('a result is known by its id, with the names that the account gave it', () => {
  const state = new SessionState();
  const output = {
    name: null,
    sources: ['D.S.T.SSN'],
    classes: ['phi.ssn'],
    shape: 'value',
    mask: 'redact',
    keyClass: null,
    subjectOutput: null,
  } as const;
  state.know('01B0-Q', [output], [{ name: 'UPPER(SSN)', type: 'text' }]);
  const known = { queryId: '01B0-Q', outputs: [{ ...output, name: 'UPPER(SSN)' }] };
  assert.deepEqual(state.result('01b0-q'), known);
  state.alias('Alias', '01B0-Q');
  assert.deepEqual(state.result('alias'), known);
  state.know('status', null, [{ name: 'status', type: 'text' }]);
  assert.deepEqual(state.result('status'), { queryId: 'status', outputs: null });
  assert.equal(state.result('other'), undefined);
});
