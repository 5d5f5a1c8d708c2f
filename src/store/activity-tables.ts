// Counts over time in SQL: one row for each principal, target and bucket, kept in two widths. See activity.ts.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { EntryOutline } from '../core/event.ts';
import { type ActorRef, principalKey } from '../core/identity.ts';
import type { Activity, ActivityFilter, SessionRow } from '../core/ports.ts';
import { activityOf, SPANS_MS, shownBy, spanFor, summarise } from './activity.ts';
import type { ActivityClassTable, ActivityTable, IndexSchema } from './schema.ts';

/** What the entries of one call add, before it is written. */
export class ActivityChanges {
  readonly #counts = new Map<string, ActivityTable>();
  readonly #classes = new Map<string, ActivityClassTable>();

  add(row: SessionRow, entry: EntryOutline): void {
    const counts = activityOf(entry);
    if (counts === null) return;
    const atMs = Date.parse(entry.ts);
    const shown = counts.rows === 0 ? [] : shownBy(entry).classes;
    for (const span of SPANS_MS) {
      const place = {
        span_ms: span,
        at_ms: Math.floor(atMs / span) * span,
        principal: principalKey(row.principal),
        on_behalf_of: row.onBehalfOf === null ? '' : principalKey(row.onBehalfOf),
        target: row.target,
      };
      const key = `${span} ${place.at_ms} ${place.principal} ${place.on_behalf_of} ${place.target}`;
      let sum = this.#counts.get(key);
      if (sum === undefined) {
        sum = { ...place, statements: 0, held: 0, denied: 0, rows: 0, masked_cells: 0, last_at_ms: atMs, last_seq: entry.seq };
        this.#counts.set(key, sum);
      }
      sum.statements += counts.statements;
      sum.held += counts.held;
      sum.denied += counts.denied;
      sum.rows += counts.rows;
      sum.masked_cells += counts.maskedCells;
      sum.last_at_ms = Math.max(sum.last_at_ms, atMs);
      sum.last_seq = entry.seq;
      for (const { name, masked, clear } of shown) {
        const known = this.#classes.get(`${key} ${name}`);
        const of = known ?? { ...place, class: name, masked: 0, clear: 0 };
        of.masked += masked * counts.rows;
        of.clear += clear * counts.rows;
        if (known === undefined) this.#classes.set(`${key} ${name}`, of);
      }
    }
  }

  async write(tx: Transaction<IndexSchema>): Promise<void> {
    for (const row of this.#counts.values()) {
      await sql`INSERT INTO activity (span_ms, at_ms, principal, on_behalf_of, target, statements, held, denied, "rows", masked_cells,
          last_at_ms, last_seq)
        VALUES (${row.span_ms}, ${row.at_ms}, ${row.principal}, ${row.on_behalf_of}, ${row.target}, ${row.statements}, ${row.held},
          ${row.denied}, ${row.rows}, ${row.masked_cells}, ${row.last_at_ms}, ${row.last_seq})
        ON CONFLICT DO UPDATE SET statements = statements + excluded.statements, held = held + excluded.held,
          denied = denied + excluded.denied, "rows" = "rows" + excluded."rows", masked_cells = masked_cells + excluded.masked_cells,
          last_at_ms = max(last_at_ms, excluded.last_at_ms), last_seq = excluded.last_seq`.execute(tx);
    }
    for (const row of this.#classes.values()) {
      await sql`INSERT INTO activity_classes (span_ms, at_ms, principal, on_behalf_of, target, class, masked, clear)
        VALUES (${row.span_ms}, ${row.at_ms}, ${row.principal}, ${row.on_behalf_of}, ${row.target}, ${row.class}, ${row.masked}, ${row.clear})
        ON CONFLICT DO UPDATE SET masked = masked + excluded.masked, clear = clear + excluded.clear`.execute(tx);
    }
  }
}

export async function readActivity(db: Kysely<IndexSchema>, filter: ActivityFilter): Promise<Activity> {
  const { sinceMs, untilMs, stepMs, owner } = filter;
  const mine = owner === undefined ? sql`1` : sql`(a.principal = ${owner} OR a.on_behalf_of = ${owner})`;
  const where = sql`a.span_ms = ${spanFor(stepMs)} AND a.at_ms >= ${sinceMs} AND a.at_ms < ${untilMs} AND ${mine}`;
  // Parameters are doubles to SQLite, and so is what they divide.
  const { rows: parts } = await sql<Omit<ActivityTable, 'span_ms' | 'last_seq'>>`SELECT
      ${sinceMs} + CAST((a.at_ms - ${sinceMs}) / ${stepMs} AS INTEGER) * ${stepMs} AS at_ms, a.principal, a.on_behalf_of, a.target,
      sum(a.statements) AS statements, sum(a.held) AS held, sum(a.denied) AS denied, sum(a."rows") AS "rows",
      sum(a.masked_cells) AS masked_cells, max(a.last_at_ms) AS last_at_ms
    FROM activity a WHERE ${where} GROUP BY 1, 2, 3, 4`.execute(db);
  const { rows: classes } = await sql<Pick<ActivityClassTable, 'principal' | 'on_behalf_of' | 'class' | 'masked' | 'clear'>>`SELECT
      a.principal, a.on_behalf_of, a.class, sum(a.masked) AS masked, sum(a.clear) AS clear
    FROM activity_classes a WHERE ${where} GROUP BY 1, 2, 3`.execute(db);
  const actors = await actorsOf(db, new Set(parts.flatMap((part) => [part.principal, part.on_behalf_of])));
  const who = (part: Pick<ActivityTable, 'principal' | 'on_behalf_of'>): string => `${part.principal} ${part.on_behalf_of}`;
  return summarise(
    parts.map((part) => ({
      atMs: part.at_ms,
      principal: actors(part.principal),
      onBehalfOf: part.on_behalf_of === '' ? null : actors(part.on_behalf_of),
      who: who(part),
      target: part.target,
      lastAtMs: part.last_at_ms,
      statements: part.statements,
      held: part.held,
      denied: part.denied,
      rows: part.rows,
      maskedCells: part.masked_cells,
    })),
    classes.map((part) => ({ who: who(part), class: part.class, masked: part.masked, clear: part.clear })),
    filter,
  );
}

async function actorsOf(db: Kysely<IndexSchema>, keys: ReadonlySet<string>): Promise<(key: string) => ActorRef> {
  const found = new Map<string, ActorRef>();
  for (const key of keys) {
    const row = key === '' ? undefined : await db.selectFrom('actors').select('actor').where('key', '=', key).executeTakeFirst();
    if (row !== undefined) found.set(key, JSON.parse(row.actor) as ActorRef);
  }
  return (key) => {
    const [issuer = '', subject = ''] = key.split('/').map(decodeURIComponent);
    return found.get(key) ?? { issuer, subject, kind: 'service' };
  };
}

/** Forgets buckets whose entries all lie before this one. */
export async function pruneActivity(tx: Transaction<IndexSchema>, before: number): Promise<void> {
  await sql`DELETE FROM activity WHERE last_seq < ${before}`.execute(tx);
  await sql`DELETE FROM activity_classes AS c WHERE NOT EXISTS (SELECT 1 FROM activity a WHERE a.span_ms = c.span_ms AND a.at_ms = c.at_ms
    AND a.principal = c.principal AND a.on_behalf_of = c.on_behalf_of AND a.target = c.target)`.execute(tx);
}
