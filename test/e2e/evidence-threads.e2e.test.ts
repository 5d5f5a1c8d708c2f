// A large bundle is verified by two threads. What they find is what one finds, and without one of them nothing is found to hold.
// (evidence-tamper.e2e.test.ts verifies everything by two threads, and compares with the one of a browser.)

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exportTo, loadVerifier, verifyBundle } from '../../src/evidence/index.ts';
import { hashAside } from '../../src/evidence/hash-aside.ts';
import { openBundle } from '../../src/evidence/open-bundle.ts';
import { verifyFiles } from '../../src/evidence/verify.ts';
import { evidenceLog, type EvidenceLog, fillLog, writeAnchor } from '../support/evidence-log.ts';
import { zipped } from '../support/console-verifier.ts';

/** Above what one thread does alone. */
const LARGE_BYTES = 17 * 1024 * 1024;
let log: EvidenceLog;
let bundle = '';

before(async () => {
  log = await evidenceLog(loadVerifier);
  const from = new Date(log.nowMs + 500).toISOString();
  await fillLog(log);
  const size = Number((await log.log.publish()).split('\n')[1]);
  mkdirSync(join(log.dir, 'log', 'anchors'));
  writeAnchor(log, `tsa-t1-${size}.tsr`, 'x'.repeat(LARGE_BYTES));
  bundle = join(log.root, 'bundle');
  await exportTo(bundle, { from, to: new Date(log.nowMs + 500).toISOString(), principal: null, target: null }, log.deps());
});
after(() => log.close());

const options = () => ({ vkey: log.key.vkey, checkpoints: [], witnesses: [] });
const unlimited = Number.POSITIVE_INFINITY;

function altered(): string {
  const copy = mkdtempSync(join(log.root, 'altered-'));
  cpSync(bundle, copy, { recursive: true });
  appendFileSync(join(copy, 'records', 'requests.csv'), 'x');
  appendFileSync(join(copy, 'anchors', 'a'), 'x');
  rmSync(join(copy, 'VERIFY.md'));
  return copy;
}

function alone(program: string, args: readonly string[], flags: readonly string[] = []) {
  const folder = mkdtempSync(join(log.root, 'auditor-'));
  const file = join(folder, 'verify.mjs');
  writeFileSync(file, program);
  const all = [...flags, file, ...args, '--key', log.key.vkey, '--json'];
  return spawnSync(process.execPath, all, { cwd: folder, encoding: 'utf8', env: {} });
}

test('two threads come to the verdict of one, to the letter: of folders and archives, whole and altered', async () => {
  for (const folder of [bundle, altered()]) {
    for (const path of [folder, await zipped(folder)]) {
      const verdict = await verifyBundle(path, options(), unlimited);
      assert.deepEqual(await verifyBundle(path, options(), 0), verdict);
      assert.equal(verdict.ok, folder === bundle);
    }
  }
});

test('the file in the bundle uses a thread of its own text, does without where threads are forbidden, and finds the same', () => {
  const program = readFileSync(join(bundle, 'verify.mjs'), 'utf8');
  const found = alone(program, [bundle]);
  assert.equal(found.status, 0, found.stderr);
  const forbidden = alone(program, [bundle], ['--permission', '--allow-fs-read=*']);
  assert.equal(forbidden.status, 0, forbidden.stderr);
  assert.equal(forbidden.stdout, found.stdout);

  // As if it were killed: exit code 0 of the thread, and no answer.
  const mortal = program.replace('await serveHashing(parentPort, workerData)', 'process.exit(0)');
  assert.notEqual(mortal, program);
  const dead = alone(mortal, [bundle]);
  assert.equal(dead.status, 1);
  assert.equal(dead.stdout, '');
  assert.match(dead.stderr, /the thread that hashes the files has ended early: nothing was verified/);
});

test('a thread that ends, throws or lies about a file leaves nothing verified', async () => {
  const paths = [...(await openBundle(bundle)).files.keys()];
  const deaths = ['process.exit(0)', 'throw new Error("no")', 'setTimeout(() => process.exit(1), 50)'];
  for (const death of deaths) {
    const aside = (): ReturnType<typeof hashAside> => hashAside({ bundle, paths }, () => undefined, { code: death, isText: true });
    await assert.rejects(
      verifyFiles(() => openBundle(bundle), options(), aside),
      { code: 'SP_INTERNAL' },
      death,
    );
  }
  // An answer that leaves out a file.
  const partly = `require('worker_threads').parentPort.postMessage({ kind: 'done', hashes: { digests: new Map(), faults: new Map() } })`;
  const verdict = await verifyFiles(
    () => openBundle(bundle),
    options(),
    () => hashAside({ bundle, paths }, () => undefined, { code: partly, isText: true }),
  );
  assert.equal(verdict.ok, false);
});

test('a bundle that goes away meanwhile is a fault', async () => {
  const copy = mkdtempSync(join(log.root, 'moved-'));
  cpSync(bundle, copy, { recursive: true });
  const verdict = verifyFiles(
    () => openBundle(copy),
    options(),
    (paths, onBytes) => {
      renameSync(copy, `${copy}.gone`);
      return hashAside({ bundle: copy, paths }, onBytes);
    },
  );
  await assert.rejects(verdict, { code: 'ENOENT' });
});
