import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { parser, refusals, TestSession } from '../../test/support/plan.ts';
import { rotatedTokens, testTokens, tokensFor } from '../../test/support/tokens.ts';
import { lineage } from './lineage.ts';
import type { MaskColumn, Plan } from './plan.ts';
import { protect } from './protection.ts';
import type { Tokens } from './token-values.ts';

const catalogue = testCatalogue({
  tables: {
    'public.people': {
      columns: { id: 'integer not null', mrn: 'text', ward: 'text', born: 'date' },
      primaryKey: ['id'],
      unique: [['mrn']],
    },
    'public.visits': { columns: { id: 'integer not null', mrn: 'text', kind: 'text' }, primaryKey: ['id'] },
    'public.loud': { columns: { id: 'integer', mrn: 'text' }, triggers: ['public.talk()'] },
    'public.scratch': { columns: { id: 'integer', k: 'text' } },
  },
  views: { 'public.roster': { columns: { pid: 'integer', number: 'text' }, sql: 'SELECT id, mrn FROM public.people' } },
  functions: { 'public.talk()': { returns: 'trigger', language: 'plpgsql' } },
});
const protection = protect(
  catalogue,
  ['people', 'visits', 'loud'].map((table) => ({ class: 'phi.mrn', pattern: `public.${table}.mrn` })),
  parser,
  lineage,
);
const masked: MaskColumn = (_, { name }) => `pg_catalog.textcat('tok_mrn_', "${name}"::text)::text`;
const now = tokensFor(['phi.mrn']);
const token = testTokens.issue('phi.mrn', 'M-7');
const foreign = testTokens.issue('phi.other', 'M-7');

const session = (tokens: Tokens | null = now): TestSession => new TestSession(masked, { protection, tokens });
const plan = (text: string, tokens: Tokens | null = now): Plan => session(tokens).plan(text);
const forward = (text: string, tokens: Tokens | null = now): string => {
  const made = plan(text, tokens);
  assert.deepEqual(refusals(made), [], text);
  return made.forward ?? '';
};
const openings = (text: string): number => forward(text).split('sallyport.token_stream_key').length - 1;
const places = (text: string): unknown[] =>
  (plan(text).tokens?.parameters ?? []).map(({ number, use, isArray }) => [number, use, ...(isArray === true ? ['array'] : [])]);

describe('a comparison with a token', () => {
  it('that all rows must fulfil finds the row by the stored column, and still decides by the token', () => {
    for (const text of [
      `SELECT 1 FROM people WHERE mrn = '${token}'`,
      `SELECT 1 FROM people p WHERE '${token}'::text = p.mrn AND p.ward = 'x' AND p.id > 1`,
      `SELECT 1 FROM people p JOIN visits v ON v.id = p.id AND v.mrn = '${token}'`,
      `SELECT 1 FROM roster WHERE number IN ('${token}', 'x')`,
      `SELECT 1 FROM people WHERE mrn = ANY(ARRAY['${token}'])`,
      `SELECT 1 FROM scratch s LEFT JOIN people p ON p.mrn = '${token}'`,
      'SELECT 1 FROM people WHERE mrn = $1',
      'SELECT 1 FROM people WHERE mrn = ANY($1)',
    ]) {
      assert.equal(openings(text), 1, text);
    }
    assert.equal(openings(`SELECT 1 FROM people WHERE mrn IN ('${token}', $1) AND mrn = $2`), 3);
    assert.ok(forward(`SELECT 1 FROM people WHERE mrn = '${token}'`).endsWith(`WHERE mrn = '${token}'`));
  });

  it('that rows may fail is between tokens only', () => {
    for (const text of [
      `SELECT 1 FROM people WHERE mrn = '${token}' OR id = 1`,
      `SELECT 1 FROM people WHERE NOT mrn = '${token}'`,
      `SELECT 1 FROM people WHERE mrn <> '${token}'`,
      `SELECT 1 FROM scratch s LEFT JOIN people p ON p.id = s.id WHERE p.mrn = '${token}'`,
      `SELECT 1 FROM people p LEFT JOIN scratch s ON p.mrn = '${token}'`,
      `SELECT mrn = '${token}' FROM people`,
      `SELECT 1 FROM people WHERE mrn = 'M-7'`,
      `SELECT 1 FROM people WHERE mrn = ANY('{${token}}')`,
      `SELECT 1 FROM people WHERE mrn = lower('${token}')`,
      `SELECT 1 FROM people WHERE ward = '${token}'`,
      `SELECT 1 FROM (SELECT mrn FROM people) s WHERE s.mrn = '${token}'`,
      `SELECT 1 FROM people WHERE mrn LIKE '${token}'`,
    ]) {
      assert.equal(openings(text), 0, text);
    }
  });

  it('selects rows of the raw target of a write, also among other conditions', () => {
    for (const text of [
      `UPDATE visits SET kind = 'x' WHERE mrn = '${token}' AND id > 1`,
      'UPDATE visits SET kind = $2 WHERE mrn = $1',
      `DELETE FROM visits v WHERE v.mrn IN ('${token}') OR v.id = 2`,
      'DELETE FROM visits WHERE mrn = ANY($1)',
      `MERGE INTO visits v USING scratch s ON v.id = s.id AND v.mrn = '${token}' WHEN MATCHED THEN DELETE`,
    ]) {
      assert.equal(openings(text), 2, text);
    }
    for (const text of [
      "UPDATE visits SET kind = 'x' WHERE mrn = 'M-7'",
      `UPDATE visits SET kind = 'x' WHERE mrn <> '${token}'`,
      `UPDATE visits SET kind = 'x' WHERE mrn IN ('${token}', 'M-7')`,
      `UPDATE visits SET kind = 'x' WHERE lower(mrn) = '${token}'`,
      `UPDATE visits SET kind = 'x' WHERE mrn = '${token}' AND mrn > 'L'`,
      `UPDATE visits SET kind = 'x' WHERE mrn = '${token}' || ''`,
      `UPDATE visits SET kind = mrn WHERE mrn = '${token}'`,
      `DELETE FROM visits WHERE mrn = '${token}' RETURNING mrn`,
    ]) {
      assert.ok(refusals(plan(text)).includes('write-of-protected'), text);
    }
  });

  it('is refused when it is no token of the class', () => {
    const forged = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
    for (const bad of [forged, foreign, 'tok_mrn_1_', 'tok_', `${token} `]) {
      for (const text of [
        `SELECT 1 FROM people WHERE mrn = '${bad}'`,
        `SELECT 1 FROM people WHERE id = 1 OR mrn IN ('x', '${bad}')`,
        `DELETE FROM visits WHERE mrn = '${bad}'`,
      ]) {
        assert.equal(refusals(plan(text))[0], 'token', text);
      }
    }
    assert.deepEqual(
      refusals(plan(`SELECT 1 FROM people WHERE ward = '${forged}' AND EXISTS (SELECT 1 FROM scratch WHERE k = '${forged}')`)),
      [],
    );
  });

  it('is brought up to date, wherever it is compared with what may show tokens', () => {
    const rotated = tokensFor(['phi.mrn'], rotatedTokens);
    const today = rotatedTokens.issue('phi.mrn', 'M-7');
    for (const text of [
      `SELECT 1 FROM people WHERE mrn = '${token}'`,
      `SELECT mrn = '${token}' FROM people`,
      `SELECT 1 FROM (SELECT mrn FROM people) s WHERE s.mrn = '${token}'`,
      `SELECT 1 FROM people WHERE mrn = ANY('{${token}}')`,
      `SELECT 1 FROM people WHERE CASE WHEN mrn IN ('${token}') THEN true END`,
    ]) {
      const made = forward(text, rotated);
      assert.ok(made.includes(`'${today}'`) || made.includes(`{${today}}`), text);
      assert.ok(!made.includes(token), text);
    }
    assert.ok(forward(`SELECT '${token}' FROM people WHERE ward = '${token}'`, rotated).includes(token));
  });

  it('asks of parameters what Bind has to look at', () => {
    assert.deepEqual(places('SELECT 1 FROM people WHERE mrn = $1'), [
      [1, 'opened'],
      [1, 'compared'],
    ]);
    assert.deepEqual(places('SELECT 1 FROM people WHERE mrn <> $1'), [[1, 'compared']]);
    assert.deepEqual(places('SELECT 1 FROM people WHERE mrn = ANY($1::text[])'), [
      [1, 'opened', 'array'],
      [1, 'compared', 'array'],
    ]);
    assert.deepEqual(places('SELECT $1 FROM people WHERE ward = $2'), []);
    assert.deepEqual(places('INSERT INTO visits VALUES ($1, $2, $3)'), [[2, 'only']]);
    assert.equal(plan('SELECT 1 FROM people WHERE ward = $1').tokens, undefined);
    assert.equal(plan('PREPARE p AS SELECT 1 FROM people WHERE mrn = $1').tokens, undefined);
  });

  it('opens a parameter only as a text: a cast would make one of anything, of a bytea above all', () => {
    for (const text of [
      'SELECT 1 FROM people WHERE mrn = $1',
      'SELECT 1 FROM people WHERE mrn = $1::text',
      'UPDATE visits SET kind = $2 WHERE mrn = $1',
      'DELETE FROM visits WHERE mrn = ANY($1)',
      'INSERT INTO visits (id, mrn) VALUES (1, $1)',
    ]) {
      const sql = forward(text);
      assert.match(sql, /COALESCE\(\$1, NULL::text(\[\])?\)/, text);
      assert.doesNotMatch(sql.replace(/WHERE mrn = CAST\(\$1 AS text\)$|WHERE mrn = \$1::text$/, ''), /\$1::|CAST\(\$1/, text);
    }
  });

  it('costs nothing where nothing is shown by tokens', () => {
    assert.ok(!forward(`SELECT 1 FROM people WHERE mrn = '${foreign}'`, null).includes('sallyport'));
    assert.equal(plan('SELECT 1 FROM people WHERE mrn = $1', null).tokens, undefined);
  });
});

describe('a token as a new value', () => {
  it('is opened where it is written', () => {
    for (const text of [
      `INSERT INTO visits VALUES (1, '${token}', 'x')`,
      `INSERT INTO visits (mrn, id) VALUES ('${token}'::text, 1)`,
      `INSERT INTO visits (id, mrn) SELECT id, '${token}' FROM scratch`,
      `UPDATE visits SET mrn = '${token}' WHERE id = 1`,
      `UPDATE visits SET (kind, mrn) = ('x', '${token}')`,
      `INSERT INTO visits (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET mrn = '${token}'`,
      `MERGE INTO visits v USING scratch s ON v.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (1, '${token}', 'x')`,
      'INSERT INTO visits (id, mrn) VALUES (1, $1)',
    ]) {
      assert.equal(openings(text), 1, text);
    }
    // A key may be asked by token.
    assert.equal(openings(`INSERT INTO people (id, mrn) VALUES (1, '${token}') ON CONFLICT (mrn) DO NOTHING`), 1);
    assert.ok(refusals(plan("INSERT INTO people (id, mrn) VALUES (1, NULL), (2, 'M')")).includes('write-of-protected'));
  });

  it('is the only one, and stands by itself', () => {
    for (const text of [
      "INSERT INTO visits VALUES (1, 'M-7', 'x')",
      'UPDATE visits SET mrn = kind',
      'UPDATE visits SET mrn = lower($1)',
      `UPDATE visits SET mrn = lower('${token}')`,
      `INSERT INTO visits (id, mrn) SELECT id, k FROM scratch`,
      'INSERT INTO visits (id, mrn) SELECT * FROM scratch',
      `INSERT INTO visits (id, mrn) SELECT 1, '${token}' UNION SELECT 2, 'M'`,
      `INSERT INTO visits (id, mrn) VALUES (1, '${token}'), (2, '${token}') ORDER BY column2 LIMIT 1`,
      'INSERT INTO visits (id, mrn) VALUES (1, $1), (2, $2) ORDER BY 2',
      'COPY visits FROM STDIN',
      "INSERT INTO loud VALUES (1, 'M-7')",
    ]) {
      assert.ok(refusals(plan(text)).includes('write-of-protected'), text);
    }
    assert.ok(refusals(plan(`INSERT INTO loud VALUES (1, '${token}')`)).includes('token'));
    assert.deepEqual(refusals(plan('INSERT INTO visits (id, mrn) VALUES (1, NULL), (2, DEFAULT)')), []);
    assert.deepEqual(refusals(plan(`INSERT INTO scratch VALUES (1, '${token}')`)), []);
  });
});

describe('EXECUTE', () => {
  it('takes tokens as plain constants or parameters where the statement opens them', () => {
    const one = session();
    assert.deepEqual(refusals(one.plan('PREPARE p (text, int) AS SELECT 1 FROM people WHERE mrn = $1 AND id = $2')), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE p('${token}', 1 + 1)`)), []);
    assert.deepEqual(refusals(one.plan("EXECUTE p('M-7', 1)")), []);
    assert.deepEqual(refusals(one.plan('EXECUTE p(NULL, 1)')), []);
    assert.deepEqual(refusals(one.plan('PREPARE l AS SELECT 1 FROM people WHERE mrn = ANY($1)')), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE l(ARRAY['${token}', 'x'])`)), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE l('{${token},x}'::text[])`)), ['token']);
    assert.deepEqual(refusals(one.plan(`EXECUTE l('{${token},x}')`)), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE l(ARRAY['${token}', '${foreign}']::text[])`)), ['token']);
    assert.deepEqual(refusals(one.plan(`EXECUTE l(ARRAY[lower('${token}')])`)), ['token']);
    for (const args of [`'${foreign}', 1`, `'${token}' || '', 1`, `lower('${token}'), 1`, `trim('${token}'), 1`, `'${token}'::name, 1`]) {
      assert.deepEqual(refusals(one.plan(`EXECUTE p(${args})`)), ['token'], args);
    }
    assert.deepEqual(
      one.plan('EXECUTE p($2, $1)').tokens?.parameters.map(({ number }) => number),
      [2, 2],
    );
  });

  it('takes none where one might be stored as it is', () => {
    const lookups = protect(catalogue, [{ class: 'phi.mrn', pattern: 'public.visits.mrn', lookup: true }], parser, lineage);
    const one = new TestSession(masked, { protection: lookups, tokens: now });
    assert.deepEqual(refusals(one.plan('PREPARE w (text) AS INSERT INTO visits (id, mrn) SELECT 1, lower($1)')), []);
    assert.deepEqual(refusals(one.plan("EXECUTE w('PLAIN')")), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE w('${token}')`)), ['token']);
    // Taken in one place, it may get into the other.
    assert.deepEqual(refusals(one.plan('PREPARE b (text) AS UPDATE visits SET mrn = lower($1) WHERE mrn = $1')), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE b('${token}')`)), ['token']);
    assert.deepEqual(refusals(one.plan('PREPARE c (text, text) AS UPDATE visits SET mrn = lower($2) WHERE mrn = $1')), []);
    assert.deepEqual(refusals(one.plan(`EXECUTE c('${token}', 'PLAIN')`)), []);
  });
});
