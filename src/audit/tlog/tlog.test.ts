import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { SallyportError } from '../../core/error.ts';
import {
  bundlePath,
  consistencyProof,
  decodeBundle,
  decodeSigningKey,
  emptyRoot,
  encodeBundle,
  encodeSigningKey,
  Frontier,
  inclusionProof,
  isNoteName,
  leafHash,
  nodeHash,
  noteSigner,
  openCheckpoint,
  openNote,
  parseVerifierKey,
  signCheckpoint,
  tilePath,
  tileWidth,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';
import type { TileReader } from './index.ts';

const corrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_CORRUPT';

/** RFC 6962 section 2.1, word for word: the reference the tile code is compared with. */
function referenceRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return emptyRoot();
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(referenceRoot(leaves.slice(0, split)), referenceRoot(leaves.slice(split)));
}

const leaves = Array.from({ length: 1000 }, (_, at) => leafHash(Buffer.from(`entry ${at}`)));
const frontierOf = (size: number): { frontier: Frontier; readTile: TileReader } => {
  const frontier = new Frontier();
  const tiles = new Map<string, Uint8Array>();
  for (let at = 0; at < size; at += 1) {
    const leaf = leaves[at] ?? leafHash(Buffer.from(`entry ${at}`));
    for (const tile of frontier.push(leaf)) tiles.set(`${tile.level}/${tile.index}`, tile.bytes);
  }
  for (const tile of frontier.partial()) tiles.set(`${tile.level}/${tile.index}`, tile.bytes);
  return { frontier, readTile: async (level, index) => tiles.get(`${level}/${index}`) ?? new Uint8Array() };
};

// Vectors of certificate-transparency-go, merkle/testonly: inputs and roots of the trees of size 1..8.
const vectorInputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const vectorRoots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test('roots are those of the RFC 6962 test vectors', () => {
  assert.equal(emptyRoot().toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  const frontier = new Frontier();
  for (const [at, input] of vectorInputs.entries()) {
    frontier.push(leafHash(Buffer.from(input, 'hex')));
    assert.equal(frontier.root().toString('hex'), vectorRoots[at]);
  }
});

test('the root over tiles is the root of the definition for every size up to 300 and around tile borders', () => {
  const frontier = new Frontier();
  for (let size = 1; size <= 1000; size += 1) {
    frontier.push(leaves[size - 1]!);
    if (size <= 300 || size % 256 < 3 || size % 111 === 0)
      assert.deepEqual(Buffer.from(referenceRoot(leaves.slice(0, size))), frontier.root(), `size ${size}`);
  }
});

test('a frontier restored from tiles continues like the one that was never stopped, across three levels', async () => {
  for (const size of [0, 1, 255, 256, 257, 65_537]) {
    const { frontier, readTile } = frontierOf(size);
    const restored = await Frontier.restore(size, readTile);
    assert.deepEqual(restored.root(), frontier.root());
    assert.deepEqual(restored.push(leaves[0]!), frontier.push(leaves[0]!));
    assert.deepEqual(restored.partial(), frontier.partial());
    assert.deepEqual(restored.root(), frontier.root());
  }
});

test('restoring from a tile of another length is refused', async () => {
  const { readTile } = frontierOf(10);
  await assert.rejects(Frontier.restore(11, readTile), corrupt);
});

test('every inclusion proof verifies, and for no other entry, size or root', async () => {
  for (const size of [1, 2, 3, 7, 8, 255, 256, 257, 700]) {
    const { frontier, readTile } = frontierOf(size);
    const root = frontier.root();
    for (let index = 0; index < size; index += size < 10 ? 1 : 37) {
      const proof = await inclusionProof(index, size, readTile);
      assert.ok(verifyInclusion(index, size, leaves[index]!, proof, root));
      assert.ok(!verifyInclusion(index, size, leaves[index + 1]!, proof, root));
      assert.ok(!verifyInclusion(index + 1, size, leaves[index]!, proof, root));
      assert.ok(!verifyInclusion(index, size, leaves[index]!, [...proof, root], root));
      if (proof.length > 0) assert.ok(!verifyInclusion(index, size, leaves[index]!, proof.slice(1), root));
      assert.ok(!verifyInclusion(index, size, leaves[index]!, proof, emptyRoot()));
    }
  }
  await assert.rejects(inclusionProof(5, 5, frontierOf(5).readTile), RangeError);
});

test('every consistency proof verifies, and for no other root', async () => {
  for (const size of [1, 2, 3, 5, 8, 256, 257, 513, 700]) {
    const { frontier, readTile } = frontierOf(size);
    for (let old = 0; old <= size; old += size < 10 ? 1 : 19) {
      const proof = await consistencyProof(old, size, readTile);
      const oldRoot = frontierOf(old).frontier.root();
      assert.ok(verifyConsistency(old, size, oldRoot, frontier.root(), proof), `${old} of ${size}`);
      assert.ok(!verifyConsistency(old, size, oldRoot, frontier.root(), [...proof, oldRoot]));
      if (old > 0) assert.ok(!verifyConsistency(old, size, leaves[999]!, frontier.root(), proof));
      if (old > 0 && old < size) {
        assert.ok(!verifyConsistency(old, size, oldRoot, leaves[999]!, proof));
        assert.ok(!verifyConsistency(old, size, oldRoot, frontier.root(), []));
      }
    }
  }
});

test('arbitrary proofs never verify and never throw', () => {
  const hash = fc.uint8Array({ minLength: 0, maxLength: 40 });
  fc.assert(
    fc.property(fc.integer(), fc.integer(), hash, fc.array(hash), hash, (index, size, leaf, proof, root) => {
      assert.equal(
        verifyInclusion(index, size, leaf, proof, root),
        size === 1 && index === 0 && proof.length === 0 && Buffer.compare(leaf, root) === 0,
      );
      if (index > 0 && index < size) assert.equal(verifyConsistency(index, size, leaf, root, proof), false);
    }),
  );
});

test('paths of tiles and bundles follow tlog-tiles', () => {
  assert.equal(tilePath(0, 0, 256), 'tile/0/000');
  assert.equal(tilePath(2, 1_234_067, 256), 'tile/2/x001/x234/067');
  assert.equal(tilePath(1, 1000, 7), 'tile/1/x001/000.p/7');
  assert.equal(bundlePath(999, 255), 'tile/entries/999.p/255');
  assert.deepEqual([tileWidth(0, 0, 300), tileWidth(0, 1, 300), tileWidth(1, 0, 300), tileWidth(0, 2, 300)], [256, 44, 1, 0]);
});

test('bundles round-trip, and a bundle cut at any byte is refused or shorter', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (entries) => {
      assert.deepEqual(
        decodeBundle(encodeBundle(entries)),
        entries.map((entry) => Buffer.from(entry)),
      );
    }),
  );
  const bundle = encodeBundle([Buffer.from('ab'), Buffer.from('cde')]);
  for (const length of [1, 2, 3, 5, 6, 7, 8]) assert.throws(() => decodeBundle(bundle.subarray(0, length)), corrupt);
  assert.throws(() => encodeBundle([new Uint8Array(65_536)]), SallyportError);
});

// Key and note of the documentation of golang.org/x/mod/sumdb/note.
const peterVkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const peterSkey = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const peterText = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const peterNote = `${peterText}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

test('a note signed by golang.org/x/mod opens, and ours has the same bytes', () => {
  assert.equal(openNote(peterNote, parseVerifierKey(peterVkey)), peterText);
  const key = decodeSigningKey(peterSkey);
  assert.equal(key?.name, 'PeterNeumann');
  const signer = noteSigner(key!.name, key!.seed);
  assert.equal(signer.vkey, peterVkey);
  assert.equal(signer.sign(peterText), peterNote);
  assert.equal(encodeSigningKey(key!.name, key!.seed), peterSkey);
});

test('a note with a changed byte, a foreign key or a malformed signature line is refused', () => {
  const verifier = parseVerifierKey(peterVkey);
  for (let at = 0; at < peterNote.length; at += 1) {
    const changed = peterNote.slice(0, at) + String.fromCharCode(peterNote.charCodeAt(at) ^ 1) + peterNote.slice(at + 1);
    assert.throws(() => openNote(changed, verifier), corrupt, `byte ${at}`);
  }
  const foreign = noteSigner('PeterNeumann', new Uint8Array(32).fill(3));
  assert.throws(() => openNote(foreign.sign(peterText), verifier), corrupt);
  for (const note of ['', '\n\n', peterText, `${peterNote}x`, `${peterNote}\u2014 x\n`, `${peterNote}\u2014 x !!!!\n`])
    assert.throws(() => openNote(note, verifier), corrupt);
  assert.equal(openNote(`${peterNote}\u2014 witness.example AAAAAAAA\n`, verifier), peterText, 'signatures of others are ignored');
});

test('malformed verifier and signing keys are refused', () => {
  for (const vkey of [
    '',
    'a',
    'a+b',
    'a+b+c',
    peterVkey.replace('c74f20a3', 'c74f20a4'),
    peterVkey.replace('PeterNeumann', 'P'),
    `${peterVkey}A`,
    peterVkey.slice(0, -4),
    peterVkey.replace('+AR', '+BR'),
  ]) {
    assert.throws(() => parseVerifierKey(vkey), corrupt, vkey);
  }
  for (const skey of ['', 'PRIVATE+KEY+', peterSkey.slice(0, -1), peterSkey.replace('c74f20a3', 'c74f20a4'), peterVkey])
    assert.equal(decodeSigningKey(skey), null, skey);
  assert.deepEqual(['a b', 'a+b', '', 'a\n', '\u0000'].map(isNoteName), [false, false, false, false, false]);
});

test('a checkpoint round-trips, is verifiable as plain Ed25519 over its text, and other texts are refused', () => {
  const seed = new Uint8Array(32).fill(9);
  const signer = noteSigner('audit.example.org/one', seed);
  const verifier = parseVerifierKey(signer.vkey);
  const head = { size: 3, root: emptyRoot() };
  const note = signCheckpoint(head, signer);
  assert.deepEqual(openCheckpoint(note, verifier), head);

  const [text = '', signatures = ''] = note.split('\n\n');
  const signature = Buffer.from(signatures.trim().split(' ')[2] ?? '', 'base64').subarray(4);
  const raw = Buffer.from(signer.vkey.split('+').slice(2).join('+'), 'base64').subarray(1);
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' });
  assert.ok(verify(null, Buffer.from(`${text}\n`), publicKey, signature));

  const root = emptyRoot().toString('base64');
  for (const wrong of [
    `audit.example.org/two\n3\n${root}\n`,
    `audit.example.org/one\n03\n${root}\n`,
    `audit.example.org/one\n-3\n${root}\n`,
    `audit.example.org/one\n9007199254740993\n${root}\n`,
    `audit.example.org/one\n3\n${root.slice(4)}\n`,
    'audit.example.org/one\n3\n',
  ]) {
    assert.throws(() => openCheckpoint(signer.sign(wrong), verifier), corrupt, wrong);
  }
});
