import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalKey, keysMeant } from './subject-value.ts';

test('equal numbers have one text, however they are written', () => {
  for (const text of ['17', '+17', '017', '17.0', '17.', '1.7e1', '170e-1', ' 17 ', '0.17E2', '.17e2'])
    assert.equal(canonicalKey('number', text), 'n:17', text);
  assert.equal(canonicalKey('number', '-0'), 'n:0');
  assert.equal(canonicalKey('number', '-0.50'), 'n:-0.5');
  assert.equal(canonicalKey('number', '1e-3'), 'n:0.001');
  assert.equal(canonicalKey('number', '9007199254740993'), 'n:9007199254740993');
  for (const text of ['', '.', 'e1', '0x11', '1_000', 'NaN', '1e9999', "17'; --"]) assert.equal(canonicalKey('number', text), null, text);
});

test('what a cast could round is no integer', () => {
  assert.equal(canonicalKey('integer', '017'), 'n:17');
  for (const text of ['16.6', '1e1', '17.0']) assert.equal(canonicalKey('integer', text), null, text);
});

test('UUIDs are equal in any case and with or without their dashes', () => {
  const key = canonicalKey('uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11');
  assert.equal(key, 'u:a0eebc999c0b4ef8bb6d6bb9bd380a11');
  assert.equal(canonicalKey('uuid', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}'), key);
  assert.equal(canonicalKey('uuid', 'a0eebc99'), null);
});

test('texts are exact; only blank padding of char(n) is none', () => {
  assert.equal(canonicalKey('text', 'M 17 '), 't:M 17 ');
  assert.equal(canonicalKey('padded', 'M 17  '), 't:M 17');
  assert.notEqual(canonicalKey('text', 'm17'), canonicalKey('text', 'M17'));
  assert.equal(canonicalKey('text', 'x'.repeat(1025)), null);
});

test('a typed value is looked for in every form that it can mean', () => {
  assert.deepEqual(keysMeant('017'), ['t:017', 'n:17']);
  assert.deepEqual(keysMeant('M17 '), ['t:M17 ', 't:M17']);
  assert.deepEqual(keysMeant('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11').length, 2);
});
