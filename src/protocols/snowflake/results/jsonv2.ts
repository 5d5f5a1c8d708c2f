// Cells as the SQL API writes them (`jsonv2`), from those of the drivers' JSON: booleans are words, times and timestamps have nine digits
// after the point. Everything else is the same in both. SPEC: docs/protocols/snowflake.md, "SQL API". REFUSES: a cell not of its type.

import type { ValueFamily } from '../../../masking/index.ts';
import { type CellMask, instantOf, instantText } from './cell.ts';
import { malformed } from './columns.ts';

/** How a partition is written. Plain data: it goes to other threads. */
export interface Jsonv2 {
  /** Instead of NULL; null = as NULL. */
  readonly nulls: string | null;
}

const NANO_DIGITS = 9;

/** @returns null when cells of the family are the same */
export function jsonv2Cell(family: ValueFamily): ((cell: string) => string) | null {
  if (family === 'boolean') return booleanWord;
  return family === 'time' || family === 'timestamp' ? nanosText : null;
}

/** The mask of a column, with what comes out of it written as `jsonv2`. */
export function jsonv2Mask(mask: CellMask, family: ValueFamily, { nulls }: Jsonv2): CellMask {
  const write = jsonv2Cell(family) ?? ((cell: string): string => cell);
  const shown = (cell: string | null): string | null => (cell === null ? nulls : write(cell));
  switch (mask.kind) {
    case 'clear':
      return jsonv2Cell(family) === null && nulls === null ? mask : { kind: 'map', subject: null, whenNull: nulls, map: shown };
    case 'constant':
      return { kind: 'constant', cell: shown(mask.cell) };
    case 'map':
      return { ...mask, whenNull: nulls, map: (cell, owner) => shown(mask.map(cell, owner)) };
  }
}

function booleanWord(cell: string): string {
  if (cell === '1' || cell === 'true') return 'true';
  if (cell === '0' || cell === 'false') return 'false';
  throw malformed('a boolean that is none');
}

function nanosText(cell: string): string {
  const instant = instantOf(cell);
  if (instant === null) throw malformed('a timestamp that is none');
  return instantText({ ...instant, digits: NANO_DIGITS });
}
