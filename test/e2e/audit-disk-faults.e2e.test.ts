// A gateway of its own process whose disk fails: the sync of the log, a full disk under the log, under an anchor, under the index of
// sessions. And a second process on the same directory.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { verifyLog } from '../../src/audit/index.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import { officerOf } from '../support/clinic-tests.ts';
import { type DiskFaults, diskFaults, EIO, ENOSPC } from '../support/disk-faults.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { apiEnvironment, auditEntries, callApi, sallyport, serve, type ServedGateway } from '../support/small-clinic.ts';

const nowhere = { name: 'clinic', host: '127.0.0.1', port: 1, database: 'x', user: 'x', password: 'x' };
const policy = 'version: 1\nroles: [{ role: officer, members: [{ issuer: corp, group: privacy }] }]\naccess: []\n';
const root = mkdtempSync(join(tmpdir(), 'sallyport-faults-'));
after(() => rmSync(root, { recursive: true, force: true }));

interface World {
  readonly gateway: TestGateway;
  readonly child: ServedGateway;
  readonly faults: DiskFaults;
  readonly token: string;
  /** Asks for something that is recorded first. @returns the status of the answer */
  readonly act: () => Promise<number>;
  readonly entries: () => Promise<EntryHeader[]>;
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

async function world(): Promise<World> {
  const gateway = await startTestGateway({ targets: [nowhere], policy, start: false });
  open.push(gateway);
  const faults = diskFaults(mkdtempSync(join(root, 'faults-')));
  const child = await serve(gateway.configFile, faults.env);
  open.push({ close: async () => child.kill('SIGKILL') });
  const token = await officerOf(gateway);
  return {
    gateway,
    child,
    faults,
    token,
    async act() {
      const wish = { since: '2026-01-01T00:00:00.000Z', finding: 'nothing unusual' };
      return (await callApi(gateway, child.apiPort, token, '/v1/reviews', wish)).status;
    },
    entries: () => auditEntries(gateway, child.apiPort, token),
  };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadlineMs, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const reviews = (entries: readonly EntryHeader[]): number => entries.filter(({ type }) => type === 'review.signed').length;
const auditOf = ({ directory }: TestGateway): string => join(directory, 'data', 'audit');
const sizeIn = (file: string): number => Number(readFileSync(file, 'utf8').split('\n')[1]);

async function assertWhole(gateway: TestGateway): Promise<void> {
  const vkey = readFileSync(join(gateway.directory, 'keys', 'log.vkey'), 'utf8').trim();
  assert.deepEqual((await verifyLog(auditOf(gateway), { vkey })).problems, []);
}

for (const [what, kind, errno] of [
  ['a sync of the log fails', 'sync', EIO],
  ['the disk is full under the log', 'write', ENOSPC],
] as const) {
  test(`THREAT ${what}: nothing is promised, it is not tried again, the process ends, and the next start loses nothing`, async () => {
    const { gateway, child, faults, act } = await world();
    assert.equal(await act(), 200);
    faults.set(kind, '/audit/journal/', errno);
    const refused = await act().catch(() => 0);
    assert.ok(refused === 503 || refused === 0, `answered ${refused}`);
    const { code } = await child.ended;
    assert.deepEqual([code, faults.count()], [1, 1], child.err());
    assert.match(child.out() + child.err(), /SP_AUDIT_UNWRITABLE/);
    await assertWhole(gateway);

    faults.clear();
    const again = await serve(gateway.configFile);
    open.push({ close: async () => again.kill('SIGKILL') });
    const entries = await auditEntries(gateway, again.apiPort, await officerOf(gateway));
    // The one that was not promised may be there all the same.
    assert.ok([1, 2].includes(reviews(entries)));
    const opened = entries.filter(({ type }) => type === 'log.opened').map(({ detail }) => detail?.['previous']);
    assert.deepEqual(opened, ['none', 'crashed']);
    again.kill('SIGTERM');
    assert.equal((await again.ended).code, 0);
    await assertWhole(gateway);
  });
}

test('THREAT the disk of an anchor is full: the log goes on, metrics say so, and the anchor catches up when there is room', async () => {
  const { gateway, child, faults, token, act } = await world();
  const beside = join(gateway.directory, 'data.anchor', 'checkpoint');
  const log = join(auditOf(gateway), 'log', 'checkpoint');
  await until('the anchor has the first checkpoints', () => sizeIn(beside) === sizeIn(log));
  const metric = async (pattern: RegExp): Promise<number> => {
    const { text } = await callApi(gateway, child.apiPort, token, '/metrics');
    return Number(pattern.exec(text)?.[1] ?? Number.NaN);
  };
  faults.set('write', '/data.anchor/', ENOSPC);
  const kept = sizeIn(beside);
  assert.equal(await act(), 200);
  await until('an attempt has failed', () => faults.count() > 0);
  assert.equal(await act(), 200);
  await until('checkpoints go on', () => sizeIn(log) >= kept + 2);
  assert.equal(sizeIn(beside), kept, 'what it had stays whole');
  await until(
    'a metric',
    async () => (await metric(/sallyport_anchor_attempts_total\{anchor="beside",outcome="failed"[^}]*\} (\d+)/)) >= 1,
  );
  assert.ok((await metric(/sallyport_anchor_lag_seconds\{anchor="beside"[^}]*\} (\S+)/)) > 0);
  faults.clear();
  await until('it has caught up', () => sizeIn(beside) === sizeIn(log));
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  await assertWhole(gateway);
});

test('the disk of the index is full: log and answers go on, building it anew is refused, and done when there is room', async () => {
  const { gateway, child, faults, token, act, entries } = await world();
  const env = apiEnvironment(gateway, child.apiPort, token);
  const reindex = async () => {
    const running = sallyport(['audit', 'reindex'], env);
    running.end();
    return running.ended;
  };
  faults.set('write', '/index.sqlite', ENOSPC);
  assert.equal(await act(), 200);
  const refused = await reindex();
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /SP_STORE_UNAVAILABLE/);
  assert.ok(faults.count() > 0);
  assert.equal(await act(), 200);
  assert.equal(reviews(await entries()), 2);
  faults.clear();
  const done = await reindex();
  assert.equal(done.code, 0, done.err);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  await assertWhole(gateway);
});

test('THREAT a second process on the data directory does not start, and the first goes on', async () => {
  const { gateway, child, act, entries } = await world();
  const second = sallyport(['serve', '-c', gateway.configFile]);
  second.end();
  const { code, err } = await second.ended;
  assert.notEqual(code, 0);
  assert.match(err, /another gateway \(process \d+\) uses/);
  assert.equal(await act(), 200);
  assert.equal((await entries()).filter(({ type }) => type === 'log.opened').length, 1);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  await assertWhole(gateway);
});
