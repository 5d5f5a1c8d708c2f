import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Grant } from '../core/grant.ts';
import { createReviews } from './reviews.ts';

const signal = new AbortController().signal;

function reviewsOf(
  listed: (filter: { readonly states?: readonly string[]; readonly review?: unknown; readonly limit: number }) => Grant[],
) {
  return createReviews({
    audit: { append: async () => 0 },
    reader: { size: () => 0, async *entries() {} } as never,
    grants: { list: async (filter) => listed(filter) },
    approvals: { list: async () => [] },
    delegations: { list: async () => [] },
    locks: { list: async () => [] },
    siem: { status: () => [], reset: () => assert.fail('not asked') },
    anchors: () => [],
    targets: [],
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
  });
}

const grantOf = (n: number, change: Partial<Grant>): Grant =>
  ({
    id: `grt_${n}`,
    role: 'r',
    target: 'clinic',
    state: 'ended',
    expiresAtMs: null,
    requester: { issuer: 'corp', subject: 'ana', kind: 'person' },
    onBehalfOf: null,
    review: null,
    ...change,
  }) as unknown as Grant;

test('leavers are looked for among all that is open or owed, however many grants there were', async () => {
  const reviews = reviewsOf(({ states, review }) => {
    if (states !== undefined) return [grantOf(1, { state: 'active', review: 'owed' })];
    return review === 'owed' ? [grantOf(1, { state: 'active', review: 'owed' }), grantOf(2, { review: 'owed' })] : [];
  });
  const [ana] = await reviews.leavers([{ issuer: 'corp', subject: 'ana' }], signal);
  assert.deepEqual(
    ana?.open.grants.map(({ id }) => id),
    ['grt_1'],
  );
  assert.deepEqual(ana?.reviewsOwed, ['grt_1', 'grt_2']);
  assert.equal(ana?.isClear, false);
});

test('a list that is cut is refused: somebody on the rest of it would seem to have nothing', async () => {
  const reviews = reviewsOf(({ limit }) => Array.from({ length: limit }, (_, n) => grantOf(n, { state: 'active' })));
  await assert.rejects(reviews.leavers([{ issuer: 'corp', subject: 'bo' }], signal), /cannot be looked for/);
});
