// The one meeting point of decision and traffic. An adapter turns client bytes into a Request; the gate decides,
// records, holds for approval and mints the Permit that the upstream demands. See docs/architecture.md, "Life of a query".
//
// INVARIANT: no bytes of a request reach an upstream before its intent entry is handed to the audit log.
// INVARIANT: a decision, an approval or a grant is used by exactly the principal, target, statement and time it was given for.

import { sameBinding } from '../core/binding.ts';
import { type Allow, type Decision, type Deny, type Hold, maskFor, type MaskSet, type ReasonCode } from '../core/decision.ts';
import { SallyportError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import type { Payload } from '../core/event.ts';
import type { Principal } from '../core/identity.ts';
import { type ApprovalId, type SessionId, type Sha256Hex, type TargetName, sessionId } from '../core/ids.ts';
import type { Approval, ApprovalBinding, ApprovalDesk, AuditLog, Clock, Random } from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { Permit } from './permit.ts';
import { actor, actorFields, boundPrincipal, type Recorded, Recorder, type RequestResult, type RequestTemplates } from './recorder.ts';
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
  /** Masks in force for this principal on this target. Changes only with the policy version. */
  masks(): MaskSet;
  /** Decides and records. For requests whose only effect is `read` or none, the permit's intent may still be on its way
   *  (`permit.facts.intent`); for all others it is recorded on return. Answers at once when nothing is to be waited for.
   *  @throws SP_AUDIT_UNWRITABLE */
  ask(request: Request, signal: AbortSignal): Permitted | Promise<Permitted | Held | Denied>;
  /** A permitted request goes on: a portal that is fetched from again. Recorded as an intent of its own, under the decision that
   *  let it through. @throws SP_AUDIT_UNWRITABLE, and the end of the session. */
  again(permit: Permit): Soon<Permit>;
  /** Hands the result to the record. The last bytes of the answer are released only when it is recorded. */
  settle(permit: Permit, result: RequestResult, payloads?: readonly Payload[]): Recorded;
  /** Records an alarm (`tripwire`, ...) without data. */
  alarm(code: string): Promise<void>;
  /** Fires when the session must end: identity expired, shutdown. `reason` is a SallyportError. */
  readonly ended: AbortSignal;
  /** Idempotent. `reason` is of a closed vocabulary: `client`, `upstream`, `fault`, `expired`, `shutdown`. */
  close(reason: string): Promise<void>;
}

export interface Gate {
  /** Opens a session if the principal has access to the target, and records `session.open` durably.
   *  @throws SP_TARGET_UNKNOWN when there is no access (recorded as `auth.fail`), SP_AUDIT_UNWRITABLE,
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
  /** No decision depends on the time: equal requests of one principal are decided equally until the version changes. */
  readonly isTimeless: boolean;
  decide(request: Request, principal: Principal, target: Target, nowMs: number): Decision;
  masksFor(principal: Principal, target: Target): MaskSet;
  hasAccess(principal: Principal, target: Target): boolean;
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
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: GateMetrics;
  /** Shared by all threads of the process. */
  readonly slots: SessionSlots;
  /** Called once a session is over, so that its sealing key is forgotten. */
  readonly onSessionClosed: (id: SessionId) => void;
}

export interface OpenGate extends Gate {
  /** No new sessions from now on; live ones go on. */
  drain(): void;
  /** Ends every live session with `fault`. */
  endAll(fault: SallyportError): void;
  readonly liveSessions: number;
  /** Stops the expiry watch. */
  close(): void;
}

const expirySweepMs = 500;
/** Outputs shown to a reviewer. */
const maxApprovalOutputs = 200;
/** Requests whose decision and entries a session keeps ready. */
const maxShapes = 256;

/** Requests that are decided and recorded alike: same facts, action and parameter types. */
interface Shape {
  readonly policy: GatePolicy;
  readonly facts: Request['facts'];
  readonly action: Request['action'];
  readonly parameters: Request['parameters'];
  readonly decision: Allow;
  readonly templates: RequestTemplates;
}

/** Creates the gate. One per thread. */
export function createGate(deps: GateDeps): OpenGate {
  const sessions = new Set<LiveSession>();
  let draining = false;
  const sweep = setInterval(() => {
    const nowMs = deps.clock.nowMs();
    for (const session of sessions) {
      if (nowMs >= session.principal.expiresAtMs) session.end(new SallyportError('SP_AUTH_EXPIRED', 'identity expired'));
    }
  }, expirySweepMs);
  sweep.unref();

  return {
    async openSession(principal, target, client) {
      if (draining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new sessions while draining');
      if (deps.clock.nowMs() >= principal.expiresAtMs) throw new SallyportError('SP_AUTH_EXPIRED', 'identity expired at log-in');
      if (!deps.policy().hasAccess(principal, target)) {
        await deps.audit.append({
          type: 'auth.fail',
          ...actorFields(principal),
          resource: { target: target.name },
          detail: { fault: 'no-access', address: client.address },
        });
        throw new SallyportError('SP_TARGET_UNKNOWN', 'principal has no access to the target');
      }
      if (!deps.slots.tryTake()) throw new SallyportError('SP_SESSION_LIMIT', 'as many sessions are open as the configuration allows');
      const forget = (): void => {
        if (sessions.delete(session)) deps.slots.give();
      };
      const session = new LiveSession(deps, principal, target, forget);
      sessions.add(session);
      try {
        await session.open(client);
      } catch (fault) {
        forget();
        throw fault;
      }
      deps.metrics.sessionOpened(target.name);
      return session;
    },
    async recordAuthFailure(target, fault, client) {
      await deps.audit.append({
        type: 'auth.fail',
        ...(target === null ? {} : { resource: { target } }),
        detail: { fault, address: client.address },
      });
    },
    drain() {
      draining = true;
    },
    endAll(fault) {
      for (const session of sessions) session.end(fault);
    },
    get liveSessions() {
      return sessions.size;
    },
    close() {
      clearInterval(sweep);
    },
  };
}

class LiveSession implements GateSession {
  readonly id: SessionId;
  readonly principal: Principal;
  readonly target: Target;
  readonly #deps: GateDeps;
  readonly #recorder: Recorder;
  readonly #ended = new AbortController();
  readonly #forget: () => void;
  /** By what is the same object in every repetition, most recently used last. */
  readonly #shapes = new Map<object, Shape>();
  #masks: { readonly policy: GatePolicy; readonly masks: MaskSet } | null = null;
  #closed: Promise<void> | null = null;
  #requests = 0;

  constructor(deps: GateDeps, principal: Principal, target: Target, forget: () => void) {
    this.#deps = deps;
    this.principal = principal;
    this.target = target;
    this.#forget = forget;
    this.id = sessionId(deps.random.bytes(16));
    this.#recorder = new Recorder({ audit: deps.audit, session: this.id, principal, target });
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  masks(): MaskSet {
    const policy = this.#deps.policy();
    if (this.#masks?.policy !== policy) this.#masks = { policy, masks: policy.masksFor(this.principal, this.target) };
    return this.#masks.masks;
  }

  end(fault: SallyportError): void {
    if (!this.#ended.signal.aborted) this.#ended.abort(fault);
  }

  async open(client: { readonly address: string; readonly application: string }): Promise<void> {
    const authenticated = this.#recorder.append({ type: 'auth.ok', detail: { address: client.address } });
    const opened = this.#recorder.append({ type: 'session.open', detail: { address: client.address } });
    await Promise.all([authenticated, opened]);
  }

  ask(request: Request, signal: AbortSignal): Permitted | Promise<Permitted | Held | Denied> {
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
    // Once the log has failed nothing reaches a target any more, not even a read whose result would be withheld.
    if (!this.#deps.audit.writable) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is not writable');
    this.#requests += 1;
    const shape = this.#shapeOf(request);
    if (shape !== null) {
      this.#deps.metrics.repeated(this.target.name);
      return this.#permit(request, shape.decision, shape.templates);
    }
    const decision = this.#decide(request);
    this.#deps.metrics.decided(this.target.name, decision.outcome);
    switch (decision.outcome) {
      case 'deny':
        return this.#deny(request, decision);
      case 'allow':
        return this.#permit(request, decision, this.#keepShape(request, decision));
      case 'hold':
        // A prepared statement is planned by the server but reads nothing; each execution is held on its own.
        return request.action === 'prepare' ? this.#permitOnce(request, decision, null) : this.#hold(request, decision, signal);
    }
  }

  again({ facts }: Permit): Soon<Permit> {
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
    const intent = this.#recorder.intentAgain(facts.request, facts.intent);
    const permit = Permit.mint({ ...facts, intent, startedMs: this.#deps.clock.monotonicMs() });
    return isReadOnly(facts.request) || intent.isDone ? permit : intent.wait().then(() => permit);
  }

  settle(permit: Permit, result: RequestResult, payloads: readonly Payload[] = []): Recorded {
    const ms = this.#deps.clock.monotonicMs() - permit.facts.startedMs;
    this.#deps.metrics.settled(this.target.name, result, ms);
    return this.#recorder.result(permit.facts.intent, result, ms, payloads);
  }

  async alarm(code: string): Promise<void> {
    await this.#recorder.append({ type: 'alarm', detail: { code } });
  }

  close(reason: string): Promise<void> {
    this.#closed ??= this.#close(reason);
    return this.#closed;
  }

  async #close(reason: string): Promise<void> {
    this.#forget();
    this.end(new SallyportError('SP_SHUTTING_DOWN', 'session is closed'));
    this.#deps.metrics.sessionClosed(this.target.name);
    try {
      await this.#recorder.append({ type: 'session.close', detail: { reason, requests: this.#requests } });
    } finally {
      this.#deps.onSessionClosed(this.id);
    }
  }

  #decide(request: Request): Decision {
    const decision = this.#deps.policy().decide(request, this.principal, this.target, this.#deps.clock.nowMs());
    if (decision.outcome !== 'deny' && decision.masks.id !== request.maskSetId) return denial(decision, 'approval-void');
    return decision;
  }

  /** A repetition of a request that was allowed, if nothing that the decision rests on has changed. */
  #shapeOf(request: Request): Shape | null {
    const key = shapeKey(request);
    const shape = this.#shapes.get(key);
    if (shape === undefined) return null;
    if (
      shape.policy === this.#deps.policy() &&
      shape.facts === request.facts &&
      shape.action === request.action &&
      shape.decision.masks.id === request.maskSetId &&
      this.#deps.clock.nowMs() < this.principal.expiresAtMs &&
      sameTypes(shape.parameters, request.parameters)
    ) {
      return shape;
    }
    this.#shapes.delete(key);
    this.#recorder.forget(shape.templates);
    return null;
  }

  #keepShape(request: Request, decision: Allow): RequestTemplates {
    const policy = this.#deps.policy();
    const templates = this.#recorder.templates(request, decision, null);
    if (!policy.isTimeless) {
      templates.isForgotten = true;
      return templates;
    }
    const { facts, action, parameters } = request;
    this.#shapes.set(shapeKey(request), { policy, facts, action, parameters, decision, templates });
    if (this.#shapes.size > maxShapes) {
      const [oldest] = this.#shapes;
      if (oldest !== undefined) {
        this.#shapes.delete(oldest[0]);
        this.#recorder.forget(oldest[1].templates);
      }
    }
    return templates;
  }

  async #deny(request: Request, decision: Deny): Promise<Denied> {
    await this.#recorder.appendRequest({ type: 'request.denied', decision: 'deny' }, request, decision);
    return { kind: 'denied', decision };
  }

  #permitOnce(request: Request, decision: Allow | Hold, approval: ApprovalId | null): Permitted | Promise<Permitted> {
    const templates = this.#recorder.templates(request, decision, approval);
    templates.isForgotten = true;
    return this.#permit(request, decision, templates);
  }

  #permit(request: Request, decision: Allow | Hold, templates: RequestTemplates): Permitted | Promise<Permitted> {
    const intent = this.#recorder.intent(request, templates);
    const permit = Permit.mint({
      session: this.id,
      request,
      masks: decision.masks,
      rules: decision.rules,
      intent,
      startedMs: this.#deps.clock.monotonicMs(),
    });
    const permitted: Permitted = { kind: 'permit', permit, decision };
    // Reads may run while their intent syncs: the adapter releases no result byte before. Everything else waits here.
    if (isReadOnly(request) || intent.isDone) return permitted;
    return intent.wait().then(() => permitted);
  }

  async #hold(request: Request, decision: Hold, signal: AbortSignal): Promise<Held | Permitted | Denied> {
    const binding = this.#binding(request, decision);
    let approval: Approval;
    try {
      const approved = await this.#deps.approvals.find(binding);
      if (approved !== null && (await this.#deps.approvals.use(approved, binding)))
        return await this.#permitOnce(request, decision, approved);
      approval = await this.#open(request, decision, binding);
    } catch (fault) {
      return this.#unavailable(request, decision, fault);
    }
    await this.#recorder.appendRequest({ type: 'request.held', decision: 'hold', approval: approval.id }, request, decision);
    if (signal.aborted) await this.#deps.approvals.wait(approval.id, signal);
    return {
      kind: 'held',
      approval: approval.id,
      say: decision.say,
      approvers: decision.approvers,
      expiresAtMs: approval.expiresAtMs,
      wait: (waitSignal) =>
        this.#release(request, approval.id, binding, decision, waitSignal).catch((fault: unknown) =>
          this.#unavailable(request, decision, fault),
        ),
    };
  }

  #open(request: Request, decision: Hold, binding: ApprovalBinding): Promise<Approval> {
    return this.#deps.approvals.open({
      session: this.id,
      requester: { ...actor(this.principal), name: this.principal.name },
      onBehalfOf: this.principal.onBehalfOf,
      binding,
      action: request.action,
      statement: request.facts.normalised,
      effects: request.facts.effects,
      relations: request.facts.relations,
      outputs: request.facts.outputs.slice(0, maxApprovalOutputs).map((output) => ({
        name: output.name,
        classes: output.classes,
        mask: maskFor(output.classes, decision.masks),
      })),
      unbounded: request.facts.unbounded,
      rules: decision.rules,
      say: decision.say,
      approvers: decision.approvers,
      withinMs: decision.withinMs,
    });
  }

  /** Without its store an approval can be neither asked for nor proven: that request is refused, the session goes on. */
  #unavailable(request: Request, decision: Decision, fault: unknown): Promise<Denied> {
    if (!(fault instanceof SallyportError) || fault.code !== 'SP_STORE_UNAVAILABLE') throw fault;
    return this.#deny(request, denial(decision, 'unavailable'));
  }

  async #release(request: Request, id: ApprovalId, binding: ApprovalBinding, held: Hold, signal: AbortSignal): Promise<Permitted | Denied> {
    const answer = await this.#deps.approvals.wait(id, AbortSignal.any([signal, this.#ended.signal]));
    if (answer.outcome !== 'approved') {
      const reasons = {
        denied: 'approval-denied',
        expired: 'approval-expired',
        cancelled: 'cancelled',
        void: 'approval-void',
        'shutting-down': 'shutting-down',
      } as const;
      return this.#deny(request, denial(held, reasons[answer.outcome]));
    }
    // The world may have changed while it waited: decide again, and demand that nothing the approval rests on moved.
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
    const again = this.#decide(request);
    if (again.outcome === 'deny') return this.#deny(request, again);
    const current = this.#binding(request, again);
    if (!sameBinding(binding, current) || !(await this.#deps.approvals.use(id, current))) {
      return this.#deny(request, denial(again, 'approval-void'));
    }
    return this.#permitOnce(request, again, id);
  }

  #binding(request: Request, decision: Decision): ApprovalBinding {
    return {
      principal: boundPrincipal(this.principal),
      target: this.target.name,
      textSha256: request.textSha256,
      parametersSha256: request.parametersSha256,
      policySha256: decision.policySha256 satisfies Sha256Hex,
      catalogueVersion: request.catalogueVersion,
      maskSetId: decision.masks.id,
    };
  }
}

/** What stays the same object when a client repeats a request: the text of a prepared statement, else the facts. */
function shapeKey(request: Request): object {
  return request.action === 'execute' ? request.sealed.statement : request.facts;
}

function sameTypes(one: Request['parameters'], other: Request['parameters']): boolean {
  return one === other || (one.length === other.length && one.every((parameter, index) => parameter.type === other[index]?.type));
}

function isReadOnly(request: Request): boolean {
  return request.facts.effects.every((effect) => effect === 'read');
}

function denial(decision: Decision, reason: ReasonCode): Deny {
  const { rules, policySha256, masks, roles } = decision;
  return { outcome: 'deny', reasons: [reason], rules, policySha256, masks, roles, say: null };
}
