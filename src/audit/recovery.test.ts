import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { SallyportError } from '../core/error.ts';
import { openAuditLog, unseal, verifyLog } from './index.ts';
import type { AuditLogOptions } from './index.ts';
import { createLogKey, createSealingIdentity } from './keys.ts';

const origin = 'audit.example.org/test';
const key = createLogKey(origin);
const { identity, recipient } = await createSealingIdentity();

function options(disk: MemoryDisk, more: Partial<AuditLogOptions> = {}): AuditLogOptions {
  let calls = 0;
  return {
    dir: '/audit',
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: { bytes: (length) => Buffer.alloc(length, (calls += 1)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    disk,
    ...more,
  };
}

function seeded(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) >>> 0;
    return state / 2 ** 32;
  };
}

const corrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_CORRUPT';
const payload = { kind: 'statement', bytes: Buffer.from('select 1') } as const;

/** Appends until the disk stops working. @returns marks of the acknowledged entries by index. */
async function workload(disk: MemoryDisk): Promise<Map<number, string>> {
  const acknowledged = new Map<number, string>();
  try {
    const log = await openAuditLog(options(disk, { segmentBytes: 4000 }));
    const shared = log.template({ type: 'alarm', session: 's' }, [payload]);
    for (let round = 0; round < 4; round += 1) {
      await Promise.allSettled(
        Array.from({ length: 5 }, async (_, at) => {
          const mark = `${round}.${at}`;
          if (at === 3) await log.recorded(log.post(shared, { n: round }));
          else acknowledged.set(await log.append({ type: 'alarm', session: 's', detail: { mark } }, [payload]), mark);
        }),
      );
      await log.publish();
    }
    await log.close();
  } catch {
    // The power went; what counts is what was acknowledged before.
  }
  return acknowledged;
}

test('THREAT power loss at any moment: every acknowledged entry and payload is there again, under a log that verifies', async () => {
  const whole = new MemoryDisk();
  await workload(whole);
  const total = whole.operations;
  assert.ok(total > 150, `${total} operations`);
  for (let cut = 1; cut <= total; cut += 11) {
    const disk = new MemoryDisk();
    disk.fault = (_, __, count) =>
      count < cut ? undefined : count === cut ? { code: 'EIO', persist: cut % 2 === 0, written: 40 } : { code: 'EIO' };
    const acknowledged = await workload(disk);
    disk.crash(seeded(cut));
    const log = await openAuditLog(options(disk));
    for (const [index, mark] of acknowledged) {
      for await (const header of log.entries(index, index + 1)) {
        assert.equal(header.detail?.['mark'], mark, `cut at ${cut}`);
        assert.notEqual(await log.sealed(header.sealed![0]!), null, `cut at ${cut}`);
      }
      assert.ok(index < log.size(), `cut at ${cut}`);
    }
    await log.append({ type: 'alarm' });
    await log.close();
    const verdict = await verifyLog('/audit', { vkey: key.vkey, disk });
    assert.deepEqual(verdict.problems, [], `cut at ${cut}`);
  }
});

/** A log that was killed: 3 published entries, then `unpublished` more. */
async function killedLog(unpublished: number): Promise<{ disk: MemoryDisk; journal: string }> {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  await log.append({ type: 'alarm' });
  await log.append({ type: 'alarm' });
  await log.publish();
  for (let at = 0; at < unpublished; at += 1) await log.append({ type: 'alarm', detail: { at } }, [payload]);
  const copy = disk.clone();
  await log.close();
  return { disk: copy, journal: '/audit/journal/0000000000000000.journal' };
}

async function sizeAfterStart(disk: MemoryDisk): Promise<number> {
  const log = await openAuditLog(options(disk));
  const size = log.size() - 1;
  await log.close();
  assert.equal((await verifyLog('/audit', { vkey: key.vkey, disk })).ok, true);
  return size;
}

test('a journal torn at any place behind the checkpoint is cut back to whole entries', async () => {
  const { disk, journal } = await killedLog(2);
  const bytes = Buffer.from(disk.bytes(journal));
  const published = await lengthOfEntries(bytes, 3);
  const seen = new Set<number>();
  for (let length = published; length <= bytes.length; length += 89) {
    const torn = disk.clone();
    torn.put(journal, bytes.subarray(0, length));
    seen.add(await sizeAfterStart(torn));
  }
  assert.deepEqual(
    [...seen].toSorted((a, b) => a - b),
    [3, 4],
  );
  assert.equal(await sizeAfterStart(disk), 5);
});

/** Position behind the first `count` entries of a segment, read with the documented format. */
async function lengthOfEntries(bytes: Buffer, count: number): Promise<number> {
  let at = 20;
  for (let found = 0; found < count; at += 17 + bytes.readUInt32BE(at + 12)) if ((bytes.readUInt8(at + 16) & 0x7f) === 1) found += 1;
  return at;
}

test('THREAT rollback: a journal that ends before the checkpoint refuses to start', async () => {
  const { disk, journal } = await killedLog(0);
  const bytes = Buffer.from(disk.bytes(journal));
  for (const length of [bytes.length - 1, await lengthOfEntries(bytes, 2), 20]) {
    const cut = disk.clone();
    cut.put(journal, bytes.subarray(0, length));
    await assert.rejects(openAuditLog(options(cut)), corrupt);
  }
  const gone = disk.clone();
  await gone.remove(journal);
  await assert.rejects(openAuditLog(options(gone)), corrupt);
});

test('damage in the journal with later commits behind it is not taken for a torn tail', async () => {
  const { disk, journal } = await killedLog(3);
  const bytes = Buffer.from(disk.bytes(journal));
  const damaged = disk.clone();
  damaged.bytes(journal)[(await lengthOfEntries(bytes, 3)) + 30]! ^= 1;
  await assert.rejects(openAuditLog(options(damaged)), corrupt);
  const last = disk.clone();
  last.bytes(journal)[bytes.length - 3]! ^= 1;
  assert.equal(await sizeAfterStart(last), 5, 'in the last commit it cannot be told from a tear');
});

test('a commit that lost its end is followed by a fresh segment, and a second crash is survived', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  await Promise.all([1, 2, 3].map((at) => log.append({ type: 'alarm', detail: { at } })));
  const killed = disk.clone();
  await log.close();
  const journal = '/audit/journal/0000000000000000.journal';
  killed.put(journal, killed.bytes(journal).subarray(0, -10));
  assert.equal(await sizeAfterStart(killed), 3);
  const again = await openAuditLog(options(killed));
  await again.append({ type: 'alarm' });
  const twice = killed.clone();
  await again.close();
  assert.equal(await sizeAfterStart(twice), 7);
});

test('a changed tile, bundle or checkpoint under the tree refuses to start', async () => {
  const { disk } = await killedLog(0);
  const size = 3;
  for (const path of [
    `/audit/log/tile/0/000.p/${size}`,
    `/audit/log/tile/entries/000.p/${size}`,
    '/audit/log/checkpoint',
    '/audit/log/log.vkey',
  ]) {
    const changed = disk.clone();
    changed.bytes(path)[10]! ^= 1;
    await assert.rejects(openAuditLog(options(changed)), corrupt, path);
    const gone = disk.clone();
    await gone.remove(path);
    if (!path.endsWith('.vkey') && !path.endsWith('checkpoint')) await assert.rejects(openAuditLog(options(gone)), corrupt, path);
  }
});

test('a segment missing in the middle refuses to start', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk, { segmentBytes: 300 }));
  for (let at = 0; at < 6; at += 1) await log.append({ type: 'alarm' });
  const killed = disk.clone();
  await log.close();
  const segments = killed.paths().filter((path) => path.endsWith('.journal'));
  assert.ok(segments.length > 2);
  await killed.remove(segments[1]!);
  await assert.rejects(openAuditLog(options(killed)), corrupt);
});

test('a retired segment that a power loss brought back does not stop the start', async () => {
  const disk = new MemoryDisk();
  const small = { segmentBytes: 300 };
  const log = await openAuditLog(options(disk, small));
  for (let at = 0; at < 6; at += 1) await log.append({ type: 'alarm', session: 's' }, [payload]);
  const before = disk.clone();
  await log.close();
  const journals = (paths: string[]): string[] => paths.filter((path) => path.endsWith('.journal'));
  const [oldest] = journals(before.paths());
  assert.ok(oldest !== undefined && !disk.paths().includes(oldest));
  disk.put(oldest, before.bytes(oldest));
  assert.equal(await sizeAfterStart(disk), 8);
  assert.ok(!journals(disk.paths()).includes(oldest), 'it is retired again');
});

test('a payload that entries share is there after rotation, packing, a crash between its uses and a restart', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk, { segmentBytes: 400 }));
  const intent = log.template({ type: 'request.intent', session: 's', statement: {} }, [payload]);
  const post = (n: number): Promise<void> => log.recorded(log.post(intent, { n, statement: { bytes: 8, parameters: [] } }));
  await post(0);
  await post(1);
  const between = disk.clone();
  await log.publish();
  await post(2);
  await log.publish();
  const packed = disk.clone();
  await post(3);
  const journal = disk
    .paths()
    .filter((path) => path.endsWith('.journal'))
    .at(-1)!;
  const torn = disk.clone();
  torn.put(journal, torn.bytes(journal).subarray(0, -3));
  await log.close();
  for (const [name, state, uses] of [
    ['crash between', between, 2],
    ['packed', packed, 3],
    ['torn last use', torn, 3],
    ['closed', disk, 4],
  ] as const) {
    const again = await openAuditLog(options(state));
    const sealed = [];
    for await (const header of again.entries(0, again.size())) sealed.push(...(header.sealed ?? []));
    assert.equal(sealed.length, uses, name);
    assert.equal(new Set(sealed.map(({ sha256 }) => sha256)).size, 1, name);
    for (const ref of sealed) {
      const found = await again.sealed(ref);
      assert.equal(Buffer.from((await unseal(found!.ciphertext, found!.wrappedKey, identity, ref)).bytes).toString(), 'select 1', name);
    }
    await again.close();
    const verdict = await verifyLog('/audit', { vkey: key.vkey, disk: state });
    assert.deepEqual(
      [verdict.problems.filter(({ code }) => code !== 'session-gap'), verdict.payloads],
      [[], { named: 1, present: 1 }],
      name,
    );
  }
});
