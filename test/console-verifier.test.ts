// What stands in the place of Node's Buffer, node:crypto and zlib in browsers, against Node's own, also for what nobody means to write.

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, hash as nodeHash, sign as nodeSign, verify as nodeVerify } from 'node:crypto';
import { test } from 'node:test';
import { constants, crc32 as nodeCrc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { blobSource, crc32 } from '../console/src/verify/blob-source.ts';
import { Buffer as Shim } from '../console/src/verify/buffer.ts';
import { parseCsv } from '../console/src/verify/csv.ts';
import * as crypto from '../console/src/verify/node-crypto.ts';
import { csvLine } from '../src/evidence/csv.ts';

const same = (actual: Uint8Array, expected: Uint8Array): void => assert.deepEqual([...actual], [...expected]);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
);

test('texts become the bytes that Node makes of them, and bytes the texts', () => {
  fc.assert(
    fc.property(text, fc.uint8Array({ maxLength: 80 }), (source, bytes) => {
      for (const encoding of ['utf8', 'latin1', 'ascii', 'utf16le'] as const)
        same(Shim.from(source, encoding), Buffer.from(source, encoding));
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64'] as const) {
        assert.equal(Shim.from(bytes).toString(encoding), Buffer.from(bytes).toString(encoding));
        assert.equal(Shim.from(bytes).toString(encoding, 2, 7), Buffer.from(bytes).toString(encoding, 2, 7));
      }
      const hex = Buffer.from(bytes).toString('hex');
      for (const source of [hex, hex.toUpperCase(), `${hex}a`, `${hex}x0`]) same(Shim.from(source, 'hex'), Buffer.from(source, 'hex'));
    }),
    { numRuns: 300 },
  );
  assert.equal(
    Shim.from([0xef, 0xbb, 0xbf, 0x61].reduce((all, byte, at) => ((all[at] = byte), all), new Uint8Array(4))).toString(),
    '\ufeffa',
  );
  assert.equal(Shim.alloc(20_000).toString('latin1'), '\0'.repeat(20_000));
});

test('base64 is read as leniently as Node reads it, never more so', () => {
  const marks = fc.string({ unit: fc.constantFrom(...'ABCabcxyz0189+/-_= \n!*é\u2028') });
  fc.assert(
    fc.property(marks, (source) => same(Shim.from(source, 'base64'), Buffer.from(source, 'base64'))),
    { numRuns: 1000 },
  );
});

test('writing, copying, comparing and reading numbers are those of Node', () => {
  fc.assert(
    fc.property(text, fc.nat(12), fc.uint8Array({ minLength: 12, maxLength: 24 }), (source, offset, bytes) => {
      for (const encoding of ['utf8', 'latin1'] as const) {
        const [ours, nodes] = [Shim.from(bytes), Buffer.from(bytes)];
        assert.equal(ours.write(source, offset, encoding), nodes.write(source, offset, encoding));
        same(ours, nodes);
      }
      const [ours, nodes] = [Shim.alloc(16), Buffer.alloc(16)];
      assert.equal(Shim.from(bytes).copy(ours, offset, 3, 9), Buffer.from(bytes).copy(nodes, offset, 3, 9));
      same(ours, nodes);
      const [a, b] = [Shim.from(bytes), Buffer.from(bytes)];
      for (const name of ['readUInt16BE', 'readUInt16LE', 'readUInt32LE', 'readBigUInt64LE', 'readBigUInt64BE'] as const)
        assert.equal(a[name](3), b[name](3), name);
      same(a.subarray(-4).subarray(1), b.subarray(-4).subarray(1));
      assert.equal(Shim.compare(a, ours), Buffer.compare(b, nodes));
      same(Shim.concat([a, ours]), Buffer.concat([b, nodes]));
      same(Shim.from(bytes.subarray(0, 12)).swap16(), Buffer.from(bytes.subarray(0, 12)).swap16());
    }),
    { numRuns: 300 },
  );
  for (const name of ['readUInt16BE', 'readUInt32LE', 'readBigUInt64LE'] as const) assert.throws(() => Shim.alloc(1)[name](0), RangeError);
  const numbers = Shim.alloc(3);
  assert.equal(numbers.writeUInt16BE(0x1234, 1), 3);
  same(numbers, Uint8Array.of(0, 0x12, 0x34));
});

test('SHA-256 is that of Node, in one piece and in many', () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 1000, 70_000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff);
    for (const encoding of ['hex', 'binary'] as const)
      assert.equal(crypto.hash('sha256', bytes, encoding), nodeHash('sha256', bytes, encoding));
    const inPieces = crypto.createHash('sha256');
    for (let at = 0; at < length; at += 37) inPieces.update(bytes.subarray(at, at + 37));
    assert.equal(inPieces.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  }
  assert.equal(crypto.hash('sha256', 'é', 'hex'), nodeHash('sha256', 'é', 'hex'));
});

test('Ed25519 is that of Node and of RFC 8032; a changed bit, another key and a wrong length are refused', () => {
  // RFC 8032, 7.1, test 2.
  const seed = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex');
  const key = crypto.createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const signature = crypto.sign(null, Uint8Array.of(0x72), key);
  assert.equal(
    signature.toString('hex'),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  const own = crypto.createPublicKey(key);
  assert.ok(crypto.verify(null, Uint8Array.of(0x72), own, signature));

  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const der = publicKey.export({ format: 'der', type: 'spki' });
  const ours = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' });
  same(ours.export({ format: 'der', type: 'spki' }), der);
  const message = Buffer.from('a checkpoint');
  const good = nodeSign(null, message, privateKey);
  assert.ok(crypto.verify(null, message, ours, good));
  assert.ok(!crypto.verify(null, message, own, good));
  for (let bit = 0; bit < 512; bit += 37) {
    const bad = Buffer.from(good);
    bad[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(crypto.verify(null, message, ours, bad), nodeVerify(null, message, publicKey, bad));
  }
  for (const length of [0, 63, 65]) assert.ok(!crypto.verify(null, message, ours, new Uint8Array(length)));
  assert.throws(() => crypto.createPublicKey({ key: der.subarray(1), format: 'der', type: 'spki' }), TypeError);
});

test('CRC-32 is that of Node', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => assert.equal(crc32(b, crc32(a, 0)), nodeCrc32(Buffer.concat([a, b])))),
    { numRuns: 100 },
  );
});

const once = async function* (...chunks: Uint8Array[]) {
  for (const chunk of chunks) yield Shim.from(chunk) as never;
};

test('deflated bytes come out as they went in; broken ones do not', async () => {
  const source = blobSource(new Blob([]));
  const unpack = async (packed: AsyncIterable<never>): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of source.inflate(packed)) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const content = Buffer.from(Array.from({ length: 50_000 }, (_, at) => (at * at) & 0xff));
  const packed = deflateRawSync(content);
  same(await unpack(once(packed.subarray(0, 100), packed.subarray(100))), content);
  await assert.rejects(unpack(once(packed.subarray(0, -5))));
  await assert.rejects(unpack(once(Buffer.from('no deflate stream at all'))));
  const gone = new Error('gone');
  // oxlint-disable-next-line require-yield -- a file that cannot be read
  const fails = async function* () {
    throw gone;
  };
  await assert.rejects(unpack(fails()), gone);
});

test('whoever has seen enough of what is unpacked ends it: a bomb is never unpacked whole', async () => {
  // A gigabyte, one part after the other.
  const part = deflateRawSync(Buffer.alloc(4 * 1024 * 1024), { finishFlush: constants.Z_SYNC_FLUSH });
  const parts = 256;
  let read = 0;
  const source = (async function* () {
    for (; read < parts; read += 1) yield Shim.from(part) as never;
  })();
  for await (const piece of blobSource(new Blob([])).inflate(source)) if (piece.length > 0) break;
  assert.ok(read < parts / 8, `${read} of ${parts} parts read`);
});

test('a file is read in blocks, across their borders and not behind the end', async () => {
  const bytes = new Uint8Array(3 * 1024 * 1024 + 17).map((_, at) => at % 251);
  const source = blobSource(new Blob([bytes]));
  for (const [position, length] of [
    [0, 10],
    [1024 * 1024 - 5, 10],
    [5, 2 * 1024 * 1024 + 9],
    [bytes.length - 4, 4],
  ] as const)
    assert.ok(Buffer.from(await source.read(position, length)).equals(bytes.subarray(position, position + length)));
  assert.equal((await source.read(bytes.length - 4, 100)).length, 4);
});

test('a table is read as it was before it was written', () => {
  const cells = ['plain', '=SUM(A1)', 'a "quoted", cell', 'two\r\nlines', '', "'quoted", '7'];
  assert.deepEqual(parseCsv(csvLine(cells) + csvLine(['x'])), [cells, ['x']]);
});
