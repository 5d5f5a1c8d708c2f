// Patterns of the policy's classes: `schema.relation.column` of every database, or `database.schema.relation.column`.

import { maskOfClass, methodOf } from '../../core/decision.ts';
import type { Unknown } from '../../core/facts.ts';
import type { PlanContext, SnowflakeClassRule } from './types.ts';

/** Unquoted names are upper case in Snowflake: case does not count, so that no spelling of a pattern misses a column. */
function partsOf(pattern: string): readonly RegExp[] {
  return pattern.split('.').map((part) => new RegExp(`^${part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\\*', '.*')}$`, 'is'));
}

/** @param path database, schema, relation and column */
export function patternOf(pattern: string): (path: readonly string[]) => boolean {
  const parts = partsOf(pattern);
  return (path) => {
    const names = path.slice(path.length - parts.length);
    return parts.length >= 3 && parts.length <= 4 && parts.every((part, index) => part.test(names[index] ?? ''));
  };
}

/** Whether a pattern is of columns of a relation, also of those that it does not have now. */
export function isOfRelation(pattern: string, path: readonly [string, string, string]): boolean {
  const parts = partsOf(pattern).slice(0, -1);
  const names = path.slice(path.length - parts.length);
  return parts.every((part, index) => part.test(names[index] ?? ''));
}

/** Classes that the policy gives to a column of this name, whether it is there or not. */
export function classesNamed(
  relation: readonly [string, string, string],
  column: string,
  rules: readonly SnowflakeClassRule[],
): readonly string[] {
  return rules.filter((rule) => patternOf(rule.pattern)([...relation, column])).map((rule) => rule.class);
}

/** Of those, one that is shown so that equal values look equal: whoever puts values of their own there learns who else has them. */
export function comparableClass(
  relation: readonly [string, string, string],
  columns: readonly string[],
  { rules, masks }: Pick<PlanContext, 'rules' | 'masks'>,
): string | undefined {
  return columns
    .flatMap((column) => classesNamed(relation, column, rules))
    .find((each) => {
      const method = methodOf(maskOfClass(each, masks));
      return (method === 'token' || method === 'hash') && !rules.some((rule) => rule.class === each && rule.predicates === 'equality');
    });
}

/** What is said of a definition that would do so. */
export function plainValues(className: string): Unknown {
  return {
    code: 'token',
    what: `values under a name that is of ${className}`,
    remedy: 'Use names that the policy does not protect, or make the table empty and store tokens in it.',
  };
}
