// Results of one session that can be read again by their id: with the masks that they were planned with, and under the permit that
// they were given for. Bounded: what is older can be used by RESULT_SCAN only.

import type { Permit } from '../../session/permit.ts';
import type { PlannedOutput, SnowflakeProtection } from '../../sql/snowflake/types.ts';

export interface StoredResult {
  readonly permit: Permit;
  readonly outputs: readonly PlannedOutput[] | null;
  readonly protection: SnowflakeProtection;
  /** Error texts of the account about it may tell protected values. */
  readonly mayTell: boolean;
}

const maxStored = 200;
/** What belongs to larger statements is not kept for it. */
const maxSealedBytes = 1024 * 1024;

export class StoredResults {
  readonly #results = new Map<string, StoredResult>();

  put(queryId: string, result: StoredResult): void {
    const { statement, parameters } = result.permit.facts.request.sealed;
    if (statement.length + (parameters?.length ?? 0) > maxSealedBytes) return;
    this.#results.delete(queryId.toLowerCase());
    this.#results.set(queryId.toLowerCase(), result);
    for (const [oldest] of this.#results) {
      if (this.#results.size <= maxStored) break;
      this.#results.delete(oldest);
    }
  }

  get(queryId: string): StoredResult | undefined {
    return this.#results.get(queryId.toLowerCase());
  }
}
