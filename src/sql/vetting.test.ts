// Vetting as statements meet it: by name, through a catalogue with real system objects.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testCatalogue } from '../../test/support/catalogue.ts';
import type { TestObjects } from '../../test/support/catalogue.ts';
import { isReadableSetting, isSettable } from './settings.ts';
import { isReadableSystemRelation } from './system-relations.ts';
import { isWritingFunction } from './vetted-functions.ts';

const PATH = ['public'];
const words = (text: string): readonly string[] => text.trim().split(/\s+/);
const plain = testCatalogue();

describe('built-in functions', () => {
  const allowed = words(`
    upper lower length substring substr replace concat concat_ws format lpad md5 sha256 encode decode convert_to split_part regexp_replace regexp_matches
    string_to_array array_to_string unnest array_agg string_agg count sum avg min max bool_and stddev percentile_cont percentile_disc mode
    row_number rank dense_rank lag lead first_value ntile now clock_timestamp date_trunc date_part extract age to_char to_date to_timestamp to_number
    make_date make_interval generate_series random gen_random_uuid uuidv7 json_agg jsonb_agg json_build_object jsonb_build_object row_to_json to_jsonb
    jsonb_each_text jsonb_array_elements jsonb_path_query jsonb_populate_record jsonb_to_record json_object_agg jsonb_set array_length cardinality
    to_tsvector to_tsquery ts_headline ts_rank xpath xmlagg round ceil floor abs power width_bucket hashtext int4 text date numeric timestamptz
    format_type pg_get_userbyid pg_table_is_visible pg_get_expr pg_get_indexdef pg_get_constraintdef pg_get_viewdef pg_encoding_to_char obj_description
    col_description shobj_description pg_get_function_arguments pg_get_function_result pg_get_function_identity_arguments current_schema current_schemas
    current_database version pg_backend_pid has_table_privilege has_schema_privilege has_column_privilege pg_is_in_recovery pg_partition_ancestors
    pg_get_statisticsobjdef_columns pg_relation_is_publishable txid_current pg_total_relation_size pg_size_pretty pg_get_serial_sequence
    pg_get_partkeydef pg_get_triggerdef pg_function_is_visible pg_type_is_visible array_position quote_ident nextval currval pg_typeof
    pg_get_keywords pg_timezone_names pg_advisory_unlock_all to_regclass aclexplode acldefault`);
  const refused = words(`
    query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml table_to_xml schema_to_xml database_to_xml ts_stat ts_rewrite
    lo_get lo_put lo_from_bytea lo_import lo_export lo_create loread lowrite pg_read_file pg_read_binary_file pg_ls_dir pg_ls_logdir pg_stat_file
    set_config current_setting pg_sleep pg_sleep_for pg_sleep_until pg_advisory_lock pg_try_advisory_lock pg_advisory_xact_lock setval pg_notify
    pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_tuples_inserted
    pg_show_all_settings pg_prepared_statement pg_cursor pg_logical_emit_message pg_logical_slot_get_changes pg_create_restore_point pg_export_snapshot
    pg_hba_file_rules pg_mcv_list_items current_query pg_switch_wal pg_get_shmem_allocations brin_summarize_range binary_upgrade_create_empty_extension
    pg_lock_status pg_import_system_collations record_in domain_in textin pg_extension_config_dump pg_event_trigger_ddl_commands bthandler RI_FKey_check_ins
    pg_restore_attribute_stats pg_get_wal_summarizer_state`);

  it('that ordinary statements, psql, drivers and ORMs use are vetted', () => {
    for (const name of allowed) assert.equal(plain.vetFunction(null, name, PATH), null, name);
  });

  it('that run SQL, reach files, settings, sessions or statistics, or wait, are refused', () => {
    for (const name of refused) assert.notEqual(plain.vetFunction(null, name, PATH), null, name);
    for (const name of refused) assert.notEqual(plain.vetFunction('pg_catalog', name, PATH), null, name);
  });

  it('are refused whole when a single overload is not pure', () => {
    assert.equal(plain.vetFunction(null, 'ts_rewrite', PATH)?.startsWith('pg_catalog.ts_rewrite('), true);
  });

  it('of information_schema that drivers call are vetted', () => {
    assert.equal(plain.vetFunction('information_schema', '_pg_expandarray', PATH), null);
  });

  it('that take part in a read but change something are known', () => {
    assert.ok(isWritingFunction('nextval'));
    assert.ok(!isWritingFunction('lower'));
  });

  it('operators and types are vetted', () => {
    for (const name of words('+ - * / = <> < || ~ ~~ ~~* !~ @> <@ && -> ->> #>> ? @@ <-> ^ % |/ <<'))
      assert.equal(plain.vetOperator(null, name, PATH), null, name);
    for (const name of words(
      'int4 int8 text varchar bpchar name numeric date timestamptz interval uuid jsonb json xml bytea inet regclass regtype _text _int4 tsvector int4range oid "char" record'.replaceAll(
        '"',
        '',
      ),
    )) {
      assert.equal(plain.vetType(null, name, PATH), null, name);
    }
    assert.equal(plain.vetOperator(null, '|+|', PATH), 'unknown operator');
    assert.equal(plain.vetType(null, 'nosuch', PATH), 'unknown type');
    assert.equal(plain.vetFunction(null, 'quackenbush', PATH), 'unknown function');
  });
});

describe('user objects', () => {
  const objects: TestObjects = {
    tables: { 'public.clinics': { columns: { id: 'integer', name: 'text' } } },
    functions: {
      'public.leak(integer)': { returns: 'text', volatility: 'immutable' },
      'public.upper(integer)': { returns: 'text' },
      'app.lower(integer)': { returns: 'text' },
      'public.ssn_of(public.clinics)': { returns: 'text' },
      'public.any_of(anyelement)': { returns: 'text' },
      'public.two(public.clinics,integer)': { returns: 'text' },
      'public.two_optional(public.clinics,integer)': { returns: 'text', defaults: 1 },
      'public.of_text(text)': { returns: 'text' },
      'public.glue(text)': { returns: 'text', kind: 'aggregate', runs: ['pg_catalog.textcat(text,text)'], volatility: 'immutable' },
      'public.bad_glue(text)': { returns: 'text', kind: 'aggregate', runs: ['public.leak(integer)'], volatility: 'immutable' },
      'public.cast_it(public.clinics)': { returns: 'public.store' },
      'public.implicit_it(public.clinics)': { returns: 'text' },
      'public.similarity(text,text)': { returns: 'real', volatility: 'immutable', extension: 'pg_trgm' },
      'public.gen_random_bytes(integer)': { returns: 'bytea', extension: 'pgcrypto' },
      'public.pgp_read(bytea)': { returns: 'text', extension: 'pgcrypto' },
      'public.dblink(text,text)': { returns: 'record', extension: 'dblink', volatility: 'immutable' },
      'public.crosstab(text)': { returns: 'record', extension: 'tablefunc', volatility: 'stable' },
      'public.xpath_table(text,text)': { returns: 'record', extension: 'xml2', volatility: 'stable' },
      'public.get_raw_page(text,integer)': { returns: 'bytea', extension: 'pageinspect', volatility: 'immutable' },
      'public.strange(integer)': { returns: 'integer', extension: 'somebody_elses', volatility: 'immutable' },
      'public.proc(integer)': { kind: 'procedure' },
    },
    operators: { 'public.|+|': 'public.leak(integer)', 'public.===': 'pg_catalog.texteq(text,text)', 'app.+': 'public.leak(integer)' },
    types: { 'public.store': { kind: 'base', extension: 'hstore' }, 'public.odd': { kind: 'base' }, 'public.mood': { kind: 'enum' } },
    casts: [{ from: 'public.clinics', to: 'public.store', function: 'public.cast_it(public.clinics)', context: 'explicit' }],
  };
  const catalogue = testCatalogue(objects);

  it('functions are refused whatever they declare, unless policy names the signature', () => {
    assert.equal(catalogue.vetFunction(null, 'leak', PATH), 'public.leak(integer)');
    assert.equal(catalogue.vetFunction('public', 'leak', []), 'public.leak(integer)');
    assert.equal(catalogue.vetFunction(null, 'leak', PATH, new Set(['public.leak(integer)'])), null);
    assert.equal(catalogue.vetFunction(null, 'leak', PATH, new Set(['public.leak(text)'])), 'public.leak(integer)');
    assert.notEqual(catalogue.vetFunction(null, 'proc', PATH), null);
  });

  it('policy may write signatures with blanks', () => {
    assert.equal(catalogue.vetFunction(null, 'two', PATH, new Set(['public.two(public.clinics, integer)'])), null);
  });

  it('an overload on the path shadows a built-in, one off the path does not', () => {
    assert.equal(catalogue.vetFunction(null, 'upper', PATH), 'public.upper(integer)');
    assert.equal(catalogue.vetFunction('pg_catalog', 'upper', PATH), null);
    assert.equal(catalogue.vetFunction(null, 'lower', PATH), null);
    assert.equal(catalogue.vetFunction(null, 'lower', ['app', 'public']), 'app.lower(integer)');
    assert.equal(catalogue.vetOperator(null, '+', PATH), null);
    assert.equal(catalogue.vetOperator(null, '+', ['app']), 'public.leak(integer)');
  });

  it('operators are as vetted as their function', () => {
    assert.equal(catalogue.vetOperator(null, '|+|', PATH), 'public.leak(integer)');
    assert.equal(catalogue.vetOperator('public', '===', []), null);
    assert.equal(catalogue.vetOperator(null, '|+|', PATH, new Set(['public.leak(integer)'])), null);
  });

  it('aggregates are as vetted as what they run', () => {
    assert.equal(catalogue.vetFunction(null, 'glue', PATH), null);
    assert.equal(catalogue.vetFunction(null, 'bad_glue', PATH), 'public.bad_glue(text)');
  });

  it('extensions are vetted by name, and only their pure functions', () => {
    assert.equal(catalogue.vetFunction(null, 'similarity', PATH), null);
    assert.equal(catalogue.vetFunction(null, 'gen_random_bytes', PATH), null);
    for (const name of ['pgp_read', 'dblink', 'crosstab', 'xpath_table', 'get_raw_page', 'strange'])
      assert.notEqual(catalogue.vetFunction(null, name, PATH), null, name);
  });

  it('types are refused for unvetted casts to them and unvetted input', () => {
    assert.equal(catalogue.vetType(null, 'mood', PATH), null);
    assert.equal(catalogue.vetType(null, 'clinics', PATH), null);
    assert.equal(catalogue.vetType(null, 'odd', PATH), 'public.odd');
    assert.equal(catalogue.vetType(null, 'store', PATH), 'public.cast_it(public.clinics)');
    assert.equal(catalogue.vetType(null, '_store', PATH), 'public.cast_it(public.clinics)');
    assert.equal(catalogue.vetFunction(null, 'store', PATH), 'public.cast_it(public.clinics)', 'store(x) is a cast');
  });

  it('implicit and assignment casts with unvetted functions are listed', () => {
    assert.deepEqual(catalogue.implicitCastFunctions, []);
    for (const context of ['implicit', 'assignment'] as const) {
      const served = testCatalogue({
        ...objects,
        casts: [{ from: 'public.clinics', to: 'text', function: 'public.implicit_it(public.clinics)', context }],
      });
      assert.deepEqual(served.implicitCastFunctions, ['public.implicit_it(public.clinics)']);
      assert.equal(served.vetType(null, 'text', PATH), 'public.implicit_it(public.clinics)');
    }
  });

  it('functional notation of a column is no function', () => {
    assert.equal(catalogue.vetFunction(null, 'id', PATH), null);
    assert.equal(catalogue.vetFunction('public', 'id', PATH), 'unknown function');
  });

  it('attribute notation reaches unvetted functions of one row', () => {
    for (const name of ['ssn_of', 'any_of', 'two_optional', 'implicit_it']) assert.ok(catalogue.isAttributeFunction(name), name);
    for (const name of ['two', 'of_text', 'leak', 'id', 'name', 'nosuch', 'row_to_json'])
      assert.ok(!catalogue.isAttributeFunction(name), name);
    assert.ok(!catalogue.isAttributeFunction('ssn_of', new Set(['public.ssn_of(public.clinics)'])));
  });
});

describe('system relations', () => {
  it('that clients need are readable', () => {
    for (const name of words(
      'pg_class pg_attribute pg_type pg_namespace pg_proc pg_index pg_constraint pg_roles pg_database pg_views pg_description pg_enum pg_policy pg_statistic_ext pg_extension pg_tables',
    )) {
      assert.ok(isReadableSystemRelation('pg_catalog', name), name);
    }
    for (const name of words('tables columns key_column_usage table_constraints schemata views routines referential_constraints'))
      assert.ok(isReadableSystemRelation('information_schema', name), name);
  });

  it('that hold data, activity, credentials or files are not', () => {
    for (const name of words(`pg_stats pg_statistic pg_stats_ext pg_stats_ext_exprs pg_statistic_ext_data pg_stat_activity pg_stat_statements pg_stat_user_tables
      pg_prepared_xacts pg_largeobject pg_authid pg_shadow pg_hba_file_rules pg_file_settings pg_user_mapping
      pg_locks pg_replication_slots pg_config pg_shmem_allocations pg_backend_memory_contexts pg_something_new`)) {
      assert.ok(!isReadableSystemRelation('pg_catalog', name), name);
    }
    assert.ok(!isReadableSystemRelation('information_schema', 'user_mapping_options'));
    assert.ok(!isReadableSystemRelation('pg_toast', 'pg_toast_16778'));
    assert.ok(!isReadableSystemRelation('public', 'pg_class'));
  });
});

describe('settings', () => {
  it('that say how values look or bound the session may be set', () => {
    const allowed: readonly (readonly [string, string | null])[] = [
      ['DateStyle', 'ISO, MDY'],
      ['TimeZone', 'Europe/Berlin'],
      ['timezone', 'UTC'],
      ['extra_float_digits', '3'],
      ['statement_timeout', '5s'],
      ['statement_timeout', null],
      ['client_encoding', 'UTF8'],
      ['client_encoding', 'utf-8'],
      ['standard_conforming_strings', 'on'],
      ['bytea_output', 'hex'],
      ['jit', 'off'],
      ['enable_seqscan', 'off'],
      ['application_name', 'PostgreSQL JDBC Driver'],
      ['client_min_messages', 'warning'],
      ['default_transaction_read_only', 'on'],
      ['search_path', ''],
      ['search_path', 'pg_catalog'],
      ['search_path', null],
      ['synchronize_seqscans', 'off'],
      ['default_tablespace', ''],
      ['random_page_cost', '1.1'],
      ['effective_cache_size', '4GB'],
    ];
    for (const [name, value] of allowed) assert.ok(isSettable(name, value), `${name} = ${value}`);
  });

  it('that move names, literals, identity or messages may not', () => {
    const refused: readonly (readonly [string, string | null])[] = [
      ['search_path', 'legacy'],
      ['search_path', 'pg_catalog, legacy'],
      ['search_path', '"legacy"'],
      ['random_page_cost', 'x'],
      ['client_encoding', 'SQL_ASCII'],
      ['client_encoding', 'LATIN1'],
      ['standard_conforming_strings', 'off'],
      ['session_authorization', 'postgres'],
      ['role', 'postgres'],
      ['role', null],
      ['log_statement', 'all'],
      ['client_min_messages', 'log'],
      ['client_min_messages', 'debug5'],
      ['debug_print_plan', 'on'],
      ['debug_print_parse', 'on'],
      ['log_min_messages', 'debug1'],
      ['session_replication_role', 'replica'],
      ['app.x', 'v'],
      ['gw.k', 'v'],
      ['backslash_quote', 'on'],
      ['transform_null_equals', 'on'],
      ['default_tablespace', 'x'],
      ['local_preload_libraries', 'x'],
      ['extra_float_digits', "3'; DROP"],
      ['plan_cache_mode', 'x'],
      ['lc_messages', 'C'],
      ['exit_on_error', 'on'],
      ['createrole_self_grant', 'set'],
      ['event_triggers', 'off'],
      ['quote_all_identifiers', 'on'],
    ];
    for (const [name, value] of refused) assert.ok(!isSettable(name, value), `${name} = ${value}`);
  });

  it('with harmless values may be read', () => {
    for (const name of [
      'server_version',
      'TimeZone',
      'standard_conforming_strings',
      'transaction_isolation',
      'search_path',
      'max_identifier_length',
    ])
      assert.ok(isReadableSetting(name), name);
    for (const name of [
      'gw.k',
      'app.user',
      'data_directory',
      'config_file',
      'hba_file',
      'ssl_key_file',
      'primary_conninfo',
      'all',
      'archive_command',
      'log_directory',
    ])
      assert.ok(!isReadableSetting(name), name);
  });
});
