import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seriesOf, sparkline } from './series.ts';

const point = (at: string, statements: number) => ({ at, statements, held: 0, denied: 1, rows: 0, maskedCells: 0 });

test('every step of the range has a value; steps without activity are zero, points outside of it do not count', () => {
  const range = { since: '2026-11-21T09:00:00.000Z', until: '2026-11-21T09:20:00.000Z', stepMs: 300_000 };
  const points = [point('2026-11-21T09:05:00.000Z', 3), point('2026-11-21T09:15:00.000Z', 4), point('2026-11-21T08:55:00.000Z', 9)];
  const { times, values } = seriesOf(range, points, ['statements', 'denied']);
  assert.deepEqual(
    times,
    [0, 300, 600, 900].map((seconds) => Date.parse(range.since) / 1000 + seconds),
  );
  assert.deepEqual(values, [
    [0, 3, 0, 4],
    [0, 1, 0, 1],
  ]);
});

test('a sparkline fills its box, and one without activity lies on the ground', () => {
  assert.equal(sparkline([0, 5, 10], 20, 10), 'M0.0 10.0L10.0 5.0L20.0 0.0');
  assert.equal(sparkline([0, 0], 20, 10), 'M0.0 10.0L20.0 10.0');
  assert.equal(sparkline([], 20, 10), '');
});
