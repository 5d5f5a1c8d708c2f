// Masked Arrow streams, read by the Python connector's own reader. By hand, because the reader comes from a package registry:
//   python3 -m venv /tmp/reader && /tmp/reader/bin/pip install 'snowflake-connector-python<5' pyarrow pandas
//   SALLYPORT_PYTHON=/tmp/reader/bin/python node --test test/snowflake/arrow-reader.check.ts
// The reader checks whole buffers, so this is where the two traps of the format show (docs/protocols/snowflake.md).

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Mask } from '../../src/core/mask.ts';
import { ArrowStream } from '../../src/protocols/snowflake/results/arrow-stream.ts';
import { instantOf, instantText } from '../../src/protocols/snowflake/results/cell.ts';
import type { ColumnPlan } from '../../src/protocols/snowflake/results/columns.ts';
import type { ResultPlan } from '../../src/protocols/snowflake/results/plan.ts';
import { RowCollector, shownText } from '../../src/protocols/snowflake/results/row-frames.ts';
import { arrowStream, everyColumn, output, planOf } from '../../src/protocols/snowflake/results/testing.ts';

const python = process.env['SALLYPORT_PYTHON'];
const hasReader =
  python !== undefined && spawnSync(python, ['-c', 'import snowflake.connector.nanoarrow_arrow_iterator, pyarrow']).status === 0;
const columns = everyColumn();

/** A collector that keeps the cells. */
class Kept extends RowCollector {
  readonly cells: (string | null)[][] = [];

  override row(cells: readonly (string | null)[]): void {
    this.cells.push([...cells]);
  }
}

function masked(plan: ResultPlan, batches: readonly number[]): { readonly bytes: Buffer; readonly cells: (string | null)[][] } {
  const kept = new Kept(plan.columns, { rows: 1e6, bytes: 1e9 });
  const stream = new ArrowStream(plan, { maxMessageBytes: 1 << 26 }, kept);
  return { bytes: Buffer.concat([...stream.push(arrowStream(columns, batches)), ...stream.end()]), cells: kept.cells };
}

/** As the script writes it. */
function asPython(column: ColumnPlan, cell: string | null): string | null {
  if (cell === null) return null;
  if (column.family === 'binary' || column.family === 'boolean') return cell;
  if (column.family === 'timestamp') {
    const instant = instantOf(cell) ?? assert.fail();
    const text = shownText({ type: 'timestamp_ntz', family: 'timestamp' }, instantText({ ...instant, digits: 9, zone: null }));
    return text.slice(0, -3).replace(/\.000000$/, '');
  }
  if (column.family === 'time')
    return shownText(column, cell)
      .slice(0, -3)
      .replace(/\.000000$/, '');
  return column.family === 'number' || column.family === 'float' ? plainNumber(cell) : shownText(column, cell);
}
const plainNumber = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

it(
  'masked streams are read by the Python connector as they were meant',
  { skip: hasReader ? false : 'no Python with the connector: see the header' },
  () => {
    const rowtype = columns.map(({ column }) => column);
    const everyMask: readonly Mask[] = [
      'clear',
      'null',
      'redact',
      'partial',
      'hash',
      'token',
      'year',
      'month',
      'zip3',
      'age-90',
      'date-shift',
      'round',
    ];
    const cases = everyMask.flatMap((mask) =>
      [[1], [2], [3, 4], [10], [11, 0, 6], [300]].map((batches) => {
        // In clear as a whole they pass as they came; what came has the traps in it.
        const plan = planOf(
          rowtype,
          rowtype.map(({ name }) => output(name === 'B' ? 'null' : mask, mask === 'date-shift' ? { subjectOutput: 6 } : {})),
        );
        return { name: `${mask} of ${batches.join('+')} rows`, plan, ...masked(plan, batches) };
      }),
    );
    const { stdout, stderr, status } = spawnSync(python ?? '', [join(import.meta.dirname, 'arrow-reader.py')], {
      input: cases.map(({ bytes }) => bytes.toString('base64')).join('\n'),
      encoding: 'utf8',
      maxBuffer: 1 << 30,
    });
    assert.equal(status, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { rows: (string | null)[][]; tableRows: number });
    assert.equal(answers.length, cases.length);
    for (const [index, { name, plan, cells }] of cases.entries()) {
      const { rows, tableRows } = answers[index] ?? assert.fail();
      assert.equal(tableRows, cells.length, name);
      const isNumber = (column: ColumnPlan): boolean => column.family === 'number' || column.family === 'float';
      const read = rows.map((row) =>
        row.map((value, place) => (value !== null && isNumber(plan.columns[place] ?? assert.fail()) ? plainNumber(value) : value)),
      );
      assert.deepEqual(
        read,
        cells.map((row) => row.map((cell, place) => asPython(plan.columns[place] ?? assert.fail(), cell))),
        name,
      );
    }
  },
);
