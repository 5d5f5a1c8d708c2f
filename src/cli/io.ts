// What the command line touches of the process: streams, environment, files, time. Tests hand in their own.

import { readdir, readFile, realpath } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

export interface CliStream {
  readonly isTTY: boolean;
  /** Width of the terminal; undefined when there is none. */
  readonly columns: number | undefined;
  write(text: string): void;
}

export interface CliIo {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readText: (path: string) => Promise<string>;
  /** Names in a folder; null when there is no such folder. */
  readonly listFolder: (path: string) => Promise<readonly string[] | null>;
  /** Absolute, with all links followed; null when there is nothing there. */
  readonly realPath: (path: string) => Promise<string | null>;
  readonly readStdin: () => Promise<string>;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `listener` on Ctrl-C. @returns a function that stops listening. */
  onInterrupt(listener: () => void): () => void;
}

/** The real process. @param env from `app/config.ts`, the one reader of the environment. */
export function processIo(env: CliIo['env']): CliIo {
  // A reader that went away (`| head`) is no fault of the command.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    stdout: streamOf(process.stdout),
    stderr: streamOf(process.stderr),
    env,
    readText: (path) => readFile(path, 'utf8'),
    listFolder: (path) => orNull(() => readdir(path)),
    realPath: (path) => orNull(() => realpath(path)),
    readStdin: () => text(process.stdin),
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, { signal });
    },
    onInterrupt: (listener) => {
      process.once('SIGINT', listener);
      return () => process.off('SIGINT', listener);
    },
  };
}

/** Null when there is no such thing. */
async function orNull<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (fault) {
    const { code } = fault as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fault;
  }
}

function streamOf(stream: NodeJS.WriteStream): CliStream {
  return {
    get isTTY() {
      // Absent on pipes and files, whatever the type says.
      return (stream.isTTY as boolean | undefined) ?? false;
    },
    get columns() {
      return stream.columns as number | undefined;
    },
    write: (text) => void stream.write(text),
  };
}
