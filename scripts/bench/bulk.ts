// Large results: one SELECT or COPY of the whole table, read as fast as it comes, and by a slow reader. What the gateway
// masks, the server computes; so the server alone runs the gateway's own rewritten statement too, read from the server.

import { LoadClient } from './client.ts';
import type { Lab, Section } from './lab.ts';
import { cpuSeconds, peakMiB, readMachine, resetPeak, rssMiB } from './machine.ts';
import { format, median, shuffled, table } from './numbers.ts';
import { loadBulk } from './postgres.ts';
import type { Target } from './targets.ts';

interface Case {
  readonly name: string;
  readonly sql: string;
  /** What others than the gateway run to compare: the text that the gateway sends. */
  readonly isRewritten: boolean;
  readonly bytesPerSecond?: number;
}

interface Run {
  readonly case: string;
  readonly target: string;
  readonly round: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly proxySeconds: number;
  readonly serverSeconds: number;
  readonly rssBeforeMiB: number;
  readonly peakMiB: number;
  readonly foreign: number;
}

const slowBytesPerSecond = 20_000_000;

const cases: readonly Case[] = [
  { name: 'SELECT, unmasked', sql: 'SELECT * FROM bulk_plain', isRewritten: false },
  { name: 'SELECT, 3 of 10 columns masked', sql: 'SELECT * FROM bulk_masked', isRewritten: true },
  { name: 'COPY, unmasked', sql: 'COPY bulk_plain TO STDOUT', isRewritten: false },
  { name: 'COPY, 3 of 10 columns masked', sql: 'COPY bulk_masked TO STDOUT', isRewritten: true },
  {
    name: 'SELECT of 300,000 rows, masked, reader at 20 MB/s',
    sql: 'SELECT * FROM bulk_masked LIMIT 300000',
    isRewritten: true,
    bytesPerSecond: slowBytesPerSecond,
  },
];

const unmasked = 'direct, its own text';

export async function bulk(lab: Lab): Promise<Section[]> {
  const { rows, rounds, say } = lab.options;
  say(`loading ${rows.toLocaleString('en-US')} rows twice`);
  await loadBulk(lab.processes, lab.postgres, rows);
  const targets = await lab.allTargets();
  const gateway = targets.find(({ name }) => name.startsWith('Sallyport'));
  const texts = new Map<string, string>();
  for (const each of cases.filter(({ isRewritten }) => isRewritten)) {
    if (gateway !== undefined) texts.set(each.name, await rewritten(lab, gateway, each.sql));
  }
  const runs: Run[] = [];
  // One round more, first, that does not count: pages get into the cache and code gets warm.
  for (let round = -1; round < rounds; round += 1) {
    for (const each of cases) {
      if (round < 0 && each.bytesPerSecond !== undefined) continue;
      const plain = each.isRewritten ? [{ ...lab.direct(), name: unmasked }] : [];
      for (const target of shuffled([...targets, ...plain])) {
        const isOurs = target.name.startsWith('Sallyport') || target.name === unmasked;
        const run = await measure(lab, target, each, isOurs ? each.sql : (texts.get(each.name) ?? each.sql), round);
        if (round < 0) continue;
        runs.push(run);
        say(
          `round ${round + 1} ${each.name}, ${target.name}: ${run.seconds.toFixed(2)} s, ${format(run.megabytesPerSecond, 0)} MB/s, CPU ${run.proxySeconds.toFixed(2)} s, peak ${run.peakMiB.toFixed(0)} MiB, foreign ${(run.foreign * 100).toFixed(0)} %`,
        );
      }
    }
  }
  const sections = cases.map((each) => section(each, [...targets.map(({ name }) => name), ...(each.isRewritten ? [unmasked] : [])], runs));
  const texts_ = [...texts].map(([name, text]) => `${name}:\n\n\`\`\`sql\n${text}\n\`\`\``).join('\n\n');
  return [...sections, { title: 'Bulk: what the server is asked', body: texts_, data: Object.fromEntries(texts) }];
}

/** The text that the server gets, as the server tells it. */
async function rewritten(lab: Lab, gateway: Target, sql: string): Promise<string> {
  const client = await LoadClient.open(gateway.login);
  await client.query(sql);
  const text = await lab.postgres.psql(
    `SELECT query FROM pg_stat_activity WHERE application_name LIKE 'sallyport ses%' AND query ILIKE '%bulk_masked%' ORDER BY query_start DESC LIMIT 1`,
  );
  client.close();
  if (text === '') throw new Error('the rewritten statement is not in pg_stat_activity');
  return text;
}

async function measure(lab: Lab, target: Target, each: Case, sql: string, round: number): Promise<Run> {
  await lab.quiet();
  const client = await LoadClient.open(target.login);
  client.bytesPerSecond = each.bytesPerSecond ?? 0;
  resetPeak(target.pids);
  const rssBeforeMiB = rssMiB(target.pids);
  const read = () => ({ ...cpuSeconds({ proxy: target.pids, server: [lab.postgres.pid], own: [process.pid] }), machine: readMachine() });
  const from = read();
  const { rows, bytes, seconds } = await client.query(sql);
  const to = read();
  client.close();
  if (rows !== (each.bytesPerSecond === undefined ? lab.options.rows : Math.min(300_000, lab.options.rows))) {
    throw new Error(`${target.name}, ${each.name}: ${rows} rows came`);
  }
  const busy = to.machine.busySeconds - from.machine.busySeconds;
  return {
    case: each.name,
    target: target.name,
    round,
    seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    proxySeconds: to.proxy - from.proxy,
    serverSeconds: to.server - from.server,
    rssBeforeMiB,
    peakMiB: peakMiB(target.pids),
    foreign: Math.max(0, (busy - (to.own - from.own)) / (to.machine.allSeconds - from.machine.allSeconds)),
  };
}

function section(each: Case, names: readonly string[], all: readonly Run[]): Section {
  const runs = all.filter((run) => run.case === each.name);
  const values = (name: string, what: 'seconds' | 'proxySeconds' | 'serverSeconds' | 'megabytesPerSecond'): number | null =>
    median(runs.filter((run) => run.target === name).map((run) => run[what]));
  const ratio = (name: string, reference: string, what: 'seconds' | 'proxySeconds'): number | null =>
    median(
      [...new Set(runs.map((run) => run.round))].map((round) => {
        const [mine, other] = [name, reference].map((target) => runs.find((run) => run.target === target && run.round === round)?.[what]);
        return mine === undefined || other === undefined || other === 0 ? null : mine / other;
      }),
    );
  const inverse = (value: number | null): number | null => (value === null || value === 0 ? null : 1 / value);
  const rows = names.map((name) => {
    const isProxy = !name.startsWith('direct');
    const memory = runs.filter((run) => run.target === name);
    return [
      name,
      format(values(name, 'seconds')),
      format(values(name, 'megabytesPerSecond'), 0),
      format(inverse(ratio(name, 'direct', 'seconds'))),
      isProxy ? format(values(name, 'proxySeconds')) : '-',
      isProxy ? format(ratio(name, 'PgBouncer', 'proxySeconds')) : '-',
      format(values(name, 'serverSeconds')),
      isProxy
        ? `${format(median(memory.map((run) => run.rssBeforeMiB)), 0)} / ${format(Math.max(...memory.map((run) => run.peakMiB)), 0)}`
        : '-',
    ];
  });
  const head = ['target', 'seconds', 'MB/s', 'speed x direct', 'CPU s', 'CPU x PgBouncer', 'server CPU s', 'RSS before / peak MiB'];
  return { title: `Bulk: ${each.name}`, body: table(head, rows), data: runs };
}
