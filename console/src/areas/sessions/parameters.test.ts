import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parametersText } from './parameters.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const int16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const int32 = (value: number): Uint8Array => joined(int16(value >> 16), int16(value));
const value = (bytes: Uint8Array | null): Uint8Array => (bytes === null ? int32(-1) : joined(int32(bytes.length), bytes));
const bind = (formats: readonly number[], values: readonly (Uint8Array | null)[]): Uint8Array =>
  joined(int16(formats.length), ...formats.map(int16), int16(values.length), ...values.map(value));

test('texts, NULL and the empty text', () => {
  const bytes = bind([], [text("O'Brien é"), null, text('')]);
  assert.equal(parametersText(bytes), "$1 = 'O''Brien é'\n$2 = NULL\n$3 = ''");
});

test('a format of its own for each, or one for all', () => {
  const values = [Uint8Array.of(0, 0, 0, 7), text('7')];
  assert.equal(parametersText(bind([1, 0], values)), "$1 = \\x00000007 (binary)\n$2 = '7'");
  assert.equal(parametersText(bind([1], values)), '$1 = \\x00000007 (binary)\n$2 = \\x37 (binary)');
});

test('what was cut ends with an ellipsis, wherever it was cut', () => {
  const bytes = bind([0], [text('first'), text('second')]);
  assert.equal(parametersText(bytes.subarray(0, bytes.length - 1)), "$1 = 'first'\n…");
  for (let length = 0; length < bytes.length; length += 1) assert.match(parametersText(bytes.subarray(0, length)), /…$/);
  assert.doesNotMatch(parametersText(bytes), /…/);
});

test('a length that is none is not read', () => {
  assert.equal(parametersText(joined(int16(0), int16(1), int32(-2))), '…');
  assert.equal(parametersText(joined(int16(0), int16(1), int32(0x7fffffff))), '…');
});
