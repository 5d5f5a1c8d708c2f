// Masks the rows that are part of the answer itself. REFUSES: rows with another number of cells, and cells that are neither text nor null.

import { setImmediate as turn } from 'node:timers/promises';
import { cellMask, type CellMask } from './cell.ts';
import { malformed } from './columns.ts';
import type { ResultPlan } from './plan.ts';
import type { SnowflakeRow } from './query-data.ts';
import type { RowCollector } from './row-frames.ts';

/** Rows between two turns of the event loop. */
const ROWS_AT_ONCE = 2000;

export async function maskRowset(
  rowset: readonly unknown[],
  plan: ResultPlan,
  collector: RowCollector | null,
  signal: AbortSignal,
): Promise<SnowflakeRow[]> {
  const masks = plan.columns.map((column) => cellMask(column, plan));
  const shown: SnowflakeRow[] = [];
  for (let at = 0; at < rowset.length; at += ROWS_AT_ONCE) {
    if (at > 0) await turn(undefined, { signal });
    for (const row of rowset.slice(at, at + ROWS_AT_ONCE)) {
      const cells = maskRow(row, masks);
      if (collector?.isOpen === true) collector.row(cells);
      shown.push(cells);
    }
  }
  return shown;
}

function maskRow(row: unknown, masks: readonly CellMask[]): SnowflakeRow {
  if (!Array.isArray(row) || row.length !== masks.length) throw malformed('a row with another number of cells');
  const cells: readonly unknown[] = row;
  return masks.map((mask, index) => {
    const cell = textOrNull(cells[index]);
    if (mask.kind === 'clear') return cell;
    if (mask.kind === 'constant') return mask.cell;
    return cell === null ? null : mask.map(cell, mask.subject === null ? null : textOrNull(cells[mask.subject]));
  });
}

function textOrNull(cell: unknown): string | null {
  if (cell !== null && typeof cell !== 'string') throw malformed('a cell that is no text');
  return cell;
}
