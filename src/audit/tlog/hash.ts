// RFC 6962 section 2.1 hashes: SHA-256 with a prefix byte that keeps leaves and inner nodes apart.
// A hash is always 32 bytes.

import { hash } from 'node:crypto';

export const HASH_BYTES = 32;

const node = Buffer.alloc(1 + 2 * HASH_BYTES);
node[0] = 1;

/** WHY by way of a string: a third of the time that a fresh ArrayBuffer per hash takes. */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

/** Root of the tree without entries. */
export function emptyRoot(): Buffer {
  return sha256(new Uint8Array());
}

/** The prefix byte and room for any entry. */
const leaf = Buffer.alloc(1 + 0xffff);

export function leafHash(entry: Uint8Array): Buffer {
  const prefixed = entry.length < leaf.length ? leaf : Buffer.alloc(1 + entry.length);
  prefixed.set(entry, 1);
  return sha256(prefixed.subarray(0, 1 + entry.length));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** Root of the perfect subtree over `hashes` (concatenated; their number is a power of two). */
export function perfectRoot(hashes: Uint8Array): Buffer {
  const row = Buffer.from(hashes);
  for (let width = row.length / HASH_BYTES; width > 1; width /= 2) {
    for (let i = 0; i < width / 2; i += 1) {
      row.copy(node, 1, 2 * i * HASH_BYTES, 2 * (i + 1) * HASH_BYTES);
      row.write(hash('sha256', node, 'binary'), i * HASH_BYTES, 'latin1');
    }
  }
  return row.subarray(0, HASH_BYTES);
}

export function equalHashes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
