// Reads one secret from where the configuration says it is: an environment variable, a file or the output of a
// command. Faults name the source, never the content, and what a command writes to stderr is dropped.
// REFUSES: empty secrets, files that others can read or write, output without end, commands that hang.

import { spawn } from 'node:child_process';
import { constants, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { Secret } from '../core/secret.ts';

/** Exactly one of the three. */
export type SecretSource =
  | { readonly env: string }
  /** Path, relative to `baseDir`. */
  | { readonly file: string }
  /** Program and arguments; no shell is involved. */
  | { readonly command: readonly string[] };

export interface SecretDeps {
  /** Where `env` looks, and what commands are given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What relative files are relative to, and where commands run. Default: the working directory. */
  readonly baseDir?: string;
  /** Default 10 s. */
  readonly commandTimeoutMs?: number;
}

const MAX_SECRET_BYTES = 64 * 1024;
const COMMAND_TIMEOUT_MS = 10_000;
const OTHERS_READ_WRITE = 0o006;
const GROUP_WRITE = 0o020;

function refuse(source: string, what: string, cause?: unknown): SallyportError {
  return new SallyportError('SP_CONFIG_INVALID', `secret from ${source}: ${what}`, { cause });
}

/** Reads the secret. Call it again to see a rotated one.
 *  @throws SP_CONFIG_INVALID */
export async function resolveSecret(source: SecretSource, deps: SecretDeps, signal?: AbortSignal): Promise<Secret> {
  const [name, text] = await read(source, deps, signal);
  // One line end at most: editors and `echo` add it. Other white space may belong to the secret.
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw refuse(name, 'it is empty');
  return new Secret(value);
}

async function read(source: SecretSource, deps: SecretDeps, signal?: AbortSignal): Promise<[name: string, text: string]> {
  if ('env' in source) {
    const name = `environment variable ${source.env}`;
    const value = Object.hasOwn(deps.environment, source.env) ? deps.environment[source.env] : undefined;
    if (value === undefined) throw refuse(name, 'it is not set');
    return [name, value];
  }
  if ('file' in source) {
    const path = resolve(deps.baseDir ?? '', source.file);
    return [`file ${path}`, await readFile(path)];
  }
  const [program] = source.command;
  if (program === undefined || program === '') throw refuse('command', 'it names no program');
  // Arguments may hold what nobody should read; the program's name is enough to find it.
  return [`command ${program}`, await runCommand(program, source.command.slice(1), deps, signal)];
}

async function readFile(path: string): Promise<string> {
  const name = `file ${path}`;
  try {
    // Non-blocking, so that a named pipe is refused below instead of hanging here.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      // On the open file, so that what was checked is what is read.
      const stat = await file.stat();
      if (!stat.isFile()) throw refuse(name, 'it is not a file');
      if (process.platform !== 'win32' && (stat.mode & (OTHERS_READ_WRITE | GROUP_WRITE)) !== 0) {
        throw refuse(name, `other users can read or change it (mode ${(stat.mode & 0o777).toString(8)}); use chmod 600 or 440`);
      }
      if (stat.size > MAX_SECRET_BYTES) throw refuse(name, `it is larger than ${MAX_SECRET_BYTES} bytes`);
      return decode(name, await file.readFile());
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    throw refuse(name, 'it cannot be read', cause);
  }
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(name, 'it is not UTF-8 text');
  }
}

function runCommand(program: string, parameters: readonly string[], deps: SecretDeps, signal?: AbortSignal): Promise<string> {
  const name = `command ${program}`;
  const timeoutMs = deps.commandTimeoutMs ?? COMMAND_TIMEOUT_MS;
  return new Promise((resolvePromise, reject) => {
    const child = spawn(program, parameters, {
      shell: false,
      cwd: deps.baseDir,
      env: { ...deps.environment },
      stdio: ['ignore', 'pipe', 'ignore'],
      windowsHide: true,
      // A process group of its own, so that what it started ends with it.
      detached: process.platform !== 'win32',
    });
    const chunks: Buffer[] = [];
    let length = 0;

    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const stop = (fault: Error): void => {
      finish(() => reject(fault));
      endGroup(child.pid);
      child.stdout.destroy();
    };
    const abort = (): void => stop(refuse(name, 'it was interrupted'));
    const timer = setTimeout(() => stop(refuse(name, `no answer within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();

    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.byteLength;
      if (length > MAX_SECRET_BYTES) stop(refuse(name, `it wrote more than ${MAX_SECRET_BYTES} bytes`));
      else chunks.push(chunk);
    });
    // Without its cause, which lists the arguments.
    child.on('error', () => finish(() => reject(refuse(name, 'it cannot be run'))));
    child.on('close', (status, killedBy) => {
      finish(() => {
        if (status !== 0) return reject(refuse(name, `it ended with ${killedBy ?? `status ${status}`}`));
        try {
          resolvePromise(decode(name, Buffer.concat(chunks)));
        } catch (fault) {
          reject(fault as Error);
        }
      });
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch (cause) {
    // It ended by itself in the meantime.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
  }
}
