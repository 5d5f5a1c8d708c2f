// Short statements: pgbench's read-only script in three modes at several client counts, its TPC-B-like script, and a
// steady rate. Rounds are interleaved over the targets; cells are medians, ratios are medians of the rounds' ratios.

import type { Lab, Section } from './lab.ts';
import { median, format, shuffled, table, withRatio } from './numbers.ts';
import { type Mode, type PgbenchOptions, type PgbenchResult, runPgbench } from './pgbench.ts';
import { reportProfile } from './profile.ts';
import type { Target } from './targets.ts';

interface Cell extends PgbenchResult {
  readonly round: number;
  readonly load: string;
  readonly mode: Mode;
  readonly clients: number;
  readonly target: string;
}

interface Load {
  readonly name: string;
  readonly title: string;
  readonly runs: readonly Omit<PgbenchOptions, 'seconds'>[];
}

const modes = ['simple', 'extended', 'prepared'] as const;
const steadyPerSecond = 2000;
/** A measurement with more foreign load is tried once more. */
const tolerableForeign = 0.08;

export async function oltp(lab: Lab): Promise<Section[]> {
  const { clients, loads: wanted } = lab.options;
  const allLoads: Load[] = [
    ...modes.map((mode) => ({
      name: mode,
      title: `pgbench -S, ${mode} protocol`,
      runs: clients.map((count) => ({ mode, clients: count, script: 'select' as const })),
    })),
    {
      name: 'steady',
      title: `pgbench -S -M prepared, a steady ${steadyPerSecond.toLocaleString('en-US')} statements/s`,
      runs: [{ mode: 'prepared', clients: 16, script: 'select', ratePerSecond: steadyPerSecond }],
    },
    {
      name: 'tpcb',
      title: 'pgbench, TPC-B-like (seven statements in one transaction), simple protocol',
      runs: clients.filter((count) => count <= 32).map((count) => ({ mode: 'simple' as const, clients: count, script: 'tpcb' as const })),
    },
  ];
  const loads = allLoads.filter(({ name }) => wanted.includes(name));
  const targets = await lab.allTargets();
  await warmUp(lab, targets);
  const cells: Cell[] = [];
  for (let round = 0; round < lab.options.rounds; round += 1) {
    for (const load of loads) {
      for (const run of load.runs) {
        for (const target of shuffled(targets)) cells.push(await measure(lab, target, load.name, run, round));
      }
    }
  }
  const windows = targets.map((target) => ({
    target: target.name,
    windows: cells
      .filter((cell) => cell.target === target.name)
      .map(({ load, clients: count, windowUs }) => ({ name: `${load}, ${count} clients`, ...windowUs })),
  }));
  const sections: Section[] = loads.map((load) => section(load, targets, cells));
  sections.push(conditions(cells), goals(targets, cells));
  if (lab.options.profileDirectory !== null) {
    for (const target of targets.filter(({ name }) => name.startsWith('Sallyport'))) {
      await target.stop();
      const mine = windows.find((each) => each.target === target.name)?.windows ?? [];
      sections.push(...reportProfile(lab.options.profileDirectory, target.name, mine));
    }
  }
  return sections;
}

async function warmUp(lab: Lab, targets: readonly Target[]): Promise<void> {
  lab.options.say('warming up');
  for (const target of targets) {
    for (const mode of modes) {
      const options = { mode, clients: 4, seconds: 2, script: 'select' } as const;
      const { fault } = await runPgbench(lab.processes, lab.postgres, target, options);
      // Not the end of the run: a target that stays broken is told cell by cell.
      if (fault !== null) lab.options.say(`warm-up of ${target.name}, ${mode}: ${fault}`);
    }
  }
}

async function measure(lab: Lab, target: Target, load: string, run: Omit<PgbenchOptions, 'seconds'>, round: number): Promise<Cell> {
  const once = async (): Promise<PgbenchResult> => {
    await lab.room(run.clients);
    await lab.quiet();
    return runPgbench(lab.processes, lab.postgres, target, { ...run, seconds: lab.options.seconds });
  };
  let result = await once();
  if (result.fault === null && result.foreign > tolerableForeign) {
    const again = await once();
    if (again.fault === null && again.foreign < result.foreign) result = again;
  }
  const { perSecond, p50Us, p99Us, proxyUs, foreign, fault } = result;
  const numbers = `${format(perSecond, 0)}/s p50 ${format(p50Us, 0)} p99 ${format(p99Us, 0)} us, CPU ${format(proxyUs, 1)} us`;
  lab.options.say(
    `round ${round + 1} ${load} ${run.clients} clients, ${target.name}: ${fault ?? numbers}, foreign ${(foreign * 100).toFixed(0)} %`,
  );
  return { ...result, round, load, mode: run.mode, clients: run.clients, target: target.name };
}

type Number = 'perSecond' | 'p50Us' | 'p99Us' | 'proxyUs' | 'serverUs';

/** Median over the rounds. */
function value(cells: readonly Cell[], load: string, clients: number, target: string, what: Number): number | null {
  return median(cells.filter((cell) => cell.load === load && cell.clients === clients && cell.target === target).map((cell) => cell[what]));
}

/** Median of the ratios of the rounds. */
function ratio(cells: readonly Cell[], load: string, clients: number, target: string, reference: string, what: Number): number | null {
  const of = (name: string, round: number): number | null =>
    cells.find((cell) => cell.load === load && cell.clients === clients && cell.target === name && cell.round === round)?.[what] ?? null;
  const rounds = [...new Set(cells.map((cell) => cell.round))];
  return median(
    rounds.map((round) => {
      const [mine, other] = [of(target, round), of(reference, round)];
      return mine === null || other === null || other === 0 ? null : mine / other;
    }),
  );
}

function section(load: Load, targets: readonly Target[], cells: readonly Cell[]): Section {
  const rows = load.runs.flatMap((run) =>
    targets.map(({ name }) => {
      const at = (what: Number): number | null => value(cells, load.name, run.clients, name, what);
      const over = (reference: string, what: Number): number | null =>
        targets.some((target) => target.name === reference) ? ratio(cells, load.name, run.clients, name, reference, what) : null;
      const isProxy = name !== 'direct';
      return [
        String(run.clients),
        name,
        withRatio(at('perSecond'), over('PgBouncer', 'perSecond')),
        format(at('p50Us'), 0),
        withRatio(at('p99Us'), over('PgBouncer', 'p99Us')),
        isProxy ? withRatio(at('proxyUs'), over('PgBouncer', 'proxyUs'), 1) : '-',
        isProxy ? format(over('bare relay', 'proxyUs')) : '-',
        format(at('serverUs'), 1),
      ];
    }),
  );
  const what = load.name === 'tpcb' ? 'transaction' : 'query';
  const head = [
    'clients',
    'target',
    '/s (x PgBouncer)',
    'p50 us',
    'p99 us (x PgBouncer)',
    `CPU us/${what} (x PgBouncer)`,
    'CPU x relay',
    'server CPU us',
  ];
  const data = cells.filter((cell) => cell.load === load.name);
  return { title: load.title, body: table(head, rows), data };
}

function conditions(cells: readonly Cell[]): Section {
  const foreign = cells.map((cell) => cell.foreign);
  const steal = median(cells.map((cell) => cell.steal)) ?? 0;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const failed = cells.filter((cell) => cell.fault !== null);
  if (failed.length > 0) process.exitCode = 1;
  const body = [
    `Foreign CPU: median ${percent(median(foreign) ?? 0)}, at most ${percent(Math.max(...foreign))}; steal: median ${percent(steal)}.`,
    ...failed.map((cell) => `FAILED: ${cell.target}, ${cell.load}, ${cell.clients} clients: ${cell.fault}`),
  ].join('\n');
  return { title: 'OLTP conditions', body, data: { foreign: median(foreign), steal, failed: failed.length } };
}

interface Goal {
  readonly what: string;
  readonly load: string;
  readonly clients: number;
  readonly target: string;
  /** `value` of ours, or against a reference. */
  readonly measured: number | null;
  readonly limit: number;
  readonly isAtLeast: boolean;
}

const isMode = (load: string): boolean => modes.some((mode) => mode === load);

function goals(targets: readonly Target[], cells: readonly Cell[]): Section {
  const [buffered, durable] = ['Sallyport, buffered', 'Sallyport, durable'];
  const counts = [...new Set(cells.filter(({ load }) => isMode(load)).map((cell) => cell.clients))];
  const loads = [...new Set(cells.map((cell) => cell.load))].filter(isMode);
  const found: Goal[] = [];
  const add = (
    what: string,
    load: string,
    clients: number,
    target: string,
    measured: number | null,
    limit: number,
    isAtLeast = false,
  ): void => {
    if (measured !== null) found.push({ what, load, clients, target, measured, limit, isAtLeast });
  };
  const added = (load: string, clients: number, target: string): number | null => {
    const [mine, other] = [value(cells, load, clients, target, 'p50Us'), value(cells, load, clients, 'PgBouncer', 'p50Us')];
    return mine === null || other === null ? null : mine - other;
  };
  for (const load of loads) {
    add('added p50 over PgBouncer, us', load, 1, buffered, added(load, 1, buffered), 25);
    for (const clients of counts.filter((count) => count >= 8)) {
      add('CPU per query x relay', load, clients, buffered, ratio(cells, load, clients, buffered, 'bare relay', 'proxyUs'), 1.15);
    }
    for (const clients of counts.filter((count) => count === 8 || count === 32)) {
      add('throughput x PgBouncer', load, clients, buffered, ratio(cells, load, clients, buffered, 'PgBouncer', 'perSecond'), 0.85, true);
    }
    add('p99 x PgBouncer', load, 8, buffered, ratio(cells, load, 8, buffered, 'PgBouncer', 'p99Us'), 1.5);
    add('throughput x PgBouncer', load, 32, durable, ratio(cells, load, 32, durable, 'PgBouncer', 'perSecond'), 0.5, true);
    add('throughput x PgBouncer', load, 256, durable, ratio(cells, load, 256, durable, 'PgBouncer', 'perSecond'), 0.8, true);
  }
  add('p99 x PgBouncer', 'steady', 16, buffered, ratio(cells, 'steady', 16, buffered, 'PgBouncer', 'p99Us'), 1.5);
  const rows = found.map(({ what, load, clients, target, measured, limit, isAtLeast }) => {
    const isMet = measured !== null && (isAtLeast ? measured >= limit : measured <= limit);
    return [what, target, load, String(clients), `${isAtLeast ? '>=' : '<='} ${limit}`, format(measured), isMet ? 'met' : 'missed'];
  });
  const names = targets.map(({ name }) => name);
  const note = names.includes(durable)
    ? `\n\nDurable recording, added p50 over PgBouncer at one client: ${loads.map((load) => `${load} ${format(added(load, 1, durable), 0)} us`).join(', ')}; at the steady rate p50 ${format(value(cells, 'steady', 16, durable, 'p50Us'), 0)} us. Compare with one fdatasync, above.`
    : '';
  return { title: 'OLTP goals', body: table(['what', 'target', 'load', 'clients', 'goal', 'measured', ''], rows) + note, data: found };
}
