// The log with its writer in a thread of its own: starts the thread, calls it, and connects producers to it. A thread that ends
// unasked is a fault like any other: everything after it is refused.

import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import type { AuditLog, Clock } from '../core/ports.ts';
import type { AuditLogOptions, LogBackend } from './log.ts';
import type { OpenWriterOptions } from './open-writer.ts';
import type { Durability, WriterLink } from './producer.ts';
import { Producer, refusal } from './producer.ts';
import { createRing, RingSender, WriterState } from './ring.ts';
import type { CallMessage, ControlMessage, ProgressMessage, ThreadData, WriterCall } from './thread-messages.ts';
import { fromMessage } from './thread-messages.ts';
import { threadSource } from './thread-source.ts';
import { decodeBundle } from './tlog/index.ts';

/** Rung when this part of the ring waits to be read, although nobody waits for the entries. */
const RING_AT = 0.5;

/** A producer's way to the writer, ready to cross to another thread. `port` must be in the `transferList`. */
export interface AuditConnection {
  readonly state: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly durability: Durability;
}

/** The log for a further thread of the gateway. */
export interface ConnectedAuditLog extends AuditLog {
  /** Drops the data key and the templates of a session. `session.close` does it too. */
  forgetSession(session: string): void;
  /** Resolves when all that was accepted is durable. The log itself stays open. */
  close(): Promise<void>;
}

function writerEnded(why?: string): SallyportError {
  return new SallyportError('SP_AUDIT_UNWRITABLE', `audit log: the writer's thread has ended${why === undefined ? '' : ` (${why})`}`);
}

class RingLink implements WriterLink {
  readonly #state: WriterState;
  readonly #sender: RingSender;

  constructor(connection: Pick<AuditConnection, 'state' | 'ring'>) {
    this.#state = new WriterState(connection.state);
    this.#sender = new RingSender(connection.ring);
  }

  send(bytes: Buffer): number {
    const sent = this.#sender.send(bytes);
    if (this.#sender.fill >= RING_AT) this.ring();
    return sent;
  }

  ring(): void {
    this.#state.ring();
  }

  get durable(): number {
    return this.#sender.durable;
  }

  get hasFailed(): boolean {
    return this.#state.hasFailed;
  }
}

function listen(port: MessagePort, producer: Producer, onFault: (fault: SallyportError) => void): void {
  port.on('message', (message: ProgressMessage) => {
    if (message.kind === 'progress') producer.progressed(message.appended);
    else onFault(fromMessage(message.error));
  });
}

/** Connects this thread to the log that another thread of the process has opened.
 *  @param onFatal called once, when the log can no longer promise durability: this thread must stop taking traffic. */
export function connectAuditLog(connection: AuditConnection, clock: Clock, onFatal: (fault: SallyportError) => void): ConnectedAuditLog {
  const { port, durability } = connection;
  const link = new RingLink(connection);
  const producer = new Producer({ link, durability, clock });
  let isClosed = false;
  const onFault = (fault: SallyportError): void => {
    if (isClosed || producer.isFailed) return;
    producer.failed(fault);
    onFatal(fault);
  };
  listen(port, producer, onFault);
  // The other end is in the writer's thread and closes with it, however that ends. Nobody else would tell this thread.
  port.on('close', () => onFault(writerEnded()));
  // It has stopped before: no message will come. Told later, as any fault.
  if (link.hasFailed) setImmediate(() => onFault(refusal(null)));
  return {
    append: (entry, payloads, signal) => producer.append(entry, payloads, signal),
    template: (draft, payloads) => producer.template(draft, payloads),
    release: (template) => producer.release(template),
    post: (template, variables, payloads) => producer.post(template, variables, payloads),
    isRecorded: (ticket) => producer.isRecorded(ticket),
    recorded: (ticket) => producer.recorded(ticket),
    forgetSession: (session) => producer.forgetSession(session),
    get writable() {
      return producer.writable;
    },
    async close() {
      await producer.close();
      isClosed = true;
      port.close();
    },
  };
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SallyportError) => void;
}

class WriterClient {
  readonly state = new WriterState();
  readonly #worker: Worker;
  readonly #control: MessagePort;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #next = 0;
  #isOver = false;

  constructor(options: AuditLogOptions, onDeath: (fault: SallyportError) => void) {
    const { port1, port2 } = new MessageChannel();
    const data: ThreadData = { control: port2, state: this.state.memory };
    this.#control = port1;
    this.#worker = new Worker(threadSource.code, {
      eval: threadSource.isText,
      name: 'audit log',
      workerData: data,
      transferList: [port2],
      // Nothing of the process's own: no secret in its environment is the log's business.
      env: {},
      argv: [],
      execArgv: [],
    });
    port1.on('message', (message: ControlMessage) => {
      if (message.kind === 'log') {
        options.logger[message.level](message.fields, message.message);
        return;
      }
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.kind === 'answer') pending?.resolve(message.value);
      else pending?.reject(fromMessage(message.error));
    });
    let cause: unknown = null;
    this.#worker.on('error', (error) => (cause = error));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        resolve();
        port1.close();
        // WHY only its name: what it says may quote what it worked on.
        const fault = writerEnded(cause instanceof Error ? cause.name : 'no error');
        // Whether it was to end or not: nobody will answer these.
        for (const { reject } of this.#pending.values()) reject(fault);
        this.#pending.clear();
        if (this.#isOver) return;
        this.#isOver = true;
        this.state.fail();
        onDeath(fault);
      });
    });
  }

  call<Value>(call: WriterCall, transfer: MessagePort[] = []): Promise<Value> {
    if (this.#isOver) return Promise.reject(refusal(null));
    const id = this.#next++;
    const message: CallMessage = { id, call };
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#control.postMessage(message, transfer);
    this.state.ring();
    return answer as Promise<Value>;
  }

  /** After the last call has ended the thread by itself. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }
}

async function connect(client: WriterClient, durability: Durability): Promise<AuditConnection> {
  const { port1, port2 } = new MessageChannel();
  const ring = createRing();
  await client.call({ method: 'connect', end: { ring, port: port2 } }, [port2]);
  return { state: client.state.memory, ring, port: port1, durability };
}

export async function openThreadedLog(options: AuditLogOptions, writerOptions: OpenWriterOptions): Promise<LogBackend> {
  let producer: Producer | null = null;
  const onFault = (fault: SallyportError): void => {
    if (producer === null || producer.isFailed) return;
    producer.failed(fault);
    options.onFatal?.(fault);
  };
  const client = new WriterClient(options, (fault) => {
    options.logger.error({ code: fault.code }, fault.message);
    onFault(fault);
  });
  const durability = options.durability ?? 'durable';
  try {
    const signingKey = options.signingKey.reveal();
    const retiringKey = options.retiringKey?.reveal() ?? null;
    await client.call({ method: 'open', options: writerOptions, origin: options.origin, signingKey, retiringKey });
  } catch (error) {
    await client.end();
    throw error;
  }
  const connection = await connect(client, durability);
  const opened = new Producer({ link: new RingLink(connection), durability, clock: options.clock });
  producer = opened;
  listen(connection.port, opened, onFault);
  return {
    producer: opened,
    size: () => client.state.size,
    read: async (from, to) => decodeBundle(await client.call<Uint8Array>({ method: 'read', from, to })),
    checkpoint: () => client.call({ method: 'checkpoint' }),
    sealed: (ref) => client.call({ method: 'sealed', ref: { sha256: ref.sha256, key: ref.key } }),
    file: (path) => client.call({ method: 'file', path }),
    publish: () => client.call({ method: 'publish' }),
    connect: () => connect(client, durability),
    async close() {
      try {
        await client.call({ method: 'close' });
      } finally {
        connection.port.close();
        await client.end();
      }
    },
  };
}
