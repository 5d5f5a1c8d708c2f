// The throw-away PostgreSQL of demo, tests and benchmarks with the real server: what it does about ports that are taken, bad
// settings and crashes, and that nothing of it outlives the process that started it.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { serverTmpdir } from '../../src/demo/unprivileged.ts';
import { run, until } from '../support/small-clinic.ts';

const folder = mkdtempSync(join(await serverTmpdir(), 'sallyport-cluster-test-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true, force: true }));

async function query({ host, port, user, password }: EmbeddedPostgres, text: string): Promise<unknown> {
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  try {
    const [row] = (await client.query<{ value: unknown }>(text)).rows;
    return row?.value;
  } finally {
    await client.end();
  }
}

test('servers that start at the same time get ports of their own, and keep port and data over a crash', async (t) => {
  const starting = [startEmbeddedPostgres(), startEmbeddedPostgres({ durable: true, settings: ['max_connections=9'] })] as const;
  const [one, other] = await Promise.all(starting);
  t.after(() => Promise.all([one.stop(), other.stop()]));
  assert.notEqual(one.port, other.port);
  assert.equal(await query(one, "SELECT current_setting('fsync') AS value"), 'off');
  assert.equal(await query(other, "SELECT current_setting('fsync') || current_setting('max_connections') AS value"), 'on9');
  await query(other, 'CREATE TABLE kept AS SELECT 7 AS value');
  const { port, pid } = other;
  await other.restart();
  assert.deepEqual([other.port, await query(other, 'SELECT value FROM kept')], [port, 7]);
  assert.notEqual(other.pid, pid);
  await other.halt();
  await assert.rejects(query(other, 'SELECT 1 AS value'), { code: 'ECONNREFUSED' });
  await other.restart();
  assert.equal(await query(other, 'SELECT value FROM kept'), 7);
});

test('a port that is taken is not used, and other faults are told with what the server said', async (t) => {
  const server = await startEmbeddedPostgres();
  t.after(() => server.stop());
  // The last setting wins over the port that was chosen: this one stays taken.
  await assert.rejects(startEmbeddedPostgres({ settings: [`port=${server.port}`] }), /found no free port in 20 tries/);
  await assert.rejects(
    startEmbeddedPostgres({ settings: ['nonsense=1'] }),
    /ended with 1: .*unrecognized configuration parameter "nonsense"/s,
  );
  assert.equal(await query(server, 'SELECT 5 AS value'), 5);
});

/** Starts a server in a process of its own, which goes on until it is told to end. Its files are in `TMPDIR`. */
function starter(home: string): ReturnType<typeof run> {
  const module = new URL('../../src/demo/embedded-postgres.ts', import.meta.url).href;
  const script = `import { startEmbeddedPostgres } from '${module}';
    const { pid } = await startEmbeddedPostgres(); console.log(pid); setInterval(() => undefined, 1000);`;
  return run(process.execPath, ['--input-type=module', '-e', script], { TMPDIR: home });
}

const isRunningIn = async (home: string): Promise<boolean> => {
  const { out } = await run('ps', ['-eo', 'args']).ended;
  return out.split('\n').some((line) => line.includes(home) && /^\S*(?:initdb|postgres) /.test(line));
};

for (const [when, hasComeSoFar] of [
  ['while its cluster is made', (home: string) => globSync('sallyport-pg-*/data/global', { cwd: home }).length > 0],
  ['when its server runs', (_: string, out: string) => /^\d+\n$/.test(out)],
] as const) {
  test(`a process that is interrupted ${when} leaves no server and no files behind`, async () => {
    const home = mkdtempSync(join(folder, 'home-'));
    chmodSync(home, 0o755);
    const child = starter(home);
    await until('it has come so far', () => hasComeSoFar(home, child.out()));
    assert.equal(await isRunningIn(home), true);
    child.kill('SIGINT');
    const { code, err } = await child.ended;
    assert.deepEqual([code, err], [null, '']);
    await until('no program of it runs', async () => !(await isRunningIn(home)));
    // Programs that later runs use again may be copied there.
    assert.deepEqual(globSync('sallyport-pg-*', { cwd: home }), []);
    assert.equal(existsSync(home), true);
  });
}
