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
