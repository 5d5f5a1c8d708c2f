// Index of sessions, and of what happened, in SQL, built from log entries in log order, one transaction for each call. It may lag and
// may be deleted; it is never the record (`audit reindex`).

import type { Kysely, Transaction } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type { EntryOutline } from '../core/event.ts';
import { type ActorRef, principalKey } from '../core/identity.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SessionIndex, SessionRow } from '../core/ports.ts';
import type { IndexSchema, SessionTable, TypedEntryTable } from './schema.ts';
import { ActivityChanges, pruneActivity, readActivity } from './activity-tables.ts';
import { countLive, facetsOf, listSessions } from './session-list.ts';
import { hasTypeIndex, ownersText, rowAfter, rowLost } from './session-row.ts';

/** The one row of `position`. */
const POSITION_ID = 1;

function toRow(row: SessionTable): SessionRow {
  return {
    id: row.id as SessionId,
    target: row.target as TargetName,
    principal: JSON.parse(row.principal) as ActorRef,
    onBehalfOf: row.on_behalf_of === null ? null : (JSON.parse(row.on_behalf_of) as ActorRef),
    openedAtMs: row.opened_at_ms,
    closedAtMs: row.closed_at_ms,
    closeReason: row.close_reason,
    statements: row.statements,
    denied: row.denied,
    held: row.held,
    rows: row.rows,
    openIndex: row.open_index,
    maskedCells: row.masked_cells,
    classes: JSON.parse(row.classes) as string[],
    lastAtMs: row.last_at_ms,
    isWaiting: row.is_waiting === 1,
  };
}

function fromRow(row: SessionRow): SessionTable {
  return {
    id: row.id,
    target: row.target,
    principal: JSON.stringify(row.principal),
    on_behalf_of: row.onBehalfOf === null ? null : JSON.stringify(row.onBehalfOf),
    opened_at_ms: row.openedAtMs,
    closed_at_ms: row.closedAtMs,
    close_reason: row.closeReason,
    statements: row.statements,
    denied: row.denied,
    held: row.held,
    rows: row.rows,
    open_index: row.openIndex,
    masked_cells: row.maskedCells,
    classes: JSON.stringify(row.classes),
    last_at_ms: row.lastAtMs,
    is_waiting: row.isWaiting ? 1 : 0,
    owners: ownersText(row),
  };
}

const INDEX_TABLES = [
  'sessions',
  'session_runs',
  'session_facets',
  'actors',
  'activity',
  'activity_classes',
  'typed_entries',
  'position',
] as const;

/** Three bound values a row; SQLite takes thousands. */
const RUNS_PER_INSERT = 250;

export function createSessionIndex(db: Kysely<IndexSchema>): SessionIndex {
  async function position(executor: Kysely<IndexSchema> = db): Promise<number> {
    const row = await executor.selectFrom('position').select('next_seq').where('id', '=', POSITION_ID).executeTakeFirst();
    return row?.next_seq ?? 0;
  }

  async function load(id: string, executor: Kysely<IndexSchema>): Promise<SessionRow | null> {
    const row = await executor.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toRow(row) : null;
  }

  async function loadLive(tx: Transaction<IndexSchema>): Promise<SessionRow[]> {
    return (await listSessions(tx, { live: true, limit: Number.MAX_SAFE_INTEGER })).map(toRow);
  }

  async function applyBatch(tx: Transaction<IndexSchema>, entries: readonly EntryOutline[]): Promise<void> {
    let next = await position(tx);
    const before = new Map<string, SessionRow | null>();
    const touched = new Map<string, SessionRow>();
    const runs = new Map<string, number[]>();
    const activity = new ActivityChanges();
    const typed: TypedEntryTable[] = [];
    for (const entry of entries) {
      if (entry.seq < next) continue;
      if (entry.seq > next) {
        throw new SallyportError('SP_INTERNAL', `the session index is at entry ${next} and was given entry ${entry.seq}`);
      }
      next = entry.seq + 1;
      if (hasTypeIndex(entry.type)) typed.push({ type: entry.type, seq: entry.seq });
      if (entry.type === 'log.opened') {
        for (const row of await loadLive(tx)) if (!before.has(row.id)) before.set(row.id, row);
        for (const row of [...before.values(), ...touched.values()]) {
          const newest = row === null ? undefined : (touched.get(row.id) ?? row);
          if (newest?.closedAtMs === null) touched.set(newest.id, rowLost(newest, entry));
        }
      }
      if (entry.session === undefined) continue;
      if (!before.has(entry.session)) before.set(entry.session, await load(entry.session, tx));
      const row = rowAfter(touched.get(entry.session) ?? before.get(entry.session) ?? null, entry);
      if (row !== null) {
        touched.set(entry.session, row);
        activity.add(row, entry);
      }
      const run = runs.get(entry.session);
      if (run === undefined) runs.set(entry.session, [entry.seq]);
      else run.push(entry.seq);
    }
    const rows = [...runs].map(([session, seqs]) => ({ session, first_seq: seqs[0] ?? 0, seqs: JSON.stringify(distances(seqs)) }));
    for (let from = 0; from < rows.length; from += RUNS_PER_INSERT) {
      await tx
        .insertInto('session_runs')
        .values(rows.slice(from, from + RUNS_PER_INSERT))
        .execute();
    }
    for (const row of touched.values()) {
      const { id: _same, ...changes } = fromRow(row);
      await tx
        .insertInto('sessions')
        .values(fromRow(row))
        .onConflict((c) => c.column('id').doUpdateSet(changes))
        .execute();
    }
    await writeFacets(
      tx,
      [...touched.values()].map((row) => ({ before: before.get(row.id) ?? null, row })),
    );
    await activity.write(tx);
    for (let from = 0; from < typed.length; from += RUNS_PER_INSERT)
      await tx
        .insertInto('typed_entries')
        .values(typed.slice(from, from + RUNS_PER_INSERT))
        .execute();
    await tx
      .insertInto('position')
      .values({ id: POSITION_ID, next_seq: next })
      .onConflict((c) => c.column('id').doUpdateSet({ next_seq: next }))
      .execute();
  }

  return {
    apply: (entries) => db.transaction().execute((tx) => applyBatch(tx, entries)),

    clear: (from) =>
      db.transaction().execute(async (tx) => {
        for (const table of INDEX_TABLES) await tx.deleteFrom(table).execute();
        await tx.insertInto('position').values({ id: POSITION_ID, next_seq: from }).execute();
      }),

    position: () => position(),

    get: (id) => load(id, db),

    list: async (filter) => (await listSessions(db, filter)).map(toRow),

    live: async (owner) => new Map((await countLive(db, owner)).map(({ target, count }) => [target as TargetName, count])),

    activity: (filter) => readActivity(db, filter),

    async entriesOfType(type, { from, to, limit }) {
      if (!hasTypeIndex(type)) return null;
      const rows = await db
        .selectFrom('typed_entries')
        .select('seq')
        .where('type', '=', type)
        .where('seq', '>=', from)
        .where('seq', '<', to)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return rows.map(({ seq }) => seq);
    },

    async newestOfType(type) {
      const row = await db
        .selectFrom('typed_entries')
        .select('seq')
        .where('type', '=', type)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row?.seq ?? null;
    },

    prune: (first) =>
      db.transaction().execute(async (tx) => {
        await pruneActivity(tx, first);
        await tx.deleteFrom('typed_entries').where('seq', '<', first).execute();
      }),

    async entriesOf(id) {
      const rows = await db.selectFrom('session_runs').select('seqs').where('session', '=', id).orderBy('first_seq').execute();
      return rows.flatMap(({ seqs }) => fromDistances(JSON.parse(seqs) as number[]));
    },
  };
}

/** Writes what differs, and whom new sessions belong to. */
async function writeFacets(
  tx: Transaction<IndexSchema>,
  changes: readonly { readonly before: SessionRow | null; readonly row: SessionRow }[],
): Promise<void> {
  const added: { facet: string; open_index: number }[] = [];
  const actors = new Map<string, ActorRef>();
  for (const { before, row } of changes) {
    const had = new Set(before === null ? [] : facetsOf(before));
    const has = new Set(facetsOf(row));
    for (const facet of has) if (!had.has(facet)) added.push({ facet, open_index: row.openIndex });
    for (const facet of had)
      if (!has.has(facet))
        await tx.deleteFrom('session_facets').where('facet', '=', facet).where('open_index', '=', row.openIndex).execute();
    if (before !== null) continue;
    for (const actor of [row.principal, ...(row.onBehalfOf === null ? [] : [row.onBehalfOf])]) actors.set(principalKey(actor), actor);
  }
  for (let from = 0; from < added.length; from += RUNS_PER_INSERT)
    await tx
      .insertInto('session_facets')
      .values(added.slice(from, from + RUNS_PER_INSERT))
      .execute();
  for (const [key, actor] of actors) {
    const text = ownersText({ principal: actor, onBehalfOf: null });
    await tx
      .insertInto('actors')
      .values({ key, actor: JSON.stringify(actor), text })
      .onConflict((c) => c.doNothing())
      .execute();
  }
}

function distances(seqs: readonly number[]): number[] {
  return seqs.map((seq, index) => seq - (seqs[index - 1] ?? 0));
}

function fromDistances(distances: readonly number[]): number[] {
  let seq = 0;
  return distances.map((distance) => (seq += distance));
}
