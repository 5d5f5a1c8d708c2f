// Answers as a Snowflake account gives them, for tests of this folder and for the bench: rowtypes, plans, and Arrow streams of every type.

import {
  Binary,
  Bool,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  RecordBatchStreamWriter,
} from 'apache-arrow';
import type { DataType } from 'apache-arrow';
import { deriveTokenKey, TokenSpace } from '../../../masking/index.ts';
import type { PlannedOutput, SnowflakeProtection } from '../../../sql/snowflake/types.ts';
import { bindColumns } from './columns.ts';
import type { ResultPlan } from './plan.ts';
import type { SnowflakeRowType } from './query-data.ts';

export const testTokens = new TokenSpace([deriveTokenKey('k1', 'active', 'a secret of the test', 'account')]);
export const noProtection: SnowflakeProtection = { columns: new Map(), opaque: new Set() };

export function rowType(name: string, type: string, more: Partial<SnowflakeRowType> = {}): SnowflakeRowType {
  return {
    name,
    database: 'D',
    schema: 'S',
    table: 'T',
    nullable: false,
    type,
    length: null,
    byteLength: null,
    precision: null,
    scale: null,
    ...more,
  };
}

export function output(mask: PlannedOutput['mask'], more: Partial<PlannedOutput> = {}): PlannedOutput {
  const isClear = mask === 'clear';
  return {
    name: null,
    sources: isClear ? [] : ['D.S.T.C'],
    classes: isClear ? [] : ['phi.x'],
    shape: 'value',
    mask,
    keyClass: isClear ? null : 'phi.x',
    subjectOutput: null,
    ...more,
  };
}

export function planOf(rowtype: readonly SnowflakeRowType[], outputs: readonly PlannedOutput[]): ResultPlan {
  return { columns: bindColumns(rowtype, outputs, noProtection).columns, tokens: testTokens, nowMs: Date.UTC(2026, 0, 1) };
}

/** One column of an Arrow stream: its rowtype, and what its batches are made of. */
export interface ArrowColumn {
  readonly column: SnowflakeRowType;
  readonly type: DataType;
  readonly data: (rows: number) => ReturnType<typeof makeData>;
}

/** Every third value is NULL. */
export const isNullRow = (row: number): boolean => row % 3 === 2;

function bitmap(rows: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(rows / 8));
  for (let row = 0; row < rows; row += 1) if (!isNullRow(row)) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7));
  return bits;
}

const nulls = (rows: number): number => Math.floor(rows / 3);

function fixed(
  column: SnowflakeRowType,
  type: DataType,
  values: (rows: number) => Int8Array | Int16Array | Int32Array | BigInt64Array | Float64Array | Uint32Array,
): ArrowColumn {
  return {
    column,
    type,
    data: (rows) =>
      makeData({ type: type as Int32, length: rows, nullCount: nulls(rows), nullBitmap: bitmap(rows), data: values(rows) as Int32Array }),
  };
}

function variable(column: SnowflakeRowType, type: Utf8 | Binary, valueAt: (row: number) => string | Uint8Array): ArrowColumn {
  return {
    column,
    type,
    data(rows) {
      const offsets = new Int32Array(rows + 1);
      const parts: Uint8Array[] = [];
      for (let row = 0; row < rows; row += 1) {
        const value = isNullRow(row) ? '' : valueAt(row);
        const bytes = typeof value === 'string' ? Buffer.from(value) : value;
        parts.push(bytes);
        offsets[row + 1] = (offsets[row] ?? 0) + bytes.length;
      }
      return makeData({
        type: type as Utf8,
        length: rows,
        nullCount: nulls(rows),
        nullBitmap: bitmap(rows),
        valueOffsets: offsets,
        data: Buffer.concat(parts),
      });
    },
  };
}

const longs = (rows: number, valueAt: (row: number) => bigint): BigInt64Array =>
  BigInt64Array.from({ length: rows }, (_, row) => valueAt(row));
const ints = (rows: number, valueAt: (row: number) => number): Int32Array => Int32Array.from({ length: rows }, (_, row) => valueAt(row));

function struct(
  column: SnowflakeRowType,
  parts: readonly (readonly [name: string, type: DataType, values: (rows: number) => BigInt64Array | Int32Array])[],
): ArrowColumn {
  const type = new Struct(parts.map(([name, child]) => new Field(name, child, true)));
  return {
    column,
    type,
    data: (rows) =>
      makeData({
        type,
        length: rows,
        nullCount: nulls(rows),
        nullBitmap: bitmap(rows),
        children: parts.map(([, child, values]) =>
          makeData({
            type: child as Int32,
            length: rows,
            nullCount: nulls(rows),
            nullBitmap: bitmap(rows),
            data: values(rows) as Int32Array,
          }),
        ),
      }),
  };
}

/** Values of decimals: low word first. */
function decimals(rows: number, valueAt: (row: number) => bigint): Uint32Array {
  const words = new BigUint64Array(2 * rows);
  for (let row = 0; row < rows; row += 1) {
    words[2 * row] = BigInt.asUintN(64, valueAt(row));
    words[2 * row + 1] = BigInt.asUintN(64, valueAt(row) >> 64n);
  }
  return new Uint32Array(words.buffer);
}

/** Seconds of 2001-05-06 07:08:09 and one day more for each row. */
export const secondsAt = (row: number): number => 989_132_889 + 86_400 * row;
const text = (name: string, length = 40): SnowflakeRowType => rowType(name, 'text', { length, byteLength: 4 * length });

/** Every type there is, as Snowflake encodes it. */
export function everyColumn(): ArrowColumn[] {
  return [
    fixed(rowType('I8', 'fixed', { precision: 2, scale: 0 }), new Int8(), (rows) =>
      Int8Array.from({ length: rows }, (_, row) => (row * 7) % 120),
    ),
    fixed(rowType('I16', 'fixed', { precision: 4, scale: 1 }), new Int16(), (rows) =>
      Int16Array.from({ length: rows }, (_, row) => 1234 - row),
    ),
    fixed(rowType('I32', 'fixed', { precision: 9, scale: 2 }), new Int32(), (rows) => ints(rows, (row) => -123_456 * row)),
    fixed(rowType('I64', 'fixed', { precision: 18, scale: 3 }), new Int64(), (rows) =>
      longs(rows, (row) => 9_007_199_254_740_993n + BigInt(row)),
    ),
    fixed(rowType('DEC', 'fixed', { precision: 38, scale: 5 }), new Decimal(5, 38, 128), (rows) =>
      decimals(rows, (row) => (row % 2 === 0 ? 1n : -1n) * (10n ** 30n + BigInt(row))),
    ),
    fixed(rowType('R', 'real'), new Float64(), (rows) => Float64Array.from({ length: rows }, (_, row) => row * 12.75 - 100)),
    variable(text('TXT'), new Utf8(), (row) => (row === 1 ? '' : `väl${row}-${'x'.repeat(row % 20)}`)),
    variable(rowType('BIN', 'binary', { length: 8, byteLength: 8 }), new Binary(), (row) => Buffer.from([row & 255, 0, 255])),
    {
      column: rowType('B', 'boolean'),
      type: new Bool(),
      data: (rows) => makeData({ type: new Bool(), length: rows, nullCount: nulls(rows), nullBitmap: bitmap(rows), data: bitmap(rows) }),
    },
    fixed(rowType('DT', 'date'), new DateDay(), (rows) => ints(rows, (row) => Math.floor(secondsAt(row) / 86_400))),
    fixed(rowType('TM', 'time', { scale: 9 }), new Int64(), (rows) => longs(rows, (row) => 25_689_000_000_001n + BigInt(row))),
    struct(rowType('NTZ', 'timestamp_ntz', { scale: 9 }), [
      ['epoch', new Int64(), (rows) => longs(rows, (row) => BigInt(secondsAt(row)))],
      ['fraction', new Int32(), (rows) => ints(rows, (row) => 120_000_000 + row)],
    ]),
    fixed(rowType('NTZ3', 'timestamp_ntz', { scale: 3 }), new Int64(), (rows) => longs(rows, (row) => 1000n * BigInt(secondsAt(row)) + 5n)),
    struct(rowType('LTZ', 'timestamp_ltz', { scale: 9 }), [
      ['epoch', new Int64(), (rows) => longs(rows, (row) => -BigInt(secondsAt(row)))],
      ['fraction', new Int32(), (rows) => ints(rows, () => 7)],
    ]),
    struct(rowType('TZ', 'timestamp_tz', { scale: 9, byteLength: 16 }), [
      ['epoch', new Int64(), (rows) => longs(rows, (row) => BigInt(secondsAt(row)))],
      ['fraction', new Int32(), (rows) => ints(rows, () => 250_000_000)],
      ['timezone', new Int32(), (rows) => ints(rows, () => 1440 + 120)],
    ]),
    struct(rowType('TZ3', 'timestamp_tz', { scale: 3, byteLength: 8 }), [
      ['epoch', new Int64(), (rows) => longs(rows, (row) => 1000n * BigInt(secondsAt(row)) + 25n)],
      ['timezone', new Int32(), (rows) => ints(rows, () => 1440 - 90)],
    ]),
    variable(rowType('V', 'variant'), new Utf8(), (row) => JSON.stringify({ a: row })),
    variable(rowType('O', 'object'), new Utf8(), (row) => JSON.stringify({ b: [row] })),
    variable(rowType('A', 'array'), new Utf8(), (row) => JSON.stringify([row])),
  ];
}

/** One IPC stream. @param batches rows of each */
export function arrowStream(columns: readonly ArrowColumn[], batches: readonly number[]): Buffer {
  const fields = columns.map(({ column, type }) => {
    const metadata = new Map([
      ['logicalType', column.type.toUpperCase()],
      ['precision', String(column.precision ?? 38)],
      ['scale', String(column.scale ?? 0)],
      ['charLength', String(column.length ?? 0)],
      ['byteLength', String(column.byteLength ?? 0)],
      ['finalType', 'T'],
    ]);
    return new Field(column.name, type, false, metadata);
  });
  const schema = new Schema(fields, new Map([['made', 'by a test']]));
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  for (const rows of batches) {
    const data = makeData({ type: new Struct(fields), length: rows, nullCount: 0, children: columns.map((each) => each.data(rows)) });
    writer.write(new RecordBatch(schema, data));
  }
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}
