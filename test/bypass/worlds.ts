// The two worlds of the corpus: databases that differ in protected values only, on a fresh PostgreSQL, behind a fresh
// gateway that masks every protected column. One target per database and per role the gateway logs in with.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { startTestGateway } from '../support/gateway.ts';
import { type CorpusPolicy, policyText } from './cases.ts';
import { Client, type Endpoint, errorFields, rowValues } from './client.ts';
import type { World, Worlds } from './run.ts';

export interface Server {
  /** Which PostgreSQL this is, for people. */
  readonly title: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

export interface LiveWorlds {
  readonly worlds: Worlds;
  readonly server: Server;
  stop(): Promise<void>;
}

export interface WorldsOptions {
  readonly policy: CorpusPolicy;
  readonly schema: string;
  readonly twin: string;
}

const host = '127.0.0.1';
const nobody = 65_534;

/** `bin` of Debian's newest PostgreSQL with its contrib modules, or null. */
export function debianPostgres(): string | null {
  const found = globSync('/usr/lib/postgresql/*/bin/initdb').sort().at(-1);
  return found !== undefined && existsSync(join(dirname(found), '../lib/dblink.so')) ? dirname(found) : null;
}

export async function startEmbedded(): Promise<Server> {
  const server = await startEmbeddedPostgres();
  return {
    title: 'embedded PostgreSQL 18',
    host,
    port: server.port,
    user: server.user,
    password: server.password,
    stop: () => server.stop(),
  };
}

/** Runs as `nobody` when started by root: PostgreSQL refuses root. */
export async function startDebian(bin: string): Promise<Server> {
  const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const home = mkdtempSync(join(tmpdir(), 'sallyport-bypass-'));
  const password = randomBytes(18).toString('base64url');
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined) for (const path of [home, passwordFile]) chownSync(path, nobody, nobody);
  const data = join(home, 'data');
  const init = [
    '-D',
    data,
    '-U',
    'postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
  ];
  const made = spawnSync(join(bin, 'initdb'), init, { cwd: home, encoding: 'utf8', ...identity });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await freePort();
  const settings = [`listen_addresses=${host}`, 'unix_socket_directories=', 'max_connections=100', 'fsync=off', 'full_page_writes=off'];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(join(bin, 'postgres'), args, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'], ...identity });
  await ready(child);
  return {
    title: `Debian's PostgreSQL in ${bin}`,
    host,
    port,
    user: 'postgres',
    password,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
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

/** Loads both databases and starts a gateway before them. Stops what it started when it fails. */
export async function startWorlds(server: Server, { policy, schema, twin }: WorldsOptions): Promise<LiveWorlds> {
  const superuser = { user: server.user, password: server.password };
  const direct = (database: string): Endpoint => ({ host, port: server.port, database });
  const names = { first: 'bypass', twin: 'bypass_twin', alike: 'bypass_alike' };
  const original = readFileSync(schema, 'utf8');
  try {
    for (const [database, text] of [
      [names.first, original],
      [names.twin, readFileSync(twin, 'utf8')],
      [names.alike, alikeUnderMasks(original)],
    ] as const) {
      await query({ ...direct('postgres'), ...superuser }, `CREATE DATABASE ${database}`);
      await query({ ...direct(database), ...superuser }, text.replaceAll(/^\\.*$/gm, ''));
    }
    const version = await query({ ...direct(names.first), ...superuser }, 'SHOW server_version_num');
    const target = (name: string, database: string, login: { user: string; password: string }) => ({
      name,
      database,
      host,
      port: server.port,
      ...login,
      safeFunctions: policy.safeFunctions,
    });
    const app = { user: 'app', password: 'app' };
    const targets = [names.first, names.twin].flatMap((database) => [
      target(database, database, app),
      target(`${database}_root`, database, superuser),
    ]);
    const keeping = [names.first, names.alike].map((database) => target(`${database}_keeping`, database, app));
    const titles = (those: readonly { readonly name: string }[]): string[] => those.map(({ name }) => name);
    const gateway = await startTestGateway({
      targets: [...targets, ...keeping],
      policy: policyText(policy, titles(targets), titles(keeping)),
      insecure: true,
    });
    const token = await gateway.issuer.token('bypass', { groups: ['testers'] }, { expiresInS: 7200 });
    const gated = (name: string): Endpoint => ({ host, port: gateway.port, database: name });
    const world = (database: string): World => ({
      direct: direct(database),
      gateway: { app: gated(database), postgres: gated(`${database}_root`), keeping: gated(`${database}_keeping`) },
    });
    return {
      worlds: {
        first: world(names.first),
        twin: world(names.twin),
        alike: world(names.alike),
        serverVersionNum: Number(version),
        superuser,
        token,
      },
      server,
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

/** The schema with other patients of the same years of birth, zip regions and last characters: fewer distinct values. */
function alikeUnderMasks(schema: string): string {
  return schema.replaceAll(
    /^( {2}\(\d+, 'MRN[^']*', '[^']*', '[^']*', '\d{4})-\d\d-\d\d', '[^']*(@[^']*)', '[^']*(-\d{4})', '[^']*( Unit \d+)', '(\d{3})[^']*'/gm,
    "$1-01-01', 'someone$2', '+1-555-0100$3', '1 Nowhere$4', '$500-0000'",
  );
}

/** First value of the answer. @throws Error with the server's message. */
async function query(login: Endpoint & { user: string; password: string }, text: string): Promise<string | null> {
  const client = await Client.connect(login);
  try {
    // A whole schema takes longer than a statement of a case.
    const answer = [...(await client.simple(text))];
    while (answer.at(-1)?.type === '!timeout') answer.push(...(await client.idle(5000)));
    const error = answer.find(({ type }) => type === 'E');
    if (error !== undefined) throw new Error(`${text.slice(0, 60)}: ${errorFields(error.body)['M']}`);
    const row = answer.find(({ type }) => type === 'D');
    return row === undefined ? null : (rowValues(row.body)[0]?.toString() ?? null);
  } finally {
    client.end();
  }
}
