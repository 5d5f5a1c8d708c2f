import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENTRY_TYPES } from '../core/event.ts';
import { ocsfFaults } from '../../test/support/ocsf.ts';
import { ownRow, rowOf } from './entry-table.ts';
import { ocsfEvent } from './event.ts';
import { leafOfEveryType, testContext, testLeaf } from './testing.ts';

test('every type of entry has a row of its own, and what has none is told all the same', () => {
  assert.deepEqual(
    ENTRY_TYPES.filter((type) => ownRow(type) === null),
    [],
  );
  assert.equal(rowOf('constructor').classUid, 1008);
});

for (const isFull of [true, false]) {
  test(`entries of every type, ${isFull ? 'full' : 'as bare as they can be'}, are valid OCSF 1.8 events`, () => {
    const faults = leafOfEveryType(isFull).flatMap((leaf) =>
      ocsfFaults(ocsfEvent(leaf, testContext)).map((fault) => `${leaf.header.type}: ${fault}`),
    );
    assert.deepEqual(faults, []);
  });
}

test('the check itself finds what is missing, unknown, of a wrong type or outside of an enumeration', () => {
  const good = ocsfEvent(testLeaf('auth.ok', 1), testContext);
  assert.deepEqual(ocsfFaults(good), []);
  assert.deepEqual(ocsfFaults({ ...good, user: undefined }), ['user is missing', 'user is no object']);
  assert.deepEqual(ocsfFaults({ ...good, patient: 'x' }), ['patient is not in the schema']);
  assert.deepEqual(ocsfFaults({ ...good, time: 'now' }), ['time is no long_t']);
  assert.deepEqual(ocsfFaults({ ...good, severity_id: 77 }), ['severity_id has no 77']);
  assert.deepEqual(ocsfFaults({ ...good, metadata: { ...(good['metadata'] as object), product: {} } }), [
    'metadata.product. has none of name, uid',
  ]);
});

test('the sequence is the index of the log, the uid is the hash of the leaf, the correlation is the session', () => {
  const { metadata } = ocsfEvent(testLeaf('session.open', 41, { session: 'ses_x' }), testContext) as unknown as {
    metadata: Record<string, unknown>;
  };
  assert.equal(metadata['sequence'], 41);
  assert.equal(metadata['uid'], (41).toString(16).padStart(64, '0'));
  assert.equal(metadata['correlation_uid'], 'ses_x');
});

test('a statement is told by what it does: reads query, writes write, deletes delete', () => {
  const facts = { verbs: [], relations: [], classes: [], outputClasses: [], predicateClasses: [], unbounded: false, unknowns: [] };
  const activityOf = (verbs: readonly string[], effects: readonly string[]): unknown =>
    ocsfEvent(testLeaf('request.intent', 0, { facts: { ...facts, verbs, effects } }), testContext)['type_uid'];
  assert.equal(activityOf(['SELECT'], ['read']), 600504);
  assert.equal(activityOf(['INSERT'], ['write']), 600505);
  assert.equal(activityOf(['UPDATE'], ['read', 'write']), 600502);
  assert.equal(activityOf(['DELETE'], ['read', 'write']), 600507);
  assert.equal(activityOf(['CREATE'], ['ddl']), 600506);
});

test('a result that shows masked values is told as modified, and the text of a statement that cannot be read is its length', () => {
  const column = { name: 'ssn', classes: ['phi.ssn'], mask: 'redact' };
  const result = { rows: 1, bytes: 2, columns: [column], code: 'ok', ms: 1 };
  assert.equal(ocsfEvent(testLeaf('request.result', 0, { result }), testContext)['action'], 'Modified');
  const unread = ocsfEvent(testLeaf('request.denied', 0, { decision: 'deny', statement: { bytes: 9, parameters: [] } }), testContext);
  assert.equal((unread['query_info'] as { query_string: string }).query_string, '(9 bytes, not shown)');
  assert.equal(unread['disposition'], 'Blocked');
});
