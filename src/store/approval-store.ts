// Approvals in SQL. Every transition is decided by the row count of one guarded UPDATE, which also takes the row's
// lock, so two concurrent answers (or uses) never both win, on SQLite as on PostgreSQL.

import { createHash } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { bindingText, sameBinding } from '../core/binding.ts';
import { SallyportError } from '../core/error.ts';
import type { ActorRef } from '../core/identity.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { EffectPreview } from '../core/preview.ts';
import type { Approval, ApprovalAnswer, ApprovalBinding, ApprovalState, ApprovalStore } from '../core/ports.ts';
import type { ApprovalAnswerTable, ApprovalTable, StateSchema } from './schema.ts';

/** In one query: SQLite takes 32,766 parameters, and a text of its own is prepared for each number of them. */
const MAX_IDS = 1000;

type Body = Omit<Approval, 'state' | 'answers' | 'preview' | 'repeated'>;

function bindingSha256(binding: ApprovalBinding): string {
  return createHash('sha256').update(bindingText(binding)).digest('hex');
}

/** Those of earlier versions say nothing about samples. */
function previewOf(text: string): EffectPreview {
  return { sampling: null, ...(JSON.parse(text) as Omit<EffectPreview, 'sampling'>) };
}

function toAnswer(row: ApprovalAnswerTable): ApprovalAnswer {
  return {
    by: { issuer: row.issuer, subject: row.subject, kind: row.kind as ActorRef['kind'] },
    verdict: row.verdict as ApprovalAnswer['verdict'],
    atMs: row.at_ms,
    ...(row.for_ms === null ? {} : { forMs: row.for_ms }),
    ...(row.lent_by === null ? {} : { lentBy: JSON.parse(row.lent_by) as ActorRef }),
  };
}

export function createApprovalStore(db: Kysely<StateSchema>): ApprovalStore {
  async function withAnswers(
    executor: Kysely<StateSchema> | Transaction<StateSchema>,
    rows: readonly ApprovalTable[],
  ): Promise<Approval[]> {
    const answers: ApprovalAnswerTable[] = [];
    for (let at = 0; at < rows.length; at += MAX_IDS) {
      const ids = rows.slice(at, at + MAX_IDS).map((row) => row.id);
      answers.push(...(await executor.selectFrom('approval_answers').selectAll().where('approval', 'in', ids).orderBy('n').execute()));
    }
    const answersOf = Map.groupBy(answers, (answer) => answer.approval);
    return rows.map((row) => ({
      ...(JSON.parse(row.body) as Body),
      state: row.state as ApprovalState,
      expiresAtMs: row.expires_at_ms,
      ...(row.preview === null ? {} : { preview: previewOf(row.preview) }),
      ...(row.uses === null ? {} : { repeated: { uses: row.uses } }),
      answers: answersOf.get(row.id)?.map(toAnswer) ?? [],
    }));
  }

  async function get(id: ApprovalId, executor: Kysely<StateSchema> = db): Promise<Approval | null> {
    const rows = await executor.selectFrom('approvals').selectAll().where('id', '=', id).execute();
    const [approval] = await withAnswers(executor, rows);
    return approval ?? null;
  }

  return {
    async create(approval) {
      if (approval.answers.length > 0) throw new SallyportError('SP_INTERNAL', 'an approval is created without answers');
      const { state, answers: _none, preview: _later, repeated: _never, ...body } = approval;
      const created = await db
        .insertInto('approvals')
        .values({
          id: approval.id,
          state,
          session: approval.session,
          binding_sha256: bindingSha256(approval.binding),
          body: JSON.stringify(body satisfies Body),
          created_at_ms: approval.createdAtMs,
          expires_at_ms: approval.expiresAtMs,
          preview: null,
          uses: null,
        })
        .onConflict((c) => c.column('id').doNothing())
        .executeTakeFirst();
      if (created.numInsertedOrUpdatedRows !== 1n) {
        throw new SallyportError('SP_APPROVAL_CONFLICT', 'an approval with this id exists already');
      }
    },

    get: (id) => get(id),

    async list({ state, limit }) {
      let query = db.selectFrom('approvals').selectAll().orderBy('created_at_ms', 'desc').orderBy('id', 'desc').limit(limit);
      if (state !== undefined) query = query.where('state', '=', state);
      return withAnswers(db, await query.execute());
    },

    async answer(id, answer, state, repeatUntilMs) {
      return db.transaction().execute(async (tx) => {
        // The UPDATE comes first even when the state stays: it takes the lock and proves that it was pending.
        const updated = await tx
          .updateTable('approvals')
          .set({ state: 'pending' })
          .where('id', '=', id)
          .where('state', '=', 'pending')
          .executeTakeFirst();
        if (updated.numUpdatedRows !== 1n) return null;
        const before = await tx.selectFrom('approval_answers').select('n').where('approval', '=', id).execute();
        const added = await tx
          .insertInto('approval_answers')
          .values({
            approval: id,
            issuer: answer.by.issuer,
            subject: answer.by.subject,
            kind: answer.by.kind,
            verdict: answer.verdict,
            at_ms: answer.atMs,
            n: before.length,
            lent_by: answer.lentBy === undefined ? null : JSON.stringify(answer.lentBy),
            for_ms: answer.forMs ?? null,
          })
          .onConflict((c) => c.columns(['approval', 'issuer', 'subject']).doNothing())
          .executeTakeFirst();
        if (added.numInsertedOrUpdatedRows !== 1n) return null;
        const repeated = repeatUntilMs === undefined ? {} : { uses: 0, expires_at_ms: repeatUntilMs };
        await tx
          .updateTable('approvals')
          .set({ state, ...repeated })
          .where('id', '=', id)
          .execute();
        return get(id, tx);
      });
    },

    async preview(id, { estimatedRows, affectedRows, notCounted, sampling }) {
      // By name: what previews learn to carry later is not stored unasked.
      const preview: EffectPreview = { estimatedRows, affectedRows, notCounted, sampling };
      const updated = await db
        .updateTable('approvals')
        .set({ preview: JSON.stringify(preview) })
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n ? get(id) : null;
    },

    async useAgain(id) {
      const updated = await db
        .updateTable('approvals')
        .set((row) => ({ uses: row('uses', '+', 1) }))
        .where('id', '=', id)
        .where('state', '=', 'approved')
        .where('uses', 'is not', null)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n ? get(id) : null;
    },

    async transition(id, from, to) {
      const updated = await db
        .updateTable('approvals')
        .set({ state: to })
        .where('id', '=', id)
        .where('state', '=', from)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n;
    },

    async find(binding, state) {
      const rows = await db
        .selectFrom('approvals')
        .selectAll()
        .where('binding_sha256', '=', bindingSha256(binding))
        .where('state', '=', state)
        .orderBy('created_at_ms', 'desc')
        .orderBy('id', 'desc')
        .execute();
      const approvals = await withAnswers(db, rows);
      return approvals.filter((approval) => sameBinding(approval.binding, binding));
    },
  };
}
