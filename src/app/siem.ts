// The main thread's side of the SIEM export: the thread that does it, cursors, alarms, metrics. A thread that ends unasked is started
// again: the cursors are in the store, and statements have no part in it.

import { Worker } from 'node:worker_threads';
import type { Registry } from 'prom-client';
import { SallyportError } from '../core/error.ts';
import type { ActorRef } from '../core/identity.ts';
import type { AuditLog, Clock, Logger, Random } from '../core/ports.ts';
import { delayAfter } from '../notify/index.ts';
import type { CursorStore, ExporterState } from '../siem/index.ts';
import { readCounter, readGauge } from './read-metrics.ts';
import type { SiemMainCalls, SiemThreadCalls, SiemThreadData } from './siem-messages.ts';
import { plainSettings, type SiemSettings } from './siem-settings.ts';
import { type Handlers, ThreadCalls } from './thread-calls.ts';
import { VERSION } from './version.ts';
import { workerSource } from './worker-source.ts';

export interface SiemStatus extends ExporterState {
  /** Entries of the log that were not taken yet. */
  readonly lag: number;
}

/** Where a destination is to go on: an index, or one of the ends. */
export type ResetTo = 'beginning' | 'now' | number;

export interface GatewaySiem {
  status(): readonly SiemStatus[];
  /** Entries from it on are wanted by a destination, the last one that it has taken among them; Infinity = none is wanted. */
  readonly wantedFrom: () => number;
  /** Goes on elsewhere, after an entry says by whom. @throws SP_API_NOT_FOUND, SP_API_BAD_REQUEST, SP_AUDIT_UNWRITABLE */
  reset(by: ActorRef, destination: string, to: ResetTo): Promise<SiemStatus>;
  /** @throws SP_STORE_UNAVAILABLE */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SiemDeps {
  /** The directory given to `openAuditLog`. */
  readonly auditDirectory: string;
  readonly origin: string;
  readonly audit: Pick<AuditLog, 'append'> & { readonly firstIndex: number; size(): number; publish(): Promise<string> };
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: standard output. */
  readonly write?: (text: string) => Promise<void>;
}

const STOP_MS = 15_000;
const LONGEST_RESTART_MS = 60_000;

interface Thread {
  readonly worker: Worker;
  readonly calls: ThreadCalls<SiemThreadCalls, SiemMainCalls>;
  readonly ended: Promise<void>;
}

export function createGatewaySiem(settings: readonly SiemSettings[], deps: SiemDeps, registry: Registry): GatewaySiem {
  const { audit, cursors, clock, random, logger } = deps;
  let states: readonly ExporterState[] = settings.map(({ name, kind, startAt }) => ({
    name,
    kind,
    startAt,
    next: 0,
    since: null,
    sent: 0,
    failures: 0,
    fault: null,
  }));
  let thread: Thread | null = null;
  let isStopping = false;
  let deaths = 0;
  let restart: NodeJS.Timeout | null = null;
  let resetting: Promise<unknown> = Promise.resolve();
  /** What threads before this one have counted. */
  let before = new Map<string, ExporterState>();

  const handlers: Handlers<SiemMainCalls> = {
    load: (destination) => cursors.load(destination),
    save: ({ destination, cursor }) => cursors.save(destination, cursor, clock.nowMs()),
    alarm: async (detail) => void (await audit.append({ type: 'alarm', detail })),
    write: deps.write ?? writeStdout,
    states: async (told) => {
      states = told.map((state) => {
        const { sent = 0, failures = 0 } = before.get(state.name) ?? {};
        return { ...state, sent: sent + state.sent, failures: failures + state.failures };
      });
    },
    log: async ({ level, fields, message }) => logger[level](fields, message),
  };

  const startThread = async (): Promise<void> => {
    const data: SiemThreadData = {
      role: 'siem',
      settings: settings.map(plainSettings),
      context: { origin: deps.origin, version: VERSION },
      auditDirectory: deps.auditDirectory,
    };
    const worker = new Worker(workerSource, { name: 'siem', argv: [], workerData: data });
    const calls = new ThreadCalls<SiemThreadCalls, SiemMainCalls>(worker, handlers);
    let cause: unknown = null;
    worker.on('error', (error) => (cause = error));
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        calls.end(new SallyportError('SP_INTERNAL', 'the thread of the SIEM export has ended'));
        resolve();
        if (!isStopping && thread?.worker === worker) died(cause);
      });
    });
    thread = { worker, calls, ended };
    try {
      await calls.call('start', null);
    } catch (fault) {
      // Seen by `exit`, as any other end.
      await worker.terminate();
      throw fault;
    }
  };

  const died = (cause: unknown): void => {
    thread = null;
    deaths += 1;
    states = states.map((state) => ({ ...state, failures: state.failures + 1, fault: 'internal' }));
    before = new Map(states.map((state) => [state.name, state]));
    const [chance = 0] = random.bytes(1);
    const waitMs = Math.min(LONGEST_RESTART_MS, delayAfter(deaths, chance / 255));
    logger.error(
      { cause: cause instanceof Error ? cause.name : 'none', waitMs },
      'the thread of the SIEM export has ended; it is started again',
    );
    restart = setTimeout(() => void startThread().catch(() => undefined), waitMs);
    restart.unref();
  };

  const status = (): readonly SiemStatus[] => states.map((state) => ({ ...state, lag: Math.max(0, audit.size() - state.next) }));
  const statusOf = (name: string): SiemStatus => {
    const found = status().find((each) => each.name === name);
    if (found === undefined) throw new SallyportError('SP_API_NOT_FOUND', `no SIEM destination ${name}`);
    return found;
  };

  const reset = async (by: ActorRef, destination: string, to: ResetTo): Promise<SiemStatus> => {
    const { next: previous, fault } = statusOf(destination);
    const size = audit.size();
    const next = to === 'beginning' ? audit.firstIndex : to === 'now' ? size : to;
    if (next < audit.firstIndex || next > size)
      throw new SallyportError('SP_API_BAD_REQUEST', `the log has the entries ${audit.firstIndex} to ${size - 1}`);
    if (thread === null) throw new SallyportError('SP_INTERNAL', 'the SIEM export does not run just now');
    const { issuer, subject, kind } = by;
    await audit.append({
      type: 'config.changed',
      principal: { issuer, subject, kind },
      detail: { change: 'siem-reset', destination, from: next, previous, fault: fault ?? 'none' },
    });
    // What it goes on from must be published, or the log would seem shorter than that.
    await audit.publish();
    await thread.calls.call('reset', { destination, next });
    return statusOf(destination);
  };

  registerMetrics(registry, status);
  return {
    status,
    wantedFrom: () => Math.min(Infinity, ...states.map(({ next }) => Math.max(0, next - 1))),
    reset(by, destination, to) {
      const done = resetting.then(() => reset(by, destination, to));
      resetting = done.catch(() => undefined);
      return done;
    },
    async start() {
      if (settings.length === 0) return;
      // What was sent before a crash is in the log, but perhaps not under a checkpoint yet.
      await audit.publish();
      try {
        await startThread();
      } catch (fault) {
        isStopping = true;
        if (restart !== null) clearTimeout(restart);
        throw fault;
      }
    },
    async stop() {
      isStopping = true;
      if (restart !== null) clearTimeout(restart);
      if (thread === null) return;
      const { worker, calls, ended } = thread;
      const late = setTimeout(() => void worker.terminate(), STOP_MS);
      await calls.call('stop', null).catch(() => undefined);
      clearTimeout(late);
      await worker.terminate();
      await ended;
      thread = null;
    },
  };
}

function writeStdout(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (fault) => (fault === undefined || fault === null ? resolve() : reject(fault)));
  });
}

function registerMetrics(registry: Registry, status: () => readonly SiemStatus[]): void {
  const labelNames = ['destination'] as const;
  const gauge = (name: string, help: string, valueOf: (status: SiemStatus) => number): void =>
    readGauge(registry, { name, help, labelNames }, (metric) => {
      for (const each of status()) metric.set({ destination: each.name }, valueOf(each));
    });
  const counter = (name: string, help: string, valueOf: (status: SiemStatus) => number): void =>
    readCounter(registry, { name, help, labelNames }, (metric) => {
      for (const each of status()) metric.inc({ destination: each.name }, valueOf(each));
    });
  gauge('sallyport_siem_lag_entries', 'Entries of the audit log that a SIEM destination has not taken yet', ({ lag }) => lag);
  gauge('sallyport_siem_up', '1 = the last attempt was taken', ({ fault }) => (fault === null ? 1 : 0));
  counter('sallyport_siem_sent_total', 'Entries taken by a SIEM destination since the start', ({ sent }) => sent);
  counter('sallyport_siem_failures_total', 'Attempts that a SIEM destination did not take', ({ failures }) => failures);
}
