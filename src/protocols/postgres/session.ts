// One session after log-in: takes client messages strictly in order, asks the gate, forwards what was permitted and
// refuses the rest so that the client's and the target's transaction state stay the same. Answers come back through
// `answers.ts`. SPEC: "Message Flow". REFUSES: FunctionCall, COPY BOTH, unknown names, whatever the planner refuses.
//
// A refusal outside of a transaction is answered here. Anywhere else a statement of ours that must fail is sent in its
// place, and its error replaced by ours: the target itself then aborts the block and skips to Sync.
//
// LENGTH: one method per client message over one shared order of events; asking, input, output and answers are apart.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type ErrorCode, SallyportError } from '../../core/error.ts';
import type { Unknown } from '../../core/facts.ts';
import { type Soon, andThen } from '../../core/soon.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { EffectPreviewer } from '../../core/preview.ts';
import type { SubjectIndex } from '../../core/subject.ts';
import type { GateSession } from '../../session/gate.ts';
import type { Permit } from '../../session/permit.ts';
import type { Frame } from '../../wire/framer.ts';
import { Answers } from './answers.ts';
import { type Answered, Asking } from './asking.ts';
import { ClientInput } from './client-input.ts';
import { ClientOutput } from './client-output.ts';
import {
  type NativeError,
  asFault,
  cancelledBeforeSent,
  errorMessage,
  malformedMessage,
  nativeFault,
  noPortal,
  noStatement,
  refusedFunctionCall,
  sqlstateOf,
  stalePlan,
  tokenInCopy,
  tooManyPrepared,
} from './errors.ts';
import { Exchange } from './exchange.ts';
import {
  type ClientMessage,
  copyFailMessage,
  UPSTREAM,
  isExtended,
  isSkippable,
  parseClientMessage,
  parseMessage,
  queryMessage,
  readyForQuery,
} from './messages.ts';
import type { PlannedText, Planner } from './planner.ts';
import type { PreviewSubject } from './preview.ts';
import { type NameChange, Prepared, type Portal, type PreparedStatement, newPortal } from './prepared.ts';
import type { SessionLimits } from './session-limits.ts';
import { LiveObjects } from './session-objects.ts';
import { SessionPlanner, type Standing } from './session-planner.ts';
import { TransactionReader } from './transaction-reader.ts';
import type { UpstreamConnection } from './upstream.ts';
import { UpstreamCancel } from './upstream-cancel.ts';
import { UpstreamScanner } from './upstream-scanner.ts';
import { type BoundTokens, bindTokens } from './token-parameters.ts';
import { type Work, endTurn, newWork } from './work.ts';

export interface SessionDeps {
  readonly client: Socket;
  readonly upstream: UpstreamConnection;
  readonly gate: GateSession;
  readonly planner: Planner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SessionLimits;
  /** Absent: no subject is configured. */
  readonly subjects?: SubjectIndex | undefined;
  /** What the client called itself. */
  readonly application: string;
  /** Reads the catalogue again; resolves when a newer one is in force or nothing changed. */
  readonly refreshCatalogue: (signal: AbortSignal) => Promise<void>;
  /** Resolves when the catalogue is as new as the target was at `asOfMs` (monotonic); null when it is now. */
  readonly confirmCatalogue: (asOfMs: number) => Promise<void> | null;
  /** Finds out what a held statement would do. */
  readonly previewer: (subject: PreviewSubject) => EffectPreviewer | undefined;
  readonly onClosed: () => void;
}

/** Why nothing is read from the target. */
type Pause = 'client' | 'row';

/** A Bind whose Execute has not come yet, and the client's Describe of its portal. */
interface Unsent {
  readonly portal: Portal;
  readonly change: NameChange;
  readonly bind: Uint8Array;
  describe: Uint8Array | null;
}

const maxOpenExpectations = 4096;
/** What precedes an Execute that is held: it runs nothing. */
const isPreparation: ReadonlySet<string> = new Set(['parse', 'bind', 'close', 'describe-statement', 'describe-portal']);
const listenText = 'LISTEN sallyport';
/** How the record calls an end that is no fault. */
const endReasons: Partial<Record<ErrorCode, string>> = {
  SP_AUTH_EXPIRED: 'expired',
  SP_GRANT_ENDED: 'expired',
  SP_LOCKED: 'locked',
  SP_POLICY_CHANGED: 'policy',
  SP_SESSION_ENDED: 'ended',
  SP_SHUTTING_DOWN: 'shutdown',
};
/** What a newer catalogue may know. */
const mayBeBehind: ReadonlySet<Unknown['code']> = new Set(['relation', 'schema', 'catalogue']);

export class PostgresSession {
  readonly #deps: SessionDeps;
  readonly #input: ClientInput;
  readonly #exchange = new Exchange<Work>();
  readonly #objects: LiveObjects;
  readonly #planner: SessionPlanner;
  readonly #ownCatalogue: TransactionReader;
  readonly #prepared = new Prepared();
  readonly #output: ClientOutput;
  readonly #answers: Answers;
  readonly #scanner: UpstreamScanner;
  /** Fires when the session is over, so that nothing waits on. */
  readonly #over = new AbortController();
  #isPumping = false;
  /** What was sent last and has to be answered, or take COPY data, before the next client message is looked at. */
  #running: Work | null = null;
  /** WHY kept back: planning a Bind runs functions on its parameters, and what is not permitted yet must not run. */
  #unsent: Unsent | null = null;
  /** The client side at work; settles when it waits for nothing any more. */
  #pumped: Promise<void> = Promise.resolve();
  #isUpstreamCorked = false;
  #isDraining = false;
  readonly #asking: Asking;
  readonly #upstreamCancel: UpstreamCancel;
  #catalogueRefresh: Promise<void> | null = null;
  /** ReadyForQuery owed or answered. */
  #readiesOwed = 0;
  #quietWaiters: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];
  readonly #pauses = new Set<Pause>();
  #stall: NodeJS.Timeout | null = null;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const { client, upstream, gate, limits, planner } = deps;
    this.#objects = new LiveObjects((made) => {
      if (!this.#planner.isStale(made, gate.masks())) return made;
      const again = this.#planner.plan(made.text, gate.masks(), this.#objects);
      return again.plan.forward !== null && again.plan.forward === made.plan.forward ? again : null;
    });
    this.#upstreamCancel = new UpstreamCancel(() => upstream.cancel());
    this.#ownCatalogue = new TransactionReader({
      send: (bytes) => upstream.ownMessages(bytes),
      divert: (sink) => this.#scanner.divert(sink ?? this.#answers),
      onFatal: (bytes, body) => this.#answers.message(UPSTREAM.errorResponse, bytes, body),
      newName: () => `sallyport_${randomBytes(12).toString('hex')}`,
      over: this.#over.signal,
    });
    this.#planner = new SessionPlanner({
      shared: planner,
      standing: () => this.#standing(),
      read: () => this.#ownCatalogue.read(),
      refreshCatalogue: () => deps.refreshCatalogue(this.#over.signal),
    });
    this.#input = new ClientInput({
      socket: client,
      clock: deps.clock,
      limits,
      onFrames: () => {
        if (!this.#isPumping) this.#pumped = this.#pump();
      },
      onFault: (fault) => this.fail(fault),
      isIdle: () => this.#exchange.open === 0 && !this.#isPumping,
    });
    this.#output = new ClientOutput({
      socket: client,
      onFull: () => {
        this.#pauseUpstream('client');
        this.#stall ??= setTimeout(() => this.fail(new SallyportError('SP_WIRE_TIMEOUT', 'client does not read')), limits.stalledClientMs);
      },
      onReady: () => {
        this.#resumeUpstream('client');
        if (this.#stall !== null) clearTimeout(this.#stall);
        this.#stall = null;
      },
      onFault: (fault) => this.fail(asFault(fault)),
    });
    this.#asking = new Asking({
      gate,
      planner: this.#planner,
      exchange: this.#exchange,
      output: this.#output,
      over: this.#over.signal,
      beforeWait: () => this.#uncork(),
      cancelSettled: () => this.#upstreamCancel.settled,
      stillHolds: async (planned) => {
        await deps.confirmCatalogue(deps.clock.monotonicMs())?.catch(() => undefined);
        return this.#planner.isReady && !this.#isStale(planned);
      },
      formSha256: (planned) => planner.formSha256(planned),
      previewer: (planned, portal) => deps.previewer({ planned, portal, isIdle: this.#isBetweenTransactions() }),
    });
    this.#answers = new Answers({
      gate,
      clock: deps.clock,
      planner: this.#planner,
      exchange: this.#exchange,
      output: this.#output,
      objects: this.#objects,
      prepared: this.#prepared,
      application: deps.application,
      maxRowBytes: limits.maxRowBytes,
      onRowRefused: () => {
        // WHY paused: the target is still sending that row, and cannot go on to the end of the statement before it is cancelled.
        this.#pauseUpstream('row');
        void this.#upstreamCancel.request().then(() => this.#resumeUpstream('row'));
      },
      // LISTEN is planned for nobody else.
      showsAll: () => planner.plan(listenText, gate.masks(), this.#objects).plan.forward !== null,
      onReady: () => this.#onReady(),
      onCatalogueChanged: () => {
        this.#catalogueRefresh = deps.refreshCatalogue(this.#over.signal);
        this.#catalogueRefresh.catch(() => undefined);
      },
      onFatal: (message) => this.#end('upstream', message, '08006'),
    });
    const rowLimit = { maxBytes: limits.maxRowBytes, refused: (type: number): void => this.#answers.rowRefused(type) };
    this.#scanner = new UpstreamScanner(this.#answers, limits.maxUpstreamMessageBytes, rowLimit);
  }

  /** Takes over both sockets. The client has been sent its ReadyForQuery. */
  start(): void {
    const { client, upstream, gate } = this.#deps;
    client.on('data', (chunk: Buffer) => this.#input.push(chunk));
    client.on('end', () => this.#end('client', null, '57014'));
    client.on('close', () => this.#end('client', null, '57014'));
    client.on('error', () => this.#end('client', null, '57014'));
    upstream.attach({
      data: (chunk) => this.#fromUpstream(chunk),
      closed: () => this.fail(new SallyportError('SP_UPSTREAM_LOST', 'target closed the connection')),
      drained: () => {
        for (const wake of this.#drainWaiters.splice(0)) wake();
      },
    });
    const ended = (): void => this.fail(asFault(gate.ended.reason));
    if (gate.ended.aborted) ended();
    else gate.ended.addEventListener('abort', ended, { once: true });
    this.#input.watchSilence();
    client.resume();
  }

  /** CancelRequest of the client that owns this session. As on the target, without effect when nothing is asked or runs.
   *  WHY deferred: between the turns of the event loop a statement is either asked for or sent, never on its way between. */
  cancel(): void {
    setImmediate(() => this.#cancel());
  }

  #cancel(): void {
    if (this.#over.signal.aborted || this.#asking.giveUp(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled by the client'))) return;
    if (this.#isPumping && !this.#exchange.isBehindOthers) this.#asking.cancel();
    if (this.#exchange.open > 0 || this.#ownCatalogue.isReading) void this.#upstreamCancel.request();
  }

  /** Ends at the next moment when nothing runs; a held request is given up at once. */
  drain(): void {
    this.#isDraining = true;
    this.#asking.refuseToWait(new SallyportError('SP_SHUTTING_DOWN', 'gateway drains'));
    this.#endIfDrained();
  }

  /** The last answer may still wait for its record: it goes out before the session ends. */
  #endIfDrained(): void {
    const isQuiet = (): boolean => this.#exchange.open === 0 && !this.#isPumping;
    if (!this.#isDraining || !isQuiet()) return;
    void this.#output.emptied().then(() => {
      if (isQuiet()) this.fail(new SallyportError('SP_SHUTTING_DOWN', 'gateway drains'));
    });
  }

  /** Ends the session; the client is told the public text of the fault. */
  fail(fault: SallyportError): void {
    if (this.#over.signal.aborted) return;
    const { gate, logger } = this.#deps;
    logger.warn({ session: gate.id, code: fault.code, reason: fault.message }, 'session ended by a fault');
    const reason = endReasons[fault.code] ?? (fault.category === 'upstream' ? 'upstream' : 'fault');
    const alarmed = fault.code === 'SP_MASK_TRIPWIRE' ? gate.alarm('tripwire').catch(() => undefined) : Promise.resolve();
    this.#end(reason, errorMessage('FATAL', nativeFault(fault, gate.id)), sqlstateOf(fault.code), alarmed);
  }

  #end(reason: string, last: Uint8Array | null, code: string, before: Promise<unknown> = Promise.resolve()): void {
    if (this.#over.signal.aborted) return;
    const { client, upstream, gate, onClosed, logger } = this.#deps;
    // A lost client may come back for its answer: what it waits for stays open then.
    this.#over.abort(new SallyportError(reason === 'client' ? 'SP_CLIENT_LOST' : 'SP_REQUEST_CANCELLED', 'session is over'));
    this.#asking.refuseToWait(this.#over.signal.reason);
    this.#planner.ended();
    this.#input.close();
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#output.end(last);
    client.setTimeout(2000, () => client.destroy());
    client.resume();
    if (this.#exchange.open > 0) void this.#upstreamCancel.request().finally(() => upstream.destroy());
    else upstream.terminate();
    for (const wake of [...this.#quietWaiters.splice(0), ...this.#drainWaiters.splice(0)]) wake();
    // Permits that arrive meanwhile are settled by the client side; the session closes after them.
    void Promise.all([before, this.#pumped])
      .then(() => this.#answers.abandon(code))
      .then(() => gate.close(reason))
      .catch((cause: unknown) =>
        logger.error({ session: gate.id, code: asFault(cause).code }, 'the end of a session could not be recorded'),
      )
      .finally(onClosed);
    for (const expectation of this.#exchange.all()) if ('of' in expectation) endTurn(expectation.of);
  }

  #fromUpstream(chunk: Uint8Array): void {
    if (this.#over.signal.aborted) return;
    try {
      this.#scanner.push(chunk);
    } catch (fault) {
      this.fail(asFault(fault));
      return;
    }
    if (this.#over.signal.aborted) return;
    this.#output.flush();
    if (this.#exchange.open === 0) for (const wake of this.#quietWaiters.splice(0)) wake();
  }

  #pauseUpstream(why: Pause): void {
    this.#pauses.add(why);
    this.#deps.upstream.pause();
  }

  #resumeUpstream(why: Pause): void {
    this.#pauses.delete(why);
    if (this.#pauses.size === 0) this.#deps.upstream.resume();
  }

  #onReady(): void {
    this.#endIfDrained();
    this.#input.watchSilence();
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      for (let next = this.#input.take(); next !== undefined; next = this.#input.take()) {
        this.#cork();
        this.#asking.begin();
        const handled = this.#handle(next);
        if (handled !== undefined) await handled;
        if (this.#over.signal.aborted) return;
      }
    } catch (fault) {
      this.fail(asFault(fault));
    } finally {
      this.#isPumping = false;
      this.#uncork();
    }
    this.#endIfDrained();
  }

  #cork(): void {
    if (this.#isUpstreamCorked) return;
    this.#isUpstreamCorked = true;
    this.#deps.upstream.cork();
  }

  #uncork(): void {
    if (!this.#isUpstreamCorked) return;
    this.#isUpstreamCorked = false;
    this.#deps.upstream.uncork();
  }

  #handle(frame: Frame): Soon<void> {
    if (this.#running !== null) {
      if (!this.#running.isTurnOver) return this.#turn(this.#running).then(() => this.#handle(frame));
      this.#running = null;
    }
    // Whatever is sent while a cancel request is on its way would be cancelled in place of what it was for.
    const cancel = this.#upstreamCancel.settled;
    if (cancel !== null) {
      this.#uncork();
      return cancel.then(() => this.#handle(frame));
    }
    if (this.#over.signal.aborted) return;
    const copyIn = this.#copyIn();
    if (copyIn === null && this.#exchange.isSkipping && isSkippable(frame.type)) return;
    const message = this.#parsed(frame, copyIn !== null);
    if (message === null) return this.#refuseExtended(malformedMessage(this.#deps.gate.id));
    if (copyIn !== null) return this.#copyMessage(copyIn, message, frame);
    if (message.kind === 'terminate') return this.#end('client', null, '57014');
    if (this.#exchange.open >= maxOpenExpectations) return this.#quiet().then(() => this.#dispatch(message, frame));
    return this.#dispatch(message, frame);
  }

  /** Null when it is malformed and its like is refused up to the next Sync, as the target does; everything else ends the session. */
  #parsed(frame: Frame, isCopying: boolean): ClientMessage | null {
    try {
      return parseClientMessage(frame);
    } catch (fault) {
      if (isCopying || !isExtended(frame.type) || asFault(fault).code !== 'SP_WIRE_MALFORMED') throw fault;
      return null;
    }
  }

  #dispatch(message: ClientMessage, frame: Frame): Soon<void> {
    if (this.#exchange.isSkipping && message.kind !== 'sync') return;
    if (this.#unsent !== null && !this.#belongsToUnsent(message)) {
      return andThen(this.#releaseUnsent(this.#unsent), () => this.#dispatch(message, frame));
    }
    switch (message.kind) {
      case 'query':
        return this.#query(message, frame);
      case 'parse':
        return this.#parse(message, frame);
      case 'bind':
        return this.#bind(message, frame);
      case 'describe':
        return this.#describe(message.what, message.name, frame);
      case 'close':
        return this.#close(message.what, message.name);
      case 'execute':
        return this.#execute(message, frame);
      case 'flush':
        this.#deps.upstream.control('flush');
        return;
      case 'sync':
        this.#readiesOwed += 1;
        this.#exchange.sent({ kind: 'sync', phase: 'running' });
        this.#deps.upstream.control('sync');
        return;
      case 'function-call':
        return this.#refuseSimple(refusedFunctionCall(this.#deps.gate.id));
      case 'copy-data':
      case 'copy-done':
      case 'copy-fail':
        // As the target: what is left of a COPY that has failed.
        return;
    }
  }

  #query(message: Extract<ClientMessage, { kind: 'query' }>, frame: Frame): Soon<void> {
    return andThen(this.#plan(message.text), (planned) => {
      if (this.#exchange.isSkipping) return;
      return andThen(this.#asking.ask('query', planned, null), (answer) => this.#queryAnswered(planned, answer, frame));
    });
  }

  #queryAnswered(planned: PlannedText, answer: Answered, frame: Frame): Soon<void> {
    if (this.#exchange.isSkipping) return;
    if ('refusal' in answer) return this.#refuseSimple(answer.refusal);
    const { permit } = answer;
    const work = newWork(this.#deps, { permit, planned, isRequest: true });
    this.#readiesOwed += 1;
    this.#running = work;
    this.#exchange.sent({ kind: 'query', of: work, phase: 'running' });
    const { forward } = planned.plan;
    this.#deps.upstream.forward(permit, forward === planned.text ? frame.bytes : queryMessage(forward ?? ''));
  }

  #parse(message: Extract<ClientMessage, { kind: 'parse' }>, frame: Frame): Soon<void> {
    return andThen(this.#plan(message.text), (planned) => {
      if (this.#exchange.isSkipping) return;
      if (this.#prepared.size >= this.#deps.limits.maxPrepared && this.#prepared.statement(message.name) === undefined) {
        return this.#refuseExtended(tooManyPrepared);
      }
      return andThen(this.#asking.ask('prepare', planned, null), (answer) => this.#parseAnswered(message, planned, answer, frame));
    });
  }

  #parseAnswered(message: Extract<ClientMessage, { kind: 'parse' }>, planned: PlannedText, answer: Answered, frame: Frame): void {
    if (this.#exchange.isSkipping) return;
    if ('refusal' in answer) return this.#refuseExtended(answer.refusal);
    const { name, text, parameterTypes } = message;
    const { permit } = answer;
    const { forward } = planned.plan;
    const change = this.#prepared.addStatement({ name, text, planned, permit, parameterTypes });
    this.#objects.closed('statement', name);
    this.#exchange.sent({ kind: 'parse', of: newWork(this.#deps, { permit, planned, statementName: name, isRequest: true, change }) });
    this.#deps.upstream.forward(permit, forward === text ? frame.bytes : parseMessage(name, forward ?? '', parameterTypes));
  }

  #bind(message: Extract<ClientMessage, { kind: 'bind' }>, frame: Frame): Soon<void> {
    const statement = this.#prepared.statement(message.statement);
    if (statement === undefined) return this.#refuseExtended(noStatement(message.statement));
    const upToDate = this.#planner.hasOwnCatalogue ? this.#upToDate(statement.text) : this.#confirmCatalogue();
    return andThen(upToDate, () => {
      const cancel = this.#upstreamCancel.settled;
      return cancel === null ? this.#bindTo(statement, message, frame) : cancel.then(() => this.#bindTo(statement, message, frame));
    });
  }

  #bindTo(statement: PreparedStatement, message: Extract<ClientMessage, { kind: 'bind' }>, frame: Frame): Soon<void> {
    if (this.#exchange.isSkipping) return;
    if (this.#asking.isCancelled) return this.#refuseExtended(cancelledBeforeSent(this.#deps.gate.id));
    const { planned } = statement;
    if (!this.#isStale(planned)) return this.#bound(message, statement, planned, frame);
    return andThen(this.#plan(statement.text), (again) => {
      if (this.#exchange.isSkipping) return;
      // The target still holds the text of the old plan: only an identical rewrite may go on.
      if (again.plan.forward === null || again.plan.forward !== planned.plan.forward) return this.#refuseExtended(stalePlan);
      return this.#bound(message, statement, again, frame);
    });
  }

  #bound(message: Extract<ClientMessage, { kind: 'bind' }>, statement: PreparedStatement, planned: PlannedText, frame: Frame): Soon<void> {
    const portal = newPortal(message, statement, planned, this.#readiesOwed);
    const sent = this.#withTokens(message, portal, frame.bytes);
    if ('refused' in sent) {
      return andThen(this.#asking.ask('execute', planned.refused(sent.refused), portal), (answer) => {
        if (!this.#exchange.isSkipping && 'refusal' in answer) this.#refuseExtended(answer.refusal);
      });
    }
    this.#unsent = { portal, change: this.#prepared.addPortal(portal), bind: sent.bytes, describe: null };
    this.#objects.closed('portal', portal.name);
  }

  /** What a client sends between Bind and Execute is sent with the Execute, once that is permitted. */
  #belongsToUnsent(message: ClientMessage): boolean {
    const name = this.#unsent?.portal.name;
    if (message.kind === 'execute') return message.portal === name;
    return message.kind === 'describe' && message.what === 'portal' && message.name === name && this.#unsent?.describe === null;
  }

  /** No Execute follows its Bind at once: it is decided and recorded now, and an Execute goes on under the permit. */
  #releaseUnsent({ portal }: Unsent): Soon<void> {
    if (this.#exchange.isSkipping) return this.#dropUnsent();
    return andThen(this.#asking.ask('execute', portal.planned, portal), (answer) => {
      if (this.#exchange.isSkipping) return this.#dropUnsent();
      if ('refusal' in answer) return this.#refuseExtended(answer.refusal);
      this.#sendUnsent(answer.permit, true);
    });
  }

  /** @param isRequest its own end is the end of the request */
  #sendUnsent(permit: Permit, isRequest: boolean): void {
    const unsent = this.#unsent;
    if (unsent === null) return;
    this.#unsent = null;
    const { portal, change, bind, describe } = unsent;
    const { planned } = portal;
    portal.permit = permit;
    this.#exchange.sent({ kind: 'bind', of: newWork(this.#deps, { permit, planned, portal, change, isRequest }) });
    this.#deps.upstream.forward(permit, bind);
    if (describe !== null) this.#sendDescribe(portal, permit, describe);
  }

  /** The target never hears of it: its portal is none. */
  #dropUnsent(): void {
    this.#unsent?.change.undo();
    this.#unsent = null;
  }

  /** The Bind message as it may be sent: tokens among its parameters are checked, and brought up to date. */
  #withTokens(message: Extract<ClientMessage, { kind: 'bind' }>, { planned, statement }: Portal, bytes: Uint8Array): BoundTokens {
    const asked = planned.plan.tokens;
    const tokens = asked === undefined ? null : this.#planner.tokens(this.#deps.gate.masks());
    return asked === undefined || tokens === null ? { bytes } : bindTokens(message, bytes, statement.parameterTypes, asked, tokens);
  }

  #describe(what: 'statement' | 'portal', name: string, frame: Frame): void {
    if (what === 'statement') {
      const statement = this.#prepared.statement(name);
      if (statement === undefined) return this.#refuseExtended(noStatement(name));
      const of = newWork(this.#deps, { permit: statement.permit, planned: statement.planned });
      this.#exchange.sent({ kind: 'describe-statement', of, phase: 'parameters' });
      this.#deps.upstream.forward(statement.permit, frame.bytes);
      return;
    }
    const portal = this.#prepared.portal(name);
    if (portal === undefined) return this.#refuseExtended(noPortal(name));
    if (this.#unsent?.portal === portal) this.#unsent.describe = frame.bytes;
    else this.#sendDescribe(portal, portal.permit ?? portal.statement.permit, frame.bytes);
  }

  #sendDescribe(portal: Portal, permit: Permit, bytes: Uint8Array): void {
    portal.isDescribeSent = true;
    const of = newWork(this.#deps, { permit, planned: portal.planned, portal });
    this.#exchange.sent({ kind: 'describe-portal', of, isOurs: false });
    this.#deps.upstream.forward(permit, bytes);
  }

  #close(what: 'statement' | 'portal', name: string): void {
    const change = this.#prepared.close(what, name);
    this.#objects.closed(what, name);
    this.#exchange.sent({ kind: 'close', of: newWork(this.#deps, { permit: null, planned: null, change }) });
    this.#deps.upstream.name('close', what, name);
  }

  #execute(message: Extract<ClientMessage, { kind: 'execute' }>, frame: Frame): Soon<void> {
    const portal = this.#prepared.portal(message.portal);
    if (portal === undefined) return this.#refuseExtended(noPortal(message.portal));
    return andThen(this.#upToDate(portal.planned.text), () => {
      if (this.#exchange.isSkipping) return;
      if (!this.#isStale(portal.planned)) return this.#askExecute(portal, frame);
      return andThen(this.#plan(portal.planned.text), (again) => {
        if (again.plan.forward !== portal.planned.plan.forward) return this.#refuseExtended(stalePlan);
        return this.#askExecute(portal, frame);
      });
    });
  }

  #askExecute(portal: Portal, frame: Frame): Soon<void> {
    const { planned, permit } = portal;
    if (this.#exchange.isSkipping) return;
    // Fetching on goes on under the permit of the first Execute.
    if (permit !== null && planned.maskSetId === this.#deps.gate.masks().id) {
      return andThen(this.#asking.again(permit), (again) => {
        if (this.#exchange.isSkipping) return;
        return 'refusal' in again ? this.#refuseExtended(again.refusal) : this.#executed(portal, again.permit, frame);
      });
    }
    return andThen(this.#asking.ask('execute', planned, portal), (answer) => {
      if (this.#exchange.isSkipping) return;
      if ('refusal' in answer) return this.#refuseExtended(answer.refusal);
      portal.permit = answer.permit;
      this.#sendUnsent(answer.permit, false);
      return this.#executed(portal, answer.permit, frame);
    });
  }

  #executed(portal: Portal, permit: Permit, frame: Frame): void {
    const { planned } = portal;
    if (!portal.isDescribeSent) {
      portal.isDescribeSent = true;
      const of = newWork(this.#deps, { permit, planned, portal });
      this.#exchange.sent({ kind: 'describe-portal', of, isOurs: true });
      this.#deps.upstream.name('describe', 'portal', portal.name);
    }
    const work = newWork(this.#deps, { permit, planned, portal, isRequest: true });
    this.#exchange.sent({ kind: 'execute', of: work, phase: 'running' });
    this.#deps.upstream.forward(permit, frame.bytes);
    if (planned.plan.statements.some((statement) => statement.copy === 'in')) this.#running = work;
  }

  async #copyMessage(work: Work, message: ClientMessage, frame: Frame): Promise<void> {
    switch (message.kind) {
      case 'copy-data':
        if (work.tokenScan?.sees(frame.body) === true) return this.#refuseCopy(work, tokenInCopy(this.#deps.gate.id));
        if (work.permit !== null && !this.#deps.upstream.forward(work.permit, frame.bytes)) {
          this.#uncork();
          if (this.#deps.upstream.isFull) await new Promise<void>((wake) => this.#drainWaiters.push(wake));
        }
        return;
      case 'copy-done':
      case 'copy-fail':
        if (work.permit !== null) this.#deps.upstream.forward(work.permit, frame.bytes);
        return this.#copyEnded(work);
      case 'flush':
      case 'sync':
        // The target ignores both while it takes COPY data.
        return;
      case 'terminate':
        return this.#end('client', null, '57014');
      default:
        throw new SallyportError('SP_WIRE_UNEXPECTED', 'message during COPY FROM STDIN');
    }
  }

  #copyEnded(work: Work): void {
    this.#exchange.copyEnded();
    // The end of a simple query is flushed to us; in the extended protocol only the Sync behind this brings it.
    if (work.portal === null) {
      work.isTurnOver = false;
      this.#running = work;
    }
  }

  /** The target takes no more data: what the client still sends is dropped, as after every COPY that has failed. */
  #refuseCopy(work: Work, refusal: NativeError): void {
    work.refusal = refusal;
    if (work.permit !== null) this.#deps.upstream.forward(work.permit, copyFailMessage('refused'));
    this.#copyEnded(work);
  }

  /** Waits until `work` is answered or takes COPY data. */
  #turn(work: Work): Promise<void> {
    if (this.#over.signal.aborted) return Promise.resolve();
    this.#uncork();
    return new Promise((wake) => {
      work.wake = wake;
    });
  }

  /** COPY FROM STDIN that takes data now. */
  #copyIn(): Work | null {
    const { oldest } = this.#exchange;
    return oldest !== undefined && (oldest.kind === 'query' || oldest.kind === 'execute') && oldest.phase === 'copy-in' ? oldest.of : null;
  }

  /** Waits until everything sent is answered. */
  async #quiet(): Promise<void> {
    if (this.#exchange.open === 0 || this.#over.signal.aborted) return;
    if (this.#exchange.isUnsynced) this.#deps.upstream.control('flush');
    this.#uncork();
    await new Promise<void>((wake) => this.#quietWaiters.push(wake));
  }

  /** A plan must know what earlier statements made of the names it uses. */
  #settled(): Soon<void> {
    if (this.#catalogueRefresh === null && (this.#exchange.open === 0 || !this.#hasOpenChanges())) return;
    return this.#settle();
  }

  #hasOpenChanges(): boolean {
    if (this.#objects.hasUncommitted) return true;
    const isChange = this.#planner.hasOwnCatalogue ? 'mayMoveCatalogue' : 'hasChanges';
    return this.#exchange.all().some((expectation) => 'of' in expectation && expectation.of.planned?.[isChange] === true);
  }

  async #settle(): Promise<void> {
    if (this.#exchange.open > 0 && this.#hasOpenChanges()) await this.#quiet();
    if (this.#catalogueRefresh === null) return;
    await this.#catalogueRefresh.catch(() => undefined);
    this.#catalogueRefresh = null;
  }

  #plan(text: string): Soon<PlannedText> {
    this.#planner.next();
    return andThen(this.#upToDate(text), () => {
      const planned = this.#planner.plan(text, this.#deps.gate.masks(), this.#objects);
      const { unknowns } = planned.plan.facts;
      if (unknowns.length === 0 || !unknowns.some(({ code }) => mayBeBehind.has(code))) return planned;
      return this.#planAgain(text, planned);
    });
  }

  /** The catalogue may be behind: once, then the answer stands. */
  async #planAgain(text: string, planned: PlannedText): Promise<PlannedText> {
    const { gate, refreshCatalogue } = this.#deps;
    const version = this.#planner.catalogueVersion;
    await refreshCatalogue(this.#over.signal).catch(() => undefined);
    await this.#readOwn();
    return this.#planner.catalogueVersion === version ? planned : this.#planner.plan(text, gate.masks(), this.#objects);
  }

  #upToDate(text: string): Soon<void> {
    if (this.#planner.passesAtOnce(text)) return;
    return andThen(this.#settled(), () => andThen(this.#confirmCatalogue(), () => this.#readOwn()));
  }

  /** What the open transaction has changed, when nothing is under way. */
  #readOwn(): Soon<void> {
    if (this.#planner.mustRead) return this.#readWhenQuiet();
  }

  async #readWhenQuiet(): Promise<void> {
    // Behind a Sync the answers come by themselves.
    if (!this.#exchange.isUnsynced) await this.#quiet();
    if (this.#standing() !== 'block' || this.#over.signal.aborted || this.#asking.isCancelled) return;
    this.#uncork();
    await this.#planner.read();
  }

  /** Nothing runs under a catalogue older than the message that asks for it. When it cannot be read, planning refuses. */
  #confirmCatalogue(): Soon<void> {
    return this.#deps.confirmCatalogue(this.#input.arrivedMs)?.catch(() => undefined);
  }

  #isStale(planned: PlannedText): boolean {
    return this.#planner.isStale(planned, this.#deps.gate.masks());
  }

  async #refuseSimple(error: NativeError): Promise<void> {
    const bytes = errorMessage('ERROR', error);
    if (this.#isIdle()) {
      this.#output.write(bytes);
      this.#output.write(readyForQuery('I'));
      this.#output.flush();
      return;
    }
    this.#readiesOwed += 1;
    this.#exchange.sent({ kind: 'refusal', protocol: 'simple', error: bytes, phase: 'running' });
    this.#deps.upstream.fail('simple');
    await this.#quiet();
  }

  #refuseExtended(error: NativeError): void {
    this.#dropUnsent();
    const bytes = errorMessage('ERROR', error);
    if (this.#isIdle()) {
      this.#exchange.skipToSync();
      this.#output.write(bytes);
      this.#output.flush();
      return;
    }
    this.#exchange.sent({ kind: 'refusal', protocol: 'extended', error: bytes, phase: 'running' });
    this.#deps.upstream.fail('extended');
  }

  /** No transaction is open, and nothing is under way that could open one or has run in it. */
  #isBetweenTransactions(): boolean {
    return (
      this.#answers.status === 'I' && !this.#planner.hasOwnCatalogue && this.#exchange.all().every(({ kind }) => isPreparation.has(kind))
    );
  }

  #standing(): Standing {
    if (this.#exchange.open > 0 || this.#exchange.isUnsynced) return 'busy';
    return this.#answers.status === 'I' ? 'idle' : this.#answers.status === 'T' ? 'block' : 'failed';
  }

  /** Nothing runs and no transaction is open, explicit or implicit: a refusal needs nothing of the target. */
  #isIdle(): boolean {
    return this.#standing() === 'idle';
  }
}
