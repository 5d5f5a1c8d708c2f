// One session of a driver: its statements by request and by query id, results that are read again, and the end. One session of the
// account belongs to it, whatever number of connections the driver has.
// REFUSES: ids of other sessions, told apart from unknown ones by nothing; another text under a request id that was used.

import { setImmediate as turn } from 'node:timers/promises';
import { SallyportError, type ErrorCode } from '../../core/error.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { TokenSpace } from '../../masking/index.ts';
import type { GateSession } from '../../session/gate.ts';
import { answerAgain, failure } from './answering.ts';
import { asFault, errorEnvelope, type NativeError, nativeFault, noSuchQuery, notExecuting } from './errors.ts';
import { Job, type JobOptions, type JobSession, type Patience, settleOnce } from './job.ts';
import type { SnowflakePlanning } from './planning.ts';
import { CODES, type Envelope, ok, textAt } from './protocol.ts';
import type { ResultMasker } from './results/index.ts';
import { SessionState } from './session-state.ts';
import type { CloseReason, SnowflakeLimits } from './settings.ts';
import { fingerprintOf } from './statement-request.ts';
import { StoredResults } from './stored-results.ts';
import { Turns } from './turns.ts';
import type { SnowflakeUpstream } from './upstream.ts';

export interface SessionDeps {
  readonly gate: GateSession;
  readonly upstream: SnowflakeUpstream;
  readonly planning: SnowflakePlanning;
  readonly results: ResultMasker;
  readonly tokens: TokenSpace;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SnowflakeLimits;
  /** Called once, before anything of it is torn down: its tokens are not taken any more. */
  readonly onEnding: (reason: NativeError) => void;
  readonly onClosed: () => void;
}

/** Statements that are finished, but may be asked for again. */
const maxFinished = 500;
/** An answer that was given so long ago is read again: addresses of its chunks are over. */
const freshMs = 30_000;

const closeReasonOf: Partial<Record<ErrorCode, CloseReason>> = {
  SP_AUTH_EXPIRED: 'expired',
  SP_GRANT_ENDED: 'expired',
  SP_LOCKED: 'locked',
  SP_POLICY_CHANGED: 'policy',
  SP_SESSION_ENDED: 'ended',
  SP_SHUTTING_DOWN: 'shutdown',
  SP_UPSTREAM_LOST: 'upstream',
};

export class SnowflakeSession {
  readonly #deps: SessionDeps;
  readonly #state = new SessionState();
  readonly #stored = new StoredResults();
  readonly #over = new AbortController();
  readonly #jobSession: JobSession;
  /** By request id, oldest first. */
  readonly #jobs = new Map<string, Job>();
  readonly #byQueryId = new Map<string, Job>();
  #ending: Promise<void> | null = null;
  #ended: SallyportError | null = null;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const { gate, upstream, planning, results, tokens, clock, logger, limits } = deps;
    const over = AbortSignal.any([gate.ended, this.#over.signal]);
    this.#jobSession = {
      gate,
      upstream,
      planning,
      results,
      tokens,
      clock,
      logger,
      limits,
      over,
      state: this.#state,
      turns: new Turns(),
      known: (queryId, job) => this.#byQueryId.set(queryId.toLowerCase(), job),
      store: (queryId, result) => this.#stored.put(queryId, result),
    };
    this.#state.begin(upstream.greeting.sessionInfo);
    over.addEventListener('abort', () => void this.end(asFault(over.reason)), { once: true });
  }

  get id(): GateSession['id'] {
    return this.#deps.gate.id;
  }

  /** It ends, or has ended. */
  get isOver(): boolean {
    return this.#ended !== null;
  }

  /** Statements that are not finished. */
  get unfinished(): number {
    return [...this.#jobs.values()].filter(({ state }) => state !== 'done' && state !== 'failed').length;
  }

  /** Statements whose answer the client does not have yet. */
  get unanswered(): number {
    return [...this.#jobs.values()].filter((job) => job.answeredMs === null && job.answer !== null).length + this.unfinished;
  }

  /** The request came before. */
  has(requestId: string): boolean {
    return this.#jobs.has(requestId);
  }

  /** A statement, or a repetition of its request, which joins. */
  async query(options: JobOptions, gone: AbortSignal, patience?: Patience): Promise<Envelope> {
    const { limits } = this.#deps;
    const earlier = this.#jobs.get(options.requestId);
    if (earlier !== undefined) {
      if (earlier.fingerprint !== fingerprintOf(options.asked)) {
        throw new SallyportError('SP_WIRE_MALFORMED', 'a request id was used for another statement');
      }
      return this.#answerOf(earlier, options.chunkBase, () => earlier.requested(gone, patience));
    }
    if (this.#ended !== null) throw this.#ended;
    if (this.unfinished >= limits.maxJobs) throw new SallyportError('SP_SESSION_LIMIT', 'too many statements of one session');
    const job = new Job(this.#jobSession, options);
    this.#jobs.set(options.requestId, job);
    void job.done.then(() => this.#finished());
    return job.requested(gone, patience);
  }

  /** `GET /queries/<id>/result`. */
  async result(queryId: string, chunkBase: string, gone: AbortSignal): Promise<Envelope> {
    const job = this.#byQueryId.get(queryId.toLowerCase());
    if (job !== undefined) return this.#answerOf(job, chunkBase, () => job.result(gone));
    return this.#readAgain(queryId, chunkBase);
  }

  /** It is a statement of this session, or one of the results that it may read again. */
  owns(queryId: string): boolean {
    return this.#byQueryId.has(queryId.toLowerCase()) || this.#stored.get(queryId) !== undefined;
  }

  /** When a statement of this session was asked for, ms since the epoch; null = it is one of several, or forgotten. */
  createdMs(queryId: string): number | null {
    return this.#byQueryId.get(queryId.toLowerCase())?.createdMs ?? null;
  }

  /** Of the SQL API: the answer that was given before, else that of the account. Chunks live as long as the session. */
  async statement(queryId: string, gone: AbortSignal, patience: Patience): Promise<Envelope> {
    const job = this.#byQueryId.get(queryId.toLowerCase());
    if (job === undefined || (job.state === 'done' && job.answer === null)) return this.#readAgain(job?.queryId ?? queryId, '');
    return job.result(gone, patience);
  }

  /** `GET /monitoring/queries/<id>`. */
  async monitor(queryId: string): Promise<Envelope> {
    const job = this.#byQueryId.get(queryId.toLowerCase());
    if (job === undefined) {
      return ok({ queries: this.#stored.get(queryId) === undefined ? [] : [{ id: queryId, status: 'SUCCESS' }] });
    }
    const { clientId, state, answer } = job;
    const told = { id: clientId, sqlText: job.text, state: 'FILE_SET_INITIALIZATION', clientSendTime: 0 };
    if (state === 'failed') {
      return ok({
        queries: [{ ...told, status: 'FAILED_WITH_ERROR', errorCode: answer?.code ?? '', errorMessage: answer?.message ?? '' }],
      });
    }
    return ok({ queries: [{ ...told, status: state === 'done' ? 'SUCCESS' : state === 'running' ? 'RUNNING' : 'QUEUED' }] });
  }

  abortRequest(requestId: string): Envelope {
    return aborted(this.#jobs.get(requestId));
  }

  abortQuery(queryId: string): Envelope {
    return aborted(this.#byQueryId.get(queryId.toLowerCase()));
  }

  /** Keeps the account's session alive. @throws SP_UPSTREAM_LOST: it is over, and so is this one */
  async heartbeat(): Promise<void> {
    try {
      await this.#deps.upstream.heartbeat(this.#jobSession.over);
    } catch (fault) {
      this.#endIfLost();
      throw fault;
    }
  }

  /** Ends it, once. Resolves when its end is recorded and the account's session is closed. */
  end(fault: SallyportError, reason: CloseReason = closeReasonOf[fault.code] ?? 'fault'): Promise<void> {
    this.#ending ??= this.#end(fault, reason);
    return this.#ending;
  }

  async #end(fault: SallyportError, reason: CloseReason): Promise<void> {
    this.#ended = fault;
    const { gate, upstream, results, logger, onEnding, onClosed } = this.#deps;
    const { message, sqlState } = nativeFault(fault, gate.id);
    onEnding({ code: CODES.sessionGone, sqlState, message });
    const unfinished = [...this.#jobs.values()].filter((job) => job.cancel());
    // The account is told before its session ends: what runs there is given up.
    await turn();
    this.#over.abort(fault);
    await Promise.all(unfinished.map(({ done }) => done));
    results.forget(gate.id);
    await upstream.close();
    try {
      await gate.close(reason);
    } catch (closing) {
      logger.error({ session: gate.id, code: asFault(closing).code }, 'the end of a session could not be recorded');
    }
    onClosed();
  }

  async #answerOf(job: Job, chunkBase: string, ask: () => Promise<Envelope>): Promise<Envelope> {
    const { clock } = this.#deps;
    const { queryId, answeredMs } = job;
    const isStale = answeredMs !== null && clock.monotonicMs() - answeredMs > freshMs;
    const isAway = job.state === 'done' && (job.answer === null || isStale) && !job.isAsync;
    const mayReadAgain = queryId !== null && this.#stored.get(queryId) !== undefined;
    if (queryId !== null && mayReadAgain && (isAway || (job.state === 'done' && job.answer === null)))
      return this.#readAgain(queryId, chunkBase);
    return ask();
  }

  /** From the account, masked as it was planned, under an intent of its own. */
  async #readAgain(queryId: string, chunkBase: string): Promise<Envelope> {
    const { gate, upstream, clock } = this.#deps;
    const stored = this.#stored.get(queryId);
    if (stored === undefined) return errorEnvelope(noSuchQuery(queryId), queryId);
    const permit = await gate.again(stored.permit);
    const startedMs = clock.monotonicMs();
    try {
      const answer = await upstream.follow(await upstream.result(queryId, this.#jobSession.over), this.#jobSession.over);
      if (!answer.success) return await failure(this.#jobSession, permit, answer, stored.mayTell, gate.id);
      return await answerAgain(this.#jobSession, { permit, chunkBase, startedMs }, stored, answer);
    } catch (thrown) {
      const fault = asFault(thrown);
      await settleOnce(gate, permit, { rows: 0, bytes: 0, code: nativeFault(fault, null).sqlState }).catch(() => undefined);
      this.#endIfLost();
      return errorEnvelope(nativeFault(fault, gate.id), queryId);
    }
  }

  #finished(): void {
    this.#endIfLost();
    const { limits } = this.#deps;
    const finished = [...this.#jobs].filter(([, { state }]) => state === 'done' || state === 'failed');
    let keptBytes = 0;
    for (const [index, [requestId, job]] of finished.toReversed().entries()) {
      if (index >= maxFinished) this.#forget(requestId, job);
      else if (job.answer !== null) {
        keptBytes += bytesOf(job.answer);
        if (index > 0 && keptBytes > limits.maxKeptBytes) job.forgetAnswer();
      }
    }
  }

  #forget(requestId: string, job: Job): void {
    this.#jobs.delete(requestId);
    for (const id of [job.clientId, job.queryId]) if (id !== null) this.#byQueryId.delete(id.toLowerCase());
  }

  /** The account has ended its session: nothing can go on. */
  #endIfLost(): void {
    if (this.#deps.upstream.isOver) void this.end(new SallyportError('SP_UPSTREAM_LOST', 'the account has ended the session'));
  }
}

function aborted(job: Job | undefined): Envelope {
  return job?.cancel() === true ? ok() : errorEnvelope(notExecuting);
}

/** About; what is large in an answer are its rows. */
function bytesOf({ data }: Envelope): number {
  const base64 = textAt(data, 'rowsetBase64');
  if (base64 !== null) return base64.length;
  const rowset = data?.['rowset'];
  if (!Array.isArray(rowset)) return 1_000;
  const [first] = rowset as readonly (readonly (string | null)[])[];
  const rowBytes = (first ?? []).reduce((sum, cell) => sum + 16 + 2 * (cell?.length ?? 0), 64);
  return rowset.length * rowBytes;
}
