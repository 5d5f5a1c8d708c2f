// From the masks of a principal to the expression for one column. The least revealing mask of all its classes counts.

import { maskFor, type MaskMethod, maskOfClass, type MaskSet } from '../core/decision.ts';
import { maskSql } from './methods.ts';

export interface ProtectedColumn {
  readonly columnName: string;
  /** As `format_type` prints it. */
  readonly typeName: string;
  readonly typeSchema?: string;
  /** Classes of the column, sorted. Empty = not protected. */
  readonly classes: readonly string[];
}

/** @returns null when the column is shown in clear. `method` is the one policy asked for: a type it says nothing about
 *  is shown as `redact` all the same. */
export function maskExpression(column: ProtectedColumn, masks: MaskSet): { readonly sql: string; readonly method: MaskMethod } | null {
  const method = maskFor(column.classes, masks);
  const className = column.classes.find((name) => maskOfClass(name, masks) === method) ?? '';
  const sql = maskSql(method, column.columnName, column.typeName, className, column.typeSchema);
  return sql === null ? null : { sql, method };
}
