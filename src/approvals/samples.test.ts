import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApprovalId } from '../core/ids.ts';
import type { RowSample } from '../core/preview.ts';
import { Samples } from './samples.ts';

const id = (name: string): ApprovalId => `apr_${name}` as ApprovalId;

/** Of ten characters and the text. */
function sampleOf(text: string): RowSample {
  const column = { name: 'note', type: 'text', classes: ['a', 'b'], shown: 'value', isKey: false, isAssigned: true } as const;
  return { columns: [column], columnsLeftOut: 0, isPaired: true, rows: [{ before: [text], after: [null] }] };
}

test('the oldest samples go when there are too many', () => {
  const samples = new Samples(100);
  for (const name of ['a', 'b', 'c']) samples.keep(id(name), sampleOf('x'.repeat(30)));
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => samples.of(id(name)) !== null),
    [false, true, true],
  );
  samples.drop(id('b'));
  samples.drop(id('b'));
  samples.keep(id('d'), sampleOf('x'.repeat(30)));
  assert.ok(samples.of(id('c')) !== null && samples.of(id('d')) !== null);
});

test('one that is larger than all may be is not kept, and one that is kept again counts once', () => {
  const samples = new Samples(100);
  samples.keep(id('a'), sampleOf('x'.repeat(91)));
  assert.equal(samples.of(id('a')), null);
  for (let again = 0; again < 5; again += 1) samples.keep(id('b'), sampleOf('x'.repeat(80)));
  assert.ok(samples.of(id('b')) !== null);
});
