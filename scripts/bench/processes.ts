// The processes of one benchmark. Each gets a process group of its own, so that Ctrl-C reaches only the benchmark, which
// then ends them: politely first, by force after a deadline, and whatever happens when it exits itself. So with folders.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';

/** The unprivileged user that PostgreSQL and PgBouncer run as when the benchmark is started by root. */
export const unprivileged = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** First match of `pattern` in everything printed so far or later. @throws when the process ends first, or after 30 s. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when it has ended; after `deadlineMs` it is killed. */
  end(signal?: NodeJS.Signals, deadlineMs?: number): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Run as `nobody` when we are root. */
  readonly unprivileged?: boolean;
}

const keptCharacters = 4 * 1024 * 1024;

export class Processes {
  readonly #alive = new Set<ChildProcess>();
  readonly #folders = new Set<string>();
  readonly #endAll = (): void => {
    for (const child of this.#alive) kill(child, 'SIGKILL');
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  };

  constructor() {
    process.on('exit', this.#endAll);
  }

  start(command: string, args: readonly string[], options: StartOptions = {}): Started {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC', ...options.env },
      ...(options.unprivileged === true ? unprivileged : {}),
    });
    this.#alive.add(child);
    let out = '';
    let err = '';
    const listeners = new Set<() => void>();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (out.length < keptCharacters) out += text;
      for (const listener of listeners) listener();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (err.length < keptCharacters) err += text;
      for (const listener of listeners) listener();
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', (fault) => {
        this.#alive.delete(child);
        reject(fault);
      });
      child.once('close', (code) => {
        this.#alive.delete(child);
        resolve({ code, out, err });
      });
    });
    ended.catch(() => undefined);
    return {
      pid: child.pid ?? 0,
      ended,
      printed: async (pattern) =>
        new Promise((resolve, reject) => {
          const finish = (act: () => void): void => {
            listeners.delete(look);
            clearTimeout(deadline);
            act();
          };
          const look = (): void => {
            const match = pattern.exec(out) ?? pattern.exec(err);
            if (match !== null) finish(() => resolve(match));
          };
          const describe = (what: string): Error => new Error(`${command} ${what}: ${(err + out).slice(-2000)}`);
          const deadline = setTimeout(() => finish(() => reject(describe('was not ready in 30 s'))), 30_000);
          listeners.add(look);
          ended.then(
            ({ code }) => finish(() => reject(describe(`ended with ${code}`))),
            (fault: unknown) => finish(() => reject(fault as Error)),
          );
          look();
        }),
      async end(signal = 'SIGTERM', deadlineMs = 15_000) {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill(signal);
        const timer = setTimeout(() => kill(child, 'SIGKILL'), deadlineMs);
        await gone;
        clearTimeout(timer);
      },
    };
  }

  /** Runs to the end. @throws with what it printed when it fails or takes longer than `deadlineMs`. */
  async run(command: string, args: readonly string[], options: StartOptions & { readonly deadlineMs?: number } = {}): Promise<string> {
    const running = this.start(command, args, options);
    const timer = setTimeout(() => void running.end('SIGKILL'), options.deadlineMs ?? 300_000);
    const { code, out, err } = await running.ended.finally(() => clearTimeout(timer));
    if (code !== 0) throw new Error(`${command} ${args.slice(0, 4).join(' ')} ended with ${code}: ${(err + out).trim().slice(-2000)}`);
    return out;
  }

  /** A folder that is removed when all is over. */
  keep(folder: string): void {
    this.#folders.add(folder);
  }

  /** Kills whatever is left, and removes the folders. */
  close(): void {
    this.#endAll();
    process.off('exit', this.#endAll);
  }
}

/** The whole group: launchers and workers go with their parent. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}
