// Every file of a bundle, one after the other: changed, removed, added. Nothing may pass that somebody without the key did; of what the
// holder of the key does only what is listed here.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseSigningKey } from '../../src/audit/index.ts';
import { parseVerifierKey } from '../../src/audit/tlog/index.ts';
import { exportTo, verifyBundle } from '../../src/evidence/index.ts';
import { openManifest, signManifest } from '../../src/evidence/manifest.ts';
import { encodeSums } from '../../src/evidence/sums.ts';
import { evidenceLog, type EvidenceLog, fillLog, origin, writeAnchor } from '../support/evidence-log.ts';

const MANIFEST = 'manifest.intoto.jsonl';
const SUMS = 'SHA256SUMS';
/** What the holder of the key can change, because it cannot be checked here; docs/formats/bundle.md says so. Of a witness's checkpoint it
 *  is only the signature lines: without the witness's key they are anybody's. */
const THEIRS_TO_CHANGE = { first: /^(?:verify\.mjs|anchors\/tsa-.*)$/, middle: /^(?:verify\.mjs|anchors\/.*)$/ } as const;
/** ... and leave out. */
const THEIRS_TO_LEAVE_OUT = /^(?:verify\.mjs|anchors\/.*)$/;

let log: EvidenceLog;
let bundle = '';
let files: string[] = [];

before(async () => {
  log = await evidenceLog(async () => '// a verifier\n');
  for (let count = 0; count < 20; count += 1) await log.add({ type: 'alarm', detail: { code: 'before' } });
  const from = new Date(log.nowMs + 500).toISOString();
  await fillLog(log);
  const to = new Date(log.nowMs + 500).toISOString();
  await log.add({ type: 'alarm', detail: { code: 'behind' } });
  const note = await log.log.publish();
  mkdirSync(join(log.dir, 'log', 'anchors'), { recursive: true });
  const size = note.split('\n')[1]!;
  writeAnchor(log, `witness-w1-${size}.checkpoint`, note);
  writeAnchor(log, `tsa-t1-${size}.tsr`, 'a time stamp');
  bundle = join(log.root, 'bundle');
  await exportTo(bundle, { from, to, principal: null, target: null }, log.deps());
  files = readdirSync(bundle, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(bundle.length + 1))
    .toSorted();
});
after(() => log.close());

const problemsOf = async () =>
  (await verifyBundle(bundle, { vkey: log.key.vkey, checkpoints: [], witnesses: [] })).problems.map(({ code, file }) => `${code} ${file}`);

const sha256 = (path: string): string =>
  createHash('sha256')
    .update(readFileSync(join(bundle, path)))
    .digest('hex');

function listed(except: readonly string[]): Map<string, string> {
  const all = readdirSync(bundle, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = all.map((entry) => join(entry.parentPath, entry.name).slice(bundle.length + 1));
  return new Map(paths.filter((path) => !except.includes(path)).map((path) => [path, sha256(path)]));
}

/** Without the key, sums can be made to fit; with it, the manifest as well. */
function refit(withKey: boolean): void {
  if (withKey) {
    const manifest = openManifest(readFileSync(join(log.root, 'whole', MANIFEST), 'utf8'), parseVerifierKey(log.key.vkey));
    const signer = parseSigningKey(log.key.signingKey, origin);
    writeFileSync(join(bundle, MANIFEST), signManifest({ ...manifest, files: listed([MANIFEST, SUMS]) }, signer));
  }
  writeFileSync(join(bundle, SUMS), encodeSums(listed([SUMS])));
}

/** @returns paths after whose change the bundle still verifies */
async function passing(paths: readonly string[], change: (path: string) => void, refitted: 'no' | 'sums' | 'signed'): Promise<string[]> {
  const passed: string[] = [];
  const whole = join(log.root, 'whole');
  rmSync(whole, { recursive: true, force: true });
  cpSync(bundle, whole, { recursive: true });
  for (const path of paths) {
    change(join(bundle, path));
    if (refitted !== 'no') refit(refitted === 'signed');
    if ((await problemsOf()).length === 0) passed.push(path);
    rmSync(bundle, { recursive: true });
    cpSync(whole, bundle, { recursive: true });
  }
  assert.deepEqual(await problemsOf(), []);
  return passed;
}

function flip(at: 'first' | 'middle' | 'last'): (path: string) => void {
  return (path) => {
    const bytes = readFileSync(path);
    bytes[at === 'first' ? 0 : at === 'last' ? bytes.length - 1 : bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  };
}
const remove = (path: string): void => rmSync(path);
const add = (path: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'added\n');
};
const folders = () => [...new Set(['.', 'new', ...files.map(dirname)])];
const strangers = () => folders().flatMap((folder) => ['more.csv', 'x001'].map((name) => (folder === '.' ? name : `${folder}/${name}`)));

test('a changed byte of any file is found, wherever it is', async () => {
  assert.ok(files.length > 25);
  for (const at of ['first', 'middle', 'last'] as const) assert.deepEqual(await passing(files, flip(at), 'no'), [], at);
});

test('a changed byte of any file is found when the sums fit again, the manifest and its envelope included', async () => {
  const rest = files.filter((path) => path !== SUMS);
  for (const at of ['first', 'middle', 'last'] as const) assert.deepEqual(await passing(rest, flip(at), 'sums'), [], at);
  const spaced = (path: string): void => writeFileSync(path, readFileSync(path, 'utf8').replace('{"payload"', '{ "payload"'));
  const commented = (path: string): void => writeFileSync(path, readFileSync(path, 'utf8').replace('"signatures":', '"x":1,"signatures":'));
  const padded = (path: string): void => writeFileSync(path, readFileSync(path, 'utf8').replace('"payload":"', '"payload":"\\n'));
  const renamed = (path: string): void => writeFileSync(path, readFileSync(path, 'utf8').replace('"keyid":"', '"keyid":"not-'));
  for (const change of [spaced, commented, padded, renamed]) assert.deepEqual(await passing([MANIFEST], change, 'sums'), []);
});

test('a removed file and an added one are found', async () => {
  assert.deepEqual(await passing(files, remove, 'no'), []);
  assert.deepEqual(await passing(strangers(), add, 'no'), []);
  const rest = files.filter((path) => path !== SUMS);
  assert.deepEqual(await passing(rest, remove, 'sums'), []);
  assert.deepEqual(await passing(strangers(), add, 'sums'), []);
});

test('the holder of the key can change, leave out and add nothing but what is listed', async () => {
  const rest = files.filter((path) => path !== SUMS && path !== MANIFEST);
  for (const at of ['first', 'middle'] as const) {
    const passed = await passing(rest, flip(at), 'signed');
    assert.deepEqual(
      passed.filter((path) => !THEIRS_TO_CHANGE[at].test(path)),
      [],
      at,
    );
  }
  const passed = await passing(rest, remove, 'signed');
  assert.deepEqual(
    passed.filter((path) => !THEIRS_TO_LEAVE_OUT.test(path)),
    [],
  );
  assert.deepEqual(await passing(strangers(), add, 'signed'), []);
  const swapped = (path: string): void => renameSync(path, `${path}2`);
  assert.deepEqual(await passing(rest, swapped, 'signed'), []);
});
