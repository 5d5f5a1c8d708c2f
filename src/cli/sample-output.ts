// Rows that a held UPDATE or DELETE would change, for reviewers: one line for each column, one column for each row.

import type { RowSampleView } from './answers.ts';
import type { Output } from './output.ts';

const cellText = (value: string | null, shown: string): string => (value === null ? 'NULL' : shown === 'length' ? `${value} bytes` : value);

export function printSample(out: Output, sample: RowSampleView): void {
  const { columns, rows, isPaired, columnsLeftOut } = sample;
  out.line();
  const headOf = ({ before, after }: RowSampleView['rows'][number], at: number): string =>
    before === null ? `row ${at + 1}, after` : after === null ? `row ${at + 1}, ${isPaired ? 'deleted' : 'before'}` : `row ${at + 1}`;
  out.table(
    ['column', ...rows.map(headOf)],
    columns.map(({ name, shown, isKey, isAssigned }, column) => [
      `${name}${isKey ? ' (key)' : ''}${isAssigned ? ' (set)' : ''}`,
      ...rows.map(({ before, after }) => {
        const [old, now] = [before, after].map((cells) => (cells === null ? null : cellText(cells[column] ?? null, shown)));
        if (old === null || now === null) return old ?? now ?? '';
        return old === now ? (old ?? '') : `${old} -> ${now}`;
      }),
    ]),
  );
  if (columnsLeftOut > 0) out.note(`${columnsLeftOut} more columns are not shown`);
}
