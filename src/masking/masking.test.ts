import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MASK_METHODS, maskFor, type MaskMethod, type MaskSet, REVEALING } from '../core/decision.ts';
import { MASK_METHOD_ROWS, maskExpression, maskSql, TOKEN_KEY_SETTING } from './index.ts';
import { tokenLabel } from './methods.ts';
import { parseSqlType, quoteLiteral } from './sql-types.ts';

const masks = (byClass: Readonly<Record<string, MaskMethod>>): MaskSet => ({ id: 'test', byClass });

describe('mask methods', () => {
  it('have one row each, in the order of the core, and distinct ranks', () => {
    assert.deepEqual(
      MASK_METHOD_ROWS.map((row) => row.method),
      [...MASK_METHODS],
    );
    assert.equal(new Set(Object.values(REVEALING)).size, MASK_METHODS.length);
  });

  it('combine to the least revealing one', () => {
    const set = masks({ a: 'clear', b: 'partial', c: 'year', d: 'null' });
    assert.equal(maskFor(['a', 'b', 'c'], set), 'year');
    assert.equal(maskFor(['unknown', 'd'], set), 'null');
    assert.equal(maskFor(['a'], set), 'clear');
    assert.equal(maskFor([], set), 'clear');
  });

  it('show nothing but clear as the column itself', () => {
    for (const { method } of MASK_METHOD_ROWS) {
      for (const type of ['text', 'integer', 'date', 'jsonb', 'public.mood']) {
        const sql = maskSql(method, 'c', type, 'phi.x');
        assert.equal(sql === null, method === 'clear');
        assert.notEqual(sql, '"c"');
      }
    }
  });

  it('fall back to redact on a type they say nothing about, and to NULL of the type where redact has no constant', () => {
    assert.equal(maskSql('year', 'c', 'text', 'x'), "'***'::text");
    assert.equal(maskSql('redact', 'c', 'character varying(20)', 'x'), "'***'::character varying(20)");
    assert.equal(maskSql('zip3', 'c', 'integer', 'x'), 'NULL::integer');
    assert.equal(maskSql('token', 'c', 'bigint', 'x'), 'NULL::bigint');
    assert.equal(maskSql('redact', 'c', 'text[]', 'x', 'pg_catalog'), 'NULL::text[]');
    assert.equal(maskSql('redact', 'c', 'mood', 'x', 'public'), 'CASE WHEN false THEN "c" END');
  });

  it('quote identifiers and class names', () => {
    assert.equal(maskSql('null', 'a"b', 'public.mood', 'x'), 'CASE WHEN false THEN "a""b" END');
    assert.ok(maskSql('token', 'c', 'text', "o'x")?.includes("'token:o''x:'"));
    assert.equal(quoteLiteral('a\\b'), " E'a\\\\b'");
    assert.equal(tokenLabel('phi.health-plan'), 'healthplan');
    assert.equal(tokenLabel('7'), 'x');
  });

  it('take the token key from the setting, never as a literal', () => {
    for (const method of ['hash', 'token'] as const) {
      const sql = maskSql(method, 'c', 'text', 'phi.mrn') ?? '';
      assert.ok(sql.includes(`pg_catalog.current_setting('${TOKEN_KEY_SETTING}')`));
      assert.doesNotMatch(sql, /[0-9a-f]{16}/);
    }
  });

  it('call functions by their pg_catalog names only', () => {
    for (const { method } of MASK_METHOD_ROWS) {
      for (const type of ['text', 'integer', 'numeric', 'double precision', 'date', 'timestamp with time zone', 'uuid']) {
        const sql = maskSql(method, 'c', type, 'phi.x') ?? '';
        for (const call of sql.matchAll(/([\w.]+)\(/g)) assert.match(call[1] ?? '', /^(pg_catalog\.\w+|timestamp)$/, sql);
      }
    }
  });

  it('never put the column outside of an expression, whatever its type is called', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MASK_METHODS),
        fc.string(),
        fc.option(fc.constantFrom('pg_catalog', 'public'), { nil: undefined }),
        (method, type, schema) => {
          const sql = maskSql(method, 'c', type, 'phi.x', schema);
          assert.equal(sql === null, method === 'clear');
          assert.notEqual(sql?.trim(), '"c"');
          assert.doesNotMatch(sql ?? '', /;|--/);
        },
      ),
    );
  });
});

describe('mask types', () => {
  it('reads what format_type prints', () => {
    assert.deepEqual(parseSqlType('timestamp(3) with time zone'), {
      family: 'timestamptz',
      cast: 'timestamp(3) with time zone',
      unboundedCast: 'timestamp with time zone',
    });
    assert.deepEqual(parseSqlType('character(11)'), { family: 'text', cast: 'character(11)', unboundedCast: 'bpchar' });
    assert.equal(parseSqlType('numeric(10,2)').family, 'numeric');
    assert.equal(parseSqlType('citext', 'Ext').cast, '"Ext"."citext"');
    assert.equal(parseSqlType('jsonb', 'pg_catalog').cast, 'jsonb');
  });

  it('assumes nothing of types outside of pg_catalog, of "char" and of names it cannot read', () => {
    const inputs: readonly (readonly [string, string?])[] = [
      ['text', 'public'],
      ['"char"', 'pg_catalog'],
      ['a b c'],
      ['public.text'],
      ['constructor'],
      [''],
    ];
    for (const [name, schema] of inputs) {
      assert.deepEqual(parseSqlType(name, schema), { family: 'foreign', cast: null, unboundedCast: null }, name);
    }
  });
});

describe('the mask of a column', () => {
  const column = { columnName: 'mrn', typeName: 'text', typeSchema: 'pg_catalog' };

  it('is the least revealing of all its classes, and redact for a class the set does not name', () => {
    const set = masks({ 'phi.mrn': 'token', 'phi.name': 'clear', 'phi.date': 'year' });
    assert.equal(maskFor(['phi.mrn', 'phi.name'], set), 'token');
    assert.equal(maskFor(['phi.mrn', 'phi.other'], set), 'redact');
    assert.equal(maskFor(['toString'], set), 'redact');
    assert.deepEqual(maskExpression({ ...column, classes: ['phi.other'] }, set), { sql: "'***'::text", method: 'redact' });
  });

  it('is none for clear classes and unprotected columns', () => {
    const set = masks({ 'phi.name': 'clear' });
    assert.equal(maskExpression({ ...column, classes: ['phi.name'] }, set), null);
    assert.equal(maskExpression({ ...column, classes: [] }, set), null);
  });

  it('separates tokens by the class that asked for them', () => {
    const set = masks({ 'phi.mrn': 'token', 'phi.name': 'clear' });
    assert.ok(maskExpression({ ...column, classes: ['phi.mrn', 'phi.name'] }, set)?.sql.includes("'tok_mrn_'"));
  });
});

describe('docs/masking.md', () => {
  it('lists the methods as the code has them', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/masking.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `([^`]+)` \| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)].map((row) =>
      row.slice(1).map((cell) => cell.trim()),
    );
    const expected = MASK_METHOD_ROWS.map((row) => [
      row.method,
      String(REVEALING[row.method]),
      typeof row.applies === 'string' ? row.applies : row.applies.map((family) => `\`${family}\``).join(' '),
      row.describe,
    ]);
    assert.deepEqual(listed, expected);
  });
});
