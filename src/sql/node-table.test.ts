// Mutation test of the walker's table and handlers: for every place of the tree that may hold a name, a statement with a
// forbidden name in just that place. It is refused; with that place marked ignorable, or its handler gone, it would not be.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parser, plan } from '../../test/support/plan.ts';
import { NODE_TABLE, type FieldRole } from './node-table.ts';
import { handlers } from './walk-handlers.ts';

/** `leak(1)` is not vetted, `nowhere` is no type. */
const WITNESSES: Readonly<Record<string, string>> = {
  'List.items': "SELECT '' IN ('', leak(1))",
  'FuncCall.args': 'SELECT upper(leak(1))',
  'FuncCall.agg_order': "SELECT string_agg(region, ',' ORDER BY leak(1)) FROM clinics",
  'FuncCall.agg_filter': "SELECT count(*) FILTER (WHERE leak(1) = '') FROM clinics",
  'FuncCall.over': 'SELECT count(*) OVER (ORDER BY leak(1)) FROM clinics',
  'TypeName.typmods': 'SELECT 1::numeric(leak(1))',
  'A_Expr.lexpr': "SELECT leak(1) || ''",
  'A_Expr.rexpr': "SELECT '' || leak(1)",
  'A_Indirection.arg': 'SELECT (leak(1))[1]',
  'A_Indices.lidx': "SELECT ('{1}'::int[])[leak(1)::int:2]",
  'A_Indices.uidx': "SELECT ('{1}'::int[])[leak(1)::int]",
  'SortBy.node': 'SELECT region FROM clinics ORDER BY leak(1)',
  'SubLink.testexpr': "SELECT leak(1) IN (SELECT 'a')",
  'SubLink.subselect': 'SELECT (SELECT leak(1))',
  'CollateClause.arg': 'SELECT leak(1) COLLATE "C"',
  'TypeCast.arg': 'SELECT leak(1)::int',
  'TypeCast.typeName': "SELECT '1'::nowhere",
  'BoolExpr.args': "SELECT true AND leak(1) = ''",
  'NullTest.arg': 'SELECT leak(1) IS NULL',
  'BooleanTest.arg': "SELECT (leak(1) = '') IS TRUE",
  'CaseExpr.args': "SELECT CASE WHEN leak(1) = '' THEN 1 END",
  'CaseExpr.defresult': "SELECT CASE WHEN true THEN '' ELSE leak(1) END",
  'CaseWhen.expr': "SELECT CASE WHEN leak(1) = '' THEN 1 END",
  'CaseWhen.result': 'SELECT CASE WHEN true THEN leak(1) END',
  'CoalesceExpr.args': "SELECT coalesce(leak(1), '')",
  'MinMaxExpr.args': "SELECT greatest(leak(1), '')",
  'RowExpr.args': 'SELECT ROW(1, leak(1))',
  'A_ArrayExpr.elements': 'SELECT ARRAY[leak(1)]',
  'NamedArgExpr.arg': 'SELECT make_interval(days => leak(1)::int)',
  'GroupingFunc.args': 'SELECT grouping(leak(1)) FROM clinics GROUP BY ROLLUP (region)',
  'XmlExpr.named_args': 'SELECT xmlelement(NAME a, xmlattributes(leak(1) AS b))',
  'XmlExpr.args': 'SELECT xmlelement(NAME a, leak(1))',
  'XmlSerialize.expr': 'SELECT xmlserialize(CONTENT leak(1)::xml AS text)',
  'XmlSerialize.typeName': "SELECT xmlserialize(CONTENT '<a/>'::xml AS nowhere)",
  'JsonOutput.typeName': "SELECT json_object('a': 1 RETURNING nowhere)",
  'JsonValueExpr.raw_expr': "SELECT json_object('a': leak(1))",
  'JsonKeyValue.key': 'SELECT json_object(leak(1): 1)',
  'JsonKeyValue.value': "SELECT json_object('a': leak(1))",
  'JsonObjectConstructor.exprs': "SELECT json_object('a': leak(1))",
  'JsonObjectConstructor.output': "SELECT json_object('a': 1 RETURNING nowhere)",
  'JsonArrayConstructor.exprs': 'SELECT json_array(leak(1))',
  'JsonArrayConstructor.output': 'SELECT json_array(1 RETURNING nowhere)',
  'JsonArrayQueryConstructor.query': 'SELECT json_array(SELECT leak(1))',
  'JsonArrayQueryConstructor.output': 'SELECT json_array(SELECT 1 RETURNING nowhere)',
  'JsonAggConstructor.agg_filter': "SELECT json_arrayagg(region) FILTER (WHERE leak(1) = '') FROM clinics",
  'JsonAggConstructor.agg_order': 'SELECT json_arrayagg(region ORDER BY leak(1)) FROM clinics',
  'JsonAggConstructor.output': 'SELECT json_arrayagg(region RETURNING nowhere) FROM clinics',
  'JsonAggConstructor.over': 'SELECT json_arrayagg(region) OVER (ORDER BY leak(1)) FROM clinics',
  'JsonObjectAgg.constructor': "SELECT json_objectagg(region: 1) FILTER (WHERE leak(1) = '') FROM clinics",
  'JsonObjectAgg.arg': 'SELECT json_objectagg(leak(1): 1) FROM clinics',
  'JsonArrayAgg.constructor': "SELECT json_arrayagg(region) FILTER (WHERE leak(1) = '') FROM clinics",
  'JsonArrayAgg.arg': 'SELECT json_arrayagg(leak(1)) FROM clinics',
  'JsonIsPredicate.expr': 'SELECT leak(1) IS JSON',
  'JsonParseExpr.expr': 'SELECT json(leak(1))',
  'JsonScalarExpr.expr': 'SELECT json_scalar(leak(1))',
  'JsonSerializeExpr.expr': 'SELECT json_serialize(leak(1))',
  'JsonSerializeExpr.output': "SELECT json_serialize('1' RETURNING nowhere)",
  'JsonBehavior.expr': "SELECT json_value('{}'::jsonb, '$' DEFAULT leak(1) ON EMPTY)",
  'JsonArgument.val': "SELECT json_value('{}'::jsonb, '$' PASSING leak(1) AS x)",
  'JsonFuncExpr.pathspec': "SELECT json_value('{}'::jsonb, leak(1))",
  'JsonFuncExpr.passing': "SELECT json_value('{}'::jsonb, '$' PASSING leak(1) AS x)",
  'JsonFuncExpr.context_item': "SELECT json_value(leak(1), '$')",
  'JsonFuncExpr.output': "SELECT json_value('{}'::jsonb, '$' RETURNING nowhere)",
  'JsonFuncExpr.on_empty': "SELECT json_value('{}'::jsonb, '$' DEFAULT leak(1) ON EMPTY)",
  'JsonFuncExpr.on_error': "SELECT json_value('{}'::jsonb, '$' DEFAULT leak(1) ON ERROR)",
  'JsonTable.passing': "SELECT * FROM json_table('{}'::jsonb, '$' PASSING leak(1) AS x COLUMNS (a int))",
  'JsonTable.columns': "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (a nowhere))",
  'JsonTable.context_item': "SELECT * FROM json_table(leak(1), '$' COLUMNS (a int))",
  'JsonTableColumn.columns': "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (NESTED '$.b' COLUMNS (a nowhere)))",
  'JsonTableColumn.typeName': "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (a nowhere))",
  'JsonTableColumn.on_empty': "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (a int DEFAULT leak(1)::int ON EMPTY))",
  'JsonTableColumn.on_error': "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (a int DEFAULT leak(1)::int ON ERROR))",
  'RangeSubselect.subquery': 'SELECT * FROM (SELECT leak(1)) q',
  'RangeFunction.functions': 'SELECT * FROM leak(1)',
  'RangeFunction.coldeflist': "SELECT * FROM jsonb_to_record('{}') AS r(a nowhere)",
  'RangeTableFunc.docexpr': "SELECT * FROM xmltable('/r' PASSING (leak(1)::xml) COLUMNS a text)",
  'RangeTableFunc.rowexpr': "SELECT * FROM xmltable(leak(1) PASSING '<r/>' COLUMNS a text)",
  'RangeTableFunc.namespaces': "SELECT * FROM xmltable(XMLNAMESPACES (leak(1) AS x), '/r' PASSING '<r/>' COLUMNS a text)",
  'RangeTableFunc.columns': "SELECT * FROM xmltable('/r' PASSING '<r/>' COLUMNS a nowhere)",
  'RangeTableFuncCol.colexpr': "SELECT * FROM xmltable('/r' PASSING '<r/>' COLUMNS a text PATH leak(1))",
  'RangeTableFuncCol.coldefexpr': "SELECT * FROM xmltable('/r' PASSING '<r/>' COLUMNS a text DEFAULT leak(1))",
  'RangeTableFuncCol.typeName': "SELECT * FROM xmltable('/r' PASSING '<r/>' COLUMNS a nowhere)",
  'RangeTableSample.args': 'SELECT * FROM clinics TABLESAMPLE system (leak(1)::real)',
  'RangeTableSample.repeatable': 'SELECT * FROM clinics TABLESAMPLE system (1) REPEATABLE (leak(1)::int)',
  'ResTarget.val': 'SELECT leak(1)',
  'ResTarget.indirection': 'UPDATE scratch SET k[leak(1)::int] = 1',
  'WindowDef.partitionClause': 'SELECT count(*) OVER (PARTITION BY leak(1)) FROM clinics',
  'WindowDef.orderClause': 'SELECT count(*) OVER (ORDER BY leak(1)) FROM clinics',
  'WindowDef.startOffset': 'SELECT count(*) OVER (ORDER BY id ROWS leak(1)::int PRECEDING) FROM clinics',
  'WindowDef.endOffset': 'SELECT count(*) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND leak(1)::int FOLLOWING) FROM clinics',
  'GroupingSet.content': 'SELECT 1 FROM clinics GROUP BY ROLLUP (leak(1))',
  'CommonTableExpr.cycle_clause':
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n + 1 FROM t) CYCLE n SET c TO nowhere 'y' DEFAULT nowhere 'n' USING p SELECT n FROM t",
  'CTECycleClause.cycle_mark_value':
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n + 1 FROM t) CYCLE n SET c TO nowhere 'y' DEFAULT '' USING p SELECT n FROM t",
  'CTECycleClause.cycle_mark_default':
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n + 1 FROM t) CYCLE n SET c TO '' DEFAULT nowhere 'n' USING p SELECT n FROM t",
  'SelectStmt.distinctClause': 'SELECT DISTINCT ON (leak(1)) id FROM clinics',
  'SelectStmt.targetList': 'SELECT leak(1)',
  'SelectStmt.whereClause': "SELECT id FROM clinics WHERE leak(id) = ''",
  'SelectStmt.groupClause': 'SELECT 1 FROM clinics GROUP BY leak(1)',
  'SelectStmt.havingClause': "SELECT 1 FROM clinics HAVING leak(1) = ''",
  'SelectStmt.windowClause': 'SELECT count(*) OVER w FROM clinics WINDOW w AS (ORDER BY leak(1))',
  'SelectStmt.valuesLists': 'VALUES (leak(1))',
  'SelectStmt.sortClause': 'SELECT region FROM clinics ORDER BY leak(1)',
  'SelectStmt.limitOffset': 'SELECT id FROM clinics OFFSET leak(1)::int',
  'SelectStmt.limitCount': 'SELECT id FROM clinics LIMIT leak(1)::int',
  // A row lock is a write: without it policy would see a read.
  'SelectStmt.lockingClause': 'SELECT id FROM clinics FOR UPDATE',
  'InsertStmt.cols': 'INSERT INTO scratch (k[leak(1)::int]) VALUES (1)',
  'UpdateStmt.targetList': 'UPDATE scratch SET k = leak(1)',
  'UpdateStmt.whereClause': "UPDATE scratch SET k = '' WHERE leak(1) = ''",
  'DeleteStmt.whereClause': "DELETE FROM scratch WHERE leak(1) = ''",
  'MergeStmt.joinCondition': "MERGE INTO scratch s USING clinics c ON leak(1) = '' WHEN MATCHED THEN DELETE",
  'MergeStmt.mergeWhenClauses': "MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED AND leak(1) = '' THEN DELETE",
  'MergeWhenClause.condition': "MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED AND leak(1) = '' THEN DELETE",
  'MergeWhenClause.targetList': 'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN MATCHED THEN UPDATE SET k = leak(1)',
  'MergeWhenClause.values': 'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN NOT MATCHED THEN INSERT (id, k) VALUES (1, leak(1))',
  'OnConflictClause.targetList': 'INSERT INTO scratch (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET k = leak(1)',
  'OnConflictClause.whereClause': "INSERT INTO scratch (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET k = '' WHERE leak(1) = ''",
  'OnConflictClause.infer': 'INSERT INTO scratch (id) VALUES (1) ON CONFLICT (leak(1)) DO NOTHING',
  'InferClause.indexElems': 'INSERT INTO scratch (id) VALUES (1) ON CONFLICT (leak(1)) DO NOTHING',
  'InferClause.whereClause': "INSERT INTO scratch (id) VALUES (1) ON CONFLICT (id) WHERE leak(1) = '' DO NOTHING",
  'IndexElem.expr': 'INSERT INTO scratch (id) VALUES (1) ON CONFLICT (leak(1)) DO NOTHING',
  'ReturningClause.exprs': 'DELETE FROM scratch RETURNING leak(1)',
  'ColumnDef.constraints': "CREATE TABLE fresh (a text CHECK (leak(1) = ''))",
  'ColumnDef.typeName': 'CREATE TABLE fresh (a nowhere)',
  'Constraint.raw_expr': "CREATE TABLE fresh (a text, CHECK (leak(1) = ''))",
};

/** For every handler, statements that the generic walk alone would let through, or print as something else. */
const HANDLED: Readonly<Record<string, readonly string[]>> = {
  ColumnRef: ["UPDATE patients SET clinic_id = 1 WHERE ssn = ''", 'SELECT p.row_leak FROM patients p'],
  A_Indirection: ['SELECT (p).row_leak FROM patients p'],
  FuncCall: ['SELECT leak(1)', "SELECT query_to_xml('SELECT 1', true, true, '')"],
  A_Expr: ['SELECT 1 OPERATOR(public.+) 1'],
  TypeName: ["SELECT '1'::nowhere", 'SELECT 1::clinics.id%TYPE'],
  SortBy: ['SELECT region FROM clinics ORDER BY region USING OPERATOR(public.<)'],
  SubLink: ['SELECT 1 OPERATOR(public.=) ANY (SELECT 1)'],
  CaseExpr: ["SELECT CASE leak(1) WHEN '' THEN 1 END"],
  CurrentOfExpr: ['DELETE FROM scratch WHERE CURRENT OF nothing'],
  SelectStmt: [
    'SELECT ssn FROM patients',
    'WITH c AS (SELECT 1) SELECT * FROM c',
    'SELECT * FROM (SELECT 1 INTO fresh) q',
    'SELECT 1 UNION SELECT leak(1)::int',
  ],
  RangeVar: ['SELECT ssn FROM patients', 'SELECT * FROM nowhere', 'SELECT * FROM pg_stats'],
  RangeTableSample: ['SELECT ssn FROM patients TABLESAMPLE system (1)', 'SELECT 1 FROM clinics TABLESAMPLE leak (1)'],
  // Their columns are not known: `name` may be one of them, or the masked one of the target.
  RangeSubselect: ["UPDATE patients SET clinic_id = 1 WHERE EXISTS (SELECT 1 FROM clinics c, (SELECT 1 AS x) q WHERE name = '')"],
  RangeFunction: ["UPDATE patients SET clinic_id = 1 WHERE EXISTS (SELECT 1 FROM clinics c, generate_series(1, 2) q WHERE name = '')"],
  RangeTableFunc: [
    "UPDATE patients SET clinic_id = 1 WHERE EXISTS (SELECT 1 FROM clinics c, xmltable('/r' PASSING '<r/>' COLUMNS a text) q WHERE name = '')",
  ],
  JsonTable: [
    "UPDATE patients SET clinic_id = 1 WHERE EXISTS (SELECT 1 FROM clinics c, json_table('{}'::jsonb, '$' COLUMNS (a int)) q WHERE name = '')",
  ],
  JoinExpr: ["UPDATE patients SET clinic_id = 1 WHERE EXISTS (SELECT 1 FROM (clinics c JOIN scratch s ON true) q WHERE name = '')"],
  LockingClause: ['SELECT id FROM clinics FOR UPDATE'],
  InsertStmt: ['INSERT INTO scratch (k) SELECT leak(1)', 'INSERT INTO patients (id) VALUES (1) RETURNING ssn'],
  UpdateStmt: ["UPDATE patients SET clinic_id = 1 WHERE ssn = ''", "UPDATE scratch SET k = '' FROM nowhere"],
  DeleteStmt: ["DELETE FROM patients WHERE ssn = ''", 'DELETE FROM scratch USING nowhere'],
  MergeStmt: ["MERGE INTO patients p USING clinics c ON p.ssn = '' WHEN MATCHED THEN DELETE"],
  MultiAssignRef: ["UPDATE scratch SET (k, v) = (SELECT leak(1), '')"],
  Constraint: ['CREATE TABLE fresh (a text REFERENCES patients (mrn))'],
};

/** Handlers that only check what PostgreSQL's grammar cannot make, and the one that matters for tokens alone
 *  (walk-token.test.ts). */
const HARMLESS_HANDLERS: ReadonlySet<string> = new Set(['IndexElem', 'ReturningClause', 'BoolExpr']);

/** Statements in which fields without meaning for protection are filled. */
const ORDINARY: readonly string[] = [
  "SELECT 1, 1.5, true, NULL, $$a$$, B'1', $1 FROM clinics AS c (a, b)",
  'SELECT c.region COLLATE "C" FROM ONLY clinics c ORDER BY 1 DESC NULLS LAST LIMIT 1',
  'WITH RECURSIVE t(n, m) AS MATERIALIZED (SELECT 1, 2 UNION ALL SELECT n + 1, m FROM t) SEARCH BREADTH FIRST BY n, m SET o CYCLE n, m SET c USING p SELECT n FROM t',
  'SELECT xmlforest(region AS a, id AS b), xmlelement(NAME c, xmlattributes(region AS d)) FROM clinics',
  "SELECT * FROM clinics c JOIN scratch s USING (id) AS j, LATERAL (SELECT 1) q (a), jsonb_to_record('{}') AS r(a int[], b numeric(4, 2))",
  "SELECT * FROM xmltable(XMLNAMESPACES ('u' AS x), '/r' PASSING '<r/>' COLUMNS n FOR ORDINALITY, a text NOT NULL)",
  "SELECT * FROM json_table('{}'::jsonb, '$' AS r PASSING 1 AS v COLUMNS (n FOR ORDINALITY, a text FORMAT JSON WITH WRAPPER KEEP QUOTES, b int EXISTS))",
  'SELECT count(DISTINCT region), percentile_cont(0.5) WITHIN GROUP (ORDER BY id), sum(id) OVER (w ROWS 1 PRECEDING) FROM clinics WINDOW w AS (PARTITION BY region)',
  'INSERT INTO scratch (id, k) OVERRIDING SYSTEM VALUE VALUES (1, DEFAULT) ON CONFLICT ON CONSTRAINT scratch_pkey DO NOTHING',
  'INSERT INTO scratch (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET (k, v) = ROW (1, 2) RETURNING WITH (OLD AS o) o.k',
  'MERGE INTO scratch s USING clinics c ON s.id = c.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT OVERRIDING USER VALUE VALUES (1) RETURNING merge_action()',
  'SELECT id FROM clinics FOR NO KEY UPDATE OF clinics SKIP LOCKED',
  'CREATE TABLE fresh (a int GENERATED ALWAYS AS IDENTITY, b text STORAGE plain COLLATE "C" NOT NULL, CONSTRAINT n UNIQUE (a, b) DEFERRABLE, FOREIGN KEY (a) REFERENCES clinics (id) MATCH FULL ON DELETE SET NULL (a))',
];

/** Places for which no statement of a client's exists: PostgreSQL's grammar never fills them, or fills them with nothing
 *  that has a name. */
const EMPTY_PLACES: Readonly<Record<string, string>> = {
  'JsonValueExpr.formatted_expr': 'made by the analyser of the server',
  'JsonParseExpr.output': 'JSON() takes no RETURNING',
  'JsonScalarExpr.output': 'JSON_SCALAR() takes no RETURNING',
  'JsonTable.pathspec': 'the path of a table is a string constant',
  'JsonTable.on_error': 'a table takes ERROR or EMPTY only',
  'JsonTableColumn.pathspec': 'the path of a column is a string constant',
  'JsonTablePathSpec.string': 'the grammar takes a string constant',
  'ColumnDef.collClause': 'a collation: it holds no argument here',
  'ColumnDef.raw_default': 'DEFAULT comes as a constraint',
};

/** The handler of the type walks them whatever the table says. */
const WALKED_BY_HANDLERS: ReadonlySet<string> = new Set(['JoinExpr.larg', 'JoinExpr.rarg', 'JoinExpr.quals']);

const isWalked = (role: FieldRole): boolean => role === 'node' || typeof role === 'object';
/** Types below which no name can be. */
const isNameless = (type: string): boolean =>
  Object.values(NODE_TABLE[type]?.fields ?? {}).every((role) => role === 'inert' || (typeof role === 'object' && isNameless(role.as)));

const places = Object.entries(NODE_TABLE).flatMap(([type, { fields }]) =>
  Object.entries(fields).flatMap(([field, role]) =>
    isWalked(role) && !(typeof role === 'object' && isNameless(role.as)) ? [{ type, field, place: `${type}.${field}` }] : [],
  ),
);

const outcome = (sql: string): unknown => {
  const { forward, facts, statements } = plan(sql);
  return [forward, facts.unknowns, facts.effects, facts.relations, statements.map(({ messages }) => messages)];
};

/** Runs with one entry of a table replaced. */
function without<T>(table: Readonly<Record<string, T>>, key: string, value: T | undefined, run: () => void): void {
  const open = table as Record<string, T | undefined>;
  const before = open[key];
  if (value === undefined) delete open[key];
  else open[key] = value;
  try {
    run();
  } finally {
    open[key] = before;
  }
}

describe('every place that may hold a name', () => {
  it('is listed', () => {
    const known = new Set([...Object.keys(WITNESSES), ...Object.keys(EMPTY_PLACES), ...WALKED_BY_HANDLERS]);
    assert.deepEqual(
      places.flatMap(({ place }) => (known.has(place) ? [] : [place])),
      [],
    );
    const walked = new Set(places.map(({ place }) => place));
    assert.deepEqual(
      [...known].filter((place) => !walked.has(place)),
      [],
    );
  });

  for (const { type, field, place } of places) {
    const sql = WITNESSES[place];
    if (sql === undefined) continue;
    it(`is walked: ${place}`, () => {
      const told = outcome(sql);
      const { fields } = NODE_TABLE[type] ?? assert.fail(type);
      without(fields, field, 'inert', () => assert.notDeepEqual(outcome(sql), told, sql));
      assert.deepEqual(outcome(sql), told);
    });
  }
});

describe('the table', () => {
  it('refuses what is not in the table', () => {
    const codes = (sql: string): string[] => plan(sql).facts.unknowns.map(({ code }) => code);
    assert.deepEqual(codes('INSERT INTO scratch (id) VALUES (1) ON CONFLICT (id int4_ops) DO NOTHING'), ['node-kind']);
    const sql = 'SELECT coalesce(1, 2)';
    assert.deepEqual(codes(sql), []);
    without(NODE_TABLE, 'CoalesceExpr', undefined, () => assert.deepEqual(codes(sql), ['node-kind']));
    const { fields } = NODE_TABLE['CoalesceExpr'] ?? assert.fail();
    without(fields, 'args', undefined, () => assert.deepEqual(codes(sql), ['node-kind']));
    assert.deepEqual(codes(sql), []);
  });
});

describe('handlers', () => {
  it('are listed', () => {
    assert.deepEqual(new Set(Object.keys(handlers)), new Set([...Object.keys(HANDLED), ...HARMLESS_HANDLERS]));
  });

  for (const [type, statements] of Object.entries(HANDLED)) {
    it(`are needed: ${type}`, () => {
      for (const sql of statements) {
        const told = outcome(sql);
        without(handlers, type, undefined, () => assert.notDeepEqual(outcome(sql), told, sql));
        assert.deepEqual(outcome(sql), told);
      }
    });
  }
});

describe('fields without meaning for protection', () => {
  const constants = new Set(['String', 'Integer', 'Float', 'Boolean', 'BitString']);

  /** Numbers, flags, texts, and lists of such; never a node that could hold a name to resolve. */
  const isPlain = (value: unknown): boolean => {
    if (value === null || typeof value !== 'object') return true;
    if (Array.isArray(value)) return value.every(isPlain);
    return Object.entries(value).every(
      ([key, each]) => constants.has(key) || ((each === null || typeof each !== 'object') && key.endsWith('val')),
    );
  };

  it('hold names of the statement itself, numbers and flags, in every statement of these tests', () => {
    const filled = new Set<string>();
    const look = (value: unknown, type: string | null): void => {
      if (Array.isArray(value)) return value.forEach((each) => look(each, null));
      if (value === null || typeof value !== 'object') return;
      for (const [key, each] of Object.entries(value)) {
        const role = type === null ? undefined : NODE_TABLE[type]?.fields[key];
        if (role === 'inert') {
          filled.add(`${type}.${key}`);
          assert.ok(isPlain(each), `${type}.${key}: ${JSON.stringify(each)}`);
        } else look(each, typeof role === 'object' ? role.as : type === null ? key : null);
      }
    };
    for (const sql of [...ORDINARY, ...Object.values(WITNESSES), ...Object.values(HANDLED).flat()]) {
      const parsed = parser.parse(sql);
      assert.ok(parsed.ok, sql);
      for (const { stmt } of parsed.tree.stmts ?? []) look(stmt, null);
    }
    assert.ok(filled.size > 90, `${filled.size} of them`);
  });
});
