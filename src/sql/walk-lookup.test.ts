import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import { parser, refusals, TestSession } from '../../test/support/plan.ts';
import { testTokens, tokensFor } from '../../test/support/tokens.ts';
import type { Protection } from './catalogue.ts';
import { lineage } from './lineage.ts';
import type { MaskColumn, Plan } from './plan.ts';
import { protect } from './protection.ts';
import { MAX_LOOKUPS } from './walk-lookup.ts';

const columns = { id: 'integer not null', mrn: 'text', name: 'text', site: 'integer', chart: 'bigint', code: 'text', ward: 'text' };
const catalogue = testCatalogue({
  tables: {
    'public.people': { columns, primaryKey: ['id'], unique: [['mrn'], ['site', 'chart'], ['id', 'code']] },
    'public.visits': { columns: { id: 'integer not null', person: 'integer', mrn: 'text', kind: 'text' }, primaryKey: ['id'] },
    'public.parent': { columns: { id: 'integer', mrn: 'text' }, unique: [['mrn']] },
    'public.heir': { columns: { id: 'integer', mrn: 'text' }, inherits: ['public.parent'] },
    'public.parts': { columns: { id: 'integer', mrn: 'text' }, kind: 'partitioned', partitionKey: ['id'] },
    'public.parts_1': { columns: { id: 'integer', mrn: 'text' }, inherits: ['public.parts'], unique: [['mrn']] },
    'public.parts_2': { columns: { id: 'integer', mrn: 'text' }, inherits: ['public.parts'], unique: [['mrn']] },
    'public.mixed': { columns: { id: 'integer not null', mrn: 'text' }, primaryKey: ['id'], unique: [['mrn']] },
    'public.scratch': { columns: { id: 'integer not null', k: 'text', n: 'integer' }, primaryKey: ['id'] },
  },
  views: {
    'public.roster': {
      columns: { pid: 'integer', num: 'text', site: 'integer', chart: 'bigint' },
      sql: 'SELECT id, mrn, site, chart FROM public.people',
    },
    'public.roster2': { columns: { pid: 'integer', num: 'text' }, sql: 'SELECT pid, num FROM public.roster WHERE pid > 1' },
    'public.ill': { columns: { pid: 'integer', num: 'text' }, sql: "SELECT id, mrn FROM public.people WHERE name = 'x'::text" },
    'public.ill2': { columns: { num: 'text' }, sql: 'SELECT num FROM public.ill' },
    'public.kept': { columns: { num: 'text' }, sql: "SELECT mrn FROM public.people WHERE name = 'x'::text", materialised: true },
    'public.shouted': { columns: { num: 'text' }, sql: 'SELECT upper(mrn) FROM public.people' },
    'public.pair': { columns: { num: 'text' }, sql: 'SELECT mrn FROM public.people UNION ALL SELECT mrn FROM public.mixed' },
  },
});
const lookup = true as const;
const rules = [
  ...['people.mrn', 'people.chart', 'people.code', 'visits.mrn', 'parent.mrn', 'parts.mrn', 'mixed.mrn'].map((name) => ({
    class: `look.${name.split('.')[1]}`,
    pattern: `public.${name}`,
    lookup,
  })),
  { class: 'phi.name', pattern: 'public.people.name' },
  { class: 'phi.mixed', pattern: 'public.mixed.mrn' },
];
const protection: Protection = protect(catalogue, rules, parser, lineage);
const constant: MaskColumn = (_, { typeName }) => (typeName === 'text' ? "'***'::text" : `NULL::${typeName}`);
const token: MaskColumn = (_, { name }) => `pg_catalog.textcat('tok_mrn_', "${name}"::text)::text`;

const tokens = tokensFor(['look.mrn']);
const mrnToken = testTokens.issue('look.mrn', 'M7');

const plan = (text: string, masks = constant): Plan =>
  new TestSession(masks, { protection, tokens: masks === token ? tokens : null }).plan(text);
const forward = (text: string, masks = constant): string => {
  const made = plan(text, masks);
  assert.deepEqual(refusals(made), [], text);
  // The printer puts blanks inside of some brackets.
  return (made.forward ?? '').replaceAll('( ', '(').replaceAll(' )', ')');
};
const whats = (text: string): string[] => plan(text).facts.unknowns.map(({ what }) => what);

/** The stand-in of people, with the condition it got. */
const people = (condition: string): RegExp => new RegExp(`FROM "public"\\."people" WHERE ${condition}\\)`);
const unfiltered = (text: string): void => assert.doesNotMatch(forward(text), /FROM "public"\."\w+" WHERE/, text);

describe('a look-up', () => {
  it('by a constant or parameter is applied to the stored column, and its old place holds true', () => {
    assert.match(
      forward("SELECT id FROM people WHERE mrn = 'M1'"),
      /^SELECT id FROM \(SELECT .* FROM "public"\."people" WHERE mrn = 'M1'\) AS people WHERE true$/,
    );
    for (const [text, condition] of [
      ['SELECT id FROM people p WHERE p.mrn = $1 AND p.site > 2', 'mrn = \\$1'],
      ["SELECT id FROM people WHERE 'it''s' = mrn", "mrn = 'it''s'"],
      ["SELECT id FROM public.people WHERE public.people.mrn = 'M'", "mrn = 'M'"],
      ["SELECT id FROM people WHERE (ward = 'x' AND (mrn = $1::text))", 'mrn = CAST\\(\\$1 AS text\\)'],
      [
        "SELECT id FROM people WHERE mrn OPERATOR(pg_catalog.=) 'x'::varchar(9)",
        "mrn OPERATOR\\(pg_catalog\\.=\\) CAST\\('x' AS varchar\\(9\\)\\)",
      ],
      ['SELECT id FROM people WHERE site = 4 AND chart = 77', 'chart = 77'],
      ['SELECT id FROM people WHERE chart = 12345678901 AND $1 = site', 'chart = 12345678901'],
      ["SELECT (SELECT id FROM people WHERE mrn = 'M') FROM scratch", "mrn = 'M'"],
      ["SELECT 1 FROM scratch s WHERE EXISTS (SELECT 1 FROM people WHERE mrn = 'M' AND id = s.id)", "mrn = 'M'"],
      ["WITH w AS (SELECT id FROM people WHERE mrn = 'M') SELECT * FROM w, w v", "mrn = 'M'"],
      ["SELECT id FROM scratch UNION SELECT id FROM people WHERE mrn = 'M'", "mrn = 'M'"],
      ['PREPARE q (text) AS SELECT id FROM people WHERE mrn = $1', 'mrn = \\$1'],
      ["DECLARE c CURSOR FOR SELECT id FROM people WHERE mrn = 'M'", "mrn = 'M'"],
      ["COPY (SELECT id FROM people WHERE mrn = 'M') TO STDOUT", "mrn = 'M'"],
      ["INSERT INTO scratch (id) SELECT id FROM people WHERE mrn = 'M'", "mrn = 'M'"],
      ["UPDATE scratch SET n = 1 FROM people p WHERE p.id = scratch.id AND p.mrn = 'M'", "mrn = 'M'"],
      ["DELETE FROM scratch USING people p WHERE p.id = scratch.id AND p.mrn = 'M'", "mrn = 'M'"],
      ["SELECT id FROM people WHERE mrn = 'M' FOR UPDATE", "mrn = 'M'"],
      ["EXPLAIN SELECT id FROM people WHERE mrn = 'M'", "mrn = 'M'"],
    ] as const) {
      assert.match(forward(text), people(condition), text);
    }
  });

  it('leaves every other use of the column with the mask', () => {
    const text = forward("SELECT mrn, length(mrn) FROM people WHERE mrn = 'M' AND mrn LIKE 'M%' ORDER BY mrn");
    assert.match(text, /'\*\*\*'::text AS "mrn"/);
    assert.match(text, /WHERE mrn = 'M'\) AS people WHERE true AND mrn LIKE 'M%' ORDER BY mrn$/);
    for (const condition of [
      "mrn LIKE 'M1'",
      "mrn > 'M1'",
      "mrn <> 'M1'",
      "mrn IN ('M1', 'M2')",
      "mrn = ANY ('{M1}')",
      "mrn = 'M1' OR id = 1",
      "NOT mrn = 'M1'",
      "(mrn = 'M1') IS TRUE",
      "upper(mrn) = 'M1'",
      "mrn || '' = 'M1'",
      "mrn::text = 'M1'",
      "mrn = lower('M1')",
      "mrn = (SELECT 'M1')",
      'mrn = NULL',
      'mrn COLLATE "C" = \'M1\'',
      "mrn IS NOT DISTINCT FROM 'M1'",
      "(mrn, id) = ('M1', 1)",
      "CASE WHEN mrn = 'M1' THEN true END",
      'mrn = ward',
    ]) {
      unfiltered(`SELECT id FROM people WHERE ${condition}`);
    }
    unfiltered("SELECT mrn = 'M1' FROM people");
    unfiltered("SELECT count(*) FILTER (WHERE mrn = 'M1') FROM people");
    unfiltered("SELECT mrn FROM people GROUP BY mrn HAVING mrn = 'M1'");
    unfiltered("SELECT 1 FROM people p WHERE EXISTS (SELECT 1 FROM scratch WHERE p.mrn = 'M1')");
    unfiltered("SELECT * FROM (SELECT * FROM people) p WHERE mrn = 'M1'");
    unfiltered("WITH p AS (SELECT * FROM people) SELECT * FROM p WHERE mrn = 'M1'");
    unfiltered("SELECT 1 FROM people p(a, mrn) WHERE mrn = 'M1'");
    unfiltered("SELECT 1 FROM people WHERE name = 'Ann'");
  });

  it('needs a whole key of which no part is a key already', () => {
    assert.deepEqual(whats('SELECT 1 FROM people WHERE chart = 77'), ['look-up of public.people.chart']);
    assert.deepEqual(whats('SELECT 1 FROM people WHERE chart = 77 AND site > 4'), ['look-up of public.people.chart']);
    assert.deepEqual(whats('SELECT 1 FROM people p JOIN scratch s ON s.id = p.site WHERE chart = 77'), ['look-up of public.people.chart']);
    // With the id given, the code would be guessed, not looked up.
    assert.deepEqual(whats("SELECT 1 FROM people WHERE id = 1 AND code = 'B20'"), ['look-up of public.people.code']);
    assert.deepEqual(whats("SELECT 1 FROM visits WHERE mrn = 'M'"), ['look-up of public.visits.mrn']);
  });

  it('holds in all tables that the relation shows rows of', () => {
    assert.deepEqual(whats("SELECT 1 FROM parent WHERE mrn = 'M'"), ['look-up of public.parent.mrn']);
    assert.deepEqual(whats("SELECT 1 FROM heir WHERE mrn = 'M'"), ['look-up of public.heir.mrn']);
    assert.match(forward("SELECT 1 FROM ONLY parent WHERE mrn = 'M'"), /FROM ONLY "public"\."parent" WHERE mrn = 'M'/);
    assert.match(forward("SELECT 1 FROM parts WHERE mrn = 'M'"), /FROM "public"\."parts" WHERE mrn = 'M'/);
  });

  it('reaches through views that pass the key on unchanged', () => {
    assert.match(forward("SELECT pid FROM roster WHERE num = 'M'"), /FROM "public"\."roster" WHERE num = 'M'/);
    assert.match(forward("SELECT pid FROM roster2 WHERE num = 'M'"), /FROM "public"\."roster2" WHERE num = 'M'/);
    assert.match(forward('SELECT pid FROM roster WHERE site = 1 AND chart = 2'), /FROM "public"\."roster" WHERE chart = 2/);
    // Being in there tells the name.
    assert.deepEqual(whats("SELECT 1 FROM ill WHERE num = 'M'"), ['look-up of public.ill.num']);
    assert.deepEqual(whats("SELECT 1 FROM ill2 WHERE num = 'M'"), ['look-up of public.ill2.num']);
    assert.deepEqual(whats("SELECT 1 FROM kept WHERE num = 'M'"), ['look-up of public.kept.num']);
    assert.deepEqual(whats("SELECT 1 FROM shouted WHERE num = 'M'"), ['look-up of public.shouted.num']);
    unfiltered("SELECT 1 FROM pair WHERE num = 'M'");
  });

  it('asks all classes of the column', () => {
    unfiltered("SELECT 1 FROM mixed WHERE mrn = 'M'");
  });

  it('is applied from an ON clause, but never to the side whose rows an outer join keeps', () => {
    for (const text of [
      "SELECT 1 FROM scratch s JOIN people p ON p.id = s.id AND p.mrn = 'M'",
      "SELECT 1 FROM scratch s LEFT JOIN people p ON p.id = s.id AND p.mrn = 'M'",
      "SELECT 1 FROM people p RIGHT JOIN scratch s ON p.id = s.id AND p.mrn = 'M'",
      "SELECT 1 FROM people p LEFT JOIN scratch s ON p.id = s.id WHERE p.mrn = 'M'",
      "SELECT 1 FROM scratch s LEFT JOIN (visits v JOIN people p ON p.mrn = 'M') ON s.id = v.id",
      "SELECT 1 FROM (scratch s JOIN people p ON mrn = 'M') AS j",
    ]) {
      assert.match(forward(text), people("mrn = 'M'"), text);
    }
    for (const text of [
      "SELECT 1 FROM scratch s LEFT JOIN people p ON p.id = s.id WHERE p.mrn = 'M'",
      "SELECT 1 FROM people p LEFT JOIN scratch s ON p.id = s.id AND p.mrn = 'M'",
      "SELECT 1 FROM people p FULL JOIN scratch s ON p.id = s.id AND p.mrn = 'M'",
      "SELECT 1 FROM people p FULL JOIN scratch s ON p.id = s.id WHERE p.mrn = 'M'",
      "SELECT 1 FROM scratch s LEFT JOIN (scratch t JOIN people p ON p.id = t.id) ON s.id = t.id WHERE p.mrn = 'M'",
    ]) {
      assert.deepEqual(whats(text), ['look-up of public.people.mrn'], text);
    }
  });

  it('finds the relation of a bare column name only when no other entry can have it', () => {
    assert.match(forward("SELECT 1 FROM people, scratch WHERE mrn = 'M'"), people("mrn = 'M'"));
    assert.deepEqual(whats("SELECT 1 FROM people, (SELECT 1 AS x) q WHERE mrn = 'M'"), ['look-up of public.people.mrn']);
    assert.match(forward("SELECT 1 FROM people p, (SELECT 1 AS x) q WHERE p.mrn = 'M'"), people("mrn = 'M'"));
    unfiltered("SELECT 1 FROM people JOIN visits USING (mrn) WHERE mrn = 'M'");
    const one = forward("SELECT 1 FROM people a, people b WHERE a.mrn = 'M'");
    assert.equal(one.split("WHERE mrn = 'M'").length, 2);
    // The update's own target has the column as well: PostgreSQL calls it ambiguous.
    assert.ok(refusals(plan("UPDATE visits SET kind = 'x' FROM people p WHERE mrn = 'M'")).includes('write-of-protected'));
  });

  it('compares with values of the own family of types only', () => {
    const value = (text: string): string[] => whats(`SELECT 1 FROM people WHERE site = 1 AND chart = ${text}`);
    for (const text of ['7', '-7', "'7'", '$1', '$1::bigint', "'7'::int4", '12345678901']) assert.deepEqual(value(text), [], text);
    for (const text of ['7.5', "'7'::numeric", '$1::text', '7::float8', '$1::regclass', '1e3'])
      assert.deepEqual(value(text), ['look-up of public.people.chart'], text);
  });

  it('must not decide the type of a parameter that is used in other ways as well', () => {
    const what = 'look-up of public.people.mrn';
    assert.deepEqual(whats('SELECT $1 FROM people WHERE mrn = $1'), [what]);
    assert.deepEqual(whats('SELECT $1::text FROM people WHERE mrn = $1'), [what]);
    assert.match(forward('SELECT $1::text FROM people WHERE mrn = $1::text'), people('mrn = CAST\\(\\$1 AS text\\)'));
    assert.match(forward('SELECT 1 FROM people WHERE mrn = $1 UNION SELECT 2 FROM people WHERE mrn = $1'), people('mrn = \\$1'));
  });

  it('is told apart from a token: a constant of that form means the mask, a parameter may be either', () => {
    const made = forward(`SELECT 1 FROM people WHERE mrn = '${mrnToken}'`, token);
    assert.match(made, new RegExp(`FROM "public"\\."people" WHERE mrn = \\(CASE WHEN .*\\) AS people WHERE mrn = '${mrnToken}'$`));
    assert.ok(refusals(plan("SELECT 1 FROM people WHERE mrn = 'tok_mrn_0123456789abcdef0123'", token)).includes('token'));
    assert.match(forward("SELECT 1 FROM people WHERE mrn = 'M1'", token), people("mrn = 'M1'"));
    const either = forward('SELECT 1 FROM people WHERE mrn = $1', token);
    assert.match(either, people('mrn = \\(COALESCE\\(\\(CASE WHEN .* END\\)::text, COALESCE\\(\\$1, NULL::text\\)\\)\\)'));
    assert.match(either, /AS people WHERE NOT \(pg_catalog\.starts_with\(\$1, 'tok_'\)\) OR mrn = \$1$/);
    // A mask that tells values apart is compared where the value cannot be.
    assert.doesNotMatch(forward("SELECT 1 FROM visits WHERE mrn = 'M1'", token), /FROM "public"\."visits" WHERE/);
  });

  it('lets a write select its rows, as the target stays raw', () => {
    for (const text of [
      "UPDATE people SET ward = 'x' WHERE mrn = 'M' AND site > 1",
      "UPDATE people p SET ward = 'x' FROM scratch s WHERE s.id = p.id AND p.mrn = $1",
      'DELETE FROM people WHERE site = 1 AND chart = $1',
      "MERGE INTO people p USING scratch s ON p.mrn = 'M' WHEN MATCHED THEN UPDATE SET ward = s.k",
    ]) {
      assert.equal(forward(text).includes('FROM "public"'), false, text);
    }
    for (const text of [
      "UPDATE people SET ward = 'x' WHERE mrn = 'M' OR id = 1",
      "UPDATE people SET ward = 'x' WHERE mrn LIKE 'M'",
      "UPDATE people SET ward = mrn WHERE mrn = 'M'",
      "UPDATE people SET ward = 'x' WHERE mrn = 'M' AND mrn > 'L'",
      "UPDATE people SET ward = 'x' WHERE chart = 1",
      "UPDATE people SET ward = 'x' WHERE name = 'Ann'",
      "DELETE FROM visits WHERE mrn = 'M'",
      "DELETE FROM people WHERE mrn = 'M' RETURNING mrn",
      'MERGE INTO people p USING scratch s ON p.mrn = s.k WHEN MATCHED THEN DELETE',
      "MERGE INTO people p USING scratch s ON p.id = s.id WHEN MATCHED AND p.mrn = 'M' THEN DELETE",
    ]) {
      assert.ok(refusals(plan(text)).includes('write-of-protected'), text);
    }
    // What does not match is inserted: the source must keep all its rows.
    assert.deepEqual(whats("MERGE INTO scratch s USING people p ON s.id = p.id AND p.mrn = 'M' WHEN MATCHED THEN DELETE"), [
      'look-up of public.people.mrn',
    ]);
  });

  it('shows no plan that stored values decide', () => {
    assert.ok(refusals(plan("EXPLAIN ANALYZE SELECT 1 FROM people WHERE mrn = 'M'")).includes('statement-kind'));
    // Several columns are estimated from statistics of what they hold.
    assert.ok(refusals(plan('EXPLAIN SELECT 1 FROM people WHERE site = 1 AND chart = 2')).includes('statement-kind'));
    const session = new TestSession(constant, { protection });
    session.plan('PREPARE q AS SELECT 1 FROM people WHERE mrn = $1');
    assert.ok(refusals(session.plan("EXPLAIN ANALYZE EXECUTE q('M')")).includes('statement-kind'));
    assert.deepEqual(refusals(session.plan("EXPLAIN EXECUTE q('M')")), []);
  });

  it('is not made in bulk', () => {
    const arms = (count: number): string =>
      Array.from({ length: count }, (_, at) => `SELECT 1 FROM people WHERE mrn = 'M${at}'`).join(' UNION ALL ');
    assert.deepEqual(whats(arms(MAX_LOOKUPS)), []);
    assert.deepEqual(whats(arms(MAX_LOOKUPS + 1)), [`more than ${MAX_LOOKUPS} look-ups`]);
  });

  it('is a predicate on its class in the facts, and bounds the statement', () => {
    const { facts } = plan("SELECT id FROM people WHERE mrn = 'M'");
    assert.deepEqual([facts.predicateClasses, facts.unbounded], [['look.mrn'], false]);
  });
});
