import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KEYWORDS } from './keywords.ts';
import { InstancePool, takeString, withText } from './parser-instance.ts';
import { lexPlain } from './parser-lexer.ts';
import { tokensOf } from './parser-tokens.ts';
import { loadParserWasm } from './parser-wasm.ts';
import type { Token } from './parser.ts';

const pool = await InstancePool.create(await loadParserWasm());

/** PostgreSQL's own scanner. */
function scanned(text: string): readonly Token[] | null {
  const json = pool.run((instance) => withText(instance, text, (pointer) => takeString(instance, instance._wasm_scan(pointer))));
  return json?.startsWith('{') === true ? tokensOf(json) : null;
}

const PIECES = [
  'select',
  'FROM',
  'patients',
  'a1',
  '_x$',
  'e',
  'E',
  'b',
  'x',
  'n',
  'u',
  'U',
  '&',
  '"q"',
  '"a""b"',
  '""',
  '"',
  "'",
  "''",
  "'it''s'",
  "'\\'",
  '1',
  '1.5',
  '.5',
  '1.',
  '1e5',
  '0x1F',
  '1_000',
  '$1',
  '$12345678901',
  '$a$',
  '$$',
  '--',
  '-- c',
  '/*',
  '*/',
  '/* c */',
  '/* /* */',
  '::',
  ':=',
  '=>',
  '<=',
  '<>',
  '!=',
  '||',
  '->>',
  '@>',
  '@-',
  '*-',
  '+',
  '-',
  '*',
  '/',
  '<',
  '>',
  '=',
  '~',
  '!',
  '?',
  '|',
  '`',
  '(',
  ')',
  '[',
  ']',
  ',',
  '.',
  ';',
  ':',
  '..',
  ' ',
  ' ',
  ' ',
  '\n',
  '\t',
  '\r',
  '\f',
  '\v',
  '\u00a0',
  'é',
  '{',
  '}',
  '\\',
];

describe('lexPlain', () => {
  it('gives the tokens of PostgreSQL or declines, on arbitrary token soup', () => {
    let plain = 0;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const quick = lexPlain(text);
        if (quick === null || text === '') return;
        plain += 1;
        assert.deepEqual(quick, scanned(text), text);
      }),
      { numRuns: 6000, seed: 20_26 },
    );
    assert.ok(plain > 500, `only ${plain} were plain: the property proves little`);
  });

  it('reads ordinary statements without help', () => {
    for (const text of [
      'SELECT p.id, lower(p.name) AS "Label" FROM public.patients p WHERE p.ssn LIKE \'1%\' AND p.dob >= $1::date -- note\nLIMIT 10',
      "INSERT INTO t (a, b) VALUES (1, 'it''s'), (-2.5, NULL) ON CONFLICT (a) DO UPDATE SET b = excluded.b /* why */ RETURNING *;",
      "SELECT j->>'a', j #>> '{a,b}', arr[1:2] FROM t WHERE j @> '{}' AND x <> ALL ($2)",
    ]) {
      const quick = lexPlain(text);
      assert.ok(quick !== null, text);
      assert.deepEqual(quick, scanned(text));
    }
  });

  it('knows exactly the keywords of the parser', () => {
    for (const word of KEYWORDS) assert.equal(scanned(word)?.[0]?.kind, 'keyword', word);
    assert.ok(KEYWORDS.size > 480);
  });
});
