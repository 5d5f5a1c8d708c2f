// Which columns of one target carry which class: what the SQL engine closes over views, partitions and the like.

import { globMatches } from './patterns.ts';
import type { Policy } from './policy.ts';

/** `pattern` is `schema.relation.column` or `database.schema.relation.column`, each part a name or with `*`. The same shape as the
 *  rules of the SQL engines. */
export interface PolicyColumnRule {
  readonly class: string;
  readonly pattern: string;
  /** `predicates: equality`: an equality with a known value of a whole key reads the stored column. */
  readonly lookup?: true;
  /** The same modes for engines that forward statements as they are; absent = every predicate is refused there. */
  readonly predicates?: 'equality' | 'hold';
  /** Dates of one subject move together; absent = those of the whole class do. */
  readonly hasSubject?: true;
}

/** Without duplicates, in policy order. */
export function classRules(policy: Policy, target: string): PolicyColumnRule[] {
  const rules = new Map<string, PolicyColumnRule>();
  const withSubject = new Set(policy.classes.flatMap(({ class: name, subject }) => (subject === undefined ? [] : [name])));
  for (const { class: name, patterns } of policy.classes) {
    for (const pattern of patterns) {
      if (!globMatches(pattern.target, target)) continue;
      const mode = policy.predicates.get(name)?.mode;
      rules.set(`${name} ${pattern.column}`, {
        class: name,
        pattern: pattern.column,
        ...(mode === 'equality' ? { lookup: true } : {}),
        ...(mode === 'equality' || mode === 'hold' ? { predicates: mode } : {}),
        ...(withSubject.has(name) ? { hasSubject: true } : {}),
      });
    }
  }
  return [...rules.values()];
}
