// How fast results of Snowflake are masked: 100,000 rows of 10 columns, 3 of them masked, as chunks that come and go compressed.
//   node scripts/bench-snowflake-results.ts
// `direct` is what a client that unzips does without the gateway; `masked` is all that the gateway does beside the network: unzip, mask, zip.

import { gunzipSync, gzipSync } from 'node:zlib';
import type { Mask } from '../src/core/mask.ts';
import { sentPlan } from '../src/protocols/snowflake/results/plan.ts';
import { arrowStream, everyColumn, output, planOf, rowType } from '../src/protocols/snowflake/results/testing.ts';
import { Transform } from '../src/protocols/snowflake/results/transform.ts';

const ROWS = 100_000;
const STEP = 32 * 1024;
const REPEATS = 5;

const jsonTypes = ['fixed', 'text', 'text', 'text', 'date', 'timestamp_ntz', 'fixed', 'text', 'boolean', 'text'];
const jsonColumns = jsonTypes.map((type, index) => rowType(`C${index}`, type, { scale: type === 'timestamp_ntz' ? 9 : 0 }));
const jsonRows = Buffer.from(
  Array.from({ length: ROWS }, (_, row) =>
    JSON.stringify([
      String(row),
      `${100 + (row % 900)}-${10 + (row % 90)}-${1000 + (row % 9000)}`,
      `Name ${row} Surname`,
      `street ${row % 977}, number ${row % 31}`,
      String(10_000 + (row % 9000)),
      `${1_500_000_000 + row}.123000000`,
      String(row * 17),
      `a note about visit ${row}, and some more words in it`,
      row % 2 === 0 ? '1' : '0',
      row % 4 === 0 ? null : `code-${row % 1000}`,
    ]),
  ).join(','),
);
const wanted = new Set(['I32', 'TXT', 'I64', 'DT', 'NTZ', 'R', 'B', 'V', 'BIN', 'I8']);
const arrowColumns = everyColumn().filter(({ column }) => wanted.has(column.name));
const arrowBytes = arrowStream(arrowColumns, [ROWS / 4, ROWS / 4, ROWS / 4, ROWS / 4]);

interface Case {
  readonly name: string;
  readonly format: 'json' | 'arrow';
  readonly bytes: Buffer;
  readonly masks: Readonly<Record<string, Mask>>;
}
const cases: readonly Case[] = [
  { name: 'json, nothing masked', format: 'json', bytes: jsonRows, masks: {} },
  { name: 'json, redact partial year', format: 'json', bytes: jsonRows, masks: { C1: 'redact', C2: 'partial', C5: 'year' } },
  { name: 'json, token hash date-shift', format: 'json', bytes: jsonRows, masks: { C1: 'token', C2: 'hash', C5: 'date-shift' } },
  { name: 'arrow, nothing masked', format: 'arrow', bytes: arrowBytes, masks: {} },
  { name: 'arrow, redact round year', format: 'arrow', bytes: arrowBytes, masks: { TXT: 'redact', I64: 'round', NTZ: 'year' } },
  { name: 'arrow, token hash date-shift', format: 'arrow', bytes: arrowBytes, masks: { TXT: 'token', BIN: 'hash', NTZ: 'date-shift' } },
];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function masked({ format, masks }: Case, zipped: Buffer): Promise<void> {
  const columns = format === 'json' ? jsonColumns : arrowColumns.map(({ column }) => column);
  const subject = format === 'json' ? 0 : columns.findIndex(({ name }) => name === 'I32');
  const plan = planOf(
    columns,
    columns.map(({ name }) => output(masks[name] ?? 'clear', { subjectOutput: masks[name] === 'date-shift' ? subject : null })),
  );
  const transform = await Transform.create({
    plan: sentPlan(plan),
    format,
    output: 'gzip',
    rowCount: ROWS,
    wanted: { rows: 0, bytes: 0 },
    maxRowBytes: 1 << 20,
    maxMessageBytes: 1 << 26,
  });
  for (let at = 0; at < zipped.length; at += STEP) await transform.step(zipped.subarray(at, at + STEP));
  await transform.step(null);
  transform.close();
}

for (const each of cases) {
  const zipped = gzipSync(each.bytes, { level: 6 });
  const megabytes = each.bytes.length / 1e6;
  const times: { wall: number; cpu: number; direct: number }[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    await masked(each, zipped);
    const wall = performance.now() - startedMs;
    const used = process.cpuUsage(cpu);
    const directMs = performance.now();
    gunzipSync(zipped);
    times.push({ wall, cpu: (used.user + used.system) / 1000, direct: performance.now() - directMs });
  }
  const wall = median(times.map((time) => time.wall));
  const cpu = median(times.map((time) => time.cpu));
  console.log(
    `${each.name.padEnd(30)} ${megabytes.toFixed(1)} MB  ${(megabytes / (wall / 1000)).toFixed(0).padStart(4)} MB/s  ${(megabytes / (cpu / 1000)).toFixed(0).padStart(4)} MB/s of one core  ${wall.toFixed(0).padStart(5)} ms (unzipping alone ${median(times.map((time) => time.direct)).toFixed(0)} ms)`,
  );
}
