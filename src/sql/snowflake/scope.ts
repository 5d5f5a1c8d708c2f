// Names of a query block: what its FROM has, the aliases of its select list, and the blocks around it.
// Where Snowflake's manual leaves open which of two things a name means, it means both here: what is said of it holds for either.

import { oneOf, type Taint } from './values.ts';

export interface Column {
  /** Null: Snowflake makes one from the text of the expression. */
  readonly name: string | null;
  /** Of a column whose name is made from text: what that could also be. */
  readonly maybe?: string;
  readonly value: Taint;
}

/** One entry of FROM. */
export interface Leaf {
  /** Names it is called by in front of a column: `[alias]`, or database, schema and name of a relation without one. */
  readonly path: readonly string[];
  readonly columns: readonly Column[];
  /** Relations of which rows pass without a bound. */
  readonly open: ReadonlySet<string>;
  /** The order of its columns is not certain: they are called by name. */
  readonly isUnsure: boolean;
  /** Of another time: columns that there may have been then. Where they are protected, `*` may stand in the outermost query alone, whose
   *  answer is compared by names. */
  readonly past?: Taint;
}

/** Names that Snowflake makes from text are never plain identifiers, but for those that `maybe` tells. */
const PLAIN = /^[A-Z_][A-Z0-9_$]*$/;
const POSITION = /^\$([1-9]\d{0,4})$/;

export class Scope {
  readonly leaves: Leaf[] = [];
  /** Columns of USING and NATURAL: one for both sides. */
  readonly merged = new Map<string, Taint>();
  /** Of the select list; null while that very alias is worked out. */
  readonly aliases = new Map<string, () => Taint | null>();
  readonly parent: Scope | null;
  /** Relations made by WITH, from here outwards. */
  readonly ctes = new Map<string, Cte>();
  /** Names of it were looked up in blocks around it. */
  isCorrelated = false;

  constructor(parent: Scope | null) {
    this.parent = parent;
  }

  cte(name: string): Cte | undefined {
    return this.ctes.get(name) ?? this.parent?.cte(name);
  }

  /** @param parts of a name as it was written, from database to column; stored spelling. @returns null = there is none. */
  lookup(parts: readonly string[]): Taint | null {
    const name = parts.at(-1);
    if (name === undefined) return null;
    const qualifier = parts.slice(0, -1);
    const own = this.leaves.filter((leaf) => isCalled(leaf, qualifier)).flatMap((leaf) => columnsOf(leaf, name));
    const alias = qualifier.length === 0 ? (this.aliases.get(name)?.() ?? null) : null;
    if (own.length > 0) return oneOf(alias === null ? own : [...own, alias]);
    const outer = this.#outer(parts);
    const found = [alias, outer].filter((each) => each !== null);
    return found.length === 0 ? null : oneOf(found);
  }

  #outer(parts: readonly string[]): Taint | null {
    const found = this.parent?.lookup(parts) ?? null;
    if (found !== null) this.isCorrelated = true;
    return found;
  }

  /** `$3`: by position, of one entry of FROM or of all together. */
  position(number: number): Taint | null {
    const all = this.leaves.flatMap((leaf) => leaf.columns);
    const isUnsure = this.merged.size > 0 || this.leaves.some((leaf) => leaf.isUnsure);
    const ofLeaves = this.leaves.map((leaf) => leaf.columns[number - 1]);
    const found = isUnsure ? this.leaves.flatMap(allValues) : [all[number - 1], ...ofLeaves].flatMap((each) => each?.value ?? []);
    if (found.length > 0) return oneOf(found);
    return this.leaves.length === 0 ? (this.parent?.position(number) ?? null) : null;
  }
}

/** Of columns that it has, and of those that it may have had. */
export function allValues({ columns, past }: Pick<Leaf, 'columns' | 'past'>): readonly Taint[] {
  const values = columns.map((each) => each.value);
  return past === undefined ? values : [...values, past];
}

export interface Cte {
  /** Null while its own query is walked, and it may not name itself. */
  leaf(): Omit<Leaf, 'path'>;
}

export function isCalled(leaf: Leaf, qualifier: readonly string[]): boolean {
  if (qualifier.length > leaf.path.length) return false;
  return qualifier.every((part, index) => leaf.path[leaf.path.length - qualifier.length + index] === part);
}

function columnsOf(leaf: Leaf, name: string): readonly Taint[] {
  const position = POSITION.exec(name);
  if (position !== null && leaf.isUnsure) return allValues(leaf);
  // In quotes it is a name, which may be that of another column.
  const placed = position === null ? undefined : leaf.columns[Number(position[1]) - 1];
  const isPlain = PLAIN.test(name);
  const named = leaf.columns.filter(
    (each) => each === placed || each.name === name || each.maybe === name || (each.name === null && !isPlain),
  );
  return named.map((each) => each.value);
}
