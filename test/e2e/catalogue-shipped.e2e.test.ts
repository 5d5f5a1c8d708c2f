// What ships with PostgreSQL is read once, and not again with every DDL of somebody; whatever a superuser changes in it is seen at
// the next look all the same.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { Secret } from '../../src/core/secret.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { CatalogueLoader } from '../../src/protocols/postgres/catalogue-loader.ts';
import { catalogueSettings } from '../../src/protocols/postgres/session-settings.ts';
import { connectUpstream } from '../../src/protocols/postgres/upstream.ts';
import { SHIPPED_QUERIES } from '../../src/sql/catalogue-queries.ts';
import type { Catalogue } from '../../src/sql/catalogue.ts';

let server: EmbeddedPostgres;
let superuser: pg.Client;
const loaders: CatalogueLoader[] = [];

before(async () => {
  server = await startEmbeddedPostgres();
  superuser = new pg.Client({ ...login(), database: 'postgres' });
  await superuser.connect();
});
after(async () => {
  for (const loader of loaders) loader.close();
  await superuser?.end();
  await server?.stop();
});

function login(): { host: string; port: number; user: string; password: string } {
  const { host, port, user, password } = server;
  return { host, port, user, password };
}

interface Watched {
  /** As the target is now. */
  readonly look: () => Promise<Catalogue>;
  /** How often what ships with PostgreSQL was read. */
  readonly reads: () => number;
  /** The server ends the connection. */
  readonly cut: () => Promise<void>;
}

async function watched(): Promise<Watched> {
  let reads = 0;
  const application = `looks_${loaders.length}`;
  const loader = new CatalogueLoader({
    connect: async (signal) => {
      const { password, ...rest } = login();
      const config = {
        ...rest,
        password: new Secret(password),
        database: 'postgres',
        tls: { mode: 'disable' },
        connectTimeoutMs: 10_000,
      } as const;
      const connection = await connectUpstream(config, new Map([...catalogueSettings(), ['application_name', application]]), signal);
      const send = connection.ownQuery.bind(connection);
      connection.ownQuery = (text) => {
        if (text.includes(SHIPPED_QUERIES.functions)) reads += 1;
        send(text);
      };
      return connection;
    },
    settle: () => null,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    target: 'clinic',
    probeMs: 3_600_000,
    maxStaleMs: 60_000,
    readTimeoutMs: 30_000,
    trustMs: 0,
    maxTrustMs: 0,
  });
  loaders.push(loader);
  await loader.start();
  return {
    async look() {
      await loader.refresh();
      return loader.current() ?? assert.fail('no catalogue');
    },
    reads: () => reads,
    async cut() {
      await superuser.query('SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1', [application]);
    },
  };
}

test('DDL of somebody is seen without what ships with PostgreSQL being read again', async () => {
  const { look, reads } = await watched();
  const first = await look();
  await superuser.query(
    'CREATE TABLE made (a int, b text DEFAULT upper($$x$$)); CREATE FUNCTION lower(integer) RETURNS text LANGUAGE sql AS $$SELECT $1::text$$',
  );
  const second = await look();
  assert.ok(second.relation('public', 'made')?.byName.has('b'));
  assert.equal(second.vetFunction(null, 'lower', []), null);
  assert.equal(second.vetFunction(null, 'lower', ['public']), 'public.lower(integer)');
  assert.equal(second.vetFunction(null, 'pg_read_file', []), 'pg_catalog.pg_read_file(text,bigint,bigint)');
  assert.ok(second.relation('pg_catalog', 'pg_class')?.byName.has('relname'));
  assert.notEqual(second.version, first.version);
  await superuser.query('DROP TABLE made; DROP FUNCTION public.lower(integer)');
  assert.equal((await look()).version, first.version, 'the same catalogue has the same version');
  assert.equal(reads(), 1);
});

test('it is read again over another connection, and when it is the same, nothing counts as changed', async () => {
  const { look, reads, cut } = await watched();
  const first = await look();
  await cut();
  const second = await look().catch(look);
  assert.equal(second, first);
  assert.equal(reads(), 2);
});

const changes: readonly {
  readonly change: string;
  readonly undo: string;
  /** Null = `version` says it. */
  readonly tells: ((catalogue: Catalogue) => unknown) | null;
}[] = [
  {
    change: 'ALTER FUNCTION pg_catalog.lower(text) VOLATILE',
    undo: 'ALTER FUNCTION pg_catalog.lower(text) IMMUTABLE',
    tells: (catalogue) => catalogue.vetFunction(null, 'lower', []),
  },
  {
    change: 'CREATE OR REPLACE FUNCTION pg_catalog.upper(text) RETURNS text VOLATILE LANGUAGE sql AS $$SELECT pg_read_file($1)$$',
    undo: "CREATE OR REPLACE FUNCTION pg_catalog.upper(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE internal AS 'upper'",
    tells: (catalogue) => catalogue.vetFunction(null, 'upper', []),
  },
  {
    change: 'ALTER FUNCTION pg_catalog.initcap(text) RENAME TO initial',
    undo: 'ALTER FUNCTION pg_catalog.initial(text) RENAME TO initcap',
    tells: (catalogue) => catalogue.vetFunction('pg_catalog', 'initcap', []),
  },
  {
    change: 'CREATE SCHEMA away; ALTER FUNCTION pg_catalog.ascii(text) SET SCHEMA away',
    undo: 'ALTER FUNCTION away.ascii(text) SET SCHEMA pg_catalog; DROP SCHEMA away',
    tells: (catalogue) => catalogue.vetFunction('pg_catalog', 'ascii', []),
  },
  { change: 'ALTER LANGUAGE sql RENAME TO other', undo: 'ALTER LANGUAGE other RENAME TO sql', tells: null },
  {
    change: 'ALTER TABLE information_schema.sql_parts RENAME COLUMN comments TO remarks',
    undo: 'ALTER TABLE information_schema.sql_parts RENAME COLUMN remarks TO comments',
    tells: (catalogue) => catalogue.relation('information_schema', 'sql_parts')?.byName.has('comments'),
  },
  {
    change: 'ALTER TYPE pg_catalog.int4range SET SCHEMA public',
    undo: 'ALTER TYPE public.int4range SET SCHEMA pg_catalog',
    tells: (catalogue) => catalogue.vetType('pg_catalog', 'int4range', []),
  },
];

test('what a superuser changes in it is seen at the next look', async () => {
  await superuser.query('SET allow_system_table_mods = on');
  const { look, reads } = await watched();
  for (const { change, undo, tells } of changes) {
    const [before, already] = [await look(), reads()];
    await superuser.query(change);
    const changed = await look();
    if (tells !== null) assert.notDeepEqual(tells(changed), tells(before), change);
    assert.notEqual(changed.version, before.version, change);
    assert.ok(reads() > already, change);
    await superuser.query(undo);
    assert.equal((await look()).version, before.version, undo);
  }
});

test('a change that a transaction commits long after others have read is seen', async () => {
  const slow = new pg.Client({ ...login(), database: 'postgres' });
  await slow.connect();
  const { look } = await watched();
  const before = await look();
  await slow.query('BEGIN');
  await slow.query('ALTER FUNCTION pg_catalog.btrim(text) VOLATILE');
  for (let at = 0; at < 3; at += 1) {
    await superuser.query(`CREATE TABLE between_${at} (a int)`);
    assert.equal((await look()).vetFunction(null, 'btrim', []), null);
  }
  await slow.query('COMMIT');
  assert.equal((await look()).vetFunction(null, 'btrim', []), 'pg_catalog.btrim(text)');
  await slow.query('ALTER FUNCTION pg_catalog.btrim(text) IMMUTABLE');
  await slow.query('DROP TABLE between_0, between_1, between_2');
  await slow.end();
  assert.equal((await look()).version, before.version);
});

test('what initdb made, and now uses what it did not, is read every time', async () => {
  const { look } = await watched();
  const before = await look();
  await superuser.query('CREATE TYPE public.mood AS ENUM ($$ok$$); ALTER TABLE information_schema.sql_parts ADD COLUMN mood public.mood');
  const type = async (): Promise<string | undefined> =>
    (await look()).relation('information_schema', 'sql_parts')?.byName.get('mood')?.typeName;
  assert.equal(await type(), 'public.mood');
  // Of the column, its table and their schema no row changes.
  await superuser.query('ALTER TYPE public.mood RENAME TO temper');
  assert.equal(await type(), 'public.temper');
  await superuser.query('ALTER TABLE information_schema.sql_parts DROP COLUMN mood; DROP TYPE public.temper');
  assert.equal((await look()).version, before.version);
});
