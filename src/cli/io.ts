// What the command line touches of the process: streams, environment, files, time. Tests hand in their own.

import { readFile } from 'node:fs/promises';
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
