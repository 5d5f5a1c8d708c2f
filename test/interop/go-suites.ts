// Suites of Go drivers: a module's zip carries its tests. They are copied out of the read-only module cache and run with
// the module's own go.mod. Versions are pinned: another version has other tests.

import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Endpoint, cacheDirectory, logFile } from './environment.ts';
import { type RunOptions, type Suite, type TestResult, libpqEnvironment, mustRun, run } from './suite.ts';

const prepareMs = 600_000;

interface GoSuite {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  readonly packages: readonly string[];
  readonly environment: (endpoint: Endpoint) => Record<string, string>;
  readonly timeoutMs: number;
  readonly setup?: string;
  /** Tests that wait for ever where they do not pass, or bring the whole package down now and then, with their packages: each
   *  runs on its own, with a short deadline. */
  readonly alone?: readonly (readonly [string, string])[];
}

export const goSuites: readonly Suite[] = [
  goSuite({
    name: 'pgx',
    module: 'github.com/jackc/pgx/v5',
    version: 'v5.7.6',
    packages: ['.', './pgconn'],
    environment: (endpoint) => ({
      PGX_TEST_DATABASE: `host=${endpoint.host} port=${endpoint.port} user=${endpoint.user} password=${endpoint.password} dbname=${endpoint.database} sslmode=disable`,
      PGX_TEST_TCP_CONN_STRING: `host=${endpoint.host} port=${endpoint.port} user=${endpoint.user} password=${endpoint.password} dbname=${endpoint.database} sslmode=disable`,
    }),
    timeoutMs: 580_000,
    alone: [
      ['.', 'TestListenNotify'],
      ['.', 'TestListenNotifyWhileBusyIsSafe'],
      ['./pgconn', 'TestConnCopyFromConnectionTerminated'],
    ],
    setup: 'CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE DOMAIN uint64 AS numeric(20,0)',
  }),
  goSuite({
    name: 'pgx-types',
    module: 'github.com/jackc/pgx/v5',
    version: 'v5.7.6',
    packages: ['./pgtype', './pgxpool', './stdlib'],
    environment: (endpoint) => ({
      PGX_TEST_DATABASE: `host=${endpoint.host} port=${endpoint.port} user=${endpoint.user} password=${endpoint.password} dbname=${endpoint.database} sslmode=disable`,
      PGX_TEST_TCP_CONN_STRING: `host=${endpoint.host} port=${endpoint.port} user=${endpoint.user} password=${endpoint.password} dbname=${endpoint.database} sslmode=disable`,
    }),
    timeoutMs: 580_000,
    setup: 'CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE DOMAIN uint64 AS numeric(20,0)',
  }),
  goSuite({
    name: 'lib-pq',
    module: 'github.com/lib/pq',
    version: 'v1.10.9',
    packages: ['.'],
    environment: (endpoint) => ({ ...libpqEnvironment(endpoint), PQGOSSLTESTS: '0' }),
    timeoutMs: 400_000,
  }),
];

function goSuite(from: GoSuite): Suite {
  const home = join(cacheDirectory(), `${from.module.replaceAll('/', '-')}-${from.version}`);
  const fetch = async (options: RunOptions): Promise<void> => {
    const answer = await mustRun('go', ['mod', 'download', '-json', `${from.module}@${from.version}`], options);
    const { Dir: directory } = JSON.parse(answer) as { Dir: string };
    const partial = `${home}.partial`;
    rmSync(partial, { recursive: true, force: true });
    cpSync(directory, partial, { recursive: true });
    await mustRun('chmod', ['-R', 'u+w', partial], options);
    await mustRun('go', ['mod', 'download'], { ...options, cwd: partial });
    renameSync(partial, home);
  };
  return {
    name: from.name,
    title: `${from.module} ${from.version}`,
    ...(from.setup === undefined ? {} : { setup: from.setup }),
    async prepare() {
      const options = { cwd: cacheDirectory(), timeoutMs: prepareMs };
      if (!existsSync(home)) await fetch(options);
      // Compiles the tests and runs none: the build cache then has them, and a run's time is the suite's own.
      await mustRun('go', ['test', '-count=1', '-vet=off', '-run=^$', ...from.packages], { ...options, cwd: home });
    },
    async run(endpoint) {
      const apart = from.alone ?? [];
      const skip = apart.length === 0 ? [] : [`-skip=^(${apart.map(([, name]) => name).join('|')})$`];
      const test = async (which: readonly string[], timeoutMs: number, log: string) => {
        const limit = `-timeout=${Math.floor(timeoutMs / 1000) - 10}s`;
        // One package at a time: they share tables.
        const args = ['test', '-json', '-count=1', '-p=1', '-vet=off', limit, ...which];
        return run('go', args, { cwd: home, timeoutMs, env: from.environment(endpoint), log });
      };
      const done = await test([...skip, ...from.packages], from.timeoutMs, logFile(from.name, endpoint.side));
      const results = readEvents(done.stdout);
      for (const [inside, name] of apart) {
        const alone = await test([`-run=^${name}$`, inside], 30_000, logFile(`${from.name}-${name}`, endpoint.side));
        for (const [key, result] of readEvents(alone.stdout)) results.set(key, result);
      }
      if (results.size === 0) throw new Error(`${from.name}: go test made no results: ${(done.stderr + done.stdout).trim().slice(-600)}`);
      if (done.isTimedOut) results.set('(the whole suite)', { outcome: 'failed', detail: `did not end in ${from.timeoutMs} ms` });
      return results;
    },
  };
}

interface TestEvent {
  readonly Action: string;
  readonly Package: string;
  readonly Test?: string;
  readonly Output?: string;
}

/** Tests without their subtests: a failed subtest fails its test. A test that never ended failed. */
function readEvents(text: string): Map<string, TestResult> {
  const results = new Map<string, TestResult>();
  const outputs = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as TestEvent;
    if (event.Test === undefined) continue;
    const test = `${event.Package.split('/').slice(3).join('/')}:${event.Test.split('/')[0]}`;
    if (event.Action === 'output') {
      const output = (event.Output ?? '').trim();
      if (output !== '' && !output.startsWith('---') && !output.startsWith('==='))
        outputs.set(test, `${outputs.get(test) ?? ''}${output}\n`);
    }
    if (event.Test.includes('/')) continue;
    if (event.Action === 'run') results.set(test, { outcome: 'failed', detail: 'did not end' });
    if (event.Action === 'pass') results.set(test, { outcome: 'passed', detail: '' });
    if (event.Action === 'skip') results.set(test, { outcome: 'skipped', detail: '' });
    if (event.Action === 'fail') results.set(test, { outcome: 'failed', detail: told(outputs.get(test) ?? '') });
  }
  return results;
}

/** The line that says most: one with an error of the server, else the last one. */
function told(output: string): string {
  const lines = output.split('\n').filter((line) => line !== '');
  return (lines.find((line) => /sallyport|ERROR|SQLSTATE/.test(line)) ?? lines.at(-1) ?? '').slice(0, 300);
}
