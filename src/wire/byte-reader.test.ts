import assert from 'node:assert/strict';
import test from 'node:test';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

test('what the writer wrote the reader reads, across growth of the buffer', () => {
  const bytes = new ByteWriter(1).uint8(7).int16(-2).int32(-3).uint32(4_000_000_000).cString('grüße').bytes(Uint8Array.of(1, 2)).finish();
  const reader = new ByteReader(bytes);
  assert.equal(reader.uint8(), 7);
  assert.equal(reader.int16(), -2);
  assert.equal(reader.int32(), -3);
  assert.equal(reader.uint32(), 4_000_000_000);
  assert.equal(reader.cString(), 'grüße');
  assert.deepEqual([...reader.rest()], [1, 2]);
  reader.end();
});

test('an unterminated string does not read into what follows the body', () => {
  const memory = Buffer.from('abc\0secret\0');
  assert.throws(() => new ByteReader(memory.subarray(0, 3)).cString(), { code: 'SP_WIRE_MALFORMED' });
});

test('fields beyond the end are malformed', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3));
  assert.throws(() => reader.int32(), { code: 'SP_WIRE_MALFORMED' });
  assert.throws(() => reader.bytes(-1), { code: 'SP_WIRE_MALFORMED' });
  assert.throws(() => reader.end(), { code: 'SP_WIRE_MALFORMED' });
});

test('text that is not UTF-8 is refused, not repaired', () => {
  assert.throws(() => new ByteReader(Uint8Array.of(0xc3, 0x28, 0)).cString(), { code: 'SP_WIRE_MALFORMED' });
});

test('text of a known length stays inside of the body, wherever that lies in its memory', () => {
  const memory = Buffer.from('beforegrüßesecret');
  const reader = new ByteReader(memory.subarray(6, 13));
  assert.equal(reader.text(2), 'gr');
  assert.throws(() => reader.text(-1), { code: 'SP_WIRE_MALFORMED' });
  assert.throws(() => reader.text(6), { code: 'SP_WIRE_MALFORMED' });
  assert.equal(reader.text(5), 'üße');
  assert.equal(reader.text(0), '');
  reader.end();
});

test('text with a NUL cannot be written', () => {
  assert.throws(() => new ByteWriter().cString('a\0b'), { code: 'SP_WIRE_MALFORMED' });
});
