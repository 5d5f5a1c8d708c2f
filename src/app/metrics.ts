// Metrics of the gateway. Labels are names of targets and closed vocabularies; never a principal, a statement or a value.

import { AggregatorRegistry, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Decision } from '../core/decision.ts';
import type { GateMetrics } from '../session/gate.ts';
import { readCounter } from './read-metrics.ts';
import type { MetricsSnapshot } from './worker-messages.ts';

/** How often a plan was asked for, by how it was found. */
export interface PlanLookups {
  readonly target: string;
  readonly texts: number;
  readonly shapes: number;
  readonly misses: number;
}

export interface GatewayMetrics {
  readonly gate: GateMetrics;
  /** What this thread has counted, ready to be sent to another. */
  snapshot(): Promise<MetricsSnapshot>;
}

export interface MetricsDeps {
  /** Asked when the metrics are read. */
  readonly planLookups: () => readonly PlanLookups[];
  /** 0 = the main thread. */
  readonly thread: number;
}

const OUTCOMES = ['allow', 'hold', 'deny'] as const satisfies readonly Decision['outcome'][];

/** What is counted for every statement of a target: plain numbers, which become metrics when they are read. */
interface Tally extends Record<Decision['outcome'], number> {
  /** Of the allowed. */
  repeated: number;
  rows: number;
}

/** The metrics of one thread. */
export function createMetrics({ planLookups, thread }: MetricsDeps): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const sessions = new Gauge({ name: 'sallyport_sessions', help: 'Client sessions open now', labelNames: ['target'], registers });
  const ofThread = new Gauge({
    name: 'sallyport_thread_sessions',
    help: 'Client sessions open now, by the thread that serves them: 0 is the main thread, the others are workers',
    labelNames: ['thread'],
    registers,
  }).labels({ thread: String(thread) });
  ofThread.set(0);
  const tallies = new Map<string, Tally>();
  const tallyOf = (target: string): Tally => {
    let tally = tallies.get(target);
    if (tally === undefined) tallies.set(target, (tally = { allow: 0, hold: 0, deny: 0, repeated: 0, rows: 0 }));
    return tally;
  };
  readCounter(registry, { name: 'sallyport_decisions_total', help: 'Requests decided', labelNames: ['target', 'outcome'] }, (counter) => {
    for (const [target, tally] of tallies) for (const outcome of OUTCOMES) counter.inc({ target, outcome }, tally[outcome]);
  });
  readCounter(
    registry,
    {
      name: 'sallyport_decisions_repeated_total',
      help: 'Requests allowed by a decision that the session had kept: same statement, masks, parameter types and policy version',
      labelNames: ['target'],
    },
    (counter) => {
      for (const [target, { repeated }] of tallies) counter.inc({ target }, repeated);
    },
  );
  readCounter(
    registry,
    {
      name: 'sallyport_plans_total',
      help: 'Statement texts planned, by how the plan was found: text = seen before, shape = differs in literals only, made = planned anew',
      labelNames: ['target', 'found'],
    },
    (counter) => {
      for (const { target, texts, shapes, misses } of planLookups()) {
        counter.inc({ target, found: 'text' }, texts);
        counter.inc({ target, found: 'shape' }, shapes);
        counter.inc({ target, found: 'made' }, misses);
      }
    },
  );
  readCounter(registry, { name: 'sallyport_rows_total', help: 'Result rows released', labelNames: ['target'] }, (counter) => {
    for (const [target, { rows }] of tallies) counter.inc({ target }, rows);
  });
  const seconds = new Histogram({
    name: 'sallyport_request_seconds',
    help: 'From permit to result',
    labelNames: ['target', 'code'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });
  // Looking a label set up costs more than counting: every statement passes here.
  const secondsOf = remembered((target: string) => remembered((code: 'ok' | 'error') => seconds.labels({ target, code })));
  return {
    snapshot: () => registry.getMetricsAsJSON(),
    gate: {
      sessionOpened(target) {
        sessions.inc({ target });
        ofThread.inc();
      },
      sessionClosed(target) {
        sessions.dec({ target });
        ofThread.dec();
      },
      decided(target, outcome) {
        tallyOf(target)[outcome] += 1;
      },
      repeated(target) {
        const tally = tallyOf(target);
        tally.allow += 1;
        tally.repeated += 1;
      },
      settled(target, result, ms) {
        tallyOf(target).rows += result.rows;
        secondsOf(target)(result.code === 'ok' ? 'ok' : 'error').observe(ms / 1000);
      },
    },
  };
}

/** The metrics of the process, and those of all threads, summed when they are read. */
export class ThreadsRegistry extends Registry {
  readonly #snapshots: () => Promise<readonly MetricsSnapshot[]>;

  constructor(snapshots: () => Promise<readonly MetricsSnapshot[]>) {
    super();
    this.#snapshots = snapshots;
    collectDefaultMetrics({ register: this });
  }

  override async metrics(): Promise<string> {
    const [ofProcess, ofThreads] = await Promise.all([super.metrics(), this.#snapshots()]);
    return `${ofProcess}\n${await AggregatorRegistry.aggregate([...ofThreads]).metrics()}`;
  }
}

function remembered<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make(key)));
    return value;
  };
}
