// The thread that writes the log dies inside a gateway with three threads: whoever has a session on any of them is told, nothing
// runs any more, and the gateway can be stopped.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type pg from 'pg';
import { verifyLog } from '../../src/audit/index.ts';
import { startTestGateway } from '../support/gateway.ts';
import { callApi, connect, smallClinicPolicy, startSmallClinic, until } from '../support/small-clinic.ts';

test('the writer of the log dies: sessions of all threads end or are refused with 58030, the process is told, nothing hangs', async () => {
  const clinic = await startSmallClinic();
  const threads: Worker[] = [];
  const watch = (thread: Worker): number => threads.push(thread);
  process.on('worker', watch);
  const fatal: string[] = [];
  const ports = { onFatal: ({ code }: { code: string }) => void fatal.push(code) };
  const options = { targets: [clinic.target], policy: smallClinicPolicy, limits: { workers: 3 }, ports };
  const gateway = await startTestGateway(options).catch(async (fault: unknown) => {
    await clinic.stop();
    throw fault;
  });
  process.off('worker', watch);
  const api = (path: string): ReturnType<typeof callApi> => callApi(gateway, gateway.running.api.port, null, path);
  const inWorkers = async (): Promise<number> => {
    const { text } = await api('/metrics');
    return [1, 2]
      .map((thread) => Number(new RegExp(`^sallyport_thread_sessions\\{thread="${thread}"\\} (\\d+)$`, 'm').exec(text)?.[1]))
      .reduce((a, b) => a + b);
  };
  const token = await gateway.issuer.token('clerk-1', { groups: ['clerks'] });
  const ended = new Map<pg.Client, unknown>();
  const clients: pg.Client[] = [];
  try {
    // The kernel chooses the thread: until there is one on another than the main thread, and one on that.
    while ((await inWorkers()) === 0 || (await inWorkers()) === clients.length) {
      assert.ok(clients.length < 60);
      const client = await connect(gateway, gateway.port, token);
      client.on('error', (fault) => ended.has(client) || ended.set(client, (fault as pg.DatabaseError).code));
      clients.push(client);
    }
    const remote = await inWorkers();
    await Promise.all(clients.map((client) => client.query('SELECT id FROM visits WHERE id = 1')));

    // The first thread that a gateway starts is the one of its log.
    await threads[0]!.terminate();
    await until('the sessions of the workers are told', async () => ended.size >= remote);
    assert.deepEqual([...new Set(ended.values())], ['58030']);
    assert.deepEqual(fatal, ['SP_AUDIT_UNWRITABLE']);
    for (const client of clients.filter((each) => !ended.has(each)))
      await assert.rejects(client.query("INSERT INTO scratch (body) VALUES ('after the end')"), { code: '58030' });
    await assert.rejects(connect(gateway, gateway.port, token), { code: '58030' });
    assert.equal((await api('/readyz')).status, 503);
    assert.equal((await clinic.direct.query(`SELECT 1 FROM scratch WHERE body = 'after the end'`)).rowCount, 0);

    await assert.rejects(gateway.running.stop(AbortSignal.abort()), { code: 'SP_AUDIT_UNWRITABLE' });
    await gateway.restart();
    await gateway.running.stop();
    const vkey = readFileSync(join(gateway.directory, 'keys', 'log.vkey'), 'utf8').trim();
    assert.deepEqual((await verifyLog(join(gateway.directory, 'data', 'audit'), { vkey })).problems, []);
  } finally {
    for (const client of clients) await client.end().catch(() => undefined);
    await gateway.close();
    await clinic.stop();
  }
});
