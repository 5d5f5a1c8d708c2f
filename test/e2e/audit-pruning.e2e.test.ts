import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../support/memory-disk.ts';
import { createLogKey, createPruning, createSealingIdentity, openAuditLog, publishedLog, verifyLog } from '../../src/audit/index.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { OpenAuditLog } from '../../src/audit/index.ts';
import { consistencyProof, openCheckpoint, parseVerifierKey, verifyConsistency } from '../../src/audit/tlog/index.ts';

const origin = 'audit.example.org/pruning';
const key = createLogKey(origin);
const { recipient } = await createSealingIdentity();
const DAY_MS = 86_400_000;
const never = new AbortController().signal;
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const time = { nowMs: 0 };
const clock = { nowMs: () => time.nowMs, monotonicMs: () => 0 };

let calls = 0;
function open(disk: MemoryDisk): Promise<OpenAuditLog> {
  return openAuditLog({
    dir: '/audit',
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock,
    random: { bytes: (length) => Buffer.alloc(length, (calls += 1) % 251) },
    logger,
    disk,
  });
}
const prune = (log: OpenAuditLog, disk: MemoryDisk): Promise<number> =>
  createPruning({ dir: '/audit', headersMs: 2000 * DAY_MS, log, clock, logger, disk }).run(never);
const problems = async (disk: MemoryDisk) =>
  (await verifyLog('/audit', { vkey: key.vkey, disk })).problems.map(({ code, index, what }) => `${code} ${index}: ${what}`);

async function add(log: OpenAuditLog, count: number, session = 's'): Promise<void> {
  const template = log.template({ type: 'alarm', session });
  let ticket = log.post(template, { n: 0 });
  for (let n = 1; n < count; n += 1) ticket = log.post(template, { n });
  await log.recorded(ticket);
  await log.publish();
}

/** 700 entries, then 2500 days, then some more: entries up to 700 are due. @returns the disk and a checkpoint from before */
async function agedLog(): Promise<{ disk: MemoryDisk; before: string }> {
  time.nowMs = 0;
  const disk = new MemoryDisk();
  const log = await open(disk);
  await add(log, 699);
  const before = await log.publish();
  time.nowMs = 2500 * DAY_MS;
  await add(log, 100, 'later');
  await log.close();
  return { disk, before };
}

test('headers older than the rule go in whole tiles, after an entry under a checkpoint says so; what is left verifies and goes on', async () => {
  const { disk, before } = await agedLog();
  let log = await open(disk);
  assert.equal(await prune(log, disk), 512);
  assert.equal(log.firstIndex, 512);
  const paths = disk.paths();
  for (const gone of ['tile/0/000', 'tile/0/001', 'tile/entries/000', 'tile/entries/001'])
    assert.equal(paths.includes(`/audit/log/${gone}`), false, gone);
  assert.ok(paths.includes('/audit/log/tile/0/002') || paths.some((path) => path.startsWith('/audit/log/tile/0/002.p/')));
  const found: number[] = [];
  let told: unknown = null;
  for await (const { seq, type, detail } of log.entries(0, log.size())) {
    found.push(seq);
    if (type === 'log.pruned') told = detail;
  }
  assert.deepEqual([found[0], found.length], [512, log.size() - 512]);
  assert.deepEqual(told, { reason: 'retention', before: 512, previous: 0, days: 2000 });
  assert.equal(await prune(log, disk), 0, 'once');
  await add(log, 300, 'more');
  await log.close();
  assert.deepEqual(await problems(disk), []);
  assert.equal((await verifyLog('/audit', { vkey: key.vkey, disk })).firstIndex, 512);

  // A checkpoint of before the pruning is still proven to be of the same log.
  log = await open(disk);
  const verifier = parseVerifierKey(key.vkey);
  const [old, now] = [openCheckpoint(before, verifier), openCheckpoint(await log.publish(), verifier)];
  const proof = await consistencyProof(old.size, now.size, publishedLog('/audit', disk).readTile);
  assert.ok(verifyConsistency(old.size, now.size, old.root, now.root, proof));
  await log.close();
});

test('THREAT entries removed in the name of pruning: without the log saying so, or beyond what it says, the log does not verify', async () => {
  const { disk } = await agedLog();
  const forged = disk.clone();
  forged.put('/audit/log/minimum-index', Buffer.from('512\n'));
  assert.match((await problems(forged)).join(), /entries-missing 0: entries before 512 are missing, and the log does not say/);
  for (const text of ['511\n', 'x', '512', '-256\n', '99840\n']) {
    forged.put('/audit/log/minimum-index', Buffer.from(text));
    assert.match((await problems(forged)).join(), /entries-missing 0/, text);
  }
  forged.put('/audit/log/minimum-index', Buffer.from('x'));
  await assert.rejects(open(forged), (error) => error instanceof SallyportError && error.code === 'SP_AUDIT_CORRUPT');
  const log = await open(disk);
  await prune(log, disk);
  await log.close();
  const more = disk.clone();
  more.put('/audit/log/minimum-index', Buffer.from('768\n'));
  assert.match((await problems(more)).join(), /entries before 768 are missing/);
  await disk.remove('/audit/log/tile/entries/002');
  assert.match((await problems(disk)).join(), /entries-missing 512/);
});

test('power loss at any step of pruning: the log starts, verifies, and goes on pruning', async () => {
  const { disk: base } = await agedLog();
  const count = async (cut: number) => {
    const disk = base.clone();
    const log = await open(disk);
    const start = disk.operations;
    disk.fault = (_, __, done) => (done < start + cut ? undefined : { code: 'EIO', persist: cut % 2 === 0, written: 2 });
    const result = await prune(log, disk).catch(() => null);
    const steps = disk.operations - start;
    if (result === null) await log.close().catch(() => undefined);
    else await log.close();
    return { disk, result, steps };
  };
  const { steps, result } = await count(1_000_000);
  assert.equal(result, 512);
  for (let cut = 1; cut <= steps; cut += 1) {
    const { disk } = await count(cut);
    let state = cut + 3;
    disk.crash(() => ((state = (state * 16_807) % 2_147_483_647), (state % 1000) / 1000));
    const log = await open(disk);
    await prune(log, disk);
    assert.equal(log.firstIndex, 512, `cut at ${cut}`);
    assert.equal(
      disk.paths().some((path) => /tile\/(?:0|entries)\/00[01](?:\.p)?/.test(path)),
      false,
      `cut at ${cut}`,
    );
    await log.close();
    assert.deepEqual(await problems(disk), [], `cut at ${cut}`);
  }
});
