import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import type { TestObjects } from '../../test/support/catalogue.ts';
import type { BoundColumn, ColumnRule, Protection } from './catalogue.ts';
import { lineage } from './lineage-statement.ts';
import { createParser } from './parser.ts';
import { protect } from './protection.ts';
import { Coverage } from './protection-bound.ts';
import { NO_SOURCES, OPAQUE_SOURCE, SourceBook } from './protection-closure.ts';

const parser = await createParser();

const PATIENTS = { id: 'integer not null', name: 'text', ssn: 'text' };
const rule = (pattern: string, name = 'phi.ssn'): ColumnRule => ({ class: name, pattern });
const SSN = [rule('public.patients.ssn')];

const closure = (
  tables: NonNullable<TestObjects['tables']>,
  rules: readonly ColumnRule[],
  bound: readonly BoundColumn[] = [],
): Protection => protect(testCatalogue({ tables }), rules, parser, lineage, new Set(), bound);
const columns = (protection: Protection): Record<string, readonly string[]> => Object.fromEntries(protection.columns);

const before = closure({ 'public.patients': { columns: PATIENTS } }, SSN);
const renamed = { 'public.patients': { columns: { id: 'integer not null', name: 'text', tax_id: 'text' } } };
const moved = { 'people.members': { columns: { id: 'integer not null', name: 'text', tax_id: 'text' } } };

describe('names that columns of the policy had', () => {
  it('are known by number, once each', () => {
    assert.equal(before.bound.length, 1);
    assert.deepEqual([before.bound[0]?.name, before.bound[0]?.attnum], [['public', 'patients', 'ssn'], 3]);
    assert.deepEqual(closure({ 'public.patients': { columns: PATIENTS } }, SSN, before.bound).bound, before.bound);
    assert.deepEqual([before.renamed.size, before.unmatched.length], [0, 0]);
  });

  it('protect a column that was renamed and a table that was moved, and tell by what name the policy knows it', () => {
    for (const [tables, now] of [
      [renamed, 'public.patients.tax_id'],
      [moved, 'people.members.tax_id'],
    ] as const) {
      const kept = closure(tables, SSN, before.bound);
      assert.deepEqual(columns(kept), { [now]: ['phi.ssn'] });
      assert.deepEqual(
        [...kept.renamed].map(([pattern, to]) => [pattern, ...to]),
        [['public.patients.ssn', now]],
      );
      assert.deepEqual([kept.unmatched, kept.bound], [[], before.bound]);
    }
  });

  it('hold under another version of the policy, with the classes that it gives them', () => {
    const rules = [
      rule('public.patients.name', 'phi.name'),
      rule('public.patients.ssn', 'pii.number'),
      rule('public.patients.ssn', 'pii.tax'),
    ];
    assert.deepEqual(columns(closure(renamed, rules, before.bound)), {
      'public.patients.name': ['phi.name'],
      'public.patients.tax_id': ['pii.number', 'pii.tax'],
    });
  });

  it('hold however the policy writes them: a pattern once, a name now, and the other way round', () => {
    const patterned = closure({ 'public.patients': { columns: PATIENTS } }, [rule('*.*.ssn')]);
    assert.deepEqual(columns(closure(moved, SSN, patterned.bound)), { 'people.members.tax_id': ['phi.ssn'] });
    assert.deepEqual(columns(closure(moved, [rule('pub*.pat*.s*n')], before.bound)), { 'people.members.tax_id': ['phi.ssn'] });
    for (const other of ['public.patients.ssn2', 'public.patients2.ssn', 'private.patients.ssn', 'patients.ssn'])
      assert.deepEqual(columns(closure(moved, [rule(other)], before.bound)), {}, other);
  });

  it('say nothing while no policy gives them, and again when one does', () => {
    const without = closure(renamed, [rule('public.patients.name', 'phi.name')], before.bound);
    assert.deepEqual(columns(without), { 'public.patients.name': ['phi.name'] });
    assert.deepEqual(columns(closure(renamed, SSN, without.bound)), { 'public.patients.tax_id': ['phi.ssn'] });
    assert.deepEqual(columns(closure(renamed, [], before.bound)), {});
  });

  it('are those of the old column and of a new one that takes the name', () => {
    const both = closure({ 'public.patients': { columns: { ...renamed['public.patients'].columns, ssn: 'text' } } }, SSN, before.bound);
    assert.deepEqual(columns(both), { 'public.patients.ssn': ['phi.ssn'], 'public.patients.tax_id': ['phi.ssn'] });
    assert.deepEqual([both.renamed.size, both.bound.length], [0, 2]);
  });

  it('are gone with the column, and with the table: then names alone count', () => {
    const dropped = closure({ 'public.patients': { columns: { id: 'integer not null', name: 'text' } } }, SSN, before.bound);
    assert.deepEqual([columns(dropped), dropped.bound, dropped.unmatched], [{}, [], ['public.patients.ssn']]);
    // Another table has come before: it has another number now.
    const again = closure({ 'public.early': { columns: { id: 'integer' } }, 'public.patients': { columns: PATIENTS } }, SSN, before.bound);
    assert.deepEqual(columns(again), { 'public.patients.ssn': ['phi.ssn'] });
    assert.notEqual(again.bound[0]?.relation, before.bound[0]?.relation);
    assert.equal(again.bound.length, 1);
  });

  it('may hold dots and stars, which mean nothing in a name', () => {
    const odd = closure({ 'public.a*': { columns: { 'x.y': 'text', other: 'text' } } }, [rule('public.*.x*')]);
    assert.deepEqual(odd.bound[0]?.name, ['public', 'a*', 'x.y']);
    const after = { 'public.b': { columns: { z: 'text', other: 'text' } } };
    assert.deepEqual(columns(closure(after, [rule('public.*.x*')], odd.bound)), { 'public.b.z': ['phi.ssn'] });
    assert.deepEqual(columns(closure(after, [rule('public.ab.*')], odd.bound)), {});
  });
});

describe('values of columns that the policy names', () => {
  const family = { 'public.patients': { columns: PATIENTS }, 'public.old': { columns: PATIENTS, inherits: ['public.patients'] } };
  const apart = { 'public.patients': { columns: PATIENTS }, 'public.old': { columns: PATIENTS } };
  const both = { 'public.old.ssn': ['phi.ssn'], 'public.patients.ssn': ['phi.ssn'] };

  it('stay protected where they are when a child leaves its parent, for as long as policy has the name of the parent', () => {
    const { bound } = closure(family, SSN);
    assert.deepEqual(columns(closure(apart, SSN, bound)), both);
    assert.deepEqual(columns(closure(apart, [rule('*.patients.*n', 'phi.ssn')], bound))['public.old.ssn'], ['phi.ssn']);
    assert.deepEqual(columns(closure(apart, [rule('public.patients.name')], bound)), { 'public.patients.name': ['phi.ssn'] });
  });

  it('are bound to a pattern by the whole of it: a wider one has it, a narrower one does not', () => {
    const { bound } = closure(family, [rule('public.patient*.ssn')]);
    assert.deepEqual(columns(closure(apart, [rule('public.p*.ssn')], bound)), both);
    assert.deepEqual(columns(closure(apart, SSN, bound)), { 'public.patients.ssn': ['phi.ssn'] });
  });
});

describe('values of unknown origin', () => {
  const foreign = { 'public.remote': { columns: { id: 'integer' }, kind: 'foreign' } } as const;

  it('stay opaque when the relation changes its kind, unless policy protects nothing', () => {
    const { bound } = closure(foreign, SSN);
    assert.deepEqual(
      bound.map(({ name }) => name),
      [null],
    );
    const after = { 'public.remote': { columns: { id: 'integer' } } };
    assert.deepEqual(columns(closure(after, SSN, bound)), { 'public.remote.id': ['opaque'] });
    assert.deepEqual(columns(closure(after, [], bound)), {});
  });
});

describe('the version of a protection', () => {
  it('changes when other columns are protected, although the catalogue is the same', () => {
    const versions = [closure(renamed, SSN), closure(renamed, SSN, before.bound), closure(renamed, [rule('public.*.tax_id')])].map(
      ({ version }) => version,
    );
    assert.notEqual(versions[0], versions[1]);
    assert.equal(versions[1], versions[2]);
    assert.notEqual(closure(moved, SSN, before.bound).version, versions[1]);
  });
});

it('names are matched as their patterns say, however they are looked up', () => {
  const parts = ['*', 'a', 'b', 'ab', 'a*', '*b', 'a*b', 'a.c', 'A'];
  const all = parts.flatMap((schema) => parts.flatMap((relation) => parts.map((column) => `${schema}.${relation}.${column}`)));
  const book = new SourceBook(all.map((pattern, index) => ({ pattern, class: `phi.c${index % 7}` })));
  const coverage = new Coverage(book);
  const asText = (part: string): RegExp => new RegExp(`^${part.split('*').join('.*')}$`, 's');
  const names = ['a', 'b', 'ab', 'aab', 'ba', 'A', '', 'a\nb', '*', 'a*'];
  for (const schema of names) {
    for (const relation of names) {
      for (const column of names) {
        const name = [schema, relation, column] as const;
        const expected = book.patterns.filter((pattern) => {
          const its = pattern.split('.');
          return its.length === 3 && its.every((part, index) => asText(part).test(name[index] ?? ''));
        });
        assert.deepEqual(book.patternsIn(coverage.of(name)), expected, JSON.stringify(name));
      }
    }
  }
});

it('sets of sources: equal sets are one, unions and differences are those of sets', () => {
  const book = new SourceBook(['a', 'b', 'c', 'd'].map((pattern) => ({ pattern, class: `phi.${pattern}` })));
  const [ab, bc, none] = [book.sourcesOf(['a', 'b']), book.sourcesOf(['c', 'b']), book.sourcesOf(['unknown'])];
  assert.equal(none, NO_SOURCES);
  assert.equal(book.union(ab, bc), book.sourcesOf(['a', 'b', 'c']));
  assert.equal(book.union(bc, ab), book.union(ab, bc));
  assert.equal(book.union(ab, ab), ab);
  assert.equal(book.minus(book.union(ab, bc), bc), book.sourcesOf(['a']));
  assert.equal(book.minus(ab, ab), NO_SOURCES);
  const unknown = book.union(bc, OPAQUE_SOURCE);
  assert.deepEqual([book.isOpaque(unknown), book.isOpaque(bc), book.isOpaque(NO_SOURCES)], [true, false, false]);
  assert.deepEqual(book.classesOf(unknown), ['opaque', 'phi.b', 'phi.c']);
  assert.equal(book.minus(unknown, bc), OPAQUE_SOURCE);
});
