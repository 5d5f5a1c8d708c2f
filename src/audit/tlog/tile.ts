// Tiles and entry bundles. SPEC: c2sp.org/tlog-tiles. A tile of level L holds up to 256 hashes of height 8L; a bundle
// holds up to 256 entries, each behind its big-endian uint16 length. A path names level, index and, if not full, width.

import { SallyportError } from '../../core/error.ts';
import { HASH_BYTES } from './hash.ts';

export const TILE_WIDTH = 256;
export const MAX_ENTRY_BYTES = 0xffff;

export interface Tile {
  readonly level: number;
  readonly index: number;
  /** Hashes in it, 1..256. */
  readonly width: number;
  readonly bytes: Uint8Array;
}

function indexPath(index: number): string {
  let path = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  return path;
}

function widthSuffix(width: number): string {
  return width === TILE_WIDTH ? '' : `.p/${width}`;
}

/** Path below the log's root: `tile/0/x001/234.p/5`. */
export function tilePath(level: number, index: number, width: number): string {
  return `tile/${level}/${indexPath(index)}${widthSuffix(width)}`;
}

export function bundlePath(index: number, width: number): string {
  return `tile/entries/${indexPath(index)}${widthSuffix(width)}`;
}

/** Hashes that tile (`level`, `index`) has in a tree of `size`; 0 when the tree does not reach it. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/** @param room for up to so many bytes; what is returned lies there then */
export function encodeBundle(entries: readonly Uint8Array[], room?: Buffer): Buffer {
  let length = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw new SallyportError('SP_AUDIT_ENTRY_TOO_LARGE', `an entry has ${entry.length} bytes`);
    length += 2 + entry.length;
  }
  const bundle = room === undefined || room.length < length ? Buffer.allocUnsafeSlow(length) : room.subarray(0, length);
  let at = 0;
  for (const entry of entries) {
    at = bundle.writeUInt16BE(entry.length, at);
    bundle.set(entry, at);
    at += entry.length;
  }
  return bundle;
}

/** @throws SP_AUDIT_CORRUPT unless `bytes` is exactly a sequence of framed entries. */
export function decodeBundle(bytes: Uint8Array): Buffer[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Buffer[] = [];
  let at = 0;
  while (at < buffer.length) {
    const end = at + 2 <= buffer.length ? at + 2 + buffer.readUInt16BE(at) : Infinity;
    if (end > buffer.length) throw new SallyportError('SP_AUDIT_CORRUPT', 'an entry bundle ends inside an entry');
    entries.push(buffer.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

export function hashAt(tile: Uint8Array, position: number): Uint8Array {
  return tile.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
}
