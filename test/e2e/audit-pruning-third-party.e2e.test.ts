// What is left of a pruned log is verified by code nobody here wrote: Go's golang.org/x/mod/sumdb reads its tiles and makes the proofs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogKey, createPruning, createSealingIdentity, nodeDisk, openAuditLog, verifyLog } from '../../src/audit/index.ts';
import { ensureDebianPackages } from '../support/debian.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-pruned-'));
after(() => rmSync(root, { recursive: true, force: true }));
const log = join(root, 'audit', 'log');
const DAY_MS = 86_400_000;
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

function built(): string {
  ensureDebianPackages(['golang-go', 'golang-golang-x-mod-dev']);
  const binary = join(root, 'verify-pruned');
  const go = existsSync('/usr/bin/go') ? '/usr/bin/go' : 'go';
  const env = { GOPATH: '/usr/share/gocode', GO111MODULE: 'off', GOFLAGS: '', GOROOT: '', GOCACHE: join(root, 'go-cache') };
  const { status, stderr } = spawnSync(go, ['build', '-o', binary, join(import.meta.dirname, 'go/verify-pruned.go')], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  assert.equal(status, 0, stderr);
  return binary;
}

test('golang.org/x/mod proves inclusion and consistency from what is left, also where tiles of the second level went', async () => {
  const binary = built();
  const origin = 'audit.example.org/pruned';
  const key = createLogKey(origin);
  const time = { nowMs: 0 };
  const clock = { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs + performance.now() };
  const writer = await openAuditLog({
    dir: join(root, 'audit'),
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [(await createSealingIdentity()).recipient],
    clock,
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    logger,
    // In this thread, so that it has the clock of the test.
    disk: nodeDisk,
  });
  const older: string[] = [];
  /** A day passes. */
  const grow = async (to: number): Promise<void> => {
    const template = writer.template({ type: 'alarm', session: `s${to}` });
    for (let n = 0, ticket; writer.size() < to;) {
      const last = Math.min(n + 2000, n + to - writer.size());
      for (; n < last; n += 1) ticket = writer.post(template, { n });
      if (ticket !== undefined) await writer.recorded(ticket);
    }
    const file = join(root, `checkpoint-${to}`);
    writeFileSync(file, await writer.publish());
    older.push(file);
    time.nowMs += DAY_MS;
  };
  const verified = (minimum: number): void => {
    const kept = older.filter((file) => Number(readFileSync(file, 'utf8').split('\n')[1]) >= minimum);
    const { stdout, status } = spawnSync(binary, [log, key.vkey, ...kept], { encoding: 'utf8' });
    const size = writer.size();
    assert.equal(stdout, `ok ${size} from ${minimum} entries ${size - minimum} consistency ${kept.length}\n`);
    assert.equal(status, 0);
  };
  const pruning = createPruning({ dir: join(root, 'audit'), headersMs: 2 * DAY_MS, log: writer, clock, logger });
  for (const size of [300, 1000, 65_000, 65_536, 65_793]) await grow(size);
  await pruning.run(new AbortController().signal);
  await grow(66_000);
  verified(64_768);
  // What was written on the days before the last two goes.
  for (const [size, minimum] of [
    [66_100, 65_536],
    [66_500, 65_792],
    [66_900, 65_792],
  ] as const) {
    await pruning.run(new AbortController().signal);
    await grow(size);
    verified(minimum);
  }
  assert.deepEqual(
    readdirSync(join(log, 'tile', '1')).filter((name) => name.startsWith('000')),
    [],
    'the tile over the first 65,536 entries',
  );
  await writer.close();
  assert.deepEqual((await verifyLog(join(root, 'audit'), { vkey: key.vkey })).problems, []);
  const file = join(log, 'tile', '2', '000.p', '1');
  const bytes = readFileSync(file);
  bytes[7]! ^= 1;
  writeFileSync(file, bytes);
  assert.match(spawnSync(binary, [log, key.vkey], { encoding: 'utf8' }).stdout, /^FAIL/);
});
