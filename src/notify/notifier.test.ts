import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SallyportError } from '../core/error.ts';
import type { Approval, NotificationQueue } from '../core/ports.ts';
import { openStore, type Store } from '../store/index.ts';
import { catchUpApprovals, tellApprovals } from './approval-notices.ts';
import type { Channel, Delivery } from './channel.ts';
import { createNotifications, type NotificationsService } from './notifier.ts';
import { MAX_QUEUED } from './outbox.ts';
import { approvalOf, ManualTime, NOW_MS, noticeOf, recordingChannel, type RecordingChannel, recordingLogger, thingId } from './testing.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-notify-'));
after(() => rmSync(root, { recursive: true, force: true }));

const failure = (fault = 'status-500', more: object = {}): Delivery => ({ isSent: false, fault, ...more });
const HOUR_MS = 3_600_000;

describe('notifications', () => {
  let directory = '';
  let count = 0;
  let store: Store;
  let time: ManualTime;
  let logger: ReturnType<typeof recordingLogger>;
  let outcomes: string[];
  let channel: RecordingChannel;
  let service: NotificationsService;

  let drawn = 0;
  const open = (channels: readonly Channel[] = [channel], queue: NotificationQueue = store.notifications) =>
    createNotifications({
      channels,
      queue,
      clock: time.clock,
      // Chance is always 1: the longest delay. Ids are dense.
      random: {
        bytes: (length) => {
          const made = new Uint8Array(length).fill(length === 1 ? 255 : 0);
          if (length > 1) new DataView(made.buffer).setUint32(0, ++drawn);
          return made;
        },
      },
      logger,
      metrics: { counted: (name, outcome) => void outcomes.push(`${name} ${outcome}`) },
      publicUrl: 'https://gate.example.com',
      schedule: time.schedule,
    });
  beforeEach(async () => {
    directory = join(root, String(count++));
    store = await openStore({ dir: directory });
    time = new ManualTime();
    logger = recordingLogger();
    outcomes = [];
    channel = recordingChannel();
    service = open();
  });
  afterEach(async () => {
    await service.stop();
    await store.close();
  });

  async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (let turns = 0; turns < 20_000; turns += 1) {
      if (await isSo()) return;
      await turn();
    }
    assert.fail(`it never came to that: ${isSo.toString()}`);
  }
  const states = async () => (await service.list({ limit: 50 })).map(({ state, attempts, fault }) => [state, attempts, fault]).toReversed();
  const allSettled = async () => (await service.list({ state: 'queued', limit: 1 })).length === 0;

  it('reach the channel with a link, once however often they are notified', async () => {
    service.notify(noticeOf());
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    service.notify(noticeOf());
    await service.flushed();
    assert.deepEqual(
      channel.sent.map(({ notice, link, reference }) => [notice.id, link, reference]),
      [[thingId('a'), `https://gate.example.com/v1/approvals/${thingId('a')}`, null]],
    );
    assert.deepEqual([outcomes, await states()], [['reviewers sent'], [['sent', 0, null]]]);
  });

  it('are bounded and cleaned before they are kept or sent, whoever made them', async () => {
    const raw = { ...noticeOf({ title: `a\r\nb\u202e${'c'.repeat(500)}` }), rows: ['canary-4711'] };
    service.notify(raw);
    await until(() => channel.sent.length === 1);
    const [sent] = channel.sent;
    assert.match(sent?.notice.title ?? '', /^a b c+…$/);
    assert.ok(!JSON.stringify([sent, await service.list({ limit: 1 })]).includes('canary'));
  });

  it('cost their caller nothing: the store is used when the turn of the event loop is over', async () => {
    let touched = 0;
    const queue = { ...store.notifications, add: async () => (touched++, []) };
    service = open([channel], queue);
    service.notify(noticeOf());
    for (let n = 0; n < 100; n += 1) await Promise.resolve();
    assert.equal(touched, 0);
    await service.flushed();
    assert.equal(touched, 1);
  });

  it('go to channels that want this event and this role; what concerns everyone goes to all of them', async () => {
    const all = recordingChannel({ name: 'all' });
    const officers = recordingChannel({ name: 'officers', roles: ['privacy-officer'] });
    const used = recordingChannel({ name: 'used', events: ['approval.used'] });
    service = open([all, officers, used]);
    service.notify(noticeOf());
    service.notify(noticeOf({ id: thingId('b'), who: 'dba' }));
    service.notify(noticeOf({ id: thingId('c'), who: null, kind: 'breakglass.opened' }));
    service.notify(noticeOf({ id: thingId('d'), kind: 'approval.used', actions: [] }));
    await until(() => outcomes.length === 4 + 3 + 1);
    const seen = (one: RecordingChannel) => one.sent.map(({ notice }) => notice.id.at(-1)).join('');
    assert.deepEqual([seen(all), seen(officers), seen(used)], ['abcd', 'acd', 'd']);
  });

  it('are tried again, later each time, with the same id', async () => {
    channel.outcome = () => failure();
    service.notify(noticeOf());
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await until(() => channel.sent.length === attempt && outcomes.length === attempt);
      const [{ nextAttemptAtMs } = assert.fail()] = await service.list({ limit: 1 });
      waits.push(nextAttemptAtMs - time.nowMs);
      await until(() => time.waits.some((ms) => ms > 0 && ms <= 60_000));
      // A minute is the longest that the queue is not looked at.
      while (channel.sent.length === attempt && time.nowMs < nextAttemptAtMs) {
        const [wait = 1] = time.waits;
        time.advance(Math.max(1, Math.min(wait, nextAttemptAtMs - time.nowMs)));
        await until(() => channel.sent.length > attempt || time.waits.some((ms) => ms > 0 && ms <= 60_000));
      }
    }
    assert.deepEqual(
      waits,
      [1, 2, 4, 8, 16, 32, 64, 128].map((s) => s * 1000),
    );
    assert.equal(new Set(channel.sent.map(({ id }) => id)).size, 1);
  });

  it('are given up after the configured age, with a line in the log and a count', async () => {
    channel = recordingChannel({ giveUpAfterMs: 60_000 });
    channel.outcome = () => failure('unreachable');
    service = open();
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    for (let n = 0; n < 200 && !outcomes.includes('reviewers failed'); n += 1) {
      await until(async () => time.waits.some((ms) => ms <= 60_000) || (await allSettled()));
      time.advance(1_000);
    }
    await until(allSettled);
    const [last] = await service.list({ limit: 1 });
    assert.deepEqual([last?.state, last?.fault], ['failed', 'unreachable']);
    const line = logger.lines.find(({ message }) => message === 'a notification was given up');
    assert.deepEqual([line?.level, line?.fields['fault'], line?.fields['thing']], ['error', 'unreachable', thingId('a')]);
    assert.ok(time.nowMs - NOW_MS <= 62_000);
  });

  it('that can never be delivered are given up at once', async () => {
    channel.outcome = () => failure('status-410', { isFinal: true });
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    assert.deepEqual([outcomes, await states()], [['reviewers failed'], [['failed', 0, 'status-410']]]);
  });

  it('wait as long as the receiver says, all of the channel', async () => {
    channel.outcome = () => failure('status-429', { retryAfterMs: 50_000 });
    service.notify(noticeOf());
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => outcomes.length === 1);
    channel.outcome = () => ({ isSent: true });
    await until(() => time.waits.includes(50_000));
    time.advance(49_999);
    await until(() => time.waits.includes(1));
    assert.equal(channel.sent.length, 1);
    time.advance(1);
    await until(() => channel.sent.length === 3);
  });

  it('that wait for a dead channel cost one attempt at a time, and come at once when it lives', async () => {
    channel.outcome = () => failure('unreachable');
    for (const letter of 'abcdefgh') service.notify(noticeOf({ id: thingId(letter) }));
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      await until(() => outcomes.length === attempt);
      await until(() => time.waits.some((ms) => ms <= 30_000));
      assert.equal(channel.sent.length, attempt, 'one attempt, then a pause');
      if (attempt < 12) time.advance(time.waits[0] ?? 0);
    }
    channel.outcome = () => ({ isSent: true });
    time.advance(30_000);
    await until(allSettled);
    assert.equal(channel.sent.length, 12 + 8);
  });

  it('that failed often come at once, not in an hour, when an outage is over', async () => {
    channel.outcome = () => failure('unreachable');
    service.notify(noticeOf());
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await until(() => outcomes.length === attempt);
      const [row] = await service.list({ limit: 1 });
      if (attempt === 8) break;
      while (time.nowMs < (row?.nextAttemptAtMs ?? 0)) {
        await until(() => time.waits.some((ms) => ms <= 60_000));
        time.advance(time.waits[0] ?? 0);
      }
    }
    channel.outcome = () => ({ isSent: true });
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => time.waits.some((ms) => ms <= 30_000));
    time.advance(30_000);
    await until(allSettled);
    assert.deepEqual(
      channel.sent.slice(8).map(({ notice }) => notice.id),
      [thingId('b'), thingId('a')],
    );
  });

  it('of other channels go on while one hangs', async () => {
    const hanging = recordingChannel({ name: 'hanging' });
    hanging.outcome = (_message, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(failure('interrupted')), { once: true }));
    service = open([hanging, channel]);
    for (const letter of 'abc') service.notify(noticeOf({ id: thingId(letter) }));
    await until(() => channel.sent.length === 3);
    assert.equal(hanging.sent.length, 1);
  });

  it('survive a restart, and an attempt that was cut is not counted', async () => {
    channel.outcome = (_message, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(failure('interrupted')), { once: true }));
    service.notify(noticeOf());
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => channel.sent.length === 1);
    await service.stop();
    assert.deepEqual(await states(), [
      ['queued', 0, null],
      ['queued', 0, null],
    ]);
    await store.close();
    store = await openStore({ dir: directory });
    const again = recordingChannel();
    service = open([again]);
    await service.start();
    await until(() => again.sent.length === 2);
    assert.equal(again.sent[0]?.id, channel.sent[0]?.id, 'the receiver can see that it is the same');
  });

  it('that were notified just before the end are queued', async () => {
    service.notify(noticeOf());
    await service.stop();
    assert.equal((await service.list({ limit: 10 })).length, 1);
    service.notify(noticeOf({ id: thingId('b') }));
    assert.equal((await service.list({ limit: 10 })).length, 1, 'nothing is taken after it');
  });

  it('about one thing stay in order, and find the message again', async () => {
    channel = recordingChannel({ isForPeople: false });
    service = open();
    let attempts = 0;
    channel.outcome = ({ notice }) => {
      attempts += 1;
      return attempts === 1 ? failure() : { isSent: true, reference: `message of ${notice.event}` };
    };
    service.notify(noticeOf({ event: 'e1' }));
    service.notify(noticeOf({ event: 'e2', actions: [] }));
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => outcomes.length === 1);
    await until(() => time.waits.includes(1_000));
    time.advance(1_000);
    await until(allSettled);
    assert.deepEqual(
      channel.sent.filter(({ notice }) => notice.id === thingId('a')).map(({ notice, reference }) => [notice.event, reference]),
      [
        ['e1', null],
        ['e1', null],
        ['e2', 'message of e1'],
      ],
    );
  });

  it('that ask for an answer are not sent to people once there is one; programs get every event', async () => {
    const people = recordingChannel({ name: 'people' });
    const program = recordingChannel({ name: 'program', isForPeople: false });
    service = open([people, program]);
    const isDown = { people: true, program: true };
    people.outcome = () => (isDown.people ? failure() : { isSent: true });
    program.outcome = () => (isDown.program ? failure() : { isSent: true });
    service.notify(noticeOf({ event: 'pending 0' }));
    await until(() => outcomes.length === 2);
    service.notify(noticeOf({ event: 'pending 1' }));
    service.notify(noticeOf({ event: 'approved 2', actions: [] }));
    service.notify(noticeOf({ event: 'used 2', actions: [] }));
    await service.flushed();
    isDown.people = isDown.program = false;
    await until(() => time.waits.filter((ms) => ms === 1_000).length === 2);
    time.advance(1_000);
    await until(() => outcomes.length === 2 + 8);
    const events = (one: RecordingChannel) => one.sent.map(({ notice }) => notice.event);
    assert.deepEqual(events(people), ['pending 0', 'approved 2', 'used 2']);
    assert.deepEqual(events(program), ['pending 0', 'pending 0', 'pending 1', 'approved 2', 'used 2']);
    assert.equal(outcomes.filter((outcome) => outcome === 'people superseded').length, 2);
  });

  it('wait in memory while the store fails, and are lost only when it never works again', async () => {
    let isBroken = true;
    const queue: NotificationQueue = {
      ...store.notifications,
      add: (...all) => {
        if (isBroken) throw new SallyportError('SP_STORE_UNAVAILABLE', 'disk');
        return store.notifications.add(...all);
      },
    };
    service = open([channel], queue);
    service.notify(noticeOf());
    await until(() => time.waits.includes(1_000));
    service.notify(noticeOf({ id: thingId('b') }));
    time.advance(1_000);
    await until(() => time.waits.includes(1_000));
    isBroken = false;
    time.advance(1_000);
    await until(() => channel.sent.length === 2);
    isBroken = true;
    service.notify(noticeOf({ id: thingId('c') }));
    await service.stop();
    assert.deepEqual(logger.lines.at(-1)?.fields, { lost: 1 });
  });

  it('that the store cannot give are tried again later', async () => {
    let isBroken = true;
    const queue: NotificationQueue = {
      ...store.notifications,
      head: (name) => {
        if (isBroken) throw new SallyportError('SP_STORE_UNAVAILABLE', 'disk');
        return store.notifications.head(name);
      },
    };
    service = open([channel], queue);
    service.notify(noticeOf());
    await until(() => time.waits.includes(30_000));
    isBroken = false;
    time.advance(30_000);
    await until(() => channel.sent.length === 1);
  });

  it('of a full queue are dropped, said and counted', async () => {
    channel.outcome = () => failure();
    const queue: NotificationQueue = {
      ...store.notifications,
      add: (items, maxQueued) => (assert.equal(maxQueued, MAX_QUEUED), store.notifications.add(items, 1)),
    };
    service = open([channel], queue);
    service.notify(noticeOf());
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => outcomes.includes('reviewers dropped'));
    assert.ok(logger.lines.some(({ level, fields }) => level === 'error' && fields['fault'] === 'queue-full'));
    assert.deepEqual(await service.channels(), [{ name: 'reviewers', kind: 'slack', queued: 1 }]);
  });

  it('never carry what a channel throws into log or status', async () => {
    channel.outcome = () => {
      throw new Error('canary-4711 xoxb-secret');
    };
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    assert.deepEqual(await states(), [['queued', 1, 'internal']]);
    assert.ok(!JSON.stringify(logger.lines).match(/canary|xoxb/));
  });

  it('are not held back for ever by a clock that was set back, nor given up by one that jumps for a moment', async () => {
    channel.outcome = () => failure();
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    channel.outcome = () => ({ isSent: true });
    time.advance(-100 * HOUR_MS);
    time.advance(0);
    service.notify(noticeOf({ id: thingId('b') }));
    await until(() => channel.sent.length === 3);
  });

  it('of a channel that is not configured any more are given up at the start', async () => {
    channel.outcome = () => failure();
    service.notify(noticeOf());
    await until(() => outcomes.length === 1);
    await service.stop();
    service = open([recordingChannel({ name: 'new' })]);
    await service.start();
    assert.deepEqual(await states(), [['failed', 1, 'channel-removed']]);
    assert.ok(logger.lines.some(({ fields }) => fields['orphaned'] === 1));
  });

  it('can be tried: a test goes past the queue and tells what came of it', async () => {
    const never = new AbortController().signal;
    assert.deepEqual(await service.test('reviewers', never), { isSent: true });
    assert.equal(channel.sent[0]?.notice.kind, 'test');
    channel.outcome = () => failure('tls-failed');
    assert.deepEqual(await service.test('reviewers', never), failure('tls-failed'));
    await assert.rejects(service.test('other', never), (fault) => fault instanceof SallyportError && fault.code === 'SP_API_NOT_FOUND');
    assert.deepEqual(await service.list({ limit: 10 }), []);
  });

  describe('of approvals', () => {
    const listeners = new Set<(approval: Approval) => void>();
    const approvals = {
      rows: new Map<string, Approval>(),
      subscribe: (listener: (approval: Approval) => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      show: async (id: string) => approvals.rows.get(id) ?? null,
      change(approval: Approval) {
        approvals.rows.set(approval.id, approval);
        for (const listener of listeners) listener(approval);
      },
    };

    it('tell every change', async () => {
      const end = tellApprovals(approvals, service);
      approvals.change(approvalOf());
      await until(() => channel.sent.length === 1);
      approvals.change(approvalOf({ state: 'expired' }));
      await until(() => channel.sent.length === 2);
      end();
      assert.equal(listeners.size, 0);
      assert.deepEqual(
        channel.sent.map(({ notice }) => notice.kind),
        ['approval.requested', 'approval.expired'],
      );
    });

    it('tell after a crash what was not told, and nothing twice', async () => {
      const end = tellApprovals(approvals, service);
      approvals.change(approvalOf());
      approvals.change(approvalOf({ id: thingId('b') }));
      await until(() => channel.sent.length === 2);
      end();
      // The process dies after the desk's change and before the queue's.
      approvals.rows.set(thingId('a'), approvalOf({ state: 'denied' }));
      await service.stop();
      service = open();
      await service.start();
      await catchUpApprovals(approvals, service);
      await until(() => channel.sent.length === 3);
      await catchUpApprovals(approvals, service);
      await service.flushed();
      await until(allSettled);
      assert.deepEqual(
        channel.sent.map(({ notice }) => `${notice.id.at(-1)} ${notice.event}`),
        ['a pending 0', 'b pending 0', 'a denied 0'],
      );
    });
  });
});
