// Which columns of a target are keys of a subject, such as a patient, and which relations hold rows of one: what the configuration
// names, what refers to it by a foreign key, children and partitions, and views over any of them. Found by the closure that finds
// protected columns. Conservative: a relation that may hold rows of a subject does.

import type { KeyFamily } from '../core/facts.ts';
import type { Catalogue, Column, ColumnRule, Protection, Relation } from './catalogue.ts';
import { isSystemSchema } from './system-relations.ts';

export interface SubjectRule {
  readonly name: string;
  /** `schema.relation.column`, each part a name or with `*`. */
  readonly columns: readonly string[];
}

export interface Key {
  readonly column: Column;
  readonly relation: Relation;
  /** Null: values of its type have no one text. */
  readonly family: KeyFamily | null;
}

export interface SubjectColumns {
  readonly names: readonly string[];
  /** Its rows may be of a subject. @param relation `schema.name` */
  touches(subject: string, relation: string): boolean;
  key(subject: string, relation: string, column: string): Key | undefined;
  /** Columns of a relation that must all be told before everybody whose rows they are is: its keys, or the foreign keys to rows of a subject
   *  where it has none. `''` among them: no column tells it. */
  tying(subject: string, relation: string): readonly string[];
  /** The foreign key from one column to the other leads to a row of the same subject. */
  leads(subject: string, from: readonly [relation: string, column: string], to: readonly [relation: string, column: string]): boolean;
  /** Names of the configuration that match no column: any relation may be meant. */
  readonly unmatched: readonly string[];
}

/** Values of any column and texts of any statement are in them; read only by those who see everything. */
const SAMPLES: ReadonlySet<string> = new Set(
  ['statistic', 'statistic_ext_data', 'stats', 'stats_ext', 'stats_ext_exprs', 'stat_activity'].map((name) => `pg_catalog.pg_${name}`),
);

const STORED: ReadonlySet<Relation['kind']> = new Set(['table', 'partitioned']);

/** @param protect the closure over the rules of one subject */
export function subjectColumns(
  catalogue: Catalogue,
  rules: readonly SubjectRule[],
  protect: (rules: readonly ColumnRule[]) => Protection,
): SubjectColumns {
  const bySubject = new Map(rules.map((rule) => [rule.name, new OneSubject(catalogue, rule, protect)]));
  return {
    names: [...bySubject.keys()].sort(),
    touches: (subject, relation) => bySubject.get(subject)?.touches(relation) ?? false,
    key: (subject, relation, column) => bySubject.get(subject)?.keys.get(`${relation}.${column}`),
    tying: (subject, relation) => bySubject.get(subject)?.tying(relation) ?? [''],
    leads: (subject, [relation, column], to) => bySubject.get(subject)?.links.has(linkOf(relation, column, ...to)) ?? false,
    unmatched: [...bySubject.values()].flatMap(({ unmatched }) => unmatched),
  };
}

const linkOf = (...names: readonly string[]): string => JSON.stringify(names);

class OneSubject {
  readonly keys = new Map<string, Key>();
  readonly links = new Set<string>();
  readonly unmatched: readonly string[];
  readonly #touching = new Set<string>();
  readonly #known: ReadonlySet<string>;
  readonly #keysOf = new Map<string, Set<string>>();
  readonly #linksOf = new Map<string, Set<string>>();

  constructor(catalogue: Catalogue, { name, columns }: SubjectRule, protect: (rules: readonly ColumnRule[]) => Protection) {
    const protection = protect(columns.map((pattern) => ({ class: name, pattern })));
    this.unmatched = protection.unmatched;
    const relations = catalogue.relations.filter(({ schema, kind }) => !isSystemSchema(schema) && kind !== 'composite');
    this.#known = new Set(relations.map(({ qualified }) => qualified));
    const holding = new Set<number>();
    for (const relation of relations) {
      for (const column of relation.columns) {
        if (!protection.classesOf(relation.oid, column.name).includes(name)) continue;
        holding.add(relation.oid);
        // What a view or an expression makes of a key may be something else.
        if (STORED.has(relation.kind) && column.generated === null) {
          this.keys.set(`${relation.qualified}.${column.name}`, {
            relation,
            column,
            family: folds(catalogue, relation.oid, column.name) ? null : familyOf(column),
          });
        }
        // Rows of children are rows of their parents, which may not have the column.
        const above = [relation, ...ancestors(catalogue, relation)];
        for (const { qualified, byName } of above) note(this.#keysOf, qualified, byName.has(column.name) ? column.name : '');
      }
    }
    this.#follow(catalogue, relations, holding);
    for (const relation of relations) {
      const below = protection.storedRelations(relation.oid);
      if (protection.touchesProtected(relation.oid) || below.some((oid) => holding.has(oid))) this.#touching.add(relation.qualified);
    }
  }

  touches(relation: string): boolean {
    // A name that matches nothing may have been given to anything.
    return this.#touching.has(relation) || SAMPLES.has(relation) || (this.unmatched.length > 0 && this.#known.has(relation));
  }

  tying(relation: string): readonly string[] {
    return [...(this.#keysOf.get(relation) ?? this.#linksOf.get(relation) ?? [''])];
  }

  /** What refers to a row of a subject is of that subject, and so are its children and parents. */
  #follow(catalogue: Catalogue, relations: readonly Relation[], holding: Set<number>): void {
    for (let before = -1; before !== holding.size;) {
      before = holding.size;
      for (const relation of relations) {
        if ([...relation.parents, ...relation.children].some((oid) => holding.has(oid))) holding.add(relation.oid);
        for (const { kind, relation: referencing, columns, target } of catalogue.restrictionsOn(relation.oid)) {
          if (kind !== 'reference' || referencing !== relation.oid || target === null || !holding.has(target.relation)) continue;
          holding.add(relation.oid);
          const [column, more] = columns;
          const to = catalogue.relationByOid(target.relation);
          const isOne = column !== undefined && more === undefined && to !== undefined;
          note(this.#linksOf, relation.qualified, isOne ? column : '');
          if (isOne) this.links.add(linkOf(relation.qualified, column, to.qualified, target.columns[0] ?? ''));
        }
      }
    }
  }
}

/** Different texts are equal there, or in the key that it refers to. */
function folds(catalogue: Catalogue, oid: number, column: string, seen: ReadonlySet<number> = new Set()): boolean {
  // Tables may refer to each other.
  if (seen.has(oid)) return false;
  return catalogue.restrictionsOn(oid).some((each) => {
    const at = each.relation === oid ? each.columns.indexOf(column) : -1;
    if (at < 0) return false;
    if (each.folds === true) return true;
    const { target } = each;
    return target !== null && folds(catalogue, target.relation, target.columns[at] ?? '', new Set([...seen, oid]));
  });
}

function note(to: Map<string, Set<string>>, relation: string, column: string): void {
  to.set(relation, (to.get(relation) ?? new Set<string>()).add(column));
}

function ancestors(catalogue: Catalogue, { parents }: Relation): readonly Relation[] {
  const found = new Set(parents);
  for (const oid of found) for (const above of catalogue.relationByOid(oid)?.parents ?? []) found.add(above);
  return [...found].flatMap((oid) => catalogue.relationByOid(oid) ?? []);
}

const FAMILIES: Readonly<Record<string, KeyFamily>> = {
  smallint: 'number',
  integer: 'number',
  bigint: 'number',
  numeric: 'number',
  uuid: 'uuid',
  text: 'text',
  'character varying': 'text',
  character: 'padded',
};

function familyOf({ typeName, typeSchema, baseType }: Column): KeyFamily | null {
  const { typeName: name, typeSchema: schema } = baseType ?? { typeName, typeSchema };
  return schema === 'pg_catalog' ? (FAMILIES[name.replace(/\([\d,-]+\)/, '').trim()] ?? null) : null;
}
