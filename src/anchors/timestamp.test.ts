import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { grownLog } from '../../test/support/grown-log.ts';
import { startTsa } from '../../test/support/tsa.ts';
import { decodeAll, encode } from './der.ts';
import { createProofStore } from './proofs.ts';
import { stampFault, stampRequest } from './timestamp.ts';
import { createTsaAnchor } from './tsa-anchor.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-tsa-'));
after(() => rmSync(root, { recursive: true, force: true }));
const signal = new AbortController().signal;

test('OpenSSL reads our request, and its stamp over a checkpoint is kept and verifies; a stamp over something else is refused', async () => {
  const tsa = await startTsa(root);
  const directory = join(root, 'proofs');
  let nonces = 0;
  const anchor = createTsaAnchor(
    { name: 'stamps', everyMs: 0 },
    async (path, { body }) => {
      const answer = await fetch(tsa.url + path, { method: 'POST', body: Buffer.from(body) });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return { fault: null, status: answer.status, body: '', bytes };
    },
    createProofStore(directory),
    { bytes: (length) => new Uint8Array(length).fill((nonces += 1)) },
  );
  try {
    const log = grownLog();
    let first: Buffer = Buffer.alloc(0);
    tsa.answer = (body) => ({ status: 200, body: (first = body) });
    assert.deepEqual(await anchor.submit(log.at(7), signal), { kind: 'kept' });
    assert.deepEqual(readdirSync(directory), ['tsa-stamps-7.checkpoint', 'tsa-stamps-7.tsr']);
    const verify = [
      'ts',
      '-verify',
      '-data',
      join(directory, 'tsa-stamps-7.checkpoint'),
      '-in',
      join(directory, 'tsa-stamps-7.tsr'),
      '-CAfile',
      tsa.ca,
    ];
    assert.match(execFileSync('openssl', verify, { stdio: ['ignore', 'pipe', 'pipe'] }).toString(), /Verification: OK/);
    writeFileSync(join(root, 'other'), log.at(8).note);
    assert.notEqual(spawnSync('openssl', verify.with(3, join(root, 'other'))).status, 0);

    for (const [status, body, fault] of [
      [200, first, 'other-digest'],
      [200, first.subarray(0, -1), 'answer-malformed'],
      [200, Buffer.concat([first, Buffer.of(0)]), 'answer-malformed'],
      [200, Buffer.alloc(0), 'answer-malformed'],
      // PKIStatusInfo: rejection.
      [200, Buffer.from('30053003020102', 'hex'), 'refused'],
      [500, first, 'status-500'],
    ] as const) {
      tsa.answer = () => ({ status, body });
      assert.deepEqual(await anchor.submit(log.at(9), signal), { kind: 'failed', fault });
    }
    // Our digest, but the answer to an older request: a replay.
    tsa.answer = () => ({ status: 200, body: first });
    assert.deepEqual(await anchor.submit(grownLog().at(7), signal), { kind: 'failed', fault: 'other-nonce' });
    assert.equal(readdirSync(directory).length, 2);
  } finally {
    await tsa.close();
  }
});

test('a nonce with any leading byte is read back by OpenSSL, and every cut of a real answer is refused', () => {
  for (const lead of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
    const query = join(root, `query-${lead}`);
    writeFileSync(query, stampRequest(Buffer.alloc(32, 1), Buffer.from([lead, 1, 2, 3, 4, 5, 6, 7])));
    const text = execFileSync('openssl', ['ts', '-query', '-in', query, '-text'], { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
    assert.match(text, /Nonce: 0x[4-7][0-9A-F]01020304050607/);
    assert.match(text, /Certificate required: yes/);
  }
});

test('arbitrary answers are faults and never throw; DER round-trips and is refused when cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.notEqual(stampFault(bytes, Buffer.alloc(32), Buffer.alloc(8)), null);
    }),
  );
  for (const length of [0, 1, 127, 128, 255, 256, 60_000]) {
    const element = encode(0x04, Buffer.alloc(length, 9));
    assert.equal(decodeAll(element)?.[0]?.content.length, length);
    assert.equal(decodeAll(element.subarray(0, -1)), null);
  }
  // Indefinite length, a long tag, a length of four bytes.
  for (const hex of ['0480', '1f8101', '048400000001aa']) assert.equal(decodeAll(Buffer.from(hex, 'hex')), null);
});
