import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SallyportError } from '../core/error.ts';
import { type Frame, Framer } from './framer.ts';

const frameOf = (type: string, body: string): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, Buffer.from(body)]);
};
const stream = Buffer.concat([frameOf('Q', 'select 1\0'), frameOf('S', ''), frameOf('d', 'x'.repeat(20_000)), frameOf('X', '')]);
const shown = (frames: readonly Frame[]): string[] => frames.map(({ type, body }) => `${String.fromCharCode(type)}${body.length}`);
const expected = ['Q9', 'S0', 'd20000', 'X0'];

test('frames come out whole and in order from one chunk', () => {
  const frames = new Framer(1 << 20).push(stream);
  assert.deepEqual(shown(frames), expected);
  assert.deepEqual(Buffer.concat(frames.map(({ bytes }) => bytes)), stream);
});

test('every split point gives the same frames', () => {
  for (const at of [...Array(30).keys(), 5000, 13_000, stream.length - 6, stream.length - 5, stream.length - 1]) {
    const framer = new Framer(1 << 20);
    const frames = [...framer.push(stream.subarray(0, at)), ...framer.push(stream.subarray(at))];
    assert.deepEqual(shown(frames), expected, `split at ${at}`);
    assert.deepEqual(Buffer.concat(frames.map(({ bytes }) => bytes)), stream);
  }
});

test('a stream that arrives byte by byte gives the same frames', () => {
  const framer = new Framer(1 << 20);
  const frames = [...stream].flatMap((byte) => framer.push(Uint8Array.of(byte)));
  assert.deepEqual(shown(frames), expected);
});

test('every truncation gives only the frames that are complete', () => {
  const small = Buffer.concat([frameOf('Q', 'ab\0'), frameOf('S', '')]);
  for (let length = 0; length < small.length; length += 1) {
    const framer = new Framer(100);
    assert.equal(framer.push(small.subarray(0, length)).length, length >= 8 ? 1 : 0);
    assert.equal(framer.pendingBytes > 0, length !== 0 && length !== 8);
  }
});

test('a frame over the limit is refused as soon as its header is there', () => {
  const header = Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff]);
  assert.throws(() => new Framer(1024).push(header), { code: 'SP_WIRE_TOO_LARGE' });
});

test('announcing a large frame does not allocate it', () => {
  const framer = new Framer(1 << 30);
  framer.push(Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xff, 1]));
  assert.equal(framer.pendingBytes, 6);
});

test('lengths below four are malformed', () => {
  for (const length of [-1, 0, 3, -2_147_483_648]) {
    const header = Buffer.alloc(5);
    header.writeInt32BE(length, 1);
    assert.throws(() => new Framer(1024).push(header), { code: 'SP_WIRE_MALFORMED' });
  }
});

test('arbitrary bytes give frames or a fault of ours, and never lose a byte', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (chunks) => {
      const framer = new Framer(64);
      let seen = 0;
      try {
        for (const chunk of chunks) for (const { bytes } of framer.push(chunk)) seen += bytes.length;
        assert.equal(seen + framer.pendingBytes, Buffer.concat(chunks).length);
      } catch (fault) {
        assert.ok(fault instanceof SallyportError);
      }
    }),
    { numRuns: 300 },
  );
});
