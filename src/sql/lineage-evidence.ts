// What lineage notes for those who ask whose data a statement touches (subject-uses.ts): which readings of relations there are, what
// their columns are compared with, and what is stored. Noted on the way, and only when somebody asks.

import type { A_Expr, InsertStmt, Node } from '@pgsql/types';
import { namesOf } from './lineage-names.ts';
import type { Equality, Instance, Leaf, Origin, Scope, Sources, Value } from './lineage-scope.ts';

/** The other side of an equality. `array`: one of its elements is meant. */
export interface Side {
  readonly node: Node;
  readonly isArray: boolean;
}

/** Rows of the reading of each of `columns` come through only where it equals `other`. */
export interface Requirement {
  readonly columns: readonly Origin[];
  readonly other: Side | readonly Origin[];
  /** Where the readings must be for that; null = wherever they are. */
  readonly leaves: ReadonlySet<Leaf> | null;
}

export interface LineageEvidence {
  readonly readings: readonly Instance[];
  /** Readings whose rows reach the result on several ways. */
  readonly shared: ReadonlySet<Instance>;
  /** Equalities of columns anywhere, also where they need not hold. */
  readonly compared: readonly { readonly sources: Sources; readonly other: Side }[];
  readonly required: readonly Requirement[];
  /** Values that are set; null = not one that the statement spells. */
  readonly stored: readonly { readonly relation: string; readonly column: string; readonly value: Node | null }[];
  /** What each INSERT sets. */
  readonly inserted: readonly { readonly relation: string; readonly columns: readonly string[] }[];
  /** Rows that a change in a WITH changes, whatever the query around it does with its RETURNING. */
  readonly changedWithin: ReadonlySet<Instance>;
  /** Relations whose rows an ON CONFLICT may change. */
  readonly upserts: ReadonlySet<string>;
  /** What is shown beside a row may be of other rows: window functions, grouping sets. */
  readonly mixesRows: boolean;
  /** By output: the columns that it shows unchanged, when it shows nothing else; null when positions cannot be relied on. */
  readonly outputs: readonly (readonly Origin[])[] | null;
}

export class Evidence {
  readonly readings: Instance[] = [];
  readonly shared = new Set<Instance>();
  readonly compared: { sources: Sources; other: Side }[] = [];
  readonly required: Requirement[] = [];
  readonly stored: { relation: string; column: string; value: Node | null }[] = [];
  readonly inserted: { relation: string; columns: readonly string[] }[] = [];
  readonly changedWithin = new Set<Instance>();
  readonly upserts = new Set<string>();
  mixesRows = false;
  readonly #referenced = new Set<Instance>();
  #changed: readonly Instance[] = [];

  /** @returns what it was given. */
  reading<Part extends { readonly leaves: readonly Leaf[] }>(part: Part): Part {
    for (const { reading } of part.leaves) this.readings.push(...reading.reads);
    return part;
  }

  /** As `reading`, of what a change changes. */
  changes<Part extends { readonly leaves: readonly Leaf[] }>(part: Part): Part {
    this.#changed = part.leaves.flatMap(({ reading }) => [...reading.reads]);
    for (const instance of this.#changed) this.changedWithin.add(instance);
    return this.reading(part);
  }

  /** The change that was walked last is the statement itself. */
  answersChange(): void {
    for (const instance of this.#changed) this.changedWithin.delete(instance);
  }

  /** A WITH table is named once more. */
  named(reads: ReadonlySet<Instance>): void {
    for (const instance of reads) {
      if (this.#referenced.has(instance)) this.shared.add(instance);
      this.#referenced.add(instance);
    }
  }

  /** @param valueOf of a column; null for what is none. */
  compares(test: A_Expr, valueOf: (side: Node) => Value | null): void {
    for (const [side, other] of sidesOf(test)) {
      const bare = 'TypeCast' in side && side.TypeCast.arg !== undefined ? side.TypeCast.arg : side;
      const value = valueOf(bare);
      if (value !== null && value.sources.size > 0) this.compared.push({ sources: value.sources, other });
    }
  }

  /** As `compares`, where rows of `bounds` must fulfil it. */
  requires(test: A_Expr, valueOf: (side: Node) => Value | null, scope: Scope, bounds: Equality['bounds']): void {
    const leaves = leavesOf(scope, bounds);
    for (const [side, other] of sidesOf(test)) {
      const columns = valueOf(side)?.origins ?? [];
      const value = valueOf(other.node);
      // What may be something else is not tied by what its columns are tied to.
      if (columns.length > 0 && value?.isPartial !== true) this.required.push({ columns, other: value?.origins ?? other, leaves });
    }
  }

  /** USING. */
  joined(one: readonly Value[], two: readonly Value[], leaves: ReadonlySet<Leaf>): void {
    for (const [side, other] of [[one, two] as const, [two, one] as const]) {
      if (other.some(({ origins, isPartial }) => origins.length === 0 || isPartial === true)) continue;
      this.required.push({ columns: side.flatMap(({ origins }) => origins), other: other.flatMap(({ origins }) => origins), leaves });
    }
  }

  /** `column IN (SELECT listed ...)`: of the sub-select only what is matched has any effect. */
  lists(column: Value, listed: Value, scope: Scope, bounds: Equality['bounds']): void {
    if (listed.isPartial !== true) this.required.push({ columns: column.origins, other: listed.origins, leaves: leavesOf(scope, bounds) });
    if (column.isPartial !== true) this.required.push({ columns: listed.origins, other: column.origins, leaves: null });
  }

  stores(relation: string, column: string, value: Node | undefined): void {
    this.stored.push({ relation, column, value: value ?? null });
  }

  inserts(relation: string, columns: readonly string[] | null, { selectStmt, onConflictClause }: InsertStmt): void {
    if (onConflictClause?.action === 'ONCONFLICT_UPDATE') this.upserts.add(relation);
    this.inserted.push({ relation, columns: columns ?? [] });
    const lists = selectStmt !== undefined && 'SelectStmt' in selectStmt ? selectStmt.SelectStmt.valuesLists : undefined;
    for (const [index, column] of (columns ?? ['*']).entries()) {
      if (lists === undefined) this.stores(relation, column, undefined);
      for (const list of lists ?? []) {
        const items = 'List' in list ? (list.List.items ?? []) : [];
        this.stores(relation, column, items.some(isStar) ? undefined : items[index]);
      }
    }
  }
}

/** `a = b`, `(a, b) = (c, d)`, `a IN (...)`, `a = ANY (...)`, `a IS NOT DISTINCT FROM b`. */
function sidesOf({ kind, name, lexpr, rexpr }: A_Expr): readonly (readonly [Node, Side])[] {
  const names = namesOf(name) ?? [];
  if (names.at(-1) !== '=' || (names.length > 1 && names.at(-2) !== 'pg_catalog') || lexpr === undefined || rexpr === undefined) return [];
  switch (kind) {
    case 'AEXPR_OP':
    case 'AEXPR_NOT_DISTINCT':
      if (!('RowExpr' in lexpr && 'RowExpr' in rexpr)) return both(lexpr, rexpr);
      if ([...(lexpr.RowExpr.args ?? []), ...(rexpr.RowExpr.args ?? [])].some(isStar)) return [];
      return (lexpr.RowExpr.args ?? []).flatMap((side, index) => {
        const other = rexpr.RowExpr.args?.[index];
        return other === undefined ? [] : both(side, other);
      });
    case 'AEXPR_IN':
    case 'AEXPR_OP_ANY':
      return [[lexpr, { node: rexpr, isArray: kind === 'AEXPR_OP_ANY' }]];
    default:
      return [];
  }
}

/** Stands for several columns: nothing behind it is where it seems to be. */
function isStar(node: Node): boolean {
  const last =
    'ColumnRef' in node ? node.ColumnRef.fields?.at(-1) : 'A_Indirection' in node ? node.A_Indirection.indirection?.at(-1) : null;
  return last !== null && last !== undefined && 'A_Star' in last;
}

const both = (left: Node, right: Node): readonly (readonly [Node, Side])[] => [
  [left, { node: right, isArray: false }],
  [right, { node: left, isArray: false }],
];

/** `all` is all of this scope, not of the scopes around it. */
function leavesOf({ items, columns }: Scope, bounds: Equality['bounds']): ReadonlySet<Leaf> {
  return bounds === 'all' ? new Set([...items, ...columns].flatMap(({ leaves }) => leaves)) : bounds;
}
