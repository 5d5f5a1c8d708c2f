// Masks one column of an Arrow record batch, and reads its values as the cells that JSON results have. Snowflake's own encodings: numbers as
// the narrowest integer, scaled; timestamps as scaled integers or as a struct of seconds, nanoseconds and zone. What a mask makes is written
// anew: nothing of the old buffers is left in it, also not under a NULL.
// REFUSES: masking a column whose type is not the one that its `rowtype` has.

import { DateUnit, Precision, Type } from 'apache-arrow/enum';
import type { Field } from 'apache-arrow/schema';
import { DAY_SECONDS, type ValueMask } from '../../../masking/index.ts';
import { type ArrowArray, bitmapBytes, isValid, nullArray } from './arrow-array.ts';
import { decimalText, instantText } from './cell.ts';
import { type ColumnPlan, malformed } from './columns.ts';

/** Key of the subject of a row. */
export type OwnerOf = (row: number) => string | null;

/** @throws when the field is not one that Snowflake uses for the column's type */
export function checkField(field: Field, column: ColumnPlan): void {
  if (field.metadata.get('logicalType')?.toLowerCase() !== column.type) throw malformed('an Arrow column of another type');
  const scale = field.metadata.get('scale');
  const isScaled = column.family === 'number' || column.family === 'timestamp';
  if (isScaled && scale !== undefined && Number(scale) !== column.scale) throw malformed('an Arrow column of another scale');
}

export function maskArray(field: Field, array: ArrowArray, column: ColumnPlan, mask: ValueMask, ownerOf: OwnerOf): ArrowArray {
  const { type } = field;
  const kind = type.typeId as Type;
  switch (mask.kind) {
    case 'clear':
      return array;
    case 'constant':
      if (mask.value === null) return nullArray(type, array.length);
      if (kind === Type.Utf8) return constantText(mask.value, array.length);
      break;
    case 'text':
      if (kind === Type.Utf8) return mapTexts(array, (bytes) => Buffer.from(mask.mask(bytes.toString('utf8')), 'utf8'));
      break;
    case 'binary':
      if (kind === Type.Binary) return mapTexts(array, mask.mask);
      break;
    case 'number':
      if (kind === Type.Int || kind === Type.Decimal) return mapIntegers(type, array, (value) => mask.mask(value, column.scale));
      break;
    case 'float':
      if (isDouble(type)) return mapFloats(array, mask.mask);
      break;
    case 'time':
      if (column.family === 'date' && isDays(type)) return mapDays(array, mask, ownerOf);
      if (column.family === 'timestamp') return mapInstants(type, array, column.scale, mask, ownerOf);
      break;
  }
  throw malformed('an Arrow column that cannot be masked');
}

const isDouble = (type: Field['type']): boolean =>
  type.typeId === Type.Float && (type as { readonly precision: Precision }).precision === Precision.DOUBLE;
const isDays = (type: Field['type']): boolean => type.typeId === Type.Date && (type as { readonly unit: DateUnit }).unit === DateUnit.DAY;

/** Values of `width` bytes each. */
function valuesOf({ length, buffers }: ArrowArray, width: number): DataView {
  const values = buffers[1] ?? new Uint8Array(0);
  if (values.length < width * length) throw malformed('an Arrow column without its values');
  return viewOf(values);
}

function constantText(text: string, length: number): ArrowArray {
  const bytes = Buffer.from(text, 'utf8');
  const offsets = Int32Array.from({ length: length + 1 }, (_, index) => index * bytes.length);
  return { length, nullCount: 0, buffers: [new Uint8Array(0), bytesOf(offsets), Buffer.alloc(bytes.length * length, bytes)], children: [] };
}

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Which of the new values there are. */
class Validity {
  readonly #bitmap: Uint8Array;
  readonly #length: number;
  nullCount = 0;

  constructor(length: number) {
    this.#length = length;
    this.#bitmap = new Uint8Array(bitmapBytes(length));
  }

  is(row: number): void {
    this.#bitmap[row >> 3] = (this.#bitmap[row >> 3] ?? 0) | (1 << (row & 7));
  }

  isNot(): void {
    this.nullCount += 1;
  }

  array(values: readonly Uint8Array[], children: readonly ArrowArray[] = []): ArrowArray {
    const bitmap = this.nullCount === 0 ? new Uint8Array(0) : this.#bitmap;
    return { length: this.#length, nullCount: this.nullCount, buffers: [bitmap, ...values], children };
  }
}

/** Texts and bytes. */
function mapTexts(array: ArrowArray, map: (value: Buffer) => Uint8Array): ArrowArray {
  const { length } = array;
  const valueAt = textReader(array);
  const validity = new Validity(length);
  const offsets = new Int32Array(length + 1);
  let values = Buffer.allocUnsafe(Math.max(64, 16 * length));
  let at = 0;
  for (let row = 0; row < length; row += 1) {
    const value = valueAt(row);
    if (value === null) validity.isNot();
    else {
      const shown = map(value);
      if (at + shown.length > values.length) {
        const larger = Buffer.allocUnsafe(Math.max(2 * values.length, at + shown.length));
        values.copy(larger, 0, 0, at);
        values = larger;
      }
      values.set(shown, at);
      at += shown.length;
      validity.is(row);
    }
    offsets[row + 1] = at;
  }
  return validity.array([bytesOf(offsets), values.subarray(0, at)]);
}

/** Of 32-bit offsets. */
function textReader(array: ArrowArray): (row: number) => Buffer | null {
  const [, offsets = new Uint8Array(0), values = new Uint8Array(0)] = array.buffers;
  if (array.length > 0 && offsets.length < 4 * (array.length + 1)) throw malformed('an Arrow column without its offsets');
  const places = viewOf(offsets);
  const whole = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return (row) => {
    if (!isValid(array, row)) return null;
    const start = places.getInt32(4 * row, true);
    const end = places.getInt32(4 * row + 4, true);
    if (start < 0 || end < start || end > whole.length) throw malformed('an Arrow column with offsets beyond its values');
    return whole.subarray(start, end);
  };
}

/** Whole numbers of any width, 128 bits included. */
function integerReader(type: Field['type'], array: ArrowArray): (row: number) => bigint | null {
  const width = (type as { readonly bitWidth?: number }).bitWidth ?? 0;
  const view = valuesOf(array, width / 8);
  const read: ((row: number) => bigint) | undefined = {
    8: (row: number) => BigInt(view.getInt8(row)),
    16: (row: number) => BigInt(view.getInt16(2 * row, true)),
    32: (row: number) => BigInt(view.getInt32(4 * row, true)),
    64: (row: number) => view.getBigInt64(8 * row, true),
    128: (row: number) => (view.getBigInt64(16 * row + 8, true) << 64n) | view.getBigUint64(16 * row, true),
  }[width];
  const isUnsigned = type.typeId === Type.Int && !(type as { readonly isSigned: boolean }).isSigned;
  if (read === undefined || isUnsigned) throw malformed('an Arrow column of integers of another kind');
  return (row) => (isValid(array, row) ? read(row) : null);
}

function integerWriter(
  type: Field['type'],
  length: number,
): { readonly bytes: Uint8Array; readonly write: (row: number, value: bigint) => void } {
  const width = (type as { readonly bitWidth?: number }).bitWidth ?? 0;
  const bytes = new Uint8Array((width / 8) * length);
  const view = viewOf(bytes);
  const write = {
    8: (row: number, value: bigint) => view.setInt8(row, Number(value)),
    16: (row: number, value: bigint) => view.setInt16(2 * row, Number(value), true),
    32: (row: number, value: bigint) => view.setInt32(4 * row, Number(value), true),
    64: (row: number, value: bigint) => view.setBigInt64(8 * row, value, true),
    128: (row: number, value: bigint) => {
      view.setBigUint64(16 * row, BigInt.asUintN(64, value), true);
      view.setBigInt64(16 * row + 8, value >> 64n, true);
    },
  }[width];
  if (write === undefined) throw malformed('an Arrow column of integers of another kind');
  return { bytes, write };
}

function mapIntegers(type: Field['type'], array: ArrowArray, map: (value: bigint) => bigint): ArrowArray {
  const valueAt = integerReader(type, array);
  const { bytes, write } = integerWriter(type, array.length);
  const validity = new Validity(array.length);
  for (let row = 0; row < array.length; row += 1) {
    const value = valueAt(row);
    if (value === null) validity.isNot();
    else {
      write(row, map(value));
      validity.is(row);
    }
  }
  return validity.array([bytes]);
}

function mapFloats(array: ArrowArray, map: (value: number) => number | null): ArrowArray {
  const view = valuesOf(array, 8);
  const shown = new Float64Array(array.length);
  const validity = new Validity(array.length);
  for (let row = 0; row < array.length; row += 1) {
    const value = isValid(array, row) ? map(view.getFloat64(8 * row, true)) : null;
    if (value === null) validity.isNot();
    else {
      shown[row] = value;
      validity.is(row);
    }
  }
  return validity.array([bytesOf(shown)]);
}

type MaskTime = Extract<ValueMask, { kind: 'time' }>;

function mapDays(array: ArrowArray, { mask }: MaskTime, ownerOf: OwnerOf): ArrowArray {
  const view = valuesOf(array, 4);
  const shown = new Int32Array(array.length);
  const validity = new Validity(array.length);
  for (let row = 0; row < array.length; row += 1) {
    const seconds = isValid(array, row) ? mask(view.getInt32(4 * row, true) * DAY_SECONDS, 0, ownerOf(row)) : null;
    if (seconds === null) validity.isNot();
    else {
      shown[row] = seconds / DAY_SECONDS;
      validity.is(row);
    }
  }
  return validity.array([bytesOf(shown)]);
}

/** Parts of a timestamp. Seconds are scaled where there is no fraction beside them. */
interface InstantParts {
  readonly epoch: { readonly type: Field['type']; readonly array: ArrowArray };
  readonly fraction: { readonly type: Field['type']; readonly array: ArrowArray } | null;
  readonly zone: { readonly type: Field['type']; readonly array: ArrowArray } | null;
}

function instantParts(type: Field['type'], array: ArrowArray): InstantParts {
  if (type.typeId === Type.Int) return { epoch: { type, array }, fraction: null, zone: null };
  if (type.typeId !== Type.Struct) throw malformed('an Arrow timestamp of another kind');
  const names = (type.children ?? []).map((child: Field) => child.name);
  const part = (name: string): { readonly type: Field['type']; readonly array: ArrowArray } | null => {
    const index = names.indexOf(name);
    const child = array.children[index];
    const childType = type.children?.[index]?.type;
    return child === undefined || childType === undefined ? null : { type: childType, array: child };
  };
  const epoch = part('epoch');
  const known = ['epoch', 'fraction', 'timezone'];
  if (epoch === null || new Set(names).size !== names.length || names.some((name: string) => !known.includes(name))) {
    throw malformed('an Arrow timestamp of another kind');
  }
  return { epoch, fraction: part('fraction'), zone: part('timezone') };
}

interface Instants {
  /** Null = NULL. */
  readonly at: (row: number) => { readonly seconds: number; readonly nanos: number; readonly zone: number | null } | null;
}

function instantReader(type: Field['type'], array: ArrowArray, scale: number): Instants {
  const { epoch, fraction, zone } = instantParts(type, array);
  const epochAt = integerReader(epoch.type, epoch.array);
  const fractionAt = fraction === null ? null : integerReader(fraction.type, fraction.array);
  const zoneAt = zone === null ? null : integerReader(zone.type, zone.array);
  const unit = 10n ** BigInt(scale);
  const nanosOfUnit = 10 ** (9 - scale);
  return {
    at(row) {
      if (!isValid(array, row)) return null;
      const whole = epochAt(row);
      if (whole === null) return null;
      const minutes = zoneAt === null ? null : Number((zoneAt(row) ?? 1440n) - 1440n);
      if (fractionAt !== null) return { seconds: Number(whole), nanos: Number(fractionAt(row) ?? 0n), zone: minutes };
      const rest = ((whole % unit) + unit) % unit;
      return { seconds: Number((whole - rest) / unit), nanos: Number(rest) * nanosOfUnit, zone: minutes };
    },
  };
}

/** WHY in UTC: the offset of the stored value tells summer from winter, and where. */
function mapInstants(type: Field['type'], array: ArrowArray, scale: number, { keepsNanos, mask }: MaskTime, ownerOf: OwnerOf): ArrowArray {
  const { length } = array;
  const parts = instantParts(type, array);
  const reader = instantReader(type, array, scale);
  const validity = new Validity(length);
  const epoch = integerWriter(parts.epoch.type, length);
  const fraction = parts.fraction === null ? null : integerWriter(parts.fraction.type, length);
  const zone = parts.zone === null ? null : integerWriter(parts.zone.type, length);
  const unit = 10n ** BigInt(scale);
  const nanosOfUnit = 10 ** (9 - scale);
  for (let row = 0; row < length; row += 1) {
    const instant = reader.at(row);
    const seconds = instant === null ? null : mask(instant.seconds, instant.nanos, ownerOf(row));
    if (instant === null || seconds === null) {
      validity.isNot();
      continue;
    }
    const nanos = keepsNanos ? instant.nanos : 0;
    epoch.write(row, fraction === null ? BigInt(seconds) * unit + BigInt(Math.floor(nanos / nanosOfUnit)) : BigInt(seconds));
    fraction?.write(row, BigInt(nanos));
    zone?.write(row, 1440n);
    validity.is(row);
  }
  if (type.typeId !== Type.Struct) return validity.array([epoch.bytes]);
  const children = (type.children ?? []).map((child: Field) => {
    const written = { epoch, fraction, timezone: zone }[child.name as 'epoch'];
    return validity.array([written?.bytes ?? new Uint8Array(0)]);
  });
  return validity.array([], children);
}

/** Values as the cells of JSON results; null = NULL. @returns null for a type that has no such cells */
export function cellReader(field: Field, array: ArrowArray, column: ColumnPlan): ((row: number) => string | null) | null {
  const { type } = field;
  switch (type.typeId as Type) {
    case Type.Utf8: {
      const valueAt = textReader(array);
      return (row) => valueAt(row)?.toString('utf8') ?? null;
    }
    case Type.Binary: {
      const valueAt = textReader(array);
      return (row) => valueAt(row)?.toString('hex').toUpperCase() ?? null;
    }
    case Type.Bool:
      return (row) => (isValid(array, row) ? (((array.buffers[1]?.[row >> 3] ?? 0) & (1 << (row & 7))) === 0 ? '0' : '1') : null);
    case Type.Float: {
      if (!isDouble(type)) return null;
      const view = valuesOf(array, 8);
      return (row) => (isValid(array, row) ? String(view.getFloat64(8 * row, true)) : null);
    }
    case Type.Date: {
      if (!isDays(type)) return null;
      const view = valuesOf(array, 4);
      return (row) => (isValid(array, row) ? String(view.getInt32(4 * row, true)) : null);
    }
    case Type.Int:
    case Type.Decimal:
      if (column.family !== 'timestamp') {
        const valueAt = integerReader(type, array);
        return (row) => {
          const value = valueAt(row);
          return value === null ? null : decimalText(value, column.scale);
        };
      }
      break;
    case Type.Struct:
      break;
    default:
      return null;
  }
  if (column.family !== 'timestamp') return null;
  const { at } = instantReader(type, array, column.scale);
  return (row) => {
    const instant = at(row);
    return instant === null ? null : instantText({ ...instant, digits: column.scale });
  };
}
