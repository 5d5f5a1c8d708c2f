import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexIn, matches, pagesOf, pretty, scanBefore, spansOf } from './pages.ts';

test('the rows in sight say which pages are read, newest first', () => {
  assert.deepEqual(pagesOf(0, 0, 0), [0]);
  assert.deepEqual(pagesOf(1000, 0, 20), [5, 4]);
  assert.deepEqual(pagesOf(450, 50, 251), [2, 1, 0]);
  assert.deepEqual(pagesOf(10, 0, 40), [0], 'not behind the beginning');
});

test('a search goes backwards to the beginning, and reads nothing twice', () => {
  assert.deepEqual(scanBefore(2500), { from: 1500, limit: 1000 });
  assert.deepEqual(scanBefore(500), { from: 0, limit: 500 });
  assert.deepEqual(scanBefore(0), { from: 0, limit: 1 });
  assert.ok(matches('request.denied', ' DENIED'));
  assert.ok(!matches('request.held', 'denied'));
});

test('an index is taken as people type it, and only one that the log has', () => {
  for (const text of ['12345', '#12,345', ' 12 345 ']) assert.equal(indexIn(text, 20_000), 12_345, text);
  for (const text of ['', 'x', '-1', '20000', '1e3']) assert.equal(indexIn(text, 20_000), null, text);
});

test('what is no JSON is shown as it is', () => {
  assert.equal(pretty('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(pretty('{"a"'), '{"a"');
});

test('each hash on the way is of the entries of both', () => {
  assert.deepEqual(
    spansOf(2, [
      { from: 3, to: 4 },
      { from: 0, to: 2 },
      { from: 4, to: 7 },
    ]),
    [
      { from: 2, to: 4 },
      { from: 0, to: 4 },
      { from: 0, to: 7 },
    ],
  );
});
