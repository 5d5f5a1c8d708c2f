// One measurement with pgbench. CPU and latencies are taken over a window after all clients have logged in and before the
// first of them ends, so that log-ins do not count as queries.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuSeconds, type MachineReading, readMachine, sleep } from './machine.ts';
import { quantile } from './numbers.ts';
import { database, host, type Postgres, postgresBin } from './postgres.ts';
import type { Processes } from './processes.ts';
import type { Target } from './targets.ts';

export type Mode = 'simple' | 'extended' | 'prepared';

export interface PgbenchOptions {
  readonly mode: Mode;
  readonly clients: number;
  readonly seconds: number;
  readonly script: 'select' | 'tpcb';
  /** Transactions per second in all; absent = as many as possible. */
  readonly ratePerSecond?: number;
}

export interface PgbenchResult {
  /** Null when pgbench did not finish; then `fault` says why, and the numbers are null. */
  readonly perSecond: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** CPU of the proxy per transaction. */
  readonly proxyUs: number | null;
  /** CPU of PostgreSQL per transaction. */
  readonly serverUs: number | null;
  /** Share of the machine that others used. */
  readonly foreign: number;
  readonly steal: number;
  readonly fault: string | null;
  /** Monotonic clock, to find the window in a profile. */
  readonly windowUs: { readonly from: number; readonly to: number };
}

interface Reading {
  readonly epochUs: number;
  readonly monotonicUs: number;
  readonly proxy: number;
  readonly server: number;
  /** This process and everything it has started. */
  readonly self: number;
  readonly machine: MachineReading;
}

/** The window begins so long after the first transaction and ends so long before the last. */
const marginUs = 100_000;
const readingMs = 250;
/** A window shorter than this part of what was asked for does not count. */
const leastShare = 0.7;
const tooShort = 'the log-ins took too long to leave a window';

/** Measures over `seconds`. WHY the tries: pgbench counts its own log-ins into its duration, and nobody knows before how long
 *  they take. */
export async function runPgbench(
  processes: Processes,
  postgres: Postgres,
  target: Target,
  options: PgbenchOptions,
): Promise<PgbenchResult> {
  for (let loginSeconds = 1 + options.clients / 64; ; loginSeconds *= 3) {
    const result = await attempt(processes, postgres, target, options, Math.ceil(options.seconds + loginSeconds));
    if (result.fault !== tooShort || loginSeconds > 20) return result;
  }
}

async function attempt(
  processes: Processes,
  postgres: Postgres,
  target: Target,
  options: PgbenchOptions,
  runSeconds: number,
): Promise<PgbenchResult> {
  const logs = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-bench-log-'));
  try {
    const { mode, clients, seconds, script, ratePerSecond } = options;
    const args = [
      '-h',
      host,
      '-p',
      target.login.port,
      '-U',
      target.login.user,
      '-n',
      '-M',
      mode,
      '-c',
      clients,
      '-j',
      Math.min(2, clients),
    ];
    args.push('-T', runSeconds, ...(script === 'select' ? ['-S'] : []), ...(ratePerSecond === undefined ? [] : ['-R', ratePerSecond]));
    args.push('-l', '--log-prefix', join(logs, 'log'), database);
    const pgbench = processes.start(join(postgresBin() ?? '', 'pgbench'), args.map(String), {
      env: { PGPASSWORD: target.login.password, PGSSLMODE: 'disable' },
    });
    const read = (): Reading => ({
      epochUs: (performance.timeOrigin + performance.now()) * 1000,
      monotonicUs: Number(process.hrtime.bigint() / 1000n),
      ...cpuSeconds({ proxy: target.pids, server: [postgres.pid], self: [process.pid] }),
      machine: readMachine(),
    });
    const deadline = setTimeout(() => void pgbench.end('SIGKILL'), (runSeconds + 40) * 1000);
    const readings: Reading[] = [];
    for (let isRunning = true; isRunning;) {
      readings.push(read());
      isRunning = await Promise.race([sleep(readingMs).then(() => true), pgbench.ended.then(() => false)]);
    }
    clearTimeout(deadline);
    const { code, err } = await pgbench.ended;
    const log = readLog(logs, ratePerSecond !== undefined);
    const from = readings.find(({ epochUs }) => epochUs > log.firstUs + marginUs);
    const endUs = Math.min(log.lastUs - marginUs, (from?.epochUs ?? 0) + seconds * 1e6);
    const to = readings.findLast(({ epochUs }) => epochUs <= endUs);
    const fault = code === 0 ? null : (/^.*(?:error|FATAL).*$/m.exec(err)?.[0] ?? `pgbench ended with ${code}`);
    if (from === undefined || to === undefined || to.epochUs - from.epochUs < seconds * leastShare * 1e6) return failed(fault ?? tooShort);
    return fault === null ? resultOf(from, to, log.latencies(from.epochUs, to.epochUs)) : failed(fault);
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
}

function failed(fault: string): PgbenchResult {
  const numbers = { perSecond: null, p50Us: null, p99Us: null, proxyUs: null, serverUs: null };
  return { ...numbers, foreign: 0, steal: 0, fault, windowUs: { from: 0, to: 0 } };
}

/** @param latencies sorted */
function resultOf(from: Reading, to: Reading, latencies: Uint32Array): PgbenchResult {
  const count = latencies.length;
  if (count === 0) return failed('no transaction in the window');
  const proxy = to.proxy - from.proxy;
  const server = to.server - from.server;
  const own = to.self - from.self;
  const all = to.machine.allSeconds - from.machine.allSeconds;
  return {
    perSecond: (count / (to.monotonicUs - from.monotonicUs)) * 1e6,
    p50Us: quantile(latencies, 0.5),
    p99Us: quantile(latencies, 0.99),
    proxyUs: (proxy / count) * 1e6,
    serverUs: (server / count) * 1e6,
    foreign: Math.max(0, (to.machine.busySeconds - from.machine.busySeconds - own) / all),
    steal: (to.machine.stealSeconds - from.machine.stealSeconds) / all,
    fault: null,
    windowUs: { from: from.monotonicUs, to: to.monotonicUs },
  };
}

interface PgbenchLog {
  /** End of the first and of the last transaction, since the epoch. */
  readonly firstUs: number;
  readonly lastUs: number;
  /** Of transactions that ended in [from, to), sorted. */
  latencies(fromUs: number, toUs: number): Uint32Array;
}

/** Lines are `client transaction latency script seconds microseconds [lag]`; what a paced client was late itself is not the
 *  target's. */
function readLog(folder: string, isPaced: boolean): PgbenchLog {
  const latencies: number[] = [];
  const ends: number[] = [];
  let [firstUs, lastUs] = [Number.POSITIVE_INFINITY, 0];
  const fields = [0, 0, 0, 0, 0, 0, 0];
  for (const name of readdirSync(folder)) {
    let at = 0;
    let value = 0;
    for (const byte of readFileSync(join(folder, name))) {
      if (byte >= 0x30 && byte <= 0x39) {
        value = value * 10 + byte - 0x30;
        continue;
      }
      fields[at++] = value;
      value = 0;
      if (byte !== 0x0a) continue;
      at = 0;
      const [, , latency = 0, , seconds = 0, microseconds = 0, lag = 0] = fields;
      const endUs = seconds * 1e6 + microseconds;
      firstUs = Math.min(firstUs, endUs);
      lastUs = Math.max(lastUs, endUs);
      ends.push(endUs);
      latencies.push(isPaced ? latency - lag : latency);
    }
  }
  return {
    firstUs,
    lastUs,
    latencies: (fromUs, toUs) =>
      Uint32Array.from(latencies.filter((_, index) => (ends[index] ?? 0) >= fromUs && (ends[index] ?? 0) < toUs)).sort(),
  };
}
