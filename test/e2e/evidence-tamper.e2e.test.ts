// A bundle that is made is verified; a bundle that is changed in any way is refused, each with its own reason.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, sign, createPrivateKey } from 'node:crypto';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogKey, parseSigningKey } from '../../src/audit/index.ts';
import { decodeBundle, encodeBundle, noteSigner, parseVerifierKey, sha256 } from '../../src/audit/tlog/index.ts';
import { type ConsoleVerifier, loadConsoleVerifier, zipped } from '../support/console-verifier.ts';
import { agent, evidenceLog, type EvidenceLog, fillLog, origin, policySha256, writeAnchor } from '../support/evidence-log.ts';
import { ocsfFaults } from '../support/ocsf.ts';
import type { ExportRequest } from '../../src/evidence/index.ts';
import { exportTo, loadVerifier, verifyBundle } from '../../src/evidence/index.ts';
import { openManifest, signManifest } from '../../src/evidence/manifest.ts';
import { decodeSums, encodeSums } from '../../src/evidence/sums.ts';
import type { EvidenceVerdict } from '../../src/evidence/verdict.ts';

let log: EvidenceLog;
let request: ExportRequest;
let bundle = '';
let earlier = '';
let later = '';
let verifierText = '';
let inBrowser: ConsoleVerifier;
const witness = witnessOf('witness.example.org');

before(async () => {
  verifierText = await loadVerifier();
  inBrowser = await loadConsoleVerifier();
  log = await evidenceLog(async () => verifierText);
  for (let count = 0; count < 300; count += 1) await log.add({ type: 'alarm', detail: { code: 'before' } });
  const from = new Date(log.nowMs + 500).toISOString();
  await fillLog(log);
  for (let count = 0; count < 40; count += 1) await log.session(`ses_more${count}`, 3);
  earlier = await log.log.publish();
  const to = new Date(log.nowMs + 500).toISOString();
  for (let count = 0; count < 300; count += 1) await log.add({ type: 'alarm', detail: { code: 'behind' } });
  const checkpoint = await log.log.publish();
  mkdirSync(join(log.dir, 'log', 'anchors'));
  writeAnchor(log, `witness-w1-${sizeOf(earlier)}.checkpoint`, witness.cosign(earlier, 1_800_000_000));
  writeAnchor(log, `tsa-t1-${sizeOf(checkpoint)}.tsr`, 'a time stamp');
  request = { from, to, principal: null, target: null };
  bundle = join(log.root, 'bundle');
  await exportTo(bundle, request, log.deps());
  const copy = join(log.root, 'copied-log');
  cpSync(join(log.dir, 'log'), copy, { recursive: true });
  await log.add({ type: 'alarm', detail: { code: 'later' } });
  later = await log.log.publish();
  // What is exported below is the log as it was.
  rmSync(join(log.root, 'frozen'), { recursive: true, force: true });
  cpSync(copy, join(log.root, 'frozen'), { recursive: true });
});
after(() => log.close());

const frozen = () => log.deps({ log: join(log.root, 'frozen') });
const sizeOf = (note: string): number => Number(note.split('\n')[1]);

function witnessOf(name: string) {
  const seed = createHash('sha256').update(name).digest();
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = Buffer.from(noteSigner(name, seed).vkey.split('+').slice(2).join('+'), 'base64').subarray(1);
  const typed = Buffer.concat([Buffer.of(4), publicKey]);
  const keyId = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).subarray(0, 4);
  return {
    vkey: `${name}+${keyId.toString('hex')}+${typed.toString('base64')}`,
    cosign(note: string, seconds: number): string {
      const text = note.slice(0, note.indexOf('\n\n') + 1);
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), key);
      return `${note}\u2014 ${name} ${Buffer.concat([keyId, time, signature]).toString('base64')}\n`;
    },
  };
}

async function verdictOf(path: string, options: Partial<Parameters<typeof verifyBundle>[1]> = {}): Promise<EvidenceVerdict> {
  const all = { vkey: log.key.vkey, checkpoints: [], witnesses: [], ...options };
  // By two threads, as large ones are.
  const verdict = await verifyBundle(path, all, 0);
  // What browsers find is the same, to the letter. Links and hidden files are no ZIP of ours.
  if (codes(verdict).includes('bundle-refused')) return verdict;
  const found = await inBrowser(path.endsWith('.zip') ? path : await zipped(path), all);
  assert.deepEqual(found.verdict, verdict);
  assert.equal(found.controls !== null, verdict.ok);
  return verdict;
}

function codes({ problems }: EvidenceVerdict): string[] {
  return [...new Set(problems.map(({ code }) => code))].toSorted();
}

/** A copy of the bundle, changed. */
function changed(change: (copy: string) => void): string {
  const copy = mkdtempSync(join(log.root, 'changed-'));
  cpSync(bundle, copy, { recursive: true });
  change(copy);
  return copy;
}

/** Makes sums and manifest fit again, as somebody would who has the signing key. */
function resigned(copy: string, key = log.key, about: (payload: ReturnType<typeof openManifest>) => object = () => ({})): void {
  const manifestPath = join(copy, 'manifest.intoto.jsonl');
  const manifest = openManifest(readFileSync(join(bundle, 'manifest.intoto.jsonl'), 'utf8'), parseVerifierKey(log.key.vkey));
  const files = new Map<string, string>();
  for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name).slice(copy.length + 1);
    if (path !== 'SHA256SUMS' && path !== 'manifest.intoto.jsonl')
      files.set(
        path,
        createHash('sha256')
          .update(readFileSync(join(copy, path)))
          .digest('hex'),
      );
  }
  writeFileSync(manifestPath, signManifest({ ...manifest, ...about(manifest), files }, parseSigningKey(key.signingKey, origin)));
  files.set('manifest.intoto.jsonl', createHash('sha256').update(readFileSync(manifestPath)).digest('hex'));
  writeFileSync(join(copy, 'SHA256SUMS'), encodeSums(files));
}

function edit(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, 'utf8');
  const other = change(text);
  assert.notEqual(other, text);
  writeFileSync(path, other);
}

const entryFile = (copy: string): string => join(copy, 'log', 'tile', 'entries', '001');

test('a bundle verifies, as a folder and as a ZIP, and says what is proven and what is not', async () => {
  const zip = join(log.root, 'bundle.zip');
  await exportTo(zip, request, frozen());
  for (const path of [bundle, zip]) {
    const verdict = await verdictOf(path, { checkpoints: [earlier], witnesses: [witness.vkey] });
    assert.deepEqual(verdict.problems, []);
    assert.equal(verdict.ok, true);
    assert.equal(verdict.keySource, 'given');
    assert.equal(verdict.checked.policies, 1);
    assert.ok(verdict.checked.entries > 300);
    assert.match(verdict.proven.join('\n'), /witness witness\.example\.org saw the first \d+ entries at 2027-01-15T08:00:00\.000Z/);
    assert.match(verdict.proven.join('\n'), /that you gave is a prefix/);
    assert.match(verdict.notProven.join('\n'), /never went through[\s\S]*sealed payloads[\s\S]*1 RFC 3161 time stamps/);
  }
});

test('the same log, range and policies give the same bytes', async () => {
  const [one, two] = [join(log.root, 'one.zip'), join(log.root, 'two.zip')];
  await exportTo(one, request, frozen());
  await exportTo(two, request, frozen());
  assert.ok(readFileSync(one).equals(readFileSync(two)));
  await assert.rejects(exportTo(one, request, frozen()), { code: 'SP_CONFIG_INVALID' });
});

test('every entry of the range is in a table, and formulas of spreadsheets are text', () => {
  const rows = readdirSync(join(bundle, 'records')).flatMap((name) =>
    readFileSync(join(bundle, 'records', name), 'utf8')
      .split('\r\n')
      .slice(1, -1),
  );
  const indexes = new Set(rows.map((row) => Number(row.split(',')[0])));
  const results = new Set(
    readFileSync(join(bundle, 'records', 'requests.csv'), 'utf8')
      .split('\r\n')
      .flatMap((row) => row.match(/,(\d+),[0-9a-f]{64},ok,/)?.[1] ?? [])
      .map(Number),
  );
  const { scope } = openManifest(readFileSync(join(bundle, 'manifest.intoto.jsonl'), 'utf8'), parseVerifierKey(log.key.vkey));
  for (let index = scope.first; index < scope.end; index += 1) assert.ok(indexes.has(index) || results.has(index), `entry ${index}`);
  assert.ok(rows.some((row) => row.includes(",'=agent-1,")));
  assert.ok(!rows.some((row) => /(?:^|,)"?[=@]/.test(row)));
});

test('every entry of the range is a valid OCSF event in the file of its class', () => {
  const { scope } = openManifest(readFileSync(join(bundle, 'manifest.intoto.jsonl'), 'utf8'), parseVerifierKey(log.key.vkey));
  const sequences: number[] = [];
  for (const name of readdirSync(join(bundle, 'ocsf'))) {
    for (const line of readFileSync(join(bundle, 'ocsf', name), 'utf8')
      .split('\n')
      .slice(0, -1)) {
      const event = JSON.parse(line) as { class_uid: number; metadata: { sequence: number; product: { version: string } } };
      assert.deepEqual(ocsfFaults(event), []);
      assert.equal(`${event.class_uid}.ndjson`, name);
      assert.equal(event.metadata.product.version, '0.0.0-test');
      sequences.push(event.metadata.sequence);
    }
  }
  assert.deepEqual(
    sequences.toSorted((a, b) => a - b),
    Array.from({ length: scope.end - scope.first }, (_, at) => scope.first + at),
  );
});

test('tampering by somebody without the key is caught by files, manifest and log alike', async () => {
  const cases: [string, string, (copy: string) => void][] = [
    [
      'an edited entry',
      'entry-altered',
      (copy) => {
        const bytes = readFileSync(entryFile(copy));
        bytes[bytes.indexOf('"type":"') + 9]! ^= 1;
        writeFileSync(entryFile(copy), bytes);
      },
    ],
    [
      'a dropped entry',
      'entries-missing',
      (copy) => writeFileSync(entryFile(copy), encodeBundle(decodeBundle(readFileSync(entryFile(copy))).slice(1))),
    ],
    ['a truncated tail', 'entries-missing', (copy) => rmSync(join(copy, 'log/tile/entries/002'))],
    [
      'a swapped CSV row',
      'record-altered',
      (copy) =>
        edit(join(copy, 'records/requests.csv'), (text) => {
          const lines = text.split('\r\n');
          [lines[1], lines[2]] = [lines[2]!, lines[1]!];
          return lines.join('\r\n');
        }),
    ],
    [
      'an edited report',
      'report-altered',
      (copy) => edit(join(copy, 'report.html'), (text) => text.replace('1 request that ran could', '0 requests that ran could')),
    ],
    [
      'an edited PDF',
      'report-altered',
      (copy) => edit(join(copy, 'report.pdf'), (text) => text.replace('1 request that ran could', '0 request that ran could')),
    ],
    [
      'an edited OCSF event',
      'record-altered',
      (copy) => edit(join(copy, 'ocsf/6005.ndjson'), (text) => text.replace('"action":"Denied"', '"action":"Allowed"')),
    ],
    ['an added file', 'file-added', (copy) => writeFileSync(join(copy, 'records', 'more.csv'), 'log_index\r\n')],
    ['a removed table', 'file-missing', (copy) => rmSync(join(copy, 'records', 'denials.csv'))],
    ['an edited tile', 'tile-altered', (copy) => edit2(join(copy, 'log/tile/0/001'), 5)],
    [
      'an edited checkpoint',
      'checkpoint-invalid',
      (copy) => edit(join(copy, 'log/checkpoint'), (text) => text.replace(/\n\d+\n/, '\n1\n')),
    ],
    ['an edited session', 'session-altered', (copy) => appendFileSync(join(copy, 'sessions/ses_a.ndjson'), '{}\n')],
    ['an edited policy', 'policy-altered', (copy) => appendFileSync(join(copy, `policies/${policySha256}.yaml`), '#\n')],
    ['a removed policy', 'policy-missing', (copy) => rmSync(join(copy, `policies/${policySha256}.yaml`))],
    ['an edited cosignature', 'anchor-invalid', (copy) => edit2(join(copy, `anchors/witness-w1-${sizeOf(earlier)}.checkpoint`), -20)],
    [
      'an edited manifest',
      'manifest-invalid',
      (copy) => edit(join(copy, 'manifest.intoto.jsonl'), (text) => text.replace('"payload":"', '"payload":"IA')),
    ],
    ['edited sums', 'sums-invalid', (copy) => edit(join(copy, 'SHA256SUMS'), (text) => text.split('\n').toReversed().join('\n'))],
  ];
  for (const [name, code, change] of cases) {
    const copy = changed(change);
    const verdict = await verdictOf(copy, { witnesses: [witness.vkey] });
    assert.equal(verdict.ok, false, name);
    assert.ok(codes(verdict).includes(code), `${name}: ${codes(verdict).join(' ')}`);
    // The verifier in the bundle finds the same.
    if (code === 'record-altered' || code === 'entry-altered') {
      const alone = spawnSync(process.execPath, [join(bundle, 'verify.mjs'), copy, '--key', log.key.vkey, '--json'], { encoding: 'utf8' });
      assert.equal(alone.status, 1, name);
      assert.deepEqual(codes(JSON.parse(alone.stdout) as EvidenceVerdict), codes(verdict));
    }
    rmSync(copy, { recursive: true });
  }
});

function edit2(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  writeFileSync(path, bytes);
}

test('a checkpoint from before a change of keys counts by its root, one of today only with its signature', async () => {
  const [name, size, root] = earlier.split('\n');
  const before = parseSigningKey(createLogKey(origin).signingKey, origin);
  const kept = await verdictOf(bundle, { checkpoints: [before.sign(`${name}\n${size}\n${root}\n`)] });
  assert.equal(kept.ok, true);
  assert.ok(kept.proven.some((text) => text.includes('signed by another key than today, is a prefix')));
  const other = await verdictOf(bundle, {
    checkpoints: [before.sign(`${name}\n${size}\n${sha256(Buffer.from('x')).toString('base64')}\n`)],
  });
  assert.deepEqual(codes(other), ['history-forked']);
  const edited = await verdictOf(bundle, { checkpoints: [earlier.replace(`\n${size}\n`, `\n${Number(size) - 1}\n`)] });
  assert.deepEqual(codes(edited), ['checkpoint-invalid']);
});

test('the holder of the key cannot edit tables or report either: they are derived again', async () => {
  const swap = (copy: string): void => {
    edit(join(copy, 'records/auth.csv'), (text) => {
      const lines = text.split('\r\n');
      [lines[3], lines[4]] = [lines[4]!, lines[3]!];
      return lines.join('\r\n');
    });
    resigned(copy);
  };
  const verdict = await verdictOf(changed(swap));
  assert.deepEqual(codes(verdict), ['record-altered']);
  assert.match(verdict.problems[0]!.what, /first in line 4/);
  assert.equal(verdict.problems[0]!.file, 'records/auth.csv');

  const told = await verdictOf(
    changed((copy) => {
      edit(join(copy, 'report.html'), (text) => text.replace('could change data', 'could not change data'));
      resigned(copy);
    }),
  );
  assert.deepEqual(codes(told), ['report-altered']);

  const printed = await verdictOf(
    changed((copy) => {
      edit(join(copy, 'report.pdf'), (text) => text.replace('could change data', 'could erase data'));
      resigned(copy);
    }),
  );
  assert.deepEqual(codes(printed), ['report-altered']);
  assert.deepEqual([printed.problemCount, printed.problems[0]!.file], [1, 'report.pdf']);
  assert.match(printed.problems[0]!.what, /it is not what the log says, first in line \d+/);

  const added = await verdictOf(
    changed((copy) => {
      writeFileSync(join(copy, 'records', 'reviews2.csv'), 'x\r\n');
      resigned(copy);
    }),
  );
  assert.deepEqual(codes(added), ['file-added']);
});

test('a range that leaves entries of its time out is incomplete, whoever signs it', async () => {
  const narrowed = await verdictOf(
    changed((copy) => resigned(copy, log.key, ({ scope }) => ({ scope: { ...scope, end: scope.end - 10 } }))),
  );
  assert.ok(codes(narrowed).includes('range-incomplete'), codes(narrowed).join(' '));
  const begun = await verdictOf(
    changed((copy) => resigned(copy, log.key, ({ scope }) => ({ scope: { ...scope, first: scope.first + 1 } }))),
  );
  assert.ok(codes(begun).includes('range-incomplete') && codes(begun).includes('checkpoint-invalid'), codes(begun).join(' '));
});

test('a bundle of a foreign key is refused with the right one, and told loudly without', async () => {
  const foreign = createLogKey(origin);
  const other = await verdictOf(bundle, { vkey: foreign.vkey });
  assert.ok(codes(other).includes('key-foreign') && codes(other).includes('manifest-invalid'), codes(other).join(' '));

  const forged = changed((copy) => resigned(copy, foreign));
  assert.deepEqual(codes(await verdictOf(forged)), ['manifest-invalid']);

  const alone = spawnSync(process.execPath, [join(bundle, 'verify.mjs'), bundle], { encoding: 'utf8', env: { NO_COLOR: '1' } });
  assert.equal(alone.status, 0, alone.stdout + alone.stderr);
  assert.match(alone.stdout, /WARNING: no key was given[\s\S]*agrees with itself/);
  assert.equal((await verdictOf(bundle, { vkey: null })).keySource, 'bundle');
});

test('a log that was put back to an older state is caught by a checkpoint that the auditor kept', async () => {
  assert.deepEqual(codes(await verdictOf(bundle, { checkpoints: [later] })), ['rolled-back']);
  const fork = parseSigningKey(log.key.signingKey, origin).sign(
    `${origin}\n${sizeOf(earlier)}\n${sha256(Buffer.from('another')).toString('base64')}\n`,
  );
  assert.deepEqual(codes(await verdictOf(bundle, { checkpoints: [fork] })), ['history-forked']);
  // Far before the range: its hash tiles do not reach there.
  const early = parseSigningKey(log.key.signingKey, origin).sign(`${origin}\n7\n${sha256(Buffer.from('another')).toString('base64')}\n`);
  assert.deepEqual(codes(await verdictOf(bundle, { checkpoints: [early] })), ['not-comparable']);
});

test('an anchor of a longer log than the exported one is told', async () => {
  const rolled = join(log.root, 'rolled');
  cpSync(join(log.root, 'frozen'), rolled, { recursive: true });
  writeFileSync(join(rolled, 'anchors', `witness-w1-${sizeOf(later)}.checkpoint`), witness.cosign(later, 1_800_000_001));
  const out = join(log.root, 'rolled-bundle');
  await exportTo(out, request, log.deps({ log: rolled }));
  assert.deepEqual(codes(await verdictOf(out)), ['rolled-back']);
});

test('a filtered bundle tells of one principal, and its log part stays whole', async () => {
  const out = join(log.root, 'filtered');
  await exportTo(out, { ...request, principal: { issuer: 'corp', subject: 'officer' } }, frozen());
  const verdict = await verdictOf(out);
  assert.equal(verdict.ok, true);
  assert.match(verdict.notProven.join('\n'), /filtered/);
  const requests = readFileSync(join(out, 'records', 'requests.csv'), 'utf8')
    .split('\r\n')
    .slice(1, -1);
  assert.deepEqual(requests, []);
  assert.match(readFileSync(join(out, 'records', 'approvals.csv'), 'utf8'), /approval\.answered/);
  assert.ok(!readFileSync(join(out, 'report.html'), 'utf8').includes(`${agent.subject} <span`));
});

test('a range without entries, and one of the whole log, verify', async () => {
  const empty = join(log.root, 'empty');
  await exportTo(empty, { ...request, from: '2020-01-01T00:00:00.000Z', to: '2020-01-02T00:00:00.000Z' }, frozen());
  assert.deepEqual((await verdictOf(empty)).problems, []);
  const whole = join(log.root, 'whole');
  await exportTo(whole, { ...request, from: '2020-01-01T00:00:00.000Z', to: '2030-01-01T00:00:00.000Z' }, frozen());
  const verdict = await verdictOf(whole, { checkpoints: [earlier] });
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.range?.first, 0);
  assert.equal(verdict.range?.end, verdict.checkpoint?.size);
});

test('policy texts that the store does not have are named, not passed over', async () => {
  const out = join(log.root, 'without-policy');
  const { policiesMissing } = await exportTo(out, request, { ...frozen(), policy: async () => 'another text' });
  assert.deepEqual(policiesMissing, [policySha256]);
  const verdict = await verdictOf(out);
  assert.equal(verdict.ok, true);
  assert.match(verdict.notProven.join('\n'), /text of 1 policy versions/);
});

test('a log whose entries or tiles were changed, or that another key signed, is not exported', async () => {
  const damaged = (change: (copy: string) => void): string => {
    const copy = mkdtempSync(join(log.root, 'damaged-'));
    cpSync(join(log.root, 'frozen'), copy, { recursive: true });
    change(copy);
    return copy;
  };
  const out = join(log.root, 'never');
  const entry = damaged((copy) => edit2(join(copy, 'tile/entries/001'), 300));
  await assert.rejects(exportTo(out, request, log.deps({ log: entry })), { code: 'SP_AUDIT_CORRUPT' });
  const tile = damaged((copy) => edit2(join(copy, 'tile/0/001'), 3));
  await assert.rejects(exportTo(out, request, log.deps({ log: tile })), { code: 'SP_AUDIT_CORRUPT' });
  const foreign = parseSigningKey(createLogKey(origin).signingKey, origin);
  await assert.rejects(exportTo(out, request, log.deps({ signer: foreign })), { code: 'SP_CONFIG_INVALID' });
  // Nothing of it is left.
  assert.deepEqual(
    readdirSync(log.root).filter((name) => name.includes('never')),
    [],
  );
  await assert.rejects(exportTo(out, request, { ...frozen(), reserveBytes: Number.MAX_SAFE_INTEGER }), { code: 'SP_STORE_UNAVAILABLE' });
});

test('links and names that no bundle has are refused', async () => {
  assert.deepEqual(codes(await verdictOf(changed((copy) => symlinkSync('/etc/hostname', join(copy, 'records', 'link.csv'))))), [
    'bundle-refused',
  ]);
  assert.deepEqual(codes(await verdictOf(changed((copy) => writeFileSync(join(copy, '.hidden'), 'x')))), ['bundle-refused']);
  assert.throws(() => decodeSums(`${'a'.repeat(64)}  ../x\n`), { code: 'SP_AUDIT_CORRUPT' });
});
