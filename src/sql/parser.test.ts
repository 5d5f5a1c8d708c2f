import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InstancePool, withText } from './parser-instance.ts';
import type { Instance } from './parser-instance.ts';
import { MAX_DEPTH, MAX_PARAMETERS, MAX_TEXT_BYTES, MAX_TOKENS } from './parser-limits.ts';
import { loadParserWasm } from './parser-wasm.ts';
import { createParser, sameTree } from './parser.ts';

const parser = await createParser();

function faultOf(text: string): string {
  const parsed = parser.parse(text);
  return parsed.ok ? 'none' : parsed.fault;
}

function roundTrips(text: string): boolean {
  const first = parser.parse(text);
  assert.ok(first.ok, text);
  const printed = parser.deparse(first.tree);
  if (printed === null) return false;
  const second = parser.parse(printed);
  return second.ok && sameTree(first.tree, second.tree);
}

/** INSERT of `count` parameters in rows of `width`. */
function insertOf(width: number, count: number): string {
  const rows: string[] = [];
  for (let at = 1; at <= count; at += width) {
    rows.push(`(${Array.from({ length: Math.min(width, count + 1 - at) }, (_, index) => `$${at + index}`).join(',')})`);
  }
  return `INSERT INTO t VALUES ${rows.join(',')}`;
}

const listOf = (count: number): string =>
  `SELECT a FROM t WHERE b IN (${Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ')})`;

describe('parser', () => {
  it('reads empty texts and comments as no statements', () => {
    for (const text of ['', '  ', '-- nothing', ';;']) {
      const parsed = parser.parse(text);
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.tree.stmts, []);
    }
  });

  it('tells where a syntax error is, in characters, and nothing of the text', () => {
    assert.deepEqual(parser.parse("SELECT 'é', FROM"), { ok: false, fault: 'syntax', at: 12 });
    assert.deepEqual(Object.keys(parser.parse("SELECT '123-45-6789' '")), ['ok', 'fault', 'at']);
  });

  it('refuses NUL bytes and lone surrogates', () => {
    assert.equal(faultOf('SELECT 1\u0000; DROP TABLE t'), 'encoding');
    assert.equal(faultOf("SELECT '\ud800'"), 'encoding');
    assert.equal(parser.scan('SELECT 1\u0000'), null);
    assert.equal(parser.fingerprint("SELECT '\udfff'"), null);
  });

  it('refuses texts over the length limit, counted in bytes', () => {
    assert.equal(faultOf(`SELECT '${'x'.repeat(MAX_TEXT_BYTES - 9)}'`), 'none');
    assert.equal(faultOf(`SELECT '${'x'.repeat(MAX_TEXT_BYTES - 8)}'`), 'too-large');
    assert.equal(faultOf(`SELECT '${'€'.repeat(MAX_TEXT_BYTES / 3)}'`), 'too-large');
  });

  it('does not count brackets and operators inside literals, quoted names and comments', () => {
    const noise = '((((+-+-'.repeat(400);
    for (const text of [
      `SELECT '${noise}'`,
      `SELECT E'\\'${noise}'`,
      `SELECT $a$${noise}$a$`,
      `SELECT "c${noise}" FROM t`,
      `SELECT 1 -- ${noise}`,
      `SELECT /* ${noise} /* */ ${noise} */ 1`,
    ]) {
      assert.ok(!['too-large', 'too-deep'].includes(faultOf(text)), text.slice(0, 12));
    }
  });

  it('parses and prints the deepest statements it admits', () => {
    const depth = MAX_DEPTH - 8;
    for (const text of [
      `SELECT ${'1+'.repeat(depth)}1`,
      `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`,
      `SELECT ${'abs('.repeat(depth)}1${')'.repeat(depth)}`,
      `SELECT ${'NOT '.repeat(depth / 2 - 2)}true`,
      `SELECT 1${'::int'.repeat(depth / 2 - 2)}`,
      `SELECT 1${' UNION ALL SELECT 1'.repeat(depth / 2)}`,
      `SELECT ${'CASE WHEN a THEN b ELSE '.repeat(depth / 4)}1${' END'.repeat(depth / 4)}`,
      `SELECT * FROM ${'(SELECT a FROM '.repeat(depth / 2 - 2)}t${') q'.repeat(depth / 2 - 2)}`,
    ]) {
      assert.equal(faultOf(text), 'none', text.slice(0, 40));
      assert.ok(roundTrips(text), text.slice(0, 40));
    }
  });

  it('admits long flat statements', () => {
    assert.equal(faultOf(`SELECT * FROM t WHERE ${"a = 'x' OR ".repeat(1500)} b`), 'none');
    assert.equal(faultOf(`INSERT INTO t VALUES ${'(-1, 2 + 3, now()::date),'.repeat(1000)} (1, 2, NULL)`), 'none');
  });

  it('admits as many parameters as a Bind can carry, in rows and lists of any width, and lives on', () => {
    for (const text of [insertOf(1, MAX_PARAMETERS), insertOf(3, MAX_PARAMETERS), insertOf(15, MAX_PARAMETERS), listOf(MAX_PARAMETERS)]) {
      assert.equal(faultOf(text), 'none', text.slice(0, 40));
      assert.equal(parser.scan(text)?.filter(({ kind }) => kind === 'parameter').length, MAX_PARAMETERS);
      assert.notEqual(parser.fingerprint(text), null);
    }
    assert.ok(roundTrips(insertOf(3, 3000)));
  });

  it('refuses a parameter that no Bind can carry, wherever it stands', () => {
    for (const text of [
      insertOf(1, MAX_PARAMETERS + 1),
      listOf(100_000),
      'SELECT $65536',
      `SELECT $${'9'.repeat(400)}`,
      'SELECT $00065536',
    ]) {
      assert.equal(faultOf(text), 'too-many-parameters', text.slice(-40));
    }
    for (const text of ['SELECT $65535', "SELECT '$65536'", 'SELECT 1 -- $65536', 'SELECT $a$ $65536 $a$', 'SELECT a$65536 FROM t']) {
      assert.equal(faultOf(text), 'none', text);
    }
  });

  it('gives parameters their own room, and nothing else', () => {
    const words = (count: number): string => `SELECT ${'a AND '.repeat(count / 2 - 1)}a`;
    assert.equal(faultOf(words(MAX_TOKENS)), 'none');
    assert.equal(faultOf(words(MAX_TOKENS + 2)), 'too-large');
    assert.equal(faultOf(`SELECT 1${',1'.repeat(MAX_TOKENS / 2)}`), 'too-large');
    assert.equal(faultOf(`SELECT 1 WHERE a IN (${'(),'.repeat(MAX_TOKENS / 3)}`), 'too-large');
    // Used more often than there may be parameters: as words.
    assert.equal(faultOf(`SELECT 1 WHERE a IN (${'$1,'.repeat(MAX_PARAMETERS + MAX_TOKENS)}`), 'too-large');
    const casts = '$1::int,'.repeat(MAX_TOKENS / 2);
    assert.equal(faultOf(`SELECT 1 WHERE a IN (${casts}`), 'too-large');
    assert.equal(faultOf(`SELECT $1, '${'x'.repeat(MAX_TEXT_BYTES + 8)}'`), 'too-large');
  });

  it('tells a statement that is too deep from one that is too large', () => {
    assert.equal(faultOf(`SELECT ${'('.repeat(MAX_DEPTH + 1)}`), 'too-deep');
    assert.equal(faultOf(`SELECT ${'1+'.repeat(MAX_DEPTH + 1)}1`), 'too-deep');
  });

  it('stays alive after 3,000 hostile statements', async () => {
    const hostile = [
      `SELECT ${'1+'.repeat(5000)}1`,
      `SELECT ${'('.repeat(2000)}1`,
      `SELECT * FROM ${'(SELECT * FROM '.repeat(1000)}t`,
      `SELECT '${'('.repeat(900)}`,
      `SELECT ${'- '.repeat(4000)}1`,
      'SELECT "',
    ];
    for (let round = 0; round < 500; round += 1) {
      for (const text of hostile) assert.notEqual(faultOf(text), 'none');
      if (round % 50 === 0) await new Promise(setImmediate);
    }
    assert.equal(faultOf('SELECT 1'), 'none');
    assert.ok(roundTrips('SELECT a FROM t WHERE b = $1'));
  });

  it('survives statements that exhaust the stack of the parser itself', async () => {
    const pool = await InstancePool.create(await loadParserWasm());
    const text = `SELECT ${'1+'.repeat(20_000)}1`;
    const deep = (instance: Instance): number => withText(instance, text, (pointer) => instance._wasm_parse_query_raw(pointer));
    for (let round = 0; round < 8; round += 1) {
      assert.equal(pool.run(deep), null);
      await new Promise(setImmediate);
      assert.equal(
        pool.run((instance) => instance.lengthBytesUTF8('é')),
        2,
        `round ${round}`,
      );
    }
  });

  it('answers null, not a throw, while every spare instance is used up', async () => {
    const pool = await InstancePool.create(await loadParserWasm());
    for (let round = 0; round < 10; round += 1)
      pool.run(() => {
        throw new Error('dead');
      });
    assert.equal(
      pool.run(() => 1),
      null,
    );
    await new Promise(setImmediate);
    assert.equal(
      pool.run(() => 1),
      1,
    );
  });

  it('shows what the deparser drops', () => {
    assert.ok(roundTrips("WITH a AS (SELECT 1) SELECT * FROM a JOIN b USING (x) WHERE y LIKE 'z%' ORDER BY 1 LIMIT 3"));
    assert.equal(roundTrips('SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES'), false);
    assert.equal(roundTrips('SELECT a FROM t GROUP BY DISTINCT ROLLUP (a), CUBE (a)'), false);
  });

  it('deparse answers null for what is not a tree', () => {
    assert.equal(parser.deparse({ version: 0, stmts: [{ stmt: { NoSuchNode: {} } as never }] }), null);
  });

  it('scans with byte offsets', () => {
    assert.deepEqual(parser.scan("é + 'ü' -- c"), [
      { start: 0, end: 2, kind: 'identifier' },
      { start: 3, end: 4, kind: 'operator' },
      { start: 5, end: 9, kind: 'constant' },
      { start: 10, end: 14, kind: 'comment' },
    ]);
    assert.equal(parser.scan("SELECT 'open"), null);
    assert.equal(parser.scan('SELECT /* open'), null);
  });

  it('gives one fingerprint to statements that differ in literals', () => {
    assert.equal(parser.fingerprint("SELECT 1 FROM t WHERE a = 'x'"), parser.fingerprint("SELECT 2 FROM t WHERE a = 'y'"));
    assert.equal(parser.fingerprint('SELECT ('), null);
  });
});

describe('sameTree', () => {
  const tree = (text: string): unknown => {
    const parsed = parser.parse(text);
    assert.ok(parsed.ok);
    return parsed.tree;
  };

  it('ignores positions', () => {
    assert.ok(sameTree(tree('SELECT   a,b FROM t'), tree('select a, b\nfrom t;')));
    assert.ok(sameTree(tree('SELECT ARRAY[ 1 ], a IN (1,2)'), tree('SELECT  ARRAY[1],  a in ( 1, 2 )')));
  });

  it('takes a type of pg_catalog for the same with and without its schema, and no other', () => {
    assert.ok(sameTree(tree("SELECT 'x'::pg_catalog.text"), tree("SELECT 'x'::text")));
    assert.ok(sameTree(tree("SELECT 'x'::text"), tree("SELECT 'x'::pg_catalog.text")));
    assert.ok(!sameTree(tree("SELECT 'x'::public.text"), tree("SELECT 'x'::text")));
    assert.ok(!sameTree(tree("SELECT 'x'::pg_catalog.text"), tree("SELECT 'x'::pg_catalog.name")));
    assert.ok(!sameTree(tree('SELECT pg_catalog.lower(a)'), tree('SELECT lower(a)')));
  });

  it('sees every other difference, either way round', () => {
    const pairs: readonly [string, string][] = [
      ['SELECT a FROM t', 'SELECT b FROM t'],
      ['SELECT a FROM t', 'SELECT a FROM ONLY t'],
      ['SELECT a FROM t', 'SELECT DISTINCT a FROM t'],
      ["SELECT '1'", 'SELECT 1'],
      ['SELECT 0', 'SELECT 00.0'],
      ['SELECT a FROM t', 'SELECT a FROM t; SELECT 1'],
      ['SELECT a FROM t ORDER BY a LIMIT 1', 'SELECT a FROM t ORDER BY a FETCH FIRST 1 ROW WITH TIES'],
    ];
    for (const [one, other] of pairs) {
      assert.equal(sameTree(tree(one), tree(other)), false, other);
      assert.equal(sameTree(tree(other), tree(one)), false, one);
    }
  });
});
