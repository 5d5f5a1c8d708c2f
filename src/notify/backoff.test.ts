import assert from 'node:assert/strict';
import { it } from 'node:test';
import { delayAfter } from './backoff.ts';

it('waits from one second to one hour, twice as long each time, the upper half by chance', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 13].map((attempts) => delayAfter(attempts, 1)),
    [1_000, 2_000, 4_000, 8_000, 3_600_000],
  );
  assert.deepEqual(
    [1, 2, 3, 4, 13].map((attempts) => delayAfter(attempts, 0)),
    [1_000, 1_000, 2_000, 4_000, 1_800_000],
  );
  for (const attempts of [0, 1, 30, 1_000, Number.MAX_SAFE_INTEGER]) {
    const ms = delayAfter(attempts, 0.5);
    assert.ok(ms >= 1_000 && ms <= 3_600_000, String(ms));
  }
});
