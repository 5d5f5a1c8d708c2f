import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SallyportError } from '../core/error.ts';
import { RecordingWriter, decodeRecording } from './pg-recording.ts';

// Answer of PostgreSQL 15 to `select 1 as x, null as y`, captured between it and psql 15 (test/support/pg-golden.json).
const columns = Buffer.from('540000002e00027800000000000000000000170004ffffffff0000790000000000000000000019ffffffffffff0000', 'hex');
const row = Buffer.from('440000000f00020000000131ffffffff', 'hex');
const complete = Buffer.from('430000000d53454c454354203100', 'hex');
const limits = { maxRows: 2, maxBytes: 4096 };

test('a recording gives back columns, rows, tags and their times', () => {
  const writer = new RecordingWriter(limits);
  writer.add(1.4, columns);
  writer.addRows(2, row.subarray(0, 7), false);
  writer.addRows(3, row.subarray(7), true);
  writer.add(5, complete);
  const recording = decodeRecording(writer.finish(9, 1));
  assert.deepEqual(
    recording.events.map(({ kind, ms }) => [kind, ms]),
    [
      ['columns', 1],
      ['row', 3],
      ['complete', 5],
    ],
  );
  const [first, second, third] = recording.events;
  assert.ok(first?.kind === 'columns' && second?.kind === 'row' && third?.kind === 'complete');
  assert.deepEqual(first.names, ['x', 'y']);
  assert.deepEqual(
    second.values.map((value) => (value === null ? null : Buffer.from(value).toString())),
    ['1', null],
  );
  assert.equal(third.tag, 'SELECT 1');
  assert.deepEqual([recording.rows, recording.rowsShown, recording.isTruncated], [1, 1, false]);
});

test('rows beyond the limit are counted but not kept', () => {
  const writer = new RecordingWriter(limits);
  writer.add(0, columns);
  writer.addRows(1, Buffer.concat([row, row, row, row]), true);
  writer.add(2, complete);
  const recording = decodeRecording(writer.finish(2, 4));
  assert.deepEqual([recording.rows, recording.rowsShown, recording.isTruncated], [4, 2, true]);
  assert.equal(recording.events.at(-1)?.kind, 'complete');
});

test('a row larger than the recording ends it without a fault', () => {
  const huge = Buffer.alloc(10_000);
  huge.write('D');
  huge.writeInt32BE(9_999, 1);
  const writer = new RecordingWriter(limits);
  writer.addRows(1, huge, true);
  assert.equal(decodeRecording(writer.finish(2, 1)).isTruncated, true);
});

test('every truncation of a recording is refused', () => {
  const writer = new RecordingWriter(limits);
  writer.add(0, columns);
  writer.addRows(0, row, true);
  const bytes = writer.finish(1, 1);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => decodeRecording(bytes.subarray(0, length)), { code: 'SP_WIRE_MALFORMED' });
  }
});

test('arbitrary bytes decode or fail with a fault of ours', () => {
  const magic = Buffer.from('SPREC\x01', 'latin1');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (tail) => {
      try {
        decodeRecording(Buffer.concat([magic, tail]));
      } catch (fault) {
        assert.ok(fault instanceof SallyportError);
      }
    }),
    { numRuns: 500 },
  );
});
