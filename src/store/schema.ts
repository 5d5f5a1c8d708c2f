// Tables of the state store, for kysely. Structured values are JSON text and opaque to SQL. Nothing here holds
// protected data: statements are redacted, free text lives in sealed payloads only (see docs/formats).

import type { ColumnType } from 'kysely';

export interface ApprovalTable {
  readonly id: string;
  state: string;
  readonly session: string;
  /** SHA-256 of the binding values, for the look-up. The values themselves are compared exactly. */
  readonly binding_sha256: string;
  /** The approval without state and answers. */
  readonly body: string;
  readonly created_at_ms: number;
  readonly expires_at_ms: number;
}

export interface ApprovalAnswerTable {
  readonly approval: string;
  readonly issuer: string;
  readonly subject: string;
  readonly kind: string;
  readonly verdict: string;
  readonly at_ms: number;
  /** Order of arrival, from 0. */
  readonly n: number;
}

export interface PolicyVersionTable {
  readonly sha256: string;
  readonly source: string;
  readonly applied_at_ms: number;
}

/** Tables of `state.sqlite`: the only copy, every commit survives power loss. */
export interface StateSchema {
  approvals: ApprovalTable;
  approval_answers: ApprovalAnswerTable;
  policy_versions: PolicyVersionTable;
}

export interface SessionTable {
  readonly id: string;
  readonly target: string;
  readonly principal: string;
  readonly on_behalf_of: string | null;
  readonly opened_at_ms: number;
  closed_at_ms: number | null;
  close_reason: string | null;
  statements: number;
  denied: number;
  held: number;
  rows: number;
  readonly open_index: number;
}

/** Entries of one session that were applied together. */
export interface SessionRunTable {
  readonly session: string;
  readonly first_seq: number;
  /** JSON: the first log index, then the distance of each to the one before. */
  readonly seqs: string;
}

export interface PositionTable {
  readonly id: ColumnType<number, number, never>;
  next_seq: number;
}

/** Tables of `index.sqlite`: derived from the audit log, may be deleted and rebuilt. */
export interface IndexSchema {
  sessions: SessionTable;
  session_runs: SessionRunTable;
  position: PositionTable;
}
