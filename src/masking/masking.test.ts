import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MASK_METHODS, type Mask, maskFor, type MaskSet, REVEALING } from '../core/decision.ts';
import { type ColumnToMask, MASK_METHOD_ROWS, maskExpression, maskSql, TOKEN_KEY_SETTING, TOKEN_STREAM_KEY_SETTING } from './index.ts';
import { parseSqlType, quoteLiteral } from './sql-types.ts';
import { tokenLabel } from './token.ts';

const masks = (byClass: Readonly<Record<string, Mask>>): MaskSet => ({ id: 'test', byClass });
const shownAs = (mask: Mask, typeName: string, more: Partial<ColumnToMask> = {}): string | null =>
  maskSql(mask, { columnName: 'c', typeName, className: 'phi.x', keyId: '1', ...more });

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
      for (const type of ['text', 'integer', 'date', 'jsonb', 'public.mood', 'text[]', 'bytea']) {
        const sql = shownAs(method, type);
        assert.equal(sql === null, method === 'clear');
        assert.notEqual(sql, '"c"');
      }
    }
  });

  it('fall back to redact on a type they say nothing about, and to NULL of the type where redact has no constant', () => {
    const schema = (typeSchema: string): Partial<ColumnToMask> => ({ typeSchema });
    assert.equal(shownAs('year', 'text'), "'***'::text");
    assert.equal(shownAs('redact', 'character varying(20)'), "'***'::character varying(20)");
    assert.equal(shownAs('zip3', 'integer'), 'NULL::integer');
    assert.equal(shownAs('token', 'bigint'), 'NULL::bigint');
    assert.equal(shownAs('token', 'name', schema('pg_catalog')), "'***'::name");
    assert.equal(shownAs('redact', 'text[]', schema('pg_catalog')), 'NULL::text[]');
    assert.equal(shownAs('year', 'text[]', schema('pg_catalog')), 'NULL::text[]');
    assert.equal(shownAs('redact', 'mood', schema('public')), 'CASE WHEN false THEN "c" END');
    assert.equal(shownAs('partial', 'mood[]', schema('public')), 'CASE WHEN false THEN "c" END');
    assert.equal(shownAs('partial', 'inet', schema('pg_catalog')), 'NULL::inet');
    assert.equal(shownAs('round', 'int4range', schema('pg_catalog')), 'NULL::int4range');
  });

  it('show a domain as what it is made of, and redact it as itself', () => {
    const domain: Partial<ColumnToMask> = { typeSchema: 'public', baseType: { typeName: 'character varying', typeSchema: 'pg_catalog' } };
    assert.match(shownAs('partial', 'strict', domain) ?? '', /\("c"::character varying\)::text.*::character varying$/);
    assert.equal(shownAs('redact', 'strict', domain), 'CASE WHEN false THEN "c" END');
    assert.equal(shownAs('year', 'strict', domain), 'CASE WHEN false THEN "c" END');
  });

  it('use their arguments', () => {
    assert.match(shownAs('partial(1,4)', 'text') ?? '', /left\("c"::text, 1\).*'\*\*\*'.*right\("c"::text, 4\)/);
    assert.match(shownAs('partial(6,6)', 'text') ?? '', /int4ge\([^)]*\), 24\)/);
    assert.match(shownAs('round(100)', 'integer') ?? '', /100::bigint/);
    assert.match(shownAs('date-shift(30)', 'date') ?? '', /60::bigint.*29\.5::numeric/);
  });

  it('shift dates by their subject, by the class where policy names none, and not at all where the relation has none', () => {
    const subjectColumn = { columnName: 'patient', typeName: 'integer' };
    assert.match(shownAs('date-shift', 'date', { subjectColumn }) ?? '', /"patient"::text/);
    assert.match(shownAs('date-shift', 'date') ?? '', /''::text/);
    assert.equal(shownAs('date-shift', 'date', { subjectColumn: null }), 'NULL::date');
    // Its text depends on settings that clients may change.
    assert.equal(shownAs('date-shift', 'date', { subjectColumn: { columnName: 'born', typeName: 'date' } }), 'NULL::date');
  });

  it('quote identifiers and class names', () => {
    assert.equal(shownAs('null', 'public.mood', { columnName: 'a"b' }), 'CASE WHEN false THEN "a""b" END');
    assert.ok(shownAs('token', 'text', { className: "o'x" })?.includes("'token:o''x:'"));
    assert.equal(quoteLiteral('a\\b'), " E'a\\\\b'");
    assert.equal(tokenLabel('phi.health-plan'), 'healthplan');
    assert.equal(tokenLabel('7'), 'x');
  });

  it('take the keys from the settings, never as literals', () => {
    for (const [mask, type] of [
      ['hash', 'text'],
      ['hash', 'bytea'],
      ['token', 'text'],
      ['token', 'uuid'],
      ['date-shift', 'date'],
    ] as const) {
      const sql = shownAs(mask, type) ?? '';
      assert.ok(sql.includes(`pg_catalog.current_setting('${TOKEN_KEY_SETTING}')`), mask);
      assert.doesNotMatch(sql, /[0-9a-f]{16}/);
    }
    assert.ok(shownAs('token', 'text')?.includes(`pg_catalog.current_setting('${TOKEN_STREAM_KEY_SETTING}')`));
  });

  it('call functions by their pg_catalog names only', () => {
    const types = [
      'text',
      'integer',
      'numeric',
      'double precision',
      'date',
      'timestamp with time zone',
      'uuid',
      'bytea',
      'date[]',
      'text[]',
    ];
    for (const { method } of MASK_METHOD_ROWS) {
      for (const type of types) {
        const sql = shownAs(method, type) ?? '';
        for (const call of sql.matchAll(/([\w.]+)\(/g)) {
          assert.match(call[1] ?? '', /^(pg_catalog\.\w+|timestamp|bit|ARRAY|sp_elements)$/, sql);
        }
      }
    }
  });

  it('never put the column outside of an expression, whatever its type is called', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MASK_METHODS),
        fc.string(),
        fc.option(fc.constantFrom('pg_catalog', 'public'), { nil: undefined }),
        (method, type, typeSchema) => {
          const sql = shownAs(method, type, typeSchema === undefined ? {} : { typeSchema });
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
    const array = parseSqlType('character varying(9)[][]', 'pg_catalog');
    assert.deepEqual([array.family, array.cast, array.element?.family], ['builtin', 'character varying(9)[][]', 'text']);
    assert.equal(parseSqlType('jsonb[]', 'pg_catalog').element, undefined);
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
  const column = { columnName: 'mrn', typeName: 'text', typeSchema: 'pg_catalog', keyId: '1' };

  it('is the least revealing of all its classes, and redact for a class the set does not name', () => {
    const set = masks({ 'phi.mrn': 'token', 'phi.name': 'clear', 'phi.date': 'year' });
    assert.equal(maskFor(['phi.mrn', 'phi.name'], set), 'token');
    assert.equal(maskFor(['phi.mrn', 'phi.other'], set), 'redact');
    assert.equal(maskFor(['toString'], set), 'redact');
    assert.deepEqual(maskExpression({ ...column, classes: ['phi.other'] }, set), {
      sql: "'***'::text",
      mask: 'redact',
      className: 'phi.other',
    });
  });

  it('is none for clear classes and unprotected columns', () => {
    const set = masks({ 'phi.name': 'clear' });
    assert.equal(maskExpression({ ...column, classes: ['phi.name'] }, set), null);
    assert.equal(maskExpression({ ...column, classes: [] }, set), null);
  });

  it('separates tokens by the class that asked for them', () => {
    const set = masks({ 'phi.mrn': 'token', 'phi.name': 'clear' });
    assert.ok(maskExpression({ ...column, classes: ['phi.mrn', 'phi.name'] }, set)?.sql.includes("'tok_mrn_1_'"));
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
