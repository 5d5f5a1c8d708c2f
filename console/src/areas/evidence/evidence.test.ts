import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROBLEM_CODES } from '../../../../src/evidence/verdict.ts';
import { bytesText } from './bytes.ts';
import { splitKeys, splitNotes } from './kept.ts';
import { daysOf, timesOf } from './range.ts';
import { byCode, REASONS } from './reasons.ts';
import { collect } from './receive.ts';

test('presets are whole days in UTC, also over the turn of a year', () => {
  const nowMs = Date.parse('2027-01-03T23:30:00Z');
  assert.deepEqual(daysOf('Today', nowMs), { first: '2027-01-03', last: '2027-01-03' });
  assert.deepEqual(daysOf('Last 7 days', nowMs), { first: '2026-12-28', last: '2027-01-03' });
  assert.deepEqual(daysOf('This month', nowMs), { first: '2027-01-01', last: '2027-01-03' });
  assert.deepEqual(daysOf('Last month', nowMs), { first: '2026-12-01', last: '2026-12-31' });
  assert.deepEqual(daysOf('Last quarter', nowMs), { first: '2026-10-01', last: '2026-12-31' });
});

test('both days are in the range; what is no range has no times', () => {
  assert.deepEqual(timesOf({ first: '2028-02-28', last: '2028-02-29' }), {
    from: '2028-02-28T00:00:00.000Z',
    to: '2028-03-01T00:00:00.000Z',
  });
  for (const [first, last] of [
    ['2028-02-29', '2028-02-28'],
    ['', '2028-02-28'],
    ['2028-02-30x', '2028-03-01'],
    ['2028-13-01', '2028-13-02'],
  ] as const)
    assert.equal(timesOf({ first, last }), null, `${first} ${last}`);
});

test('pasted checkpoints are taken apart, whatever an editor did to their ends', () => {
  const note = (size: number): string => `log.example/1\n${size}\nAAAA\n\n\u2014 log.example/1 c2ln\n\u2014 witness d2l0\n`;
  assert.deepEqual(splitNotes(''), []);
  assert.deepEqual(splitNotes(note(1)), [note(1)]);
  assert.deepEqual(splitNotes(`\n${note(1)}\n\n${note(22)}`), [note(1), note(22)]);
  assert.deepEqual(splitNotes((note(1) + note(2)).replaceAll('\n', '\r\n').trimEnd()), [note(1), note(2)]);
  assert.deepEqual(splitNotes('not a note'), ['not a note\n'], 'handed on: the verifier says what it is not');
  assert.deepEqual(splitKeys(' a+b+c\n\nd+e+f '), ['a+b+c', 'd+e+f']);
});

test('every problem has a sentence, and problems are told by kind in the order in which they were found', () => {
  for (const code of PROBLEM_CODES) assert.match(REASONS[code], /^[A-Z].*\.$/, code);
  const at = { file: null, index: null, what: '' };
  const problems = (['file-added', 'entry-altered', 'file-added'] as const).map((code) => ({ code, ...at }));
  assert.deepEqual(
    byCode(problems).map(([code, all]) => [code, all.length]),
    [
      ['file-added', 2],
      ['entry-altered', 1],
    ],
  );
});

test('what comes in pieces is put together in order, and counted', async () => {
  const pieces = Array.from({ length: 9 }, (_, at) => new Uint8Array(1024 * 1024).fill(at));
  const seen: number[] = [];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const blob = await collect(stream, (bytes) => seen.push(bytes));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  assert.equal(bytes.length, 9 * 1024 * 1024);
  for (let at = 0; at < 9; at += 1) assert.equal(bytes[at * 1024 * 1024], at);
  assert.equal(seen.at(-1), bytes.length);
  assert.equal(blob.type, 'application/zip');
  const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({ start: (controller) => controller.error(new Error('cut')) });
  await assert.rejects(
    collect(broken, () => undefined),
    /cut/,
  );
});

test('sizes are short', () => {
  assert.deepEqual([0, 999, 1000, 12_345_678, 5e15].map(bytesText), ['0 bytes', '999 bytes', '1 kB', '12.3 MB', '5,000 TB']);
});
