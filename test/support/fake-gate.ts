// A gate for adapter tests: decides by the statement's text, keeps what it was told in memory. The permits are genuine.

import type { Deny, Mask, MaskSet, ReasonCode } from '../../src/core/decision.ts';
import type { SallyportError } from '../../src/core/error.ts';
import type { Payload } from '../../src/core/event.ts';
import type { Principal } from '../../src/core/identity.ts';
import { type Sha256Hex, approvalId, sessionId } from '../../src/core/ids.ts';
import type { Request } from '../../src/core/request.ts';
import type { Target } from '../../src/core/target.ts';
import type { Ticket } from '../../src/core/ports.ts';
import type { Denied, Gate, GateSession, Held, Permitted } from '../../src/session/gate.ts';
import type { RowMeter } from '../../src/session/access-table.ts';
import { type Recorded, type RecordedIntent, RequestTemplates, type RequestResult } from '../../src/session/recorder.ts';
import { Permit } from '../../src/session/permit.ts';
import { randomBytes } from 'node:crypto';

export interface FakeAsk {
  readonly text: string;
  readonly request: Request;
  readonly outcome: 'permit' | 'held' | 'denied';
}

export interface FakeResult {
  readonly text: string;
  readonly action: Request['action'];
  readonly result: RequestResult;
  readonly payloads: readonly Payload[];
}

export interface FakeHold {
  readonly text: string;
  approve(): void;
  deny(): void;
}

const zeroSha = '0'.repeat(64) as Sha256Hex;

/** Denies texts with `deny_me`, holds executions of texts with `hold_me`, denies what is not understood, allows the rest. */
export class FakeGate implements Gate {
  readonly asks: FakeAsk[] = [];
  readonly results: FakeResult[] = [];
  readonly holds: FakeHold[] = [];
  readonly alarms: string[] = [];
  readonly closed: string[] = [];
  readonly authFailures: string[] = [];
  readonly sessions: FakeSession[] = [];
  masks: MaskSet = { id: 'masks-1', byClass: {} };
  /** Makes `settle` wait, or fail when it rejects. */
  settling: () => Promise<void> = async () => undefined;
  /** Becomes `permit.facts.rows`. */
  rows: RowMeter | null = null;
  /** Becomes `permit.facts.intent`. */
  intent: () => Promise<number> = async () => 0;

  setMasks(id: string, byClass: Record<string, Mask>): void {
    this.masks = { id, byClass };
  }

  async openSession(principal: Principal, target: Target): Promise<GateSession> {
    const session = new FakeSession(this, principal, target);
    this.sessions.push(session);
    return session;
  }

  async recordAuthFailure(_target: string | null, fault: string): Promise<void> {
    this.authFailures.push(fault);
  }
}

export class FakeSession implements GateSession {
  readonly id = sessionId(randomBytes(16));
  readonly principal: Principal;
  readonly target: Target;
  readonly #gate: FakeGate;
  readonly #ended = new AbortController();

  constructor(gate: FakeGate, principal: Principal, target: Target) {
    this.#gate = gate;
    this.principal = principal;
    this.target = target;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  end(fault: SallyportError): void {
    this.#ended.abort(fault);
  }

  masks(): MaskSet {
    return this.#gate.masks;
  }

  async ask(request: Request): Promise<Permitted | Held | Denied> {
    const text = Buffer.from(request.sealed.statement).toString();
    const ask = (outcome: FakeAsk['outcome']): void => void this.#gate.asks.push({ text, request, outcome });
    if (request.facts.unknowns.length > 0) {
      ask('denied');
      return this.#denied('not-understood');
    }
    if (text.includes('deny_me')) {
      ask('denied');
      return this.#denied('rule');
    }
    if (text.includes('hold_me') && request.action !== 'prepare') {
      ask('held');
      return this.#held(request, text);
    }
    ask('permit');
    return this.#permit(request);
  }

  again(permit: Permit): Permit {
    return permit;
  }

  settle(permit: Permit, result: RequestResult, payloads: readonly Payload[] = []): Recorded {
    const { request } = permit.facts;
    const settled = this.#gate.settling().then(() => {
      this.#gate.results.push({ text: Buffer.from(request.sealed.statement).toString(), action: request.action, result, payloads });
    });
    return recordedWith(settled);
  }

  async alarm(code: string): Promise<void> {
    this.#gate.alarms.push(code);
  }

  async close(reason: string): Promise<void> {
    this.#gate.closed.push(reason);
  }

  #permit(request: Request): Permitted {
    const templates: RequestTemplates = new RequestTemplates({ type: 'request.intent' }, { type: 'request.result' }, () => templates);
    const intent: RecordedIntent = Object.assign(recordedWith(this.#gate.intent()), { ticket: 0 as Ticket, n: 0, templates });
    const permit = Permit.mint({
      session: this.id,
      request,
      masks: this.#gate.masks,
      rules: ['allow-all'],
      rows: this.#gate.rows,
      intent,
      startedMs: 0,
    });
    const decision = {
      outcome: 'allow' as const,
      reasons: ['rule' as const],
      rules: ['allow-all'],
      policySha256: zeroSha,
      masks: this.#gate.masks,
      roles: [],
    };
    return { kind: 'permit', permit, decision };
  }

  #denied(reason: ReasonCode): Denied {
    const decision: Deny = {
      outcome: 'deny',
      reasons: [reason],
      rules: reason === 'rule' ? ['no-such-luck'] : [],
      policySha256: zeroSha,
      masks: this.#gate.masks,
      roles: [],
      say: null,
    };
    return { kind: 'denied', decision };
  }

  #held(request: Request, text: string): Held {
    const answer = Promise.withResolvers<Permitted | Denied>();
    this.#gate.holds.push({
      text,
      approve: () => answer.resolve(this.#permit(request)),
      deny: () => answer.resolve(this.#denied('approval-denied')),
    });
    return {
      kind: 'held',
      approval: approvalId(randomBytes(16)),
      say: 'a privacy officer has to look at this',
      approvers: { role: 'officer', count: 1 },
      expiresAtMs: Date.now() + 60_000,
      wait: (signal) => {
        const cancelled = (): void => answer.resolve(this.#denied('cancelled'));
        if (signal.aborted) cancelled();
        else signal.addEventListener('abort', cancelled, { once: true });
        return answer.promise;
      },
    };
  }
}

/** Done once the promise is. */
function recordedWith(entry: Promise<unknown>): Recorded & { isDone: boolean } {
  const recorded = { isDone: false, wait: () => entry.then(() => undefined) };
  entry.then(
    () => (recorded.isDone = true),
    () => undefined,
  );
  return recorded;
}
