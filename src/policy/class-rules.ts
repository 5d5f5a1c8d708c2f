// Which columns of one target carry which class: what the SQL engine closes over views, partitions and the like.

import { globMatches } from './patterns.ts';
import type { Policy } from './policy.ts';

/** `pattern` is `schema.relation.column`, each part a name or with `*`. The same shape as the SQL engine's rule. */
export interface PolicyColumnRule {
  readonly class: string;
  readonly pattern: string;
  /** `predicates: equality`: an equality with a known value of a whole key reads the stored column. */
  readonly lookup?: true;
}

/** Without duplicates, in policy order. */
export function classRules(policy: Policy, target: string): PolicyColumnRule[] {
  const rules = new Map<string, PolicyColumnRule>();
  for (const { class: name, patterns } of policy.classes) {
    for (const pattern of patterns) {
      if (!globMatches(pattern.target, target)) continue;
      const rule = { class: name, pattern: pattern.column };
      const allowsLookup = policy.predicates.get(name)?.mode === 'equality';
      rules.set(`${name} ${pattern.column}`, allowsLookup ? { ...rule, lookup: true } : rule);
    }
  }
  return [...rules.values()];
}
