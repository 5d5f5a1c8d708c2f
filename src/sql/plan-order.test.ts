// Tables that are partitioned by a protected column: neither where a row is nor the order of rows may tell its value.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { TestSession, parser, refusals } from '../../test/support/plan.ts';
import { lineage } from './lineage.ts';
import { DEFAULT_RESIDUALS } from './plan.ts';
import { protect } from './protection.ts';

const columns = { id: 'integer', condition: 'text' };
const keyed = { id: 'integer not null', condition: 'text not null' };
const catalogue = testCatalogue({
  tables: {
    'public.cohort': { columns, kind: 'partitioned', partitionKey: ['condition'] },
    'public.cohort_b20': { columns, inherits: ['public.cohort'] },
    'public.by_id': { columns: keyed, kind: 'partitioned', partitionKey: ['condition'], primaryKey: ['id'] },
  },
  views: {
    'public.ids': { columns: { id: 'integer' }, sql: 'SELECT cohort.id FROM public.cohort' },
    'public.counted': { columns: { n: 'bigint' }, sql: 'SELECT count(*) AS n FROM public.ids' },
    'public.first': { columns: { id: 'integer' }, sql: 'SELECT ids.id FROM public.ids LIMIT 5' },
    'public.listed': { columns: { ids: 'integer[]' }, sql: 'SELECT array_agg(cohort.id) AS ids FROM public.cohort' },
    'public.picked': { columns: { id: 'integer' }, sql: 'SELECT DISTINCT ON ((cohort.id % 2)) cohort.id FROM public.cohort' },
    'public.ranked': { columns: { n: 'bigint' }, sql: 'SELECT row_number() OVER () AS n FROM public.cohort' },
  },
});
const rules = ['cohort', 'by_id'].map((name) => ({ class: 'phi.c', pattern: `public.${name}.condition` }));
const protection = protect(catalogue, rules, parser, lineage);
const session = new TestSession(undefined, { protection });
const shown = new TestSession(undefined, { protection, residuals: { ...DEFAULT_RESIDUALS, partitionOrder: 'shown' } });

describe('rows of a table that is partitioned by a protected column', () => {
  it('come in the order of what is shown', () => {
    const { forward } = session.plan('SELECT id FROM cohort');
    assert.match(
      forward ?? '',
      /FROM \(SELECT "id", "condition" FROM "public"\."cohort" ORDER BY \(ROW\("id", '\*\*\*'::text\)::pg_catalog\.text\) COLLATE/,
    );
    assert.match(session.plan('SELECT id FROM by_id').forward ?? '', /FROM "public"\."by_id" ORDER BY "id"\)/);
    assert.match(session.plan('SELECT id FROM ids').forward ?? '', /FROM "public"\."ids" ORDER BY/);
    assert.match(session.plan('SELECT n FROM counted').forward ?? '', /FROM "public"\."counted" ORDER BY/);
  });

  it('come as they are where the operator wants speed, or for a principal who sees the column', () => {
    assert.doesNotMatch(shown.plan('SELECT id FROM cohort').forward ?? 'ORDER', /ORDER/);
    assert.equal(new TestSession(() => null, { protection }).plan('SELECT id FROM ids').forward, 'SELECT id FROM ids');
  });

  it('are refused where a view has looked at their order', () => {
    for (const view of ['first', 'listed', 'picked', 'ranked', 'cohort_b20']) {
      assert.deepEqual(refusals(session.plan(`SELECT * FROM ${view}`)), ['partition'], view);
    }
  });

  it('are refused as samples and by RETURNING', () => {
    assert.deepEqual(refusals(session.plan('SELECT id FROM cohort TABLESAMPLE bernoulli (5)')), ['partition']);
    assert.deepEqual(refusals(session.plan('DELETE FROM cohort WHERE id = 1 RETURNING id')), ['write-of-protected']);
    assert.deepEqual(refusals(session.plan('DELETE FROM cohort WHERE id = 1')), []);
    assert.deepEqual(refusals(shown.plan('DELETE FROM cohort WHERE id = 1 RETURNING id')), []);
  });
});
