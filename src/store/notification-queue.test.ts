import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import type { Notice } from '../core/notice.ts';
import type { NotificationQueue } from '../core/ports.ts';
import { openStore, type Store } from './open-store.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-queue-'));
after(() => rmSync(root, { recursive: true, force: true }));

const noticeOf = (id: string, event: string, change: Partial<Notice> = {}): Notice => ({
  kind: 'approval.requested',
  id,
  event,
  title: 'title',
  facts: [{ name: 'Who', value: 'agent' }],
  link: '/x',
  actions: ['approve'],
  who: 'officer',
  ...change,
});

describe('the notification queue', () => {
  let directory = '';
  let count = 0;
  let store: Store;
  let queue: NotificationQueue;
  beforeEach(async () => {
    directory = join(root, String(count++));
    store = await openStore({ dir: directory });
    queue = store.notifications;
  });
  afterEach(() => store.close());

  const add = (id: string, channel: string, notice: Notice, createdAtMs = 1_000, maxQueued = 100) =>
    queue.add([{ id, channel, notice, createdAtMs }], maxQueued);
  const head = async (channel = 'a') => (await queue.head(channel))?.item.id ?? null;

  it('keeps everything across a restart', async () => {
    await add('n1', 'a', noticeOf('t1', 'e1'));
    await queue.retry('n1', { atMs: 5_000, fault: 'timeout' });
    await store.close();
    store = await openStore({ dir: directory });
    queue = store.notifications;
    assert.deepEqual(await queue.list({ limit: 10 }), [
      {
        id: 'n1',
        channel: 'a',
        notice: noticeOf('t1', 'e1'),
        state: 'queued',
        attempts: 1,
        nextAttemptAtMs: 5_000,
        createdAtMs: 1_000,
        settledAtMs: null,
        fault: 'timeout',
      },
    ]);
  });

  it('takes an event of a thing once for each channel, sent or not', async () => {
    assert.deepEqual(await add('n1', 'a', noticeOf('t1', 'e1')), []);
    assert.deepEqual(await add('n2', 'a', noticeOf('t1', 'e1')), []);
    await queue.settle('n1', { state: 'sent', atMs: 2_000 });
    assert.deepEqual(await add('n3', 'a', noticeOf('t1', 'e1')), []);
    await add('n4', 'b', noticeOf('t1', 'e1'));
    await add('n5', 'a', noticeOf('t1', 'e1', { kind: 'approval.used' }));
    assert.deepEqual(
      (await queue.list({ limit: 10 })).map(({ id }) => id),
      ['n5', 'n4', 'n1'],
    );
  });

  it('takes no more than a channel may have waiting, and counts channels apart', async () => {
    const items = ['n1', 'n2', 'n3'].map((id) => ({ id, channel: 'a', notice: noticeOf(id, 'e'), createdAtMs: 1 }));
    assert.deepEqual(await queue.add([...items, { ...items[0]!, id: 'n4', channel: 'b' }], 2), ['n3']);
    assert.deepEqual(
      [...(await queue.lengths())],
      [
        ['a', 2],
        ['b', 1],
      ],
    );
    await queue.settle('n1', { state: 'sent', atMs: 2 });
    assert.deepEqual(await add('n5', 'a', noticeOf('n5', 'e'), 1, 2), []);
  });

  it('gives the earliest first, and one thing in the order it happened', async () => {
    assert.equal(await queue.head('a'), null);
    await add('n1', 'a', noticeOf('t1', 'e1'));
    await add('n2', 'a', noticeOf('t1', 'e2'));
    await add('n3', 'a', noticeOf('t2', 'e1'));
    await add('n4', 'b', noticeOf('t1', 'e1'), 0);
    const first = await queue.head('a');
    assert.deepEqual([first?.item.id, first?.isOutdated], ['n1', true]);
    // The next one about t1 waits behind it, however late it is; another thing does not.
    await queue.retry('n1', { atMs: 9_000, fault: 'timeout' });
    const second = await queue.head('a');
    assert.deepEqual([second?.item.id, second?.isOutdated], ['n3', false]);
    await queue.settle('n3', { state: 'sent', atMs: 2_000 });
    assert.equal(await head(), 'n1');
    await queue.settle('n1', { state: 'failed', atMs: 3_000, fault: 'status-500' });
    assert.equal(await head(), 'n2');
    await queue.settle('n2', { state: 'sent', atMs: 3_000 });
    assert.equal(await head(), null);
    assert.equal(await head('b'), 'n4');
  });

  it('makes a channel due at once', async () => {
    await add('n1', 'a', noticeOf('t1', 'e1'));
    await add('n2', 'b', noticeOf('t1', 'e1'));
    for (const id of ['n1', 'n2']) await queue.retry(id, { atMs: 9_000, fault: 'timeout' });
    await queue.expedite('a', 4_000);
    assert.deepEqual(
      (await queue.list({ limit: 2 })).map(({ nextAttemptAtMs }) => nextAttemptAtMs),
      [9_000, 4_000],
    );
  });

  it('finds the message of a thing again, and keeps it when an end says nothing about it', async () => {
    await add('n1', 'a', noticeOf('t1', 'e1'));
    await add('n2', 'a', noticeOf('t1', 'e2'));
    await add('n3', 'a', noticeOf('t1', 'e3'));
    assert.equal(await queue.reference('a', 't1'), null);
    await queue.settle('n1', { state: 'sent', atMs: 1, reference: 'r1' });
    await queue.settle('n2', { state: 'sent', atMs: 2 });
    assert.equal(await queue.reference('a', 't1'), 'r1');
    assert.equal(await queue.reference('b', 't1'), null);
    await queue.settle('n3', { state: 'sent', atMs: 3, reference: 'r2' });
    assert.equal(await queue.reference('a', 't1'), 'r2');
    await assert.rejects(queue.settle('n9', { state: 'sent', atMs: 3 }));
  });

  it('knows a used key until its time, across restarts', async () => {
    assert.equal(await queue.firstUse('k', 1_000, 2_000), true);
    assert.equal(await queue.firstUse('k', 1_999, 9_000), false);
    await store.close();
    store = await openStore({ dir: directory });
    queue = store.notifications;
    assert.equal(await queue.firstUse('k', 1_999, 9_000), false);
    assert.equal(await queue.firstUse('other', 1_999, 3_000), true);
    assert.equal(await queue.firstUse('k', 2_000, 3_000), true);
    const both = await Promise.all([queue.firstUse('x', 1, 2), queue.firstUse('x', 1, 2)]);
    assert.deepEqual(both.sort(), [false, true]);
  });

  it('forgets what was settled long ago, and gives up what nobody sends any more', async () => {
    await add('n1', 'a', noticeOf('t1', 'e1'));
    await add('n2', 'a', noticeOf('t2', 'e1'));
    await add('n3', 'gone', noticeOf('t3', 'e1'));
    await queue.settle('n1', { state: 'sent', atMs: 1_000, reference: 'r' });
    assert.deepEqual(await queue.prune(['a'], 5_000, 1_000), { orphaned: 1 });
    assert.deepEqual(
      (await queue.list({ limit: 10 })).map(({ id, state, fault }) => [id, state, fault]),
      [
        ['n3', 'failed', 'channel-removed'],
        ['n2', 'queued', null],
        ['n1', 'sent', null],
      ],
    );
    await queue.prune(['a'], 9_000, 5_001);
    assert.deepEqual(
      (await queue.list({ limit: 10 })).map(({ id }) => id),
      ['n2'],
    );
    assert.equal(await queue.reference('a', 't1'), null);
    assert.deepEqual(await queue.prune([], 9_000, 0), { orphaned: 1 });
  });

  it('lists by channel and state, and tells which things a channel knows', async () => {
    await add('n1', 'a', noticeOf('t1', 'e1'), 1_000);
    await add('n2', 'a', noticeOf('t2', 'e1'), 2_000);
    await add('n3', 'b', noticeOf('t3', 'e1'), 2_000);
    await queue.settle('n1', { state: 'sent', atMs: 1 });
    const ids = async (filter: object) => (await queue.list({ limit: 10, ...filter })).map(({ id }) => id);
    assert.deepEqual(await ids({ channel: 'a' }), ['n2', 'n1']);
    assert.deepEqual(await ids({ state: 'queued' }), ['n3', 'n2']);
    assert.deepEqual(await ids({ channel: 'a', state: 'sent' }), ['n1']);
    assert.deepEqual(await ids({ limit: 1 }), ['n3']);
    assert.deepEqual([(await queue.things('a', 0)).sort(), await queue.things('a', 1_500)], [['t1', 't2'], ['t2']]);
  });

  it('finds the next of ten thousand quickly', async () => {
    const items = Array.from({ length: 10_000 }, (_, at) => ({
      id: `n${at}`,
      channel: 'a',
      notice: noticeOf(`t${at % 500}`, `e${at}`),
      createdAtMs: at,
    }));
    await queue.add(items, 10_000);
    const from = performance.now();
    for (let n = 0; n < 20; n += 1) await queue.settle((await queue.head('a'))!.item.id, { state: 'sent', atMs: 1 });
    assert.ok((performance.now() - from) / 20 < 250, `${(performance.now() - from) / 20} ms each`);
  });
});
