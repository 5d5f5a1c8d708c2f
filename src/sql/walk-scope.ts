// Scopes of one query level while a statement is walked: which CTEs are visible, which relations the FROM clause
// names so far, and whether the target of a write (which stays raw) can be reached from here.

import type { Relation } from './catalogue.ts';

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
}

/** Target of a write of which some columns are masked. It is not rewritten, so these must not be read. */
export interface RawTarget {
  readonly relation: Relation;
  readonly masked: ReadonlySet<string>;
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

/** A column reference: the name parts before the column, and the column (null = `*`). */
export interface Reference {
  readonly qualifier: readonly string[];
  readonly column: string | null;
}

/** The target whose masked columns `reference` may read, or null when it surely reads something else. */
export function rawTargetOf(reference: Reference, frame: Frame): RawTarget | null {
  const table = reference.qualifier.at(-1);
  for (let at: Frame | null = frame; at !== null; at = at.parent) {
    const { target } = at;
    if (target !== null && mayRead(target, table, reference.column, at === frame)) return target;
    if (table === undefined && reference.column !== null) {
      const name = reference.column;
      if (at.items.some((item) => item.columns?.has(name) === true)) return null;
    } else if (table !== undefined && at.items.some((item) => item.name === table)) {
      return null;
    }
  }
  return null;
}

function mayRead(target: RawTarget, table: string | undefined, column: string | null, ownLevel: boolean): boolean {
  if (table !== undefined) return target.names.has(table) && (column === null || target.masked.has(column));
  if (column === null) return ownLevel;
  return target.masked.has(column) || target.names.has(column);
}
