// The texts that read a catalogue, for PostgreSQL 13 to 18, and the rows they answer with. The adapter runs them over
// the simple protocol (text values) on a connection of its own, between CATALOGUE_BEGIN and CATALOGUE_END, which pin
// the search path so that every name in definition texts comes out qualified, and one snapshot so that they agree.
// Temporary relations of other sessions are left out: nobody else can name them.

export const CATALOGUE_BEGIN =
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL quote_all_identifiers = off; SET LOCAL statement_timeout = 30000';
export const CATALOGUE_END = 'COMMIT';

/** Objects below this OID were made by initdb. */
export const FIRST_USER_OID = 16384;

const LASTING = `NOT n.nspname ~ '^pg_(toast|temp_)'`;
const EXTENSION = (classid: string, oid: string): string =>
  `(SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = '${classid}'::regclass AND d.objid = ${oid} AND d.objsubid = 0 AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' LIMIT 1)`;

/** The queries that most rows of a catalogue come from.
 *  @param only condition on the OID that a row belongs to */
const parted = (only: (oid: string) => string) => ({
  /** oid, schema, name, kind, persistence, row security, row type, definition */
  relations: `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.reltype,
      CASE WHEN c.relkind IN ('v', 'm') AND c.oid >= ${FIRST_USER_OID} THEN pg_catalog.pg_get_viewdef(c.oid) END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND ${LASTING}${only('c.oid')} ORDER BY c.oid`,

  /** relation, number, name, type, type as text where it has a modifier, not null, has default, is generated */
  columns: `SELECT a.attrelid, a.attnum, a.attname, a.atttypid,
      CASE WHEN a.atttypmod >= 0 THEN pg_catalog.format_type(a.atttypid, a.atttypmod) END, a.attnotnull, a.atthasdef, a.attgenerated
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND ${LASTING}${only('a.attrelid')} ORDER BY a.attrelid, a.attnum`,

  /** oid, schema, name, kind, volatility, language, returns set, security definer, argument types, defaults, is variadic, return type, extension */
  functions: `SELECT p.oid, n.nspname, p.proname, p.prokind, p.provolatile, l.lanname, p.proretset, p.prosecdef, p.proargtypes, p.pronargdefaults,
      p.provariadic <> 0, p.prorettype, CASE WHEN p.oid >= ${FIRST_USER_OID} THEN ${EXTENSION('pg_proc', 'p.oid')} END
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE ${LASTING}${only('p.oid')} ORDER BY p.oid`,

  /** oid, schema, name, function */
  operators: `SELECT o.oid, n.nspname, o.oprname, o.oprcode::oid FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE ${LASTING}${only('o.oid')} ORDER BY o.oid`,

  /** oid, schema, name, as text, kind, relation, element, is array, base, extension */
  types: `SELECT t.oid, n.nspname, t.typname, pg_catalog.format_type(t.oid, NULL), t.typtype, t.typrelid, t.typelem, t.typcategory = 'A', t.typbasetype,
      CASE WHEN t.oid >= ${FIRST_USER_OID} THEN ${EXTENSION('pg_type', 't.oid')} END
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE ${LASTING}${only('t.oid')} ORDER BY t.oid`,
});

/** Rows that initdb made: thousands, of which hardly one ever changes. */
export const SHIPPED_QUERIES = parted((oid) => ` AND ${oid} < ${FIRST_USER_OID}`);
export type ShippedQueryName = keyof typeof SHIPPED_QUERIES;

/** Each answers with the rows of the whole catalogue. */
export const CATALOGUE_QUERIES = {
  /** server_version_num, database */
  server: `SELECT current_setting('server_version_num'), current_database()`,

  /** name */
  schemas: `SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE ${LASTING} ORDER BY 1`,

  ...parted(() => ''),

  /** oid, relation, column number, expression */
  defaults: `SELECT d.oid, d.adrelid, d.adnum, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ${LASTING} ORDER BY d.oid`,

  /** child, parent */
  inheritance: `SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p', 'f') ORDER BY 1, 2`,

  /** oid, relation, unique, primary, key column numbers, key column count, expressions and predicate, may be violated, columns
   *  that expressions and predicate read (0 = the row), NULLs are equal (servers before 15: null), different texts may be equal */
  indexes: `SELECT i.indexrelid, i.indrelid, i.indisunique AND i.indpred IS NULL AND i.indisvalid, i.indisprimary, i.indkey, i.indnkeyatts,
      concat_ws(' ', pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)), i.indisunique OR i.indisexclusion,
      array_to_string(ARRAY(SELECT DISTINCT d.refobjsubid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid ORDER BY 1), ' '), pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct',
      EXISTS (SELECT 1 FROM pg_catalog.pg_collation co WHERE co.oid = ANY (i.indcollation) AND NOT co.collisdeterministic)
    FROM pg_catalog.pg_index i WHERE i.indrelid >= ${FIRST_USER_OID}
      AND i.indrelid IN (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ${LASTING}) ORDER BY 1`,

  /** function, the functions it runs */
  aggregates: `SELECT a.aggfnoid::oid, array_to_string(array_remove(ARRAY[a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid,
      a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid], 0::oid), ' ')
    FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid >= ${FIRST_USER_OID} ORDER BY 1`,

  /** range type, subtype, the functions it runs */
  ranges: `SELECT r.rngtypid, r.rngsubtype, array_to_string(array_remove(ARRAY[r.rngcanonical::oid, r.rngsubdiff::oid], 0::oid), ' ')
    FROM pg_catalog.pg_range r WHERE r.rngtypid >= ${FIRST_USER_OID} ORDER BY 1`,

  /** source type, target type, function, context */
  casts: `SELECT c.castsource, c.casttarget, c.castfunc::oid, c.castcontext FROM pg_catalog.pg_cast c WHERE c.oid >= ${FIRST_USER_OID} ORDER BY c.oid`,

  /** oid, relation, name, function */
  triggers: `SELECT t.oid, t.tgrelid, t.tgname, t.tgfoid FROM pg_catalog.pg_trigger t
    WHERE NOT t.tgisinternal OR t.tgconstraint = 0 OR t.tgfoid >= ${FIRST_USER_OID} ORDER BY t.oid`,

  /** oid, relation, name */
  rules: `SELECT r.oid, r.ev_class, r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_class >= ${FIRST_USER_OID} ORDER BY r.oid`,

  /** oid, relation, domain, kind, referenced relation, writes the referencing rows, expression, columns, referenced columns, is validated */
  constraints: `SELECT c.oid, c.conrelid, c.contypid, c.contype, c.confrelid, c.confupdtype IN ('c', 'n', 'd') OR c.confdeltype IN ('c', 'n', 'd'),
      pg_catalog.pg_get_expr(c.conbin, c.conrelid), array_to_string(c.conkey, ' '), array_to_string(c.confkey, ' '), c.convalidated
    FROM pg_catalog.pg_constraint c WHERE c.oid >= ${FIRST_USER_OID} AND c.contype IN ('c', 'f', 'x') ORDER BY c.oid`,

  /** relation, numbers of key columns (0 = an expression), key expressions */
  partitionKeys: `SELECT p.partrelid, p.partattrs, pg_catalog.pg_get_expr(p.partexprs, p.partrelid) FROM pg_catalog.pg_partitioned_table p ORDER BY 1`,

  /** oid, relation, expressions */
  policies: `SELECT p.oid, p.polrelid, concat_ws(', ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p ORDER BY p.oid`,

  /** catalogue of the object, object, catalogue of what it uses, what it uses */
  uses: `SELECT DISTINCT d.classid::regclass, d.objid, d.refclassid::regclass, d.refobjid FROM pg_catalog.pg_depend d
    WHERE d.refobjid >= ${FIRST_USER_OID} AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
      AND d.classid IN ('pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass)
    ORDER BY 1, 2, 3, 4`,
} as const satisfies Record<string, string>;

/** The same without the rows of SHIPPED_QUERIES. */
export const OWN_QUERIES: Readonly<Record<CatalogueQueryName, string>> = {
  ...CATALOGUE_QUERIES,
  ...parted((oid) => ` AND ${oid} >= ${FIRST_USER_OID}`),
};

/** OID of the database, and whether this role may ask which cluster it is in. */
export const DATABASE_ORIGIN_QUERY = `SELECT d.oid, pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`;
/** WHY on its own: who may not call it cannot even name it in a query that would not. */
export const CLUSTER_QUERY = 'SELECT s.system_identifier FROM pg_catalog.pg_control_system() s';

export type CatalogueQueryName = keyof typeof CATALOGUE_QUERIES;
export type TextRow = readonly (string | null)[];
/** Rows of every query, values in the text format. */
export type CatalogueRows = Readonly<Record<CatalogueQueryName, readonly TextRow[]>>;

const STAMP = (from: string, id = 'x.oid'): string =>
  `(SELECT count(*) || '.' || coalesce(sum(hashint8extended((${id})::int8 << 32 | x.xmin::text::int8, 0)), 0) FROM ${from})`;
const OWN = `WHERE x.oid >= ${FIRST_USER_OID}`;
const OF_LASTING = (relation: string): string =>
  `JOIN pg_catalog.pg_class c ON c.oid = ${relation} WHERE c.relpersistence <> 't' AND c.oid >= ${FIRST_USER_OID}`;

/** One row, one text, in constant time: equal answers mean that no transaction wrote anything in between. DDL always takes a
 *  transaction id, and ids that are still running are named, so that a commit shows as well. */
export const CATALOGUE_HORIZON_QUERY = 'SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text';

const touched = (from: string, since = '$1'): string =>
  `(SELECT count(*) || CASE WHEN min(age(x.xmin)) <= age(${since}::xid) THEN 't' ELSE 'f' END FROM pg_catalog.${from})`;

/** One row, one text. Parameter: a transaction id that was the oldest running one when a catalogue was read. A word for each
 *  system catalogue: how many rows it has, and `t` when one of them was written since. The same counts and no `t` mean that
 *  nothing has changed; otherwise the probe has to tell. A tenth of its price: it is asked after every write to any table. */
export const CATALOGUE_TOUCH_QUERY = `SELECT concat_ws(' ', ${[
  'pg_namespace',
  'pg_class',
  'pg_attribute',
  'pg_attrdef',
  'pg_trigger',
  'pg_rewrite',
  'pg_inherits',
  'pg_index',
  'pg_policy',
  'pg_language',
  'pg_proc',
  'pg_aggregate',
  'pg_operator',
  'pg_cast',
  'pg_extension',
  'pg_type',
  'pg_constraint',
]
  .map((catalogue) => touched(`${catalogue} x`))
  .join(', ')})`;

/** The same of what the rows of SHIPPED_QUERIES are made of. WHY it counts all schemas and languages: something shipped may be moved
 *  to one that is not.
 *  @param oldest digits of the transaction id */
export function shippedTouchQuery(oldest: string): string {
  const since = `'${BigInt(oldest)}'`;
  return `SELECT concat_ws(' ', ${[
    `pg_namespace x WHERE x.nspname !~ '^pg_(toast_)?temp_'`,
    'pg_language x',
    ...['pg_proc', 'pg_operator', 'pg_type', 'pg_class'].map((name) => `${name} x WHERE x.oid < ${FIRST_USER_OID}`),
    `pg_attribute x WHERE x.attrelid < ${FIRST_USER_OID}`,
  ]
    .map((from) => touched(from, since))
    .join(', ')})`;
}

/** One row, one text: differs from an earlier answer when anything that OWN_QUERIES read may have changed.
 *  Sees row versions (xmin), so it also differs after harmless changes (VACUUM FULL). */
export const CATALOGUE_PROBE_QUERY = `SELECT concat_ws(' ', current_database(),
  ${STAMP(`pg_catalog.pg_namespace x WHERE x.nspname !~ '^pg_(toast_)?temp_'`)},
  ${STAMP(`pg_catalog.pg_class x WHERE x.relpersistence <> 't' AND x.oid >= ${FIRST_USER_OID}`)},
  ${STAMP(`pg_catalog.pg_attribute x ${OF_LASTING('x.attrelid')}`, 'x.attrelid::int8 # x.attnum')},
  ${STAMP(`pg_catalog.pg_attrdef x ${OF_LASTING('x.adrelid')}`)},
  ${STAMP(`pg_catalog.pg_trigger x ${OF_LASTING('x.tgrelid')}`)},
  ${STAMP(`pg_catalog.pg_rewrite x ${OF_LASTING('x.ev_class')}`)},
  ${STAMP(`pg_catalog.pg_inherits x ${OF_LASTING('x.inhrelid')}`, 'x.inhrelid::int8 # x.inhparent::int8')},
  ${STAMP(`pg_catalog.pg_index x ${OF_LASTING('x.indrelid')}`, 'x.indexrelid')},
  ${STAMP('pg_catalog.pg_policy x')}, ${STAMP(`pg_catalog.pg_proc x ${OWN}`)}, ${STAMP('pg_catalog.pg_aggregate x', 'x.aggfnoid::oid')},
  ${STAMP(`pg_catalog.pg_operator x ${OWN}`)}, ${STAMP('pg_catalog.pg_cast x')}, ${STAMP('pg_catalog.pg_extension x')},
  ${STAMP(`pg_catalog.pg_type x JOIN pg_catalog.pg_namespace n ON n.oid = x.typnamespace ${OWN} AND n.nspname !~ '^pg_(toast_)?temp_'`)},
  ${STAMP(`pg_catalog.pg_constraint x JOIN pg_catalog.pg_namespace n ON n.oid = x.connamespace WHERE n.nspname !~ '^pg_(toast_)?temp_'`)})`;
