// A fresh PostgreSQL from Debian with ordinary durability, as `nobody` when we are root; and its tools.

import { chmodSync, chownSync, existsSync, globSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Processes, type Started, unprivileged } from './processes.ts';

export const host = '127.0.0.1';
export const database = 'bench';
export const role = 'bench';

export interface Postgres {
  readonly version: string;
  readonly port: number;
  readonly pid: number;
  /** Password of the login role. */
  readonly password: string;
  /** Stored form of the password, for a pooler that passes SCRAM on. */
  readonly scramSecret: string;
  /** Runs SQL as the superuser with psql. @returns rows, values separated by `|` */
  psql(sql: string): Promise<string>;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  readonly maxConnections: number;
  readonly certificate: string;
  readonly key: string;
}

/** A directory that `nobody` can reach and own; removed at the end. */
export function unprivilegedDirectory(processes: Processes, name: string): string {
  const home = mkdtempSync(join(unprivileged === null ? tmpdir() : '/tmp', `sallyport-bench-${name}-`));
  processes.keep(home);
  chmodSync(home, 0o755);
  return home;
}

/** Written for the user that PostgreSQL and PgBouncer run as. */
export function writeFor(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (unprivileged !== null) chownSync(path, unprivileged.uid, unprivileged.gid);
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Directory of initdb and pgbench. PostgreSQL 15 when there are several: that is Debian 12's. */
export function postgresBin(): string | null {
  const found = globSync('/usr/lib/postgresql/*/bin/initdb').filter((path) => existsSync(join(dirname(path), 'pgbench')));
  const chosen = found.find((path) => path.includes('/15/')) ?? found.sort().at(-1);
  return chosen === undefined ? null : dirname(chosen);
}

export async function startPostgres(processes: Processes, options: PostgresOptions): Promise<Postgres> {
  const bin = postgresBin();
  if (bin === null) throw new Error('no PostgreSQL below /usr/lib/postgresql');
  const home = unprivilegedDirectory(processes, 'postgres');
  const data = join(home, 'data');
  const password = 'bench-password';
  writeFor(join(home, 'password'), password);
  writeFor(join(home, 'server.crt'), options.certificate);
  writeFor(join(home, 'server.key'), options.key);
  if (unprivileged !== null) chownSync(home, unprivileged.uid, unprivileged.gid);
  const asOwner = { unprivileged: true, cwd: home };
  const init = `-D ${data} -U postgres --pwfile=${join(home, 'password')} --auth=scram-sha-256 --no-sync --encoding=UTF8 --locale=C.UTF-8`;
  await processes.run(join(bin, 'initdb'), init.split(' '), asOwner);
  const port = await freePort();
  const settings = {
    listen_addresses: host,
    unix_socket_directories: '',
    max_connections: options.maxConnections,
    shared_buffers: '256MB',
    max_wal_size: '4GB',
    // Statements that the gateway sends are read back from pg_stat_activity.
    track_activity_query_size: 16_384,
    ssl: 'on',
    ssl_cert_file: join(home, 'server.crt'),
    ssl_key_file: join(home, 'server.key'),
  };
  const args = ['-D', data, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const server: Started = processes.start(join(bin, 'postgres'), args, asOwner);
  await server.printed(/database system is ready to accept connections/);
  const psql = async (sql: string): Promise<string> => {
    const login = ['-h', host, '-p', String(port), '-U', 'postgres', '-d', 'postgres'];
    const args = ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', ...login, '-c', sql];
    return (await processes.run(join(bin, 'psql'), args, { env: { PGPASSWORD: password } })).trim();
  };
  await psql(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
  await psql(`CREATE DATABASE ${database} OWNER ${role}`);
  return {
    version: await psql('SHOW server_version'),
    port,
    pid: server.pid,
    password,
    scramSecret: await psql(`SELECT rolpassword FROM pg_authid WHERE rolname = '${role}'`),
    psql,
    stop: () => server.end('SIGINT'),
  };
}

const loadSql = {
  /** A small table with a protected column: the gateway has more to know than the tables of pgbench. */
  clinic: `CREATE TABLE IF NOT EXISTS patients (id int PRIMARY KEY, name text NOT NULL, ssn text NOT NULL, clinic_id int);
    INSERT INTO patients SELECT i, 'Nathalie No' || i, '970-00-' || lpad(i::text, 4, '0'), i % 7 FROM generate_series(1, 5000) i ON CONFLICT DO NOTHING`,
  /** About 150 bytes a row on the wire. */
  bulk: (rows: number): string => `CREATE TABLE bulk_plain AS SELECT i AS a0, 'user' || i AS a1, (i::bigint * 7919 % 100000)::int AS a2,
      'u' || i || '@example.com' AS a3, date '2020-01-01' + (i % 2000) AS a4,
      '4111-1111-' || lpad((i % 10000)::text, 4, '0') || '-' || lpad((i::bigint * 31 % 10000)::text, 4, '0') AS a5,
      'Street ' || (i % 999) AS a6, (i % 97) * 1.25 AS a7, '+44 20 7946 ' || lpad((i % 10000)::text, 4, '0') AS a8, i % 2 = 0 AS a9
      FROM generate_series(1, ${rows}) i;
    CREATE TABLE bulk_masked AS SELECT a0 c0, a1 c1, a2 c2, a3 c3, a4 c4, a5 c5, a6 c6, a7 c7, a8 c8, a9 c9 FROM bulk_plain;
    ANALYZE bulk_plain; ANALYZE bulk_masked`,
};

async function runAsRole(processes: Processes, postgres: Postgres, tool: string, args: readonly string[]): Promise<void> {
  const login = ['-h', host, '-p', String(postgres.port), '-U', role];
  await processes.run(join(postgresBin() ?? '', tool), [...login, ...args], { env: { PGPASSWORD: postgres.password } });
}

/** The tables of pgbench, 100,000 accounts per unit of scale, and the clinic. */
export async function loadPgbench(processes: Processes, postgres: Postgres, scale: number): Promise<void> {
  await runAsRole(processes, postgres, 'pgbench', ['-i', '-q', '-s', String(scale), database]);
  await runAsRole(processes, postgres, 'psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', loadSql.clinic]);
}

export async function loadBulk(processes: Processes, postgres: Postgres, rows: number): Promise<void> {
  const command = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', loadSql.bulk(rows)];
  await runAsRole(processes, postgres, 'psql', command);
  // Outside of the transaction of the load: hint bits are set now, not by whoever reads first.
  await runAsRole(processes, postgres, 'psql', ['-X', '-q', '-d', database, '-c', 'VACUUM bulk_plain', '-c', 'VACUUM bulk_masked']);
}
