// One entry of the log and the proof that it is under the signed checkpoint, made and checked here from what the gateway serves to every
// verifier (c2sp.org/tlog-tiles). Nothing that the gateway says is believed but the key.

import type { TileReader, TreeHead } from '../../../src/audit/tlog/index.ts';
import {
  bundlePath,
  consistencyProof,
  decodeBundle,
  HASH_BYTES,
  inclusionProof,
  leafHash,
  nodeHash,
  openCheckpoint,
  parseVerifierKey,
  TILE_WIDTH,
  tilePath,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/audit/tlog/index.ts';
import { SallyportError } from '../../../src/core/error.ts';
import { Buffer } from './buffer.ts';
import type { Head, HeadQuestion, Proof, ProofQuestion, ProofStep } from './messages.ts';

/** A file below /log; null = it is not there. */
export type ReadFile = (path: string) => Promise<Uint8Array | null>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);

/** @throws SP_AUDIT_CORRUPT when the key has not signed it, or `before` is no prefix of it */
export async function checkHead({ checkpoint, vkey, before }: HeadQuestion, read: ReadFile): Promise<Head> {
  const { head, found } = headOf(checkpoint, vkey);
  if (before === null || before.origin !== head.origin) return head;
  if (before.size > head.size)
    throw refused(`this page saw ${before.size} entries before, and now the log has ${head.size}: it was put back to an older state`);
  const proof = await consistencyProof(before.size, head.size, tilesOf(head.size, read));
  if (!verifyConsistency(before.size, head.size, Buffer.from(before.root, 'hex'), found.root, proof))
    throw refused(`the first ${before.size} entries are not those that this page saw before: two histories were signed`);
  return head;
}

/** @throws SP_AUDIT_CORRUPT when the entry is not under the checkpoint, or not there */
export async function prove({ index, checkpoint, vkey }: ProofQuestion, read: ReadFile): Promise<Proof> {
  const { head, found } = headOf(checkpoint, vkey);
  if (index >= head.size) throw refused(`entry ${index} is not under the newest signed checkpoint yet`);
  const bundle = Math.floor(index / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, head.size - bundle * TILE_WIDTH);
  const entry = decodeBundle(await whole(read, (count) => bundlePath(bundle, count), width))[index % TILE_WIDTH];
  if (entry === undefined) throw refused(`entry ${index} is not in its file`);
  const leaf = leafHash(entry);
  const hashes = await inclusionProof(index, head.size, tilesOf(head.size, read));
  if (!verifyInclusion(index, head.size, leaf, hashes, found.root))
    throw refused(`entry ${index} is not the one that was signed: its proof does not lead to the root`);
  let above: Uint8Array = leaf;
  const steps = siblingsOf(index, head.size).map((sibling, at): ProofStep => {
    const hash = hashes[at] ?? leaf;
    above = sibling.side === 'left' ? nodeHash(hash, above) : nodeHash(above, hash);
    return { ...sibling, sibling: hex(hash), parent: hex(above) };
  });
  return { index, head, entry: entry.toString('utf8'), leaf: hex(leaf), steps };
}

function headOf(checkpoint: string, vkey: string): { readonly head: Head; readonly found: TreeHead } {
  const verifier = parseVerifierKey(vkey);
  const found = openCheckpoint(checkpoint, verifier);
  return { found, head: { origin: verifier.name, key: `${verifier.name}+${verifier.keyId}`, size: found.size, root: hex(found.root) } };
}

const tilesOf =
  (size: number, read: ReadFile): TileReader =>
  async (level, index, width) => {
    const bytes = await whole(read, (count) => tilePath(level, index, count), width);
    if (bytes.length < width * HASH_BYTES) throw refused(`tile ${level}/${index} is shorter than a log of ${size} entries needs`);
    return bytes;
  };

/** A part of a file, or the whole, which is there instead once the log has grown. */
async function whole(read: ReadFile, path: (width: number) => string, width: number): Promise<Uint8Array> {
  const bytes = (await read(path(width))) ?? (width < TILE_WIDTH ? await read(path(TILE_WIDTH)) : null);
  if (bytes === null) throw refused(`${path(width)} is not in the log any more`);
  return bytes;
}

/** What stands beside the way from an entry to the root, from the entry up. */
function siblingsOf(index: number, size: number): Pick<ProofStep, 'from' | 'to' | 'side'>[] {
  const siblings: Pick<ProofStep, 'from' | 'to' | 'side'>[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const split = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    const isLeft = index < split;
    siblings.unshift(isLeft ? { from: split, to, side: 'right' } : { from, to: split, side: 'left' });
    [from, to] = isLeft ? [from, split] : [split, to];
  }
  return siblings;
}
