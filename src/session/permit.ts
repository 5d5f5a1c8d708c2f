// The proof that a request was decided and recorded. Only `gate.ts` may construct one (architecture test), so
// forwarding without a recorded decision does not compile.

import type { MaskSet } from '../core/decision.ts';
import type { SessionId } from '../core/ids.ts';
import type { Request } from '../core/request.ts';

const minted = new WeakSet<Permit>();

export interface PermitFacts {
  readonly session: SessionId;
  readonly request: Request;
  readonly masks: MaskSet;
  readonly rules: readonly string[];
  /** Resolves with the log index once the intent is durable; rejects with SP_AUDIT_UNWRITABLE. No result byte
   *  may reach the client before. */
  readonly intent: Promise<number>;
  readonly startedMs: number;
}

export class Permit {
  readonly facts: PermitFacts;

  private constructor(facts: PermitFacts) {
    this.facts = facts;
  }

  /** INVARIANT: called by `gate.ts` only, after the intent was handed to the audit log. */
  static mint(facts: PermitFacts): Permit {
    const permit = new Permit(facts);
    minted.add(permit);
    return permit;
  }

  /** Upstreams call this before sending: a forged object does not pass. */
  static isGenuine(permit: Permit): boolean {
    return minted.has(permit);
  }
}
