// SHA256SUMS, as `sha256sum --check` reads it, and the digests of files. A path of a bundle is plain ASCII without `.` segments, so that no
// tool that unpacks or checks it can be led elsewhere.

import { createHash } from 'node:crypto';
import { SallyportError } from '../core/error.ts';

export const SUMS = 'SHA256SUMS';
/** In one bundle. */
export const MAX_FILES = 2_000_000;
const PATH = /^(?=.{1,240}$)[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function isBundlePath(path: string): boolean {
  return PATH.test(path);
}

/** Sorted by path. */
export function encodeSums(files: ReadonlyMap<string, string>): string {
  return [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, sha256]) => `${sha256}  ${path}\n`)
    .join('');
}

/** @throws SP_AUDIT_CORRUPT unless it is exactly what `encodeSums` writes. */
export function decodeSums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n').slice(0, -1)) {
    const match = /^([0-9a-f]{64}) {2}(.+)$/.exec(line);
    const [, sha256 = '', path = ''] = match ?? [];
    if (!isBundlePath(path) || sums.has(path)) throw new SallyportError('SP_AUDIT_CORRUPT', `${SUMS} has a line that is not one`);
    sums.set(path, sha256);
  }
  if (encodeSums(sums) !== text) throw new SallyportError('SP_AUDIT_CORRUPT', `${SUMS} is not in the form that was written`);
  return sums;
}
