// Columns of an Arrow record batch as they lie in its body: buffers in the order of the format, children after their parent. Nothing is
// decoded here. REFUSES: types with a layout that is not known, and buffers that are not in the body.

import type { Field, Schema } from 'apache-arrow/schema';
import type { RecordBatch } from 'apache-arrow/ipc/metadata/message';
import { DateUnit, Precision, Type } from 'apache-arrow/enum';
import { malformed } from './columns.ts';

type DataType = Field['type'];

export interface ArrowArray {
  readonly length: number;
  readonly nullCount: number;
  /** The first says which values there are, one bit each; empty = all. */
  readonly buffers: readonly Uint8Array[];
  readonly children: readonly ArrowArray[];
}

/** Buffers of a type's own, without those of its children. */
const bufferCounts: Readonly<Partial<Record<Type, number>>> = {
  [Type.Null]: 0,
  [Type.Struct]: 1,
  [Type.FixedSizeList]: 1,
  [Type.Bool]: 2,
  [Type.Int]: 2,
  [Type.Float]: 2,
  [Type.Decimal]: 2,
  [Type.Date]: 2,
  [Type.Time]: 2,
  [Type.Timestamp]: 2,
  [Type.Interval]: 2,
  [Type.Duration]: 2,
  [Type.FixedSizeBinary]: 2,
  [Type.List]: 2,
  [Type.LargeList]: 2,
  [Type.Map]: 2,
  [Type.Utf8]: 3,
  [Type.Binary]: 3,
  [Type.LargeUtf8]: 3,
  [Type.LargeBinary]: 3,
};

const hasOffsets: ReadonlySet<Type> = new Set([Type.Utf8, Type.Binary, Type.List, Type.Map]);

/** WHY: some writers count padding in, and readers check every offset there is. */
function exactOffsets(offsets: Uint8Array | undefined, length: number): Uint8Array {
  const exact = 4 * (length + 1);
  if (offsets === undefined || offsets.length < exact) throw malformed('an Arrow column without its offsets');
  return offsets.subarray(0, exact);
}

/** @param body of the message */
export function readArrays(schema: Schema, header: RecordBatch, body: Uint8Array): ArrowArray[] {
  let node = 0;
  let buffer = 0;
  const read = (type: DataType): ArrowArray => {
    const count = bufferCounts[type.typeId as Type];
    const found = header.nodes[node];
    if (count === undefined || found === undefined) throw malformed('an Arrow type that is not known');
    node += 1;
    const buffers = Array.from({ length: count }, () => {
      const region = header.buffers[buffer];
      buffer += 1;
      if (region === undefined || region.offset < 0 || region.length < 0 || region.offset + region.length > body.length) {
        throw malformed('an Arrow buffer outside of its message');
      }
      return body.subarray(region.offset, region.offset + region.length);
    });
    if (hasOffsets.has(type.typeId as Type) && (buffers[1]?.length ?? 0) > 0) buffers[1] = exactOffsets(buffers[1], found.length);
    return {
      length: found.length,
      nullCount: found.nullCount,
      buffers,
      children: (type.children ?? []).map((child: Field) => read(child.type)),
    };
  };
  const arrays = schema.fields.map((field) => read(field.type));
  if (node !== header.nodes.length || buffer !== header.buffers.length) throw malformed('an Arrow batch with more than its columns');
  if (arrays.some(({ length }) => length !== header.length)) throw malformed('an Arrow column of another length');
  return arrays;
}

/** Bytes of one value; null = it has no fixed width. */
function widthOf(type: DataType): number | null {
  switch (type.typeId as Type) {
    case Type.Int:
    case Type.Decimal:
    case Type.Time:
      return (type as { readonly bitWidth: number }).bitWidth / 8;
    case Type.Float:
      return { [Precision.HALF]: 2, [Precision.SINGLE]: 4, [Precision.DOUBLE]: 8 }[(type as { readonly precision: Precision }).precision];
    case Type.Date:
      return (type as { readonly unit: DateUnit }).unit === DateUnit.DAY ? 4 : 8;
    case Type.Timestamp:
    case Type.Duration:
      return 8;
    case Type.FixedSizeBinary:
      return (type as { readonly byteWidth: number }).byteWidth;
    default:
      return null;
  }
}

export const bitmapBytes = (length: number): number => Math.ceil(length / 8);

const nothing = new Uint8Array(0);

/** NULLs, and nothing but zeros where values would be. */
export function nullArray(type: DataType, length: number): ArrowArray {
  const missing = new Uint8Array(bitmapBytes(length));
  const children = (type.children ?? []).map((child: Field) => nullArray(child.type, childLength(type, length)));
  const own = (...buffers: readonly Uint8Array[]): ArrowArray => ({ length, nullCount: length, buffers, children });
  switch (type.typeId as Type) {
    case Type.Null:
      return own();
    case Type.Struct:
    case Type.FixedSizeList:
      return own(missing);
    case Type.Bool:
      return own(missing, new Uint8Array(bitmapBytes(length)));
    case Type.Utf8:
    case Type.Binary:
      return own(missing, new Uint8Array(4 * (length + 1)), nothing);
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return own(missing, new Uint8Array(8 * (length + 1)), nothing);
    case Type.List:
    case Type.Map:
      return own(missing, new Uint8Array(4 * (length + 1)));
    case Type.LargeList:
      return own(missing, new Uint8Array(8 * (length + 1)));
    default: {
      const width = widthOf(type);
      if (width === null) throw malformed('an Arrow type that is not known');
      return own(missing, new Uint8Array(width * length));
    }
  }
}

function childLength(type: DataType, length: number): number {
  if (type.typeId === Type.Struct) return length;
  return type.typeId === Type.FixedSizeList ? length * (type as { readonly listSize: number }).listSize : 0;
}

export function isValid({ buffers }: ArrowArray, row: number): boolean {
  const bitmap = buffers[0];
  return bitmap === undefined || bitmap.length === 0 || ((bitmap[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}
