// PostgreSQL 13 to 17 behind the real gateway: a cut through the bypass corpus, what older servers understand otherwise than
// the parser of 18, the catalogue's closure, masks, and clients. `node scripts/versions.ts` runs whole suites instead.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { maskSql } from '../../src/masking/index.ts';
import { buildCatalogue } from '../../src/sql/catalogue-build.ts';
import { CATALOGUE_BEGIN, CATALOGUE_END, CATALOGUE_PROBE_QUERY, CATALOGUE_QUERIES } from '../../src/sql/catalogue-queries.ts';
import type { CatalogueQueryName, CatalogueRows, TextRow } from '../../src/sql/catalogue-queries.ts';
import { lineage } from '../../src/sql/lineage-statement.ts';
import { createParser } from '../../src/sql/parser.ts';
import { protect } from '../../src/sql/protection.ts';
import { type Case, corpusDirectory, corpusFiles, isFor, readCases, readPolicy } from '../bypass/cases.ts';
import { Runner } from '../bypass/run.ts';
import { type LiveWorlds, startDebian, startWorlds } from '../bypass/worlds.ts';
import { ensureDebianPackages } from '../support/debian.ts';
import { type OlderVersion, nativeDirectory, olderVersions } from '../support/postgres-versions.ts';
import { RawPostgres, rows } from '../support/raw-postgres.ts';
import { queryMessage } from '../../src/protocols/postgres/messages.ts';
import { run } from '../support/small-clinic.ts';

/** Every so manieth case of the corpus runs here, and all that are about some versions only. */
const stride = 60;
const newest = 180_000;
const secret = '970-78-9909';

/** Words that the parser of 18 takes for syntax, and an older server for a function anybody may have made. */
function ordinaryNames(): Case[] {
  const leak = (call: string, signature: string, until: number): Case => {
    const name = signature.slice(0, signature.indexOf('('));
    return {
      id: `older-${name}`,
      category: 'older',
      title: `a function called ${name} is code of its owner before ${until / 10_000}`,
      setup: [`CREATE FUNCTION public.${signature} RETURNS text LANGUAGE sql STABLE AS $$ SELECT ssn FROM patients WHERE id = 1 $$`],
      teardown: [`DROP FUNCTION public.${signature}`],
      sql: [`SELECT ${call} AS x`],
      expect: 'refused',
      accept: ['refused'],
      secretMustNotAppear: [secret],
      maxServerVersion: until,
    };
  };
  return [
    leak('json_object(1)', 'json_object(int)', 160_000),
    leak("json_value('{}'::jsonb, '$')", 'json_value(jsonb, text)', 170_000),
    leak('json_scalar(1)', 'json_scalar(int)', 170_000),
    leak('merge_action()', 'merge_action()', 170_000),
    {
      id: 'older-spellings',
      category: 'older',
      title: 'what every version understands comes back untouched',
      sql: [
        "SELECT extract(year FROM date '2026-01-02'), json_object('{a,b}'), overlay('abc' placing 'x' from 2), substring('abc' from 2 for 1)",
        "SELECT trim(both 'x' from 'xax'), position('b' in 'abc'), current_user IS NOT NULL, now() AT TIME ZONE 'UTC' IS NOT NULL",
        'SELECT 0x1F, 1_000 FROM clinics ORDER BY id',
      ],
      expect: 'clean',
      accept: ['clean'],
      secretMustNotAppear: [],
    },
  ];
}

const policy = readPolicy();
const corpus = corpusFiles().flatMap((file) => readCases(file));
const cut = corpus.filter((each, index) => index % stride === 0 || !isFor(each, newest) || (each.minServerVersion ?? 0) > 130_000);
const parser = await createParser();

before(() => ensureDebianPackages(['postgresql-client']));

for (const major of Object.keys(olderVersions).map((text) => Number(text) as OlderVersion)) {
  describe(`PostgreSQL ${major}`, () => {
    let live: LiveWorlds;
    let direct: pg.Client;

    before(async () => {
      const server = await startDebian(join(nativeDirectory(major), 'bin'));
      const file = (name: string): string => join(corpusDirectory, name);
      live = await startWorlds(server, { policy, schema: file('schema.sql'), twin: file('schema-twin.sql') });
      direct = new pg.Client({ ...live.worlds.first.direct, ...live.worlds.superuser });
      await direct.connect();
    });
    after(async () => {
      await direct?.end();
      await live?.stop();
    });

    it('is that version', () => assert.equal(Math.floor(live.worlds.serverVersionNum / 10_000), major));

    it('leaks nothing of the cut through the corpus, and spoils nothing', async () => {
      const runner = new Runner(live.worlds);
      await runner.readSecrets(policy);
      const failed: string[] = [];
      for (const each of [...cut, ...ordinaryNames()].filter((one) => isFor(one, live.worlds.serverVersionNum))) {
        const { verdict, why } = await runner.run(each);
        if (verdict !== 'PASS' && verdict !== 'RESIDUAL') failed.push(`${each.id}: ${verdict} ${why}`);
      }
      assert.deepEqual(failed, []);
    });

    it('has a catalogue that leads to every derived column, and a probe', async () => {
      const read: Partial<Record<CatalogueQueryName, readonly TextRow[]>> = {};
      const types = { getTypeParser: () => (value: string) => value };
      await direct.query(CATALOGUE_BEGIN);
      for (const [name, text] of Object.entries(CATALOGUE_QUERIES)) {
        read[name as CatalogueQueryName] = (await direct.query({ text, rowMode: 'array', types })).rows as TextRow[];
      }
      await direct.query(CATALOGUE_END);
      const catalogue = buildCatalogue(read as CatalogueRows);
      assert.equal(catalogue.serverVersionNum, live.worlds.serverVersionNum);
      const { protected: named, derived } = JSON.parse(readFileSync(join(corpusDirectory, 'policy.json'), 'utf8')) as {
        protected: Record<string, string[]>;
        derived: Record<string, string[]>;
      };
      const columns = (those: Record<string, string[]>): string[] =>
        Object.entries(those).flatMap(([relation, names]) => names.map((name) => `${relation}.${name}`));
      const rules = columns(named).map((pattern) => ({ class: `phi.${pattern.split('.')[2]}`, pattern }));
      const found = protect(catalogue, rules, parser, lineage, new Set(policy.safeFunctions)).columns;
      assert.deepEqual(
        columns(derived).filter((column) => !found.has(column)),
        [],
      );
      assert.equal((await direct.query(CATALOGUE_PROBE_QUERY)).rowCount, 1);
    });

    it('computes masks, which keep their type', async () => {
      const shown = async (
        method: 'partial' | 'year' | 'zip3' | 'age-90' | 'round',
        type: string,
        value: string,
      ): Promise<string | null> => {
        const mask = maskSql(method, { columnName: 'v', typeName: type, typeSchema: 'pg_catalog', className: 'phi.x', keyId: '1' });
        const { rows: answer } = await direct.query<{ shown: string | null; kept: boolean }>(
          `SELECT (${mask})::text AS shown, pg_typeof(${mask}) = pg_typeof(v) AS kept FROM (SELECT ${value}::${type} AS v) s`,
        );
        assert.equal(answer[0]?.kept, true, `${method} of ${type}`);
        return answer[0]?.shown ?? null;
      };
      assert.equal(await shown('partial', 'text', "'970-78-9909'"), '***9909');
      assert.equal(await shown('year', 'date', "'1931-07-27'"), '1931-01-01');
      assert.equal(await shown('zip3', 'text', "'94110-1234'"), '941');
      assert.equal(await shown('age-90', 'integer', '91'), '90');
      assert.equal(await shown('round', 'numeric', '47.5'), '40');
    });

    it('serves psql and protocol 3.2 as it does itself', async () => {
      const { worlds } = live;
      const psql = async (to: { port: number; database: string }, password: string): Promise<string> => {
        const script =
          String.raw`\d clinics` + '\n' + String.raw`\dt` + '\n' + String.raw`\df clinic_label` + '\nSELECT * FROM clinics ORDER BY id;\n';
        const child = run('psql', ['-X', `host=127.0.0.1 port=${to.port} dbname=${to.database} user=app sslmode=disable`], {
          PGPASSWORD: password,
          PAGER: 'cat',
          LC_ALL: 'C.UTF-8',
        });
        child.end(script);
        const { out, err } = await child.ended;
        return out + err;
      };
      const gated = worlds.first.gateway.app;
      assert.equal(await psql(gated, worlds.token), await psql(worlds.first.direct, 'app'));
      const raw = await RawPostgres.open(gated.port);
      raw.socket.write(startup32({ user: 'app', database: gated.database }));
      await raw.until('R');
      raw.socket.write(Buffer.concat([Buffer.from('p'), int32(worlds.token.length + 5), Buffer.from(`${worlds.token}\0`)]));
      const greeting = await raw.until('Z');
      assert.equal(greeting.find(({ type }) => type === 'K'.charCodeAt(0))?.body.length, 4 + 32);
      raw.send(queryMessage('SELECT ssn FROM patients ORDER BY id LIMIT 1'));
      assert.deepEqual(rows(await raw.until('Z')), [['***']]);
      raw.socket.destroy();
    });
  });
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** Start-up packet of protocol 3.2. */
function startup32(parameters: Readonly<Record<string, string>>): Buffer {
  const text = Buffer.from(
    `${Object.entries(parameters)
      .flatMap(([name, value]) => [name, value])
      .join('\0')}\0\0`,
  );
  return Buffer.concat([int32(text.length + 8), int32(196_610), text]);
}
