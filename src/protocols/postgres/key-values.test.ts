import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyFields, keyOf, keysOf } from './key-values.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const binary = (type: number, bytes: string) => ({ bytes: hex(bytes), isBinary: true, type });
const text = (value: string, type = 0) => ({ bytes: Buffer.from(value), isBinary: false, type });

test('binary and text forms of one value have one key', () => {
  for (const value of [
    text('17'),
    text('+017.0'),
    binary(21, '0011'),
    binary(23, '00000011'),
    binary(20, '0000000000000011'),
    binary(0, '00000011'),
  ]) {
    assert.equal(keyOf(value, 'number'), 'n:17');
  }
  assert.equal(keyOf(binary(23, 'ffffffff'), 'number'), 'n:-1');
  // numeric 12345.67, -0.0012 and 0 as PostgreSQL sends them.
  assert.equal(keyOf(binary(1700, '0003 0001 0000 0002 0001 0929 1a2c'), 'number'), 'n:12345.67');
  assert.equal(keyOf(binary(1700, '0001 ffff 4000 0004 000c'), 'number'), 'n:-0.0012');
  assert.equal(keyOf(binary(1700, '0000 0000 0000 0000'), 'number'), 'n:0');
  const uuid = 'a0eebc999c0b4ef8bb6d6bb9bd380a11';
  assert.equal(keyOf(binary(2950, uuid), 'uuid'), keyOf(text('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), 'uuid'));
  assert.equal(keyOf(binary(1043, Buffer.from('M17').toString('hex')), 'text'), 't:M17');
  assert.equal(keyOf(text('M17  ', 1042), 'text'), 't:M17');
});

test('REFUSES: forms that it cannot tell the value of', () => {
  for (const value of [
    binary(701, '4031000000000000'),
    binary(0, '0000000000000011'),
    binary(1700, '0000 0000 c000 0000'),
    binary(1700, '0001 0000'),
    binary(3802, '01'),
    { bytes: Uint8Array.of(0xff, 0xfe), isBinary: false, type: 25 },
    text('9'.repeat(5000)),
  ]) {
    assert.equal(keyOf(value, 'number'), null);
  }
  assert.equal(keyOf(binary(16, '01'), 'text'), null);
});

test('arrays are taken apart, in text and in binary', () => {
  assert.deepEqual(keysOf(text('{16,NULL,"17"}'), 'number'), ['n:16', 'n:17']);
  assert.deepEqual(keysOf(binary(1007, '00000001 00000000 00000017 00000002 00000001 00000004 00000010 ffffffff'), 'number'), ['n:16']);
  for (const value of [
    text('17'),
    text('{1,2'),
    text('{{1},{2}}'),
    text('{1,x}'),
    binary(1007, '00000001'),
    binary(1007, '00000009 00000000 00000017'),
  ]) {
    assert.equal(keysOf(value, 'number'), null);
  }
});

test('lines of COPY are read as they are written', () => {
  const line = (value: string): Uint8Array => Buffer.from(value);
  assert.deepEqual(copyFields(line('17\ta\\tb\\\\\t\\N\n'), 'text'), ['17', 'a\tb\\', null]);
  assert.deepEqual(copyFields(line('17,"a,""b""\nc",\n'), 'csv'), ['17', 'a,"b"\nc', null]);
  assert.equal(copyFields(line('17'), 'text'), null);
  assert.equal(copyFields(line('17\n18\n'), 'text'), null);
  assert.equal(copyFields(line('"17\n'), 'csv'), null);
});
