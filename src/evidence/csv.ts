// CSV as RFC 4180 has it: CRLF, quotes where needed. REFUSES to be a programme: a cell that a spreadsheet would take for a formula gets an
// apostrophe in front.

export type Cell = string | number | null;

const FORMULA = /^[\s]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const QUOTED = /[",\r\n]/;

export function csvCell(cell: Cell): string {
  if (cell === null) return '';
  // A number of ours is one; text that looks like one is text.
  if (typeof cell === 'number') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
