// Every node of sqlparser's tree that is understood, and every field of it. A field stands in `use` when the walker looks at it, in
// `none` when the statement is refused unless it is empty, in `skip` when it says nothing about what a statement does. What is in no
// list is refused, even when it is empty: a newer parser cannot say something that nobody here reads.

import type { Unknown } from '../../core/facts.ts';

export type Tree = Readonly<Record<string, unknown>>;

/** Ends the walk of a statement. */
export class Refusal extends Error {
  readonly unknown: Unknown;

  constructor(unknown: Unknown) {
    super(unknown.what);
    this.name = 'Refusal';
    this.unknown = unknown;
  }
}

export function nodeKind(what: string): Refusal {
  return new Refusal({ code: 'node-kind', what, remedy: 'Write the statement without this construct.' });
}

interface Fields {
  readonly use: readonly string[];
  readonly none: readonly string[];
  readonly skip: readonly string[];
}

function fields(use: string, none = '', skip = ''): Fields {
  const list = (text: string): string[] => text.split(' ').filter((each) => each !== '');
  return { use: list(use), none: list(none), skip: list(skip) };
}

const WILDCARD = fields('opt_ilike opt_exclude opt_replace opt_rename', 'opt_except opt_alias', 'wildcard_token');
const LIKE = fields('expr pattern escape_char', '', 'negated any');
const ROUND = fields('expr field');

/** By the name that the walker gives to the place. */
const NODES = {
  // Queries
  Query: fields('with body order_by limit_clause fetch', 'for_clause settings format_clause pipe_operators locks'),
  With: fields('recursive cte_tables', '', 'with_token'),
  Cte: fields('alias query', 'from materialized', 'closing_paren_token'),
  TableAlias: fields('name columns', 'at', 'explicit'),
  AliasColumn: fields('name', 'data_type'),
  Select: fields(
    'distinct top projection from selection connect_by group_by having named_window qualify',
    'optimizer_hints select_modifiers top_before_distinct exclude into lateral_views prewhere cluster_by distribute_by sort_by value_table_mode',
    'select_token window_before_qualify flavor',
  ),
  SetOperation: fields('left op set_quantifier right'),
  Values: fields('rows', 'explicit_row value_keyword'),
  ValuesRow: fields('content', '', 'opening_token closing_token'),
  ConnectBy: fields('relationships', '', 'connect_token nocycle'),
  StartWith: fields('condition', '', 'start_token'),
  OrderBy: fields('kind', 'interpolate'),
  OrderByExpr: fields('expr', 'with_fill', 'options'),
  LimitOffset: fields('limit offset', 'limit_by'),
  Offset: fields('value', '', 'rows'),
  Fetch: fields('quantity', 'with_ties percent'),
  Top: fields('quantity', 'with_ties percent'),
  Wildcard: WILDCARD,
  Ilike: fields('pattern'),
  Rename: fields('ident alias'),
  Replaces: fields('items'),
  Replace: fields('expr column_name', '', 'as_keyword'),
  ExprWithAlias: fields('expr alias'),
  // FROM
  TableWithJoins: fields('relation joins'),
  Join: fields('relation join_operator', 'global'),
  AsOf: fields('match_condition constraint'),
  Table: fields('name alias version sample', 'args with_hints with_ordinality partitions json_path index_hints'),
  Derived: fields('lateral subquery alias sample'),
  TableFunction: fields('expr alias'),
  FromFunction: fields('name args alias', 'with_ordinality', 'lateral'),
  NestedJoin: fields('table_with_joins alias'),
  Pivot: fields('table aggregate_functions value_column value_source alias', 'default_on_null'),
  Unpivot: fields('table value name columns alias', '', 'null_inclusion'),
  AliasedExpr: fields('expr alias'),
  Changes: fields('changes at end'),
  Sample: fields('quantity seed', 'bucket offset', 'modifier name'),
  SampleQuantity: fields('value', '', 'parenthesized unit'),
  SampleSeed: fields('value', '', 'modifier'),
  // Expressions
  Ident: fields('value quote_style span'),
  Value: fields('value span'),
  BinaryOp: fields('left op right'),
  UnaryOp: fields('op expr'),
  Cast: fields('kind expr data_type', 'array format'),
  Case: fields('operand conditions else_result', '', 'case_token end_token'),
  CaseWhen: fields('condition result'),
  InList: fields('expr list', '', 'negated'),
  InSubquery: fields('expr subquery', '', 'negated'),
  Exists: fields('subquery', '', 'negated'),
  Between: fields('expr low high', '', 'negated'),
  Like: LIKE,
  ILike: LIKE,
  RLike: fields('expr pattern', '', 'negated regexp'),
  AnyOp: fields('left compare_op right', '', 'is_some'),
  AllOp: fields('left compare_op right'),
  Extract: fields('expr', '', 'field syntax'),
  Ceil: ROUND,
  Floor: ROUND,
  Position: fields('expr in'),
  Substring: fields('expr substring_from substring_for', '', 'special shorthand'),
  Trim: fields('trim_what expr trim_characters', '', 'trim_where'),
  TypedString: fields('data_type value', 'uses_odbc_syntax'),
  Interval: fields('value', '', 'leading_field leading_precision last_field fractional_seconds_precision'),
  JsonAccess: fields('value path'),
  JsonPath: fields('path'),
  Dot: fields('key', '', 'quoted'),
  Bracket: fields('key'),
  Collate: fields('expr', '', 'collation'),
  Prefixed: fields('prefix value'),
  DictionaryEntry: fields('key value'),
  Array: fields('elem', 'named'),
  Function: fields('name args null_treatment over within_group', 'uses_odbc_syntax parameters filter'),
  FunctionList: fields('duplicate_treatment args clauses'),
  Named: fields('name arg', '', 'operator'),
  FromArguments: fields('args', 'settings'),
  WindowSpec: fields('window_name partition_by order_by window_frame'),
  WindowFrame: fields('start_bound end_bound', '', 'units'),
  // Writes
  Insert: fields(
    'table columns source multi_table_insert_type multi_table_into_clauses multi_table_when_clauses multi_table_else_clause',
    'optimizer_hints or ignore table_alias assignments partitioned after_columns on returning output replace_into priority insert_alias settings format_clause',
    'insert_token into overwrite has_table_keyword',
  ),
  IntoClause: fields('table_name columns values'),
  IntoValues: fields('values'),
  WhenClause: fields('condition into_clauses'),
  Update: fields('table assignments from selection', 'optimizer_hints returning output or order_by limit', 'update_token'),
  Assignment: fields('target value'),
  Delete: fields('from using selection', 'optimizer_hints tables returning output order_by limit', 'delete_token'),
  Merge: fields('table source on clauses', 'optimizer_hints output', 'merge_token into'),
  MergeClause: fields('clause_kind predicate action', '', 'when_token'),
  MergeInsert: fields('columns kind', 'insert_predicate', 'insert_token kind_token'),
  MergeUpdate: fields('assignments', 'update_predicate delete_predicate', 'update_token'),
  MergeDelete: fields('', '', 'delete_token'),
  CreateTable: fields(
    'temporary name columns query like clone version dynamic external cluster_by if_not_exists',
    'global volatile iceberg snapshot hive_distribution hive_formats file_format location without_rowid on_commit on_cluster primary_key order_by partition_by clustered_by inherits partition_of for_values strict with_aggregation_policy with_row_access_policy with_storage_lifecycle_policy external_volume base_location catalog catalog_sync storage_serialization_policy diststyle distkey sortkey backup',
    'or_replace transient constraints table_options comment copy_grants enable_schema_evolution change_tracking data_retention_time_in_days max_data_extension_time_in_days default_ddl_collation with_tags target_lag warehouse refresh_mode initialize require_user',
  ),
  ColumnDef: fields('name data_type options'),
  ColumnOption: fields('option', '', 'name'),
  LikePlain: fields('name', '', 'defaults'),
  CreateView: fields(
    'name columns query temporary materialized cluster_by if_not_exists',
    'or_alter with_no_schema_binding to params options',
    'or_replace secure name_before_not_exists comment copy_grants',
  ),
  ViewColumn: fields('name', 'data_type', 'options'),
} as const satisfies Record<string, Fields>;

export type NodeName = keyof typeof NODES;

/** @returns the fields of a node; a Refusal for what the table does not know. */
export function node(value: unknown, name: NodeName): Tree {
  if (!isTree(value)) throw nodeKind(name);
  const { use, none, skip }: Fields = NODES[name];
  for (const key of Object.keys(value)) {
    if (use.includes(key) || skip.includes(key)) continue;
    if (!none.includes(key)) throw nodeKind(`${name}.${key}`);
    if (!isEmpty(value[key])) throw nodeKind(`${name}.${key}`);
  }
  return value;
}

/** A value of an enumeration: its name, and what it holds. */
export function tagged(value: unknown, where: string): readonly [string, unknown] {
  if (typeof value === 'string') return [value, null];
  if (!isTree(value)) throw nodeKind(where);
  const keys = Object.keys(value);
  const [tag] = keys;
  if (tag === undefined || keys.length !== 1) throw nodeKind(where);
  return [tag, value[tag]];
}

export function list(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw nodeKind('list');
  return value;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** sqlparser says NONE and None of some options that are absent. */
export function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === false ||
    value === 'None' ||
    value === 'NONE' ||
    (Array.isArray(value) && value.length === 0)
  );
}

export function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw nodeKind(where);
  return value;
}
