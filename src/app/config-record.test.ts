import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { EntryDraft } from '../core/event.ts';
import { configSha256, recordConfig } from './config-record.ts';
import type { ConfigDocument } from './config-schema.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
after(() => rmSync(root, { recursive: true, force: true }));
const document = (more: object): ConfigDocument => ({ version: 1, replica: 'main', ...more }) as ConfigDocument;

test('a start with another configuration than the last is an entry with hashes, and the same configuration is none', async () => {
  const entries: EntryDraft[] = [];
  const audit = { append: async (entry: EntryDraft) => entries.push(entry) };
  const dir = join(root, 'state');
  const first = document({ api: { a: 1, b: [1, { c: 2, d: 3 }] } });
  await recordConfig(first, audit, dir);
  await recordConfig(document({ api: { b: [1, { d: 3, c: 2 }], a: 1 } }), audit, dir);
  await recordConfig(document({ api: { a: 2 } }), audit, dir);
  writeFileSync(join(dir, 'config.sha256'), 'no hash at all: patient Miller');
  await recordConfig(first, audit, dir);
  const [one, two] = [configSha256(first), configSha256(document({ api: { a: 2 } }))];
  assert.notEqual(one, two);
  assert.deepEqual(entries, [
    { type: 'config.changed', detail: { sha256: one, previous: 'none' } },
    { type: 'config.changed', detail: { sha256: two, previous: one } },
    { type: 'config.changed', detail: { sha256: one, previous: 'unreadable' } },
  ]);
});

test('a configuration that could not be recorded is not remembered: the next start tries again', async () => {
  const dir = join(root, 'failed');
  const failing = { append: async () => Promise.reject(new Error('disk')) };
  await assert.rejects(recordConfig(document({}), failing, dir), /disk/);
  assert.throws(() => readFileSync(join(dir, 'config.sha256')), /ENOENT/);
});
