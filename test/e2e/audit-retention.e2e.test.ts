import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../support/memory-disk.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import { createLogKey, createRetention, createSealingIdentity, openAuditLog, unseal, verifyLog } from '../../src/audit/index.ts';
import type { OpenAuditLog } from '../../src/audit/index.ts';

const origin = 'audit.example.org/retention';
const key = createLogKey(origin);
const { identity, recipient } = await createSealingIdentity();
const DAY_MS = 86_400_000;
const never = new AbortController().signal;
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const payload = { kind: 'statement', bytes: Buffer.from('select 1') } as const;

/** A world with one clock, both wall and monotonic, that tests move. */
function world(disk = new MemoryDisk()) {
  const time = { nowMs: 0, wallMs: 0 };
  let calls = 0;
  const clock = { nowMs: () => time.wallMs, monotonicMs: () => time.nowMs };
  const state = {
    disk,
    time,
    pass(days: number) {
      time.nowMs += days * DAY_MS;
      time.wallMs += days * DAY_MS;
    },
    open: (): Promise<OpenAuditLog> =>
      openAuditLog({
        dir: '/audit',
        origin,
        replica: 'gw-1',
        signingKey: key.signingKey,
        recipients: [recipient],
        clock,
        random: { bytes: (length) => Buffer.from(Array.from({ length }, (_, at) => (at + (calls += 1) * 7) % 256)) },
        logger,
        disk: state.disk,
        segmentBytes: 3000,
      }),
    retention: (log: OpenAuditLog, days = 90) =>
      createRetention({ dir: '/audit', rules: { payloadsMs: days * DAY_MS }, log, clock, logger, disk: state.disk }),
  };
  return state;
}

async function sealedNow(log: OpenAuditLog): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  for await (const { sealed, detail } of log.entries(0, log.size()))
    for (const ref of sealed ?? []) found.set(String(detail?.['mark']), (await log.sealed(ref)) !== null);
  return found;
}
const say = (log: OpenAuditLog, session: string, mark: string): Promise<number> =>
  log.append({ type: 'alarm', session, detail: { mark } }, [payload]);
async function tombstones(log: OpenAuditLog): Promise<EntryHeader[]> {
  const found: EntryHeader[] = [];
  for await (const header of log.entries(0, log.size())) if (header.type === 'payload.shredded') found.push(header);
  return found;
}

test('payloads older than the rule are destroyed with their keys, after an entry that names them; younger ones open, and the log verifies', async () => {
  const w = world();
  const log = await w.open();
  for (let at = 0; at < 30; at += 1) await say(log, 'old', `old ${at}`);
  w.pass(60);
  for (let at = 0; at < 30; at += 1) await say(log, 'young', `young ${at}`);
  await log.publish();
  const retention = w.retention(log);
  assert.equal(await retention.run(never), 0, 'nothing is due');
  w.pass(30);
  assert.equal(await retention.run(never), 0, 'a key may have been used for a day after its first entry');
  w.pass(1.01);
  const packs = () => w.disk.paths().filter((path) => path.endsWith('.pack')).length;
  const before = packs();
  assert.equal(await retention.run(never), 1);
  assert.ok(packs() < before, 'ciphertext that nobody can open is removed');
  assert.equal(await retention.run(never), 0, 'once');
  const [tombstone, ...more] = await tombstones(log);
  assert.equal(more.length, 0);
  assert.deepEqual(tombstone?.detail, { reason: 'retention', keys: 1, days: 90, before: 31 });
  assert.equal(
    w.disk.paths().some((path) => path.includes(tombstone!.keys![0]!)),
    false,
  );
  const sealed = await sealedNow(log);
  for (let at = 0; at < 30; at += 1) assert.deepEqual([sealed.get(`old ${at}`), sealed.get(`young ${at}`)], [false, true]);
  for await (const { sealed: refs, detail } of log.entries(32, 33)) {
    const blob = await log.sealed(refs![0]!);
    assert.match(String(detail?.['mark']), /^young/);
    assert.equal(Buffer.from((await unseal(blob!.ciphertext, blob!.wrappedKey, identity, refs![0]!)).bytes).toString(), 'select 1');
  }
  await log.close();
  const verdict = await verifyLog('/audit', { vkey: key.vkey, disk: w.disk });
  assert.deepEqual(verdict.problems, []);
  assert.ok(verdict.payloads.present < verdict.payloads.named);
});

test('a session that lasts for months gets a new key each day, so that its old payloads go and its young ones stay', async () => {
  const w = world();
  const log = await w.open();
  const marks: string[] = [];
  for (let day = 0; day < 40; day += 1) {
    // Never idle for an hour in a row at the day's end, which would give it another key anyway.
    await say(log, 'long', `day ${day}`);
    marks.push(`day ${day}`);
    for (let hour = 0; hour < 26; hour += 1) {
      w.pass(1 / 26);
      await log.append({ type: 'alarm', session: 'long' }, [payload]);
    }
  }
  await w.retention(log, 10).run(never);
  const sealed = await sealedNow(log);
  assert.deepEqual([sealed.get('day 0'), sealed.get('day 20'), sealed.get('day 32'), sealed.get('day 39')], [false, false, true, true]);
  await log.close();
});

test('a statement that is prepared once and used for weeks is sealed anew each day: the text of a young entry stays', async () => {
  const w = world();
  const log = await w.open();
  const template = log.template({ type: 'request.intent', session: 'pool', statement: {} }, [payload]);
  for (let hour = 0; hour < 20 * 24; hour += 1) {
    await log.recorded(log.post(template, { n: hour, statement: { bytes: 8, parameters: [] } }, hour % 5 === 0 ? [payload] : []));
    w.pass(1 / 24);
  }
  assert.ok((await w.retention(log, 5).run(never)) >= 10);
  const openable: boolean[] = [];
  const keys = new Set<string>();
  for await (const { type, n = 0, sealed = [] } of log.entries(0, log.size())) {
    if (type !== 'request.intent') continue;
    assert.equal(sealed.length, n % 5 === 0 ? 2 : 1);
    const found = await log.sealed(sealed[0]!);
    keys.add(sealed[0]!.key);
    openable[n] = found !== null;
    if (found !== null)
      assert.equal(Buffer.from((await unseal(found.ciphertext, found.wrappedKey, identity)).bytes).toString(), 'select 1');
  }
  assert.ok(keys.size >= 20 && keys.size <= 22, `${keys.size} keys`);
  assert.deepEqual([openable[0], openable[10 * 24], ...openable.slice(15 * 24).filter((one) => !one)], [false, false]);
  await log.close();
});

test('THREAT clock going back, and ahead for a while: nothing is destroyed before its time', async () => {
  const w = world();
  w.pass(1000);
  const log = await w.open();
  await say(log, 'a', 'a');
  w.time.wallMs -= 900 * DAY_MS;
  await say(log, 'b', 'looks old');
  w.time.wallMs += 900 * DAY_MS;
  w.pass(10);
  assert.equal(await w.retention(log).run(never), 0);
  w.time.wallMs += 500 * DAY_MS;
  await say(log, 'c', 'written in the future');
  w.time.wallMs -= 500 * DAY_MS;
  await say(log, 'd', 'd');
  w.pass(85);
  assert.equal(await w.retention(log).run(never), 2, 'a, and b, which counts as no older than a');
  w.pass(50);
  assert.equal(await w.retention(log).run(never), 0, 'c seems younger than it is, and d is behind it');
  w.pass(500);
  assert.equal(await w.retention(log).run(never), 2);
  assert.deepEqual([...(await sealedNow(log)).values()], [false, false, false, false]);
  await log.close();
});

test('THREAT clock going back: entries, checkpoints and restarts go on, in the order of their indexes', async () => {
  const w = world();
  w.pass(1000);
  let log = await w.open();
  const notes = [await log.publish()];
  for (const days of [1, 400, 3]) {
    w.time.wallMs -= days * DAY_MS;
    await say(log, 'a', `${days} back`);
    notes.push(await log.publish());
    if (days === 400) {
      await log.close();
      log = await w.open();
    }
  }
  const times: string[] = [];
  for await (const { seq, ts } of log.entries(0, log.size())) times[seq] = ts;
  assert.equal(times.length, log.size());
  assert.notDeepEqual(times, times.toSorted(), 'times are as the clock said');
  assert.equal(new Set(notes).size, 4);
  await log.close();
  assert.deepEqual((await verifyLog('/audit', { vkey: key.vkey, disk: w.disk })).problems, []);
});

test('THREAT the clock of a running gateway jumps ahead: only time that has passed counts', async () => {
  const w = world();
  w.pass(1000);
  const log = await w.open();
  await say(log, 'a', 'a');
  const retention = w.retention(log);
  w.pass(10);
  w.time.wallMs += 500 * DAY_MS;
  assert.equal(await retention.run(never), 0);
  w.pass(80);
  assert.equal(await retention.run(never), 0);
  w.time.wallMs -= 500 * DAY_MS;
  w.pass(1.1);
  assert.equal(await retention.run(never), 1);
  await log.close();
});

test('power loss and faults at every step of retention: no key goes without its entry, none that is young, and it goes on later', async () => {
  const base = world();
  const first = await base.open();
  for (let session = 0; session < 5; session += 1)
    for (let at = 0; at < 8; at += 1) await say(first, `old-${session}`, `old ${session}.${at}`);
  base.pass(100);
  await say(first, 'young', 'young');
  await first.close();
  const count = async (cut: number) => {
    const w = world(base.disk.clone());
    w.time.nowMs = base.time.nowMs;
    w.time.wallMs = base.time.wallMs;
    const log = await w.open();
    const start = w.disk.operations;
    w.disk.fault = (_, __, done) => (done < start + cut ? undefined : { code: 'EIO', persist: cut % 2 === 0, written: 10 });
    const result = await w
      .retention(log)
      .run(never)
      .catch(() => null);
    return { w, log, result, steps: w.disk.operations - start };
  };
  const { steps, result, log: whole } = await count(1_000_000);
  assert.equal(result, 5);
  await whole.close();
  assert.ok(steps > 15, `${steps} steps`);
  for (let cut = 1; cut <= steps; cut += 3) {
    const { w, log } = await count(cut);
    await log.close().catch(() => undefined);
    let state = cut + 7;
    w.disk.crash(() => ((state = (state * 16_807) % 2_147_483_647), (state % 1000) / 1000));
    const again = await w.open();
    const named = new Set((await tombstones(again)).flatMap(({ keys }) => keys ?? []));
    for await (const { sealed, detail } of again.entries(0, again.size())) {
      for (const ref of sealed ?? []) {
        const isThere = (await again.sealed(ref)) !== null;
        assert.ok(isThere || named.has(ref.key), `cut at ${cut}: ${String(detail?.['mark'])} is gone without an entry`);
      }
    }
    await w.retention(again).run(never);
    const after = await sealedNow(again);
    assert.deepEqual(
      new Set([...after].map(([mark, isThere]) => `${mark.split(' ')[0]} ${isThere}`)),
      new Set(['old false', 'young true']),
    );
    await again.close();
    assert.deepEqual((await verifyLog('/audit', { vkey: key.vkey, disk: w.disk })).problems, [], `cut at ${cut}`);
  }
});

test('progress that cannot be read is started anew, and keys that are gone are passed over', async () => {
  const w = world();
  const log = await w.open();
  await say(log, 'old', 'old');
  w.pass(100);
  assert.equal(await w.retention(log).run(never), 1);
  for (const text of ['', '{', '{"next":"x"}', 'null']) {
    w.disk.put('/audit/retention.json', Buffer.from(text));
    assert.equal(await w.retention(log).run(never), 0, text);
  }
  assert.equal((await tombstones(log)).length, 1);
  await log.close();
});
