// Grants, locks and delegations in SQL. A transition is decided by one guarded UPDATE, which also takes the row's lock, so two
// concurrent answers, uses or ends never both win. Every change also moves the one version that all of them share.

import { type Kysely, sql, type Transaction } from 'kysely';
import { SallyportError } from '../core/error.ts';
import { type Delegation, type Grant, type GrantState, type Lock, LOCK_KINDS } from '../core/grant.ts';
import { principalKey, type ActorRef } from '../core/identity.ts';
import type { GrantId } from '../core/ids.ts';
import type { DelegationStore, GrantStore, LockStore } from '../core/ports.ts';
import type { GrantTable, LockTable, StateSchema } from './schema.ts';

/** The one row of `access_version`. */
const VERSION_ID = 1;

async function moveVersion(tx: Transaction<StateSchema>): Promise<void> {
  await tx
    .insertInto('access_version')
    .values({ id: VERSION_ID, n: 1 })
    .onConflict((c) => c.column('id').doUpdateSet({ n: sql<number>`access_version.n + 1` }))
    .execute();
}

/** Fails closed: a row that cannot be read is no grant and no lock of another kind. */
function readJson(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (typeof value === 'object' && value !== null) return value;
  throw new SallyportError('SP_STORE_UNAVAILABLE', 'the state store holds a row that cannot be read');
}

const toGrant = (row: Pick<GrantTable, 'body'>): Grant => readJson(row.body) as Grant;

export function createGrantStore(db: Kysely<StateSchema>): GrantStore {
  async function get(id: GrantId, executor: Kysely<StateSchema> = db): Promise<Grant | null> {
    const row = await executor.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : toGrant(row);
  }

  /** One step from `from` to what `next` makes of it; null from `next` changes nothing. */
  function step(id: GrantId, from: Partial<Pick<Grant, 'state' | 'review'>>, next: (grant: Grant) => Grant | null): Promise<Grant | null> {
    return db.transaction().execute(async (tx) => {
      let taking = tx.updateTable('grants').set({ id }).where('id', '=', id);
      if (from.state !== undefined) taking = taking.where('state', '=', from.state);
      if (from.review !== undefined) taking = taking.where('review', '=', from.review);
      // The UPDATE comes first although it changes nothing: it takes the lock and proves that the grant was in `from`.
      if ((await taking.executeTakeFirst()).numUpdatedRows !== 1n) return null;
      const before = await get(id, tx);
      const after = before === null ? null : next(before);
      if (after === null) return null;
      await tx
        .updateTable('grants')
        .set({ state: after.state, review: after.review, body: JSON.stringify(after) })
        .where('id', '=', id)
        .execute();
      await moveVersion(tx);
      return after;
    });
  }

  return {
    async create(grant) {
      await db.transaction().execute(async (tx) => {
        const created = await tx
          .insertInto('grants')
          .values({
            id: grant.id,
            state: grant.state,
            review: grant.review,
            requested_at_ms: grant.requestedAtMs,
            body: JSON.stringify(grant),
          })
          .onConflict((c) => c.column('id').doNothing())
          .executeTakeFirst();
        if (created.numInsertedOrUpdatedRows !== 1n) {
          throw new SallyportError('SP_GRANT_CONFLICT', 'a grant with this id exists already');
        }
        await moveVersion(tx);
      });
    },

    get: (id) => get(id),

    async list({ states, review, limit }) {
      let query = db.selectFrom('grants').selectAll().orderBy('requested_at_ms', 'desc').orderBy('id', 'desc').limit(limit);
      if (states !== undefined) query = query.where('state', 'in', [...states]);
      if (review !== undefined) query = query.where('review', '=', review);
      return (await query.execute()).map(toGrant);
    },

    answer: (id, answer, change) =>
      step(id, { state: 'requested' satisfies GrantState }, (grant) => {
        if (grant.answers.some(({ by }) => principalKey(by) === principalKey(answer.by))) return null;
        return { ...grant, ...change, answers: [...grant.answers, answer] };
      }),

    change: (id, from, change) => step(id, { state: from }, (grant) => ({ ...grant, ...change })),

    reviewed: (id, by, atMs) => step(id, { review: 'owed' }, (grant) => ({ ...grant, review: 'done', reviewedBy: by, reviewedAtMs: atMs })),

    async version() {
      const row = await db.selectFrom('access_version').select('n').where('id', '=', VERSION_ID).executeTakeFirst();
      return row?.n ?? 0;
    },
  };
}

function toLock(row: LockTable): Lock {
  const kind = LOCK_KINDS.find((each) => each === row.kind);
  if (kind === undefined) throw new SallyportError('SP_STORE_UNAVAILABLE', 'the state store holds a lock of an unknown kind');
  return { kind, name: row.name, by: readJson(row.set_by) as ActorRef, atMs: row.at_ms };
}

export function createLockStore(db: Kysely<StateSchema>): LockStore {
  return {
    set: ({ kind, name, by, atMs }) =>
      db.transaction().execute(async (tx) => {
        const set = await tx
          .insertInto('locks')
          .values({ kind, name, set_by: JSON.stringify(by), at_ms: atMs })
          .onConflict((c) => c.columns(['kind', 'name']).doNothing())
          .executeTakeFirst();
        if (set.numInsertedOrUpdatedRows !== 1n) return false;
        await moveVersion(tx);
        return true;
      }),

    lift: (kind, name) =>
      db.transaction().execute(async (tx) => {
        const lifted = await tx.deleteFrom('locks').where('kind', '=', kind).where('name', '=', name).executeTakeFirst();
        if (lifted.numDeletedRows !== 1n) return false;
        await moveVersion(tx);
        return true;
      }),

    async list() {
      const rows = await db.selectFrom('locks').selectAll().orderBy('at_ms').orderBy('kind').orderBy('name').execute();
      return rows.map(toLock);
    },
  };
}

export function createDelegationStore(db: Kysely<StateSchema>): DelegationStore {
  return {
    async create(delegation) {
      const { endedAtMs, ...body } = delegation;
      await db.transaction().execute(async (tx) => {
        await tx
          .insertInto('delegations')
          .values({
            id: delegation.id,
            body: JSON.stringify(body),
            created_at_ms: delegation.createdAtMs,
            expires_at_ms: delegation.expiresAtMs,
            ended_at_ms: endedAtMs,
          })
          .execute();
        await moveVersion(tx);
      });
    },

    async list(atMs) {
      const rows = await db
        .selectFrom('delegations')
        .selectAll()
        .where('expires_at_ms', '>', atMs)
        .where('ended_at_ms', 'is', null)
        .orderBy('created_at_ms')
        .orderBy('id')
        .execute();
      return rows.map((row) => ({ ...(readJson(row.body) as Omit<Delegation, 'endedAtMs'>), endedAtMs: null }));
    },

    end: (id, atMs) =>
      db.transaction().execute(async (tx) => {
        const ended = await tx
          .updateTable('delegations')
          .set({ ended_at_ms: atMs })
          .where('id', '=', id)
          .where('ended_at_ms', 'is', null)
          .executeTakeFirst();
        if (ended.numUpdatedRows !== 1n) return false;
        await moveVersion(tx);
        return true;
      }),
  };
}
