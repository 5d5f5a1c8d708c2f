// Patterns of the language: classes (`phi.*`), targets (`*`) and columns (`clinic:public.*.ssn`).

import { COLUMN_PATTERN } from './schema.ts';

/** `phi.*` covers every class below `phi`; `*` covers all. */
export function classMatches(pattern: string, className: string): boolean {
  if (pattern === '*') return true;
  return pattern.endsWith('.*') ? className.startsWith(pattern.slice(0, -1)) : pattern === className;
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
