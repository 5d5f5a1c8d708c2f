// With programs that behave like PostgreSQL's as far as it matters; test/e2e/postgres-cluster.e2e.test.ts has the real ones.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { startCluster } from './postgres-cluster.ts';
import { serverTmpdir } from './unprivileged.ts';

describe('a throw-away PostgreSQL', async () => {
  const folder = mkdtempSync(join(await serverTmpdir(), 'sallyport-cluster-test-'));
  chmodSync(folder, 0o755);
  /** Written by the programs: where they were told to have their data. */
  const told = join(folder, 'told');
  writeFileSync(told, '');
  chmodSync(told, 0o666);
  after(() => rmSync(folder, { recursive: true }));
  afterEach(() => {
    const left = readFileSync(told, 'utf8')
      .split('\n')
      .filter((path) => path !== '' && existsSync(dirname(path)));
    assert.deepEqual(left, []);
  });

  const makes = `mkdir "$2"; echo "$2" >> ${told}`;
  const isReady = "echo 'LOG:  database system is ready to accept connections' >&2; exec sleep 600";
  const isTaken = `echo 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use' >&2; exit 1`;
  /** Keeps the port of each start in `ports`; the first words of its arguments are `-D <data> -p <port>`. */
  const keepsPort = 'echo "$4" >> "$2/ports"; starts=$(wc -l < "$2/ports")';

  let made = 0;
  function programs(initdb: string, postgres: string): string {
    const bin = join(folder, `bin-${(made += 1)}`);
    mkdirSync(bin, { mode: 0o755 });
    for (const [name, text] of [['initdb', initdb] as const, ['postgres', postgres] as const])
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return bin;
  }

  /** Not when it only waits for somebody who asks how it ended. */
  function isAlive(pid: number): boolean {
    const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return stdout.trim() !== '' && !stdout.startsWith('Z');
  }
  const portsOf = (dataDirectory: string): number[] => readFileSync(join(dataDirectory, 'ports'), 'utf8').trim().split('\n').map(Number);

  it('a port that somebody else has is given up for another one', async () => {
    const cluster = await startCluster(programs(makes, `${keepsPort}; if [ $starts -le 3 ]; then ${isTaken}; fi; ${isReady}`));
    const ports = portsOf(cluster.dataDirectory);
    await cluster.stop();
    assert.equal(ports.length, 4);
    assert.equal(cluster.port, ports[3]);
    assert.ok(new Set(ports).size > 1, ports.join());
    // Never one that a system gives to an outgoing connection: it would not be free for a restart.
    for (const port of ports) assert.ok(port >= 1024 && port < 32_768, String(port));
  });

  it('the tries have an end, and every other fault ends them at once', async () => {
    await assert.rejects(startCluster(programs(makes, isTaken)), /no free port in 20 tries/);
    const log = join(folder, 'starts');
    writeFileSync(log, '', { mode: 0o666 });
    chmodSync(log, 0o666);
    await assert.rejects(
      startCluster(programs(makes, `echo once >> ${log}; echo 'LOG: could not bind: Permission denied' >&2; exit 2`)),
      /ended with 2: LOG: could not bind: Permission denied/,
    );
    assert.equal(readFileSync(log, 'utf8'), 'once\n');
  });

  it('a restart keeps the port, and fails when somebody else has it', async () => {
    const cluster = await startCluster(programs(makes, `${keepsPort}; if [ $starts -eq 3 ]; then ${isTaken}; fi; ${isReady}`));
    const [first] = [cluster.pid];
    await cluster.restart();
    assert.notEqual(cluster.pid, first);
    assert.deepEqual([isAlive(first), isAlive(cluster.pid)], [false, true]);
    await assert.rejects(cluster.restart(), new RegExp(`port ${cluster.port} belongs to somebody else`));
    assert.deepEqual(
      portsOf(cluster.dataDirectory),
      Array.from({ length: 3 }, () => cluster.port),
    );
    await cluster.restart();
    await cluster.halt();
    assert.equal(isAlive(cluster.pid), false);
    await cluster.stop();
    await cluster.stop();
  });

  it('the end of the log is in the error, however long it was', async () => {
    const long = 'i=0; while [ $i -lt 2000 ]; do echo "LOG:  line $i of many" >&2; i=$((i + 1)); done';
    await assert.rejects(startCluster(programs(makes, `${long}; echo 'FATAL:  no such thing' >&2; exit 1`)), (fault: Error) => {
      assert.match(fault.message.slice(0, 200), /\/postgres ended with 1: /);
      assert.match(fault.message.slice(-100), /line 1999 of many\nFATAL: {2}no such thing$/);
      assert.ok(fault.message.length < 20_000);
      return true;
    });
  });

  it('initdb that fails, and programs that are not there, are told', async () => {
    await assert.rejects(
      startCluster(programs(`${makes}; echo "initdb: error: bad locale" >&2; exit 1`, isReady)),
      /initdb failed with 1: initdb: error: bad/,
    );
    await assert.rejects(startCluster(join(folder, 'nowhere')), { code: 'ENOENT' });
    const half = programs(makes, isReady);
    rmSync(join(half, 'postgres'));
    await assert.rejects(startCluster(half), { code: 'ENOENT' });
  });

  it('programs get nothing of our environment, and the password in a file that is theirs alone', async () => {
    process.env['PGOPTIONS'] = '-c canary=1';
    const bin = programs(`${makes}; env > "$2/env"; echo "$@" > "$2/args"; ls -l "$2/../password" > "$2/mode"`, isReady);
    const cluster = await startCluster(bin, { settings: ['max_connections=7'] }).finally(() => delete process.env['PGOPTIONS']);
    const read = (name: string): string => readFileSync(join(cluster.dataDirectory, name), 'utf8');
    assert.doesNotMatch(read('env'), /canary|HOME=/);
    assert.ok(!read('args').includes(cluster.password));
    assert.match(read('mode'), /^-rw------- /);
    await cluster.stop();
  });

  for (const [what, ends, code, by] of [
    ['is interrupted', "process.kill(process.pid, 'SIGINT')", null, 'SIGINT'],
    ['is terminated', "process.kill(process.pid, 'SIGTERM')", null, 'SIGTERM'],
    ['exits', 'process.exit(4)', 4, null],
  ] as const) {
    it(`a process that ${what} leaves no server and no data behind`, async () => {
      const bin = programs(makes, isReady);
      const module = new URL('./postgres-cluster.ts', import.meta.url).href;
      const script = `import { startCluster } from '${module}';
      const { pid } = await startCluster('${bin}'); process.stdout.write(String(pid), () => { ${ends}; }); setInterval(() => undefined, 1000);`;
      const homes = mkdtempSync(join(folder, 'homes-'));
      chmodSync(homes, 0o755);
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: homes },
      });
      let pid = '';
      child.stdout.on('data', (chunk: Buffer) => (pid += chunk.toString()));
      assert.deepEqual(await once(child, 'close'), [code, by]);
      assert.match(pid, /^\d+$/);
      assert.deepEqual([isAlive(Number(pid)), readdirSync(homes)], [false, []]);
    });
  }
});
