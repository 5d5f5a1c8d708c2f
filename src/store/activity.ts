// What log entries mean for the counts over time, and how those are summed up. Pure: see session-row.ts.

import type { EntryOutline } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import type { TargetName } from '../core/ids.ts';
import type { Activity, ActivityCounts, ActivityFilter } from '../core/ports.ts';

/** Widths of the buckets that are kept, ms: any step is summed up from the widest that divides it. */
export const SPANS_MS = [300_000, 3_600_000] as const;

/** Which columns an answer shows, by how. */
interface Shown {
  readonly maskedColumns: number;
  readonly classes: readonly { readonly name: string; readonly masked: number; readonly clear: number }[];
}

type Columns = NonNullable<NonNullable<EntryOutline['result']>['columns']>;

const nothingShown: Shown = { maskedColumns: 0, classes: [] };
/** Outlines of equal answers share their columns. */
const known = new WeakMap<Columns, Shown>();

/** Of a `request.result`, per row. */
export function shownBy({ result }: EntryOutline): Shown {
  const columns = result?.columns;
  if (columns === undefined) return nothingShown;
  let shown = known.get(columns);
  if (shown === undefined) known.set(columns, (shown = shownOf(columns)));
  return shown;
}

function shownOf(columns: Columns): Shown {
  const classes = new Map<string, { name: string; masked: number; clear: number }>();
  let maskedColumns = 0;
  for (const { classes: names, mask } of columns) {
    const isMasked = mask !== 'clear';
    if (isMasked) maskedColumns += 1;
    for (const name of names) {
      const counts = classes.get(name) ?? { name, masked: 0, clear: 0 };
      counts[isMasked ? 'masked' : 'clear'] += 1;
      classes.set(name, counts);
    }
  }
  return { maskedColumns, classes: [...classes.values()] };
}

export const NO_ACTIVITY: ActivityCounts = { statements: 0, held: 0, denied: 0, rows: 0, maskedCells: 0 };

/** What one entry of a known session adds; null = nothing. */
export function activityOf(entry: EntryOutline): ActivityCounts | null {
  switch (entry.type) {
    case 'request.intent':
      return { ...NO_ACTIVITY, statements: 1 };
    case 'request.denied':
      return { ...NO_ACTIVITY, statements: 1, denied: 1 };
    case 'request.held':
      return { ...NO_ACTIVITY, held: 1 };
    case 'request.result': {
      const rows = entry.result?.rows ?? 0;
      return rows === 0 ? null : { ...NO_ACTIVITY, rows, maskedCells: rows * shownBy(entry).maskedColumns };
    }
    default:
      return null;
  }
}

export function plus(one: ActivityCounts, other: ActivityCounts): ActivityCounts {
  return {
    statements: one.statements + other.statements,
    held: one.held + other.held,
    denied: one.denied + other.denied,
    rows: one.rows + other.rows,
    maskedCells: one.maskedCells + other.maskedCells,
  };
}

/** Counts of one principal on one target in one step. */
export interface ActivityPart extends ActivityCounts {
  readonly atMs: number;
  readonly principal: ActorRef;
  readonly onBehalfOf: ActorRef | null;
  /** Tells principals, with whom they act for, from each other. */
  readonly who: string;
  readonly target: string;
  readonly lastAtMs: number;
}

/** Cells by class; `who` as above. */
export interface ClassPart {
  readonly who: string;
  readonly class: string;
  readonly masked: number;
  readonly clear: number;
}

export function summarise(parts: readonly ActivityPart[], classParts: readonly ClassPart[], { principals }: ActivityFilter): Activity {
  const byWho = Map.groupBy(parts, ({ who }) => who);
  const byTarget = Map.groupBy(parts, ({ target }) => target);
  const classesOf = Map.groupBy(classParts, ({ who }) => who);
  const busiest = [...byWho]
    .flatMap(([who, of]) => of.slice(0, 1).map(({ principal, onBehalfOf }) => ({ who, of, principal, onBehalfOf, sum: sumOf(of) })))
    .toSorted((a, b) => b.sum.statements - a.sum.statements || b.sum.rows - a.sum.rows || (a.who < b.who ? -1 : 1))
    .slice(0, principals);
  return {
    totals: sumOf(parts),
    points: pointsOf(parts),
    principals: busiest.map(({ who, of, principal, onBehalfOf, sum }) => ({
      ...sum,
      principal,
      onBehalfOf,
      classes: [...new Set((classesOf.get(who) ?? []).map((part) => part.class))].toSorted(),
      points: pointsOf(of),
    })),
    targets: [...byTarget]
      .map(([target, of]) => ({ ...sumOf(of), target: target as TargetName, lastAtMs: Math.max(...of.map(({ lastAtMs }) => lastAtMs)) }))
      .toSorted((a, b) => (a.target < b.target ? -1 : 1)),
    classes: [...Map.groupBy(classParts, (part) => part.class)]
      .map(([name, of]) => ({
        class: name,
        masked: of.reduce((sum, { masked }) => sum + masked, 0),
        clear: of.reduce((sum, { clear }) => sum + clear, 0),
      }))
      .toSorted((a, b) => (a.class < b.class ? -1 : 1)),
  };
}

function sumOf(parts: readonly ActivityCounts[]): ActivityCounts {
  return parts.reduce(plus, NO_ACTIVITY);
}

function pointsOf(parts: readonly ActivityPart[]): (ActivityCounts & { readonly atMs: number })[] {
  return [...Map.groupBy(parts, ({ atMs }) => atMs)].map(([atMs, of]) => ({ atMs, ...sumOf(of) })).toSorted((a, b) => a.atMs - b.atMs);
}

/** The widest kept buckets that steps of this width are made of. */
export function spanFor(stepMs: number): number {
  return SPANS_MS.findLast((span) => stepMs % span === 0) ?? SPANS_MS[0];
}
