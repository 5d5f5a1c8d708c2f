// Asks the gate for one session: builds the request, tells the client when it is held, waits, and turns every answer
// into either a permit or the native error to refuse with. A permit that cannot be used any more is recorded as not run.

import { randomBytes } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { Sha256Hex } from '../../core/ids.ts';
import type { EffectPreviewer } from '../../core/preview.ts';
import type { Request, RequestAction } from '../../core/request.ts';
import { type Soon, andThen } from '../../core/soon.ts';
import type { Denied, GateSession, Held, Permitted } from '../../session/gate.ts';
import type { Permit } from '../../session/permit.ts';
import type { ClientOutput } from './client-output.ts';
import { type NativeError, cancelledBeforeSent, nativeDenial, nativeFault, noticeMessage, withSession } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { type PlannedText, sha256 } from './planner.ts';
import type { Portal } from './prepared.ts';
import type { SessionPlanner } from './session-planner.ts';
import type { Work } from './work.ts';

const emptySha256 = sha256(new Uint8Array());
const noParameters: Request['parameters'] = [];

export type Answered = { readonly permit: Permit } | { readonly refusal: NativeError };

export interface AskingDeps {
  readonly gate: GateSession;
  readonly planner: Pick<SessionPlanner, 'isReady'>;
  readonly exchange: Exchange<Work>;
  readonly output: ClientOutput;
  /** Fires when the session is over. */
  readonly over: AbortSignal;
  /** Called before a wait that may be long: what was written upstream must leave. */
  readonly beforeWait: () => void;
  /** Resolves when no cancel request is on its way to the target, where it would hit what is sent meanwhile; null = now. */
  readonly cancelSettled: () => Promise<void> | null;
  /** Called after such a wait. @returns false when the plan no longer holds: the schema or the masks have changed. */
  readonly stillHolds: (planned: PlannedText) => Promise<boolean>;
  /** Asked only for what is held. */
  readonly formSha256: (planned: PlannedText) => Sha256Hex;
  /** Undefined: the target is configured without previews. */
  readonly previewer: (planned: PlannedText, portal: Portal | null) => EffectPreviewer | undefined;
}

export class Asking {
  readonly #deps: AskingDeps;
  /** The request that waits for approval now. */
  #waiting: AbortController | null = null;
  /** The client has cancelled what is asked for now, or about to be. */
  #isCancelled = false;
  #refusal: SallyportError | null = null;

  constructor(deps: AskingDeps) {
    this.#deps = deps;
  }

  /** A client message begins: a cancel was for those before it. */
  begin(): void {
    this.#isCancelled = false;
  }

  /** What the client message at hand asks for is not run, whatever the gate answers. */
  cancel(): void {
    this.#isCancelled = true;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Gives up the request that waits for approval. @returns false when none does. */
  giveUp(fault: SallyportError): boolean {
    if (this.#waiting === null) return false;
    this.#waiting.abort(fault);
    return true;
  }

  /** From now on nothing waits for approval any more. */
  refuseToWait(fault: SallyportError): void {
    this.#refusal ??= fault;
    this.giveUp(fault);
  }

  /** @throws SP_AUDIT_UNWRITABLE, and the end of the session when that comes first. */
  ask(action: RequestAction, planned: PlannedText, portal: Portal | null): Soon<Answered> {
    const { gate, over } = this.#deps;
    const request = new PostgresRequest(this.#deps, action, planned, portal);
    const answer = gate.ask(request, over);
    if (answer instanceof Promise) return this.#answered(request, planned, answer);
    if (planned.plan.forward !== null && this.#deps.cancelSettled() === null && this.#mayRun()) return answer;
    return this.#answered(request, planned, answer);
  }

  /** Goes on under a permit that was given. @throws as `ask` */
  again(permit: Permit): Soon<Answered> {
    return andThen(this.#deps.gate.again(permit), (again) =>
      andThen(this.#deps.cancelSettled() ?? undefined, () => (this.#mayRun() ? { permit: again } : this.#withheld(again))),
    );
  }

  #mayRun(): boolean {
    const { exchange, over } = this.#deps;
    return !exchange.isSkipping && !over.aborted && !this.#isCancelled;
  }

  async #answered(request: Request, planned: PlannedText, asked: Soon<Permitted | Held | Denied>): Promise<Answered> {
    const { gate, planner, over } = this.#deps;
    let answer = await asked;
    if (answer.kind === 'held') {
      const waiting = new AbortController();
      answer = await this.#wait(answer, waiting);
      if (answer.kind === 'permit' && waiting.signal.aborted && !over.aborted) {
        // Approved in the very moment of the cancel: the cancel wins, and the permit is recorded as unused.
        await this.#notRun(answer.permit, '57014');
        return { refusal: nativeFault(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled'), gate.id) };
      }
      if (answer.kind === 'permit' && !(await this.#deps.stillHolds(planned))) {
        await this.#notRun(answer.permit, '57014');
        return { refusal: nativeFault(new SallyportError('SP_APPROVAL_VOID', 'the schema changed while it was held'), gate.id) };
      }
    }
    if (answer.kind === 'denied' && !planner.isReady) {
      return { refusal: nativeFault(new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue'), gate.id) };
    }
    if (answer.kind === 'denied') return { refusal: nativeDenial(answer.decision, request.facts, gate.id) };
    await this.#deps.cancelSettled();
    if (planned.plan.forward !== null && this.#mayRun()) return answer;
    return this.#withheld(answer.permit);
  }

  /** The client has gone or has cancelled, an error of the target came first, or the plan has nothing that may be sent. */
  async #withheld(permit: Permit): Promise<Answered> {
    const { gate, exchange, over } = this.#deps;
    await this.#notRun(permit, over.aborted || this.#isCancelled ? '57014' : exchange.isSkipping ? '25P02' : '42501');
    if (over.aborted) throw over.reason;
    if (this.#isCancelled) return { refusal: cancelledBeforeSent(gate.id) };
    return { refusal: nativeFault(new SallyportError('SP_REQUEST_NOT_UNDERSTOOD', 'nothing may be sent'), gate.id) };
  }

  #notRun(permit: Permit, code: string): Promise<void> {
    return this.#deps.gate.settle(permit, { rows: 0, bytes: 0, code }).wait();
  }

  async #wait(held: Held, waiting: AbortController): Promise<Permitted | Denied> {
    const { output, beforeWait } = this.#deps;
    beforeWait();
    if (this.#isCancelled) waiting.abort(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled by the client'));
    else output.urgent(noticeMessage(this.#notice(held)));
    this.#waiting = waiting;
    try {
      if (this.#refusal !== null) waiting.abort(this.#refusal);
      return await held.wait(waiting.signal);
    } finally {
      this.#waiting = null;
    }
  }

  #notice(held: Held): NativeError {
    const { role, count } = held.approvers;
    const say = held.say === null ? '' : ` ${held.say}`;
    return {
      sqlstate: '00000',
      message: `sallyport: held for approval ${held.approval}.${say}`,
      detail: `needs ${count} ${count === 1 ? 'approval' : 'approvals'} of role ${role}; expires ${new Date(held.expiresAtMs).toISOString()}`,
      hint: withSession(`Approve with: sallyport approvals approve ${held.approval}. Cancel with Ctrl-C.`, this.#deps.gate.id),
    };
  }
}

/** Hashes are wanted only when an approval is bound to them. */
class PostgresRequest implements Request {
  readonly target: Request['target'];
  readonly action: RequestAction;
  readonly facts: Request['facts'];
  readonly parameters: Request['parameters'];
  readonly maskSetId: string;
  readonly catalogueVersion: string;
  readonly sealed: Request['sealed'];
  readonly #deps: Pick<AskingDeps, 'gate' | 'formSha256' | 'previewer'>;
  readonly #planned: PlannedText;
  readonly #portal: Portal | null;
  #statementSha256: Sha256Hex | null = null;

  constructor(
    deps: Pick<AskingDeps, 'gate' | 'formSha256' | 'previewer'>,
    action: RequestAction,
    planned: PlannedText,
    portal: Portal | null,
  ) {
    this.target = deps.gate.target.name;
    this.action = action;
    this.facts = planned.plan.facts;
    this.parameters = portal?.parameters ?? noParameters;
    this.maskSetId = planned.maskSetId;
    this.catalogueVersion = planned.catalogueVersion;
    this.sealed = { statement: planned.textBytes, parameters: portal?.parameterBytes ?? null };
    this.#deps = deps;
    this.#planned = planned;
    this.#portal = portal;
  }

  get statementSha256(): Sha256Hex {
    // WHY: the same name may stand for something else in another session, and in this one a moment later.
    this.#statementSha256 ??= this.#planned.dependsOnSession ? sha256(randomBytes(32)) : this.#deps.formSha256(this.#planned);
    return this.#statementSha256;
  }

  get previewer(): EffectPreviewer | undefined {
    return this.#deps.previewer(this.#planned, this.#portal);
  }

  get parametersSha256(): Sha256Hex {
    return this.sealed.parameters === null ? emptySha256 : sha256(this.sealed.parameters);
  }
}
