// The threads that mask. A transform belongs to one thread; how many there are at a time is bounded by what they weigh, further ones wait
// their turn. REFUSES: going on with what a thread had when it ended: its answers are refused, and a new thread takes the next ones.

import { Worker } from 'node:worker_threads';
import { type ErrorCode, SallyportError } from '../../../core/error.ts';
import type { Stepped, TransformOptions } from './transform.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';
import { threadSource } from './worker-source.ts';

/** What a thread may carry, and what each format weighs: an Arrow batch is held whole. */
const CAPACITY = 16;
/** Of it, what is kept for answers: clients that read their chunks slowly must not stop those of others. */
const RESERVED = 8;
const weights = { json: 1, arrow: 8 } as const;
/** A thread that needs more has gone wrong. */
const HEAP = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

/** Compressed bytes that are given at a time: what they become is held whole. */
export const STEP_BYTES = 32 * 1024;

/** One stream that is being masked. */
export interface RemoteTransform {
  /** Calls must not overlap. @param bytes copied; null = that was all @throws SallyportError */
  step(bytes: Uint8Array | null): Promise<Stepped>;
  /** Frees its place. Idempotent. */
  close(): void;
}

interface Pending {
  readonly resolve: (stepped: Stepped | null) => void;
  readonly reject: (fault: SallyportError) => void;
}

interface Waiting {
  readonly weight: number;
  readonly limit: number;
  readonly start: (thread: Thread) => void;
}

export class ResultPool {
  readonly #threads: Thread[];
  readonly #waiting: Waiting[] = [];
  #isClosed = false;

  constructor(workers: number, source: typeof threadSource = threadSource) {
    this.#threads = Array.from({ length: workers }, () => new Thread(source));
  }

  /** Waits for a place. @param use `answer`: it is over soon; `chunk`: it takes as long as its client
   *  @throws what `signal` was aborted with, SP_SHUTTING_DOWN, SP_INTERNAL */
  async open(options: TransformOptions, use: 'answer' | 'chunk', signal: AbortSignal): Promise<RemoteTransform> {
    const weight = weights[options.format];
    const thread = await this.#place(weight, use, signal);
    const free = (): void => {
      thread.load -= weight;
      this.#next();
    };
    try {
      return await thread.open(options, free);
    } catch (fault) {
      free();
      throw fault;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #place(weight: number, use: 'answer' | 'chunk', signal: AbortSignal): Promise<Thread> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new SallyportError('SP_SHUTTING_DOWN', 'the result pool is closed'));
      if (signal.aborted) return reject(signal.reason as Error);
      const waiting: Waiting = {
        weight,
        limit: use === 'answer' ? CAPACITY : CAPACITY - RESERVED,
        start: (thread) => {
          signal.removeEventListener('abort', gone);
          thread.load += weight;
          resolve(thread);
        },
      };
      const gone = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', gone, { once: true });
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  /** In turn, of those that are for the same use: a heavy one is not passed by light ones. */
  #next(): void {
    for (const limit of [CAPACITY, CAPACITY - RESERVED]) {
      for (;;) {
        const first = this.#waiting.find((each) => each.limit === limit);
        const thread = this.#threads.toSorted((a, b) => a.load - b.load)[0];
        if (first === undefined || thread === undefined || thread.load + first.weight > limit) break;
        this.#waiting.splice(this.#waiting.indexOf(first), 1);
        first.start(thread);
      }
    }
  }
}

class Thread {
  load = 0;
  #worker: Worker | null = null;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #transforms = 0;
  #isOver = false;
  readonly #source: typeof threadSource;

  constructor(source: typeof threadSource) {
    this.#source = source;
  }

  async open(options: TransformOptions, free: () => void): Promise<RemoteTransform> {
    const worker = this.#running();
    this.#transforms += 1;
    const transform = this.#transforms;
    await this.#call(worker, { kind: 'open', call: this.#nextCall(), transform, options });
    let isOpen = true;
    return {
      step: async (bytes) => {
        // A thread that took its place knows nothing of this one.
        if (this.#worker !== worker || !isOpen) throw ended();
        const copy = bytes === null ? null : new Uint8Array(bytes);
        const transfer = copy === null ? [] : [copy.buffer];
        const stepped = await this.#call(worker, { kind: 'step', call: this.#nextCall(), transform, bytes: copy }, transfer);
        if (stepped === null) throw ended();
        return stepped;
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        if (this.#worker === worker) this.#post(worker, { kind: 'close', transform });
        free();
      },
    };
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#worker?.terminate();
  }

  #nextCall(): number {
    this.#calls += 1;
    return this.#calls;
  }

  #post(worker: Worker, message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    worker.postMessage(message, [...transfer]);
  }

  #call(worker: Worker, message: Exclude<ToWorker, { kind: 'close' }>, transfer: readonly ArrayBuffer[] = []): Promise<Stepped | null> {
    return new Promise((resolve, reject) => {
      this.#pending.set(message.call, { resolve, reject });
      worker.ref();
      this.#post(worker, message, transfer);
    });
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker;
    if (this.#isOver) throw new SallyportError('SP_SHUTTING_DOWN', 'the result pool is closed');
    const worker = new Worker(this.#source.code, {
      eval: this.#source.isText,
      name: 'results',
      // Nothing of the process's own: no secret in its environment is its business.
      env: {},
      argv: [],
      execArgv: [],
      resourceLimits: HEAP,
    });
    worker.on('message', (message: FromWorker) => {
      const pending = this.#pending.get(message.call);
      this.#pending.delete(message.call);
      if ('fault' in message) pending?.reject(new SallyportError(message.fault.code as ErrorCode, message.fault.message));
      else pending?.resolve(message.stepped);
      // An idle thread keeps nobody from ending.
      if (this.#pending.size === 0) worker.unref();
    });
    // Its exit follows, and is what counts.
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      for (const { reject } of this.#pending.values()) reject(ended());
      this.#pending.clear();
    });
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}

function ended(): SallyportError {
  return new SallyportError('SP_INTERNAL', 'a thread of the result pool has ended');
}
