// Which system relations a statement may read: what psql, drivers, ORMs and schema browsers need to know names, types
// and privileges. REFUSES by absence: statistics that hold sampled values (pg_stats*, pg_statistic*), activity and
// prepared texts of sessions, settings, large objects, credentials, files, and everything in pg_toast.
// Definition texts (views, checks, index predicates, comments) are allowed: what a DBA wrote into them is a documented residual.

const ALLOWED: ReadonlySet<string> = new Set(
  `pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extensions
   pg_available_extension_versions pg_cast pg_class pg_collation pg_constraint pg_conversion pg_cursors pg_database pg_db_role_setting pg_default_acl
   pg_depend pg_description pg_enum pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table
   pg_group pg_index pg_indexes pg_inherits pg_init_privs pg_language pg_largeobject_metadata pg_matviews pg_namespace pg_opclass pg_operator
   pg_opfamily pg_parameter_acl pg_partitioned_table pg_policies pg_policy pg_prepared_statements pg_proc pg_publication pg_publication_namespace pg_publication_rel
   pg_publication_tables pg_range pg_rewrite pg_roles pg_rules pg_seclabel pg_seclabels pg_sequence pg_settings pg_shdepend
   pg_shdescription pg_statio_all_tables pg_statistic_ext pg_subscription pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_transform pg_trigger
   pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user pg_user_mappings pg_views`.split(/\s+/),
);

/** Of information_schema only what shows options of foreign servers and users (they hold passwords) is refused. */
const REFUSED_INFORMATION: ReadonlySet<string> = new Set(
  `user_mappings user_mapping_options foreign_server_options foreign_table_options foreign_data_wrapper_options column_options
   _pg_user_mappings _pg_foreign_servers _pg_foreign_tables _pg_foreign_table_columns _pg_foreign_data_wrappers`.split(/\s+/),
);

export function isSystemSchema(schema: string): boolean {
  return schema === 'information_schema' || schema.startsWith('pg_');
}

/** True when a statement may read this relation of a system schema. */
export function isReadableSystemRelation(schema: string, name: string): boolean {
  if (schema === 'pg_catalog') return ALLOWED.has(name);
  return schema === 'information_schema' && !REFUSED_INFORMATION.has(name);
}
