// Index of sessions in SQL, built from log entries in log order, one transaction for each call. It may lag and
// may be deleted; it is never the record (`audit reindex`).

import type { Kysely, Transaction } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type { EntryOutline } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SessionIndex, SessionRow } from '../core/ports.ts';
import type { IndexSchema, SessionTable } from './schema.ts';
import { rowAfter } from './session-row.ts';

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
  };
}

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

  async function applyBatch(tx: Transaction<IndexSchema>, entries: readonly EntryOutline[]): Promise<void> {
    let next = await position(tx);
    const touched = new Map<string, SessionRow>();
    const runs = new Map<string, number[]>();
    for (const entry of entries) {
      if (entry.seq < next) continue;
      if (entry.seq > next) {
        throw new SallyportError('SP_INTERNAL', `the session index is at entry ${next} and was given entry ${entry.seq}`);
      }
      next = entry.seq + 1;
      if (entry.session === undefined) continue;
      const row = rowAfter(touched.get(entry.session) ?? (await load(entry.session, tx)), entry);
      if (row !== null) touched.set(entry.session, row);
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
        for (const table of ['sessions', 'session_runs', 'position'] as const) await tx.deleteFrom(table).execute();
        await tx.insertInto('position').values({ id: POSITION_ID, next_seq: from }).execute();
      }),

    position: () => position(),

    get: (id) => load(id, db),

    async list({ target, live, limit }) {
      let query = db.selectFrom('sessions').selectAll().orderBy('open_index', 'desc').limit(limit);
      if (target !== undefined) query = query.where('target', '=', target);
      if (live !== undefined) query = query.where('closed_at_ms', live ? 'is' : 'is not', null);
      return (await query.execute()).map(toRow);
    },

    async entriesOf(id) {
      const rows = await db.selectFrom('session_runs').select('seqs').where('session', '=', id).orderBy('first_seq').execute();
      return rows.flatMap(({ seqs }) => fromDistances(JSON.parse(seqs) as number[]));
    },
  };
}

function distances(seqs: readonly number[]): number[] {
  return seqs.map((seq, index) => seq - (seqs[index - 1] ?? 0));
}

function fromDistances(distances: readonly number[]): number[] {
  let seq = 0;
  return distances.map((distance) => (seq += distance));
}
