// Inclusion and consistency proofs. SPEC: RFC 6962 section 2.1 (generation), RFC 9162 sections 2.1.3.2 and 2.1.4.2
// (verification). Generation reads tiles through a function of the caller; verification is pure.

import { SallyportError } from '../../core/error.ts';
import { equalHashes, HASH_BYTES, nodeHash, perfectRoot } from './hash.ts';
import { TILE_WIDTH, tileWidth } from './tile.ts';

/** Bytes of tile (`level`, `index`) with at least its first `width` hashes. */
export type TileReader = (level: number, index: number, width: number) => Promise<Uint8Array>;

function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function requireRange(condition: boolean, what: string): void {
  if (!condition) throw new RangeError(what);
}

/** Root of the entries [from, to) of a tree of `size`; `from` is a multiple of every power of two up to the length. */
export async function spanRoot(from: number, to: number, size: number, readTile: TileReader): Promise<Buffer> {
  const count = to - from;
  const height = Math.log2(count);
  if (!Number.isInteger(height)) {
    const split = from + largestPowerBelow(count);
    return nodeHash(await spanRoot(from, split, size, readTile), await spanRoot(split, to, size, readTile));
  }
  const level = Math.floor(height / 8);
  const unit = TILE_WIDTH ** level;
  const first = from / unit;
  const index = Math.floor(first / TILE_WIDTH);
  const position = first % TILE_WIDTH;
  const tile = await readTile(level, index, tileWidth(level, index, size));
  const hashes = tile.subarray(position * HASH_BYTES, (position + count / unit) * HASH_BYTES);
  if (hashes.length !== (count / unit) * HASH_BYTES) {
    throw new SallyportError('SP_AUDIT_CORRUPT', `tile ${level}/${index} is shorter than the tree of size ${size} needs`);
  }
  return perfectRoot(hashes);
}

/** Proof that entry `index` is in the tree of `size`. */
export async function inclusionProof(index: number, size: number, readTile: TileReader): Promise<Buffer[]> {
  requireRange(index >= 0 && index < size, `entry ${index} is not in a tree of size ${size}`);
  const proof: Buffer[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const split = from + largestPowerBelow(to - from);
    if (index < split) {
      proof.unshift(await spanRoot(split, to, size, readTile));
      to = split;
    } else {
      proof.unshift(await spanRoot(from, split, size, readTile));
      from = split;
    }
  }
  return proof;
}

/** Proof that the tree of `oldSize` is a prefix of the tree of `size`. */
export async function consistencyProof(oldSize: number, size: number, readTile: TileReader): Promise<Buffer[]> {
  requireRange(oldSize >= 0 && oldSize <= size, `a tree of size ${size} has no prefix of size ${oldSize}`);
  if (oldSize === 0 || oldSize === size) return [];
  const proof: Buffer[] = [];
  let from = 0;
  let to = size;
  while (oldSize < to) {
    const split = from + largestPowerBelow(to - from);
    if (oldSize <= split) {
      proof.unshift(await spanRoot(split, to, size, readTile));
      to = split;
    } else {
      proof.unshift(await spanRoot(from, split, size, readTile));
      from = split;
    }
  }
  // The verifier knows the old root; a subtree that is the whole old tree need not be sent.
  if (from > 0) proof.unshift(await spanRoot(from, to, size, readTile));
  return proof;
}

const half = (value: number): number => Math.floor(value / 2);
const odd = (value: number): boolean => value % 2 === 1;

export function verifyInclusion(index: number, size: number, leaf: Uint8Array, proof: readonly Uint8Array[], root: Uint8Array): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (odd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      while (!odd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalHashes(hash, root);
}

export function verifyConsistency(
  oldSize: number,
  size: number,
  oldRoot: Uint8Array,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(size) || oldSize < 0 || oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && equalHashes(oldRoot, root);
  if (oldSize === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(oldSize)) ? [oldRoot, ...proof] : [...proof];
  const seed = path.shift();
  if (seed === undefined || path.length === 0) return false;
  let node = oldSize - 1;
  let last = size - 1;
  while (odd(node)) {
    node = half(node);
    last = half(last);
  }
  let before = seed;
  let after = seed;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (odd(node) || node === last) {
      before = nodeHash(sibling, before);
      after = nodeHash(sibling, after);
      while (!odd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      after = nodeHash(after, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalHashes(before, oldRoot) && equalHashes(after, root);
}
