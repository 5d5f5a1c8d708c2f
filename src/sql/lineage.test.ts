import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FunctionInfo, Relation } from './catalogue.ts';
import { lineage, type Lineage, type LineageContext } from './lineage.ts';
import { createParser, type Node } from './parser.ts';

const parser = await createParser();

/** What lineage looks at of a relation. */
function relation(
  qualified: string,
  columns: string,
  primaryKey: readonly string[] = ['id'],
  uniqueKeys: readonly (readonly string[])[] = [],
): Relation {
  const [schema, name] = qualified.split('.');
  return {
    schema,
    name,
    qualified,
    columns: columns.split(' ').map((column) => ({ name: column })),
    primaryKey,
    uniqueKeys,
  } as unknown as Relation;
}

const relations = [
  relation('public.patients', 'id mrn name ssn dob clinic_id sex', ['id'], [['mrn']]),
  relation('public.clinics', 'id name region'),
  relation('public.encounters', 'id patient_id clinic_id kind cost reason'),
  relation('public.lab', 'id taken_at value raw', ['id', 'taken_at']),
  relation('public.scratch', 'id k v n'),
  relation('public.v_contact', 'id name phone', []),
  relation('legacy.patients', 'id name ssn'),
];

const glue = { schema: 'public', name: 'glue', kind: 'aggregate', returnsSet: false } as unknown as FunctionInfo;

const find = (schema: string, name: string): Relation | undefined => relations.find((each) => each.schema === schema && each.name === name);
const catalogue: LineageContext['catalogue'] = {
  relation: find,
  resolveRelation: (name, path) => path.map((schema) => find(schema, name)).find((each) => each !== undefined),
  functions: (schema, name) => (schema === 'public' && name === 'glue' ? [glue] : []),
};
const temporary = relation('pg_temp.mine', 'a b', []);
const context: LineageContext & { readonly mine: Relation } = {
  catalogue,
  searchPath: ['public'],
  mine: temporary,
  temporary(name) {
    return name === 'mine' ? this.mine : undefined;
  },
};

function statementOf(sql: string): Node {
  const parsed = parser.parse(sql);
  assert.ok(parsed.ok, sql);
  const statement = parsed.tree.stmts?.[0]?.stmt;
  assert.ok(statement !== undefined, sql);
  return statement;
}

const of = (sql: string): Lineage => lineage(statementOf(sql), context);
const short = (column: string): string => column.replace('public.', '').replace('patients.', '');

const sorted = (columns: readonly string[]): string => columns.map(short).sort().join(' ');

/** `name: source source, ...` with `public.` and `patients.` left out. */
const outputs = (sql: string): string =>
  of(sql)
    .outputs.map(({ name, sources }) => `${name}: ${sorted(sources)}`.trimEnd())
    .join(', ');
const predicates = (sql: string): string => sorted(of(sql).predicates);
const unbounded = (sql: string): string =>
  of(sql)
    .unboundedRelations.map((name) => name.replace('public.', ''))
    .join(' ');
const writes = (sql: string): string =>
  of(sql)
    .writes.map(({ column, sources }) => `${short(column)}: ${sorted(sources)}`.trimEnd())
    .join(', ');

function check(of: (sql: string) => string, cases: Readonly<Record<string, string>>): void {
  for (const [sql, expected] of Object.entries(cases)) assert.equal(of(sql), expected, sql);
}

describe('lineage of outputs', () => {
  it('follows columns, stars, aliases and expressions', () => {
    check(outputs, {
      'SELECT ssn, p.name n, p.id FROM patients p': 'ssn: ssn, n: name, id: id',
      'SELECT public.patients.ssn FROM patients': 'ssn: ssn',
      'SELECT * FROM clinics': 'id: clinics.id, name: clinics.name, region: clinics.region',
      'SELECT c.*, 1 FROM clinics c, patients': 'id: clinics.id, name: clinics.name, region: clinics.region, ?column?:',
      "SELECT lower(ssn), ssn || name, CASE WHEN dob > '1' THEN sex END FROM patients": 'lower: ssn, ?column?: name ssn, case: dob sex',
      'SELECT x FROM clinics AS c(x, y)': 'x: clinics.id',
      'SELECT ssn FROM legacy.patients': 'ssn: legacy.ssn',
      'SELECT ssn FROM patients TABLESAMPLE system (10)': 'ssn: ssn',
      'SELECT ctid FROM patients': 'ctid:',
      'SELECT a FROM mine': 'a: pg_temp.mine.a',
    });
  });

  it('sees whole rows and picks fields out of them', () => {
    const all = 'clinic_id dob id mrn name sex ssn';
    check(outputs, {
      'SELECT p FROM patients p': `p: ${all}`,
      'SELECT row_to_json(p) FROM patients p': `row_to_json: ${all}`,
      'SELECT row_to_json(p.*) FROM patients p': `row_to_json: ${all}`,
      'SELECT (p).ssn FROM patients p': 'ssn: ssn',
      'SELECT (p.*).ssn FROM patients p': 'ssn: ssn',
      'SELECT (c).* FROM clinics c': 'id: clinics.id, name: clinics.name, region: clinics.region',
      'SELECT (q.p).ssn FROM (SELECT p FROM patients p) q': 'ssn: ssn',
      'SELECT p.ssn_of FROM patients p': `ssn_of: ${all}`,
      'SELECT ssn(p) FROM patients p': `ssn: ${all}`,
      'SELECT (ROW(ssn, 1, name)::clinics).region FROM patients': 'region: name',
      'SELECT (array_agg(p))[1].ssn FROM patients p': `ssn: ${all}`,
    });
  });

  it('follows sub-selects, CTEs and the names they hide', () => {
    check(outputs, {
      'SELECT x FROM (SELECT ssn FROM patients) AS q(x)': 'x: ssn',
      'SELECT (SELECT name FROM patients LIMIT 1)': 'name: name',
      'SELECT ARRAY(SELECT name FROM patients)': 'array: name',
      'SELECT EXISTS (SELECT ssn FROM patients)': 'exists:',
      "SELECT 'a' IN (SELECT ssn FROM patients)": '?column?: ssn',
      'WITH a AS (SELECT id, ssn AS q FROM patients), b(x, y) AS (SELECT * FROM a) SELECT y FROM b': 'y: ssn',
      'WITH patients AS (SELECT ssn FROM patients) SELECT * FROM patients': 'ssn: ssn',
      "WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM patients": 'ssn:',
      "WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM public.patients": 'ssn: ssn',
      'SELECT c.name, l.ssn FROM clinics c, LATERAL (SELECT p.ssn FROM patients p WHERE p.clinic_id = c.id) l':
        'name: clinics.name, ssn: ssn',
      'SELECT l.x FROM clinics c, LATERAL (SELECT c.name || ssn AS x FROM patients) l': 'x: clinics.name ssn',
      'SELECT (SELECT region) FROM clinics': 'region: clinics.region',
    });
  });

  it('reaches the fixpoint of recursive CTEs', () => {
    check(outputs, {
      'WITH RECURSIVE r(a, n) AS (SELECT name, 1 FROM clinics UNION ALL SELECT p.ssn, n + 1 FROM r JOIN patients p ON p.id = n) SELECT a, n FROM r':
        'a: clinics.name ssn, n:',
      'WITH RECURSIVE r(a, b, c) AS (SELECT ssn, name, sex FROM patients UNION ALL SELECT b, c, a FROM r) SELECT a FROM r':
        'a: name sex ssn',
      'WITH RECURSIVE x AS (SELECT s FROM y), y AS (SELECT ssn AS s FROM patients) SELECT * FROM x': 's: ssn',
      'WITH RECURSIVE r(a, n) AS (SELECT ssn, 1 FROM patients UNION ALL SELECT a, n + 1 FROM r) SEARCH DEPTH FIRST BY a SET o SELECT o FROM r':
        'o: ssn',
      'WITH RECURSIVE r(a) AS (SELECT ssn FROM patients UNION ALL SELECT a FROM r) CYCLE a SET seen USING path SELECT seen, path FROM r':
        'seen: ssn, path: ssn',
    });
  });

  it('merges columns of USING and NATURAL and puts them first', () => {
    check(outputs, {
      'SELECT * FROM clinics JOIN (SELECT id, cost FROM encounters) e USING (id)':
        'id: clinics.id encounters.id, name: clinics.name, region: clinics.region, cost: encounters.cost',
      'SELECT * FROM (SELECT name, id FROM clinics) c NATURAL JOIN (SELECT id, ssn FROM patients) p':
        'id: clinics.id id, name: clinics.name, ssn: ssn',
      'SELECT j.c4 FROM (patients p JOIN clinics k ON k.id = p.clinic_id) AS j(c1, c2, c3, c4)': 'c4: ssn',
      'SELECT u.id FROM clinics FULL JOIN patients USING (id) AS u': 'id: clinics.id id',
      'SELECT p.id FROM clinics JOIN patients p USING (id)': 'id: id',
    });
  });

  it('makes the columns of functions depend on their arguments', () => {
    check(outputs, {
      'SELECT x.key, x.value FROM clinics c, jsonb_each_text(to_jsonb(c)) x':
        'key: clinics.id clinics.name clinics.region, value: clinics.id clinics.name clinics.region',
      'SELECT b FROM lab, jsonb_each_text(raw) AS x(a, b)': 'b: lab.raw',
      'SELECT r.ssn FROM patients p, jsonb_to_record(to_jsonb(p.dob)) AS r(ssn text)': 'ssn: dob',
      'SELECT t.* FROM patients p, ROWS FROM (generate_series(1, p.id), generate_series(1, 1)) WITH ORDINALITY t':
        'generate_series: id, generate_series:, ordinality:',
      'SELECT anything FROM lab, mystery(raw)': 'anything: lab.raw',
      'SELECT g FROM generate_series(1, 3) g': 'g:',
      "SELECT x.a FROM lab, XMLTABLE('/r' PASSING lab.raw COLUMNS a text PATH 'a', b text) x": 'a: lab.raw',
      "SELECT a FROM lab, JSON_TABLE(raw, '$' COLUMNS (a text PATH '$.a')) t": 'a: lab.raw',
    });
  });

  it('adds up set operations by position', () => {
    check(outputs, {
      'SELECT name FROM clinics UNION ALL SELECT ssn FROM patients': 'name: clinics.name ssn',
      'SELECT name FROM clinics UNION (SELECT region FROM clinics UNION ALL SELECT ssn FROM patients)':
        'name: clinics.name clinics.region ssn',
      'SELECT name FROM patients EXCEPT SELECT name FROM clinics': 'name: name',
      'VALUES (1, 2), ((SELECT ssn FROM patients), 3)': 'column1: ssn, column2:',
    });
  });

  it('names columns as PostgreSQL does', () => {
    check(
      (sql) =>
        of(sql)
          .outputs.map((output) => output.name)
          .join(' '),
      {
        'SELECT id::int, (1)::text, nullif(1, 2), count(*), coalesce(1, 2), greatest(1), least(1) FROM patients':
          'id text nullif count coalesce greatest least',
        'SELECT CASE WHEN true THEN 1 ELSE id END, CASE WHEN true THEN 1 END, ROW(1), ARRAY[1], EXISTS (SELECT 1) FROM patients':
          'id case row array exists',
        'SELECT current_date, current_user, \'a\' COLLATE "C", (SELECT 1), (SELECT name FROM clinics), xmlelement(name a)':
          'current_date current_user ?column? ?column? name xmlelement',
        "SELECT extract(year FROM dob), date '2020-01-01', -1, 1 + 1, json_object('a': 1), (VALUES (1)) FROM patients":
          'extract date ?column? ?column? json_object column1',
      },
    );
  });

  it('reads what wraps a query as the query inside', () => {
    check(outputs, {
      'EXPLAIN ANALYZE SELECT ssn FROM patients': 'ssn: ssn',
      'PREPARE q(int) AS SELECT ssn FROM patients WHERE id = $1': 'ssn: ssn',
      'DECLARE c CURSOR FOR SELECT ssn FROM patients': 'ssn: ssn',
      'COPY (SELECT ssn FROM patients) TO STDOUT': 'ssn: ssn',
      'COPY patients (id, ssn) TO STDOUT': 'id: id, ssn: ssn',
      'COPY clinics TO STDOUT': 'id: clinics.id, name: clinics.name, region: clinics.region',
      'CREATE VIEW v AS SELECT ssn AS s FROM patients': 's: ssn',
    });
  });
});

describe('lineage of predicates', () => {
  it('finds everything that controls rows or their order', () => {
    check(predicates, {
      'SELECT id FROM patients': '',
      "SELECT id FROM patients WHERE ssn LIKE '1%'": 'ssn',
      'SELECT c.name FROM clinics c JOIN patients p ON p.clinic_id = c.id': 'clinic_id clinics.id',
      'SELECT 1 FROM patients GROUP BY 1, ssn HAVING max(dob) > $1': 'dob ssn',
      'SELECT ssn AS s FROM patients ORDER BY s': 'ssn',
      'SELECT ssn, dob FROM patients ORDER BY 2': 'dob',
      'SELECT DISTINCT name FROM patients': 'name',
      'SELECT DISTINCT ON (dob) name FROM patients': 'dob',
      'SELECT row_number() OVER (PARTITION BY sex ORDER BY ssn) FROM patients': 'sex ssn',
      'SELECT row_number() OVER w FROM patients WINDOW w AS (ORDER BY ssn)': 'ssn',
      'SELECT count(*) FILTER (WHERE ssn IS NULL) FROM patients': 'ssn',
      'SELECT min(name), sum(id) FROM patients': 'name',
      'SELECT count(DISTINCT ssn) FROM patients': 'ssn',
      'SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM patients': 'ssn',
      'SELECT name FROM clinics UNION SELECT ssn FROM patients': 'clinics.name ssn',
      'SELECT name FROM clinics UNION ALL SELECT ssn FROM patients': '',
      'SELECT name FROM clinics WHERE id IN (SELECT clinic_id FROM patients)': 'clinic_id clinics.id',
      'SELECT id FROM clinics OFFSET (SELECT count(ssn) FROM patients)': 'ssn',
      'SELECT 1 FROM clinics JOIN patients USING (id)': 'clinics.id id',
      'SELECT 1 FROM patients GROUP BY GROUPING SETS ((sex), (dob, ssn), ())': 'dob sex ssn',
    });
  });

  it('keeps ORDER BY inside ordered-set aggregates as data, too', () => {
    assert.equal(outputs('SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM patients'), 'mode: ssn');
  });
});

describe('lineage of writes', () => {
  it('tells what is stored where', () => {
    check(writes, {
      'INSERT INTO scratch (k, v) SELECT name, ssn FROM patients': 'scratch.k: name, scratch.v: ssn',
      "INSERT INTO scratch VALUES (1, 'a')": 'scratch.id:, scratch.k:',
      'INSERT INTO scratch DEFAULT VALUES': '',
      'UPDATE clinics SET name = (SELECT ssn FROM patients LIMIT 1)': 'clinics.name: ssn',
      'UPDATE scratch SET (k, v) = (SELECT name, ssn FROM patients LIMIT 1)': 'scratch.k: name, scratch.v: ssn',
      'UPDATE scratch SET (k, v) = ROW(p.dob, p.ssn) FROM patients p': 'scratch.k: dob, scratch.v: ssn',
      'INSERT INTO scratch (id, v) SELECT id, ssn FROM patients ON CONFLICT (id) DO UPDATE SET k = excluded.v':
        'scratch.id: id, scratch.k: ssn, scratch.v: ssn',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET v = p.ssn WHEN NOT MATCHED THEN INSERT (id, k) VALUES (p.id, p.name)':
        'scratch.id: id, scratch.k: name, scratch.v: ssn',
      'CREATE TEMP TABLE t (x) AS SELECT ssn, name FROM patients': 't.name: name, t.x: ssn',
      'SELECT ssn AS code INTO TEMP t FROM patients': 't.code: ssn',
      'COPY scratch (k) FROM STDIN': 'scratch.k:',
      'INSERT INTO scratch SELECT * FROM mystery((SELECT ssn FROM patients))':
        'scratch.id: ssn, scratch.k: ssn, scratch.n: ssn, scratch.v: ssn',
      'WITH w AS (INSERT INTO scratch (v) SELECT ssn FROM patients RETURNING v) SELECT 1': 'scratch.v: ssn',
      'INSERT INTO nowhere SELECT ssn FROM patients': 'nowhere.*: ssn',
    });
  });

  it('lets RETURNING show what was stored', () => {
    check(outputs, {
      'INSERT INTO scratch (k, v) SELECT 1, ssn FROM patients RETURNING v, k': 'v: scratch.v ssn, k: scratch.k',
      'WITH w AS (UPDATE patients SET sex = sex RETURNING ssn AS z) SELECT z FROM w': 'z: ssn',
      'UPDATE scratch SET v = p.ssn FROM patients p RETURNING new.v, p.name': 'v: scratch.v ssn, name: name',
      'DELETE FROM scratch USING patients p WHERE scratch.id = p.id RETURNING *':
        'id: scratch.id, k: scratch.k, v: scratch.v, n: scratch.n, id: id, mrn: mrn, name: name, ssn: ssn, dob: dob, clinic_id: clinic_id, sex: sex',
      'DELETE FROM scratch RETURNING WITH (OLD AS o) o.v': 'v: scratch.v',
      'MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN DELETE RETURNING merge_action(), p.ssn':
        'merge_action:, ssn: ssn',
    });
  });
});

describe('unbounded readings', () => {
  it('are bounded by a key, a constant LIMIT or a collapsing aggregate', () => {
    check(unbounded, {
      'SELECT * FROM patients': 'patients',
      'SELECT * FROM patients WHERE id = 5': '',
      'SELECT * FROM patients WHERE mrn = $1': '',
      'SELECT * FROM patients WHERE id IN (1, 2)': '',
      'SELECT * FROM patients WHERE id = ANY ($1)': 'patients',
      'SELECT * FROM patients WHERE id = 5 OR true': 'patients',
      'SELECT * FROM patients WHERE id = id': 'patients',
      'SELECT * FROM patients WHERE clinic_id = 5': 'patients',
      'SELECT * FROM lab WHERE id = 5': 'lab',
      "SELECT * FROM lab WHERE (id, taken_at) = (5, '2020-01-01'::timestamptz)": '',
      'SELECT * FROM patients LIMIT 10': '',
      'SELECT * FROM patients LIMIT ALL': 'patients',
      'SELECT * FROM patients LIMIT $1': 'patients',
      'SELECT * FROM patients ORDER BY sex FETCH FIRST 1 ROW WITH TIES': 'patients',
      'SELECT count(*) FROM patients': '',
      'SELECT clinic_id, count(*) FROM patients GROUP BY clinic_id': '',
      'SELECT id, max(ssn) FROM patients GROUP BY id': 'patients',
      'SELECT DISTINCT ssn FROM patients': 'patients',
      'TABLE v_contact': 'v_contact',
      'COPY patients TO STDOUT': 'patients',
    });
  });

  it('are not bounded by aggregates that carry the rows', () => {
    check(unbounded, {
      "SELECT string_agg(ssn, ',') FROM patients": 'patients',
      'SELECT json_agg(p) FROM patients p LIMIT 1': 'patients',
      'SELECT glue(ssn) FROM patients LIMIT 1': 'patients',
      'SELECT * FROM (SELECT array_agg(ssn) FROM patients) q LIMIT 1': 'patients',
      'SELECT ARRAY(SELECT ssn FROM patients) LIMIT 1': 'patients',
      'SELECT array_agg(ssn) OVER () FROM patients LIMIT 1': 'patients',
      'SELECT JSON_ARRAYAGG(ssn) FROM patients': 'patients',
      'SELECT (SELECT array_agg(p.ssn)) FROM patients p LIMIT 1': 'patients',
      'SELECT percentile_disc(ARRAY[0, 1]) WITHIN GROUP (ORDER BY ssn) FROM patients': 'patients',
      'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM patients': '',
      'SELECT * FROM unnest(ARRAY(SELECT ssn FROM patients)) LIMIT 1': 'patients',
    });
  });

  it('pass through sub-selects and CTEs, where outer conditions still bind', () => {
    check(unbounded, {
      'SELECT * FROM (SELECT * FROM patients) q': 'patients',
      'SELECT * FROM (SELECT * FROM patients) q WHERE id = 1': '',
      'SELECT * FROM (SELECT id AS x, ssn FROM patients) q WHERE q.x = 1': '',
      'SELECT * FROM (SELECT * FROM patients LIMIT 5) q': '',
      'WITH q AS (SELECT * FROM patients) SELECT * FROM q': 'patients',
      'WITH q AS (SELECT * FROM patients) SELECT * FROM q LIMIT 3': '',
      'WITH q AS (SELECT * FROM patients) SELECT 1': '',
      'SELECT name FROM clinics WHERE EXISTS (SELECT 1 FROM patients) AND id = 1': '',
      'SELECT name FROM clinics WHERE id IN (SELECT clinic_id FROM patients) LIMIT 1': '',
      'SELECT id FROM patients UNION ALL SELECT id FROM clinics WHERE id = 1': 'patients',
      '(SELECT id FROM patients UNION ALL SELECT id FROM encounters) LIMIT 5': '',
      'SELECT id FROM patients LIMIT 5': '',
      'WITH RECURSIVE r AS (SELECT id FROM patients UNION ALL SELECT id FROM r) SELECT * FROM r': 'patients',
    });
  });

  it('follow joins from bound rows along keys', () => {
    check(unbounded, {
      'SELECT * FROM encounters e JOIN patients p ON p.id = e.patient_id WHERE e.id = 5': '',
      'SELECT * FROM encounters e JOIN patients p ON p.id = e.patient_id': 'encounters patients',
      'SELECT * FROM encounters e JOIN patients p ON p.id = e.patient_id WHERE p.id = 5': 'encounters',
      'SELECT * FROM encounters e LEFT JOIN patients p ON p.id = e.patient_id AND e.id = 5': 'encounters patients',
      'SELECT * FROM patients p LEFT JOIN clinics c ON p.id = 5': 'clinics patients',
      'SELECT * FROM encounters JOIN patients USING (id) WHERE id = 5': '',
      'SELECT * FROM (SELECT patient_id FROM encounters LIMIT 5) e JOIN patients p ON p.id = e.patient_id': '',
      'SELECT * FROM (SELECT patient_id FROM encounters GROUP BY 1) e JOIN patients p ON p.id = e.patient_id': 'patients',
      'SELECT p.* FROM generate_series(1, 100000) g JOIN patients p ON p.id = g': 'patients',
      'SELECT p.* FROM (VALUES (1), (2)) v(x) JOIN patients p ON p.id = v.x': '',
      'SELECT l.* FROM clinics c, LATERAL (SELECT * FROM patients p WHERE p.clinic_id = c.id LIMIT 1) l': 'clinics patients',
      'SELECT l.* FROM clinics c, LATERAL (SELECT * FROM patients p WHERE p.clinic_id = c.id LIMIT 1) l WHERE c.id = 1': '',
      'SELECT (SELECT ssn FROM patients p WHERE p.id = g) FROM generate_series(1, 9) g': 'patients',
      'SELECT (SELECT ssn FROM patients p WHERE p.id = c.id) FROM clinics c WHERE c.id = 1': '',
      'SELECT (SELECT ssn FROM patients LIMIT 1)': '',
    });
  });

  it('count rows that changes return or store', () => {
    check(unbounded, {
      'DELETE FROM patients RETURNING ssn': 'patients',
      'DELETE FROM patients WHERE id = 1 RETURNING ssn': '',
      'DELETE FROM patients': '',
      'INSERT INTO scratch (v) SELECT ssn FROM patients': 'patients',
      'INSERT INTO scratch DEFAULT VALUES RETURNING *': '',
      'INSERT INTO scratch (v) VALUES (1) RETURNING *': '',
    });
  });

  it('tells the outermost constant LIMIT', () => {
    assert.equal(of('SELECT 1 FROM patients LIMIT 7').limit, 7);
    assert.equal(of('EXPLAIN SELECT 1 FROM patients LIMIT 0').limit, 0);
    assert.equal(of('SELECT 1 FROM patients LIMIT 3000000000').limit, 3_000_000_000);
    assert.equal(of('SELECT 1 FROM patients LIMIT $1').limit, null);
    assert.equal(of('SELECT 1 FROM (SELECT 1 FROM patients LIMIT 7) q').limit, null);
  });
});

describe('lineage of what it does not understand', () => {
  it('lets unknown relations contribute nothing and everything near them count', () => {
    assert.equal(outputs('SELECT * FROM nowhere'), 'nowhere:');
    assert.equal(outputs('SELECT x FROM nowhere'), 'x:');
    assert.equal(outputs('SELECT (SELECT ssn FROM nowhere) FROM patients'), 'ssn: ssn');
    assert.equal(outputs('SELECT nosuch FROM clinics'), 'nosuch: clinics.id clinics.name clinics.region');
  });

  it('answers with every column named for other statements and broken trees', () => {
    assert.deepEqual(of('CREATE INDEX i ON clinics (name)').columns, ['public.clinics.id', 'public.clinics.name', 'public.clinics.region']);
    assert.deepEqual(of('BEGIN'), { outputs: [], columns: [], predicates: [], writes: [], unboundedRelations: [], limit: null });
    const broken = { SelectStmt: { fromClause: [{ Mystery: { relation: { relname: 'clinics' } } }], targetList: 7 } };
    const answer = lineage(broken as unknown as Node, context);
    assert.deepEqual(answer.outputs, [{ name: '?column?', sources: answer.columns, origin: null }]);
    assert.equal(answer.columns.length, 3);
    assert.deepEqual(answer.unboundedRelations, ['public.clinics']);
  });

  it('never throws on trees of any shape', () => {
    const names = [
      'SelectStmt',
      'ColumnRef',
      'fields',
      'RangeVar',
      'relname',
      'targetList',
      'ResTarget',
      'val',
      'FuncCall',
      'args',
      'fromClause',
      'larg',
      'op',
      'withClause',
    ];
    const leaf = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.constantFrom('patients', 'SETOP_UNION', 'ssn'));
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(leaf, fc.array(tie('node'), { maxLength: 3 }), fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 3 })),
    })).node;
    fc.assert(
      fc.property(
        fc.constantFrom('SelectStmt', 'InsertStmt', 'UpdateStmt', 'MergeStmt', 'CopyStmt', 'ExplainStmt'),
        tree,
        (tag, content) => {
          lineage({ [tag]: content ?? {} } as unknown as Node, context);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('bounds its work on nested recursion', () => {
    let sql = 'SELECT ssn AS a FROM patients';
    for (let depth = 0; depth < 14; depth += 1) sql = `WITH RECURSIVE r AS ((${sql}) UNION ALL SELECT a FROM r) SELECT a FROM r`;
    // Work, not time: the machine may be busy with something else.
    const before = process.cpuUsage();
    assert.ok(of(sql).columns.includes('public.patients.ssn'));
    assert.ok(process.cpuUsage(before).user < 1_000_000);
  });

  it('keeps outputs, predicates and writes within the columns it names', () => {
    const scalar = fc.constantFrom(
      'p.ssn',
      'lower(c.name)',
      'p',
      '(p).dob',
      'count(*)',
      '1',
      'q.name',
      '(SELECT max(x.cost) FROM encounters x WHERE x.patient_id = p.id)',
    );
    const from = fc.constantFrom(
      'clinics c',
      'legacy.patients q',
      'LATERAL (SELECT * FROM encounters e WHERE e.patient_id = p.id) q',
      '(VALUES (1, 2)) q(id, name)',
    );
    const where = fc.constantFrom('', 'WHERE p.id = 1', "WHERE p.ssn > 'a'", 'GROUP BY p.sex', 'ORDER BY 1');
    fc.assert(
      fc.property(
        fc.array(scalar, { minLength: 1, maxLength: 3 }),
        from,
        fc.constantFrom('', ' UNION SELECT sex FROM patients'),
        where,
        (list, other, more, tail) => {
          const result = of(`SELECT ${list.join(', ')} FROM patients p, ${other} ${more === '' ? tail : more}`);
          const named = new Set(result.columns);
          for (const source of [...result.outputs.flatMap((output) => output.sources), ...result.predicates])
            assert.ok(named.has(source), source);
          assert.equal(result.outputs.length, list.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
