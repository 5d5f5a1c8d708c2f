// How far each SIEM destination has taken the log.

import type { Kysely } from 'kysely';
import type { StateSchema } from './schema.ts';

interface KeptCursor {
  readonly next: number;
  readonly since: number | null;
  readonly leaf: string | null;
}

export interface SiemCursors {
  load(destination: string): Promise<KeptCursor | null>;
  /** Survives power loss on resolve. @throws SP_STORE_UNAVAILABLE */
  save(destination: string, cursor: KeptCursor, atMs: number): Promise<void>;
}

export function createSiemCursors(db: Kysely<StateSchema>): SiemCursors {
  return {
    async load(destination) {
      const row = await db
        .selectFrom('siem_cursors')
        .select(['next_seq', 'since_seq', 'leaf'])
        .where('destination', '=', destination)
        .executeTakeFirst();
      return row === undefined ? null : { next: row.next_seq, since: row.since_seq, leaf: row.leaf };
    },

    async save(destination, { next, since, leaf }, atMs) {
      const row = { next_seq: next, since_seq: since, leaf, at_ms: atMs };
      await db
        .insertInto('siem_cursors')
        .values({ destination, ...row })
        .onConflict((c) => c.column('destination').doUpdateSet(row))
        .execute();
    },
  };
}
