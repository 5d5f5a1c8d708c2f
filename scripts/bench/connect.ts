// New sessions per second: TLS on the client's side, SCRAM log-in at the server, one short query, the end. PgBouncer twice:
// with its pool of server connections, and with a fresh server connection for each session as a gateway without a pool has.

import { LoadClient } from './client.ts';
import type { Lab, Section } from './lab.ts';
import { cpuSeconds, sleep } from './machine.ts';
import { format, median, quantile, shuffled, table, withRatio } from './numbers.ts';
import type { Target } from './targets.ts';

interface Run {
  readonly target: string;
  readonly round: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly proxyMs: number;
  readonly serverMs: number;
}

const concurrency = 8;
const query = 'SELECT abalance FROM pgbench_accounts WHERE aid = 1';

export async function connect(lab: Lab): Promise<Section[]> {
  const targets = (await lab.allTargets()).filter(({ tlsLogin }) => tlsLogin !== null);
  if (targets.some(({ name }) => name === 'PgBouncer')) targets.push(await lab.pgBouncer(true));
  const runs: Run[] = [];
  for (let round = -1; round < lab.options.rounds; round += 1) {
    for (const target of shuffled(targets)) {
      await lab.quiet();
      const run = await measure(lab, target, round);
      if (round < 0) continue;
      runs.push(run);
      lab.options.say(`round ${round + 1} ${target.name}: ${run.perSecond.toFixed(0)} sessions/s, CPU ${run.proxyMs.toFixed(2)} ms each`);
    }
  }
  const of = (name: string, what: keyof Omit<Run, 'target' | 'round'>): number | null =>
    median(runs.filter((run) => run.target === name).map((run) => run[what]));
  const ratio = (name: string, reference: string, what: 'perSecond' | 'proxyMs'): number | null =>
    median(
      runs
        .filter((run) => run.target === name)
        .map((run) => run[what] / (runs.find((other) => other.round === run.round && other.target === reference)?.[what] ?? Number.NaN)),
    );
  const fresh = 'PgBouncer, fresh upstream';
  const rows = targets.map(({ name }) => {
    const isProxy = name !== 'direct';
    return [
      name,
      withRatio(of(name, 'perSecond'), ratio(name, 'PgBouncer', 'perSecond')),
      format(ratio(name, fresh, 'perSecond')),
      format(of(name, 'p50Ms'), 1),
      format(of(name, 'p99Ms'), 1),
      isProxy ? withRatio(of(name, 'proxyMs'), ratio(name, fresh, 'proxyMs'), 2) : '-',
      format(of(name, 'serverMs')),
    ];
  });
  const head = ['target', 'sessions/s (x PgBouncer)', `x ${fresh}`, 'p50 ms', 'p99 ms', `CPU ms (x ${fresh})`, 'server CPU ms'];
  return [{ title: `New sessions: TLS, log-in, one query, end; ${concurrency} at a time`, body: table(head, rows), data: runs }];
}

async function measure(lab: Lab, target: Target, round: number): Promise<Run> {
  const login = target.tlsLogin ?? target.login;
  const read = () => cpuSeconds({ proxy: target.pids, server: [lab.postgres.pid] });
  const from = read();
  const startedMs = performance.now();
  const endMs = startedMs + lab.options.seconds * 1000;
  const times: number[] = [];
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      const session = await LoadClient.open(login);
      await session.query(query);
      times.push(performance.now() - beganMs);
      session.close();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - startedMs) / 1000;
  // Ended server processes count when they have been waited for.
  await sleep(300);
  const to = read();
  times.sort((a, b) => a - b);
  return {
    target: target.name,
    round,
    perSecond: times.length / seconds,
    p50Ms: quantile(times, 0.5) ?? 0,
    p99Ms: quantile(times, 0.99) ?? 0,
    proxyMs: ((to.proxy - from.proxy) / times.length) * 1000,
    serverMs: ((to.server - from.server) / times.length) * 1000,
  };
}
