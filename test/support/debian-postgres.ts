// PostgreSQL of Debian's packages: which are installed, and where their programs are.

import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Wanted {
  /** Absent = the newest. */
  readonly major?: number;
  /** Something that must be installed beside the server, from its directory: `bin/pgbench`, `lib/dblink.so`. */
  readonly beside?: string;
  /** Where the packages have their versions. */
  readonly root?: string;
}

/** Directory of `initdb`, `postgres` and whatever else is installed. Null = there is none. */
export function debianPostgresBin({ major, beside, root = '/usr/lib/postgresql' }: Wanted = {}): string | null {
  const found = globSync('*/bin/initdb', { cwd: root })
    .map((path) => dirname(dirname(path)))
    .filter((version) => (major === undefined || Number(version) === major) && existsSync(join(root, version, beside ?? '')))
    .sort((one, other) => Number(one) - Number(other))
    .at(-1);
  return found === undefined ? null : join(root, found, 'bin');
}
