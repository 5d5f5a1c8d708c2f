import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { grownLog } from '../support/grown-log.ts';
import { startTsa } from '../support/tsa.ts';
import { decodeAll, encode, inside } from '../../src/anchors/der.ts';
import { createProofStore } from '../../src/anchors/proofs.ts';
import { stampRequest } from '../../src/anchors/timestamp.ts';
import { createTsaAnchor } from '../../src/anchors/tsa-anchor.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-tsa-'));
after(() => rmSync(root, { recursive: true, force: true }));
const signal = new AbortController().signal;

/** Stamps with the content of a real one, signed by whoever. */
function forgery(directory: string) {
  const run = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    issued: (name: string, usage: string, algorithm = 'ec'): string => {
      const curve = algorithm === 'ec' ? ['-pkeyopt', 'ec_paramgen_curve:P-256'] : [];
      const files = ['-nodes', '-keyout', `${name}.key`, '-out', `${name}.crt`];
      run(
        'req',
        '-x509',
        '-newkey',
        algorithm,
        ...curve,
        ...files,
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
        '-addext',
        `extendedKeyUsage=${usage}`,
      );
      return name;
    },
    /** The certificate must be older than the stamp. */
    signer:
      (name: string, more = '-cades') =>
      (stamp: Buffer): Buffer => {
        const signedData = inside(inside(inside(inside(decodeAll(stamp)?.[0], 0x30)?.[1], 0x30)?.[1], 0xa0)?.[0], 0x30);
        writeFileSync(join(directory, 'info'), inside(inside(signedData?.[2], 0x30)?.[1], 0xa0)?.[0]?.content ?? '');
        const type = ['-econtent_type', '1.2.840.113549.1.9.16.1.4', '-nodetach', '-binary', '-outform', 'DER'];
        const flags = more === '-binary' ? [] : ['-cades', ...(more === '-cades' ? [] : [more])];
        const files = ['-signer', `${name}.crt`, '-inkey', `${name}.key`, '-in', 'info'];
        return encode(0x30, encode(0x30, encode(0x02, Buffer.of(0))), run('cms', '-sign', '-md', 'sha256', ...type, ...flags, ...files));
      },
    flipped: (stamp: Buffer, at: number): Buffer => {
      const altered = Buffer.from(stamp);
      const place = at < 0 ? altered.length + at : at;
      altered[place] = (altered[place] ?? 0) ^ 1;
      return altered;
    },
  };
}

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

    const { issued, signer, flipped } = forgery(root);
    const tried: string[] = [];
    for (const [what, alter, fault] of [
      ['as OpenSSL signs it elsewhere', signer(issued('good', 'critical,timeStamping')), null],
      ['RSA', signer(issued('rsa', 'critical,timeStamping', 'rsa:2048')), null],
      ['an altered signature', (stamp: Buffer) => flipped(stamp, -3), 'signature-wrong'],
      ['an altered time', (stamp: Buffer) => flipped(stamp, stamp.indexOf(Buffer.from('180f', 'hex')) + 16), 'answer-malformed'],
      ['an altered second', (stamp: Buffer) => flipped(stamp, stamp.indexOf(Buffer.from('180f', 'hex')) + 15), 'signature-wrong'],
      ['no certificate', signer(issued('bare', 'critical,timeStamping'), '-nocerts'), 'certificate-unfit'],
      ['a certificate of a server', signer(issued('server', 'critical,serverAuth')), 'certificate-unfit'],
      ['more uses', signer(issued('both', 'critical,timeStamping,serverAuth')), 'certificate-unfit'],
      ['not critical', signer(issued('mild', 'timeStamping')), 'certificate-unfit'],
      ['not named', signer(issued('unnamed', 'critical,timeStamping'), '-binary'), 'certificate-unfit'],
    ] as const) {
      tsa.answer = (body) => ({ status: 200, body: alter(body) });
      const expected = fault === null ? { kind: 'kept' } : { kind: 'failed', fault };
      assert.deepEqual(await anchor.submit(log.at(9), signal), expected, what);
      tried.push(what);
    }
    assert.equal(tried.length, 10);
    rmSync(join(directory, 'tsa-stamps-9.checkpoint'));
    rmSync(join(directory, 'tsa-stamps-9.tsr'));

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
