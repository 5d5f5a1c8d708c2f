// What lineage must know of functions: which aggregates really collapse rows, which functions multiply them, and the
// column names of built-in functions that return rows.

import type { Node } from './parser.ts';
import { namesOf } from './lineage-names.ts';
import type { Walk } from './lineage-scope.ts';

/** Aggregates whose value says little of single rows. All others (array_agg, string_agg, json_agg, ...) carry the rows. */
const collapsing = new Set(
  (
    'count sum avg min max bool_and bool_or every bit_and bit_or bit_xor any_value stddev stddev_pop stddev_samp variance ' +
    'var_pop var_samp corr covar_pop covar_samp regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx ' +
    'regr_sxy regr_syy mode rank dense_rank percent_rank cume_dist'
  ).split(' '),
);

const collecting = new Set(
  (
    'array_agg string_agg json_agg jsonb_agg json_agg_strict jsonb_agg_strict json_object_agg jsonb_object_agg xmlagg ' +
    'json_object_agg_strict jsonb_object_agg_strict json_object_agg_unique jsonb_object_agg_unique range_agg range_intersect_agg'
  ).split(' '),
);

const multiplying = new Set(
  (
    'generate_series generate_subscripts unnest json_array_elements json_array_elements_text jsonb_array_elements ' +
    'jsonb_array_elements_text json_each json_each_text jsonb_each jsonb_each_text json_object_keys jsonb_object_keys ' +
    'jsonb_path_query json_populate_recordset jsonb_populate_recordset json_to_recordset jsonb_to_recordset regexp_matches ' +
    'regexp_split_to_table string_to_table'
  ).split(' '),
);

/** Column names of functions in FROM; the names win over the alias. */
const rowColumns: ReadonlyMap<string, readonly string[]> = new Map([
  ['json_each', ['key', 'value']],
  ['json_each_text', ['key', 'value']],
  ['jsonb_each', ['key', 'value']],
  ['jsonb_each_text', ['key', 'value']],
  ['each', ['key', 'value']],
  ['json_array_elements', ['value']],
  ['json_array_elements_text', ['value']],
  ['jsonb_array_elements', ['value']],
  ['jsonb_array_elements_text', ['value']],
]);

const scalarRows = new Set(
  'generate_series generate_subscripts json_object_keys jsonb_object_keys jsonb_path_query regexp_matches regexp_split_to_table string_to_table'.split(
    ' ',
  ),
);

/** min and max show where a value stands in the order. */
const ordering = new Set(['min', 'max']);

export interface FunctionName {
  readonly schema: string | null;
  readonly name: string;
}

export function functionName(nodes: readonly Node[] | undefined): FunctionName {
  const names = namesOf(nodes) ?? [];
  return { schema: names.length > 1 ? (names.at(-2) ?? null) : null, name: names.at(-1) ?? '' };
}

export const showsOrder = ({ name }: FunctionName): boolean => ordering.has(name);

/** Null for what is no aggregate. A name that both a collapsing built-in and a user's aggregate have collects. */
export function aggregateKind(walk: Walk, called: FunctionName, args: readonly Node[]): 'collapsing' | 'collecting' | null {
  const { name } = called;
  if (collecting.has(name)) return 'collecting';
  const users = overloads(walk, called).filter((info) => info.kind === 'aggregate');
  if (users.some((info) => info.schema !== 'pg_catalog')) return 'collecting';
  if (collapsing.has(name)) return 'collapsing';
  // One percentile is one value; an array of them can be every row.
  if (name === 'percentile_cont' || name === 'percentile_disc') {
    const [fraction] = args;
    return fraction !== undefined && 'A_Const' in fraction ? 'collapsing' : 'collecting';
  }
  return users.length > 0 ? 'collecting' : null;
}

export function multipliesRows(walk: Walk, called: FunctionName): boolean {
  return multiplying.has(called.name) || overloads(walk, called).some((info) => info.returnsSet);
}

/** Names of the columns that a function in FROM yields, or null when only its result type would tell. */
export function columnsOfFunction({ name }: FunctionName, alias: string | null, argCount: number): readonly string[] | null {
  const known = rowColumns.get(name);
  if (known !== undefined) return known;
  if (name === 'unnest' && argCount > 1) return Array.from({ length: argCount }, () => name);
  return scalarRows.has(name) ? [alias ?? name] : null;
}

function overloads(walk: Walk, { schema, name }: FunctionName) {
  const { catalogue, searchPath } = walk.context;
  const schemas = schema === null ? ['pg_catalog', ...searchPath] : [schema];
  return schemas.flatMap((each) => catalogue.functions(each, name));
}
