// The thread of the writer ends without having been asked to: out of memory, a fault nobody caught. Nothing hangs, everything
// later is refused, and the process is told. Killed through its handle, which Node announces to the process.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { readEntries } from '../conformance/audit-log.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { AuditLog, EntryTemplate, Ticket } from '../../src/core/ports.ts';
import { connectAuditLog, openAuditLog, verifyLog } from '../../src/audit/index.ts';
import type { AuditLogOptions, OpenAuditLog } from '../../src/audit/index.ts';
import { createLogKey, createSealingIdentity } from '../../src/audit/keys.ts';
import { RING_BYTES } from '../../src/audit/ring.ts';

const origin = 'audit.example.org/death';
const key = createLogKey(origin);
const { recipient } = await createSealingIdentity();
const root = mkdtempSync(join(tmpdir(), 'sallyport-death-'));
after(() => rmSync(root, { recursive: true, force: true }));
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

interface Opened {
  readonly log: OpenAuditLog;
  /** Resolves when the thread is gone. */
  readonly kill: () => Promise<void>;
  readonly fatal: string[];
  readonly lines: string[];
}

async function open(name: string, more: Partial<AuditLogOptions> = {}): Promise<Opened> {
  const fatal: string[] = [];
  const lines: string[] = [];
  let thread: Worker | undefined;
  process.once('worker', (worker) => (thread = worker));
  const log = await openAuditLog({
    dir: join(root, name),
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock,
    random: { bytes: (length) => randomBytes(length) },
    logger: { info: () => undefined, warn: () => undefined, error: (fields) => lines.push(String(fields['code'])) },
    onFatal: ({ code }) => fatal.push(code),
    // No checkpoint of its own comes in between.
    checkpointMs: 60_000,
    ...more,
  });
  const kill = async (): Promise<void> => {
    const gone = once(thread!, 'exit');
    await thread!.terminate();
    await gone;
  };
  return { log, kill, fatal, lines };
}

const isUnwritable = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_UNWRITABLE';

const templateOf = (log: AuditLog): EntryTemplate => log.template({ type: 'request.intent', session: 's', statement: {} });
const statement = { bytes: 1, parameters: [] };

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!isSo()) {
    assert.ok(performance.now() < deadlineMs, `never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** More than there is room for on the way, and more than `buffered` entries may keep there: the writer cannot have all of it
 *  when it is killed in this turn. */
const flood = Array.from({ length: 5 }, () => ({ kind: 'parameters', bytes: randomBytes(2 * RING_BYTES) }) as const);

/** What is under way when the thread dies; each must end with a refusal. */
function waitsOn(log: AuditLog, template: EntryTemplate): Promise<unknown>[] {
  const posted = log.post(template, { n: 1, statement }, flood);
  return [log.recorded(posted), log.append({ type: 'alarm' }), log.recorded(posted)];
}

/** Everything later is refused at once; what was durable stays so. */
async function assertStopped(log: AuditLog, template: EntryTemplate, durable: Ticket): Promise<void> {
  assert.deepEqual([log.writable, log.isRecorded(durable)], [false, true]);
  assert.throws(() => log.post(template, { n: 2, statement }), isUnwritable);
  await assert.rejects(log.append({ type: 'alarm' }), isUnwritable);
  await log.recorded(durable);
  log.release(template);
}

for (const durability of ['durable', 'buffered'] as const) {
  test(`${durability}: the writer's thread dies: waits end with a refusal, later calls are refused, the process is told once`, async () => {
    const { log, kill, fatal, lines } = await open(durability, { durability });
    const template = templateOf(log);
    const durable = log.post(template, { n: 0, statement });
    await log.append({ type: 'alarm' });
    const size = log.size();
    const refusals = Promise.all(waitsOn(log, template).map((wait) => assert.rejects(wait, isUnwritable)));
    // These may have been answered just before.
    const calls = Promise.allSettled([log.publish(), log.file('checkpoint'), log.connect(), readEntries(log, 0, 1)]);
    await kill();
    await refusals;
    for (const call of await calls) assert.ok(call.status === 'fulfilled' || isUnwritable(call.reason));
    assert.deepEqual([fatal, lines], [['SP_AUDIT_UNWRITABLE'], ['SP_AUDIT_UNWRITABLE']]);
    await assertStopped(log, template, durable);
    for (const call of [log.publish(), log.checkpoint(), log.file('checkpoint'), log.connect(), readEntries(log, 0, 1)])
      await assert.rejects(call, isUnwritable);
    assert.equal(log.size(), size);
    await assert.rejects(log.close(), isUnwritable);
    assert.equal(fatal.length, 1);
    // The next start finds what was acknowledged.
    const again = await open(durability);
    assert.equal((await readEntries(again.log, 0, size)).length, size);
    await again.log.close();
    assert.deepEqual((await verifyLog(join(root, durability), { vkey: key.vkey })).problems, []);
  });

  test(`${durability}: another thread's log hears of it too, once, and by itself`, async () => {
    const { log, kill } = await open(`${durability}-connected`, { durability });
    const faults: string[] = [];
    const connected = connectAuditLog(await log.connect(), clock, ({ code }) => faults.push(code));
    const template = templateOf(connected);
    const durable = connected.post(template, { n: 0, statement });
    await connected.append({ type: 'alarm' });
    const refusals = Promise.all(waitsOn(connected, template).map((wait) => assert.rejects(wait, isUnwritable)));
    await kill();
    await refusals;
    await assertStopped(connected, template, durable);
    assert.deepEqual(faults, ['SP_AUDIT_UNWRITABLE']);
    await connected.close();
    await assert.rejects(log.close(), isUnwritable);
  });
}

test('a log that is closing when the thread dies closes, and whoever waits for it is not kept', async () => {
  const { log, kill } = await open('closing');
  const connected = connectAuditLog(await log.connect(), clock, () => undefined);
  const wait = connected.recorded(connected.post(templateOf(connected), { n: 0, statement }, flood));
  const refusal = assert.rejects(wait, isUnwritable);
  const closing = connected.close();
  await kill();
  await closing;
  await refusal;
  await assert.rejects(log.close(), isUnwritable);
});

test('a connection that is taken up after the thread has died refuses at once and says so', async () => {
  const { log, kill } = await open('late');
  const connection = await log.connect();
  await kill();
  const faults: string[] = [];
  const connected = connectAuditLog(connection, clock, ({ code }) => faults.push(code));
  await assert.rejects(connected.append({ type: 'alarm' }), isUnwritable);
  assert.equal(connected.writable, false);
  await until('told', () => faults.length > 0);
  assert.deepEqual(faults, ['SP_AUDIT_UNWRITABLE']);
  await connected.close();
  await assert.rejects(log.close(), isUnwritable);
});

test("closing a thread's own log is no fault", async () => {
  const { log, fatal } = await open('calm');
  const faults: string[] = [];
  const connected = connectAuditLog(await log.connect(), clock, ({ code }) => faults.push(code));
  await connected.append({ type: 'alarm' });
  await connected.close();
  await assert.rejects(connected.append({ type: 'alarm' }), isUnwritable);
  await log.append({ type: 'alarm' });
  await log.close();
  assert.deepEqual([faults, fatal], [[], []]);
});

test('calls that cross with the end of a closed log are not kept waiting', async () => {
  const { log } = await open('crossing');
  const state = { isOpen: true };
  const closing = log.close().finally(() => (state.isOpen = false));
  const calls: Promise<unknown>[] = [];
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  while (state.isOpen) {
    await new Promise((resolve) => setImmediate(resolve));
    // Blocks this thread: meanwhile the writer does all that it was asked to, and ends; what it says is not heard yet.
    Atomics.wait(nobody, 0, 0, 100);
    calls.push(log.checkpoint().catch((fault: unknown) => assert.ok(isUnwritable(fault))));
  }
  await closing;
  await Promise.all(calls);
});

test('a session that ended in another thread has lost its key in the writer; a forgotten one too', async () => {
  const { log } = await open('keys');
  const connected = connectAuditLog(await log.connect(), clock, () => assert.fail('no fault'));
  let n = 0;
  const keyOf = async (): Promise<string | undefined> => {
    const index = await connected.append({ type: 'alarm', session: 's', n: n++ }, [{ kind: 'statement', bytes: Buffer.from('x') }]);
    return (await readEntries(log, index, index + 1))[0]?.sealed?.[0]?.key;
  };
  const first = await keyOf();
  assert.equal(await keyOf(), first);
  const template = connected.template({ type: 'request.intent', session: 's', statement: {} });
  connected.forgetSession('s');
  assert.throws(() => connected.post(template, { n, statement }), /template was released/);
  const second = await keyOf();
  assert.notEqual(second, first);
  await connected.append({ type: 'session.close', session: 's', n: n++ });
  assert.notEqual(await keyOf(), second);
  await connected.close();
  await log.close();
});
