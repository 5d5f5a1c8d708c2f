// The writer's end of one producer: its stream of records, its templates and its unanswered intents.

import type { EntryType, Payload } from '../core/event.ts';
import type { SallyportError } from '../core/error.ts';
import type { ByteSource } from './records.ts';
import { RecordDecoder } from './records.ts';

/** What the writer needs from a producer. */
export interface ProducerEnd extends ByteSource {
  /** All entries of the producer below this ticket are durable.
   *  @param appended ticket and index, in turn, of those that were appended. @param isAwaited somebody waits for it. */
  recorded(tickets: number, appended: readonly number[], isAwaited: boolean): void;
  failed(fault: SallyportError): void;
}

export interface WriterTemplate {
  readonly type: EntryType;
  readonly session: string;
  /** Constant members, from `","replica"` on. */
  readonly head: Buffer;
  /** Kept: they are sealed anew for entries that come when the key has had its time. Null = none. */
  readonly payloads: readonly Payload[] | null;
  /** Monotonic time from which on they have to be. */
  sealedUntilMs: number;
  /** References of later entries to the sealed payloads: JSON, comma-separated. */
  refs: string;
}

export class Connection {
  readonly end: ProducerEnd;
  readonly records: RecordDecoder;
  readonly templates = new Map<number, WriterTemplate>();
  /** Ticket of the next entry. */
  tickets = 0;
  /** Ticket and index, in turn, of appended entries of the commit being put together. */
  appended: number[] = [];
  isAwaited = false;
  /** By session: index of each intent without a result, by ticket. */
  readonly #intents = new Map<string, Map<number, number>>();

  constructor(end: ProducerEnd) {
    this.end = end;
    this.records = new RecordDecoder(end);
  }

  addIntent(session: string, ticket: number, seq: number): void {
    const intents = this.#intents.get(session);
    if (intents === undefined) this.#intents.set(session, new Map([[ticket, seq]]));
    else intents.set(ticket, seq);
  }

  /** Index of an intent, which is answered now. */
  takeIntent(session: string, ticket: number): number {
    const intents = this.#intents.get(session);
    const seq = intents?.get(ticket);
    // The producer has checked it: the two ends disagree.
    if (intents === undefined || seq === undefined) throw new RangeError('a result answers an intent that the writer does not know');
    intents.delete(ticket);
    return seq;
  }

  endSession(session: string): void {
    this.#intents.delete(session);
    for (const [id, template] of this.templates) if (template.session === session) this.templates.delete(id);
  }
}
