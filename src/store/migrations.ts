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
  '002-bound-columns': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('bound_columns')
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('cluster', 'text', (c) => c.notNull())
        .addColumn('database', 'bigint', (c) => c.notNull())
        .addColumn('relation', 'bigint', (c) => c.notNull())
        .addColumn('attnum', 'integer', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('bound_columns_once', ['target', 'database', 'relation', 'attnum', 'name', 'cluster'])
        .execute();
    },
  },
  '003-notifications': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('notifications')
        .addColumn('n', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('channel', 'text', (c) => c.notNull())
        .addColumn('thing', 'text', (c) => c.notNull())
        .addColumn('event', 'text', (c) => c.notNull())
        .addColumn('notice', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('attempts', 'integer', (c) => c.notNull())
        .addColumn('next_attempt_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('created_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('settled_at_ms', 'bigint')
        .addColumn('fault', 'text')
        .addUniqueConstraint('notifications_once', ['channel', 'thing', 'event'])
        .execute();
      await db.schema
        .createIndex('notifications_due')
        .on('notifications')
        .columns(['channel', 'state', 'next_attempt_at_ms', 'n'])
        .execute();
      await db.schema.createIndex('notifications_of_thing').on('notifications').columns(['channel', 'thing', 'state', 'n']).execute();
      await db.schema
        .createTable('notification_messages')
        .addColumn('channel', 'text', (c) => c.notNull())
        .addColumn('thing', 'text', (c) => c.notNull())
        .addColumn('reference', 'text', (c) => c.notNull())
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('notification_messages_once', ['channel', 'thing'])
        .execute();
      await db.schema
        .createTable('used_keys')
        .addColumn('key', 'text', (c) => c.primaryKey())
        .addColumn('until_ms', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '004-access': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('grants')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('review', 'text', (c) => c.notNull())
        .addColumn('requested_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('grants_by_state').on('grants').columns(['state', 'requested_at_ms']).execute();
      await db.schema
        .createTable('locks')
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('set_by', 'text', (c) => c.notNull())
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('locks_once', ['kind', 'name'])
        .execute();
      await db.schema
        .createTable('delegations')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('created_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('expires_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('ended_at_ms', 'bigint')
        .execute();
      await db.schema
        .createTable('access_version')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('n', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.alterTable('approval_answers').addColumn('lent_by', 'text').execute();
    },
  },
  '005-policy-applications': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('policy_applications')
        .addColumn('n', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('sha256', 'text', (c) => c.notNull().references('policy_versions.sha256'))
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .addColumn('how', 'text', (c) => c.notNull())
        .addColumn('by', 'text')
        .addColumn('previous', 'text')
        .addColumn('instead_of', 'text')
        .execute();
    },
  },
  '006-approval-effects': {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable('approvals').addColumn('preview', 'text').execute();
      await db.schema.alterTable('approvals').addColumn('uses', 'bigint').execute();
      await db.schema.alterTable('approval_answers').addColumn('for_ms', 'bigint').execute();
    },
  },
  '007-siem-cursors': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('siem_cursors')
        .addColumn('destination', 'text', (c) => c.primaryKey())
        .addColumn('next_seq', 'bigint', (c) => c.notNull())
        .addColumn('leaf', 'text')
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '008-console-sessions': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('console_sessions')
        .addColumn('sha256', 'text', (c) => c.primaryKey())
        .addColumn('principal', 'text', (c) => c.notNull())
        .addColumn('sealed', 'text', (c) => c.notNull())
        .addColumn('created_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('expires_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('seen_at_ms', 'bigint', (c) => c.notNull())
        .addColumn('ended_at_ms', 'bigint')
        .execute();
      await db.schema.createIndex('console_sessions_of').on('console_sessions').columns(['principal', 'ended_at_ms']).execute();
    },
  },
  '009-siem-since': {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable('siem_cursors').addColumn('since_seq', 'bigint').execute();
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
  '003-lists-and-activity': {
    async up(db: Kysely<unknown>) {
      for (const [name, definition] of [
        ['masked_cells', sql`bigint not null default 0`],
        ['classes', sql`text not null default '[]'`],
        ['last_at_ms', sql`bigint not null default 0`],
        ['is_waiting', sql`integer not null default 0`],
        ['owners', sql`text not null default ''`],
      ] as const) {
        await sql`ALTER TABLE sessions ADD COLUMN ${sql.ref(name)} ${definition}`.execute(db);
      }
      await db.schema.createIndex('sessions_by_time').on('sessions').columns(['opened_at_ms', 'open_index']).execute();
      await sql`CREATE TABLE session_facets (
        facet text NOT NULL, open_index bigint NOT NULL, PRIMARY KEY (facet, open_index)
      ) WITHOUT ROWID`.execute(db);
      await db.schema
        .createTable('actors')
        .addColumn('key', 'text', (c) => c.primaryKey())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('text', 'text', (c) => c.notNull())
        .execute();
      await sql`CREATE TABLE activity (
        span_ms bigint NOT NULL, at_ms bigint NOT NULL, principal text NOT NULL, on_behalf_of text NOT NULL, target text NOT NULL,
        statements bigint NOT NULL, held bigint NOT NULL, denied bigint NOT NULL, "rows" bigint NOT NULL, masked_cells bigint NOT NULL,
        last_at_ms bigint NOT NULL, last_seq bigint NOT NULL,
        PRIMARY KEY (span_ms, at_ms, principal, on_behalf_of, target)
      ) WITHOUT ROWID`.execute(db);
      await sql`CREATE TABLE activity_classes (
        span_ms bigint NOT NULL, at_ms bigint NOT NULL, principal text NOT NULL, on_behalf_of text NOT NULL, target text NOT NULL,
        class text NOT NULL, masked bigint NOT NULL, clear bigint NOT NULL,
        PRIMARY KEY (span_ms, at_ms, principal, on_behalf_of, target, class)
      ) WITHOUT ROWID`.execute(db);
      await sql`CREATE TABLE typed_entries (type text NOT NULL, seq bigint NOT NULL, PRIMARY KEY (type, seq)) WITHOUT ROWID`.execute(db);
      // Built anew from the log.
      await sql`DELETE FROM sessions`.execute(db);
      await sql`DELETE FROM session_runs`.execute(db);
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
