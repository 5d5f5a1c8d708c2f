import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { CommitGroup } from './commit-group.ts';
import { openAuditLog, verifyLog } from './index.ts';
import { createLogKey, createSealingIdentity } from './keys.ts';
import { SLAB_BYTES, Slabs } from './slabs.ts';
import { Tail } from './tail.ts';

test('a slab is written again when nobody looks at it any more, and not before', () => {
  const slabs = new Slabs();
  const slab = slabs.take(10);
  slab.keep();
  slab.release();
  assert.notEqual(slabs.take(10).bytes, slab.bytes);
  slab.release();
  assert.equal(slabs.take(10).bytes, slab.bytes);
  assert.throws(() => slab.release(), RangeError);
  assert.throws(() => slab.keep(), RangeError);
});

test('what is larger than a slab is not kept, and what lies idle goes with time', () => {
  const slabs = new Slabs();
  slabs.take(SLAB_BYTES + 1).release();
  assert.equal(slabs.free, 0);
  const taken = Array.from({ length: 20 }, () => slabs.take(0));
  for (const slab of taken) slab.release();
  assert.equal(slabs.free, 20);
  slabs.settle();
  assert.equal(slabs.free, 20);
  for (let round = 0; round < 30; round += 1) slabs.settle();
  assert.equal(slabs.free, 0);
});

test('commits keep their slab while the tail has entries of it', () => {
  const slabs = new Slabs();
  const group = new CommitGroup(() => 0, slabs);
  const tail = new Tail(0, []);
  const commit = (text: string): void => {
    group.begin(text.length);
    group.text(text);
    group.endEntry();
    const { bytes, bounds, slab } = group.close();
    tail.push(bytes, bounds, slab);
    group.reset();
  };
  const third = 'x'.repeat(0.3 * SLAB_BYTES);
  for (let entry = 0; entry < 12; entry += 1) commit(`${entry % 10}${third}`);
  assert.deepEqual(
    tail.slice(0, 10).map((entry) => entry.toString('latin1', 0, 1)),
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  );
  assert.equal(slabs.free, 0);
  tail.dropBefore(12);
  // All but the one that is being written to.
  assert.ok(slabs.free >= 3, String(slabs.free));
});

test('entries that are read while the log goes on do not change under the reader', async () => {
  const disk = new MemoryDisk();
  const key = createLogKey('audit.example.org/slabs');
  const { recipient } = await createSealingIdentity();
  let calls = 0;
  const log = await openAuditLog({
    dir: '/audit',
    origin: 'audit.example.org/slabs',
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: { bytes: (length) => Buffer.alloc(length, (calls += 1)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    disk,
  });
  const append = (count: number, payload: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        log.append({ type: 'policy.applied' }, [{ kind: 'messages', bytes: Buffer.alloc(payload, 'x') }]),
      ),
    );
  await append(250, 1);
  const reading = log.entries(200, 250)[Symbol.asyncIterator]();
  await reading.next();
  // On to the next slab; what is published leaves memory by 256, and the first slab is written again.
  for (let round = 0; round < 4; round += 1) await append(1, 300_000);
  await append(300, 1);
  await log.publish();
  for (let round = 0; round < 8; round += 1) await append(1, 300_000);
  let seq = 201;
  for (let next = await reading.next(); next.done !== true; next = await reading.next()) assert.equal(next.value.seq, seq++);
  assert.equal(seq, 250);
  await log.close();
  const verdict = await verifyLog('/audit', { vkey: key.vkey, disk });
  assert.deepEqual(verdict.problems, []);
});
