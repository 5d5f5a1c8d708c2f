// Docs that repeat facts of the code are compared with it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { configKeys } from '../scripts/config-keys.ts';
import { consoleTypes } from '../scripts/console-types.ts';
import { errorsDocument } from '../scripts/errors-doc.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('docs/errors.md lists exactly the codes of the code table', () => {
  assert.equal(read('docs/errors.md'), errorsDocument());
});

test('the console has the types of the API as it is: node scripts/console-types.ts', async () => {
  assert.equal(read('console/src/api/types.ts'), await consoleTypes());
});

test('docs/dependencies.md has a row for every dependency and for nothing else', () => {
  const declared = ['package.json', 'console/package.json'].flatMap((path) => {
    const manifest = JSON.parse(read(path)) as Record<string, Record<string, string>>;
    return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  });
  const rows = read('docs/dependencies.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]));
  assert.deepEqual(rows.sort(), declared.sort());
});

test('every relative link in the docs leads to a file', () => {
  const pages = [
    'README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(root, 'docs'), { recursive: true }).map((name) => `docs/${name}`),
  ];
  const broken: string[] = [];
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    for (const match of read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      if (!existsSync(join(root, dirname(page), match[1]!))) broken.push(`${page}: ${match[1]}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('docs/config.md has a row for every key of sallyport.yaml and for nothing else', () => {
  const rows = [...read('docs/config.md').matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]);
  assert.deepEqual(rows.sort(), configKeys());
});
