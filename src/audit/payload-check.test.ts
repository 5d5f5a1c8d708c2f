import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealedHashes, sealedHashesIn } from './payload-check.ts';

function byWholeParse(entry: string): unknown[] {
  try {
    return sealedHashes((JSON.parse(entry) as { sealed?: unknown }).sealed);
  } catch {
    return [];
  }
}

const refs = '[{"kind":"result","sha256":"aa","bytes":1},{"sha256":"bb","first":3},{"bytes":1}]';
const entries = [
  `{"v":1,"seq":0,"sealed":${refs}}`,
  `{"v":1,"seq":0,"sealed":${refs}}\n`,
  `{"v":1,"sealed":${refs},"seq":0}`,
  `{"sealed":${refs}}`,
  `{"v":1, "sealed" : ${refs} }`,
  `{"v":1,"sealed":[]}`,
  `{"v":1,"sealed":null}`,
  `{"v":1,"sealed":"aa"}`,
  `{"v":1}`,
  // Of something else than the entry, before and behind its own.
  `{"v":1,"detail":{"a":1,"sealed":${refs}}}`,
  `{"v":1,"detail":{"a":1,"sealed":["x"]},"sealed":${refs}}`,
  `{"v":1,"sealed":${refs},"detail":{"a":1,"sealed":["x"]}}`,
  // In a text.
  `{"v":1,"sealed":${refs},"rule":",\\"sealed\\":[1]"}`,
  `{"v":1,"sealed":${refs},"rule":"\\\\,\\"sealed\\":[1]"}`,
  // Twice: the last one counts.
  `{"v":1,"sealed":["x"],"sealed":${refs}}`,
  `{"v":1,"sealed":${refs},"s\\u0065aled":["x"]}`,
  // No entries.
  '',
  '{',
  'null',
  '[]',
  '"sealed"',
  `,"sealed":`,
];

test('the payloads of an entry are those of its member `sealed`, wherever it stands', () => {
  for (const entry of entries) assert.deepEqual(sealedHashesIn(Buffer.from(entry)), byWholeParse(entry), entry);
  assert.deepEqual(sealedHashesIn(Buffer.from(entries[0]!)), ['aa', null]);
});
