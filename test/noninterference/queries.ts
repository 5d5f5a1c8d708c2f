// Random queries: select lists, predicates, grouping, windows, DISTINCT ON, ordering, limits, set operations, CTEs (also
// recursive, with SEARCH and CYCLE, and named like tables) and row locks.

import type { Kind, Relation } from './catalogue.ts';
import { type Draft, type Scope, type Visible, emptyScope, joined, sqlType } from './draft.ts';
import { Expressions } from './expressions.ts';
import { type Made, Sources } from './sources.ts';
import { aggregates, windows } from './templates.ts';

export class Queries {
  readonly #draft: Draft;
  readonly expressions: Expressions;
  readonly sources: Sources;

  constructor(draft: Draft) {
    this.#draft = draft;
    this.expressions = new Expressions(draft, (kinds, outer) => this.query(kinds, outer, 1).sql);
    this.sources = new Sources(draft, this.expressions, (kinds, outer, depth) => this.query(kinds, outer, depth));
  }

  /** A query that an outermost statement can be, with a bound on its rows. */
  top(kinds: readonly Kind[] | null = null): Made {
    const { random } = this.#draft;
    return this.#withCtes(
      kinds,
      emptyScope,
      random.weighted([
        [0, 6],
        [1, 10],
        [2, 4],
        [3, 1],
      ] as const),
      true,
    );
  }

  query(kinds: readonly Kind[] | null, outer: Scope, depth: number): Made {
    if (depth > 0 && this.#draft.random.chance(0.08)) return this.#withCtes(kinds, outer, depth, false);
    return this.#body(kinds, outer, depth, false);
  }

  #body(kinds: readonly Kind[] | null, outer: Scope, depth: number, isTop: boolean): Made {
    const draft = this.#draft;
    const { random } = draft;
    if (depth > 0 && random.chance(isTop ? 0.1 : 0.06)) {
      draft.use('set-operation');
      const left = this.#select(kinds, outer, depth - 1, false);
      const right = this.#select(
        left.columns.map(({ kind }) => kind),
        outer,
        depth - 1,
        false,
      );
      const how = random.pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL', 'INTERSECT ALL']);
      const order = random.chance(0.4) ? ` ORDER BY ${1 + random.below(left.columns.length)}` : '';
      return { sql: `(${left.sql}) ${how} (${right.sql})${order}${isTop ? ' LIMIT 40' : ''}`, columns: left.columns };
    }
    return this.#select(kinds, outer, depth, isTop);
  }

  #withCtes(kinds: readonly Kind[] | null, outer: Scope, depth: number, isTop: boolean): Made {
    const draft = this.#draft;
    const { random } = draft;
    if (isTop && !random.chance(0.22)) return this.#body(kinds, outer, depth, isTop);
    draft.use('cte');
    const before = draft.ctes.length;
    const isRecursive = random.chance(0.25);
    const texts: string[] = [];
    for (let count = 1 + random.below(2); count > 0; count -= 1) {
      const [text, cte] = isRecursive && count === 1 ? this.#recursive() : this.#cte(depth, texts.length === 0 && isRecursive);
      texts.push(text);
      draft.ctes.push(cte);
    }
    const made = this.#body(kinds, outer, depth, isTop);
    draft.ctes.length = before;
    return { sql: `WITH ${isRecursive ? 'RECURSIVE ' : ''}${texts.join(', ')} ${made.sql}`, columns: made.columns };
  }

  /** Often under the name of a table, which it may read itself. */
  #cte(depth: number, isInRecursive: boolean): readonly [string, Relation] {
    const draft = this.#draft;
    const { random } = draft;
    const isShadow = !isInRecursive && random.chance(0.4);
    const taken = new Set(draft.ctes.map(({ name }) => name));
    const shadows = ['patients', 'clinics', 'encounters', 'v_directory', 'diagnoses'].filter((name) => !taken.has(name));
    const name = isShadow && shadows.length > 0 ? random.pick(shadows) : draft.name('w');
    if (isShadow) draft.use('cte-named-like-table');
    const made = this.#body(null, emptyScope, Math.max(0, depth - 1), false);
    const isRenamed = random.chance(0.3);
    const names = made.columns.map((column, index) => (isRenamed ? `c${index + 1}` : column.name));
    const how = random.weighted([
      ['', 6],
      ['MATERIALIZED ', 1],
      ['NOT MATERIALIZED ', 1],
    ] as const);
    return [`${name}${isRenamed ? `(${names.join(', ')})` : ''} AS ${how}(${made.sql})`, relationOf(name, names, made)];
  }

  #recursive(): readonly [string, Relation] {
    const draft = this.#draft;
    const { random } = draft;
    draft.use('recursive');
    const name = draft.name('r');
    const first = this.#select(['int', 'text'], emptyScope, 1, false);
    const from = this.sources.from(emptyScope, 0);
    const scope = joined(from.scope, {
      columns: [
        { sql: `${name}.n`, kind: 'int', isProtected: false, samples: [] },
        { sql: `${name}.v`, kind: 'text', isProtected: false, samples: [] },
      ],
      rows: [],
    });
    const value = this.expressions.of('text', scope, 1);
    const ints = from.scope.columns.filter(({ kind }) => kind === 'int');
    const on = ints.length > 0 ? `${random.pick(ints).sql} = ${name}.n + 1` : 'true';
    const step = `SELECT ${name}.n + 1, ${value} FROM ${name}, ${from.sql} WHERE ${on} AND ${name}.n < 4`;
    const [tail, more] = random.weighted([
      [['', []], 5],
      [[' SEARCH DEPTH FIRST BY v SET o', []], 1],
      [[' SEARCH BREADTH FIRST BY n, v SET o', []], 1],
      [[' CYCLE n SET looped USING path', ['looped']], 1],
    ] as const);
    const from1 = draft.name('q');
    const sql = `${name}(n, v) AS (SELECT * FROM (SELECT ${from1}.c1, ${from1}.c2 FROM (${first.sql}) ${from1}(c1, c2) LIMIT 3) ${draft.name('q')} UNION ${random.chance(0.5) && tail === '' ? '' : 'ALL '}${step})${tail}`;
    const columns: readonly { name: string; kind: Kind }[] = [
      { name: 'n', kind: 'int' },
      { name: 'v', kind: 'text' },
      ...more.map((looped) => ({ name: looped, kind: 'bool' as const })),
    ];
    return [
      sql,
      relationOf(
        name,
        columns.map((column) => column.name),
        { sql, columns },
      ),
    ];
  }

  #select(kinds: readonly Kind[] | null, outer: Scope, depth: number, isTop: boolean): Made {
    const draft = this.#draft;
    const { random } = draft;
    const from = this.sources.from(outer, depth);
    const own = random.chance(0.2) ? unqualified(from.scope) : from.scope;
    const scope = joined(own, outer);
    const where = random.chance(0.45) ? ` WHERE ${this.expressions.of('bool', scope, Math.min(depth + 1, 3))}` : '';
    const isGrouped = random.chance(0.22);
    // An aggregate over outer columns alone would belong to the outer query.
    const grouped = isGrouped ? this.#grouped(own, depth) : null;
    let visible = grouped === null ? scope : grouped.scope;
    let windowClause = '';
    if (random.chance(isGrouped ? 0.05 : 0.18)) {
      draft.use('window');
      const [extra, clause] = this.#windowed(visible);
      visible = joined({ columns: extra, rows: [] }, visible);
      windowClause = clause;
    }
    if (kinds === null && grouped === null && random.chance(0.08)) {
      const row = random.pick(from.scope.rows);
      const columns = from.scope.columns.filter(({ sql }) => sql.startsWith(`${row.alias}.`));
      if (columns.length === row.fields.length) {
        draft.use('star');
        return this.#ended(`SELECT ${row.alias}.* FROM ${from.sql}${where}`, row.fields, visible, isTop, false);
      }
    }
    const wanted = kinds ?? random.times(1 + random.below(3), () => this.expressions.anyKind());
    const columns = wanted.map((kind, index) => ({ name: `x${index + 1}`, kind }));
    const list = wanted.map((kind, index) => {
      const value = this.expressions.of(kind, visible, kinds === null && index === 0 ? Math.min(depth + 1, 3) : 1);
      // A column alone already has its kind; the cast would hide where it comes from.
      const typed = /^[\w.]+$/.test(value) && !value.startsWith('NULL') ? value : `(${value})::${sqlType[kind]}`;
      return `${typed} AS x${index + 1}`;
    });
    const distinct =
      grouped === null
        ? random.weighted([
            ['', 8],
            ['DISTINCT ', 1],
            ['ON', 1],
          ] as const)
        : '';
    const on =
      distinct === 'ON'
        ? this.expressions.plain(
            scope.columns.length > 0 ? scope : { columns: [{ sql: '1', kind: 'int', isProtected: false, samples: [] }], rows: [] },
          )
        : '';
    if (distinct !== '') draft.use(distinct === 'ON' ? 'distinct-on' : 'distinct');
    const head = `SELECT ${distinct === 'ON' ? `DISTINCT ON (${on}) ` : distinct}${list.join(', ')} FROM ${from.sql}${where}${grouped?.clause ?? ''}${windowClause}`;
    if (distinct === 'ON')
      return {
        sql: `${head} ORDER BY ${on}${random.chance(0.5) && scope.columns.length > 0 ? `, ${this.expressions.plain(scope)}` : ''}${isTop ? ' LIMIT 40' : ''}`,
        columns,
      };
    const canLock =
      isTop &&
      grouped === null &&
      distinct === '' &&
      windowClause === '' &&
      !/\b(FULL|LEFT|RIGHT) JOIN\b|VALUES|generate_series|\w+\(.*\) AS s\d/.test(from.sql);
    return this.#ended(head, columns, distinct === '' ? visible : { columns: [], rows: [] }, isTop, canLock);
  }

  /** ORDER BY, LIMIT and locks behind a select. */
  #ended(head: string, columns: Made['columns'], scope: Scope, isTop: boolean, canLock: boolean): Made {
    const { random } = this.#draft;
    let sql = head;
    const isOrdered = random.chance(isTop ? 0.5 : 0.25);
    if (isOrdered) {
      const keys = random.times(1 + random.below(2), () => {
        if (scope.columns.length === 0 || random.chance(0.3)) return String(1 + random.below(columns.length));
        const key = random.chance(0.6) ? this.expressions.plain(scope) : this.expressions.any(scope, 1);
        return /^(?:-?[\d.e]+|'[^']*'|NULL::\w+|true|false)$/.test(key) ? '1' : key;
      });
      sql += ` ORDER BY ${keys
        .map(
          (key) =>
            `${key}${random.weighted([
              ['', 3],
              [' DESC', 2],
              [' NULLS FIRST', 1],
            ] as const)}`,
        )
        .join(', ')}`;
      this.#draft.use('order-by');
    }
    if (isTop || random.chance(0.15)) {
      const rows = isTop ? random.pick([1, 3, 10, 40]) : 1 + random.below(5);
      const offset = random.chance(0.1)
        ? ` OFFSET ${random.chance(0.5) ? String(random.below(4)) : `(SELECT count(*) FROM patients WHERE ${random.pick(["ssn < '95'", "name ILIKE 'z%'", "dob < '1950-01-01'"])})`}`
        : '';
      const withTies = isOrdered && random.chance(0.06);
      sql += withTies ? `${offset} FETCH FIRST ${rows} ROWS WITH TIES` : ` LIMIT ${rows}${offset}`;
    }
    if (canLock && random.chance(0.04)) {
      this.#draft.use('row-lock');
      sql += ` FOR ${random.pick(['UPDATE', 'SHARE', 'NO KEY UPDATE', 'KEY SHARE'])}${random.pick(['', ' NOWAIT', ' SKIP LOCKED'])}`;
    }
    return { sql, columns };
  }

  /** What is left in scope behind GROUP BY: the keys, and aggregates. */
  #grouped(scope: Scope, depth: number): { readonly scope: Scope; readonly clause: string } {
    const draft = this.#draft;
    const { random } = draft;
    const keys = random.times(
      random.weighted([
        [0, 2],
        [1, 4],
        [2, 2],
      ] as const),
      (): Visible => {
        const isColumn = scope.columns.length > 0 && random.chance(0.7);
        const column = isColumn ? random.pick(scope.columns) : null;
        if (column !== null) return column;
        const kind = this.expressions.anyKind();
        const sql = this.expressions.of(kind, scope, 1);
        return {
          sql: /^[\w.]+$/.test(sql) || /^(?:-?\d+|'.*'|NULL::.*)$/.test(sql) ? `coalesce(${sql}, ${sql})` : sql,
          kind,
          isProtected: true,
          samples: [],
        };
      },
    );
    const made: Visible[] = [];
    for (const kind of [
      'int',
      'text',
      'num',
      'date',
      'bool',
      'json',
      'ints',
      'ts',
      'bytea',
      'big',
      'tsv',
      'float',
      'range',
      'texts',
      'mood',
    ] as const) {
      if (random.chance(kind === 'int' || kind === 'text' ? 0.9 : 0.4))
        made.push({ sql: this.#template(random.pick(aggregates[kind]), scope, depth), kind, isProtected: true, samples: [] });
    }
    draft.use('group-by');
    const having = random.chance(0.25) ? ` HAVING ${this.expressions.of('bool', { columns: [...keys, ...made], rows: [] }, 1)}` : '';
    const list = keys.map(({ sql }) => sql).join(', ');
    let clause = '';
    if (keys.length > 0) {
      const how = random.weighted([
        ['plain', 7],
        ['ROLLUP', 1],
        ['CUBE', 1],
        ['SETS', 1],
        ['key', 1],
      ] as const);
      if (how === 'plain') clause = ` GROUP BY ${list}`;
      else if (how === 'SETS') clause = ` GROUP BY GROUPING SETS ((${list}), (${keys[0]?.sql ?? ''}), ())`;
      else if (how !== 'key') clause = ` GROUP BY ${how} (${list})`;
      if (how === 'ROLLUP' || how === 'CUBE' || how === 'SETS') {
        draft.use('grouping-sets');
        made.push({ sql: `grouping(${keys[0]?.sql ?? ''})`, kind: 'int', isProtected: false, samples: [] });
      }
      if (how === 'key') {
        // All columns of a table may follow its primary key.
        const id = scope.columns.find(({ sql }) => sql.endsWith('.id') || sql === 'id');
        clause = ` GROUP BY ${id === undefined ? list : id.sql}`;
        const prefix = id === undefined ? null : id.sql.slice(0, -2);
        if (prefix !== null) {
          draft.use('group-by-key');
          const dependent = scope.columns.filter(({ sql }) => sql.startsWith(prefix) && sql.lastIndexOf('.') <= prefix.length);
          return { scope: { columns: [...made, ...dependent], rows: [] }, clause: clause + having };
        }
      }
    }
    return { scope: { columns: [...keys, ...made], rows: [] }, clause: clause + having };
  }

  #windowed(scope: Scope): readonly [readonly Visible[], string] {
    const { random } = this.#draft;
    const partition = random.chance(0.5) ? `PARTITION BY ${this.expressions.any(scope, 1)}` : '';
    const order = random.chance(0.7)
      ? ` ORDER BY ${scope.columns.length > 0 ? this.expressions.plain(scope) : '1'}${random.pick(['', ' DESC'])}`
      : '';
    const frame =
      order === ''
        ? ''
        : random.weighted([
            ['', 5],
            [' ROWS BETWEEN 1 PRECEDING AND CURRENT ROW', 2],
            [' GROUPS 1 PRECEDING', 1],
            [' RANGE UNBOUNDED PRECEDING EXCLUDE TIES', 1],
          ] as const);
    const isNamed = random.chance(0.3);
    const window = isNamed ? this.#draft.name('w') : `(${partition}${order}${frame})`;
    const made: Visible[] = [];
    for (const kind of ['int', 'text', 'num', 'date', 'json', 'ints'] as const) {
      if (!random.chance(0.6)) continue;
      const sql = this.#template(random.pick(windows[kind] ?? []), scope, 1).replaceAll('%w', window);
      // Seen first, so it is used.
      made.push({ sql: sql.includes(')::') ? `(${sql})` : sql, kind, isProtected: true, samples: [] });
    }
    return [made, isNamed ? ` WINDOW ${window} AS (${partition}${order}${frame})` : ''];
  }

  #template(template: string, scope: Scope, depth: number): string {
    const row = scope.rows.length > 0 ? this.#draft.random.pick(scope.rows).alias : '(ROW(1))';
    return template
      .replaceAll(/%(ints?|big|num|texts?|bool|date|tsv?|json|bytea|float|range|mood)\b/g, (_, kind: string) =>
        this.expressions.of(kind as Kind, scope, Math.min(1, depth)),
      )
      .replaceAll('?alias', row);
  }
}

function unqualified(scope: Scope): Scope {
  const bare = scope.columns.map((column) => ({ ...column, sql: column.sql.slice(column.sql.lastIndexOf('.') + 1) }));
  const isUnique = (name: string): boolean => bare.filter(({ sql }) => sql === name).length === 1;
  return {
    columns: scope.columns.map((column, index) => (isUnique(bare[index]?.sql ?? '') ? (bare[index] ?? column) : column)),
    rows: scope.rows,
  };
}

function relationOf(name: string, names: readonly string[], made: Made): Relation {
  const columns = made.columns.map(({ kind }, index) => ({ name: names[index] ?? '', kind, isProtected: true, samples: [] }));
  return { name, isTable: false, isWritable: false, columns };
}
