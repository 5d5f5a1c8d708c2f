// Patterns of the policy's classes: `schema.relation.column` of every database, or `database.schema.relation.column`.

/** Unquoted names are upper case in Snowflake: case does not count, so that no spelling of a pattern misses a column. */
function partsOf(pattern: string): readonly RegExp[] {
  return pattern
    .split('.')
    .map((part) => new RegExp(`^${part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\\*', '.*')}$`, 'is'));
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
