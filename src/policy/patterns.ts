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
  /** `schema.relation.column`, each part a name or with `*`. */
  readonly column: string;
}

/** @returns null when `text` does not have the form of a column pattern. */
export function parseColumnPattern(text: string): ColumnPattern | null {
  const match = COLUMN_PATTERN.exec(text);
  if (match === null) return null;
  const [, target = '', schema = '', relation = '', column = ''] = match;
  return { target, column: `${schema}.${relation}.${column}` };
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

/** Both `schema.relation.column`; each part of the pattern is matched against the same part of the name. */
export function columnMatches(pattern: string, qualified: string): boolean {
  const parts = pattern.split('.');
  const names = qualified.split('.');
  return parts.length === names.length && parts.every((part, index) => globMatches(part, names[index] ?? ''));
}

/** Columns that many patterns are looked for in. */
export class ColumnIndex {
  readonly #all: readonly (readonly string[])[];
  /** By part of the name (column, relation, schema): columns that have it. */
  readonly #byPart = [2, 1, 0].map((part) => ({ part, columns: new Map<string, (readonly string[])[]>() }));

  /** @param qualified `schema.relation.column` each */
  constructor(qualified: readonly string[]) {
    this.#all = qualified.map((name) => name.split('.'));
    for (const { part, columns } of this.#byPart) {
      for (const names of this.#all) {
        const key = names[part] ?? '';
        const same = columns.get(key);
        if (same === undefined) columns.set(key, [names]);
        else same.push(names);
      }
    }
  }

  /** True when the pattern (`schema.relation.column`) matches one of them. */
  has(pattern: string): boolean {
    const parts = pattern.split('.');
    const exact = this.#byPart.find(({ part }) => parts[part]?.includes('*') === false);
    const candidates = exact === undefined ? this.#all : (exact.columns.get(parts[exact.part] ?? '') ?? []);
    return candidates.some((names) => names.length === parts.length && parts.every((part, index) => globMatches(part, names[index] ?? '')));
  }
}
