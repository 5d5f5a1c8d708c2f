import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { inertConstants, literalShape, standIn } from './literal-shape.ts';
import { type Parser, createParser } from './parser.ts';

let parser: Parser;
before(async () => {
  parser = await createParser();
});

test('texts that differ in plain literals only have one shape, and its literals as written', () => {
  const one = literalShape("SELECT a1 FROM t WHERE id = 42 AND name = 'x y' LIMIT 5");
  const other = literalShape("SELECT a1 FROM t WHERE id = 7 AND name = '' LIMIT 50");
  assert.equal(one?.key, other?.key);
  assert.deepEqual(one?.literals, ['42', "'x y'", '5']);
  assert.deepEqual(other?.literals, ['7', "''", '50']);
  assert.equal(other?.starts[0], 'SELECT a1 FROM t WHERE id = '.length);
});

test('a number and a string, or numbers of different types, never share a shape', () => {
  const keys = ['1', "'1'", '1.5', '1234567890', '$1'].map((literal) => literalShape(`SELECT f(0) WHERE id = ${literal}`)?.key);
  assert.equal(new Set(keys).size, keys.length);
});

test('what a scanner could read in another way has no shape', () => {
  for (const text of [
    "SELECT E'a'",
    "SELECT U&'a'",
    "SELECT 'a''b'",
    String.raw`SELECT 'a\b'`,
    'SELECT $$1$$',
    'SELECT $tag$1$tag$',
    'SELECT 1e5',
    'SELECT 1x',
    'SELECT 1 -- 2',
    'SELECT 1 /* 2 */',
    "SELECT 'ä', 1",
    "SELECT 'open",
    'SELECT "open, 1',
    'SELECT id',
    'SELECT \u0001, 1',
  ]) {
    assert.equal(literalShape(text), null, text);
  }
});

test('a literal that looks like a token stays in the shape: look-ups treat it in a way of their own', () => {
  const key = (literal: string): string | undefined => literalShape(`SELECT id FROM patients WHERE id > 0 AND mrn = ${literal}`)?.key;
  assert.equal(key("'M1'"), key("'M2'"));
  assert.notEqual(key("'tok_mrn_00112233445566778899'"), key("'M2'"));
  assert.notEqual(key("'tok_mrn_00112233445566778899'"), key("'tok_mrn_10112233445566778899'"));
  assert.notEqual(key("'{x,tok_mrn_00112233445566778899}'"), key("'{x}'"));
});

test('digits inside of names and parameters are no literals', () => {
  assert.deepEqual(literalShape('SELECT t1.c2, "3", $4, a$5 FROM t1 WHERE x6 = 7')?.literals, ['7']);
});

test('every literal of a shape is a constant of the real scanner, at the same place', () => {
  const word = fc.constantFrom(
    'SELECT',
    'a1',
    '"b 2"',
    '=',
    '<',
    '(',
    ')',
    ',',
    '.',
    '-',
    '/',
    '1',
    '23',
    "'x'",
    "''",
    '1.5',
    '$1',
    '::text',
    '[',
    ']',
    ' ',
    '+',
    'E',
    '&',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 14 }), fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }), (words, gaps) => {
      const text = words.map((each, index) => each + (gaps[index] === true ? ' ' : '')).join('');
      const shape = literalShape(text);
      const tokens = shape === null ? null : parser.scan(text);
      if (shape === null || tokens === null) return;
      const constants = new Map(tokens.filter(({ kind }) => kind === 'constant').map(({ start, end }) => [start, end]));
      for (const [index, start] of shape.starts.entries()) {
        assert.equal(constants.get(start), start + (shape.literals[index] ?? '').length, text);
      }
    }),
    { numRuns: 2000 },
  );
});

function inertIn(text: string): string[] {
  const parsed = parser.parse(text);
  assert.ok(parsed.ok, text);
  const inert = inertConstants(parsed.tree);
  const shape = literalShape(text);
  return (shape?.literals ?? []).filter((_, index) => inert.has(shape?.starts[index] ?? -1));
}

test('inert are constants compared with a column, rows of VALUES and assigned values; nothing else', () => {
  assert.deepEqual(inertIn("SELECT 1, f(2) FROM t WHERE a = 3 AND 4 < b AND c IN (5, 6) AND d BETWEEN 7 AND 8 AND e LIKE 'x%' LIMIT 9"), [
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    "'x%'",
  ]);
  assert.deepEqual(inertIn("INSERT INTO t (a, b) VALUES (1, 'x'), (2, f(3))"), ['1', "'x'", '2']);
  assert.deepEqual(inertIn("UPDATE t SET a = 1, b = f(2) WHERE c = '3'"), ['1', "'3'"]);
  assert.deepEqual(inertIn('SELECT a FROM t ORDER BY 1 OFFSET 2'), []);
  assert.deepEqual(inertIn("SELECT a FROM t WHERE f(a) = 1 AND set_config('x', '1', true) = '2' AND a = '3'::regclass"), ['1', "'2'"]);
  assert.deepEqual(
    inertIn("SELECT a + 4 FROM t WHERE b > now() - interval '30 days' AND d < date '2020-01-01' GROUP BY a HAVING count(*) > 5"),
    ['4', "'30 days'", "'2020-01-01'", '5'],
  );
  assert.deepEqual(inertIn("SELECT j -> 'k', a['1'], f(2), CASE a WHEN 3 THEN 'x' END FROM t"), []);
});

test('a stand-in is of the same kind as what it stands for', () => {
  assert.match(standIn('5', 3), /^\d{10}$/);
  assert.ok(Number(standIn('5', 200)) < 2 ** 31);
  assert.match(standIn("'x'", 0), /^'[^'\\]+'$/);
});
