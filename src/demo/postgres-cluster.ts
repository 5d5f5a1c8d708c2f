// A throw-away PostgreSQL on loopback from given binaries: for the demo, tests and benchmarks. Runs as `nobody` when started
// by root, in a session of its own, so that Ctrl-C reaches us first; it ends with us, and its data with it.
// Never for data that somebody needs: fsync is off unless asked for.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.ts';
import { identity, serverTmpdir } from './unprivileged.ts';

export interface ClusterOptions {
  /** PEM texts; when given the server also speaks TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Extra settings, `name=value`; they win over ours. */
  readonly settings?: readonly string[];
  /** Password encryption of new roles and of `pg_hba.conf`. */
  readonly authentication?: 'scram-sha-256' | 'md5';
  /** True = `fsync=on`, for measurements. */
  readonly durable?: boolean;
  /** Options of initdb about the locale. Absent = `--locale=C.UTF-8`. */
  readonly locale?: readonly string[];
}

export interface PostgresCluster {
  readonly host: '127.0.0.1';
  /** Stays the same over `restart`. */
  readonly port: number;
  readonly user: 'postgres';
  readonly password: string;
  readonly dataDirectory: string;
  /** Of the server that runs now, or ran last. */
  readonly pid: number;
  /** Immediate stop and start on the same port and data, as after a crash. */
  restart(): Promise<void>;
  /** Stops the server without removing its data; `restart` brings it back. */
  halt(): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const startDeadlineMs = 30_000;
const stopDeadlineMs = 5000;
/** Ports tried before giving up. */
const mostPorts = 20;
const keptCharacters = 16_384;
/** Nothing of ours: initdb asks `locale` from here, and settings or passwords for clients mean nothing to a server. */
const environment = { PATH: '/usr/bin:/bin', TZ: 'UTC' };

/** PostgreSQL cannot be told to take any free port, and a free port that was looked up may be gone: the server itself tries.
 *  These are below what systems give to outgoing connections (from 32768 on), so that it is still there for a restart. */
const anyPort = (): number => randomInt(10_000, 32_000);

/** Makes a new cluster and starts its server. `bin`: the directory of `initdb` and `postgres`.
 *  @throws Error with the end of what PostgreSQL said when it does not start within 30 s; nothing stays behind */
export async function startCluster(bin: string, options: ClusterOptions = {}): Promise<PostgresCluster> {
  const home = await mkdtemp(join(await serverTmpdir(), 'sallyport-pg-'));
  const dataDirectory = join(home, 'data');
  const password = randomBytes(18).toString('base64url');
  const authentication = options.authentication ?? 'scram-sha-256';
  const settings = [
    `listen_addresses=${host}`,
    'unix_socket_directories=',
    'max_connections=300',
    `password_encryption=${authentication}`,
    ...(options.durable === true ? [] : ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off']),
    ...(options.tls === undefined ? [] : ['ssl=on']),
    ...(options.settings ?? []),
  ];
  let port = anyPort();
  /** What runs now, or ran last. */
  let child: ChildProcess | null = null;

  const begin = (program: string, args: readonly string[]): ChildProcess => {
    const stdio = ['ignore', 'ignore', 'pipe'] as const;
    child = spawn(join(bin, program), args, { cwd: home, stdio: [...stdio], env: environment, detached: true, ...identity });
    return child;
  };
  /** @returns false when the port belongs to somebody else */
  const launch = async (): Promise<boolean> => {
    const server = begin('postgres', ['-D', dataDirectory, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]);
    const fault = await untilReady(server);
    if (fault === null) return true;
    await end(server, 'SIGQUIT');
    if (fault === 'port taken') return false;
    throw fault;
  };
  const halt = async (signal: 'SIGINT' | 'SIGQUIT'): Promise<void> => {
    if (child !== null) await end(child, signal);
  };
  const forget = endWithUs(() => endNow(child, home));
  const stop = async (): Promise<void> => {
    await halt('SIGINT');
    forget();
    await rm(home, { recursive: true, force: true });
  };

  try {
    await writeForServer(join(home, 'password'), password);
    if (identity !== null) await chown(home, identity.uid, identity.gid);
    const secrets = ['-U', 'postgres', `--pwfile=${join(home, 'password')}`, `--auth=${authentication}`];
    const locale = options.locale ?? ['--locale=C.UTF-8'];
    await succeeded(begin('initdb', ['-D', dataDirectory, ...secrets, '--no-sync', '--encoding=UTF8', ...locale]));
    if (options.tls !== undefined) {
      await writeForServer(join(dataDirectory, 'server.crt'), options.tls.certificate);
      await writeForServer(join(dataDirectory, 'server.key'), options.tls.key);
    }
    for (let tried = 1; !(await launch()); tried += 1) {
      if (tried === mostPorts) throw new Error(`PostgreSQL found no free port in ${mostPorts} tries`);
      port = anyPort();
    }
  } catch (fault) {
    await stop();
    throw fault;
  }
  return {
    host,
    port,
    user: 'postgres',
    password,
    dataDirectory,
    get pid() {
      return child?.pid ?? 0;
    },
    async restart() {
      await halt('SIGQUIT');
      if (!(await launch())) throw new Error(`PostgreSQL cannot start again: port ${port} belongs to somebody else now`);
    },
    halt: () => halt('SIGINT'),
    stop,
  };
}

async function writeForServer(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (identity !== null) await chown(path, identity.uid, identity.gid);
}

/** @throws Error with what it said when it fails */
async function succeeded(program: ChildProcess): Promise<void> {
  let said = '';
  program.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(program, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program.spawnfile} failed with ${code}: ${said.trim().slice(-keptCharacters)}`);
}

/** Null = it answers. What it logs later is read and forgotten. */
function untilReady(server: ChildProcess): Promise<null | 'port taken' | Error> {
  let log = '';
  return new Promise((resolve) => {
    const settle = (outcome: null | 'port taken' | Error): void => {
      clearTimeout(deadline);
      server.stderr?.off('data', keep).resume();
      resolve(outcome);
    };
    const fail = (what: string): void => settle(new Error(`${server.spawnfile} ${what}: ${log.trim()}`));
    const keep = (chunk: Buffer): void => {
      log = (log + chunk.toString()).slice(-keptCharacters);
      if (log.includes('database system is ready to accept connections')) settle(null);
    };
    const deadline = setTimeout(() => fail(`did not start in ${startDeadlineMs} ms`), startDeadlineMs);
    server.stderr?.on('data', keep);
    server.once('error', settle);
    // Not `exit`: some of the log may still be on its way.
    server.once('close', (code) =>
      /could not bind [^\n]*: Address already in use/.test(log) ? settle('port taken') : fail(`ended with ${code}`),
    );
  });
}

const hasEnded = (child: ChildProcess): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

/** A fast shutdown may wait for clients for ever: after a deadline it is made an immediate one. */
async function end(server: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (hasEnded(server)) return;
  const ended = once(server, 'exit');
  server.kill(signal);
  const late = setTimeout(() => server.kill('SIGQUIT'), stopDeadlineMs);
  await ended;
  clearTimeout(late);
}

/** Without the event loop: stops at once what runs, and removes `home`. */
function endNow(program: ChildProcess | null, home: string): void {
  const running = program === null || hasEnded(program) ? null : program;
  // initdb alone, not its group: what it has started ends by itself then, and leaves no shared memory behind.
  running?.kill('SIGQUIT');
  // That a child has ended is only noticed by the event loop; a server removes its lock file last of all.
  if (!within(stopDeadlineMs, () => !existsSync(join(home, 'data', 'postmaster.pid')))) running?.kill('SIGKILL');
  // initdb removes what it has made, too: whoever comes second finds nothing, and stops.
  within(stopDeadlineMs, () => {
    rmSync(home, { recursive: true, force: true, maxRetries: 20 });
    return !existsSync(home);
  });
}

/** Asks every 10 ms, without the event loop. @returns whether it came true */
function within(deadlineMs: number, isTrue: () => boolean): boolean {
  const moment = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; !isTrue(); waitedMs += 10) {
    if (waitedMs >= deadlineMs) return false;
    Atomics.wait(moment, 0, 0, 10);
  }
  return true;
}
