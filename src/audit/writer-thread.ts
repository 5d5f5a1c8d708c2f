// The thread of the log's writer. It sleeps until a producer rings, blocked while nothing of its own is going on (a third of
// the latency of a wake-up through the event loop), and answers calls. What kills it stops the gateway's traffic.

import { randomBytes } from 'node:crypto';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { SallyportError } from '../core/error.ts';
import type { Logger } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import type { ProducerEnd } from './connection.ts';
import { nodeDisk } from './disk.ts';
import { parseSigningKey } from './keys.ts';
import { openWriter } from './open-writer.ts';
import { RingReceiver, WriterState } from './ring.ts';
import type { CallMessage, ControlMessage, ProgressMessage, RingEnd, ThreadData, WriterCall } from './thread-messages.ts';
import { toMessage } from './thread-messages.ts';
import type { NoteSigner } from './tlog/index.ts';
import { encodeBundle } from './tlog/index.ts';
import type { LogWriter } from './writer.ts';

/** How long entries that nobody waits for may lie in a ring. */
const POLL_MS = 40;
/** While something is going on that has to come to its end through the event loop. */
const BUSY_POLL_MS = 20;
/** How long timers may be late. */
const TURN_MS = 20;

const { control, state: memory } = workerData as ThreadData;
const state = new WriterState(memory);

function post(port: MessagePort, message: ControlMessage | ProgressMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
  port.postMessage(message);
}

function send(message: ControlMessage): void {
  post(control, message);
}

function logger(): Logger {
  const at =
    (level: 'info' | 'warn' | 'error'): Logger['info'] =>
    (fields, message) =>
      send({ kind: 'log', level, fields, message });
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

class RingProducer implements ProducerEnd {
  readonly #receiver: RingReceiver;
  readonly #end: RingEnd;
  readonly #writer: LogWriter;

  constructor(end: RingEnd, writer: LogWriter) {
    this.#end = end;
    this.#receiver = new RingReceiver(end.ring);
    this.#writer = writer;
  }

  get available(): number {
    return this.#receiver.available;
  }

  read(target: Buffer, at: number): number {
    const bytes = this.#receiver.read(target, at);
    if (this.#receiver.takeWish()) this.#tell({ kind: 'progress', appended: [] });
    return bytes;
  }

  recorded(tickets: number, appended: readonly number[], isAwaited: boolean): void {
    state.size = this.#writer.size();
    this.#receiver.setDurable(tickets);
    if (isAwaited) this.#tell({ kind: 'progress', appended });
  }

  failed(fault: SallyportError): void {
    this.#tell({ kind: 'fault', error: toMessage(fault) });
  }

  #tell(message: ProgressMessage): void {
    post(this.#end.port, message);
  }
}

class WriterThread {
  #writer: LogWriter | null = null;
  #calls = 0;
  #isOver = false;

  async run(): Promise<void> {
    // Ports without a listener and blocked waits keep no thread alive.
    const alive = setInterval(() => undefined, 0x7fffffff);
    let turnedMs = performance.now();
    const turn = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      turnedMs = performance.now();
    };
    while (!this.#isOver) {
      const { rings } = state;
      for (let got = receiveMessageOnPort(control); got !== undefined; got = receiveMessageOnPort(control)) {
        void this.#answer(got.message as CallMessage);
      }
      await this.#writer?.work();
      if (this.#calls > 0 || this.#writer === null || this.#writer.isBusy) {
        const rung = state.waitAsync(rings, BUSY_POLL_MS);
        // Never without a turn: what is going on could not come to its end.
        if (rung === null || performance.now() - turnedMs > TURN_MS) await turn();
        await rung;
      } else {
        state.wait(rings, POLL_MS);
        if (performance.now() - turnedMs > TURN_MS) await turn();
      }
    }
    clearInterval(alive);
    control.close();
  }

  async #answer({ id, call }: CallMessage): Promise<void> {
    this.#calls += 1;
    try {
      send({ kind: 'answer', id, value: await this.#call(call) });
    } catch (error) {
      send({ kind: 'error', id, error: toMessage(error) });
      if (call.method === 'open') this.#isOver = true;
    } finally {
      this.#calls -= 1;
      if (call.method === 'close') this.#isOver = true;
    }
  }

  async #call(call: WriterCall): Promise<unknown> {
    if (call.method === 'open') {
      const signer = (key: string): NoteSigner => parseSigningKey(new Secret(key), call.origin);
      const retiring = call.retiringKey === null ? null : signer(call.retiringKey);
      this.#writer = await openWriter(
        call.options,
        { current: signer(call.signingKey), retiring },
        {
          disk: nodeDisk,
          clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
          random: { bytes: (length) => randomBytes(length) },
          logger: logger(),
          onFault: () => state.fail(),
        },
      );
      state.size = this.#writer.size();
      return null;
    }
    const writer = this.#writer;
    if (writer === null) throw new SallyportError('SP_AUDIT_UNWRITABLE', 'the audit log is not open');
    switch (call.method) {
      case 'connect': {
        const end = new RingProducer(call.end, writer);
        writer.connect(end);
        call.end.port.on('close', () => writer.disconnect(end));
        return null;
      }
      case 'read':
        // One buffer: quicker to clone.
        return encodeBundle(await writer.read(call.from, call.to));
      case 'sealed':
        return writer.sealed(call.ref);
      case 'file':
        return writer.file(call.path);
      case 'checkpoint':
        return writer.checkpoint();
      case 'publish':
        return writer.publish();
      case 'close':
        return writer.close();
    }
  }
}

await new WriterThread().run();
