import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readable } from './readable.ts';
import { sqlParts } from './sql-parts.ts';

test('a statement has colours', () => {
  assert.deepEqual(sqlParts('SELECT "a" /* c */ FROM t WHERE x = $1 AND y > 2'), [
    { kind: 'keyword', text: 'SELECT' },
    { kind: 'plain', text: ' ' },
    { kind: 'plain', text: '"a"' },
    { kind: 'plain', text: ' ' },
    { kind: 'comment', text: '/* c */' },
    { kind: 'plain', text: ' ' },
    { kind: 'keyword', text: 'FROM' },
    { kind: 'plain', text: ' ' },
    { kind: 'plain', text: 't' },
    { kind: 'plain', text: ' ' },
    { kind: 'keyword', text: 'WHERE' },
    { kind: 'plain', text: ' ' },
    { kind: 'plain', text: 'x' },
    { kind: 'plain', text: ' = ' },
    { kind: 'parameter', text: '$1' },
    { kind: 'plain', text: ' ' },
    { kind: 'keyword', text: 'AND' },
    { kind: 'plain', text: ' ' },
    { kind: 'plain', text: 'y' },
    { kind: 'plain', text: ' > ' },
    { kind: 'number', text: '2' },
  ]);
});

test('text cannot be turned around or hidden', () => {
  const evil = 'SELECT 1 AS "\u202e\u2066a"\n\tFROM t\u200b';
  const text = sqlParts(evil)
    .map((part) => part.text)
    .join('');
  assert.equal(text, 'SELECT 1 AS "\\u{202e}\\u{2066}a"\n\tFROM t\\u{200b}');
  assert.equal(readable('eve\u202egnp'), 'eve\\u{202e}gnp');
});

test('of a text that is made to be slow only the beginning is taken apart', () => {
  const slow = Array.from({ length: 100_000 }, (_, at) => `$a${at}$`).join(' ');
  const parts = sqlParts(slow);
  assert.equal(parts.map(({ text }) => text).join(''), slow);
  const rest = parts.at(-1);
  assert.equal(rest?.kind, 'plain');
  assert.ok((rest?.text.length ?? 0) >= slow.length - 20_000);
});
