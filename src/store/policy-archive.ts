// The kept policy versions of a state directory, for reading beside a gateway or from a copy of its disk. Changes nothing.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../core/error.ts';
import { sqliteFault } from './sqlite-dialect.ts';

export interface PolicyArchive {
  /** Text of a version; null when it is not kept. */
  get(sha256: string): string | null;
  close(): void;
}

/** @param dir the state directory; one that is not there keeps nothing. @throws SP_STORE_UNAVAILABLE when it cannot be read */
export function openPolicyArchive(dir: string): PolicyArchive {
  const path = join(dir, 'state.sqlite');
  if (!existsSync(path)) return { get: () => null, close: () => undefined };
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    const select = database.prepare('select source from policy_versions where sha256 = ?');
    return {
      get(sha256) {
        const source = select.get(sha256)?.['source'];
        return typeof source === 'string' ? source : null;
      },
      close: () => database.close(),
    };
  } catch (cause) {
    throw new SallyportError('SP_STORE_UNAVAILABLE', `${path}: ${sqliteFault(cause).message}`, { cause });
  }
}
