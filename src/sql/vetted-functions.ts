// Which functions a statement may call. Built-ins: immutable ones unless they are handlers or listed as refused, every
// aggregate and window function, and the stable and volatile ones listed here because drivers, ORMs, psql and ordinary
// analytics need them and they run no SQL of their own and read no file, no table rows and no other session.
// REFUSES by absence: query_to_xml and its family, ts_stat, ts_rewrite, cursor_to_xml, lo_*, pg_read_*, pg_ls_*,
// pg_stat_get_*, pg_sleep*, advisory locks, setval, set_config, current_setting (its names: settings.ts), pg_notify,
// pg_terminate_backend, replication and everything a later PostgreSQL adds.

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Immutable by declaration, but they run SQL in one of their forms. */
export const REFUSED_BUILTINS: ReadonlySet<string> = new Set(
  words(`
  ts_rewrite ts_stat query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema
  table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
  database_to_xml database_to_xmlschema database_to_xml_and_xmlschema postgresql_fdw_validator`),
);

/** Stable and volatile built-ins that are harmless. */
const ALLOWED_BUILTINS: ReadonlySet<string> = new Set([
  // dates, numbers, text
  ...words(`age clock_timestamp date date_part date_trunc extract in_range length make_timestamptz mxid_age now overlaps
    statement_timestamp time timeofday timestamp timestamptz timetz timezone to_char to_date to_number to_timestamp
    transaction_timestamp date_add date_subtract money numeric concat concat_ws format convert convert_from convert_to
    quote_literal quote_nullable random random_normal setseed generate_series gen_random_uuid uuidv4 uuidv7 interval_pl_timestamptz
    timestamptz_pl_interval timestamptz_mi_interval textanycat anytextcat`),
  // arrays, enums, JSON, XML, text search
  ...words(`array_to_string array_to_json array_shuffle array_sample enum_first enum_last enum_range json_agg
    json_build_array json_build_object json_populate_record json_populate_recordset json_to_record json_to_recordset
    jsonb_build_array jsonb_build_object jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_to_record jsonb_to_recordset
    jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz
    json_to_tsvector jsonb_to_tsvector row_to_json to_json to_jsonb xml xml_is_well_formed get_current_ts_config
    phraseto_tsquery plainto_tsquery websearch_to_tsquery to_tsquery to_tsvector ts_debug ts_headline ts_match_tq ts_match_tt
    ts_parse ts_token_type`),
  // what the session is
  ...words(`current_database current_catalog current_schema current_schemas current_user session_user getpgusername version
    pg_backend_pid pg_client_encoding getdatabaseencoding pg_my_temp_schema pg_is_other_temp_schema pg_is_in_recovery
    pg_postmaster_start_time pg_conf_load_time pg_jit_available pg_trigger_depth row_security_active inet_client_addr
    inet_client_port inet_server_addr inet_server_port pg_listening_channels pg_advisory_unlock_all`),
  // transactions
  ...words(`txid_current txid_current_if_assigned txid_current_snapshot txid_status pg_current_xact_id
    pg_current_xact_id_if_assigned pg_current_snapshot pg_xact_status`),
  // sequences: numbers a server hands out; moving one to a chosen value (setval) could store data
  ...words(`nextval currval lastval pg_get_serial_sequence pg_sequence_parameters`),
  // names, privileges and definitions in the catalogue
  ...words(`aclexplode col_description obj_description shobj_description format_type oidvectortypes pg_typeof pg_basetype
    pg_collation_for pg_column_size pg_column_compression pg_column_is_updatable pg_relation_is_updatable
    pg_relation_is_publishable pg_describe_object pg_identify_object pg_identify_object_as_address pg_get_object_address
    pg_char_to_encoding pg_encoding_to_char pg_get_acl pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr
    pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
    pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partition_constraintdef
    pg_get_partkeydef pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef pg_get_statisticsobjdef
    pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid pg_get_viewdef
    pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_options_to_table pg_partition_ancestors
    pg_partition_tree pg_partition_root pg_tablespace_databases pg_tablespace_location pg_timezone_abbrevs pg_timezone_names
    pg_available_extensions pg_available_extension_versions pg_extension_update_paths pg_collation_actual_version
    pg_database_collation_actual_version pg_has_role has_any_column_privilege has_column_privilege has_database_privilege
    has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_parameter_privilege
    has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege
    has_type_privilege has_largeobject_privilege regclass to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc
    to_regprocedure to_regrole to_regtype to_regtypemod pg_collation_is_visible pg_conversion_is_visible
    pg_function_is_visible pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_statistics_obj_is_visible
    pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
    pg_type_is_visible`),
  // sizes on disk (a documented residual: they grow with protected data)
  ...words(`pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_database_size pg_tablespace_size`),
]);

/** Refused to clients, harmless where a DBA wrote them into a default, a check, a policy or a view (the last two are
 *  table sampling methods). */
export const HARMLESS_IN_DEFINITIONS: ReadonlySet<string> = new Set(
  words('current_setting set_config setval current_query pg_relation_filenode system bernoulli'),
);

/** Called by a read, they change something that stays: the statement counts as a write. */
const WRITING_FUNCTIONS: ReadonlySet<string> = new Set(['nextval']);

export function isWritingFunction(name: string): boolean {
  return WRITING_FUNCTIONS.has(name);
}

/** Types that only the server's own machinery passes around. */
const MACHINERY_TYPES: ReadonlySet<string> = new Set(
  words(`
  internal cstring trigger event_trigger language_handler fdw_handler tsm_handler index_am_handler table_am_handler
  pg_ddl_command`),
);

export interface BuiltinTraits {
  readonly name: string;
  readonly kind: 'function' | 'aggregate' | 'window' | 'procedure';
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly argTypes: readonly string[];
  readonly returnType: string;
}

/** Vetting of one function that initdb made, by name, volatility and types. */
export function isVettedBuiltin(fn: BuiltinTraits): boolean {
  if (REFUSED_BUILTINS.has(fn.name) || fn.kind === 'procedure') return false;
  if (fn.argTypes.some((type) => MACHINERY_TYPES.has(type)) || MACHINERY_TYPES.has(fn.returnType)) return false;
  return fn.volatility === 'immutable' || fn.kind !== 'function' || ALLOWED_BUILTINS.has(fn.name);
}

interface ExtensionVetting {
  /** The highest volatility whose functions are pure computations throughout the extension. */
  readonly upTo: 'immutable' | 'stable';
  /** Others that are harmless. */
  readonly also?: readonly string[];
  readonly except?: readonly string[];
}

/** Extensions whose functions compute and nothing else. Every extension that is not here needs policy to name its
 *  functions: dblink, postgres_fdw, file_fdw, adminpack, xml2, tablefunc (crosstab runs SQL), lo, pageinspect,
 *  pg_stat_statements, amcheck, pg_buffercache, pgstattuple ... */
const EXTENSIONS: Readonly<Record<string, ExtensionVetting>> = {
  btree_gin: { upTo: 'immutable' },
  btree_gist: { upTo: 'immutable' },
  citext: { upTo: 'stable' },
  cube: { upTo: 'immutable' },
  earthdistance: { upTo: 'immutable' },
  fuzzystrmatch: { upTo: 'immutable' },
  hstore: { upTo: 'stable' },
  intarray: { upTo: 'immutable' },
  isn: { upTo: 'immutable' },
  ltree: { upTo: 'immutable' },
  pg_trgm: { upTo: 'stable' },
  pgcrypto: { upTo: 'immutable', also: ['gen_random_bytes', 'gen_random_uuid', 'gen_salt'] },
  postgis: {
    upTo: 'immutable',
    except: [
      'postgis_extensions_upgrade',
      'st_estimatedextent',
      'st_findextent',
      'populate_geometry_columns',
      'find_srid',
      'get_proj4_from_srid',
      'postgis_transform_geometry',
    ],
  },
  seg: { upTo: 'immutable' },
  unaccent: { upTo: 'stable' },
  'uuid-ossp': { upTo: 'immutable', also: ['uuid_generate_v1', 'uuid_generate_v1mc', 'uuid_generate_v4'] },
  vector: { upTo: 'immutable' },
};

export function isVettedExtensionFunction(extension: string, name: string, volatility: 'immutable' | 'stable' | 'volatile'): boolean {
  const vetting = EXTENSIONS[extension];
  if (vetting === undefined || vetting.except?.includes(name) === true) return false;
  return volatility === 'immutable' || (volatility === 'stable' && vetting.upTo === 'stable') || vetting.also?.includes(name) === true;
}

/** Base types of these extensions have pure input and output functions. */
export function isVettedExtensionType(extension: string): boolean {
  return EXTENSIONS[extension] !== undefined;
}
