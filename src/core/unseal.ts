// Opening what was sealed: who wants to, what, for which purpose, and who agreed. The gateway never opens anything; it hands out
// ciphertext to those who may, and writes that down first.

import type { Answer } from './answering.ts';
import type { ActorRef, Principal } from './identity.ts';
import type { SessionId, UnsealId } from './ids.ts';

/** Closed: a purpose is a code in the log, never text. */
export const UNSEAL_PURPOSES = [
  'audit',
  'breach-investigation',
  'incident-response',
  'legal',
  'patient-request',
  'quality-review',
  'treatment-dispute',
] as const;
export type UnsealPurpose = (typeof UNSEAL_PURPOSES)[number];

export type UnsealScope = { readonly session: SessionId } | { readonly entry: number };

export interface UnsealRequest {
  readonly id: UnsealId;
  readonly requester: ActorRef;
  readonly onBehalfOf: ActorRef | null;
  readonly scope: UnsealScope;
  /** Of the session or entry. */
  readonly target: string;
  readonly purpose: UnsealPurpose;
  /** `approved` also when no second person is asked for. */
  readonly state: 'pending' | 'approved' | 'denied' | 'expired';
  /** `count` 0 = nobody else is asked. */
  readonly approvers: { readonly role: string; readonly count: number };
  readonly answers: readonly Answer[];
  readonly createdAtMs: number;
  /** End of the time for answers; once approved, of the time to open. */
  readonly expiresAtMs: number;
}

export interface UnsealDesk {
  /** True when a second person has to agree. */
  readonly needsApproval: boolean;
  /** @param reason free text, kept sealed. @throws SP_AUDIT_UNWRITABLE, SP_API_RATE_LIMITED when too many are open */
  request(
    principal: Principal,
    wish: { readonly scope: UnsealScope; readonly target: string; readonly purpose: UnsealPurpose; readonly reason: string },
  ): Promise<UnsealRequest>;
  /** Newest first. */
  list(): readonly UnsealRequest[];
  get(id: UnsealId): UnsealRequest | null;
  /** Records the answer, then lets it take effect.
   *  @throws SP_API_NOT_FOUND, SP_UNSEAL_NOT_APPROVED when it is not pending, SP_API_FORBIDDEN, SP_AUTH_EXPIRED, SP_AUDIT_UNWRITABLE */
  answer(id: UnsealId, principal: Principal, verdict: 'approve' | 'deny', reason: string): Promise<UnsealRequest>;
  /** The request, when this principal may open under it now. @throws SP_UNSEAL_NOT_APPROVED */
  authorised(id: UnsealId, principal: Principal): UnsealRequest;
}
