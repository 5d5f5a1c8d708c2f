import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TestObjects, testCatalogueRows } from '../../../test/support/catalogue.ts';
import { buildCatalogue } from '../../sql/catalogue-build.ts';
import { treeOf } from './catalogue-tree.ts';
import { sampleRows, storedColumns } from './sampler.ts';

const columns = { id: 'integer not null', name: 'text' };
const objects: TestObjects = {
  types: { 'public.label': { kind: 'domain', base: 'text' } },
  tables: {
    'public.people': { columns: { ...columns, shout: 'text generated upper(name)', tag: 'public.label', at: 'date' } },
    'public.elsewhere': { columns, kind: 'foreign' },
    'public.guarded': { columns },
    'public.parts': { columns, kind: 'partitioned', partitionKey: ['id'] },
    'public.part_far': { columns, kind: 'foreign', inherits: ['public.parts'] },
    'public.above': { columns },
    'public.between': { columns, inherits: ['public.above'] },
    'public.below_far': { columns, kind: 'foreign', inherits: ['public.between'] },
    'public.whole': { columns, kind: 'partitioned', partitionKey: ['id'] },
    'public.part_near': { columns, inherits: ['public.whole'] },
  },
  views: { 'public.shown': { columns, sql: 'SELECT id, name FROM public.people' } },
};
const rows = testCatalogueRows(objects);
const catalogue = buildCatalogue({
  ...rows,
  relations: rows.relations.map((row) => (row[2] === 'guarded' ? row.with(5, 't') : row)),
});
const never = new AbortController().signal;

/** Whether the target would be asked for rows. */
async function asks(relation: string, wanted: readonly string[]): Promise<boolean> {
  const asked = new Error('asked');
  try {
    await sampleRows(catalogue, { schema: 'public', relation }, wanted, () => Promise.reject(asked), never);
  } catch (fault) {
    assert.equal(fault, asked);
    return true;
  }
  return false;
}

test('rows are read of tables, and of partitioned ones that are all here', async () => {
  assert.equal(await asks('people', ['name']), true);
  assert.equal(await asks('whole', ['name']), true);
});

test('REFUSES: what runs code of others when it is read: views, row security, foreign tables, also as a part or below', async () => {
  for (const relation of ['shown', 'guarded', 'elsewhere', 'parts', 'above', 'missing'])
    assert.equal(await asks(relation, ['name']), false, relation);
});

test('REFUSES: generated columns, types that are not the server’s own, and what no recogniser reads', async () => {
  for (const column of ['shout', 'tag', 'at', 'missing']) assert.equal(await asks('people', [column]), false, column);
});

test('people look through everything that can be read, in order, without the system and what is no relation of rows', () => {
  const tree = treeOf(catalogue);
  const relations = [...new Map(tree.map(({ relation, relationKind }) => [relation, relationKind]))];
  assert.deepEqual(relations, relations.toSorted());
  const kinds = Object.fromEntries(relations);
  assert.deepEqual([kinds['people'], kinds['shown'], kinds['elsewhere'], kinds['parts']], ['table', 'view', 'foreign', 'table']);
  assert.deepEqual(
    tree
      .filter(({ relation }) => relation === 'people')
      .map(({ column, type }) => [column, type])
      .slice(0, 2),
    [
      ['id', 'integer'],
      ['name', 'text'],
    ],
  );
  assert.ok(tree.every(({ schema }) => schema === 'public'));
  assert.equal(treeOf(catalogue), tree);
});

test('columns are listed of what is stored, once', () => {
  const listed = new Set(storedColumns(catalogue).map(({ relation }) => relation));
  assert.deepEqual([...listed].toSorted(), ['above', 'guarded', 'parts', 'people', 'whole']);
});
