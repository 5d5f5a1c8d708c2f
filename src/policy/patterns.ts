// Patterns of the language: classes (`phi.*`), targets (`*`) and columns (`clinic:public.*.ssn`).

import { COLUMN_PATTERN } from './schema.ts';

/** `phi.*` covers every class below `phi`; `*` covers all. */
export function classMatches(pattern: string, className: string): boolean {
  if (pattern === '*') return true;
  return pattern.endsWith('.*') ? className.startsWith(pattern.slice(0, -1)) : pattern === className;
}

/** Every pattern that covers the class: `phi.id.ssn`, `phi.id.*`, `phi.*`, `*`. */
export function patternsOf(className: string): readonly string[] {
  const parts = className.split('.');
  const below = parts.slice(1).map((_part, index) => `${parts.slice(0, parts.length - 1 - index).join('.')}.*`);
  return [className, ...below, '*'];
}

/** Higher is more specific: an exact class, then the longer prefix, then `*`. */
export function classSpecificity(pattern: string): number {
  if (pattern === '*') return 0;
  return pattern.endsWith('.*') ? pattern.length : 1000;
}

export function targetMatches(patterns: readonly string[], target: string): boolean {
  return patterns.includes('*') || patterns.includes(target);
}

export interface ColumnPattern {
  readonly target: string;
  /** `schema.relation.column`, or `database.schema.relation.column`; each part a name or with `*`. */
  readonly column: string;
}

/** @returns null when `text` does not have the form of a column pattern. */
export function parseColumnPattern(text: string): ColumnPattern | null {
  const match = COLUMN_PATTERN.exec(text);
  if (match === null) return null;
  const [, target = '', column = ''] = match;
  return { target, column };
}

/** `*` stands for any text, also for none. Linear for one star and bounded by parts for more. */
export function globMatches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let from = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return from <= text.length - last.length;
}

/** @param qualified `schema.relation.column`, or `DATABASE.SCHEMA.RELATION.COLUMN` of a Snowflake target, where a pattern without a
 *  database means any and case does not count: unquoted names are stored in upper case there, and protecting more is the safe side. */
export function columnMatches(pattern: string, qualified: string): boolean {
  return partsMatch(pattern.split('.'), qualified.split('.'));
}

/** Parts of a name that begins with the database. */
const WITH_DATABASE = 4;

function partsMatch(parts: readonly string[], names: readonly string[]): boolean {
  const skipped = names.length - parts.length;
  if (names.length !== WITH_DATABASE) return skipped === 0 && parts.every((part, index) => globMatches(part, names[index] ?? ''));
  return (
    (skipped === 0 || skipped === 1) &&
    parts.every((part, index) => globMatches(part.toUpperCase(), (names[skipped + index] ?? '').toUpperCase()))
  );
}

/** Columns that many patterns are looked for in. */
export class ColumnIndex {
  readonly #all: readonly (readonly string[])[];
  /** By part of the name from its end (column, relation, schema), in upper case: columns that have it. */
  readonly #byPart = [1, 2, 3].map((part) => ({ part, columns: new Map<string, (readonly string[])[]>() }));

  /** @param qualified as `columnMatches` has them */
  constructor(qualified: readonly string[]) {
    this.#all = qualified.map((name) => name.split('.'));
    for (const { part, columns } of this.#byPart) {
      for (const names of this.#all) {
        const key = names.at(-part)?.toUpperCase() ?? '';
        const same = columns.get(key);
        if (same === undefined) columns.set(key, [names]);
        else same.push(names);
      }
    }
  }

  /** True when the pattern matches one of them. */
  has(pattern: string): boolean {
    const parts = pattern.split('.');
    const exact = this.#byPart.find(({ part }) => parts.at(-part)?.includes('*') === false);
    const candidates = exact === undefined ? this.#all : (exact.columns.get(parts.at(-exact.part)?.toUpperCase() ?? '') ?? []);
    return candidates.some((names) => partsMatch(parts, names));
  }
}
