// Memory per idle session, plaintext and TLS: resident memory before and after some hundred sessions that have each run a
// statement, garbage collected both times. The relay's two sockets per session are what any proxy in Node pays.

import { LoadClient, type Login } from './client.ts';
import { growthKiB, inspectOption, type Memory, settledMemory } from './inspector.ts';
import type { Lab, Section } from './lab.ts';
import { cpuSeconds, sleep } from './machine.ts';
import { format, table } from './numbers.ts';
import type { Target } from './targets.ts';

export const idleLab = { nodeOptions: [inspectOption] };

interface Run {
  readonly target: string;
  readonly sessions: number;
  readonly before: Memory;
  readonly after: Memory;
  readonly rssKiBEach: number;
  readonly heapKiBEach: number | null;
  readonly idleCpuPercent: number;
}

const query = 'SELECT abalance FROM pgbench_accounts WHERE aid = 1';
const idleSeconds = 3;

export async function idle(lab: Lab): Promise<Section[]> {
  const runs: Run[] = [];
  // Each in a fresh process: memory that earlier sessions left behind would hide what these need.
  for (const transport of ['plaintext', 'TLS'] as const) {
    for (const start of [() => lab.pgBouncer(), () => lab.relay(), () => lab.gateway('durable')]) {
      const target = await start();
      const login = transport === 'TLS' ? target.tlsLogin : target.login;
      if (login !== null) runs.push(await measure(lab, target, login, transport));
      await target.stop();
    }
  }
  const rows = runs.map((run) => [
    run.target,
    String(run.sessions),
    `${format(run.before.rssMiB, 0)} / ${format(run.after.rssMiB, 0)}`,
    format(run.rssKiBEach, 1),
    format(run.heapKiBEach, 1),
    format(run.idleCpuPercent),
  ]);
  const head = ['target', 'sessions', 'RSS before / with them MiB', 'RSS KiB each', 'heap KiB each', 'idle CPU %'];
  return [{ title: 'Idle sessions', body: table(head, rows), data: runs }];
}

async function measure(lab: Lab, target: Target, login: Login, transport: string): Promise<Run> {
  await open(login, 20).then(closeAll);
  const before = await settledMemory(target);
  const sessions = await open(login, lab.options.sessions);
  const after = await settledMemory(target);
  const cpuBefore = cpuSeconds({ proxy: target.pids }).proxy;
  await sleep(idleSeconds * 1000);
  const idleCpuPercent = ((cpuSeconds({ proxy: target.pids }).proxy - cpuBefore) / idleSeconds) * 100;
  await closeAll(sessions);
  const growth = growthKiB(before, after, sessions.length);
  const name = `${target.name}, ${transport}`;
  lab.options.say(`${name}: ${growth.rss.toFixed(1)} KiB for each of ${sessions.length} sessions`);
  return { target: name, sessions: sessions.length, before, after, rssKiBEach: growth.rss, heapKiBEach: growth.heap, idleCpuPercent };
}

/** So many sessions that have run one statement, logged in a few at a time. */
async function open(login: Login, count: number): Promise<LoadClient[]> {
  const sessions: LoadClient[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const session = await LoadClient.open(login);
      await session.query(query);
      sessions.push(session);
    }
  };
  await Promise.all(Array.from({ length: 10 }, worker));
  return sessions;
}

async function closeAll(sessions: readonly LoadClient[]): Promise<void> {
  for (const session of sessions) session.close();
  await sleep(1000);
}
