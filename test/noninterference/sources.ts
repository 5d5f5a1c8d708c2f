// Random FROM clauses: tables under all the names they can have, views, partitions, parents with ONLY, samples,
// sub-selects, LATERAL, VALUES, functions, CTEs, and joins of them. Few rows come of it: the tables are small, and most
// joins are equalities.

import type { Kind, Relation } from './catalogue.ts';
import { type Draft, type Scope, type Visible, joined, sqlType } from './draft.ts';
import type { Expressions } from './expressions.ts';

export interface Item {
  readonly sql: string;
  readonly scope: Scope;
}

export interface Made {
  readonly sql: string;
  readonly columns: readonly { readonly name: string; readonly kind: Kind }[];
}

/** Makes a query; `kinds` null = it chooses its outputs. */
export type MakeQuery = (kinds: readonly Kind[] | null, outer: Scope, depth: number) => Made;

export class Sources {
  readonly #draft: Draft;
  readonly #expressions: Expressions;
  readonly #query: MakeQuery;
  /** Names taken in the FROM clause under construction. */
  #taken = new Set<string>();

  constructor(draft: Draft, expressions: Expressions, query: MakeQuery) {
    this.#draft = draft;
    this.#expressions = expressions;
    this.#query = query;
  }

  from(outer: Scope, depth: number, mayList = true): Item {
    const { random } = this.#draft;
    const before = this.#taken;
    this.#taken = new Set();
    let left = this.#item(outer, depth);
    for (
      let count = random.weighted([
        [0, 11],
        [1, 7],
        [2, 2],
      ] as const);
      count > 0;
      count -= 1
    )
      left = this.#join(left, outer, depth, mayList && count === 1);
    this.#taken = before;
    return left;
  }

  #join(left: Item, outer: Scope, depth: number, mayList: boolean): Item {
    const draft = this.#draft;
    const { random } = draft;
    const isLateral = depth > 0 && random.chance(0.25);
    const right = isLateral ? this.#lateral(joined(outer, left.scope), depth) : this.#item(outer, depth);
    const scope = joined(left.scope, right.scope);
    // A comma binds less tightly than the joins behind it.
    if (mayList && random.chance(0.2)) return { sql: `${left.sql}, ${right.sql}`, scope };
    const kind = random.weighted([
      ['JOIN', 5],
      ['LEFT JOIN', 3],
      ['RIGHT JOIN', isLateral ? 0 : 1],
      ['FULL JOIN', isLateral ? 0 : 1],
    ] as const);
    const names = left.scope.columns.map(bareName);
    const shared = names.filter(
      (name) => names.indexOf(name) === names.lastIndexOf(name) && right.scope.columns.some((column) => bareName(column) === name),
    );
    if (!isLateral && shared.length > 0 && random.chance(0.2)) {
      draft.use('join-using');
      const key = shared.includes('id') ? 'id' : random.pick(shared);
      const alias = random.chance(0.3) ? ` AS ${draft.name('u')}` : '';
      const how = random.chance(0.3) ? `NATURAL ${kind} ${right.sql}` : `${kind} ${right.sql} USING (${key})${alias}`;
      // A merged name is ambiguous qualified or not at all.
      return this.#aliased({ sql: `${left.sql} ${how}`, scope });
    }
    const on = this.#condition(left.scope, right.scope, joined(outer, scope), depth);
    if (on === null) return { sql: `${left.sql} CROSS JOIN ${right.sql}`, scope };
    return this.#aliased({ sql: `${left.sql} ${kind} ${right.sql} ON ${on}`, scope });
  }

  /** Sometimes `(a JOIN b ...) AS j(c1, c2, ...)`, behind which the inner names are gone. */
  #aliased(item: Item): Item {
    const draft = this.#draft;
    if (!draft.random.chance(0.12) || item.sql.includes(',') || item.sql.includes('USING') || item.sql.includes('NATURAL')) return item;
    draft.use('join-alias');
    const alias = draft.name('j');
    this.#taken.add(alias);
    const names = item.scope.columns.map((_, index) => `c${index + 1}`);
    return { sql: `(${item.sql}) AS ${alias}(${names.join(', ')})`, scope: this.#visible(alias, item.scope.columns, names) };
  }

  #condition(left: Scope, right: Scope, all: Scope, depth: number): string | null {
    const { random } = this.#draft;
    const equal = (kinds: readonly Kind[]): string | null => {
      for (const kind of kinds) {
        const [a, b] = [left, right].map(({ columns }) => columns.filter((column) => column.kind === kind));
        if (a !== undefined && b !== undefined && a.length > 0 && b.length > 0) return `${random.pick(a).sql} = ${random.pick(b).sql}`;
      }
      return null;
    };
    const hidden = random.chance(0.25);
    const key = equal(hidden ? ['text', 'date', 'int'] : ['int', 'text']);
    if (key === null) return null;
    return random.chance(0.3) ? `${key} AND ${this.#expressions.of('bool', all, Math.min(depth, 1))}` : key;
  }

  #lateral(outer: Scope, depth: number): Item {
    this.#draft.use('lateral');
    const made = this.#query(null, outer, depth - 1);
    return this.#named(`LATERAL (${made.sql})`, made.columns.map(fromColumn));
  }

  #item(outer: Scope, depth: number): Item {
    const draft = this.#draft;
    const { random } = draft;
    const way = random.below(100);
    if (draft.ctes.length > 0 && way < 40) return this.#relation(random.pick(draft.ctes), true);
    if (way < 62 || depth <= 0) return this.#relation(this.#anyRelation(), false);
    if (way < 78) {
      draft.use('derived-table');
      const made = this.#query(null, { columns: [], rows: [] }, depth - 1);
      return this.#named(`(${made.sql})`, made.columns.map(fromColumn));
    }
    if (way < 84) return this.#values(outer, depth);
    if (way < 92) return this.#function(outer, depth);
    return this.#relation(this.#anyRelation(), false);
  }

  /** Relations with protected columns more often than others. */
  #anyRelation(): Relation {
    const { random, catalogue } = this.#draft;
    const hidden = catalogue.relations.filter(({ columns }) => columns.some(({ isProtected }) => isProtected));
    return random.pick(random.chance(0.75) ? hidden : catalogue.relations);
  }

  #relation(relation: Relation, isCte: boolean): Item {
    const draft = this.#draft;
    const { random } = draft;
    if (relation.name.includes('_20') || relation.name === 'lab_results') draft.use('partitions');
    if (relation.name.startsWith('patients')) draft.use('inheritance');
    if (/^(v_|mv_|reporting)/.test(relation.name)) draft.use('view');
    const only = !isCte && relation.isTable && random.chance(0.06) ? 'ONLY ' : '';
    const star = !isCte && only === '' && random.chance(0.03) ? ' *' : '';
    const isQualified = !isCte && !relation.name.includes('.') && random.chance(0.12);
    const written = `${only}${isQualified ? 'public.' : ''}${relation.name}${star}`;
    const sample = !isCte && relation.isTable && random.chance(0.05) ? ' TABLESAMPLE bernoulli (60) REPEATABLE (7)' : '';
    if (sample !== '') draft.use('tablesample');
    const own = relation.name.split('.').at(-1) ?? relation.name;
    const isBare = random.chance(0.25) && !this.#taken.has(own);
    const alias = isBare ? own : draft.name(random.chance(0.1) ? 'patients' : 't');
    this.#taken.add(alias);
    const names = relation.columns.map(({ name }) => name);
    if (!isBare && random.chance(0.1)) {
      draft.use('alias-list');
      const renamed = random.chance(0.3) ? random.shuffled(names) : names.map((_, index) => `c${index + 1}`);
      // A shorter list renames the first columns only; the relation may have columns of unknown kinds in between.
      const list = renamed.slice(0, this.#isComplete(relation) ? renamed.length : 1);
      const visible = list.length === renamed.length ? renamed : [...list, ...names.slice(1)];
      return {
        sql: `${written} AS ${alias}(${list.join(', ')})${sample}`,
        scope: this.#visible(alias, relation.columns.map(fromRelation), visible),
      };
    }
    return {
      sql: `${written}${isBare ? '' : ` ${random.chance(0.5) ? 'AS ' : ''}${alias}`}${sample}`,
      scope: this.#visible(alias, relation.columns.map(fromRelation), names),
    };
  }

  #isComplete(relation: Relation): boolean {
    return relation.columns.length > 0;
  }

  #values(outer: Scope, depth: number): Item {
    const draft = this.#draft;
    draft.use('values');
    const kinds = draft.random.times(1 + draft.random.below(3), () => this.#expressions.anyKind());
    const rows = draft.random.times(
      1 + draft.random.below(3),
      () => `(${kinds.map((kind) => `(${this.#expressions.of(kind, outer, depth - 1)})::${sqlType[kind]}`).join(', ')})`,
    );
    return this.#named(
      `(VALUES ${rows.join(', ')})`,
      kinds.map((kind) => ({ ...nothing, kind })),
      true,
    );
  }

  #function(outer: Scope, depth: number): Item {
    const draft = this.#draft;
    draft.use('function-scan');
    const of = (kind: Kind): string => this.#expressions.of(kind, outer, depth - 1);
    const [call, kinds] = draft.random.pick<() => readonly [string, readonly Kind[]]>([
      () => [`generate_series(1, 3)`, ['int']],
      () => [`unnest(${of('ints')})`, ['int']],
      () => [`unnest(ARRAY[${of('text')}, ${of('text')}], ${of('ints')})`, ['text', 'int']],
      () => [`jsonb_each_text(jsonb_build_object('a', ${of('text')}, 'b', ${of('int')}))`, ['text', 'text']],
      () => [`jsonb_array_elements(jsonb_build_array(${of('json')}, ${of('text')}))`, ['json']],
      () => [`regexp_split_to_table(${of('text')}, '[ -]')`, ['text']],
      () => [`string_to_table(${of('text')}, '-')`, ['text']],
      () => [`ROWS FROM (generate_series(1, 2), unnest(${of('ints')}))`, ['int', 'int']],
      () => [`jsonb_object_keys(jsonb_build_object(coalesce(${of('text')}, 'n'), 1))`, ['text']],
    ])();
    return this.#named(
      call,
      kinds.map((kind) => ({ ...nothing, kind })),
      true,
    );
  }

  #named(sql: string, columns: readonly Visible[], mustRename = false): Item {
    const draft = this.#draft;
    const alias = draft.name('s');
    this.#taken.add(alias);
    const names = mustRename || draft.random.chance(0.2) ? columns.map((_, index) => `c${index + 1}`) : columns.map(bareName);
    const isRenamed = names.some((name, index) => name !== (columns[index] === undefined ? '' : bareName(columns[index])));
    return { sql: `${sql} AS ${alias}${isRenamed ? `(${names.join(', ')})` : ''}`, scope: this.#visible(alias, columns, names) };
  }

  #visible(alias: string, columns: readonly Visible[], names: readonly string[]): Scope {
    const counted = (name: string): number => names.filter((other) => other === name).length;
    const visible = columns
      .map((column, index): Visible => ({ ...column, sql: `${alias}.${names[index] ?? ''}` }))
      .filter((_, index) => counted(names[index] ?? '') === 1);
    return { columns: visible, rows: [{ alias, fields: visible.map((column) => ({ name: bareName(column), kind: column.kind })) }] };
  }
}

const nothing = { sql: '', isProtected: false, samples: [] as readonly string[] };

function fromColumn({ name, kind }: { readonly name: string; readonly kind: Kind }): Visible {
  return { ...nothing, sql: name, kind };
}

function fromRelation({ name, kind, isProtected, samples }: Relation['columns'][number]): Visible {
  return { sql: name, kind, isProtected, samples };
}

/** Last part of a qualified name. */
function bareName({ sql }: Visible): string {
  return sql.slice(sql.lastIndexOf('.') + 1);
}
