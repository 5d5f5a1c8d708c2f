// What surfaces ask of a target without a session: its state, what statements would be, what its columns are.

import type { MaskSet } from '../../core/decision.ts';
import type { ColumnPolicy, StoredColumn, TargetAnalyst, TreeColumn } from '../../core/ports.ts';
import type { Target } from '../../core/target.ts';
import type { RelationKind, SnowflakeCatalogue, SnowflakeRelation, SnowflakeSession } from '../../sql/snowflake/types.ts';
import type { CatalogueLoader } from './catalogue-loader.ts';
import type { SnowflakePlanner } from './planner.ts';

export interface AnalystDeps {
  readonly target: Target;
  /** Names without one mean the first, and its schema PUBLIC. */
  readonly databases: readonly string[];
  readonly loader: Pick<CatalogueLoader, 'current' | 'newest' | 'ready' | 'state'>;
  readonly planner: SnowflakePlanner;
}

export function createSnowflakeAnalyst({ target, databases, loader, planner }: AnalystDeps): TargetAnalyst {
  const session: SnowflakeSession = {
    database: databases[0] ?? null,
    schema: 'PUBLIC',
    variables: new Map(),
    own: new Map(),
    result: () => undefined,
    lastQueryId: null,
  };
  const readerOf = (of: SnowflakePlanner): ReturnType<TargetAnalyst['under']> => ({
    async analyse(text: string, masks: MaskSet) {
      const { plan } = await of.plan({ text, binds: [], statements: 1 }, session, masks);
      return { facts: plan.facts, forward: plan.forward?.text ?? null };
    },
    async protectedColumns() {
      return (await of.protection(await loader.ready())).columns;
    },
  });
  return {
    target: target.name,
    status: () => ({
      name: target.name,
      protocol: 'snowflake',
      address: target.address,
      catalogue: loader.state,
      catalogueVersion: loader.newest?.version ?? null,
      protectedColumns: loader.newest === null ? 0 : planner.protectedCount(loader.newest),
    }),
    ...readerOf(planner),
    under: (policy: ColumnPolicy) => readerOf(planner.under(policy)),
    // Subjects are not looked for on these targets; the configuration refuses them.
    relationsOf: async () => null,
    knowsColumn: async (qualified) => knows(await loader.ready(), qualified),
    columns: async () => storedColumns(await loader.ready()),
    tree: async () => treeOf(await loader.ready()),
    // A warehouse would be paid for it.
    isNeverSampled: true,
    sample: async () => null,
  };
}

/** As a pattern of the policy names it: with or without the database, whatever the case. */
function knows({ relations }: SnowflakeCatalogue, qualified: string): boolean {
  const wanted = qualified.toUpperCase();
  return relations.some((relation) =>
    relation.columns?.some(({ name }) => {
      const within = `${relation.schema}.${relation.name}.${name}`.toUpperCase();
      return within === wanted || `${relation.database.toUpperCase()}.${within}` === wanted;
    }),
  );
}

const STORED: ReadonlySet<RelationKind> = new Set(['table', 'external']);
const TREE_KINDS: Partial<Record<RelationKind, TreeColumn['relationKind']>> = {
  table: 'table',
  external: 'foreign',
  view: 'view',
  stream: 'view',
  matview: 'matview',
  dynamic: 'matview',
};

function storedColumns(catalogue: SnowflakeCatalogue): readonly StoredColumn[] {
  return catalogue.relations
    .filter(({ kind }) => STORED.has(kind))
    .flatMap(({ database, schema, name, columns }) =>
      (columns ?? []).map((column) => ({
        database,
        schema,
        relation: name,
        column: column.name,
        type: column.type,
        kind: kindOf(column.type),
      })),
    );
}

const trees = new WeakMap<SnowflakeCatalogue, readonly TreeColumn[]>();

function treeOf(catalogue: SnowflakeCatalogue): readonly TreeColumn[] {
  let tree = trees.get(catalogue);
  if (tree === undefined) trees.set(catalogue, (tree = treeColumns(catalogue)));
  return tree;
}

function treeColumns({ relations }: SnowflakeCatalogue): readonly TreeColumn[] {
  return relations
    .toSorted((a, b) => compare(schemaOf(a), schemaOf(b)) || compare(a.name, b.name))
    .flatMap((relation) => {
      const relationKind = TREE_KINDS[relation.kind];
      if (relationKind === undefined) return [];
      return (relation.columns ?? []).map(({ name, type }) => ({
        schema: schemaOf(relation),
        relation: relation.name,
        relationKind,
        column: name,
        type,
      }));
    });
}

/** Surfaces know three parts of a name; the first has both. */
const schemaOf = ({ database, schema }: Pick<SnowflakeRelation, 'database' | 'schema'>): string => `${database}.${schema}`;

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

function kindOf(type: string): StoredColumn['kind'] {
  if (/^(TEXT|VARCHAR|STRING|CHAR)/.test(type)) return 'text';
  if (/^(NUMBER|FIXED|FLOAT|REAL|DECIMAL|NUMERIC|INT|DOUBLE)/.test(type)) return 'number';
  if (/^(DATE|TIMESTAMP)/.test(type)) return 'date';
  return type.startsWith('BINARY') ? 'binary' : 'other';
}
