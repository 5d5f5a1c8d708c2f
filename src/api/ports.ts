// What the HTTP API needs from the services. Structural: the approvals desk, the policy engine and the log satisfy
// these without importing this file; `app/compose.ts` hands them in.

import type { Registry } from 'prom-client';
import type { MaskSet } from '../core/decision.ts';
import type { Facts } from '../core/facts.ts';
import type { Principal } from '../core/identity.ts';
import type { ApprovalId, Sha256Hex, TargetName } from '../core/ids.ts';
import type {
  Approval,
  ApprovalState,
  AuditLog,
  AuditReader,
  Authenticator,
  Clock,
  Logger,
  SessionIndex,
  TargetAnalyst,
} from '../core/ports.ts';
import type { Explanation, Fault, PolicyTestResult } from '../policy/index.ts';

/** The approvals service as reviewers use it. */
export interface ApprovalsSurface {
  /** Newest first. */
  list(filter: { readonly state?: ApprovalState; readonly limit: number }): Promise<Approval[]>;
  show(id: ApprovalId): Promise<Approval | null>;
  /** Checks the reviewer's role and that they are not the requester, records the answer, wakes the session.
   *  @param justification free text; goes to sealed storage only.
   *  @throws SP_APPROVAL_NOT_FOUND, SP_APPROVAL_CONFLICT, SP_APPROVAL_VOID, SP_API_FORBIDDEN, SP_AUDIT_UNWRITABLE */
  answer(id: ApprovalId, principal: Principal, verdict: 'approve' | 'deny', justification?: string): Promise<Approval>;
  /** Whether `answer` would accept this reviewer now. */
  mayAnswer(approval: Approval, principal: Principal): boolean;
  /** Calls `listener` after every change of an approval. @returns a function that ends the subscription. */
  subscribe(listener: (approval: Approval) => void): () => void;
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
}

export interface PolicyTestReport {
  readonly ok: boolean;
  /** Faults that kept the tests from running. */
  readonly faults: readonly PolicyFault[];
  readonly tests: readonly Pick<PolicyTestResult, 'name' | 'place' | 'passed' | 'differences'>[];
}

/** The policy in force, and what can be asked about one that is not. */
export interface PolicySurface {
  current(): { readonly sha256: Sha256Hex; readonly files: readonly PolicyFile[] };
  /** True when the principal may open a session on the target. */
  hasAccess(principal: Principal, target: TargetName): boolean;
  masksFor(principal: Principal, target: TargetName): MaskSet;
  /** The same function the gate uses, plus the trail of rules. */
  explain(principal: Principal, target: TargetName, facts: Facts): Explanation;
  /** @param files null = the policy in force. */
  runTests(files: readonly PolicyFile[] | null, signal?: AbortSignal): Promise<PolicyTestReport>;
  /** @param files null = the policy in force. */
  check(files: readonly PolicyFile[] | null, signal?: AbortSignal): Promise<PolicyCheckReport>;
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

export interface Readiness {
  readonly ready: boolean;
  /** Name of the check -> `ok` or a fixed text saying what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface ApiDeps {
  readonly authenticator: Authenticator;
  readonly rolesOf: (principal: Principal) => readonly string[];
  readonly approvals: ApprovalsSurface;
  readonly sessions: SessionIndex;
  readonly audit: { readonly log: Pick<AuditLog, 'append' | 'writable'>; readonly reader: AuditReader; readonly file: LogFile };
  readonly analysts: () => readonly TargetAnalyst[];
  readonly policy: PolicySurface;
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
  readonly maxBodyBytes: number;
  readonly maxEventStreams: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  requestsPerMinute: 600,
  loginFailuresPerMinute: 30,
  answersPerMinute: 60,
  recordingsPerMinute: 60,
  maxBodyBytes: 1024 * 1024,
  maxEventStreams: 200,
};
