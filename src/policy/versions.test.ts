import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadPolicy, loadVersion, splitSource } from './index.ts';

const pack = 'version: 1\nroles:\n  - { role: of-the-pack, members: [{ issuer: corp, group: p }] }\n';
const files = [
  { name: 'b.yaml', text: 'version: 1\npacks: [p]\n' },
  { name: 'ä "quoted"\n.yaml', text: 'version: 1\n# file "x" 3\n# é ü\n' },
];

test('a kept version loads again as what it was, whatever the packs of today are', () => {
  const loaded = loadPolicy({ files, packs: (name) => (name === 'p' ? pack : undefined) });
  assert.ok(loaded.ok);
  const again = loadVersion(loaded.policy.source);
  assert.ok(again.ok);
  assert.equal(again.policy.sha256, loaded.policy.sha256);
  assert.deepEqual(
    again.policy.roles.map(({ role }) => role),
    ['of-the-pack'],
  );
  const parts = splitSource(loaded.policy.source);
  assert.deepEqual(new Map(parts?.files.map(({ name, text }) => [name, text])), new Map(files.map(({ name, text }) => [name, text])));
});

test('a damaged version is refused, wherever it is cut', () => {
  const loaded = loadPolicy({ files, packs: () => pack });
  assert.ok(loaded.ok);
  const { source } = loaded.policy;
  for (let length = 0; length < source.length; length += 1) {
    const cut = splitSource(source.slice(0, length));
    // At the end of a part there is a shorter version, which has another hash.
    if (cut !== null) assert.ok(cut.files.length + cut.packs.size < 3, `cut at ${length}`);
  }
  assert.equal(splitSource(`${source}x`), null);
  assert.equal(splitSource(source.replace('# pack', '# hack')), null);
  assert.equal(loadVersion('').ok, false);
});

test('a kept version is held to the targets and identity providers of today when they are given', () => {
  const text =
    'version: 1\nroles:\n  - { role: r, members: [{ issuer: gone, group: g }] }\naccess:\n  - { role: r, targets: [lab], effects: [read] }\n';
  const loaded = loadPolicy({ files: [{ name: 'p.yaml', text }], packs: () => undefined });
  assert.ok(loaded.ok);
  assert.equal(loadVersion(loaded.policy.source).ok, true);
  assert.equal(loadVersion(loaded.policy.source, { targets: ['clinic'], issuers: ['gone'] }).ok, false);
  assert.equal(loadVersion(loaded.policy.source, { targets: ['lab'], issuers: ['corp'] }).ok, false);
});
