// The end of the subject index that one thread writes: records of a turn share one write and one datasync.
// REFUSES: everything after the first fault of the disk; a failed sync is never retried.

import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import type { Settling, SubjectIndex, SubjectRecord } from '../core/subject.ts';
import { dayOf, fileName, syncDirectory } from './files.ts';
import { encodeRecord, MAGIC } from './format.ts';
import type { SubjectKey } from './keys.ts';

export interface SubjectWriterDeps {
  readonly dir: string;
  readonly key: SubjectKey;
  /** Number of this thread. */
  readonly thread: number;
  readonly clock: Clock;
  /** False: a record counts as done when it was taken over, as entries of a buffered log do. */
  readonly isDurable: boolean;
  /** Called once: no statement that touches a subject can be answered any more. */
  readonly onFatal: (fault: SallyportError) => void;
  /** For tests. */
  readonly openFile?: (path: string) => Promise<Pick<FileHandle, 'write' | 'datasync' | 'close'>>;
}

interface Waiting {
  readonly record: number;
  readonly resolve: () => void;
  readonly reject: (fault: SallyportError) => void;
}

interface Segment {
  readonly name: string;
  readonly day: string;
  readonly file: Pick<FileHandle, 'write' | 'datasync' | 'close'>;
  at: number;
}

export class SubjectWriter implements SubjectIndex {
  readonly #deps: SubjectWriterDeps;
  #segment: Segment | null = null;
  #queue: SubjectRecord[] = [];
  #appended = 0;
  #durable = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  #fault: SallyportError | null = null;

  constructor(deps: SubjectWriterDeps) {
    this.#deps = deps;
  }

  digest(target: TargetName, subject: string, key: string): Uint8Array {
    return this.#deps.key.digest(target, subject, key);
  }

  append(record: SubjectRecord): Settling {
    if (this.#fault !== null) throw this.#fault;
    this.#queue.push(record);
    this.#appended += 1;
    const number = this.#appended;
    this.#writing ??= this.#write();
    const isDone = (): boolean => this.#fault === null && (this.#durable >= number || !this.#deps.isDurable);
    return {
      get isDone() {
        return isDone();
      },
      wait: () => (isDone() ? Promise.resolve() : this.#settled(number)),
    };
  }

  /** Resolves when everything so far is durable, or cannot be. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#segment?.file.close().catch(() => undefined);
    this.#segment = null;
  }

  #settled(record: number): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ record, resolve, reject });
    return promise;
  }

  async #write(): Promise<void> {
    try {
      // What comes in the same turn goes along.
      await Promise.resolve();
      while (this.#queue.length > 0) {
        const segment = await this.#open();
        const records = this.#queue;
        this.#queue = [];
        const encoded: Buffer[] = [];
        let { at } = segment;
        for (const record of records) {
          const bytes = encodeRecord(record, this.#deps.key, segment.name, at);
          encoded.push(bytes);
          at += bytes.length;
        }
        await writeAll(segment.file, Buffer.concat(encoded));
        await segment.file.datasync();
        segment.at = at;
        this.#durable += records.length;
        const done = this.#waiting.filter(({ record }) => record <= this.#durable);
        this.#waiting = this.#waiting.filter(({ record }) => record > this.#durable);
        for (const { resolve } of done) resolve();
      }
      // In the turn in which the queue was empty: what comes next begins anew.
      this.#writing = null;
    } catch (cause) {
      this.#fault = new SallyportError('SP_AUDIT_UNWRITABLE', 'the subject index cannot be written', { cause });
      for (const { reject } of this.#waiting.splice(0)) reject(this.#fault);
      this.#writing = null;
      this.#deps.onFatal(this.#fault);
    }
  }

  async #open(): Promise<Segment> {
    const { dir, key, thread, clock, openFile = (path: string) => open(path, 'wx', 0o600) } = this.#deps;
    const nowMs = clock.nowMs();
    const day = dayOf(nowMs);
    if (this.#segment?.day === day) return this.#segment;
    await this.#segment?.file.close();
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const name = fileName(nowMs, nowMs, thread, key.id);
    const file = await openFile(join(dir, name));
    await writeAll(file, MAGIC);
    await file.datasync();
    await syncDirectory(dir);
    await syncDirectory(dirname(dir));
    this.#segment = { name, day, file, at: MAGIC.length };
    return this.#segment;
  }
}

async function writeAll(file: Pick<FileHandle, 'write'>, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
    if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
    at += bytesWritten;
  }
}
