// Schema changes, oldest first. A migration that was released is never edited: add the next one. A database that
// knows a migration which this program does not know is refused, so an older gateway never runs on newer state.

import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import { SallyportError } from '../core/error.ts';

export type Migrations = Readonly<Record<string, Migration>>;

export const STATE_MIGRATIONS: Migrations = {
  '001-approvals-and-policies': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('approvals')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('session', 'text', (c) => c.notNull())
        .addColumn('binding_sha256', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('created_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('expires_at_ms', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('approvals_by_state').on('approvals').columns(['state', 'created_at_ms']).execute();
      await db.schema.createIndex('approvals_by_binding').on('approvals').columns(['binding_sha256', 'state']).execute();
      await db.schema
        .createTable('approval_answers')
        .addColumn('approval', 'text', (c) => c.notNull().references('approvals.id'))
        .addColumn('issuer', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('verdict', 'text', (c) => c.notNull())
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .addColumn('n', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('approval_answers_once', ['approval', 'issuer', 'subject'])
        .execute();
      await db.schema
        .createTable('policy_versions')
        .addColumn('sha256', 'text', (c) => c.primaryKey())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('applied_at_ms', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
};

export const INDEX_MIGRATIONS: Migrations = {
  '001-sessions': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('sessions')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('principal', 'text', (c) => c.notNull())
        .addColumn('on_behalf_of', 'text')
        .addColumn('opened_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('closed_at_ms', 'bigint')
        .addColumn('close_reason', 'text')
        .addColumn('statements', 'bigint', (c) => c.notNull())
        .addColumn('denied', 'bigint', (c) => c.notNull())
        .addColumn('held', 'bigint', (c) => c.notNull())
        .addColumn('rows', 'bigint', (c) => c.notNull())
        .addColumn('open_index', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('sessions_by_open').on('sessions').columns(['open_index']).execute();
      await db.schema
        .createTable('session_entries')
        .addColumn('session', 'text', (c) => c.notNull())
        .addColumn('seq', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('session_entries_once', ['session', 'seq'])
        .execute();
      await db.schema
        .createTable('position')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('next_seq', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '002-runs-of-entries': {
    async up(db: Kysely<unknown>) {
      await db.schema.dropTable('session_entries').execute();
      await db.schema
        .createTable('session_runs')
        .addColumn('session', 'text', (c) => c.notNull())
        .addColumn('first_seq', 'bigint', (c) => c.notNull())
        .addColumn('seqs', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('session_runs_once', ['session', 'first_seq'])
        .execute();
      // Built anew from the log.
      await sql`DELETE FROM sessions`.execute(db);
      await sql`DELETE FROM position`.execute(db);
    },
  },
};

/** Brings the database to the newest schema.
 *  @throws SP_STORE_UNAVAILABLE when that fails or the database is from a newer program. */
export async function migrate<Schema>(db: Kysely<Schema>, migrations: Migrations): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof SallyportError) throw error;
  throw new SallyportError('SP_STORE_UNAVAILABLE', 'the schema of the state store does not fit this version of Sallyport', {
    cause: error,
  });
}
