import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { describeAuditLog, readEntries } from '../../test/conformance/audit-log.ts';
import { MemoryAuditLog } from '../../test/support/memory-audit-log.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { SallyportError } from '../core/error.ts';
import type { ErrorCode } from '../core/error.ts';
import type { AuditReader } from '../core/ports.ts';
import { Secret } from '../core/secret.ts';
import { openAuditLog, unseal, verifyLog } from './index.ts';
import type { AuditLogOptions, OpenAuditLog } from './index.ts';
import { createLogKey, createSealingIdentity } from './keys.ts';

const origin = 'audit.example.org/test';
const key = createLogKey(origin);
const identity = await createSealingIdentity();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Deterministic bytes; every call differs. */
function countingRandom(): (length: number) => Uint8Array {
  let calls = 0;
  return (length) => {
    calls += 1;
    const bytes = Buffer.alloc(length, 7);
    bytes.writeUInt32BE(calls, length - 4);
    return bytes;
  };
}

function options(disk: MemoryDisk, more: Partial<AuditLogOptions> = {}): AuditLogOptions {
  return {
    dir: '/audit',
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [identity.recipient],
    clock: { nowMs: () => Date.UTC(2026, 0, 2), monotonicMs: () => 0 },
    random: { bytes: countingRandom() },
    logger: silent,
    disk,
    ...more,
  };
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof SallyportError && error.code === code;
}

async function types(log: AuditReader): Promise<string[]> {
  return (await readEntries(log, 0, log.size())).map((header) => header.type);
}

const statement = { kind: 'statement', bytes: Buffer.from("select * from patients where name = 'Jane Roe'") } as const;

async function fill(log: OpenAuditLog, count: number, session = 'ses_a'): Promise<void> {
  for (let first = 0; first < count; first += 50) {
    const numbers = Array.from({ length: Math.min(50, count - first) }, (_, at) => first + at);
    await Promise.all(numbers.map((n) => log.append({ type: 'request.intent', session, n }, n % 5 === 0 ? [statement] : [])));
  }
}

/** A closed log of some 600 entries on a disk of its own. */
async function closedLog(more: Partial<AuditLogOptions> = {}): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk, more));
  await fill(log, 300, 'ses_a');
  await log.publish();
  await fill(log, 300, 'ses_b');
  await log.close();
  return disk;
}

describeAuditLog('group commit', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  return {
    log,
    fail: (mode) => {
      disk.fault = (operation, path) =>
        operation === 'datasync' && path.endsWith('.journal') ? { code: 'EIO', persist: mode === 'persist' } : undefined;
    },
    close: () => log.close(),
  };
});

describeAuditLog('in memory, as other tests use it', async () => {
  const log = new MemoryAuditLog(() => Date.UTC(2026, 0, 1));
  return { log, fail: (mode) => log.fail(mode), close: async () => undefined };
});

test('a log records its opening and closing, and goes on without a gap after a restart', async () => {
  const disk = new MemoryDisk();
  for (const round of [0, 1, 2]) {
    const log = await openAuditLog(options(disk));
    assert.equal(log.size(), round * 3 + 1);
    await log.append({ type: 'policy.applied', policy: { sha256: 'a'.repeat(64) } });
    await log.close();
    await log.close();
    assert.equal(log.writable, false);
    await assert.rejects(log.append({ type: 'alarm' }), hasCode('SP_AUDIT_UNWRITABLE'));
  }
  const log = await openAuditLog(options(disk));
  assert.deepEqual(await types(log), [
    ...Array.from({ length: 3 }, () => ['log.opened', 'policy.applied', 'log.closed']).flat(),
    'log.opened',
  ]);
  const openings = (await readEntries(log, 0, log.size())).filter(({ type }) => type === 'log.opened');
  assert.deepEqual(
    openings.map(({ detail }) => detail?.['previous']),
    ['none', 'closed', 'closed', 'closed'],
  );
  await log.close();
  assert.equal((await verifyLog('/audit', { vkey: key.vkey, disk })).ok, true);
});

test('one append is one write and one datasync of the journal, whatever its payloads', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  await log.append({ type: 'alarm', session: 's' }, [statement]);
  const seen: string[] = [];
  disk.fault = (operation, path) => void seen.push(`${operation} ${path.split('.').at(-1)}`);
  await log.append({ type: 'alarm', session: 's' }, [statement, statement]);
  assert.deepEqual(seen, ['write journal', 'datasync journal']);
  seen.length = 0;
  await Promise.all(Array.from({ length: 50 }, () => log.append({ type: 'alarm', session: 's' }, [statement])));
  assert.deepEqual(seen, ['write journal', 'datasync journal'], 'appends of one tick share a commit');
  await log.close();
});

test('a read costs one write and one datasync: its intent and its result become durable together', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  const intent = log.template({ type: 'request.intent', session: 's', statement: {} }, [statement]);
  const result = log.template({ type: 'request.result', session: 's', result: {} });
  const seen: string[] = [];
  disk.fault = (operation, path) => void seen.push(`${operation} ${path.split('.').at(-1)}`);
  // On a machine that stalls for 100 ms in between, the intent is rightly synced alone.
  const rounds: string[][] = [];
  for (const n of [0, 2, 4, 6, 8]) {
    const asked = log.post(intent, { n, statement: { bytes: 1, parameters: [] } });
    await new Promise((resolve) => setImmediate(resolve));
    const settled = log.post(result, { n: n + 1, intent: asked, result: { rows: 1, bytes: 1, code: 'ok', ms: 1 } }, [
      { kind: 'result', bytes: statement.bytes },
    ]);
    assert.equal(log.isRecorded(settled), false);
    await log.recorded(settled);
    assert.equal(log.isRecorded(asked), true);
    rounds.push(seen.splice(0));
  }
  assert.deepEqual(rounds.toSorted((one, other) => one.length - other.length).slice(0, 2), [
    ['write journal', 'datasync journal'],
    ['write journal', 'datasync journal'],
  ]);
  await log.close();
});

test('the checkpoint follows within a second and a heartbeat is written every minute', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const log = await openAuditLog(options(new MemoryDisk()));
    await log.append({ type: 'alarm' });
    const before = await log.checkpoint();
    mock.timers.tick(1000);
    await log.publish();
    assert.notEqual(await log.checkpoint(), before);
    mock.timers.tick(59_000);
    await log.append({ type: 'alarm' });
    assert.deepEqual((await types(log)).slice(2), ['heartbeat', 'alarm']);
    // Counts of what came before it, since the start of this run: `log.opened`, one alarm.
    for await (const { detail } of log.entries(2, 3)) assert.deepEqual(detail, { entries: 2, payloads: 0, threads: 1 });
    mock.timers.tick(60_000);
    await log.append({ type: 'alarm' }, [statement]);
    for await (const { detail } of log.entries(4, 5)) assert.deepEqual(detail, { entries: 2, payloads: 0, threads: 1 });
    mock.timers.tick(60_000);
    await log.append({ type: 'alarm' });
    for await (const { detail } of log.entries(6, 7)) assert.deepEqual(detail, { entries: 2, payloads: 1, threads: 1 });
    await log.close();
  } finally {
    mock.timers.reset();
  }
});

test('sealed payloads open with the recipient key only, before and after their segment is packed and after a restart', async () => {
  const disk = await closedLog({ segmentBytes: 20_000 });
  assert.ok(disk.paths().filter((path) => path.endsWith('.pack')).length > 2);
  const log = await openAuditLog(options(disk));
  const stranger = await createSealingIdentity();
  for await (const { seq, sealed } of log.entries(0, log.size())) {
    if (sealed === undefined || seq % 25 !== 1) continue;
    const [ref] = sealed;
    const found = await log.sealed(ref!);
    const opened = await unseal(found!.ciphertext, found!.wrappedKey, identity.identity, ref);
    assert.deepEqual(Buffer.from(opened.bytes), Buffer.from(statement.bytes));
    await assert.rejects(unseal(found!.ciphertext, found!.wrappedKey, stranger.identity), hasCode('SP_AUDIT_CORRUPT'));
  }
  await log.close();
  for (const path of disk.paths()) assert.equal(disk.bytes(path).includes('Jane'), false, `${path} holds plaintext`);
});

test('a destroyed key makes its payloads unavailable and leaves every proof intact', async () => {
  const disk = await closedLog();
  for (const path of disk.paths()) if (path.endsWith('.age')) await disk.remove(path);
  const log = await openAuditLog(options(disk));
  const [header] = await readEntries(log, 1, 2);
  assert.equal(await log.sealed(header!.sealed![0]!), null);
  await log.close();
  assert.equal((await verifyLog('/audit', { vkey: key.vkey, disk })).ok, true);
});

test('each session has a data key of its own, wiped and never reused once the session is forgotten', async () => {
  const log = await openAuditLog(options(new MemoryDisk()));
  const keyOf = async (session?: string): Promise<string | undefined> => {
    const index = await log.append({ type: 'alarm', ...(session === undefined ? {} : { session }) }, [statement]);
    const [header] = await readEntries(log, index, index + 1);
    return header?.sealed?.[0]?.key;
  };
  const a = await keyOf('a');
  assert.equal(await keyOf('a'), a);
  const others = [await keyOf('b'), await keyOf(), a];
  assert.equal(new Set(others).size, 3);
  log.forgetSession('a');
  assert.notEqual(await keyOf('a'), a);
  await log.append({ type: 'session.close', session: 'b' });
  assert.ok(!others.includes(await keyOf('b')));
  await log.close();
});

test('the data key of entries without a session lasts ten minutes, an idle one an hour', async () => {
  let nowMs = 0;
  const log = await openAuditLog(options(new MemoryDisk(), { clock: { nowMs: () => 0, monotonicMs: () => nowMs } }));
  const keyAt = async (minutes: number, session?: string): Promise<string | undefined> => {
    nowMs = minutes * 60_000;
    const index = await log.append({ type: 'alarm', ...(session === undefined ? {} : { session }) }, [statement]);
    return (await readEntries(log, index, index + 1))[0]?.sealed?.[0]?.key;
  };
  const first = await keyAt(0);
  assert.equal(await keyAt(9), first);
  assert.notEqual(await keyAt(10), first);
  const ofSession = await keyAt(20, 's');
  assert.equal(await keyAt(79, 's'), ofSession);
  assert.notEqual(await keyAt(139, 's'), ofSession);
  await log.close();
});

test('more new sessions than the pool of keys holds keep the order of their entries', async () => {
  const log = await openAuditLog(options(new MemoryDisk()));
  const indexes = await Promise.all(
    Array.from({ length: 40 }, (_, at) => log.append({ type: 'session.open', session: `s${at}` }, [statement])),
  );
  assert.deepEqual(
    indexes,
    Array.from({ length: 40 }, (_, at) => at + 1),
  );
  await log.close();
});

test('an append that is aborted while it waits refuses its caller; its entry stays, so that no counter is missing', async () => {
  const log = await openAuditLog(options(new MemoryDisk()));
  const abort = new AbortController();
  const first = log.append({ type: 'alarm' });
  const second = log.append({ type: 'alarm' }, [], abort.signal);
  const third = log.append({ type: 'alarm' });
  abort.abort(new Error('client gone'));
  await assert.rejects(second, /client gone/);
  assert.deepEqual([await first, await third], [1, 3]);
  assert.equal((await readEntries(log, 2, 3))[0]?.type, 'alarm');
  await log.close();
});

for (const [name, fault] of [
  [
    'no space left',
    (operation: string, path: string) => (operation === 'write' && path.endsWith('.journal') ? { code: 'ENOSPC', written: 30 } : undefined),
  ],
  [
    'failed sync',
    (operation: string, path: string) => (operation === 'datasync' && path.endsWith('.journal') ? { code: 'EIO' } : undefined),
  ],
] as const) {
  test(`THREAT full or failing disk (${name}): nothing acknowledged is lost, nothing more is accepted, the operator is told once`, async () => {
    const disk = new MemoryDisk();
    const fatal: SallyportError[] = [];
    const log = await openAuditLog(options(disk, { onFatal: (error) => fatal.push(error) }));
    await fill(log, 20);
    disk.fault = fault;
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => log.append({ type: 'alarm' }, [statement])));
    assert.ok(attempts.every((attempt) => attempt.status === 'rejected' && hasCode('SP_AUDIT_UNWRITABLE')(attempt.reason)));
    disk.fault = null;
    await assert.rejects(log.append({ type: 'alarm' }), hasCode('SP_AUDIT_UNWRITABLE'), 'a failed sync is never retried');
    await assert.rejects(log.publish(), hasCode('SP_AUDIT_UNWRITABLE'));
    assert.deepEqual(
      fatal.map(({ code }) => code),
      ['SP_AUDIT_UNWRITABLE'],
    );
    await log.close();

    const again = await openAuditLog(options(disk));
    assert.ok(again.size() >= 22);
    assert.deepEqual((await types(again)).slice(0, 21), ['log.opened', ...Array(20).fill('request.intent')]);
    await again.close();
    assert.equal((await verifyLog('/audit', { vkey: key.vkey, disk })).ok, true);
  });
}

test('a fault while tiles are written stops the log too', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  disk.fault = (operation, path) => (operation === 'write' && path.includes('/tile/') ? { code: 'EROFS' } : undefined);
  await log.append({ type: 'alarm' });
  await assert.rejects(log.publish(), hasCode('SP_AUDIT_UNWRITABLE'));
  assert.equal(log.writable, false);
  disk.fault = null;
  await log.close();
  const again = await openAuditLog(options(disk));
  assert.deepEqual(await types(again), ['log.opened', 'alarm', 'log.opened']);
  await again.close();
});

test('a directory that cannot be written fails the opening', async () => {
  const disk = new MemoryDisk();
  disk.fault = () => ({ code: 'EACCES' });
  await assert.rejects(openAuditLog(options(disk)), hasCode('SP_AUDIT_UNWRITABLE'));
});

test('THREAT second gateway on the same directory: the log that finds a foreign checkpoint stops', async () => {
  const disk = new MemoryDisk();
  const log = await openAuditLog(options(disk));
  await log.append({ type: 'alarm' });
  disk.put('/audit/log/checkpoint', Buffer.from('other'));
  await assert.rejects(log.publish(), hasCode('SP_AUDIT_UNWRITABLE'));
  await log.close();
});

test('options that cannot work are refused before anything is written', async () => {
  const wrong: Partial<AuditLogOptions>[] = [
    { recipients: [] },
    { recipients: ['age1notakey'] },
    { replica: 'a"b' },
    { signingKey: new Secret('nonsense') },
    { signingKey: createLogKey('audit.example.org/other').signingKey },
    { origin: 'two words', signingKey: new Secret('x') },
  ];
  for (const more of wrong) {
    const disk = new MemoryDisk();
    await assert.rejects(openAuditLog(options(disk, more)), hasCode('SP_CONFIG_INVALID'));
    assert.deepEqual(disk.paths(), []);
  }
});

test('a log is not continued under another signing key', async () => {
  const disk = await closedLog();
  await assert.rejects(openAuditLog(options(disk, { signingKey: createLogKey(origin).signingKey })), hasCode('SP_AUDIT_CORRUPT'));
});

test('files of the log are served by path, and nothing else is', async () => {
  const log = await openAuditLog(options(new MemoryDisk()));
  const text = async (path: string): Promise<string | null> => {
    const bytes = await log.file(path);
    return bytes === null ? null : Buffer.from(bytes).toString();
  };
  assert.equal(await text('checkpoint'), await log.checkpoint());
  assert.equal(await text('log.vkey'), `${log.vkey}\n`);
  assert.notEqual(await text('tile/entries/000.p/1'), null);
  for (const path of ['../keys/x.age', 'tile/0/../../checkpoint', '/etc/passwd', 'tile/0/000.p/0', 'checkpoint.tmp', ''])
    assert.equal(await text(path), null, path);
  await log.close();
});
