// Small catalogues for tests of planning.

import type { SnowflakeCatalogue, SnowflakeRelation, SnowflakeSession } from '../../sql/snowflake/types.ts';

/** @param relations name of each in CLINIC.PUBLIC and its columns, all texts */
export function testCatalogue(version: string, relations: Readonly<Record<string, readonly string[]>> = {}): SnowflakeCatalogue {
  const all = Object.entries(relations).map(([name, columns]): SnowflakeRelation => ({
    database: 'CLINIC',
    schema: 'PUBLIC',
    name,
    kind: name.endsWith('_V') ? 'view' : 'table',
    columns: columns.map((column) => ({ name: column, type: 'TEXT', isNullable: true })),
    definition: null,
  }));
  return {
    version,
    databases: new Set(['CLINIC']),
    relations: all,
    relation: (database, schema, name) => all.find((each) => each.database === database && each.schema === schema && each.name === name),
  };
}

export function testSession(more: Partial<SnowflakeSession> = {}): SnowflakeSession {
  return {
    database: 'CLINIC',
    schema: 'PUBLIC',
    variables: new Map(),
    own: new Map(),
    result: () => undefined,
    lastQueryId: null,
    ...more,
  };
}
