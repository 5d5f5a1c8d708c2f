// The writer of the log in the thread of its only producer, for disks that cannot cross to another thread: those that
// inject faults. Same stream, same writer, same promises as with a thread of its own.

import { SallyportError } from '../core/error.ts';
import type { ProducerEnd } from './connection.ts';
import type { LogSigners } from './key-files.ts';
import type { AuditLogOptions, LogBackend } from './log.ts';
import type { OpenWriterOptions } from './open-writer.ts';
import { openWriter } from './open-writer.ts';
import type { Disk } from './disk.ts';
import { Producer } from './producer.ts';
import type { WriterLink } from './producer.ts';
import type { LogWriter } from './writer.ts';
import { IDLE_COMMIT_MS } from './writer.ts';

class LocalLink implements WriterLink, ProducerEnd {
  durable = 0;
  hasFailed = false;
  readonly #writer: LogWriter;
  #producer: Producer | null = null;
  #chunks: Buffer[] = [];
  #idle: NodeJS.Timeout | null = null;

  constructor(writer: LogWriter) {
    this.#writer = writer;
  }

  attach(producer: Producer): void {
    this.#producer = producer;
    this.#writer.connect(this);
  }

  send(bytes: Buffer): number {
    this.#chunks.push(Buffer.from(bytes));
    this.#watch();
    return bytes.length;
  }

  ring(): void {
    void this.#writer.work();
  }

  /** Nobody may ever ring for what was sent. */
  #watch(): void {
    this.#idle ??= setTimeout(() => {
      this.#idle = null;
      void this.#writer.work().then(() => this.#writer.work(true));
    }, IDLE_COMMIT_MS).unref();
  }

  get available(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  read(target: Buffer, at: number): number {
    let end = at;
    while (end < target.length) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const copied = chunk.copy(target, end);
      end += copied;
      if (copied < chunk.length) this.#chunks[0] = chunk.subarray(copied);
      else this.#chunks.shift();
    }
    return end - at;
  }

  recorded(tickets: number, appended: readonly number[]): void {
    this.durable = tickets;
    this.#producer?.progressed(appended);
  }

  failed(fault: SallyportError): void {
    this.hasFailed = true;
    this.#producer?.failed(fault);
  }

  stop(): void {
    if (this.#idle !== null) clearTimeout(this.#idle);
  }
}

export async function openLocalLog(
  options: AuditLogOptions,
  writerOptions: OpenWriterOptions,
  signers: LogSigners,
  disk: Disk,
): Promise<LogBackend> {
  const { clock, random, logger, onFatal } = options;
  const writer = await openWriter(writerOptions, signers, { disk, clock, random, logger, onFault: (fault) => onFatal?.(fault) });
  const link = new LocalLink(writer);
  const producer = new Producer({ link, durability: options.durability ?? 'durable', clock });
  link.attach(producer);
  return {
    producer,
    size: () => writer.size(),
    read: (from, to) => writer.read(from, to),
    checkpoint: async () => writer.checkpoint(),
    sealed: (ref) => writer.sealed(ref),
    file: (path) => writer.file(path),
    publish: () => writer.publish(),
    close: async () => {
      link.stop();
      await writer.close();
    },
    connect: () => {
      throw new SallyportError('SP_INTERNAL', 'an audit log on a disk of this thread has no connections to others');
    },
  };
}
