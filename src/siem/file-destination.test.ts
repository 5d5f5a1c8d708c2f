import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Destination } from './destination.ts';
import { createFileDestination } from './file-destination.ts';
import { testContext, testLeaf } from '../ocsf/testing.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-siem-file-'));
after(() => rmSync(root, { recursive: true, force: true }));

const create = (path: string, maxBytes = 1e6, keep = 2): Destination =>
  createFileDestination({ name: 'f', context: testContext, path, maxBytes, keep });
const signal = new AbortController().signal;
const send = (destination: Destination, ...seqs: number[]) =>
  destination.send(
    seqs.map((seq) => testLeaf('auth.ok', seq)),
    signal,
  );
const seqsIn = (path: string): number[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { metadata: { sequence: number } }).metadata.sequence);

test('a file is rotated before it would grow beyond its size, and only so many old ones stay', async () => {
  const path = join(root, 'a.ndjson');
  const destination = create(path, 1500);
  for (let seq = 0; seq < 5; seq += 1) assert.deepEqual(await send(destination, seq), { isTaken: true });
  await destination.close();
  assert.deepEqual([seqsIn(path), seqsIn(`${path}.1`), seqsIn(`${path}.2`), existsSync(`${path}.3`)], [[4], [3], [2], false]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a line that a crash has cut goes before the next one comes', async () => {
  const path = join(root, 'b.ndjson');
  const first = create(path);
  await send(first, 0, 1);
  await first.close();
  appendFileSync(path, `{"cut":"${'x'.repeat(200_000)}`);
  const again = create(path);
  await send(again, 2);
  await again.close();
  assert.deepEqual(seqsIn(path), [0, 1, 2]);
});

test('a file that somebody else has moved away is made anew', async () => {
  const path = join(root, 'c.ndjson');
  const destination = create(path);
  await send(destination, 0);
  renameSync(path, `${path}.moved`);
  await send(destination, 1);
  await destination.close();
  assert.deepEqual([seqsIn(`${path}.moved`), seqsIn(path)], [[0], [1]]);
});

test('a folder that is not there takes nothing, and says so', async () => {
  assert.deepEqual(await send(create(join(root, 'none', 'd.ndjson')), 0), { isTaken: false, fault: 'unwritable' });
});
