// What Linux says about processes and the machine: CPU time of whole process trees with all their threads, memory, foreign
// load. Everything else that measures is built on these few readings of /proc.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

interface Stat {
  readonly parent: number;
  /** Seconds, own threads and children that were waited for. */
  readonly seconds: number;
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything; fields are counted from behind it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { parent: Number(fields[1]), seconds: ticks / ticksPerSecond };
  } catch {
    return null;
  }
}

const pids = (): number[] => readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));

function allStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const pid of pids()) {
    const stat = statOf(pid);
    if (stat !== null) stats.set(pid, stat);
  }
  return stats;
}

/** The roots and all their descendants. */
function treeOf(roots: readonly number[], stats: ReadonlyMap<number, Stat>): Map<number, Stat> {
  const children = Map.groupBy(stats.keys(), (pid) => stats.get(pid)?.parent ?? 0);
  const tree = new Map<number, Stat>();
  const walk = (pid: number): void => {
    const stat = stats.get(pid);
    if (stat === undefined || tree.has(pid)) return;
    tree.set(pid, stat);
    for (const child of children.get(pid) ?? []) walk(child);
  };
  roots.forEach(walk);
  return tree;
}

/** User and system time of each group of trees, ended children included; one look at /proc for all. */
export function cpuSeconds<Names extends string>(groups: Readonly<Record<Names, readonly number[]>>): Record<Names, number> {
  const stats = allStats();
  const sum = (roots: readonly number[]): number => [...treeOf(roots, stats).values()].reduce((seconds, stat) => seconds + stat.seconds, 0);
  const sums = Object.entries<readonly number[]>(groups).map(([name, roots]) => [name, sum(roots)]);
  return Object.fromEntries(sums) as Record<Names, number>;
}

function memory(roots: readonly number[], pattern: RegExp): number {
  let kibibytes = 0;
  for (const pid of treeOf(roots, allStats()).keys()) {
    try {
      kibibytes += Number(pattern.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
    } catch {
      // It has ended since.
    }
  }
  return kibibytes / 1024;
}

/** Resident memory of the trees, MiB; pages that processes share count for each. */
export const rssMiB = (roots: readonly number[]): number => memory(roots, /VmRSS:\s+(\d+)/);

/** Largest resident memory since `resetPeak`, MiB. */
export const peakMiB = (roots: readonly number[]): number => memory(roots, /VmHWM:\s+(\d+)/);

export function resetPeak(roots: readonly number[]): void {
  for (const pid of treeOf(roots, allStats()).keys()) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export interface MachineReading {
  readonly busySeconds: number;
  readonly stealSeconds: number;
  readonly allSeconds: number;
}

export function readMachine(): MachineReading {
  const fields = (readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, steal = 0] = fields;
  return {
    busySeconds: (user + nice + system + interrupt + softInterrupt) / ticksPerSecond,
    stealSeconds: steal / ticksPerSecond,
    allSeconds: fields.reduce((sum, ticks) => sum + ticks, 0) / ticksPerSecond,
  };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the machine is nearly idle, but never longer than `limitMs`. */
export async function untilQuiet(limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs) {
    const before = readMachine();
    await sleep(250);
    const after = readMachine();
    if ((after.busySeconds - before.busySeconds) / (after.allSeconds - before.allSeconds) < 0.06) return;
  }
}

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${availableParallelism()} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
}
