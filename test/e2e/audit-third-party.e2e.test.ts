// The log is verified by code nobody here wrote: Go's golang.org/x/mod/sumdb and OpenSSL, and sealed keys by age files
// of the standard format.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogKey, createSealingIdentity, nodeDisk, openAuditLog, verifyLog } from '../../src/audit/index.ts';
import { tileReader } from '../../src/audit/log-files.ts';
import { dataKey, keyId, seal } from '../../src/audit/sealing.ts';
import { consistencyProof, inclusionProof, openCheckpoint, parseVerifierKey } from '../../src/audit/tlog/index.ts';
import { ensureDebianPackages } from '../support/debian.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-verify-'));
const dir = join(root, 'audit');
const log = join(dir, 'log');
const binary = join(root, 'verify-log');
const proofs = join(root, 'proofs.json');
const origin = 'audit.example.org/third-party';
const key = createLogKey(origin);
const earlier: string[] = [];

after(() => rmSync(root, { recursive: true, force: true }));

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (error !== undefined) throw error;
  return { status, output: stdout + stderr };
}

function verifyWithGo(logDir: string, vkey = key.vkey): { status: number | null; output: string } {
  return run(binary, [logDir, vkey, proofs]);
}

/** A copy of the log, changed. */
function changed(change: (copy: string) => void): string {
  const copy = mkdtempSync(join(root, 'changed-'));
  cpSync(log, copy, { recursive: true });
  change(copy);
  return copy;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

before(async () => {
  ensureDebianPackages(['golang-go', 'golang-golang-x-mod-dev', 'openssl']);
  const source = join(import.meta.dirname, 'go/verify-log.go');
  // Debian's Go and Debian's x/mod: nothing is fetched.
  const go = existsSync('/usr/bin/go') ? '/usr/bin/go' : 'go';
  const built = run(go, ['build', '-o', binary, source], {
    GOPATH: '/usr/share/gocode',
    GO111MODULE: 'off',
    GOFLAGS: '',
    GOROOT: '',
    GOCACHE: join(root, 'go-cache'),
  });
  assert.equal(built.status, 0, built.output);

  const { recipient } = await createSealingIdentity();
  const writer = await openAuditLog({
    dir,
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  // Past 65,536 entries, so that there is a third level of tiles.
  for (const count of [1, 254, 300, 5000, 60_500]) {
    for (let first = 0; first < count; first += 1000) {
      await Promise.all(
        Array.from({ length: Math.min(1000, count - first) }, () => writer.append({ type: 'alarm', detail: { code: 'test' } })),
      );
    }
    earlier.push(await writer.publish());
  }
  await writer.close();

  const verifier = parseVerifierKey(key.vkey);
  const { size } = openCheckpoint(readFileSync(join(log, 'checkpoint'), 'utf8'), verifier);
  const readTile = tileReader(nodeDisk, log);
  const hex = (hashes: readonly Uint8Array[]): string[] => hashes.map((hash) => Buffer.from(hash).toString('hex'));
  const inclusion = [];
  for (const index of [0, 1, 255, 256, 65_535, 65_536, size - 1])
    inclusion.push({ index, proof: hex(await inclusionProof(index, size, readTile)) });
  const consistency = [];
  for (const checkpoint of earlier) {
    const old = openCheckpoint(checkpoint, verifier);
    consistency.push({ checkpoint, proof: hex(await consistencyProof(old.size, size, readTile)) });
  }
  writeFileSync(proofs, JSON.stringify({ inclusion, consistency }));
});

test('golang.org/x/mod accepts the checkpoint, every entry, the tiles and our inclusion and consistency proofs', async () => {
  const { status, output } = verifyWithGo(log);
  const verdict = await verifyLog(dir, { vkey: key.vkey });
  assert.equal(verdict.ok, true);
  assert.equal(output, `ok ${verdict.size} inclusion 7 consistency 5\n`);
  assert.equal(status, 0);
  assert.ok(verdict.size > 65_536);
});

test('golang.org/x/mod refuses what our verifier refuses', async () => {
  const bundle = join('tile', 'entries', '001');
  const cases: [string, string, string?][] = [
    ['an edited entry', changed((copy) => flip(join(copy, bundle), 100))],
    ['an edited tile', changed((copy) => flip(join(copy, 'tile/0/001'), 5))],
    ['an edited checkpoint', changed((copy) => flip(join(copy, 'checkpoint'), origin.length + 1))],
    ['a dropped entry', changed((copy) => writeFileSync(join(copy, bundle), withoutFirst(readFileSync(join(copy, bundle)))))],
    ['a missing tail', changed((copy) => rmSync(join(copy, 'tile', 'entries', '258.p'), { recursive: true }))],
    ['a foreign key', log, createLogKey(origin).vkey],
  ];
  for (const [name, copy, vkey = key.vkey] of cases) {
    const { status, output } = verifyWithGo(copy, vkey);
    assert.equal(status, 1, `${name}: ${output}`);
    assert.match(output, /^FAIL /, name);
    // `verifyLog` takes the directory above `log/`.
    const above = mkdtempSync(join(root, 'above-'));
    cpSync(copy, join(above, 'log'), { recursive: true });
    assert.equal((await verifyLog(above, { vkey })).ok, false, name);
  }
});

function withoutFirst(bundle: Buffer): Buffer {
  return bundle.subarray(2 + bundle.readUInt16BE(0));
}

test('OpenSSL accepts the signature of the checkpoint over its text, and no other text', () => {
  const note = readFileSync(join(log, 'checkpoint'), 'utf8');
  const split = note.indexOf('\n\n');
  const signature = Buffer.from(
    note
      .slice(split + 2)
      .trim()
      .split(' ')[2] ?? '',
    'base64',
  ).subarray(4);
  const publicKey = Buffer.from(key.vkey.split('+').slice(2).join('+'), 'base64').subarray(1);
  const file = (name: string, bytes: Uint8Array | string): string => {
    writeFileSync(join(root, name), bytes);
    return join(root, name);
  };
  const der = file('key.der', Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]));
  const sig = file('sig', signature);
  const verifyText = (text: string) =>
    run('openssl', [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-inkey',
      der,
      '-keyform',
      'DER',
      '-rawin',
      '-in',
      file('text', text),
      '-sigfile',
      sig,
    ]);
  assert.equal(verifyText(note.slice(0, split + 1)).status, 0);
  assert.notEqual(verifyText(note.slice(0, split)).status, 0);
});

test('a sealed payload opens, and its commitment is checked, with openssl and the format document alone', () => {
  const [raw, id] = [Buffer.alloc(32, 5), keyId(9, Buffer.alloc(8, 3))];
  const sealing = dataKey(id, raw);
  const text = "SELECT * FROM patients WHERE ssn = '123-45-6789'";
  seal({ kind: 'statement', bytes: Buffer.from('the first one moves the counter on') }, sealing, 1000);
  const { blob, ref } = seal({ kind: 'statement', bytes: Buffer.from(text) }, sealing, 1000);
  const headerBytes = 4 + 1 + id.length;
  assert.equal(blob.toString('latin1', 0, headerBytes), `SPB2${String.fromCharCode(id.length)}${id}`);
  const counter = blob.subarray(headerBytes, headerBytes + 16);
  const [ciphertext, container] = [join(root, 'payload.ctr'), join(root, 'payload.bin')];
  writeFileSync(ciphertext, blob.subarray(headerBytes + 16, -32));
  const keys = ['-K', raw.toString('hex'), '-iv', counter.toString('hex')];
  const decrypted = run('openssl', ['enc', '-d', '-aes-256-ctr', ...keys, '-in', ciphertext, '-out', container]);
  assert.equal(decrypted.status, 0, decrypted.output);
  assert.deepEqual(readFileSync(container), Buffer.concat([Buffer.from([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]));

  const kdf = ['-keylen', '32', '-kdfopt', 'digest:SHA256', '-kdfopt', `hexkey:${raw.toString('hex')}`];
  const derived = run('openssl', ['kdf', ...kdf, '-kdfopt', `info:sallyport/v2/commit/${id}`, 'HKDF']);
  const macKey = derived.output.trim().replaceAll(':', '');
  const mac = run('openssl', ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${macKey}`, container]);
  assert.equal(mac.output.trim().split('= ').at(-1), ref.commitment);
  assert.equal(blob.subarray(-32).toString('hex'), ref.commitment);
});
