// From the masks of a principal to the expression for one column. The least revealing mask of all its classes counts.

import type { MaskMethod, MaskSet } from '../core/decision.ts';
import { combine, maskSql } from './methods.ts';

export interface ProtectedColumn {
  readonly columnName: string;
  /** As `format_type` prints it. */
  readonly typeName: string;
  readonly typeSchema?: string;
  /** Classes of the column, sorted. Empty = not protected. */
  readonly classes: readonly string[];
}

/** Method that a column of these classes is shown by; a class that the set does not name is `redact`. */
export function maskMethodFor(classes: readonly string[], masks: MaskSet): MaskMethod {
  return classes.length === 0 ? 'clear' : combine(classes.map((name) => methodOf(name, masks)));
}

/** @returns null when the column is shown in clear. `method` is the one policy asked for: a type it says nothing about
 *  is shown as `redact` all the same. */
export function maskExpression(column: ProtectedColumn, masks: MaskSet): { readonly sql: string; readonly method: MaskMethod } | null {
  const method = maskMethodFor(column.classes, masks);
  const className = column.classes.find((name) => methodOf(name, masks) === method) ?? '';
  const sql = maskSql(method, column.columnName, column.typeName, className, column.typeSchema);
  return sql === null ? null : { sql, method };
}

function methodOf(className: string, masks: MaskSet): MaskMethod {
  return Object.hasOwn(masks.byClass, className) ? (masks.byClass[className] ?? 'redact') : 'redact';
}
