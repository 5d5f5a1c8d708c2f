// System relations that are shown in part: rows and columns that a client may see, in the place of the relation. Settings
// by the allow-list of settings.ts; never secrets of other systems (subscriptions, user mappings), never values that the
// catalogue keeps of a column (`attmissingval`). Where an operator wants it so, no text of a definition either.
// WHY filtered and not refused: psql's completion and `\d` family, drivers and schema browsers read the rest.

import type { Relation } from './catalogue.ts';
import { quoteName } from './rewrite.ts';
import { readableSettings } from './settings.ts';
import { isSystemSchema } from './system-relations.ts';

export interface SystemFilter {
  /** Expression in the place of a column. */
  readonly columns: ReadonlyMap<string, string>;
  /** Condition on the rows, or null. */
  readonly where: string | null;
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const SETTING_NAMES = `ARRAY[${readableSettings().map(literal).join(', ')}]::pg_catalog.text[]`;
const isShownSetting = (name: string): string => `pg_catalog.lower(${name}) OPERATOR(pg_catalog.=) ANY (${SETTING_NAMES})`;
/** Of `name=value` texts those whose setting may be seen. */
const shownSettings = (column: string): string =>
  `ARRAY(SELECT s.v FROM pg_catalog.unnest(${column}) AS s(v) WHERE ${isShownSetting("pg_catalog.split_part(s.v, '=', 1)")})`;

/** Columns shown as NULL, and others as an expression. A column that may not be read needs its type written out. */
const ALWAYS: Readonly<
  Record<string, { readonly hides?: string; readonly shows?: Readonly<Record<string, string>>; readonly where?: string }>
> = {
  'pg_catalog.pg_settings': { where: isShownSetting('name'), hides: 'sourcefile sourceline' },
  'pg_catalog.pg_attribute': { hides: 'attmissingval' },
  'pg_catalog.pg_db_role_setting': { shows: { setconfig: shownSettings('setconfig') } },
  'pg_catalog.pg_roles': { shows: { rolconfig: shownSettings('rolconfig') } },
  'pg_catalog.pg_user': { shows: { useconfig: shownSettings('useconfig') } },
  'pg_catalog.pg_prepared_statements': { hides: 'statement' },
  'pg_catalog.pg_cursors': { hides: 'statement' },
  // Sequelize looks up a relation's OID there; how much was read of it may tell what others have asked for.
  'pg_catalog.pg_statio_all_tables': {
    hides: 'heap_blks_read heap_blks_hit idx_blks_read idx_blks_hit toast_blks_read toast_blks_hit tidx_blks_read tidx_blks_hit',
  },
  'pg_catalog.pg_subscription': { shows: { subconninfo: 'NULL::pg_catalog.text' } },
  'pg_catalog.pg_user_mappings': { hides: 'umoptions' },
};

/** Where definitions stand as texts, or as trees that hold constants. Labels of enums are not here: no client can read
 *  a value of the type without them. */
const TEXTS: Readonly<Record<string, string>> = {
  'pg_catalog.pg_attrdef': 'adbin',
  'pg_catalog.pg_class': 'relpartbound',
  'pg_catalog.pg_constraint': 'conbin',
  'pg_catalog.pg_description': 'description',
  'pg_catalog.pg_index': 'indexprs indpred',
  'pg_catalog.pg_indexes': 'indexdef',
  'pg_catalog.pg_matviews': 'definition',
  'pg_catalog.pg_partitioned_table': 'partexprs',
  'pg_catalog.pg_policies': 'qual with_check',
  'pg_catalog.pg_policy': 'polqual polwithcheck',
  'pg_catalog.pg_proc': 'prosrc prosqlbody proargdefaults',
  'pg_catalog.pg_publication_rel': 'prqual',
  'pg_catalog.pg_publication_tables': 'rowfilter',
  'pg_catalog.pg_rewrite': 'ev_qual ev_action',
  'pg_catalog.pg_rules': 'definition',
  'pg_catalog.pg_seclabel': 'label',
  'pg_catalog.pg_seclabels': 'label',
  'pg_catalog.pg_shdescription': 'description',
  'pg_catalog.pg_statistic_ext': 'stxexprs',
  'pg_catalog.pg_trigger': 'tgargs tgqual',
  'pg_catalog.pg_type': 'typdefaultbin typdefault',
  'pg_catalog.pg_views': 'definition',
  'information_schema.attributes': 'attribute_default',
  'information_schema.check_constraints': 'check_clause',
  'information_schema.columns': 'column_default generation_expression',
  'information_schema.domains': 'domain_default',
  'information_schema.parameters': 'parameter_default',
  'information_schema.routines': 'routine_definition',
  'information_schema.triggers': 'action_condition action_statement',
  'information_schema.views': 'view_definition',
};

/** Functions that write a definition from the catalogue; `pg_get_expr` is not one: what it is given is filtered. */
export const TEXT_FUNCTIONS: ReadonlySet<string> = new Set(
  `col_description obj_description shobj_description pg_get_constraintdef pg_get_function_arg_default pg_get_function_arguments
   pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_partition_constraintdef pg_get_partkeydef pg_get_publication_tables pg_get_ruledef
   pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef
   pg_get_viewdef`.split(/\s+/),
);

const words = (text: string | undefined): string[] => (text === undefined ? [] : text.split(' '));

/** Columns of a system relation that clients do not see as they are; all of them when its rows are filtered. */
export function hiddenColumns(relation: Relation): ReadonlySet<string> {
  const filter = isSystemSchema(relation.schema) ? systemFilter(relation, false) : null;
  if (filter === null) return new Set();
  return new Set(filter.where === null ? filter.columns.keys() : relation.byName.keys());
}

/** How a system relation is shown, or null: as it is. Relations that may not be read at all: system-relations.ts. */
export function systemFilter(relation: Relation, hidesTexts: boolean): SystemFilter | null {
  const always = ALWAYS[relation.qualified];
  const hidden = [...words(always?.hides), ...(hidesTexts ? words(TEXTS[relation.qualified]) : [])];
  const columns = new Map<string, string>();
  for (const name of hidden) columns.set(name, `CASE WHEN false THEN ${quoteName(name)} END`);
  for (const [name, expression] of Object.entries(always?.shows ?? {})) columns.set(name, expression);
  // Older servers do not have every column.
  for (const name of columns.keys()) if (!relation.byName.has(name)) columns.delete(name);
  return columns.size === 0 && always?.where === undefined ? null : { columns, where: always?.where ?? null };
}
