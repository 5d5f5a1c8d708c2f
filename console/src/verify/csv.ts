// Reads what src/evidence/csv.ts writes.

/** Cells of each line, as they were before they were written: an apostrophe in front of what a spreadsheet would take for a formula is gone. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  for (let match = cell.exec(text); match !== null; match = cell.exec(text)) {
    const written = match[1]?.replaceAll('""', '"') ?? match[2] ?? '';
    row.push(written.replace(/^'(?=\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])/, ''));
    if (match[3] === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
