// Columns that names of the policy stood for, by the numbers that their database gives them. A row is never changed: a column
// that is renamed keeps its number, and what was dropped is removed. A cluster that does not tell which it is may be any.

import { type Expression, type ExpressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import { SallyportError } from '../core/error.ts';
import type { TargetName } from '../core/ids.ts';
import type { BoundColumn, BoundColumns, ColumnName, DatabaseOrigin } from '../core/ports.ts';
import type { BoundColumnTable, StateSchema } from './schema.ts';

/** Six bound values a row; SQLite takes thousands. */
const ROWS_PER_INSERT = 250;

type Row = Pick<BoundColumnTable, 'name' | 'relation' | 'attnum'>;

/** Fails closed: a row that cannot be read is no reason to protect less. */
function toColumn({ name, relation, attnum }: Row): BoundColumn {
  let parts: unknown;
  try {
    parts = JSON.parse(name);
  } catch {
    parts = null;
  }
  if (!Array.isArray(parts) || parts.length !== 3 || !parts.every((part) => typeof part === 'string'))
    throw new SallyportError('SP_STORE_UNAVAILABLE', 'the state store holds a column name that cannot be read');
  return { name: parts as unknown as ColumnName, relation, attnum };
}

const nameText = (name: ColumnName): string => JSON.stringify(name);

/** Rows that are, or may be, of this origin of the target. */
function isOf(target: TargetName, { cluster, database }: DatabaseOrigin) {
  return (of: ExpressionBuilder<StateSchema, 'bound_columns'>): Expression<SqlBool> => {
    const place = of('target', '=', target).and('database', '=', database);
    return cluster === '' ? place : place.and('cluster', 'in', [cluster, '']);
  };
}

export function createBoundColumns(db: Kysely<StateSchema>): BoundColumns {
  return {
    async load(target, origin) {
      const rows = await db
        .selectFrom('bound_columns')
        .select(['name', 'relation', 'attnum'])
        .distinct()
        .where(isOf(target, origin))
        .orderBy('relation')
        .orderBy('attnum')
        .orderBy('name')
        .execute();
      if (rows.length > 0) return { columns: rows.map(toColumn), isMoved: false };
      const other = await db
        .selectFrom('bound_columns')
        .select(sql<number>`1`.as('one'))
        .where('target', '=', target)
        .limit(1)
        .execute();
      return { columns: [], isMoved: other.length > 0 };
    },

    async record(target, origin, { added, dropped }) {
      const { cluster, database } = origin;
      const rows = added.map(({ name, relation, attnum }) => ({ target, cluster, database, relation, attnum, name: nameText(name) }));
      await db.transaction().execute(async (tx) => {
        for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
          await tx
            .insertInto('bound_columns')
            .values(rows.slice(from, from + ROWS_PER_INSERT))
            .onConflict((conflict) => conflict.doNothing())
            .execute();
        }
        for (const { name, relation, attnum } of dropped) {
          await tx
            .deleteFrom('bound_columns')
            .where(isOf(target, origin))
            .where('relation', '=', relation)
            .where('attnum', '=', attnum)
            .where('name', '=', nameText(name))
            .execute();
        }
      });
    },
  };
}
