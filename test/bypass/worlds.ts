// The two worlds of the corpus: databases that differ in protected values only, on a fresh PostgreSQL, behind a fresh
// gateway that masks every protected column. One target per database and per role the gateway logs in with.

import { readFileSync } from 'node:fs';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { startCluster } from '../../src/demo/postgres-cluster.ts';
import { debianPostgresBin } from '../support/debian-postgres.ts';
import { startTestGateway } from '../support/gateway.ts';
import { type CorpusPolicy, policyText } from './cases.ts';
import { Client, type Endpoint, errorFields, rowValues } from './client.ts';
import type { TargetKind, World, Worlds } from './run.ts';

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
  /** Absent = all. WHY: each target reads the catalogue of its database whenever a case has changed it, used or not. */
  readonly targets?: readonly TargetKind[];
}

/** `bin` of Debian's newest PostgreSQL with its contrib modules, or null. */
export const debianPostgres = (): string | null => debianPostgresBin({ beside: 'lib/dblink.so' });

export async function startEmbedded(): Promise<Server> {
  return { title: 'embedded PostgreSQL 18', ...(await startEmbeddedPostgres()) };
}

export async function startDebian(bin: string): Promise<Server> {
  return { title: `PostgreSQL in ${bin}`, ...(await startCluster(bin)) };
}

/** Loads both databases and starts a gateway before them. Stops what it started when it fails. */
export async function startWorlds(
  server: Server,
  { policy, schema, twin, targets: kinds = ['app', 'postgres', 'keeping'] }: WorldsOptions,
): Promise<LiveWorlds> {
  const { host, port } = server;
  const superuser = { user: server.user, password: server.password };
  const direct = (database: string): Endpoint => ({ host, port, database });
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
      port,
      ...login,
      safeFunctions: policy.safeFunctions,
    });
    const app = { user: 'app', password: 'app' };
    const targets = [names.first, names.twin].flatMap((database) => [
      ...(kinds.includes('app') ? [target(database, database, app)] : []),
      ...(kinds.includes('postgres') ? [target(`${database}_root`, database, superuser)] : []),
    ]);
    const kept = kinds.includes('keeping') ? [names.first, names.alike] : [];
    const keeping = kept.map((database) => target(`${database}_keeping`, database, app));
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

/** A whole schema takes longer than a statement of a case. */
const schemaPatience = 20;

/** First value of the answer. @throws Error with the server's message */
async function query(login: Endpoint & { user: string; password: string }, text: string): Promise<string | null> {
  const client = await Client.connect(login, schemaPatience);
  try {
    const answer = await client.simple(text);
    const error = answer.find(({ type }) => type === 'E');
    if (error !== undefined) throw new Error(`${text.slice(0, 60)}: ${errorFields(error.body)['M']}`);
    if (answer.at(-1)?.type !== 'Z') throw new Error(`${text.slice(0, 60)}: no answer`);
    const row = answer.find(({ type }) => type === 'D');
    return row === undefined ? null : (rowValues(row.body)[0]?.toString() ?? null);
  } finally {
    client.end();
  }
}
