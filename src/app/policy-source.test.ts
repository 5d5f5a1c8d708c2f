// Policy files as they lie on a disk: folders, includes, links.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { SallyportError } from '../core/error.ts';
import { loadPolicyTexts, readPolicyTexts } from './policy-source.ts';

let root = '';
let folder = '';
before(() => (root = mkdtempSync(join(tmpdir(), 'sallyport-policy-'))));
after(() => rmSync(root, { recursive: true }));
let count = 0;
beforeEach(() => (folder = join(root, `case-${(count += 1)}`)));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const including = (...paths: string[]): string => `version: 1\ninclude: ${JSON.stringify(paths)}\n`;
const rule = (name: string): string => `version: 1\nrules: [{ name: ${name}, when: "true", then: deny }]\n`;
const namesIn = async (...paths: string[]): Promise<string[]> => (await readPolicyTexts(paths, folder)).map(({ name }) => name);
const refused = (what: RegExp) => (fault: unknown) =>
  fault instanceof SallyportError && fault.code === 'SP_CONFIG_INVALID' && what.test(fault.message);

test('files and folders that are named are read with what they include, by name from the folder of the configuration', async () => {
  const main = write('policy/main.yaml', including('teams/', 'shared.yaml'));
  write('policy/teams/a.yaml', rule('a'));
  write('policy/teams/notes.txt', 'no policy');
  write('policy/shared.yaml', rule('shared'));
  write('policy/unused.yaml', rule('unused'));
  assert.deepEqual(await namesIn(main), ['policy/main.yaml', 'policy/teams/a.yaml', 'policy/shared.yaml']);
  assert.deepEqual((await namesIn(join(folder, 'policy'))).toSorted(), [
    'policy/main.yaml',
    'policy/shared.yaml',
    'policy/teams/a.yaml',
    'policy/unused.yaml',
  ]);
});

test('an include that is not there is a fault at its place, not an error of the file system', async () => {
  const main = write('main.yaml', including('missing.yaml', 'missing/', 'file.yaml'));
  write('file.yaml', rule('a'));
  const loaded = loadPolicyTexts(await readPolicyTexts([main], folder), {});
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.faults.map(({ line, column, path }) => [line, column, path]),
    [
      [2, 11, 'include[0]'],
      [2, 26, 'include[1]'],
    ],
  );
});

test('a link that leads out of the folder of the policy is refused, for files and for folders', async () => {
  write('secret/outside.yaml', rule('outside'));
  const main = write('policy/main.yaml', including('link.yaml'));
  symlinkSync('../secret/outside.yaml', join(folder, 'policy/link.yaml'));
  await assert.rejects(namesIn(main), refused(/leads out of the folder of the policy/));
  const other = write('other/main.yaml', including('link'));
  symlinkSync('../secret', join(folder, 'other/link'));
  await assert.rejects(namesIn(other), refused(/leads out of the folder of the policy/));
  // A folder whose name only begins alike.
  write('policy-2/x.yaml', rule('x'));
  const near = write('policy/near.yaml', including('near-link.yaml'));
  symlinkSync('../policy-2/x.yaml', join(folder, 'policy/near-link.yaml'));
  await assert.rejects(namesIn(near), refused(/leads out of the folder of the policy/));
});

test('links inside of the folder are followed: that is how a mounted ConfigMap looks', async () => {
  write('policy/..2026/main.yaml', including('rules.yaml'));
  write('policy/..2026/rules.yaml', rule('a'));
  symlinkSync('..2026', join(folder, 'policy/..data'));
  symlinkSync('..data/main.yaml', join(folder, 'policy/main.yaml'));
  symlinkSync('..data/rules.yaml', join(folder, 'policy/rules.yaml'));
  assert.deepEqual(await namesIn(join(folder, 'policy/main.yaml')), ['policy/main.yaml', 'policy/rules.yaml']);
});

test('what is no file, what cannot be followed and an empty folder are refused', async () => {
  const main = write('main.yaml', including('loop.yaml'));
  symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
  await assert.rejects(namesIn(main), refused(/loop\.yaml: cannot be read \(ELOOP\)/));
  const folderAsFile = write('second.yaml', including('folder.yaml'));
  mkdirSync(join(folder, 'folder.yaml'));
  await assert.rejects(namesIn(folderAsFile), refused(/folder\.yaml: is not a file/));
  mkdirSync(join(folder, 'empty'));
  await assert.rejects(namesIn(join(folder, 'empty')), refused(/has no \.yaml file/));
  await assert.rejects(namesIn(join(folder, 'nowhere.yaml')), refused(/cannot be read \(ENOENT\)/));
});

test('a policy of more than 500 files is refused', async () => {
  const main = write('main.yaml', including('many/'));
  for (let index = 0; index < 501; index++) write(`many/f${index}.yaml`, 'version: 1\n');
  await assert.rejects(namesIn(main), refused(/at most 500 files/));
});
