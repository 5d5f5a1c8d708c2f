// The programs that come with PostgreSQL: what dumps, restores, maintains and lists. A test passes when the program ends
// well and, where its output is data, when that output is what the server itself gives.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from './environment.ts';
import { lastError, serverOf } from './pgbench-suite.ts';
import { type Suite, type TestResult, libpqEnvironment, mustRun, run } from './suite.ts';

const fill = `
CREATE TABLE clinics (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE visits (id int PRIMARY KEY, clinic_id int REFERENCES clinics, note text, at timestamptz DEFAULT now());
CREATE INDEX visits_clinic ON visits (clinic_id);
CREATE VIEW busy AS SELECT clinic_id, count(*) FROM visits GROUP BY 1;
INSERT INTO clinics SELECT i, 'clinic ' || i FROM generate_series(1, 10) i;
INSERT INTO visits SELECT i, i % 10 + 1, repeat('x', i % 50), '2026-01-01' FROM generate_series(1, 1000) i;
`;

interface Tool {
  readonly test: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly input?: string;
  /** Its output must be what the same program says about the server itself. */
  readonly compared?: boolean;
}

const plain = (test: string, program: string, ...args: readonly string[]): Tool => ({ test, program, args });
const compared = (test: string, program: string, ...args: readonly string[]): Tool => ({ test, program, args, compared: true });
const psql = (test: string, text: string): Tool => ({ ...compared(test, 'psql', '-X'), input: text });

const tools: readonly Tool[] = [
  plain('pg_isready', 'pg_isready'),
  compared('pg_dump', 'pg_dump'),
  compared('pg_dump --schema-only', 'pg_dump', '--schema-only'),
  compared('pg_dump --data-only --inserts', 'pg_dump', '--data-only', '--inserts'),
  compared('pg_dump --table', 'pg_dump', '--table', 'clinics'),
  plain('pg_dump --format=custom', 'pg_dump', '--format=custom', '--file=gate.dump'),
  plain('pg_dump --format=directory --jobs=2', 'pg_dump', '--format=directory', '--jobs=2', '--file=gate.directory'),
  compared('pg_dumpall --globals-only', 'pg_dumpall', '--globals-only', '--no-role-passwords'),
  plain('pg_dumpall', 'pg_dumpall'),
  plain('pg_restore', 'pg_restore', '--clean', '--if-exists', '--dbname=interop', 'server.dump'),
  plain('psql reads a plain dump', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', 'server.sql'),
  plain('vacuumdb', 'vacuumdb', '--quiet'),
  plain('vacuumdb --analyze --jobs=2', 'vacuumdb', '--quiet', '--analyze', '--jobs=2'),
  plain('vacuumdb --all', 'vacuumdb', '--quiet', '--all'),
  plain('reindexdb', 'reindexdb', '--quiet'),
  plain('reindexdb --table --concurrently', 'reindexdb', '--quiet', '--concurrently', '--table=visits'),
  plain('clusterdb', 'clusterdb', '--quiet', '--table=visits'),
  plain('createdb', 'createdb', 'made_by_createdb'),
  plain('dropdb', 'dropdb', '--if-exists', 'made_by_createdb'),
  plain('createuser', 'createuser', 'made_by_createuser'),
  plain('dropuser', 'dropuser', '--if-exists', 'made_by_createuser'),
  plain('pg_amcheck', 'pg_amcheck', '--install-missing', 'interop'),
  plain('vacuumlo', 'vacuumlo', 'interop'),
  plain('oid2name', 'oid2name', '-d', 'interop'),
  plain('pg_basebackup', 'pg_basebackup', '--pgdata=gate.backup'),
  plain('pg_receivewal', 'pg_receivewal', '--directory=.', '--create-slot', '--slot=made_by_receivewal'),
  psql(
    'psql \\d of everything',
    ['\\d', '\\d visits', '\\d+ visits', '\\d busy', '\\d+ busy', '\\di+', '\\dv', '\\ds', '\\dn+'].join('\n'),
  ),
  psql('psql \\d of functions and types', ['\\df', '\\df+ lower', '\\do ||', '\\dT', '\\da', '\\dC', '\\dc', '\\dO'].join('\n')),
  psql('psql \\d of rights', ['\\du', '\\dp', '\\ddp', '\\drds', '\\dx', '\\dy', '\\db', '\\dL', '\\des', '\\dew', '\\det'].join('\n')),
  psql('psql \\l', '\\l'),
  psql('psql \\sf, \\ef and \\sv', '\\sv busy\n'),
  psql('psql \\copy', '\\copy clinics to stdout csv header\n\\copy (select id, name from clinics order by 1) to stdout\n'),
  psql('psql \\gdesc, \\gexec, \\gset', "select 1 as a, 'x' as b \\gdesc\nselect 'select 1' \\gexec\nselect 5 as v \\gset\n\\echo :v\n"),
  psql('psql \\watch and \\timing', 'select 1 \\watch i=0\n'),
  psql('psql \\lo_import', '\\lo_list\n'),
  psql('psql errors', "select 1/0;\nselect nothing_there;\nselect * from no_table;\n\\errverbose\nselect 'x'::int;\n"),
];

export const toolsSuite: Suite = {
  name: 'tools',
  title: "programs of Debian's PostgreSQL 15",
  databases: ['postgres', 'template1'],
  setup: fill,
  async prepare() {
    // They come with the server.
  },
  async run(endpoint, scratch) {
    const server = serverOf(endpoint);
    const started = async (tool: Tool, at: Endpoint) =>
      run(join(endpoint.bin, tool.program), tool.args, {
        cwd: scratch,
        timeoutMs: 30_000,
        env: { ...libpqEnvironment(at), PGTZ: 'UTC' },
        merged: true,
        ...(tool.input === undefined ? {} : { input: tool.input }),
      });
    mkdirSync(join(scratch, 'made'), { recursive: true });
    for (const [file, format] of [
      ['server.dump', 'custom'],
      ['server.sql', 'plain'],
    ] as const) {
      const args = ['--clean', '--if-exists', `--format=${format}`, `--file=${file}`];
      await mustRun(join(endpoint.bin, 'pg_dump'), args, { cwd: scratch, timeoutMs: 30_000, env: libpqEnvironment(server) });
      if (!existsSync(join(scratch, file))) throw new Error(`pg_dump made no ${file}`);
    }
    const results = new Map<string, TestResult>();
    for (const tool of tools) {
      const done = await started(tool, endpoint);
      const same = tool.compared !== true || withoutKeys(done.stdout) === withoutKeys((await started(tool, server)).stdout);
      const outcome = done.status === 0 && same && !done.isTimedOut ? 'passed' : 'failed';
      writeFileSync(join(scratch, 'made', `${tool.test.replaceAll(/\W+/g, '-')}.txt`), done.stdout);
      results.set(tool.test, { outcome, detail: outcome === 'passed' ? '' : lastError(done.stdout) });
    }
    return results;
  },
};

/** A plain dump begins and ends with a key of its own. */
function withoutKeys(text: string): string {
  return text.replaceAll(/^\\(un)?restrict \w+$/gm, '');
}
