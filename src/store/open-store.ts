// Opens the state of one gateway in a directory: `state.sqlite` (approvals, policy versions, bound columns: every commit survives
// power loss) and `index.sqlite` (sessions: derived from the log, so a power loss may only cost re-indexing).
// REFUSES: SQLite older than 3.51.3 (its WAL can corrupt the file), damaged files, state of a newer version.

import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type {
  ApprovalStore,
  BoundColumns,
  ConsoleSessionStore,
  DelegationStore,
  GrantStore,
  LockStore,
  NotificationQueue,
  PolicyVersions,
  SessionIndex,
} from '../core/ports.ts';
import { createDelegationStore, createGrantStore, createLockStore } from './access-stores.ts';
import { createApprovalStore } from './approval-store.ts';
import { createBoundColumns } from './bound-columns.ts';
import { createConsoleSessionStore } from './console-sessions.ts';
import { INDEX_MIGRATIONS, migrate, STATE_MIGRATIONS } from './migrations.ts';
import { createNotificationQueue } from './notification-queue.ts';
import { createPolicyVersions } from './policy-versions.ts';
import type { IndexSchema, StateSchema } from './schema.ts';
import { createSessionIndex } from './session-index.ts';
import { createSiemCursors, type SiemCursors } from './siem-cursors.ts';
import { NodeSqliteDialect, sqliteFault } from './sqlite-dialect.ts';

/** How long a statement waits for another process (a backup) before it fails. It blocks the event loop meanwhile. */
const BUSY_TIMEOUT_MS = 250;

/** First version without the WAL-reset corruption. */
const SAFE_SQLITE = [3, 51, 3] as const;

export interface Store {
  readonly approvals: ApprovalStore;
  readonly sessions: SessionIndex;
  readonly policies: PolicyVersions;
  readonly boundColumns: BoundColumns;
  readonly notifications: NotificationQueue;
  readonly grants: GrantStore;
  readonly locks: LockStore;
  readonly delegations: DelegationStore;
  readonly siemCursors: SiemCursors;
  readonly consoleSessions: ConsoleSessionStore;
  /** Every later call of its ports fails with SP_STORE_UNAVAILABLE. */
  close(): Promise<void>;
}

/** @throws SP_STORE_UNAVAILABLE when WAL is not safe on this version of SQLite. */
export function requireSafeSqlite(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, wanted] of SAFE_SQLITE.entries()) {
    const part = parts[index] ?? Number.NaN;
    if (part > wanted) return;
    if (part < wanted || Number.isNaN(part)) {
      throw new SallyportError(
        'SP_STORE_UNAVAILABLE',
        `this Node uses SQLite ${version}, whose write-ahead log can corrupt the database; at least ${SAFE_SQLITE.join('.')} is needed (official builds of Node 24 have it)`,
      );
    }
  }
}

function openDatabase(path: string, synchronous: 'FULL' | 'NORMAL'): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // Created by us first, because SQLite would give a new file (and its -wal, -shm) the permissions of the umask.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    else chmodSync(path, 0o600);
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true, defensive: true });
    const version = database.prepare('select sqlite_version() as version').get()?.['version'];
    requireSafeSqlite(String(version));
    const mode = database.prepare('pragma journal_mode = wal').get()?.['journal_mode'];
    if (mode !== 'wal') throw new SallyportError('SP_STORE_UNAVAILABLE', `${path} cannot use a write-ahead log`);
    database.exec(`pragma synchronous = ${synchronous}`);
    // Reads the whole file, so not for the index, which grows with the log and can be rebuilt.
    const check = synchronous === 'FULL' ? database.prepare('pragma quick_check(1)').get()?.['quick_check'] : 'ok';
    if (check !== 'ok') throw new SallyportError('SP_STORE_UNAVAILABLE', `${path} is damaged`);
    // Fails now, not at the first approval, when the file or the disk is read-only.
    database.exec('begin immediate; pragma user_version = 1; commit');
    return database;
  } catch (cause) {
    if (database?.isOpen) database.close();
    if (cause instanceof SallyportError) throw cause;
    const fault = sqliteFault(cause);
    throw new SallyportError(fault.code, `${path}: ${fault.message}`, { cause });
  }
}

async function openKysely<Schema>(database: DatabaseSync, migrations: typeof STATE_MIGRATIONS): Promise<Kysely<Schema>> {
  const db = new Kysely<Schema>({ dialect: new NodeSqliteDialect(database) });
  try {
    await migrate(db, migrations);
    return db;
  } catch (fault) {
    database.close();
    throw fault;
  }
}

/** Closes when running transactions are through. Not `Kysely.destroy`: later calls must fail with our own error. */
async function closeAfterQueries<Schema>(db: Kysely<Schema>, database: DatabaseSync): Promise<void> {
  await db.connection().execute(async () => {
    if (database.isOpen) database.close();
  });
}

/** @throws SP_STORE_UNAVAILABLE */
export async function openStore({ dir }: { readonly dir: string }): Promise<Store> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SallyportError('SP_STORE_UNAVAILABLE', `${dir} cannot be made`, { cause });
  }
  const stateDatabase = openDatabase(join(dir, 'state.sqlite'), 'FULL');
  const state = await openKysely<StateSchema>(stateDatabase, STATE_MIGRATIONS);
  try {
    const indexDatabase = openDatabase(join(dir, 'index.sqlite'), 'NORMAL');
    const index = await openKysely<IndexSchema>(indexDatabase, INDEX_MIGRATIONS);
    return {
      approvals: createApprovalStore(state),
      sessions: createSessionIndex(index),
      policies: createPolicyVersions(state),
      boundColumns: createBoundColumns(state),
      grants: createGrantStore(state),
      locks: createLockStore(state),
      delegations: createDelegationStore(state),
      notifications: createNotificationQueue(state),
      siemCursors: createSiemCursors(state),
      consoleSessions: createConsoleSessionStore(state),
      async close() {
        await closeAfterQueries(state, stateDatabase);
        await closeAfterQueries(index, indexDatabase);
      },
    };
  } catch (fault) {
    stateDatabase.close();
    throw fault;
  }
}
