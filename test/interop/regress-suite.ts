// A subset of PostgreSQL's own regression files (from Debian's source package) through psql, statement by statement: a
// test is one statement, and it passes on the gate's side when it prints there what it printed on the server itself.
// Error positions are left out of the comparison: they count in the rewritten text, and are dropped by design.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { cacheDirectory, serverMajor } from './environment.ts';
import { serverOf } from './pgbench-suite.ts';
import { marked, splitMarked } from './regress-split.ts';
import { type Suite, type TestResult, libpqEnvironment, mustRun, run } from './suite.ts';

const source = `postgresql-${serverMajor}`;
const home = join(cacheDirectory(), `${source}-regress`);

/** Files that need nothing but `test_setup`, in the order of the schedule. */
const files = `boolean text int4 numeric rangetypes strings timestamptz interval comments expressions copy copyselect insert insert_conflict
  select select_distinct select_having subselect union case join transactions portals update delete returning groupingsets window with
  json jsonb prepare truncate temp limit merge`.split(/\s+/);

/** As pg_regress sets them. */
const environment = { PGTZ: 'PST8PDT', PGDATESTYLE: 'Postgres, MDY', PGOPTIONS: '-c intervalstyle=postgres_verbose', LC_MESSAGES: 'C' };

export const regressSuite: Suite = {
  name: 'pg_regress',
  title: `${files.length} files of PostgreSQL's regression tests (Debian source package ${source})`,
  async prepare() {
    if (existsSync(home)) return;
    const partial = `${home}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    const installed = spawnSync('dpkg-query', ['-W', '-f', '${Version}', source], { encoding: 'utf8' }).stdout.trim();
    // Sources of its own: the machine's list of package sources stays as it is.
    const sources = readFileSync('/etc/apt/sources.list.d/debian.sources', 'utf8').replaceAll(/^Types:.*$/gm, 'Types: deb-src');
    writeFileSync(join(partial, 'debian.sources'), sources);
    mkdirSync(join(partial, 'lists/partial'), { recursive: true });
    const apt = [
      ...['-o', `Dir::Etc::sourcelist=${join(partial, 'debian.sources')}`, '-o', 'Dir::Etc::sourceparts=/dev/null'],
      ...['-o', `Dir::State::lists=${join(partial, 'lists')}`, '-o', 'APT::Sandbox::User=root'],
    ];
    const options = { cwd: partial, timeoutMs: 300_000 };
    await mustRun('apt-get', [...apt, 'update', '-qq'], options);
    await mustRun('apt-get', [...apt, 'source', '-qq', '--download-only', `${source}=${installed}`], options);
    const found = (await mustRun('sh', ['-c', 'ls *.orig.tar.*'], options)).trim();
    const folder = found.replace(/^(.*)-\d+_(.*)\.orig\.tar\..*$/, '$1-$2');
    await mustRun('tar', ['xf', found, '--strip-components=3', `${folder}/src/test/regress`], options);
    rmSync(join(partial, 'lists'), { recursive: true });
    rmSync(join(partial, found));
    renameSync(partial, home);
  },
  async run(endpoint, scratch) {
    const regress = join(home, 'regress');
    const server = serverOf(endpoint);
    const psql = async (text: string, at: typeof endpoint): Promise<string> => {
      const args = ['-X', '-a', '-q', '-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on'];
      const { stdout, isTimedOut } = await run(join(endpoint.bin, 'psql'), args, {
        cwd: scratch,
        timeoutMs: 60_000,
        input: text,
        merged: true,
        env: {
          ...libpqEnvironment(at),
          ...environment,
          PG_ABS_SRCDIR: regress,
          PG_ABS_BUILDDIR: scratch,
          PG_LIBDIR: '/nowhere',
          PG_DLSUFFIX: '.so',
        },
      });
      return isTimedOut ? `${stdout}\nthe file did not end in time\n` : stdout;
    };
    // The tables all files share come from the server: what is compared are the files.
    await psql(readFileSync(join(regress, 'sql/test_setup.sql'), 'utf8'), server);
    const results = new Map<string, TestResult>();
    for (const file of files) {
      const text = readFileSync(join(regress, 'sql', `${file}.sql`), 'utf8');
      for (const [line, output] of splitMarked(await psql(marked(text), endpoint))) {
        results.set(`${file}:${line}`, { outcome: 'passed', detail: '', output });
      }
    }
    return results;
  },
};
