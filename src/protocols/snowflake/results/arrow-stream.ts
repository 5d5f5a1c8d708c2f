// Masks an Arrow IPC stream as it passes, message by message: the columns that are masked are written anew, all others are passed as they
// lie, with the lengths that they have (readers check whole buffers, so no length is ever rounded up). Batches without rows are left out:
// the Python connector does not survive them. Bounded by the largest message.
// An answer of which nothing is masked passes message by message as it is.
// REFUSES: everything that is not one schema and batches of its columns; where something is masked, dictionaries and compression.

import { MessageHeader } from 'apache-arrow/enum';
import { BufferRegion, FieldNode, Message, RecordBatch } from 'apache-arrow/ipc/metadata/message';
import { Field, Schema } from 'apache-arrow/schema';
import { SallyportError } from '../../../core/error.ts';
import { longestText, type ValueMask } from '../../../masking/index.ts';
import { type ArrowArray, readArrays } from './arrow-array.ts';
import { cellReader, checkField, maskArray, type OwnerOf } from './arrow-column.ts';
import { columnMask } from './cell.ts';
import { type ColumnPlan, isClearOnly, malformed } from './columns.ts';
import type { ResultPlan } from './plan.ts';
import type { RowCollector } from './row-frames.ts';

const CONTINUATION = -1;
const ALIGNMENT = 8;
const padding = Buffer.alloc(ALIGNMENT);
const END = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

type Phase =
  | { readonly kind: 'prefix' }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'body'; readonly metadata: Uint8Array; readonly header: RecordBatch | null }
  | { readonly kind: 'over' };

export class ArrowStream {
  rows = 0;
  readonly #plan: ResultPlan;
  readonly #masks: readonly ValueMask[];
  readonly #maxMessageBytes: number;
  readonly #collector: RowCollector | null;
  #phase: Phase = { kind: 'prefix' };
  /** What the phase waits for, as far as it came. */
  #wanted: Uint8Array = new Uint8Array(4);
  #got = 0;
  #schema: Schema | null = null;
  readonly #isClearOnly: boolean;

  constructor(plan: ResultPlan, limits: { readonly maxMessageBytes: number }, collector: RowCollector | null) {
    this.#plan = plan;
    this.#masks = plan.columns.map((column) => columnMask(column, plan));
    this.#isClearOnly = isClearOnly(plan.columns);
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#collector = collector;
  }

  /** @returns what may be passed now: whole messages */
  push(piece: Uint8Array): Uint8Array[] {
    const shown: Uint8Array[] = [];
    for (let at = 0; at < piece.length;) {
      if (this.#isOver()) throw malformed('bytes after the end of an Arrow stream');
      const taken = Math.min(piece.length - at, this.#wanted.length - this.#got);
      this.#wanted.set(piece.subarray(at, at + taken), this.#got);
      this.#got += taken;
      at += taken;
      // A message may be empty after all.
      while (this.#got === this.#wanted.length && !this.#isOver()) shown.push(...this.#step());
    }
    return shown;
  }

  /** @throws when something is missing. A stream may end without saying so. */
  end(): Uint8Array[] {
    if (this.#schema === null || (this.#phase.kind !== 'over' && (this.#phase.kind !== 'prefix' || this.#got > 0))) {
      throw malformed('an Arrow stream that ends early');
    }
    return this.#phase.kind === 'over' ? [] : [END];
  }

  #isOver(): boolean {
    return this.#phase.kind === 'over';
  }

  #step(): Uint8Array[] {
    const bytes = this.#wanted;
    switch (this.#phase.kind) {
      case 'prefix': {
        const length = new DataView(bytes.buffer).getInt32(0, true);
        if (length === CONTINUATION) this.#expect({ kind: 'prefix' }, 4);
        else if (length === 0) {
          this.#phase = { kind: 'over' };
          return [END];
        } else this.#expect({ kind: 'metadata' }, length);
        return [];
      }
      case 'metadata':
        return this.#message(Message.decode(bytes), bytes);
      case 'body': {
        const { metadata, header } = this.#phase;
        this.#expect({ kind: 'prefix' }, 4);
        if (header === null || this.#isClearOnly) return this.#passed(metadata, header, bytes);
        return this.#batch(header, bytes);
      }
      case 'over':
        return [];
    }
  }

  #expect(phase: Phase, length: number): void {
    if (length < 0) throw malformed('an Arrow message without a length');
    if (length > this.#maxMessageBytes) throw new SallyportError('SP_ROW_TOO_LARGE', 'an Arrow message is over the limit');
    this.#phase = phase;
    this.#wanted = new Uint8Array(length);
    this.#got = 0;
  }

  #message(message: Message, metadata: Uint8Array): Uint8Array[] {
    if (message.headerType === MessageHeader.Schema && this.#schema === null && message.bodyLength === 0) {
      const schema = message.header() as Schema;
      this.#schema = schema;
      this.#expect({ kind: 'prefix' }, 4);
      const shown = this.#shownSchema(schema);
      return this.#isClearOnly ? framed(metadata, []) : framed(Message.encode(Message.from(shown)), []);
    }
    if (message.headerType === MessageHeader.DictionaryBatch && this.#schema !== null && this.#isClearOnly) {
      this.#expect({ kind: 'body', metadata, header: null }, message.bodyLength);
      return [];
    }
    if (message.headerType !== MessageHeader.RecordBatch || this.#schema === null) throw malformed('an Arrow message that is no batch');
    const header = message.header() as RecordBatch;
    if (!this.#isClearOnly) {
      if (header.compression !== null) throw malformed('a compressed Arrow batch');
      if (header.variadicBufferCounts.length > 0) throw malformed('an Arrow type that is not known');
    }
    this.#expect({ kind: 'body', metadata, header }, message.bodyLength);
    return [];
  }

  /** A message of which nothing is masked, as it came. */
  #passed(metadata: Uint8Array, header: RecordBatch | null, body: Uint8Array): Uint8Array[] {
    const schema = this.#schema;
    if (header === null || schema === null) return framed(metadata, [body]);
    if (header.length === 0) return [];
    this.rows += header.length;
    if (this.#collector?.isOpen === true && header.compression === null) {
      try {
        this.#collect(schema, readArrays(schema, header, body), header.length);
      } catch {
        // Types that only the client knows: they pass, and the recording does not have them.
      }
    }
    return framed(metadata, [body]);
  }

  /** Types stay; masks may be NULL, and may be longer than the column. */
  #shownSchema(schema: Schema): Schema {
    const { columns } = this.#plan;
    if (schema.fields.length !== columns.length) throw malformed('an Arrow stream with another number of columns');
    const fields = schema.fields.map((field, index) => {
      const column = columns[index];
      const mask = this.#masks[index];
      if (column === undefined || mask === undefined || mask.kind === 'clear') return field;
      checkField(field, column);
      return new Field(field.name, field.type, true, shownMetadata(field.metadata, column));
    });
    return new Schema(fields, schema.metadata, schema.dictionaries, schema.metadataVersion);
  }

  #batch(header: RecordBatch, body: Uint8Array): Uint8Array[] {
    const schema = this.#schema;
    if (schema === null) throw malformed('an Arrow batch without a schema');
    if (header.length === 0) return [];
    if (!Number.isSafeInteger(header.length) || header.length < 0) throw malformed('an Arrow batch of no length');
    const arrays = readArrays(schema, header, body);
    this.rows += header.length;
    const shown = arrays.map((array, index) => this.#masked(schema, arrays, array, index));
    this.#collect(schema, shown, header.length);
    return writeBatch(shown, header.length);
  }

  #masked(schema: Schema, arrays: readonly ArrowArray[], array: ArrowArray, index: number): ArrowArray {
    const field = schema.fields[index];
    const column = this.#plan.columns[index];
    const mask = this.#masks[index];
    if (field === undefined || column === undefined || mask === undefined) throw malformed('an Arrow batch with more columns');
    return maskArray(
      field,
      array,
      column,
      mask,
      mask.kind === 'time' && mask.needsOwner ? this.#ownerOf(schema, arrays, column) : () => null,
    );
  }

  #ownerOf(schema: Schema, arrays: readonly ArrowArray[], { subject }: ColumnPlan): OwnerOf {
    const at = typeof subject === 'number' ? subject : -1;
    const [field, array, column] = [schema.fields[at], arrays[at], this.#plan.columns[at]];
    if (field === undefined || array === undefined || column === undefined) return () => null;
    checkField(field, column);
    const read = cellReader(field, array, column);
    return read ?? ((): null => null);
  }

  #collect(schema: Schema, arrays: readonly ArrowArray[], length: number): void {
    if (this.#collector?.isOpen !== true) return;
    const readers = this.#plan.columns.map((column, index) => {
      const [field, array] = [schema.fields[index], arrays[index]];
      return field === undefined || array === undefined ? null : cellReader(field, array, column);
    });
    for (let row = 0; row < length && this.#collector.isOpen; row += 1) {
      this.#collector.row(readers.map((read) => (read === null ? '(not shown)' : read(row))));
    }
  }
}

const LONGEST_TEXT = '16777216';

function shownMetadata(metadata: Map<string, string>, column: ColumnPlan): Map<string, string> {
  const length = Number(metadata.get('charLength'));
  if (column.family !== 'text' || !(length < longestText(column.mask))) return metadata;
  return new Map([...metadata, ['charLength', LONGEST_TEXT], ['byteLength', LONGEST_TEXT]]);
}

function writeBatch(arrays: readonly ArrowArray[], length: number): Uint8Array[] {
  const nodes: FieldNode[] = [];
  const regions: BufferRegion[] = [];
  const body: Uint8Array[] = [];
  let at = 0;
  const write = (array: ArrowArray): void => {
    nodes.push(new FieldNode(array.length, array.nullCount));
    for (const buffer of array.buffers) {
      regions.push(new BufferRegion(at, buffer.length));
      const rest = (ALIGNMENT - (buffer.length % ALIGNMENT)) % ALIGNMENT;
      body.push(buffer);
      if (rest > 0) body.push(padding.subarray(0, rest));
      at += buffer.length + rest;
    }
    for (const child of array.children) write(child);
  };
  for (const array of arrays) write(array);
  return framed(Message.encode(Message.from(new RecordBatch(length, nodes, regions, null), at)), body);
}

function framed(metadata: Uint8Array, body: readonly Uint8Array[]): Uint8Array[] {
  const rest = (ALIGNMENT - (metadata.length % ALIGNMENT)) % ALIGNMENT;
  const prefix = new Uint8Array(8);
  const view = new DataView(prefix.buffer);
  view.setInt32(0, CONTINUATION, true);
  view.setInt32(4, metadata.length + rest, true);
  return [prefix, metadata, padding.subarray(0, rest), ...body];
}
