// The notification service. `notify` costs its caller a push into memory; what is pushed goes to the durable queue in the
// background and from there to the channels. Nothing a request waits for ever waits for this.
// A notice is lost only when the process dies between the push and the queue; `catchUp` makes good for what still matters then.

import { SallyportError } from '../core/error.ts';
import { notificationId } from '../core/ids.ts';
import { boundedNotice, type Notice, type Notifier } from '../core/notice.ts';
import type { Clock, Logger, NotificationQueue, QueuedNotification, Random } from '../core/ports.ts';
import { type Channel, type Delivery } from './channel.ts';
import { Lane, type Outcome, sendSafely } from './lane.ts';
import { Outbox } from './outbox.ts';

export interface NotifyMetrics {
  counted(channel: string, outcome: Outcome): void;
}

export interface NotificationsDeps {
  readonly channels: readonly Channel[];
  readonly queue: NotificationQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: NotifyMetrics;
  /** Where people reach the API, without a slash at the end; null = not known, and notices have no link. */
  readonly publicUrl: string | null;
  /** Runs the task later. Default: a timer that does not keep the process. @returns a function that takes it back. */
  readonly schedule?: (ms: number, task: () => void) => () => void;
}

export interface ChannelStatus {
  readonly name: string;
  readonly kind: Channel['kind'];
  readonly queued: number;
}

export interface NotificationsService extends Notifier {
  /** Call once before the first `notify`: takes up what an earlier process left. */
  start(): Promise<void>;
  channels(): Promise<ChannelStatus[]>;
  /** Newest first. */
  list(filter: Parameters<NotificationQueue['list']>[0]): Promise<QueuedNotification[]>;
  /** Sends a made-up notice now, past the queue. @throws SP_API_NOT_FOUND for a channel that is not configured. */
  test(channel: string, signal: AbortSignal): Promise<Delivery>;
  /** Ids of things that some channel was told of lately: what became of them may not be queued yet. */
  recentThings(): Promise<ReadonlySet<string>>;
  /** Resolves when everything that was notified is in the queue. */
  flushed(): Promise<void>;
  /** Cuts running attempts; what is not sent stays queued. Call it after the last `notify`, before the store closes. */
  stop(): Promise<void>;
}

const PRUNE_EVERY_MS = 3_600_000;
/** How long what was sent or given up is kept for `list`, and messages can be updated. */
const KEPT_MS = 30 * 86_400_000;

export function createNotifications(deps: NotificationsDeps): NotificationsService {
  const { queue, clock, random, logger, metrics } = deps;
  const schedule = deps.schedule ?? later;
  const names = deps.channels.map((channel) => channel.name);
  const linkOf = (path: string | null): string | null => (path === null || deps.publicUrl === null ? null : `${deps.publicUrl}${path}`);
  const chance = (): number => (random.bytes(1)[0] ?? 0) / 255;
  const counted = (channel: string, outcome: Outcome): void => metrics.counted(channel, outcome);
  const laneDeps = { queue, clock, chance, logger, counted, schedule, linkOf };
  const lanes = new Map(deps.channels.map((channel) => [channel.name, new Lane(channel, laneDeps)]));
  let cancelPrune: (() => void) | null = null;
  let isStopped = false;

  const outbox = new Outbox({
    queue,
    logger,
    schedule,
    written: (channels) => {
      for (const name of channels) lanes.get(name)?.wake();
    },
    dropped: ({ channel, notice }, fault) => {
      counted(channel, 'dropped');
      logger.error({ channel, kind: notice.kind, fault }, 'a notification was dropped');
    },
  });

  async function prune(): Promise<void> {
    try {
      const nowMs = clock.nowMs();
      const { orphaned } = await queue.prune(names, nowMs, nowMs - KEPT_MS);
      if (orphaned > 0) logger.error({ orphaned }, 'notifications of channels that are not configured any more were given up');
    } catch (fault) {
      logger.error({ code: fault instanceof SallyportError ? fault.code : 'SP_INTERNAL' }, 'the notification queue cannot be pruned');
    }
    if (!isStopped) cancelPrune = schedule(PRUNE_EVERY_MS, () => void prune());
  }

  return {
    notify(notice) {
      if (isStopped) return;
      const createdAtMs = clock.nowMs();
      for (const channel of deps.channels) {
        if (!concerns(channel, notice)) continue;
        outbox.push({ id: notificationId(random.bytes(16)), channel: channel.name, notice: boundedNotice(notice), createdAtMs });
      }
    },

    async start() {
      await prune();
      for (const lane of lanes.values()) lane.wake();
    },

    async channels() {
      const lengths = await queue.lengths();
      return deps.channels.map(({ name, kind }) => ({ name, kind, queued: lengths.get(name) ?? 0 }));
    },

    list: (filter) => queue.list(filter),

    async test(name, signal) {
      const lane = lanes.get(name);
      if (lane === undefined) throw new SallyportError('SP_API_NOT_FOUND', 'no such notification channel');
      const id = notificationId(random.bytes(16));
      const notice = boundedNotice({ ...TEST_NOTICE, id });
      const message = { id, notice, createdAtMs: clock.nowMs(), link: null, reference: null };
      const delivery = await sendSafely(lane.channel, message, AbortSignal.any([signal, lane.signal]));
      logger.info({ channel: name, fault: delivery.isSent ? null : delivery.fault }, 'a notification channel was tested');
      return delivery;
    },

    async recentThings() {
      const things = new Set<string>();
      for (const { name, giveUpAfterMs } of deps.channels) {
        for (const thing of await queue.things(name, clock.nowMs() - giveUpAfterMs)) things.add(thing);
      }
      return things;
    },

    flushed: () => outbox.written(),

    async stop() {
      isStopped = true;
      cancelPrune?.();
      const lost = await outbox.close();
      if (lost > 0) logger.error({ lost }, 'notifications were lost: the store could not be used');
      await Promise.all([...lanes.values()].map((lane) => lane.stop()));
    },
  };
}

const TEST_NOTICE: Omit<Notice, 'id'> = {
  kind: 'test',
  event: 'test',
  title: 'This is a test of notifications',
  facts: [{ name: 'Meaning', value: 'Somebody ran `sallyport notifications test`. Nothing has to be done.' }],
  link: null,
  actions: [],
  who: null,
};

function concerns({ events, roles }: Channel, { kind, who }: Notice): boolean {
  return (events === null || events.includes(kind)) && (roles === null || who === null || roles.includes(who));
}

function later(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  timer.unref();
  return () => clearTimeout(timer);
}
