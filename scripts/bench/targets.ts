// What is compared: the server itself, PgBouncer, a bare relay, and the gateway with buffered and with durable recording;
// each proxy in a process of its own, all before the same PostgreSQL.

import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TestGateway, startTestGateway } from '../../test/support/gateway.ts';
import type { Login } from './client.ts';
import { database, freePort, host, type Postgres, role, unprivilegedDirectory, writeFor } from './postgres.ts';
import { type Processes, type Started, unprivileged } from './processes.ts';

const root = join(import.meta.dirname, '..', '..');

export interface Target {
  readonly name: string;
  readonly login: Login;
  /** The same with TLS, where the target speaks it. */
  readonly tlsLogin: Login | null;
  /** Roots of the process trees whose CPU and memory count as the proxy's; empty for the server itself. */
  readonly pids: readonly number[];
  /** When it is a Node of ours. */
  readonly node?: Started;
  stop(): Promise<void>;
}

export interface Gateway extends Target {
  readonly files: TestGateway;
  readonly apiPort: number;
}

export function direct(postgres: Postgres): Target {
  const login = { port: postgres.port, user: role, database, password: postgres.password };
  return { name: 'direct', login, tlsLogin: { ...login, tls: true }, pids: [], stop: async () => undefined };
}

export interface PgBouncerOptions {
  readonly certificate: string;
  readonly key: string;
  /** A new server connection for every client, as a gateway without a pool has. */
  readonly isFreshUpstream?: boolean;
}

/** Session mode; SCRAM to clients and server with the stored secret, as its documentation recommends. */
export async function startPgBouncer(processes: Processes, postgres: Postgres, options: PgBouncerOptions): Promise<Target> {
  const home = unprivilegedDirectory(processes, 'pgbouncer');
  const port = await freePort();
  writeFor(join(home, 'users'), `"${role}" "${postgres.scramSecret}"\n`);
  writeFor(join(home, 'server.crt'), options.certificate);
  writeFor(join(home, 'server.key'), options.key);
  const settings = {
    listen_addr: host,
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: join(home, 'users'),
    pool_mode: 'session',
    default_pool_size: 5000,
    max_client_conn: 5000,
    ignore_startup_parameters: 'extra_float_digits',
    client_tls_sslmode: 'allow',
    client_tls_cert_file: join(home, 'server.crt'),
    client_tls_key_file: join(home, 'server.key'),
    log_connections: 0,
    log_disconnections: 0,
    ...(options.isFreshUpstream === true ? { server_lifetime: 0 } : {}),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  writeFor(
    join(home, 'pgbouncer.ini'),
    `[databases]\n${database} = host=${host} port=${postgres.port} dbname=${database}\n[pgbouncer]\n${lines.join('\n')}\n`,
  );
  if (unprivileged !== null) chownSync(home, unprivileged.uid, unprivileged.gid);
  const server = processes.start('/usr/sbin/pgbouncer', [join(home, 'pgbouncer.ini')], { unprivileged: true });
  await server.printed(/process up/);
  const login = { port, user: role, database, password: postgres.password };
  return {
    name: options.isFreshUpstream === true ? 'PgBouncer, fresh upstream' : 'PgBouncer',
    login,
    tlsLogin: { ...login, tls: true },
    pids: [server.pid],
    stop: () => server.end('SIGTERM', 3000),
  };
}

export async function startRelay(processes: Processes, postgres: Postgres, nodeOptions: readonly string[]): Promise<Target> {
  const relay = processes.start(process.execPath, [
    ...nodeOptions,
    fileURLToPath(import.meta.resolve('./relay.ts')),
    String(postgres.port),
  ]);
  const port = Number((await relay.printed(/port (\d+)/))[1]);
  return {
    name: 'bare relay',
    login: { port, user: role, database, password: postgres.password },
    tlsLogin: null,
    pids: [relay.pid],
    node: relay,
    stop: () => relay.end(),
  };
}

/** One protected column next to what pgbench reads, three of the ten bulk columns, one of the clinic. */
export const benchPolicy = `
version: 1
classes:
  - { class: phi.note, columns: ["${database}:public.pgbench_accounts.filler"] }
  - { class: phi.ssn, columns: ["${database}:public.patients.ssn"] }
  - { class: phi.email, columns: ["${database}:public.bulk_masked.c3"] }
  - { class: phi.account, columns: ["${database}:public.bulk_masked.c5"] }
  - { class: phi.phone, columns: ["${database}:public.bulk_masked.c8"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.account, mask: partial }
  - { class: phi.phone, mask: partial }
roles:
  - { role: tester, members: [{ issuer: corp, group: testers }] }
  - { role: officer, members: [{ issuer: corp, group: privacy }] }
access:
  - { role: tester, targets: [${database}], effects: [read, write, copy-out] }
rules:
  - name: held
    when: "request.relations.exists(r, r == 'public.patients') && request.unbounded"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 1h
`;

export type Durability = 'durable' | 'buffered';

export interface GatewayOptions {
  readonly durability: Durability;
  /** Options of Node, before the program. */
  readonly nodeOptions?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
}

/** `sallyport serve` with a generated configuration, as a user would run it; listens in plaintext and with TLS. */
export async function startGateway(processes: Processes, postgres: Postgres, options: GatewayOptions): Promise<Gateway> {
  const upstream = { name: database, host, port: postgres.port, database, user: role, password: postgres.password };
  const files = await startTestGateway({
    targets: [upstream],
    policy: benchPolicy,
    insecure: true,
    start: false,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  processes.keep(files.directory);
  const config = JSON.parse(readFileSync(files.configFile, 'utf8')) as {
    listeners: object[];
    audit: Record<string, unknown>;
    api: { tls: object };
  };
  config.listeners.push({ protocol: 'postgres', address: `${host}:0`, tls: config.api.tls });
  if (options.durability !== 'durable') config.audit['durability'] = options.durability;
  writeFileSync(files.configFile, JSON.stringify(config, null, 1));
  const launcher = join(root, 'bin', 'sallyport.cjs');
  const gateway = processes.start(process.execPath, [...(options.nodeOptions ?? []), launcher, 'serve', '-c', files.configFile]);
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopped ??= gateway.end('SIGTERM').then(() => files.close());
    return stopped;
  };
  try {
    const [, plain, tls] = await gateway.printed(/postgres on \S+:(\d+)\npostgres on \S+:(\d+)\napi on [^\n]+\n[^\n]+\n/);
    const [, api] = await gateway.printed(/api on \S+:(\d+)/);
    const password = await files.issuer.token('bench', { groups: ['testers'] }, { expiresInS: 24 * 3600 });
    const login = { port: Number(plain), user: role, database, password };
    return {
      name: `Sallyport, ${options.durability}`,
      login,
      tlsLogin: { ...login, port: Number(tls), tls: true },
      pids: [gateway.pid],
      node: gateway,
      files,
      apiPort: Number(api),
      stop,
    };
  } catch (fault) {
    await stop();
    throw fault;
  }
}
