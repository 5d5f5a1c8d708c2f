// Which columns are protected: those the policy's patterns name, and what views and the like make from them.
// A view is walked as the query of somebody who sees nothing. What its columns are made from gives their classes; a view that tests
// protected values, so that its rows tell them, is opaque, and so is one that cannot be walked.

import type { MaskSet } from '../../core/decision.ts';
import type { SnowflakeParsers } from './parsers.ts';
import { patternOf } from './patterns.ts';
import { qualifiedName } from './relations.ts';
import type { SnowflakeCatalogue, SnowflakeClassRule, SnowflakeProtection, SnowflakeRelation } from './types.ts';
import { walk } from './walk.ts';

/** Nobody: every class is hidden, and no policy's people can be asked. */
const NOBODY: MaskSet = { id: 'nobody', byClass: {} };

export function protectSnowflake(
  catalogue: SnowflakeCatalogue,
  rules: readonly SnowflakeClassRule[],
  parsers: Pick<SnowflakeParsers, 'parse'>,
): SnowflakeProtection {
  return new Closure(catalogue, rules, parsers).all();
}

class Needed extends Error {
  readonly relation: SnowflakeRelation;

  constructor(relation: SnowflakeRelation) {
    super(relation.name);
    this.relation = relation;
  }
}

class Closure {
  readonly #columns = new Map<string, readonly string[]>();
  readonly #opaque = new Set<string>();
  readonly #stored = new Set<string>();
  readonly #total = new Set<string>();
  readonly #trees = new Map<string, ReturnType<SnowflakeParsers['parse']>>();
  readonly #state = new Map<string, 'open' | 'done'>();
  readonly #catalogue: SnowflakeCatalogue;
  readonly #rules: readonly SnowflakeClassRule[];
  readonly #patterns: readonly { readonly class: string; readonly matches: (path: readonly string[]) => boolean }[];
  readonly #parsers: Pick<SnowflakeParsers, 'parse'>;

  constructor(catalogue: SnowflakeCatalogue, rules: readonly SnowflakeClassRule[], parsers: Pick<SnowflakeParsers, 'parse'>) {
    this.#catalogue = catalogue;
    this.#rules = rules.map(({ class: name, pattern }) => ({ class: name, pattern }));
    this.#patterns = rules.map((rule) => ({ class: rule.class, matches: patternOf(rule.pattern) }));
    this.#parsers = parsers;
  }

  all(): SnowflakeProtection {
    for (const relation of this.#catalogue.relations) this.#name(relation);
    for (const relation of this.#catalogue.relations) this.#close(relation);
    return { columns: this.#columns, opaque: this.#opaque, stored: this.#stored, total: this.#total };
  }

  /** Classes by name. */
  #name(relation: SnowflakeRelation): void {
    for (const column of relation.columns ?? []) {
      const path = [relation.database, relation.schema, relation.name, column.name];
      const found = this.#patterns.filter(({ matches }) => matches(path)).map((each) => each.class);
      if (found.length > 0) this.#columns.set(path.join('.'), [...new Set(found)].sort());
    }
  }

  /** What a relation is made from is closed first. Not recursive: views stand on views. */
  #close(relation: SnowflakeRelation): void {
    const waiting = [relation];
    for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
      const name = qualifiedName(next);
      if (this.#state.get(name) !== 'done') {
        this.#state.set(name, 'open');
        const needed = this.#settle(next);
        if (needed !== null) {
          waiting.push(needed);
          continue;
        }
        this.#state.set(name, 'done');
      }
      waiting.pop();
    }
  }

  /** @returns what must be closed before, or null when it is settled. */
  #settle(relation: SnowflakeRelation): SnowflakeRelation | null {
    try {
      if (!this.#isKnown(relation)) this.#opaque.add(qualifiedName(relation));
      return null;
    } catch (error) {
      if (!(error instanceof Needed)) throw error;
      // Made from itself.
      if (this.#state.get(qualifiedName(error.relation)) !== 'open') return error.relation;
      this.#opaque.add(qualifiedName(relation));
      return null;
    }
  }

  #parse(name: string, definition: string): ReturnType<SnowflakeParsers['parse']> {
    const known = this.#trees.get(name) ?? this.#parsers.parse(definition);
    this.#trees.set(name, known);
    return known;
  }

  #isKnown(relation: SnowflakeRelation): boolean {
    const { kind, columns, definition } = relation;
    if (kind === 'table' || kind === 'system') return true;
    if (kind === 'external') return columns !== null;
    return columns !== null && definition !== null && this.#read(relation, columns, definition);
  }

  /** Takes over what the columns of a definition are made from. */
  #read(relation: SnowflakeRelation, columns: NonNullable<SnowflakeRelation['columns']>, definition: string): boolean {
    const parsed = this.#parse(qualifiedName(relation), definition);
    if ('fault' in parsed) return false;
    const catalogue: SnowflakeCatalogue = {
      ...this.#catalogue,
      relations: this.#catalogue.relations,
      relation: (database, schema, name) => {
        const found = this.#catalogue.relation(database, schema, name);
        if (found !== undefined && this.#state.get(qualifiedName(found)) !== 'done') throw new Needed(found);
        return found;
      },
    };
    const walked = walk(parsed.tree, {
      context: {
        catalogue,
        protection: { columns: this.#columns, opaque: this.#opaque, stored: this.#stored, total: this.#total },
        rules: this.#rules,
        masks: NOBODY,
        tokens: { meansToken: () => false, open: () => ({ fault: 'malformed' }) },
        session: {
          database: relation.database,
          schema: relation.schema,
          variables: new Map(),
          own: new Map(),
          result: () => undefined,
          lastQueryId: null,
        },
      },
      text: definition,
      binds: [],
      extra: new Map(),
    });
    if (walked.unknowns.length > 0 || walked.verb !== 'SELECT' || walked.values.length !== columns.length) return false;
    // A star was written out when the view was made: since then its tables may have got other columns.
    const isStarred = JSON.stringify(parsed.tree).includes('Wildcard":{');
    if (isStarred && walked.values.some((each, index) => each.name !== null && each.name !== columns[index]?.name)) return false;
    walked.values.forEach(({ value }, index) => {
      const key = `${qualifiedName(relation)}.${columns[index]?.name ?? ''}`;
      const named = this.#columns.get(key) ?? [];
      const classes = [...new Set([...named, ...value.classes])].sort();
      if (classes.length > 0) this.#columns.set(key, classes);
      // A class that the policy gives to the view's own column is about what that column shows.
      const isSame = value.stored === null ? value.classes.size === 0 && named.length > 0 : value.stored === classes.join(' ');
      if (isSame) this.#stored.add(key);
      if (value.isTotal) this.#total.add(key);
    });
    return true;
  }
}
