// One session after log-in: takes client messages strictly in order, asks the gate, forwards what was permitted and
// refuses the rest so that the client's and the target's transaction state stay the same. Answers come back through
// `answers.ts`. SPEC: "Message Flow". REFUSES: FunctionCall, COPY BOTH, unknown names, whatever the planner refuses.
//
// A refusal outside of a transaction is answered here. Anywhere else a statement of ours that must fail is sent in its
// place, and its error replaced by ours: the target itself then aborts the block and skips to Sync.
//
// LENGTH: one method per client message over one shared order of events; asking, input, output and answers are apart.

import type { Socket } from 'node:net';
import { SallyportError } from '../../core/error.ts';
import { type Soon, andThen } from '../../core/soon.ts';
import type { Clock, Logger } from '../../core/ports.ts';
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
  errorMessage,
  nativeFault,
  noPortal,
  noStatement,
  refusedFunctionCall,
  sqlstateOf,
  stalePlan,
  tooManyPrepared,
} from './errors.ts';
import { Exchange } from './exchange.ts';
import { type ClientMessage, parseClientMessage, parseMessage, queryMessage, readyForQuery } from './messages.ts';
import type { PlannedText, Planner } from './planner.ts';
import { Prepared, type Portal, type PreparedStatement, newPortal } from './prepared.ts';
import type { SessionLimits } from './session-limits.ts';
import { LiveObjects } from './session-objects.ts';
import type { UpstreamConnection } from './upstream.ts';
import { UpstreamScanner } from './upstream-scanner.ts';
import { type Work, endTurn, newWork } from './work.ts';

export interface SessionDeps {
  readonly client: Socket;
  readonly upstream: UpstreamConnection;
  readonly gate: GateSession;
  readonly planner: Planner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SessionLimits;
  /** Reads the catalogue again; resolves when a newer one is in force or nothing changed. */
  readonly refreshCatalogue: (signal: AbortSignal) => Promise<void>;
  /** Resolves when the catalogue is as new as the target was at `asOfMs` (monotonic); null when it is now. */
  readonly confirmCatalogue: (asOfMs: number) => Promise<void> | null;
  readonly onClosed: () => void;
}

const maxOpenExpectations = 4096;

export class PostgresSession {
  readonly #deps: SessionDeps;
  readonly #input: ClientInput;
  readonly #exchange = new Exchange<Work>();
  readonly #objects: LiveObjects;
  readonly #prepared = new Prepared();
  readonly #output: ClientOutput;
  readonly #answers: Answers;
  readonly #scanner: UpstreamScanner;
  /** Fires when the session is over, so that nothing waits on. */
  readonly #over = new AbortController();
  #isPumping = false;
  /** What was sent last and has to be answered, or take COPY data, before the next client message is looked at. */
  #running: Work | null = null;
  /** The client side at work; settles when it waits for nothing any more. */
  #pumped: Promise<void> = Promise.resolve();
  #isUpstreamCorked = false;
  #isDraining = false;
  readonly #asking: Asking;
  #catalogueRefresh: Promise<void> | null = null;
  /** ReadyForQuery owed or answered. */
  #readiesOwed = 0;
  #quietWaiters: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];
  #stall: NodeJS.Timeout | null = null;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const { client, upstream, gate, limits, planner } = deps;
    this.#objects = new LiveObjects((made) => {
      if (!planner.isStale(made, gate.masks())) return made;
      const again = planner.plan(made.text, gate.masks(), this.#objects);
      return again.plan.forward !== null && again.plan.forward === made.plan.forward ? again : null;
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
        upstream.pause();
        this.#stall ??= setTimeout(() => this.fail(new SallyportError('SP_WIRE_TIMEOUT', 'client does not read')), limits.stalledClientMs);
      },
      onReady: () => {
        upstream.resume();
        if (this.#stall !== null) clearTimeout(this.#stall);
        this.#stall = null;
      },
      onFault: (fault) => this.fail(asFault(fault)),
    });
    this.#asking = new Asking({
      gate,
      planner: deps.planner,
      exchange: this.#exchange,
      output: this.#output,
      over: this.#over.signal,
      beforeWait: () => this.#uncork(),
      stillHolds: async (planned) => {
        await deps.confirmCatalogue(deps.clock.monotonicMs())?.catch(() => undefined);
        return deps.planner.isReady && !this.#isStale(planned);
      },
    });
    this.#answers = new Answers({
      gate,
      clock: deps.clock,
      planner: deps.planner,
      exchange: this.#exchange,
      output: this.#output,
      objects: this.#objects,
      prepared: this.#prepared,
      onReady: () => this.#onReady(),
      onCatalogueChanged: () => {
        this.#catalogueRefresh = deps.refreshCatalogue(this.#over.signal);
        this.#catalogueRefresh.catch(() => undefined);
      },
      onFatal: (message) => this.#end('upstream', message, '08006'),
    });
    this.#scanner = new UpstreamScanner(this.#answers, limits.maxUpstreamMessageBytes);
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

  /** CancelRequest of the client that owns this session. */
  cancel(): void {
    if (!this.#asking.giveUp(new SallyportError('SP_REQUEST_CANCELLED', 'cancelled by the client')) && this.#exchange.open > 0)
      void this.#deps.upstream.cancel();
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
    const reason =
      fault.code === 'SP_AUTH_EXPIRED'
        ? 'expired'
        : fault.code === 'SP_SHUTTING_DOWN'
          ? 'shutdown'
          : fault.category === 'upstream'
            ? 'upstream'
            : 'fault';
    const alarmed = fault.code === 'SP_MASK_TRIPWIRE' ? gate.alarm('tripwire').catch(() => undefined) : Promise.resolve();
    this.#end(reason, errorMessage('FATAL', nativeFault(fault, gate.id)), sqlstateOf(fault.code), alarmed);
  }

  #end(reason: string, last: Uint8Array | null, code: string, before: Promise<unknown> = Promise.resolve()): void {
    if (this.#over.signal.aborted) return;
    const { client, upstream, gate, onClosed, logger } = this.#deps;
    // A lost client may come back for its answer: what it waits for stays open then.
    this.#over.abort(new SallyportError(reason === 'client' ? 'SP_CLIENT_LOST' : 'SP_REQUEST_CANCELLED', 'session is over'));
    this.#asking.refuseToWait(this.#over.signal.reason);
    this.#input.close();
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#output.end(last);
    client.setTimeout(2000, () => client.destroy());
    client.resume();
    if (this.#exchange.open > 0) void upstream.cancel().finally(() => upstream.destroy());
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

  #onReady(): void {
    this.#endIfDrained();
    this.#input.watchSilence();
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      for (let next = this.#input.take(); next !== undefined; next = this.#input.take()) {
        this.#cork();
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
    if (this.#over.signal.aborted) return;
    const message = parseClientMessage(frame);
    const copyIn = this.#copyIn();
    if (copyIn !== null) return this.#copyMessage(copyIn, message, frame);
    if (message.kind === 'terminate') return this.#end('client', null, '57014');
    if (this.#exchange.isSkipping && message.kind !== 'sync') return;
    if (this.#exchange.open >= maxOpenExpectations) return this.#quiet().then(() => this.#dispatch(message, frame));
    return this.#dispatch(message, frame);
  }

  #dispatch(message: ClientMessage, frame: Frame): Soon<void> {
    if (this.#exchange.isSkipping && message.kind !== 'sync') return;
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
    return andThen(this.#confirmCatalogue(), () => {
      if (this.#exchange.isSkipping) return;
      const { planned } = statement;
      if (!this.#isStale(planned)) return this.#bound(message, statement, planned, frame);
      return andThen(this.#plan(statement.text), (again) => {
        if (this.#exchange.isSkipping) return;
        // The target still holds the text of the old plan: only an identical rewrite may go on.
        if (again.plan.forward === null || again.plan.forward !== planned.plan.forward) return this.#refuseExtended(stalePlan);
        return this.#bound(message, statement, again, frame);
      });
    });
  }

  #bound(message: Extract<ClientMessage, { kind: 'bind' }>, statement: PreparedStatement, planned: PlannedText, frame: Frame): void {
    const portal = newPortal(message, statement, planned, this.#readiesOwed);
    const change = this.#prepared.addPortal(portal);
    this.#objects.closed('portal', portal.name);
    this.#exchange.sent({ kind: 'bind', of: newWork(this.#deps, { permit: statement.permit, planned, portal, change }) });
    this.#deps.upstream.forward(statement.permit, frame.bytes);
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
    portal.isDescribeSent = true;
    const of = newWork(this.#deps, { permit: portal.statement.permit, planned: portal.planned, portal });
    this.#exchange.sent({ kind: 'describe-portal', of, isOurs: false });
    this.#deps.upstream.forward(portal.statement.permit, frame.bytes);
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
    return andThen(this.#upToDate(), () => {
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
      return andThen(this.#deps.gate.again(permit), (again) => this.#executed(portal, again, frame));
    }
    return andThen(this.#asking.ask('execute', planned, portal), (answer) => {
      if (this.#exchange.isSkipping) return;
      if ('refusal' in answer) return this.#refuseExtended(answer.refusal);
      portal.permit = answer.permit;
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
        if (work.permit !== null && !this.#deps.upstream.forward(work.permit, frame.bytes)) {
          this.#uncork();
          if (this.#deps.upstream.isFull) await new Promise<void>((wake) => this.#drainWaiters.push(wake));
        }
        return;
      case 'copy-done':
      case 'copy-fail':
        if (work.permit !== null) this.#deps.upstream.forward(work.permit, frame.bytes);
        this.#exchange.copyEnded();
        // The end of a simple query is flushed to us; in the extended protocol only the Sync behind this brings it.
        if (work.portal === null) {
          work.isTurnOver = false;
          this.#running = work;
        }
        return;
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
    return this.#exchange.all().some((expectation) => 'of' in expectation && expectation.of.planned?.hasChanges === true);
  }

  async #settle(): Promise<void> {
    if (this.#exchange.open > 0 && this.#hasOpenChanges()) await this.#quiet();
    if (this.#catalogueRefresh === null) return;
    await this.#catalogueRefresh.catch(() => undefined);
    this.#catalogueRefresh = null;
  }

  #plan(text: string): Soon<PlannedText> {
    return andThen(this.#upToDate(), () => {
      const { planner, gate } = this.#deps;
      const planned = planner.plan(text, gate.masks(), this.#objects);
      const { unknowns } = planned.plan.facts;
      if (unknowns.length === 0 || !unknowns.some(({ code }) => code === 'relation' || code === 'catalogue')) return planned;
      return this.#planAgain(text, planned);
    });
  }

  /** The catalogue may be behind: once, then the answer stands. */
  async #planAgain(text: string, planned: PlannedText): Promise<PlannedText> {
    const { planner, gate, refreshCatalogue } = this.#deps;
    const version = planner.catalogueVersion;
    await refreshCatalogue(this.#over.signal).catch(() => undefined);
    return planner.catalogueVersion === version ? planned : planner.plan(text, gate.masks(), this.#objects);
  }

  #upToDate(): Soon<void> {
    return andThen(this.#settled(), () => this.#confirmCatalogue());
  }

  /** Nothing runs under a catalogue older than the message that asks for it. When it cannot be read, planning refuses. */
  #confirmCatalogue(): Soon<void> {
    return this.#deps.confirmCatalogue(this.#input.arrivedMs)?.catch(() => undefined);
  }

  #isStale(planned: PlannedText): boolean {
    const { planner, gate } = this.#deps;
    return planner.isStale(planned, gate.masks());
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

  /** Nothing runs and no transaction is open, explicit or implicit: a refusal needs nothing of the target. */
  #isIdle(): boolean {
    return this.#answers.status === 'I' && this.#exchange.open === 0 && !this.#exchange.isUnsynced;
  }
}
