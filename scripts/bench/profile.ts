// Reads V8 CPU profiles of the gateway and tells where the time of each measured window went: self time by function and
// by file, garbage collection apart. Profiles are written by `node --cpu-prof` when the gateway ends.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Section } from './lab.ts';
import { table } from './numbers.ts';

interface ProfileNode {
  readonly id: number;
  readonly children?: readonly number[];
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
  /** Monotonic, microseconds. */
  readonly startTime: number;
}

export interface ProfileWindow {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const root = join(import.meta.dirname, '..', '..');
const shownFunctions = 30;
const shownFiles = 12;

/** @param target `Sallyport, buffered`; its profiles are in the folder of the last word. */
export function reportProfile(directory: string, target: string, windows: readonly ProfileWindow[]): Section[] {
  const folder = join(directory, target.split(' ').at(-1) ?? '');
  if (!existsSync(folder)) return [];
  const sections: Section[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
    const frames = framesOf(profile);
    // The same load in several rounds is one window.
    for (const [name, parts] of Map.groupBy(windows, (window) => window.name)) {
      const spent = timesIn(profile, frames, parts);
      if (spent.busyUs < 1000) continue;
      sections.push({ title: `Profile of ${target}: ${name} (${file})`, body: describe(spent), data: Object.fromEntries(spent.self) });
    }
  }
  const text = sections.map(({ title, body }) => `## ${title}\n\n${body}\n`).join('\n');
  writeFileSync(join(folder, 'self-time.md'), text);
  return sections;
}

interface Frame {
  readonly place: string;
  readonly file: string;
  readonly parent: number | null;
}

function framesOf(profile: CpuProfile): Map<number, Frame> {
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  return new Map(profile.nodes.map((node) => [node.id, { ...placeOf(node), parent: parents.get(node.id) ?? null }]));
}

function placeOf({ callFrame }: ProfileNode): { place: string; file: string } {
  const { functionName, url, lineNumber } = callFrame;
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return { place: name, file: name.startsWith('(') ? name : '(native)' };
  const file = url.startsWith('file:') ? relative(root, fileURLToPath(url)) : url;
  return { place: `${name} ${file}:${lineNumber + 1}`, file };
}

interface Spent {
  readonly self: ReadonlyMap<string, number>;
  /** With what they call. */
  readonly total: ReadonlyMap<string, number>;
  readonly files: ReadonlyMap<string, number>;
  readonly busyUs: number;
  readonly allUs: number;
}

function timesIn(profile: CpuProfile, frames: ReadonlyMap<number, Frame>, windows: readonly ProfileWindow[]): Spent {
  const byNode = new Map<number, number>();
  let at = profile.startTime;
  let allUs = 0;
  profile.samples.forEach((id, index) => {
    at += profile.timeDeltas[index] ?? 0;
    if (!windows.some(({ from, to }) => at >= from && at < to)) return;
    // A sample stands for the time until the next one.
    const us = Math.max(0, profile.timeDeltas[index + 1] ?? 0);
    allUs += us;
    byNode.set(id, (byNode.get(id) ?? 0) + us);
  });
  const [self, total, files] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  const add = (map: Map<string, number>, name: string, us: number): void => void map.set(name, (map.get(name) ?? 0) + us);
  let busyUs = 0;
  for (const [id, us] of byNode) {
    const frame = frames.get(id);
    if (frame === undefined || frame.place === '(idle)') continue;
    busyUs += us;
    add(self, frame.place, us);
    add(files, frame.file, us);
    const seen = new Set<string>();
    for (let next: Frame | undefined = frame; next !== undefined; next = next.parent === null ? undefined : frames.get(next.parent)) {
      // Recursion counts once.
      if (!seen.has(next.place)) add(total, next.place, us);
      seen.add(next.place);
    }
  }
  return { self, total, files, busyUs, allUs };
}

function describe({ self, total, files, busyUs, allUs }: Spent): string {
  const share = (us: number): string => `${((us / busyUs) * 100).toFixed(1)} %`;
  const top = (map: ReadonlyMap<string, number>, count: number, title: string, what: string): string =>
    table(
      [title, what],
      [...map]
        .sort((a, b) => b[1] - a[1])
        .slice(0, count)
        .map(([name, us]) => [share(us), name]),
    );
  const ours = new Map([...total].filter(([place]) => place.includes(' src/')));
  return [
    `Busy ${(busyUs / 1000).toFixed(0)} ms of ${(allUs / 1000).toFixed(0)} ms (${((busyUs / allUs) * 100).toFixed(0)} % of one thread).`,
    top(self, shownFunctions, 'self time', 'function'),
    top(files, shownFiles, 'self time', 'file'),
    top(ours, shownFunctions, 'with callees', 'function of ours'),
  ].join('\n\n');
}
