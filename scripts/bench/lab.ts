// What every suite needs: tools from Debian, a fresh PostgreSQL, the targets, progress lines, the options of the run, and
// one `close` that ends everything in the right order.

import { spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueServerCertificate } from '../../src/app/certificates.ts';
import { ensureDebianPackages } from '../../test/support/debian.ts';
import { sleep, untilQuiet } from './machine.ts';
import { median } from './numbers.ts';
import { type Postgres, loadPgbench, postgresBin, startPostgres } from './postgres.ts';
import { Processes } from './processes.ts';
import { type Durability, type Gateway, type Target, direct, startGateway, startPgBouncer, startRelay } from './targets.ts';

export interface BenchOptions {
  readonly clients: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  /** Kinds of OLTP load. */
  readonly loads: readonly string[];
  /** Names of targets, or empty for all. */
  readonly targets: readonly string[];
  readonly scale: number;
  /** Of each bulk table. */
  readonly rows: number;
  /** Idle ones. */
  readonly sessions: number;
  /** Statements. */
  readonly held: number;
  /** Longest wait for a quiet machine before each measurement. */
  readonly quietMs: number;
  /** Where profiles of the gateways are written, or null. */
  readonly profileDirectory: string | null;
  readonly say: (line: string) => void;
}

export interface Section {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  /** The same for programs. */
  readonly data: unknown;
}

export interface LabOptions {
  readonly maxConnections?: number;
  readonly limits?: Readonly<Record<string, number>>;
  readonly nodeOptions?: readonly string[];
}

const quietBudgetMs = 60_000;
/** For catalogues, superusers and psql. */
const reservedConnections = 10;

export class Lab {
  readonly options: BenchOptions;
  readonly processes: Processes;
  readonly postgres: Postgres;
  readonly #certificate: { readonly certificate: string; readonly key: string };
  readonly #labOptions: LabOptions;
  readonly #started: Target[] = [];
  #quietLeftMs = quietBudgetMs;

  private constructor(
    options: BenchOptions,
    processes: Processes,
    postgres: Postgres,
    certificate: { readonly certificate: string; readonly key: string },
    labOptions: LabOptions,
  ) {
    this.options = options;
    this.processes = processes;
    this.postgres = postgres;
    this.#certificate = certificate;
    this.#labOptions = labOptions;
  }

  /** @throws saying what to install, or with what a server printed when it did not start. */
  static async open(options: BenchOptions, labOptions: LabOptions = {}): Promise<Lab> {
    installTools();
    const processes = new Processes();
    const nowMs = Date.now();
    const authority = await createAuthority({ name: 'Sallyport bench CA', nowMs });
    const certificate = await issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs });
    const postgres = await startPostgres(processes, { maxConnections: labOptions.maxConnections ?? 600, ...certificate });
    options.say(
      `PostgreSQL ${postgres.version} on port ${postgres.port}; loading ${(options.scale * 100_000).toLocaleString('en-US')} accounts`,
    );
    const lab = new Lab(options, processes, postgres, certificate, labOptions);
    try {
      await loadPgbench(processes, postgres, options.scale);
      return lab;
    } catch (fault) {
      await lab.close();
      throw fault;
    }
  }

  direct(): Target {
    return direct(this.postgres);
  }

  pgBouncer(isFreshUpstream = false): Promise<Target> {
    return this.#keep(startPgBouncer(this.processes, this.postgres, { ...this.#certificate, isFreshUpstream }));
  }

  relay(): Promise<Target> {
    return this.#keep(startRelay(this.processes, this.postgres, this.#labOptions.nodeOptions ?? []));
  }

  async gateway(durability: Durability): Promise<Gateway> {
    const { profileDirectory } = this.options;
    const { limits, nodeOptions = [] } = this.#labOptions;
    const profile =
      profileDirectory === null ? [] : ['--cpu-prof', '--cpu-prof-interval=250', `--cpu-prof-dir=${join(profileDirectory, durability)}`];
    return this.#keep(
      startGateway(this.processes, this.postgres, {
        durability,
        nodeOptions: [...profile, ...nodeOptions],
        ...(limits === undefined ? {} : { limits }),
      }),
    );
  }

  /** Direct, PgBouncer, the relay, and both gateways; only those that were asked for. */
  async allTargets(): Promise<Target[]> {
    const wanted = (name: string): boolean => this.options.targets.length === 0 || this.options.targets.includes(name);
    const targets: Target[] = [];
    if (wanted('direct')) targets.push(this.direct());
    if (wanted('pgbouncer')) targets.push(await this.pgBouncer());
    if (wanted('relay')) targets.push(await this.relay());
    if (wanted('buffered')) targets.push(await this.gateway('buffered'));
    if (wanted('durable')) targets.push(await this.gateway('durable'));
    this.options.say(`targets: ${targets.map(({ name, login }) => `${name} on ${login.port}`).join('; ')}`);
    return targets;
  }

  /** Waits until the server has room for so many connections: those of the measurement before take a moment to end.
   *  @throws when they do not */
  async room(connections: number): Promise<void> {
    const free = `SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`;
    for (let turn = 0; turn < 40; turn += 1) {
      if (Number(await this.postgres.psql(free)) > connections + reservedConnections) return;
      await sleep(250);
    }
    throw new Error(`the server has no room for ${connections} more connections`);
  }

  /** Waits for a quiet machine; over the whole run no longer than a minute. */
  async quiet(): Promise<void> {
    const startedMs = performance.now();
    await untilQuiet(Math.min(this.options.quietMs, this.#quietLeftMs));
    this.#quietLeftMs = Math.max(0, this.#quietLeftMs - (performance.now() - startedMs));
  }

  /** Ends the gateways first, then the rest, then the server. */
  async close(): Promise<void> {
    for (const target of this.#started.toReversed()) await target.stop().catch((fault: unknown) => this.options.say(String(fault)));
    await this.postgres.stop();
    this.processes.close();
  }

  async #keep<T extends Target>(starting: Promise<T>): Promise<T> {
    const target = await starting;
    this.#started.push(target);
    return target;
  }
}

function installTools(): void {
  if (process.platform !== 'linux') throw new Error('the benchmarks read /proc and start Debian packages: they run on Linux only');
  if (postgresBin() !== null && existsSync('/usr/sbin/pgbouncer') && spawnSync('psql', ['--version']).status === 0) return;
  ensureDebianPackages(['postgresql', 'postgresql-client', 'pgbouncer']);
}

/** Median of a write of one record and `fdatasync`, microseconds: what durable recording cannot be faster than. */
export function fdatasyncUs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-sync-'));
  const file = openSync(join(folder, 'probe'), 'w');
  const record = Buffer.alloc(600, 'x');
  const times: number[] = [];
  const endMs = performance.now() + 700;
  while (performance.now() < endMs) {
    const startedMs = performance.now();
    writeSync(file, record);
    fdatasyncSync(file);
    times.push((performance.now() - startedMs) * 1000);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(times) ?? 0;
}
