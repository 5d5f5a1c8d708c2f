// The log under `kill -9` and under limits of the file system, with real files and real processes.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogKey, createSealingIdentity, openAuditLog, unseal, verifyLog } from '../../src/audit/index.ts';
import type { OpenAuditLog } from '../../src/audit/index.ts';
import type { WriterSetup } from '../support/audit-writer.ts';

const writer = join(import.meta.dirname, '../support/audit-writer.ts');
const root = mkdtempSync(join(tmpdir(), 'sallyport-audit-'));
after(() => rmSync(root, { recursive: true, force: true }));

const origin = 'audit.example.org/crash';
const key = createLogKey(origin);
const { identity, recipient } = await createSealingIdentity();

function setupFile(name: string, more: Partial<WriterSetup> = {}): string {
  const path = join(root, `${name}.json`);
  const setup: WriterSetup = {
    origin,
    signingKey: key.signingKey.reveal(),
    recipient,
    inFlight: 32,
    payloadBytes: 500,
    segmentBytes: 2_000_000,
    ...more,
  };
  writeFileSync(path, JSON.stringify(setup));
  return path;
}

function open(dir: string): Promise<OpenAuditLog> {
  return openAuditLog({
    dir,
    origin,
    replica: 'reader',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
}

function acknowledgedIn(output: string): Map<number, string> {
  // The last line may be cut by the kill.
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return new Map(
    lines.flatMap((line) => (/^[0-9]+ ses_/.test(line) ? [[Number.parseInt(line, 10), line.split(' ')[1] ?? ''] as const] : [])),
  );
}

function postedIn(output: string): string[] {
  return [...output.slice(0, output.lastIndexOf('\n') + 1).matchAll(/^posted (\S+)\n/gm)].map((match) => match[1] ?? '');
}

async function assertAllThere(log: OpenAuditLog, acknowledged: ReadonlyMap<number, string>, posted: readonly string[]): Promise<void> {
  let found = 0;
  const missing = new Set(posted);
  for await (const header of log.entries(0, log.size())) {
    missing.delete(`${header.session}.${header.n}`);
    const mark = acknowledged.get(header.seq);
    if (mark === undefined) continue;
    assert.equal(header.detail?.['mark'], mark);
    found += 1;
  }
  assert.equal(found, acknowledged.size, 'every acknowledged entry is in the log');
  assert.deepEqual([...missing], [], 'and so is every posted entry that was recorded');
}

test(
  'THREAT killed gateway: 20 rounds of kill -9 under load lose no acknowledged entry, and the log verifies',
  { timeout: 300_000 },
  async () => {
    const dir = join(root, 'killed');
    const setup = setupFile('killed');
    const acknowledged = new Map<number, string>();
    const posted: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      const child = spawn(process.execPath, [writer, dir, setup], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.setEncoding('utf8');
      const loaded = new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: string) => {
          output += chunk;
          if (output.length > 4000 + round * 1000) resolve();
        });
      });
      const closed = new Promise((resolve) => child.on('close', resolve));
      await Promise.race([loaded, closed]);
      child.kill('SIGKILL');
      await closed;
      assert.equal(child.signalCode, 'SIGKILL', output.slice(-300));
      const news = acknowledgedIn(output);
      const recorded = postedIn(output);
      assert.ok(news.size > 10 && recorded.length > 20, `${news.size} acknowledged and ${recorded.length} posted in round ${round}`);
      posted.push(...recorded);
      for (const [index, mark] of news) {
        assert.ok(!acknowledged.has(index), `index ${index} was given twice`);
        acknowledged.set(index, mark);
      }
    }
    const log = await open(dir);
    await assertAllThere(log, acknowledged, posted);
    const last = Math.max(...acknowledged.keys());
    for (const index of [Math.min(...acknowledged.keys()), last]) {
      for await (const header of log.entries(index, index + 1)) {
        const ref = header.sealed![0]!;
        const found = await log.sealed(ref);
        assert.equal((await unseal(found!.ciphertext, found!.wrappedKey, identity, ref)).bytes.length, 500);
      }
    }
    const openings: unknown[] = [];
    for await (const header of log.entries(0, log.size())) if (header.type === 'log.opened') openings.push(header.detail?.['previous']);
    assert.deepEqual(openings, ['none', ...Array(20).fill('crashed')]);
    await log.close();
    const verdict = await verifyLog(dir, { vkey: key.vkey });
    assert.deepEqual(verdict.problems, []);
    assert.ok(verdict.size > acknowledged.size);
  },
);

test(
  'THREAT killed gateway: kill -9 in and after changes of the signing key lose nothing, and each key leads to a log that verifies',
  { timeout: 200_000 },
  async () => {
    const dir = join(root, 'rotated');
    const other = createLogKey(origin);
    const acknowledged = new Map<number, string>();
    const once = setupFile('rotated-once');
    const setups = [key, other].map((current, at) =>
      setupFile(`rotated-${at}`, {
        signingKey: current.signingKey.reveal(),
        retiringKey: (at === 0 ? other : key).signingKey.reveal(),
      }),
    );
    for (let round = 0; round < 12; round += 1) {
      const setup = round === 0 ? once : (setups[round % 2] ?? once);
      const child = spawn(process.execPath, [writer, dir, setup], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.setEncoding('utf8');
      const closed = new Promise((resolve) => child.on('close', resolve));
      // Early ones hit the change itself, at another step each time.
      const wanted = round % 3 === 0 ? 4000 : 0;
      const moment = new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: string) => {
          output += chunk;
          if (output.length > wanted && wanted > 0) resolve();
        });
        if (wanted === 0) setTimeout(resolve, 150 + round * 25);
      });
      await Promise.race([moment, closed]);
      child.kill('SIGKILL');
      await closed;
      assert.equal(child.signalCode, 'SIGKILL', output.slice(-300));
      for (const [index, mark] of acknowledgedIn(output)) acknowledged.set(index, mark);
    }
    // Whatever the last round left: both configurations are possible, and both verify.
    const last = spawnSync(process.execPath, [writer, dir, setups[1]!], {
      timeout: 3000,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    for (const [index, mark] of acknowledgedIn(last.stdout)) acknowledged.set(index, mark);
    assert.ok(acknowledged.size > 50);
    const log = await openAuditLog({
      dir,
      origin,
      replica: 'reader',
      signingKey: other.signingKey,
      retiringKey: key.signingKey,
      recipients: [recipient],
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    await assertAllThere(log, acknowledged, []);
    await log.close();
    for (const { vkey } of [key, other]) assert.deepEqual((await verifyLog(dir, { vkey })).problems, []);
  },
);

test(
  'THREAT full disk: a limit of the file size stops the log with an error, loses nothing acknowledged, and it starts again',
  { timeout: 60_000 },
  async () => {
    const dir = join(root, 'full');
    // SIGXFSZ is ignored, so that a write over the limit is a short write and then EFBIG, like ENOSPC on a full disk.
    const limited = spawnSync(
      'bash',
      [
        '-c',
        'trap "" XFSZ; ulimit -f 512; exec "$@"',
        'bash',
        process.execPath,
        writer,
        dir,
        setupFile('full', { segmentBytes: 1_000_000_000 }),
      ],
      { encoding: 'utf8', timeout: 50_000, maxBuffer: 64 * 1024 * 1024 },
    );
    const acknowledged = acknowledgedIn(limited.stdout);
    assert.ok(acknowledged.size > 20, limited.stdout.slice(0, 300) + limited.stderr.slice(0, 300));
    assert.match(limited.stdout, /^fatal SP_AUDIT_UNWRITABLE$/m);
    assert.equal(limited.stdout.match(/^fatal/gm)?.length, 1);
    assert.equal(limited.stdout.match(/^refused SP_AUDIT_UNWRITABLE$/gm)?.length, 32, 'every client was refused');
    assert.match(limited.stdout, /^writable false$/m);
    assert.equal(limited.status, 0, limited.stderr);

    const log = await open(dir);
    await assertAllThere(log, acknowledged, postedIn(limited.stdout));
    await log.append({ type: 'alarm', detail: { code: 'disk-full' } });
    await log.close();
    const verdict = await verifyLog(dir, { vkey: key.vkey });
    assert.deepEqual(verdict.problems, []);
  },
);
