// Random expressions of a wanted kind over what is in scope; protected columns are preferred. Templates for what grammar
// has a form of its own for, and every function and operator of the catalogue with known kinds.

import type { Callable, Kind } from './catalogue.ts';
import { type Draft, type Scope, type Visible, sqlType } from './draft.ts';
import { hostileCalls, literals, templates } from './templates.ts';

/** A scalar or table subquery with outputs of these kinds, over an outer scope. */
export type Subquery = (kinds: readonly Kind[], outer: Scope) => string;

const allKinds = Object.keys(sqlType) as readonly Kind[];

export class Expressions {
  readonly #draft: Draft;
  readonly #subquery: Subquery;

  constructor(draft: Draft, subquery: Subquery) {
    this.#draft = draft;
    // An aggregate or a window function of the outer query has no place inside of another one.
    this.#subquery = (kinds, { columns, rows }) => subquery(kinds, { columns: columns.filter(({ sql }) => /^[\w.]+$/.test(sql)), rows });
  }

  anyKind(): Kind {
    return this.#draft.random.weighted<Kind>([
      ['text', 8],
      ['int', 5],
      ['date', 3],
      ['bool', 2],
      ['num', 2],
      ['ts', 2],
      ['json', 3],
      ['ints', 2],
      ['bytea', 1],
      ['big', 1],
      ['tsv', 1],
      ['float', 1],
      ['range', 2],
      ['texts', 2],
      ['mood', 1],
    ]);
  }

  any(scope: Scope, depth: number): string {
    return this.of(this.anyKind(), scope, depth);
  }

  of(kind: Kind, scope: Scope, depth: number): string {
    const { random } = this.#draft;
    if (depth <= 0 || random.chance(0.25)) return this.#leaf(kind, scope);
    const hostile = this.#draft.isHostile && random.chance(0.3) ? hostileCalls[kind] : undefined;
    if (hostile !== undefined) {
      this.#draft.use('outside-function');
      return this.#filled(random.pick(hostile), scope, depth);
    }
    const way = random.below(100);
    if (way < 14) return this.#called(kind, scope, depth, this.#draft.catalogue.functions) ?? this.#leaf(kind, scope);
    if (way < 20) return this.#called(kind, scope, depth, this.#draft.catalogue.operators) ?? this.#leaf(kind, scope);
    if (way < 26 && this.#draft.subqueries > 0) return this.#withSubquery(kind, scope, depth);
    const template = random.pick(templates[kind]);
    if (!template.startsWith('!')) return this.#filled(template, scope, depth);
    return random.chance(0.4) ? this.#filled(template.slice(1), scope, depth) : this.#leaf(kind, scope);
  }

  /** A column or row of the scope as it is, of any kind. */
  plain(scope: Scope): string {
    return this.#draft.random.pick(this.#preferred(scope.columns)).sql;
  }

  #preferred(columns: readonly Visible[]): readonly Visible[] {
    const hidden = columns.filter(({ isProtected }) => isProtected);
    return hidden.length > 0 && this.#draft.random.chance(0.7) ? hidden : columns;
  }

  #leaf(kind: Kind, scope: Scope): string {
    const { random } = this.#draft;
    const fitting = scope.columns.filter((column) => column.kind === kind);
    if (fitting.length > 0 && random.chance(0.8)) return random.pick(this.#preferred(fitting)).sql;
    if (this.#draft.params !== null && random.chance(0.4)) return this.#parameter(kind, scope);
    return random.pick(literals[kind]);
  }

  #parameter(kind: Kind, scope: Scope): string {
    const params = this.#draft.params ?? [];
    const guessed = scope.columns.filter((column) => column.kind === kind).flatMap(({ samples }) => samples);
    const values: Readonly<Record<Kind, readonly string[]>> = {
      int: ['0', '1', '5'],
      big: ['880000000000', '3'],
      num: ['1.5', '0'],
      text: ['%', '***', 'Zebulon Quackenbush', '1'],
      bool: ['true', 'false'],
      date: ['1931-07-27', '2000-01-01'],
      ts: ['2024-06-01 00:00+00'],
      json: ['{"a": 1}', '[]'],
      bytea: ['\\x00'],
      ints: ['{1,2}'],
      tsv: ['a b'],
      float: ['0.25', '-1'],
      range: ['[2024-01-01,2024-02-01)'],
      texts: ['{a,b}'],
      mood: ['upset'],
    };
    params.push(this.#draft.random.chance(0.1) ? null : this.#draft.random.pick(guessed.length > 0 ? guessed : values[kind]));
    return `$${params.length}::${sqlType[kind]}`;
  }

  #called(kind: Kind, scope: Scope, depth: number, from: readonly Callable[]): string | null {
    const fitting = from.filter(({ result }) => result === kind);
    if (fitting.length === 0) return null;
    const { name, args } = this.#draft.random.pick(fitting);
    const values = args.map((arg) => this.of(arg, scope, depth - 1));
    this.#draft.use(/^\w/.test(name) ? 'catalogue-function' : 'catalogue-operator');
    if (from === this.#draft.catalogue.operators) return `(${values[0] ?? ''} ${name} ${values[1] ?? ''})`;
    return `${name}(${values.join(', ')})`;
  }

  #withSubquery(kind: Kind, scope: Scope, depth: number): string {
    const draft = this.#draft;
    draft.subqueries -= 1;
    draft.use('subquery');
    if (kind === 'bool') {
      const inner = draft.random.pick<Kind>(['text', 'int', 'date']);
      const left = (): string => this.of(inner, scope, depth - 1);
      switch (draft.random.below(5)) {
        case 0:
          return `EXISTS (${this.#subquery([inner], scope)})`;
        case 1:
          return `(${left()} NOT IN (${this.#subquery([inner], scope)}))`;
        case 2:
          return `(${left()} <= ANY (${this.#subquery([inner], scope)}))`;
        case 3:
          return `((${left()}, ${this.of('text', scope, 0)}) IN (${this.#subquery([inner, 'text'], scope)}))`;
        default:
          return `(${left()} IN (${this.#subquery([inner], scope)}))`;
      }
    }
    if (kind === 'ints') return `ARRAY(${this.#subquery(['int'], scope)})`;
    if (kind === 'json' && draft.random.chance(0.5)) return `(SELECT jsonb_agg(s) FROM (${this.#subquery(['text', 'int'], scope)}) s)`;
    return `(SELECT * FROM (${this.#subquery([kind], scope)}) ${draft.name('q')} LIMIT 1)`;
  }

  #filled(template: string, scope: Scope, depth: number): string {
    const { random } = this.#draft;
    const same = random.pick(allKinds);
    const row = scope.rows.length > 0 ? random.pick(scope.rows) : null;
    if (template.includes('?alias')) this.#draft.use('whole-row');
    return template
      .replaceAll(/%(same|guess|ints?|big|num|texts?|bool|date|tsv?|json|bytea|float|range|mood)\b/g, (_, what: string) => {
        if (what === 'guess') return this.#guess(scope);
        return this.of(what === 'same' ? same : (what as Kind), scope, depth - 1);
      })
      .replaceAll(/\?(alias|field)/g, (_, what: string) => {
        if (row === null) return what === 'alias' ? "(ROW(1, 'x'))" : 'f1';
        return what === 'alias' ? row.alias : random.pick(row.fields).name;
      });
  }

  /** A value that a protected column of the scope has in the first world, or a prefix of it. */
  #guess(scope: Scope): string {
    const { random } = this.#draft;
    const samples = scope.columns.filter(({ kind }) => kind === 'text').flatMap((column) => column.samples);
    if (samples.length === 0) return random.pick(literals.text);
    if (random.chance(0.2)) return "'***'";
    const value = random.pick(samples);
    return this.#draft.quoted(random.chance(0.5) ? value : `${value.slice(0, 1 + random.below(4))}%`);
  }
}
