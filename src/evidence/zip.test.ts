// Archives that were made to do harm, and large ones.

import assert from 'node:assert/strict';
import { appendFileSync, closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { spawnSync } from 'node:child_process';
import { crc32, deflateRawSync } from 'node:zlib';
import { readFileOf } from './bundle-files.ts';
import { openBundle } from './open-bundle.ts';
import { zipFrom } from './zip-writer.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-zip-'));
after(() => rmSync(root, { recursive: true, force: true }));

interface Made {
  readonly name: string;
  readonly content?: Buffer;
  readonly deflate?: boolean;
  /** Lies of the two headers. */
  readonly localName?: string;
  readonly size?: number;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly offset?: number;
}

/** A ZIP by hand, so that every field can be wrong. */
function archive(files: readonly Made[], end: { comment?: string; count?: number } = {}): string {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const {
    name,
    content = Buffer.from('content'),
    deflate = false,
    localName = name,
    size = content.length,
    crc = crc32(content),
    flags = 0,
    ...lies
  } of files) {
    const packed = deflate ? deflateRawSync(content) : content;
    const method = lies.method ?? (deflate ? 8 : 0);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(localName.length, 26);
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE(flags, 8);
    header.writeUInt16LE(method, 10);
    header.writeUInt32LE(crc, 16);
    header.writeUInt32LE(packed.length, 20);
    header.writeUInt32LE(size, 24);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt32LE(lies.offset ?? at, 42);
    central.push(header, Buffer.from(name, 'latin1'));
    parts.push(local, Buffer.from(localName, 'latin1'), packed);
    at += 30 + localName.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const tail = Buffer.alloc(22);
  tail.writeUInt32LE(0x06054b50, 0);
  tail.writeUInt16LE(end.count ?? files.length, 10);
  tail.writeUInt32LE(directory.length, 12);
  tail.writeUInt32LE(at, 16);
  const comment = Buffer.from(end.comment ?? '');
  tail.writeUInt16LE(comment.length, 20);
  const path = join(mkdtempSync(join(root, 'z-')), 'x.zip');
  writeFileSync(path, Buffer.concat([...parts, directory, tail, comment]));
  return path;
}

async function readAll(path: string): Promise<Record<string, string>> {
  const bundle = await openBundle(path);
  try {
    const all: Record<string, string> = {};
    for (const name of bundle.files.keys()) all[name] = (await readFileOf(bundle, name, 1 << 30)).toString('latin1');
    return all;
  } finally {
    await bundle.close();
  }
}

test('stored and deflated files are read, folders of other tools are passed over', async () => {
  const path = archive([
    { name: 'a/', content: Buffer.alloc(0) },
    { name: 'a/b.csv' },
    { name: 'c.txt', deflate: true, content: Buffer.from('c'.repeat(5000)) },
  ]);
  assert.deepEqual(await readAll(path), { 'a/b.csv': 'content', 'c.txt': 'c'.repeat(5000) });
});

test('archives that lead elsewhere, lie or are bombs are refused', async () => {
  const zeros = Buffer.alloc(80 * 1024 * 1024);
  const cases: [string, string][] = [
    ['path traversal', archive([{ name: '../x' }])],
    ['path traversal inside', archive([{ name: 'a/../../x' }])],
    ['an absolute path', archive([{ name: '/etc/x' }])],
    ['a Windows path', archive([{ name: 'a\\..\\x' }])],
    ['a drive', archive([{ name: 'C:x' }])],
    ['a NUL', archive([{ name: 'a\0b' }])],
    ['no name', archive([{ name: '' }])],
    ['a name twice', archive([{ name: 'a' }, { name: 'a' }])],
    ['a name twice by case', archive([{ name: 'a' }, { name: 'A' }])],
    ['files that share bytes', archive([{ name: 'a' }, { name: 'b', offset: 0 }])],
    ['a bomb', archive([{ name: 'a', deflate: true, content: zeros }])],
    ['content over its length', archive([{ name: 'a', deflate: true, content: Buffer.alloc(1 << 20), size: 10 }])],
    ['content under its length', archive([{ name: 'a', deflate: true, size: 1000 }])],
    ['a wrong checksum', archive([{ name: 'a', crc: 1 }])],
    ['headers that disagree', archive([{ name: 'a', localName: 'b' }])],
    ['two lengths of a stored file', archive([{ name: 'a', size: 6 }])],
    ['encryption', archive([{ name: 'a', flags: 1 }])],
    ['another method', archive([{ name: 'a', method: 12 }])],
    ['a broken stream', archive([{ name: 'a', method: 8, content: Buffer.from('no deflate stream at all') }])],
    ['a comment', archive([{ name: 'a' }], { comment: 'x' })],
    ['more entries than there are', archive([{ name: 'a' }], { count: 2 })],
    ['fewer entries than there are', archive([{ name: 'a' }, { name: 'b' }], { count: 1 })],
  ];
  const whole = readFileSync(archive([{ name: 'a' }]));
  for (const cut of [0, 10, 21, whole.length - 1]) {
    const path = join(mkdtempSync(join(root, 'cut-')), 'x.zip');
    writeFileSync(path, whole.subarray(0, cut));
    cases.push([`cut at ${cut}`, path]);
  }
  for (const [name, path] of cases) await assert.rejects(readAll(path), { code: 'SP_AUDIT_CORRUPT' }, name);
});

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
