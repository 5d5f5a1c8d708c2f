// Scopes of one query level while a statement is walked: which CTEs are visible, which relations the FROM clause
// names so far, and whether the target of a write (which stays raw) can be reached from here.

import type { Relation } from './catalogue.ts';
import { nameList } from './resolve.ts';
import type { Body } from './rewrite.ts';

/** CTE names visible at a point: the client's name -> ours. */
export interface CteScope {
  readonly parent: CteScope | null;
  readonly names: Map<string, string>;
}

/** One entry of a FROM clause. */
export interface FromItem {
  readonly name: string | null;
  readonly relation: Relation | null;
  /** Column names it surely has; null = not known. */
  readonly columns: ReadonlyMap<string, unknown> | null;
  readonly replaced: boolean;
  /** What stands for it, while its masked columns may be looked up there. */
  readonly standIn?: StandIn;
}

/** A stand-in in the tree. */
export interface StandIn {
  /** Fields of its SELECT, to which a look-up adds a condition. */
  readonly select: Body;
  /** Without inheritance children. */
  readonly only: boolean;
}

/** Target of a write of which some columns are masked. It is not rewritten, so these must not be read. */
export interface RawTarget {
  readonly relation: Relation;
  readonly masked: ReadonlySet<string>;
  /** Alias or relation name. */
  readonly name: string;
  /** Without inheritance children. */
  readonly only: boolean;
  /** Names the statement may use for it: alias or relation name, `excluded`, `old`, `new`. */
  readonly names: Set<string>;
}

export interface Frame {
  readonly parent: Frame | null;
  ctes: CteScope | null;
  readonly items: FromItem[];
  readonly target: RawTarget | null;
}

export function newFrame(parent: Frame | null, target: RawTarget | null = null): Frame {
  return { parent, ctes: parent === null ? null : parent.ctes, items: [], target };
}

/** Frame of a FROM sub-select without LATERAL: it does not see its siblings. */
export function blindFrame(frame: Frame): Frame {
  return { parent: frame.parent, ctes: frame.ctes, items: [], target: frame.target };
}

export function findCte(scope: CteScope | null, name: string): string | null {
  for (let at = scope; at !== null; at = at.parent) {
    const renamed = at.names.get(name);
    if (renamed !== undefined) return renamed;
  }
  return null;
}

/** The FROM entry that a qualifier means. */
export function itemOf(name: string, frame: Frame): FromItem | null {
  for (let at: Frame | null = frame; at !== null; at = at.parent) {
    const found = at.items.find((each) => each.name === name);
    if (found !== undefined || at.target?.names.has(name) === true) return found ?? null;
  }
  return null;
}

/** A column reference: the name parts before the column, and the column (null = `*`). */
export interface Reference {
  readonly qualifier: readonly string[];
  readonly column: string | null;
}

/** Where a reference may lead when a target is in reach: to its masked columns (`raw`), or surely to the FROM entry
 *  `item`, provided that the reference is written with that name. Null = no target can be meant. */
export type Reach = { readonly kind: 'raw'; readonly target: RawTarget } | { readonly kind: 'item'; readonly item: string };

export function reachOf(reference: Reference, frame: Frame): Reach | null {
  const table = reference.qualifier.at(-1);
  let item: string | null = null;
  for (let at: Frame | null = frame; at !== null; at = at.parent) {
    const { target, items } = at;
    if (target !== null && mayRead(target, table, reference.column, at === frame)) {
      return item === null ? { kind: 'raw', target } : { kind: 'item', item };
    }
    if (table !== undefined) {
      // The nearest entry of that name is meant, whatever columns it has.
      if (items.some((each) => each.name === table)) return null;
    } else if (reference.column !== null) {
      const name = reference.column;
      const having = items.filter((each) => each.columns?.has(name) === true);
      if (having.some((each) => each.replaced)) return null;
      // WHY: a clean table may have lost the column since the catalogue was read, and the name would then mean the
      // target's. With its table in front it cannot; not when several entries may share it (USING).
      item ??= having.length === 1 && items.every((each) => each.columns !== null) ? (having[0]?.name ?? null) : null;
    }
  }
  return null;
}

function mayRead(target: RawTarget, table: string | undefined, column: string | null, ownLevel: boolean): boolean {
  if (table !== undefined) return target.names.has(table) && (column === null || target.masked.has(column));
  if (column === null) return ownLevel;
  return target.masked.has(column) || target.names.has(column);
}

/** What a column reference names. */
export interface NamedColumn {
  readonly name: string;
  readonly isQualified: boolean;
  /** The entries of one level that it may be a column of, by their names alone. */
  of(frame: Pick<Frame, 'items' | 'target'>): { readonly items: readonly FromItem[]; readonly target: RawTarget | null };
}

/** Null for a reference that is no plain name: `t.*`, four parts. */
export function namedColumn(reference: Body): NamedColumn | null {
  const parts = nameList(reference['fields']);
  const name = parts?.at(-1);
  if (parts === null || name === undefined || parts.length > 3) return null;
  const table = parts.at(-2);
  const schema = parts.at(-3);
  const fits = (visible: string | null, relation: Relation | null): boolean =>
    table === undefined || (visible === table && (schema === undefined || (relation?.schema === schema && relation.name === table)));
  return {
    name,
    isQualified: table !== undefined,
    of: ({ items, target }) => ({
      items: items.filter((item) => fits(item.name, item.relation)),
      target: target !== null && fits(target.name, target.relation) ? target : null,
    }),
  };
}
