import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Destination, notTaken, type Outcome, TAKEN } from './destination.ts';
import { type Cursor, type CursorStore, Exporter, type ExporterDeps, type LeafSource } from './exporter.ts';
import type { Leaf } from '../ocsf/index.ts';
import { testLeaf } from '../ocsf/testing.ts';

const running: Exporter[] = [];
afterEach(() => Promise.all(running.splice(0).map((exporter) => exporter.stop())));

class TestLog implements LeafSource {
  list: Leaf[] = [];
  /** Entries before it were pruned. */
  first = 0;
  /** Of each header. */
  bytes = 100;
  async bounds(): Promise<{ first: number; size: number }> {
    return { first: this.first, size: this.list.length };
  }
  async *leaves(from: number, to: number): AsyncGenerator<Leaf & { bytes: number }> {
    for (const leaf of this.list.slice(Math.max(from, this.first), to)) yield { ...leaf, bytes: this.bytes };
  }
  grow(count: number, mark = ''): void {
    for (let n = 0; n < count; n += 1) {
      const leaf = testLeaf('auth.ok', this.list.length);
      this.list.push({ ...leaf, hash: `${mark}${leaf.hash}` });
    }
  }
}

function memoryCursors(): CursorStore & { readonly kept: Map<string, Cursor> } {
  const kept = new Map<string, Cursor>();
  return { kept, load: async (name) => kept.get(name) ?? null, save: async (name, cursor) => void kept.set(name, cursor) };
}

/** Takes what `answer` says; keeps what was taken. */
function testDestination(answer: (batch: readonly Leaf[], attempt: number) => Outcome | Promise<Outcome> = () => TAKEN) {
  const taken: number[] = [];
  let attempts = 0;
  const destination: Destination = {
    name: 'one',
    kind: 'https',
    async send(batch) {
      const outcome = await answer(batch, attempts++);
      if (outcome.isTaken) taken.push(...batch.map(({ header }) => header.seq));
      return outcome;
    },
    async close() {},
  };
  return { destination, taken, attempts: () => attempts };
}

async function exporterOf(
  destination: Destination,
  source: LeafSource,
  cursors: CursorStore,
  more: Partial<ExporterDeps & { startAt: 'beginning' | 'now'; maxBatch: number }> = {},
): Promise<Exporter> {
  const exporter = new Exporter(
    { destination, startAt: more.startAt ?? 'beginning', maxBatch: more.maxBatch ?? 10 },
    {
      source,
      cursors,
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      random: { bytes: (length) => new Uint8Array(length) },
      logger: { info() {}, warn() {}, error() {} },
      delayAfter: () => 1,
      onRollback: async () => undefined,
      onPruned: async () => undefined,
      ...more,
    },
  );
  await exporter.start();
  running.push(exporter);
  return exporter;
}

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 2000; n += 1) {
    if (condition()) return;
    await sleep(5);
  }
  assert.fail('it never came to that');
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

test('every entry comes once and in order while nothing fails, in batches of at most the configured size', async () => {
  const log = new TestLog();
  log.grow(25);
  const sizes: number[] = [];
  const { destination, taken } = testDestination((batch) => {
    sizes.push(batch.length);
    return TAKEN;
  });
  const exporter = await exporterOf(destination, log, memoryCursors());
  await until(() => exporter.state().next === log.list.length);
  log.grow(3);
  await until(() => exporter.state().next === log.list.length);
  assert.deepEqual(taken, range(0, 28));
  assert.ok(Math.max(...sizes) <= 10);
});

test('INVARIANT: the cursor moves only over what was taken; a destination that is down is tried again from there', async () => {
  const log = new TestLog();
  log.grow(15);
  const cursors = memoryCursors();
  const { destination, taken } = testDestination((_batch, attempt) => (attempt >= 1 && attempt <= 4 ? notTaken('unreachable') : TAKEN));
  const exporter = await exporterOf(destination, log, cursors);
  await until(() => exporter.state().failures >= 2 || exporter.state().next === log.list.length);
  await until(() => exporter.state().next === log.list.length);
  assert.deepEqual(taken, range(0, 15));
  assert.equal(exporter.state().failures, 4);
  assert.equal(exporter.state().fault, null);
});

test('after an end in the middle of a batch, the next start sends it again: at least once, never less', async () => {
  const log = new TestLog();
  log.grow(12);
  const cursors = memoryCursors();
  const stuck = Promise.withResolvers<Outcome>();
  const first = testDestination((_batch, attempt) => (attempt === 0 ? TAKEN : stuck.promise));
  const exporter = await exporterOf(first.destination, log, cursors);
  await until(() => first.attempts() === 2);
  const stopped = exporter.stop();
  stuck.resolve(notTaken('interrupted'));
  await stopped;
  running.pop();
  const second = testDestination();
  const again = await exporterOf(second.destination, log, cursors);
  await until(() => again.state().next === log.list.length);
  assert.deepEqual([...first.taken, ...second.taken], range(0, 12));
});

test('a batch that is too large is halved until it fits', async () => {
  const log = new TestLog();
  log.grow(30);
  const { destination, taken } = testDestination((batch) => (batch.length > 3 ? notTaken('status-413', { isTooLarge: true }) : TAKEN));
  const exporter = await exporterOf(destination, log, memoryCursors());
  await until(() => exporter.state().next === log.list.length);
  assert.deepEqual(taken, range(0, 30));
});

test('a log that was put back or replaced is told once and nothing of it is sent', async () => {
  const log = new TestLog();
  log.grow(10);
  const cursors = memoryCursors();
  const before = testDestination();
  const exporter = await exporterOf(before.destination, log, cursors);
  await until(() => exporter.state().next === log.list.length);
  await exporter.stop();
  running.pop();
  for (const change of ['shorter', 'other'] as const) {
    log.list = [];
    log.grow(change === 'shorter' ? 5 : 20, change);
    let told = 0;
    const after = testDestination();
    const again = await exporterOf(after.destination, log, cursors, { onRollback: async () => void (told += 1) });
    await until(() => told > 0);
    assert.equal(again.state().fault, 'log-rolled-back', change);
    assert.deepEqual(after.taken, []);
    assert.equal(told, 1);
  }
});

test('a reset goes on where it says, also after a rollback, and what was under way is broken off', async () => {
  const log = new TestLog();
  log.grow(10);
  const cursors = memoryCursors();
  const before = testDestination();
  const exporter = await exporterOf(before.destination, log, cursors);
  await until(() => exporter.state().next === 10);
  log.list = [];
  log.grow(20, 'other');
  await until(() => exporter.state().fault === 'log-rolled-back');
  await exporter.reset(4);
  await until(() => exporter.state().next === 20);
  assert.deepEqual(before.taken, [...range(0, 10), ...range(4, 20)]);
  assert.equal(exporter.state().fault, null);
  assert.deepEqual([cursors.kept.get('one')?.next, exporter.state().since], [20, 4], 'it has this log from there on');

  const hanging = testDestination((_batch, attempt) => (attempt === 0 ? stuck.promise : TAKEN));
  const stuck = Promise.withResolvers<Outcome>();
  hanging.destination.send = ((send) => (batch, signal) => {
    signal.addEventListener('abort', () => stuck.resolve(notTaken('interrupted')));
    return send(batch, signal);
  })(hanging.destination.send.bind(hanging.destination));
  const second = await exporterOf(hanging.destination, log, memoryCursors());
  await until(() => hanging.attempts() === 1);
  await second.reset(15);
  await until(() => second.state().next === 20);
  assert.deepEqual(hanging.taken, range(15, 20));
});

test('pruned entries that a destination had not got are told before anything is sent after them; it is no rollback', async () => {
  const log = new TestLog();
  log.grow(10);
  const cursors = memoryCursors();
  const one = testDestination();
  const exporter = await exporterOf(one.destination, log, cursors);
  await until(() => exporter.state().next === 10);
  await exporter.stop();
  running.pop();
  log.grow(20);
  for (const [first, gap] of [
    [10, [10, 10]],
    [15, [10, 15]],
  ] as const) {
    log.first = first;
    const told: unknown[] = [];
    let attempts = 0;
    const two = testDestination();
    const kept = memoryCursors();
    kept.kept.set('one', cursors.kept.get('one') ?? { next: 0, since: 0, leaf: null });
    const again = await exporterOf(two.destination, log, kept, {
      onPruned: async (...gone) => {
        // One that could not be recorded is tried again, and nothing is sent meanwhile.
        if ((attempts += 1) === 1) throw new Error('test: not recorded');
        told.push(gone);
      },
      onRollback: async () => assert.fail('no rollback'),
    });
    await until(() => again.state().next === 30);
    assert.deepEqual(told, [['one', ...gap]]);
    assert.deepEqual(two.taken, range(first, 30));
    assert.equal(again.state().since, first === 10 ? 0 : first, 'what it has without a gap');
  }
  const fresh = testDestination();
  const begun = await exporterOf(fresh.destination, log, memoryCursors(), { onPruned: async () => assert.fail('it never was theirs') });
  await until(() => begun.state().next === 30);
  assert.deepEqual(fresh.taken, range(15, 30));
});

test('a batch is bounded in bytes, and halved when it takes too long', async () => {
  const log = new TestLog();
  log.grow(20);
  log.bytes = 1024 * 1024;
  const sizes: number[] = [];
  const { destination, taken } = testDestination((batch) => {
    sizes.push(batch.length);
    return batch.length > 2 ? notTaken('timeout') : TAKEN;
  });
  const exporter = await exporterOf(destination, log, memoryCursors(), { maxBatch: 100 });
  await until(() => exporter.state().next === 20);
  assert.deepEqual(taken, range(0, 20));
  assert.equal(sizes[0], 4, 'four megabytes');
  log.bytes = 64 * 1024 * 1024;
  log.grow(2);
  await until(() => exporter.state().next === 22);
});

test('"now" is the end of the log at the first start, and stays there', async () => {
  const log = new TestLog();
  log.grow(5);
  const cursors = memoryCursors();
  const one = testDestination(() => notTaken('unreachable'));
  const exporter = await exporterOf(one.destination, log, cursors, { startAt: 'now' });
  log.grow(2);
  await until(() => one.attempts() > 0);
  await exporter.stop();
  running.pop();
  const two = testDestination();
  const again = await exporterOf(two.destination, log, cursors, { startAt: 'now' });
  await until(() => again.state().next === log.list.length);
  assert.deepEqual(two.taken, [5, 6]);
});

test('a log or a cursor that cannot be read or kept sends nothing past it', async () => {
  const log = new TestLog();
  log.grow(5);
  const cursors = memoryCursors();
  let isBroken = true;
  const save = cursors.save.bind(cursors);
  cursors.save = async (name, cursor, atMs) => {
    if (isBroken && cursor.next > 0) throw new Error('disk');
    await save(name, cursor, atMs);
  };
  const { destination, taken } = testDestination();
  const exporter = await exporterOf(destination, log, cursors);
  await until(() => exporter.state().failures > 1);
  assert.equal(exporter.state().next, 0);
  isBroken = false;
  await until(() => exporter.state().next === log.list.length);
  assert.deepEqual(taken.slice(-5), range(0, 5));
});
