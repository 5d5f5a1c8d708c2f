// Two worlds for the generator: databases with the same objects, OIDs, sizes and unprotected values, and with different
// protected values. Each lane has a pair of its own, copied from the first file by file, so that lanes cannot disturb
// each other (sequences, locks, bloat). `control` is a second copy of the first world: what differs there is noise.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type CorpusPolicy, corpusDirectory, policyText, readPolicy } from '../bypass/cases.ts';
import type { Endpoint } from '../bypass/client.ts';
import type { Server } from '../bypass/worlds.ts';
import { type TestGateway, startTestGateway } from '../support/gateway.ts';
import { type Catalogue, readCatalogue } from './catalogue.ts';

/** One database, by way of the gateway and past it. All names are equally long, and differ in one letter. */
export interface World {
  readonly gated: Endpoint;
  readonly direct: Endpoint;
}

export interface Pair {
  readonly first: World;
  readonly twin: World;
  /** Holds what `first` holds. */
  readonly control: World;
}

export interface Pairs {
  readonly lanes: readonly Pair[];
  /** Nothing but differences that were found is sent here, to see whether they are real. */
  readonly referee: Pair;
  /** Makes the referee's databases anew. WHY: a unit that commits moves rows about, and where they land depends on how long
   *  protected values are: the order of unsorted scans (docs/threat-model.md) would look like a finding ever after. */
  readonly renewReferee: () => Promise<void>;
  /** For statements sent past the gateway: they may leave something behind. */
  readonly bare: Pair;
  readonly catalogue: Catalogue;
  /** What clients of the gateway log in with. */
  readonly token: string;
  /** Another gateway before the same databases, with another policy. The caller stops it. */
  readonly withPolicy: (policy: CorpusPolicy, laneCount: number) => Promise<Pairs>;
  readonly stop: () => Promise<void>;
}

export const appLogin = { user: 'app', password: 'app' };

/** What an error message or a function may tell of a database's name. */
export const worldName = /\bni_[atc]\d\b/g;

const shape = 'ni_shape';
const worlds = ['a', 't', 'c'] as const;
const refereeCopy = 0;
const bareCopy = 9;
const maxLanes = 8;
const statementTimeoutMs = 4000;

/** Protected columns of extra.sql, by how they are shown. */
const extraMasks: Readonly<Record<string, readonly string[]>> = {
  redact: ['diary', 'stay', 'score', 'tags', 'feeling', 'code', 'seen', 'weight', 'smoker'],
  year: ['born'],
  month: ['admitted'],
  zip3: ['postcode'],
  partial: ['account'],
  'age-90': ['age'],
  round: ['income'],
};

/** The corpus' policy and what extra.sql adds. */
export function readPairsPolicy(): CorpusPolicy {
  const policy = readPolicy();
  return { ...policy, protected: { ...policy.protected, 'public.visits': Object.values(extraMasks).flat() } };
}

function policyWithMasks(policy: CorpusPolicy, targets: readonly string[]): string {
  const document = JSON.parse(policyText(policy, targets)) as { masks: { class: string; mask: string }[] };
  for (const [mask, columns] of Object.entries(extraMasks))
    document.masks.push(...columns.map((column) => ({ class: `phi.${column}`, mask })));
  return JSON.stringify(document);
}

/** Loads the databases and starts a gateway before them. The caller stops `server`. */
export async function startPairs(server: Server, policy: CorpusPolicy, laneCount: number): Promise<Pairs> {
  if (laneCount < 1 || laneCount > maxLanes) throw new Error(`lanes: 1 to ${maxLanes}`);
  const within = async <T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const { host, port, user, password } = server;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const schema = sqlFile('schema.sql');
  const [objects = '', rows = ''] = readFileSync(join(import.meta.dirname, 'extra.sql'), 'utf8').split('-- rows\n');
  await within('postgres', async (client) => {
    // Time-driven work of the server would make noise.
    for (const setting of ['autovacuum = off', 'synchronous_commit = off', `statement_timeout = ${statementTimeoutMs}`])
      await client.query(`ALTER SYSTEM SET ${setting}`);
    await client.query('SELECT pg_reload_conf()');
    await client.query(`CREATE DATABASE ${shape}`);
  });
  await within(shape, (client) => client.query(`SET statement_timeout = 0; ${schema}; ${objects}`));
  for (const world of worlds) {
    const name = `ni_${world}${refereeCopy}`;
    await within('postgres', (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${shape}`));
    await within(name, (client) =>
      client.query(
        `${refill(world === 't' ? sqlFile('schema-twin.sql') : schema)};\n${rows.replaceAll('{{WORLD}}', world === 't' ? 'twin' : 'main')}; ANALYZE`,
      ),
    );
  }
  const copies = [...Array.from({ length: laneCount }, (_, index) => index + 1), bareCopy];
  await within('postgres', async (client) => {
    for (const copy of copies)
      for (const world of worlds.filter((each) => each !== 'c'))
        await client.query(`CREATE DATABASE ni_${world}${copy} TEMPLATE ni_${world}${refereeCopy}`);
    for (const world of worlds) await client.query(`CREATE DATABASE ni_${world}_fresh TEMPLATE ni_${world}${refereeCopy}`);
  });
  const renewReferee = (): Promise<void> =>
    within('postgres', async (client) => {
      for (const world of worlds) {
        await client.query(`DROP DATABASE ni_${world}${refereeCopy} WITH (FORCE)`);
        await client.query(`CREATE DATABASE ni_${world}${refereeCopy} TEMPLATE ni_${world}_fresh`);
      }
    });
  const catalogue = await within(`ni_a${refereeCopy}`, (client) => readCatalogue(client, policy));

  const gatewayWith = async (masked: CorpusPolicy, lanes: number): Promise<Pairs> => {
    const gated = [refereeCopy, ...copies.slice(0, lanes)].flatMap((copy) => worlds.map((world) => `ni_${world}${copy}`));
    const names = gated.filter((name) => !name.startsWith('ni_c') || name === `ni_c${refereeCopy}`);
    const { host, port } = server;
    const targets = names.map((name) => ({ name, database: name, host, port, ...appLogin, safeFunctions: masked.safeFunctions }));
    const gateway: TestGateway = await startTestGateway({ targets, policy: policyWithMasks(masked, names), insecure: true });
    const token = await gateway.issuer.token('generator', { groups: ['testers'] }, { expiresInS: 86_400 });
    const world = (database: string): World => ({ gated: { host, port: gateway.port, database }, direct: { host, port, database } });
    const pair = (copy: number): Pair => ({
      first: world(`ni_a${copy}`),
      twin: world(`ni_t${copy}`),
      control: world(`ni_c${refereeCopy}`),
    });
    return {
      lanes: copies.slice(0, lanes).map(pair),
      referee: pair(refereeCopy),
      renewReferee,
      bare: pair(bareCopy),
      catalogue,
      token,
      withPolicy: gatewayWith,
      stop: () => gateway.close(),
    };
  };
  return gatewayWith(policy, laneCount);
}

function sqlFile(name: string): string {
  return readFileSync(join(corpusDirectory, name), 'utf8').replaceAll(/^\\.*$/gm, '');
}

/** Replaces all rows of a database of the schema's shape with those of `text`: same objects and OIDs, other values. */
function refill(text: string): string {
  const inserts = text.match(/^INSERT INTO [\s\S]*?;$/gm) ?? [];
  const tables = [...new Set(inserts.map((insert) => /^INSERT INTO ([\w.]+)/.exec(insert)?.[1] ?? ''))];
  return [
    'SET statement_timeout = 0',
    "SET timezone = 'UTC'",
    `TRUNCATE ${tables.join(', ')}, audit_log RESTART IDENTITY CASCADE`,
    ...inserts.map((insert) => insert.slice(0, -1)),
    'REFRESH MATERIALIZED VIEW mv_patient_dir',
    'ANALYZE',
  ].join(';\n');
}
