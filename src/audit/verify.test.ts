import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { openAuditLog, verifyLog } from './index.ts';
import type { LogVerdict, ProblemCode } from './index.ts';
import { createLogKey, createSealingIdentity } from './keys.ts';
import { SessionCounters } from './session-counters.ts';
import { decodeBundle, encodeBundle, Frontier, leafHash, noteSigner, signCheckpoint } from './tlog/index.ts';

const origin = 'audit.example.org/test';
const key = createLogKey(origin);
const { recipient } = await createSealingIdentity();

/** 602 entries: opening, 600 of a session with a payload every tenth, closing. */
async function makeLog(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  let calls = 0;
  const log = await openAuditLog({
    dir: '/audit',
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: { bytes: (length) => Buffer.alloc(length, (calls += 1)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    segmentBytes: 60_000,
    disk,
  });
  for (let n = 0; n < 600; n += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, at) =>
        log.append(
          { type: 'request.intent', session: 'ses_a', n: n + at },
          at % 10 === 0 ? [{ kind: 'statement', bytes: Buffer.from('select 1') }] : [],
        ),
      ),
    );
  }
  await log.close();
  return disk;
}

const intact = await makeLog();

async function verdictAfter(change: (disk: MemoryDisk) => void | Promise<void>, vkey = key.vkey): Promise<LogVerdict> {
  const disk = intact.clone();
  await change(disk);
  return verifyLog('/audit', { vkey, disk });
}

function codes(verdict: LogVerdict): ProblemCode[] {
  assert.equal(verdict.ok, verdict.problemCount === 0);
  return [...new Set(verdict.problems.map((problem) => problem.code))];
}

function flip(disk: MemoryDisk, path: string, at: number): void {
  disk.bytes(path)[at]! ^= 1;
}

test('an untouched log verifies, with its size, root and payloads', async () => {
  const progress: number[] = [];
  const verdict = await verifyLog('/audit', { vkey: key.vkey, disk: intact, onProgress: (checked) => progress.push(checked) });
  assert.deepEqual(codes(verdict), []);
  assert.deepEqual([verdict.ok, verdict.size, verdict.entries.checked, verdict.origin], [true, 602, 602, origin]);
  assert.deepEqual(verdict.payloads, { named: 60, present: 60 });
  assert.deepEqual(progress, [602]);
  assert.match(verdict.root ?? '', /^[A-Za-z0-9+/]{43}=$/);
});

test('the log directory alone, without journal, keys and payloads, verifies', async () => {
  const verdict = await verdictAfter(async (disk) => {
    for (const path of disk.paths()) if (!path.startsWith('/audit/log/')) await disk.remove(path);
  });
  assert.deepEqual([verdict.ok, verdict.payloads.present], [true, 0]);
});

test('THREAT edited entry: any changed byte of an entry is found and named', async () => {
  const verdict = await verdictAfter((disk) => flip(disk, '/audit/log/tile/entries/001', 1000));
  assert.ok(verdict.problems.some(({ code, index }) => code === 'entry-altered' && index !== null && index >= 256 && index < 512));
  assert.ok(codes(verdict).includes('root-mismatch'));
});

test('THREAT edited tile: a changed hash at any level is found', async () => {
  assert.ok(codes(await verdictAfter((disk) => flip(disk, '/audit/log/tile/0/000', 40))).includes('entry-altered'));
  assert.deepEqual(codes(await verdictAfter((disk) => flip(disk, '/audit/log/tile/1/000.p/2', 40))), ['tile-altered']);
  assert.ok(codes(await verdictAfter((disk) => disk.put('/audit/log/tile/0/000', Buffer.alloc(31)))).includes('tile-altered'));
  assert.ok(codes(await verdictAfter((disk) => disk.remove('/audit/log/tile/0/000'))).includes('tile-missing'));
});

test('THREAT dropped entry: an entry taken out, doubled or moved is found', async () => {
  const path = '/audit/log/tile/entries/001';
  const rewrite = (change: (entries: Buffer[]) => Buffer[]) => (disk: MemoryDisk) =>
    disk.put(path, encodeBundle(change(decodeBundle(disk.bytes(path)))));
  const dropped = await verdictAfter(rewrite((entries) => entries.toSpliced(5, 1)));
  assert.ok(codes(dropped).includes('entries-missing'));
  const moved = codes(await verdictAfter(rewrite((entries) => [entries[1]!, entries[0]!, ...entries.slice(2)])));
  assert.ok(
    moved.includes('entry-altered') &&
      moved.includes('entry-out-of-order') &&
      moved.includes('root-mismatch') &&
      moved.includes('session-gap'),
  );
  assert.ok(codes(await verdictAfter(rewrite((entries) => [...entries, entries[0]!]))).includes('entry-malformed'));
});

test('THREAT truncated tail: fewer entries than the checkpoint signs is found', async () => {
  assert.ok(codes(await verdictAfter((disk) => disk.remove('/audit/log/tile/entries/002.p/90'))).includes('entries-missing'));
  const cut = await verdictAfter((disk) =>
    disk.put('/audit/log/tile/entries/002.p/90', disk.bytes('/audit/log/tile/entries/002.p/90').subarray(0, -1)),
  );
  assert.ok(codes(cut).includes('entries-missing'));
});

test('THREAT foreign key: a checkpoint signed by another key of the same name is refused', async () => {
  assert.deepEqual(codes(await verdictAfter(() => undefined, createLogKey(origin).vkey)), ['checkpoint-invalid']);
  assert.deepEqual(codes(await verdictAfter(() => undefined, 'nonsense')), ['checkpoint-invalid']);
  assert.deepEqual(codes(await verdictAfter((disk) => flip(disk, '/audit/log/checkpoint', origin.length + 2))), ['checkpoint-invalid']);
  assert.deepEqual(codes(await verdictAfter((disk) => disk.remove('/audit/log/checkpoint'))), ['checkpoint-missing']);
});

test('THREAT altered payload: a changed byte of sealed data is found, in packs and in the journal', async () => {
  const pack = intact.paths().find((path) => path.endsWith('.pack'))!;
  assert.deepEqual(codes(await verdictAfter((disk) => flip(disk, pack, disk.bytes(pack).length - 5))), ['payload-altered']);
  assert.deepEqual(codes(await verdictAfter((disk) => flip(disk, pack, 20))), ['payload-altered']);
  assert.deepEqual(codes(await verdictAfter((disk) => disk.put(pack, disk.bytes(pack).subarray(0, -5)))), ['payload-altered']);
});

test('a key-holder who leaves an entry out of a session is found by the session counter', async () => {
  const disk = new MemoryDisk();
  await disk.makeDir('/audit/log');
  const key2 = noteSigner(origin, new Uint8Array(32).fill(5));
  const entry = (seq: number, n: number): Buffer =>
    Buffer.from(JSON.stringify({ v: 1, seq, ts: '2026-01-01T00:00:00.000Z', replica: 'r', type: 'alarm', session: 's', n }));
  const entries = [entry(0, 0), entry(1, 1), entry(2, 3)];
  const frontier = new Frontier();
  for (const bytes of entries) frontier.push(leafHash(bytes));
  disk.put('/audit/log/tile/0/000.p/3', frontier.partial()[0]!.bytes);
  disk.put('/audit/log/tile/entries/000.p/3', encodeBundle(entries));
  disk.put('/audit/log/checkpoint', Buffer.from(signCheckpoint({ size: 3, root: frontier.root() }, key2)));
  const verdict = await verifyLog('/audit', { vkey: key2.vkey, disk });
  assert.deepEqual(
    verdict.problems.map(({ code, index }) => [code, index]),
    [['session-gap', 2]],
  );
});

test('session counters start at 0, end with the session, and a restart of the gateway ends its sessions', () => {
  const counters = new SessionCounters();
  const apply = (header: Record<string, unknown>): boolean => counters.apply(header) === null;
  assert.ok(apply({ session: 'a', n: 0, replica: 'r' }));
  assert.ok(apply({ session: 'b', n: 0, replica: 'q' }));
  assert.ok(apply({ session: 'a', n: 1, type: 'session.close', replica: 'r' }));
  assert.ok(!apply({ session: 'a', n: 2, replica: 'r' }), 'nothing follows a close');
  assert.ok(!apply({ session: 'c', n: 1, replica: 'r' }), 'the first is missing');
  assert.ok(apply({ type: 'log.opened', replica: 'r' }));
  assert.ok(apply({ session: 'b', n: 1, replica: 'q' }), 'another gateway goes on');
  assert.ok(apply({ session: 'x' }), 'entries without a counter do not count');
});

test('verification stops when its signal fires', async () => {
  await assert.rejects(verifyLog('/audit', { vkey: key.vkey, disk: intact, signal: AbortSignal.abort(new Error('enough')) }), /enough/);
});
