// One gateway per data directory. The lock is a kernel lock that SQLite holds on a file of its own, so it ends with
// the process however that dies, and a second open within one process is refused as well.
// WHY: the lock file must never be opened by anything but SQLite: closing any descriptor of it would drop the lock
// (POSIX). The process id for the message is therefore in a file beside it.

import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../core/error.ts';

const SQLITE_BUSY = 5;

/** Locks of this process. A handle that nobody refers to would be closed by the garbage collector, and the lock with it. */
const held = new Set<DatabaseSync>();

export interface DataDirectoryLock {
  release(): void;
}

function holder(dir: string): string {
  try {
    const pid = Number.parseInt(readFileSync(join(dir, 'gateway.pid'), 'utf8'), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? ` (process ${pid})` : '';
  } catch {
    // Only decoration of the message: the holder may not have written it yet.
    return '';
  }
}

/** @throws SP_DATA_DIR_LOCKED when another gateway has it, SP_STORE_UNAVAILABLE when it cannot be locked at all. */
export function lockDataDirectory(dir: string): DataDirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const path = join(dir, 'lock.sqlite');
    if (existsSync(path)) chmodSync(path, 0o600);
    else closeSync(openSync(path, 'a', 0o600));
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('pragma journal_mode = memory; begin exclusive');
    writeFileSync(join(dir, 'gateway.pid'), `${process.pid}\n`, { mode: 0o600 });
  } catch (cause) {
    if (database?.isOpen) database.close();
    const result = cause instanceof Error && 'errcode' in cause ? cause.errcode : undefined;
    if (typeof result === 'number' && (result & 0xff) === SQLITE_BUSY) {
      throw new SallyportError('SP_DATA_DIR_LOCKED', `another gateway${holder(dir)} uses ${dir}`, { cause });
    }
    throw new SallyportError('SP_STORE_UNAVAILABLE', `${dir} cannot be locked`, { cause });
  }
  const handle = database;
  held.add(handle);
  return {
    release() {
      held.delete(handle);
      if (handle.isOpen) handle.close();
    },
  };
}
