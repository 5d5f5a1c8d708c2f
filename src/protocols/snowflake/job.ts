// One statement of a session, from the request to its answer: plan, ask the gate, wait where it is held, run, mask, record, answer.
// A client asks for the answer as often as it likes, and repetitions of its request join.
// INVARIANT: what is answered was masked by the plan of exactly this statement, and its result is recorded before.

import { randomUUID } from 'node:crypto';
import { SallyportError } from '../../core/error.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { TokenSpace } from '../../masking/index.ts';
import type { Denied, GateSession, Held, Permitted } from '../../session/gate.ts';
import type { Permit } from '../../session/permit.ts';
import { answerDone, answerFailed } from './answering.ts';
import { asFault, errorEnvelope, heldMessage, type NativeError, nativeDenial, nativeFault } from './errors.ts';
import { giveUpHold, type HoldWatch, watchHold } from './holding.ts';
import type { PlannedRequest, SnowflakePlanning } from './planning.ts';
import { CODES, type Envelope, textAt } from './protocol.ts';
import type { ResultMasker } from './results/index.ts';
import { SnowflakeRequest } from './session-request.ts';
import type { SessionState } from './session-state.ts';
import type { SnowflakeLimits } from './settings.ts';
import { fingerprintOf, type StatementRequest, upstreamBody } from './statement-request.ts';
import type { StoredResult } from './stored-results.ts';
import type { Turn, Turns } from './turns.ts';
import { isInProgress, type SnowflakeUpstream } from './upstream.ts';

/** What all statements of a session share. */
export interface JobSession {
  readonly gate: GateSession;
  readonly upstream: SnowflakeUpstream;
  readonly planning: SnowflakePlanning;
  readonly state: SessionState;
  readonly turns: Turns;
  readonly results: ResultMasker;
  readonly tokens: TokenSpace;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SnowflakeLimits;
  /** Fires when the session is over; `reason` is a SallyportError. */
  readonly over: AbortSignal;
  /** The job can be found by this id from now on. */
  readonly known: (queryId: string, job: Job) => void;
  /** It can be read again. */
  readonly store: (queryId: string, result: StoredResult) => void;
}

export interface JobOptions {
  /** The client's own. */
  readonly requestId: string;
  readonly asked: StatementRequest;
  readonly accept: string;
  /** `https://host/gw/chunks/`, as the client reaches us. */
  readonly chunkBase: string;
  /** Its client comes back when it likes: while it is held nobody takes it for lost. */
  readonly isLeisurely?: boolean;
}

/** How long one request waits for the answer. */
export interface Patience {
  readonly ms: number;
  /** That it is held is told at once. */
  readonly endsAtHold: boolean;
}

/** It is sent although the session is over: that is when it matters. */
const abortTimeoutMs = 10_000;

export type JobState = 'queued' | 'held' | 'running' | 'done' | 'failed';

export class Job {
  /** Of its request: repetitions have the same. */
  readonly fingerprint: string;
  /** As the client wrote it. */
  readonly text: string;
  readonly isAsync: boolean;
  /** When it was asked for, ms since the epoch. */
  readonly createdMs: number;
  /** Settles when there is an answer. Never rejects. */
  readonly done: Promise<void>;
  /** Of the statement at the account: never the client's, which could be one of an earlier statement. */
  readonly #upstreamRequestId = randomUUID();
  /** Given out while the account has given none. */
  readonly #alias = randomUUID();
  readonly #session: JobSession;
  readonly #cancel = new AbortController();
  readonly #named = Promise.withResolvers<void>();
  readonly #heldOnce = Promise.withResolvers<void>();
  readonly #isLeisurely: boolean;
  #queryId: string | null = null;
  #isAliasTold = false;
  #state: JobState = 'queued';
  #held: Held | null = null;
  #holdWatch: HoldWatch | null = null;
  #answer: Envelope | null = null;
  #answeredMs: number | null = null;

  constructor(session: JobSession, options: JobOptions) {
    this.#session = session;
    this.fingerprint = fingerprintOf(options.asked);
    this.text = options.asked.text;
    this.isAsync = options.asked.isAsync;
    this.createdMs = session.clock.nowMs();
    this.#isLeisurely = options.isLeisurely ?? options.asked.isAsync;
    this.done = this.#run(options);
  }

  get state(): JobState {
    return this.#state;
  }

  /** The account's; null = it has none yet. */
  get queryId(): string | null {
    return this.#queryId;
  }

  get answer(): Envelope | null {
    return this.#answer;
  }

  /** When the answer was last given to the client, monotonic; null = never. */
  get answeredMs(): number | null {
    return this.#answeredMs;
  }

  /** The answer is taken out of memory; the result can be read again. */
  forgetAnswer(): void {
    if (this.#state === 'done') this.#answer = null;
  }

  /** The same for as long as the statement is not finished. */
  get clientId(): string {
    return this.#isAliasTold ? this.#alias : (this.#queryId ?? this.#alias);
  }

  /** Gives up what is held or runs. @returns false when it is finished. */
  cancel(): boolean {
    if (this.#state === 'done' || this.#state === 'failed') return false;
    this.#cancel.abort(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled by the client'));
    return true;
  }

  /** For a request and its repetitions: the answer, or after `pollMs` that it is in progress. What is asked for asynchronously is in
   *  progress as soon as it has an id. */
  async requested(gone: AbortSignal, patience?: Patience): Promise<Envelope> {
    if (!this.isAsync) return this.result(gone, patience);
    await this.#wait(gone, this.#named.promise);
    return this.#answer?.success === false ? this.#answer : this.#inProgress(CODES.inProgressAsync);
  }

  /** The answer, or after `pollMs` that it is in progress. */
  async result(gone: AbortSignal, patience?: Patience): Promise<Envelope> {
    await this.#wait(gone, patience?.endsAtHold === true ? this.#heldOnce.promise : this.done, patience?.ms);
    if (this.#answer === null) return this.#inProgress(CODES.inProgress);
    this.#answeredMs = this.#session.clock.monotonicMs();
    return this.#answer;
  }

  async #wait(gone: AbortSignal, what: Promise<void>, ms = this.#session.limits.pollMs): Promise<void> {
    const timer = Promise.withResolvers<void>();
    const timeout = setTimeout(timer.resolve, ms);
    const left = (): void => timer.resolve();
    gone.addEventListener('abort', left, { once: true });
    this.#holdWatch?.asked();
    try {
      await Promise.race([what, this.done, timer.promise]);
    } finally {
      clearTimeout(timeout);
      gone.removeEventListener('abort', left);
      this.#holdWatch?.asked();
    }
  }

  #inProgress(code: string): Envelope {
    if (this.#queryId === null && !this.#isAliasTold) {
      this.#isAliasTold = true;
      this.#session.known(this.#alias, this);
    }
    return {
      success: true,
      code,
      message: this.#held === null ? 'Query execution in progress.' : heldMessage(this.#held),
      data: { queryId: this.clientId, getResultUrl: `/queries/${this.clientId}/result`, queryAbortsAfterSecs: 300, progressDesc: null },
    };
  }

  async #run(options: JobOptions): Promise<void> {
    try {
      const answer = await this.#process(options);
      this.#finish(answer);
    } catch (thrown) {
      const fault = asFault(thrown);
      const { gate, logger } = this.#session;
      if (fault.code === 'SP_INTERNAL') {
        const cause = fault.cause instanceof Error ? fault.cause.name : 'unknown';
        logger.error({ session: gate.id, code: fault.code, cause }, 'a statement failed by a fault of the gateway');
      }
      this.#finish(errorEnvelope(nativeFault(fault, gate.id), this.clientId));
    }
  }

  #finish(answer: Envelope): void {
    this.#held = null;
    this.#answer = answer;
    this.#state = answer.success ? 'done' : 'failed';
    this.#named.resolve();
  }

  async #process(options: JobOptions): Promise<Envelope> {
    const { asked } = options;
    const { gate, turns, state, over } = this.#session;
    const until = AbortSignal.any([over, this.#cancel.signal]);
    let turn: Turn = await turns.take('shared', until);
    try {
      let planned = await this.#plan(asked);
      const kind = mayShare(planned) ? 'shared' : 'alone';
      if (kind === 'alone') {
        turn.end();
        turn = await turns.take('alone', until);
        planned = await this.#plan(asked);
      }
      const { version } = state;
      const request = new SnowflakeRequest(gate.target.name, asked, planned);
      let answer = await gate.ask(request, over);
      if (answer.kind === 'held') {
        turn.end();
        const released = await this.#hold(answer);
        if ('refusal' in released) return this.#refused(released.refusal);
        answer = released.answer;
        if (answer.kind === 'permit') {
          const again = await this.#again(answer.permit, planned, version, kind, until);
          if ('refusal' in again) return this.#refused(again.refusal);
          ({ turn } = again);
        }
      }
      if (answer.kind === 'denied') return this.#denied(answer, planned);
      return await this.#permitted(answer.permit, planned, options);
    } finally {
      turn.end();
    }
  }

  #plan({ text, binds, statements }: StatementRequest): PlannedRequest | Promise<PlannedRequest> {
    const { gate, planning, state } = this.#session;
    return planning.plan({ text, binds, statements }, state, gate.masks());
  }

  /** Nothing of the session's order is kept while it waits: other statements go on. */
  async #hold(held: Held): Promise<{ readonly answer: Permitted | Denied } | { readonly refusal: NativeError }> {
    const { gate } = this.#session;
    this.#state = 'held';
    this.#held = held;
    this.#named.resolve();
    this.#heldOnce.resolve();
    const watch = watchHold(this.#session, { isLeisurely: this.#isLeisurely, cancelled: this.#cancel.signal });
    this.#holdWatch = watch;
    try {
      const answer = await held.wait(watch.signal);
      if (answer.kind === 'denied' && watch.signal.aborted) return { refusal: giveUpHold(watch.signal, held, gate.id) };
      if (answer.kind === 'permit' && watch.signal.aborted) {
        // Approved in the very moment of the cancel: the cancel wins, and the permit is recorded as unused.
        await this.#notRun(answer.permit, '57014');
        return { refusal: giveUpHold(watch.signal, held, gate.id) };
      }
      return { answer };
    } finally {
      this.#holdWatch = null;
      this.#held = null;
      watch.end();
    }
  }

  /** It was approved: nothing that it was planned with may have changed. */
  async #again(
    permit: Permit,
    planned: PlannedRequest,
    version: number,
    kind: 'shared' | 'alone',
    until: AbortSignal,
  ): Promise<{ readonly turn: Turn } | { readonly refusal: NativeError }> {
    const { gate, turns, state, planning } = this.#session;
    let turn: Turn | null = null;
    try {
      turn = await turns.take(kind, until);
      if (state.version === version && (await planning.stillHolds(planned, until))) return { turn };
    } catch (fault) {
      turn?.end();
      await this.#notRun(permit, '57014');
      throw fault;
    }
    turn.end();
    await this.#notRun(permit, '57014');
    return { refusal: nativeFault(new SallyportError('SP_APPROVAL_VOID', 'the session or the schema changed while it was held'), gate.id) };
  }

  async #permitted(permit: Permit, planned: PlannedRequest, options: JobOptions): Promise<Envelope> {
    const { gate, over } = this.#session;
    if (over.aborted || this.#cancel.signal.aborted) {
      await this.#notRun(permit, '57014');
      throw over.aborted ? over.reason : this.#cancel.signal.reason;
    }
    const { statements, forward } = planned.plan;
    if (forward === null || statements.length === 0 || (options.asked.isDescribe && statements.length > 1)) {
      await this.#notRun(permit, '42501');
      return this.#refused(nativeFault(new SallyportError('SP_REQUEST_NOT_UNDERSTOOD', 'nothing may be sent'), gate.id));
    }
    return this.#forward(permit, planned, options);
  }

  async #forward(permit: Permit, planned: PlannedRequest, { asked, accept, chunkBase }: JobOptions): Promise<Envelope> {
    const session = this.#session;
    const { gate, upstream, over, state } = session;
    const { principal, id } = gate;
    const queryTag = JSON.stringify({
      sallyport: { principal: `${principal.issuer}/${principal.subject}`, session: id, request: this.#upstreamRequestId },
    });
    this.#state = 'running';
    const abort = (): void => {
      // The account answers the statement itself: that it was cancelled, or with its result.
      upstream.abort(this.#upstreamRequestId, AbortSignal.timeout(abortTimeoutMs)).catch(() => undefined);
    };
    this.#cancel.signal.addEventListener('abort', abort, { once: true });
    const startedMs = session.clock.monotonicMs();
    try {
      const body = upstreamBody(asked, planned.plan, queryTag.slice(0, 2_000));
      const first = await upstream.query(permit, { requestId: this.#upstreamRequestId, body, accept }, over);
      this.#learn(textAt(first.data, 'queryId'));
      const answer = isInProgress(first) ? await upstream.follow(first, over) : first;
      const run = { permit, planned, asked, chunkBase, startedMs };
      return answer.success ? await answerDone(session, run, answer) : await answerFailed(session, run, answer);
    } catch (fault) {
      // Whether it ran is not known.
      if (!mayShare(planned)) {
        state.failed(planned.plan.statements);
        state.lost();
      }
      await this.#settledAs(permit, asFault(fault));
      throw fault;
    } finally {
      this.#cancel.signal.removeEventListener('abort', abort);
    }
  }

  #learn(queryId: string | null): void {
    if (queryId === null || this.#queryId !== null) return;
    this.#queryId = queryId;
    this.#session.known(queryId, this);
    if (this.#isAliasTold) this.#session.state.alias(this.#alias, queryId);
    this.#named.resolve();
  }

  /** A permit that was not settled by its answer. */
  async #settledAs(permit: Permit, fault: SallyportError): Promise<void> {
    await this.#notRun(permit, nativeFault(fault, null).sqlState).catch(() => undefined);
  }

  #notRun(permit: Permit, code: string): Promise<void> {
    return settleOnce(this.#session.gate, permit, { rows: 0, bytes: 0, code });
  }

  #denied({ decision }: Denied, planned: PlannedRequest): Envelope {
    const { gate, planning } = this.#session;
    if (!planning.isReady) return this.#refused(nativeFault(new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue'), gate.id));
    return this.#refused(nativeDenial(decision, planned.plan.facts, gate.id));
  }

  #refused(refusal: NativeError): Envelope {
    return errorEnvelope(refusal, this.clientId);
  }
}

const settled = new WeakSet<Permit>();

/** Each permit has one result. Resolves when it is recorded. */
export async function settleOnce(
  gate: GateSession,
  permit: Permit,
  ...result: [Parameters<GateSession['settle']>[1], Parameters<GateSession['settle']>[2]?]
): Promise<void> {
  if (settled.has(permit)) return;
  settled.add(permit);
  await gate.settle(permit, ...result).wait();
}

const sharing = /^(?:SELECT|WITH|VALUES|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|SHOW|DESCRIBE|DESC|EXPLAIN)\b/;

/** It changes nothing that other statements of the session are planned with. */
export function mayShare({ plan }: PlannedRequest): boolean {
  const [statement] = plan.statements;
  return plan.statements.length === 1 && statement !== undefined && statement.changes.length === 0 && sharing.test(statement.verb);
}
