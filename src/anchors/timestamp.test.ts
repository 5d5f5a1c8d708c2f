import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeAll, encode } from './der.ts';
import { stampFault } from './timestamp.ts';

test('arbitrary answers are faults and never throw; DER round-trips and is refused when cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.notEqual(stampFault(bytes, Buffer.alloc(32), Buffer.alloc(8)), null);
    }),
  );
  for (const length of [0, 1, 127, 128, 255, 256, 60_000]) {
    const element = encode(0x04, Buffer.alloc(length, 9));
    assert.equal(decodeAll(element)?.[0]?.content.length, length);
    assert.equal(decodeAll(element.subarray(0, -1)), null);
  }
  // Indefinite length, a long tag, a length of four bytes.
  for (const hex of ['0480', '1f8101', '048400000001aa']) assert.equal(decodeAll(Buffer.from(hex, 'hex')), null);
});
