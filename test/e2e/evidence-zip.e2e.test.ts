// Archives of ours that are larger than ZIP was made for: more than 65,535 files, more than 4 GiB.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { readFileOf } from '../../src/evidence/bundle-files.ts';
import { openBundle } from '../../src/evidence/open-bundle.ts';
import { zipFrom } from '../../src/evidence/zip-writer.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-zip-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('an archive of ours is one for other tools too, also with more files than ZIP knew and over 4 GiB', async () => {
  const piece = Buffer.alloc(128 * 1024 * 1024);
  const bytes = 32 * piece.length;
  const large = [
    { path: 'large', bytes, crc32: 0 },
    { path: 'z', bytes: 5, crc32: crc32('after') },
  ];
  let length = 0;
  const tail: Buffer[] = [];
  const read = async function* ({ path }: { path: string }) {
    if (path === 'z') yield Buffer.from('after');
    else for (let count = 0; count < 32; count += 1) yield piece;
  };
  for await (const chunk of zipFrom(large, read)) {
    length += chunk.length;
    if (chunk !== piece) tail.push(chunk);
  }
  // All but the large file's own content is written: the reader finds what is behind it by the directory.
  const path = join(root, 'large.zip');
  const end = Buffer.concat(tail.slice(1));
  const out = openSync(path, 'w');
  ftruncateSync(out, length - end.length);
  closeSync(out);
  appendFileSync(path, end);
  const bundle = await openBundle(path);
  assert.deepEqual(
    [...bundle.files],
    [
      ['large', bytes],
      ['z', 5],
    ],
  );
  assert.equal((await readFileOf(bundle, 'z', 10)).toString(), 'after');
  await bundle.close();

  const many = join(root, 'many.zip');
  const chunks: Buffer[] = [];
  const files = Array.from({ length: 66_000 }, (_, n) => ({ path: `s/${n}`, bytes: 0, crc32: 0 }));
  for await (const chunk of zipFrom(files, read)) chunks.push(chunk);
  writeFileSync(many, Buffer.concat(chunks));
  const opened = await openBundle(many);
  assert.equal(opened.files.size, 66_000);
  await opened.close();
  const other = spawnSync('python3', ['-c', 'import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))', many], {
    encoding: 'utf8',
  });
  if (other.error === undefined) assert.equal(other.stdout.trim(), '66000', other.stderr);
});
