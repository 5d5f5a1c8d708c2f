// The proof that a request was decided and recorded. Only `gate.ts` may construct one (architecture test), so
// forwarding without a recorded decision does not compile.

import type { MaskSet } from '../core/decision.ts';
import type { SessionId } from '../core/ids.ts';
import type { Request } from '../core/request.ts';
import type { RowMeter } from './access-table.ts';
import type { RecordedIntent } from './recorder.ts';

/** Only `mint` has it: an object that was not minted has no mark, whatever it was made from. */
const mintMark = Symbol('minted');

export interface PermitFacts {
  readonly session: SessionId;
  readonly request: Request;
  readonly masks: MaskSet;
  readonly rules: readonly string[];
  /** Asked before each row is released; null = without limit. */
  readonly rows: RowMeter | null;
  /** The entry that says so. No result byte may reach the client before it is recorded. */
  readonly intent: RecordedIntent;
  readonly startedMs: number;
}

export class Permit {
  readonly facts: PermitFacts;
  readonly #isMinted: true;

  private constructor(facts: PermitFacts, mark: symbol) {
    if (mark !== mintMark) throw new Error('a permit is minted by the gate');
    this.facts = facts;
    this.#isMinted = true;
  }

  /** INVARIANT: called by `gate.ts` only, after the intent was handed to the audit log. */
  static mint(facts: PermitFacts): Permit {
    return new Permit(facts, mintMark);
  }

  /** Upstreams call this before sending: a forged object does not pass. */
  static isGenuine(permit: Permit): boolean {
    return #isMinted in permit && permit.#isMinted;
  }
}
