import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plan, refusals } from '../../test/support/plan.ts';

const PATIENTS = `SELECT "id", '***'::text AS "mrn", '***'::text AS "name", '***'::text AS "ssn", NULL::date AS "dob", "clinic_id", "sex" FROM`;
const standIn = (from = '"public"."patients"'): string => `( ${PATIENTS} ${from} )`;
const squeeze = (text: string | null): string =>
  (text ?? 'REFUSED').replaceAll(/\s+/g, ' ').replaceAll('( SELECT', '(SELECT').replaceAll(' )', ')');
const forwards = (sql: string, expected: string): void => assert.equal(squeeze(plan(sql).forward), squeeze(expected));

describe('masked relations in queries', () => {
  it('are replaced by a sub-select with explicit columns and keep their name', () => {
    forwards('SELECT ssn FROM patients', `SELECT ssn FROM ${standIn()} AS patients`);
    forwards('SELECT p.ssn FROM public.patients p', `SELECT p.ssn FROM ${standIn()} AS p`);
    forwards('SELECT a FROM patients AS p(a)', `SELECT a FROM ${standIn()} AS p(a)`);
  });

  it('are replaced wherever a query can stand', () => {
    const texts = [
      'SELECT 1 WHERE EXISTS (SELECT ssn FROM patients)',
      'SELECT (SELECT ssn FROM patients LIMIT 1)',
      'SELECT ARRAY(SELECT ssn FROM patients)',
      'SELECT id FROM clinics UNION SELECT id FROM patients',
      'SELECT * FROM clinics c JOIN patients p ON p.clinic_id = c.id',
      'SELECT * FROM clinics c, LATERAL (SELECT ssn FROM patients p WHERE p.clinic_id = c.id) x',
      'TABLE patients',
      'SELECT 1 ORDER BY (SELECT ssn FROM patients LIMIT 1)',
      'SELECT 1 LIMIT (SELECT count(*) FROM patients)',
      'VALUES ((SELECT ssn FROM patients LIMIT 1))',
      'SELECT * FROM unnest(ARRAY(SELECT ssn FROM patients)) x',
      'SELECT CASE WHEN (SELECT true FROM patients) THEN 1 END',
      'SELECT sum(1) FILTER (WHERE EXISTS (SELECT 1 FROM patients WHERE ssn = $1))',
      'SELECT 1 FROM clinics GROUP BY GROUPING SETS ((id), ((SELECT ssn FROM patients LIMIT 1)))',
      'COPY (SELECT ssn FROM patients) TO STDOUT',
      'COPY patients TO STDOUT',
      'EXPLAIN SELECT ssn FROM patients',
      'PREPARE p AS SELECT ssn FROM patients',
      'DECLARE c CURSOR FOR SELECT ssn FROM patients',
      'INSERT INTO scratch (n) SELECT id FROM patients',
      'SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT ssn FROM patients))) x',
      'SELECT row_number() OVER (ORDER BY (SELECT ssn FROM patients LIMIT 1))',
      'SELECT (WITH x AS (SELECT ssn FROM patients) SELECT ssn FROM x LIMIT 1)',
      'SELECT ssn FROM patients_archive',
      'SELECT who FROM directory',
    ];
    for (const text of texts) {
      const { forward } = plan(text);
      assert.ok(forward !== null, text);
      // Every place that reads the table is a stand-in with masks.
      assert.match(forward, /'\*\*\*'::text/, text);
      assert.doesNotMatch(
        forward.replaceAll(/\(\s*SELECT "id", [^()]*? FROM (ONLY )?"public"\."\w+"\s*\)/g, ''),
        /public"?\."?(patients|directory)/,
        text,
      );
    }
  });

  it('keep ONLY and TABLESAMPLE, inside the sub-select', () => {
    forwards('SELECT id FROM ONLY patients', `SELECT id FROM ${standIn('ONLY "public"."patients"')} AS patients`);
    forwards(
      'SELECT id FROM patients p TABLESAMPLE bernoulli (10) REPEATABLE (3)',
      `SELECT id FROM ${standIn('"public"."patients" TABLESAMPLE bernoulli (10) REPEATABLE (3)')} AS p`,
    );
  });

  it('lose their schema in three-part column names', () => {
    forwards('SELECT public.patients.id FROM public.patients', `SELECT patients.id FROM ${standIn()} AS patients`);
  });

  it('carry system columns when the text names them and shows no star', () => {
    assert.match(plan('SELECT ctid FROM patients').forward ?? '', /ctid AS ctid/);
    assert.doesNotMatch(plan('SELECT *, ctid FROM patients').forward ?? '', /ctid AS ctid/);
  });

  it('get the columns that a grouped primary key used to imply', () => {
    assert.match(plan('SELECT p.id, p.sex, count(*) FROM patients p GROUP BY p.id').forward ?? '', /GROUP BY p\.id, p\.sex$/);
    assert.match(plan('SELECT id, sex FROM patients GROUP BY 1').forward ?? '', /GROUP BY 1, patients\.sex$/);
    assert.match(plan('SELECT count(*) FROM patients GROUP BY sex').forward ?? '', /GROUP BY sex$/);
  });

  it('may be locked: the lock goes through to the rows', () => {
    const made = plan('SELECT id FROM patients FOR UPDATE OF patients');
    assert.match(made.forward ?? '', /FOR UPDATE OF patients$/);
    assert.deepEqual(made.facts.effects, ['read', 'write']);
  });

  it('survive what the deparser drops, by editing the names in the text', () => {
    forwards(
      'SELECT id FROM ONLY public.patients ORDER BY id FETCH FIRST 1 ROWS WITH TIES',
      `SELECT id FROM ${standIn('ONLY "public"."patients"')} AS "patients" ORDER BY id FETCH FIRST 1 ROWS WITH TIES`,
    );
    forwards("SELECT (ARRAY[ssn])[1], 'ä' FROM /* x */ patients p", `SELECT (ARRAY[ssn])[1], 'ä' FROM /* x */ ${standIn()} p`);
  });

  it('cannot be displaced by a placeholder of the client', () => {
    assert.deepEqual(refusals(plan('SELECT id, (SELECT sp_stand_in_1) FROM patients')), ['round-trip']);
    assert.deepEqual(refusals(plan("SELECT id, 'SELECT sp_stand_in_1' FROM patients")), ['round-trip']);
  });
});

describe('names', () => {
  it('of clean relations leave the text as it is', () => {
    for (const text of ['SELECT * FROM clinics', 'select  Name from public.clinics -- c', 'SELECT relname FROM pg_class', '', ';']) {
      assert.equal(plan(text).forward, text);
    }
  });

  it('of the same relation in another schema are not protected', () => {
    assert.equal(plan('SELECT ssn FROM legacy.patients').forward, 'SELECT ssn FROM legacy.patients');
  });

  it('of CTEs are renamed, so that a scoping mistake names nothing', () => {
    const shadow = plan('WITH patients AS (SELECT id FROM patients) SELECT * FROM patients').forward ?? '';
    assert.match(
      shadow,
      /^WITH sp_c1_patients AS \(SELECT id FROM .*"public"\."patients" ?\) AS patients\) SELECT \* FROM sp_c1_patients AS patients$/,
    );
    const recursive = plan('WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r').forward ?? '';
    assert.equal(recursive.match(/sp_c1_r/g)?.length, 3);
  });

  it('of CTEs do not reach a query outside their WITH', () => {
    const made = plan('SELECT (WITH patients AS (SELECT 1 AS ssn) SELECT ssn FROM patients), ssn FROM patients');
    assert.match(made.forward ?? '', /FROM sp_c1_patients AS patients\), ssn FROM \(.*"public"\."patients"/);
  });

  it('that lead nowhere or to another database are refused', () => {
    for (const text of [
      'SELECT * FROM nowhere',
      'SELECT * FROM other.public.clinics',
      'SELECT * FROM pg_temp.clinics',
      'DELETE FROM nowhere',
    ]) {
      assert.deepEqual(refusals(plan(text)), ['relation'], text);
    }
  });

  it('of statistics and other data-bearing system relations are refused', () => {
    for (const name of ['pg_stats', 'pg_statistic', 'pg_stat_activity', 'pg_largeobject', 'pg_catalog.pg_authid']) {
      assert.deepEqual(refusals(plan(`SELECT * FROM ${name}`)), ['system-relation'], name);
    }
  });

  it('of functions, operators and types are vetted', () => {
    for (const text of [
      'SELECT leak(1)',
      'SELECT public.leak(1)',
      'SELECT * FROM leak(1)',
      "SELECT query_to_xml('x', true, false, '')",
      'SELECT p.row_leak FROM patients p',
      'SELECT (p).row_leak FROM patients p',
      'CALL leak(1)',
      "SELECT current_setting('sallyport.token_key')",
      'SELECT current_setting(name) FROM clinics',
      "SELECT set_config('search_path', 'x', false)",
    ]) {
      assert.notDeepEqual(refusals(plan(text)), [], text);
    }
    for (const text of [
      'SELECT vouched(1)',
      'SELECT lower(name) FROM clinics',
      'SELECT ssn(p) FROM patients p',
      "SELECT current_setting('server_version')",
      'SELECT 1 + 1 = 2',
    ]) {
      assert.deepEqual(refusals(plan(text)), [], text);
    }
    assert.deepEqual(refusals(plan('SELECT 1 |+| 1')), ['operator']);
    assert.deepEqual(refusals(plan("SELECT 'x'::no_such_type")), ['type']);
  });

  it('never bring a name that the catalogue does not know into the facts', () => {
    const { facts } = plan('SELECT * FROM "970-78-9909"');
    assert.doesNotMatch(JSON.stringify(facts), /970-78-9909/);
  });
});

describe('facts of a query', () => {
  it('name the relations, columns, classes and outputs', () => {
    const { facts } = plan("SELECT id, lower(ssn) AS s FROM patients WHERE name = 'x' LIMIT 3");
    assert.deepEqual(facts.effects, ['read']);
    assert.deepEqual(facts.relations, [{ name: 'public.patients', access: 'read' }]);
    assert.deepEqual(facts.outputs, [
      { name: 'id', sources: ['public.patients.id'], classes: [] },
      { name: 's', sources: ['public.patients.ssn'], classes: ['phi.ssn'] },
    ]);
    assert.deepEqual([facts.outputClasses, facts.predicateClasses, facts.limit, facts.unbounded], [['phi.ssn'], ['phi.name'], 3, false]);
    assert.ok(facts.classes.includes('phi.ssn') && facts.classes.includes('phi.name'));
    assert.doesNotMatch(facts.normalised ?? '', /'x'/);
  });

  it('say unbounded for a whole protected table only', () => {
    assert.equal(plan('SELECT * FROM patients').facts.unbounded, true);
    assert.equal(plan('SELECT * FROM clinics').facts.unbounded, false);
    assert.equal(plan('SELECT count(*) FROM patients').facts.unbounded, false);
  });

  it('of several statements are the union, and one refused statement refuses the text', () => {
    const both = plan('SELECT 1 AS a; DELETE FROM scratch WHERE id = 1');
    assert.deepEqual([both.facts.verbs, both.facts.effects, both.facts.statements], [['SELECT', 'DELETE'], ['read', 'write'], 2]);
    assert.equal(plan('SELECT 1; SELECT leak(1)').forward, null);
  });

  it('of what does not parse are one unknown', () => {
    const made = plan("SELEC 'secret'");
    assert.deepEqual([refusals(made), made.statements], [['syntax'], []]);
  });
});

describe('messages of the server', () => {
  it('pass for stand-ins, and are hidden where a view reads protected columns inside', () => {
    assert.deepEqual(
      plan('SELECT ssn::int FROM patients').statements.map((each) => each.messages),
      ['pass'],
    );
    assert.deepEqual(
      plan('SELECT id FROM born_late').statements.map((each) => each.messages),
      ['code-only'],
    );
    assert.deepEqual(
      plan("INSERT INTO scratch (id, k) VALUES (1, 'x')").statements.map((each) => each.messages),
      ['trim'],
    );
    assert.deepEqual(
      plan("INSERT INTO noisy VALUES (1, 'x')").statements.map((each) => each.messages),
      ['code-only'],
    );
    assert.deepEqual(
      plan('COMMIT').statements.map((each) => each.messages),
      ['code-only'],
    );
  });
});
