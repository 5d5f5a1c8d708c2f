// The index on a disk that fails, and what is read back of it.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SallyportError } from '../core/error.ts';
import type { SessionId, TargetName } from '../core/ids.ts';
import type { SubjectRecord } from '../core/subject.ts';
import { columnsAt, noteEpoch, readEpochs, tokensMadeAt } from './epochs.ts';
import { RecordDecoder } from './format.ts';
import { keysOnDisk, SubjectKey } from './keys.ts';
import { dropOldFiles } from './retention.ts';
import { readVerdicts, type Verdicts } from './verdicts.ts';
import { SubjectWriter } from './writer.ts';

const target = 'clinic' as TargetName;
const key = new SubjectKey('a'.repeat(64));
const nowMs = Date.parse('2026-11-21T12:00:00Z');
const clock = { nowMs: () => nowMs, monotonicMs: () => 0 };
let root = '';
let next = 0;
before(async () => (root = await mkdtemp(join(tmpdir(), 'sallyport-subjects-'))));
after(() => rm(root, { recursive: true, force: true }));
const fresh = (): string => join(root, String(next++));

const record = (n: number, asked: readonly string[], returned: readonly string[] = [], isClosed = true): SubjectRecord => ({
  session: 'ses_a' as SessionId,
  n,
  atMs: nowMs,
  target,
  subjects: [
    {
      subject: 'patient',
      asked: asked.map((each) => key.digest(target, 'patient', each)),
      returned: returned.map((each) => key.digest(target, 'patient', each)),
      isClosed,
    },
  ],
});

const search = (dir: string, value: string, keys = [key], sinceMs = nowMs - 1000): Promise<Verdicts> =>
  readVerdicts(dir, keys, { target, subject: 'patient', values: [value], sinceMs, untilMs: nowMs + 1000 }, new AbortController().signal);

test('records are read back by the value, and by nothing else', async () => {
  const dir = fresh();
  const writer = new SubjectWriter({ dir, key, thread: 1, clock, isDurable: true, onFatal: assert.fail });
  const settling = [record(1, ['n:17']), record(2, [], ['n:17', 'n:18']), record(3, ['n:18'], [], false)].map((each) =>
    writer.append(each),
  );
  assert.equal(settling[2]?.isDone, false);
  await settling[2]?.wait();
  // The newest stands for those before it.
  assert.ok(settling.every(({ isDone }) => isDone));
  await writer.close();
  const found = await search(dir, '017');
  assert.deepEqual(found.of('ses_a', 1), { asked: true, returned: false, isClosed: true });
  assert.deepEqual(found.of('ses_a', 2), { asked: false, returned: true, isClosed: true });
  assert.deepEqual(found.of('ses_a', 3), { asked: false, returned: false, isClosed: false });
  assert.equal(found.of('ses_a', 4), null);
  assert.equal(found.of('ses_b', 1), null);
  const other = await readVerdicts(
    dir,
    [key],
    { target, subject: 'doctor', values: ['17'], sinceMs: 0, untilMs: nowMs },
    new AbortController().signal,
  );
  assert.equal(other.of('ses_a', 1), null);
});

test('INVARIANT: two records of one request tell what either found, and are closed when both are', async () => {
  const dir = fresh();
  const writer = new SubjectWriter({ dir, key, thread: 1, clock, isDurable: true, onFatal: assert.fail });
  for (const each of [record(900, ['n:17']), record(900, [], ['n:18']), record(7, [], [], false), record(7, [])]) writer.append(each);
  await writer.close();
  const found = await search(dir, '17');
  assert.deepEqual(found.of('ses_a', 900), { asked: true, returned: false, isClosed: true });
  assert.deepEqual(found.of('ses_a', 7), { asked: false, returned: false, isClosed: false });
  assert.equal(found.of('ses_a', 899), null);
});

test('INVARIANT: a record is done only after its bytes were synced; a failed sync stops everything', async () => {
  const dir = fresh();
  const faults: SallyportError[] = [];
  let syncs = 0;
  const stall = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const writer = new SubjectWriter({
    dir,
    key,
    thread: 0,
    clock,
    isDurable: true,
    onFatal: (fault) => faults.push(fault),
    openFile: async () =>
      ({
        write: async (bytes: Uint8Array, at: number, length: number) => ({ bytesWritten: length, buffer: bytes, at }),
        datasync: async () => {
          syncs += 1;
          if (syncs === 2) {
            reached.resolve();
            await stall.promise;
          }
          if (syncs === 3) throw new Error('EIO');
        },
        close: async () => undefined,
      }) as never,
  });
  const first = writer.append(record(1, ['n:17']));
  await reached.promise;
  assert.equal(first.isDone, false);
  const second = writer.append(record(2, ['n:17']));
  const refused = assert.rejects(second.wait(), { code: 'SP_AUDIT_UNWRITABLE' });
  stall.resolve();
  await first.wait();
  await refused;
  assert.equal(second.isDone, false);
  assert.throws(() => writer.append(record(3, [])), { code: 'SP_AUDIT_UNWRITABLE' });
  assert.equal(faults.length, 1);
  await writer.close();
});

test('a torn tail is no fault, a changed byte is: nothing from there on counts', async () => {
  const dir = fresh();
  const writer = new SubjectWriter({ dir, key, thread: 0, clock, isDurable: true, onFatal: assert.fail });
  for (const n of [1, 2, 3]) await writer.append(record(n, ['n:17'])).wait();
  await writer.close();
  const [name = ''] = await readdir(dir);
  const whole = await readFile(join(dir, name));
  for (let length = 0; length <= whole.length; length += 1) {
    const decoder = new RecordDecoder(name, key);
    const records = [...decoder.push(whole.subarray(0, length))].length + [...decoder.push(whole.subarray(length))].length;
    assert.deepEqual([records, decoder.isDamaged], [3, false]);
    const torn = new RecordDecoder(name, key);
    assert.ok([...torn.push(whole.subarray(0, length))].length < 3 || length === whole.length);
    assert.equal(torn.isDamaged, false);
  }
  const last = whole.length - 1;
  for (const at of [0, 9, 20, last]) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(join(dir, name), changed);
    const found = await search(dir, '17');
    assert.equal(found.of('ses_a', 3), null, String(at));
  }
  // A record cannot be moved to another file.
  await writeFile(join(dir, name.replace('-0-', '-5-')), whole);
  assert.equal((await search(dir, '17')).damaged.length, 2);
});

test('keys are made once, on wish and after a year; all that are left are searched with', async () => {
  const dir = fresh();
  const [first = ''] = await keysOnDisk(dir, nowMs, true);
  assert.deepEqual(await keysOnDisk(dir, nowMs + 1, true), [first]);
  await writeFile(join(dir, 'keys', 'next'), '');
  const rotated = await keysOnDisk(dir, nowMs + 2, true);
  assert.equal(rotated.length, 2);
  assert.equal(rotated[1], first);
  assert.deepEqual(await keysOnDisk(dir, nowMs + 3, true), rotated);
  assert.equal((await keysOnDisk(dir, nowMs + 367 * 86_400_000, true)).length, 3);
  await writeFile(join(dir, 'keys', `${nowMs}-${'0'.repeat(16)}.key`), 'short');
  await assert.rejects(keysOnDisk(dir, nowMs, true), { code: 'SP_CONFIG_INVALID' });
  const writer = new SubjectWriter({ dir, key, thread: 0, clock, isDurable: true, onFatal: assert.fail });
  await writer.append(record(1, ['n:17'])).wait();
  await writer.close();
  assert.equal((await search(dir, '17', [new SubjectKey(first)])).damaged.length, 1);
});

test('files go when the rule of retention is over, and never before', async () => {
  const dir = fresh();
  const writer = new SubjectWriter({ dir, key, thread: 0, clock, isDurable: true, onFatal: assert.fail });
  await writer.append(record(1, ['n:17'])).wait();
  await writer.close();
  const dayMs = 86_400_000;
  assert.equal(await dropOldFiles(dir, 30 * dayMs, nowMs + 31 * dayMs), 0);
  assert.equal(await dropOldFiles(dir, 30 * dayMs, nowMs + 33 * dayMs), 1);
  assert.equal((await search(dir, '17')).of('ses_a', 1), null);
});

test('since when which columns are keys is kept, and lost without a false word', async () => {
  const dir = fresh();
  const patient = { clinic: { patient: ['public.patients.id'] } };
  await noteEpoch(dir, { from: 5, at: 'a', targets: patient });
  await noteEpoch(dir, { from: 9, at: 'b', targets: patient });
  await noteEpoch(dir, { from: 12, at: 'c', targets: {} });
  const known = await readEpochs(dir);
  assert.deepEqual(
    known.map(({ from }) => from),
    [5, 12],
  );
  assert.equal(columnsAt(known, 4, 'clinic', 'patient'), null);
  assert.deepEqual(columnsAt(known, 11, 'clinic', 'patient'), ['public.patients.id']);
  assert.equal(columnsAt(known, 12, 'clinic', 'patient'), null);
  await writeFile(join(dir, 'since.json'), '{');
  assert.deepEqual(await readEpochs(dir), []);
});

test('which keys tokens were made with is kept', async () => {
  const dir = fresh();
  const targets = { clinic: { patient: ['public.patients.ssn'] } };
  await noteEpoch(dir, { from: 0, at: 'a', tokenKeys: ['k1'], targets });
  await noteEpoch(dir, { from: 10, at: 'b', tokenKeys: ['k1'], targets });
  await noteEpoch(dir, { from: 20, at: 'c', tokenKeys: ['k2'], targets });
  const known = await readEpochs(dir);
  assert.equal(known.length, 2);
  assert.equal(tokensMadeAt(known, 5, new Set(['k2'])), false);
  assert.equal(tokensMadeAt(known, 25, new Set(['k2'])), true);
  assert.equal(tokensMadeAt(known, 5, new Set(['k1', 'k2'])), true);
});
