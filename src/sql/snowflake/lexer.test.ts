import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lex, nameOf, stringLiteral, stringValue } from './lexer.ts';

function kinds(text: string): string {
  const lexed = lex(text);
  if ('fault' in lexed) return `${lexed.fault}@${lexed.at}`;
  return lexed.tokens.map(({ kind, start, end }) => `${kind}:${text.slice(start, end)}`).join(' ');
}

const TABLE: readonly (readonly [string, string])[] = [
  [`SELECT 'it''s'`, `word:SELECT string:'it''s'`],
  [String.raw`'a\'b' 'c'`, String.raw`string:'a\'b' string:'c'`],
  [String.raw`'a\\' b`, String.raw`string:'a\\' word:b`],
  ['"a""b".c', 'quoted:"a""b" operator:. word:c'],
  ["$$ it's -- $ $$ x", "dollar:$$ it's -- $ $$ word:x"],
  ['$1 $name t.$2', 'variable:$1 variable:$name word:t operator:. variable:$2'],
  ['? :1 :name', 'bind:? bind::1 bind::name'],
  [
    'a:b.c a[0]:b f(x):y',
    'word:a operator:: word:b operator:. word:c word:a operator:[ number:0 operator:] operator:: word:b word:f operator:( word:x operator:) operator:: word:y',
  ],
  ['where :1', 'word:where bind::1'],
  ['a::int', 'word:a operator::: word:int'],
  ['x => 1', 'word:x operator:=> number:1'],
  ['a ->> b -> c', 'word:a operator:->> word:b operator:-> word:c'],
  ['@s/x', 'stage:@ word:s operator:/ word:x'],
  ['1 1.5 .5 1. 1e3 1.5E-3', 'number:1 number:1.5 number:.5 number:1. number:1e3 number:1.5E-3'],
  ["x'1F'", "binary:x'1F'"],
  ['a -- b\nc // d\r\ne /* f */ g', 'word:a comment:-- b word:c comment:// d word:e comment:/* f */ word:g'],
  ["'http://x' // y", "string:'http://x' comment:// y"],
  ['é', 'non-ASCII character@0'],
  ['a\u00a0b', 'non-ASCII character@1'],
  ['‘a’', 'non-ASCII character@0'],
  ["'é\u00a0'", "string:'é\u00a0'"],
  ['"é"', 'quoted:"é"'],
  ['"a\nb"', 'control character@0'],
  ['""', 'empty name@0'],
  ['-- a\u2028b', 'line end@4'],
  ['-- a\u0085b', 'line end@4'],
  ['-- a\rb', 'line end@4'],
  ['a\rb', 'line end@1'],
  ['/* a /* b */ */', 'nested comment@5'],
  ['/* a', 'unterminated comment@0'],
  ["'a", 'unterminated string@0'],
  [String.raw`'a\'`, 'unterminated string@0'],
  ['$$a', 'unterminated string@0'],
  ['"a', 'unterminated name@0'],
  ["e'a'", 'prefixed string@0'],
  ["n'a'", 'prefixed string@0'],
  ["b'0'", 'prefixed string@0'],
  ['1abc', 'number@0'],
  ['1.2.3', 'number@0'],
  ['$tag$x$tag$', 'dollar quote@0'],
  ['`a`', 'character@0'],
  ['a # b', 'character@2'],
  ['a \\ b', 'character@2'],
  ['model!predict', 'character@5'],
  ['a\0b', 'nul@1'],
  ['a\ud800', 'lone surrogate@1'],
  ["'\udc00'", 'lone surrogate@1'],
];

for (const [text, expected] of TABLE) {
  test(`tokens of ${JSON.stringify(text)}`, () => {
    assert.equal(kinds(text), expected);
  });
}

/** Texts of the characters that begin, end or escape something. */
const tricky = fc.string({
  unit: fc.constantFrom(...`'"$\\/*-;:@?.,()[]{}ab1 \n\r\t=>|!~`, '$$', "''", '--', '//', '/*', '*/', '\u2028', '\u00a0', 'é'),
  maxLength: 60,
});

/** UTF-16 units of all kinds, halves of characters too. */
const anyUnits = fc.array(fc.nat({ max: 0xff_ff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units));

test('any text gives tokens that follow each other and leave blanks only, or one fault inside of it', () => {
  fc.assert(
    fc.property(fc.oneof(tricky, anyUnits), (text) => {
      const lexed = lex(text);
      if ('fault' in lexed) {
        assert.ok(lexed.at >= 0 && lexed.at < text.length);
        return;
      }
      let end = 0;
      for (const token of lexed.tokens) {
        assert.match(text.slice(end, token.start), /^[ \t\r\n]*$/);
        assert.ok(token.end > token.start);
        end = token.end;
      }
      assert.match(text.slice(end), /^[ \t\r\n]*$/);
    }),
  );
});

test('a constant is read as the value it was written for, whatever the value', () => {
  fc.assert(
    fc.property(fc.oneof(tricky, fc.string()), (value) => {
      fc.pre(value.isWellFormed() && !value.includes('\0'));
      const text = stringLiteral(value);
      const lexed = lex(text);
      assert.ok('tokens' in lexed);
      const [token, ...others] = lexed.tokens;
      assert.ok(token?.kind === 'string' && others.length === 0);
      assert.equal(stringValue(text, token), value);
    }),
  );
});

test('what is in constants, names and comments moves no token behind them', () => {
  fc.assert(
    fc.property(tricky, (inner) => {
      fc.pre(!/[\u2028\r\n]/.test(inner));
      const texts = [
        stringLiteral(inner),
        `"${inner.replaceAll('"', '""')}x"`.replaceAll(/[\t]/g, ''),
        `/*${inner.replaceAll(/[*/]/g, '')}*/ b`,
      ];
      for (const text of texts) {
        const lexed = lex(`${text} , z`);
        assert.ok('tokens' in lexed, text);
        assert.deepEqual(
          lexed.tokens.slice(-2).map(({ kind }) => kind),
          ['operator', 'word'],
        );
      }
    }),
  );
});

test('time grows with the length of the text and no faster', () => {
  for (const piece of ['a ', "'", '"', '/*', '--\n', '$$', '((', "'\\'", 'a:b.', '1.']) {
    const started = process.cpuUsage().user;
    lex(piece.repeat(20_000));
    assert.ok(process.cpuUsage().user - started < 500_000, piece);
  }
});

test('escapes of constants', () => {
  const value = (text: string): string | null => {
    const lexed = lex(text);
    assert.ok('tokens' in lexed && lexed.tokens[0] !== undefined);
    return stringValue(text, lexed.tokens[0]);
  };
  assert.equal(value(String.raw`'\n\t\'\"\\\x41\u0042\103'`), '\n\t\'"\\ABC');
  assert.equal(value(String.raw`'\ud800'`), null, 'half of a character is none');
  assert.equal(value(String.raw`'\xZZ'`), null);
  assert.equal(value(`'a''b'`), "a'b");
});

test('names are stored in upper case unless they are quoted', () => {
  const name = (text: string): string => {
    const lexed = lex(text);
    assert.ok('tokens' in lexed && lexed.tokens[0] !== undefined);
    return nameOf(text, lexed.tokens[0]);
  };
  assert.equal(name('aB_1$'), 'AB_1$');
  assert.equal(name('"aB""c"'), 'aB"c');
});
