// Which upstream message answers which client message. Pure: the session tells it what was sent, it tells the session
// whom each answer belongs to, what an error skips, and when a message is not possible at all.
// SPEC: "Message Flow": the upstream answers in order; an error in extended messages skips to the next Sync.
// REFUSES: every answer that does not fit the oldest open expectation.

import { SallyportError } from '../../core/error.ts';
import { UPSTREAM } from './messages.ts';

/** What the upstream still owes an answer to. `T` is what the session remembers with it. */
export type Expectation<T> =
  | { readonly kind: 'query'; readonly of: T; phase: 'running' | 'rows' | 'copy-in' | 'copy-out' | 'failed' }
  | { readonly kind: 'parse' | 'bind'; readonly of: T }
  | { readonly kind: 'close'; readonly of: T }
  | { readonly kind: 'describe-statement'; readonly of: T; phase: 'parameters' | 'columns' }
  /** `isOurs`: injected, its answer is not for the client. */
  | { readonly kind: 'describe-portal'; readonly of: T; readonly isOurs: boolean }
  | { readonly kind: 'execute'; readonly of: T; phase: 'running' | 'copy-in' | 'copy-out' }
  /** A statement of ours that fails in place of a refused one; the client gets `error`. */
  | { readonly kind: 'refusal'; readonly protocol: 'simple' | 'extended'; readonly error: Uint8Array; phase: 'running' | 'failed' }
  | { readonly kind: 'sync'; phase: 'running' | 'failed' };

export interface Answer<T> {
  /** The expectation this message belongs to; null for messages outside of any (idle notices, fatal errors). */
  readonly to: Expectation<T> | null;
  /** It is answered in full now. */
  readonly isLast: boolean;
  /** What the upstream will not answer any more because of this error, oldest first; `to` is among them. */
  readonly skipped: readonly Expectation<T>[];
}

const nothing: readonly never[] = [];

export class Exchange<T> {
  #open: Expectation<T>[] = [];
  #first = 0;
  /** Extended messages were sent after the last Sync: the upstream may hold an implicit transaction. */
  #isUnsynced = false;
  #isSkipping = false;

  /** Client messages up to the next Sync are to be dropped, as the upstream drops them. */
  get isSkipping(): boolean {
    return this.#isSkipping;
  }

  get isUnsynced(): boolean {
    return this.#isUnsynced;
  }

  get open(): number {
    return this.#open.length - this.#first;
  }

  get oldest(): Expectation<T> | undefined {
    return this.#open[this.#first];
  }

  /** Everything that is open, oldest first. */
  all(): readonly Expectation<T>[] {
    return this.#open.slice(this.#first);
  }

  /** A ReadyForQuery is owed: what is asked for now is behind work that the upstream has not ended. */
  get isBehindOthers(): boolean {
    return this.all().some(({ kind }) => kind === 'query' || kind === 'sync');
  }

  /** Something was sent upstream. */
  sent(expectation: Expectation<T>): void {
    this.#open.push(expectation);
    if (expectation.kind === 'sync') {
      this.#isUnsynced = false;
      this.#isSkipping = false;
    } else if (expectation.kind === 'refusal' && expectation.protocol === 'extended') {
      this.#isUnsynced = true;
      this.#isSkipping = true;
    } else if (expectation.kind !== 'query' && expectation.kind !== 'refusal') this.#isUnsynced = true;
  }

  /** A refusal was answered without the upstream: client messages up to the next Sync are dropped. */
  skipToSync(): void {
    this.#isSkipping = true;
  }

  /** The client has ended its COPY data; the upstream answers, or starts the next COPY of the same query. */
  copyEnded(): void {
    const { oldest } = this;
    if ((oldest?.kind === 'query' || oldest?.kind === 'execute') && oldest.phase === 'copy-in') oldest.phase = 'running';
  }

  /** Rows may come now. */
  takesRows(type: number): boolean {
    const oldest = this.oldest;
    if (oldest === undefined) return false;
    if (type === UPSTREAM.copyData) return (oldest.kind === 'query' || oldest.kind === 'execute') && oldest.phase === 'copy-out';
    return (oldest.kind === 'query' && oldest.phase === 'rows') || (oldest.kind === 'execute' && oldest.phase === 'running');
  }

  /** One message other than DataRow and CopyData. @throws SP_UPSTREAM_PROTOCOL */
  answered(type: number): Answer<T> {
    const oldest = this.oldest;
    switch (type) {
      case UPSTREAM.noticeResponse:
      case UPSTREAM.parameterStatus:
      case UPSTREAM.notificationResponse:
        return { to: oldest ?? null, isLast: false, skipped: nothing };
      case UPSTREAM.errorResponse:
        return oldest === undefined ? { to: null, isLast: false, skipped: nothing } : this.#failed(oldest);
    }
    if (oldest === undefined) throw unexpected();
    const isLast = this.#advance(oldest, type);
    if (isLast) this.#shift();
    return { to: oldest, isLast, skipped: nothing };
  }

  #failed(oldest: Expectation<T>): Answer<T> {
    if (oldest.kind === 'query' || oldest.kind === 'sync' || (oldest.kind === 'refusal' && oldest.protocol === 'simple')) {
      if (oldest.phase === 'failed') throw unexpected();
      oldest.phase = 'failed';
      return { to: oldest, isLast: false, skipped: nothing };
    }
    const skipped: Expectation<T>[] = [];
    for (let next = this.oldest; next !== undefined && next.kind !== 'sync'; next = this.oldest) {
      skipped.push(next);
      this.#shift();
    }
    // Without a Sync on its way the client is still sending what the upstream will skip.
    if (this.oldest === undefined) this.#isSkipping = true;
    return { to: oldest, isLast: true, skipped };
  }

  /** Checks that `type` may come now and moves the phase on. @returns true when nothing more follows. */
  #advance(to: Expectation<T>, type: number): boolean {
    switch (to.kind) {
      case 'parse':
        return expect(type === UPSTREAM.parseComplete);
      case 'bind':
        return expect(type === UPSTREAM.bindComplete);
      case 'close':
        return expect(type === UPSTREAM.closeComplete);
      case 'describe-portal':
        return expect(type === UPSTREAM.rowDescription || type === UPSTREAM.noData);
      case 'describe-statement':
        if (to.phase === 'columns') return expect(type === UPSTREAM.rowDescription || type === UPSTREAM.noData);
        expect(type === UPSTREAM.parameterDescription);
        to.phase = 'columns';
        return false;
      case 'sync':
        return expect(type === UPSTREAM.readyForQuery);
      case 'refusal':
        return expect(to.protocol === 'simple' && to.phase === 'failed' && type === UPSTREAM.readyForQuery);
      case 'execute':
        return advanceExecute(to, type);
      case 'query':
        return advanceQuery(to, type);
    }
  }

  #shift(): void {
    this.#first += 1;
    if (this.#first === this.#open.length) {
      this.#open = [];
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#open = this.#open.slice(this.#first);
      this.#first = 0;
    }
  }
}

function advanceExecute(to: Extract<Expectation<unknown>, { kind: 'execute' }>, type: number): boolean {
  switch (type) {
    case UPSTREAM.commandComplete:
    case UPSTREAM.emptyQueryResponse:
    case UPSTREAM.portalSuspended:
      return true;
    default:
      return advanceCopy(to, type);
  }
}

function advanceQuery(to: Extract<Expectation<unknown>, { kind: 'query' }>, type: number): boolean {
  if (type === UPSTREAM.readyForQuery) return expect(to.phase === 'running' || to.phase === 'failed');
  expect(to.phase !== 'failed');
  switch (type) {
    case UPSTREAM.rowDescription:
      expect(to.phase === 'running');
      to.phase = 'rows';
      return false;
    case UPSTREAM.commandComplete:
    case UPSTREAM.emptyQueryResponse:
      to.phase = 'running';
      return false;
    default:
      return advanceCopy(to, type);
  }
}

/** COPY looks the same in both protocols. */
function advanceCopy(to: Extract<Expectation<unknown>, { kind: 'execute' | 'query' }>, type: number): false {
  switch (type) {
    case UPSTREAM.copyInResponse:
      expect(to.phase === 'running');
      to.phase = 'copy-in';
      return false;
    case UPSTREAM.copyOutResponse:
      expect(to.phase === 'running');
      to.phase = 'copy-out';
      return false;
    case UPSTREAM.copyDone:
      expect(to.phase === 'copy-out');
      to.phase = 'running';
      return false;
    default:
      throw unexpected();
  }
}

function expect(isAllowed: boolean): true {
  if (!isAllowed) throw unexpected();
  return true;
}

function unexpected(): SallyportError {
  return new SallyportError('SP_UPSTREAM_PROTOCOL', 'message does not answer what was sent');
}
