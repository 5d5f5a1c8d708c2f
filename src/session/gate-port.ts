// The gate as adapters see it, and what it needs from the rest: types only. The code is in gate.ts.

import type { Decision, Deny, MaskSet } from '../core/decision.ts';
import type { SallyportError } from '../core/error.ts';
import type { Payload } from '../core/event.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { ApprovalId, SessionId, TargetName } from '../core/ids.ts';
import type { ApprovalDesk, AuditLog, Clock, Random } from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Soon } from '../core/soon.ts';
import type { SubjectDigests, SubjectIndex } from '../core/subject.ts';
import type { Target } from '../core/target.ts';
import type { SessionFacts } from '../policy/index.ts';
import type { AccessTable } from './access-table.ts';
import type { ClaimDigests } from './identity-facts.ts';
import type { Permit } from './permit.ts';
import type { Recorded, RequestResult } from './recorder.ts';
import type { SessionSlots } from './session-slots.ts';

export interface Denied {
  readonly kind: 'denied';
  readonly decision: Deny;
}

export interface Permitted {
  readonly kind: 'permit';
  readonly permit: Permit;
  readonly decision: Decision;
}

export interface Held {
  readonly kind: 'held';
  readonly approval: ApprovalId;
  readonly say: string | null;
  readonly approvers: { readonly role: string; readonly count: number };
  readonly expiresAtMs: number;
  /** Waits for the answer. Decides again at release: a changed policy or an expired identity voids the approval. */
  wait(signal: AbortSignal): Promise<Permitted | Denied>;
}

/** One client connection to one target, from log-in to close. */
export interface GateSession {
  readonly id: SessionId;
  readonly principal: Principal;
  readonly target: Target;
  /** Masks in force for this principal on this target. Changes only with the policy version: a session lives under the grants
   *  that were in force when it was opened, and ends with the first of them. */
  masks(): MaskSet;
  /** Decides and records. For requests whose only effect is `read` or none, the permit's intent may still be on its way
   *  (`permit.facts.intent`); for all others it is recorded on return. Answers at once when nothing is to be waited for.
   *  @throws SP_AUDIT_UNWRITABLE */
  ask(request: Request, signal: AbortSignal): Permitted | Promise<Permitted | Held | Denied>;
  /** A permitted request goes on: a portal that is fetched from again. Recorded as an intent of its own, under the decision that
   *  let it through. @throws SP_AUDIT_UNWRITABLE, and the end of the session. */
  again(permit: Permit): Soon<Permit>;
  /** Hands the result to the record, and to the subject index whose data was touched. The last bytes of the answer are released only
   *  when both have it. */
  settle(permit: Permit, result: RequestResult, payloads?: readonly Payload[], subjects?: readonly SubjectDigests[]): Recorded;
  /** Records an alarm (`tripwire`, ...) without data. */
  alarm(code: string): Promise<void>;
  /** Fires when the session must end: identity or a grant is over, a lock, another policy, shutdown. `reason` is a SallyportError. */
  readonly ended: AbortSignal;
  /** Idempotent. `reason` is of a closed vocabulary: `client`, `upstream`, `fault`, `expired`, `locked`, `policy`, `ended`, `shutdown`. */
  close(reason: string): Promise<void>;
}

export interface Gate {
  /** Opens a session if the principal has access to the target, and records `session.open` durably.
   *  @throws SP_TARGET_UNKNOWN when there is no access, SP_LOCKED (both recorded as `auth.fail`), SP_AUDIT_UNWRITABLE,
   *  SP_SHUTTING_DOWN, SP_SESSION_LIMIT, SP_AUTH_EXPIRED */
  openSession(
    principal: Principal,
    target: Target,
    client: { readonly address: string; readonly application: string },
  ): Promise<GateSession>;
  /** Records a failed log-in. `fault` is of a closed vocabulary. */
  recordAuthFailure(target: string | null, fault: string, client: { readonly address: string }): Promise<void>;
}

/** The policy version in force, as the gate needs it. Each call sees one consistent version. */
export interface GatePolicy {
  /** No decision depends on the time or the session: equal requests of one principal are decided equally until the version changes. */
  readonly isTimeless: boolean;
  /** @param grants in force for the principal on the target; also below. */
  decide(
    request: Request,
    principal: Principal,
    target: Target,
    nowMs: number,
    grants: readonly ActiveGrant[],
    session: SessionFacts,
  ): Decision;
  masksFor(principal: Principal, target: Target, grants: readonly ActiveGrant[]): MaskSet;
  hasAccess(principal: Principal, target: Target, grants: readonly ActiveGrant[]): boolean;
  /** Every role the principal is a member of. */
  rolesOf(principal: Principal): readonly string[];
}

export interface GateMetrics {
  sessionOpened(target: TargetName): void;
  sessionClosed(target: TargetName): void;
  decided(target: TargetName, outcome: Decision['outcome']): void;
  /** Allowed by a decision that was kept from before. */
  repeated(target: TargetName): void;
  settled(target: TargetName, result: RequestResult, ms: number): void;
}

export interface GateDeps {
  readonly audit: AuditLog;
  /** The same object as long as the version in force is the same. */
  readonly policy: () => GatePolicy;
  readonly approvals: ApprovalDesk;
  readonly access: AccessTable;
  /** For the record of who opened a session. */
  readonly claims: ClaimDigests;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: GateMetrics;
  /** Shared by all threads of the process. */
  readonly slots: SessionSlots;
  /** Absent: no subject is configured. */
  readonly subjects?: SubjectIndex | undefined;
  /** Called once a session is over, so that its sealing key is forgotten. */
  readonly onSessionClosed: (id: SessionId) => void;
}

export interface OpenGate extends Gate {
  /** No new sessions from now on; live ones go on. */
  drain(): void;
  /** Call in the same turn in which `policy` begins to answer another version. Ends the sessions that have no access any more, and
   *  those that are shown a class otherwise: what their connection to the target was opened with may not fit (keys of masks). */
  policyChanged(): void;
  /** Ends one live session. @returns false when this thread has none of that id */
  endSession(id: SessionId, fault: SallyportError): boolean;
  /** Records an alarm of one live session, without data; nothing when this thread has none of that id. */
  alarm(id: SessionId, code: string): Promise<void>;
  /** Ends every live session with `fault`. */
  endAll(fault: SallyportError): void;
  readonly liveSessions: number;
  /** Stops the expiry watch. */
  close(): void;
}
