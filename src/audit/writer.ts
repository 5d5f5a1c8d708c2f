// The writer of the log: group commit into the journal, tiles and checkpoints behind it. It has a thread of its own; tests run
// it in theirs. See docs/formats/log.md.
// INVARIANT: an entry is acknowledged only after a successful datasync of its bytes and of its payloads.
// REFUSES: everything after the first fault of the disk, until restart; a failed sync is never retried.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryType, Payload, SealedRef } from '../core/event.ts';
import type { Clock, Logger, Random } from '../core/ports.ts';
import { CommitGroup } from './commit-group.ts';
import type { ProducerEnd, WriterTemplate } from './connection.ts';
import { Connection } from './connection.ts';
import { DataKeys } from './data-keys.ts';
import type { Disk } from './disk.ts';
import { faultCode, readWhole } from './disk.ts';
import { decodeHeader, encodeDraft, encodeRef, encodeRefs } from './entry.ts';
import type { AuditDirs } from './log-files.ts';
import { isLogPath, readBundle } from './log-files.ts';
import type { Packs } from './packs.ts';
import { refusal } from './producer.ts';
import type { Publisher } from './publisher.ts';
import { RECORDS } from './records.ts';
import type { Recovered } from './recovery.ts';
import { blobBytes, isKeyId, keyFirstSeq, sealInto } from './sealing.ts';
import type { DataKey } from './sealing.ts';
import type { Segments } from './segments.ts';
import { Slabs } from './slabs.ts';
import { Tail } from './tail.ts';
import { MAX_ENTRY_BYTES, TILE_WIDTH } from './tlog/index.ts';

const MAX_COMMIT_BYTES = 2 * 1024 * 1024;
/** How long an entry stays unwritten when nobody waits for it; with the time until the writer looks, below 100 ms. */
export const IDLE_COMMIT_MS = 30;
/** Publish before the second is over, so that the tail in memory stays small. */
const EARLY_PUBLISH_BYTES = 16 * 1024 * 1024;
/** Only if publishing cannot keep up at all do entries wait for it. */
const MAX_TAIL_BYTES = 128 * 1024 * 1024;

export interface WriterOptions {
  readonly replica: string;
  readonly recipients: readonly string[];
  readonly maxPayloadBytes: number;
  readonly readyKeys: number;
  readonly checkpointMs: number;
  readonly heartbeatMs: number;
}

export interface LogWriterDeps {
  readonly options: WriterOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, at the first fault. */
  readonly onFault: (fault: SallyportError) => void;
  readonly dirs: AuditDirs;
  readonly disk: Disk;
  readonly publisher: Publisher;
  readonly packs: Packs;
  readonly segments: Segments;
  readonly recovered: Recovered;
}

export class LogWriter {
  readonly #deps: LogWriterDeps;
  readonly #keys: DataKeys;
  readonly #slabs = new Slabs();
  readonly #group: CommitGroup;
  readonly #connections: Connection[] = [];
  /** Whose turn it is. */
  #first = 0;
  readonly #tail: Tail;
  /** What the last heartbeat told, and payloads sealed since. */
  #toldSize = 0;
  #payloads = 0;
  /** Monotonic time of the oldest entry of the group. */
  #groupSinceMs = 0;
  /** Somebody waits for the group. */
  #isDue = false;
  #working: Promise<void> | null = null;
  #publishing: Promise<void> | null = null;
  #fault: SallyportError | null = null;
  #closing: Promise<void> | null = null;
  #timers: NodeJS.Timeout[] = [];
  #stampMs = Number.NaN;
  #stamp = '';

  constructor(deps: LogWriterDeps) {
    const { recovered, segments } = deps;
    this.#deps = deps;
    this.#group = new CommitGroup(() => segments.nextCommit, this.#slabs);
    this.#tail = new Tail(recovered.tailStart, recovered.tail);
    this.#keys = new DataKeys({
      disk: deps.disk,
      dir: deps.dirs.keys,
      recipients: deps.options.recipients,
      readyKeys: deps.options.readyKeys,
      random: deps.random,
      clock: deps.clock,
      nextSeq: () => this.size(),
      onFault: (cause) => this.#fail('a data key cannot be stored', cause),
    });
  }

  /** Appends `log.opened`, publishes it and starts the clockwork. @param news entries of the log itself that come with it */
  async start(news: readonly Pick<EntryDraft, 'type' | 'detail'>[] = []): Promise<void> {
    const { recovered, logger, segments, options } = this.#deps;
    const size = this.size();
    this.#toldSize = size;
    const [last] = size === 0 ? [] : await this.read(size - 1, size);
    const previous = last === undefined ? 'none' : decodeHeader(last, size - 1).type === 'log.closed' ? 'closed' : 'crashed';
    const { cutBytes } = recovered;
    if (cutBytes > 0) logger.warn({ bytes: cutBytes, size }, 'audit log: cut an unacknowledged tail');
    try {
      await this.#keys.refill();
      if (segments.isFull) await segments.rotate();
      await this.#appendOwn('log.opened', { previous, cutBytes });
      for (const { type, detail } of news) await this.#appendOwn(type, detail);
      await this.publish();
    } catch (error) {
      await segments.close();
      throw error;
    }
    const every = (ms: number, run: () => Promise<unknown>): void => {
      // Faults have stopped the log and were reported through `onFault`.
      this.#timers.push(setInterval(() => void run().catch(() => undefined), ms).unref());
    };
    every(options.checkpointMs, () => this.publish());
    every(options.heartbeatMs, () => this.#beat());
  }

  connect(end: ProducerEnd): void {
    this.#connections.push(new Connection(end));
  }

  /** The producer is gone; what it has sent whole stays. */
  disconnect(end: ProducerEnd): void {
    void this.work().finally(() => {
      const at = this.#connections.findIndex((connection) => connection.end === end);
      if (at >= 0) this.#connections.splice(at, 1);
    });
  }

  /** Index behind the last durable entry. */
  size(): number {
    return this.#deps.segments.endSeq;
  }

  /** Something is going on that needs the event loop of this thread. */
  get isBusy(): boolean {
    return this.#working !== null || this.#publishing !== null || this.#closing !== null || this.#keys.isRefilling;
  }

  /** Takes what the producers have sent, and commits it when somebody waits, when it is old or when it is much.
   *  @param isIdle commits in any case. */
  work(isIdle = false): Promise<void> {
    if (isIdle && this.#group.entries > 0) this.#isDue = true;
    if (this.#working !== null) return this.#working;
    // Most calls have nothing to wait for.
    if (!this.#workOnce()) return Promise.resolve();
    this.#working = this.#workOn().finally(() => (this.#working = null));
    return this.#working;
  }

  /** Whether entries are in the group that nobody waits for yet. */
  get hasIdleEntries(): boolean {
    return this.#group.entries > 0;
  }

  /** Up to 256 durable entries from `seq`, before `end`. */
  async read(seq: number, end: number): Promise<readonly Buffer[]> {
    const to = Math.min(end, this.size());
    if (seq >= to) return [];
    // Copies: where they lie is written again when they are published.
    if (seq >= this.#tail.start) return this.#tail.slice(seq, Math.min(seq + TILE_WIDTH, to)).map((entry) => Buffer.from(entry));
    // What is not in memory lies in full bundles.
    const index = Math.floor(seq / TILE_WIDTH);
    const bundle = await readBundle(this.#deps.disk, this.#deps.dirs.log, index, TILE_WIDTH);
    if (bundle?.length !== TILE_WIDTH) throw new SallyportError('SP_AUDIT_CORRUPT', `entry bundle ${index} is missing or short`);
    return bundle.slice(seq - index * TILE_WIDTH, to - index * TILE_WIDTH);
  }

  checkpoint(): string | null {
    return this.#deps.publisher.checkpoint;
  }

  async sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null> {
    if (!isKeyId(ref.key)) return null;
    const { segments, packs } = this.#deps;
    const wrappedKey = await this.#keys.wrapped(ref.key);
    if (wrappedKey === null) return null;
    const ciphertext = (await segments.find(ref.sha256)) ?? (await packs.find(ref.sha256, keyFirstSeq(ref.key)));
    return ciphertext === null ? null : { ciphertext, wrappedKey };
  }

  async file(path: string): Promise<Uint8Array | null> {
    return isLogPath(path) ? readWhole(this.#deps.disk, join(this.#deps.dirs.log, path)) : null;
  }

  /** Brings the signed checkpoint up to every durable entry. */
  async publish(): Promise<string> {
    const { publisher } = this.#deps;
    const target = this.size();
    while (publisher.size < target) {
      if (this.#fault !== null) throw refusal(this.#fault);
      this.#publishing ??= this.#publishOnce().finally(() => (this.#publishing = null));
      await this.#publishing;
    }
    return publisher.checkpoint ?? '';
  }

  /** Writes `log.closed` and the last checkpoint. The producers have closed before. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    try {
      if (this.#fault === null) {
        await this.#appendOwn('log.closed');
        await this.publish();
      }
    } finally {
      await this.#working;
      await this.#publishing?.catch(() => undefined);
      await this.#keys.close();
      await this.#deps.segments.close();
    }
  }

  /** @returns true when there is more to do that has to wait for something first. */
  #workOnce(): boolean {
    if (this.#fault !== null) return false;
    try {
      const isStuck = !this.#take();
      if (this.#group.entries === 0) return isStuck;
      const isOld = this.#deps.clock.monotonicMs() - this.#groupSinceMs >= IDLE_COMMIT_MS;
      if (this.#isDue || isOld || this.#group.bytes >= MAX_COMMIT_BYTES) this.#commit();
      return isStuck || this.#deps.segments.isFull || this.#tail.bytes >= MAX_TAIL_BYTES || this.#group.bytes >= MAX_COMMIT_BYTES;
    } catch (cause) {
      this.#fail('an entry cannot be made durable', cause);
      return false;
    }
  }

  async #workOn(): Promise<void> {
    const { segments } = this.#deps;
    try {
      do {
        if (this.#keys.isEmpty) await this.#keys.refill();
        if (segments.isFull && this.#group.entries === 0) await segments.rotate();
        if (this.#tail.bytes >= MAX_TAIL_BYTES) await (this.#publishing ?? this.publish());
      } while (this.#workOnce());
    } catch (cause) {
      this.#fail('an entry cannot be made durable', cause);
    }
  }

  /** Moves records into the group, a connection at a time. Where it had to stop, the next one comes first: whoever sends without
   *  end keeps nobody waiting for more than a commit for each of the others. @returns false when it had to stop before the end. */
  #take(): boolean {
    const count = this.#connections.length;
    for (let turn = 0; turn < count; turn += 1) {
      const at = (this.#first + turn) % count;
      const connection = this.#connections[at];
      if (connection === undefined) continue;
      let taken = 0;
      for (let code = connection.records.next(); code !== null; code = connection.records.next()) {
        const isFull = this.#group.bytes >= MAX_COMMIT_BYTES || (this.#group.entries === 0 && this.#deps.segments.isFull);
        if (isFull || !this.#takeRecord(connection, code)) {
          connection.records.putBack();
          this.#first = taken === 0 ? at : at + 1;
          return false;
        }
        taken += 1;
      }
    }
    return true;
  }

  /** @returns false when there is no data key for it yet. */
  #takeRecord(connection: Connection, code: number): boolean {
    const { records } = connection;
    switch (code) {
      case RECORDS.post:
        return this.#takePost(connection);
      case RECORDS.append:
        return this.#takeAppend(connection);
      case RECORDS.template: {
        const id = records.number();
        const type = records.type();
        const session = records.text();
        const head = Buffer.from(`","replica":"${this.#deps.options.replica}",${records.text()}`);
        const payloads = records.payloads().map(({ kind, bytes }) => ({ kind, bytes: Uint8Array.from(bytes) }));
        connection.templates.set(id, {
          type,
          session,
          head,
          payloads: payloads.length === 0 ? null : payloads,
          sealedUntilMs: 0,
          refs: '',
        });
        return true;
      }
      case RECORDS.release:
        connection.templates.delete(records.number());
        return true;
      case RECORDS.sync:
        connection.isAwaited = true;
        // What was asked for may have been committed before the question came.
        if (this.#group.entries === 0) this.#tell(connection);
        else this.#isDue = true;
        return true;
      case RECORDS.forget:
        this.#endSession(connection, records.text());
        return true;
      default:
        throw new RangeError('no such record');
    }
  }

  #takePost(connection: Connection): boolean {
    const { records } = connection;
    const template = connection.templates.get(records.number());
    if (template === undefined) throw new RangeError('an entry names a template that the writer does not know');
    const atMs = records.number();
    const intent = records.number();
    const variables = records.view();
    const payloads = records.payloads();
    let key: DataKey | null = null;
    const isToSeal = template.payloads !== null && this.#deps.clock.monotonicMs() >= template.sealedUntilMs;
    if (payloads.length > 0 || isToSeal) {
      key = this.#keys.take(template.session);
      if (key === null) return false;
    }
    const refs = this.#refsOf(template, payloads, key, isToSeal);
    const seq = this.#begin(atMs);
    this.#group.copy(template.head);
    this.#group.copy(variables);
    if (intent >= 0) this.#group.text(`,"intent":${connection.takeIntent(template.session, intent)}`);
    this.#end(refs);
    const ticket = connection.tickets++;
    if (template.type === 'request.intent') connection.addIntent(template.session, ticket, seq);
    if (template.type === 'session.close') this.#endSession(connection, template.session);
    return true;
  }

  #takeAppend(connection: Connection): boolean {
    const { records } = connection;
    const atMs = records.number();
    const members = records.view();
    const type = records.type();
    const session = records.text();
    const payloads = records.payloads();
    let refs = '';
    if (payloads.length > 0) {
      const key = this.#keys.take(session === '' ? null : session);
      if (key === null) return false;
      refs = encodeRefs(this.#seal(payloads, key));
    }
    const seq = this.#begin(atMs);
    this.#group.text(`","replica":"${this.#deps.options.replica}",`);
    this.#group.copy(members);
    this.#end(refs);
    this.#isDue = true;
    connection.isAwaited = true;
    connection.appended.push(connection.tickets++, seq);
    if (type === 'session.close' && session !== '') this.#endSession(connection, session);
    return true;
  }

  /** References of an entry: those of its template first, then its own. */
  #refsOf(template: WriterTemplate, payloads: readonly Payload[], key: DataKey | null, isToSeal: boolean): string {
    if (key === null) return template.refs;
    let shared = template.refs;
    if (isToSeal && template.payloads !== null) {
      const refs = this.#seal(template.payloads, key);
      shared = refs.map((ref) => encodeRef(ref)).join();
      // Whoever names them later says with which entry they lie.
      template.refs = refs.map((ref) => encodeRef(ref, this.#nextSeq())).join();
      // Retention counts from the first use of a key: no entry may rest on an older one.
      template.sealedUntilMs = key.untilMs;
    }
    const own = encodeRefs(this.#seal(payloads, key));
    return shared === '' || own === '' ? shared + own : `${shared},${own}`;
  }

  /** Adds sealed payloads to the group. */
  #seal(payloads: readonly Payload[], key: DataKey): SealedRef[] {
    const { maxPayloadBytes } = this.#deps.options;
    return payloads.map((payload) => {
      this.#payloads += 1;
      const bytes = blobBytes(payload.bytes.length, key, maxPayloadBytes);
      return this.#group.blob(bytes, (target, at) => sealInto(target, at, payload, key, maxPayloadBytes));
    });
  }

  /** Index of the entry that comes next. */
  #nextSeq(): number {
    return this.size() + this.#group.entries;
  }

  #begin(atMs: number): number {
    if (this.#group.entries === 0) this.#groupSinceMs = this.#deps.clock.monotonicMs();
    const seq = this.#nextSeq();
    if (atMs !== this.#stampMs) {
      this.#stampMs = atMs;
      this.#stamp = new Date(atMs).toISOString();
    }
    this.#group.begin(MAX_ENTRY_BYTES);
    this.#group.text(`{"v":1,"seq":${seq},"ts":"${this.#stamp}`);
    return seq;
  }

  #end(refs: string): void {
    this.#group.text(refs === '' ? '}' : `,"sealed":[${refs}]}`);
    this.#group.endEntry();
  }

  #endSession(connection: Connection, session: string): void {
    connection.endSession(session);
    this.#keys.forget(session);
  }

  /** An entry that only the log itself writes. */
  #appendOwn(type: EntryType, detail?: Readonly<Record<string, string | number | boolean>>): Promise<void> {
    const { members } = encodeDraft({ type, ...(detail === undefined ? {} : { detail }) }, 0, 'log');
    const append = async (): Promise<void> => {
      // It goes into a group of this moment: between the two lines nothing else runs.
      while (this.#working !== null) await this.#working;
      if (this.#fault !== null) throw refusal(this.#fault);
      this.#begin(this.#deps.clock.nowMs());
      this.#group.text(`","replica":"${this.#deps.options.replica}",`);
      this.#group.copy(Buffer.from(members));
      this.#end('');
      this.#isDue = true;
      await this.work();
      if (this.#fault !== null) throw refusal(this.#fault);
    };
    return append();
  }

  /** Counts only: how much was recorded since the last one, and by how many threads. */
  async #beat(): Promise<void> {
    const detail = { entries: this.#nextSeq() - this.#toldSize, payloads: this.#payloads, threads: this.#connections.length };
    this.#toldSize = this.#nextSeq();
    this.#payloads = 0;
    await this.#appendOwn('heartbeat', detail);
  }

  #commit(): void {
    const { segments, publisher } = this.#deps;
    const { bytes, bounds, blobs, slab } = this.#group.close();
    segments.commit(bytes, bounds.length / 2, blobs);
    this.#group.reset();
    this.#isDue = false;
    this.#tail.push(bytes, bounds, slab);
    for (const connection of this.#connections) this.#tell(connection);
    // While those who were told go on: at the end of the second it would keep everybody waiting.
    publisher.hash(this.#tail);
    if (this.#tail.bytes >= EARLY_PUBLISH_BYTES) void this.publish().catch(() => undefined);
  }

  #tell(connection: Connection): void {
    const { appended, isAwaited } = connection;
    connection.appended = [];
    connection.isAwaited = false;
    connection.end.recorded(connection.tickets, appended, isAwaited);
  }

  async #publishOnce(): Promise<void> {
    const { publisher, segments, packs } = this.#deps;
    try {
      await publisher.publish(this.#tail);
      this.#tail.dropBefore(publisher.size - (publisher.size % TILE_WIDTH));
      this.#slabs.settle();
      await segments.retire(publisher.size, packs);
    } catch (cause) {
      this.#fail('the checkpoint cannot be written', cause);
      throw refusal(this.#fault);
    }
  }

  #fail(what: string, cause: unknown): void {
    if (this.#fault !== null) return;
    const fault = new SallyportError('SP_AUDIT_UNWRITABLE', `audit log: ${what}`, { cause });
    this.#fault = fault;
    for (const timer of this.#timers) clearInterval(timer);
    this.#deps.logger.error({ code: fault.code, fault: faultCode(cause) }, fault.message);
    for (const connection of this.#connections) connection.end.failed(fault);
    this.#deps.onFault(fault);
  }
}
