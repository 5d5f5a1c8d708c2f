// What a third-party suite is, and running its programs: always bounded in time, always with their whole process group.

import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { Endpoint } from './environment.ts';

export type Outcome = 'passed' | 'failed' | 'skipped';

export interface TestResult {
  readonly outcome: Outcome;
  /** Last line of the failure, for people. */
  readonly detail: string;
  /** What it printed, where printing the same is what makes it pass. */
  readonly output?: string;
}

/** By the suite's own name of the test. */
export type Results = ReadonlyMap<string, TestResult>;

export interface Suite {
  readonly name: string;
  /** What it is and in which version, for the table. */
  readonly title: string;
  /** Names of functions that the suite creates and calls: a fact for `safeFunctions`. */
  readonly safeFunctions?: readonly string[];
  /** Further databases of the server that the suite connects to. */
  readonly databases?: readonly string[];
  /** SQL run on the server before the suite starts, for both sides alike. */
  readonly setup?: string;
  /** Fetches and builds what the suite needs into the cache. @throws Error saying what cannot be had. */
  prepare(): Promise<void>;
  run(endpoint: Endpoint, scratch: string): Promise<Results>;
}

export interface Finished {
  readonly status: number | null;
  readonly isTimedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** stdout and stderr in the order they were written, both in `stdout`. */
  readonly merged?: boolean;
  /** Where all that was printed is kept, for people. */
  readonly log?: string;
}

/** Environment of libpq and of drivers that follow it. */
export function libpqEnvironment(endpoint: Endpoint): Record<string, string> {
  return {
    PGHOST: endpoint.host,
    PGPORT: String(endpoint.port),
    PGUSER: endpoint.user,
    PGPASSWORD: endpoint.password,
    PGDATABASE: endpoint.database,
    PGSSLMODE: 'disable',
  };
}

/** Never rejects for what the program does; after `timeoutMs` its process group is killed. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
  const settings: SpawnOptions = {
    cwd: options.cwd,
    env: { ...inherited, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  };
  const child =
    options.merged === true
      ? spawn('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', command, ...args], settings)
      : spawn(command, [...args], settings);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => (output[name] += chunk));
  }
  // A program may end before it has read everything.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  let isTimedOut = false;
  const deadline = setTimeout(() => {
    isTimedOut = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, options.timeoutMs);
  try {
    const [status] = (await once(child, 'close')) as [number | null];
    if (options.log !== undefined) writeFileSync(options.log, output.stdout + output.stderr);
    return { status, isTimedOut, ...output };
  } finally {
    clearTimeout(deadline);
  }
}

/** For what must succeed. @throws Error with the end of the output. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const done = await run(command, args, options);
  if (done.status === 0) return done.stdout;
  const why = done.isTimedOut ? `took longer than ${options.timeoutMs} ms` : `ended with ${done.status}`;
  throw new Error(`${command} ${args.slice(0, 4).join(' ')} ${why}: ${(done.stderr || done.stdout).trim().slice(-600)}`);
}
