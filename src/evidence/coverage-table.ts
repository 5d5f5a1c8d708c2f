// coverage.csv: what the log was about and when it was silent: one row for each target, and one for each gateway with its starts,
// crashes, heartbeats and longest silence. Index and leaf are those of the newest entry counted.

import { csvLine } from './csv.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';
import { actorName, actorOf, memberOf, textOf } from './fields.ts';

const PATH = 'records/coverage.csv';

const COLUMNS = [
  'log_index',
  'leaf_sha256',
  'what',
  'name',
  'entries',
  'sessions',
  'identities',
  'requests',
  'denied',
  'held',
  'failed_logins',
  'starts',
  'crashes',
  'heartbeats',
  'longest_silence_seconds',
  'silence_until',
  'first_time',
  'last_time',
] as const;

interface Coverage {
  entries: number;
  sessions: number;
  readonly identities: Set<string>;
  requests: number;
  denied: number;
  held: number;
  failedLogins: number;
  firstTime: string;
  lastTime: string;
  index: number;
  leaf: string;
}

export interface GatewayCoverage extends Coverage {
  starts: number;
  crashes: number;
  heartbeats: number;
  /** While it was running: between a `log.closed` and the next `log.opened` a gateway says nothing. */
  longestSilenceMs: number;
  silenceUntil: string;
  isClosed: boolean;
  lastMs: number;
}

export class CoverageTable implements Part {
  readonly #sink: Sink;
  readonly #targets = new Map<string, Coverage>();
  readonly #gateways = new Map<string, GatewayCoverage>();
  rows = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  targets(): [string, Coverage][] {
    return byName(this.#targets);
  }

  gateways(): [string, GatewayCoverage][] {
    return byName(this.#gateways);
  }

  push({ index, leaf, header, atMs }: RangeEntry): void {
    const type = textOf(header['type']);
    const time = textOf(header['ts']);
    const gateway = this.#gateway(textOf(header['replica']), time, atMs);
    silence(gateway, atMs, time, type);
    count(gateway, type, header, time, index, leaf);
    if (type === 'log.opened') {
      gateway.starts += 1;
      if (textOf(memberOf(header, 'detail', 'previous')) === 'crashed') gateway.crashes += 1;
    } else if (type === 'heartbeat') gateway.heartbeats += 1;
    const target = textOf(memberOf(header, 'resource', 'target'));
    if (target === '') return;
    let of = this.#targets.get(target);
    if (of === undefined) this.#targets.set(target, (of = empty(time)));
    count(of, type, header, time, index, leaf);
  }

  end(): void {
    this.#sink.write(PATH, csvLine(COLUMNS));
    const common = (of: Coverage) => [of.entries, of.sessions, of.identities.size, of.requests, of.denied, of.held, of.failedLogins];
    for (const [name, of] of this.targets()) {
      this.#sink.write(PATH, csvLine([of.index, of.leaf, 'target', name, ...common(of), '', '', '', '', '', of.firstTime, of.lastTime]));
    }
    for (const [name, of] of this.gateways()) {
      const own = [of.starts, of.crashes, of.heartbeats, Math.round(of.longestSilenceMs / 1000), of.silenceUntil];
      this.#sink.write(PATH, csvLine([of.index, of.leaf, 'gateway', name, ...common(of), ...own, of.firstTime, of.lastTime]));
    }
    this.rows = this.#targets.size + this.#gateways.size;
  }

  #gateway(name: string, time: string, atMs: number): GatewayCoverage {
    let gateway = this.#gateways.get(name);
    if (gateway === undefined) {
      gateway = {
        ...empty(time),
        starts: 0,
        crashes: 0,
        heartbeats: 0,
        longestSilenceMs: 0,
        silenceUntil: '',
        isClosed: false,
        lastMs: atMs,
      };
      this.#gateways.set(name, gateway);
    }
    return gateway;
  }
}

function empty(time: string): Coverage {
  return {
    entries: 0,
    sessions: 0,
    identities: new Set(),
    requests: 0,
    denied: 0,
    held: 0,
    failedLogins: 0,
    firstTime: time,
    lastTime: time,
    index: 0,
    leaf: '',
  };
}

function silence(gateway: GatewayCoverage, atMs: number, time: string, type: string): void {
  const ms = atMs - gateway.lastMs;
  gateway.lastMs = atMs;
  if (!gateway.isClosed && ms > gateway.longestSilenceMs) {
    gateway.longestSilenceMs = ms;
    gateway.silenceUntil = time;
  }
  gateway.isClosed = type === 'log.closed';
}

function count(of: Coverage, type: string, header: RangeEntry['header'], time: string, index: number, leaf: string): void {
  of.entries += 1;
  of.lastTime = time;
  of.index = index;
  of.leaf = leaf;
  const actor = actorOf(header['principal']);
  if (actor !== null) of.identities.add(actorName(actor));
  if (type === 'session.open') of.sessions += 1;
  else if (type === 'request.intent') of.requests += 1;
  else if (type === 'request.denied') of.denied += 1;
  else if (type === 'request.held') of.held += 1;
  else if (type === 'auth.fail') of.failedLogins += 1;
}

function byName<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
