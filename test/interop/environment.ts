// Where third-party suites run: a fresh Debian PostgreSQL for every run, with the gateway before it or not. Nothing is
// protected and the principal has every effect, so that any difference is one of behaviour and not of masking.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type PostgresCluster, startCluster } from '../../src/demo/postgres-cluster.ts';
import { debianPostgresBin } from '../support/debian-postgres.ts';
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
const database = 'interop';
/** Suites check what a commit leaves behind: it waits for the log, though no disk does. */
const settings = [
  'max_connections=100',
  'max_prepared_transactions=10',
  'wal_level=logical',
  'synchronous_commit=on',
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

/** What a suite needs of its server: see `Suite`. */
export interface Needs {
  readonly safeFunctions?: readonly string[];
  readonly databases?: readonly string[];
  readonly setup?: string;
}

/** A fresh server and, for the side `gate`, a fresh gateway before it. */
export async function startEndpoint(side: Side, { safeFunctions = [], databases = [], setup = '' }: Needs = {}): Promise<LiveEndpoint> {
  const bin = debianPostgresBin({ major: serverMajor });
  if (bin === null) throw new Error(`interoperability needs the Debian package postgresql-${serverMajor}`);
  const server = await startCluster(bin, { settings, locale: ['--locale=C'] });
  try {
    psql(bin, server, 'postgres', `CREATE DATABASE ${database}`);
    psql(bin, server, database, setup);
    const { host, port, user, password } = server;
    const common = { side, host, user, database, bin, server: { port, password } };
    if (side === 'direct') return { ...common, port, password, stop: () => server.stop() };
    const gateway = await startTestGateway({
      targets: [database, ...databases].map((name) => ({
        name,
        host,
        port,
        database: name,
        user,
        password,
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

/** @throws Error with what psql said */
function psql(bin: string, { host, port, user, password }: PostgresCluster, name: string, text: string): void {
  const login = ['-h', host, '-p', String(port), '-U', user, '-d', name];
  const { status, stderr } = spawnSync(join(bin, 'psql'), ['-X', ...login, '-v', 'ON_ERROR_STOP=1', '-q'], {
    encoding: 'utf8',
    input: text,
    timeout: 60_000,
    env: { PATH: process.env['PATH'], PGPASSWORD: password },
  });
  if (status !== 0) throw new Error(`psql failed: ${stderr}`);
}
