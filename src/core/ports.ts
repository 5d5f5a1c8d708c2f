// Ports: what one layer may rely on from another. Each implementation runs the shared suite of its port
// (`test/conformance/`). The last parameter of anything that waits is an AbortSignal.

import type { MaskSet } from './decision.ts';
import type { EntryDraft, EntryHeader, EntryOutline, EntryType, Payload } from './event.ts';
import type { Facts } from './facts.ts';
import type { ActorRef, Principal } from './identity.ts';
import type { ApprovalId, SessionId, Sha256Hex, TargetName } from './ids.ts';
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
  readonly textSha256: Sha256Hex;
  readonly parametersSha256: Sha256Hex;
  readonly policySha256: Sha256Hex;
  readonly catalogueVersion: string;
  /** Masks the result was to be shown under: more groups at the retry must not show more than the reviewer saw. */
  readonly maskSetId: string;
}

export interface ApprovalAnswer {
  readonly by: ActorRef;
  readonly verdict: 'approve' | 'deny';
  readonly atMs: number;
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
  readonly expiresAtMs: number;
  readonly answers: readonly ApprovalAnswer[];
}

/** Durable state of approvals. All transitions are atomic: two concurrent answers never both win. */
export interface ApprovalStore {
  create(approval: Approval): Promise<void>;
  get(id: ApprovalId): Promise<Approval | null>;
  /** Newest first. */
  list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]>;
  /** Adds one answer to a pending approval and moves it to `state` when the caller says so.
   *  @returns the new row, or null when it was not pending any more or this actor has answered already. */
  answer(id: ApprovalId, answer: ApprovalAnswer, state: ApprovalState): Promise<Approval | null>;
  /** Moves from one state to another. @returns false when it was not in `from`. */
  transition(id: ApprovalId, from: ApprovalState, to: ApprovalState): Promise<boolean>;
  /** Approvals in `state` with exactly this binding, newest first. */
  find(binding: ApprovalBinding, state: ApprovalState): Promise<Approval[]>;
}

export interface SessionRow {
  readonly id: SessionId;
  readonly target: TargetName;
  readonly principal: ActorRef;
  readonly onBehalfOf: ActorRef | null;
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  readonly closeReason: string | null;
  readonly statements: number;
  readonly denied: number;
  readonly held: number;
  readonly rows: number;
  /** Log index of the `session.open` entry. */
  readonly openIndex: number;
}

/** Index of sessions; rebuildable from the log, never the record itself. */
export interface SessionIndex {
  /** Applies consecutive log entries, all of them or none. Idempotent by `seq`; calls come in log order.
   *  @throws SP_INTERNAL when entries before them were never applied. */
  apply(entries: readonly EntryOutline[]): Promise<void>;
  /** Log index up to which entries were applied (exclusive). */
  position(): Promise<number>;
  get(id: SessionId): Promise<SessionRow | null>;
  list(filter: { readonly target?: TargetName; readonly live?: boolean; readonly limit: number }): Promise<SessionRow[]>;
  /** Log indexes of the session's entries, ascending. */
  entriesOf(id: SessionId): Promise<number[]>;
}

/** Every applied policy version, by its SHA-256. */
export interface PolicyVersions {
  put(version: { readonly sha256: Sha256Hex; readonly source: string; readonly appliedAtMs: number }): Promise<void>;
  get(sha256: Sha256Hex): Promise<{ readonly source: string; readonly appliedAtMs: number } | null>;
  list(): Promise<{ readonly sha256: Sha256Hex; readonly appliedAtMs: number }[]>;
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
  /** Uses an approved approval exactly once, if `binding` is exactly the one it was given for.
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

/** Understands text for a target without running it: explain, policy tests. Implemented by adapters. */
export interface TargetAnalyst {
  readonly target: TargetName;
  status(): TargetStatus;
  /** Facts and the rewritten statement under `masks`. Nothing reaches the target but catalogue reads. */
  analyse(text: string, masks: MaskSet, signal?: AbortSignal): Promise<{ facts: Facts; forward: string | null }>;
  /** `schema.relation.column` -> classes after closure over views, partitions and generated columns. */
  protectedColumns(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** True when the column exists in the live catalogue. */
  knowsColumn(qualified: string): Promise<boolean>;
}

export type { Principal };
