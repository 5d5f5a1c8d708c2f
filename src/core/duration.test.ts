import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText } from './duration.ts';

test('a length of time is told in the units that it has', () => {
  const told: readonly (readonly [ms: number, text: string])[] = [
    [0, '0s'],
    [1, '0.001s'],
    [1500, '1.5s'],
    [60_000, '1m'],
    [5_400_000, '1h30m'],
    [86_400_000, '1d'],
    [90_061_000, '1d1h1m1s'],
  ];
  assert.deepEqual(
    told.map(([ms]) => durationText(ms)),
    told.map(([, text]) => text),
  );
});
