// Asks the gate for one session: builds the request, tells the client when it is held, waits, and turns every answer
// into either a permit or the native error to refuse with. A permit that cannot be used any more is recorded as not run.

import { SallyportError } from '../../core/error.ts';
import type { Request, RequestAction } from '../../core/request.ts';
import type { GateSession, Held } from '../../session/gate.ts';
import type { Permit } from '../../session/permit.ts';
import type { ClientOutput } from './client-output.ts';
import { type NativeError, nativeDenial, nativeFault, noticeMessage, withSession } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { type PlannedText, type Planner, sha256 } from './planner.ts';
import type { Portal } from './prepared.ts';
import type { Work } from './work.ts';

export const emptySha256 = sha256(new Uint8Array());

export interface AskingDeps {
  readonly gate: GateSession;
  readonly planner: Planner;
  readonly exchange: Exchange<Work>;
  readonly output: ClientOutput;
  /** Fires when the session is over. */
  readonly over: AbortSignal;
  /** Called before a wait that may be long: what was written upstream must leave. */
  readonly beforeWait: () => void;
  /** Called after such a wait. @returns false when the plan no longer holds: the schema or the masks have changed. */
  readonly stillHolds: (planned: PlannedText) => Promise<boolean>;
}

export class Asking {
  readonly #deps: AskingDeps;
  /** The request that waits for approval now. */
  #waiting: AbortController | null = null;
  #refusal: SallyportError | null = null;

  constructor(deps: AskingDeps) {
    this.#deps = deps;
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

  request(action: RequestAction, planned: PlannedText, portal: Portal | null): Request {
    return {
      target: this.#deps.gate.target.name,
      action,
      facts: planned.plan.facts,
      textSha256: planned.textSha256,
      parametersSha256: portal?.parametersSha256 ?? emptySha256,
      parameters: portal?.parameters ?? [],
      maskSetId: planned.maskSetId,
      catalogueVersion: planned.catalogueVersion,
      sealed: { statement: planned.textBytes, parameters: portal?.parameterBytes ?? null },
    };
  }

  /** @throws SP_AUDIT_UNWRITABLE, and the end of the session when that comes first. */
  async ask(request: Request, planned: PlannedText): Promise<{ permit: Permit } | { refusal: NativeError }> {
    const { gate, planner, exchange, over } = this.#deps;
    let answer = await gate.ask(request, over);
    if (answer.kind === 'held') {
      const waiting = new AbortController();
      answer = await this.#wait(answer, waiting);
      if (answer.kind === 'permit' && waiting.signal.aborted && !over.aborted) {
        // Approved in the very moment of the cancel: the cancel wins, and the permit is recorded as unused.
        await gate.settle(answer.permit, { rows: 0, bytes: 0, code: '57014' });
        return { refusal: nativeFault(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled'), gate.id) };
      }
      if (answer.kind === 'permit' && !(await this.#deps.stillHolds(planned))) {
        await gate.settle(answer.permit, { rows: 0, bytes: 0, code: '57014' });
        return { refusal: nativeFault(new SallyportError('SP_APPROVAL_VOID', 'the schema changed while it was held'), gate.id) };
      }
    }
    if (answer.kind === 'denied' && !planner.isReady) {
      return { refusal: nativeFault(new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue'), gate.id) };
    }
    if (answer.kind === 'denied') return { refusal: nativeDenial(answer.decision, request.facts, gate.id) };
    if (planned.plan.forward !== null && !exchange.isSkipping && !over.aborted) return { permit: answer.permit };
    // The client has gone, an error of the target came first, or the plan has nothing that may be sent: not run.
    await gate.settle(answer.permit, { rows: 0, bytes: 0, code: over.aborted ? '57014' : exchange.isSkipping ? '25P02' : '42501' });
    if (over.aborted) throw over.reason;
    return { refusal: nativeFault(new SallyportError('SP_REQUEST_NOT_UNDERSTOOD', 'nothing may be sent'), gate.id) };
  }

  async #wait(held: Held, waiting: AbortController): ReturnType<Held['wait']> {
    const { output, beforeWait } = this.#deps;
    beforeWait();
    output.urgent(noticeMessage(this.#notice(held)));
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
