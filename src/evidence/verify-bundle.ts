// Verifies a bundle on disk. A large one by two threads, which comes to the same verdict: problems are told in an order of their own.

import { hashAside } from './hash-aside.ts';
import { openBundle } from './open-bundle.ts';
import type { EvidenceVerdict } from './verdict.ts';
import type { VerifyOptions } from './verify.ts';
import { verifyFiles } from './verify.ts';

/** Below it a thread takes longer to start than it saves. */
const ASIDE_BYTES = 16 * 1024 * 1024;

/** @param asideBytes from this size of the bundle on by two threads
 *  @throws SP_CONFIG_INVALID for options that are none; SP_INTERNAL when a thread ends early; faults of reading the disk as they are */
export async function verifyBundle(path: string, options: VerifyOptions, asideBytes = ASIDE_BYTES): Promise<EvidenceVerdict> {
  let bytes = 0;
  const open = async () => {
    const bundle = await openBundle(path);
    bytes = [...bundle.files.values()].reduce((sum, length) => sum + length, 0);
    return bundle;
  };
  return verifyFiles(open, options, (paths, onBytes) => (bytes < asideBytes ? null : hashAside({ bundle: path, paths }, onBytes)));
}
