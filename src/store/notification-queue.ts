// Notifications on their way out, in SQL. A row is written once and only its state moves; what was sent before a crash could be
// settled is sent again, so a receiver may see the same id twice and never misses one.

import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type { Notice } from '../core/notice.ts';
import type { NotificationQueue, NotificationState, QueuedNotification } from '../core/ports.ts';
import type { NotificationTable, StateSchema } from './schema.ts';

type Row = Omit<NotificationTable, 'n'>;

function toItem(row: Row): QueuedNotification {
  return {
    id: row.id,
    channel: row.channel,
    notice: JSON.parse(row.notice) as Notice,
    state: row.state as NotificationState,
    attempts: row.attempts,
    nextAttemptAtMs: row.next_attempt_at_ms,
    createdAtMs: row.created_at_ms,
    settledAtMs: row.settled_at_ms,
    fault: row.fault,
  };
}

/** Queued for the same channel about the same thing, before or after this row. */
function another(order: '<' | '>') {
  return (of: ExpressionBuilder<StateSchema, 'notifications'>) =>
    of.exists(
      of
        .selectFrom('notifications as other')
        .select(sql<number>`1`.as('one'))
        .whereRef('other.channel', '=', 'notifications.channel')
        .whereRef('other.thing', '=', 'notifications.thing')
        .where('other.state', '=', 'queued')
        .whereRef('other.n', order, 'notifications.n'),
    );
}

export function createNotificationQueue(db: Kysely<StateSchema>): NotificationQueue {
  async function lengths(executor: Kysely<StateSchema> = db): Promise<Map<string, number>> {
    const rows = await executor
      .selectFrom('notifications')
      .select(({ fn }) => ['channel', fn.countAll<number>().as('queued')])
      .where('state', '=', 'queued')
      .groupBy('channel')
      .execute();
    return new Map(rows.map((row) => [row.channel, row.queued]));
  }

  return {
    add(items, maxQueued) {
      return db.transaction().execute(async (tx) => {
        const queued = await lengths(tx);
        const refused: string[] = [];
        for (const { id, channel, notice, createdAtMs } of items) {
          const length = queued.get(channel) ?? 0;
          if (length >= maxQueued) {
            refused.push(id);
            continue;
          }
          const added = await tx
            .insertInto('notifications')
            .values({
              id,
              channel,
              thing: notice.id,
              event: `${notice.kind} ${notice.event}`,
              notice: JSON.stringify(notice),
              state: 'queued',
              attempts: 0,
              next_attempt_at_ms: createdAtMs,
              created_at_ms: createdAtMs,
              settled_at_ms: null,
              fault: null,
            })
            .onConflict((c) => c.columns(['channel', 'thing', 'event']).doNothing())
            .executeTakeFirst();
          if (added.numInsertedOrUpdatedRows === 1n) queued.set(channel, length + 1);
        }
        return refused;
      });
    },

    async head(channel) {
      const row = await db
        .selectFrom('notifications')
        .selectAll()
        .select((of) => another('>')(of).as('is_outdated'))
        .where('channel', '=', channel)
        .where('state', '=', 'queued')
        .where((of) => of.not(another('<')(of)))
        .orderBy('next_attempt_at_ms')
        .orderBy('n')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : { item: toItem(row), isOutdated: Boolean(row.is_outdated) };
    },

    settle(id, { state, atMs, fault, reference }) {
      return db.transaction().execute(async (tx) => {
        const row = await tx
          .updateTable('notifications')
          .set({ state, settled_at_ms: atMs, fault: fault ?? null })
          .where('id', '=', id)
          .returning(['channel', 'thing'])
          .executeTakeFirst();
        if (row === undefined) throw new SallyportError('SP_INTERNAL', 'a notification to settle is not in the queue');
        if (reference === undefined) return;
        await tx
          .insertInto('notification_messages')
          .values({ channel: row.channel, thing: row.thing, reference, at_ms: atMs })
          .onConflict((c) => c.columns(['channel', 'thing']).doUpdateSet({ reference, at_ms: atMs }))
          .execute();
      });
    },

    async retry(id, { atMs, fault }) {
      await db
        .updateTable('notifications')
        .set((of) => ({ attempts: of('attempts', '+', 1), next_attempt_at_ms: atMs, fault }))
        .where('id', '=', id)
        .where('state', '=', 'queued')
        .execute();
    },

    async expedite(channel, atMs) {
      await db
        .updateTable('notifications')
        .set({ next_attempt_at_ms: atMs })
        .where('channel', '=', channel)
        .where('state', '=', 'queued')
        .where('next_attempt_at_ms', '>', atMs)
        .execute();
    },

    lengths: () => lengths(),

    async list({ channel, state, limit }) {
      let query = db.selectFrom('notifications').selectAll().orderBy('n', 'desc').limit(limit);
      if (channel !== undefined) query = query.where('channel', '=', channel);
      if (state !== undefined) query = query.where('state', '=', state);
      return (await query.execute()).map(toItem);
    },

    async things(channel, sinceMs) {
      const rows = await db
        .selectFrom('notifications')
        .select('thing')
        .distinct()
        .where('channel', '=', channel)
        .where('created_at_ms', '>=', sinceMs)
        .execute();
      return rows.map((row) => row.thing);
    },

    async reference(channel, thing) {
      const row = await db
        .selectFrom('notification_messages')
        .select('reference')
        .where('channel', '=', channel)
        .where('thing', '=', thing)
        .executeTakeFirst();
      return row?.reference ?? null;
    },

    firstUse(key, nowMs, untilMs) {
      return db.transaction().execute(async (tx) => {
        await tx.deleteFrom('used_keys').where('until_ms', '<=', nowMs).execute();
        const added = await tx
          .insertInto('used_keys')
          .values({ key, until_ms: untilMs })
          .onConflict((c) => c.column('key').doNothing())
          .executeTakeFirst();
        return added.numInsertedOrUpdatedRows === 1n;
      });
    },

    prune(channels, nowMs, beforeMs) {
      return db.transaction().execute(async (tx) => {
        let orphans = tx
          .updateTable('notifications')
          .set({ state: 'failed', settled_at_ms: nowMs, fault: 'channel-removed' })
          .where('state', '=', 'queued');
        // `not in ()` would not be SQL everywhere.
        if (channels.length > 0) orphans = orphans.where('channel', 'not in', [...channels]);
        const { numUpdatedRows } = await orphans.executeTakeFirst();
        await tx.deleteFrom('notifications').where('settled_at_ms', '<', beforeMs).execute();
        await tx.deleteFrom('notification_messages').where('at_ms', '<', beforeMs).execute();
        return { orphaned: Number(numUpdatedRows) };
      });
    },
  };
}
