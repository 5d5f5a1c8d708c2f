// Lists of sessions out of the index, newest first: each is driven by one facet, whose sessions lie in order, and what is left of
// the filter is looked at row by row. WHY facets in a table of their own: SQLite picks one index for a query, and no index over
// columns of the row has classes, or both principals of it.

import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { SessionFilter, SessionRow } from '../core/ports.ts';
import type { IndexSchema, SessionTable } from './schema.ts';
import { ownersOf } from './session-row.ts';

const ownerFacet = (key: string): string => `owner ${key}`;
const targetFacet = (target: string): string => `target ${target}`;
const classFacet = (name: string): string => `class ${name}`;
const LIVE = 'live';

export function facetsOf(row: SessionRow): readonly string[] {
  return [
    ...ownersOf(row).map(ownerFacet),
    targetFacet(row.target),
    ...row.classes.map(classFacet),
    ...(row.closedAtMs === null ? [LIVE] : []),
    ...(row.held > 0 ? ['held'] : []),
    ...(row.denied > 0 ? ['denied'] : []),
    ...(row.statements > row.denied ? ['allowed'] : []),
  ];
}

/** A search that finds more principals than this reads sessions in their order instead: enough of them will be theirs. */
const MAX_PRINCIPALS = 50;

export async function listSessions(db: Kysely<IndexSchema>, filter: SessionFilter): Promise<SessionTable[]> {
  const range = await rangeOf(db, filter);
  if (range === null) return [];
  const driving = await drivingFacets(db, filter);
  if (driving === null) {
    const rows = await sql<SessionTable>`SELECT s.* FROM sessions s WHERE ${conditions(filter, range)}
      ORDER BY s.open_index DESC LIMIT ${filter.limit}`.execute(db);
    return rows.rows;
  }
  const found = new Map<number, SessionTable>();
  for (const facet of driving) {
    // CROSS JOIN keeps SQLite from turning the order around.
    const { rows } = await sql<SessionTable>`SELECT s.* FROM session_facets f CROSS JOIN sessions s ON s.open_index = f.open_index
      WHERE f.facet = ${facet} AND f.open_index BETWEEN ${range.from} AND ${range.to} AND ${conditions(filter, range)}
      ORDER BY f.open_index DESC LIMIT ${filter.limit}`.execute(db);
    for (const row of rows) found.set(row.open_index, row);
  }
  return [...found.values()].toSorted((a, b) => b.open_index - a.open_index).slice(0, filter.limit);
}

interface Range {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** Where in the log the sessions of the period lie; null = there are none. Clocks step: the rows are still to be looked at. */
async function rangeOf(db: Kysely<IndexSchema>, { sinceMs, untilMs, before }: SessionFilter): Promise<Range | null> {
  const to = before === undefined ? Number.MAX_SAFE_INTEGER : before - 1;
  if (sinceMs === undefined && untilMs === undefined) return { from: 0, to };
  const { rows } = await sql<{ first: number | null; last: number | null }>`SELECT min(open_index) AS first, max(open_index) AS last
    FROM sessions WHERE opened_at_ms >= ${sinceMs ?? 0} AND opened_at_ms < ${untilMs ?? Number.MAX_SAFE_INTEGER}`.execute(db);
  const { first, last } = rows[0] ?? { first: null, last: null };
  return first === null || last === null ? null : { from: first, to: Math.min(to, last) };
}

/** What narrows the list down most, as far as one can know. Null = nothing; empty = there is no such session. */
async function drivingFacets(db: Kysely<IndexSchema>, filter: SessionFilter): Promise<readonly string[] | null> {
  const { owner, principal, live, decision, class: className, target } = filter;
  if (owner !== undefined) return [ownerFacet(owner)];
  if (principal !== undefined) {
    const { rows } = await sql<{ key: string }>`SELECT key FROM actors WHERE instr(text, ${principal.toLowerCase()}) > 0
      LIMIT ${MAX_PRINCIPALS + 1}`.execute(db);
    if (rows.length <= MAX_PRINCIPALS) return rows.map(({ key }) => ownerFacet(key));
  }
  if (live === true) return [LIVE];
  if (decision === 'held' || decision === 'denied') return [decision];
  if (className !== undefined) return [classFacet(className)];
  if (target !== undefined) return [targetFacet(target)];
  return decision === undefined ? null : [decision];
}

function conditions({ owner, principal, live, decision, class: className, target, sinceMs, untilMs }: SessionFilter, range: Range) {
  const has = (facet: string): RawBuilder<unknown> =>
    sql`EXISTS (SELECT 1 FROM session_facets g WHERE g.facet = ${facet} AND g.open_index = s.open_index)`;
  const parts = [
    sql`s.open_index BETWEEN ${range.from} AND ${range.to}`,
    ...(owner === undefined ? [] : [has(ownerFacet(owner))]),
    ...(principal === undefined ? [] : [sql`instr(s.owners, ${principal.toLowerCase()}) > 0`]),
    ...(live === undefined ? [] : [live ? sql`s.closed_at_ms IS NULL` : sql`s.closed_at_ms IS NOT NULL`]),
    ...(decision === undefined ? [] : [has(decision)]),
    ...(className === undefined ? [] : [has(classFacet(className))]),
    ...(target === undefined ? [] : [sql`s.target = ${target}`]),
    ...(sinceMs === undefined ? [] : [sql`s.opened_at_ms >= ${sinceMs}`]),
    ...(untilMs === undefined ? [] : [sql`s.opened_at_ms < ${untilMs}`]),
  ];
  return sql.join(parts, sql` AND `);
}

/** Live sessions by target. */
export async function countLive(db: Kysely<IndexSchema>, owner: string | undefined): Promise<{ target: string; count: number }[]> {
  const mine =
    owner === undefined
      ? sql`1`
      : sql`EXISTS (SELECT 1 FROM session_facets g WHERE g.facet = ${ownerFacet(owner)} AND g.open_index = f.open_index)`;
  const { rows } = await sql<{ target: string; count: number }>`SELECT s.target AS target, count(*) AS count
    FROM session_facets f CROSS JOIN sessions s ON s.open_index = f.open_index WHERE f.facet = ${LIVE} AND ${mine} GROUP BY s.target`.execute(
    db,
  );
  return rows;
}
