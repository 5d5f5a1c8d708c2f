import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tail } from './tail.ts';

const texts = (entries: readonly Buffer[]): string[] => entries.map(String);

test('entries come out by their index, however they were committed and whatever was dropped before them', () => {
  const tail = new Tail(10, [Buffer.from('ten'), Buffer.from('eleven')]);
  tail.push(Buffer.from('..twelve..thirteen'), [2, 8, 10, 18]);
  tail.push(Buffer.from('fourteen'), [0, 8]);
  assert.equal(tail.end, 15);
  assert.deepEqual(texts(tail.slice(10, 15)), ['ten', 'eleven', 'twelve', 'thirteen', 'fourteen']);
  assert.deepEqual(texts(tail.slice(11, 13)), ['eleven', 'twelve']);
  assert.deepEqual(tail.slice(15, 20), []);
  const before = tail.bytes;
  // In the middle of a commit: all of its bytes stay in memory, and what was dropped does not come out.
  tail.dropBefore(13);
  assert.equal(tail.bytes, before - 'teneleven'.length);
  assert.equal(tail.start, 13);
  assert.deepEqual(texts(tail.slice(10, 15)), ['thirteen', 'fourteen']);
  tail.dropBefore(15);
  assert.equal(tail.bytes, 0);
  tail.push(Buffer.from('fifteen'), [0, 7]);
  assert.deepEqual(texts(tail.slice(15, 16)), ['fifteen']);
});
