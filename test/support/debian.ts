// Debian packages that end-to-end tests need: checked, installed when root, else named exactly.

import { spawnSync } from 'node:child_process';

function isInstalled(name: string): boolean {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
  return status === 0 && stdout.trim() === 'installed';
}

function apt(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('apt-get', args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed: ${stderr.trim().split('\n').slice(-3).join(' ')}`);
}

/** On return all packages are installed.
 *  @throws saying what to install when some are missing and this process is not root, or this is no Debian. */
export function ensureDebianPackages(names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new Error(`end-to-end tests need Debian packages: apt-get install ${missing.join(' ')}`);
  // WHY the lock timeout: test files run side by side and may all find something missing.
  apt('-o', 'DPkg::Lock::Timeout=300', 'update', '-qq');
  apt('-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '-qq', '--no-install-recommends', ...missing);
}
