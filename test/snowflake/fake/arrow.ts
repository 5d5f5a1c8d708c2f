// Arrow streams as Snowflake sends them: its physical types and the metadata of its fields.

import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
  makeBuilder,
  makeData,
} from 'apache-arrow';
import type { Cell, Column } from './rows.ts';

/** One IPC stream; without rows the schema only. */
export function arrowStream(columns: readonly Column[], rows: readonly (readonly Cell[])[]): Buffer {
  const types = columns.map((column, index) =>
    typeOf(
      column,
      rows.map((row) => row[index] ?? null),
    ),
  );
  const fields = columns.map((column, index) => new Field(column.name, types[index] as DataType, true, metadataOf(column)));
  const schema = new Schema(fields);
  const writer = new Writer();
  writer.reset(undefined, schema);
  if (rows.length > 0) {
    const children = columns.map((column, index) => {
      const builder = makeBuilder({ type: types[index] as DataType, nullValues: [null] });
      const convert = converterOf(column, types[index] as DataType);
      for (const row of rows) {
        const cell = row[index] ?? null;
        builder.append(cell === null ? null : convert(cell));
      }
      return builder.finish().flush();
    });
    const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children });
    writer.write(new RecordBatch(schema, data));
  }
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}

/** WHY: the length of a buffer is written with its padding, and readers check every offset in it. */
class Writer extends RecordBatchStreamWriter {
  protected override _writeBodyBuffers(buffers: ArrayBufferView[]): this {
    const padded = buffers.map((buffer) => {
      if (!(buffer instanceof Int32Array) || buffer.length % 2 === 0) return buffer;
      const longer = new Int32Array(buffer.length + 1);
      longer.set(buffer);
      longer[buffer.length] = buffer.at(-1) ?? 0;
      return longer;
    });
    return super._writeBodyBuffers(padded);
  }
}

function metadataOf(column: Column): Map<string, string> {
  return new Map([
    ['logicalType', column.type.toUpperCase()],
    ['precision', String(column.precision ?? 38)],
    ['scale', String(column.scale ?? 0)],
    ['charLength', String(column.length ?? 0)],
    // WHY: the reader tells two children of a timestamp with a zone from three by this.
    ['byteLength', String(column.type === 'timestamp_tz' ? 16 : (column.byteLength ?? 0))],
    ['finalType', 'T'],
  ]);
}

const epochFraction = [new Field('epoch', new Int64(), true), new Field('fraction', new Int32(), true)];

function typeOf(column: Column, cells: readonly Cell[]): DataType {
  switch (column.type) {
    case 'fixed':
      return fixedType(column, cells);
    case 'real':
      return new Float64();
    case 'boolean':
      return new Bool();
    case 'date':
      return new DateDay();
    case 'time':
      return new Int64();
    case 'timestamp_ntz':
    case 'timestamp_ltz':
      return new Struct(epochFraction);
    case 'timestamp_tz':
      return new Struct([...epochFraction, new Field('timezone', new Int32(), true)]);
    case 'binary':
      return new Binary();
    default:
      return new Utf8();
  }
}

/** The narrowest integer that takes the scaled values of the batch. */
function fixedType(column: Column, cells: readonly Cell[]): DataType {
  let most = 0n;
  for (const cell of cells) {
    const value = cell === null ? 0n : scaled(cell, column.scale ?? 0);
    if (value < 0n ? -value > most : value > most) most = value < 0n ? -value : value;
  }
  if (most < 128n) return new Int8();
  if (most < 32_768n) return new Int16();
  if (most < 2_147_483_648n) return new Int32();
  if (most < 9_223_372_036_854_775_808n) return new Int64();
  return new Decimal(column.scale ?? 0, column.precision ?? 38, 128);
}

function scaled(cell: string, scale: number): bigint {
  const [whole = '0', fraction = ''] = cell.replace('-', '').split('.');
  const size = BigInt(whole + fraction.padEnd(scale, '0').slice(0, scale));
  return cell.startsWith('-') ? -size : size;
}

function converterOf(column: Column, type: DataType): (cell: string) => unknown {
  switch (column.type) {
    case 'fixed':
      if (type instanceof Decimal) return (cell) => words(scaled(cell, column.scale ?? 0));
      if (type instanceof Int64) return (cell) => scaled(cell, column.scale ?? 0);
      return (cell) => Number(scaled(cell, column.scale ?? 0));
    case 'real':
      return (cell) => (cell === 'inf' ? Infinity : cell === '-inf' ? -Infinity : Number(cell));
    case 'boolean':
      return (cell) => cell === '1';
    case 'date':
      return (cell) => new Date(Number(cell) * 86_400_000);
    case 'time':
      return (cell) => scaled(cell, column.scale ?? 9);
    case 'timestamp_ntz':
    case 'timestamp_ltz':
      return (cell) => instant(cell);
    case 'timestamp_tz':
      return (cell) => {
        const [time = '0', zone = '1440'] = cell.split(' ');
        return { ...instant(time), timezone: Number(zone) };
      };
    case 'binary':
      return (cell) => Buffer.from(cell, 'hex');
    default:
      return (cell) => cell;
  }
}

/** Seconds rounded down, and nanoseconds. */
function instant(cell: string): { epoch: bigint; fraction: number } {
  const nanos = scaled(cell, 9);
  const rest = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { epoch: (nanos - rest) / 1_000_000_000n, fraction: Number(rest) };
}

/** 128 bits, little-endian. */
function words(value: bigint): Uint32Array {
  const bits = BigInt.asUintN(128, value);
  return Uint32Array.from([0n, 32n, 64n, 96n], (shift) => Number((bits >> shift) & 0xffff_ffffn));
}
