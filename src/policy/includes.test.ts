import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { includePath, isIncluded, type PolicyReader, resolveInclude, withIncludes } from './includes.ts';
import { loadPolicy, type PolicyText, renderFault } from './index.ts';

const file = (name: string, ...includes: string[]): PolicyText => ({
  name,
  text: `version: 1\ninclude:\n${includes.map((path) => `  - ${JSON.stringify(path)}\n`).join('')}`.replace(/include:\n$/, ''),
});
const rule = (name: string, ruleName: string): PolicyText => ({
  name,
  text: `version: 1\nrules: [{ name: ${ruleName}, when: "true", then: deny }]\n`,
});

function faultsOf(...files: PolicyText[]): string[] {
  const loaded = loadPolicy({ files, packs: () => undefined });
  return loaded.ok ? [] : loaded.faults.map(renderFault);
}

/** A file system of these files; what is read is noted. */
function readerOf(files: readonly PolicyText[], read: string[] = []): PolicyReader {
  return {
    readText: async (name) => {
      read.push(name);
      return files.find((each) => each.name === name)?.text ?? null;
    },
    listFolder: async (folder) => {
      const names = files.map(({ name }) => name).filter((name) => name.startsWith(`${folder}/`));
      return names.length === 0 ? null : [...new Set(names.map((name) => name.slice(folder.length + 1).split('/')[0] ?? ''))];
    },
  };
}

test('what is included is found from the folder of the file that includes it, files and folders, each once', async () => {
  const files = [
    file('p/main.yaml', 'agents.yaml', 'teams/'),
    file('p/agents.yaml', 'teams/a.yaml'),
    rule('p/teams/a.yaml', 'a'),
    file('p/teams/b.yml', 'deep/c.yaml'),
    rule('p/teams/deep/c.yaml', 'c'),
    rule('p/teams/deep/not-included.yaml', 'n'),
    { name: 'p/teams/readme.md', text: 'no' },
    rule('teams/a.yaml', 'elsewhere'),
  ];
  const read: string[] = [];
  const all = await withIncludes(files.slice(0, 1), readerOf(files, read));
  assert.deepEqual(
    all.map(({ name }) => name),
    ['p/main.yaml', 'p/agents.yaml', 'p/teams/a.yaml', 'p/teams/b.yml', 'p/teams/deep/c.yaml'],
  );
  assert.equal(new Set(read).size, read.length);
  const loaded = loadPolicy({ files: all, packs: () => undefined });
  assert.ok(loaded.ok);
  assert.deepEqual(
    loaded.policy.rules.map(({ name }) => name),
    ['a', 'c'],
  );
});

test('what is included counts for the hash, whatever order it is read in', async () => {
  const files = [file('main.yaml', 'a.yaml', 'b.yaml'), rule('a.yaml', 'a'), rule('b.yaml', 'b')];
  const hash = (texts: readonly PolicyText[]): string => {
    const loaded = loadPolicy({ files: texts, packs: () => undefined });
    assert.ok(loaded.ok);
    return loaded.policy.sha256;
  };
  const all = await withIncludes(files.slice(0, 1), readerOf(files));
  assert.equal(hash(all), hash(files.toReversed()));
  assert.notEqual(hash(all), hash([...files.slice(0, 2), rule('b.yaml', 'other')]));
});

test('includes that nothing answers to are faults at their place, with what was probably meant', () => {
  assert.deepEqual(faultsOf(file('main.yaml', 'agnets.yaml', 'teams'), rule('agents.yaml', 'a')), [
    'main.yaml:3:5 include[0]: there is no such file, did you mean "agents.yaml"?',
    'main.yaml:4:5 include[1]: there is no such folder, or it has no .yaml file',
  ]);
});

test('a file that is broken itself is not reported as missing too', () => {
  assert.deepEqual(faultsOf(file('main.yaml', 'a.yaml'), { name: 'a.yaml', text: 'version: 2\n' }), [
    'a.yaml:1:10 version: must be the number 1',
  ]);
});

test('a missing file is refused by the loader even when the reader did not see the include', async () => {
  const hidden = { name: 'main.yaml', text: 'version: 1\n"\\x69nclude": [a.yaml]\n' };
  const all = await withIncludes([hidden], readerOf([rule('a.yaml', 'a')]));
  assert.deepEqual(faultsOf(...all), ['main.yaml:2:16 include[0]: there is no such file']);
});

test('cycles are refused at the entry that closes them; two files may include the same third', () => {
  assert.deepEqual(faultsOf(file('a.yaml', 'a.yaml')), ['a.yaml:3:5 include[0]: the file includes itself']);
  assert.deepEqual(faultsOf(file('a.yaml', 'b.yaml'), file('b.yaml', 'c.yaml'), file('c.yaml', 'a.yaml')), [
    'c.yaml:3:5 include[0]: files include each other: a.yaml -> b.yaml -> c.yaml -> a.yaml',
  ]);
  assert.deepEqual(faultsOf(file('a.yaml', 'b.yaml', 'c.yaml'), file('b.yaml', 'd.yaml'), file('c.yaml', 'd.yaml'), file('d.yaml')), []);
});

test('reading ends although files include each other', async () => {
  const files = [file('a.yaml', 'b.yaml'), file('b.yaml', 'a.yaml')];
  assert.equal((await withIncludes(files.slice(0, 1), readerOf(files))).length, 2);
});

for (const [path, what] of [
  ['/etc/passwd', /must be relative to this file/],
  ['\\\\host\\share', /must be relative to this file/],
  ['C:\\policy.yaml', /must be relative to this file/],
  ['~/policy.yaml', /must be relative to this file/],
  ['../other.yaml', /leaves the folder of this file/],
  ['teams/../../other.yaml', /leaves the folder of this file/],
  ['teams\\..\\x.yaml', /leaves the folder of this file/],
  ['./a.yaml', /must be a path of letters/],
  ['.hidden.yaml', /must be a path of letters/],
  ['a//b.yaml', /must be a path of letters/],
  ['a\u0000b.yaml', /must be a path of letters|not valid YAML/],
  ['', /must be a path of letters/],
  ['*.yaml', /must be a path of letters/],
] as const) {
  test(`include ${JSON.stringify(path)} is refused`, () => {
    assert.match(faultsOf(file('main.yaml', path)).join('\n'), what);
  });
}

test('no path that the schema lets through leads above the including file', () => {
  const part = fc.constantFrom('.', '..', 'a', '/', '\\', '~', 'C:', '-', ' ', '%2e', '\u2024', 'b.yaml', '\0');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = parts.join('');
      if (!includePath.safeParse(path).success) return;
      const { name } = resolveInclude('folder/main.yaml', path);
      const resolved = new URL(name.replaceAll('\\', '/'), 'file:///');
      assert.ok(resolved.pathname.startsWith('/folder/'), path);
    }),
    { numRuns: 2000 },
  );
});

test('a folder stands for its files and not for those of folders below it', () => {
  const teams = resolveInclude('main.yaml', 'teams/');
  assert.deepEqual(teams, resolveInclude('main.yaml', 'teams'));
  assert.deepEqual(
    ['teams/a.yaml', 'teams/b.yml', 'teams/deep/c.yaml', 'teams/readme.md', 'teamsters/a.yaml'].map((name) => isIncluded(teams, name)),
    [true, true, false, false, false],
  );
});

test('a policy of too many files or too much text is not read on', async () => {
  const many = Array.from({ length: 600 }, (_, index) => rule(`many/f${index}.yaml`, `r${index}`));
  const main = file('main.yaml', 'many/');
  await assert.rejects(withIncludes([main], readerOf([main, ...many])), /at most 500 files/);
  const large = { name: 'many/large.yaml', text: ' '.repeat(17 << 20) };
  await assert.rejects(withIncludes([main], readerOf([main, large])), /16 MiB/);
});
