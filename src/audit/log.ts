// The audit log as the gateway sees it: options, opening, and one object for writing and reading. The writer behind it has a
// thread of its own (threaded-log.ts), or for tests none (local-log.ts).
// REFUSES: a directory that is not what this log left behind (docs/formats/log.md, "Start").

import { resolve } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { EntryDraft, EntryHeader, EntryOutline, Payload } from '../core/event.ts';
import type { AuditLog, AuditReader, Clock, EntryTemplate, EntryVariables, Logger, Random, TemplateDraft, Ticket } from '../core/ports.ts';
import type { Secret } from '../core/secret.ts';
import type { Disk } from './disk.ts';
import { nodeDisk } from './disk.ts';
import { decodeHeader, isReplicaName } from './entry.ts';
import { parseSigningKey } from './keys.ts';
import { openLocalLog } from './local-log.ts';
import { auditDirs, readMinimumIndex } from './log-files.ts';
import type { OpenWriterOptions } from './open-writer.ts';
import { decodeOutline } from './outline.ts';
import type { Durability, Producer } from './producer.ts';
import { checkRecipients } from './sealing.ts';
import type { AuditConnection } from './threaded-log.ts';
import { openThreadedLog } from './threaded-log.ts';
import { leafHash } from './tlog/index.ts';

export interface AuditLogOptions {
  /** Directory of the log; created when absent. Exactly one process may use it. */
  readonly dir: string;
  /** Name of the log, never changed: `audit.<customer-domain>/<deployment>`. */
  readonly origin: string;
  /** Name of this gateway: letters, digits, `.`, `_`, `-`. */
  readonly replica: string;
  /** `PRIVATE+KEY+...` of `createLogKey`, or an Ed25519 PKCS#8 key as PEM or base64. */
  readonly signingKey: Secret;
  /** The key before it: names the new one and signs beside it, until verifiers have the new one. Same forms. */
  readonly retiringKey?: Secret | undefined;
  /** age public keys that can open sealed payloads; at least one. */
  readonly recipients: readonly string[];
  /** What `recorded` means. Default: `durable`. */
  readonly durability?: Durability;
  readonly clock: Clock;
  /** Used with `disk` only: the writer's thread has the system's randomness. */
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, when the log can no longer promise durability. The process must stop taking traffic and end. */
  readonly onFatal?: (error: SallyportError) => void;
  /** A longer payload is sealed as its beginning, marked truncated. Default 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** A journal segment is closed when it has reached this size. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Default 1000. */
  readonly checkpointMs?: number;
  /** Default 60 000. */
  readonly heartbeatMs?: number;
  /** For fault injection: the writer then runs in this thread. Default: the file system of the machine. */
  readonly disk?: Disk;
}

export interface OpenAuditLog extends AuditLog, AuditReader {
  /** Public key of the log in text form. */
  readonly vkey: string;
  /** Entries before it were pruned. */
  readonly firstIndex: number;
  /** Reading begins here from now on. */
  prunedBefore(index: number): void;
  /** Brings the signed checkpoint up to every durable entry. @returns the checkpoint. */
  publish(): Promise<string>;
  /** A file an auditor may fetch, by its path below `log/`; null when there is none. */
  file(path: string): Promise<Uint8Array | null>;
  /** Entries [from, to) that are durable, in order, each with the hash of its stored bytes, hex. */
  leaves(from: number, to: number, signal?: AbortSignal): AsyncIterable<{ readonly header: EntryHeader; readonly hash: string }>;
  /** Drops the data key and the templates of a session. `session.close` does it too. */
  forgetSession(session: string): void;
  /** A way to the same writer for another thread of this process: hand it over with `transferList: [connection.port]` and give it to
   *  `connectAuditLog` there. */
  connect(): Promise<AuditConnection>;
  /** Finishes what is queued, writes `log.closed` and the final checkpoint. Later appends are refused. */
  close(): Promise<void>;
}

/** The writer, wherever it runs, and the producer of this thread. */
export interface LogBackend {
  readonly producer: Producer;
  size(): number;
  /** Up to 256 durable entries from `from`, before `to`. */
  read(from: number, to: number): Promise<readonly Buffer[]>;
  checkpoint(): Promise<string | null>;
  sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null>;
  file(path: string): Promise<Uint8Array | null>;
  publish(): Promise<string>;
  connect(): AuditConnection | Promise<AuditConnection>;
  /** After the producer. */
  close(): Promise<void>;
}

class BackedLog implements OpenAuditLog {
  readonly vkey: string;
  readonly #backend: LogBackend;
  #closing: Promise<void> | null = null;
  #firstIndex: number;

  constructor(vkey: string, backend: LogBackend, firstIndex: number) {
    this.vkey = vkey;
    this.#firstIndex = firstIndex;
    this.#backend = backend;
  }

  get firstIndex(): number {
    return this.#firstIndex;
  }

  prunedBefore(index: number): void {
    this.#firstIndex = index;
  }

  get writable(): boolean {
    return this.#backend.producer.writable;
  }

  append(entry: EntryDraft, payloads?: readonly Payload[], signal?: AbortSignal): Promise<number> {
    return this.#backend.producer.append(entry, payloads, signal);
  }

  template(draft: TemplateDraft, payloads?: readonly Payload[]): EntryTemplate {
    return this.#backend.producer.template(draft, payloads);
  }

  release(template: EntryTemplate): void {
    this.#backend.producer.release(template);
  }

  post(template: EntryTemplate, variables: EntryVariables, payloads?: readonly Payload[]): Ticket {
    return this.#backend.producer.post(template, variables, payloads);
  }

  isRecorded(ticket: Ticket): boolean {
    return this.#backend.producer.isRecorded(ticket);
  }

  recorded(ticket: Ticket): Promise<void> {
    return this.#backend.producer.recorded(ticket);
  }

  forgetSession(session: string): void {
    this.#backend.producer.forgetSession(session);
  }

  size(): number {
    return this.#backend.size();
  }

  async *entries(from: number, to: number, signal?: AbortSignal): AsyncGenerator<EntryHeader> {
    for await (const { first, entries } of this.#bundles(from, to, signal)) {
      for (const [index, entry] of entries.entries()) yield decodeHeader(entry, first + index);
    }
  }

  async *leaves(from: number, to: number, signal?: AbortSignal): AsyncGenerator<{ header: EntryHeader; hash: string }> {
    for await (const { first, entries } of this.#bundles(from, to, signal)) {
      for (const [index, entry] of entries.entries()) {
        yield { header: decodeHeader(entry, first + index), hash: Buffer.from(leafHash(entry)).toString('hex') };
      }
    }
  }

  async *outlines(from: number, to: number): AsyncGenerator<EntryOutline[]> {
    for await (const { first, entries } of this.#bundles(from, to))
      yield entries.map((entry, index) => decodeOutline(entry, first + index));
  }

  async *#bundles(from: number, to: number, signal?: AbortSignal): AsyncGenerator<{ first: number; entries: readonly Buffer[] }> {
    const end = Math.min(to, this.size());
    for (let first = Math.max(this.#firstIndex, from); first < end;) {
      signal?.throwIfAborted();
      const entries = await this.#backend.read(first, end);
      if (entries.length === 0) throw new SallyportError('SP_AUDIT_CORRUPT', `entry ${first} cannot be read`);
      yield { first, entries };
      first += entries.length;
    }
  }

  checkpoint(): Promise<string | null> {
    return this.#backend.checkpoint();
  }

  sealed(ref: { readonly sha256: string; readonly key: string }): Promise<{ ciphertext: Uint8Array; wrappedKey: string } | null> {
    return this.#backend.sealed(ref);
  }

  file(path: string): Promise<Uint8Array | null> {
    return this.#backend.file(path);
  }

  publish(): Promise<string> {
    return this.#backend.publish();
  }

  async connect(): Promise<AuditConnection> {
    return this.#backend.connect();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#backend.producer.close();
    await this.#backend.close();
  }
}

/** Opens or creates the log, repairs a torn tail and appends `log.opened`.
 *  @throws SP_CONFIG_INVALID for options that cannot work, SP_AUDIT_CORRUPT when the directory is not what this log left
 *  behind, SP_AUDIT_UNWRITABLE when the disk cannot be used. */
export async function openAuditLog(options: AuditLogOptions): Promise<OpenAuditLog> {
  const { replica, recipients, disk } = options;
  if (!isReplicaName(replica))
    throw new SallyportError('SP_CONFIG_INVALID', 'the replica name has characters other than letters, digits, ".", "_", "-"');
  const current = parseSigningKey(options.signingKey, options.origin);
  const retiring = options.retiringKey === undefined ? null : parseSigningKey(options.retiringKey, options.origin);
  await checkRecipients(recipients);
  const writerOptions: OpenWriterOptions = {
    dir: resolve(options.dir),
    replica,
    recipients,
    maxPayloadBytes: options.maxPayloadBytes ?? 1024 * 1024,
    // A burst of new sessions finds keys ready; with injected faults, opening has made them all and nothing goes on behind.
    readyKeys: disk === undefined ? 64 : 8,
    segmentBytes: options.segmentBytes ?? 64 * 1024 * 1024,
    checkpointMs: options.checkpointMs ?? 1000,
    heartbeatMs: options.heartbeatMs ?? 60_000,
  };
  const backend =
    disk === undefined
      ? await openThreadedLog(options, writerOptions)
      : await openLocalLog(options, writerOptions, { current, retiring }, disk);
  try {
    return new BackedLog(current.vkey, backend, await readMinimumIndex(disk ?? nodeDisk, auditDirs(writerOptions.dir)));
  } catch (error) {
    await backend.producer.close();
    await backend.close();
    throw error;
  }
}
