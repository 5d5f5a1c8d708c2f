// Audit entries. A header is an allow-listed JSON object that never holds protected data (see docs/formats/log.md).
// The log fills in `v`, `seq`, `ts`, `replica` and `sealed`; everything else comes from the caller.

import type { ReasonCode } from './decision.ts';
import type { ActorRef } from './identity.ts';
import type { ParameterShape, RequestAction } from './request.ts';

export const ENTRY_TYPES = [
  'log.opened',
  'log.closed',
  'heartbeat',
  'config.changed',
  'policy.applied',
  'policy.sampled',
  'key.rotated',
  'auth.ok',
  'auth.fail',
  'auth.end',
  'session.open',
  'session.close',
  'session.ended',
  'request.intent',
  'request.result',
  'request.denied',
  'request.held',
  'approval.requested',
  'approval.preview',
  'approval.answered',
  'approval.expired',
  'approval.used',
  'grant.requested',
  'grant.answered',
  'grant.opened',
  'grant.ended',
  'breakglass.opened',
  'breakglass.ended',
  'breakglass.reviewed',
  'delegation.opened',
  'delegation.ended',
  'lock.set',
  'lock.lifted',
  'review.signed',
  'unseal.requested',
  'unseal.answered',
  'payload.unsealed',
  'payload.shredded',
  'log.pruned',
  'connector.up',
  'connector.down',
  'alarm',
  'evidence.exported',
  'subject.searched',
] as const;
export type EntryType = (typeof ENTRY_TYPES)[number];

/** One sealed payload as the header names it. */
export interface SealedRef {
  readonly kind: PayloadKind;
  /** SHA-256 of the ciphertext, hex. */
  readonly sha256: string;
  /** Ciphertext length. */
  readonly bytes: number;
  /** Keyed commitment to the plaintext, hex. */
  readonly commitment: string;
  /** Names the wrapped data key in the key directory. */
  readonly key: string;
  /** Index of the entry it was sealed with, when an earlier one. */
  readonly first?: number;
}

/** Columns of one relation. A column is in `shown`, in `tested`, in both, or in `read`. */
export interface ColumnUse {
  readonly relation: string;
  /** Flow into an output. */
  readonly shown?: readonly string[];
  /** In predicates, ordering, grouping or other control of rows. */
  readonly tested?: readonly string[];
  /** Mentioned or reachable otherwise. */
  readonly read?: readonly string[];
}

/** Who opened a session, as far as policy can ask: with the facts of a request it can be decided again. */
export interface RecordedIdentity {
  readonly groups: readonly string[];
  /** Keyed digests of verified claims: a policy's claim and value can be compared with them, but they cannot be read. */
  readonly claims: {
    /** Identifies the key. */
    readonly key: string;
    /** Name of the claim -> digests of its values. */
    readonly values: Readonly<Record<string, readonly string[]>>;
  };
  /** In force when the session was opened; it ends with the first of them. */
  readonly grants: readonly {
    readonly id: string;
    readonly role: string;
    readonly effects: readonly string[];
    /** Absent = every relation. */
    readonly relations?: readonly string[];
  }[];
  /** Names of fields above that do not say everything. */
  readonly cut?: readonly string[];
}

/** A caller's entry. Every field but `type` is optional; unknown fields are rejected by the log. */
export interface EntryDraft {
  readonly type: EntryType;
  readonly principal?: ActorRef;
  readonly onBehalfOf?: ActorRef;
  readonly session?: string;
  /** Dense per session, from 0: a gap is evidence. */
  readonly n?: number;
  /** `session.open` only. */
  readonly identity?: RecordedIdentity;
  readonly grant?: string;
  readonly approval?: string;
  readonly resource?: { readonly target: string; readonly objects?: readonly string[] };
  readonly action?: RequestAction;
  readonly decision?: 'allow' | 'hold' | 'deny';
  readonly reasons?: readonly ReasonCode[];
  readonly rules?: readonly string[];
  readonly policy?: { readonly sha256: string };
  readonly statement?: {
    /** Redacted text; absent when the text could not be lexed. */
    readonly normalised?: string;
    readonly fingerprint?: string;
    readonly bytes: number;
    readonly parameters: readonly ParameterShape[];
  };
  readonly facts?: {
    readonly verbs: readonly string[];
    readonly effects: readonly string[];
    readonly relations: readonly { readonly name: string; readonly access: string }[];
    readonly classes: readonly string[];
    readonly outputClasses: readonly string[];
    readonly predicateClasses: readonly string[];
    readonly unbounded: boolean;
    readonly unknowns: readonly { readonly code: string; readonly what: string }[];
    /** This and the rest: absent in entries of earlier versions, which cannot be decided again. */
    readonly statements?: number;
    /** Absent = the statement has none. */
    readonly limit?: number;
    /** Base columns mentioned or reachable, by what the statement does with them. */
    readonly columns?: readonly ColumnUse[];
    /** Relations of which rows are read without a bound, protected or not. */
    readonly open?: readonly string[];
    /** By the planner of the target; absent = it was not asked. */
    readonly estimatedRows?: number;
    /** Of the session at that time: while the policy in force asks for it. */
    readonly session?: { readonly ageSeconds: number; readonly statements: number };
    /** Names of the subjects whose data it may touch; absent = none, or none was configured. */
    readonly subjects?: readonly string[];
    /** Names of fields above that do not say everything, because headers are bounded. */
    readonly cut?: readonly string[];
  };
  readonly result?: {
    readonly rows: number;
    readonly bytes: number;
    readonly columns?: readonly {
      readonly name: string;
      readonly classes: readonly string[];
      readonly mask: string;
      /** Of a column with classes: the base columns it is made from. Absent also when they are too many for the header, and in
       *  entries of earlier versions. */
      readonly sources?: readonly string[];
    }[];
    /** `ok`, or the native error code (SQLSTATE). */
    readonly code: string;
    readonly ms: number;
  };
  /** Index of the intent this result belongs to. */
  readonly intent?: number;
  /** Approval answers: who, and what they said (`approve`, `deny`). Free text is sealed, never here. */
  readonly answer?: { readonly by: ActorRef; readonly verdict: 'approve' | 'deny' };
  /** `payload.shredded` only: ids of the data keys that are destroyed. */
  readonly keys?: readonly string[];
  /** Closed-vocabulary detail: close reason, authentication fault code, alarm code, setting names. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
}

/** A stored header as read back. */
export interface EntryHeader extends EntryDraft {
  readonly v: 1;
  readonly seq: number;
  /** RFC 3339 with milliseconds, UTC. */
  readonly ts: string;
  readonly replica: string;
  readonly sealed?: readonly SealedRef[];
}

/** What an index of sessions needs of a header; a whole one will do. */
export type EntryOutline = Pick<EntryHeader, 'seq' | 'ts' | 'type' | 'session' | 'principal' | 'onBehalfOf' | 'resource' | 'detail'> & {
  readonly result?: Pick<NonNullable<EntryHeader['result']>, 'rows' | 'columns'>;
};

export type PayloadKind = 'statement' | 'parameters' | 'messages' | 'result' | 'justification';

/** Plaintext on its way to sealed storage. */
export interface Payload {
  readonly kind: PayloadKind;
  readonly bytes: Uint8Array;
}
