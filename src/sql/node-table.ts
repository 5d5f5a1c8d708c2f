// Every parse-tree node and field the analyser accepts, and what each field is. This table is the allow-list of the
// SQL language: a node type or a field that is not in it refuses the statement (`node-kind`).
// Names are those of PostgreSQL 18's raw parse tree as libpg_query prints it.

/** `node`: child node, or list of them. `inert`: name, flag, number or position without meaning for protection.
 *  `own`: read by the handler of this type in walk*.ts, never by the generic walk. `{as}`: child of that type
 *  that the tree holds without its type tag. */
export type FieldRole = 'node' | 'inert' | 'own' | { readonly as: string };

interface NodeRow {
  readonly fields: Readonly<Record<string, FieldRole>>;
  /** First `server_version_num` whose grammar has it; an older server refuses the statement. */
  readonly since?: number;
}

const as = (type: string): FieldRole => ({ as: type });
const row = (roles: { node?: string; inert?: string; own?: string; as?: Readonly<Record<string, string>> }, since?: number): NodeRow => {
  const fields: Record<string, FieldRole> = { location: 'inert' };
  for (const name of words(roles.node)) fields[name] = 'node';
  for (const name of words(roles.inert)) fields[name] = 'inert';
  for (const name of words(roles.own)) fields[name] = 'own';
  for (const [name, type] of Object.entries(roles.as ?? {})) fields[name] = as(type);
  return since === undefined ? { fields } : { fields, since };
};
const words = (text: string | undefined): string[] => (text === undefined ? [] : text.split(' '));

const V15 = 150000;
const V16 = 160000;
const V17 = 170000;

export const NODE_TABLE: Readonly<Record<string, NodeRow>> = {
  // Constants and names
  A_Const: row({ inert: 'ival fval boolval sval bsval isnull' }),
  String: row({ inert: 'sval' }),
  Integer: row({ inert: 'ival' }),
  Float: row({ inert: 'fval' }),
  Boolean: row({ inert: 'boolval' }),
  BitString: row({ inert: 'bsval' }),
  ParamRef: row({ inert: 'number' }),
  A_Star: row({}),
  List: row({ node: 'items' }),
  Alias: row({ inert: 'aliasname colnames' }),

  // Names that resolve: handled in walk-names.ts
  ColumnRef: row({ own: 'fields' }),
  RangeVar: row({ own: 'catalogname schemaname relname alias', inert: 'inh relpersistence' }),
  FuncCall: row({
    own: 'funcname',
    node: 'args agg_order agg_filter',
    inert: 'agg_within_group agg_star agg_distinct func_variadic funcformat',
    as: { over: 'WindowDef' },
  }),
  TypeName: row({ own: 'names pct_type setof', node: 'typmods', inert: 'typemod arrayBounds' }),
  A_Expr: row({ own: 'name kind', node: 'lexpr rexpr', inert: 'rexpr_list_start rexpr_list_end' }),
  A_Indirection: row({ node: 'arg', own: 'indirection' }),
  A_Indices: row({ inert: 'is_slice', node: 'lidx uidx' }),
  SortBy: row({ node: 'node', inert: 'sortby_dir sortby_nulls', own: 'useOp' }),
  SubLink: row({ inert: 'subLinkType', node: 'testexpr subselect', own: 'operName' }),
  CollateClause: row({ node: 'arg', inert: 'collname' }),

  // Expressions
  TypeCast: row({ node: 'arg', as: { typeName: 'TypeName' } }),
  BoolExpr: row({ inert: 'boolop', node: 'args' }),
  NullTest: row({ node: 'arg', inert: 'nulltesttype argisrow' }),
  BooleanTest: row({ node: 'arg', inert: 'booltesttype' }),
  CaseExpr: row({ node: 'args defresult', own: 'arg' }),
  CaseWhen: row({ node: 'expr result' }),
  CoalesceExpr: row({ node: 'args' }),
  MinMaxExpr: row({ inert: 'op', node: 'args' }),
  RowExpr: row({ node: 'args', inert: 'row_format colnames' }),
  A_ArrayExpr: row({ node: 'elements', inert: 'list_start list_end' }),
  SQLValueFunction: row({ inert: 'op type typmod' }),
  NamedArgExpr: row({ node: 'arg', inert: 'name argnumber' }),
  GroupingFunc: row({ node: 'args' }),
  SetToDefault: row({ inert: 'typeMod' }),
  CurrentOfExpr: row({ own: 'cursor_name', inert: 'cvarno cursor_param' }),
  MultiAssignRef: row({ own: 'source', inert: 'colno ncolumns' }),
  MergeSupportFunc: row({ inert: 'msftype' }, V17),
  XmlExpr: row({ inert: 'op name arg_names xmloption indent type typmod', node: 'named_args args' }),
  XmlSerialize: row({ inert: 'xmloption indent', node: 'expr', as: { typeName: 'TypeName' } }),

  // SQL/JSON
  JsonFormat: row({ inert: 'format_type encoding' }),
  JsonReturning: row({ inert: 'typid typmod', as: { format: 'JsonFormat' } }),
  JsonOutput: row({ as: { typeName: 'TypeName', returning: 'JsonReturning' } }),
  JsonValueExpr: row({ node: 'raw_expr formatted_expr', as: { format: 'JsonFormat' } }),
  JsonKeyValue: row({ node: 'key', as: { value: 'JsonValueExpr' } }),
  JsonObjectConstructor: row({ node: 'exprs', inert: 'absent_on_null unique', as: { output: 'JsonOutput' } }, V16),
  JsonArrayConstructor: row({ node: 'exprs', inert: 'absent_on_null', as: { output: 'JsonOutput' } }, V16),
  JsonArrayQueryConstructor: row({ node: 'query', inert: 'absent_on_null', as: { output: 'JsonOutput', format: 'JsonFormat' } }, V16),
  JsonAggConstructor: row({ node: 'agg_filter agg_order', as: { output: 'JsonOutput', over: 'WindowDef' } }, V16),
  JsonObjectAgg: row({ inert: 'absent_on_null unique', as: { constructor: 'JsonAggConstructor', arg: 'JsonKeyValue' } }, V16),
  JsonArrayAgg: row({ inert: 'absent_on_null', as: { constructor: 'JsonAggConstructor', arg: 'JsonValueExpr' } }, V16),
  JsonIsPredicate: row({ node: 'expr', inert: 'item_type unique_keys', as: { format: 'JsonFormat' } }, V16),
  JsonParseExpr: row({ inert: 'unique_keys', as: { expr: 'JsonValueExpr', output: 'JsonOutput' } }, V17),
  JsonScalarExpr: row({ node: 'expr', as: { output: 'JsonOutput' } }, V17),
  JsonSerializeExpr: row({ as: { expr: 'JsonValueExpr', output: 'JsonOutput' } }, V17),
  JsonBehavior: row({ inert: 'btype coerce', node: 'expr' }),
  JsonArgument: row({ inert: 'name', as: { val: 'JsonValueExpr' } }),
  JsonFuncExpr: row(
    {
      inert: 'op column_name wrapper quotes',
      node: 'pathspec passing',
      as: { context_item: 'JsonValueExpr', output: 'JsonOutput', on_empty: 'JsonBehavior', on_error: 'JsonBehavior' },
    },
    V17,
  ),
  JsonTablePathSpec: row({ inert: 'name name_location', node: 'string' }),
  JsonTable: row(
    {
      inert: 'lateral',
      node: 'passing columns',
      own: 'alias',
      as: { context_item: 'JsonValueExpr', pathspec: 'JsonTablePathSpec', on_error: 'JsonBehavior' },
    },
    V17,
  ),
  JsonTableColumn: row({
    inert: 'coltype name wrapper quotes',
    node: 'columns',
    as: {
      typeName: 'TypeName',
      pathspec: 'JsonTablePathSpec',
      format: 'JsonFormat',
      on_empty: 'JsonBehavior',
      on_error: 'JsonBehavior',
    },
  }),

  // Range table
  RangeSubselect: row({ inert: 'lateral', node: 'subquery', own: 'alias' }),
  RangeFunction: row({ inert: 'lateral ordinality is_rowsfrom', node: 'functions coldeflist', own: 'alias' }),
  RangeTableFunc: row({ inert: 'lateral', node: 'docexpr rowexpr namespaces columns', own: 'alias' }),
  RangeTableFuncCol: row({
    inert: 'colname for_ordinality is_not_null',
    node: 'colexpr coldefexpr',
    as: { typeName: 'TypeName' },
  }),
  RangeTableSample: row({ own: 'relation method', node: 'args repeatable' }),
  JoinExpr: row({
    inert: 'jointype rtindex',
    node: 'larg rarg quals',
    own: 'alias join_using_alias isNatural usingClause',
  }),

  // Queries: handled in walk.ts and walk-write.ts
  ResTarget: row({ inert: 'name', node: 'indirection val' }),
  WindowDef: row({
    inert: 'name refname frameOptions',
    node: 'partitionClause orderClause startOffset endOffset',
  }),
  GroupingSet: row({ inert: 'kind', node: 'content' }),
  LockingClause: row({ inert: 'strength waitPolicy', own: 'lockedRels' }),
  WithClause: row({ own: 'ctes recursive' }),
  CommonTableExpr: row({
    inert: 'ctematerialized aliascolnames',
    own: 'ctename ctequery',
    as: { search_clause: 'CTESearchClause', cycle_clause: 'CTECycleClause' },
  }),
  CTESearchClause: row({ inert: 'search_col_list search_breadth_first search_seq_column' }),
  CTECycleClause: row({
    inert: 'cycle_col_list cycle_mark_column cycle_path_column',
    node: 'cycle_mark_value cycle_mark_default',
  }),
  SelectStmt: row({
    inert: 'groupDistinct limitOption op all',
    node: 'distinctClause targetList whereClause groupClause havingClause windowClause valuesLists sortClause limitOffset limitCount lockingClause',
    own: 'intoClause fromClause withClause larg rarg',
  }),
  InsertStmt: row({
    inert: 'override',
    node: 'cols',
    own: 'relation selectStmt withClause onConflictClause returningClause',
  }),
  UpdateStmt: row({
    node: 'targetList whereClause',
    own: 'relation fromClause withClause returningClause',
  }),
  DeleteStmt: row({ node: 'whereClause', own: 'relation usingClause withClause returningClause' }),
  MergeStmt: row({ node: 'joinCondition mergeWhenClauses', own: 'relation sourceRelation withClause returningClause' }, V15),
  MergeWhenClause: row({ inert: 'commandType override', own: 'matchKind', node: 'condition targetList values' }, V15),
  OnConflictClause: row({ inert: 'action', node: 'targetList whereClause', as: { infer: 'InferClause' } }),
  InferClause: row({ inert: 'conname', node: 'indexElems whereClause' }),
  IndexElem: row({ inert: 'indexcolname ordering nulls_ordering collation', own: 'name', node: 'expr' }),
  ReturningClause: row({ node: 'exprs', own: 'options' }),

  // Columns of CREATE TABLE and of column definition lists in FROM
  ColumnDef: row({
    inert: 'colname is_local is_not_null identity inhcount storage storage_name compression generated',
    node: 'raw_default constraints',
    as: { typeName: 'TypeName', collClause: 'CollateClause' },
  }),
  Constraint: row({
    inert:
      'contype conname deferrable initdeferred is_enforced skip_validation initially_valid is_no_inherit generated_when generated_kind nulls_not_distinct keys fk_attrs pk_attrs fk_matchtype fk_upd_action fk_del_action fk_del_set_cols',
    node: 'raw_expr',
    own: 'pktable options',
  }),
};
