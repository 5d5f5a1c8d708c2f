// `GROUP BY p.id` lets a query show any column of `p`, because id is its primary key. A stand-in has no key, so the
// other columns of `p` that the query mentions are added to GROUP BY: the groups stay the same.

import type { MaskedRelation } from './rewrite.ts';
import type { Body } from './rewrite.ts';
import { nameList } from './resolve.ts';
import type { FromItem } from './walk-scope.ts';

/** Column references of a query, outside its FROM and WITH clauses. */
export interface Mentioned {
  /** `[qualifier or '', column]` */
  readonly columns: readonly (readonly [string, string])[];
  /** Qualifiers of `*`; '' = a bare `*`. */
  readonly stars: ReadonlySet<string>;
}

/** To be called before the query is walked: stand-ins mention every column. */
export function mentionedColumns(select: Body): Mentioned {
  const columns: [string, string][] = [];
  const stars = new Set<string>();
  for (const [field, value] of Object.entries(select)) {
    if (field !== 'fromClause' && field !== 'withClause') collect(value, columns, stars);
  }
  return { columns, stars };
}

function collect(value: unknown, columns: [string, string][], stars: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, columns, stars);
  } else if (value !== null && typeof value === 'object') {
    const reference = (value as Body)['ColumnRef'] as Body | undefined;
    if (reference === undefined) {
      for (const item of Object.values(value)) collect(item, columns, stars);
      return;
    }
    const fields = reference['fields'] as Body[];
    const star = fields.at(-1)?.['A_Star'] !== undefined;
    const parts = nameList(star ? fields.slice(0, -1) : fields) ?? [];
    if (star) stars.add(parts.at(-1) ?? '');
    else if (parts.length > 0) columns.push([parts.at(-2) ?? '', parts.at(-1) ?? '']);
  }
}

/** An item that a stand-in replaced, with its own column names. */
export interface Replaced {
  readonly item: FromItem;
  readonly masked: MaskedRelation;
}

/** Adds to the GROUP BY list of `select` what the primary keys in it used to imply. */
export function restoreDependency(select: Body, replaced: readonly Replaced[], mentioned: Mentioned): void {
  const group = select['groupClause'] as Body[];
  if (group.some((entry) => entry['GroupingSet'] !== undefined)) return;
  const grouped = group.flatMap((entry) => groupedColumn(entry, select['targetList'] as Body[] | undefined));
  for (const { item, masked } of replaced) {
    const { relation } = masked;
    const name = item.name;
    if (name === null || item.columns === null || relation.primaryKey.length === 0) continue;
    const isGrouped = (column: string): boolean =>
      grouped.some(([qualifier, each]) => each === column && (qualifier === '' || qualifier === name));
    if (!relation.primaryKey.every(isGrouped)) continue;
    const wanted = (column: string): boolean =>
      mentioned.stars.has(name) ||
      mentioned.stars.has('') ||
      mentioned.columns.some(([qualifier, each]) => each === column && (qualifier === '' || qualifier === name));
    for (const column of relation.columns) {
      if (!isGrouped(column.name) && wanted(column.name)) group.push(columnNode(name, column.name));
    }
  }
}

/** The column a GROUP BY entry names, directly, by position or by output name. */
function groupedColumn(entry: Body, targets: readonly Body[] | undefined): (readonly [string, string])[] {
  const ordinal = ((entry['A_Const'] as Body | undefined)?.['ival'] as Body | undefined)?.['ival'];
  if (typeof ordinal === 'number') return targetColumn(targets?.[ordinal - 1]);
  const parts = nameList((entry['ColumnRef'] as Body | undefined)?.['fields']) ?? [];
  const column = parts.at(-1);
  if (column === undefined) return [];
  const byOutput = parts.length > 1 ? undefined : targets?.find((each) => (each['ResTarget'] as Body)['name'] === column);
  return [[parts.at(-2) ?? '', column], ...targetColumn(byOutput)];
}

function targetColumn(target: Body | undefined): (readonly [string, string])[] {
  const value = (target?.['ResTarget'] as Body | undefined)?.['val'] as Body | undefined;
  const parts = nameList((value?.['ColumnRef'] as Body | undefined)?.['fields']) ?? [];
  const column = parts.at(-1);
  return column === undefined ? [] : [[parts.at(-2) ?? '', column]];
}

function columnNode(table: string, column: string): Body {
  return { ColumnRef: { fields: [{ String: { sval: table } }, { String: { sval: column } }] } };
}
