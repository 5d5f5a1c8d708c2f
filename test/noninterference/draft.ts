// What one statement in the making shares: randomness, the catalogue, what it used so far, its parameters.

import type { Value } from '../bypass/cases.ts';
import type { Catalogue, Kind, Relation } from './catalogue.ts';
import type { Random } from './random.ts';

/** Something a name in scope stands for. */
export interface Visible {
  readonly sql: string;
  readonly kind: Kind;
  readonly isProtected: boolean;
  readonly samples: readonly string[];
}

/** A range variable: its whole row, and what fields of it are called. */
export interface Row {
  readonly alias: string;
  readonly fields: readonly { readonly name: string; readonly kind: Kind }[];
}

export interface Scope {
  readonly columns: readonly Visible[];
  readonly rows: readonly Row[];
}

export const emptyScope: Scope = { columns: [], rows: [] };

export function joined(...scopes: readonly Scope[]): Scope {
  return { columns: scopes.flatMap((scope) => scope.columns), rows: scopes.flatMap((scope) => scope.rows) };
}

export const sqlType: Readonly<Record<Kind, string>> = {
  int: 'int',
  big: 'bigint',
  num: 'numeric',
  text: 'text',
  bool: 'boolean',
  date: 'date',
  ts: 'timestamptz',
  json: 'jsonb',
  bytea: 'bytea',
  ints: 'int[]',
  tsv: 'tsvector',
  float: 'float8',
  range: 'daterange',
  texts: 'text[]',
  mood: 'mood',
};

export class Draft {
  readonly random: Random;
  readonly catalogue: Catalogue;
  readonly features: Set<string> = new Set();
  /** Values of `$1`, `$2`, ...; null = the statement takes none. */
  params: Value[] | null = null;
  /** True = functions that the gateway should refuse may be called. */
  isHostile = false;
  /** Names of CTEs in scope and what they give. */
  readonly ctes: Relation[] = [];
  /** Subqueries still allowed. */
  subqueries = 3;
  #names = 0;

  constructor(random: Random, catalogue: Catalogue) {
    this.random = random;
    this.catalogue = catalogue;
  }

  use(feature: string): void {
    this.features.add(feature);
  }

  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  quoted(text: string): string {
    return `'${text.replaceAll("'", "''")}'`;
  }
}
