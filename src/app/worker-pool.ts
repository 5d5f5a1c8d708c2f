// The main thread's side of the workers: starts them, answers what they ask, and asks them what concerns the whole process.
// They live and end together with it. REFUSES: going on with fewer: a worker that ends unasked is a fault of the gateway.

import { Worker } from 'node:worker_threads';
import type { AuditConnection } from '../audit/index.ts';
import { SallyportError } from '../core/error.ts';
import type { AccessSnapshot } from '../core/grant.ts';
import type { SessionId, Sha256Hex } from '../core/ids.ts';
import type { ApprovalDesk, Logger, SharedBoundColumns } from '../core/ports.ts';
import { boundColumnHandlers } from './bound-columns.ts';
import { deskHandlers } from './remote-desk.ts';
import { ThreadCalls } from './thread-calls.ts';
import { catalogueChecks, type TrafficSettings } from './traffic.ts';
import { type CancelKey, type MainCalls, type MetricsSnapshot, toPlain, type WorkerCalls, type WorkerData } from './worker-messages.ts';
import { workerSource } from './worker-source.ts';

export interface WorkerPoolDeps {
  /** Beside the main thread; may be 0. */
  readonly workers: number;
  readonly settings: TrafficSettings;
  readonly policySha256: Sha256Hex;
  readonly connectAudit: () => Promise<AuditConnection>;
  readonly slots: SharedArrayBuffer;
  readonly boundVersion: SharedArrayBuffer;
  readonly boundColumns: SharedBoundColumns;
  readonly approvals: ApprovalDesk;
  /** Of the main thread's own sessions. */
  readonly cancel: (key: CancelKey) => boolean;
  readonly loginFailed: (address: string) => void;
  readonly logger: Logger;
  /** Called once. The process must stop taking traffic and end. */
  readonly onDeath: (fault: SallyportError) => void;
}

export interface WorkerPool {
  /** Has all workers listen on the port that the main thread has bound. */
  listen(index: number, port: number): Promise<void>;
  /** @returns whether a session of a worker has exactly this key. */
  cancel(key: CancelKey): Promise<boolean>;
  loginFailed(address: string): void;
  /** Tells all workers. A worker that does not answer in time is reported, not waited for: it has the message all the same.
   *  Never rejects. */
  access(snapshot: AccessSnapshot): Promise<void>;
  /** @throws SP_INTERNAL when a worker does not answer: a sum without it would be wrong. */
  metrics(): Promise<MetricsSnapshot[]>;
  /** All have loaded the version on return. @throws SP_INTERNAL when one has not: none uses it then */
  preparePolicy(version: { readonly source: string; readonly sha256: Sha256Hex }): Promise<void>;
  /** Never rejects: a worker that does not follow ends the gateway, because it would go on under another policy. */
  usePolicy(sha256: Sha256Hex): Promise<void>;
  /** @returns whether a worker has it; it has been told to end. @throws SP_INTERNAL when none has, and one does not answer */
  endSession(id: SessionId): Promise<boolean>;
  /** Name of each check -> `ok` or what is wrong. */
  checks(): Promise<Map<string, string>>;
  refuseSessions(): Promise<void>;
  /** Never rejects. */
  drain(signal: AbortSignal): Promise<void>;
  /** Ends the threads, after what they recorded is durable. Never rejects. */
  close(): Promise<void>;
}

/** How long an answer about a worker's state may take. */
const answerMs = 5_000;
/** How long they may take to confirm a change of grants or locks. */
const accessMs = 1_000;
/** How long they may take to load a policy. */
const policyMs = 60_000;
/** How long after its time limit a worker may take to end. */
const graceMs = 5_000;

/** @throws what the workers' start throws */
export async function startWorkers(deps: WorkerPoolDeps): Promise<WorkerPool> {
  const threads: WorkerThread[] = [];
  let isReported = false;
  const onDeath = (fault: SallyportError): void => {
    if (!isReported) deps.onDeath(fault);
    isReported = true;
  };
  try {
    for (let thread = 1; thread <= deps.workers; thread += 1) {
      const data: WorkerData = {
        role: 'traffic',
        thread,
        settings: toPlain(deps.settings),
        policySha256: deps.policySha256,
        audit: await deps.connectAudit(),
        slots: deps.slots,
        boundVersion: deps.boundVersion,
      };
      threads.push(new WorkerThread(data, (asker) => handlersFor(asker, threads, deps)));
    }
    await Promise.all(threads.map(({ calls }) => calls.call('start', null)));
  } catch (fault) {
    await Promise.all(threads.map((thread) => thread.end()));
    throw fault;
  }
  for (const thread of threads) void thread.died.then(onDeath);
  return {
    async listen(index, port) {
      await Promise.all(threads.map(({ calls }) => calls.call('listen', { index, port })));
    },
    cancel: (key) => cancelOn(threads, key),
    loginFailed(address) {
      for (const { calls } of threads) calls.tell('loginFailed', address);
    },
    async access(snapshot) {
      const told = await Promise.allSettled(threads.map(({ calls }) => inTime(calls.call('access', snapshot), accessMs)));
      const late = threads.filter((_, index) => told[index]?.status === 'rejected').map(({ number }) => number);
      if (late.length > 0) deps.logger.error({ workers: late.join(' ') }, 'workers have not confirmed a change of grants or locks in time');
    },
    async preparePolicy(version) {
      await Promise.all(threads.map(({ calls }) => inTime(calls.call('preparePolicy', version), policyMs)));
    },
    async usePolicy(sha256) {
      const told = await Promise.allSettled(threads.map(({ calls }) => inTime(calls.call('usePolicy', sha256))));
      const late = threads.find((_, index) => told[index]?.status === 'rejected');
      if (late !== undefined) onDeath(new SallyportError('SP_INTERNAL', `worker ${late.number} has not taken over the policy`));
    },
    metrics: () => Promise.all(threads.map(({ calls }) => inTime(calls.call('metrics', null)))),
    async endSession(id) {
      const told = await Promise.allSettled(threads.map(({ calls }) => inTime(calls.call('endSession', id))));
      if (told.some((answer) => answer.status === 'fulfilled' && answer.value)) return true;
      const silent = told.find((answer) => answer.status === 'rejected');
      if (silent !== undefined) throw silent.reason;
      return false;
    },
    async checks() {
      const checks = new Map<string, string>();
      for (const { number, calls } of threads) {
        const statuses = await inTime(calls.call('status', null)).catch(() => null);
        if (statuses === null) checks.set(`worker ${number}`, 'does not answer');
        else for (const [name, state] of catalogueChecks(statuses)) checks.set(`worker ${number}, ${name}`, state);
      }
      return checks;
    },
    async refuseSessions() {
      await Promise.allSettled(threads.map(({ calls }) => inTime(calls.call('refuseSessions', null))));
    },
    async drain(signal) {
      const isCut = new Promise<void>((cut) => {
        if (signal.aborted) cut();
        else signal.addEventListener('abort', () => cut(), { once: true });
      });
      const late = isCut.then(() => sleep(graceMs));
      await Promise.all(threads.map(({ calls }) => Promise.race([calls.call('drain', null, signal).catch(() => undefined), late])));
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

class WorkerThread {
  readonly number: number;
  readonly calls: ThreadCalls<WorkerCalls, MainCalls>;
  /** Resolves when the thread ends without having been told to. */
  readonly died: Promise<SallyportError>;
  readonly #worker: Worker;
  #isEnding = false;

  constructor(data: WorkerData, handlers: (asker: WorkerThread) => ConstructorParameters<typeof ThreadCalls<WorkerCalls, MainCalls>>[1]) {
    this.number = data.thread;
    this.#worker = new Worker(workerSource, { name: `worker ${data.thread}`, argv: [], workerData: data, transferList: [data.audit.port] });
    this.calls = new ThreadCalls<WorkerCalls, MainCalls>(this.#worker, handlers(this));
    let cause: unknown = null;
    this.#worker.on('error', (error) => (cause = error));
    this.died = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        const fault = new SallyportError('SP_INTERNAL', `worker ${this.number} has ended (${nameOf(cause)})`);
        this.calls.end(fault);
        if (!this.#isEnding) resolve(fault);
      });
    });
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    await Promise.race([this.calls.call('close', null).catch(() => undefined), sleep(graceMs)]);
    await this.end();
  }

  /** At once. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
  }
}

/** WHY not its message: that may quote what it worked on. */
function nameOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no error';
  const { code } = cause as NodeJS.ErrnoException;
  return typeof code === 'string' && /^ERR_WORKER_[A-Z_]+$/.test(code) ? code : cause.name;
}

function handlersFor(asker: WorkerThread, threads: readonly WorkerThread[], deps: WorkerPoolDeps) {
  const others = (): readonly WorkerThread[] => threads.filter((thread) => thread !== asker);
  return {
    ...deskHandlers(deps.approvals),
    ...boundColumnHandlers(deps.boundColumns),
    cancel: async (key: CancelKey) => deps.cancel(key) || cancelOn(others(), key),
    async loginFailed(address: string) {
      deps.loginFailed(address);
      for (const { calls } of others()) calls.tell('loginFailed', address);
    },
    async log({ level, fields, message }: MainCalls['log']['argument']) {
      deps.logger[level](fields, message);
    },
  };
}

async function cancelOn(threads: readonly WorkerThread[], key: CancelKey): Promise<boolean> {
  // A key belongs to one session: whoever has it says so, in constant time.
  const answers = await Promise.all(threads.map(({ calls }) => calls.call('cancel', { pid: key.pid, key: Uint8Array.from(key.key) })));
  return answers.includes(true);
}

async function inTime<T>(answer: Promise<T>, withinMs = answerMs): Promise<T> {
  const tooLate = sleep(withinMs).then((): never => {
    throw new SallyportError('SP_INTERNAL', 'a worker does not answer');
  });
  return Promise.race([answer, tooLate]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
