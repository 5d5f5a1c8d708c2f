import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { classMatches, ColumnIndex, columnMatches, globMatches, patternsOf } from './patterns.ts';

test('a star stands for any text, also for none, and never for a dot between the parts', () => {
  for (const [pattern, text, expected] of [
    ['*', '', true],
    ['a*', 'a', true],
    ['a*a', 'a', false],
    ['a*b*c', 'axbxbyc', true],
    ['a*b*c', 'axc', false],
    ['**', 'x', true],
    ['ab', 'abc', false],
  ] as const) {
    assert.equal(globMatches(pattern, text), expected, `${pattern} ${text}`);
  }
  assert.equal(columnMatches('*.patients.ssn', 'public.patients.ssn'), true);
  assert.equal(columnMatches('*.ssn', 'public.patients.ssn'), false);
  assert.equal(columnMatches('public.*.ssn', 'public.a.b.ssn'), false);
});

test('names of Snowflake begin with the database, and case does not count in them', () => {
  for (const [pattern, expected] of [
    ['public.patients.ssn', true],
    ['PUBLIC.PATIENTS.SSN', true],
    ['clinic.public.patients.ssn', true],
    ['CLINIC.*.pat*.SSN', true],
    ['*.*.*.*', true],
    ['*.*.*', true],
    ['clinic.patients.ssn', false],
    ['other.public.patients.ssn', false],
    ['patients.ssn', false],
    ['a.clinic.public.patients.ssn', false],
  ] as const) {
    assert.equal(columnMatches(pattern, 'CLINIC.PUBLIC.PATIENTS.SSN'), expected, pattern);
  }
  assert.equal(columnMatches('clinic.public.patients.ssn', 'public.patients.ssn'), false, 'a database is not just left out');
  assert.equal(columnMatches('public.patients.ssn', 'PUBLIC.PATIENTS.SSN'), false, 'PostgreSQL tells case apart');
  assert.equal(columnMatches('db.public.patients', 'db.public.patients'), true, 'relations of grants match as they are');
  assert.equal(columnMatches('db.public.patients', 'DB.PUBLIC.PATIENTS'), false);
});

test('looking a pattern up among many columns finds what matching each of them finds', () => {
  const name = fc.constantFrom('a', 'A', 'ab', 'b', 'ssn', 'x_ssn');
  const glob = fc.oneof(name, fc.constantFrom('*', 'a*', '*ssn', 'X*n', '*b*'));
  const named = (part: fc.Arbitrary<string>) => fc.array(part, { minLength: 3, maxLength: 4 }).map((parts) => parts.join('.'));
  fc.assert(
    fc.property(fc.array(named(name), { maxLength: 12 }), fc.array(named(glob), { minLength: 1, maxLength: 12 }), (columns, patterns) => {
      const index = new ColumnIndex(columns);
      for (const pattern of patterns) {
        assert.equal(
          index.has(pattern),
          columns.some((column) => columnMatches(pattern, column)),
          pattern,
        );
      }
    }),
  );
});

test('the patterns that cover a class are exactly those that match it', () => {
  assert.deepEqual(patternsOf('phi.id.ssn'), ['phi.id.ssn', 'phi.id.*', 'phi.*', '*']);
  const classes = ['phi', 'phi.ssn', 'phi.id.ssn', 'phix.a'];
  for (const pattern of [...classes, 'phi.*', 'phi.id.*', 'phix.*', '*', 'ph.*']) {
    for (const name of classes) assert.equal(patternsOf(name).includes(pattern), classMatches(pattern, name), `${pattern} ${name}`);
  }
});
