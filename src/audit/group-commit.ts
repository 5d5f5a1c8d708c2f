// The audit log of one gateway: group commit into the journal, tiles and checkpoints behind it. See docs/formats/log.md.
// INVARIANT: an entry is acknowledged only after a successful datasync of its bytes and of its payloads.
// REFUSES: everything after the first fault of the disk, until restart; a failed sync is never retried.

import { join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryHeader, Payload } from '../core/event.ts';
import { DataKeys } from './data-keys.ts';
import type { Disk } from './disk.ts';
import { readWhole } from './disk.ts';
import type { EncodedDraft } from './entry.ts';
import { decodeHeader, encodeDraft, encodeHeader } from './entry.ts';
import type { AuditLogOptions, OpenAuditLog } from './log.ts';
import type { AuditDirs } from './log-files.ts';
import { isLogPath, readBundle } from './log-files.ts';
import type { Packs } from './packs.ts';
import type { Publisher } from './publisher.ts';
import type { Recovered } from './recovery.ts';
import type { DataKey, SealedBlob } from './sealing.ts';
import { isKeyId, keyFirstSeq, seal } from './sealing.ts';
import type { CommitItem, Segments } from './segments.ts';
import { TILE_WIDTH } from './tlog/index.ts';

const MAX_COMMIT_BYTES = 4 * 1024 * 1024;
const MAX_COMMIT_ENTRIES = 4096;
/** Publish before the second is over, so that the tail in memory stays small. */
const EARLY_PUBLISH_BYTES = 8 * 1024 * 1024;
/** Only if publishing cannot keep up at all do appends wait for it. */
const MAX_TAIL_BYTES = 64 * 1024 * 1024;

interface Pending {
  readonly draft: EncodedDraft;
  readonly atMs: number;
  sealed: readonly SealedBlob[] | Promise<readonly SealedBlob[]>;
  state: 'queued' | 'taken' | 'aborted';
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitDeps {
  readonly options: AuditLogOptions;
  readonly dirs: AuditDirs;
  readonly disk: Disk;
  readonly vkey: string;
  readonly publisher: Publisher;
  readonly packs: Packs;
  readonly segments: Segments;
  readonly recovered: Recovered;
}

export class GroupCommitLog implements OpenAuditLog {
  readonly vkey: string;
  readonly #options: AuditLogOptions;
  readonly #disk: Disk;
  readonly #dirs: AuditDirs;
  readonly #publisher: Publisher;
  readonly #packs: Packs;
  readonly #segments: Segments;
  readonly #keys: DataKeys;
  readonly #cutBytes: number;
  readonly #tail: Buffer[];
  #tailStart: number;
  #tailBytes = 0;
  #queue: Pending[] = [];
  #committing: Promise<void> | null = null;
  #publishing: Promise<void> | null = null;
  #fault: SallyportError | null = null;
  #closing: Promise<void> | null = null;
  #timers: NodeJS.Timeout[] = [];

  constructor(deps: GroupCommitDeps) {
    const { options, disk, recovered } = deps;
    this.vkey = deps.vkey;
    this.#options = options;
    this.#disk = disk;
    this.#dirs = deps.dirs;
    this.#publisher = deps.publisher;
    this.#packs = deps.packs;
    this.#segments = deps.segments;
    this.#cutBytes = recovered.cutBytes;
    this.#tail = recovered.tail;
    this.#tailStart = recovered.tailStart;
    for (const entry of this.#tail) this.#tailBytes += entry.length;
    this.#keys = new DataKeys({
      disk,
      dir: this.#dirs.keys,
      recipients: options.recipients,
      random: options.random,
      clock: options.clock,
      nextSeq: () => this.size(),
      onFault: (cause) => this.#fail('a data key cannot be stored', cause),
    });
  }

  /** Appends `log.opened`, publishes it and starts the clockwork. */
  async start(): Promise<void> {
    const size = this.size();
    const last = this.#tail.at(-1);
    const lastType = size === 0 ? null : last === undefined ? await this.#typeOf(size - 1) : decodeHeader(last, size - 1).type;
    const previous = lastType === null ? 'none' : lastType === 'log.closed' ? 'closed' : 'crashed';
    if (this.#cutBytes > 0) this.#options.logger.warn({ bytes: this.#cutBytes, size }, 'audit log: cut an unacknowledged tail');
    try {
      await this.#keys.refill();
      await this.#enqueue(encodeDraft({ type: 'log.opened', detail: { previous, cutBytes: this.#cutBytes } }, 0, 'log'), []);
      await this.publish();
    } catch (error) {
      await this.#segments.close();
      throw error;
    }
    const every = (ms: number, run: () => Promise<unknown>): void => {
      // Faults have stopped the log and were reported through `onFatal`.
      this.#timers.push(setInterval(() => void run().catch(() => undefined), ms).unref());
    };
    every(this.#options.checkpointMs ?? 1000, () => this.publish());
    every(this.#options.heartbeatMs ?? 60_000, () => this.#enqueue(encodeDraft({ type: 'heartbeat' }, 0, 'log'), []));
  }

  get writable(): boolean {
    return this.#fault === null && this.#closing === null;
  }

  size(): number {
    return this.#segments.endSeq;
  }

  async append(entry: EntryDraft, payloads: readonly Payload[] = [], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    if (this.#closing !== null) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is closed');
    return this.#enqueue(encodeDraft(entry, payloads.length), payloads, signal);
  }

  async *entries(from: number, to: number, signal?: AbortSignal): AsyncGenerator<EntryHeader> {
    let seq = Math.max(0, from);
    const end = Math.min(to, this.size());
    while (seq < end) {
      signal?.throwIfAborted();
      for (const entry of await this.#read(seq, end)) {
        yield decodeHeader(entry, seq);
        seq += 1;
      }
    }
  }

  async checkpoint(): Promise<string | null> {
    return this.#publisher.checkpoint;
  }

  async sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null> {
    if (!isKeyId(ref.key)) return null;
    const wrappedKey = await this.#keys.wrapped(ref.key);
    if (wrappedKey === null) return null;
    const ciphertext = (await this.#segments.find(ref.sha256)) ?? (await this.#packs.find(ref.sha256, keyFirstSeq(ref.key)));
    return ciphertext === null ? null : { ciphertext, wrappedKey };
  }

  async file(path: string): Promise<Uint8Array | null> {
    return isLogPath(path) ? readWhole(this.#disk, join(this.#dirs.log, path)) : null;
  }

  forgetSession(session: string): void {
    this.#keys.forget(session);
  }

  async publish(): Promise<string> {
    const target = this.size();
    while (this.#publisher.size < target) {
      if (this.#fault !== null) throw this.#refusal();
      this.#publishing ??= this.#publishOnce().finally(() => (this.#publishing = null));
      await this.#publishing;
    }
    return this.#publisher.checkpoint ?? '';
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    try {
      if (this.#fault === null) {
        await this.#enqueue(encodeDraft({ type: 'log.closed' }, 0, 'log'), []);
        await this.publish();
      }
    } finally {
      await this.#committing;
      await this.#publishing?.catch(() => undefined);
      await this.#keys.close();
      await this.#segments.close();
    }
  }

  #enqueue(draft: EncodedDraft, payloads: readonly Payload[], signal?: AbortSignal): Promise<number> {
    if (this.#fault !== null) return Promise.reject(this.#refusal());
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const pending: Pending = {
      draft,
      atMs: this.#options.clock.nowMs(),
      sealed: this.#seal(draft, payloads),
      state: 'queued',
      resolve,
      reject,
    };
    if (pending.sealed instanceof Promise) pending.sealed.then((sealed) => (pending.sealed = sealed)).catch(() => undefined);
    if (signal !== undefined) {
      const abort = (): void => {
        if (pending.state !== 'queued') return;
        pending.state = 'aborted';
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      promise.finally(() => signal.removeEventListener('abort', abort)).catch(() => undefined);
    }
    this.#queue.push(pending);
    // The loop starts in a microtask: appends made in the same tick share the first commit.
    this.#committing ??= Promise.resolve().then(() => this.#commitAll());
    return promise;
  }

  #seal(draft: EncodedDraft, payloads: readonly Payload[]): readonly SealedBlob[] | Promise<readonly SealedBlob[]> {
    if (payloads.length === 0) {
      if (draft.type === 'session.close' && draft.session !== null) this.#keys.forget(draft.session);
      return [];
    }
    const maxBytes = this.#options.maxPayloadBytes ?? 1024 * 1024;
    const sealWith = (key: DataKey): SealedBlob[] => {
      const sealed = payloads.map((payload) => seal(payload, key, maxBytes));
      if (draft.type === 'session.close' && draft.session !== null) this.#keys.forget(draft.session);
      return sealed;
    };
    const key = this.#keys.take(draft.session);
    return key instanceof Promise ? key.then(sealWith) : sealWith(key);
  }

  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0 && this.#fault === null) {
      const batch = await this.#nextBatch();
      if (batch.length === 0) continue;
      await this.#commit(batch);
      if (this.#tailBytes >= MAX_TAIL_BYTES) await this.publish().catch(() => undefined);
      else if (this.#tailBytes >= EARLY_PUBLISH_BYTES) void this.publish().catch(() => undefined);
    }
    // WHY here and not in a `finally` of the caller: no append may slip in between the last look at the queue and this.
    this.#committing = null;
    this.#rejectQueue();
  }

  /** Takes pending appends off the head of the queue, in order. Waits only for the sealing of the first. */
  async #nextBatch(): Promise<{ pending: Pending; sealed: readonly SealedBlob[] }[]> {
    const first = this.#queue[0];
    try {
      if (first?.sealed instanceof Promise) await first.sealed;
    } catch (cause) {
      this.#fail('a payload cannot be sealed', cause);
      return [];
    }
    const batch: { pending: Pending; sealed: readonly SealedBlob[] }[] = [];
    let bytes = 0;
    let taken = 0;
    for (const pending of this.#queue) {
      if (pending.sealed instanceof Promise || bytes >= MAX_COMMIT_BYTES || taken >= MAX_COMMIT_ENTRIES) break;
      taken += 1;
      if (pending.state === 'aborted') continue;
      pending.state = 'taken';
      batch.push({ pending, sealed: pending.sealed });
      bytes += pending.draft.members.length;
      for (const { blob } of pending.sealed) bytes += blob.length;
    }
    this.#queue = this.#queue.slice(taken);
    return batch;
  }

  async #commit(batch: readonly { pending: Pending; sealed: readonly SealedBlob[] }[]): Promise<void> {
    const firstSeq = this.size();
    const items: CommitItem[] = batch.map(({ pending, sealed }, at) => {
      const stamp = { seq: firstSeq + at, atMs: pending.atMs, replica: this.#options.replica };
      return {
        entry: encodeHeader(
          pending.draft,
          stamp,
          sealed.map(({ ref }) => ref),
        ),
        sealed,
      };
    });
    try {
      await this.#segments.commit(items);
    } catch (cause) {
      this.#fail('an entry cannot be made durable', cause);
      for (const { pending } of batch) pending.reject(this.#refusal());
      return;
    }
    for (const { entry } of items) {
      this.#tail.push(entry);
      this.#tailBytes += entry.length;
    }
    for (const [at, { pending }] of batch.entries()) pending.resolve(firstSeq + at);
  }

  async #publishOnce(): Promise<void> {
    try {
      await this.#publisher.publish(this.#tail.slice(), this.#tailStart);
      const keepFrom = this.#publisher.size - (this.#publisher.size % TILE_WIDTH);
      for (const entry of this.#tail.splice(0, keepFrom - this.#tailStart)) this.#tailBytes -= entry.length;
      this.#tailStart = keepFrom;
      await this.#segments.retire(this.#publisher.size, this.#packs);
    } catch (cause) {
      this.#fail('the checkpoint cannot be written', cause);
      throw this.#refusal();
    }
  }

  /** Up to 256 entries from `seq`. What is not in memory lies in full bundles. */
  async #read(seq: number, end: number): Promise<readonly Buffer[]> {
    if (seq >= this.#tailStart) return this.#tail.slice(seq - this.#tailStart, Math.min(seq + TILE_WIDTH, end) - this.#tailStart);
    const index = Math.floor(seq / TILE_WIDTH);
    const bundle = await readBundle(this.#disk, this.#dirs.log, index, TILE_WIDTH);
    if (bundle?.length !== TILE_WIDTH) throw new SallyportError('SP_AUDIT_CORRUPT', `entry bundle ${index} is missing or short`);
    return bundle.slice(seq - index * TILE_WIDTH, end - index * TILE_WIDTH);
  }

  async #typeOf(seq: number): Promise<string | null> {
    const [entry] = await this.#read(seq, seq + 1);
    return entry === undefined ? null : decodeHeader(entry, seq).type;
  }

  #fail(what: string, cause: unknown): void {
    if (this.#fault !== null) return;
    this.#fault = new SallyportError('SP_AUDIT_UNWRITABLE', `audit log: ${what}`, { cause });
    for (const timer of this.#timers) clearInterval(timer);
    this.#options.logger.error({ code: this.#fault.code, fault: faultCode(cause) }, this.#fault.message);
    if (this.#committing === null) this.#rejectQueue();
    this.#options.onFatal?.(this.#fault);
  }

  #rejectQueue(): void {
    if (this.#fault === null) return;
    for (const pending of this.#queue.splice(0)) if (pending.state === 'queued') pending.reject(this.#refusal());
  }

  #refusal(): SallyportError {
    return new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log has stopped', { cause: this.#fault });
  }
}

function faultCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.name : 'unknown';
}
