// A fresh PostgreSQL from Debian with ordinary durability; and its tools.

import { chmodSync, chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../../src/demo/postgres-cluster.ts';
import { debianPostgresBin } from '../../test/support/debian-postgres.ts';
import { type Processes, unprivileged } from './processes.ts';

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
  const beside = 'bin/pgbench';
  return debianPostgresBin({ major: 15, beside }) ?? debianPostgresBin({ beside });
}

export async function startPostgres(processes: Processes, { maxConnections, ...tls }: PostgresOptions): Promise<Postgres> {
  const bin = postgresBin();
  if (bin === null) throw new Error('no PostgreSQL below /usr/lib/postgresql');
  const settings = [
    `max_connections=${maxConnections}`,
    'shared_buffers=256MB',
    'max_wal_size=4GB',
    // Statements that the gateway sends are read back from pg_stat_activity.
    'track_activity_query_size=16384',
  ];
  const cluster = await startCluster(bin, { tls, settings, durable: true });
  const { port, pid, user } = cluster;
  const psql = async (sql: string): Promise<string> => {
    const args = ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-h', host, '-p', String(port), '-U', user, '-d', 'postgres', '-c', sql];
    return (await processes.run(join(bin, 'psql'), args, { env: { PGPASSWORD: cluster.password } })).trim();
  };
  const password = 'bench-password';
  try {
    await psql(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
    await psql(`CREATE DATABASE ${database} OWNER ${role}`);
    return {
      version: await psql('SHOW server_version'),
      port,
      pid,
      password,
      scramSecret: await psql(`SELECT rolpassword FROM pg_authid WHERE rolname = '${role}'`),
      psql,
      stop: () => cluster.stop(),
    };
  } catch (fault) {
    await cluster.stop();
    throw fault;
  }
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
