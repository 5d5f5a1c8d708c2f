import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../support/memory-disk.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import type { LogKey } from '../../src/audit/index.ts';
import { createLogKey, createSealingIdentity, openAuditLog, parseSigningKey, unseal, verifyLog } from '../../src/audit/index.ts';
import type { AuditLogOptions, OpenAuditLog } from '../../src/audit/index.ts';
import { openCheckpoint, parseVerifierKey, signKeyStatement } from '../../src/audit/tlog/index.ts';

const origin = 'audit.example.org/rotation';
const [a, b, c] = [createLogKey(origin), createLogKey(origin), createLogKey(origin)];
const [one, two] = [await createSealingIdentity(), await createSealingIdentity()];
const payload = { kind: 'statement', bytes: Buffer.from('select 1') } as const;

let calls = 0;
function open(disk: MemoryDisk, key: LogKey, retiring?: LogKey, more: Partial<AuditLogOptions> = {}): Promise<OpenAuditLog> {
  return openAuditLog({
    dir: '/audit',
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    retiringKey: retiring?.signingKey,
    recipients: [one.recipient],
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: { bytes: (length) => Buffer.alloc(length, (calls += 1) % 251) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    disk,
    ...more,
  });
}

/** Opens, appends, closes. */
async function run(disk: MemoryDisk, key: LogKey, retiring?: LogKey, more?: Partial<AuditLogOptions>): Promise<void> {
  const log = await open(disk, key, retiring, more);
  await log.append({ type: 'alarm' }, [payload]);
  await log.close();
}

const text = (disk: MemoryDisk, path: string): string => disk.bytes(`/audit/${path}`).toString();
const opens = (disk: MemoryDisk, key: LogKey): boolean => {
  try {
    return openCheckpoint(text(disk, 'log/checkpoint'), parseVerifierKey(key.vkey)).size > 0;
  } catch {
    return false;
  }
};
const problems = async (disk: MemoryDisk, key: LogKey) =>
  (await verifyLog('/audit', { vkey: key.vkey, disk })).problems.map(({ code, what }) => `${code}: ${what}`);

async function rotations(disk: MemoryDisk, key: LogKey): Promise<NonNullable<EntryHeader['detail']>[]> {
  const log = await open(disk.clone(), key);
  const found: NonNullable<EntryHeader['detail']>[] = [];
  for await (const header of log.entries(0, log.size() - 1)) if (header.type === 'key.rotated') found.push(header.detail ?? {});
  await log.close();
  return found;
}

test('a key changes with overlap: both sign, then the new one alone, and every key of the log leads a verifier to the one that signs', async () => {
  const disk = new MemoryDisk();
  await run(disk, a);
  await assert.rejects(
    run(disk, b),
    (error) => error instanceof SallyportError && error.code === 'SP_AUDIT_CORRUPT' && /retiringKey/.test(error.message),
  );
  await assert.rejects(run(disk, b, c), /another origin or signing key/);
  await assert.rejects(run(disk, a, a), (error) => error instanceof SallyportError && error.code === 'SP_CONFIG_INVALID');
  for (let turn = 0; turn < 2; turn += 1) {
    await run(disk, b, a);
    assert.deepEqual([opens(disk, a), opens(disk, b)], [true, true], 'overlap');
    assert.equal(text(disk, 'log/log.vkey'), `${b.vkey}\n`);
    assert.deepEqual([await problems(disk, a), await problems(disk, b)], [[], []]);
  }
  await run(disk, b);
  assert.deepEqual([opens(disk, a), opens(disk, b)], [false, true]);
  assert.deepEqual([await problems(disk, a), await problems(disk, b)], [[], []]);
  const told = await rotations(disk, b);
  assert.deepEqual(
    told.map(({ of, phase, size }) => [of, phase, size]),
    [
      ['log', 'overlap', 3],
      ['log', 'ended', undefined],
    ],
  );
  assert.equal(told[0]?.['key'], parseVerifierKey(b.vkey).keyId);

  await run(disk, c, b);
  await run(disk, c);
  for (const key of [a, b, c]) assert.deepEqual(await problems(disk, key), []);
  assert.match((await problems(disk, createLogKey(origin))).join(), /^checkpoint-invalid: the note is not signed by the key/);
});

test('THREAT stolen old key: what it signs alone after it was replaced is refused, and only its own statement leads away from it', async () => {
  const disk = new MemoryDisk();
  await run(disk, a);
  const before = disk.clone();
  await run(disk, b, a);
  const forged = disk.clone();
  const lines = text(forged, 'log/checkpoint')
    .split('\n')
    .filter((line) => line !== '');
  const body = `${lines.slice(0, 3).join('\n')}\n`;
  forged.put('/audit/log/checkpoint', Buffer.from(parseSigningKey(a.signingKey, origin).sign(body)));
  assert.match((await problems(forged, a)).join(), /replaced after entry 3/);
  assert.match((await problems(forged, b)).join(), /not signed/);

  // A checkpoint from before the change is still good by the old key, and a statement by somebody else leads nowhere.
  const note = disk.paths().find((path) => path.endsWith('.note')) ?? '';
  before.put(note, disk.bytes(note));
  assert.deepEqual(await problems(before, a), []);
  before.put(note, Buffer.from(signKeyStatement({ size: 0, vkey: c.vkey }, parseSigningKey(c.signingKey, origin))));
  assert.deepEqual(await problems(before, a), []);
  const other = createLogKey('audit.example.org/other');
  before.put(note, Buffer.from(signKeyStatement({ size: 0, vkey: other.vkey }, parseSigningKey(a.signingKey, origin))));
  assert.deepEqual(await problems(before, a), [], 'nor one that names the key of another log');
});

test('power loss in a change of keys leaves a log that starts with either configuration and verifies with its keys', async () => {
  const whole = new MemoryDisk();
  await run(whole, a);
  const started = whole.clone();
  const steps = whole.clone();
  await run(steps, b, a, { recipients: [one.recipient, two.recipient] });
  for (let cut = 1; cut <= steps.operations; cut += 3) {
    for (const back of [false, true]) {
      const disk = started.clone();
      disk.fault = (_, __, count) => (count < cut ? undefined : { code: 'EIO', persist: cut % 2 === 0, written: 20 });
      await run(disk, b, a).catch(() => undefined);
      let state = cut;
      disk.crash(() => ((state = (state * 16_807) % 2_147_483_647), (state % 1000) / 1000));
      // Going back is possible until the new key is the known one.
      const known = text(disk, 'log/log.vkey').trim();
      if (back && known === a.vkey) {
        await run(disk, a);
        assert.deepEqual(await problems(disk, a), [], `back, cut at ${cut}`);
      }
      await run(disk, b, a);
      await run(disk, b);
      for (const key of [a, b]) assert.deepEqual(await problems(disk, key), [], `cut at ${cut}`);
    }
  }
});

test('a change of recipients is an entry; payloads of before open with the old identity only, later ones with the new', async () => {
  const disk = new MemoryDisk();
  await run(disk, a);
  await run(disk, a);
  assert.deepEqual(await rotations(disk, a), []);
  const log = await open(disk, a, undefined, { recipients: [two.recipient] });
  const seq = await log.append({ type: 'alarm' }, [payload]);
  const found: unknown[] = [];
  for await (const header of log.entries(0, log.size())) {
    if (header.type === 'key.rotated') found.push([header.detail?.['of'], header.detail?.['added'], header.detail?.['removed']]);
    const ref = header.sealed?.[0];
    if (ref === undefined) continue;
    const blob = await log.sealed(ref);
    const [right, wrong] = header.seq === seq ? [two, one] : [one, two];
    assert.equal(Buffer.from((await unseal(blob!.ciphertext, blob!.wrappedKey, right.identity, ref)).bytes).toString(), 'select 1');
    await assert.rejects(unseal(blob!.ciphertext, blob!.wrappedKey, wrong.identity, ref), SallyportError);
  }
  await log.close();
  assert.deepEqual(found, [['recipients', 1, 1]]);
});
