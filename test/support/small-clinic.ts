// A small database with protected and clean tables, the policy most end-to-end tests of the whole gateway use, and the
// clients they drive it with. One embedded PostgreSQL server per test file.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:https';
import { join } from 'node:path';
import pg from 'pg';
import type { EntryHeader } from '../../src/core/event.ts';
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import type { TestGateway, TestTarget } from './gateway.ts';

const schemaSql = `
  CREATE TYPE ward_kind AS ENUM ('surgery', 'medicine');
  CREATE TABLE patients (id int PRIMARY KEY, name text NOT NULL, ssn text NOT NULL, dob date NOT NULL, ward int);
  INSERT INTO patients SELECT i, 'Nathalie No' || i, '970-00-' || lpad(i::text, 4, '0'), date '1950-01-01' + i * 20, i % 4 FROM generate_series(1, 200) i;
  CREATE TABLE visits (id int PRIMARY KEY, patient_id int REFERENCES patients, kind ward_kind NOT NULL, at timestamptz NOT NULL, cost numeric(10,2), tags text[]);
  INSERT INTO visits SELECT i, 1 + i % 200, (CASE i % 2 WHEN 0 THEN 'surgery' ELSE 'medicine' END)::ward_kind, timestamptz '2026-01-01 00:00Z' + i * interval '1 hour', i * 1.25,
    ARRAY['t' || i % 3] FROM generate_series(1, 600) i;
  CREATE TABLE scratch (id serial PRIMARY KEY, body text);
  CREATE TABLE ledger (id serial PRIMARY KEY, body text);
  CREATE TABLE brief (id serial PRIMARY KEY, body text);
  CREATE TABLE double_check (id serial PRIMARY KEY, body text);
  CREATE VIEW ward_list AS SELECT ward, count(*) AS patients FROM patients GROUP BY ward;
  CREATE FUNCTION nap(seconds double precision) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(seconds); RETURN 'slept'; END $$;`;

/** Identity provider is `corp`, the target `clinic`. Clerks may do everything, agents read and export. */
export const smallClinicPolicy = `
version: 1
classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.name, columns: ["clinic:public.patients.name"] }
  - { class: phi.dob, columns: ["clinic:public.patients.dob"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.dob, mask: year }
roles:
  - { role: reporting-agent, members: [{ issuer: corp, group: ai-agents }] }
  - { role: clerk-agent, members: [{ issuer: corp, group: clerks }] }
  - { role: officer, members: [{ issuer: corp, group: privacy }] }
access:
  - { role: reporting-agent, targets: [clinic], effects: [read] }
  - { role: clerk-agent, targets: [clinic], effects: [read, write, ddl, call, copy-in, copy-out] }
  - { role: officer, targets: [clinic], effects: [read] }
rules:
  - name: bulk-read
    when: "request.unbounded && request.classes.exists(c, c.startsWith('phi.'))"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
    say: Add a LIMIT or a key.
  - name: ledger-write
    when: "request.writtenRelations.exists(r, r == 'public.ledger')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
  - name: double-check
    when: "request.writtenRelations.exists(r, r == 'public.double_check')"
    then: hold
    approvers: { role: officer, count: 2 }
    within: 15m
  - name: brief
    when: "request.relations.exists(r, r == 'public.brief')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 1s
tests:
  - name: agents see no social security number
    as: { issuer: corp, subject: agent-1, groups: [ai-agents] }
    target: clinic
    sql: SELECT id, ssn, dob FROM patients WHERE id = 7
    expect: { decision: allow, masks: { ssn: redact, dob: year } }
`;

export interface SmallClinic {
  readonly server: EmbeddedPostgres;
  /** Password of the login role that only the gateway has. */
  readonly password: string;
  readonly target: TestTarget;
  /** As the gateway's own role, not through the gateway. */
  readonly direct: pg.Client;
  /** A new connection as the superuser, not through the gateway. */
  admin(): Promise<pg.Client>;
  stop(): Promise<void>;
}

export async function startSmallClinic(options: EmbeddedPostgresOptions = {}): Promise<SmallClinic> {
  const server = await startEmbeddedPostgres(options);
  const password = randomBytes(24).toString('base64url');
  const admin = async (database = 'clinic'): Promise<pg.Client> => {
    const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const setup = await admin('postgres');
  await setup.query(`CREATE ROLE sallyport LOGIN PASSWORD '${password}'`);
  await setup.query('CREATE DATABASE clinic OWNER sallyport');
  await setup.end();
  const owner = await admin();
  await owner.query('ALTER SCHEMA public OWNER TO sallyport');
  await owner.end();
  const direct = new pg.Client({ host: server.host, port: server.port, user: 'sallyport', password, database: 'clinic' });
  direct.on('error', () => undefined);
  await direct.connect();
  await direct.query(schemaSql);
  return {
    server,
    password,
    target: {
      name: 'clinic',
      host: server.host,
      port: server.port,
      database: 'clinic',
      user: 'sallyport',
      password,
      safeFunctions: ['public.nap(double precision)'],
    },
    direct,
    admin: () => admin(),
    async stop() {
      await direct.end().catch(() => undefined);
      await server.stop();
    },
  };
}

/** Connection of an unmodified driver with verified TLS. */
export function clientConfig(
  gateway: Pick<TestGateway, 'ca'>,
  port: number,
  token: string,
): pg.ClientConfig & { host: string; port: number } {
  return { host: 'localhost', port, user: 'agent', password: token, database: 'clinic', ssl: { ca: gateway.ca, servername: 'localhost' } };
}

export async function connect(
  gateway: Pick<TestGateway, 'ca'>,
  port: number,
  token: string,
  extra: pg.ClientConfig = {},
): Promise<pg.Client> {
  const client = new pg.Client({ ...clientConfig(gateway, port, token), ...extra });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly pid: number;
  /** What it has written so far. */
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<Ended>;
  write(text: string): void;
  /** Closes its standard input. */
  end(text?: string): void;
  kill(signal: NodeJS.Signals): void;
}

/** A child process with everything it prints. */
export function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
  ended.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    out: () => out,
    err: () => err,
    ended,
    write: (text) => void child.stdin.write(text),
    end: (text) => void child.stdin.end(text ?? ''),
    kill: (signal) => void child.kill(signal),
  };
}

/** psql as a user starts it: verified TLS, the token as password. */
export function psql(gateway: TestGateway, port: number, token: string, args: readonly string[] = []): Running {
  return run('psql', psqlArguments(gateway, port, args), psqlEnvironment(token));
}

export function psqlArguments(gateway: Pick<TestGateway, 'directory'>, port: number, args: readonly string[] = []): string[] {
  const ca = join(gateway.directory, 'tls', 'ca.crt');
  return ['-X', `host=localhost port=${port} dbname=clinic user=agent sslmode=verify-full sslrootcert=${ca}`, ...args];
}

export function psqlEnvironment(token: string): Record<string, string> {
  return { PGPASSWORD: token, PAGER: 'cat', PSQL_PAGER: 'cat', TERM: 'dumb', LC_ALL: 'C.UTF-8' };
}

/** Waits until `isTrue`; its first true value is returned. Asks less and less often: the API has a budget of requests.
 *  @throws when it is not within `withinMs`, which says that something hangs, never how quick it is */
export async function until<T>(what: string, isTrue: () => T | Promise<T>, withinMs = 30_000): Promise<NonNullable<Exclude<T, false>>> {
  const endMs = performance.now() + withinMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(250, pauseMs * 1.3)) {
    const value = await isTrue();
    if (value !== false && value !== null && value !== undefined) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const root = join(import.meta.dirname, '..', '..');
const launcher = join(root, 'bin', 'sallyport.cjs');

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** One call of the HTTP API over verified TLS. */
export function callApi(
  gateway: Pick<TestGateway, 'ca'>,
  apiPort: number,
  token: string | null,
  path: string,
  body?: object,
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const call = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port: apiPort,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers,
        ca: gateway.ca,
        agent: false,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** All entries of the log, as an auditor reads them. */
export async function auditEntries(gateway: Pick<TestGateway, 'ca'>, apiPort: number, officer: string): Promise<EntryHeader[]> {
  const entries: EntryHeader[] = [];
  for (;;) {
    const { status, text } = await callApi(gateway, apiPort, officer, `/v1/audit/entries?from=${entries.length}&limit=1000`);
    if (status !== 200) throw new Error(`the API answered ${status}: ${text}`);
    const page = JSON.parse(text) as { entries: EntryHeader[]; size: number };
    entries.push(...page.entries);
    if (entries.length >= page.size) return entries;
  }
}

/** The real `sallyport` program. */
export function sallyport(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return run(process.execPath, [launcher, ...args], {
    NO_COLOR: '1',
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node-compile'),
    ...env,
  });
}

/** Environment with which `sallyport` commands speak to the API of a gateway. */
export function apiEnvironment(gateway: Pick<TestGateway, 'directory'>, apiPort: number, token: string): Record<string, string> {
  return { SALLYPORT_API: `https://localhost:${apiPort}`, SALLYPORT_CA: join(gateway.directory, 'tls', 'ca.crt'), SALLYPORT_TOKEN: token };
}

export interface ServedGateway extends Running {
  readonly port: number;
  readonly apiPort: number;
  readonly vkey: string;
}

/** `sallyport serve` as a child process, once it listens.
 *  @throws with what it printed when it ends instead */
export async function serve(configFile: string, env: Readonly<Record<string, string>> = {}): Promise<ServedGateway> {
  const child = sallyport(['serve', '-c', configFile], env);
  let hasEnded = false;
  void child.ended.then(() => (hasEnded = true));
  await until(
    'the gateway listens',
    () => {
      if (hasEnded) throw new Error(`serve ended: ${child.err()}`);
      return /verifier key \S+\n/.test(child.out());
    },
    60_000,
  );
  const number = (pattern: RegExp): number => Number(pattern.exec(child.out())?.[1]);
  return {
    ...child,
    port: number(/postgres on \S+:(\d+)/),
    apiPort: number(/api on \S+:(\d+)/),
    vkey: /verifier key (\S+)/.exec(child.out())?.[1] ?? '',
  };
}
