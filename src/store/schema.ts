// Tables of the state store, for kysely. Structured values are JSON text and opaque to SQL. Nothing here holds
// protected data: statements are redacted, free text lives in sealed payloads only (see docs/formats).

import type { ColumnType, Generated } from 'kysely';

export interface ApprovalTable {
  readonly id: string;
  state: string;
  readonly session: string;
  /** SHA-256 of the binding values, for the look-up. The values themselves are compared exactly. */
  readonly binding_sha256: string;
  /** The approval without state and answers. */
  readonly body: string;
  readonly created_at_ms: number;
  expires_at_ms: number;
  /** JSON of the preview; null = there is none. */
  preview: string | null;
  /** Of one that may be used until it expires; null = it may be used once. */
  uses: number | null;
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
  /** JSON: the actor whose right it was; null = their own. */
  readonly lent_by: string | null;
  /** How long it may be used; null = once. */
  readonly for_ms: number | null;
}

export interface PolicyVersionTable {
  readonly sha256: string;
  readonly source: string;
  readonly applied_at_ms: number;
}

export interface PolicyApplicationTable {
  /** Order of arrival. */
  readonly n: Generated<number>;
  readonly sha256: string;
  readonly at_ms: number;
  readonly how: string;
  /** JSON: an actor; null = whoever changed the files. */
  readonly by: string | null;
  readonly previous: string | null;
  readonly instead_of: string | null;
}

/** A column that a name of the policy stood for. */
export interface BoundColumnTable {
  readonly target: string;
  /** Empty = the cluster did not tell. */
  readonly cluster: string;
  readonly database: number;
  readonly relation: number;
  readonly attnum: number;
  /** JSON: schema, relation, column. */
  readonly name: string;
}

export interface NotificationTable {
  /** Order of arrival. */
  readonly n: Generated<number>;
  readonly id: string;
  readonly channel: string;
  readonly thing: string;
  readonly event: string;
  /** JSON of the notice. */
  readonly notice: string;
  state: string;
  attempts: number;
  next_attempt_at_ms: number;
  readonly created_at_ms: number;
  settled_at_ms: number | null;
  fault: string | null;
}

/** Where a channel finds its message about a thing again. */
export interface NotificationMessageTable {
  readonly channel: string;
  readonly thing: string;
  reference: string;
  at_ms: number;
}

/** What may come in once only. */
export interface UsedKeyTable {
  readonly key: string;
  readonly until_ms: number;
}

export interface GrantTable {
  readonly id: string;
  state: string;
  review: string;
  readonly requested_at_ms: number;
  /** The whole grant. */
  body: string;
}

export interface LockTable {
  readonly kind: string;
  readonly name: string;
  /** JSON: an actor. */
  readonly set_by: string;
  readonly at_ms: number;
}

export interface DelegationTable {
  readonly id: string;
  /** The delegation but its end. */
  readonly body: string;
  readonly created_at_ms: number;
  readonly expires_at_ms: number;
  ended_at_ms: number | null;
}

/** One row: grows with every change of grants, locks and delegations. */
export interface AccessVersionTable {
  readonly id: number;
  n: number;
}

/** How far a SIEM destination has taken the log. */
export interface SiemCursorTable {
  readonly destination: string;
  next_seq: number;
  /** All entries from it on to `next_seq` were taken, of this log; null = not known. */
  since_seq: number | null;
  /** Hash of the last entry taken; null = none. */
  leaf: string | null;
  at_ms: number;
}

/** A log-in to the console. */
export interface ConsoleSessionTable {
  /** Of the cookie's value, hex. */
  readonly sha256: string;
  /** `issuer/subject`, both percent-encoded. */
  readonly principal: string;
  /** The verified identity, encrypted under the cookie's value and a key of the gateway; empty once it has ended. */
  sealed: string;
  readonly created_at_ms: number;
  readonly expires_at_ms: number;
  seen_at_ms: number;
  ended_at_ms: number | null;
}

/** Tables of `state.sqlite`: the only copy, every commit survives power loss. */
export interface StateSchema {
  approvals: ApprovalTable;
  approval_answers: ApprovalAnswerTable;
  policy_versions: PolicyVersionTable;
  policy_applications: PolicyApplicationTable;
  bound_columns: BoundColumnTable;
  notifications: NotificationTable;
  notification_messages: NotificationMessageTable;
  used_keys: UsedKeyTable;
  grants: GrantTable;
  locks: LockTable;
  delegations: DelegationTable;
  access_version: AccessVersionTable;
  siem_cursors: SiemCursorTable;
  console_sessions: ConsoleSessionTable;
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
  masked_cells: number;
  /** JSON: names, sorted. */
  classes: string;
  last_at_ms: number;
  /** 1 = its newest statement waits. */
  is_waiting: number;
  /** Lower case, for searches. */
  readonly owners: string;
}

/** What lists of sessions are narrowed down to by an index: `facetsOf` has the vocabulary. */
export interface SessionFacetTable {
  readonly facet: string;
  readonly open_index: number;
}

/** Everybody whose session, or for whom, there was one. */
export interface ActorTable {
  /** `principalKey` */
  readonly key: string;
  /** JSON */
  readonly actor: string;
  /** Lower case, for searches. */
  readonly text: string;
}

/** Counts of one principal on one target in one bucket. */
export interface ActivityTable {
  readonly span_ms: number;
  readonly at_ms: number;
  /** Keys of actors; empty = acts for nobody. */
  readonly principal: string;
  readonly on_behalf_of: string;
  readonly target: string;
  statements: number;
  held: number;
  denied: number;
  rows: number;
  masked_cells: number;
  last_at_ms: number;
  /** Newest entry that was counted. */
  last_seq: number;
}

/** Cells by class in the same buckets. */
export interface ActivityClassTable {
  readonly span_ms: number;
  readonly at_ms: number;
  readonly principal: string;
  readonly on_behalf_of: string;
  readonly target: string;
  readonly class: string;
  masked: number;
  clear: number;
}

/** Entries of one session that were applied together. */
export interface SessionRunTable {
  readonly session: string;
  readonly first_seq: number;
  /** JSON: the first log index, then the distance of each to the one before. */
  readonly seqs: string;
}

/** Entries by type, but those of which every statement has one. */
export interface TypedEntryTable {
  readonly type: string;
  readonly seq: number;
}

export interface PositionTable {
  readonly id: ColumnType<number, number, never>;
  next_seq: number;
}

/** Tables of `index.sqlite`: derived from the audit log, may be deleted and rebuilt. */
export interface IndexSchema {
  sessions: SessionTable;
  session_runs: SessionRunTable;
  session_facets: SessionFacetTable;
  actors: ActorTable;
  activity: ActivityTable;
  activity_classes: ActivityClassTable;
  typed_entries: TypedEntryTable;
  position: PositionTable;
}
