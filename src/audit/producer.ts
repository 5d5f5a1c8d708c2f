// A gateway thread's end of the log: checks entries, hands them to the writer in one stream, and knows how far the writer is.
// Handing over costs about a microsecond: no clone, no system call; the writer is rung once per turn of the event loop, and
// only when somebody waits or the stream fills up. REFUSES: everything after the writer's first fault.

import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryType, Payload } from '../core/event.ts';
import type { AuditLog, Clock, EntryTemplate, EntryVariables, TemplateDraft, Ticket } from '../core/ports.ts';
import { encodeDraft } from './entry.ts';
import { RecordEncoder, RECORDS } from './records.ts';
import type { TemplateParts } from './template.ts';
import { checkVariables, encodeTemplate, encodeVariables } from './template.ts';

/** `durable`: recorded = survives power loss. `buffered`: recorded = taken over by the writer, which syncs within 100 ms. */
export type Durability = 'durable' | 'buffered';

/** The way to the writer and back. */
export interface WriterLink {
  /** Takes as many of the bytes as there is room for. When not all, `ProducerEnd.progressed` follows. @returns bytes taken. */
  send(bytes: Buffer): number;
  /** Has the writer look at what was sent. Without it the writer looks within 50 ms. */
  ring(): void;
  /** Entries of this producer that are durable. */
  readonly durable: number;
  /** The writer has stopped. */
  readonly hasFailed: boolean;
}

/** More than this on the way to the writer, and `buffered` entries wait too: the memory of the gateway is bounded. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

class PreparedTemplate implements EntryTemplate {
  readonly id: number;
  readonly parts: TemplateParts;
  readonly payloads: number;
  isReleased = false;

  constructor(id: number, parts: TemplateParts, payloads: number) {
    this.id = id;
    this.parts = parts;
    this.payloads = payloads;
  }

  get type(): EntryType {
    return this.parts.type;
  }
}

interface Waiting {
  readonly ticket: number;
  readonly resolve: () => void;
  readonly reject: (fault: SallyportError) => void;
}

interface Appending {
  readonly resolve: (seq: number) => void;
  readonly reject: (fault: SallyportError) => void;
}

export interface ProducerDeps {
  readonly link: WriterLink;
  readonly durability: Durability;
  readonly clock: Clock;
}

export class Producer implements AuditLog {
  readonly #deps: ProducerDeps;
  readonly #out = new RecordEncoder();
  readonly #templates = new Map<string, Set<PreparedTemplate>>();
  /** Sessions of the intents without a result, by ticket. */
  readonly #intents = new Map<number, string>();
  readonly #appending = new Map<number, Appending>();
  /** By ticket, ascending. */
  #waiting: Waiting[] = [];
  #nextTemplate = 0;
  #nextTicket = 0;
  /** Tickets below it were asked to be recorded. */
  #askedEnd = 0;
  #isDue = false;
  #isScheduled = false;
  #isClosed = false;
  #fault: SallyportError | null = null;

  constructor(deps: ProducerDeps) {
    this.#deps = deps;
  }

  get writable(): boolean {
    return this.#fault === null && !this.#isClosed && !this.#deps.link.hasFailed;
  }

  get isFailed(): boolean {
    return this.#fault !== null;
  }

  async append(entry: EntryDraft, payloads: readonly Payload[] = [], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    const draft = encodeDraft(entry, payloads.length);
    this.#requireWritable();
    const out = this.#out;
    out.begin(RECORDS.append);
    out.number(this.#deps.clock.nowMs());
    out.text(draft.members);
    out.type(draft.type);
    out.text(draft.session ?? '');
    out.payloads(payloads);
    out.end();
    const ticket = this.#nextTicket++;
    this.#askedEnd = this.#nextTicket;
    this.#isDue = true;
    this.#schedule();
    if (draft.type === 'session.close' && draft.session !== null) this.#endSession(draft.session);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#appending.set(ticket, { resolve, reject });
    if (signal === undefined) return promise;
    // The entry itself stays: its counter is taken, and a gap would be evidence of something else.
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  template(draft: TemplateDraft, payloads: readonly Payload[] = []): EntryTemplate {
    const parts = encodeTemplate(draft, payloads.length);
    const template = new PreparedTemplate(this.#nextTemplate++, parts, payloads.length);
    const ofSession = this.#templates.get(parts.session);
    if (ofSession === undefined) this.#templates.set(parts.session, new Set([template]));
    else ofSession.add(template);
    const out = this.#out;
    out.begin(RECORDS.template);
    out.number(template.id);
    out.type(parts.type);
    out.text(parts.session);
    out.text(parts.head);
    out.payloads(payloads);
    out.end();
    this.#schedule();
    return template;
  }

  release(template: EntryTemplate): void {
    if (!(template instanceof PreparedTemplate) || template.isReleased) return;
    template.isReleased = true;
    const ofSession = this.#templates.get(template.parts.session);
    ofSession?.delete(template);
    if (ofSession?.size === 0) this.#templates.delete(template.parts.session);
    this.#out.begin(RECORDS.release);
    this.#out.number(template.id);
    this.#out.end();
    this.#schedule();
  }

  post(template: EntryTemplate, variables: EntryVariables, payloads: readonly Payload[] = []): Ticket {
    if (!(template instanceof PreparedTemplate) || template.isReleased) throw refused('its template was released');
    const { parts } = template;
    checkVariables(parts, variables, template.payloads + payloads.length);
    const { intent } = variables;
    if (intent !== undefined && this.#intents.get(intent) !== parts.session)
      throw refused('intent names no unanswered intent of its session');
    this.#requireWritable();
    const ticket = this.#nextTicket++;
    if (intent !== undefined) this.#intents.delete(intent);
    if (parts.type === 'request.intent') this.#intents.set(ticket, parts.session);
    const out = this.#out;
    out.begin(RECORDS.post);
    out.number(template.id);
    out.number(this.#deps.clock.nowMs());
    out.number(intent ?? -1);
    out.text(encodeVariables(parts, variables));
    out.payloads(payloads);
    out.end();
    this.#schedule();
    if (parts.type === 'session.close') this.#endSession(parts.session);
    return ticket as Ticket;
  }

  isRecorded(ticket: Ticket): boolean {
    if (ticket < this.#deps.link.durable) return true;
    return ticket < this.#nextTicket && this.#isTakenOver;
  }

  /** `buffered`: all entries so far count as recorded. */
  get #isTakenOver(): boolean {
    return (
      this.#deps.durability === 'buffered' && this.#out.length < MAX_UNSENT_BYTES && this.#fault === null && !this.#deps.link.hasFailed
    );
  }

  recorded(ticket: Ticket): Promise<void> {
    if (this.isRecorded(ticket)) return Promise.resolve();
    if (this.#fault !== null || this.#deps.link.hasFailed) return Promise.reject(refusal(this.#fault));
    if (ticket >= this.#nextTicket) return Promise.reject(refused('there is no such ticket'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = this.#waiting;
    let at = waiting.length;
    while (at > 0 && (waiting[at - 1]?.ticket ?? 0) > ticket) at -= 1;
    if (at === waiting.length) waiting.push({ ticket, resolve, reject });
    else waiting.splice(at, 0, { ticket, resolve, reject });
    if (ticket >= this.#askedEnd) {
      this.#out.begin(RECORDS.sync);
      this.#out.end();
      this.#askedEnd = this.#nextTicket;
      this.#isDue = true;
      this.#schedule();
    }
    return promise;
  }

  /** Drops the data key and the templates of a session. */
  forgetSession(session: string): void {
    this.#endSession(session);
    this.#out.begin(RECORDS.forget);
    this.#out.text(session);
    this.#out.end();
    this.#schedule();
  }

  /** Accepts nothing more; resolves when all that was accepted is durable, or cannot be. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#fault !== null) return;
    // In either durability: at the end nothing is left to chance.
    await new Promise<void>((resolve) => {
      this.#waiting.push({ ticket: this.#nextTicket - 1, resolve, reject: () => resolve() });
      this.#out.begin(RECORDS.sync);
      this.#out.end();
      this.#isDue = true;
      this.#flush();
      this.progressed([]);
    });
  }

  /** The writer got on. @param appended ticket and index, in turn, of appended entries that are durable. */
  progressed(appended: readonly number[]): void {
    for (let at = 0; at < appended.length; at += 2) {
      const ticket = appended[at] ?? -1;
      this.#appending.get(ticket)?.resolve(appended[at + 1] ?? -1);
      this.#appending.delete(ticket);
    }
    if (this.#out.length > 0) this.#flush();
    const end = this.#isTakenOver && !this.#isClosed ? Infinity : this.#deps.link.durable;
    let done = 0;
    while (done < this.#waiting.length && (this.#waiting[done]?.ticket ?? Infinity) < end) this.#waiting[done++]?.resolve();
    if (done > 0) this.#waiting = done === this.#waiting.length ? [] : this.#waiting.slice(done);
  }

  failed(fault: SallyportError): void {
    if (this.#fault !== null) return;
    this.#fault = fault;
    this.progressed([]);
    for (const { reject } of this.#waiting.splice(0)) reject(refusal(fault));
    for (const { reject } of this.#appending.values()) reject(refusal(fault));
    this.#appending.clear();
  }

  #requireWritable(): void {
    if (this.#isClosed) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is closed');
    if (this.#fault !== null || this.#deps.link.hasFailed) throw refusal(this.#fault);
  }

  #endSession(session: string): void {
    for (const template of this.#templates.get(session) ?? []) template.isReleased = true;
    this.#templates.delete(session);
    for (const [ticket, of] of this.#intents) if (of === session) this.#intents.delete(ticket);
  }

  /** Everything of one turn of the event loop crosses at once. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false;
    this.#flush();
  };

  #flush(): void {
    const { link } = this.#deps;
    if (this.#fault !== null) this.#out.taken(this.#out.length);
    if (this.#out.length > 0) this.#out.taken(link.send(this.#out.bytes()));
    if (!this.#isDue && this.#out.length === 0) return;
    if (this.#out.length === 0) this.#isDue = false;
    link.ring();
  }
}

function refused(what: string): SallyportError {
  return new SallyportError('SP_AUDIT_ENTRY_INVALID', `audit entry refused: ${what}`);
}

export function refusal(fault: SallyportError | null): SallyportError {
  return new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log has stopped', fault === null ? {} : { cause: fault });
}
