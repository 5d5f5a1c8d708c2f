// Access for a time. A grant gives one role on one target to one principal until an absolute time, and never more than
// the policy's access entry for that role gives. A lock takes access away until it is lifted.

import type { Answer } from './answering.ts';
import type { Effect } from './facts.ts';
import type { ActorRef } from './identity.ts';
import type { DelegationId, GrantId, Sha256Hex, TargetName } from './ids.ts';

/** What a decision needs of a grant that is in force for the asking principal. */
export interface ActiveGrant {
  readonly id: GrantId;
  readonly role: string;
  /** Names of targets; never a pattern. */
  readonly targets: readonly string[];
  readonly effects: readonly Effect[];
  /** Qualified names (`public.patients`); `*` stands for any text without a dot. Null = every relation. */
  readonly relations: readonly string[] | null;
  /** Rows released to the principal in any 60 minutes. Null = without limit. */
  readonly rowsPerHour: number | null;
  readonly expiresAtMs: number;
}

/** `requested` -> `active`, `denied`, `expired` (nobody answered) or `revoked`; `active` -> `ended` (time, policy) or `revoked`. */
export type GrantState = 'requested' | 'active' | 'denied' | 'revoked' | 'expired' | 'ended';
/** `break-glass` opens at once and owes a review. */
export type GrantKind = 'on-request' | 'break-glass';
/** Why it is over. `withdrawn`: given back by the one who had it. */
export type GrantEnd = 'time' | 'unanswered' | 'denied' | 'revoked' | 'withdrawn' | 'policy-changed';

/** What was asked for and what became of it. Holds no free text: the reason is sealed in the log. */
export interface Grant {
  readonly id: GrantId;
  readonly kind: GrantKind;
  readonly requester: ActorRef & { readonly name: string };
  readonly onBehalfOf: ActorRef | null;
  readonly role: string;
  readonly target: TargetName;
  readonly effects: readonly Effect[];
  readonly relations: readonly string[] | null;
  readonly rowsPerHour: number | null;
  /** From the moment it opens. */
  readonly durationMs: number;
  /** Who answers; of break-glass, who reviews. */
  readonly approvers: { readonly role: string; readonly count: number };
  /** In force when it was asked for. */
  readonly policySha256: Sha256Hex;
  readonly requestedAtMs: number;
  /** Until then somebody has to answer. */
  readonly answerByMs: number;
  readonly state: GrantState;
  readonly answers: readonly Answer[];
  /** Null until it opens. The end is absolute from then on. */
  readonly openedAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly end: GrantEnd | null;
  /** Who ended it; null = time or policy. */
  readonly endedBy: ActorRef | null;
  readonly review: 'none' | 'owed' | 'done';
  readonly reviewedBy: ActorRef | null;
  readonly reviewedAtMs: number | null;
}

/** What no grant has before somebody answers. */
export const UNANSWERED = {
  state: 'requested',
  answers: [],
  openedAtMs: null,
  expiresAtMs: null,
  endedAtMs: null,
  end: null,
  endedBy: null,
  review: 'none',
  reviewedBy: null,
  reviewedAtMs: null,
} as const satisfies Partial<Grant>;

/** What somebody asks for. */
export interface GrantWish {
  readonly target: TargetName;
  readonly kind: GrantKind;
  /** Null = the only role that offers it. */
  readonly role: string | null;
  /** Null = all of the offer. */
  readonly effects: readonly Effect[] | null;
  /** `schema.relation`, with `*` for any text in a part. Null = all. */
  readonly relations: readonly string[] | null;
  readonly rowsPerHour: number | null;
  readonly durationMs: number;
}

/** What changes of a grant after it was created. */
export type GrantChange = Partial<
  Pick<Grant, 'openedAtMs' | 'expiresAtMs' | 'endedAtMs' | 'end' | 'endedBy'> & { readonly state: GrantState }
>;

export const LOCK_KINDS = ['principal', 'role', 'target'] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

/** Nobody it names has access until it is lifted. Its reason is sealed in the log. */
export interface Lock {
  readonly kind: LockKind;
  /** `issuer/subject` with both parts percent-encoded, the name of a role, or of a target. */
  readonly name: string;
  readonly by: ActorRef;
  readonly atMs: number;
}

/** The right to answer for a role, lent for a time to a person who does not have it. */
export interface Delegation {
  readonly id: DelegationId;
  readonly role: string;
  readonly from: ActorRef;
  readonly to: Pick<ActorRef, 'issuer' | 'subject'>;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** Taken back early. */
  readonly endedAtMs: number | null;
}

/** A grant in force and whose it is. */
export interface HeldGrant extends ActiveGrant {
  /** `boundPrincipal` of the one it was given to. */
  readonly holder: string;
  /** It counts from then on: a clock that shows an earlier time was set back. */
  readonly openedAtMs: number;
  /** With a limit of rows: how many are left now, in memory that all threads share (session/row-budgets.ts). */
  readonly rowsLeft?: SharedArrayBuffer;
}

/** Grants and locks at one moment, as every thread needs them. */
export interface AccessSnapshot {
  /** False = the store cannot be read: nobody has access by grant; the locks are the last known ones. */
  readonly isKnown: boolean;
  readonly grants: readonly HeldGrant[];
  readonly locks: readonly Pick<Lock, 'kind' | 'name'>[];
}
