// The catalogue as people look through it: names and types, never a value.

import type { TreeColumn } from '../../core/ports.ts';
import type { Catalogue, RelationKind } from '../../sql/catalogue.ts';
import { isSystemSchema } from '../../sql/system-relations.ts';

const KINDS: Partial<Record<RelationKind, TreeColumn['relationKind']>> = {
  table: 'table',
  partitioned: 'table',
  view: 'view',
  matview: 'matview',
  foreign: 'foreign',
};
const known = new WeakMap<Catalogue, readonly TreeColumn[]>();

/** See `TargetAnalyst.tree`. */
export function treeOf(catalogue: Catalogue): readonly TreeColumn[] {
  let tree = known.get(catalogue);
  if (tree === undefined) known.set(catalogue, (tree = columnsOf(catalogue)));
  return tree;
}

function columnsOf({ relations }: Catalogue): readonly TreeColumn[] {
  return relations
    .filter(({ schema, persistence }) => !isSystemSchema(schema) && persistence !== 'temporary')
    .toSorted((a, b) => compare(a.schema, b.schema) || compare(a.name, b.name))
    .flatMap(({ schema, name, kind, columns }) => {
      const relationKind = KINDS[kind];
      if (relationKind === undefined) return [];
      return columns.map((column) => ({ schema, relation: name, relationKind, column: column.name, type: column.typeName }));
    });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
