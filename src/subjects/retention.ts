// The index goes with what it is about: files whose records are older than the shortest rule of retention, then keys that made none of
// what is left. A search says of what was before that nothing is known of it.

import { rm } from 'node:fs/promises';
import { endOf, indexFiles, pathOf, syncDirectory } from './files.ts';
import { dropKeys } from './keys.ts';

/** @param keepMs age of the records that go
 *  @returns how many files went */
export async function dropOldFiles(dir: string, keepMs: number, nowMs: number): Promise<number> {
  const files = await indexFiles(dir);
  const old = files.filter((file) => endOf(file) < nowMs - keepMs);
  for (const file of old) await rm(pathOf(dir, file), { force: true });
  if (old.length === 0) return 0;
  await syncDirectory(dir);
  await dropKeys(dir, new Set(files.filter((file) => !old.includes(file)).map(({ keyId }) => keyId)));
  return old.length;
}
