// What a mask is made over, and the small words its SQL is written in. Everything is called by its pg_catalog name: the
// search path of a session must not choose what runs.

import type { SqlType } from './sql-types.ts';

export interface Subject {
  /** Expression of the value: the quoted column, an element of an array, or the base value of a domain. */
  readonly value: string;
  readonly type: SqlType;
  readonly className: string;
  /** Arguments of the mask, defaults included. */
  readonly args: readonly number[];
  /** Says whose data it is. `class`: policy names no column for it, all values of the class belong together. Null: the
   *  relation does not have the column that policy names. */
  readonly owner: { readonly sql: string } | 'class' | null;
  /** Id of the key that tokens are made with. */
  readonly keyId: string;
}

export const fn = (name: string, ...args: readonly string[]): string => `pg_catalog.${name}(${args.join(', ')})`;
export const asText = (subject: Subject): string => `${subject.value}::text`;

/** NULL of the value's type. Types that only the catalogue knows are named through the value: the planner folds this to
 *  NULL before anything is read, and it skips the constraints of domains. */
export const nullOf = ({ value, type }: Pick<Subject, 'value' | 'type'>): string =>
  type.cast === null ? `CASE WHEN false THEN ${value} END` : `NULL::${type.cast}`;

export function redacted(subject: Pick<Subject, 'value' | 'type'>): string {
  const { type } = subject;
  return type.family === 'text' && type.cast !== null ? `'***'::${type.cast}` : nullOf(subject);
}
