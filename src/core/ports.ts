// Ports: what one layer may rely on from another. Each implementation runs the shared suite of its port
// (`test/conformance/`). The last parameter of anything that waits is an AbortSignal.

import type { Answer } from './answering.ts';
import type { MaskSet } from './decision.ts';
import type { EntryDraft, EntryHeader, EntryOutline, EntryType, Payload } from './event.ts';
import type { Facts } from './facts.ts';
import type { Delegation, Grant, GrantChange, GrantState, Lock, LockKind } from './grant.ts';
import type { ActorRef, Principal } from './identity.ts';
import type { ApprovalId, DelegationId, GrantId, SessionId, Sha256Hex, TargetName } from './ids.ts';
import type { Notice } from './notice.ts';
import type { EffectPreview, Previewed } from './preview.ts';
import type { ParameterShape, RequestAction } from './request.ts';

export interface Clock {
  /** Wall clock, ms since the epoch. May step; never used to measure durations. */
  nowMs(): number;
  /** Monotonic, ms; only differences mean anything. */
  monotonicMs(): number;
}

export interface Random {
  bytes(length: number): Uint8Array;
}

/** Structured log for operators. Fields never hold statement text, parameter values, tokens or results. */
export interface Logger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Members that many entries of one session share, checked and encoded once. Only the log that made it understands it. */
export interface EntryTemplate {
  readonly type: EntryType;
}

/** An entry without what `EntryVariables` brings. */
export type TemplateDraft = Omit<EntryDraft, 'n' | 'intent' | 'statement' | 'result'> & {
  readonly session: string;
  readonly statement?: Omit<NonNullable<EntryDraft['statement']>, 'bytes' | 'parameters'>;
  readonly result?: Pick<NonNullable<EntryDraft['result']>, 'columns'>;
};

/** What differs from one entry of a template to the next. Numbers are non-negative integers, but `ms`. */
export interface EntryVariables {
  /** Dense per session, shared with `append`. */
  readonly n: number;
  /** Completes `statement` of a `request.intent`. */
  readonly statement?: { readonly bytes: number; readonly parameters: readonly ParameterShape[] };
  /** The intent that a `request.result` belongs to; the log writes its index. Each has one result at most. */
  readonly intent?: Ticket;
  /** Completes `result` of a `request.result`. */
  readonly result?: { readonly rows: number; readonly bytes: number; readonly code: string; readonly ms: number };
}

/** Names one posted entry until the process ends. Tickets grow in the order of the posts. */
export type Ticket = number & { readonly __ticket: unique symbol };

/** Append-only audit log. Calls may overlap; entries keep the order of the calls, `append` and `post` together. */
export interface AuditLog {
  /** On resolve the entry and its payloads survive power loss; it may not be under a signed checkpoint yet.
   *  @returns its index: 0-based, dense, never reused.
   *  @throws SP_AUDIT_UNWRITABLE if durability cannot be promised; the caller refuses the request. */
  append(entry: EntryDraft, payloads?: readonly Payload[], signal?: AbortSignal): Promise<number>;
  /** Prepares for `post`. `payloads` belong to every entry of the template: they are sealed once and named by each.
   *  @throws SP_AUDIT_ENTRY_INVALID, SP_AUDIT_ENTRY_TOO_LARGE */
  template(draft: TemplateDraft, payloads?: readonly Payload[]): EntryTemplate;
  /** No entry will be posted from it any more. The end of its session releases it too. */
  release(template: EntryTemplate): void;
  /** The cheap way to append: takes the entry over and returns at once. It becomes durable together with the next entry that
   *  somebody waits for, and within 100 ms even if nobody does.
   *  @throws SP_AUDIT_UNWRITABLE when the log has stopped. */
  post(template: EntryTemplate, variables: EntryVariables, payloads?: readonly Payload[]): Ticket;
  /** Whether the entry is recorded as firmly as the configured durability demands: `durable` = survives power loss,
   *  `buffered` = taken over by the writer of the log. */
  isRecorded(ticket: Ticket): boolean;
  /** Asks for the entry to be recorded now; resolves when it and all before it are. @throws SP_AUDIT_UNWRITABLE */
  recorded(ticket: Ticket): Promise<void>;
  /** False once an append has failed: every later append fails too, until restart. */
  readonly writable: boolean;
}

/** Read side of the log, for API, index and export. */
export interface AuditReader {
  /** Entries [from, to) that are durable, in order. */
  entries(from: number, to: number, signal?: AbortSignal): AsyncIterable<EntryHeader>;
  /** The same in groups, and only what an index needs of them: a tenth of the price. */
  outlines(from: number, to: number): AsyncIterable<readonly EntryOutline[]>;
  /** Number of durable entries. */
  size(): number;
  /** The newest signed checkpoint (signed note text), or null before the first. */
  checkpoint(): Promise<string | null>;
  /** Ciphertext and wrapped data key of one sealed payload. Opening it needs the recipient's private key, which the
   *  gateway does not have. @returns null when the blob or its key was destroyed. */
  sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null>;
}

/** Turns a presented token into a verified principal. */
export interface Authenticator {
  /** @throws SP_AUTH_INVALID_TOKEN with a closed-vocabulary reason in `message`; SP_AUTH_UNAVAILABLE when keys cannot be had. */
  authenticate(token: string, signal?: AbortSignal): Promise<Principal>;
}

/** A log-in to the console. */
export interface ConsoleSessionRow {
  /** Of the cookie's value, hex. */
  readonly sha256: string;
  /** `principalKey` of whom it stands for. */
  readonly principal: string;
  /** The verified identity, which only the cookie's value and a key of the gateway open together; empty once it has ended. */
  readonly sealed: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly seenAtMs: number;
  readonly endedAtMs: number | null;
}

/** All @throws SP_STORE_UNAVAILABLE */
export interface ConsoleSessionStore {
  create(row: Omit<ConsoleSessionRow, 'seenAtMs' | 'endedAtMs'>): Promise<void>;
  get(sha256: string): Promise<ConsoleSessionRow | null>;
  seen(sha256: string, atMs: number): Promise<void>;
  /** Idempotent; survives power loss on resolve. */
  end(sha256: string, atMs: number): Promise<void>;
  /** Of those that have not ended, newest first. */
  liveOf(principal: string): Promise<string[]>;
  prune(expiredBeforeMs: number): Promise<void>;
}

/** Slows down guessing: after too many failed log-ins from one address, that address has to wait. */
export interface FailureLimiter {
  /** Milliseconds until a log-in from this address is looked at again; 0 = now. */
  waitMs(address: string): number;
  recordFailure(address: string): void;
  /** A good log-in clears the address. */
  recordSuccess(address: string): void;
}

export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'used';

/** What an approval is bound to; any difference voids it. */
export interface ApprovalBinding {
  readonly principal: string;
  readonly target: TargetName;
  /** See `Request.statementSha256`. */
  readonly statementSha256: Sha256Hex;
  readonly parametersSha256: Sha256Hex;
  readonly policySha256: Sha256Hex;
  readonly catalogueVersion: string;
  /** Masks the result was to be shown under: more groups at the retry must not show more than the reviewer saw. */
  readonly maskSetId: string;
}

export interface ApprovalAnswer extends Answer {
  /** Approves every use within this time; absent = one use. */
  readonly forMs?: number;
}

/** A held request. Holds no protected data: the statement is its redacted form. */
export interface Approval {
  readonly id: ApprovalId;
  readonly state: ApprovalState;
  readonly session: SessionId;
  readonly requester: ActorRef & { readonly name: string };
  readonly onBehalfOf: ActorRef | null;
  readonly binding: ApprovalBinding;
  readonly action: RequestAction;
  readonly statement: string | null;
  readonly effects: Facts['effects'];
  readonly relations: Facts['relations'];
  readonly outputs: readonly { readonly name: string; readonly classes: readonly string[]; readonly mask: string }[];
  readonly unbounded: boolean;
  readonly rules: readonly string[];
  readonly say: string | null;
  readonly approvers: { readonly role: string; readonly count: number };
  readonly createdAtMs: number;
  /** When it ends: the time for answers, and once approved for a time, that time. */
  readonly expiresAtMs: number;
  readonly answers: readonly ApprovalAnswer[];
  /** Absent until it is there. Shown to those who answer, never to those who ask. */
  readonly preview?: EffectPreview;
  /** Approved for a time: the same request may run again until `expiresAtMs`, and ran so often. Absent = once. */
  readonly repeated?: { readonly uses: number };
}

/** Durable state of approvals. All transitions are atomic: two concurrent answers never both win. */
export interface ApprovalStore {
  create(approval: Approval): Promise<void>;
  get(id: ApprovalId): Promise<Approval | null>;
  /** Newest first. */
  list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]>;
  /** Adds one answer to a pending approval and moves it to `state` when the caller says so.
   *  @param repeatUntilMs with `approved`: it may be used again and again until then, which is when it expires
   *  @returns the new row, or null when it was not pending any more or this actor has answered already. */
  answer(id: ApprovalId, answer: ApprovalAnswer, state: ApprovalState, repeatUntilMs?: number): Promise<Approval | null>;
  /** Keeps what was found about a pending approval. @returns the new row, or null when it is not pending any more. */
  preview(id: ApprovalId, preview: EffectPreview): Promise<Approval | null>;
  /** Counts one use of an approved one that is usable again and again. @returns the new row, or null when it is not (any more). */
  useAgain(id: ApprovalId): Promise<Approval | null>;
  /** Moves from one state to another. @returns false when it was not in `from`. */
  transition(id: ApprovalId, from: ApprovalState, to: ApprovalState): Promise<boolean>;
  /** Approvals in `state` with exactly this binding, newest first. */
  find(binding: ApprovalBinding, state: ApprovalState): Promise<Approval[]>;
}

/** A version that came into force. */
export interface PolicyApplication {
  readonly sha256: Sha256Hex;
  readonly atMs: number;
  /** `start`: the gateway was started with other files than before. */
  readonly how: 'start' | 'apply' | 'rollback';
  /** Null = whoever changed the files. */
  readonly by: ActorRef | null;
  /** In force before; null = none. */
  readonly previous: Sha256Hex | null;
  /** Null: the version is that of the files which the configuration names. Otherwise the hash of those files: as long as they stay as
   *  they are, the version is in force instead of them, over restarts too. */
  readonly insteadOf: Sha256Hex | null;
}

/** Every applied policy version, by its SHA-256. */
export interface PolicyVersions {
  /** Adds to the history. The version must have been put. Survives power loss on resolve. @throws SP_STORE_UNAVAILABLE */
  applied(application: PolicyApplication): Promise<void>;
  /** Newest first. */
  applications(limit: number): Promise<PolicyApplication[]>;
  put(version: { readonly sha256: Sha256Hex; readonly source: string; readonly appliedAtMs: number }): Promise<void>;
  get(sha256: Sha256Hex): Promise<{ readonly source: string; readonly appliedAtMs: number } | null>;
  list(): Promise<{ readonly sha256: Sha256Hex; readonly appliedAtMs: number }[]>;
}

/** Schema, relation and column. */
export type ColumnName = readonly [schema: string, relation: string, column: string];

/** A column that the policy named, as its database numbers it: whoever owns it may call it otherwise by now. */
export interface BoundColumn {
  /** The name it was named by. For a column that holds values of such columns: a pattern of the policy that named those. */
  readonly name: ColumnName;
  /** OID of the relation. */
  readonly relation: number;
  readonly attnum: number;
}

/** Where numbers of columns mean something: a restored dump is another origin. */
export interface DatabaseOrigin {
  /** Identifies the cluster; empty = it does not tell, and may be any. */
  readonly cluster: string;
  /** OID of the database. */
  readonly database: number;
}

/** Columns that names of the policy stood for so far. Outlives restarts and versions of the policy. */
export interface BoundColumns {
  /** @returns the columns known of this origin of the target, without duplicates; `isMoved` when there are none, but some of
   *  another origin. @throws SP_STORE_UNAVAILABLE: what is protected is not known, and nothing may be planned. */
  load(target: TargetName, origin: DatabaseOrigin): Promise<{ readonly columns: readonly BoundColumn[]; readonly isMoved: boolean }>;
  /** Adds and removes in one step; idempotent. Survives power loss on resolve. @throws SP_STORE_UNAVAILABLE */
  record(
    target: TargetName,
    origin: DatabaseOrigin,
    change: { readonly added: readonly BoundColumn[]; readonly dropped: readonly BoundColumn[] },
  ): Promise<void>;
}

export type NotificationState = 'queued' | 'sent' | 'failed' | 'superseded';

/** One notice for one channel. */
export interface QueuedNotification {
  /** `ntf_` + 26 base32 characters; the same for every attempt. */
  readonly id: string;
  readonly channel: string;
  readonly notice: Notice;
  readonly state: NotificationState;
  /** Attempts that failed so far. */
  readonly attempts: number;
  readonly nextAttemptAtMs: number;
  readonly createdAtMs: number;
  readonly settledAtMs: number | null;
  /** Why the last attempt failed: a word of a closed vocabulary, never text of the receiver. */
  readonly fault: string | null;
}

/** Notices on their way out. Every change survives power loss on resolve. */
export interface NotificationQueue {
  /** Queues those whose channel, thing and event were not queued before; all others count as taken.
   *  @returns the ids of those that found `maxQueued` others waiting in their channel and were not taken. */
  add(
    items: readonly Pick<QueuedNotification, 'id' | 'channel' | 'notice' | 'createdAtMs'>[],
    maxQueued: number,
  ): Promise<readonly string[]>;
  /** The notification of the channel to send next: the earliest of those that no older one about the same thing is waiting before.
   *  @returns `isOutdated` when a newer one about the same thing is queued. */
  head(channel: string): Promise<{ readonly item: QueuedNotification; readonly isOutdated: boolean } | null>;
  /** Ends one. `reference` is how the channel finds the message of this thing again; absent = as before. */
  settle(
    id: string,
    end: {
      readonly state: Exclude<NotificationState, 'queued'>;
      readonly atMs: number;
      readonly fault?: string;
      readonly reference?: string;
    },
  ): Promise<void>;
  /** One more attempt has failed. */
  retry(id: string, next: { readonly atMs: number; readonly fault: string }): Promise<void>;
  /** Makes everything queued in the channel due: it works again. */
  expedite(channel: string, atMs: number): Promise<void>;
  /** How many are queued, by channel. */
  lengths(): Promise<ReadonlyMap<string, number>>;
  /** Newest first. */
  list(filter: { readonly channel?: string; readonly state?: NotificationState; readonly limit: number }): Promise<QueuedNotification[]>;
  /** Ids of things that the channel has been told of, whose newest notification is not older than `sinceMs`. */
  things(channel: string, sinceMs: number): Promise<string[]>;
  /** What `settle` was given last for this thing; null when the channel has no message of it. */
  reference(channel: string, thing: string): Promise<string | null>;
  /** True once for each key until `untilMs`, whatever happens to the process in between. */
  firstUse(key: string, nowMs: number, untilMs: number): Promise<boolean>;
  /** Forgets what was settled before `beforeMs`, and fails what is queued for a channel that is not among `channels`. */
  prune(channels: readonly string[], nowMs: number, beforeMs: number): Promise<{ readonly orphaned: number }>;
}

/** Durable state of grants. All transitions are atomic, and every change survives power loss on resolve. Each change of a grant, a
 *  lock or a delegation makes `version` grow in the same step. @throws SP_STORE_UNAVAILABLE */
export interface GrantStore {
  /** @throws SP_GRANT_CONFLICT when the id exists */
  create(grant: Grant): Promise<void>;
  get(id: GrantId): Promise<Grant | null>;
  /** Newest first. */
  list(filter: { readonly states?: readonly GrantState[]; readonly review?: Grant['review']; readonly limit: number }): Promise<Grant[]>;
  /** Adds one answer to a requested grant and makes `change` with it.
   *  @returns the new row, or null when it was not requested any more or this actor has answered already. */
  answer(id: GrantId, answer: Answer, change: GrantChange): Promise<Grant | null>;
  /** Makes `change` if the grant is in `from`. @returns the new row, or null when it was not. */
  change(id: GrantId, from: GrantState, change: GrantChange): Promise<Grant | null>;
  /** Ends an owed review, once. @returns the new row, or null when none was owed. */
  reviewed(id: GrantId, by: ActorRef, atMs: number): Promise<Grant | null>;
  /** Of grants, locks and delegations together; grows with every change by anybody. */
  version(): Promise<number>;
}

/** Locks that stand. See `GrantStore` about durability and `version`. */
export interface LockStore {
  /** @returns false when it stands already; the earlier one is kept. */
  set(lock: Lock): Promise<boolean>;
  /** @returns false when it did not stand. */
  lift(kind: LockKind, name: string): Promise<boolean>;
  /** Oldest first. */
  list(): Promise<Lock[]>;
}

/** Rights to answer that were lent. See `GrantStore` about durability and `version`. */
export interface DelegationStore {
  create(delegation: Delegation): Promise<void>;
  /** Those that end after `atMs` and were not taken back, oldest first. */
  list(atMs: number): Promise<Delegation[]>;
  /** Takes it back. @returns false when that was done before or there is none. */
  end(id: DelegationId, atMs: number): Promise<boolean>;
}

/** The same for all threads of the process. */
export interface SharedBoundColumns extends BoundColumns {
  /** Grows by one with every `record` of any thread, also one that failed: what was loaded before may be incomplete. */
  readonly version: number;
}

/** Result of waiting for a held request. */
export type ApprovalOutcome =
  | { readonly outcome: 'approved'; readonly approval: ApprovalId }
  | { readonly outcome: 'denied' | 'expired' | 'cancelled' | 'void' | 'shutting-down'; readonly approval: ApprovalId };

/** The approvals service as the gate needs it. */
export interface ApprovalDesk {
  /** Opens an approval; it is recorded (`approval.requested`) and durable on resolve. */
  open(
    draft: Omit<Approval, 'id' | 'state' | 'answers' | 'createdAtMs' | 'expiresAtMs'> & { readonly withinMs: number },
  ): Promise<Approval>;
  /** An approved, unused and unexpired approval with exactly this binding: what a client finds that timed out while
   *  it waited and sends the same request again. The caller still has to `use` it. */
  find(binding: ApprovalBinding): Promise<ApprovalId | null>;
  /** Waits for the answer, the expiry, `signal` (client cancelled) or shutdown. An abort cancels the approval,
   *  unless `signal.reason` is SP_CLIENT_LOST: then it stays open until it expires, for the client's retry. */
  wait(id: ApprovalId, signal: AbortSignal): Promise<ApprovalOutcome>;
  /** Adds what a preview has found, while it is pending; nothing happens otherwise. The sample is never stored. */
  preview(id: ApprovalId, found: Previewed): Promise<void>;
  /** Uses an approved approval, if `binding` is exactly the one it was given for: once, or for as long as its reviewers said.
   *  @returns false when it was used before, is not approved, has expired or the binding differs. */
  use(id: ApprovalId, binding: ApprovalBinding): Promise<boolean>;
}

/** What a surface shows of one target. */
export interface TargetStatus {
  readonly name: TargetName;
  readonly protocol: string;
  readonly address: string;
  readonly catalogue: 'ready' | 'loading' | 'unavailable';
  readonly catalogueVersion: string | null;
  readonly protectedColumns: number;
}

/** What a policy version says about the columns of one target. */
export interface ColumnPolicy {
  readonly version: string;
  /** `pattern` is `schema.relation.column` or `database.schema.relation.column`, each part a name or with `*`. */
  readonly classRules: readonly {
    readonly class: string;
    readonly pattern: string;
    readonly lookup?: true;
    readonly predicates?: 'equality' | 'hold';
  }[];
  /** See `subjectsOf` of the policy. */
  readonly subjectOf?: (
    className: string,
    relation: { readonly qualified: string; readonly columns: readonly { readonly name: string }[] },
  ) => string | null | undefined;
}

/** Understands text for a target without running it: explain, policy tests. Implemented by adapters. */
export interface TargetAnalyst {
  readonly target: TargetName;
  status(): TargetStatus;
  /** Facts and the rewritten statement under `masks`. Nothing reaches the target but catalogue reads. */
  analyse(text: string, masks: MaskSet, signal?: AbortSignal): Promise<{ facts: Facts; forward: string | null }>;
  /** `schema.relation.column` -> classes after closure over views, partitions and generated columns. */
  protectedColumns(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** The same two under another policy than the one in force; keeps plans as long as it is kept. */
  under(policy: ColumnPolicy): Pick<TargetAnalyst, 'analyse' | 'protectedColumns'>;
  /** `schema.relation` of everything that may have rows of the subject of the configuration, views included; null = cannot be told. */
  relationsOf(subject: string): Promise<readonly string[] | null>;
  /** True when the column exists in the live catalogue. */
  knowsColumn(qualified: string): Promise<boolean>;
  /** Columns of everything that stores rows; views are not among them, and nothing of the system. */
  columns(): Promise<readonly StoredColumn[]>;
  /** Columns of everything that can be read: tables, views, foreign tables; nothing of the system. By schema and relation, then as they
   *  stand there. The same list as long as the catalogue is the same. */
  tree(): Promise<readonly TreeColumn[]>;
  /** `sample` never reads anything. */
  readonly isNeverSampled?: true;
  /** Reads some rows of one relation on a connection of its own, within two seconds, reading only. The values are protected data: they
   *  are looked at and forgotten, never shown, logged or kept.
   *  @returns by name of the column, at most 200 texts of at most 200 characters, without NULLs; null when it cannot be read */
  sample(
    relation: { readonly schema: string; readonly relation: string },
    columns: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly string[]> | null>;
}

export interface TreeColumn {
  /** Where names begin with a database: `DATABASE.SCHEMA`. */
  readonly schema: string;
  readonly relation: string;
  readonly relationKind: 'table' | 'view' | 'matview' | 'foreign';
  readonly column: string;
  /** As the database writes it. */
  readonly type: string;
}

export interface StoredColumn {
  /** Where names begin with it. */
  readonly database?: string;
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
  /** As the database writes it: `character varying(20)`. */
  readonly type: string;
  readonly kind: 'text' | 'number' | 'date' | 'ip' | 'binary' | 'other';
}

export type { Principal };
export type * from './session-index.ts';
