import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { describeAuditLog, readEntries } from '../conformance/audit-log.ts';
import { SallyportError } from '../../src/core/error.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { openAuditLog, unseal, verifyLog } from '../../src/audit/index.ts';
import type { AuditLogOptions, OpenAuditLog } from '../../src/audit/index.ts';
import { createLogKey, createSealingIdentity } from '../../src/audit/keys.ts';
import { RingSender, WriterState } from '../../src/audit/ring.ts';

const origin = 'audit.example.org/thread';
const key = createLogKey(origin);
const { identity, recipient } = await createSealingIdentity();
const root = mkdtempSync(join(tmpdir(), 'sallyport-thread-'));
after(() => rmSync(root, { recursive: true, force: true }));

function options(name: string, more: Partial<AuditLogOptions> = {}): AuditLogOptions {
  return {
    dir: join(root, name),
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => randomBytes(length) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...more,
  };
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof SallyportError && error.code === code;
}

async function assertVerifies(name: string): Promise<void> {
  const { problems } = await verifyLog(join(root, name), { vkey: key.vkey });
  // The suite counts its sessions as it likes.
  assert.deepEqual(
    problems.filter(({ code }) => code !== 'session-gap'),
    [],
  );
}

/** Opening takes most of the time: one log for the whole suite. */
let shared: OpenAuditLog | null = null;
let users = 0;
for (const durability of ['durable', 'buffered'] as const) {
  describeAuditLog(`in a thread of its own, ${durability}`, async () => {
    shared ??= await openAuditLog(options(durability, { durability }));
    const log = shared;
    users += 1;
    return {
      log,
      fail: null,
      close: async () => {
        log.forgetSession('ses_a');
        log.forgetSession('ses_b');
      },
    };
  });
  test(`what the suite has written verifies (${durability})`, async () => {
    assert.ok(users > 10);
    await shared?.close();
    shared = null;
    await assertVerifies(durability);
  });
}

test('a stream much larger than the ring arrives whole and in order, its entries between small ones', async () => {
  const log = await openAuditLog(options('large', { maxPayloadBytes: 8 * 1024 * 1024, segmentBytes: 10 * 1024 * 1024 }));
  const bytes = randomBytes(3 * 1024 * 1024 + 17);
  const intent = log.template({ type: 'request.intent', session: 's', statement: {} });
  const start = log.size();
  for (let n = 0; n < 8; n += 1) {
    const payloads = n % 2 === 0 ? [{ kind: 'parameters', bytes } as const] : [];
    log.post(intent, { n, statement: { bytes: n, parameters: [] } }, payloads);
  }
  const index = await log.append({ type: 'alarm', session: 's', n: 8 });
  assert.equal(index, start + 8);
  const headers = await readEntries(log, start, index + 1);
  assert.deepEqual(
    headers.map(({ n }) => n),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
  const ref = headers[6]!.sealed![0]!;
  const found = await log.sealed(ref);
  assert.ok(bytes.equals((await unseal(found!.ciphertext, found!.wrappedKey, identity, ref)).bytes));
  await log.close();
  await assertVerifies('large');
});

test('a fault in the thread stops the log here too, and the operator is told once', async () => {
  const fatal: string[] = [];
  const lines: string[] = [];
  const log = await openAuditLog(
    options('fault', {
      checkpointMs: 60_000,
      onFatal: ({ code }) => fatal.push(code),
      logger: { info: () => undefined, warn: () => undefined, error: (fields) => lines.push(String(fields['code'])) },
    }),
  );
  const intent = log.template({ type: 'request.intent', session: 's', statement: {} });
  const recorded = log.post(intent, { n: 0, statement: { bytes: 1, parameters: [] } });
  await log.recorded(recorded);
  rmSync(join(root, 'fault', 'log'), { recursive: true });
  writeFileSync(join(root, 'fault', 'log'), 'not a directory');
  await assert.rejects(log.publish(), hasCode('SP_AUDIT_UNWRITABLE'));
  await assert.rejects(log.append({ type: 'alarm' }), hasCode('SP_AUDIT_UNWRITABLE'));
  assert.throws(() => log.post(intent, { n: 1, statement: { bytes: 1, parameters: [] } }), hasCode('SP_AUDIT_UNWRITABLE'));
  assert.deepEqual([log.writable, log.isRecorded(recorded)], [false, true]);
  await log.close();
  assert.deepEqual([fatal, lines], [['SP_AUDIT_UNWRITABLE'], ['SP_AUDIT_UNWRITABLE']]);
});

test('a stream that makes no sense stops the log: it cannot be told what was lost', async () => {
  const fatal: string[] = [];
  const log = await openAuditLog(options('nonsense', { onFatal: ({ code }) => fatal.push(code) }));
  const acknowledged = await log.append({ type: 'alarm' });
  const connection = await log.connect();
  new RingSender(connection.ring).send(Buffer.from([5, 0, 0, 0, 99]));
  new WriterState(connection.state).ring();
  const deadlineMs = performance.now() + 5000;
  while (fatal.length === 0 && performance.now() < deadlineMs) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([fatal, log.writable], [['SP_AUDIT_UNWRITABLE'], false]);
  assert.equal((await readEntries(log, acknowledged, acknowledged + 1)).length, 1);
  connection.port.close();
  await log.close();
});

test('options and directories that cannot work fail the opening with the same codes, and no thread stays', async () => {
  writeFileSync(join(root, 'file'), '');
  await assert.rejects(openAuditLog(options(join('file', 'audit'))), hasCode('SP_AUDIT_UNWRITABLE'));
  await (await openAuditLog(options('corrupt'))).close();
  for (const name of readdirSync(join(root, 'corrupt', 'journal'))) rmSync(join(root, 'corrupt', 'journal', name));
  await assert.rejects(openAuditLog(options('corrupt')), hasCode('SP_AUDIT_CORRUPT'));
  await assert.rejects(openAuditLog(options('corrupt', { signingKey: createLogKey(origin).signingKey })), hasCode('SP_AUDIT_CORRUPT'));
});

test('after it is closed the log refuses, and closing again is nothing', async () => {
  const log = await openAuditLog(options('closed'));
  const intent = log.template({ type: 'request.intent', session: 's', statement: {} });
  const posted = log.post(intent, { n: 0, statement: { bytes: 1, parameters: [] } });
  const closing = log.close();
  await assert.rejects(log.append({ type: 'alarm' }), hasCode('SP_AUDIT_UNWRITABLE'));
  await closing;
  await log.close();
  assert.deepEqual([log.writable, log.isRecorded(posted)], [false, true], 'what was accepted before is in the log');
  assert.equal(log.size(), 3);
  await assert.rejects(log.publish(), hasCode('SP_AUDIT_UNWRITABLE'));
  await assertVerifies('closed');
});

test('other threads of the gateway write to the same log over connections of their own', async () => {
  const log = await openAuditLog(options('threads'));
  const code = `
    import { workerData, parentPort } from 'node:worker_threads';
    import { connectAuditLog } from ${JSON.stringify(new URL('../../src/audit/index.ts', import.meta.url).href)};
    const { connection, session } = workerData;
    const log = connectAuditLog(connection, { nowMs: () => Date.now(), monotonicMs: () => performance.now() }, (fault) => { throw fault; });
    const intent = log.template({ type: 'request.intent', session, statement: {} });
    const result = log.template({ type: 'request.result', session, result: {} });
    for (let n = 0; n < 200; n += 2) {
      const asked = log.post(intent, { n, statement: { bytes: n, parameters: [] } });
      const settled = log.post(result, { n: n + 1, intent: asked, result: { rows: 0, bytes: 0, code: 'ok', ms: 0 } });
      if (n % 20 === 0) await log.recorded(settled);
    }
    parentPort.postMessage(await log.append({ type: 'session.close', session, n: 200 }));
    await log.close();
  `;
  const closes = ['ses_x', 'ses_y'].map(async (session) => {
    const connection = await log.connect();
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { connection, session },
      transferList: [connection.port],
    });
    const index = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await new Promise((resolve) => worker.once('exit', resolve));
    return index;
  });
  await Promise.all([...closes, log.append({ type: 'alarm' })]);
  const headers = await readEntries(log, 0, log.size());
  for (const session of ['ses_x', 'ses_y']) {
    const own = headers.filter((header) => header.session === session);
    assert.equal(own.length, 201);
    for (const { n, seq, intent, type } of own) {
      if (type === 'request.result') assert.equal(headers[intent!]?.n, n! - 1, `entry ${seq}`);
    }
  }
  await log.close();
  await assertVerifies('threads');
});
