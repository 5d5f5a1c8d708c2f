// Anchors with a whole gateway: what was put back to an older state does not start, and what cannot be asked does not stop it.

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { verifyLog } from '../../src/audit/index.ts';
import { openCheckpoint, openCosignature, parseVerifierKey, parseWitnessKey } from '../../src/audit/tlog/index.ts';
import { SallyportError } from '../../src/core/error.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startTsa } from '../support/tsa.ts';
import { startWitness } from '../support/witness.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-anchored-'));
after(() => rmSync(root, { recursive: true, force: true }));

// No database: nothing here needs one.
const nowhere = { name: 'clinic', host: '127.0.0.1', port: 1, database: 'x', user: 'x', password: 'x' };
const policy = 'version: 1\nroles: [{ role: officer, members: [{ issuer: corp, group: privacy }] }]\naccess: []\n';
const rolledBack = (error: unknown): boolean => error instanceof SallyportError && error.code === 'SP_AUDIT_ROLLED_BACK';

const sizeIn = (file: string): number => Number(readFileSync(file, 'utf8').split('\n')[1]);

test('THREAT rollback: a data directory that was put back, emptied or forked does not start; with the right one it goes on', async () => {
  const gateway = await startTestGateway({ targets: [nowhere], policy });
  const data = join(gateway.directory, 'data');
  const beside = join(gateway.directory, 'data.anchor', 'checkpoint');
  try {
    await gateway.running.stop();
    assert.equal(sizeIn(beside), sizeIn(join(data, 'audit/log/checkpoint')), 'also the closing checkpoint is kept beside');
    const older = join(root, 'older');
    cpSync(data, older, { recursive: true });
    await gateway.restart();
    await gateway.running.stop();
    const newer = join(root, 'newer');
    renameSync(data, newer);

    cpSync(older, data, { recursive: true });
    await assert.rejects(gateway.restart(), rolledBack);
    assert.equal(sizeIn(join(data, 'audit/log/checkpoint')), sizeIn(join(older, 'audit/log/checkpoint')), 'nothing was written to it');
    rmSync(data, { recursive: true });
    await assert.rejects(gateway.restart(), rolledBack, 'an empty one');

    rmSync(data, { recursive: true });
    // A fork that grew past what the anchor saw: the older state went on elsewhere, with the same key.
    const kept = readFileSync(beside);
    cpSync(older, data, { recursive: true });
    rmSync(beside);
    for (let run = 0; run < 2; run += 1) {
      await gateway.restart();
      await gateway.running.stop();
    }
    assert.ok(sizeIn(join(data, 'audit/log/checkpoint')) > sizeIn(join(newer, 'audit/log/checkpoint')));
    writeFileSync(beside, kept);
    await assert.rejects(gateway.restart(), rolledBack);

    rmSync(data, { recursive: true });
    renameSync(newer, data);
    await gateway.restart();
    await gateway.running.stop();
    assert.equal(sizeIn(beside), sizeIn(join(data, 'audit/log/checkpoint')));
  } finally {
    await gateway.close();
  }
});

test('THREAT rollback, with the file beside put back, too: the witness tells, at the start; its proofs and stamps verify', async () => {
  let vkey = '';
  const witness = await startWitness(() => vkey);
  const tsa = await startTsa(mkdtempSync(join(root, 'tsa-')));
  const options = { allowPrivate: true, insecure: true };
  let gateway: TestGateway | null = null;
  try {
    gateway = await startTestGateway({
      targets: [nowhere],
      policy,
      audit: (logKey) => {
        ({ vkey } = logKey);
        return {
          anchors: [
            { name: 'beside', kind: 'file' },
            { name: 'w', kind: 'witness', url: witness.url, vkey: witness.vkey, everyMs: 1000, ...options },
            { name: 'stamps', kind: 'tsa', url: tsa.url, ...options },
          ],
        };
      },
    });
    const data = join(gateway.directory, 'data');
    const proofs = join(data, 'audit/log/anchors');
    await gateway.running.stop();
    const size = sizeIn(join(data, 'audit/log/checkpoint'));
    assert.equal(witness.head.size, size);
    const cosigned = readFileSync(join(proofs, `witness-w-${size}.checkpoint`), 'utf8');
    assert.equal(openCheckpoint(cosigned, parseVerifierKey(vkey)).size, size);
    assert.ok(openCosignature(cosigned, parseWitnessKey(witness.vkey)) > 1_700_000_000);
    assert.ok(readdirSync(proofs).some((name) => /^tsa-stamps-\d+\.tsr$/.test(name)));
    for (const folder of ['data', 'data.anchor']) cpSync(join(gateway.directory, folder), join(root, `w-${folder}`), { recursive: true });
    await gateway.restart();
    await gateway.running.stop();
    for (const folder of ['data', 'data.anchor']) {
      rmSync(join(gateway.directory, folder), { recursive: true });
      cpSync(join(root, `w-${folder}`), join(gateway.directory, folder), { recursive: true });
    }
    await assert.rejects(gateway.restart(), rolledBack);
    assert.equal(witness.answers.includes(409), true);
  } finally {
    await gateway?.close();
    await witness.close();
    await tsa.close();
  }
});

test('anchors that do not answer, or answer nonsense, neither stop the gateway nor slow it; it says so in log and metrics', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  const gateway = await startTestGateway({
    targets: [nowhere],
    policy,
    audit: () => ({
      anchors: [
        { name: 'silent', kind: 'https', url, allowPrivate: true, insecure: true },
        { name: 'refused', kind: 'https', url: 'https://127.0.0.1:1/' },
      ],
    }),
  });
  const data = join(gateway.directory, 'data');
  try {
    assert.equal(existsSync(join(gateway.directory, 'data.anchor')), false, 'only what is configured');
    const started = performance.now();
    await gateway.running.stop();
    assert.ok(performance.now() - started < 8000);
    const entries = join(data, 'audit/log/tile/entries/000.p');
    const log = readdirSync(entries)
      .map((name) => readFileSync(join(entries, name), 'latin1'))
      .join('');
    for (const anchor of ['silent', 'refused']) assert.match(log, new RegExp(`"code":"anchor-not-asked","anchor":"${anchor}"`));
    assert.match(log, /"fault":"address-refused"/);
    const vkey = readFileSync(join(data, 'audit/log/log.vkey'), 'utf8').trim();
    assert.deepEqual((await verifyLog(join(data, 'audit'), { vkey })).problems, []);
  } finally {
    await gateway.close();
    silent.close();
  }
});

test('an anchor file that cannot be written refuses to start, with the name of the key to change', async () => {
  const gateway = await startTestGateway({
    targets: [nowhere],
    policy,
    start: false,
    audit: () => ({ anchors: [{ name: 'beside', kind: 'file', path: './policy.yaml/below' }] }),
  });
  try {
    await assert.rejects(gateway.restart(), /audit\.anchors: the file of anchor beside cannot be used/);
  } finally {
    await gateway.close();
  }
});
