// Every applied policy version, kept for ever: decisions in the log name them by hash. A version keeps the time of
// its first application; the applications are a history beside the log (`policy.applied`), and tell what is in force after a restart.

import type { Kysely } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { ActorRef } from '../core/identity.ts';
import type { PolicyApplication, PolicyVersions } from '../core/ports.ts';
import type { StateSchema } from './schema.ts';

export function createPolicyVersions(db: Kysely<StateSchema>): PolicyVersions {
  async function get(sha256: Sha256Hex) {
    const row = await db.selectFrom('policy_versions').selectAll().where('sha256', '=', sha256).executeTakeFirst();
    return row ? { source: row.source, appliedAtMs: row.applied_at_ms } : null;
  }

  return {
    get,

    async applied({ sha256, atMs, how, by, previous, insteadOf }) {
      await db
        .insertInto('policy_applications')
        .values({ sha256, at_ms: atMs, how, by: by === null ? null : JSON.stringify(by), previous, instead_of: insteadOf })
        .execute();
    },

    async applications(limit) {
      const rows = await db.selectFrom('policy_applications').selectAll().orderBy('n', 'desc').limit(limit).execute();
      return rows.map((row): PolicyApplication => ({
        sha256: row.sha256 as Sha256Hex,
        atMs: row.at_ms,
        how: row.how as PolicyApplication['how'],
        by: row.by === null ? null : (JSON.parse(row.by) as ActorRef),
        previous: row.previous as Sha256Hex | null,
        insteadOf: row.instead_of as Sha256Hex | null,
      }));
    },

    async put({ sha256, source, appliedAtMs }) {
      await db
        .insertInto('policy_versions')
        .values({ sha256, source, applied_at_ms: appliedAtMs })
        .onConflict((c) => c.column('sha256').doNothing())
        .execute();
      const stored = await get(sha256);
      if (stored?.source !== source) {
        throw new SallyportError('SP_INTERNAL', 'another policy source is stored under this hash');
      }
    },

    async list() {
      const rows = await db
        .selectFrom('policy_versions')
        .select(['sha256', 'applied_at_ms'])
        .orderBy('applied_at_ms', 'desc')
        .orderBy('sha256')
        .execute();
      return rows.map((row) => ({ sha256: row.sha256 as Sha256Hex, appliedAtMs: row.applied_at_ms }));
    },
  };
}
