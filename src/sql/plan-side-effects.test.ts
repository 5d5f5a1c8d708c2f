// Writes that ask through what the server does beside them: columns it fills, checks it tries again, places inside a value.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogueRows } from '../../test/support/catalogue.ts';
import { TestSession, parser, refusals } from '../../test/support/plan.ts';
import { buildCatalogue } from './catalogue-build.ts';
import { lineage } from './lineage.ts';
import { protect } from './protection.ts';

const rows = testCatalogueRows({
  tables: {
    'public.people': {
      columns: {
        id: 'integer not null',
        reason: 'text',
        folded: 'text generated lower(reason)',
        cost: 'integer',
        parts: 'integer[]',
        raw: 'jsonb',
      },
      primaryKey: ['id'],
      unique: [['folded']],
    },
    'public.filled': {
      columns: { id: 'integer', note: "text default 'x'::text", no: "integer default nextval('public.s'::regclass)" },
      unique: [['note'], ['no']],
    },
    'public.paired': { columns: { id: 'integer', note: 'text' }, unique: [['note']] },
    'public.checked': { columns: { id: 'integer', note: 'text' }, checks: [{ sql: "(note <> 'x'::text)", columns: ['note'] }] },
    'public.stamped': {
      columns: {
        no: "integer default nextval('public.s'::regclass)",
        k: "text default 'x'::text",
        at: 'timestamp with time zone default now()',
        id: 'uuid default gen_random_uuid()',
      },
    },
    'public.docs': { columns: { id: 'integer not null', raw: 'jsonb' }, primaryKey: ['id'] },
    'public.parent': { columns: { id: 'integer' }, primaryKey: ['id'] },
    'public.child': {
      columns: { parent: 'integer', note: 'text' },
      checks: [{ sql: "(note <> 'x'::text)", columns: ['note'] }],
      references: [{ columns: ['parent'], to: 'public.parent', at: ['id'] }],
    },
  },
  views: { 'public.clean_view': { columns: { id: 'integer' }, sql: 'SELECT checked.id FROM public.checked' } },
});
const relation = (name: string): string => rows.relations.find((row) => row[2] === name)?.[0] ?? assert.fail(name);
/** The rows as they would be with one more fact about each of them. */
const changed = buildCatalogue({
  ...rows,
  constraints: rows.constraints.map((row) => (row[3] === 'c' ? [...row.slice(0, 8), null, 'f'] : row)),
  indexes: rows.indexes.map((row) => (row[1] === relation('paired') ? [...row.slice(0, 9), 'true'] : row)),
});
const rules = [
  'people.reason',
  'people.parts',
  'people.raw',
  'docs.raw',
  'filled.note',
  'filled.no',
  'paired.note',
  'checked.note',
  'child.note',
].map((column) => ({
  class: 'phi.x',
  pattern: `public.${column}`,
}));
const session = (catalogue = buildCatalogue(rows)): TestSession =>
  new TestSession(undefined, { protection: protect(catalogue, rules, parser, lineage) });
const plain = session();
const odd = session(changed);

function refused(from: TestSession, ...texts: string[]): void {
  for (const text of texts) assert.deepEqual(refusals(from.plan(text)), ['write-of-protected'], text);
}
function passes(from: TestSession, ...texts: string[]): void {
  for (const text of texts) assert.deepEqual(refusals(from.plan(text)), [], text);
}

describe('RETURNING', () => {
  it('is answered where defaults are constants, sequences or clocks', () => {
    passes(plain, "INSERT INTO stamped (k) VALUES ('x') RETURNING *");
  });
});

describe('a write asks through', () => {
  it('a unique generated column when what it is made of is written', () => {
    refused(plain, "UPDATE people SET reason = 'x' WHERE id = 1", "INSERT INTO people (id, reason) VALUES (1, 'x')");
    passes(plain, 'UPDATE people SET cost = 2 WHERE id = 1');
  });

  it('a unique column that its default fills, but not one that a sequence fills', () => {
    refused(plain, 'INSERT INTO filled (id) VALUES (1)', 'INSERT INTO filled DEFAULT VALUES', 'COPY filled (id) FROM STDIN');
    passes(plain, 'UPDATE filled SET id = 2', 'INSERT INTO paired (id) VALUES (1)');
  });

  it('a key in which NULLs are equal when the column is left out', () => {
    refused(odd, 'INSERT INTO paired (id) VALUES (1)');
    passes(odd, 'UPDATE paired SET id = 2');
  });

  it('a check that was never validated, whatever is updated, also by a foreign key', () => {
    refused(odd, 'UPDATE checked SET id = id', 'UPDATE clean_view SET id = 3', 'DELETE FROM parent');
    passes(plain, 'UPDATE checked SET id = id', 'UPDATE clean_view SET id = 3', 'DELETE FROM parent');
    passes(odd, "INSERT INTO checked (id, note) VALUES (1, 'a')");
  });

  it('a place inside a masked value', () => {
    refused(
      plain,
      'UPDATE people SET parts[3] = 1',
      'UPDATE people SET parts[1:2] = ARRAY[1]',
      "UPDATE people SET raw['a']['b'] = '1'",
      'UPDATE people SET (cost, parts[2]) = (SELECT 1, 2)',
      "INSERT INTO docs (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET raw['a'] = '1'",
      'MERGE INTO people p USING parent q ON p.id = q.id WHEN MATCHED THEN UPDATE SET parts[1] = 2',
    );
    passes(plain, "UPDATE people SET parts = '{1}'", "UPDATE people SET raw = '{}'");
  });
});
