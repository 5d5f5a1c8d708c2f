// Where third-party suites run: a fresh Debian PostgreSQL for every run, with the gateway before it or not. Nothing is
// protected and the principal has every effect, so that any difference is one of behaviour and not of masking.

import { randomBytes } from 'node:crypto';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, createWriteStream, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startTestGateway } from '../support/gateway.ts';

export const sides = ['direct', 'gate'] as const;
export type Side = (typeof sides)[number];

/** Where a suite connects. Through the gate the password is a token; everything else is the same. */
export interface Endpoint {
  readonly side: Side;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `bin` of the server: its client programs. */
  readonly bin: string;
  /** The server itself, for what a suite prepares before its clients come: never through the gate. */
  readonly server: { readonly port: number; readonly password: string };
}

export interface LiveEndpoint extends Endpoint {
  stop(): Promise<void>;
}

export const serverMajor = 15;
const host = '127.0.0.1';
const database = 'interop';
const nobody = 65_534;
const settings = [
  `listen_addresses=${host}`,
  'unix_socket_directories=',
  'max_connections=100',
  'max_prepared_transactions=10',
  'wal_level=logical',
  'fsync=off',
  'full_page_writes=off',
  'log_statement=none',
];

const policy = `version: 1
roles:
  - { role: suite, members: [{ issuer: corp, group: suites }] }
  - { role: officer, members: [{ issuer: corp, group: officers }] }
access: [{ role: suite, targets: ['*'], effects: [read, write, ddl, copy-in, copy-out, call, admin] }]
`;

/** Downloads and built things live outside of the checkout and are kept between runs. */
export function cacheDirectory(): string {
  const directory = process.env['SALLYPORT_INTEROP_CACHE'] ?? join(homedir(), '.cache', 'sallyport-interop');
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Where the output of a suite's last run is kept. */
export function logFile(suite: string, side: Side): string {
  const directory = join(cacheDirectory(), 'logs');
  mkdirSync(directory, { recursive: true });
  return join(directory, `${suite}-${side}.log`);
}

/** `bin` of Debian's PostgreSQL. @throws Error when the server is not installed. */
export function serverBin(): string {
  const found = globSync(`/usr/lib/postgresql/${serverMajor}/bin/initdb`)[0];
  if (found === undefined) throw new Error(`interoperability needs the Debian package postgresql-${serverMajor}`);
  return dirname(found);
}

/** What a suite needs of its server: see `Suite`. */
export interface Needs {
  readonly safeFunctions?: readonly string[];
  readonly databases?: readonly string[];
  readonly setup?: string;
}

/** A fresh server and, for the side `gate`, a fresh gateway before it. */
export async function startEndpoint(side: Side, { safeFunctions = [], databases = [], setup = '' }: Needs = {}): Promise<LiveEndpoint> {
  const server = await startServer(setup);
  try {
    const common = { side, host, user: server.user, database, bin: server.bin, server: { port: server.port, password: server.password } };
    if (side === 'direct') return { ...common, port: server.port, password: server.password, stop: () => server.stop() };
    const gateway = await startTestGateway({
      targets: [database, ...databases].map((name) => ({
        name,
        host,
        port: server.port,
        database: name,
        user: server.user,
        password: server.password,
        safeFunctions,
      })),
      policy,
      insecure: true,
    });
    const token = await gateway.issuer.token('suite', { groups: ['suites'], kind: 'service' }, { expiresInS: 14_400 });
    return {
      ...common,
      port: gateway.port,
      password: token,
      async stop() {
        await gateway.close();
        await server.stop();
      },
    };
  } catch (fault) {
    await server.stop();
    throw fault;
  }
}

interface Server {
  readonly bin: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

/** Runs as `nobody` when started by root: PostgreSQL refuses root. Its log goes with its data. */
async function startServer(setup: string): Promise<Server> {
  const bin = serverBin();
  const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const home = mkdtempSync(join(tmpdir(), 'sallyport-interop-'));
  const password = randomBytes(18).toString('base64url');
  const passwordFile = join(home, 'password');
  const user = 'postgres';
  const data = join(home, 'data');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined) for (const path of [home, passwordFile]) chownSync(path, nobody, nobody);
  const run = (program: string, args: readonly string[], input?: string): void => {
    const { status, stderr } = spawnSync(join(bin, program), args, {
      cwd: home,
      encoding: 'utf8',
      input,
      timeout: 60_000,
      env: { PATH: process.env['PATH'], PGPASSWORD: password },
      ...identity,
    });
    if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
  };
  const init = `-D ${data} -U ${user} --pwfile=${passwordFile} --auth=scram-sha-256 --no-sync --encoding=UTF8 --locale=C`;
  run('initdb', init.split(' '));
  const port = await freePort();
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(join(bin, 'postgres'), args, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'], ...identity });
  child.stderr.pipe(createWriteStream(join(home, 'log')));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGQUIT');
      await ended;
    }
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await ready(child);
    const psql = ['-h', host, '-p', String(port), '-U', user, '-v', 'ON_ERROR_STOP=1', '-q'];
    run('psql', [...psql, '-d', 'postgres', '-c', `CREATE DATABASE ${database}`]);
    run('psql', [...psql, '-d', database], setup);
  } catch (fault) {
    await stop();
    throw fault;
  }
  return { bin, port, user, password, stop };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let log = '';
    const deadline = setTimeout(() => reject(new Error(`PostgreSQL did not start: ${log}`)), 30_000);
    child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-16_384);
      if (!log.includes('database system is ready to accept connections')) return;
      clearTimeout(deadline);
      resolve();
    });
  });
}
