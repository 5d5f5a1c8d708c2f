// Static checks, in the order in which they are quickest to fail: format, lint, types, dead code.
// `npm run check`; `npm test` runs it first.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const bin = join(import.meta.dirname, '..', 'node_modules', '.bin');
const checks = [
  ['format', 'oxfmt', '--check'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['types', 'tsc', '--noEmit'],
  ['types of the console', 'tsc', '--noEmit', '-p', 'console'],
  ['types of the verifier in browsers', 'tsc', '--noEmit', '-p', 'console/src/verify'],
  ['dead code', 'knip', '--no-progress'],
] as const;

let failed = 0;
for (const [name, command, ...args] of checks) {
  const startedMs = performance.now();
  const { status } = spawnSync(join(bin, command), args, { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${Math.round(performance.now() - startedMs)} ms)`);
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
