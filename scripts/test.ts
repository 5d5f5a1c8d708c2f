// The test command. `npm test` = static checks, unit tests, end-to-end tests; `npm run test:unit` / `test:e2e` one part.
// End-to-end tests need Debian packages (psql, Go, ...): installed here when missing and root, else named and refused.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run as runTests } from 'node:test';
import { spec } from 'node:test/reporters';
import { buildConsole } from '../console/build.ts';
import { ensureDebianPackages } from '../test/support/debian.ts';

const root = join(import.meta.dirname, '..');
const part = process.argv[2] ?? 'all';
/** Collecting garbage is a tenth of the time of most tests with what node reserves for young objects, in megabytes. */
const youngSpace = '--max-semi-space-size=64';
/** As `bin/sallyport.cjs` has them: else each process that parses SQL optimises the parser in the background, for longer than most
 *  tests take. */
const parserAsItIs = ['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];
// Every test file and every gateway it starts loads the same modules: compiled once for all of them.
const compiled = mkdtempSync(join(tmpdir(), 'sallyport-compiled-'));
process.env['NODE_COMPILE_CACHE'] = compiled;
process.on('exit', () => rmSync(compiled, { recursive: true, force: true }));
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());

function run(title: string, args: readonly string[]): boolean {
  const startedMs = performance.now();
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  console.log(`\n${status === 0 ? 'passed' : 'FAILED'}: ${title} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  return status === 0;
}

/** Unit tests: two processes, each running its half of the files in one thread. A process a file would spend most of its time
 *  loading modules. Output is shown one half after the other. */
async function runUnitTests(): Promise<boolean> {
  const startedMs = performance.now();
  const files = testFiles(['src/**/*.test.ts', 'console/src/**/*.test.ts', 'test/*.test.ts', 'test/interop/*.test.ts']);
  const halves = ['1/2', '2/2'].map(async (shard) => {
    const args = [
      youngSpace,
      ...parserAsItIs,
      '--test',
      '--test-isolation=none',
      `--test-shard=${shard}`,
      '--test-reporter=spec',
      ...files,
    ];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  });
  let passed = true;
  for (const half of halves) {
    const { code, output } = await half;
    // The whole list only when something failed; else the closing counts.
    process.stdout.write(code === 0 ? output.slice(output.lastIndexOf('\nℹ tests')) : output);
    passed = passed && code === 0;
  }
  console.log(`${passed ? 'passed' : 'FAILED'}: unit tests in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  return passed;
}

/** Three files at a time: the machines have two cores, and a file waits for servers, browsers and the disk for a third of its time. The
 *  command line of node would sort them. */
async function runEndToEndTests(files: readonly string[]): Promise<boolean> {
  const startedMs = performance.now();
  let passed = false;
  const events = runTests({
    files: inOrder(files).map((file) => join(root, file)),
    concurrency: 3,
    execArgv: [youngSpace, ...parserAsItIs],
    signal: stopped.signal,
  });
  events.on('test:summary', ({ file, success }) => {
    if (file === undefined) passed = success;
  });
  for await (const text of events.compose(new spec())) process.stdout.write(text);
  console.log(`\n${passed ? 'passed' : 'FAILED'}: end-to-end tests in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  return passed;
}

/** The longest first, so that no core is left with one of them at the end. */
const longest = [
  'noninterference',
  'bypass',
  'postgres-versions',
  'console-browser',
  'snowflake-bypass',
  'gateway-workers',
  'policy-tools',
  'grants',
  'bound-columns',
  'gateway-faults',
  'audit-crash',
  'mutation',
  'audit-killed',
  'console-evidence',
  'subjects',
];

function inOrder(files: readonly string[]): string[] {
  const place = (file: string): number => {
    const at = longest.findIndex((name) => file.endsWith(`/${name}.e2e.test.ts`));
    return at === -1 ? longest.length : at;
  };
  return files.toSorted((one, other) => place(one) - place(other));
}

function testFiles(patterns: readonly string[]): string[] {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  if (files.length === 0) throw new Error(`no test file matches ${patterns.join(' ')}`);
  return files;
}

let passed = true;
if (part === 'all') passed = run('static checks', ['scripts/check.ts']) && passed;
if (part === 'all' || part === 'unit') passed = (await runUnitTests()) && passed;
if (part === 'all' || part === 'e2e') {
  // Tests name what they need themselves too; asking once here keeps apt to a single run.
  ensureDebianPackages([
    'chromium',
    'gcc',
    'golang-go',
    'golang-golang-x-mod-dev',
    'libc6-dev',
    'openssl',
    'poppler-utils',
    'postgresql-client',
    'qpdf',
    'syslog-ng-core',
  ]);
  await buildConsole(join(root, 'dist', 'console'));
  const only = process.argv.slice(3);
  const files = testFiles(['test/e2e/**/*.e2e.test.ts']).filter((file) => only.length === 0 || only.some((word) => file.includes(word)));
  if (files.length === 0) throw new Error(`no end-to-end test has any of these in its name: ${only.join(' ')}`);
  passed = (await runEndToEndTests(files)) && passed;
}
process.exit(passed ? 0 : 1);
