// Widths of a table's columns: as much as their text wants where there is room, never less than their longest word where that is possible.

import type { Cell, Column } from '../report-model.ts';
import { extentOf, SMALL } from './text.ts';

const GAP = 12;
/** A word that is longer may be broken. */
const MAX_WORD = 120;

export type TableLayout = readonly { readonly x: number; readonly width: number; readonly isNumber: boolean }[];

export function columnWidths(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): TableLayout {
  const wants = columns.map(({ label }, at) => {
    const head = extentOf(label, { ...SMALL, font: 'Helvetica-Bold' });
    let [least, most] = [head.least, head.most];
    for (const cells of rows) {
      for (const text of cells[at]?.lines ?? []) {
        const extent = extentOf(text, SMALL);
        least = Math.max(least, Math.min(extent.least, MAX_WORD));
        most = Math.max(most, extent.most);
      }
    }
    return { least, most: Math.max(least, most) };
  });
  const room = width - GAP * (columns.length - 1);
  const least = wants.reduce((sum, want) => sum + want.least, 0);
  const most = wants.reduce((sum, want) => sum + want.most, 0);
  const share = (want: { readonly least: number; readonly most: number }): number => {
    if (most <= room) return (want.most * room) / most;
    if (least >= room) return (want.least * room) / least;
    return want.least + ((want.most - want.least) * (room - least)) / (most - least);
  };
  let x = 0;
  return wants.map((want, at) => {
    const place = { x, width: share(want) + 0.01, isNumber: columns[at]?.isNumber === true };
    x += place.width + GAP;
    return place;
  });
}
