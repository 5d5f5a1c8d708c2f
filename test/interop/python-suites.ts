// Suites of Python drivers: tests from the source distributions of PyPI, the drivers themselves from their wheels, in a
// virtual environment of the cache. Versions are pinned: another version has other tests.

import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Endpoint, cacheDirectory, logFile } from './environment.ts';
import { type Suite, type TestResult, libpqEnvironment, mustRun, run } from './suite.ts';

const runner = ['pytest==8.4.2', 'pytest-timeout==2.4.0', 'distro==1.9.0'];
const prepareMs = 600_000;
const testMs = 30_000;

interface PythonSuite {
  readonly name: string;
  readonly distribution: string;
  readonly version: string;
  /** What the virtual environment needs besides pytest. */
  readonly wheels: readonly string[];
  /** Folders and files of the source distribution that are kept: never the package, which is not built there. */
  readonly keep: readonly string[];
  /** One run of pytest each: what wrecks the runner's state where it fails runs on its own. */
  readonly arguments: (endpoint: Endpoint) => readonly (readonly string[])[];
  readonly environment: (endpoint: Endpoint) => Record<string, string>;
  readonly timeoutMs: number;
  readonly setup?: string;
  readonly databases?: readonly string[];
}

export const pythonSuites: readonly Suite[] = [
  pythonSuite({
    name: 'asyncpg',
    distribution: 'asyncpg',
    version: '0.30.0',
    wheels: ['asyncpg==0.30.0'],
    keep: ['tests', 'pyproject.toml'],
    arguments: () => [['tests', '--ignore=tests/test_listeners.py'], ['tests/test_listeners.py']],
    environment: libpqEnvironment,
    timeoutMs: 580_000,
    databases: ['postgres', 'template1'],
  }),
  pythonSuite({
    name: 'psycopg2',
    distribution: 'psycopg2',
    version: '2.9.11',
    wheels: ['psycopg2-binary==2.9.11'],
    keep: ['tests'],
    arguments: () => [['tests']],
    environment: (endpoint) => ({
      PSYCOPG2_TESTDB: endpoint.database,
      PSYCOPG2_TESTDB_HOST: endpoint.host,
      PSYCOPG2_TESTDB_PORT: String(endpoint.port),
      PSYCOPG2_TESTDB_USER: endpoint.user,
      PSYCOPG2_TESTDB_PASSWORD: endpoint.password,
      PGPASSWORD: endpoint.password,
    }),
    timeoutMs: 580_000,
    setup: 'CREATE EXTENSION hstore',
  }),
  pythonSuite({
    name: 'sqlalchemy',
    distribution: 'SQLAlchemy',
    version: '2.0.43',
    wheels: ['sqlalchemy==2.0.43', 'psycopg2-binary==2.9.11', 'greenlet==3.2.4'],
    keep: ['test', 'setup.cfg', 'pyproject.toml', 'lib/sqlalchemy/testing/plugin'],
    arguments: (endpoint) => [
      [
        'test/dialect/postgresql/test_dialect.py',
        'test/dialect/postgresql/test_query.py',
        'test/dialect/postgresql/test_on_conflict.py',
        'test/dialect/test_suite.py',
        // The rest makes and drops tables for each test, or compares text and asks no server.
        '-k',
        'postgresql or Fetch or Insert or Json or Numeric or Exists or Uuid or Binary or Boolean or CTE',
        '--dburi',
        `postgresql+psycopg2://${endpoint.user}:${endpoint.password}@${endpoint.host}:${endpoint.port}/${endpoint.database}`,
      ],
    ],
    environment: () => ({}),
    timeoutMs: 590_000,
    setup: 'CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2; CREATE EXTENSION hstore; CREATE EXTENSION citext',
  }),
];

function pythonSuite(from: PythonSuite): Suite {
  const home = join(cacheDirectory(), `${from.name}-${from.version}`);
  const python = join(home, 'venv', 'bin', 'python');
  return {
    name: from.name,
    title: `${from.distribution} ${from.version}`,
    ...(from.setup === undefined ? {} : { setup: from.setup }),
    ...(from.databases === undefined ? {} : { databases: from.databases }),
    async prepare() {
      if (existsSync(join(home, 'tree'))) return;
      rmSync(home, { recursive: true, force: true });
      const unpacked = join(home, 'unpacked');
      mkdirSync(unpacked, { recursive: true });
      const options = { cwd: home, timeoutMs: prepareMs };
      await mustRun('python3', ['-m', 'venv', 'venv'], options);
      await mustRun(python, ['-m', 'pip', 'install', '-q', '--only-binary', ':all:', ...runner, ...from.wheels], options);
      const download = ['-m', 'pip', 'download', '-q', '--no-deps', '--no-binary', from.distribution, '-d', '.'];
      await mustRun(python, [...download, `${from.distribution}==${from.version}`], options);
      const archive = `${from.distribution.toLowerCase()}-${from.version}.tar.gz`;
      await mustRun('tar', ['xzf', archive, '--strip-components=1', '-C', 'unpacked'], options);
      const tree = join(home, 'tree.partial');
      for (const each of from.keep) cpSync(join(unpacked, each), join(tree, each), { recursive: true });
      rmSync(unpacked, { recursive: true });
      // Last, and at once: a tree that exists is whole.
      renameSync(tree, join(home, 'tree'));
    },
    async run(endpoint, scratch) {
      const file = join(scratch, 'results.jsonl');
      const fixed = ['-q', '-p', 'pytest_results', '--timeout', String(testMs / 1000), '--tb', 'short', '-p', 'no:cacheprovider'];
      const env = { ...from.environment(endpoint), PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: '1', INTEROP_RESULTS: file };
      const deadlineMs = performance.now() + from.timeoutMs;
      let isTimedOut = false;
      for (const [index, each] of from.arguments(endpoint).entries()) {
        const done = await run(python, ['-m', 'pytest', ...fixed, ...each], {
          cwd: join(home, 'tree'),
          timeoutMs: Math.max(1000, deadlineMs - performance.now()),
          env,
          log: logFile(index === 0 ? from.name : `${from.name}-${index}`, endpoint.side),
        });
        isTimedOut ||= done.isTimedOut;
        if (!existsSync(file)) throw new Error(`${from.name}: pytest made no results: ${(done.stdout + done.stderr).trim().slice(-600)}`);
      }
      const results = readResults(readFileSync(file, 'utf8'));
      if (isTimedOut) results.set('(the whole suite)', { outcome: 'failed', detail: `did not end in ${from.timeoutMs} ms` });
      return results;
    },
  };
}

function readResults(text: string): Map<string, TestResult> {
  const results = new Map<string, TestResult>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const { test, outcome, detail } = JSON.parse(line) as TestResult & { test: string };
    // SQLAlchemy puts the driver and the server's version into names; nothing here may depend on the password.
    results.set(test, { outcome, detail });
  }
  return results;
}
