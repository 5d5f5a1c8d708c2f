// Prints precision and recall of the recognisers over the labelled corpus: by name alone, by content alone, and together.
//   node scripts/recognisers.ts [--all]

import { judgeColumn } from '../src/recognisers/index.ts';
import { CORPUS, HELD_OUT, type LabelledColumn } from '../test/support/recogniser-corpus.ts';

const ways: readonly (readonly [string, (column: LabelledColumn) => LabelledColumn])[] = [
  ['name', (column) => ({ ...column, values: null })],
  ['content', (column) => ({ ...column, relation: 'relation', name: 'x' })],
  ['both', (column) => column],
];

const percent = (part: number, all: number): string => (all === 0 ? '-' : `${((100 * part) / all).toFixed(1)} %`);
for (const [title, columns] of [
  ['corpus', CORPUS],
  ['held out', HELD_OUT],
] as const) {
  const positives = columns.filter(({ label }) => label !== null).length;
  console.log(`${title}: ${columns.length} columns, ${positives} of them protected`);
  for (const [name, seen] of ways) {
    let right = 0;
    let otherClass = 0;
    let wrong = 0;
    const faults: string[] = [];
    for (const column of columns) {
      const proposal = judgeColumn(seen(column));
      if (proposal !== null && proposal.class === column.label) right += 1;
      else if (proposal !== null && column.label !== null) otherClass += 1;
      else if (proposal !== null) wrong += 1;
      if ((proposal?.class ?? null) !== column.label)
        faults.push(`  ${column.relation}.${column.name}: ${column.label ?? 'nothing'}, proposed ${proposal?.class ?? 'nothing'}`);
    }
    const found = right + otherClass;
    console.log(
      `${name.padEnd(8)} precision ${percent(found, found + wrong)}  recall ${percent(found, positives)}  class right ${percent(right, found)}`,
    );
    if (process.argv.includes('--all') && name === 'both') console.log(faults.join('\n'));
  }
}
