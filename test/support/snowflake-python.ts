// The Python connector in a virtual environment of the cache. pip may have no registry to reach: then there is none, and why.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Before and since the drivers share one core. */
export const connectorVersions = ['4.7.1', '5.2.0'] as const;
export type ConnectorVersion = (typeof connectorVersions)[number];

const installMs = 100_000;

/** The interpreter that has the connector, or why there is none. Kept between runs. */
export async function pythonConnector(version: ConnectorVersion): Promise<{ readonly python: string } | { readonly missing: string }> {
  const cache = process.env['SALLYPORT_PYTHON_CACHE'] ?? join(homedir(), '.cache', 'sallyport');
  const folder = join(cache, `snowflake-python-${version}`);
  const python = join(folder, 'bin', 'python');
  if (existsSync(join(folder, 'ready'))) return { python };
  const building = `${folder}.${process.pid}`;
  try {
    mkdirSync(cache, { recursive: true });
    await run('python3', ['-m', 'venv', building], { timeout: installMs });
    const pip = [
      '-m',
      'pip',
      'install',
      '-q',
      '--disable-pip-version-check',
      '--retries',
      '0',
      `snowflake-connector-python[pandas]==${version}`,
    ];
    await run(join(building, 'bin', 'python'), pip, { timeout: installMs });
    writeFileSync(join(building, 'ready'), '');
    rmSync(folder, { recursive: true, force: true });
    renameSync(building, folder);
    return { python };
  } catch (fault) {
    rmSync(building, { recursive: true, force: true });
    const text = fault instanceof Error ? fault.message : String(fault);
    return {
      missing: `snowflake-connector-python ${version} could not be installed: ${text.split('\n').slice(-3).join(' ').slice(0, 200)}`,
    };
  }
}

/** Runs a program with `connection` as its connection, and gives what it printed as JSON, line by line.
 *  @throws Error with what it printed when it fails */
export async function runPython(
  python: string,
  connection: Readonly<Record<string, unknown>>,
  program: string,
  timeoutMs = 60_000,
): Promise<unknown[]> {
  const text = `
import json, sys, time, datetime, decimal
import snowflake.connector
from snowflake.connector import errors
def show(value): print(json.dumps(value, default=str), flush=True)
connection = snowflake.connector.connect(**json.loads(sys.argv[1]))
cursor = connection.cursor()
${program}
connection.close()
`;
  const { stdout } = await run(python, ['-W', 'ignore', '-c', text, JSON.stringify(connection)], {
    timeout: timeoutMs,
    env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), NO_PROXY: '*' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
