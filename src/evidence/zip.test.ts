// Archives that were made to do harm. Large ones: test/e2e/evidence-zip.e2e.test.ts.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { readFileOf } from './bundle-files.ts';
import { openBundle } from './open-bundle.ts';

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
  readonly localCrc?: number;
  readonly extra?: Buffer;
  /** Unix mode. */
  readonly mode?: number;
  readonly comment?: string;
  /** Bytes behind the content. */
  readonly behind?: Buffer;
}

/** A ZIP by hand, so that every field can be wrong. */
function archive(files: readonly Made[], end: { comment?: string; count?: number; before?: string } = {}): string {
  const parts: Buffer[] = [Buffer.from(end.before ?? '')];
  const central: Buffer[] = [];
  let at = parts[0]!.length;
  for (const {
    name,
    content = Buffer.from('content'),
    deflate = false,
    localName = name,
    size = content.length,
    crc = crc32(content),
    flags = 0,
    extra = Buffer.alloc(0),
    behind = Buffer.alloc(0),
    comment: ownComment = '',
    ...lies
  } of files) {
    const packed = deflate ? deflateRawSync(content) : content;
    const method = lies.method ?? (deflate ? 8 : 0);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(method, 8);
    if ((flags & 8) === 0) {
      local.writeUInt32LE(lies.localCrc ?? crc, 14);
      local.writeUInt32LE(packed.length, 18);
      local.writeUInt32LE(size, 22);
    }
    local.writeUInt16LE(localName.length, 26);
    local.writeUInt16LE(extra.length, 28);
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE(flags, 8);
    header.writeUInt16LE(method, 10);
    header.writeUInt32LE(crc, 16);
    header.writeUInt32LE(packed.length, 20);
    header.writeUInt32LE(size, 24);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt16LE(ownComment.length, 32);
    header.writeUInt16LE(lies.mode ?? 0, 40);
    header.writeUInt32LE(lies.offset ?? at, 42);
    central.push(header, Buffer.from(name, 'latin1'), Buffer.from(ownComment));
    parts.push(local, Buffer.from(localName, 'latin1'), extra, packed, behind);
    at += 30 + localName.length + extra.length + packed.length + behind.length;
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

function extraOf(id: number): Buffer {
  const extra = Buffer.alloc(8);
  extra.writeUInt16LE(id, 0);
  extra.writeUInt16LE(4, 2);
  return extra;
}

function descriptorOf(content: string, isSigned: boolean): Buffer {
  const numbers = [crc32(content), content.length, content.length];
  const all = isSigned ? [0x08074b50, ...numbers] : numbers;
  const bytes = Buffer.alloc(4 * all.length);
  for (const [at, value] of all.entries()) bytes.writeUInt32LE(value, 4 * at);
  return bytes;
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
    { name: 'c.txt', deflate: true, content: Buffer.from('c'.repeat(5000)), extra: extraOf(0x5455), mode: 0o100644 },
    { name: 'd', flags: 8, behind: descriptorOf('content', true) },
    { name: 'e', flags: 8, behind: descriptorOf('content', false) },
  ]);
  assert.deepEqual(await readAll(path), { 'a/b.csv': 'content', 'c.txt': 'c'.repeat(5000), d: 'content', e: 'content' });
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
    ['bytes before the first file', archive([{ name: 'a' }], { before: '#!/bin/sh' })],
    ['bytes between files', archive([{ name: 'a', behind: Buffer.from('hidden') }, { name: 'b' }])],
    ['a file that the directory does not name', archive([{ name: 'a', behind: readFileSync(archive([{ name: 'b' }])).subarray(0, 38) }])],
    ['bytes behind the content instead of a descriptor', archive([{ name: 'a', flags: 8, behind: Buffer.alloc(16) }])],
    ['a folder with content behind it', archive([{ name: 'a/', content: Buffer.alloc(0), behind: Buffer.from('x') }, { name: 'a/b' }])],
    ['another checksum for tools that read from the front', archive([{ name: 'a', localCrc: 1 }])],
    ['a second name', archive([{ name: 'a', extra: extraOf(0x7075) }])],
    ['a link', archive([{ name: 'a', mode: 0o120777 }])],
    ['a comment of a file', archive([{ name: 'a', comment: 'x' }])],
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
