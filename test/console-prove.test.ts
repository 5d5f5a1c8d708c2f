// Heads and entries of the log, proven as the page does it, from tiles of logs of all shapes; and everything that is not as it was signed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHead, prove, type ReadFile } from '../console/src/verify/prove.ts';
import {
  bundlePath,
  encodeBundle,
  inclusionProof,
  leafHash,
  noteSigner,
  perfectRoot,
  signCheckpoint,
  spanRoot,
  tilePath,
} from '../src/audit/tlog/index.ts';

const signer = noteSigner('log.example/prove', Buffer.alloc(32, 7));
const { vkey } = signer;
const entryOf = (index: number, salt: string): Buffer => Buffer.from(JSON.stringify({ v: 1, seq: index, salt }));

/** A log of so many entries as a gateway serves it. */
async function logOf(size: number, salt = '') {
  const files = new Map<string, Buffer>();
  let hashes = Array.from({ length: size }, (_, index) => leafHash(entryOf(index, salt)));
  for (let first = 0; first < size; first += 256) {
    const width = Math.min(256, size - first);
    const entries = Array.from({ length: width }, (_, at) => entryOf(first + at, salt));
    files.set(bundlePath(first / 256, width), encodeBundle(entries));
  }
  for (let level = 0; hashes.length > 0; level += 1) {
    const above: Buffer[] = [];
    for (let first = 0; first < hashes.length; first += 256) {
      const tile = Buffer.concat(hashes.slice(first, first + 256));
      files.set(tilePath(level, first / 256, tile.length / 32), tile);
      if (tile.length === 256 * 32) above.push(perfectRoot(tile));
    }
    hashes = above;
  }
  const read: ReadFile = async (path) => files.get(path) ?? null;
  const root = await spanRoot(0, size, size, async (level, index, width) => files.get(tilePath(level, index, width))!);
  return { files, read, root, checkpoint: signCheckpoint({ size, root }, signer) };
}

test('every entry of logs of many sizes leads to the signed root', async () => {
  for (const size of [1, 2, 3, 7, 255, 256, 257, 600, 5000]) {
    const log = await logOf(size);
    for (const index of new Set([0, 1, size >> 1, 255, 256, size - 2, size - 1].filter((each) => each >= 0 && each < size))) {
      const { steps, leaf, entry, head } = await prove({ index, checkpoint: log.checkpoint, vkey }, log.read);
      assert.equal(entry, entryOf(index, '').toString());
      assert.equal(leaf, leafHash(entryOf(index, '')).toString('hex'));
      assert.equal(steps.at(-1)?.parent ?? leaf, log.root.toString('hex'), `${index} of ${size}`);
      assert.equal(head.size, size);
      const hashes = await inclusionProof(index, size, async (level, at, width) => log.files.get(tilePath(level, at, width))!);
      assert.deepEqual(
        steps.map(({ sibling }) => sibling),
        hashes.map((hash) => hash.toString('hex')),
      );
      // What the siblings stand for is all of the log but the entry, without a gap.
      const spans = [{ from: index, to: index + 1 }, ...steps].toSorted((a, b) => a.from - b.from);
      assert.deepEqual([spans[0]?.from, spans.at(-1)?.to], [0, size]);
      for (const [at, { to }] of spans.slice(0, -1).entries()) assert.equal(to, spans[at + 1]?.from);
    }
  }
});

test('a part of a tile that has become whole is taken from the whole', async () => {
  const [before, after] = [await logOf(300), await logOf(600)];
  // What is no whole tile yet stays.
  const read: ReadFile = async (path) => after.files.get(path) ?? (path.startsWith('tile/1/') ? before.read(path) : null);
  const { head } = await prove({ index: 299, checkpoint: before.checkpoint, vkey }, read);
  assert.equal(head.size, 300);
});

test('what was changed, is missing, or is signed by another key is refused', async () => {
  const log = await logOf(600);
  const question = { index: 300, checkpoint: log.checkpoint, vkey };
  const changed =
    (path: string): ReadFile =>
    async (name) => {
      const bytes = Buffer.from(log.files.get(name) ?? []);
      if (name === path) bytes[20]! ^= 1;
      return bytes;
    };
  const last = bundlePath(1, 256);
  await assert.rejects(prove({ ...question, index: 256 }, changed(last)), /entry 256 is not the one that was signed/);
  for (const path of [tilePath(0, 1, 256), tilePath(1, 0, 2)])
    await assert.rejects(prove({ ...question, index: 5 + 256 }, changed(path)), /not the one that was signed/, path);
  await assert.rejects(
    prove(question, async () => null),
    /is not in the log any more/,
  );
  await assert.rejects(
    prove(question, async () => new Uint8Array(5)),
    { code: 'SP_AUDIT_CORRUPT' },
  );
  await assert.rejects(prove({ ...question, index: 600 }, log.read), /not under the newest signed checkpoint yet/);
  await assert.rejects(prove({ ...question, checkpoint: log.checkpoint.replace('\n600\n', '\n599\n') }, log.read), /signature .* is wrong/);
  const other = noteSigner('log.example/prove', Buffer.alloc(32, 8));
  await assert.rejects(prove({ ...question, vkey: other.vkey }, log.read), /is not signed by the key/);
  await assert.rejects(prove({ ...question, vkey: 'no key' }, log.read), /verifier key/);
});

test('a head must grow out of the one seen before', async () => {
  const [old, now, forked] = [await logOf(300), await logOf(600), await logOf(600, 'x')];
  const before = await checkHead({ checkpoint: old.checkpoint, vkey, before: null }, old.read);
  assert.deepEqual(before, {
    origin: 'log.example/prove',
    key: vkey.slice(0, vkey.lastIndexOf('+', vkey.indexOf('+') + 9)),
    size: 300,
    root: old.root.toString('hex'),
  });
  assert.equal((await checkHead({ checkpoint: now.checkpoint, vkey, before }, now.read)).size, 600);
  await assert.rejects(checkHead({ checkpoint: forked.checkpoint, vkey, before }, forked.read), /two histories were signed/);
  const after = await checkHead({ checkpoint: now.checkpoint, vkey, before: null }, now.read);
  await assert.rejects(checkHead({ checkpoint: old.checkpoint, vkey, before: after }, old.read), /put back to an older state/);
});
