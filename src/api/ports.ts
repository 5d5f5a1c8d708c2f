// What the HTTP API needs from the services. Structural: the approvals desk, the policy engine and the log satisfy
// these without importing this file; `app/compose.ts` hands them in.

import type { Registry } from 'prom-client';
import type { MaskSet } from '../core/decision.ts';
import type { Facts } from '../core/facts.ts';
import type { Delegation, Grant, GrantState, GrantWish, Lock, LockKind } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { ApprovalId, DelegationId, GrantId, SessionId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { UnsealDesk } from '../core/unseal.ts';
import type {
  Approval,
  ApprovalState,
  AuditLog,
  AuditReader,
  Authenticator,
  Clock,
  Logger,
  NotificationState,
  PolicyApplication,
  QueuedNotification,
  SessionIndex,
  SessionRow,
  TargetAnalyst,
} from '../core/ports.ts';
import type { RowSample } from '../core/preview.ts';
import type { AccessOffer, Explanation, Fault, PolicyMatrix, PolicyTestResult } from '../policy/index.ts';
import type { ConsoleSurface } from './console-ports.ts';
import type { AccessReportAnswer, PolicyDiffAnswer, ReplayAnswer } from './policy-tools.ts';
import type { ReviewsSurface } from './review-views.ts';
import type { SubjectsSurface } from './subject-views.ts';

/** The approvals service as reviewers use it. */
export interface ApprovalsSurface {
  /** Newest first. */
  list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]>;
  show(id: ApprovalId): Promise<Approval | null>;
  /** Checks the reviewer's role and that they are not the requester, records the answer, wakes the session.
   *  @param justification free text; goes to sealed storage only.
   *  @param forMs approves every use within that time, not one.
   *  @throws SP_APPROVAL_NOT_FOUND, SP_APPROVAL_CONFLICT, SP_APPROVAL_VOID, SP_API_FORBIDDEN, SP_API_BAD_REQUEST, SP_AUDIT_UNWRITABLE */
  answer(id: ApprovalId, principal: Principal, verdict: 'approve' | 'deny', justification?: string, forMs?: number): Promise<Approval>;
  /** Of the rows that a pending one would change; null = there is none (any more). For those only who may answer it. */
  sampleOf(approval: Approval): RowSample | null;
  /** Whether `answer` would accept this reviewer now. */
  mayAnswer(approval: Approval, principal: Principal): boolean;
  /** Calls `listener` after every change of an approval. @returns a function that ends the subscription. */
  subscribe(listener: (approval: Approval) => void): () => void;
}

/** Notifications as operators and Slack use them. */
export interface NotificationsSurface {
  channels(): Promise<readonly { readonly name: string; readonly kind: string; readonly queued: number }[]>;
  /** Newest first. */
  list(filter: { readonly channel?: string; readonly state?: NotificationState; readonly limit: number }): Promise<QueuedNotification[]>;
  /** Sends a made-up notice now. @throws SP_API_NOT_FOUND */
  test(channel: string, signal: AbortSignal): Promise<{ readonly isSent: true } | { readonly isSent: false; readonly fault: string }>;
  /** A click in Slack, proven by its signature.
   *  @throws SP_AUTH_INVALID_TOKEN, also for a channel without buttons; SP_API_BAD_REQUEST */
  slack(channel: string, request: { readonly timestamp: string; readonly signature: string; readonly body: Uint8Array }): Promise<void>;
}

/** Grants as those who ask, answer and look back use them. */
export interface GrantsSurface {
  /** What the principal may ask for on a target. */
  offers(principal: Principal, target: TargetName): readonly AccessOffer[];
  /** @param reason free text; goes to sealed storage only.
   *  @throws SP_GRANT_REFUSED, SP_LOCKED, SP_API_BAD_REQUEST, SP_API_RATE_LIMITED, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  request(principal: Principal, wish: GrantWish, reason: string): Promise<Grant>;
  /** In force, or over, on every thread when it resolves; also below.
   *  @throws SP_GRANT_NOT_FOUND, SP_GRANT_CONFLICT, SP_API_FORBIDDEN, SP_AUDIT_UNWRITABLE, SP_STORE_UNAVAILABLE */
  answer(id: GrantId, principal: Principal, verdict: 'approve' | 'deny', reason?: string): Promise<Grant>;
  mayAnswer(grant: Grant, principal: Principal): boolean;
  revoke(id: GrantId, principal: Principal, mayOperate: boolean, reason?: string): Promise<Grant>;
  mayRevoke(grant: Grant, principal: Principal, mayOperate: boolean): boolean;
  review(id: GrantId, principal: Principal, finding: string): Promise<Grant>;
  mayReview(grant: Grant, principal: Principal): boolean;
  show(id: GrantId): Promise<Grant | null>;
  /** Newest first. */
  list(filter: { readonly states?: readonly GrantState[]; readonly review?: Grant['review']; readonly limit: number }): Promise<Grant[]>;
}

export interface LocksSurface {
  /** @throws SP_API_NOT_FOUND, SP_API_FORBIDDEN for a lock on oneself */
  lock(by: Principal, kind: LockKind, name: string, reason?: string): Promise<Lock>;
  /** @throws SP_API_NOT_FOUND */
  unlock(by: Principal, kind: LockKind, name: string, reason?: string): Promise<void>;
  list(): Promise<Lock[]>;
  /** The principal, or whom it acts for, is locked by name: the API answers nothing else. */
  isLockedOut(principal: Principal): boolean;
}

export interface RecertificationSurface {
  list(): Promise<RecertificationListing>;
  /** @throws SP_GRANT_CONFLICT when the list is not one that was given out in the last day, SP_API_BAD_REQUEST when an item has no decision */
  sign(
    by: Principal,
    sha256: Sha256Hex,
    decisions: ReadonlyMap<string, 'keep' | 'revoke'>,
    note?: string,
  ): Promise<{ readonly kept: number; readonly revoked: number; readonly grantsEnded: readonly GrantId[] }>;
}

/** Everything that gives access, with when it was last used. */
export interface RecertificationListing {
  readonly sha256: Sha256Hex;
  readonly asOf: string;
  readonly items: readonly {
    readonly item: string;
    readonly kind: 'standing' | 'on-request' | 'break-glass' | 'grant';
    readonly role: string;
    readonly targets: readonly string[];
    readonly effects: readonly string[];
    readonly who: string;
    readonly lastUsedAt: string | null;
    readonly usedBy: readonly string[];
    readonly expiresAt: string | null;
  }[];
}

export interface DelegationsSurface {
  /** @throws SP_API_FORBIDDEN, SP_API_BAD_REQUEST */
  delegate(
    from: Principal,
    role: string,
    to: { readonly issuer: string; readonly subject: string },
    durationMs: number,
  ): Promise<Delegation>;
  /** @throws SP_API_NOT_FOUND, SP_API_FORBIDDEN */
  end(id: DelegationId, by: Principal, mayOperate: boolean): Promise<void>;
  list(): Promise<Delegation[]>;
}

export interface PolicyFile {
  readonly path: string;
  readonly source: string;
}

/** A fault of a policy file; a warning does not keep the policy from being used. */
export interface PolicyFault extends Fault {
  readonly severity: 'error' | 'warning';
}

export interface PolicyCheckReport {
  readonly ok: boolean;
  readonly sha256: Sha256Hex | null;
  readonly faults: readonly PolicyFault[];
  /** Columns that nothing protects and that look protected. */
  readonly proposals: readonly ClassProposal[];
  /** What was not looked at. */
  readonly notes: readonly string[];
}

/** Counts and words, never a value. */
export interface ClassProposal {
  /** As `classes[].columns` has it: `clinic:public.patients.ssn`. */
  readonly column: string;
  readonly class: string;
  /** The policy has a class of that name. */
  readonly isDeclared: boolean;
  /** For people. */
  readonly evidence: string;
  /** Words of the name that point to it. */
  readonly byName: string | null;
  /** Sampled values that look like `kind`. */
  readonly byContent: { readonly kind: string; readonly matched: number; readonly of: number } | null;
}

export interface PolicyTestReport {
  readonly ok: boolean;
  /** Faults that kept the tests from running. */
  readonly faults: readonly PolicyFault[];
  readonly tests: readonly Pick<PolicyTestResult, 'name' | 'place' | 'passed' | 'differences'>[];
}

export interface CheckOptions {
  readonly proposals: 'none' | 'by-name' | 'by-sample';
  /** Who asks: a sample is recorded. */
  readonly by: Principal;
}

/** The policy in force, and what can be asked about one that is not. */
export interface PolicySurface {
  current(): { readonly sha256: Sha256Hex; readonly files: readonly PolicyFile[] };
  /** True when the principal may open a session on the target. */
  hasAccess(principal: Principal, target: TargetName): boolean;
  masksFor(principal: Principal, target: TargetName): MaskSet;
  /** Of the policy in force: by role and target. */
  matrix(): PolicyMatrix;
  /** Roles, classes and rules of the policy in force, in its order. */
  outline(): {
    readonly roles: readonly { readonly role: string; readonly members: readonly string[] }[];
    readonly classes: readonly string[];
    readonly rules: readonly {
      readonly rule: string;
      readonly then: 'allow' | 'hold' | 'deny';
      readonly when: string;
      readonly pack: string | null;
    }[];
  };
  /** Masks of somebody with the role alone; null = it has nothing on the target. */
  masksOfRole(role: string, target: TargetName): MaskSet['byClass'] | null;
  /** Patterns of the policy in force that name this column of the target, by class. */
  patternsOf(target: TargetName, qualified: string): ReadonlyMap<string, string>;
  /** The same function the gate uses, plus the trail of rules. */
  explain(principal: Principal, target: TargetName, facts: Facts): Explanation;
  /** @param files null = the policy in force. */
  runTests(files: readonly PolicyFile[] | null, signal?: AbortSignal): Promise<PolicyTestReport>;
  /** @param files null = the policy in force. */
  check(files: readonly PolicyFile[] | null, options: CheckOptions, signal: AbortSignal): Promise<PolicyCheckReport>;
}

/** A policy to ask about. `version`: the beginning of a hash; `configured`: the files of the configuration as they are now. */
export type PolicyReference =
  | { readonly kind: 'running' }
  | { readonly kind: 'configured' }
  | { readonly kind: 'version'; readonly sha256: string }
  | { readonly kind: 'files'; readonly files: readonly PolicyFile[] };

export type ReadPolicy<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly PolicyFault[] };

export interface PolicyApplyReport {
  readonly ok: boolean;
  /** What was applied; null when it does not load. */
  readonly sha256: Sha256Hex | null;
  readonly previous: Sha256Hex | null;
  /** False: it was in force already, or was not applied. */
  readonly isChanged: boolean;
  readonly diff: PolicyDiffAnswer | null;
  readonly faults: readonly PolicyFault[];
  readonly tests: readonly Pick<PolicyTestResult, 'name' | 'place' | 'passed' | 'differences'>[];
}

export interface ReplayPeriod {
  readonly sinceMs: number;
  /** Exclusive; null = now. */
  readonly untilMs: number | null;
  readonly target?: TargetName | undefined;
  readonly principal?: Pick<Principal, 'issuer' | 'subject'> | undefined;
}

export type OnProgress = (progress: { readonly done: number; readonly total: number }) => void;

/** Versions of the policy, what they would change, and what of it is used. */
export interface PolicyToolsSurface {
  /** @throws SP_POLICY_VERSION_UNKNOWN, SP_CONFIG_INVALID; also below */
  diff(
    from: PolicyReference,
    to: PolicyReference,
  ): Promise<ReadPolicy<{ readonly from: Sha256Hex; readonly to: Sha256Hex; readonly diff: PolicyDiffAnswer }>>;
  /** Newest first. `diff` to the version before; null when there is none, or when one of the two does not load any more. */
  history(limit: number): Promise<{
    readonly inForce: Sha256Hex;
    readonly applications: readonly (PolicyApplication & { readonly diff: PolicyDiffAnswer | null })[];
  }>;
  /** Brings a version into force after all checks and its own tests. @param files null = those of the configuration, read anew
   *  @throws SP_POLICY_CONFLICT when another than `expected` is in force, SP_STORE_UNAVAILABLE, SP_AUDIT_UNWRITABLE */
  apply(
    files: readonly PolicyFile[] | null,
    who: { readonly by: Principal; readonly expected: Sha256Hex | null; readonly skipTests: boolean },
    signal: AbortSignal,
  ): Promise<PolicyApplyReport>;
  /** The same with a version that was in force before. @param sha256 the beginning of its hash */
  rollback(
    sha256: string,
    who: { readonly by: Principal; readonly expected: Sha256Hex | null; readonly skipTests: boolean },
    signal: AbortSignal,
  ): Promise<PolicyApplyReport>;
  replay(policy: PolicyReference, period: ReplayPeriod, onProgress: OnProgress, signal: AbortSignal): Promise<ReadPolicy<ReplayAnswer>>;
  /** Of the policy in force. @param query.roles null = all */
  accessReport(
    query: ReplayPeriod & { readonly roles: readonly string[] | null },
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<AccessReportAnswer>;
}

export interface EvidenceRequest {
  /** RFC 3339, UTC. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly principal: { readonly issuer: string; readonly subject: string } | null;
  readonly target: string | null;
}

export interface EvidenceSurface {
  /** Records who exports what, then makes the bundle. @returns the archive in pieces; ending it early throws it away
   *  @throws SP_API_RATE_LIMITED while another is made, SP_AUDIT_UNWRITABLE, SP_AUDIT_CORRUPT, SP_STORE_UNAVAILABLE for want of room */
  export(by: Principal, request: EvidenceRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** Roles of the policy that may use the parts of the API which are not about oneself. */
export interface SurfaceRoles {
  /** See every session and entry, fetch sealed recordings, explain as others. */
  readonly auditors: readonly string[];
  /** See every session and target, check and test policy, explain as others, read metrics from afar. */
  readonly operators: readonly string[];
}

/** A file of the transparency log as it lies on disk: `checkpoint`, `log.vkey`, `tile/0/000`. */
export type LogFile = (path: string) => Promise<Uint8Array | null>;

/** Something is another than it was. What it is now is asked for when it is told. */
export type ApiChange =
  | { readonly kind: 'grant'; readonly id: GrantId }
  | { readonly kind: 'session'; readonly id: SessionId }
  | { readonly kind: 'policy'; readonly sha256: Sha256Hex }
  | { readonly kind: 'lock'; readonly lock: Pick<Lock, 'kind' | 'name'>; readonly state: 'set' | 'lifted' }
  /** Entries of the log that are durable. */
  | { readonly kind: 'log'; readonly size: number };
export type ChangeKind = ApiChange['kind'] | 'approval';

/** Changes on all threads, but those of approvals. */
export interface ChangesSurface {
  /** @returns ends the subscription */
  subscribe(listener: (change: ApiChange) => void): () => void;
}

/** Builds the index of sessions anew from the log. @returns how many entries it has. */
export type Reindex = (onProgress: OnProgress) => Promise<number>;

export interface Readiness {
  readonly ready: boolean;
  /** Name of the check -> `ok` or a fixed text saying what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
}

/** What the gateway knows of itself. */
export interface GatewaySurface {
  readonly replica: string;
  /** Where clients connect. */
  listeners(): readonly { readonly protocol: string; readonly host: string; readonly port: number; readonly isTls: boolean }[];
  anchors(): readonly {
    readonly name: string;
    readonly kind: 'file' | 'https' | 'witness' | 'tsa';
    readonly size: number;
    readonly lagMs: number;
    readonly keptAtMs: number | null;
    readonly alarms: readonly string[];
  }[];
  /** See `SessionControl` of the sessions. @throws SP_AUDIT_UNWRITABLE, SP_INTERNAL */
  endSession(session: Pick<SessionRow, 'id' | 'target'>, by: Principal, reason?: string): Promise<boolean>;
}

export interface ApiDeps {
  readonly gateway: GatewaySurface;
  readonly authenticator: Authenticator;
  readonly rolesOf: (principal: Principal) => readonly string[];
  readonly approvals: ApprovalsSurface;
  readonly grants: GrantsSurface;
  readonly locks: LocksSurface;
  readonly delegations: DelegationsSurface;
  readonly recertification: RecertificationSurface;
  readonly unseals: UnsealDesk;
  readonly notifications: NotificationsSurface;
  readonly sessions: SessionIndex;
  readonly audit: {
    readonly log: Pick<AuditLog, 'append' | 'writable'>;
    readonly reader: AuditReader;
    readonly file: LogFile;
    readonly reindex: Reindex;
  };
  readonly evidence: EvidenceSurface;
  readonly analysts: () => readonly TargetAnalyst[];
  readonly policy: PolicySurface;
  readonly policyTools: PolicyToolsSurface;
  readonly reviews: ReviewsSurface;
  readonly changes: ChangesSurface;
  /** How browsers come in; null = no identity provider is configured for the console. */
  readonly console: ConsoleSurface | null;
  /** Where the built console lies; null = nowhere. */
  readonly consoleFolder: string | null;
  /** Where browsers reach the API, when that is not the address it listens on. */
  readonly publicUrl: string | null;
  readonly subjects: SubjectsSurface;
  readonly metrics: Registry;
  /** Who reads metrics without a token: this machine, or everyone who can connect. Operators always can with one. */
  readonly metricsAccess: 'loopback' | 'public';
  readonly readiness: () => Promise<Readiness>;
  readonly surfaceRoles: SurfaceRoles;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Version of the product, for the API description. */
  readonly version: string;
  readonly limits?: Partial<ApiLimits>;
}

export interface ApiLimits {
  /** Requests per minute and principal (or address, when nobody is logged in). */
  readonly requestsPerMinute: number;
  /** Refused tokens per minute and address before the address has to wait. */
  readonly loginFailuresPerMinute: number;
  readonly answersPerMinute: number;
  readonly recordingsPerMinute: number;
  readonly notificationTestsPerMinute: number;
  readonly maxBodyBytes: number;
  /** Of a request that brings policy files, from who may bring them: a policy has up to 16 MiB. */
  readonly maxPolicyBytes: number;
  readonly maxEventStreams: number;
  /** Of one principal. */
  readonly maxEventStreamsOfOne: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  requestsPerMinute: 600,
  loginFailuresPerMinute: 30,
  answersPerMinute: 60,
  recordingsPerMinute: 60,
  notificationTestsPerMinute: 20,
  maxBodyBytes: 1024 * 1024,
  maxPolicyBytes: 20 * 1024 * 1024,
  maxEventStreams: 200,
  maxEventStreamsOfOne: 20,
};
