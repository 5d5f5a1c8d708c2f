// Upstream -> client: counts and passes rows, holds results back until they are recorded, checks the origin of every
// result column, scrubs messages, and keeps the session's idea of the upstream's state exact.
// INVARIANT: no result byte reaches the client before its intent is durable, and the last bytes not before the result is.
// INVARIANT: a protected column as the origin of a result column ends the session before the first row.

import type { MaskSet } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import type { Payload } from '../../core/event.ts';
import type { Clock } from '../../core/ports.ts';
import type { GateSession } from '../../session/gate.ts';
import type { Recorded } from '../../session/recorder.ts';
import type { MessagePolicy } from '../../sql/plan.ts';
import type { ClientOutput } from './client-output.ts';
import type { Answer, Exchange } from './exchange.ts';
import {
  type TransactionStatus,
  UPSTREAM,
  parameterStatus,
  parseFields,
  parseParameterStatus,
  parseRowDescription,
  parseStatus,
} from './messages.ts';
import type { Prepared } from './prepared.ts';
import { scrubError, scrubNotice, stricter } from './scrub.ts';
import type { LiveObjects } from './session-objects.ts';
import type { SessionPlanner } from './session-planner.ts';
import { targetApplication } from './startup.ts';
import type { ScannerSink } from './upstream-scanner.ts';
import { type Work, endTurn } from './work.ts';
import { errorMessage, noticeMessage, rowTooLarge, sqlstateOf } from './errors.ts';
import { isUtf8 } from './upstream.ts';

export interface AnswersDeps {
  readonly gate: GateSession;
  readonly clock: Clock;
  readonly planner: Pick<SessionPlanner, 'exposesProtected' | 'completed' | 'ended'>;
  readonly exchange: Exchange<Work>;
  readonly output: ClientOutput;
  readonly objects: LiveObjects;
  readonly prepared: Prepared;
  /** What the client called itself at log-in; the target knows the session by another name. */
  readonly application: string;
  readonly maxRowBytes: number;
  /** A row was over the limit: its statement is to be cancelled. */
  readonly onRowRefused: () => void;
  /** Nothing of the target is masked for this session: payloads of NOTIFY may pass. */
  readonly showsAll: () => boolean;
  /** Start-up parameters of the upstream, kept current. */
  readonly onReady: (status: TransactionStatus) => void;
  /** DDL passed: the catalogue must be read again before the next plan. */
  readonly onCatalogueChanged: () => void;
  /** The upstream ends the connection; `message` is what the client is told. */
  readonly onFatal: (message: Uint8Array) => void;
}

export class Answers implements ScannerSink {
  status: TransactionStatus = 'I';
  readonly #deps: AnswersDeps;
  /** Newest result on its way into the record; the next end of an answer waits for it. */
  #settling: Recorded | null = null;
  /** End of a simple query, until it is known to be the end. */
  #tail: Uint8Array[] = [];
  /** ReadyForQuery answered so far. */
  #readies = 0;
  /** Strictest policy since the transaction began: a deferred trigger speaks at its end. */
  #transactionPolicy: MessagePolicy = 'pass';

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
  }

  rowStarts(type: number, frameBytes: number): void {
    const work = this.#rowOf(type);
    if (work.isRowRefused) return;
    if (work.permit?.facts.rows?.take() === false) throw new SallyportError('SP_GRANT_ROWS', 'the rows per hour of the grant are used up');
    work.rows += 1;
    work.bytes += frameBytes;
  }

  /** A row over the limit, of which nothing is passed on. */
  rowRefused(type: number): void {
    const work = this.#rowOf(type);
    if (work.isRowRefused) return;
    work.isRowRefused = true;
    this.#deps.onRowRefused();
  }

  /** The work that a row belongs to. */
  #rowOf(type: number): Work {
    const { exchange } = this.#deps;
    const oldest = exchange.oldest;
    if (oldest === undefined || !('of' in oldest) || !exchange.takesRows(type)) throw unexpectedRows();
    const work = oldest.of;
    if (type === UPSTREAM.dataRow) {
      if (oldest.kind === 'execute' && work.portal?.shape !== 'columns') throw unexpectedRows();
    } else if (!work.planned?.plan.statements.some((statement) => statement.copy === 'out')) throw unexpectedRows();
    if (work.rows === 0) {
      const description = work.portal?.description ?? null;
      if (description !== null) work.subjects?.columns(description);
      this.#gateOnIntent(work);
      this.#notice(work);
    }
    return work;
  }

  rowBytes(bytes: Uint8Array, isBoundary: boolean): void {
    const oldest = this.#deps.exchange.oldest;
    if (oldest !== undefined && 'of' in oldest) {
      if (oldest.of.isRowRefused) return;
      oldest.of.recording?.addRows(this.#elapsedMs(oldest.of), bytes, isBoundary);
      oldest.of.subjects?.rows(oldest.of.statement, bytes, isBoundary);
    }
    this.#deps.output.write(bytes, isBoundary);
  }

  message(type: number, bytes: Uint8Array, body: Uint8Array): void {
    const { exchange, output, objects } = this.#deps;
    switch (type) {
      case UPSTREAM.parameterStatus:
        output.write(this.#parameterChanged(body) ?? bytes);
        return;
      case UPSTREAM.notificationResponse:
        // REFUSES: payloads are text of other sessions, which no mask covers.
        if (this.#deps.showsAll()) this.#passNotification(bytes);
        return;
      case UPSTREAM.noticeResponse: {
        const oldest = exchange.oldest;
        const policy = oldest === undefined ? 'trim' : 'of' in oldest ? this.#policyFor(oldest.of) : this.#transactionPolicy;
        const notice = scrubNotice(parseFields(body), policy);
        if (notice !== null) {
          if (oldest !== undefined && 'of' in oldest) {
            this.#gateOnIntent(oldest.of);
            oldest.of.recording?.add(this.#elapsedMs(oldest.of), notice);
          }
          this.#flushTail();
          output.write(notice);
        }
        return;
      }
      case UPSTREAM.errorResponse:
        this.#failed(body);
        return;
    }
    const answer = exchange.answered(type);
    const { to } = answer;
    if (to === null) throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'message outside of any request');
    switch (to.kind) {
      case 'sync':
      case 'refusal':
        this.#ready(bytes, body);
        return;
      case 'query':
        this.#queryAnswered(to.of, type, bytes, body);
        return;
      case 'execute':
        this.#executeAnswered(to.of, type, bytes, body, answer.isLast);
        return;
      case 'describe-portal': {
        const { portal } = to.of;
        if (type === UPSTREAM.rowDescription) this.#checkOrigins(to.of, body);
        if (portal !== null) {
          portal.shape = type === UPSTREAM.rowDescription ? 'columns' : 'none';
          if (type === UPSTREAM.rowDescription && portal.planned.plan.facts.subjects !== undefined)
            portal.description = Uint8Array.from(body);
        }
        if (!to.isOurs) output.write(bytes);
        return;
      }
      case 'describe-statement':
        if (type === UPSTREAM.rowDescription) this.#checkOrigins(to.of, body);
        output.write(bytes);
        return;
      case 'parse':
        to.of.change?.keep();
        if (to.of.statementName !== null && to.of.planned !== null) objects.parsed(to.of.statementName, to.of.planned);
        this.#gateOnIntent(to.of);
        this.#settle(to.of, 'ok');
        output.write(bytes);
        return;
      case 'bind':
        if (to.of.portal !== null) objects.bound(to.of.portal.name, to.of.portal.planned);
        to.of.change?.keep();
        this.#settle(to.of, 'ok');
        output.write(bytes);
        return;
      case 'close':
        to.of.change?.keep();
        output.write(bytes);
    }
  }

  /** The session ends: every request that was let through gets its result entry. */
  async abandon(code: string): Promise<void> {
    for (const expectation of this.#deps.exchange.all()) if ('of' in expectation) this.#settle(expectation.of, code);
    // Entries of a session are recorded in order: the newest one stands for all.
    await this.#settling?.wait().catch(() => undefined);
  }

  #queryAnswered(work: Work, type: number, bytes: Uint8Array, body: Uint8Array): void {
    const { output } = this.#deps;
    if (type === UPSTREAM.readyForQuery) {
      this.#settle(work, work.fault ?? 'ok');
      this.#ready(bytes, body);
      endTurn(work);
      return;
    }
    if (work.isRowRefused) this.#endedTooEarly(work);
    this.#gateOnIntent(work);
    this.#flushTail();
    this.#notice(work);
    if (type === UPSTREAM.rowDescription) {
      this.#checkOrigins(work, body);
      work.subjects?.columns(body);
    }
    if (type === UPSTREAM.rowDescription || type === UPSTREAM.commandComplete) work.recording?.add(this.#elapsedMs(work), bytes);
    if (type === UPSTREAM.commandComplete || type === UPSTREAM.emptyQueryResponse) {
      if (type === UPSTREAM.commandComplete) this.#confirm(work, body);
      this.#tail.push(bytes);
      return;
    }
    this.#checkCopy(work, type);
    output.write(bytes);
    if (type === UPSTREAM.copyInResponse) endTurn(work);
  }

  #executeAnswered(work: Work, type: number, bytes: Uint8Array, body: Uint8Array, isLast: boolean): void {
    const { output } = this.#deps;
    if (work.isRowRefused) this.#endedTooEarly(work);
    this.#gateOnIntent(work);
    this.#notice(work);
    this.#checkCopy(work, type);
    if (type === UPSTREAM.commandComplete) {
      work.recording?.add(this.#elapsedMs(work), bytes);
      this.#confirm(work, body);
    }
    if (isLast) {
      // Carried out to its end at once, whatever is fetched of its RETURNING.
      if (type === UPSTREAM.portalSuspended && work.planned?.plan.facts.effects.includes('write') === true) work.subjects?.interrupted();
      this.#settle(work, 'ok');
      this.#gateOnResults();
    }
    output.write(bytes);
    if (isLast || type === UPSTREAM.copyInResponse) endTurn(work);
  }

  /** It came to its end before the cancel did: what it has done stands, and cannot be told as undone any more. */
  #endedTooEarly(work: Work): never {
    this.#settle(work, sqlstateOf('SP_ROW_TOO_LARGE'));
    throw new SallyportError('SP_ROW_TOO_LARGE', 'the statement ended before it could be cancelled');
  }

  /** The running statement of `work` was carried out. */
  #confirm(work: Work, body: Uint8Array): void {
    const { objects, prepared, planner, onCatalogueChanged } = this.#deps;
    const tag = Buffer.from(body.subarray(0, Math.max(0, body.length - 1))).toString();
    const statement = work.planned?.plan.statements[work.statement];
    work.statement += 1;
    for (const change of statement?.changes ?? []) {
      objects.apply(change, work.planned);
      if (change.kind === 'deallocate') prepared.deallocate(change.name);
      else if (change.kind === 'discard-all') {
        prepared.deallocate(null);
        prepared.dropPortal(null);
      } else if (change.kind === 'declare' || change.kind === 'close') prepared.dropPortal(change.name);
    }
    objects.completed(tag);
    if (planner.completed(tag, statement, work.planned)) onCatalogueChanged();
    this.#transactionPolicy = stricter(this.#transactionPolicy, work.planned === null ? 'trim' : work.planned.messages);
  }

  #failed(body: Uint8Array): void {
    const { exchange, output, objects, onFatal } = this.#deps;
    const fields = parseFields(body);
    const severity = fields.get('V') ?? fields.get('S') ?? '';
    let state = fields.get('C') ?? 'XX000';
    const oldest = exchange.oldest;
    if (severity === 'FATAL' || severity === 'PANIC' || oldest === undefined) {
      // Texts of these classes are fixed: shutdown, timeouts, limits. Anything else is told as a lost connection.
      const isPlain = /^(57P|25P|53)/.test(state) && severity !== 'PANIC';
      onFatal(
        isPlain
          ? scrubError(fields, 'trim')
          : errorMessage('FATAL', { sqlstate: sqlstateOf('SP_UPSTREAM_LOST'), message: 'sallyport: the target ended the connection' }),
      );
      return;
    }
    const answer: Answer<Work> = exchange.answered(UPSTREAM.errorResponse);
    objects.failed();
    const { to } = answer;
    const policy = to !== null && 'of' in to ? this.#policyFor(to.of) : this.#transactionPolicy;
    let error = to?.kind === 'refusal' ? to.error : scrubError(fields, policy);
    if (to !== null && 'of' in to && to.of.isRowRefused) {
      const refusal = rowTooLarge(this.#deps.maxRowBytes, this.#deps.gate.id);
      state = refusal.sqlstate;
      error = errorMessage('ERROR', refusal);
    }
    if (to !== null && 'of' in to && to.of.refusal !== null) {
      state = to.of.refusal.sqlstate;
      error = errorMessage('ERROR', to.of.refusal);
    }

    if (to?.kind === 'query') {
      this.#gateOnIntent(to.of);
      this.#flushTail();
      to.of.fault = state;
      to.of.recording?.add(this.#elapsedMs(to.of), error);
      this.#tail.push(error);
      return;
    }
    if (to !== null && 'of' in to) {
      this.#gateOnIntent(to.of);
      to.of.recording?.add(this.#elapsedMs(to.of), error);
    }
    // Newest first, so that a name gets back what it stood for before the first of them.
    for (const skipped of answer.skipped.toReversed()) if ('of' in skipped) skipped.of.change?.undo();
    for (const skipped of answer.skipped) {
      if (!('of' in skipped)) continue;
      this.#settle(skipped.of, skipped === to ? state : '25P02');
    }
    this.#gateOnResults();
    output.write(error);
    for (const skipped of answer.skipped) if ('of' in skipped) endTurn(skipped.of);
  }

  /** COMMIT runs what earlier statements deferred, and so does the end of a simple query that closes an implicit transaction
   *  of unsynced messages: the strictest of them counts. */
  #policyFor(work: Work): MessagePolicy {
    const own = work.planned?.messages ?? 'trim';
    const isEnd = work.planned?.plan.statements.some((statement) => statement.transaction === 'commit') === true;
    return isEnd || this.status === 'I' ? stricter(own, this.#transactionPolicy) : own;
  }

  #ready(bytes: Uint8Array, body: Uint8Array): void {
    const { output, objects, prepared, planner, onCatalogueChanged, onReady } = this.#deps;
    this.status = parseStatus(body);
    this.#readies += 1;
    if (objects.ready(this.status)) onCatalogueChanged();
    if (this.status === 'I') {
      planner.ended();
      prepared.transactionEnded(this.#readies);
      this.#transactionPolicy = 'pass';
    }
    this.#gateOnResults();
    this.#flushTail();
    output.write(bytes);
    onReady(this.status);
  }

  #flushTail(): void {
    if (this.#tail.length === 0) return;
    for (const bytes of this.#tail) this.#deps.output.write(bytes);
    this.#tail = [];
  }

  /** What the planner wants the client to know about the running statement: once, before its own messages. */
  #notice(work: Work): void {
    const notice = work.planned?.plan.statements[work.statement]?.notice;
    if (notice === undefined || work.noticed > work.statement) return;
    work.noticed = work.statement + 1;
    this.#deps.output.write(noticeMessage({ sqlstate: '00000', message: notice }));
  }

  #gateOnIntent(work: Work): void {
    if (work.isGated || work.permit === null) return;
    // Once is enough: the gate keeps everything behind it, whatever it belongs to.
    work.isGated = true;
    this.#deps.output.gate(work.permit.facts.intent);
  }

  #gateOnResults(): void {
    if (this.#settling === null) return;
    this.#deps.output.gate(this.#settling);
    this.#settling = null;
  }

  #settle(work: Work, code: string): void {
    if (!work.isRequest || work.isSettled || work.permit === null) return;
    work.isSettled = true;
    const payloads: Payload[] = [];
    if (work.recording !== null) payloads.push({ kind: 'result', bytes: work.recording.finish(this.#elapsedMs(work), work.rows) });
    if (code !== 'ok') work.subjects?.interrupted();
    const result = { rows: work.rows, bytes: work.bytes, code };
    this.#settling = this.#deps.gate.settle(work.permit, result, payloads, work.subjects?.finish());
  }

  #checkOrigins(work: Work, body: Uint8Array): void {
    const columns = parseRowDescription(body);
    if (this.#deps.planner.exposesProtected(columns, this.#masks())) {
      throw new SallyportError('SP_MASK_TRIPWIRE', 'a protected column is the origin of a result column');
    }
    // A rule made since it was planned can answer a write with rows of anything, and expressions have no origin.
    const statement = work.planned?.plan.statements[work.statement];
    if (columns.length > 0 && statement?.outputs.length === 0 && statement.messages !== 'pass') {
      throw new SallyportError('SP_MASK_TRIPWIRE', 'rows of a statement that was planned without any');
    }
  }

  #checkCopy(work: Work, type: number): void {
    const direction = type === UPSTREAM.copyInResponse ? 'in' : type === UPSTREAM.copyOutResponse ? 'out' : null;
    if (direction === null) return;
    if (work.planned?.plan.statements[work.statement]?.copy !== direction) {
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'COPY that was not planned');
    }
  }

  /** In its place: behind the end of the statement that it came after. */
  #passNotification(bytes: Uint8Array): void {
    if (this.#tail.length > 0) this.#tail.push(bytes);
    else this.#deps.output.write(bytes);
  }

  /** @returns what the client is told instead, or null. */
  #parameterChanged(body: Uint8Array): Uint8Array | null {
    const { name, value } = parseParameterStatus(body);
    if ((name === 'standard_conforming_strings' && value !== 'on') || (name === 'client_encoding' && !isUtf8(value))) {
      throw new SallyportError('SP_UPSTREAM_PROTOCOL', 'target does not keep UTF8 and standard_conforming_strings');
    }
    const { gate, application } = this.#deps;
    return name === 'application_name' && value === targetApplication(gate.id) ? parameterStatus(name, application) : null;
  }

  #masks(): MaskSet {
    return this.#deps.gate.masks();
  }

  #elapsedMs(work: Work): number {
    return this.#deps.clock.monotonicMs() - work.startedMs;
  }
}

function unexpectedRows(): SallyportError {
  return new SallyportError('SP_UPSTREAM_PROTOCOL', 'rows that nothing asked for, or whose columns were not checked');
}
