// The bypass corpus through the planner and a real PostgreSQL, without the gateway around it: what is forwarded under
// full redaction must show no secret, must not tell two worlds apart that differ only in protected values, and must
// leave ordinary work byte-identical. Protocol-level cases run through the gateway in the adapter's own tests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { maskExpression } from '../../src/masking/index.ts';
import { buildCatalogue } from '../../src/sql/catalogue-build.ts';
import { CATALOGUE_BEGIN, CATALOGUE_END, CATALOGUE_QUERIES } from '../../src/sql/catalogue-queries.ts';
import type { CatalogueQueryName, CatalogueRows, TextRow } from '../../src/sql/catalogue-queries.ts';
import type { Facts } from '../../src/core/facts.ts';
import type { Catalogue, Relation } from '../../src/sql/catalogue.ts';
import { lineage } from '../../src/sql/lineage.ts';
import { createParser } from '../../src/sql/parser.ts';
import { plan } from '../../src/sql/plan.ts';
import type { MaskColumn, Plan, PlanContext } from '../../src/sql/plan.ts';
import { protect } from '../../src/sql/protection.ts';

interface Case {
  readonly id: string;
  readonly role?: string;
  readonly startup?: unknown;
  readonly setup?: readonly string[];
  readonly teardown?: readonly string[];
  readonly sql: readonly unknown[];
  readonly control?: readonly unknown[];
  readonly expect: 'masked' | 'refused' | 'clean';
  readonly accept: readonly string[];
  readonly secretMustNotAppear: readonly string[];
  readonly minServerVersion?: number;
}

const corpus = join(import.meta.dirname, '../bypass');
const cases: readonly Case[] = JSON.parse(readFileSync(join(corpus, 'cases.json'), 'utf8'));
const policy: { protected: Record<string, string[]>; safeFunctions: string[] } = JSON.parse(
  readFileSync(join(corpus, 'policy.json'), 'utf8'),
);
const rules = Object.entries(policy.protected).flatMap(([relation, columns]) =>
  columns.map((column) => ({ class: `phi.${column}`, pattern: `${relation}.${column}` })),
);
const safeFunctions = new Set(policy.safeFunctions);
const parser = await createParser();
const maskColumn: MaskColumn = (_, column, classes) =>
  maskExpression({ columnName: column.name, typeName: column.typeName, typeSchema: column.typeSchema, classes }, { id: 'all', byClass: {} })
    ?.sql ?? null;

// Simple texts only; large generated texts, COPY FROM STDIN and other sessions belong to the adapter's run.
const runnable = cases.filter(
  (each) =>
    [...each.sql, ...(each.control ?? [])].every((step) => typeof step === 'string' && !step.startsWith('@gen')) &&
    each.startup === undefined &&
    !(each.setup ?? []).some((text) => text.startsWith('@side')),
);

let server: EmbeddedPostgres;
const admins = new Map<string, pg.Client>();

async function connect(database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database });
  await client.connect();
  return client;
}

const texts = { getTypeParser: () => (value: string) => value };

async function catalogueOf(client: pg.Client): Promise<Catalogue> {
  const rows: Partial<Record<CatalogueQueryName, readonly TextRow[]>> = {};
  await client.query(CATALOGUE_BEGIN);
  for (const [name, text] of Object.entries(CATALOGUE_QUERIES)) {
    rows[name as CatalogueQueryName] = (await client.query({ text, rowMode: 'array', types: texts })).rows as TextRow[];
  }
  await client.query(CATALOGUE_END);
  return buildCatalogue(rows as CatalogueRows);
}

function planner(catalogue: Catalogue): (text: string) => Plan {
  const prepared = new Map<string, Facts>();
  const cursors = new Map<string, Facts>();
  const temporary = new Map<string, Relation>();
  const context: PlanContext = {
    protection: protect(catalogue, rules, parser, lineage, safeFunctions),
    searchPath: ['public'],
    maskColumn,
    safeFunctions,
    objects: { prepared: (name) => prepared.get(name), cursor: (name) => cursors.get(name), temporary: (name) => temporary.get(name) },
  };
  return (text) => {
    const made = plan(text, context, parser);
    for (const change of made.forward === null ? [] : made.statements.flatMap((each) => each.changes)) {
      if (change.kind === 'prepare') prepared.set(change.name, change.facts);
      if (change.kind === 'declare') cursors.set(change.name, change.facts);
      if (change.kind === 'create-temporary') temporary.set(change.relation.name, change.relation);
    }
    return made;
  };
}

/** What a client would see of `steps`, as text. `catalogue` null = without a plan. */
async function seen(
  database: string,
  steps: readonly unknown[],
  catalogue: Catalogue | null,
): Promise<{ text: string; refused: string[] }> {
  const client = await connect(database);
  const out: unknown[] = [];
  const refused: string[] = [];
  try {
    await client.query('SET search_path = public');
    const planned = catalogue === null ? null : planner(catalogue);
    for (const step of steps) {
      const sql = String(step).replaceAll('{{DB}}', database).replaceAll('{{PORT}}', String(server.port));
      const made = planned?.(sql);
      if (made?.forward === null) {
        refused.push(...made.facts.unknowns.map((reason) => `${reason.code}: ${reason.what}`));
        out.push('refused');
        continue;
      }
      // COPY is sub-protocol: its query shows the same rows.
      const text = (made?.forward ?? sql).replace(/^COPY \((.*)\) TO STDOUT.*$/s, '$1');
      const hidden = made?.statements.some((each) => each.messages === 'code-only') === true;
      try {
        const result = await client.query({ text, rowMode: 'array', types: texts });
        for (const each of [result].flat()) out.push([each.command, each.rowCount, each.fields.map((field) => field.name), each.rows]);
      } catch (error) {
        assert.ok(error instanceof pg.DatabaseError);
        out.push([error.code, hidden && !error.code?.startsWith('42') ? '' : `${error.message} ${error.detail ?? ''}`]);
      }
    }
  } finally {
    await client.end();
  }
  return { text: JSON.stringify(out).replaceAll(database, 'DB'), refused };
}

async function withSetup<T>(each: Case, run: (catalogues: ReadonlyMap<string, Catalogue>) => Promise<T>): Promise<T> {
  try {
    const catalogues = new Map<string, Catalogue>();
    for (const [database, admin] of admins) {
      for (const text of each.setup ?? []) await admin.query(text.replaceAll('{{DB}}', database));
      catalogues.set(database, await catalogueOf(admin));
    }
    return await run(catalogues);
  } finally {
    for (const admin of admins.values()) for (const text of each.teardown ?? []) await admin.query(text).catch(() => undefined);
  }
}

function literals(each: Case): string[] {
  const own = JSON.stringify([each.sql, each.control ?? []]);
  return [...own.matchAll(/'([^'\\]{3,})'/g)].map((match) => match[1] ?? '').sort((a, b) => b.length - a.length);
}

describe('the bypass corpus through the planner', () => {
  before(async () => {
    server = await startEmbeddedPostgres();
    for (const [database, file] of [
      ['bypass', 'schema.sql'],
      ['bypass_twin', 'schema-twin.sql'],
    ] as const) {
      const root = await connect('postgres');
      await root.query(`CREATE DATABASE ${database}`);
      await root.end();
      const admin = await connect(database);
      await admin.query(readFileSync(join(corpus, file), 'utf8').replaceAll(/^\\.*$/gm, ''));
      await admin.query('RESET search_path');
      admins.set(database, admin);
    }
  });

  after(async () => {
    for (const admin of admins.values()) await admin.end();
    await server.stop();
  });

  it('has at least two hundred cases that run here', () => assert.ok(runnable.length >= 200, String(runnable.length)));

  for (const each of runnable) {
    it(`${each.id} is ${each.expect}`, async () => {
      await withSetup(each, async (catalogues) => {
        const catalogue = catalogues.get('bypass') ?? assert.fail();
        const client = await seen('bypass', each.sql, catalogue);
        if (each.expect === 'clean') {
          assert.equal(client.text, (await seen('bypass', each.sql, null)).text, client.refused.join());
        } else {
          const found = each.secretMustNotAppear.filter((secret) =>
            client.text.toLowerCase().includes(JSON.stringify(secret).slice(1, -1).toLowerCase()),
          );
          assert.deepEqual(found, []);
          if (!each.accept.includes('refused')) assert.deepEqual(client.refused, []);
        }
        if (each.control !== undefined) {
          const same = (text: string): string => literals(each).reduce((rest, literal) => rest.replaceAll(literal, '?'), text);
          assert.equal(same(client.text), same((await seen('bypass', each.control, catalogue)).text));
        }
        assert.equal((await seen('bypass_twin', each.sql, catalogues.get('bypass_twin') ?? assert.fail())).text, client.text);
      });
    });
  }
});
