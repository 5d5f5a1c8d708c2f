import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

const never = new AbortController().signal;

/** Takes turns and tells, in order, which have begun. */
function watched(): { begin: (name: string, kind: 'shared' | 'alone', signal?: AbortSignal) => Promise<() => void>; begun: string[] } {
  const turns = new Turns();
  const begun: string[] = [];
  return {
    begun,
    begin: async (name, kind, signal = never) => {
      const turn = await turns.take(kind, signal);
      begun.push(name);
      return () => turn.end();
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('shared ones run together; who runs alone waits for all before, and all behind wait for it', async () => {
  const { begin, begun } = watched();
  const [endA, endB] = await Promise.all([begin('a', 'shared'), begin('b', 'shared')]);
  const alone = begin('alone', 'alone');
  const behind = begin('c', 'shared');
  await settle();
  assert.deepEqual(begun, ['a', 'b']);
  endA();
  endA();
  await settle();
  assert.deepEqual(begun, ['a', 'b']);
  endB();
  const endAlone = await alone;
  await settle();
  assert.deepEqual(begun, ['a', 'b', 'alone']);
  endAlone();
  await behind;
  assert.deepEqual(begun, ['a', 'b', 'alone', 'c']);
});

test('who gives up lets those behind pass', async () => {
  const { begin, begun } = watched();
  await begin('a', 'shared');
  const cancel = new AbortController();
  const given = begin('alone', 'alone', cancel.signal);
  const behind = begin('b', 'shared');
  await settle();
  assert.deepEqual(begun, ['a']);
  cancel.abort(new Error('enough'));
  await assert.rejects(given, /enough/);
  await behind;
  assert.deepEqual(begun, ['a', 'b']);
  await assert.rejects(begin('late', 'shared', cancel.signal), /enough/);
});
