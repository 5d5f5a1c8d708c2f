import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BlobTable } from './blob-table.ts';
import { nodeDisk } from './disk.ts';
import { Packs, readPackIndex } from './packs.ts';

test('a pack finds every payload by its hash, also where hashes begin alike', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sallyport-packs-'));
  try {
    // Same first four bytes, then the last byte counts down; between them hashes that begin differently.
    const hashes = Array.from({ length: 300 }, (_, at) =>
      at % 3 === 0
        ? `${((at * 2654435761) % 2 ** 32).toString(16).padStart(8, '0')}${'0'.repeat(56)}`
        : `deadbeef${'0'.repeat(53)}${(999 - at).toString(16).padStart(3, '0')}`,
    );
    const segment = await nodeDisk.open(join(dir, 'segment'), 'create');
    const places = new BlobTable();
    let offset = 0;
    for (const [at, sha256] of hashes.entries()) {
      const bytes = Buffer.from(`payload ${at}`);
      await segment.write([bytes], offset);
      places.add(sha256, offset, bytes.length);
      offset += bytes.length;
    }
    const packs = new Packs(nodeDisk, dir);
    await packs.add(0, 300, segment, places);
    await segment.close();
    for (const [at, sha256] of hashes.entries()) assert.equal(String(await packs.find(sha256, 0)), `payload ${at}`);
    assert.equal(await packs.find('f'.repeat(64), 0), null);
    const [name] = (await nodeDisk.list(dir)).filter((file) => file !== 'segment');
    const file = await nodeDisk.open(join(dir, name ?? ''), 'read');
    const index = await readPackIndex(file);
    const sorted = hashes.map((_, at) => index.sha256(at));
    await file.close();
    assert.deepEqual(sorted, hashes.toSorted());
  } finally {
    await rm(dir, { recursive: true });
  }
});
