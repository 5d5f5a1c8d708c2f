// Relations of a catalogue: columns, keys, inheritance, triggers.

import type { Column, Relation, RelationKind } from './catalogue.ts';
import type { CatalogueRows } from './catalogue-queries.ts';
import type { FindType, TypeInfo } from './catalogue-types.ts';

const KINDS: Readonly<Record<string, RelationKind>> = {
  r: 'table',
  p: 'partitioned',
  v: 'view',
  m: 'matview',
  f: 'foreign',
  S: 'sequence',
  c: 'composite',
};
const PERSISTENCE: Readonly<Record<string, Relation['persistence']>> = { p: 'permanent', u: 'unlogged', t: 'temporary' };

/** Values by key, in order of arrival. */
export class Grouped<V> {
  readonly #groups = new Map<number, V[]>();

  add(key: number, value: V): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, [value]);
    else group.push(value);
  }

  get(key: number): readonly V[] {
    return this.#groups.get(key) ?? [];
  }
}

/** Domains may be made of domains. */
function baseOf(type: TypeInfo | undefined, find: FindType): Pick<Column, 'baseType'> {
  const seen = new Set<number>();
  let base = type;
  while (base?.kind === 'd' && !seen.has(base.oid)) {
    seen.add(base.oid);
    base = find(base.base);
  }
  return base === undefined || base === type ? {} : { baseType: { typeName: base.text, typeSchema: base.schema } };
}

type RelationRows = Pick<CatalogueRows, 'relations' | 'columns' | 'defaults' | 'inheritance' | 'indexes' | 'triggers' | 'rules'>;

/** @param shipped relations that the rows of `relations` and `columns` leave out */
export function buildRelations(rows: RelationRows, find: FindType, shipped: readonly Relation[] = []): readonly Relation[] {
  const expressions = new Map<string, string | null>();
  for (const [, relation, number, expression] of rows.defaults) expressions.set(`${relation}.${number}`, expression ?? null);

  const columns = new Grouped<Column>();
  for (const [relation, number, name, typeOid, typeText, notNull, hasDefault, generated] of rows.columns) {
    const type = find(Number(typeOid));
    const isGenerated = generated !== '' && generated !== null;
    const expression = expressions.get(`${relation}.${number}`);
    columns.add(Number(relation), {
      name: name ?? '',
      attnum: Number(number),
      typeOid: Number(typeOid),
      typeName: typeText ?? type?.text ?? 'unknown',
      typeSchema: type?.schema ?? '',
      ...baseOf(type, find),
      notNull: notNull === 't',
      hasDefault: hasDefault === 't' && !isGenerated,
      generated: isGenerated ? (expression ?? '') : null,
      ...(hasDefault === 't' && !isGenerated ? { default: expression ?? '' } : {}),
    });
  }

  const parents = new Grouped<number>();
  const children = new Grouped<number>();
  for (const [child, parent] of rows.inheritance) {
    parents.add(Number(child), Number(parent));
    children.add(Number(parent), Number(child));
  }

  const keys = new Grouped<{ readonly numbers: readonly number[]; readonly primary: boolean }>();
  for (const [, relation, unique, primary, numbers, count] of rows.indexes) {
    if (unique !== 't') continue;
    const key = (numbers ?? '').split(' ').slice(0, Number(count)).map(Number);
    // A key over an expression (number 0) says nothing about columns.
    if (!key.includes(0)) keys.add(Number(relation), { numbers: key, primary: primary === 't' });
  }

  const triggers = new Grouped<Relation['triggers'][number]>();
  for (const [, relation, name, fn] of rows.triggers) triggers.add(Number(relation), { name: name ?? '', functionOid: Number(fn) });
  for (const [, relation, name] of rows.rules) {
    if (name !== '_RETURN') triggers.add(Number(relation), { name: name ?? '', functionOid: 0 });
  }

  // Others may inherit from what is shipped, and it may have triggers.
  const known = shipped.map((relation): Relation => {
    const its = { parents: parents.get(relation.oid), children: children.get(relation.oid), triggers: triggers.get(relation.oid) };
    return its.parents.length + its.children.length + its.triggers.length === 0 ? relation : { ...relation, ...its };
  });
  const own = rows.relations.map(([oidText, schema, name, kind, persistence, rowSecurity, , definition]): Relation => {
    const oid = Number(oidText);
    const its = columns.get(oid);
    const names = new Map(its.map((column) => [column.attnum, column.name]));
    const named = keys.get(oid).map((key) => ({ primary: key.primary, columns: key.numbers.map((number) => names.get(number) ?? '') }));
    return {
      oid,
      schema: schema ?? '',
      name: name ?? '',
      qualified: `${schema}.${name}`,
      kind: KINDS[kind ?? ''] ?? 'composite',
      columns: its,
      byName: new Map(its.map((column) => [column.name, column])),
      primaryKey: named.find((key) => key.primary)?.columns ?? [],
      uniqueKeys: named.map((key) => key.columns),
      parents: parents.get(oid),
      children: children.get(oid),
      definition: definition ?? null,
      triggers: triggers.get(oid),
      rowSecurity: rowSecurity === 't',
      persistence: PERSISTENCE[persistence ?? ''] ?? 'permanent',
    };
  });
  return [...known, ...own];
}
