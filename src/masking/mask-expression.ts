// From the masks of a principal to the expression for one column. The least revealing mask of all its classes counts.

import { maskFor, maskOfClass, type MaskSet } from '../core/decision.ts';
import type { Mask } from '../core/mask.ts';
import { type ColumnToMask, maskSql } from './methods.ts';

export interface ProtectedColumn extends Omit<ColumnToMask, 'className' | 'subjectColumn'> {
  /** Classes of the column, sorted. Empty = not protected. */
  readonly classes: readonly string[];
  /** See `ColumnToMask.subjectColumn`; asked for the class whose mask counts. */
  readonly subjectOf?: (className: string) => ColumnToMask['subjectColumn'];
}

export interface MaskedColumn {
  readonly sql: string;
  /** The mask policy asked for: a type it says nothing about is shown as `redact` all the same. */
  readonly mask: Mask;
  /** The class that asked for it. */
  readonly className: string;
}

/** @returns null when the column is shown in clear. */
export function maskExpression({ classes, subjectOf, ...column }: ProtectedColumn, masks: MaskSet): MaskedColumn | null {
  const mask = maskFor(classes, masks);
  const className = classes.find((name) => maskOfClass(name, masks) === mask) ?? '';
  const subjectColumn = subjectOf?.(className);
  const sql = maskSql(mask, { ...column, className, ...(subjectColumn === undefined ? {} : { subjectColumn }) });
  return sql === null ? null : { sql, mask, className };
}
