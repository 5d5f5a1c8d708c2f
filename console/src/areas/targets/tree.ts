// The catalogue as lines of a list: schema, relation, column. A list and not nested boxes, so that only the lines in sight are drawn.

import type { TargetColumn } from './queries.ts';

export type Line =
  | { readonly kind: 'schema'; readonly key: string; readonly schema: string; readonly columns: number; readonly protected: number }
  | {
      readonly kind: 'relation';
      readonly key: string;
      readonly relation: string;
      readonly relationKind: TargetColumn['relationKind'];
      /** Of those that came so far. */
      readonly columns: number;
      readonly protected: number;
      readonly isClosed: boolean;
    }
  | { readonly kind: 'column'; readonly key: string; readonly column: TargetColumn };

interface SchemaCount {
  readonly schema: string;
  readonly columns: number;
  readonly protected: number;
}

/** @param columns in the order of the API: by schema, then relation. @param closed keys of relations whose columns are not shown */
export function linesOf(columns: readonly TargetColumn[], schemas: readonly SchemaCount[], closed: ReadonlySet<string>): Line[] {
  const counts = new Map(schemas.map((each) => [each.schema, each]));
  const lines: Line[] = [];
  for (const [schema, inSchema] of Map.groupBy(columns, (column) => column.schema)) {
    const count = counts.get(schema);
    lines.push({
      kind: 'schema',
      key: keyOf(schema),
      schema,
      columns: count?.columns ?? inSchema.length,
      protected: count?.protected ?? inSchema.filter(isProtected).length,
    });
    for (const [relation, inRelation] of Map.groupBy(inSchema, (column) => column.relation)) {
      const key = keyOf(schema, relation);
      const isClosed = closed.has(key);
      lines.push({
        kind: 'relation',
        key,
        relation,
        relationKind: inRelation[0]?.relationKind ?? 'table',
        columns: inRelation.length,
        protected: inRelation.filter(isProtected).length,
        isClosed,
      });
      if (isClosed) continue;
      for (const column of inRelation) lines.push({ kind: 'column', key: keyOf(schema, relation, column.column), column });
    }
  }
  return lines;
}

const isProtected = ({ classes }: TargetColumn): boolean => classes.length > 0;
/** Names may have dots. */
const keyOf = (...names: readonly string[]): string => JSON.stringify(names);

const KINDS: Readonly<Record<TargetColumn['relationKind'], string>> = {
  table: 'table',
  view: 'view',
  matview: 'materialised view',
  foreign: 'foreign table',
};

/** Why a column has a class, in words. */
export function originOf({ relationKind }: TargetColumn, { origin, pattern }: TargetColumn['classes'][number]): string {
  if (origin === 'rule') return pattern === null ? 'named by the policy' : `by ${pattern}`;
  return relationKind === 'table' ? 'holds values of a column that the policy names' : `through the ${KINDS[relationKind]}`;
}

export const kindOf = (kind: TargetColumn['relationKind']): string => KINDS[kind];

type Proposal = { readonly column: string; readonly class: string };

/** Proposals of one target by relation: `clinic:public.patients.email` is `email` of `public.patients`. */
export function proposalsOf<P extends Proposal>(
  target: string,
  proposals: readonly P[],
): ReadonlyMap<string, readonly (P & { readonly name: string })[]> {
  const start = `${target}:`;
  const own = proposals
    .filter(({ column }) => column.startsWith(start))
    .map((proposal) => ({ ...proposal, name: proposal.column.slice(proposal.column.lastIndexOf('.') + 1) }));
  return Map.groupBy(own, ({ column }) => column.slice(start.length, column.lastIndexOf('.')));
}

/** As lines of a policy file. A pattern has no quotes and no blanks in it. */
export function asPolicy(proposals: readonly Proposal[]): string {
  return [...Map.groupBy(proposals, (proposal) => proposal.class)]
    .map(
      ([name, of]) =>
        `  - class: ${name}\n    columns: [${[...new Set(of.map(({ column }) => column))].map((each) => JSON.stringify(each)).join(', ')}]`,
    )
    .join('\n');
}
