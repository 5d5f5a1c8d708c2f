// PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who needs files that nobody else guards.

import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';

const NOBODY = 65_534;

/** Whom servers run as when that is not the caller; null = the caller. */
export const identity: { readonly uid: number; readonly gid: number } | null =
  process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : null;

/** Whether every user may read this folder and get there. */
export async function isReachableByOthers(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o005) !== 0o005) return false;
    if (dirname(at) === at) return true;
  }
}

/** Where a server may have its files: root's own temporary directory is often closed to others. */
export async function serverTmpdir(): Promise<string> {
  return identity === null || (await isReachableByOthers(tmpdir())) ? tmpdir() : '/tmp';
}
