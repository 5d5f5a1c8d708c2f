// A large log is verified by two threads. What they find is what one finds, and without one of them nothing is verified.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogKey, createSealingIdentity, nodeDisk, openAuditLog, verifyLog } from '../../src/audit/index.ts';
import { payloadsAside } from '../../src/audit/payloads-aside.ts';

const origin = 'audit.example.org/threads';
const key = createLogKey(origin);
const root = mkdtempSync(join(tmpdir(), 'sallyport-verify-threads-'));
const intact = join(root, 'intact');
after(() => rmSync(root, { recursive: true, force: true }));

before(async () => {
  const { recipient } = await createSealingIdentity();
  const log = await openAuditLog({
    dir: intact,
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => randomBytes(length) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    segmentBytes: 200_000,
    disk: nodeDisk,
  });
  for (let n = 0; n < 800; n += 100) {
    const payload = { kind: 'statement', bytes: randomBytes(500) } as const;
    await Promise.all(
      Array.from({ length: 100 }, (_, at) => log.append({ type: 'request.intent', session: 'ses_a', n: n + at }, [payload])),
    );
    await log.publish();
  }
  await log.close();
});

const alone = { fromEntries: Number.POSITIVE_INFINITY, start: payloadsAside };
const together = { fromEntries: 0, start: payloadsAside };

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

test('two threads come to the verdict of one, whatever was altered', async () => {
  const of = (folder: string, part: string): string => join(folder, part, readdirSync(join(folder, part)).toSorted()[0]!);
  const changes: Readonly<Record<string, (folder: string) => void>> = {
    nothing: () => undefined,
    'a payload in a pack': (folder) => flip(of(folder, 'blobs'), readFileSync(of(folder, 'blobs')).length - 100),
    'the index of a pack': (folder) => flip(of(folder, 'blobs'), 30),
    'the journal': (folder) => {
      const file = join(folder, 'journal', readdirSync(join(folder, 'journal')).at(-1)!);
      flip(file, 200);
      appendFileSync(file, 'x');
    },
    'payload and entries': (folder) => {
      flip(of(folder, 'blobs'), readFileSync(of(folder, 'blobs')).length - 100);
      flip(join(folder, 'log', 'tile', 'entries', '001'), 700);
      flip(join(folder, 'log', 'tile', '0', '000'), 7);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    const folder = join(root, 'changed');
    rmSync(folder, { recursive: true, force: true });
    cpSync(intact, folder, { recursive: true });
    change(folder);
    const verdict = await verifyLog(folder, { vkey: key.vkey }, alone);
    assert.deepEqual(await verifyLog(folder, { vkey: key.vkey }, together), verdict, name);
    if (name !== 'the journal') assert.equal(verdict.ok, name === 'nothing', name);
    if (name === 'nothing') assert.deepEqual(verdict.payloads, { named: 800, present: 800 });
  }
});

test('a thread that ends without an answer leaves nothing verified', async () => {
  for (const code of ['process.exit(0)', 'throw new Error("no")']) {
    const start = () => payloadsAside({ directory: intact, kept: 100 }, { code, isText: true });
    await assert.rejects(verifyLog(intact, { vkey: key.vkey }, { fromEntries: 0, start }), { code: 'SP_INTERNAL' }, code);
  }
});
