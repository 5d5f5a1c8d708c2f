// Policy packs as they lie in the source tree. The bundle embeds them instead (scripts/build.ts).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACK_NAMES } from '../policy/index.ts';

/** Name -> text of every pack. */
export function loadPacks(): ReadonlyMap<string, string> {
  const folder = join(import.meta.dirname, '../policy/packs');
  return new Map(PACK_NAMES.map((name) => [name, readFileSync(join(folder, `${name}.yaml`), 'utf8')]));
}
