import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grownLog } from '../../test/support/grown-log.ts';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft } from '../core/event.ts';
import type { Anchor, Checkpoint, Outcome } from './anchor.ts';
import { compareWithAnchors, createAnchors } from './keeper.ts';

function world(outcomeOf: (checkpoint: Checkpoint, call: number) => Outcome | Promise<Outcome>, more: Partial<Anchor> = {}) {
  const log = grownLog();
  const state = {
    nowMs: 0,
    note: log.at(1).note as string | null,
    submitted: [] as number[],
    entries: [] as EntryDraft[],
    counted: [] as string[],
    log,
    grow: (size: number) => (state.note = log.at(size).note),
  };
  const anchor: Anchor = {
    name: 'one',
    kind: 'https',
    everyMs: 0,
    async submit(checkpoint) {
      state.submitted.push(checkpoint.size);
      return outcomeOf(checkpoint, state.submitted.length);
    },
    ...more,
  };
  const anchors = createAnchors({
    anchors: [anchor],
    origin: log.origin,
    checkpoint: async () => state.note,
    audit: { writable: true, append: async (entry) => state.entries.push(entry) },
    clock: { nowMs: () => state.nowMs, monotonicMs: () => state.nowMs },
    delayAfter: (attempts) => attempts * 1000,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    counted: (_, outcome) => state.counted.push(outcome),
    pollMs: 1,
  });
  return { state, anchors };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}
/** Looks of the keeper happen meanwhile. */
async function looks(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}
const rolledBack = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_ROLLED_BACK';
const codes = (entries: readonly EntryDraft[]): unknown[] => entries.map(({ type, detail }) => `${type} ${String(detail?.['code'])}`);

test('every new checkpoint goes to the anchor; while one is on its way the newest goes next', async () => {
  let release = (): void => undefined;
  const { state, anchors } = world(async (_, call) => {
    if (call === 2) await new Promise<void>((resolve) => (release = resolve));
    return { kind: 'kept' };
  });
  await anchors.start();
  state.grow(2);
  await until(() => state.submitted.length === 2);
  state.grow(3);
  state.grow(9);
  await looks();
  assert.deepEqual(state.submitted, [1, 2], 'one at a time');
  state.nowMs = 700;
  assert.deepEqual(anchors.status(), [{ name: 'one', kind: 'https', size: 1, lagMs: 700, keptAtMs: 0, alarms: [] }]);
  release();
  await until(() => anchors.status()[0]?.size === 9);
  assert.deepEqual(state.submitted, [1, 2, 9]);
  assert.deepEqual(anchors.status()[0]?.lagMs, 0);
  state.grow(12);
  await anchors.stop(1000);
  assert.equal(state.submitted.at(-1), 12, 'the closing checkpoint goes there, too');
});

test('an anchor that is down is tried again with growing pauses, is an alarm after five minutes and another entry when it is back', async () => {
  let isDown = true;
  const { state, anchors } = world(() => (isDown ? { kind: 'failed', fault: 'unreachable' } : { kind: 'kept' }));
  await anchors.start();
  assert.deepEqual(codes(state.entries), ['alarm anchor-not-asked']);
  state.grow(2);
  await looks();
  assert.equal(state.submitted.length, 1, 'not before its time');
  for (const [nowMs, attempts] of [
    [1000, 2],
    [3000, 3],
  ] as const) {
    state.nowMs = nowMs - 1;
    await looks();
    assert.equal(state.submitted.length, attempts - 1);
    state.nowMs = nowMs;
    await until(() => state.submitted.length === attempts);
    await looks();
  }
  state.nowMs = 299_000;
  await until(() => state.submitted.length === 4);
  assert.equal(state.entries.length, 1);
  state.nowMs = 302_000;
  await until(() => state.entries.length === 2);
  state.nowMs = 600_000;
  await looks();
  assert.deepEqual(codes(state.entries).slice(1), ['alarm anchor-behind'], 'once');
  isDown = false;
  state.nowMs = 1_200_000;
  await until(() => state.entries.length === 3);
  assert.deepEqual(codes(state.entries).slice(2), ['alarm anchor-caught-up']);
  await anchors.stop(0);
});

test('THREAT rollback: the gateway does not start on a log that an anchor saw longer or other, and later it is an alarm', async () => {
  for (const outcome of [{ kind: 'shorter', size: 50 }, { kind: 'different' }] as const) {
    const { anchors } = world(() => outcome);
    await assert.rejects(anchors.start(), rolledBack);
    await anchors.stop(0);
    const running = world((_, call) => (call === 1 ? { kind: 'kept' } : outcome));
    await running.anchors.start();
    running.state.grow(2);
    await until(() => running.state.entries.length === 1);
    running.state.nowMs = 100_000;
    await until(() => running.state.submitted.length === 3);
    await running.anchors.stop(0);
    assert.deepEqual(codes(running.state.entries), [`alarm anchor-${outcome.kind === 'shorter' ? 'rollback' : 'fork'}`]);
    assert.ok(running.state.counted.includes(outcome.kind));
  }
});

test('THREAT an anchor that has lost what it knew is an entry each time, at the start and later; of a log that begins nobody knew', async () => {
  const { state, anchors } = world(() => ({ kind: 'kept', forgot: true }));
  await anchors.start();
  assert.deepEqual(codes(state.entries), [], 'the first checkpoint of all');
  for (const [size, times] of [
    [5, 1],
    [9, 2],
  ] as const) {
    state.grow(size);
    await until(() => state.entries.length === times);
    assert.deepEqual(state.entries[times - 1]?.detail, { code: 'anchor-forgot', anchor: 'one', size });
  }
  await anchors.stop(0);
  const later = world(() => ({ kind: 'kept', forgot: true }));
  later.state.grow(2);
  await later.anchors.start();
  assert.deepEqual(codes(later.state.entries), ['alarm anchor-forgot']);
  await later.anchors.stop(0);
});

test('what can be compared is compared before anything is written: also an empty log with an anchor that saw one', async () => {
  const log = grownLog();
  const seen: (number | null)[] = [];
  const anchor = (outcome: Outcome): Anchor => ({
    name: 'beside',
    kind: 'file',
    everyMs: 0,
    submit: async () => assert.fail('nothing is written'),
    async compare(checkpoint) {
      seen.push(checkpoint?.size ?? null);
      return outcome;
    },
  });
  await assert.rejects(compareWithAnchors([anchor({ kind: 'shorter', size: 8 })], log.origin, null), rolledBack);
  await assert.rejects(compareWithAnchors([anchor({ kind: 'different' })], log.origin, log.at(5).note), rolledBack);
  const failed = compareWithAnchors([anchor({ kind: 'failed', fault: 'EACCES' })], log.origin, log.at(5).note);
  await assert.rejects(failed, (error) => error instanceof SallyportError && error.code === 'SP_CONFIG_INVALID');
  await compareWithAnchors([anchor({ kind: 'kept' })], log.origin, log.at(5).note);
  assert.deepEqual(seen, [null, 5, 5, 5]);
});

test('an anchor with a pace of its own is given a checkpoint no more often', async () => {
  const { state, anchors } = world(() => ({ kind: 'kept' }), { everyMs: 60_000 });
  await anchors.start();
  state.grow(2);
  state.nowMs = 59_999;
  await looks();
  assert.deepEqual(state.submitted, [1]);
  state.nowMs = 60_000;
  await until(() => state.submitted.length === 2);
  await anchors.stop(0);
});
