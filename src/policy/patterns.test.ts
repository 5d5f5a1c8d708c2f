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

test('looking a pattern up among many columns finds what matching each of them finds', () => {
  const name = fc.constantFrom('a', 'ab', 'b', 'ssn', 'x_ssn');
  const glob = fc.oneof(name, fc.constantFrom('*', 'a*', '*ssn', 'x*n', '*b*'));
  const three = (part: fc.Arbitrary<string>) => fc.tuple(part, part, part).map((parts) => parts.join('.'));
  fc.assert(
    fc.property(fc.array(three(name), { maxLength: 12 }), fc.array(three(glob), { minLength: 1, maxLength: 12 }), (columns, patterns) => {
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
