import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { grownLog } from '../../test/support/grown-log.ts';
import { startWitness, witnessSigner } from '../../test/support/witness.ts';
import { SallyportError } from '../core/error.ts';
import { openCheckpoint, openCosignature, parseVerifierKey, parseWitnessKey } from '../audit/tlog/index.ts';
import type { Send } from './anchor.ts';
import { createFileAnchor } from './file-anchor.ts';
import { createHttpsAnchor } from './https-anchor.ts';
import { createProofStore } from './proofs.ts';
import { createWitnessAnchor } from './witness-anchor.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-anchors-'));
after(() => rmSync(root, { recursive: true, force: true }));
const signal = new AbortController().signal;

const sendTo =
  (url: string): Send =>
  async (path, { headers, body }) => {
    try {
      const answer = await fetch(url + path, { method: 'POST', headers: { ...headers }, body: Buffer.from(body) });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return { fault: null, status: answer.status, body: Buffer.from(bytes).toString(), bytes };
    } catch {
      return { fault: 'unreachable' };
    }
  };

test('a file anchor has the newest checkpoint and tells a shorter log, another log and a file that is not its own', async () => {
  const path = join(root, 'beside', 'deep', 'checkpoint');
  const log = grownLog();
  const anchor = createFileAnchor({ name: 'beside', path }, log);
  assert.deepEqual(await anchor.compare?.(null), { kind: 'kept', forgot: true });
  const five = log.at(5);
  for (const checkpoint of [five, log.at(300), log.at(70_000)]) {
    const outcome = checkpoint === five ? { kind: 'kept', forgot: true } : { kind: 'kept' };
    assert.deepEqual(await anchor.submit(checkpoint, signal), outcome);
    assert.equal(readFileSync(path, 'utf8'), checkpoint.note);
  }
  assert.deepEqual(await anchor.compare?.(null), { kind: 'shorter', size: 70_000 });
  assert.deepEqual(await anchor.submit(five, signal), { kind: 'shorter', size: 70_000 });
  const fork = grownLog('b', 69_999);
  const forked = createFileAnchor({ name: 'beside', path }, fork);
  for (const size of [70_000, 70_001]) assert.deepEqual(await forked.submit(fork.at(size), signal), { kind: 'different' });
  assert.match(readFileSync(path, 'utf8'), /\n70000\n/, 'what it saw stays');
  for (const text of ['', 'audit.test/other\n5\nAAAA\n\n\u2014 x y\n', five.note.replace('audit.test/grown\n', 'audit.test/other\n')]) {
    writeFileSync(path, text);
    assert.deepEqual(await anchor.submit(log.at(70_001), signal), { kind: 'different' }, text);
  }
  const directory = join(root, 'a-directory');
  mkdirSync(directory);
  assert.deepEqual(await createFileAnchor({ name: 'x', path: directory }, log).submit(five, signal), {
    kind: 'failed',
    fault: 'unreadable',
  });
  const below = join(path, 'below-a-file');
  assert.equal((await createFileAnchor({ name: 'x', path: below }, log).submit(five, signal)).kind, 'failed');
});

test('THREAT a link where the file of an anchor is about to be written leads nowhere', async () => {
  const folder = join(root, 'linked');
  mkdirSync(folder);
  const [path, victim] = [join(folder, 'checkpoint'), join(folder, 'victim')];
  writeFileSync(victim, 'precious');
  symlinkSync(victim, `${path}.tmp`);
  const log = grownLog();
  const anchor = createFileAnchor({ name: 'beside', path }, log);
  const five = log.at(5);
  assert.equal((await anchor.submit(five, signal)).kind, 'kept');
  assert.deepEqual([readFileSync(victim, 'utf8'), readFileSync(path, 'utf8')], ['precious', five.note]);
  // The file itself: replaced, not written through.
  rmSync(path);
  writeFileSync(victim, five.note);
  symlinkSync(victim, path);
  const six = log.at(6);
  assert.deepEqual(await anchor.submit(six, signal), { kind: 'kept' });
  assert.deepEqual([readFileSync(victim, 'utf8'), readFileSync(path, 'utf8')], [five.note, six.note]);
});

test('an https anchor is given the note as it is; 409 is a rollback, or another log when no longer one is named', async () => {
  const seen: { body: string; authorization: string | undefined }[] = [];
  let answer = { status: 204, body: '' };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      seen.push({ body, authorization: request.headers.authorization });
      response.writeHead(answer.status).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const anchor = createHttpsAnchor(
    { name: 'siem', authorization: 'Bearer abc' },
    sendTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/log`),
  );
  const checkpoint = grownLog().at(9);
  assert.deepEqual(await anchor.submit(checkpoint, signal), { kind: 'kept' });
  assert.deepEqual(seen, [{ body: checkpoint.note, authorization: 'Bearer abc' }]);
  for (const [status, body, expected] of [
    [409, '12\n', { kind: 'shorter', size: 12 }],
    [409, '9\n', { kind: 'different' }],
    [409, 'no', { kind: 'different' }],
    [500, '', { kind: 'failed', fault: 'status-500' }],
    [302, '', { kind: 'failed', fault: 'status-302' }],
  ] as const) {
    answer = { status, body };
    assert.deepEqual(await anchor.submit(checkpoint, signal), expected);
  }
  server.closeAllConnections();
  server.close();
  assert.deepEqual(await anchor.submit(checkpoint, signal), { kind: 'failed', fault: 'unreachable' });
});

test('a witness cosigns each checkpoint with a proof from the one before, and the proof of it opens with both keys', async () => {
  const log = grownLog();
  const witness = await startWitness(() => log.vkey);
  const directory = join(root, 'proofs');
  const settings = { name: 'w', key: parseWitnessKey(witness.vkey), everyMs: 0 };
  const anchor = createWitnessAnchor(settings, log, sendTo(witness.url), createProofStore(directory));
  try {
    for (const size of [1, 5, 256, 700, 700]) assert.deepEqual(await anchor.submit(log.at(size), signal), { kind: 'kept' }, `${size}`);
    assert.deepEqual(witness.answers, [200, 200, 200, 200, 200]);
    assert.deepEqual(readdirSync(directory), ['witness-w-700.checkpoint'], 'of a day the last proof is kept');
    const cosigned = readFileSync(join(directory, 'witness-w-700.checkpoint'), 'utf8');
    assert.equal(openCheckpoint(cosigned, parseVerifierKey(log.vkey)).size, 700);
    assert.ok(Math.abs(openCosignature(cosigned, settings.key) - Date.now() / 1000) < 100);
    assert.throws(() => openCosignature(cosigned.replace('\n700\n', '\n701\n'), settings.key), /wrong/);
    assert.throws(() => openCosignature(cosigned, parseWitnessKey(witnessSigner('witness.test/one').vkey)), /no cosignature/);
    const yesterday = Date.now() / 1000 - 86_400;
    utimesSync(join(directory, 'witness-w-700.checkpoint'), yesterday, yesterday);

    // A restart goes on where the proofs end; without them the witness says where.
    const again = createWitnessAnchor(settings, log, sendTo(witness.url), createProofStore(directory));
    assert.deepEqual(await again.submit(log.at(701), signal), { kind: 'kept' });
    assert.equal(witness.answers.at(-2), 200);
    assert.deepEqual(readdirSync(directory), ['witness-w-700.checkpoint', 'witness-w-701.checkpoint']);
    const without = createWitnessAnchor(settings, log, sendTo(witness.url), createProofStore(join(root, 'lost')));
    assert.deepEqual(await without.submit(log.at(702), signal), { kind: 'kept' });
    assert.deepEqual(witness.answers.slice(-2), [409, 200]);
  } finally {
    await witness.close();
  }
});

test('THREAT rollback: a witness that saw more answers 409, and a fork of the same or a greater size is told as another log', async () => {
  const log = grownLog();
  const witness = await startWitness(() => log.vkey);
  const fresh = (of: ReturnType<typeof grownLog>, name: string) =>
    createWitnessAnchor(
      { name, key: parseWitnessKey(witness.vkey), everyMs: 0 },
      of,
      sendTo(witness.url),
      createProofStore(join(root, `fork-${name}`)),
    );
  try {
    const young = grownLog().at(100);
    assert.deepEqual(await fresh(log, 'a').submit(log.at(400), signal), { kind: 'kept' });
    assert.deepEqual(await fresh(grownLog(), 'b').submit(young, signal), { kind: 'shorter', size: 400 });
    assert.deepEqual(await fresh(log, 'a').submit(young, signal), { kind: 'shorter', size: 400 }, 'its own proofs tell it, too');
    for (const size of [400, 500]) {
      const fork = grownLog('b', 399);
      assert.deepEqual(await fresh(fork, `c${size}`).submit(fork.at(size), signal), { kind: 'different' }, `${size}`);
    }
    assert.equal(witness.head.size, 400);
  } finally {
    await witness.close();
  }
});

test('a witness that knows less than it cosigned has lost its memory, and says so; tiles that cannot be read are not its fault', async () => {
  const log = grownLog();
  const witness = await startWitness(() => log.vkey);
  const proofs = createProofStore(join(root, 'memory'));
  const settings = { name: 'w', key: parseWitnessKey(witness.vkey), everyMs: 0 };
  try {
    assert.deepEqual(await createWitnessAnchor(settings, log, sendTo(witness.url), proofs).submit(log.at(400), signal), { kind: 'kept' });
    witness.head = { size: 0, root: log.at(1).root };
    const anchor = createWitnessAnchor(settings, log, sendTo(witness.url), proofs);
    assert.deepEqual(await anchor.submit(log.at(401), signal), { kind: 'kept', forgot: true });
    assert.deepEqual(await anchor.submit(log.at(402), signal), { kind: 'kept' });
    const pruned = {
      ...log,
      readTile: () => Promise.reject(new SallyportError('SP_AUDIT_CORRUPT', 'tile 0/0 is missing')),
    };
    const blind = createWitnessAnchor(settings, pruned, sendTo(witness.url), proofs);
    assert.deepEqual(await blind.submit(log.at(700), signal), { kind: 'failed', fault: 'SP_AUDIT_CORRUPT' });
  } finally {
    await witness.close();
  }
});

test('an answer of a witness that is not a cosignature of the configured one is no proof, and every refusal has its word', async () => {
  const log = grownLog();
  const witness = await startWitness(() => log.vkey);
  const directory = join(root, 'bad-answers');
  const anchor = createWitnessAnchor(
    { name: 'w', key: parseWitnessKey(witness.vkey), everyMs: 0 },
    log,
    sendTo(witness.url),
    createProofStore(directory),
  );
  const checkpoint = log.at(3);
  const text = checkpoint.note.slice(0, checkpoint.note.indexOf('\n\n') + 1);
  try {
    for (const [status, body, fault] of [
      [200, '', 'answer-not-cosigned'],
      [200, 'no signature\n', 'answer-not-cosigned'],
      [200, witnessSigner('witness.test/one').cosign(text, 5), 'answer-not-cosigned'],
      [200, '\u2014 witness.test/one AAAA\n', 'answer-not-cosigned'],
      [409, 'x', 'answer-malformed'],
      [409, '-1\n', 'answer-malformed'],
      [409, '0\n', 'conflict'],
      [400, '', 'refused'],
      [403, '', 'key-unknown'],
      [404, '', 'origin-unknown'],
      [503, '', 'status-503'],
    ] as const) {
      witness.answer = () => ({ status, body });
      assert.deepEqual(await anchor.submit(checkpoint, signal), { kind: 'failed', fault }, `${status} ${body}`);
    }
    assert.throws(() => readdirSync(directory), /ENOENT/);
    witness.answer = null;
    assert.deepEqual(await anchor.submit(checkpoint, signal), { kind: 'kept' });
  } finally {
    await witness.close();
  }
  assert.deepEqual(await anchor.submit(log.at(4), signal), { kind: 'failed', fault: 'unreachable' });
});
