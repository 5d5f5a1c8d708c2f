import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordBatchReader, tableFromIPC, Type } from 'apache-arrow';
import { Message, type RecordBatch } from 'apache-arrow/ipc/metadata/message';
import type { Schema } from 'apache-arrow/schema';
import { SallyportError } from '../../../core/error.ts';
import type { Mask } from '../../../core/mask.ts';
import { type ArrowArray, readArrays } from './arrow-array.ts';
import { cellReader } from './arrow-column.ts';
import { ArrowStream } from './arrow-stream.ts';
import { cellMask } from './cell.ts';
import type { ResultPlan } from './plan.ts';
import { RowCollector } from './row-frames.ts';
import { arrowStream, everyColumn, isNullRow, output, planOf } from './testing.ts';

const columns = everyColumn();
const rowtype = columns.map(({ column }) => column);
const limits = { maxMessageBytes: 1 << 24 };
const planWith = (maskOf: (name: string) => Mask): ResultPlan =>
  planOf(
    rowtype,
    rowtype.map(({ name }) => output(maskOf(name), maskOf(name) === 'date-shift' ? { subjectOutput: 6 } : {})),
  );
const allMasked = planWith(
  (name) =>
    (
      {
        TXT: 'token',
        BIN: 'hash',
        DT: 'date-shift',
        NTZ: 'year',
        NTZ3: 'date-shift',
        LTZ: 'month',
        TZ: 'date-shift',
        TZ3: 'year',
        I64: 'age-90',
      } as Record<string, Mask>
    )[name] ?? 'round',
);

function passed(plan: ResultPlan, bytes: Uint8Array, cuts: readonly number[] = []): { bytes: Buffer; rows: number } {
  const stream = new ArrowStream(plan, limits, null);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    parts.push(...stream.push(bytes.subarray(at, cut)));
    at = cut;
  }
  parts.push(...stream.end());
  return { bytes: Buffer.concat(parts), rows: stream.rows };
}

/** Messages of a stream, as they lie. */
function messages(bytes: Buffer): { readonly header: Schema | RecordBatch; readonly isBatch: boolean; readonly body: Buffer }[] {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    assert.equal(bytes.readInt32LE(at), -1);
    const length = bytes.readInt32LE(at + 4);
    if (length === 0) break;
    assert.equal((8 + length) % 8, 0);
    const message = Message.decode(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
    found.push({ header: message.header() as Schema, isBatch: message.isRecordBatch(), body: bytes.subarray(at, at + message.bodyLength) });
    at += message.bodyLength;
  }
  return found;
}

/** Cells of every batch, column by column, as JSON results would have them. */
function cells(bytes: Buffer, plan: ResultPlan): (string | null)[][] {
  const [first, ...batches] = messages(bytes);
  const schema = first?.header as Schema;
  return plan.columns.map((column, index) =>
    batches.flatMap(({ header, body }) => {
      const array: ArrowArray = readArrays(schema, header as RecordBatch, Buffer.from(body))[index] ?? assert.fail();
      const read = cellReader(schema.fields[index] ?? assert.fail(), array, column) ?? assert.fail(column.name);
      return Array.from({ length: array.length }, (_, row) => read(row));
    }),
  );
}

describe('Arrow streams', () => {
  const stream = arrowStream(columns, [6, 5]);

  it('are masked as the same cells of a JSON result are, in every type', () => {
    const original = cells(stream, allMasked);
    const shown = cells(passed(allMasked, stream).bytes, allMasked);
    assert.equal(original.length, 19);
    for (const [index, column] of allMasked.columns.entries()) {
      const mask = cellMask(column, allMasked);
      const wanted = original[index]?.map((cell, row) => {
        if (mask.kind === 'clear') return cell;
        if (mask.kind === 'constant') return mask.cell;
        return cell === null ? null : mask.map(cell, original[6]?.[row] ?? null);
      });
      assert.deepEqual(shown[index], wanted, column.name);
      assert.notDeepEqual(shown[index], original[index], column.name);
    }
  });

  it('read as they were, where nothing is masked', () => {
    for (const masked of ['I8', 'DEC', 'TXT', 'B', 'NTZ', 'TZ', 'A']) {
      const plan = planWith((name) => (name === masked ? 'null' : 'clear'));
      const [left, right] = [tableFromIPC(passed(plan, stream).bytes), tableFromIPC(stream)];
      for (const { name } of rowtype) {
        if (name !== masked) assert.deepEqual(left.getChild(name)?.toJSON(), right.getChild(name)?.toJSON(), name);
        else assert.equal(left.getChild(name)?.nullCount, 11, name);
      }
    }
  });

  it('keep their schema, but for NULLs and lengths that masks need', () => {
    const [before, after] = [tableFromIPC(stream).schema, tableFromIPC(passed(allMasked, stream).bytes).schema];
    assert.deepEqual(after.metadata, before.metadata);
    for (const [index, field] of after.fields.entries()) {
      assert.equal(String(field.type), String(before.fields[index]?.type));
      assert.equal(field.nullable, true);
      if (field.name !== 'TXT') assert.deepEqual(field.metadata, before.fields[index]?.metadata);
    }
    assert.equal(after.fields[6]?.metadata.get('charLength'), '16777216');
    assert.equal(after.fields[6]?.metadata.get('logicalType'), 'TEXT');
  });

  it('are the same however they are cut', () => {
    const whole = passed(allMasked, stream).bytes;
    for (let cut = 0; cut < stream.length; cut += 311) assert.deepEqual(passed(allMasked, stream, [cut]).bytes, whole);
    const small = arrowStream(columns.slice(5, 9), [3]);
    const plan = planOf(
      rowtype.slice(5, 9),
      rowtype.slice(5, 9).map(() => output('redact')),
    );
    assert.deepEqual(passed(plan, small, Array.from(small.keys())).bytes, passed(plan, small).bytes);
  });

  it('TRAP: say of no buffer more than it has: readers check all offsets, and with an even number of rows padding looks like one', () => {
    for (const rows of [1, 2, 3, 4, 10, 11]) {
      for (const plan of [allMasked, planWith((name) => (name === 'I8' ? 'null' : 'clear')), planWith(() => 'redact')]) {
        const [first, batch] = messages(passed(plan, arrowStream(columns, [rows])).bytes);
        const schema = first?.header as Schema;
        const header = (batch ?? assert.fail()).header as RecordBatch;
        let buffer = 0;
        for (const field of schema.fields) {
          const own =
            field.type.typeId === Type.Struct
              ? 1 + 2 * (field.type.children?.length ?? 0)
              : [Type.Utf8, Type.Binary].includes(field.type.typeId)
                ? 3
                : 2;
          const regions = header.buffers.slice(buffer, buffer + own);
          if (own === 3) {
            assert.equal(regions[1]?.length, 4 * (rows + 1), `${field.name} of ${rows} rows`);
            const offsets = batch?.body.subarray(regions[1]?.offset, (regions[1]?.offset ?? 0) + 4 * (rows + 1)) ?? assert.fail();
            for (let row = 0; row < rows; row += 1) assert.ok(offsets.readInt32LE(4 * row + 4) >= offsets.readInt32LE(4 * row));
            assert.ok(offsets.readInt32LE(4 * rows) <= (regions[2]?.length ?? 0));
          }
          buffer += own;
        }
        for (const { offset } of header.buffers) assert.equal(offset % 8, 0);
      }
    }
  });

  it('TRAP: have no batches without rows: the Python connector does not survive them', () => {
    for (const plan of [allMasked, planWith(() => 'clear')]) {
      const shown = passed(plan, arrowStream(columns, [0, 3, 0, 2, 0]));
      assert.equal(shown.rows, 5);
      assert.deepEqual(
        messages(shown.bytes).map(({ isBatch, header }) => (isBatch ? (header as RecordBatch).length : null)),
        [null, 3, 2],
      );
      const empty = passed(plan, arrowStream(columns, [0]));
      assert.deepEqual([empty.rows, messages(empty.bytes).length, tableFromIPC(empty.bytes).schema.fields.length], [0, 1, columns.length]);
    }
  });

  it('have nothing of a masked value in them, not even under a NULL', () => {
    const secret = 'the-secret-under-a-null';
    const found = columns[6] ?? assert.fail();
    const dirty = arrowStream(
      [
        {
          ...found,
          data(rows) {
            const data = found.data(rows);
            const offsets = Int32Array.from({ length: rows + 1 }, (_, row) => row * secret.length);
            return Object.assign(
              data.clone(data.type, 0, rows, data.nullCount, [offsets, Buffer.from(secret.repeat(rows)), data.nullBitmap, undefined]),
              {},
            );
          },
        },
      ],
      [6],
    );
    assert.ok(dirty.includes(secret));
    for (const mask of ['null', 'redact', 'token', 'hash', 'zip3', 'partial'] as const) {
      const { bytes } = passed(planOf([found.column], [output(mask)]), dirty);
      assert.ok(!bytes.includes(secret.slice(0, -4)), mask);
    }
  });

  it('are recorded as they are shown', () => {
    const collector = new RowCollector(allMasked.columns, { rows: 3, bytes: 100_000 });
    new ArrowStream(allMasked, limits, collector).push(stream);
    const frames = Buffer.from(collector.drain());
    assert.ok(frames.includes('tok_x_k1_') && !frames.includes('väl0'));
    assert.equal(collector.isOpen, false);
    assert.ok(isNullRow(2));
  });

  it('must be of the columns that were planned', () => {
    const refused = (plan: ResultPlan, bytes: Uint8Array = stream): void =>
      assert.throws(
        () => passed(plan, bytes),
        (fault: unknown) => fault instanceof SallyportError && ['SP_UPSTREAM_PROTOCOL', 'SP_ROW_TOO_LARGE'].includes(fault.code),
      );
    refused(
      planOf(
        rowtype.slice(1),
        rowtype.slice(1).map(() => output('redact')),
      ),
    );
    // Another logical type or scale than the answer's columns say.
    refused(
      planOf(
        rowtype.map((column) => (column.name === 'I32' ? { ...column, type: 'text' } : column)),
        rowtype.map(() => output('redact')),
      ),
    );
    refused(
      planOf(
        rowtype.map((column) => (column.name === 'I32' ? { ...column, scale: 1 } : column)),
        rowtype.map(() => output('round')),
      ),
    );
    for (const bytes of [
      stream.subarray(0, 100),
      stream.subarray(0, -20),
      Buffer.alloc(0),
      Buffer.from('[["1"]]'),
      Buffer.alloc(64),
      Buffer.concat([stream, stream]),
    ]) {
      refused(allMasked, bytes);
    }
  });

  it('are bounded by their largest message', () => {
    assert.throws(() => new ArrowStream(allMasked, { maxMessageBytes: 2000 }, null).push(stream), { code: 'SP_ROW_TOO_LARGE' });
  });

  it('are faults of ours, or readable, when their bytes are damaged', () => {
    const whole = Buffer.from(stream);
    for (let at = 0; at < whole.length; at += 211) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      try {
        const { bytes } = passed(allMasked, damaged);
        RecordBatchReader.from(bytes);
      } catch (fault) {
        // In a thread every other fault becomes SP_INTERNAL, without its text (worker.ts).
        assert.ok(fault instanceof Error);
      }
    }
  });
});
