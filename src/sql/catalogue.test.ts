import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue, testCatalogueRows } from '../../test/support/catalogue.ts';
import { buildCatalogue } from './catalogue-build.ts';
import type { CatalogueRows, TextRow } from './catalogue-queries.ts';
import { buildShipped } from './catalogue-shipped.ts';

const PATH = ['public'];
const HASH = /^[0-9a-f]{32}$/;

describe('buildCatalogue', () => {
  const catalogue = testCatalogue({
    tables: {
      'public.patients': {
        columns: {
          id: 'integer not null',
          ssn: 'varchar(11)',
          dob: 'date',
          full_name: "text generated (ssn || 'x'::text)",
          mood: 'public.mood[]',
          at: 'timestamptz default now()',
        },
        primaryKey: ['id'],
        unique: [['ssn'], ['dob', 'ssn']],
      },
      'legacy.patients': { columns: { id: 'integer' } },
      'public.visits': { columns: { id: 'integer', day: 'date' }, kind: 'partitioned' },
      'public.visits_2024': { columns: { id: 'integer', day: 'date' }, inherits: ['public.visits'] },
    },
    views: { 'public.v': { columns: { id: 'integer' }, sql: 'SELECT id FROM public.patients' } },
    types: { 'public.mood': { kind: 'enum' } },
  });
  const patients = catalogue.relation('public', 'patients');
  assert.ok(patients);

  it('reads columns with their types, defaults and generation expressions', () => {
    assert.deepEqual(
      patients.columns.map((column) => [column.name, column.attnum, column.typeName, column.notNull, column.hasDefault, column.generated]),
      [
        ['id', 1, 'integer', true, false, null],
        ['ssn', 2, 'varchar(11)', false, false, null],
        ['dob', 3, 'date', false, false, null],
        ['full_name', 4, 'text', false, false, "(ssn || 'x'::text)"],
        ['mood', 5, 'public.mood[]', false, false, null],
        ['at', 6, 'timestamp with time zone', false, true, null],
      ],
    );
    assert.equal(patients.byName.get('mood')?.typeSchema, 'public');
  });

  it('reads keys', () => {
    assert.deepEqual(patients.primaryKey, ['id']);
    assert.deepEqual(patients.uniqueKeys, [['id'], ['ssn'], ['dob', 'ssn']]);
  });

  it('links partitions both ways', () => {
    const [root, part] = [catalogue.relation('public', 'visits'), catalogue.relation('public', 'visits_2024')];
    assert.deepEqual(root?.children, [part?.oid]);
    assert.deepEqual(part?.parents, [root?.oid]);
  });

  it('resolves names on the path, pg_catalog first', () => {
    assert.equal(catalogue.resolveRelation('patients', PATH)?.qualified, 'public.patients');
    assert.equal(catalogue.resolveRelation('patients', ['legacy', 'public'])?.qualified, 'legacy.patients');
    assert.equal(catalogue.resolveRelation('patients', []), undefined);
    assert.equal(catalogue.resolveRelation('pg_class', PATH)?.qualified, 'pg_catalog.pg_class');
    assert.equal(catalogue.relation('nowhere', 'patients'), undefined);
    assert.ok(catalogue.hasSchema('legacy'));
    assert.ok(!catalogue.hasSchema('nowhere'));
  });

  it('keeps the definition of views', () => {
    assert.equal(catalogue.relation('public', 'v')?.definition, 'SELECT id FROM public.patients');
    assert.equal(patients.definition, null);
  });

  it('knows identifiers of every kind and no others', () => {
    for (const name of ['patients', 'ssn', 'legacy', 'mood', 'lower', 'int4', 'pg_class', 'clinic'])
      assert.ok(catalogue.knowsIdentifier(name), name);
    for (const name of ['quackenbush', 'SSN', '']) assert.ok(!catalogue.knowsIdentifier(name), name);
  });

  it('has a version that follows every change and nothing else', () => {
    const one = { tables: { 'public.t': { columns: { a: 'integer' } } } };
    const { version } = testCatalogue(one);
    assert.match(version, HASH);
    assert.equal(testCatalogue(one).version, version);
    assert.notEqual(testCatalogue({ tables: { 'public.t': { columns: { a: 'bigint' } } } }).version, version);
    assert.notEqual(testCatalogue({ ...one, functions: { 'public.upper(integer)': { returns: 'text' } } }).version, version);
  });

  it('is the same with what initdb made built before, and left out', () => {
    const rows = testCatalogueRows({
      tables: { 'public.t': { columns: { a: 'integer', lower: 'text' } } },
      functions: { 'public.leak(text)': { returns: 'text' } },
    });
    const shipped = buildShipped(rows, 180_004);
    assert.equal(shipped.below, 16384);
    const own = (of: readonly TextRow[]): TextRow[] => of.filter(([oid]) => Number(oid) >= 16384);
    const parts = ['relations', 'columns', 'functions', 'operators', 'types'] as const;
    const [whole, layered] = [
      buildCatalogue(rows),
      buildCatalogue({ ...rows, ...Object.fromEntries(parts.map((name) => [name, own(rows[name])])) }, shipped),
    ];
    assert.equal(layered.version, whole.version);
    assert.deepEqual(layered.relations, whole.relations);
    const some = (of: readonly TextRow[]): TextRow[] => of.filter(([oid], at) => Number(oid) >= 16384 || at % 25 === 0);
    for (const [, schema, name] of some(rows.functions)) {
      const [one, two] = [schema ?? '', name ?? ''];
      assert.deepEqual(layered.functions(one, two), whole.functions(one, two));
      assert.equal(layered.vetFunction(null, two, PATH), whole.vetFunction(null, two, PATH));
      assert.equal(layered.isAttributeFunction(two), whole.isAttributeFunction(two), two);
      assert.ok(layered.knowsIdentifier(two));
    }
    for (const [, , name] of some(rows.operators))
      assert.equal(layered.vetOperator(null, name ?? '', PATH), whole.vetOperator(null, name ?? '', PATH));
    for (const [, , name] of some(rows.types)) assert.equal(layered.vetType(null, name ?? '', PATH), whole.vetType(null, name ?? '', PATH));
  });

  it('takes nothing for shipped once something shipped uses what is not', () => {
    const rows = testCatalogueRows({ types: { 'public.mood': { kind: 'enum' } }, functions: { 'public.f()': {} } });
    const mood = rows.types.find((row) => row[2] === 'mood')?.[0] ?? assert.fail('no type');
    const other = rows.functions.find((row) => row[2] === 'f')?.[0] ?? assert.fail('no function');
    const changed = (name: 'functions' | 'operators' | 'types' | 'columns', at: number, value: string): CatalogueRows => ({
      ...rows,
      [name]: rows[name].map((row, index) => (index === 0 ? row.with(at, value) : row)),
    });
    for (const each of [
      changed('functions', 8, `23 ${mood}`),
      changed('functions', 11, mood),
      changed('operators', 3, other),
      changed('types', 6, mood),
      changed('types', 8, mood),
      changed('columns', 3, mood),
      changed('columns', 6, 't'),
      changed('columns', 7, 's'),
    ]) {
      assert.equal(buildShipped(each, 180_004).below, 0);
    }
    const catalogue = buildCatalogue(changed('functions', 11, mood));
    assert.equal(catalogue.relation('pg_catalog', 'pg_class')?.name, 'pg_class');
    assert.equal(catalogue.vetFunction('pg_catalog', 'lower', PATH), null);
  });

  it('is quick', () => {
    const rows = testCatalogueRows();
    buildCatalogue(rows);
    // The best of some: what else the machine does is not the catalogue's fault.
    const tookMs = Array.from({ length: 8 }, () => {
      const startedMs = performance.now();
      buildCatalogue(rows);
      return performance.now() - startedMs;
    });
    assert.ok(Math.min(...tookMs) < 150, `${tookMs.map(Math.round).join(', ')} ms`);
  });
});

describe('code that the server runs by itself', () => {
  const catalogue = testCatalogue({
    functions: {
      'public.leak(integer)': { returns: 'text' },
      'public.check_it(text)': { returns: 'boolean' },
      'public.pure(text)': { returns: 'text', extension: 'hstore', volatility: 'immutable' },
      'public.fire()': { returns: 'trigger', language: 'plpgsql' },
    },
    types: {
      'public.checked': { kind: 'domain', base: 'text', checks: [{ sql: 'public.check_it(VALUE)', uses: ['public.check_it(text)'] }] },
    },
    tables: {
      'public.plain': {
        columns: { id: "integer default nextval('s'::regclass)", at: 'timestamptz default now()' },
        checks: [{ sql: "(id > 0) AND (lower('x') = 'x')" }],
      },
      'public.defaulted': { columns: { k: 'text', v: 'text default public.leak(1)' } },
      'public.xml_default': { columns: { v: "xml default query_to_xml('select 1', true, false, '')" } },
      'public.triggered': { columns: { k: 'text' }, triggers: ['public.fire()'] },
      'public.ruled': { columns: { k: 'text' }, rules: ['also'] },
      'public.checked_table': { columns: { k: 'text' }, checks: [{ sql: 'public.check_it(k)', uses: ['public.check_it(text)'] }] },
      'public.indexed': { columns: { k: 'text' }, indexExpressions: [{ sql: 'public.check_it(k)', uses: ['public.check_it(text)'] }] },
      'public.indexed_purely': {
        columns: { k: 'text' },
        indexExpressions: [{ sql: 'public.pure(lower(k))', uses: ['public.pure(text)'] }],
      },
      'public.of_domain': { columns: { k: 'public.checked' } },
      'public.of_domains': { columns: { k: 'public.checked[]' } },
    },
    views: {
      'public.clean_view': { columns: { k: 'text' }, sql: 'SELECT lower(k) AS k FROM public.triggered' },
      'public.calling_view': { columns: { k: 'text' }, sql: 'SELECT public.leak(1) AS k', uses: ['public.leak(integer)'] },
      'public.xml_view': { columns: { k: 'xml' }, sql: "SELECT query_to_xml('select 1', true, false, '') AS k" },
      'public.setting_view': { columns: { k: 'text' }, sql: "SELECT current_setting('app.tenant') AS k" },
    },
  });
  const oid = (name: string): number => catalogue.relation('public', name)?.oid ?? -1;

  it('finds it on write', () => {
    assert.deepEqual(catalogue.codeOnWrite(oid('plain')), []);
    assert.deepEqual(catalogue.codeOnWrite(oid('indexed_purely')), []);
    assert.deepEqual(catalogue.codeOnWrite(oid('defaulted')), ['public.leak(integer)']);
    assert.deepEqual(catalogue.codeOnWrite(oid('xml_default')), ['pg_catalog.query_to_xml']);
    assert.deepEqual(catalogue.codeOnWrite(oid('triggered')), ['public.fire()']);
    assert.deepEqual(catalogue.codeOnWrite(oid('ruled')), ['rule also']);
    for (const name of ['checked_table', 'indexed', 'of_domain', 'of_domains'])
      assert.deepEqual(catalogue.codeOnWrite(oid(name)), ['public.check_it(text)'], name);
  });

  it('finds it in columns', () => {
    assert.deepEqual(catalogue.codeOfColumn(oid('defaulted'), 'v'), ['public.leak(integer)']);
    assert.deepEqual(catalogue.codeOfColumn(oid('defaulted'), 'k'), []);
  });

  it('finds it in views', () => {
    assert.deepEqual(catalogue.codeOnRead(oid('clean_view')), []);
    assert.deepEqual(catalogue.codeOnRead(oid('setting_view')), []);
    assert.deepEqual(catalogue.codeOnRead(oid('calling_view')), ['public.leak(integer)']);
    assert.deepEqual(catalogue.codeOnRead(oid('xml_view')), ['pg_catalog.query_to_xml']);
  });

  it('refuses casts to a domain with an unvetted check', () => {
    assert.equal(catalogue.vetType(null, 'checked', PATH), 'public.check_it(text)');
    assert.equal(catalogue.vetType(null, '_checked', PATH), 'public.check_it(text)');
    assert.equal(catalogue.vetType(null, 'of_domain', PATH), 'public.check_it(text)');
    assert.equal(catalogue.vetType(null, 'checked', PATH, new Set(['public.check_it(text)'])), null);
  });
});

describe('names that an older server spells otherwise', () => {
  const functions = { 'public.json_object(integer)': { returns: 'text' }, 'public.date_part(integer)': { returns: 'text' } };

  it('vets what is written as json_object() like any name before PostgreSQL 16, where it is no syntax yet', () => {
    const vet = (serverVersionNum: number): string | null =>
      testCatalogue({ serverVersionNum, functions }).vetFunction('pg_catalog', 'json_object', PATH);
    assert.equal(vet(150_018), 'public.json_object(integer)');
    assert.equal(vet(160_000), null);
  });

  it('knows extract() as date_part before PostgreSQL 14', () => {
    const rows = testCatalogueRows({ serverVersionNum: 130_023, functions });
    const older = { ...rows, functions: rows.functions.filter(([, schema, name]) => schema !== 'pg_catalog' || name !== 'extract') };
    assert.equal(buildCatalogue(older).vetFunction('pg_catalog', 'extract', PATH), null);
    const newer = { ...older, server: [['140023', 'clinic']] };
    assert.equal(buildCatalogue(newer).vetFunction('pg_catalog', 'extract', PATH), 'unknown function');
  });
});
