// Which settings a statement may change or read, with constants only. Everything that moves names (search_path, except to
// nothing or back), literal boundaries (standard_conforming_strings, client_encoding other than UTF8), identity (role, session_authorization) or
// what the server writes into messages and logs is refused by absence. So are settings of extensions (`x.y`): they can
// carry data from one statement to the next.

import type { Unknown } from '../core/facts.ts';

type Check = (value: string) => boolean;

const any: Check = (value) => value.length <= 64 && /^[\w\s.,:+/<>-]*$/.test(value);
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value.toLowerCase());
const bool = oneOf('on', 'off', 'true', 'false', 'yes', 'no', '1', '0', 't', 'f');
const number: Check = (value) => /^-?\d{1,10}(\.\d{1,10})?$/.test(value);
const size: Check = (value) => /^\d{1,10}\s*(B|kB|MB|GB)?$/.test(value);

/** Name -> what it may be set to. */
const SETTABLE: ReadonlyMap<string, Check> = new Map<string, Check>([
  // what values look like
  ['datestyle', any],
  ['intervalstyle', oneOf('postgres', 'postgres_verbose', 'sql_standard', 'iso_8601')],
  ['timezone', any],
  ['extra_float_digits', (value) => /^-?\d{1,2}$/.test(value)],
  ['bytea_output', oneOf('hex', 'escape')],
  ['xmloption', oneOf('content', 'document')],
  ['lc_monetary', any],
  ['lc_numeric', any],
  ['lc_time', any],
  ['client_encoding', (value) => /^(utf-?8|unicode)$/i.test(value)],
  ['standard_conforming_strings', oneOf('on', 'true', 'yes', '1')],
  ['default_text_search_config', (value) => /^(pg_catalog\.)?[a-z]{1,32}$/.test(value)],
  // limits a client puts on itself
  ['statement_timeout', any],
  ['lock_timeout', any],
  ['transaction_timeout', any],
  ['idle_in_transaction_session_timeout', any],
  ['idle_session_timeout', any],
  ['work_mem', (value) => /^\d{1,7}\s*(kB|MB)?$/.test(value)],
  ['maintenance_work_mem', size],
  ['temp_buffers', size],
  ['hash_mem_multiplier', number],
  // WHY safe: the plan was made for the gateway's path; of what it resolved, an empty path can only fail to find something
  // on the target, never find another thing. pg_dump and the programs beside it begin with it.
  ['search_path', oneOf('', '""', 'pg_catalog')],
  // what pg_dump and plain dumps set besides
  ['synchronize_seqscans', bool],
  ['check_function_bodies', bool],
  ['default_tablespace', oneOf('')],
  ['default_table_access_method', oneOf('heap')],
  ['default_statistics_target', number],
  // what the client itself loses in a crash
  ['synchronous_commit', oneOf('on', 'off', 'local', 'remote_write', 'remote_apply', 'true', 'false')],
  // transactions
  ['default_transaction_isolation', any],
  ['default_transaction_read_only', bool],
  ['default_transaction_deferrable', bool],
  ['transaction_isolation', any],
  ['transaction_read_only', bool],
  ['transaction_deferrable', bool],
  // plans
  ['jit', bool],
  ['plan_cache_mode', oneOf('auto', 'force_generic_plan', 'force_custom_plan')],
  ['from_collapse_limit', any],
  ['join_collapse_limit', any],
  ['max_parallel_workers_per_gather', any],
  ['cursor_tuple_fraction', any],
  ['constraint_exclusion', oneOf('on', 'off', 'partition')],
  ['effective_cache_size', size],
  ['force_parallel_mode', oneOf('on', 'off', 'regress')],
  ['debug_parallel_query', oneOf('on', 'off', 'regress')],
  ['geqo', bool],
  ['geqo_threshold', number],
  ['max_parallel_workers', number],
  ['min_parallel_index_scan_size', size],
  ['min_parallel_table_scan_size', size],
  ...['seq_page', 'random_page', 'cpu_tuple', 'cpu_index_tuple', 'cpu_operator', 'parallel_setup', 'parallel_tuple', 'jit_above'].map(
    (cost): [string, Check] => [`${cost}_cost`, number],
  ),
  ...[
    'bitmapscan',
    'hashagg',
    'hashjoin',
    'indexscan',
    'indexonlyscan',
    'material',
    'mergejoin',
    'nestloop',
    'seqscan',
    'sort',
    'partitionwise_join',
    'partitionwise_aggregate',
    'memoize',
    'incremental_sort',
    'parallel_hash',
    'parallel_append',
    'gathermerge',
    'async_append',
    'partition_pruning',
    'tidscan',
  ].map((plan): [string, Check] => [`enable_${plan}`, bool]),
  // pgjdbc sets it right after connecting
  ['application_name', any],
  // fewer messages are harmless, more are not
  ['client_min_messages', oneOf('notice', 'warning', 'error')],
  ['row_security', bool],
]);

/** Settings that SHOW, current_setting() and pg_settings-like clients may read besides the settable ones. */
const READABLE: ReadonlySet<string> = new Set(
  `server_version server_version_num server_encoding integer_datetimes max_identifier_length max_index_keys block_size
   is_superuser session_authorization role search_path lc_collate lc_ctype max_connections default_tablespace
   default_table_access_method in_hot_standby transaction_read_only default_with_oids temp_tablespaces password_encryption
   max_prepared_transactions wal_level data_checksums segment_size ssl`.split(/\s+/),
);

/** True when a client may set this to this constant; `value` null = DEFAULT or RESET. */
export function isSettable(name: string, value: string | null): boolean {
  const check = SETTABLE.get(name.toLowerCase());
  return check !== undefined && (value === null || check(value));
}

/** Why a setting of the gateway itself is refused, whoever asks: the key of masks is one of them. Null = it is none. */
export function refusedOwnSetting(name: string): Unknown | null {
  if (!name.toLowerCase().startsWith('sallyport.')) return null;
  return { code: 'setting', what: 'sallyport.*', remedy: 'These settings are the gateway’s own; leave them out.' };
}

/** Lower-case names that SHOW and `pg_settings` answer. */
export function readableSettings(): readonly string[] {
  return [...new Set([...SETTABLE.keys(), ...READABLE])].sort();
}

/** True when SHOW and `current_setting('name')` with this constant may be answered. */
export function isReadableSetting(name: string): boolean {
  const folded = name.toLowerCase();
  return SETTABLE.has(folded) || READABLE.has(folded);
}
