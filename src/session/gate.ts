// The one meeting point of decision and traffic. An adapter turns client bytes into a Request; the gate decides,
// records, holds for approval and mints the Permit that the upstream demands. See docs/architecture.md, "Life of a query".
//
// INVARIANT: no bytes of a request reach an upstream before its intent entry is handed to the audit log.
// INVARIANT: a decision, an approval or a grant is used by exactly the principal, target, statement and time it was given for.

import { sameBinding } from '../core/binding.ts';
import { type Allow, type Decision, type Deny, type Hold, maskFor, type MaskSet, type ReasonCode } from '../core/decision.ts';
import { Deadline } from '../core/deadline.ts';
import { SallyportError } from '../core/error.ts';
import type { Payload } from '../core/event.ts';
import type { ActiveGrant } from '../core/grant.ts';
import { boundPrincipal, type Principal } from '../core/identity.ts';
import { type ApprovalId, type SessionId, type Sha256Hex, sessionId } from '../core/ids.ts';
import type { Approval, ApprovalBinding } from '../core/ports.ts';
import { PreviewPass } from '../core/preview.ts';
import type { Request } from '../core/request.ts';
import type { Soon } from '../core/soon.ts';
import type { SubjectDigests } from '../core/subject.ts';
import type { Target } from '../core/target.ts';
import type { Denied, GateDeps, GatePolicy, GateSession, Held, OpenGate, Permitted } from './gate-port.ts';
import { recordedIdentity } from './identity-facts.ts';
import { Permit } from './permit.ts';
import { actor, actorFields, type Recorded, Recorder, type RequestResult, type RequestTemplates } from './recorder.ts';
import { SubjectRecorder } from './subject-recorder.ts';

export type { Denied, Gate, GateDeps, GateMetrics, GatePolicy, GateSession, Held, OpenGate, Permitted } from './gate-port.ts';

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
  readonly estimatedRows: Request['estimatedRows'];
  readonly parameters: Request['parameters'];
  readonly decision: Allow;
  readonly templates: RequestTemplates;
}

/** Creates the gate. One per thread. */
export function createGate(deps: GateDeps): OpenGate {
  const sessions = new Set<LiveSession>();
  let draining = false;
  const sessionOf = (id: SessionId): LiveSession | undefined => [...sessions].find((session) => session.id === id);
  const endOverdue = (): void => {
    for (const session of sessions) {
      const fault = session.overdue();
      if (fault !== null) session.end(fault);
    }
  };
  const sweep = setInterval(endOverdue, expirySweepMs);
  sweep.unref();
  const unsubscribe = deps.access.subscribe(endOverdue);
  const refuse = async (principal: Principal, target: Target, address: string, fault: 'locked' | 'no-access'): Promise<void> => {
    const resource = { target: target.name };
    await deps.audit.append({ type: 'auth.fail', ...actorFields(principal), resource, detail: { fault, address } });
  };

  return {
    async openSession(principal, target, client) {
      if (draining) throw new SallyportError('SP_SHUTTING_DOWN', 'no new sessions while draining');
      if (deps.clock.nowMs() >= principal.expiresAtMs) throw new SallyportError('SP_AUTH_EXPIRED', 'identity expired at log-in');
      const policy = deps.policy();
      if (deps.access.isLocked(principal, policy.rolesOf(principal), target.name)) {
        await refuse(principal, target, client.address, 'locked');
        throw new SallyportError('SP_LOCKED', 'principal, one of its roles or the target is locked');
      }
      const grants = deps.access.grantsOf(principal, target.name);
      if (!policy.hasAccess(principal, target, grants)) {
        await refuse(principal, target, client.address, 'no-access');
        throw new SallyportError('SP_TARGET_UNKNOWN', 'principal has no access to the target');
      }
      if (!deps.slots.tryTake()) throw new SallyportError('SP_SESSION_LIMIT', 'as many sessions are open as the configuration allows');
      const forget = (): void => {
        if (sessions.delete(session)) deps.slots.give();
      };
      const session = new LiveSession(deps, principal, target, grants, forget);
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
    policyChanged() {
      for (const session of sessions) {
        const fault = session.underOtherPolicy();
        if (fault !== null) session.end(fault);
      }
    },
    endSession(id, fault) {
      const session = sessionOf(id);
      session?.end(fault);
      return session !== undefined;
    },
    async alarm(id, code) {
      await sessionOf(id)?.alarm(code);
    },
    endAll(fault) {
      for (const session of sessions) session.end(fault);
    },
    get liveSessions() {
      return sessions.size;
    },
    close() {
      clearInterval(sweep);
      unsubscribe();
    },
  };
}

class LiveSession implements GateSession {
  readonly id: SessionId;
  readonly principal: Principal;
  readonly target: Target;
  /** In force when it was opened. */
  readonly #grants: readonly ActiveGrant[];
  readonly #identity: Deadline;
  readonly #deps: GateDeps;
  readonly #recorder: Recorder;
  readonly #ended = new AbortController();
  readonly #forget: () => void;
  /** By what is the same object in every repetition, most recently used last. */
  readonly #shapes = new Map<object, Shape>();
  #masks: { readonly policy: GatePolicy; readonly masks: MaskSet } | null = null;
  #closed: Promise<void> | null = null;
  readonly #subjects: SubjectRecorder | null;
  #requests = 0;
  /** Asked for, without those that were only prepared. */
  #statements = 0;
  readonly #openedMs: number;

  constructor(deps: GateDeps, principal: Principal, target: Target, grants: readonly ActiveGrant[], forget: () => void) {
    this.#deps = deps;
    this.principal = principal;
    this.target = target;
    this.#grants = grants;
    this.#openedMs = deps.clock.monotonicMs();
    this.#identity = new Deadline(principal.expiresAtMs, deps.clock);
    this.#forget = forget;
    this.id = sessionId(deps.random.bytes(16));
    this.#recorder = new Recorder({ audit: deps.audit, session: this.id, principal, target });
    this.#subjects = deps.subjects === undefined ? null : new SubjectRecorder(deps.subjects, this.id, target.name, deps.clock);
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  masks(): MaskSet {
    const policy = this.#deps.policy();
    if (this.#masks?.policy !== policy) this.#masks = { policy, masks: policy.masksFor(this.principal, this.target, this.#grants) };
    return this.#masks.masks;
  }

  end(fault: SallyportError): void {
    if (!this.#ended.signal.aborted) this.#ended.abort(fault);
  }

  /** Why it must end now; null while it may live. */
  overdue(): SallyportError | null {
    if (this.#identity.isOver()) return new SallyportError('SP_AUTH_EXPIRED', 'identity expired');
    const { access, policy } = this.#deps;
    if (access.isLocked(this.principal, policy().rolesOf(this.principal), this.target.name)) {
      return new SallyportError('SP_LOCKED', 'principal, one of its roles or the target was locked');
    }
    return this.#grantsEnded();
  }

  /** Why it cannot go on under the version that is in force now. */
  underOtherPolicy(): SallyportError | null {
    const before = this.#masks?.masks.byClass;
    const hasAccess = this.#deps.policy().hasAccess(this.principal, this.target, this.#grants);
    if (!hasAccess) return new SallyportError('SP_POLICY_CHANGED', 'the principal has no access any more');
    const now = this.masks().byClass;
    if (before === undefined || isSameMasks(before, now)) return null;
    return new SallyportError('SP_POLICY_CHANGED', 'the masks of the session have changed');
  }

  #grantsEnded(): SallyportError | null {
    for (const { id } of this.#grants) {
      if (!this.#deps.access.isInForce(id)) return new SallyportError('SP_GRANT_ENDED', 'a grant of the session is over');
    }
    return null;
  }

  async open(client: { readonly address: string; readonly application: string }): Promise<void> {
    const authenticated = this.#recorder.append({ type: 'auth.ok', detail: { address: client.address } });
    const [grant] = this.#grants;
    const opened = this.#recorder.append({
      type: 'session.open',
      identity: recordedIdentity(this.principal, this.#grants, this.#deps.claims),
      ...(grant === undefined ? {} : { grant: grant.id }),
      detail: { address: client.address },
    });
    await Promise.all([authenticated, opened]);
  }

  ask(request: Request, signal: AbortSignal): Permitted | Promise<Permitted | Held | Denied> {
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
    // Once the log has failed nothing reaches a target any more, not even a read whose result would be withheld.
    if (!this.#deps.audit.writable) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is not writable');
    const ended = this.#grantsEnded();
    if (ended !== null) {
      this.end(ended);
      throw ended;
    }
    this.#requests += 1;
    if (request.action !== 'prepare') this.#statements += request.facts.statements;
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
    const ended = this.#ended.signal.aborted ? this.#ended.signal.reason : this.#grantsEnded();
    if (ended !== null) throw ended;
    const intent = this.#recorder.intentAgain(facts.request, facts.intent);
    const permit = Permit.mint({ ...facts, intent, startedMs: this.#deps.clock.monotonicMs() });
    return isReadOnly(facts.request) || intent.isDone ? permit : intent.wait().then(() => permit);
  }

  settle(permit: Permit, result: RequestResult, payloads: readonly Payload[] = [], subjects: readonly SubjectDigests[] = []): Recorded {
    const { clock, metrics } = this.#deps;
    const ms = clock.monotonicMs() - permit.facts.startedMs;
    metrics.settled(this.target.name, result, ms);
    const recorded = this.#recorder.result(permit.facts.intent, result, ms, payloads);
    return this.#subjects?.record(recorded, permit.facts.intent.n, subjects) ?? recorded;
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
    const { clock, policy } = this.#deps;
    const session = { ageSeconds: Math.floor((clock.monotonicMs() - this.#openedMs) / 1000), statements: this.#statements };
    const { isTimeless } = policy();
    const decided = policy().decide(request, this.principal, this.target, clock.nowMs(), this.#grants, session);
    const decision = isTimeless ? decided : { ...decided, session };
    if (decision.outcome === 'deny') return decision;
    if (decision.masks.id !== request.maskSetId) return denial(decision, 'approval-void');
    // What has no effect releases no row: a transaction can be ended.
    return request.facts.effects.length > 0 && this.#isUsedUp(decision) ? denial(decision, 'grant-rows') : decision;
  }

  /** The rows per hour of a grant it rests on are used up. */
  #isUsedUp({ grants }: Decision): boolean {
    return grants !== undefined && this.#deps.access.isUsedUp(grants);
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
      shape.estimatedRows === request.estimatedRows &&
      shape.decision.masks.id === request.maskSetId &&
      !this.#identity.isOver() &&
      !this.#isUsedUp(shape.decision) &&
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
    const { facts, action, estimatedRows, parameters } = request;
    this.#shapes.set(shapeKey(request), { policy, facts, action, estimatedRows, parameters, decision, templates });
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
      rows: decision.grants === undefined ? null : this.#deps.access.meterOf(decision.grants),
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
    // The requester does not wait for what only its reviewers see.
    if (!signal.aborted && approval.preview === undefined) this.#preview(request, approval.id).catch(() => undefined);
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

  /** INVARIANT: it is recorded before anything of it reaches the target. */
  async #preview({ previewer }: Request, approval: ApprovalId): Promise<void> {
    if (previewer === undefined) return;
    await this.#recorder.append({ type: 'approval.preview', approval });
    await this.#deps.approvals.preview(approval, await previewer.preview(PreviewPass.mint(), this.#ended.signal));
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
    const ended = this.#ended.signal.aborted ? this.#ended.signal.reason : this.overdue();
    if (ended !== null) throw ended;
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
      statementSha256: request.statementSha256,
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

function isSameMasks(one: MaskSet['byClass'], other: MaskSet['byClass']): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && one[name] === other[name]);
}

function isReadOnly(request: Request): boolean {
  return request.facts.effects.every((effect) => effect === 'read');
}

function denial(decision: Decision, reason: ReasonCode): Deny {
  const { rules, policySha256, masks, roles, grants, session } = decision;
  const base = {
    rules,
    policySha256,
    masks,
    roles,
    ...(grants === undefined ? {} : { grants }),
    ...(session === undefined ? {} : { session }),
  };
  return { ...base, outcome: 'deny', reasons: [reason], say: null };
}
