// Objects, prepared names, message scrubbing, errors and the way out: everything of a session that needs no socket.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Recorded } from '../../session/recorder.ts';
import test from 'node:test';
import type { Deny } from '../../core/decision.ts';
import { CATEGORIES, SallyportError } from '../../core/error.ts';
import type { Facts } from '../../core/facts.ts';
import type { SessionId } from '../../core/ids.ts';
import type { Relation } from '../../sql/catalogue.ts';
import { ClientOutput } from './client-output.ts';
import { SQLSTATE, errorMessage, nativeDenial, nativeFault } from './errors.ts';
import { parseFields } from './messages.ts';
import type { PlannedText } from './planner.ts';
import { Prepared, type Portal, type PreparedStatement } from './prepared.ts';
import { scrubError, scrubNotice } from './scrub.ts';
import { LiveObjects } from './session-objects.ts';

const temporary = { name: 't' } as Relation;
const facts = { unknowns: [] } as unknown as Facts;
const session = 'ses_test' as SessionId;
const texts = (message: Uint8Array): string => Buffer.from(message).toString('latin1');

test('what a rolled-back transaction created is forgotten, what a committed one created stays', () => {
  const objects = new LiveObjects();
  objects.apply({ kind: 'create-temporary', relation: temporary });
  assert.equal(objects.hasUncommitted, true);
  objects.completed('ROLLBACK');
  assert.equal(objects.temporary('t'), undefined);
  objects.apply({ kind: 'create-temporary', relation: temporary });
  objects.ready('I');
  objects.completed('ROLLBACK');
  assert.equal(objects.temporary('t'), temporary);
});

test('an error in an implicit transaction forgets what it created', () => {
  const objects = new LiveObjects();
  objects.apply({ kind: 'create-temporary', relation: temporary });
  objects.failed();
  objects.ready('I');
  assert.equal(objects.temporary('t'), undefined);
});

test('ROLLBACK TO a savepoint forgets everything of the transaction: on doubt it is not ours', () => {
  const objects = new LiveObjects();
  objects.ready('T');
  objects.apply({ kind: 'create-temporary', relation: temporary });
  objects.completed('ROLLBACK');
  objects.ready('T');
  assert.equal(objects.temporary('t'), undefined);
});

test('a prepared statement is known for as long as its text would be planned the same', () => {
  let now: PlannedText | null = null;
  let asked = 0;
  const objects = new LiveObjects((made) => {
    asked += 1;
    // The text may execute what it prepares.
    assert.equal(objects.prepared('p'), undefined);
    return now ?? made;
  });
  const made = { text: 'PREPARE p AS SELECT 1' } as PlannedText;
  objects.apply({ kind: 'prepare', name: 'p', facts }, made);
  assert.equal(objects.prepared('p'), facts);
  const newer = { ...facts };
  now = { plan: { statements: [{ changes: [{ kind: 'prepare', name: 'p', facts: newer }] }] } } as unknown as PlannedText;
  assert.equal(objects.prepared('p'), newer);
  assert.equal(asked, 2);
  const gone = new LiveObjects(() => null);
  gone.apply({ kind: 'prepare', name: 'p', facts }, made);
  assert.equal(gone.prepared('p'), undefined);
});

test('cursors end with the transaction unless they are held; prepared statements do not', () => {
  const objects = new LiveObjects();
  objects.apply({ kind: 'prepare', name: 'p', facts });
  objects.apply({ kind: 'declare', name: 'c', facts, hold: false });
  objects.apply({ kind: 'declare', name: 'h', facts, hold: true });
  objects.ready('I');
  assert.deepEqual([objects.cursor('c'), objects.cursor('h'), objects.prepared('p')], [undefined, facts, facts]);
  objects.apply({ kind: 'discard-all' });
  assert.equal(objects.isEmpty, true);
});

test('a changed catalogue is read again at once and once more after the transaction', () => {
  const objects = new LiveObjects();
  objects.apply({ kind: 'catalogue-changed' });
  assert.deepEqual([objects.ready('T'), objects.ready('I'), objects.ready('I')], [true, true, false]);
});

test('names get back what they stood for when changes are undone newest first', () => {
  const prepared = new Prepared();
  const [one, two] = [
    { name: 's', text: '1' },
    { name: 's', text: '2' },
  ] as PreparedStatement[];
  assert.ok(one !== undefined && two !== undefined);
  prepared.addStatement(one);
  const second = prepared.addStatement(two);
  prepared.close('statement', 's').undo();
  assert.equal(prepared.statement('s'), two);
  second.undo();
  assert.equal(prepared.statement('s'), one);
});

test('INVARIANT: undoing a change that was refused never takes the name from a newer one', () => {
  const prepared = new Prepared();
  const [one, two, three] = ['1', '2', '3'].map((text) => ({ name: 's', text }) as PreparedStatement);
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  prepared.addStatement(one).keep();
  const second = prepared.addStatement(two);
  const third = prepared.addStatement(three);
  second.undo();
  assert.equal(prepared.statement('s'), three);
  third.undo();
  assert.equal(prepared.statement('s'), one);
  prepared.close('statement', 's').keep();
  assert.equal(prepared.statement('s'), undefined);
  assert.equal(prepared.size, 0);
});

test('portals die with their transaction, those of later messages do not', () => {
  const prepared = new Prepared();
  prepared.addPortal({ name: 'old', epoch: 0 } as Portal);
  prepared.addPortal({ name: 'new', epoch: 1 } as Portal);
  prepared.transactionEnded(1);
  assert.equal(prepared.portal('old'), undefined);
  assert.notEqual(prepared.portal('new'), undefined);
});

const failure = new Map(
  Object.entries({ S: 'ERROR', V: 'ERROR', C: '22P02', M: 'bad "970-11"', D: '970-12', H: '970-13', W: '970-14', P: '9', t: 'x', n: 'y' }),
);

test('server messages are scrubbed as the plan says', () => {
  assert.match(texts(scrubError(failure, 'pass')), /970-11.*970-12.*970-13/s);
  assert.equal(parseFields(scrubError(failure, 'pass').subarray(5)).has('P'), false);
  assert.doesNotMatch(texts(scrubError(failure, 'trim')), /970-1[234]/);
  assert.doesNotMatch(texts(scrubError(failure, 'code-only')), /970/);
  assert.match(texts(scrubError(failure, 'code-only')), /22P02/);
  const unknownColumn = [
    ['C', '42703'],
    ['M', 'column x does not exist'],
  ] as const;
  assert.match(texts(scrubError(new Map([...unknownColumn, ['P', '8']]), 'code-only')), /column x/);
  // Without a position in the statement it may come from code of the server, which can raise any SQLSTATE with any text.
  assert.doesNotMatch(texts(scrubError(new Map(unknownColumn), 'code-only')), /column x/);
  assert.doesNotMatch(texts(scrubError(new Map([...unknownColumn, ['P', '8'], ['W', 'PL/pgSQL function f()']]), 'code-only')), /column x/);
});

test('notices pass only where nothing protected can be in them', () => {
  assert.notEqual(scrubNotice(failure, 'pass'), null);
  assert.equal(scrubNotice(failure, 'trim'), null);
  assert.equal(scrubNotice(failure, 'code-only'), null);
});

test('every category has its SQLSTATE, and faults show fixed texts only', () => {
  for (const category of CATEGORIES) assert.match(SQLSTATE[category], /^[0-9A-Z]{5}$/);
  const shown = texts(errorMessage('FATAL', nativeFault(new SallyportError('SP_INTERNAL', 'secret detail'), session)));
  assert.doesNotMatch(shown, /secret detail/);
  assert.match(shown, /ses_test/);
});

test('a denial says why, by which rule, what is not understood and what to do', () => {
  const unknown = { code: 'function' as const, what: 'pg_read_file', remedy: 'Use built-in functions.' };
  const decision = { outcome: 'deny', reasons: ['not-understood'], rules: ['r1'], say: null } as unknown as Deny;
  const error = nativeDenial(decision, { unknowns: [unknown] } as unknown as Facts, session);
  assert.equal(error.sqlstate, '42501');
  assert.match(error.message, /function pg_read_file/);
  assert.match(error.detail ?? '', /not-understood.*r1/);
  assert.match(error.hint ?? '', /Use built-in functions.*ses_test/);
});

test('what PostgreSQL has a SQLSTATE for is told with it, with what, where and what next; a denial stays 42501', () => {
  const told = (unknown: object, reasons = ['not-understood']): readonly unknown[] => {
    const decision = { outcome: 'deny', reasons, rules: [], say: null } as unknown as Deny;
    const { sqlstate, message, hint, position } = nativeDenial(decision, { unknowns: [unknown] } as unknown as Facts, session);
    assert.notEqual(hint ?? '', '');
    return [sqlstate, message, position];
  };
  const remedy = 'Change it.';
  assert.deepEqual(told({ code: 'syntax', what: 'syntax error', remedy, at: 13 }), [
    '42601',
    'sallyport: syntax error at character 13',
    13,
  ]);
  assert.deepEqual(told({ code: 'syntax', what: 'syntax error', remedy }), ['42601', 'sallyport: syntax error', undefined]);
  assert.deepEqual(told({ code: 'too-large', what: 'a long statement', remedy }), [
    '54000',
    'sallyport: refused: a long statement',
    undefined,
  ]);
  assert.deepEqual(told({ code: 'too-deep', what: 'a deep statement', remedy }), [
    '54001',
    'sallyport: refused: a deep statement',
    undefined,
  ]);
  assert.deepEqual(told({ code: 'schema', what: 'no schema', remedy }), ['3F000', 'sallyport: refused: no schema', undefined]);
  assert.deepEqual(told({ code: 'relation', what: 'visits', remedy }), ['42P01', 'sallyport: relation "visits" does not exist', undefined]);
  assert.deepEqual(told({ code: 'relation', what: 'an unknown name', remedy }).slice(0, 2), [
    '42P01',
    'sallyport: a relation of the statement does not exist',
  ]);
  for (const code of ['function', 'partition', 'system-relation', 'node-kind', 'setting'])
    assert.equal(told({ code, what: 'x', remedy })[0], '42501');
  // Refused by policy: what was not understood beside it changes nothing.
  for (const reasons of [['rule'], ['no-access'], ['not-understood', 'rule'], ['not-understood', 'effect-not-granted']]) {
    assert.equal(told({ code: 'relation', what: 'visits', remedy }, reasons)[0], '42501');
  }
  assert.equal(told({ code: 'syntax', what: 'syntax error', remedy, at: 13 }, ['rule'])[0], '42501');
  // No rule has seen what is no statement.
  assert.equal(told({ code: 'syntax', what: 'syntax error', remedy, at: 13 }, ['not-understood', 'policy-error'])[0], '42601');
});

class FakeSocket extends EventEmitter {
  written = '';
  writable = true;
  writableNeedDrain = false;
  cork(): void {}
  uncork(): void {}
  write(bytes: Uint8Array): boolean {
    this.written += Buffer.from(bytes).toString();
    return true;
  }
  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.write(bytes);
  }
}

function output(): { socket: FakeSocket; out: ClientOutput; faults: unknown[]; full: string[] } {
  const socket = new FakeSocket();
  const faults: unknown[] = [];
  const full: string[] = [];
  const out = new ClientOutput({
    socket: socket as unknown as Socket,
    onFull: () => full.push('full'),
    onReady: () => full.push('ready'),
    onFault: (fault) => faults.push(fault),
  });
  return { socket, out, faults, full };
}
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Done once the promise is. */
function recordedOnce(entry: Promise<unknown>): Recorded {
  const recorded = { isDone: false, wait: () => entry.then(() => undefined) };
  entry.then(
    () => (recorded.isDone = true),
    () => undefined,
  );
  return recorded;
}

test('bytes behind a gate wait for it, in order, and never come when it fails', async () => {
  const { socket, out, faults } = output();
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  out.gate(recordedOnce(first.promise));
  out.write(bytes('a'));
  out.gate(recordedOnce(second.promise));
  out.write(bytes('b'));
  out.flush();
  assert.equal(socket.written, '');
  second.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.written, '');
  first.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.written, 'ab');
  out.gate(recordedOnce(Promise.reject(new Error('disk'))));
  out.write(bytes('c'));
  out.flush();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(faults.length, 1);
  out.end(bytes('!'));
  assert.equal(socket.written, 'ab!');
});

test('an urgent message overtakes what is gated but never cuts a frame in two', () => {
  const { socket, out } = output();
  out.write(bytes('half'), false);
  out.flush();
  out.urgent(bytes('N'));
  assert.equal(socket.written, 'half');
  out.write(bytes('-whole'));
  out.gate(recordedOnce(new Promise(() => undefined)));
  out.write(bytes('later'));
  out.flush();
  out.urgent(bytes('M'));
  assert.ok(!socket.written.includes('later'));
});

test('an error is not written into the middle of a frame', () => {
  const { socket, out } = output();
  out.write(bytes('half'), false);
  out.flush();
  out.end(bytes('E'));
  assert.equal(socket.written, 'half');
});

test('too much behind a gate pauses the upstream until it is gone', async () => {
  const { out, full } = output();
  const gate = Promise.withResolvers<void>();
  out.gate(recordedOnce(gate.promise));
  out.write(new Uint8Array(300 * 1024));
  out.flush();
  assert.deepEqual(full, ['full']);
  gate.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(full, ['full', 'ready']);
});
