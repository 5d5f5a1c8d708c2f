// pgbench in its three protocol modes: every transaction must end well and the books must balance. Speed is not looked at.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from './environment.ts';
import { type Suite, type TestResult, libpqEnvironment, mustRun, run } from './suite.ts';

const clients = 4;
const transactions = 100;

/** One prepared statement a line, all sent before the first answer is read. */
const pipeline = `\\set aid random(1, 100000)
\\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\\endpipeline
`;

const balance = `SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)
  AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history)
  AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history)`;

export const pgbenchSuite: Suite = {
  name: 'pgbench',
  title: "pgbench of Debian's PostgreSQL 15",
  async prepare() {
    // It comes with the server.
  },
  async run(endpoint, scratch) {
    const results = new Map<string, TestResult>();
    const script = join(scratch, 'pipeline.sql');
    writeFileSync(script, pipeline);
    const bench = async (name: string, args: readonly string[]): Promise<void> => {
      const options = { cwd: scratch, timeoutMs: 90_000, env: libpqEnvironment(endpoint) };
      const { status, stdout, stderr } = await run(join(endpoint.bin, 'pgbench'), args, options);
      const isWhole = args.includes('-i') || stdout.includes(`actually processed: ${clients * transactions}/${clients * transactions}`);
      results.set(name, status === 0 && isWhole ? { outcome: 'passed', detail: '' } : { outcome: 'failed', detail: lastError(stderr) });
    };
    const clean = async (): Promise<void> => {
      const options = { cwd: scratch, timeoutMs: 60_000, env: libpqEnvironment(serverOf(endpoint)) };
      await mustRun(join(endpoint.bin, 'pgbench'), ['-i', '-q', '-s', '1'], options);
    };
    await bench('initialise with data of the client', ['-i', '-I', 'dtgvp', '-s', '1']);
    await bench('initialise with data of the server', ['-i', '-I', 'dtGvpf', '-s', '1']);
    await bench('initialise with partitions', ['-i', '-I', 'dtgp', '-s', '1', '--partitions=4']);
    await clean();
    for (const mode of ['simple', 'extended', 'prepared']) {
      const common = ['-n', '-M', mode, '-c', String(clients), '-t', String(transactions)];
      await bench(`${mode}: select only`, [...common, '-S']);
      await bench(`${mode}: simple update`, [...common, '-N']);
      await clean();
      await bench(`${mode}: TPC-B`, common);
      await bench(`${mode}: TPC-B, a connection for each transaction`, [...common, '-C']);
      const options = { cwd: scratch, timeoutMs: 30_000, env: libpqEnvironment(serverOf(endpoint)) };
      const balanced = (await mustRun(join(endpoint.bin, 'psql'), ['-XAtqc', balance], options)).trim() === 't';
      results.set(`${mode}: the books balance`, { outcome: balanced ? 'passed' : 'failed', detail: '' });
      if (mode !== 'simple') await bench(`${mode}: pipeline`, [...common, '-f', script]);
    }
    return results;
  },
};

/** The server itself, past the gate. */
export function serverOf(endpoint: Endpoint): Endpoint {
  return { ...endpoint, ...endpoint.server };
}

export function lastError(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return (lines.find((line) => line.includes('sallyport')) ?? lines.find((line) => line.includes('rror')) ?? lines.at(-1) ?? '').slice(
    0,
    300,
  );
}
