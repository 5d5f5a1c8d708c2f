// Log-ins to the console, by the SHA-256 of their cookie. Whom one stands for is sealed under the cookie's value, which is nowhere
// here: who reads the file can neither log in nor see more than names that are in the log as well.

import type { Kysely } from 'kysely';
import type { ConsoleSessionStore } from '../core/ports.ts';
import type { StateSchema } from './schema.ts';

export function createConsoleSessionStore(db: Kysely<StateSchema>): ConsoleSessionStore {
  return {
    async create({ sha256, principal, sealed, createdAtMs, expiresAtMs }) {
      await db
        .insertInto('console_sessions')
        .values({
          sha256,
          principal,
          sealed,
          created_at_ms: createdAtMs,
          expires_at_ms: expiresAtMs,
          seen_at_ms: createdAtMs,
          ended_at_ms: null,
        })
        .execute();
    },

    async get(sha256) {
      const row = await db.selectFrom('console_sessions').selectAll().where('sha256', '=', sha256).executeTakeFirst();
      if (row === undefined) return null;
      return {
        sha256: row.sha256,
        principal: row.principal,
        sealed: row.sealed,
        createdAtMs: row.created_at_ms,
        expiresAtMs: row.expires_at_ms,
        seenAtMs: row.seen_at_ms,
        endedAtMs: row.ended_at_ms,
      };
    },

    async seen(sha256, atMs) {
      await db.updateTable('console_sessions').set({ seen_at_ms: atMs }).where('sha256', '=', sha256).execute();
    },

    async end(sha256, atMs) {
      // What it stood for is not needed any more.
      await db
        .updateTable('console_sessions')
        .set({ ended_at_ms: atMs, sealed: '' })
        .where('sha256', '=', sha256)
        .where('ended_at_ms', 'is', null)
        .execute();
    },

    async liveOf(principal) {
      const rows = await db
        .selectFrom('console_sessions')
        .select('sha256')
        .where('principal', '=', principal)
        .where('ended_at_ms', 'is', null)
        .orderBy('created_at_ms', 'desc')
        .orderBy('sha256')
        .execute();
      return rows.map((row) => row.sha256);
    },

    async prune(expiredBeforeMs) {
      await db.deleteFrom('console_sessions').where('expires_at_ms', '<', expiredBeforeMs).execute();
    },
  };
}
