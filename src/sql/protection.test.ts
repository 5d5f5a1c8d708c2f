import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import type { TestObjects } from '../../test/support/catalogue.ts';
import type { ColumnRule, Protection } from './catalogue.ts';
import { lineage } from './lineage-statement.ts';
import { createParser } from './parser.ts';
import { protect } from './protection.ts';

const parser = await createParser();

const PATIENTS = { id: 'integer not null', name: 'text', ssn: 'text', active: 'boolean' };
const RULES: readonly ColumnRule[] = [
  { class: 'phi.ssn', pattern: 'public.patients.ssn' },
  { class: 'phi.name', pattern: 'public.patients.name' },
];

function closureOf(
  objects: TestObjects,
  rules = RULES,
  safe?: ReadonlySet<string>,
): Protection & { of(name: string): Record<string, readonly string[]>; oid(name: string): number } {
  const catalogue = testCatalogue({
    ...objects,
    tables: { 'public.patients': { columns: PATIENTS, primaryKey: ['id'] }, ...objects.tables },
  });
  const protection = protect(catalogue, rules, parser, lineage, safe);
  const oid = (name: string): number => catalogue.relation('public', name)?.oid ?? assert.fail(name);
  return {
    ...protection,
    oid,
    of: (name) =>
      Object.fromEntries(
        (catalogue.relation('public', name)?.columns ?? [])
          .map((column) => [column.name, protection.classesOf(oid(name), column.name)] as const)
          .filter(([, classes]) => classes.length > 0),
      ),
  };
}

describe('protect', () => {
  it('protects what the policy names and nothing of the same name elsewhere', () => {
    const closure = closureOf({ tables: { 'legacy.patients': { columns: PATIENTS }, 'public.clinics': { columns: { name: 'text' } } } });
    assert.deepEqual(
      [...closure.columns],
      [
        ['public.patients.name', ['phi.name']],
        ['public.patients.ssn', ['phi.ssn']],
      ],
    );
    assert.ok(closure.isProtected(closure.oid('patients')));
    assert.ok(!closure.isProtected(closure.oid('clinics')));
    assert.deepEqual(closure.unmatched, []);
  });

  it('takes patterns per part and reports those that match nothing', () => {
    const rules = [
      { class: 'a', pattern: '*.pat*.ssn' },
      { class: 'b', pattern: 'public.*.*n' },
      { class: 'c', pattern: 'public.patients' },
      { class: 'c', pattern: 'public.patients.SSN' },
      { class: 'c', pattern: 'public.patients.s.n' },
      { class: 'c', pattern: 'public.patients.s+n' },
    ];
    const closure = closureOf({ tables: { 'legacy.patients': { columns: PATIENTS } } }, rules);
    assert.deepEqual(
      [...closure.columns],
      [
        ['legacy.patients.ssn', ['a']],
        ['public.patients.ssn', ['a', 'b']],
      ],
    );
    assert.deepEqual(
      closure.unmatched,
      rules.slice(2).map((rule) => rule.pattern),
    );
  });

  it('never takes system relations for a wildcard', () => {
    const closure = closureOf({}, [{ class: 'a', pattern: '*.*.*' }]);
    assert.ok([...closure.columns.keys()].every((column) => column.startsWith('public.patients.')));
    assert.equal(closure.columns.size, 4);
  });

  it('follows inheritance and partitions down, up and across', () => {
    const columns = { id: 'integer', name: 'text' };
    const closure = closureOf(
      {
        tables: {
          'public.root': { columns, kind: 'partitioned' },
          'public.left': { columns, inherits: ['public.root'] },
          'public.right': { columns: { ...columns, extra: 'text' }, inherits: ['public.root'] },
        },
      },
      [{ class: 'phi.name', pattern: 'public.left.name' }],
    );
    for (const name of ['root', 'left', 'right']) assert.deepEqual(closure.of(name), { name: ['phi.name'] }, name);
  });

  it('follows generated columns, and chains of them through children', () => {
    const columns = { ...PATIENTS, search: "text generated (lower(name) || ' '::text)", plain: 'integer generated (id + 1)' };
    const closure = closureOf({ tables: { 'public.patients': { columns }, 'public.archive': { columns, inherits: ['public.patients'] } } });
    assert.deepEqual(closure.of('archive'), { name: ['phi.name'], ssn: ['phi.ssn'], search: ['phi.name'] });
  });

  it('takes every class of the row when a generation expression cannot be read', () => {
    const closure = closureOf({ tables: { 'public.patients': { columns: { ...PATIENTS, odd: 'text generated ((' } } } });
    assert.deepEqual(closure.of('patients')['odd'], ['phi.name', 'phi.ssn']);
  });

  it('follows columns that hold whole rows', () => {
    const closure = closureOf({
      types: {},
      tables: { 'public.holder': { columns: { id: 'integer', one: 'public.patients', many: 'public.patients[]' } } },
    });
    assert.deepEqual(closure.of('holder'), { one: ['phi.name', 'phi.ssn'], many: ['phi.name', 'phi.ssn'] });
  });

  it('follows views over views by position, renamed and transformed', () => {
    const closure = closureOf({
      views: {
        'public.top': { columns: { clinic: 'integer', who: 'text' }, sql: 'SELECT v.k AS clinic, upper(v.n) AS who FROM public.middle v' },
        'public.middle': { columns: { k: 'integer', n: 'text' }, sql: 'SELECT p.id, p.name FROM public.patients p' },
        'public.stored': {
          columns: { label: 'text' },
          sql: "SELECT (p.name || ' <'::text) || p.ssn AS label FROM public.patients p",
          materialised: true,
        },
        'public.roster': { columns: { id: 'integer' }, sql: 'SELECT patients.id FROM public.patients WHERE patients.active' },
      },
    });
    assert.deepEqual(closure.of('middle'), { n: ['phi.name'] });
    assert.deepEqual(closure.of('top'), { who: ['phi.name'] });
    assert.deepEqual(closure.of('stored'), { label: ['phi.name', 'phi.ssn'] });
    assert.deepEqual(closure.of('roster'), {});
    assert.ok(closure.touchesProtected(closure.oid('top')));
    assert.ok(!closure.touchesProtected(closure.oid('roster')));
  });

  it('protects outputs that a protected column decides', () => {
    const closure = closureOf({
      views: {
        'public.flags': {
          columns: { id: 'integer', by_exists: 'boolean', by_filter: 'bigint', by_rank: 'bigint', by_named: 'bigint', total: 'bigint' },
          sql: `SELECT c.id, EXISTS (SELECT 1 FROM public.patients p WHERE p.ssn ~~ '9%'::text) AS by_exists, count(*) FILTER (WHERE c.name = 'x'::text) AS by_filter,
            rank() OVER (ORDER BY c.ssn) AS by_rank, rank() OVER w AS by_named, (SELECT count(*) AS count FROM public.patients q WHERE q.active) AS total
            FROM public.patients c GROUP BY c.id, c.ssn WINDOW w AS (ORDER BY c.ssn)`,
        },
      },
    });
    assert.deepEqual(closure.of('flags'), { by_exists: ['phi.ssn'], by_filter: ['phi.name'], by_rank: ['phi.ssn'], by_named: ['phi.ssn'] });
  });

  it('carries what decides an output through sub-selects, CTEs, outer joins and lists', () => {
    const sql = {
      ordered: 'SELECT c.id, array_agg(c.id ORDER BY c.ssn) AS x FROM public.patients c GROUP BY c.id',
      nested:
        "SELECT s.id, s.x FROM (SELECT c.id, EXISTS (SELECT 1 FROM public.patients p WHERE p.ssn = 'a'::text) AS x FROM public.plain c) s",
      by_cte:
        'WITH r AS (SELECT p.id, rank() OVER (ORDER BY p.ssn) AS x FROM public.patients p) SELECT c.id, r.x FROM public.plain c JOIN r ON r.id = c.id',
      by_lateral:
        "SELECT c.id, s.x FROM public.plain c, LATERAL (SELECT count(*) AS x FROM public.patients p WHERE p.ssn = 'a'::text AND p.id = c.id) s",
      by_outer:
        "SELECT c.id, s.id IS NOT NULL AS x FROM public.plain c LEFT JOIN (SELECT p.id FROM public.patients p WHERE p.ssn = 'a'::text) s ON s.id = c.id",
      by_outer_cte:
        "WITH s AS (SELECT p.id FROM public.patients p WHERE p.ssn = 'a'::text) SELECT c.id, s.id AS x FROM public.plain c LEFT JOIN s ON s.id = c.id",
      by_condition: "SELECT c.id, p.id AS x FROM public.plain c LEFT JOIN public.patients p ON p.id = c.id AND p.ssn = 'a'::text",
      by_renamed:
        'WITH r(k, v) AS (SELECT p.id, rank() OVER (ORDER BY p.ssn) AS r FROM public.patients p) SELECT s.a AS id, s.b AS x FROM (SELECT r.k, r.v FROM r) s(a, b)',
      by_list: "VALUES (1, (SELECT count(*) AS count FROM public.patients p WHERE p.ssn = 'a'::text))",
      by_argument:
        "SELECT c.id, g.x FROM public.plain c, generate_series(1, (SELECT count(*) AS count FROM public.patients p WHERE p.ssn = 'a'::text)) g(x)",
    };
    const views = Object.fromEntries(
      Object.entries(sql).map(([name, text]) => [`public.${name}`, { columns: { id: 'integer', x: 'bigint' }, sql: text }]),
    );
    const closure = closureOf({ tables: { 'public.plain': { columns: { id: 'integer' } } }, views });
    for (const name of Object.keys(sql)) assert.deepEqual(closure.of(name), { x: ['phi.ssn'] }, name);
  });

  it('leaves outputs alone that only a filter of the view stands before', () => {
    const sql = {
      filtered: "SELECT s.id FROM (SELECT p.id FROM public.patients p WHERE p.ssn = 'a'::text) s",
      joined: 'SELECT c.id FROM public.plain c LEFT JOIN public.patients p ON p.id = c.id',
      inner_joined: 'SELECT c.id FROM public.plain c JOIN public.patients p ON p.ssn = c.key',
    };
    const views = Object.fromEntries(
      Object.entries(sql).map(([name, text]) => [`public.${name}`, { columns: { id: 'integer' }, sql: text }]),
    );
    const closure = closureOf({ tables: { 'public.plain': { columns: { id: 'integer', key: 'text' } } }, views });
    for (const name of Object.keys(sql)) assert.deepEqual(closure.of(name), {}, name);
  });

  it('follows foreign keys to protected columns, column by column', () => {
    const closure = closureOf({
      tables: {
        'public.patients': { columns: PATIENTS, primaryKey: ['id'] },
        'public.visits': {
          columns: { id: 'integer', who: 'text', patient: 'integer' },
          references: [{ columns: ['patient', 'who'], to: 'public.patients', at: ['id', 'ssn'] }],
        },
      },
    });
    assert.deepEqual(closure.of('visits'), { who: ['phi.ssn'] });
    assert.deepEqual(closure.of('patients'), { name: ['phi.name'], ssn: ['phi.ssn'] });
  });

  it('knows partitions whose rows a protected column chose, and what shows them', () => {
    const columns = { id: 'integer', condition: 'text', year: 'integer' };
    const tables = {
      'public.root': { columns, kind: 'partitioned' as const, partitionKey: ['year'] },
      'public.of_year': { columns, kind: 'partitioned' as const, partitionKey: ['condition'], inherits: ['public.root'] },
      'public.of_condition': { columns, inherits: ['public.of_year'] },
    };
    const closure = closureOf({ tables }, [{ class: 'phi.c', pattern: 'public.root.condition' }]);
    const tells = (name: string): readonly boolean[] => [
      closure.isTellingPartition(closure.oid(name)),
      closure.hasTellingPartitions(closure.oid(name)),
    ];
    assert.deepEqual(['root', 'of_year', 'of_condition'].map(tells), [
      [false, true],
      [false, true],
      [true, false],
    ]);
  });

  it('keeps a column that was renamed since, for as long as the policy is the same', () => {
    const before = testCatalogue({ tables: { 'public.patients': { columns: PATIENTS } } });
    const after = testCatalogue({ tables: { 'public.people': { columns: { ...PATIENTS, ssn2: 'text' } } } });
    const { bound } = protect(before, RULES, parser, lineage);
    const kept = protect(after, RULES, parser, lineage, new Set(), bound);
    assert.deepEqual([...kept.columns.keys()], ['public.people.name', 'public.people.ssn']);
    assert.deepEqual(kept.bound, bound);
    assert.equal(protect(after, RULES, parser, lineage).columns.size, 0);
  });

  it('takes a view over what a system relation hides for opaque', () => {
    const tables = { 'public.patients': { columns: PATIENTS } };
    const of = (sql: string): readonly string[] | undefined => {
      const closure = closureOf({ tables, views: { 'public.v': { columns: { k: 'text' }, sql } } }, RULES);
      return closure.of('v')['k'];
    };
    assert.deepEqual(of('SELECT s.setting AS k FROM pg_settings s'), ['opaque']);
    assert.deepEqual(of('SELECT (a.attmissingval)::text AS k FROM pg_attribute a'), ['opaque']);
    assert.deepEqual(of('SELECT (r.*)::text AS k FROM pg_roles r'), ['opaque']);
    assert.equal(of('SELECT (a.attname)::text AS k FROM pg_attribute a'), undefined);
    assert.equal(of('SELECT (r.rolname)::text AS k FROM pg_roles r'), undefined);
  });

  it('keeps what holds values still: a partition that was detached, a column that is no longer generated', () => {
    const columns = { id: 'integer', ssn: 'text' };
    const derived = { ...columns, folded: 'text generated lower(ssn)' };
    const before = testCatalogue({
      tables: { 'public.patients': { columns: derived }, 'public.old': { columns, inherits: ['public.patients'] } },
      views: { 'public.v': { columns: { k: 'text' }, sql: 'SELECT patients.ssn AS k FROM public.patients' } },
    });
    const after = testCatalogue({
      tables: { 'public.patients': { columns: { ...derived, folded: 'text' } }, 'public.old': { columns } },
      views: { 'public.v': { columns: { k: 'integer' }, sql: 'SELECT patients.id AS k FROM public.patients' } },
    });
    const { bound } = protect(before, RULES, parser, lineage);
    const kept = [...protect(after, RULES, parser, lineage, new Set(), bound).columns.keys()];
    assert.deepEqual(kept, ['public.old.ssn', 'public.patients.folded', 'public.patients.ssn']);
  });

  it('notes row security that reads protected columns or runs unvetted code', () => {
    const closure = closureOf({
      functions: { 'public.leak(integer)': { returns: 'boolean' } },
      tables: {
        'public.by_column': {
          columns: { id: 'integer' },
          policies: [{ sql: "(EXISTS (SELECT 1 FROM public.patients p WHERE (p.ssn = 'x'::text)))" }],
        },
        'public.by_code': { columns: { id: 'integer' }, policies: [{ sql: 'public.leak(id)', uses: ['public.leak(integer)'] }] },
        'public.plainly': { columns: { id: 'integer' }, policies: [{ sql: '(id > 0), (id > 1)' }] },
      },
    });
    assert.deepEqual(
      ['by_column', 'by_code', 'plainly'].map((name) => closure.touchesProtected(closure.oid(name))),
      [true, true, false],
    );
  });

  it('follows the columns and relations of views down to what is stored', () => {
    const closure = closureOf({
      views: {
        'public.low': { columns: { k: 'integer', both: 'text' }, sql: 'SELECT p.id AS k, p.name || p.ssn AS both FROM public.patients p' },
        'public.high': { columns: { a: 'text' }, sql: 'SELECT low.both AS a FROM public.low' },
      },
    });
    const [patients, low, high] = ['patients', 'low', 'high'].map((name) => closure.oid(name));
    const stored = closure.storedColumns(high ?? 0, 'a').map(({ relation, column }) => [relation, column]);
    assert.deepEqual(stored, [
      [patients, 'name'],
      [patients, 'ssn'],
    ]);
    assert.deepEqual(closure.storedColumns(patients ?? 0, 'ssn'), [{ relation: patients, column: 'ssn' }]);
    assert.deepEqual(closure.storedRelations(high ?? 0), [high, low, patients]);
  });

  it('notes views that read protected columns without showing them', () => {
    const closure = closureOf({
      views: {
        'public.filtered': { columns: { id: 'integer' }, sql: "SELECT id FROM public.patients WHERE ssn = 'x'::text" },
        'public.above': { columns: { id: 'integer' }, sql: 'SELECT id FROM public.filtered' },
      },
    });
    assert.deepEqual(closure.of('filtered'), {});
    assert.ok(closure.touchesProtected(closure.oid('filtered')));
    assert.ok(closure.touchesProtected(closure.oid('above')));
  });

  it('protects every column of a view that cannot be analysed', () => {
    const columns = { id: 'integer', x: 'text' };
    const closure = closureOf({
      views: {
        'public.unparsed': { columns, sql: 'SELECT id, FROM' },
        'public.missing': { columns, sql: 'SELECT p.id, n.x FROM public.patients p, public.nowhere n' },
        'public.uneven': { columns, sql: 'SELECT p.id FROM public.patients p' },
        'public.stats': { columns, sql: 'SELECT 1, s.tablename FROM pg_stats s' },
      },
    });
    assert.deepEqual(closure.of('unparsed'), { id: ['opaque'], x: ['opaque'] });
    assert.deepEqual(closure.of('missing'), { id: ['opaque', 'phi.name', 'phi.ssn'], x: ['opaque', 'phi.name', 'phi.ssn'] });
    assert.deepEqual(closure.of('uneven'), { id: ['phi.name', 'phi.ssn'], x: ['phi.name', 'phi.ssn'] });
    assert.deepEqual(closure.of('stats'), { id: ['opaque'], x: ['opaque'] });
    for (const name of ['unparsed', 'missing', 'uneven', 'stats']) assert.ok(closure.touchesProtected(closure.oid(name)), name);
  });

  it('protects a view whose lineage throws', () => {
    const catalogue = testCatalogue({
      tables: { 'public.patients': { columns: PATIENTS } },
      views: { 'public.v': { columns: { id: 'integer' }, sql: 'SELECT id FROM public.patients' } },
    });
    const closure = protect(catalogue, RULES, parser, () => assert.fail('not understood'));
    assert.deepEqual(closure.columns.get('public.v.id'), ['phi.name', 'phi.ssn']);
  });

  it('counts foreign tables, and what unvetted code fills or shows, as opaque', () => {
    const objects: TestObjects = {
      functions: { 'public.leak(integer)': { returns: 'text' } },
      tables: {
        'public.elsewhere': { columns: { a: 'text' }, kind: 'foreign' },
        'public.filled': { columns: { k: 'text', v: 'text default public.leak(1)' } },
      },
      views: {
        'public.calling': {
          columns: { id: 'integer', l: 'text' },
          sql: 'SELECT 1 AS id, public.leak(1) AS l',
          uses: ['public.leak(integer)'],
        },
      },
    };
    const closure = closureOf(objects);
    assert.deepEqual(closure.of('elsewhere'), { a: ['opaque'] });
    assert.deepEqual(closure.of('filled'), { v: ['opaque'] });
    assert.deepEqual(closure.of('calling'), { id: ['opaque'], l: ['opaque'] });
    const vouched = closureOf(objects, RULES, new Set(['public.leak(integer)']));
    assert.deepEqual({ ...vouched.of('filled'), ...vouched.of('calling') }, {});
    const unruled = closureOf(objects, []);
    assert.equal(unruled.columns.size, 0);
  });

  it('marks writes that run unvetted code, here or where they spread', () => {
    const closure = closureOf({
      functions: { 'public.fire()': { returns: 'trigger' }, 'public.known()': { returns: 'trigger' } },
      tables: {
        'public.quiet': { columns: { id: 'integer' } },
        'public.root': { columns: { id: 'integer' }, kind: 'partitioned' },
        'public.part': { columns: { id: 'integer' }, inherits: ['public.root'], triggers: ['public.fire()'] },
        'public.other_part': { columns: { id: 'integer' }, inherits: ['public.root'] },
        'public.parent_of_triggered': { columns: { id: 'integer' } },
        'public.triggered': { columns: { id: 'integer' }, triggers: ['public.fire()'], cascadesFrom: ['public.parent_of_triggered'] },
        'public.parent_of_protected': { columns: { id: 'integer' } },
        'public.patients': { columns: PATIENTS, cascadesFrom: ['public.parent_of_protected'] },
      },
      views: {
        'public.over_triggered': { columns: { id: 'integer' }, sql: 'SELECT triggered.id FROM public.triggered' },
        'public.over_protected': { columns: { id: 'integer' }, sql: 'SELECT patients.id FROM public.patients' },
        'public.over_quiet': { columns: { id: 'integer' }, sql: 'SELECT quiet.id FROM public.quiet' },
      },
    });
    const opaque = (name: string): boolean => closure.isOpaqueOnWrite(closure.oid(name));
    for (const name of ['part', 'root', 'triggered', 'parent_of_triggered', 'parent_of_protected', 'over_triggered', 'over_protected'])
      assert.ok(opaque(name), name);
    for (const name of ['quiet', 'other_part', 'patients', 'over_quiet']) assert.ok(!opaque(name), name);
  });
});
